"""The normal form of a document (PROV-CONSTRAINTS sections 2.4, 6.1 and 6.2).

An existential variable is a name that begins with ``_:``, and at the place of a time an argument that is left
out: that two times are the same variable follows from the statements (23, 28, 29), so nothing is lost.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Final, NamedTuple

from trilha.errors import UsageError
from trilha.prov.constraints.chase import Chase, Fact, Pairs
from trilha.prov.constraints.folding import fold
from trilha.prov.constraints.terms import is_variable
from trilha.prov.constraints.validation import validate
from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import Name
from trilha.prov.record import Record
from trilha.prov.terms import Kind

__all__ = ["LIMIT", "Normal", "check_valid", "normal_form", "normalized"]

LIMIT: Final = 2_000_000
"""So many statements may a normal form have, of the document or of a bundle, unless one says otherwise."""


class Normal(NamedTuple):
    """An instance in normal form.

    Attributes:
        facts: its statements with all their terms; variables are numbers, or names that begin with ``_:``.
        attributes: of each.
        whole: whether all that only says less than something else was found and taken out.
    """

    facts: list[Fact]
    attributes: list[Pairs]
    whole: bool


def normal_form(document: Document, limit: int = LIMIT) -> Document:
    """All that a document says, once: short forms expanded, inferences made, statements merged.

    Statements that were stated stand first, in their order. Two documents that say the same have normal forms
    that differ in the names of variables at most (`trilha.prov.constraints.equivalent`).

    Args:
        document: a valid document; it is not changed.
        limit: so many statements may follow, of the document or of a bundle.

    Raises:
        UsageError: the document is not valid, and so has no normal form; or more statements follow.

    Example:
        >>> document = Document({"ex": "http://example.org/"})
        >>> record = document.entity("ex:report")
        >>> [record.kind.provn for record in normal_form(document)]
        ['entity', 'wasGeneratedBy', 'wasInvalidatedBy', 'alternateOf', 'wasInfluencedBy', 'wasInfluencedBy']
    """
    check_valid(document, "has no normal form")
    made = Document(document.namespaces)
    names = count(1)
    made.update(_records(normalized(document, limit), names))
    for bundle in document.bundles.values():
        inner = made.bundle(bundle.name, bundle.namespaces)
        inner.update(_records(normalized(bundle, limit), names))
    return made


def check_valid(document: Document, otherwise: str) -> None:
    """Refuse a document that is not valid.

    Raises:
        UsageError: it is not; the message names the first violation.
    """
    verdict = validate(document)
    if not verdict.valid:
        more = len(verdict.violations) - 1
        rest = f", and {more} more violation{'s' * (more > 1)}" if more else ""
        raise UsageError(
            f"the document is not valid, so it {otherwise}: {verdict.violations[0]}{rest}; mend it first:"
            " trilha validate tells all"
        )


def normalized(source: Document | Bundle, limit: int = LIMIT) -> Normal:
    """The statements of a valid document, or of a bundle, in normal form."""
    chase = Chase(dict.fromkeys(source.records), limit)
    chase.run()
    facts, whole = fold(chase.facts, chase.attributes)
    kept = [number for number, fact in enumerate(facts) if fact is not None]
    return Normal([facts[number] or () for number in kept], [chase.attributes[n] for n in kept], whole)


def _records(normal: Normal, names: count[int]) -> list[Record]:
    known: dict[Any, Name] = {}
    made = []
    for fact, pairs in zip(normal.facts, normal.attributes, strict=True):
        kind = fact[0]
        if kind > Kind.MEMBERSHIP:
            made.append(fact[1])
            continue
        cells: list[Any] = [kind]
        times = {cell for cell, argument in enumerate(kind.arguments, 2) if argument.is_time}
        for cell, term in enumerate(fact[1:], 1):
            if not is_variable(term):
                cells.append(term)
            elif cell in times:
                cells.append(None)
            else:
                if term not in known:
                    known[term] = Name(f"_:v{next(names)}")
                cells.append(known[term])
        made.append(Record.new((*cells, tuple(one for pair in pairs.values() for one in pair))))
    return made
