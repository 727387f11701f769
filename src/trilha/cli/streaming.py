"""Answers as JSON, written piece by piece: what an iterator gives is written as it comes, and is not kept.

The text is that of `json.dumps(…, indent=2)` of the same answer with lists in the place of iterators.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

__all__ = ["pieces"]

_STEP: Final = "  "


def pieces(value: Any, margin: str = "\n") -> Iterator[str]:
    """A value as JSON, in pieces.

    Infinities and not-a-number, which JSON has no word for, are the texts ``"INF"``, ``"-INF"`` and
    ``"NaN"``; times are ISO 8601 in UTC; bytes are hexadecimal.

    Args:
        value: of JSON's types, times or bytes. Iterators stand for lists, whose members have no iterators.
        margin: the end of the line before the bracket that closes it.
    """
    if isinstance(value, dict):
        members = ((f"{_quoted(str(key))}: ", one) for key, one in value.items())
        yield from _joined("{}", members, margin, pieces)
    elif isinstance(value, (list, tuple)):
        yield from _joined("[]", (("", one) for one in value), margin, pieces)
    elif isinstance(value, Iterator):
        yield from _joined("[]", (("", one) for one in value), margin, _whole)
    else:
        yield _single(value)


def _joined(
    brackets: str,
    members: Iterable[tuple[str, Any]],
    margin: str,
    written: Callable[[Any, str], Iterable[str]],
) -> Iterator[str]:
    inner = margin + _STEP
    before = brackets[0] + inner
    for key, one in members:
        yield before + key
        yield from written(one, inner)
        before = f",{inner}"
    yield brackets if before[0] == brackets[0] else margin + brackets[1]


def _whole(value: Any, margin: str) -> tuple[str]:
    """A value at once: an answer has many that are small."""
    return (_text(value, margin),)


def _text(value: Any, margin: str) -> str:
    inner = margin + _STEP
    if isinstance(value, dict):
        members = [f"{_quoted(str(key))}: {_text(one, inner)}" for key, one in value.items()]
        return f"{{{inner}{f',{inner}'.join(members)}{margin}}}" if members else "{}"
    if isinstance(value, (list, tuple)):
        members = [_text(one, inner) for one in value]
        return f"[{inner}{f',{inner}'.join(members)}{margin}]" if members else "[]"
    return _single(value)


def _single(value: Any) -> str:
    if type(value) is str:
        return _quoted(value)
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"INF"' if value > 0 else '"-INF"'
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return _quoted(aware.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"))
    if isinstance(value, bytes):
        return _quoted(value.hex())
    return json.dumps(value)
