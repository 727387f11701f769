"""Which samples a part of a data set has, told by their indices.

A fingerprint tells the indices in their order: two runs that split alike can be told from two that did not.
For data that is not huge, a bit a record tells which ones they were, so that it can be asked where a record
went and what two parts share.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from trilha.capture.learning.terms import TYPES

__all__ = ["fingerprint", "membership", "rows_of", "samples"]

_MOST_RECORDS: Final = 1 << 17
"""Of larger data the indices of a part are told by their fingerprint alone."""


def fingerprint(indices: Any) -> str:
    """SHA-256, in hexadecimal, of indices in their order, each as a little-endian 64-bit integer.

    Args:
        indices: whole numbers: an array, a list, a range, a tensor on the processor.
    """
    import hashlib
    from array import array

    digest = hashlib.sha256()
    raw = _raw(indices)
    digest.update(raw if raw is not None else _little(array("q", (int(one) for one in indices))))
    return digest.hexdigest()


def membership(indices: Any) -> str | None:
    """Which records are in a part: bit n of the bytes is set if the n-th record (from 0) is in it.

    Args:
        indices: whole numbers, in any order.

    Returns:
        The bytes, the lowest bit of each first, compressed (RFC 1950) and in Base64; None where an index is
        negative or above 131,071, since the text would be long.
    """
    import base64
    import zlib
    from array import array

    raw = _raw(indices)
    numbers = array("q")
    if raw is None:
        numbers.extend(int(one) for one in indices)
    else:
        numbers.frombytes(raw)
        if sys.byteorder != "little":
            numbers.byteswap()
    if not numbers or min(numbers) < 0 or max(numbers) >= _MOST_RECORDS:
        return None
    bits = bytearray(max(numbers) // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return base64.b64encode(zlib.compress(bytes(bits), 9)).decode("ascii")


def rows_of(rows: range) -> tuple[Any, ...]:
    """What is said of an array that is some rows of another one: keys and values in turn."""
    by = f", every {rows.step}" if rows.step != 1 else ""
    types = ("prov:type", TYPES["Subset"], "prov:type", TYPES["Dataset"])
    part = f"rows {rows[0]} to {rows[-1]}{by}"
    return (*types, "trilha:part", part, "trilha:length", len(rows), *samples(rows))


def samples(indices: Any) -> tuple[Any, ...]:
    """Which samples a part has, in which order, and which these are in any order."""
    records = membership(indices)
    about = ("trilha:fingerprint", fingerprint(indices))
    return about if records is None else (*about, "trilha:records", records)


def _raw(indices: Any) -> bytes | None:
    """The bytes of an array of NumPy's, or of a tensor; None for anything else."""
    convert = getattr(indices, "numpy", None)
    if convert is not None and not hasattr(indices, "astype"):
        indices = convert()
    if hasattr(indices, "astype") and hasattr(indices, "tobytes"):
        return bytes(indices.astype("<i8").tobytes())
    return None


def _little(numbers: Any) -> bytes:
    if sys.byteorder != "little":
        numbers.byteswap()
    return bytes(numbers.tobytes())
