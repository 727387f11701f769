"""What libraries were given of an object, and made of it: the calls that may have had to do with it.

Libraries are black boxes. A call that is given an object may keep it in what it returns (a writer has its
file, an optimiser its model's parameters, a loss all that went into it), and a later call of that may do
something to the object. Functions whose text is traced are no black boxes: what they do is known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from trilha.trace.evaluations import Kind
from trilha.trace.traced import Traced

__all__ = ["Recorded", "given"]


def given(traced: Traced, starts: Iterable[int]) -> list[int]:
    """The calls of libraries that were given the values of some evaluations, or what such calls made of them.

    Args:
        traced: the trace.
        starts: the evaluations.
    """
    known = set(starts)
    found: set[int] = set()
    carries = bytearray(traced.end)
    things: set[int] = set()

    def carry(thing: int) -> None:
        if thing and thing not in things:
            things.add(thing)
            for number in traced.with_thing(thing):
                carries[number] = 1

    for number in known:
        carries[number] = 1
        carry(traced.thing(number))
    for number in traced.consumers(min(known, default=traced.end), carries, carries):
        if traced.component(number).kind is Kind.CALL and not traced.called_by(number):
            found.add(number)
            carry(traced.thing(number))
    return sorted(found)


class Recorded:
    """Objects of which the run's record tells that a library changed them: a model that is trained, say.

    The record tells during which call that was (an optimiser's step); what the call went by may have come to
    it by any call before that was given the object, or something made of it (a loss, and its `backward`).

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._changes: dict[int, list[int]] = {}
        for one in traced.known():
            if one.again and one.evaluation:
                self._changes.setdefault(one.thing, []).append(one.evaluation)
        self._by = {number: thing for thing, numbers in self._changes.items() for number in numbers}
        self._given: dict[int, list[int]] = {}

    def __contains__(self, thing: int) -> bool:
        return thing in self._changes

    def led_to(self, number: int) -> list[int]:
        """The calls that may have led to what an evaluation changed, since it was changed before."""
        thing = self._by.get(number)
        if thing is None:
            return []
        times, calls = self._changes[thing], self._calls(thing)
        at = bisect_left(times, number)
        begin = bisect_right(calls, times[at - 1]) if at else 0
        return calls[begin : bisect_left(calls, number)]

    def leads_to(self, number: int) -> Iterator[int]:
        """The evaluations that changed something next, to which a call may have led."""
        for thing, times in self._changes.items():
            calls = self._calls(thing)
            place = bisect_left(calls, number)
            if place < len(calls) and calls[place] == number:
                at = bisect_right(times, number)
                yield from times[at : at + 1]

    def _calls(self, thing: int) -> list[int]:
        """The calls of libraries that were given a thing, or something made of it."""
        calls = self._given.get(thing)
        if calls is None:
            calls = self._given[thing] = given(self._traced, self._traced.with_thing(thing))
        return calls
