"""Which rows a frame or a column of pandas has: its labels, as a trace has them.

What is chosen, ordered or copied of a frame keeps the labels of its rows, so they say of each row of the one
which of the other it was. Only labels that are whole numbers are logged, each set of them once: as a range,
as a bit for each number between the first and the last, or one by one. pandas' own properties are asked, not
those of a class of the program.

Source: pandas User Guide, "Intro to data structures"; Python Library Reference, `zlib`.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, NamedTuple

__all__ = ["BITS", "EACH", "FRAME", "LABELS", "OTHER", "PLAIN", "RANGE", "ROWS", "Labels"]

ROWS, LABELS = 14, 15
"""Records: an object has rows with these labels; a set of labels."""
PLAIN, FRAME, OTHER = 1, 2, 3
"""What has rows: a column of plain values, a frame, a column of values of other kinds (categories)."""
RANGE, BITS, EACH = range(3)
"""How labels are told."""
_MOST_SPAN: Final = 1 << 22
"""So far from each other the first and the last label may be to be told by bits."""
_SPARSE: Final = 64
"""So many bits for each label at most."""
_MOST_EACH: Final = 1 << 15
"""So many labels may be told one by one."""
_MOST_BYTES: Final = 64 << 20
"""So many bytes of labels a process logs; what else there is, is not known."""
_MOST_MARKS: Final = 64


class _Told(NamedTuple):
    how: int
    length: int
    first: int
    step: int
    packed: bytes


class Labels:
    """The sets of labels that a log has.

    Args:
        put: logs a record of numbers.
        text: logs a record of a kind, bytes and numbers before their length.
    """

    def __init__(self, put: Callable[..., Any], text: Callable[..., Any]) -> None:
        self._put, self._text = put, text
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._marks: dict[int, tuple[object, int]] = {}
        self._left = _MOST_BYTES

    def rows(self, value: Any, token: int) -> None:
        """Log which rows a frame or column has, after its token was told.

        Args:
            value: that the log calls so; what is none of pandas' has no rows.
            token: of it.
        """
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(value, (pandas.DataFrame, pandas.Series)):
            return
        if isinstance(value, pandas.DataFrame):
            shape, index = FRAME, pandas.DataFrame.index.__get__(value)
        else:
            dtype = pandas.Series.dtype.__get__(value)
            shape = PLAIN if type(dtype).__module__.startswith("numpy") else OTHER
            index = pandas.Series.index.__get__(value)
        number = self._number(index)
        if number is not None:
            self._put(ROWS, token, shape, number)

    def _number(self, index: Any) -> int | None:
        """The number of a set of labels, which is told if it is new; None if it is not known."""
        if type(index).__name__ == "RangeIndex":
            return self._known(_Told(RANGE, len(index), index.start, index.step, b""))
        if type(index).__name__ not in ("Index", "Int64Index"):
            return None
        mark = getattr(index, "_id", None)  # Views of one index share it.
        known = self._marks.get(id(mark))
        if known is not None and mark is not None:
            return known[1]
        told = _told(index.values)
        if told is None:
            return None
        number = self._known(told)
        if mark is not None and number is not None:
            if len(self._marks) >= _MOST_MARKS:
                del self._marks[next(iter(self._marks))]
            self._marks[id(mark)] = mark, number
        return number

    def _known(self, told: _Told) -> int | None:
        key = (*told[:4], blake2b(told.packed, digest_size=16).digest())
        number = self._numbers.get(key)
        if number is None:
            if self._left < len(told.packed):
                return None
            self._left -= len(told.packed) + len(key)
            number = self._numbers[key] = len(self._numbers)
            signed = [2 * one if one >= 0 else -2 * one - 1 for one in (told.first, told.step)]
            self._text(LABELS, told.packed, number, told.how, told.length, *signed)
        return number


def _told(labels: Any) -> _Told | None:
    """How labels are told: an array of numbers; None for what are none, or are too many."""
    numpy = sys.modules["numpy"]
    if labels.dtype.kind not in "iu" or (labels.dtype.kind == "u" and labels.dtype.itemsize > 4):
        return None
    labels = labels.astype("<i8", copy=False)
    if not len(labels):
        return _Told(RANGE, 0, 0, 1, b"")
    first, span = int(labels[0]), int(labels[-1]) - int(labels[0]) + 1
    steps = numpy.diff(labels)
    if len(labels) == 1 or (steps[0] and bool((steps == steps[0]).all())):
        return _Told(RANGE, len(labels), first, int(steps[0]) if len(steps) else 1, b"")
    if 0 < span <= min(_MOST_SPAN, _SPARSE * len(labels)) and bool((steps > 0).all()):
        bits = numpy.zeros(span, dtype=bool)
        bits[labels - first] = True
        return _Told(BITS, len(labels), first, 1, numpy.packbits(bits).tobytes())
    if len(labels) > _MOST_EACH:
        return None
    return _Told(EACH, len(labels), first, 1, zlib.compress(labels.tobytes(), 1))
