"""What was in a data structure when something looked at the whole of it: the puts that still held then.

A put holds until its key is put again or deleted, or all is cleared; where positions move (a list's
insertions and removals) or the key is not a single one, nothing is known to replace anything.

Source: Pimentel, Murta, Freire, "Versioned-PROV" (IPAW 2018), section 3: members of a collection at a
checkpoint.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from weakref import WeakKeyDictionary

from trilha.trace.evaluations import Change, How, Kind, Role
from trilha.trace.traced import Traced

__all__ = ["Contents", "Found", "is_single"]

_EVER = 2**62
_MOST_ACCESSES = 300_000
"""So many accesses are asked for what they found in data structures that libraries had made."""
_FOUND: WeakKeyDictionary[Traced, dict[int, set[int]]] = WeakKeyDictionary()
"""What they found, by trace."""


def is_single(key: str | None) -> bool:
    """Whether a key is of one member: not unknown, no slice, no mask."""
    return key is not None and (key[:1] in "'\".(" or key.lstrip("-").isdecimal())


def _is_another(key: str | None, other: str | None) -> bool:
    """Whether two keys are certainly of different members; a row's may be that of an element in it."""
    if key is None or other is None or key == other:
        return False
    if key[:1] == "[" or other[:1] == "[":
        # Several columns of a frame.
        return (
            other not in key if key[:1] == "[" and is_single(other) else is_single(key) and key not in other
        )
    if not is_single(key) or not is_single(other):
        return False
    return (key[:1] == "(") == (other[:1] == "(")


