"""With values: what names were bound to is told as a short text, by none of the program's own methods."""

import collections
import datetime as dt
import decimal
import enum
import fractions
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trace.traced import Traced

from trilha.capture.script.texts import text_of
from trilha.trace.evaluations import Kind


def bound(text, make):
    traced = Traced(text, make, values=True)
    assert not traced.gaps
    assert traced.error is None
    kinds = (Kind.ASSIGN, Kind.PART, Kind.RETURN)
    return [
        (str(traced.kind(one)), one.name, one.value)
        for one in traced.evaluations.values()
        if traced.kind(one) in kinds and one.value is not None
    ]


CASES = {
    "x = 1\nx += 2\nx: float = 0.5": ["x = 1", "x = 3", "x = 0.5"],
    "x = y = 'a'": ["x = 'a'", "y = 'a'"],
    "x, (y, z) = 1, (2, 3)": ["x = 1", "y = 2", "z = 3"],
    "l = [0]\nl[0] = 7\nl[0], x = 1, 2\nl[0] += 1": ["l = <list of 1>", "0 = 7"],
    "for i in range(2):\n    x = i * i": ["i = 0", "x = 0", "i = 1", "x = 1"],
    "for i, j in [(1, 2)]:\n    pass": ["i = 1", "j = 2"],
    "def f(a, *b, c=3, **d):\n    return a\nf(1, 2)": [
        *("a = 1", "b = <tuple of 1>", "c = 3", "d = <dict of 0>", "None = 1"),
    ],
    "def g(n):\n    yield n\n    m = n\nx = [i for i in g(4)]": ["n = 4", "m = 4", "x = <list of 1>"],
    "def f(n):\n    m = n\n    return f(n - 1) if n else m\nx = f(1)": [
        *("n = 1", "m = 1", "n = 0", "m = 0", "None = 0", "None = 0", "x = 0"),
    ],
    "if (n := 3) > 2:\n    n = None": ["n = 3", "n = None"],
    "try:\n    x = 1\n    [].a = x\nexcept AttributeError:\n    x = 2\nfor x in [5]:\n    pass": [
        *("x = 1", "x = 2", "x = 5"),
    ],
}


@pytest.mark.parametrize("text", CASES)
def test_what_names_are_bound_to(text, trail):
    assert [f"{name} = {value}" for _, name, value in bound(text, trail)] == CASES[text]


def test_an_objects_own_methods_are_not_called():
    class Liar(str):
        __slots__ = ()

        def __repr__(self):
            raise AssertionError

        __str__ = __len__ = __eq__ = __hash__ = __repr__

    class Number(float):
        __repr__ = __float__ = Liar.__repr__

    assert text_of(Liar("x")).startswith("<")
    assert text_of(Number(0.5)) == "0.5"
    assert text_of([Liar("x")]) == "<list of 1>"


def test_long_ones_are_cut():
    assert text_of("x" * 1000) == "'" + "x" * 59 + "…"
    assert text_of(10**1000) == "<int of 3322 bits>"
    assert text_of(b"\0" * 61).endswith("…")
    assert len(text_of("\0" * 50)) <= 121


def test_what_the_environment_holds_is_not_told(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "abc-123-xyz")
    monkeypatch.setenv("PLACE", "/some/folder")
    for text in ("abc-123-xyz", "Bearer abc-123-xyz", "/some/folder"):
        assert text_of(text) == "<of the environment>"
    assert text_of("/some/folder/file") == "'/some/folder/file'"


class Meta(type):
    def __getattribute__(cls, name):
        raise AssertionError(name)


class Colour(enum.IntEnum):
    RED = 1


class Lying(float):
    def __float__(self):
        raise AssertionError

    __repr__ = __float__


class Own(np.int64):
    def item(self):
        raise AssertionError


Numbered = type("Numbered", (), {"__module__": 5})
Dotted = type("Dotted", (), {"__module__": "builtins"})

