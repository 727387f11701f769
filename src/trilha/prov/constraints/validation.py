"""Validation: all steps, in their order (PROV-CONSTRAINTS section 6.1)."""

from __future__ import annotations

from trilha.prov.constraints.dictionaries import check_dictionaries, infer_members
from trilha.prov.constraints.instance import Instance
from trilha.prov.constraints.merging import merge
from trilha.prov.constraints.ordering import check_order
from trilha.prov.constraints.overlap import check_overlap
from trilha.prov.constraints.specialization import Specializations
from trilha.prov.constraints.typed import (
    both,
    check_arguments,
    check_collections,
    check_derivations,
    check_types,
    empty_collections,
)
from trilha.prov.constraints.verdict import Verdict, Violation
from trilha.prov.document import Bundle, Document
from trilha.prov.terms import Kind
from trilha.prov.uncollected import uncollected

__all__ = ["validate"]


def validate(document: Document) -> Verdict:
    """Check a document, and each of its bundles on its own, against PROV-CONSTRAINTS.

    Time grows with the number of statements (times a logarithm where many merge), memory with it.

    Returns:
        The verdict: valid or not, and each violation with its constraint, statements and reasons.

    Example:
        >>> document = Document({"ex": "http://example.org/"})
        >>> record = document.entity("ex:x")
        >>> record = document.activity("ex:x")
        >>> verdict = validate(document)
        >>> verdict.valid, verdict.violations[0].rule.name
        (False, 'entity-activity-disjoint')
    """
    # What is built here is many times as many objects as the document has, and none of them garbage.
    with uncollected():
        found = _violations(document, document)
        for bundle in document.bundles.values():
            found += _violations(bundle, document)
    return Verdict(tuple(found))


def _violations(source: Document | Bundle, document: Document) -> list[Violation]:
    """Those of one instance, in the order of its statements."""
    instance = Instance(source, document)
    check_arguments(instance)
    check_derivations(instance)
    infer_members(instance)
    merge(instance)
    specializations = Specializations(instance)
    stated = {instance.resolved(instance.records[i][1]) for i in instance.by_kind[Kind.ENTITY]}
    inherited = specializations.spread(stated)
    check_overlap(instance, inherited)
    conflicting = both(instance)
    check_types(instance, conflicting)
    check_collections(instance, specializations)
    check_dictionaries(instance, empty_collections(instance))
    specializations.check()
    check_order(instance, inherited, conflicting)
    return sorted(instance.violations, key=lambda one: [statement.index for statement in one.statements])
