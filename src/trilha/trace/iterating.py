"""What loops get, one after the other: the members of what they go through, in its order.

The order of a dict is that in which it got its keys; `zip`, `enumerate`, `reversed`, `iter` and the views of
a dict go through what they were given. Where members, or their order, are not all known, nothing is.

Source: Python Library Reference, "Built-in Functions"; "Mapping Types", section "Dictionary view objects".
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from trilha.trace.evaluations import Role, Source
from trilha.trace.heap import DEQUE, DICT, LIST, TUPLE, Ref, Thing, Value, number_of, thing_of
from trilha.trace.sharing import Sharing
from trilha.trace.waiting import Call

__all__ = ["Counted", "Iterating", "Way", "element_sources", "is_seen", "taken_apart"]

_ITERATORS: Final = frozenset(
    [
        *("zip", "enumerate", "reversed", "iter", "itertools.chain", "itertools.chain.from_iterable"),
        *("itertools.zip_longest", "itertools.pairwise"),
    ]
)
"""Of what these give, some may have been taken before it is gone through."""
_TAKING: Final = frozenset(["list", "tuple", "next", "collections.deque", *_ITERATORS])
"""Functions of which is known what they take of an iterator; other iterators, and `next`, leave some."""
_VIEWS: Final = frozenset(["items", "keys", "values"])

Way: TypeAlias = Callable[[int], Value]
"""Gives the member at a position of what a loop goes through; None where it is not known."""


class Taking(NamedTuple):
    """How far an iterator was gone through.

    Attributes:
        how: what made it.
        sources: what it was made of.
        way: the way through all that it has.
        taken: how many were taken, and how many of these when the last loop began; empty if not known.
        by: the call that made it.
        era: how often something ran, until now, that may have taken of any iterator.
        made_in: how often it had, when this was made.
    """

    how: str
    sources: list[Value]
    way: Way
    taken: list[int]
    by: int
    era: list[int]
    made_in: int

    def on(self, position: int) -> Way:
        """The way of who takes from it what is left, or goes on as the last loop at a position."""
        if self.taken:
            self.taken[:] = (
                [self.taken[1] + position, self.taken[1]] if position else [self.taken[0], self.taken[0]]
            )
        expected = position

        def way(position: int) -> Value:
            nonlocal expected
            passed, expected = position - expected, position + 1
            if not self.taken or self.era[0] != self.made_in:
                return None
            at = self.taken[0] + passed
            self.taken[0] = at + 1
            return self.way(at)

        return way


class Iterating(Sharing):
    """What is known of iterations; a part of `trilha.trace.replay.Replay`."""

    _nameless: int

    def parts_taken(self, at: int, source: Value, values: Sequence[Value]) -> None:
        """Note what a loop's items have of the columns of a frame that it goes through."""
        raise NotImplementedError

    def goes_through(self, name: str, made: Thing, call: Call) -> None:
        """Note what an iterator or a view goes through that a call of a function, `name`, has made."""
        held = thing_of(call.target)
        given = list(_spread([one for word, one in call.arguments if word != "strict"]))
        if call.method is None and name in _ITERATORS and given:
            if not any(thing_of(one) is made for one in given):  # That of an iterator is itself.
                if name == "zip":
                    strict = any(word == "strict" for word, _ in call.arguments)
                    given = self._taken_over(given, given if strict else given[:-1])
                way, era = self._along(name, given), self.era
                made.over = Taking(name, given, way, [0, 0], call.number, era, era[0])
        elif call.method in _VIEWS and held is not None and held.kind == DICT:
            made.over = (call.method, [call.target], 0)

    def _taken_over(self, given: list[Value], some: Sequence[Value]) -> list[Value]:
        """What `zip` is given: of some of these it takes one more than it gives, so that others know no more.

        Args:
            given: to it.
            some: of that.
        """
        own: dict[int, Thing] = {}
        for one in some:
            thing = thing_of(one)
            if thing is not None and type(thing.over) is Taking and id(thing) not in own:
                self._nameless -= 1
                own[id(thing)] = taking = Thing(self._nameless, thing.kind)
                taking.over = thing.over
                self._leave(thing)
        return [
            Ref(number_of(one), own.get(id(thing_of(one)), one.thing)) if type(one) is Ref else one
            for one in given
        ]

    def _leave(self, thing: Thing) -> None:
        """Who takes of an iterator, or of those that it takes of, knows no more how far it is."""
        over = thing.over
        if type(over) is Taking:
            thing.over = over._replace(taken=[])
            for inner in map(thing_of, over.sources):
                if inner is not None:
                    self._leave(inner)

    def escapes(self, *values: Value) -> None:
        """Others may take from iterators that get these values, and from theirs: how much is not known."""
        waiting, met = list(values), set()
        while waiting:
            thing = thing_of(waiting.pop())
            if thing is not None and type(thing.over) is Taking and id(thing) not in met:
                met.add(id(thing))
                thing.over.taken.clear()
                waiting += thing.over.sources

    def given_away(self, name: str, call: Call, *, before: bool) -> None:
        """A call gets iterators: what it takes of them is known of some functions."""
        known = name in _TAKING if before else name in _ITERATORS or name == "next"
        if call.method is not None or not known:
            for one in (call.target, *(value for _, value in call.arguments)):
                value = one[0] if isinstance(one, tuple) else one
                over = getattr(thing_of(value), "over", None)
                if not before and name in _TAKING and type(over) is Taking and self.count(value) == 0:
                    over.taken.clear()  # It is gone through, those that it took of as far as is known.
                else:
                    self.escapes(value)

    @staticmethod
    def is_taken_from(call: Call) -> bool:
        """Whether the first argument of a call is an iterator of which is known what it goes through."""
        thing = thing_of(call.arguments[0][1]) if call.arguments else None
        return thing is not None and type(thing.over) is Taking

    def next_of(self, call: Call, got: Value) -> Value:
        """What ``next`` gave of such an iterator, which the log has as `got`; None if that is not known."""
        over: Taking = call.arguments[0][1].thing.over
        element = over.on(0)(0) if self.whole else None
        if not is_seen(element, got):
            over.taken.clear()
            return None
        return element

    def way(self, source: Value, position: int = 0) -> Way:
        """The way of a loop that begins to go through a value, or goes on at a position."""
        thing = thing_of(source)
        if thing is None:
            return _nowhere
        over = thing.over
        if type(over) is Taking:
            # Where not all is traced, others may have taken of one that has a name.
            return over.on(position) if self.whole or over.by == number_of(source) else _nowhere
        if type(over) is tuple and len(over) == 3 and over[0] in ("+", *_VIEWS):
            # A sum that the log has not met may have changed since it was made, where it has a name.
            return self._along(over[0], over[1]) if over[2] in (0, number_of(source)) else _nowhere
        if thing.unmet:
            return _nowhere  # It may have changed since it was made.
        if thing.kind == DICT:
            return _at(thing.ordered(), thing.keys)
        return lambda position: thing.member(str(position))

    def _along(self, how: str, sources: Sequence[Value]) -> Way:
        held = thing_of(sources[0])
        if how in _VIEWS:
            if held is None:
                return _nowhere
            keys = held.ordered()
            of_key, of_value = _at(keys, held.keys), _at(keys, held.parts)
            if how == "items":
                return lambda position: self.pair(of_key(position), of_value(position))
            return of_key if how == "keys" else of_value
        if how in ("itertools.chain", "itertools.chain.from_iterable"):
            return self._one_behind_the_other(how, sources)
        if how == "itertools.pairwise":
            self.escapes(sources[0])  # Which it takes earlier than it gives it.
            return self._in_pairs(self.way(sources[0]))
        if how in ("zip", "itertools.zip_longest"):
            ways = [self.way(one) for one in sources]
            return lambda position: self.pair(*(way(position) for way in ways))
        if how == "enumerate":
            first, way = Counted(sources[1] if len(sources) > 1 else None), self.way(sources[0])
            return lambda position: self.pair(first, way(position))
        if how == "+" and held is not None and not held.open:
            left, right, length = self.way(sources[0]), self.way(sources[1]), len(held.items)
            return lambda at: left(at) if at < length else right(at - length)
        if how == "reversed" and held is not None:
            return _back(held)
        return self.way(sources[0]) if len(sources) == 1 and how in (*_VIEWS, "iter") else _nowhere

    def _in_pairs(self, one: Way) -> Way:
        """The way of `pairwise`, which keeps what it took for the next pair."""
        kept: dict[int, Value] = {}

        def way(position: int) -> Value:
            first = kept.get(position) if position else one(0)
            kept.clear()
            kept[position + 1] = one(position + 1)
            return self.pair(first, kept[position + 1])

        return way

    def _one_behind_the_other(self, how: str, sources: Sequence[Value]) -> Way:
        """The way of `chain`; how many there are of each is asked when the one behind it begins, as there."""
        if how != "itertools.chain":
            held = thing_of(sources[0])
            parts = held.members() if held is not None else None
            if parts is None:
                return _nowhere
            sources = parts
        if any(type(getattr(thing_of(one), "over", None)) is Taking for one in sources):
            self.escapes(*sources)
            return _nowhere
        ways = [self.way(one) for one in sources]
        begins = [0]  # Of those that it has come to: what is behind does not move if one of these grows.

        def way(position: int) -> Value:
            while len(begins) <= len(ways) and position >= begins[-1]:
                at = len(begins) - 1
                count = self.count(sources[at])
                if count is None:
                    return None
                if position - begins[at] < count:
                    return ways[at](position - begins[at])
                begins.append(begins[at] + count)
            return None

        return way

    def count(self, value: Value) -> int | None:
        """How many members a loop would get of a value; None if that is not known."""
        raise NotImplementedError

    def pair(self, *parts: Value) -> Value:
        """A tuple that no part of the text makes, of these values."""
        self._nameless -= 1
        made = Thing(self._nameless, TUPLE)
        made.parts = {str(place): one for place, one in enumerate(parts)}
        return Ref(0, made)


