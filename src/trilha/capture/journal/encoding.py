"""Statements as bytes: MessagePack, with extension types for what it has no word for.

What is written here is read again by `reader`; `frames` describes both. A statement goes in as plain cells,
``(kind, identifier, argument…, [key, value, …])``: the recorder makes them without making a `Record`, and
`cells_of` makes them of one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from trilha.capture.journal.frames import (
    EXT_HOLE,
    EXT_INTEGER,
    EXT_LITERAL,
    EXT_NAME,
    EXT_PLACEHOLDER,
    EXT_TEXT,
    EXT_TIME,
    PREFIXES,
)
from trilha.prov import PLACEHOLDER, Literal, Name, Record

__all__ = ["cells_of", "encode", "faithful", "hole", "literal_name"]

Ext: Final = msgspec.msgpack.Ext
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PLACEHOLDER: Final = Ext(EXT_PLACEHOLDER, b"")
"""MessagePack would write `PLACEHOLDER`, which is an `enum.Enum`, as its value: a text."""


def _foreign(value: object) -> object:
    """What stands in MessagePack for a value that it has no word for."""
    if isinstance(value, Name):
        return Ext(EXT_NAME, value.encode("utf-8", "surrogatepass"))
    # Kin of the plain types, such as NumPy's float64; their own methods, which may raise, are not asked.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, int):
        return int.__pos__(value)
    raise TypeError(f"no value of PROV: {type(value).__name__}")


encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder(enc_hook=_foreign).encode
"""MessagePack of one statement or note. It takes a `Literal` and a `PLACEHOLDER` for what they derive
from, a tuple and an enumeration: `cells_of` puts them right.

Raises:
    TypeError: something in it is no value of PROV.
    ValueError: a text in it holds a lone surrogate (`faithful` helps).
    OverflowError: a whole number in it has more than 64 bits (`faithful` helps).
"""


def literal_name(text: str) -> msgspec.msgpack.Ext:
    """The qualified name `text` (``prefix:local`` or an IRI) as the value of an attribute."""
    return Ext(EXT_NAME, text.encode("utf-8", "surrogatepass"))


def hole(index: int) -> msgspec.msgpack.Ext:
    """Where in the statements of a shape the content of number `index`, from 0 to 255, goes."""
    return Ext(EXT_HOLE, bytes([index]))


def faithful(value: Any) -> Any:
    """`value` in a form that `encode` takes and the reader gives back as it is.

    Texts with lone surrogates and whole numbers of more than 64 bits become extension types.
    """
    if isinstance(value, str) and not isinstance(value, Name):
        text = str.__str__(value)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            return Ext(EXT_TEXT, text.encode("utf-8", "surrogatepass"))
        return text
    if isinstance(value, int) and not isinstance(value, bool):
        number = int.__pos__(value)
        if not -(1 << 63) <= number < 1 << 64:
            return Ext(EXT_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True))
        return number
    return value


def cells_of(record: Record) -> tuple[Any, ...]:
    """The cells of a statement of the model, for `encode`."""
    cells: list[Any] = [int(record.kind), _name(record.id)]
    for value, argument in zip(record.arguments, record.kind.arguments, strict=True):
        cells.append(_time(value) if argument.is_time else _name(value))
    flat: list[Any] = []
    for key, value in record.attributes:
        flat += [_name(key), _value(value)]
    return (*cells, flat)


def _name(name: Any) -> Any:
    if name is PLACEHOLDER:
        return _PLACEHOLDER
    return faithful(_marked(name)) if isinstance(name, str) else name


def _marked(iri: str) -> str:
    """An IRI so that it is not taken for ``prefix:local``."""
    return f":{iri}" if iri.partition(":")[0] in PREFIXES else str.__str__(iri)


def _value(value: Any) -> Any:
    if isinstance(value, Name):
        return literal_name(_marked(value))
    if isinstance(value, Literal):
        parts = (faithful(value.value), faithful(_marked(value.datatype)), faithful(value.language))
        return Ext(EXT_LITERAL, encode(parts))
    if isinstance(value, datetime):
        return value if value.tzinfo is UTC else Ext(EXT_TIME, value.isoformat().encode())
    return faithful(value)


def _time(when: Any) -> Any:
    """A time as nanoseconds where 64 bits and UTC say it all, else as text."""
    if not isinstance(when, datetime):
        return _PLACEHOLDER if when is PLACEHOLDER else faithful(when)
    nanoseconds = (when - _EPOCH) // _MICROSECOND * 1000
    if when.utcoffset() or not -(1 << 63) <= nanoseconds < 1 << 63:
        return when.isoformat()
    return nanoseconds
