"""What two documents do not both say: statement by statement, bundle by bundle.

Statements of one kind and identifier that say other things are told as a change; all others stand on one of
the two sides. Prefixes, order and repetition do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import Name
from trilha.prov.record import Record
from trilha.prov.values import value_key

__all__ = ["Change", "Differences", "Part", "differences", "without_variables"]


@dataclass(frozen=True, slots=True)
class Change:
    """Statements of one kind and identifier that say other things in the two documents.

    Attributes:
        first: those that only the first document has.
        second: those that only the second one has.
    """

    first: tuple[Record, ...]
    second: tuple[Record, ...]

    def cells(self) -> list[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
        """What differs: an argument's name or an attribute's key, its values here, and there."""
        found = []
        kind = self.first[0].kind
        for cell, argument in enumerate(kind.arguments, 2):
            mine, theirs = _values(self.first, cell), _values(self.second, cell)
            if mine != theirs:
                found.append((argument.name, mine, theirs))
        here, there = _pairs(self.first), _pairs(self.second)
        keys = dict.fromkeys(key for key, *_ in (*here, *there))
        for key in keys:
            one = tuple(value for pair, value in here.items() if pair[0] == key and pair not in there)
            other = tuple(value for pair, value in there.items() if pair[0] == key and pair not in here)
            if one or other:
                found.append((key, one, other))
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """What differs in the documents themselves, or in one bundle.

    Attributes:
        bundle: its name; None for the documents themselves.
        first: what only the first one says.
        second: what only the second one says.
        changed: statements of one identifier that say other things.
        alone: 1 or 2 if only that document has the bundle, else 0.
    """

    bundle: Name | None
    first: tuple[Record, ...]
    second: tuple[Record, ...]
    changed: tuple[Change, ...]
    alone: int = 0


@dataclass(frozen=True, slots=True)
class Differences:
    """What two documents do not both say. It is true if there is something.

    Attributes:
        parts: where they differ: the documents themselves first, then bundle by bundle.
    """

    parts: tuple[Part, ...]

    def __bool__(self) -> bool:
        return bool(self.parts)


def differences(one: Document, other: Document) -> Differences:
    """What two documents do not both say.

    Example:
        >>> one, other = Document({"ex": "http://example.org/"}), Document({"ex": "http://example.org/"})
        >>> record = one.entity("ex:e", {"prov:label": "draft"}), one.agent("ex:ana")
        >>> record = other.entity("ex:e", {"prov:label": "final"})
        >>> (part,) = differences(one, other).parts
        >>> len(part.first), len(part.second), [change.cells()[0][1:] for change in part.changed]
        (1, 0, [(('draft',), ('final',))])
    """
    parts = [_part(None, one, other)]
    for name in dict.fromkeys((*one.bundles, *other.bundles)):
        parts.append(_part(name, one.bundles.get(name), other.bundles.get(name)))
    return Differences(tuple(part for part in parts if part is not None))


def without_variables(document: Document) -> Document:
    """A normal form whose statements can be compared one by one: each variable is ``_:_``, or left out.

    Two that differ only in which variables are the same come out equal.
    """
    made = Document(document.namespaces)
    made.update(dict.fromkeys(map(_without_variables, document.records)))
    for bundle in document.bundles.values():
        inner = made.bundle(bundle.name, bundle.namespaces)
        inner.update(dict.fromkeys(map(_without_variables, bundle.records)))
    return made


_SOMETHING: Final = Name("_:_")


def _without_variables(record: Record) -> Record:
    if not any(_is_variable(cell) for cell in record[1:-1]):
        return record
    cells = [_SOMETHING if _is_variable(cell) else cell for cell in record[2:-1]]
    name = None if _is_variable(record[1]) and not record.kind.is_element else record[1]
    return Record.new((record[0], name, *cells, record[-1]))


def _is_variable(cell: Any) -> bool:
    return cell.__class__ is Name and cell.startswith("_:")


def _part(name: Name | None, one: Document | Bundle | None, other: Document | Bundle | None) -> Part | None:
    alone = 1 if other is None else 2 if one is None else 0
    if one is not None and other is not None and one.says_as(other):
        return None
    mine = {record.key: record for record in one.records} if one is not None else {}
    theirs = {record.key: record for record in other.records} if other is not None else {}
    first = [record for key, record in mine.items() if key not in theirs]
    second = [record for key, record in theirs.items() if key not in mine]
    here, there = _by_identifier(first), _by_identifier(second)
    both = here.keys() & there.keys()
    changed = [Change(tuple(some), tuple(there[key])) for key, some in here.items() if key in both]
    return Part(
        name,
        tuple(record for record in first if record[:2] not in both),
        tuple(record for record in second if record[:2] not in both),
        tuple(changed),
        alone,
    )


def _by_identifier(records: list[Record]) -> dict[tuple[Any, ...], list[Record]]:
    found: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        if record[1] is not None:
            found.setdefault(record[:2], []).append(record)
    return found


def _values(records: tuple[Record, ...], cell: int) -> tuple[Any, ...]:
    """What some statements have in a cell, each value once; what is left out is none."""
    return tuple(dict.fromkeys(record[cell] for record in records if record[cell]))


def _pairs(records: tuple[Record, ...]) -> dict[tuple[Any, ...], Any]:
    return {(key, *value_key(value)): value for record in records for key, value in record.attributes}
