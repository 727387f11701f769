"""Keys of rows, told densely: one text for many rows.

The text is a JSON list with one list a column, compressed (RFC 1950) and in Base64. A column of whole numbers
is ``["+", first, difference, …]``, each number as what it adds to the one before, since keys and line numbers
mostly rise by one; any other is ``["=", value, …]``, with a blob as ``{"blob": hexadecimal}``.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

__all__ = ["packed", "unpacked"]

_LONGEST: Final = 1 << 28
"""Texts of more bytes are not read: a short text may stand for very many."""


def packed(rows: Sequence[tuple[Any, ...]]) -> str:
    """The text for rows of keys.

    Args:
        rows: a tuple of values of SQLite (whole number, float, text, bytes or None) for each row.
    """
    columns = [_packed(column) for column in zip(*rows, strict=True)]
    raw = json.dumps(columns, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(raw, 6)).decode("ascii")


def unpacked(text: str) -> list[tuple[Any, ...]]:
    """The rows of keys behind a text.

    Raises:
        ValueError: it is no such text.
    """
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(text, validate=True), _LONGEST)
        if not inflate.eof:
            raise ValueError(f"they are cut, or longer than {_LONGEST} bytes")
        columns = json.loads(raw)
        return list(zip(*map(_unpacked, columns), strict=True))
    except (zlib.error, TypeError, KeyError, IndexError, ValueError, RecursionError) as error:
        raise ValueError(f"these are no keys of rows: {error}") from None


def _packed(column: Sequence[Any]) -> list[Any]:
    if all(type(one) is int for one in column):
        return ["+", column[0], *(after - before for before, after in pairwise(column))]
    return ["=", *({"blob": one.hex()} if isinstance(one, bytes) else one for one in column)]


def _unpacked(column: list[Any]) -> list[Any]:
    if type(column) is not list or not column or column[0] not in ("+", "="):
        raise ValueError("expected columns that begin with + or =")
    way, values = column[0], column[1:]
    if way == "+":
        if not all(type(one) is int for one in values):
            raise ValueError("expected whole numbers after +")
        return list(accumulate(values))
    return [bytes.fromhex(one["blob"]) if isinstance(one, dict) else one for one in values]
