"""One statement of PROV (PROV-DM section 5), as a tuple.

A `Record` is ``(kind, identifier, argument 1, …, argument n, attributes)`` with the attributes flat,
``(key 1, value 1, key 2, value 2, …)``: no object has a dictionary of its own, and all that does not vary is
shared. Each kind has a class of its own, which names its arguments and holds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, Self

from trilha.prov.namespaces import Name
from trilha.prov.terms import PLACEHOLDER, Kind, Placeholder
from trilha.prov.values import Value, value_key

__all__ = [
    "CLASSES",
    "Activity",
    "Agent",
    "Alternate",
    "Association",
    "Attribution",
    "Braces",
    "Communication",
    "Delegation",
    "Derivation",
    "DictionaryMembership",
    "End",
    "Entity",
    "Extension",
    "Generation",
    "Group",
    "Influence",
    "Insertion",
    "Invalidation",
    "Membership",
    "Mention",
    "Parentheses",
    "Record",
    "Reference",
    "Removal",
    "Specialization",
    "Start",
    "Time",
    "Usage",
]

Reference = Name | Placeholder | None
"""An argument that names something: None if it was left out, `PLACEHOLDER` if it was written as ``-``."""
Time = datetime | str | Placeholder | None
"""An argument that is a time: aware, or the text of an ``xsd:dateTime`` that Python cannot hold."""


def _cell(index: int | slice) -> Any:
    return property(itemgetter(index))


class Record(tuple[Any, ...]):
    """A statement. It cannot be changed.

    Two are equal when they say the same (PROV-DM): the attributes are a set, and values are typed, so that 1,
    1.0, True and "1" all differ, while NaN equals NaN. Times are equal when they are the same instant. An
    argument left out and one written as ``-`` say the same (PROV-CONSTRAINTS section 4.1, definition 4).

    Attributes:
        kind: its `Kind`.
        id: the identifier, a `Name`; None for a relation without one.
        arguments: the arguments, in the order of PROV-N.
        flat: the attributes as they are kept, ``(key 1, value 1, key 2, value 2, …)``.
    """

    __slots__ = ()

    kind: Kind = _cell(0)
    id: Name | None = _cell(1)
    arguments: tuple[Any, ...] = _cell(slice(2, -1))
    flat: tuple[Any, ...] = _cell(-1)

    @staticmethod
    def new(cells: tuple[Any, ...]) -> Record:
        """A statement of cells that are in their final form, unchecked: for readers, who checked them.

        Args:
            cells: kind (a `Kind`), identifier, all arguments, flat attributes; names as `Name`.
        """
        record: Record = tuple.__new__(CLASSES[cells[0]], cells)
        return record

    @property
    def attributes(self) -> tuple[tuple[Name, Value], ...]:
        """The attributes as pairs of key and value, in the order in which they were given."""
        flat = self[-1]
        return tuple(zip(flat[::2], flat[1::2])) if flat else ()  # noqa: B905 -- as many by construction

    def values(self, key: str) -> list[Value]:
        """All values of the attribute `key` (a whole IRI, such as ``PROV["type"]``), in order."""
        flat = self[-1]
        return [flat[i + 1] for i in range(0, len(flat), 2) if flat[i] == key]

    def value(self, key: str, default: Value | None = None) -> Value | None:
        """The first value of the attribute `key`, else `default`."""
        flat = self[-1]
        for i in range(0, len(flat), 2):
            if flat[i] == key:
                return flat[i + 1]  # type: ignore[no-any-return]
        return default

    def replace(self, **cells: Any) -> Self:
        """A copy with other cells, by name, unchecked: ``record.replace(time=when, flat=())``."""
        names = ["kind", "id", *(argument.name for argument in self.kind.arguments), "flat"]
        changed = [cells.pop(name, old) for name, old in zip(names, self, strict=True)]
        if cells:
            raise TypeError(
                f"{self.kind.provn} has no {', '.join(cells)}: expected some of {', '.join(names)}"
            )
        return tuple.__new__(type(self), changed)

    @property
    def key(self) -> tuple[Any, ...]:
        """What two equal statements share: hashable, of no meaning beyond that."""
        if self[0] > _LAST_PLAIN:
            return _typed_key(self)
        flat, cells = self[-1], self[:-1]
        if PLACEHOLDER in cells:
            cells = tuple(None if cell is PLACEHOLDER else cell for cell in cells)
        if not flat:
            return cells
        if len(flat) == 2:
            key, value = flat
            return (*cells, key, value.__class__, value if value == value else "NaN")  # noqa: PLR0124
        pairs = {
            (flat[i], (v := flat[i + 1]).__class__, v if v == v else "NaN")  # noqa: PLR0124 -- only NaN
            for i in range(0, len(flat), 2)
        }
        return (*cells, *pairs.pop()) if len(pairs) == 1 else (*cells, frozenset(pairs))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Record) and self[1] == other[1] and self.key == other.key

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        cells = [repr(cell) for cell in self[1:-1]]
        return f"{type(self).__name__}({', '.join(cells)}, {list(self.attributes)!r})"


_LAST_PLAIN: Final = int(Kind.MEMBERSHIP)


def _typed_key(record: Record) -> tuple[Any, ...]:
    """The key of a statement some of whose arguments are values: those are typed, too."""
    cells = [
        _CELL_KEYS[argument.holds](cell) if argument.holds in _CELL_KEYS and cell is not None else cell
        for cell, argument in zip(record[2:-1], record.kind.arguments, strict=True)
    ]
    cells = [None if cell is PLACEHOLDER else cell for cell in cells]
    pairs = frozenset((key, *value_key(value)) for key, value in record.attributes)
    return (*record[:2], *cells, pairs)


def _pairs_key(pairs: tuple[tuple[Value, Name], ...]) -> frozenset[Any]:
    return frozenset((*value_key(key), entity) for key, entity in pairs)


def _keys_key(keys: tuple[Value, ...]) -> frozenset[Any]:
    return frozenset(map(value_key, keys))


def _content_key(content: Any) -> Any:
    """Of what an extension holds: terms and values in their order, groups and statements within."""
    if isinstance(content, Record):
        return content.key
    if content.__class__ is tuple or isinstance(content, Group):
        return content.__class__, tuple(map(_content_key, content))
    return value_key(content)


_CELL_KEYS: Final[dict[str, Callable[[Any], Any]]] = {
    "value": value_key,
    "keys": _keys_key,
    "pairs": _pairs_key,
    "content": _content_key,
}


class Group(tuple[Any, ...]):
    """Arguments of an extension that stand together: the members of `Braces` or `Parentheses`."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and _content_key(self) == _content_key(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_content_key(self))


