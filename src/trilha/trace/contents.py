"""What was in a data structure when something looked at it, at the whole or under a key."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final
from weakref import WeakKeyDictionary

from trilha.trace.evaluations import Change, How, Kind, Role
from trilha.trace.held import Held, is_another
from trilha.trace.traced import Traced

__all__ = ["Contents", "Found", "Touched"]

_EVER = 2**62
_MOST_ACCESSES = 300_000
"""So many accesses are asked for what they found in data structures that libraries had made."""
_MOST_KEPT: Final = 2_000_000
"""So many things are kept of what is in which."""
_MOVES: Final = (How.INSERT, How.REMOVE, How.CLEAR)
_FOUND: WeakKeyDictionary[Traced, dict[int, set[int]]] = WeakKeyDictionary()
"""What they found, by trace."""


class Contents:
    """Tells what was in the things of a trace.

    Args:
        traced: the trace.

    Attributes:
        found: what was found in what libraries made.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._things: dict[int, Held] = {}
        self._unchanged = Held([])
        self._views: dict[tuple[int, str, str | None], Held] = {}
        self._inside: dict[int, set[int]] = {}
        self._members: dict[int, tuple[int, ...]] = {}
        self._looks: dict[int, int] = {}
        self._kept = 0
        self.found = Found(traced)

    def looked_at(self, evaluation: int, source: int) -> set[int]:
        """The things whose members an evaluation saw when it looked at the value of `source`."""
        thing = self._traced.thing(source)
        if not thing or self._of(thing).is_put_by(evaluation):
            return set()
        return {thing} if self.is_keyed(evaluation, source) else self.inside(thing)

    def is_keyed(self, evaluation: int, source: int) -> bool:
        """Whether an evaluation looks at what is under a key in the value of a source, not at the whole."""
        return self._traced.component(evaluation).kind is Kind.ACCESS or self.is_assigned(evaluation, source)

    def is_assigned(self, evaluation: int, source: int) -> bool:
        """Whether an evaluation assigns to a part of the value of a source, or deletes one."""
        if self._traced.component(evaluation).kind is not Kind.PART:
            return False
        roles = (role for one, role in self._traced.sources(evaluation) if one == source)
        return all(role is Role.COLLECTION for role in roles)

    def changed_since(self, thing: int, evaluation: int, other: int | None) -> set[int]:
        """Of a thing and all in it, what changed between two looks; all of it, if there is no other look."""
        inside = self.inside(thing)
        if other is None or len(inside) == 1:
            return inside
        changed = self._traced.changed_between(min(evaluation, other), max(evaluation, other), len(inside))
        return inside if changed is None else inside & changed

    def more(self, evaluation: int, source: int) -> Iterator[Change]:
        """The changes that made what an evaluation saw in the value of a source, without those told before.

        Whoever asks goes back in time.
        """
        things = self.looked_at(evaluation, source)
        if things and not self.is_keyed(evaluation, source):
            thing = self._traced.thing(source)
            things = self.changed_since(thing, evaluation, self._looks.get(thing))
            self._looks[thing] = evaluation
        for thing in things:
            yield from self.view(thing, evaluation, source).more(evaluation)

    def all(self, evaluation: int, source: int) -> Iterator[Change]:
        """The changes that made what an evaluation saw in the value of a source."""
        for thing in self.looked_at(evaluation, source):
            yield from self.view(thing, evaluation, source).all(evaluation)

    def moves(self, evaluation: int, source: int) -> Held | None:
        """The changes that may have moved what an evaluation found by a position; None if it did not."""
        thing = self._traced.thing(source)
        key = self._traced.name(evaluation) if thing and self.is_keyed(evaluation, source) else None
        if key is None or not key.isdecimal():
            return None
        if (thing, "moves", None) not in self._views:
            moves = [one for one in self._of(thing).changes if one.how in _MOVES]
            self._views[thing, "moves", None] = Held(moves)
        return self._views[thing, "moves", None]

    def view(self, thing: int, evaluation: int, source: int) -> Held:
        """The changes of a thing that matter to an evaluation, when they come before it.

        An access to one member sees no other. An assignment to a part sees nothing of what it replaces, only
        the calls that put something where it is: there was room for it.

        Args:
            thing: what is looked at: the value of `source`, or in it.
            evaluation: that looks.
            source: at the value of which it looks.
        """
        keyed = self.is_keyed(evaluation, source)
        key = self._traced.name(evaluation) if keyed else None
        assigned = keyed and self._traced.component(evaluation).kind is Kind.PART
        if key is None and not assigned:
            return self._of(thing)
        way = "assigned" if assigned else "read"
        held = self._views.get((thing, way, key))
        if held is None:
            changes = self._of(thing).changes if key is None else self._of(thing).may_be_of(key)
            if assigned:
                changes = [one for one in changes if one.member not in (None, one.by)]
            held = self._views[thing, way, key] = Held(changes)
        return held

    def at(self, thing: int, checkpoint: int) -> Iterator[Change]:
        """The changes that made what was in a thing at a checkpoint, to any depth."""
        for one in sorted(self.inside(thing) - {0}):
            yield from self._of(one).all(checkpoint)

    def member(self, thing: int, key: str) -> int | None:
        """The evaluation of what is under a key when the trace ends; None if that is not known."""
        held = [one for one in self._of(thing).all(_EVER) if not is_another(one.key, key)]
        if held:
            last = held[-1]
            moved = any(one.how is not How.PUT for one in held)
            return None if moved or last.key != key else last.member or last.by
        for number in self._traced.with_thing(thing):
            for source in self._traced.evaluation(number).sources:
                if source.role is Role.MEMBER and source.name == key:
                    return source.evaluation
        return None

    def inside(self, thing: int) -> set[int]:
        """A thing, and all that have ever been in it, to any depth."""
        known = self._inside.get(thing)
        if known is None:
            known, waiting = {thing}, [thing]
            while waiting:
                for one in self._members_of(waiting.pop()):
                    if one not in known:
                        known.add(one)
                        waiting.append(one)
            self._kept += len(known)
            if self._kept > _MOST_KEPT:  # Of what each is in the next (a linked list), all are in all.
                self._inside.clear()
                self._kept = len(known)
            self._inside[thing] = known
        return known

    def _members_of(self, thing: int) -> tuple[int, ...]:
        known = self._members.get(thing)
        if known is None:
            found = {*self._traced.members(thing), *self.found.inside(thing)} - {0}
            known = self._members[thing] = tuple(found)
        return known

    def _of(self, thing: int) -> Held:
        held = self._things.get(thing)
        if held is None:
            changes = self._traced.changes_of(thing, _EVER)
            held = self._things[thing] = Held(changes) if changes else self._unchanged
        return held