class Counted(NamedTuple):
    """Stands for a position: that comes of counting, not of what is there.

    Attributes:
        first: where it begins; None for none of the program's values.
    """

    first: Value


def element_sources(element: Value, key: str | None = None) -> list[Source]:
    """The sources of what has a member, or the parts of a tuple that no part of the text makes."""
    if number_of(element):
        return [Source(number_of(element), Role.ELEMENT, key, True)]
    found = list(_pieces(element))
    if not all(number_of(one) or type(one) is Counted for one in found):
        return []
    found = [one.first if type(one) is Counted else one for one in found]
    return [Source(number_of(one), Role.ELEMENT) for one in found if number_of(one)]


def is_seen(member: Value, seen: Value) -> bool:
    """Whether what the log has may be a member: else something that is not traced put it there."""
    thing, held = thing_of(seen), thing_of(member)
    if held is not None and held.unmet and thing is not None:
        return bool(held.over == ("met", thing))
    return thing is held or (thing is None and held is not None and (held.number < 0 or held.kind == TUPLE))


def taken_apart(way: Callable[[Value], Way], target: ast.AST, element: Value) -> Iterator[Value]:
    """What the names of a target get of an element, in their order; None for what is not known."""
    if isinstance(target, (ast.Tuple, ast.List)):
        members, behind = way(element), False
        for place, one in enumerate(target.elts):
            behind = behind or isinstance(one, ast.Starred)
            yield from taken_apart(way, one, None if behind else members(place))
    elif isinstance(target, ast.Starred):
        yield from taken_apart(way, target.value, None)
    else:
        yield element


