"""What a handler takes is what was raised, where that is known: never another exception."""

from pathlib import Path

import pytest
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.asked import meant
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

PROGRAMS = dict(
    part.split("\n", 1)
    for part in Path(__file__).with_name("raised.txt").read_text("utf-8").split("### ")
    if part
)
RAISED = [name for name in PROGRAMS if name.startswith("raised: ")]
OTHER = [name for name in PROGRAMS if name.startswith("other: ")]


def literals(text, name="x"):
    run = Run(text, Trail)
    assert not run.error
    assert not run.gaps
    trace = Traced.of_log(run.chunks)
    found = meant([trace], name)
    told = backward(trace, found.evaluations, until=found.until)
    return {trace.component(number).text for number in told.inputs()}


@pytest.mark.parametrize("name", RAISED)
def test_what_was_raised_goes_into_what_the_handler_takes(name):
    assert "'raised'" in literals(PROGRAMS[name])


@pytest.mark.parametrize("name", OTHER)
def test_an_exception_of_another_origin_does_not_come_from_what_was_raised_before(name):
    assert "'raised'" not in literals(PROGRAMS[name])


def test_a_data_structure_that_comes_out_of_a_function_in_a_tuple_has_what_was_put_into_it():
    text = "def f():\n    notes = []\n    notes.append('put')\n    return notes, 5\nx, c = f()\n"
    assert "'put'" in literals(text)
    assert "'put'" in literals(f"{text}y = f()[0]\n", "y")
