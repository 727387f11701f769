"""Constructs of the language, and ways around them: a value comes from these lines, or a gap says more.

In `language.txt` each program has its name, the lines that its `y` comes from, and the gap that is said; in
`language_3_12.txt` and `language_3_14.txt` are those that older versions of Python do not understand, or
compile in another way.
"""

import sys
from pathlib import Path

import pytest
from tests.trace.traced import Traced as Run

from trilha.trace.asked import meant
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

FILES = [
    "language.txt",
    *(f"language_3_{minor}.txt" for minor in (12, 14) if sys.version_info >= (3, minor)),
]
PROGRAMS = {
    name: text
    for file in FILES
    for part in Path(__file__).with_name(file).read_text("utf-8").split("### ")[1:]
    for name, _, text in [part.partition("\n")]
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_value_comes_from_these_lines(name, trail):
    told, _, text = PROGRAMS[name].partition("\n")
    lines, _, gap = told.removeprefix("# ").partition(" | ")
    run = Run(text, trail)
    assert run.error is None
    assert run.gaps == ([gap] if gap else [])
    traced = Traced.of_log(run.chunks)
    found = [line for _, line in backward(traced, meant([traced], "y").evaluations).lines()]
    assert lines in ("any", " ".join(map(str, found)))
