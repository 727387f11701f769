"""Sizes, times and durations in words that people read."""

from __future__ import annotations

import time
from typing import Any, Final

__all__ = ["clock", "duration", "foremost", "moment", "number", "size", "visible"]

_FOREMOST: Final = (
    *(
        "cpython",
        "pypy",
        "torch",
        "tensorflow",
        "jax",
        "keras",
        "lightning",
        "pytorch-lightning",
        "transformers",
    ),
    *("scikit-learn", "deepxde", "parsl", "dask", "ray", "numpy", "pandas"),
)
"""Packages that a reader looks for, the first of them first."""
_SECOND: Final = 1_000_000_000


def foremost(label: str) -> tuple[int, str]:
    """What to sort packages by, such as ``"torch 2.13.0"``: those that one looks for, then the alphabet."""
    name = label.partition(" ")[0].lower().replace("_", "-")
    return (_FOREMOST.index(name) if name in _FOREMOST else len(_FOREMOST)), label.lower()


def size(count: int) -> str:
    """A number of bytes, in decimal units."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.95 or unit == "PB":
            return f"{value:.1f} {unit}"
    return f"{count} B"


def duration(ns: int | None) -> str:
    """A duration in nanoseconds, to three digits or so."""
    if ns is None:
        return "unknown"
    if ns < 0:
        return "-" + duration(-ns)
    seconds = ns / _SECOND
    if seconds < 0.001:
        return f"{ns / 1000:.0f} µs"
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def moment(ns: int | None) -> str:
    """Date and time in this machine's zone, to the second."""
    return "time unknown" if ns is None else time.strftime("%Y-%m-%d %H:%M:%S", _local(ns))


def clock(ns: int | None) -> str:
    """The time of day in this machine's zone, to the second."""
    return "" if ns is None else time.strftime("%H:%M:%S", _local(ns))


def _local(ns: int) -> time.struct_time:
    return time.localtime(max(-62_000_000_000, min(253_000_000_000, ns // _SECOND)))


def number(value: Any) -> str:
    """A number to five significant digits; whole numbers in full."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int):
        return (
            f"{value:,}" if abs(value) < 10**21 else f"{float(value):.5g}" if abs(value) < 2**1000 else "huge"
        )
    return str(value)


def visible(text: str, longest: int = 200) -> str:
    """`text` on one line, with nothing in it that a terminal would obey, and cut to `longest` characters.

    Control characters, line breaks, lone surrogates, bidirectional overrides and everything else that has no
    picture are written as Python escapes.
    """
    cut = text[: longest + 1]
    if not cut.isprintable():
        cut = "".join(one if one.isprintable() else _escape(one) for one in cut)
    return cut if len(text) <= longest and len(cut) <= longest * 4 else cut[: longest - 1] + "…"


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii") if one != "\u3000" else one