def _spread(arguments: Sequence[Any]) -> Iterator[Value]:
    """The arguments of a call, with those that a star gives it, if they are known."""
    for one in arguments:
        if not isinstance(one, tuple):
            yield one
            continue
        held = thing_of(one[0])
        yield from (held.members() if held is not None else None) or [None]


def _pieces(value: Value) -> Iterator[Value]:
    thing = thing_of(value)
    if thing is None or thing.number > 0 or thing.kind != TUPLE:
        yield value
        return
    for one in thing.parts.values():
        yield from _pieces(one)


def _nowhere(position: int) -> Value:  # noqa: ARG001
    return None


def _at(keys: list[str] | None, values: dict[str, Value]) -> Way:
    """The way through a dict's values, or what its keys came from; these may change meanwhile."""
    if keys is None:
        return _nowhere
    return lambda position: values.get(keys[position]) if position < len(keys) else None


def _back(held: Thing) -> Way:
    """The way through a list, tuple, deque or dict from its end."""
    if held.kind == DICT:
        keys = held.ordered()
        return _at(keys and keys[::-1], held.keys)
    if held.open or held.kind not in (LIST, DEQUE, TUPLE):
        return _nowhere
    last = len(held.items if held.kind != TUPLE else held.parts) - 1
    return lambda position: held.member(str(last - position))
