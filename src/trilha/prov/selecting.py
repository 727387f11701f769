"""Parts of a document: by type, by time, or the lineage of one thing.

A name is the same thing in the document and in all its bundles, so what is selected is found in all of them
together; then the document and each bundle keep the statements that are about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

from trilha.errors import NotFound, UsageError
from trilha.prov.document import Document
from trilha.prov.namespaces import PROV, Name
from trilha.prov.record import Record
from trilha.prov.terms import PLACEHOLDER, Kind
from trilha.prov.values import time as _time

__all__ = ["selected_lineage", "selected_time", "selected_type"]

_Keeps = Callable[[Record], bool]

_CAUSES: Final[dict[Kind, tuple[int, ...]]] = {
    Kind.GENERATION: (3,),
    Kind.USAGE: (3,),
    Kind.COMMUNICATION: (3,),
    Kind.START: (3, 4),
    Kind.DERIVATION: (3, 4),
    Kind.ATTRIBUTION: (3,),
    Kind.ASSOCIATION: (3, 4),
    Kind.DELEGATION: (3,),
    Kind.INFLUENCE: (3,),
    Kind.SPECIALIZATION: (3,),
    Kind.MENTION: (3,),
    Kind.MEMBERSHIP: (3,),
    Kind.INSERTION: (3,),
    Kind.REMOVAL: (3,),
    Kind.DICTIONARY_MEMBERSHIP: (3,),
}
"""The cells that tell where the thing in cell 2 came from. An end or an invalidation comes after it."""


def selected_type(document: Document, type: str) -> Document:
    """What is of one type, and the relations within it.

    Args:
        document: a document; it is not changed.
        type: a value of ``prov:type``, as a `Name` or ``"ex:Report"``; or a kind as PROV-N calls it. With
            ``"entity"``, ``"activity"`` or ``"agent"``, or a ``prov:type``, those are kept, and the relations
            whose first two arguments are kept; with the name of a relation, those relations are kept, and
            what they name.

    Raises:
        UsageError: it is no kind, and its prefix is not declared.
    """
    kind = next((kind for kind in Kind if kind.provn == type), None)
    if kind is not None and not kind.is_element:
        named = {name for record in _all(document) if record[0] == kind for name in _names(record)}
        return _kept(document, lambda r: r[0] == kind or (r[0] <= Kind.AGENT and r[1] in named))
    if kind is not None:
        found = {record[1] for record in _all(document) if record[0] == kind}
        return _kept(document, lambda r: r[0] == kind if r[0] <= Kind.AGENT else _within(r, found))
    wanted = document.namespaces.resolve(type)
    key = PROV["type"]
    found = {
        record[1]
        for record in _all(document)
        if record[0] <= Kind.AGENT and any(v == wanted and v.__class__ is Name for v in record.values(key))
    }
    return _kept(document, lambda record: _within(record, found))


def selected_time(document: Document, begin: datetime | str | None, end: datetime | str | None) -> Document:
    """What happened between two times, both included.

    Kept are relations of a time within, activities that went on at any moment within (one of which only the
    start or the end is told, by that one), what those name, and the relations without a time whose first two
    arguments are kept. A time without a zone is taken as UTC.

    Args:
        document: a document; it is not changed.
        begin: the first moment; None if there is none.
        end: the last moment; None if there is none.

    Raises:
        UsageError: one of them is no time, or the end is before the beginning.
    """
    first, last = _moment(begin), _moment(end)
    if first is not None and last is not None and last < first:
        raise UsageError(
            f"the window ends at {end}, before it begins at {begin}: expected the earlier one first"
        )

    def inside(time: Any) -> bool:
        when = _moment(time)
        return when is not None and (first is None or first <= when) and (last is None or when <= last)

    def goes_on(record: Record) -> bool:
        start, stop = (_moment(cell) for cell in record[2:4])
        start, stop = start or stop, stop or start
        return (
            start is not None
            and stop is not None
            and (last is None or start <= last)
            and (first is None or first <= stop)
        )

    found: set[Any] = set()
    for record in _all(document):
        if record[0] == Kind.ACTIVITY:
            if goes_on(record):
                found.add(record[1])
        elif _timed(record) and inside(_timed(record)):
            found.update(_names(record))

    def keeps(record: Record) -> bool:
        if record[0] <= Kind.AGENT:
            return record[1] in found
        time = _timed(record)
        return inside(time) if time else _within(record, found)

    return _kept(document, keeps)


def selected_lineage(document: Document, name: str) -> Document:
    """Where one thing came from: all that its relations lead to upstream, and those relations.

    Followed are all relations from what they are about to what it came from: generation, usage,
    communication, start, derivation, attribution, association, delegation (only of activities that are kept,
    or of none), influence, specialization, mention, alternates both ways, and collections to their members.
    Ends and invalidations come after a thing, and are left out.

    Args:
        document: a document; it is not changed.
        name: its identifier, a `Name` or ``"ex:e1"``.

    Raises:
        NotFound: nothing in the document is called so.
        UsageError: its prefix is not declared.
    """
    wanted = document.namespaces.resolve(name)
    about: dict[Name, list[Record]] = {}
    met = False
    for record in _all(document):
        met = met or wanted in (record[1], *_names(record))
        if record[0] in _CAUSES or record[0] == Kind.ALTERNATE:
            about.setdefault(record[2], []).append(record)
        if record[0] == Kind.ALTERNATE:
            about.setdefault(record[3], []).append(record)
    if not met:
        raise NotFound(
            f"nothing in the document is called {name}: expected an entity, activity or agent of it"
        )
    found, waiting = {wanted}, [wanted]
    while waiting:
        for record in about.get(waiting.pop(), ()):
            fresh = [cause for cause in _causes(record) if cause not in found]
            found.update(fresh)
            waiting += dict.fromkeys(fresh)

    def keeps(record: Record) -> bool:
        kind = record[0]
        if kind <= Kind.AGENT:
            return record[1] in found
        if kind == Kind.DELEGATION and record[4] not in found and record[4].__class__ is Name:
            return False
        return (kind in _CAUSES or kind == Kind.ALTERNATE) and record[2] in found

    return _kept(document, keeps)


def _causes(record: Record) -> Iterator[Name]:
    kind = record[0]
    if kind == Kind.ALTERNATE:
        yield from _names(record)
        return
    for cell in _CAUSES[kind]:
        if record[cell].__class__ is Name:
            yield record[cell]
    if kind == Kind.INSERTION:
        yield from (entity for _, entity in record[4])


def _all(document: Document) -> Iterator[Record]:
    yield from chain(document.records, *(bundle.records for bundle in document.bundles.values()))


def _names(record: Record) -> Iterator[Name]:
    """What the arguments name: elements, not generations and usages."""
    if record[0] == Kind.EXTENSION:
        return
    last = 5 if record[0] == Kind.DERIVATION else len(record) - 1
    yield from (cell for cell in record[2:last] if cell.__class__ is Name)
    if record[0] == Kind.INSERTION:
        yield from (entity for _, entity in record[4])


def _within(record: Record, found: set[Any]) -> bool:
    """Whether an element is among some; or both ends of a relation."""
    if record[0] <= Kind.AGENT:
        return record[1] in found
    return record[0] != Kind.EXTENSION and record[2] in found and record[3] in found


def _timed(record: Record) -> Any:
    """The time of a relation, or None."""
    kind = record[0]
    if kind in (Kind.GENERATION, Kind.USAGE, Kind.INVALIDATION):
        return record[4] or None
    return (record[5] or None) if kind in (Kind.START, Kind.END) else None


def _moment(given: Any) -> datetime | None:
    if given is None or given is PLACEHOLDER or given == "":
        return None
    when = _time(given)
    if not isinstance(when, datetime):
        try:
            when = datetime.fromisoformat(when)
        except ValueError:
            return None  # a time that Python cannot hold is in no window
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def _kept(document: Document, keeps: _Keeps) -> Document:
    """The statements that are wanted, and the bundles in which there are some."""
    made = Document(document.namespaces)
    made.update(filter(keeps, document.records))
    for bundle in document.bundles.values():
        records = list(filter(keeps, bundle.records))
        if records:
            made.bundle(bundle.name, bundle.namespaces).update(records)
    return made
