"""With values: what names were bound to is told as a short text, by none of the program's own methods."""

import pytest
from tests.trace.traced import Traced

from trilha.capture.script.valued import text_of
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
