"""What loops ask of which only the first rounds are traced; `capture.script.rounds` makes them ask."""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Iterator
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from trilha.capture.script.trail import Trail

__all__ = ["Skipping"]

_second: Final = itemgetter(1)
_MOST: Final = 1 << 14
"""So many loops are counted at once; those that were left by an exception are among them."""


class Skipping:
    """The hooks of loops.

    Args:
        trail: the log.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._left: dict[int, Any] = {}
        self._paused: dict[int, int] = {}
        self._counts: dict[tuple[int, int], int] = {}

    def take(self, _: int, items: Iterator[Any]) -> Iterator[Any]:
        """The first items. No frame of ours comes into tracebacks of what the iterator raises."""
        return chain.from_iterable(self._first(items))

    def _first(self, items: Iterator[Any]) -> Iterator[Iterator[Any]]:
        counted = enumerate(items)
        yield map(_second, islice(counted, self._trail.rounds))
        reduced: Any = counted.__reduce__()
        if reduced[1][1] >= self._trail.rounds:
            self._left[get_ident()] = items

    def rounds(self, head: int) -> None:
        """A ``while`` begins."""
        if len(self._counts) > _MOST:
            self._counts.clear()
        self._counts[id(sys._getframe(1)), head] = 0

    def more(self, head: int) -> bool:
        """Whether one more round of a ``while`` is traced."""
        key = id(sys._getframe(1)), head
        count = self._counts.get(key, 0)
        if count >= self._trail.rounds:
            self._left[get_ident()] = ()
            return False
        self._counts[key] = count + 1
        return True

    def skip(self, head: int) -> bool:
        """Whether a loop that is over as far as it is traced goes on."""
        thread = get_ident()
        if thread not in self._left:
            return False
        if self._left[thread] == ():
            del self._left[thread]
        self._paused[thread] = self._paused.get(thread, 0) + 1
        self._trail.put(head)
        return True

    def rest(self, _: int) -> Any:
        """What is left of what a loop goes through."""
        return self._left.pop(get_ident())

    def skipped(self, head: int) -> None:
        """The rounds that are not traced are over."""
        self.unpause()
        self._trail.put(head)

    def returned(self, head: int, value: Any) -> Any:
        """One of them returns."""
        self.skipped(head)
        return value

    def unpause(self) -> None:
        """Functions that are called from here on are traced again, but for loops around."""
        thread = get_ident()
        count = self._paused.pop(thread, 0)
        if count > 1:
            self._paused[thread] = count - 1

    def paused(self) -> bool:
        """Whether a function that begins is called by a round that is not traced."""
        return bool(self._paused) and get_ident() in self._paused

    def hooks(self) -> dict[str, Any]:
        """The hooks by name."""
        found: dict[str, Any] = {"iter": iter, "take": self.take, "rest": self.rest, "rounds": self.rounds}
        found |= {"more": self.more, "skip": self.skip, "skipped": self.skipped, "returned": self.returned}
        return found | {"unpause": self.unpause, "paused": self.paused}
