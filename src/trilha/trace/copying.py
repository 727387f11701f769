"""What is made of the members of others: copies, slices, sums of lists, and displays with stars.

Its members are theirs, at places that follow from how it was made; of `sorted` and the like, whose order is
that of values which the log does not have, `trilha.trace.among` tells those that are objects.

Source: Python Library Reference, "Sequence Types", "Mapping Types"; Language Reference, "Displays".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trilha.trace.among import members_of, note_among
from trilha.trace.arrays import places
from trilha.trace.evaluations import How, Role, Source
from trilha.trace.heap import DEQUE, DICT, GENERATOR, LIST, TUPLE, Thing, Value, number_of, thing_of
from trilha.trace.iterating import Iterating, Taking, element_sources
from trilha.trace.waiting import Call

__all__ = ["Copying"]

_MOST: Final = 4096
"""Of what has more members, a copy is known as a whole."""
_COPIES: Final = frozenset(["list", "tuple", "copy.copy", "collections.deque", "collections.OrderedDict"])
_MISSING: Final = frozenset(["collections.defaultdict", "collections.Counter"])
"""What makes dicts that may be read under a key which is not there; the first ones have it from then on."""
_SEQUENCES: Final = (LIST, DEQUE, TUPLE)


class Copying(Iterating):
    """What is known of copies; a part of `trilha.trace.replay.Replay`."""

    def members(self, value: Value) -> list[Value] | None:
        """What a loop would get of a value, in order; None if that is not all known, or too much."""
        count = self.count(value)
        if count is None or count > _MOST:
            return None
        way = self.way(value)
        return [way(position) for position in range(count)]

    def count(self, value: Value) -> int | None:
        """How many members a loop would get of a value; None if that is not known."""
        thing = thing_of(value)
        if thing is None:
            return None
        if type(thing.over) is Taking:
            return self._count_left(thing.over)
        if type(thing.over) is tuple and len(thing.over) == 3 and isinstance(thing.over[1], list):
            _, over, by = thing.over
            if thing.unmet and by != number_of(value):
                return None  # It may have changed since it was made.
            counts = [self.count(one) for one in over]
            return None if None in counts else sum(one for one in counts if one is not None)
        if thing.kind in _SEQUENCES:
            return None if thing.open else len(thing.items if thing.kind != TUPLE else thing.parts)
        if thing.kind == DICT:
            return None if thing.open else len(thing.ordered() or ())
        return None

    def _count_left(self, over: Taking) -> int | None:
        """How many are left of an iterator, if that is known."""
        counts = []
        if over.how == "itertools.chain" and over.taken:
            parts = [self.count(one) for one in over.sources]
            return None if None in parts else sum(one or 0 for one in parts) - over.taken[0]
        if over.how.startswith("itertools."):
            return None
        sources = over.sources if over.how == "zip" else over.sources[:1]
        for one in sources:
            thing, count = thing_of(one), self.count(one)
            if count is None or not over.taken:
                return None
            shared = thing is not None and type(thing.over) is Taking
            # Of an iterator that stands there twice, each takes every second one.
            counts.append(
                count // list(map(thing_of, sources)).count(thing) if shared else count - over.taken[0]
            )
        return max(0, min(counts)) if counts else None

    def copied(self, name: str, call: Call, made: Thing | None) -> tuple[list[Source], Thing | None]:
        """Note the members of what a function or method made that only copies.

        Args:
            name: of the function.
            call: of it.
            made: what it gave.

        Returns:
            The sources of the members, and what was made, which for a tuple is known from here on.
        """
        full = f"collections.{name}"  # Where all is imported from there, it is known by its last name.
        if made is not None and (name in _MISSING or (full in _MISSING and made.kind == DICT)):
            made.over = (name if name in _MISSING else full,)
        if made is not None and name == "dict" and call.method is None:
            return self._dict_of(made, call.arguments), made
        if made is not None and made.kind == DEQUE and _may_be_bounded(name, call):
            made.forget()
        word, given = call.arguments[0] if call.arguments else (None, call.target)
        method = call.method == "copy" and not call.arguments
        plain = call.method is None and name in _COPIES and len(call.arguments) == 1 and word is None
        if isinstance(given, tuple) or not (method or plain):
            return [], made
        held = thing_of(given)
        if name == "tuple":
            found = self.members(given)
            if found is None or (held is not None and held.kind == TUPLE):
                return [], held if found is not None else made
            made = self._new_thing(TUPLE)
            return self.fill(made, found), made
        if made is None:
            return [], made
        if made.kind == DICT:
            found_ = self.fill_dict(made, held)
            if made.open:
                note_among(made, *members_of(given))
            return found_, made
        return self.fill(made, self._given_in_turn(call, held, made) or self.members(given)), made

    @staticmethod
    def _given_in_turn(call: Call, held: Thing | None, made: Thing) -> list[Value]:
        """What a generator gave within a call that takes all of it, in its order; empty if not known."""
        found = call.yielded if held is not None and held.kind == GENERATOR else []
        # Else one gave nothing that is known, or something else ran.
        return found if len(found) == len(made.items) <= _MOST else []

    def _dict_of(self, made: Thing, arguments: Sequence[tuple[str | None, Any]]) -> list[Source]:
        """Note the members of what ``dict`` made; gives their sources."""
        others = [thing_of(one) for word, one in arguments if word is None and not isinstance(one, tuple)]
        for at, held in enumerate(others):
            if held is not None and type(held.over) is tuple and held.over[0] == "items":
                others[at] = thing_of(held.over[1][0])
        named = [(repr(word), one) for word, one in arguments if word is not None]
        if len(others) + len(named) < len(arguments):
            return []
        found = self.fill_dict(made, *others)
        if made.open:  # The keys are not known; of objects it is known which is which.
            note_among(made, *(member for _, one in arguments for member in members_of(one)))
        if not made.open:
            for key, value in named:
                made.put(key, value)
            found = member_sources(made.parts.items()) if len(made.parts) <= _MOST else []
        return found

    def fill(self, made: Thing, members: Sequence[Value] | None) -> list[Source]:
        """Note the members of a new list, deque or tuple; gives their sources."""
        if members is None or made.kind not in _SEQUENCES:
            return []
        if made.kind == TUPLE:
            made.parts |= {str(at): one for at, one in enumerate(members)}
        elif len(members) == len(made.items) and not any(map(number_of, made.items)):
            made.items = list(members)
        else:
            return []
        return member_sources((str(at), one) for at, one in enumerate(members))

    def fill_dict(self, made: Thing, *others: Thing | None) -> list[Source]:
        """Note the members of a new dict that are those of others; gives their sources."""
        if any(one is None or one.kind != DICT or one.open for one in others) or made.parts:
            made.open = True
            return []
        for other in others:
            for key in (other.ordered() or ()) if other is not None else ():
                assert other is not None
                made.put(key, other.parts[key], other.keys.get(key))
        made.open = False
        return member_sources(made.parts.items()) if len(made.parts) <= _MOST else []

    def spread(self, kind: str, value: Value, before: int) -> list[tuple[str | None, Value, Value]] | None:
        """The members that a star puts into a display behind others, each with its key; None if not known."""
        held = thing_of(value)
        if kind == "dict":
            keys = held.ordered() if held is not None and held.kind == DICT else None
            if keys is None or held is None or len(keys) > _MOST:
                return None
            return [(key, held.keys.get(key), held.parts[key]) for key in keys]
        members = self.members(value)
        return members and [(str(before + at), None, one) for at, one in enumerate(members)]

    @staticmethod
    def is_short(made: Thing) -> bool:
        """Whether a list has so few members that each of them is followed."""
        return len(made.items) <= _MOST

    def missed(self, by: Value, thing: Thing, key: str, keys: Sequence[Value]) -> None:
        """An evaluation read a key of a dict that it did not have, as far as that is known."""
        how = thing.over[0] if type(thing.over) is tuple else ""
        if how == "collections.defaultdict":
            thing.put(key, by, keys[0] if len(keys) == 1 else None)
            self.change(number_of(by), thing, How.PUT, key, by)
        elif how not in _MISSING:
            thing.open = True

    def sliced(self, made: Thing | None, held: Thing | None, key: str | None) -> list[Source]:
        """Note the members of a slice of a list or tuple; gives their sources."""
        if made is None or held is None or held.kind not in (LIST, TUPLE):
            return []
        members = held.members()
        if members is None or len(members) > _MOST:
            return []
        found = places(key or "", len(members))
        return [] if found is None else self.fill(made, [members[at] for at in found])


def _may_be_bounded(name: str, call: Call) -> bool:
    """Whether a call may have made a deque of a greatest length: what is appended moves its members then."""
    if call.method is None and name == "collections.deque":
        return len(call.arguments) > 1 or any(
            word is not None or isinstance(one, tuple) for word, one in call.arguments
        )
    given = call.target if call.method is not None else call.arguments[0][1] if call.arguments else None
    held = thing_of(given)
    return held is None or held.open


def member_sources(members: Iterable[tuple[str, Value]]) -> list[Source]:
    """The sources that members are, under their keys."""
    found = []
    for key, value in members:
        for one in element_sources(value):
            found.append(Source(one.evaluation, Role.MEMBER, key))
    return found