class Braces(Group):
    """Arguments of an extension between ``{`` and ``}``."""

    __slots__ = ()


class Parentheses(Group):
    """Arguments of an extension between ``(`` and ``)``."""

    __slots__ = ()


class Entity(Record):
    """An entity (PROV-DM section 5.1.1)."""

    __slots__ = ()


class Activity(Record):
    """An activity, with its start and end (5.1.2)."""

    __slots__ = ()
    start: Time = _cell(2)
    end: Time = _cell(3)


class Agent(Record):
    """An agent (5.3.1)."""

    __slots__ = ()


class Generation(Record):
    """``wasGeneratedBy``: an activity made an entity (5.1.3)."""

    __slots__ = ()
    entity: Name = _cell(2)
    activity: Reference = _cell(3)
    time: Time = _cell(4)


class Usage(Record):
    """``used``: an activity began to use an entity (5.1.4)."""

    __slots__ = ()
    activity: Name = _cell(2)
    entity: Reference = _cell(3)
    time: Time = _cell(4)


class Communication(Record):
    """``wasInformedBy``: an activity used something that another one made (5.1.5)."""

    __slots__ = ()
    informed: Name = _cell(2)
    informant: Name = _cell(3)


class Start(Record):
    """``wasStartedBy``: an entity (the trigger), made by the starter, began an activity (5.1.6)."""

    __slots__ = ()
    activity: Name = _cell(2)
    trigger: Reference = _cell(3)
    starter: Reference = _cell(4)
    time: Time = _cell(5)


class End(Record):
    """``wasEndedBy``: an entity (the trigger), made by the ender, ended an activity (5.1.7)."""

    __slots__ = ()
    activity: Name = _cell(2)
    trigger: Reference = _cell(3)
    ender: Reference = _cell(4)
    time: Time = _cell(5)


class Invalidation(Record):
    """``wasInvalidatedBy``: an entity ceased to be available (5.1.8)."""

    __slots__ = ()
    entity: Name = _cell(2)
    activity: Reference = _cell(3)
    time: Time = _cell(4)


