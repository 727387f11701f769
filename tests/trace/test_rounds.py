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


def check(text, loops, make=None):
    how = {} if make is None else {"make": make}
    whole, part = Traced(text, **how), Traced(text, loops=loops, **how)
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
    part = check(HEAD + text, "2", trail)
    assert lines == ["any"] or part.lines_of("y") == list(map(int, lines))
    assert part.gaps or case in ("few rounds", "generators", "an else")


@pytest.mark.parametrize("loops", ["1/2", "2/3", "1/5"])
@pytest.mark.parametrize("case", CASES)
def test_nor_is_it_between_rounds_that_are_traced(case, loops, trail):
    check(HEAD + CASES[case][0], loops, trail)


SEVEN = {
    "a for": "for x in rows:\n    print(x)",
    "a while": "n = 0\nwhile n < 7:\n    n += 1\n    print(n)",
    "an unpacking": "for i, (x, z) in enumerate(zip(rows, rows)):\n    print(i)",
    "a test with an effect": "l = [0]\nwhile not l.append(0) and len(l) < 9:\n    print(len(l))",
}


@pytest.mark.parametrize(
    ("loops", "traced"),
    [("1", 1), ("3", 3), ("9", 7), ("1/3", 3), ("2/3", 5), ("3/4", 6), ("6/7", 6), ("1/7", 1)],
)
@pytest.mark.parametrize("case", SEVEN)
def test_of_seven_rounds_so_many_are_traced(case, loops, traced, trail):
    part = check(HEAD + SEVEN[case], loops, trail)
    known = [part.components[one.component].text for one in part.evaluations.values()]
    assert sum(one.startswith("print(") for one in known) == traced
    assert part.output.count("\n") == 7
    assert bool(part.gaps) == (loops != "9")


def test_items_have_the_positions_that_they_had(trail):
    part = check(HEAD + "for x in rows:\n    y = x", "2/3", trail)
    items = [one.name for one in part.evaluations.values() if one.name and one.name.isdigit()]
    assert items == ["0", "1", "3", "4", "6"]


LEAVING = """\
def f(rows, end):
    for x in rows:
        for z in rows:
            if z == end:
                break
            if x == end + 1:
                return x
        else:
            print(x, "all")
        if x == end + 5:
            continue
        try:
            if x == end:
                raise KeyError(x)
        except KeyError:
            print("error", x)
    n = x
    while True:
        n -= 1
        if n == end:
            return n
        if n % 2:
            continue
        print(n)
for end in range(7):
    y = f(rows, end)
    print(y)
"""


@pytest.mark.parametrize("loops", ["1", "2", "1/2", "1/3", "2/3", "3/5", "6/7"])
def test_loops_are_left_as_they_were(loops, trail):
    check(HEAD + LEAVING, loops, trail)


def test_an_interruption_between_rounds_is_of_no_loop_that_comes_after():
    text = """\
def items():
    for x in (1, 2, 3):
        yield x
    raise KeyboardInterrupt
def f():
    for at in range(3):
        try:
            for x in items():
                print(at, x)
        except KeyboardInterrupt:
            print("interrupted")
f()
"""
    check(text, "1/2")
    check(text, "3/4")


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


@pytest.mark.parametrize("loops", ["2", "9", "1/2", "2/3", "1/4", "3/4", "9/10"])
def test_an_iterator_that_fails_fails_as_it_did(loops, trail):
    check(FAILING, loops, trail)


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(programs(), st.sampled_from(["1", "2", "1/2", "1/3", "2/3"]))
def test_generated_programs(text, loops):
    text = text.replace("range(2)", "range(5)").replace(")[:2]:", ")[:5]:")
    with contextlib.redirect_stdout(io.StringIO()):
        check(text, loops)