WHOLE = [0, 1, -1, 1 << 29, 1 << 30, -(1 << 30), 1 << 62, (1 << 63) - 1, -(1 << 63), 1 << 63, 1 << 64]
LONG = [(1 << 200) - 1, 1 << 200, -(1 << 200), 10**5000]
FLOATS = [0.0, -0.0, 0.1, 1e300, 5e-324, 1e16, 123456789.0, float("inf"), float("-inf"), float("nan")]
TEXTS = ["", "a", "it's", 'say "it"', "both ' and \"", "\\", "\n", "\x7f", "é", "\ud800", "\u200b" * 60]
LONG_TEXTS = [
    sign * count
    for sign in ("x", "é", "\0", "\U0001f600", "\U000e0001")
    for count in (29, 30, 59, 60, 61, 999)
]
ABOUT = ["abc-123-xyz", "Bearer abc-123-xyz", "/some/folder", "/some/folder/file", "short", "abc-12"]
BYTES = [b"", b"a", b"'", b"\xff" * 30, b"\xff" * 31, b"x" * 60, b"x" * 61, bytearray(b"x"), memoryview(b"x")]
MANY = [[], [1, 2], (), (1,), {}, {1: 2}, set(), {1}, frozenset([1, 2]), range(3), slice(1)]
OWN = [Meta("Made", (), {})(), Colour.RED, Lying(0.5), Own(3), Numbered(), Dotted(), Meta, object()]
OTHER = [True, False, None, ..., 1j, len, "".join, sys, collections.deque([1]), lambda: 0, (i for i in "a")]
LIBRARY = [decimal.Decimal("0.1"), fractions.Fraction(1, 3), dt.date(2026, 1, 1), collections.Counter("a")]
NUMPY = [
    np.float64(0.1),
    np.float32(0.1),
    np.longdouble(1),
    np.int64(-3),
    np.uint8(255),
    np.True_,
    np.str_("a"),
]
MORE = [
    np.str_("abc-123-xyz"),
    np.bytes_(b"x"),
    np.complex128(1j),
    np.datetime64("2026-01-01"),
    np.zeros(3),
    np,
]
VALUES = [
    *WHOLE,
    *LONG,
    *FLOATS,
    *TEXTS,
    *LONG_TEXTS,
    *ABOUT,
    *BYTES,
    *MANY,
    *OWN,
    *OTHER,
    *LIBRARY,
    *NUMPY,
    *MORE,
]


@pytest.fixture(scope="module")
def written(recorder_folder):
    """Gives the bytes that a value is logged as, in Python and in C."""
    from tests.compiled import loaded

    from trilha.capture.script.fast_trail import FastTrail
    from trilha.capture.script.trail import Trail

    def bytes_of(make, value):
        chunks = []
        trail = make(chunks.append)
        assert trail.hooks()["value"](20, value, 1) is value
        trail.stop()
        return b"".join(chunks)

    with pytest.MonkeyPatch.context() as patch:
        path = next(recorder_folder.glob("trilha_recorder*"))
        patch.setitem(sys.modules, "trilha_recorder", loaded(path))
        yield lambda value: (bytes_of(Trail, value), bytes_of(FastTrail, value))


@pytest.fixture
def secret(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "abc-123-xyz")
    monkeypatch.setenv("PLACE", "/some/folder")


def test_python_and_c_write_the_same_bytes(written, secret):
    for value in VALUES:
        slow, fast = written(value)
        assert slow == fast, type(value)
        assert len(slow) < 500
        assert b"abc-123-xyz" not in slow


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.text(max_size=130), st.floats(), st.integers(), st.binary(max_size=70), st.complex_numbers())
)
def test_they_do_for_any_number_and_text(written, value):
    slow, fast = written(value)
    assert slow == fast


def test_the_environment_may_change_meanwhile(written, monkeypatch):
    text = "a text in a variable"
    told = written(text)
    assert b"a text" in told[1]
    monkeypatch.setenv("PLACE", text)
    hidden = written(text)
    assert hidden[0] == hidden[1]
    assert b"<of the environment>" in hidden[1]
    monkeypatch.setenv("PLACE", "another")
    assert written(text) == told
    for other in ({"PLACE": text}, collections.UserDict(PLACE=text)):
        monkeypatch.setattr(os, "environ", other)
        assert written(text) == hidden
        other["PLACE"] = "another"
        assert written(text) == told


def test_an_interruption_is_the_users(written, monkeypatch):
    class Interrupting(dict):
        def items(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "environ", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        written("a text in a variable")
