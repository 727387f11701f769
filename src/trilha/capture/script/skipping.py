"""What loops ask of which only some rounds are traced; `capture.script.rounds` makes them ask.

A loop is known by its frame and by the number of its record `skip`; its other records are numbered behind
that one: `skipped`, `returned`, `goes_on`.
"""

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

_Loop = tuple[int, int]
_second: Final = itemgetter(1)
_NOTHING: Final = object()
"""Is left of a ``while``."""
_MOST: Final = 1 << 14
"""So many loops are counted at once; those that were left by an exception are among them."""


class Skipping:
    """The hooks of loops.

    Args:
        trail: the log.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._left: dict[_Loop, Any] = {}
        self._paused: dict[int, int] = {}
        self._counts: dict[_Loop, int] = {}

    def rounds(self, number: int) -> None:
        """A loop begins that counts its rounds, or has some traced again."""
        loop = id(sys._getframe(1)), number
        if len(self._counts) > _MOST:
            self._counts.clear()
        self._left.pop(loop, None)
        self._counts[loop] = 0

    # -- what a loop goes through ----------------------------------------------------------------------------

    def take(self, number: int, items: Any) -> Iterator[Any]:
        """The next items, which are traced; `items` are those of a new loop, or what `resumed` gave."""
        loop = id(sys._getframe(1)), number
        if type(items) is tuple:
            (items,) = items
        else:
            self._left.pop(loop, None)
        return chain.from_iterable(self._some(loop, items, self._trail.rounds))

    def rest(self, number: int, count: int) -> Any:
        """What is left of what a loop goes through: so many, or all if that is 0."""
        loop = id(sys._getframe(1)), number
        items = self._left.pop(loop)
        return chain.from_iterable(self._some(loop, items, count)) if count else items

    def _some(self, loop: _Loop, items: Iterator[Any], count: int) -> Iterator[Iterator[Any]]:
        """Some items; then the loop may go on. No frame of ours comes into tracebacks of what they raise."""
        counted = enumerate(items)
        yield map(_second, islice(counted, count))
        reduced: Any = counted.__reduce__()
        if reduced[1][1] >= count:
            self._left[loop] = items

    def resumed(self, number: int) -> tuple[Any] | None:
        """What is left for a loop that is traced again; None for one that begins."""
        items = self._left.pop((id(sys._getframe(1)), number), _NOTHING)
        return None if items is _NOTHING else (items,)

    # -- what a ``while`` counts -----------------------------------------------------------------------------

    def more(self, number: int) -> bool:
        """Whether one more round of a ``while`` is traced."""
        return self._counted((id(sys._getframe(1)), number), self._trail.rounds)

    def fewer(self, number: int, count: int) -> bool:
        """Whether fewer rounds of a ``while`` than so many went on untraced."""
        return self._counted((id(sys._getframe(1)), number), count)

    def _counted(self, loop: _Loop, most: int) -> bool:
        count = self._counts.get(loop, 0)
        if count >= most:
            self._left[loop] = _NOTHING
            self._counts[loop] = 0
            return False
        self._counts[loop] = count + 1
        return True

    # -- from traced rounds to others, and back --------------------------------------------------------------

    def skip(self, number: int) -> bool:
        """Whether a loop that is over as far as it is traced goes on."""
        loop, thread = (id(sys._getframe(1)), number), get_ident()
        if loop not in self._left:
            return False
        if self._left[loop] is _NOTHING:
            del self._left[loop]
        self._paused[thread] = self._paused.get(thread, 0) + 1
        self._trail.put(number)
        return True

    def skipped(self, number: int) -> None:
        """The rounds that are not traced are over."""
        self.unpause()
        self._trail.put(number + 1)

    def returned(self, number: int, value: Any) -> Any:
        """One of them returns."""
        self.unpause()
        self._trail.put(number + 2)
        return value

    def goes_on(self, number: int, count: int) -> bool:
        """Whether the rounds behind those that are not traced, of which there were so many, are again."""
        loop = id(sys._getframe(1)), number
        if loop not in self._left:
            self.skipped(number)
            return False
        if self._left[loop] is _NOTHING:
            del self._left[loop]
        self.unpause()
        self._trail.put(number + 3, count)
        return True

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
        found |= {"more": self.more, "fewer": self.fewer, "resumed": self.resumed, "goes_on": self.goes_on}
        found |= {"skip": self.skip, "skipped": self.skipped, "returned": self.returned}
        return found | {"unpause": self.unpause, "paused": self.paused}
