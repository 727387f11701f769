"""Metrics: rows of numbers in dense blocks, one frame a call.

The names given in one call to `trilha.log` make a row; calls with the same names in the same activity go to the same
block. ``epoch`` and ``step`` are whole numbers that say where in the training the row belongs. A row costs a packing, a
checksum and a copy; it becomes PROV statements only when a document asks for them.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity
from trilha.capture.journal.frames import ROWS_BYTE, ROWS_HEAD
from trilha.capture.journal.writer import encode
from trilha.capture.journal.writer import literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Series", "log"]

_METRICS: Final = literal_name("trilha:Metrics")
_POSITIONS: Final = ("epoch", "step")
_now = time.time_ns


class Series:
    """A block of metrics of one activity.

    Attributes:
        append: records one row, given its numbers; `struct.error` if one is no number.
    """

    __slots__ = ("_columns", "_number", "append")

    def __init__(self, recorder: Recorder, activity: Activity, names: tuple[str, ...]) -> None:
        entity = next(recorder.numbers)
        self._number = next(recorder.numbers)
        codes = ["q" if name in _POSITIONS else "d" for name in names]
        recorder.entity(entity, "prov:type", _METRICS, "trilha:name", ", ".join(map(_plain, names)))
        recorder.generated(entity, activity.identifier, None)
        block = {
            "number": self._number,
            "entity": entity,
            "kind": "metrics",
            "columns": [("time", "q"), *zip(map(_plain, names), codes, strict=True)],
        }
        recorder.file.append(encode({"block": block}))
        self._columns = codes
        head = ROWS_HEAD.pack(ROWS_BYTE, self._number)
        layout = struct.Struct("<5sq" + "".join(codes))
        self.append = _appender(recorder, layout.pack, head, len(codes))

    def slowly(self, values: tuple[Any, ...]) -> bool:
        """Record a row whose values are not plain numbers: tensors, arrays of one element, texts of numbers.

        Returns:
            False if a value is no number at all.
        """
        numbers: list[Any] = []
        for value, code in zip(values, self._columns, strict=True):
            try:
                numbers.append(float(value) if code == "d" else int(value))
            except (TypeError, ValueError, OverflowError, RuntimeError):
                return False
        try:
            self.append(*numbers)
        except struct.error:
            return False
        return True


def _plain(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _appender(recorder: Recorder, pack: Any, head: bytes, count: int) -> Any:
    """A function that records one row of `count` numbers. One or two are not worth packing and unpacking a tuple for."""
    if count == 1:

        def append_one(value: Any) -> None:
            recorder.file.append(pack(head, _now(), value))

        return append_one
    if count == 2:

        def append_two(first: Any, second: Any) -> None:
            recorder.file.append(pack(head, _now(), first, second))

        return append_two

    def append(*values: Any) -> None:
        recorder.file.append(pack(head, _now(), *values))

    return append


def log(recorder: Recorder, activity: Activity, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
    """Record one row of metrics of `activity`."""
    series = activity.blocks.get(names)
    if series is None:
        series = activity.blocks[names] = Series(recorder, activity, names)
        if len(names) == 1:
            activity.blocks[names[0]] = series
    try:
        series.append(*values)
    except (struct.error, TypeError):
        if not series.slowly(values):
            recorder.lost += 1
            recorder.complain(f"a metric among {', '.join(names)} is no number; such rows are counted, not recorded")
