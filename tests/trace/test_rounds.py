"""Only the first rounds of loops are traced: the program runs as it did, and what is said is true.

Held against the trace of all rounds: each link between two parts of the text is one there, too, or leads to
what is said not to be known; and what the last value of a name comes from is there among what it comes from.
"""

import contextlib
import io
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.trace.test_partly import programs
from tests.trace.traced import Traced

from trilha.trace.evaluations import Evaluation, Kind

HEAD = "rows = [1, 2, 3, 4, 5, 6, 7]\n"


def unknown(traced):
    """The evaluations that stand for what rounds that were not traced may have done."""
    return {
        one.number
        for one in traced.evaluations.values()
        if not one.sources
        and (
            traced.kind(one) is Kind.NAME
            or (one.name and traced.components[one.component].text.startswith(("for ", "while ")))
        )
    }


def links(traced):
    known, left_out = traced.evaluations, unknown(traced)

    def place(number):
        part = traced.components[known[number].component]
        return part.line, part.column, part.end_line, part.end_column

    return {
        (place(one.number), place(source.evaluation), source.role)
        for one in traced.events
        if isinstance(one, Evaluation)
        for source in one.sources
        if source.evaluation in known and source.evaluation not in left_out
    }


def check(text, rounds, make=None):
    how = {} if make is None else {"make": make}
    whole, part = Traced(text, **how), Traced(text, rounds=rounds, **how)
    assert part.output == whole.output
    assert type(part.error) is type(whole.error)
    assert not [why for why in [*whole.gaps, *part.gaps] if "cannot be followed" in why]
    more = links(part) - links(whole)
    assert not {(one, other) for one, other, role in more if role != "value"}, more
    return part


CASES = {
    head.partition(": ")[0]: (text, head.partition(": ")[2].split())
    for part in Path(__file__).with_name("rounds.txt").read_text("utf-8").split("### ")[1:]
    for head, _, text in [part.partition("\n")]
}
"""A text, and the lines that the last value of `y` comes from where two rounds are traced."""


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_traced_is_not_known(case, trail):
    text, lines = CASES[case]
    part = check(HEAD + text, 2, trail)
    assert lines == ["any"] or part.lines_of("y") == list(map(int, lines))
    assert part.gaps or case in ("few rounds", "generators", "an else")


FAILING = """\
import traceback
class Failing:
    n = 0
    def __iter__(self):
        return self
    def __next__(self):
        self.n += 1
        print(self.n)
        if self.n == 5:
            raise KeyError
        return self.n
try:
    for x in Failing():
        pass
except KeyError:
    print(traceback.format_exc())
try:
    for x in 5:
        pass
except TypeError as error:
    print(error)
"""


@pytest.mark.parametrize("rounds", [2, 9])
def test_an_iterator_that_fails_fails_as_it_did(rounds, trail):
    check(FAILING, rounds, trail)


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(programs(), st.integers(1, 2))
def test_generated_programs(text, rounds):
    with contextlib.redirect_stdout(io.StringIO()):
        check(text, rounds)
