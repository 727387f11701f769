"""Which literals a value came from: programs of a file, each with those that it came from and others."""

from pathlib import Path

import pytest
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.asked import meant
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

PROGRAMS = Path(__file__).with_name("sources.txt").read_text("utf-8").split("### ")[1:]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: one.partition(":")[0])
def test_the_literals_that_a_value_came_from(program):
    title, _, text = program.partition("\n")
    sources, _, others = title.rpartition(": ")[2].partition(";")
    run = Run(text, Trail)
    assert not run.error
    assert not run.gaps
    trace = Traced.of_log(run.chunks)
    found = meant([trace], "x")
    told = backward(trace, found.evaluations, until=found.until)
    literals = {trace.component(number).text for number in told.inputs()}
    assert set(sources.split()) <= literals
    assert not set(others.split()) & literals
