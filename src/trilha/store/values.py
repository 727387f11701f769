"""Attribute values and times as columns, and back.

Numbers, truth values and times become columns that a database compares as such; what a column cannot hold
exactly keeps its text beside it, so that nothing is lost. Texts may hold any character: the three that some
database or encoding refuses are written as DLE (U+0010) and four hex digits.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from trilha.prov import Literal, Name

__all__ = [
    "BOOL",
    "BYTES",
    "FLOAT",
    "INT",
    "LITERAL",
    "NAME",
    "TEXT",
    "TIME",
    "Columns",
    "escape",
    "exact",
    "from_ns",
    "plain",
    "run_of",
    "to_columns",
    "to_ns",
    "unescape",
]

TEXT: Final = 1
INT: Final = 2
FLOAT: Final = 3
BOOL: Final = 4
TIME: Final = 5
NAME: Final = 6
LITERAL: Final = 7
BYTES: Final = 8

Columns = tuple[int, int | None, float | None, int | None, str | None, str | None]
"""``(type, whole, number, datatype, language, text)`` of the table ``attribute``."""

_STRANGE: Final = re.compile("[\x00\x10\ud800-\udfff]")
_ESCAPED: Final = re.compile("\x10([0-9a-f]{4})")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_XSD: Final = "http://www.w3.org/2001/XMLSchema#"
_NUMERIC: Final = frozenset(
    _XSD + name
    for name in [
        "decimal",
        "integer",
        "long",
        "int",
        "short",
        "byte",
        "nonNegativeInteger",
        "positiveInteger",
        "nonPositiveInteger",
        "negativeInteger",
        "unsignedLong",
        "unsignedInt",
        "unsignedShort",
        "unsignedByte",
        "float",
        "double",
    ]
)


def escape(text: str) -> str:
    """`text` without NUL, lone surrogates and DLE, which `unescape` brings back."""
    if text.isascii() and "\x00" not in text and "\x10" not in text:
        return text
    return _STRANGE.sub(lambda found: f"\x10{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    if "\x10" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def to_ns(time: datetime) -> int:
    """Nanoseconds since 1970-01-01 UTC, leap seconds not counted; a time without a zone is read as UTC."""
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


def from_ns(ns: int) -> datetime:
    """The time in UTC, to the microsecond below."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def to_columns(value: Any, key: Callable[[str], int]) -> Columns:
    """The columns that hold `value`.

    Args:
        value: of an attribute: text, number, truth value, time, `Name` or `Literal`. Anything else that a
            damaged or foreign journal may hold is kept as its Python text.
        key: gives the integer key of an IRI.
    """
    kind = type(value)
    if kind is str:
        return TEXT, None, None, None, None, escape(value)
    if kind is float:
        return FLOAT, None, None if math.isnan(value) else value, None, None, _signed_zero(value)
    if kind is bool:
        return BOOL, int(value), None, None, None, None
    if kind is int:
        return _int(value)
    if kind is datetime:
        return _time(value)
    if kind is bytes:
        return BYTES, None, None, None, None, value.hex()
    from trilha.prov import Literal, Name

    if isinstance(value, Name):
        return NAME, key(value), None, None, None, None
    if isinstance(value, Literal):
        datatype = str(value.datatype)
        number = _number(value.value) if datatype in _NUMERIC else None
        language = None if value.language is None else escape(value.language)
        return LITERAL, None, number, key(value.datatype), language, escape(value.value)
    return TEXT, None, None, None, None, escape(str(value))


def plain(type_: int, whole: int | None, number: float | None, text: str | None, iri: str | None) -> Any:
    """The value as plain Python: a qualified name as its IRI, a literal as its text.

    Args:
        type_, whole, number, text: columns of ``attribute``.
        iri: of the name that `whole` is the key of, where `type_` is `NAME`.
    """
    if type_ in (TEXT, LITERAL):
        return unescape(text or "")
    if type_ == FLOAT:
        return math.nan if number is None else -0.0 if text else number
    if type_ == INT:
        return whole if text is None else int(text, 0)
    if type_ == BOOL:
        return bool(whole)
    if type_ == TIME:
        return from_ns(whole or 0) if text is None else datetime.fromisoformat(text)
    if type_ == BYTES:
        return bytes.fromhex(text or "")
    return unescape(iri or "")


def exact(
    columns: Columns, name: Callable[[int], Name], literal: Callable[[str, Name, str | None], Literal]
) -> Any:
    """The value as the model has it: what `to_columns` was given.

    Args:
        columns: of ``attribute``.
        name: gives the `Name` of a key.
        literal: makes a `Literal`.
    """
    type_, whole, number, datatype, language, text = columns
    if type_ == NAME:
        return name(whole or 0)
    if type_ == LITERAL and datatype is not None:
        return literal(unescape(text or ""), name(datatype), None if language is None else unescape(language))
    if type_ == BYTES:
        import base64

        encoded = base64.b64encode(bytes.fromhex(text or "")).decode()
        return literal(encoded, _xsd_name("base64Binary"), None)
    return plain(type_, whole, number, text, None)


def _xsd_name(local: str) -> Name:
    from trilha.prov import Name

    return Name(_XSD + local)


def _signed_zero(value: float) -> str | None:
    """SQLite forgets the sign of zero."""
    return "-0.0" if value == 0 and math.copysign(1, value) < 0 else None


def _int(value: int) -> Columns:
    if -(2**63) <= value < 2**63:
        return INT, value, float(value), None, None, None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return INT, None, number, None, None, hex(value)


def _time(value: datetime) -> Columns:
    ns: int | None = to_ns(value)
    if not -(2**63) <= (ns or 0) < 2**63:
        ns = None
    exactly = ns is not None and value.tzinfo is not None and value.utcoffset() == timedelta(0)
    return TIME, ns, None, None, None, None if exactly else value.isoformat()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def run_of(iri: str) -> str | None:
    """The UUID of the run that the thing belongs to; None if it belongs to no single run."""
    if iri.startswith("urn:uuid:") and iri[45:46] == "#":
        return iri[9:45]
    return None
