"""Members of data structures whose places are not known, told by their identity.

What `sorted`, a set or `max` gives has an order that depends on values, which the log does not have. But
where a member is an object, the log tells which one it is: it is the member that was put in as that object.

Source: Python Library Reference, "Built-in Functions"; "Set Types".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from trilha.trace.heap import TUPLE, Thing, Value, number_of, thing_of
from trilha.trace.waiting import Call

__all__ = ["choose_member", "found_among", "members_of", "note_among"]

_MOST: Final = 4096
"""Of what has more members, none is told so."""
_BEHIND_A_COUNT: Final = frozenset(["heapq.nlargest", "heapq.nsmallest"])
_REORDERING: Final = frozenset(
    ["sorted", "set", "frozenset", "list", "tuple", "random.sample", *_BEHIND_A_COUNT]
)
_CHOOSING: Final = frozenset(["min", "max", "random.choice"])
_POPPING: Final = frozenset(["heapq.heappop", "heapq.heapreplace", "heapq.heappushpop"])
_AMONG: Final = "among"


def note_among(made: Thing, *given: Value) -> None:
    """Note that members of a thing are those that other values have, or these values themselves.

    Args:
        made: the thing, which keeps what it has of that.
        given: data structures and members.
    """
    if made.unmet:
        return
    known = _known(made)
    found = {} if known is None else known
    for one in given:
        thing = thing_of(one)
        if thing is not None and thing.number > 0 and number_of(one):
            found[thing.number] = one
    if len(found) <= _MOST and (found or known is not None):
        made.over = (_AMONG, found)
    elif known is not None:
        made.over = None


def found_among(holder: Thing | None, seen: Value) -> Value:
    """The member of a thing that is the object which the log has; None if none is known to be.

    Args:
        holder: the thing, or an iterator that goes through such.
        seen: the object as the log has it.
    """
    thing = thing_of(seen)
    if holder is None or thing is None:
        return None
    for one in _through(holder):
        known = _known(one)
        if known is not None and thing.number in known:
            return known[thing.number]
    return None


def choose_member(name: str, call: Call, made: Thing) -> Value:
    """The member that a function chose of what it was given; notes what has members in another order.

    Args:
        name: of the function.
        call: of it.
        made: what it gave.
    """
    words = [word for word, _ in call.arguments]
    if (
        call.method is not None
        or not words
        or words[0] is not None
        or isinstance(call.arguments[0][1], tuple)
    ):
        return None
    given = call.arguments[0][1]
    if name in _BEHIND_A_COUNT and words[:2] == [None, None]:
        given = call.arguments[1][1]
    if name in _POPPING:
        pushed = call.arguments[1][1] if words == [None, None] else None
        candidates = (*members_of(given), pushed)
        return next((one for one in candidates if thing_of(one) is made), None)
    if name in _CHOOSING and words.count(None) == 1:
        return next((one for one in members_of(given) if thing_of(one) is made), None)
    if name in _REORDERING and made.over is None:
        note_among(made, *members_of(given))
    return None


def members_of(value: Value) -> Iterator[Value]:
    """The members of a data structure that are known, at whatever places, and what tuples among them have."""
    holder = thing_of(value)
    for one in _through(holder) if holder is not None else ():
        if len(one.items) > _MOST or len(one.parts) > _MOST:
            continue
        yield from (_known(one) or {}).values()
        for member in (*one.items, *one.parts.values()):
            yield member
            inner = thing_of(member)
            if inner is not None and inner.kind == TUPLE and len(inner.parts) <= _MOST:
                yield from inner.parts.values()


def _known(thing: Thing) -> dict[int, Value] | None:
    over = thing.over
    return over[1] if type(over) is tuple and len(over) == 2 and over[0] == _AMONG else None


def _through(holder: Thing) -> Iterator[Thing]:
    """A thing, or those that an iterator or a view goes through."""
    sources: Iterable[Value] = getattr(holder.over, "sources", ())
    if type(holder.over) is tuple and len(holder.over) == 3 and isinstance(holder.over[1], list):
        sources = holder.over[1]
    yield holder
    for one in sources:
        inner = thing_of(one)
        if inner is not None and inner is not holder:
            yield from _through(inner)
