"""Which part of a text runs a function that may run without a call in the text, as the log has it.

A special method runs within a comparison of lists, a function that is a value within an iterator of a
library. The log tells in which order functions begin; the frames that go on know what runs each.

Source: Python Language Reference, "Frame objects".
"""

from __future__ import annotations

import sys
from _thread import get_ident
from itertools import islice
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from trilha.capture.script.trail import Trail


__all__ = ["Callers", "place_of"]

_NOWHERE: Final[tuple[int, ...]] = (0, 0, 0, 0)
_FAR: Final = 64
"""So many frames of other code may lie between."""


class Callers:
    """The hook of such functions; `trilha_recorder` has the same in C.

    Args:
        trail: the log.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._told: tuple[int, CodeType | None, int] = 0, None, 0

    def hooks(self) -> dict[str, Any]:
        """The hook by its name."""
        return {"called": self.called}

    def called(self, head: int) -> None:
        """Log which part of a text runs the function, if that is another one than in this thread before."""
        if not self._trail.active:
            return
        frame: FrameType | None = sys._getframe(1)
        for _ in range(_FAR):
            frame = frame.f_back if frame is not None else None
            if frame is None or frame.f_code.co_filename in self._trail.bases:
                break
        else:
            frame = None
        thread, code = get_ident(), frame.f_code if frame is not None else None
        at = frame.f_lasti if frame is not None else 0
        if self._told[0] == thread and self._told[1] is code and self._told[2] == at:
            return
        self._told = thread, code, at
        if code is None:
            self._trail.put(head, 0, *_NOWHERE)
        else:
            self._trail.put(head, self._trail.bases[code.co_filename], *place_of(code, at))


def place_of(code: CodeType, instruction: int) -> tuple[int, ...]:
    """Which part of the text an instruction is of: line, end line, columns; zeros where that is not known."""
    found = next(islice(code.co_positions(), instruction // 2, None), ())
    return tuple(number or 0 for number in found) or _NOWHERE
