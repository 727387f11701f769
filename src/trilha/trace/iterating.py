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

_ITERATORS: Final = frozenset(["zip", "enumerate", "reversed", "iter", "+"])
"""Of what these give, some may have been taken before it is gone through by a name; sums have none here."""
_VIEWS: Final = frozenset(["items", "keys", "values"])

Way: TypeAlias = Callable[[int], Value]
"""Gives the member at a position of what a loop goes through; None where it is not known."""


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
                made.over = (name, given, call.number)
        elif call.method in _VIEWS and held is not None and held.kind == DICT:
            made.over = (call.method, [call.target], 0)

    def way(self, source: Value) -> Way:
        """The way of a loop that begins to go through a value."""
        thing = thing_of(source)
        if thing is None:
            return _nowhere
        over = thing.over
        if type(over) is tuple and len(over) == 3 and over[0] in _ITERATORS | _VIEWS:
            # Of an iterator that has a name, some may have been taken before.
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
        if how == "zip":
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
        return self.way(sources[0]) if len(sources) == 1 else _nowhere

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
