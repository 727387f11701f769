"""Metrics: rows of numbers in dense blocks, one frame a call.

The names given in one call to `trilha.log` make a row; calls with the same names in the same activity go to
the same block, in whatever order they are given. ``epoch`` and ``step`` say where in the training the row
belongs, as long as they are whole; a part of an epoch is a metric like any other, called ``epoch
(fraction)``. A row costs a packing, a checksum and a copy; it becomes PROV statements only when a document
asks for them.
"""

from __future__ import annotations

import math
import struct
import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.compiled import appender_of
from trilha.capture.context import Activity, current
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.frames import ROWS_BYTE, ROWS_HEAD
from trilha.capture.journal.writer import encode, literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Series", "forget_blocks", "log", "look_again"]

_METRICS: Final = literal_name("trilha:Metrics")
_POSITIONS: Final = ("epoch", "step")
_PLAIN: Final = frozenset([float, int, bool])
_now = time.time_ns


class Series:
    """A block of metrics of one activity.

    Attributes:
        append: records one row, given its numbers; `struct.error` if one is no number.
        names: of the metrics, in the order of `append`.
    """

    __slots__ = ("append", "names")

    def __init__(self, recorder: Recorder, activity: Activity, names: tuple[str, ...]) -> None:
        entity = next(recorder.numbers)
        number = next(recorder.numbers)
        codes = ["q" if name in _POSITIONS else "d" for name in names]
        labels = [_plain(name) for name in names]
        recorder.entity(entity, "prov:type", _METRICS, "trilha:name", ", ".join(labels))
        recorder.generated(entity, activity.identifier, None)
        block = {
            "number": number,
            "entity": entity,
            "kind": "metrics",
            "columns": [("time", "q"), *zip(labels, codes, strict=True)],
        }
        recorder.file.append(encode({"block": block}))
        layout, head = struct.Struct("<5sq" + "".join(codes)), ROWS_HEAD.pack(ROWS_BYTE, number)
        append = _appender(recorder, layout.pack, head, len(codes))
        self.append = appender_of(append, recorder, head, "".join(codes))
        self.names = names


class _Reordered:
    """A block that is given its names in another order."""

    __slots__ = ("_append", "_places")

    def __init__(self, series: Series, names: tuple[str, ...]) -> None:
        self._append = series.append
        self._places = [names.index(name) for name in series.names]

    def append(self, *values: Any) -> None:
        """Record one row, given its numbers in our order."""
        self._append(*(values[place] for place in self._places))


def _plain(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _appender(recorder: Recorder, pack: Any, head: bytes, count: int) -> Any:
    """A function that records one row of `count` numbers; one or two are not worth a tuple."""
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
    """Record one row of metrics of `activity`: the values that are numbers. None says that there is none."""
    known = activity.blocks.get(names)
    if known is not None and _PLAIN.issuperset(map(type, values)):
        try:
            known.append(*values)
            return
        except (struct.error, OverflowError):
            pass  # a part of an epoch, say
    row: dict[str, float | int] = {}
    wrong = []
    slowly = False
    for name, value in zip(names, values, strict=True):
        number = _number(value)
        slowly = slowly or hasattr(type(value), "detach")
        if number is None:
            if value is not None:
                wrong.append(name)
        elif name not in _POSITIONS:
            row[name] = float(number)
        elif math.isfinite(number) and number == int(number) and -(2**63) <= number < 2**63:
            row[name] = int(number)
        else:
            row[f"{name} (fraction)"] = float(number)
    if row and (not wrong or row.keys() - set(_POSITIONS)):
        series = _series(activity, recorder, tuple(row))
        series.append(*row.values())
        if not slowly and not recorder.watchers:
            # From now on `trilha.log` finds it by itself.
            activity.blocks[tuple(row)] = series
            if len(row) == 1:
                activity.blocks[next(iter(row))] = series
    if wrong:
        recorder.lost += len(wrong)
        recorder.complain(
            f"trilha.log: {', '.join(wrong)} is no number; such values are counted, not recorded"
        )


def forget_blocks(recorder: Recorder) -> None:
    """In a forked child: the blocks that are open are the parent's journal's; begin new ones."""
    activity: Activity | None = current(recorder)
    while activity is not None:
        activity.blocks.clear()
        activity = activity.enclosing


def look_again(recorder: Recorder) -> None:
    """Have `trilha.log` come here with each row from now on, since somebody watches the rows."""
    activity: Activity | None = current(recorder)
    while activity is not None:
        for key in list(activity.blocks):
            if isinstance(key, str) or key[:1] != ("\0",):
                del activity.blocks[key]
        activity = activity.enclosing


def _series(activity: Activity, recorder: Recorder, names: tuple[str, ...]) -> Any:
    """Where rows with these names go: the one block for them, in whatever order they are given."""
    series = activity.blocks.get(names)
    if series is None:
        # Under a name that nobody can give: the names without their order.
        key = ("\0", *sorted(names))
        known = activity.blocks.get(key)
        if known is None:
            known = activity.blocks[key] = Series(recorder, activity, names)
        series = known if known.names == names else _Reordered(known, names)
    return series


def _number(value: Any) -> Any:
    """The number that `value` is, or holds as a tensor or array of one element or as a text; else None."""
    kind = type(value)
    if kind is float or kind is int or kind is bool:
        number = value
    else:
        try:
            detach = getattr(kind, "detach", None)
            if detach is not None:
                # A tensor that a gradient goes through warns when it becomes a number.
                value = detach(value)
            item = getattr(kind, "item", None)
            number = item(value) if item is not None else value
            number = number if type(number) in (int, bool) else float(number)
        except Exception:
            pass_on()
            return None
    try:
        float(number)
    except OverflowError:
        return None
    return number
