"""What stands for an object that evaluations gave, also where the log has no identity of it."""

from __future__ import annotations

from trilha.trace.traced import Traced

__all__ = ["Origins"]


class Origins:
    """Tells of evaluations whether they gave the same object.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._known: dict[int, int] = {}

    def of(self, number: int) -> int:
        """The identity of what an evaluation gave; else the evaluation that gave it first, less than zero."""
        known = self._known.get(number)
        if known is not None:
            return known
        way, at = [], number
        while (above := self._traced.is_same(at)) and not self._traced.thing(at):
            way.append(at)
            at = above
        found = self._traced.thing(at) or -at
        for one in (*way, number):
            self._known[one] = found
        return found
