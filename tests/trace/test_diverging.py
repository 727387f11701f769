"""Where two traces part: what each did there."""

import pytest
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.diverging import How, divergence, instead
from trilha.trace.traced import Traced

TEXT = """\
import os
def f(x):
    return x
a = [3]
way = os.environ["WAY"]
if way == "calls":
    f(a)
elif way == "goes on":
    b = 5
elif way == "sorts":
    sorted(a, key=f)
"""


@pytest.fixture
def gone(monkeypatch):
    def run(way):
        monkeypatch.setenv("WAY", way)
        return Traced.of_log(Run(TEXT, Trail).chunks)

    return run


@pytest.mark.parametrize(
    ("way", "called", "then"),
    [("calls", "f", "f(a)"), ("sorts", "f", "sorted(a, key=f)"), ("leaves", "", None)],
)
def test_what_a_run_did_where_the_other_evaluated_something_is_told(way, called, then, gone):
    one, other = gone(way), gone("goes on")
    found = divergence(one, other)
    assert found.how is How.FLOW
    numbers = [number for number in range(found.number, one.end) if not one.is_evaluation(number)]
    told = [instead(one, number) for number in numbers] or [instead(one, one.end)]
    assert (called, then) in [(one.called, one.then and one.then.text) for one in told]
    assert divergence(one, gone(way)) is None
