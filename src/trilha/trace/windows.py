"""Which rows a window over the rows of a frame has, as the call that makes it is written.

pandas' windows end at the row for which they are, unless something else is asked for; what is asked for by
more than a number that stands in the text is not known here.

Source: pandas User Guide, "Windowing operations"; pandas API, `Series.rolling`, `Series.cumsum`,
`Series.shift`, `Series.diff`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

__all__ = ["OF_WINDOWS", "WINDOWS", "Reach", "reach_of"]

WINDOWS: Final = frozenset(["rolling", "expanding"])
"""Methods that give what goes over windows."""
OF_WINDOWS: Final = frozenset(["sum", "mean", "min", "max", "std", "var", "median", "count", "sem"])
"""Methods of that, which make one value of the rows of each."""
_SO_FAR: Final = frozenset(["cumsum", "cumprod", "cummax", "cummin"])
_SHIFTS: Final = frozenset(["shift", "diff"])
_WORDS: Final = {
    "rolling": frozenset(["window", "min_periods"]),
    "expanding": frozenset(["min_periods"]),
    "shift": frozenset(["periods"]),
    "diff": frozenset(["periods"]),
}
_FIRST: Final = {"rolling": "window", "shift": "periods", "diff": "periods", "expanding": "min_periods"}


class Reach(NamedTuple):
    """The rows that went into one of them, by how far these are before it.

    Attributes:
        least: the last of them.
        most: the first of them; None for the first of the frame.
        is_pair: the row itself and this one alone, not those between.
    """

    least: int
    most: int | None
    is_pair: bool = False

    def rows(self, places: Iterable[int], length: int) -> Iterator[int]:
        """The positions of the rows that went into those at some positions, of a frame of so many rows."""
        done = 0
        for at in sorted(places):
            if self.is_pair:
                yield from (one for one in (at, at - self.least) if 0 <= one < length)
                continue
            begin = 0 if self.most is None else at - self.most
            end = min(at - self.least + 1, length)
            yield from range(max(done, begin), end)
            done = max(done, end)


def reach_of(node: ast.Call) -> Reach | None:
    """How far the windows reach that a call has, or makes; None where the text does not tell it.

    Args:
        node: of a method of a frame or column.
    """
    method = getattr(node.func, "attr", "")
    if method in _SO_FAR:
        return Reach(0, None) if not node.args and not node.keywords else None
    words = _WORDS.get(method)
    if words is None or len(node.args) > 1 or any(one.arg not in words for one in node.keywords):
        return None
    if method == "expanding":
        return Reach(0, None)
    given = [*node.args, *(one.value for one in node.keywords if one.arg == _FIRST[method])]
    number = 1 if not given and method in _SHIFTS else _number(given[0]) if len(given) == 1 else None
    if number is None or (method == "rolling" and number < 1):
        return None
    if method == "rolling":
        return Reach(0, number - 1)
    return Reach(number, number, is_pair=method == "diff")


def _number(node: ast.expr) -> int | None:
    """A whole number as it is written."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    known = isinstance(node, ast.Constant) and type(node.value) is int
    return sign * node.value if known else None  # type: ignore[attr-defined]
