"""The values of attributes, and times (PROV-DM section 5.7.3 and 5.7.4, XML Schema part 2).

A value is a Python value where Python has one that says the same: `bool` (xsd:boolean), `int` (xsd:int within
32 bits, xsd:long within 64, else xsd:integer), `float` (xsd:double), `str` (xsd:string), an aware `datetime`
(xsd:dateTime) and `Name` (a qualified name). Everything else is a `Literal`: text, data type and, perhaps, a
language. `value` brings what a caller gives into this form, `literal` what a document says, and `lexical`
takes it back to text and data type.

A time is an aware `datetime`, or the text of an xsd:dateTime that Python cannot hold without loss: one
without a time zone, with parts of a microsecond, or of a year that Python does not know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple, cast

from trilha.errors import UsageError
from trilha.prov.namespaces import PROV, XSD, Name

__all__ = [
    "LANGUAGE_STRING",
    "QUALIFIED_NAME",
    "Literal",
    "Value",
    "lexical",
    "literal",
    "time",
    "value",
    "value_key",
]

QUALIFIED_NAME: Final = PROV["QUALIFIED_NAME"]
"""The data type of a qualified name (PROV-N section 3.7.3)."""
LANGUAGE_STRING: Final = PROV["InternationalizedString"]
"""The data type of text with a language (PROV-DM section 5.7.3)."""

_STRING, _BOOLEAN, _DOUBLE, _DATETIME = XSD["string"], XSD["boolean"], XSD["double"], XSD["dateTime"]
_INT, _LONG, _INTEGER = XSD["int"], XSD["long"], XSD["integer"]

_TAG = re.compile(r"[A-Za-z]+(?:-[A-Za-z0-9]+)*", re.ASCII)
_WHOLE = re.compile(r"[+-]?[0-9]{1,4000}", re.ASCII)
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TIME = re.compile(
    r"(-?(?:[1-9][0-9]{3,}|0[0-9]{3}))-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|(24):00:00(?:\.0+)?)"
    r"(Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?",
    re.ASCII,
)


class Literal(NamedTuple):
    """A value for which Python has no type of its own (PROV-DM section 5.7.3).

    Attributes:
        value: the text, as it stands in a document.
        datatype: its data type, for example ``XSD["anyURI"]``; `LANGUAGE_STRING` where there is a language.
        language: the tag of its language (BCP 47), for example ``"pt"``; None if it has none.
    """

    value: str
    datatype: Name = LANGUAGE_STRING
    language: str | None = None


Value = bool | int | float | str | datetime | Literal
"""The value of an attribute. (A `Name` is a ``str``.)"""

_PLAIN: Final = frozenset({bool, int, float, str, Name})


def value(given: Any) -> Value:
    """`given` as the value of an attribute: Python's own types as they are, their kin converted.

    Beside the types of `Value`, a `date`, `bytes`, `decimal.Decimal` and subclasses of the plain types (such
    as NumPy's ``float64``) are taken; a `datetime` without a time zone stays an ``xsd:dateTime`` without.

    Raises:
        UsageError: it is of no type that PROV can say.
    """
    if given.__class__ in _PLAIN:
        return cast("Value", given)
    if given.__class__ is Literal:
        return literal(*given)
    if isinstance(given, datetime):
        when = time(given)
        return when if isinstance(when, datetime) else Literal(when, _DATETIME)
    if isinstance(given, str):
        return Name(given) if isinstance(given, Name) else str(given)
    if isinstance(given, float | int):
        return float(given) if isinstance(given, float) else int(given)
    if isinstance(given, date):
        return Literal(given.isoformat(), XSD["date"])
    if isinstance(given, bytes):
        import base64  # rare, and not every program has it loaded

        return Literal(base64.b64encode(given).decode("ascii"), XSD["base64Binary"])
    if type(given).__name__ == "Decimal" and given.is_finite():
        return Literal(format(given, "f"), XSD["decimal"])
    raise UsageError(
        f"{type(given).__module__}.{type(given).__qualname__} cannot be the value of an attribute: expected a"
        " bool, int, float, str, datetime, date, bytes, Decimal, Name or Literal; give its str() or repr()"
    )


def time(given: object) -> datetime | str:
    """`given` as a time: an aware `datetime`, or the text where that would lose something.

    Raises:
        UsageError: it is no time.
    """
    if isinstance(given, datetime):
        offset = given.utcoffset()
        if offset is None:
            return given.isoformat()
        if (
            given.__class__ is not datetime
            or offset % timedelta(minutes=1)
            or abs(offset) > timedelta(hours=14)
        ):
            given = _plain_datetime(given, offset)
        return given
    match = _TIME.fullmatch(given) if isinstance(given, str) else None
    if match is None or not isinstance(given, str):
        raise UsageError(
            f"{given!r} is no time: expected a datetime or text such as '2026-11-21T09:30:00+00:00'"
        )
    year, fraction, midnight, zone = match.groups()
    if midnight or len(year) != 4 or (fraction and len(fraction.rstrip("0")) > 7):
        return given
    try:
        when = datetime.fromisoformat(given)
    except ValueError:  # 30 February, or the year 0
        return given
    return when if zone else when.isoformat()


def _plain_datetime(given: datetime, offset: timedelta) -> datetime:
    """`given` without what XML Schema has no word for, such as seconds in the offset."""
    if offset % timedelta(minutes=1) or abs(offset) > timedelta(hours=14):
        given = given.astimezone(timezone.utc)  # noqa: UP017 -- named once in this module
    return datetime.combine(given.date(), given.time(), given.tzinfo)


def _boolean(text: str) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(text)


def _int(text: str) -> int | None:
    return number if _WHOLE.fullmatch(text) and -(1 << 31) <= (number := int(text)) < 1 << 31 else None


def _long(text: str) -> int | None:
    if not _WHOLE.fullmatch(text):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 and not -(1 << 31) <= number < 1 << 31 else None


def _integer(text: str) -> int | None:
    return number if _WHOLE.fullmatch(text) and not -(1 << 63) <= (number := int(text)) < 1 << 63 else None


def _double(text: str) -> float | None:
    if _REAL.fullmatch(text):
        return float(text)
    return {"NaN": math.nan, "INF": math.inf, "+INF": math.inf, "-INF": -math.inf}.get(text)


def _when(text: str) -> datetime | Literal | None:
    try:
        when = time(text)
    except UsageError:
        return None
    return when if isinstance(when, datetime) else Literal(when, _DATETIME)


_FROM_TEXT: Final[dict[str, Callable[[str], Value | None]]] = {
    _STRING: str,
    _BOOLEAN: _boolean,
    _INT: _int,
    _LONG: _long,
    _INTEGER: _integer,
    _DOUBLE: _double,
    _DATETIME: _when,
    QUALIFIED_NAME: Name,
    XSD["QName"]: Name,
}


def literal(text: str, datatype: Name | None = None, language: str | None = None) -> Value:
    """The value that a document gives as text, data type and language.

    A data type that Python has a type for gives that, if the text is one of it and the way back gives the
    same data type; all else stays a `Literal`, so that no document loses a type or an unusual text.

    Raises:
        UsageError: the language is no language tag.
    """
    if language is not None:
        if not _TAG.fullmatch(language):
            raise UsageError(f"{language!r} is no language: expected a tag such as 'en' or 'pt-BR'")
        return Literal(text, LANGUAGE_STRING, language)
    if datatype is None:
        return text
    convert = _FROM_TEXT.get(datatype)
    found = None if convert is None else convert(text)
    return Literal(text, datatype, None) if found is None else found


def lexical(given: Value) -> tuple[str, Name, str | None]:
    """The text, data type and language of a value; for a `Name` its IRI and `QUALIFIED_NAME`."""
    kind = given.__class__
    if kind is str:
        return given, _STRING, None  # type: ignore[return-value]
    if kind is Literal:
        return given  # type: ignore[return-value]
    if kind is int:
        return integer_text(given), _integer_type(given), None  # type: ignore[arg-type]
    if kind is float:
        return double_text(given), _DOUBLE, None  # type: ignore[arg-type]
    if kind is bool:
        return ("true" if given else "false"), _BOOLEAN, None
    if kind is Name:
        return str(given), QUALIFIED_NAME, None
    if isinstance(given, datetime):
        return given.isoformat(), _DATETIME, None
    return lexical(value(given))


def integer_text(number: int) -> str:
    """The digits of a whole number, however many (Python itself stops at some 4,000)."""
    try:
        return str(number)
    except ValueError:
        from decimal import Decimal  # almost never needed

        return format(Decimal(number), "f")


def double_text(number: float) -> str:
    """The text of an ``xsd:double``: as Python writes it, but ``NaN``, ``INF`` and ``-INF``."""
    if math.isfinite(number):
        return repr(number)
    return "NaN" if number != number else "INF" if number > 0 else "-INF"  # noqa: PLR0124 -- only NaN


def _integer_type(number: int) -> Name:
    if -(1 << 31) <= number < 1 << 31:
        return _INT
    return _LONG if -(1 << 63) <= number < 1 << 63 else _INTEGER


def value_key(given: Value) -> tuple[type, Any]:
    """What two equal values share. 1, 1.0, True and "1" differ; NaN equals NaN."""
    return given.__class__, given if given == given else "NaN"  # noqa: PLR0124 -- only NaN
