"""Documents made of documents: merged, without bundles, and with each thing said once.

Nothing here changes what it is given. Prefixes are presentation: where two documents use one prefix for two
namespaces, the later one gets another prefix, and all names stay what they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from trilha.prov.constraints.chase import Chase
from trilha.prov.constraints.normal import check_valid
from trilha.prov.constraints.terms import is_variable
from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import Name, Namespaces
from trilha.prov.record import Record
from trilha.prov.terms import PLACEHOLDER, Kind

__all__ = ["declare", "flattened", "merged", "unified"]


def merged(documents: Iterable[Document]) -> Document:
    """One document that says all that some documents say. Bundles of one name become one.

    Repeated statements are kept once, in the order in which they are met. Statements are not compared
    beyond that: `unified` makes one of those with the same identifier.

    Example:
        >>> one, other = Document({"ex": "http://example.org/"}), Document({"ex": "http://example.com/"})
        >>> record = one.entity("ex:e"), other.entity("ex:e")
        >>> both = merged([one, other])
        >>> len(both), both.namespaces.get("ex1")
        (2, 'http://example.com/')
    """
    made = Document()
    said: list[Record] = []
    inside: dict[Name, list[Record]] = {}
    for document in documents:
        declare(made.namespaces, document.namespaces)
        said += document.records
        for bundle in document.bundles.values():
            declare(made.bundle(bundle.name).namespaces, bundle.namespaces)
            inside.setdefault(bundle.name, []).extend(bundle.records)
    made.update(dict.fromkeys(said))
    for name, records in inside.items():
        made.bundles[name].update(dict.fromkeys(records))
    return made


def flattened(document: Document) -> Document:
    """The document with the statements of its bundles as its own, and without bundles.

    Repeated statements are kept once. What was said in two bundles may contradict itself when put together,
    so a valid document may become one that is not.
    """
    made = Document()
    declare(made.namespaces, document.namespaces)
    said = list(document.records)
    for bundle in document.bundles.values():
        declare(made.namespaces, bundle.namespaces)
        said += bundle.records
    made.update(dict.fromkeys(said))
    return made


def unified(document: Document) -> Document:
    """The document with one statement of each thing (PROV-CONSTRAINTS 22 to 29), bundle by bundle.

    Statements of one kind and identifier become one with the attributes of all, and so do generations,
    invalidations, starts and ends that must be one; an activity gets the times of its starts and ends, and
    they get its. Nothing is inferred beyond that; statements that nothing merges with stay as they are.

    Raises:
        UsageError: the document is not valid; the message names the first violation.
    """
    check_valid(document, "cannot be unified")
    made = Document(document.namespaces)
    made.update(_united(document))
    for bundle in document.bundles.values():
        made.bundle(bundle.name, bundle.namespaces).update(_united(bundle))
    return made


def declare(mine: Namespaces, theirs: Namespaces) -> None:
    """Add prefixes; one that stands for another namespace here is added under another name."""
    known = {iri for _, iri in mine.items()}
    for prefix, iri in theirs.items():
        if iri in known:
            continue
        known.add(iri)
        free, number = prefix, 0
        while mine.get(free) not in (None, iri):
            number += 1
            free = f"{prefix or 'ns'}{number}"
        mine.add(free, iri)


def _united(source: Document | Bundle) -> list[Record]:
    records = source.records
    chase = Chase(records, sys.maxsize)  # nothing is inferred
    chase.unite()
    names = chase.called()
    made = []
    for number, fact in enumerate(chase.facts):
        if fact is None:
            continue
        sources = [records[index] for index in chase.sources[number]]
        if fact[0] > Kind.MEMBERSHIP:
            made.append(sources[0])
            continue
        cells: list[Any] = [fact[0]]
        for cell, term in enumerate(fact[1:], 1):
            if term is PLACEHOLDER or is_variable(term):
                cells.append(_empty(sources, cell, names.get(term, term)))
            else:
                cells.append(term)
        pairs = chase.attributes[number].values()
        flat = tuple(one for pair in pairs for one in pair)
        made.append(Record.new((*cells, flat)))
    return made


def _empty(sources: list[Record], cell: int, term: Any) -> Any:
    """What a cell holds in which nothing is known: a name that begins with ``_:``, ``-``, or nothing."""
    if term.__class__ is Name:
        return term
    return next((record[cell] for record in sources if record[cell] is PLACEHOLDER), None)