class Found:
    """Data structures that were found in others which a library had made (`json.loads`).

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._elsewhere: dict[int, bool] = {}

    def inside(self, thing: int) -> set[int]:
        """What was found in a thing."""
        known = _FOUND.get(self._traced)
        if known is None:
            if not self._is_made_elsewhere(thing):
                return set()
            known = _FOUND[self._traced] = self._all()
        return known.get(thing, set())

    def _all(self) -> dict[int, set[int]]:
        traced, found = self._traced, dict[int, set[int]]()
        accesses = {number for number, one in traced.components.items() if one.kind is Kind.ACCESS}
        slots = bytearray(component in accesses for component, _ in traced.slots())
        slot = traced.columns("slot")
        numbers = (number for number in traced.columns("thing at") if slots[slot[number]])
        for number in islice(numbers, _MOST_ACCESSES):
            for thing in self.around(number):
                found.setdefault(thing, set()).add(traced.thing(number))
        return found

    def around(self, number: int) -> Iterator[int]:
        """What an evaluation found its value in that a library had made, and of which no member is known."""
        if self._traced.component(number).kind is Kind.ACCESS:
            sources = self._traced.sources(number)
            if all(role is not Role.ELEMENT for _, role in sources):
                for source, role in sources:
                    if role is Role.COLLECTION and self._is_made_elsewhere(self._traced.thing(source)):
                        yield self._traced.thing(source)

    def _is_made_elsewhere(self, thing: int) -> bool:
        known = self._elsewhere.get(thing)
        if known is None:
            first = self._traced.first_with(thing) if thing else 0
            kind = self._traced.component(first).kind if first else None
            known = kind is Kind.ACCESS or (kind is Kind.CALL and not self._traced.called_by(first))
            self._elsewhere[thing] = known
        return known


class Touched:
    """Which values have something in them that came of some evaluations: candidates, to be looked at closer.

    Args:
        traced: the trace.

    Attributes:
        watched: for each evaluation, whether its value is such a thing at some time.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self.watched = bytearray(traced.end)
        self._things: set[int] = set()
        self._found = Found(traced)
        self._holding: tuple[dict[int, set[int]], dict[int, list[int]]] | None = None

    def add(self, evaluation: int) -> None:
        """Take an evaluation: what it changed, or was put into, and all that has these in it."""
        waiting = list(self._traced.changed_with(evaluation))
        while waiting:
            thing = waiting.pop()
            if thing not in self._things:
                self._things.add(thing)
                holders, given = self._holding = self._holding or self._traced.holding()
                waiting.extend(holders.get(thing, ()))
                for one in given.get(thing, ()):
                    self.watched[one] = 1
                    waiting.extend(self._found.around(one))
