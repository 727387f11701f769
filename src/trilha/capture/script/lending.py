"""The arrays in which pandas has the values of frames and Series, where a write into one is seen in others.

That is so before pandas 3, unless its option `mode.copy_on_write` is set: a column that was taken of a frame
is a way to write into the frame, as the array of its values is.

Source: pandas 2.3 User Guide, "Returning a view versus a copy", "Copy-on-Write".
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

__all__ = ["Lent"]

_MOST: Final = 8
"""Of a frame with arrays for more types of columns than these, none is told."""


class Lent:
    """The frames that were met, by which it is known of which one a column was taken."""

    def __init__(self) -> None:
        self._frames: dict[int, tuple[weakref.ref[Any], int]] = {}

    def held_by(self, value: Any, token: int) -> Iterator[tuple[Any, int]]:
        """The arrays that hold values of a frame or Series, where others may hold theirs in the same memory.

        Args:
            value: the frame or Series.
            token: of it.

        Yields:
            An array, and the token of what has its values there: it, or the frame that it was taken of.
        """
        pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
        copies = getattr(sys.modules.get("pandas._config"), "using_copy_on_write", None)
        if pandas is None or numpy is None or copies is None or copies():
            return
        if not isinstance(value, (pandas.DataFrame, pandas.Series)):
            return
        found = [one.values for one in vars(value)["_mgr"].blocks if isinstance(one.values, numpy.ndarray)]
        for array in found if len(found) <= _MOST else ():
            yield array, token
        if isinstance(value, pandas.DataFrame):
            forget = partial(self._frames.pop, id(value))  # in C: no signal handler runs in the midst of it
            self._frames[id(value)] = weakref.ref(value, forget), token
            return
        taken = vars(value).get("_cacher")
        frame = taken[1]() if taken is not None else None
        known = self._frames.get(id(frame))
        if known is not None and known[0]() is frame and len(found) == 1:
            yield found[0], known[1]