class Derivation(Record):
    """``wasDerivedFrom``: an entity came out of another one (5.2.1 to 5.2.4).

    A revision, quotation or primary source is a derivation of that ``prov:type``.
    """

    __slots__ = ()
    generated: Name = _cell(2)
    used: Name = _cell(3)
    activity: Reference = _cell(4)
    generation: Reference = _cell(5)
    usage: Reference = _cell(6)


class Attribution(Record):
    """``wasAttributedTo``: an entity is ascribed to an agent (5.3.2)."""

    __slots__ = ()
    entity: Name = _cell(2)
    agent: Name = _cell(3)


class Association(Record):
    """``wasAssociatedWith``: an agent is responsible for an activity, by a plan (5.3.3)."""

    __slots__ = ()
    activity: Name = _cell(2)
    agent: Reference = _cell(3)
    plan: Reference = _cell(4)


class Delegation(Record):
    """``actedOnBehalfOf``: an agent acted for another, responsible one (5.3.4)."""

    __slots__ = ()
    delegate: Name = _cell(2)
    responsible: Name = _cell(3)
    activity: Reference = _cell(4)


class Influence(Record):
    """``wasInfluencedBy``: some influence, of a kind that is not said (5.3.5)."""

    __slots__ = ()
    influencee: Name = _cell(2)
    influencer: Name = _cell(3)


class Specialization(Record):
    """``specializationOf``: an entity shares all aspects of a more general one (5.5.1)."""

    __slots__ = ()
    specific: Name = _cell(2)
    general: Name = _cell(3)


class Alternate(Record):
    """``alternateOf``: two entities are aspects of the same thing (5.5.2)."""

    __slots__ = ()
    alternate1: Name = _cell(2)
    alternate2: Name = _cell(3)


class Mention(Record):
    """``mentionOf``: an entity as another bundle describes it (PROV-LINKS section 3)."""

    __slots__ = ()
    specific: Name = _cell(2)
    general: Name = _cell(3)
    bundle: Name = _cell(4)


class Membership(Record):
    """``hadMember``: an entity belongs to a collection (5.6.2)."""

    __slots__ = ()
    collection: Name = _cell(2)
    entity: Name = _cell(3)


class Insertion(Record):
    """``derivedByInsertionFrom``: putting pairs into a dictionary made another one (PROV-Dictionary 3.2).

    A pair of a key that was there before takes the place of the one that was.
    """

    __slots__ = ()
    after: Name = _cell(2)
    before: Name = _cell(3)
    pairs: tuple[tuple[Value, Name], ...] = _cell(4)


class Removal(Record):
    """``derivedByRemovalFrom``: taking keys out of a dictionary made another one (PROV-Dictionary 3.3)."""

    __slots__ = ()
    after: Name = _cell(2)
    before: Name = _cell(3)
    keys: tuple[Value, ...] = _cell(4)


class DictionaryMembership(Record):
    """``hadDictionaryMember``: an entity belongs to a dictionary under a key (PROV-Dictionary 3.4)."""

    __slots__ = ()
    dictionary: Name = _cell(2)
    entity: Name = _cell(3)
    member_key: Value = _cell(4)


class Extension(Record):
    """A statement of a kind that no recommendation knows, kept as it is (PROV-N: extensibilityExpression).

    Attributes:
        term: what it states, such as ``prov:x`` in ``ex:x(ex:e1, ex:e2)``.
        content: its arguments, in order. A `Name` is an identifier; a qualified name that stands as a value
            is a `Literal` of `QUALIFIED_NAME`; `PLACEHOLDER` is ``-``; times and other values are as
            attributes have them; what stands in braces or parentheses is a `Group`; a term within is an
            `Extension`.
    """

    __slots__ = ()
    term: Name = _cell(2)
    content: tuple[Any, ...] = _cell(3)


CLASSES: Final[tuple[type[Record], ...]] = (
    Record,
    Entity,
    Activity,
    Agent,
    Generation,
    Usage,
    Communication,
    Start,
    End,
    Invalidation,
    Derivation,
    Attribution,
    Association,
    Delegation,
    Influence,
    Specialization,
    Alternate,
    Mention,
    Membership,
    Insertion,
    Removal,
    DictionaryMembership,
    Extension,
)
"""The class of each kind, by its number."""
