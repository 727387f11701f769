"""All that follows from the statements of an instance (PROV-CONSTRAINTS section 6.1: normalization).

`Chase` merges by the key and uniqueness constraints (22 to 29) and makes the inferences (5 to 21), in rounds,
until nothing new follows. A conclusion that holds already is not made again; those of 7, 8, 11 and 14 are two
statements that share no variable, and each is looked at on its own. That it ends is the recommendation's
(its rules are weakly acyclic); how many statements may follow is bounded by `limit`, since the closures of
17 to 20, and 6 for an entity of many users and makers, are quadratic.

A fact is a statement with all its terms: ``(kind, identifier, argument 1, …)``, its attributes beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, permutations
from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.constraints.merging import IDENTIFIED
from trilha.prov.constraints.terms import Terms, is_variable
from trilha.prov.namespaces import PROV, Name
from trilha.prov.record import Record
from trilha.prov.terms import PLACEHOLDER, Kind
from trilha.prov.values import value_key

__all__ = ["Chase", "Fact", "Pairs"]

Fact = tuple[Any, ...]
"""A kind, an identifier (None where there is none), and terms."""
Pairs = dict[tuple[Any, ...], tuple[Name, Any]]
"""Attributes by what two equal ones share."""

_UNIQUE: Final = {Kind.GENERATION: (2, 3), Kind.INVALIDATION: (2, 3), Kind.START: (2, 4), Kind.END: (2, 4)}
_KEYED: Final = frozenset({Kind.ENTITY, Kind.ACTIVITY, Kind.AGENT, *IDENTIFIED})
_REVISION: Final = (PROV["type"], Name, PROV["Revision"])
_LAST: Final = Kind.MEMBERSHIP
"""Beyond it, statements are kept as they are."""
_NO_PAIRS: Final[Pairs] = {}
"""Never changed: attributes that are given are put into a new dictionary."""
_PAIRS: Final = 2
"""So many attributes may there be for each statement that may."""


class Chase:
    """The facts of an instance.

    Args:
        records: its statements, of which the validator found no contradiction.
        limit: so many facts may there be.

    Attributes:
        facts: by number, those that were stated first; None where one became part of another.
        attributes: of each fact.
        sources: the indexes of the statements that each fact stands for; none if it follows.

    Raises:
        UsageError: more facts follow than `limit`, or two that must be one differ.
    """

    def __init__(self, records: Iterable[Record], limit: int) -> None:
        self.facts: list[Fact | None] = []
        self.attributes: list[Pairs] = []
        self.sources: dict[int, list[int]] = {}
        self._limit = limit
        self._given = 0
        self._parent: dict[Any, Any] = {}
        self._users: dict[Any, list[int]] = {}
        self._exact: dict[Fact, int] = {}
        self._keys: dict[tuple[Any, ...], int] = {}
        self._equal: deque[tuple[Any, Any]] = deque()
        self._variables = count(-1, -1)
        self._settled = True
        for index, (fact, pairs) in enumerate(_stated(list(records))):
            self.sources.setdefault(self._add(fact, pairs), []).append(index)
        self._settle()

    def run(self) -> None:
        """Make all that follows."""
        while True:
            self._settled = True
            self._agree()
            tables = Tables(self)
            self._infer(tables)
            self._settle()
            if self._settled:
                break
        self._close()

    def unite(self) -> None:
        """Merge what must be one, by what is stated alone (22 to 29)."""
        self._settled = False
        while not self._settled:
            self._settled = True
            self._agree(across=False)

    def called(self) -> dict[Any, Name]:
        """Of variables that stand for a name that begins with ``_:``, the first such name."""
        found: dict[Any, Name] = {}
        for term in self._parent:
            if term.__class__ is Name:
                found.setdefault(self._find(term), term)
        return found

    def new(self) -> int:
        """A variable that is new."""
        return next(self._variables)

    def of(self, kind: Kind) -> Iterator[tuple[int, Fact]]:
        """The facts of a kind, with their numbers."""
        for number, fact in enumerate(self.facts):
            if fact is not None and fact[0] == kind:
                yield number, fact

    # -- facts, merging

    def _find(self, term: Any) -> Any:
        parent = self._parent
        while term in parent:
            above = parent[term]
            if above in parent:
                parent[term] = parent[above]
            term = above
        return term

    def _add(self, fact: Fact, pairs: Pairs | None = None) -> int:
        """Add a fact; one that is there already gets the attributes. Its number."""
        fact = (fact[0], *map(self._find, fact[1:])) if fact[0] <= _LAST else fact
        known = self._exact.get(fact)
        if known is not None:
            self._give(known, pairs)
            return known
        self._settled = False
        self._check(len(self._exact) + 1)
        self.facts.append(fact)
        self.attributes.append(_NO_PAIRS)
        number = len(self.facts) - 1
        self._give(number, pairs)
        self._enter(number, fact)
        return number

    def _give(self, number: int, pairs: Pairs | None) -> None:
        mine = self.attributes[number]
        if pairs and not pairs.keys() <= mine.keys():
            self.attributes[number] = {**mine, **pairs, **mine}
            self._given += len(self.attributes[number]) - len(mine)
            self._check(self._given // _PAIRS)
            self._settled = False

    def _check(self, count: int) -> None:
        """Refuse to go on beyond the limit."""
        if count > self._limit:
            raise UsageError(
                f"more than {self._limit} statements follow from this document: expected fewer; the closures"
                " of alternates and specializations, and communications, grow with the square of their number"
            )

    def _enter(self, number: int, fact: Fact) -> None:
        """Enter a fact in the tables; what must be equal to another one waits."""
        self._exact[fact] = number
        kind = fact[0]
        if kind > _LAST:
            return
        for term in fact[1:]:
            if is_variable(term):
                self._users.setdefault(term, []).append(number)
        for key in _keys(fact):
            other = self._keys.setdefault(key, number)
            if other != number:
                there = self.facts[other]
                assert there is not None
                self._equal.extend(zip(there[1:], fact[1:], strict=True))

    def _leave(self, number: int, fact: Fact) -> None:
        if self._exact.get(fact) == number:
            del self._exact[fact]
        for key in _keys(fact):
            if self._keys.get(key) == number:
                del self._keys[key]

    def _settle(self) -> None:
        """Make equal what waits to be."""
        while self._equal:
            one, other = map(self._find, self._equal.popleft())
            if one == other:
                continue
            if not is_variable(other):
                one, other = other, one
            if not is_variable(other):
                raise UsageError(f"the document has no normal form: {one} and {other} would have to be one")
            if is_variable(one) and len(self._users.get(one, ())) < len(self._users.get(other, ())):
                one, other = other, one
            self._settled = False
            self._parent[other] = one
            for number in dict.fromkeys(self._users.pop(other, ())):
                self._replace(number)

    def _replace(self, number: int) -> None:
        """Enter a fact anew that has a term which became another one."""
        fact = self.facts[number]
        if fact is None:
            return
        self._leave(number, fact)
        fact = (fact[0], *map(self._find, fact[1:]))
        there = self._exact.get(fact)
        if there is not None and there != number:
            first, second = sorted((there, number))
            self._give(first, self.attributes[second])
            if second in self.sources:
                self.sources.setdefault(first, []).extend(self.sources.pop(second))
            if first == number:
                self._leave(there, fact)
            self.facts[second] = None
            number = first
        self.facts[number] = fact
        self._enter(number, fact)

    def _agree(self, *, across: bool = True) -> None:
        """28 and 29; and 15 with 23, by which relations of one identifier agree in their first arguments."""
        ends: dict[Any, Fact] = {}
        for fact in self.facts:
            if fact is None:
                continue
            kind = fact[0]
            if kind in (Kind.START, Kind.END):
                activity = self._keys.get((Kind.ACTIVITY, fact[2]))
                if activity is not None:
                    stated = self.facts[activity]
                    assert stated is not None
                    self._equal.append((stated[2 if kind == Kind.START else 3], fact[5]))
            if across and kind in IDENTIFIED:
                there = ends.setdefault(fact[1], fact)
                if there[0] != kind:
                    self._equal.extend(zip(there[2:4], fact[2:4], strict=True))
        self._settle()

    # -- inferences

    def _infer(self, t: Tables) -> None:
        new = self.new
        for number, fact in enumerate(list(self.facts)):
            if fact is None:
                continue
            kind = fact[0]
            if kind == Kind.DERIVATION and fact[4] is not PLACEHOLDER:  # 11
                _, _, made, used, activity, generation, usage = fact
                if (Kind.USAGE, usage) not in self._keys:
                    self._made(t, (Kind.USAGE, usage, activity, used, new()))
                if (Kind.GENERATION, generation) not in self._keys:
                    self._made(t, (Kind.GENERATION, generation, made, activity, new()))
                # One of that identifier that is there already must agree, and does so by 23.
                self._equal_to((Kind.USAGE, usage), (activity, used))
                self._equal_to((Kind.GENERATION, generation), (made, activity))
            elif kind in (Kind.START, Kind.END):  # 9, 10
                if (Kind.GENERATION, fact[3], fact[4]) not in self._keys:
                    self._made(t, (Kind.GENERATION, new(), fact[3], fact[4], new()))
            elif kind == Kind.DELEGATION:  # 14
                for agent in fact[2:4]:
                    if (fact[4], agent) not in t.associated:
                        self._made(t, (Kind.ASSOCIATION, new(), fact[4], agent, new()))
            elif kind == Kind.MENTION:  # PROV-LINKS
                self._add((Kind.SPECIALIZATION, None, fact[2], fact[3]))
            if kind == Kind.DERIVATION and _REVISION in self.attributes[number]:  # 12
                self._add((Kind.ALTERNATE, None, fact[2], fact[3]))
        self._inherit()
        self._join(t)
        self._exist(t)

    def _equal_to(self, key: tuple[Any, ...], ends: tuple[Any, Any]) -> None:
        number = self._keys.get(key)
        there = self.facts[number] if number is not None else None
        if there is not None and there[2:4] != ends:
            self._equal.extend(zip(there[2:4], ends, strict=True))

    def _made(self, t: Tables, fact: Fact) -> None:
        self._add(fact)
        t.enter(fact)

    def _inherit(self) -> None:
        """21: attributes, and being an entity, go from the general to the specific."""
        specific: dict[Any, list[Any]] = {}
        generals: dict[Any, int] = {}
        for _, fact in self.of(Kind.SPECIALIZATION):
            specific.setdefault(fact[3], []).append(fact[2])
            generals[fact[2]] = generals.get(fact[2], 0) + 1
        # The most general first, so that each is looked at once; in a valid document there are no circles.
        waiting = [general for general in specific if general not in generals]
        while waiting:
            general = waiting.pop()
            there = self._keys.get((Kind.ENTITY, general))
            for name in specific.get(general, ()):
                if there is not None:
                    self._add((Kind.ENTITY, name), self.attributes[there])
                generals[name] -= 1
                if not generals[name]:
                    waiting.append(name)

    def _join(self, t: Tables) -> None:
        """13, 5 and 6: statements that hang together by what they do not name."""
        new = self.new
        for _, fact in list(self.of(Kind.ATTRIBUTION)):  # 13
            makers, roles = t.makers.get(fact[2], {}), t.roles.get(fact[3], {})
            few, many = (makers, roles) if len(makers) < len(roles) else (roles, makers)
            if not any(activity in many for activity in few):
                activity = new()
                self._made(t, (Kind.GENERATION, new(), fact[2], activity, new()))
                self._made(t, (Kind.ASSOCIATION, new(), activity, fact[3], new()))
        for _, fact in list(self.of(Kind.COMMUNICATION)):  # 5
            used, made = t.used.get(fact[2], {}), t.made.get(fact[3], {})
            fewer, more = (used, made) if len(used) < len(made) else (made, used)
            if not any(entity in more for entity in fewer):
                entity = new()
                self._made(t, (Kind.GENERATION, new(), entity, fact[3], new()))
                self._made(t, (Kind.USAGE, new(), fact[2], entity, new()))
        for entity, makers in list(t.makers.items()):  # 6
            self._check(len(makers) * len(t.users.get(entity, ())))
            for activity in list(makers):
                for user in list(t.users.get(entity, ())):
                    if (user, activity) not in t.informed:
                        self._made(t, (Kind.COMMUNICATION, new(), user, activity))

    def _exist(self, t: Tables) -> None:
        """7 and 8: what is there has begun, and ends."""
        new = self.new
        for _, fact in list(self.of(Kind.ENTITY)):
            if fact[1] not in t.makers:
                self._made(t, (Kind.GENERATION, new(), fact[1], new(), new()))
            if fact[1] not in t.invalidated:
                self._made(t, (Kind.INVALIDATION, new(), fact[1], new(), new()))
        for _, fact in list(self.of(Kind.ACTIVITY)):
            if fact[1] not in t.started:
                self._made(t, (Kind.START, new(), fact[1], new(), new(), fact[2]))
            if fact[1] not in t.ended:
                self._made(t, (Kind.END, new(), fact[1], new(), new(), fact[3]))

    # -- what nothing else follows from: closures

    def _close(self) -> None:
        """19, 20 and 16 to 18, then 15."""
        general: dict[Any, list[Any]] = {}
        for _, fact in self.of(Kind.SPECIALIZATION):
            general.setdefault(fact[2], []).append(fact[3])
        for name in list(general):
            met: set[Any] = set()
            waiting = list(general[name])
            while waiting:
                above = waiting.pop()
                if above not in met:
                    met.add(above)
                    self._add((Kind.SPECIALIZATION, None, name, above))
                    self._add((Kind.ALTERNATE, None, name, above))
                    waiting += general.get(above, ())
        self._alternates()
        for number, stated in enumerate(list(self.facts)):
            if stated is not None and stated[0] in IDENTIFIED and stated[0] != Kind.INFLUENCE:
                self._add((Kind.INFLUENCE, *stated[1:4]), self.attributes[number])
        self._settle()

    def _alternates(self) -> None:
        near: dict[Any, list[Any]] = {fact[1]: [] for _, fact in self.of(Kind.ENTITY)}
        for _, fact in self.of(Kind.ALTERNATE):
            near.setdefault(fact[2], []).append(fact[3])
            near.setdefault(fact[3], []).append(fact[2])
        met: set[Any] = set()
        for name in near:
            if name in met:
                continue
            same, waiting = [], [name]
            met.add(name)
            while waiting:
                one = waiting.pop()
                same.append(one)
                fresh = [other for other in near[one] if other not in met]
                met.update(fresh)
                waiting += dict.fromkeys(fresh)
            self._check(len(same) ** 2)
            for one in same:
                self._add((Kind.ALTERNATE, None, one, one))
            for one, other in permutations(same, 2):
                self._add((Kind.ALTERNATE, None, one, other))


class Tables:
    """What the conclusions of inferences are looked up in.

    Args:
        chase: the facts.

    Attributes:
        makers: the activities that generated each entity.
        made: the entities that each activity generated.
        users: the activities that used each entity.
        used: the entities that each activity used.
        informed: activity and informant.
        associated: activity and agent.
        roles: the activities that each agent was associated with.
        started, ended, invalidated: activities, activities, entities of which it is stated.
    """

    def __init__(self, chase: Chase) -> None:
        self.makers: dict[Any, dict[Any, None]] = {}
        self.made: dict[Any, dict[Any, None]] = {}
        self.users: dict[Any, dict[Any, None]] = {}
        self.used: dict[Any, dict[Any, None]] = {}
        self.informed: set[tuple[Any, Any]] = set()
        self.associated: set[tuple[Any, Any]] = set()
        self.roles: dict[Any, dict[Any, None]] = {}
        self.started: set[Any] = set()
        self.ended: set[Any] = set()
        self.invalidated: set[Any] = set()
        for fact in chase.facts:
            if fact is not None:
                self.enter(fact)

    def enter(self, fact: Fact) -> None:
        """Enter a fact."""
        kind = fact[0]
        if kind == Kind.GENERATION:
            self.makers.setdefault(fact[2], {})[fact[3]] = None
            self.made.setdefault(fact[3], {})[fact[2]] = None
        elif kind == Kind.USAGE:
            self.users.setdefault(fact[3], {})[fact[2]] = None
            self.used.setdefault(fact[2], {})[fact[3]] = None
        elif kind == Kind.COMMUNICATION:
            self.informed.add((fact[2], fact[3]))
        elif kind == Kind.ASSOCIATION:
            self.associated.add((fact[2], fact[3]))
            self.roles.setdefault(fact[3], {})[fact[2]] = None
        elif kind == Kind.START:
            self.started.add(fact[2])
        elif kind == Kind.END:
            self.ended.add(fact[2])
        elif kind == Kind.INVALIDATION:
            self.invalidated.add(fact[2])


def _keys(fact: Fact) -> Iterator[tuple[Any, ...]]:
    """What only one fact has alike (22 to 27, and unique-mention)."""
    kind = fact[0]
    if kind in _KEYED:
        yield kind, fact[1]
    cells = _UNIQUE.get(kind)
    if cells is not None:
        yield kind, fact[cells[0]], fact[cells[1]]
    if kind == Kind.MENTION:
        yield kind, fact[2]


def _stated(records: list[Record]) -> Iterator[tuple[Fact, Pairs]]:
    """The statements with all their terms (Definitions 1 to 4)."""
    terms = Terms(records)
    for index, record in enumerate(records):
        flat = record[-1]
        pairs = {(flat[i], *value_key(flat[i + 1])): (flat[i], flat[i + 1]) for i in range(0, len(flat), 2)}
        kind = record[0]
        if kind > _LAST:
            yield (kind, record), {}
            continue
        first = record[1] if kind not in IDENTIFIED else terms.cell(index, 1)
        yield (kind, first, *(terms.cell(index, cell) for cell in range(2, len(record) - 1))), pairs
