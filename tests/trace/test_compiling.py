"""What Python said of a text when it ran is not said again by who asks."""

import warnings

import pytest
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.asked import meant
from trilha.trace.compiling import Lines, text_of
from trilha.trace.programs import program
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

WARNED = """\
def f(a):
    try:
        return a
    finally:
        return a + '\\d'
y = f('x')
"""


def test_nothing_is_said_of_a_text_that_is_followed_and_sliced():
    run = Run(WARNED, Trail)
    assert run.error is None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        traced = Traced.of_log(run.chunks)
        found = meant([traced], "y").evaluations
        assert [line for _, line in backward(traced, found).lines()] == [1, 5, 6]
        assert "script.py" in program(traced, found)
    assert said == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"# coding: latin-1\nx = '\xe9'\n", "# coding: latin-1\nx = 'é'\n"),
        (b"\xef\xbb\xbfx = '\xc3\xa9'\r\n", "x = 'é'\r\n"),
        (b"x = '\xc3\xa9'\n", "x = 'é'\n"),
        (b"x = '\xe9'\n", "x = '�'\n"),
        (b"# coding: none-such\nx = '\xc3\xa9'\n", "# coding: none-such\nx = 'é'\n"),
    ],
)
def test_a_text_is_read_by_the_encoding_that_it_names(source, text):
    assert text_of(source) == text


def test_places_in_bytes_are_told_in_characters_in_whichever_order_they_are_asked_for():
    text = "ab = 1\r\nd = 'é😀'; e = 'ü'\rf = 2\x0c\n"
    lines = ["ab = 1", "d = 'é😀'; e = 'ü'", "f = 2\x0c", ""]
    told = Lines(text)
    asked = [
        (at, count) for at, line in enumerate(lines, 1) for count in [*range(len(line) + 1), len(line), 0, 5]
    ]
    for at, count in [*asked, *reversed(asked)]:
        column = len(lines[at - 1][:count].encode())
        assert told.characters(at, column) == min(count, len(lines[at - 1]))
    assert told.between(2, 5, 2, 7) == "é😀"
    assert told.between(1, 5, 3, 1) == "1\nd = 'é😀'; e = 'ü'\nf"
