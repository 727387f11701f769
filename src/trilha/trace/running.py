"""What was going on when a function of the text began that no call of the text began.

Python itself calls special methods, decorators, properties and generators; libraries call what they were
given, at once or in a thread. The trace has the activation in which that happened, and what was evaluated
there before and after it, or what the library was given the function by.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from trilha.trace.carried import given
from trilha.trace.evaluations import Kind
from trilha.trace.traced import Traced

__all__ = ["Running"]


class Running:
    """Tells it of the activations of a trace.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._pieces: dict[int, tuple[list[int], list[int]]] = {}
        self._given: dict[int, list[int]] = {}

    def around(self, activation: int) -> tuple[int | None, int | None]:
        """What was evaluated last and next by the activation that went on when one began.

        What began it stands at the next one, or before it where that evaluates nothing (``if a:``).
        """
        told = self._traced.activation_of(activation)
        begins, ends = self._pieces_of(told.caller) if told.caller else ([], [])
        at = bisect_left(begins, told.checkpoint)
        before = self._last_of(begins[at - 1], ends[at - 1]) if at else None
        following = range(bisect_right(begins, told.checkpoint), len(begins))
        found = (self._first_of(begins[one], ends[one]) for one in following)
        return before, next((one for one in found if one is not None), None)

    def following(self, activation: int, number: int) -> Iterator[int]:
        """The evaluations of an activation from one on."""
        slots = self._traced.columns("slot")
        begins, ends = self._pieces_of(activation)
        for at in range(bisect_right(ends, number), len(ends)):
            yield from (one for one in range(max(begins[at], number), ends[at]) if slots[one])

    def given_to(self, definition: int, name: str) -> list[int]:
        """The calls of libraries that were given a function, or something made of it (a thread).

        Args:
            definition: the evaluation of the function.
            name: of the function, by which it is found as a method.
        """
        if definition not in self._given:
            thing = self._traced.thing(definition)
            starts = set(self._traced.with_thing(thing)) if thing else set()
            starts.update(self._traced.of(lambda one: one.kind is Kind.ACCESS and _ends(one.text, name)))
            self._given[definition] = given(self._traced, starts)
        return self._given[definition]

    def _pieces_of(self, activation: int) -> tuple[list[int], list[int]]:
        """From which to before which numbers an activation went on, each time."""
        if not self._pieces:
            begins, activations = self._traced.switches()
            for at, one in enumerate(activations):
                found = self._pieces.setdefault(one, ([], []))
                found[0].append(begins[at])
                found[1].append(begins[at + 1] if at + 1 < len(begins) else self._traced.end)
        return self._pieces.get(activation, ([], []))

    def _first_of(self, begin: int, end: int) -> int | None:
        slots = self._traced.columns("slot")
        return next((number for number in range(begin, end) if slots[number]), None)

    def _last_of(self, begin: int, end: int) -> int | None:
        slots = self._traced.columns("slot")
        return next((number for number in range(end - 1, begin - 1, -1) if slots[number]), None)


def _ends(text: str, name: str) -> bool:
    return text.rpartition(".")[2] == name