class Contents:
    """Tells what was in the things of a trace.

    Args:
        traced: the trace.

    Attributes:
        found: what was found in what libraries made.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._things: dict[int, _Held] = {}
        self._members: dict[tuple[int, str], _Held] = {}
        self._inside: dict[int, set[int]] = {}
        self.found = Found(traced)

    def looked_at(self, evaluation: int, source: int) -> set[int]:
        """The things whose members an evaluation saw when it looked at the value of `source`."""
        thing = self._traced.thing(source)
        if not thing or self._of(thing).is_put_by(evaluation):
            return set()
        if self._traced.component(evaluation).kind is Kind.ACCESS:
            return {thing}
        return self.inside(thing)

    def more(self, thing: int, evaluation: int) -> Iterator[Change]:
        """The changes that made what an evaluation saw in a thing; without those told of an earlier one.

        Args:
            thing: its identity.
            evaluation: that looked at it.
        """
        key = self._key(evaluation)
        return (self._of(thing) if key is None else self._of_member(thing, key)).more(evaluation)

    def all(self, thing: int, evaluation: int) -> Iterator[Change]:
        """The changes that made what an evaluation saw in a thing."""
        return self._seen(evaluation, self._of(thing).all(evaluation))

    def at(self, thing: int, checkpoint: int) -> Iterator[Change]:
        """The changes that made what was in a thing at a checkpoint, to any depth."""
        for one in sorted(self.inside(thing) - {0}):
            yield from self._of(one).all(checkpoint)

    def member(self, thing: int, key: str) -> int | None:
        """The evaluation of what is under a key when the trace ends; None if that is not known."""
        held = [one for one in self._of(thing).all(_EVER) if not _is_another(one.key, key)]
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
            known, waiting = set(), [thing]
            while waiting:
                for one in self._traced.inside(waiting.pop()) - known:
                    known.add(one)
                    waiting += self.found.inside(one)
            self._inside[thing] = known
        return known

    def _of(self, thing: int) -> _Held:
        held = self._things.get(thing)
        if held is None:
            held = self._things[thing] = _Held(self._traced.changes_of(thing, _EVER))
        return held

    def _of_member(self, thing: int, key: str) -> _Held:
        """The changes of a thing that may be of what is under a key."""
        held = self._members.get((thing, key))
        if held is None:
            held = self._members[thing, key] = _Held(self._of(thing).may_be_of(key))
        return held

    def _seen(self, evaluation: int, changes: Iterator[Change]) -> Iterator[Change]:
        """Of these changes those that matter to an evaluation: an access to one member sees no other."""
        key = self._key(evaluation)
        return (one for one in changes if not _is_another(one.key, key))

    def _key(self, evaluation: int) -> str | None:
        """Under which key an evaluation looked; None if it saw the whole."""
        is_access = self._traced.component(evaluation).kind is Kind.ACCESS
        return self._traced.name(evaluation) if is_access else None


class _Held:
    """The changes of one thing."""

    def __init__(self, changes: list[Change]) -> None:
        self._changes = changes
        self._times = [one.checkpoint for one in changes]
        self._cleared = [at for at, one in enumerate(changes) if one.how is How.CLEAR]
        self._moves = any(one.how in (How.INSERT, How.REMOVE) for one in changes)
        self._of_key: dict[str, list[int]] = {}
        self._told: set[int] = set()
        self._looks: list[int] = []
        for at, one in enumerate(changes):
            if one.key is not None:
                self._of_key.setdefault(one.key, []).append(at)
        # By their keys, these may be of others' members, too.
        self._vague = [
            at for at, one in enumerate(changes) if not is_single(one.key) or str(one.key).startswith("(")
        ]

    def may_be_of(self, key: str) -> list[Change]:
        """Those that may be of what is under a key."""
        if not is_single(key) or key[:1] == "(":
            return [one for one in self._changes if not _is_another(one.key, key)]
        found = {*self._of_key.get(key, ()), *self._vague}
        return [one for at in sorted(found) if not _is_another((one := self._changes[at]).key, key)]

    def more(self, before: int) -> Iterator[Change]:
        end = bisect_left(self._times, before)
        place = bisect_left(self._looks, end)
        if place < len(self._looks) and self._looks[place] == end:
            return
        earlier = self._looks[place - 1] if place else 0
        later = self._looks[place] if place < len(self._looks) else None
        self._looks.insert(place, end)
        begin = self._begin(end)
        # What held at an earlier look was told then; what holds here and not at the later one was
        # replaced between.
        new = set(range(max(begin, earlier), end))
        candidates = new if later is None else self._replaced(end, later)
        for at in sorted(candidates - self._told):
            if self._holds(at, end):
                self._told.add(at)
                yield self._changes[at]

    def all(self, before: int) -> Iterator[Change]:
        end = bisect_left(self._times, before)
        return (self._changes[at] for at in range(self._begin(end), end) if self._holds(at, end))

    def is_put_by(self, evaluation: int) -> bool:
        """Whether an evaluation only put into it what another one gave, as `append` does."""
        at = bisect_left(self._times, evaluation)
        change = self._changes[at] if at < len(self._changes) else None
        return change is not None and change.by == evaluation and change.member not in (None, evaluation)

    def _begin(self, end: int) -> int:
        """The place of the last change before `end` that cleared all."""
        cleared = bisect_left(self._cleared, end)
        return self._cleared[cleared - 1] if cleared else 0

    def _replaced(self, begin: int, end: int) -> set[int]:
        """The last change before `begin` of each key that changes up to `end`; all, if all is cleared."""
        if self._begin(end) != self._begin(begin):
            return set(range(self._begin(begin), begin))
        found = set()
        for one in self._changes[begin:end]:
            if one.key is not None:
                places = self._of_key[one.key]
                at = bisect_left(places, begin)
                if at:
                    found.add(places[at - 1])
        return found

    def _holds(self, at: int, end: int) -> bool:
        """Whether a change is not replaced before `end`."""
        change = self._changes[at]
        if self._moves or not is_single(change.key):
            return True
        places = self._of_key[change.key or ""]
        after = bisect_right(places, at)
        return after == len(places) or places[after] >= end


class Found:
    """Data structures that were found in others which a library had made (`json.loads`).

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced

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
        first = next(self._traced.with_thing(thing), None) if thing else None
        if first is None:
            return False
        kind = self._traced.component(first).kind
        return kind is Kind.ACCESS or (kind is Kind.CALL and not self._traced.called_by(first))


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
