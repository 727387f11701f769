import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum

import pytest
from hypothesis import given
from strategies import times, values

from trilha.errors import UsageError
from trilha.prov import PROV, XSD, Literal, Name
from trilha.prov.values import LANGUAGE_STRING, QUALIFIED_NAME, lexical, literal, time, value, value_key


@given(values(plain=True))
def test_text_and_type_give_the_value_back(given_):
    assert value_key(literal(*lexical(given_))) == value_key(given_)


@pytest.mark.parametrize(
    ("given_", "datatype"),
    [
        (1, "int"),
        ((1 << 31) - 1, "int"),
        (1 << 31, "long"),
        (-(1 << 63), "long"),
        (1 << 63, "integer"),
        (0.5, "double"),
        (True, "boolean"),
        ("a", "string"),
        (datetime(2026, 11, 21, tzinfo=UTC), "dateTime"),
    ],
)
def test_a_python_value_has_its_data_type(given_, datatype):
    assert lexical(given_)[1] == XSD[datatype]


@pytest.mark.parametrize(
    ("text", "datatype", "expected"),
    [
        ("7", "int", 7),
        ("+07", "int", 7),
        ("7", "long", Literal("7", XSD["long"])),
        ("7.0", "int", Literal("7.0", XSD["int"])),
        ("٧", "int", Literal("٧", XSD["int"])),
        ("1", "boolean", True),
        ("yes", "boolean", Literal("yes", XSD["boolean"])),
        ("1e3", "double", 1000.0),
        ("-INF", "double", -math.inf),
        ("inf", "double", Literal("inf", XSD["double"])),
        ("0.1", "float", Literal("0.1", XSD["float"])),
        ("x", "string", "x"),
        ("2026-11-21", "dateTime", Literal("2026-11-21", XSD["dateTime"])),
        ("2026-11-21T09:30:00.50", "dateTime", Literal("2026-11-21T09:30:00.500000", XSD["dateTime"])),
        ("http://e/", "QName", Name("http://e/")),
    ],
)
def test_only_text_of_its_type_becomes_a_python_value(text, datatype, expected):
    assert value_key(literal(text, XSD[datatype])) == value_key(expected)


def test_nan_equals_nan_and_nothing_else():
    assert value_key(math.nan) == value_key(float("nan"))
    assert value_key(literal("NaN", XSD["double"])) == value_key(math.nan)
    assert value_key(math.nan) != value_key("NaN")


def test_values_of_different_types_differ():
    assert len({value_key(some) for some in (1, 1.0, True, "1", Name("1"), Literal("1", XSD["long"]))}) == 6


def test_numbers_of_any_length_are_written():
    digits = lexical(10**5000)[0]
    assert digits == "1" + "0" * 5000
    assert literal(digits, XSD["integer"]) == Literal(digits, XSD["integer"])


def test_kin_of_the_plain_types_are_taken():
    class Level(IntEnum):
        HIGH = 3

    class Text(str):
        __slots__ = ()

    class Real(float):
        pass

    taken = [value(Level.HIGH), value(Text("x")), value(Real(0.5))]
    assert [(type(some), some) for some in taken] == [(int, 3), (str, "x"), (float, 0.5)]
    assert value(date(2026, 11, 21)) == Literal("2026-11-21", XSD["date"])
    assert value(b"\x00\xff") == Literal("AP8=", XSD["base64Binary"])
    assert value(Decimal("1.50")) == Literal("1.50", XSD["decimal"])
    assert value(datetime(2026, 11, 21)) == Literal("2026-11-21T00:00:00", XSD["dateTime"])
    assert value(Literal("7", XSD["int"])) == 7


@pytest.mark.parametrize("given_", [None, object(), {}, 1j, Decimal("NaN"), lambda: 0])
def test_what_prov_cannot_say_is_refused(given_):
    with pytest.raises(UsageError, match="cannot be the value of an attribute: expected a"):
        value(given_)


def test_a_language_makes_a_language_string():
    assert literal("olá", XSD["string"], "pt-BR") == Literal("olá", LANGUAGE_STRING, "pt-BR")
    for tag in ("", "en_US", "-en", "ça"):
        with pytest.raises(UsageError, match="is no language: expected a tag such as 'en'"):
            literal("x", None, tag)


def test_a_qualified_name_is_a_name():
    assert lexical(PROV["Plan"]) == (str(PROV["Plan"]), QUALIFIED_NAME, None)
    assert type(literal("http://e/x", QUALIFIED_NAME)) is Name


@given(times())
def test_a_time_is_aware_or_the_text_of_one(given_):
    when = time(given_)
    assert isinstance(when, str) or when.utcoffset() is not None
    assert time(when if isinstance(when, str) else when.isoformat()) == when


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2011-11-16T16:05:00Z", datetime(2011, 11, 16, 16, 5, tzinfo=UTC)),
        ("2011-11-16T16:05:00.5-03:00", datetime(2011, 11, 16, 19, 5, 0, 500000, tzinfo=UTC)),
        ("2011-11-16T16:05:00", "2011-11-16T16:05:00"),
        ("2011-11-16T16:05:00.5", "2011-11-16T16:05:00.500000"),
        ("2011-11-16T24:00:00Z", "2011-11-16T24:00:00Z"),
        ("2011-11-16T16:05:00.1234567Z", "2011-11-16T16:05:00.1234567Z"),
        ("2011-02-30T16:05:00Z", "2011-02-30T16:05:00Z"),
        ("20110-01-01T00:00:00Z", "20110-01-01T00:00:00Z"),
    ],
)
def test_a_time_that_python_cannot_hold_stays_text(text, expected):
    assert time(text) == expected


@pytest.mark.parametrize(
    "text", ["yesterday", "2011-11-16", "2011-W46-3T16:05:00Z", "2011-13-01T00:00:00Z", "", 7, None]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="is no time: expected a datetime or text such as"):
        time(text)


def test_an_offset_that_xml_has_no_word_for_becomes_utc():
    local = datetime(1911, 3, 11, 12, tzinfo=timezone(timedelta(minutes=9, seconds=21)))
    assert time(local) == local
    assert time(local).utcoffset() == timedelta(0)
