"""What comes of methods of the program that run where the text has no call: properties, items."""

import pytest
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.asked import meant
from trilha.trace.slicing import backward
from trilha.trace.traced import Traced

STORE = """\
class Shelf:
    def __init__(self):
        self.rows = [10, 20]
        self.rate = 70
    def __getitem__(self, at):
        return self.rows[at]
    def __setitem__(self, at, value):
        self.rows[at] = value * 3
    @property
    def price(self):
        return self.rate + 1
    @price.setter
    def price(self, value):
        if value < 0:
            raise ValueError(value)
        self.rate = max(value, 40)
s = Shelf()
"""
"""A class of which parts are what its methods give, and one of it."""


def sliced(text, name):
    run = Run(text, Trail)
    assert not run.gaps
    assert not run.error
    trace = Traced.of_log(run.chunks)
    found = meant([trace], name)
    return trace, backward(trace, found.evaluations)


def inputs(text, name):
    trace, told = sliced(text, name)
    literals = [trace.component(number).text for number in told.inputs()]
    return sorted({int(one) for one in literals if one.isdecimal()})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("x = s[1]\n", [20]),
        ("s[1] = 5\nx = s[1]\n", [3, 5]),
        ("s[0] += 6\nx = s[0]\n", [3, 6, 10]),
        ("x = s.price\n", [1, 70]),
        ("s.price = 7\nx = s.price\n", [1, 7, 40]),
        ("s.price += 8\nx = s.price\n", [1, 8, 40, 70]),
        ("s.price -= s.price\nx = s.price\n", [1, 40, 70]),
        ("s.rate += s.price\nx = s.rate\n", [1, 70]),
    ],
)
def test_a_value_comes_from_what_a_method_of_the_program_gave_or_stored(text, numbers):
    assert inputs(STORE + text, "x") == numbers


def test_a_setter_that_raises_at_an_augmented_assignment_is_followed(trail):
    text = f"{STORE}try:\n    s.price -= 500\nexcept ValueError:\n    x = s[0] + 2\n"
    traced = Run(text, trail)
    assert not traced.gaps
    assert {3, 6, 21} <= set(traced.lines_of("x"))


TAKEN_APART = """\
K = 70
def f(a):
    return K
def gen():
    yield 1
    yield 2
class Pair:
    def __iter__(self):
        yield 1
        yield 2
class Counter:
    def __init__(self):
        self.n = 0
    def __iter__(self):
        return self
    def __next__(self):
        self.n += 1
        if self.n > 2:
            raise StopIteration
        return self.n
class Row:
    def __getitem__(self, at):
        return [1, 2][at]
    @property
    def rate(self):
        return K
g = lambda a: K
p, r = Pair(), Row()
"""


@pytest.mark.parametrize("behind", ["x = f(3)\n", "x = g(3)\n", "x = r.rate\n"])
@pytest.mark.parametrize(
    "iterated",
    [
        *("gen()", "Pair()", "Counter()", "Row()", "(i for i in gen())", "(f(i) for i in [1, 2])"),
        *("map(int, '12')", "map(abs, gen())", "iter([1, 2])", "zip('12', '34')", "{1: 2, 3: 4}.items()"),
    ],
)
def test_what_runs_behind_names_that_take_an_iterator_apart_is_called_there(iterated, behind):
    trace, told = sliced(f"{TAKEN_APART}b, *c = {iterated}\n{behind}", "x")
    assert "70" in [trace.component(number).text for number in told.inputs()]


COMPARED = """\
SAME = 70
LESS = 80
HASHED = 90
CALLED = 60
def f(a):
    return CALLED
class Grade:
    def __init__(self, mark):
        self.mark = mark
    def __eq__(self, other):
        return SAME > 0
    def __lt__(self, other):
        return LESS > 0
    def __hash__(self):
        return HASHED
a, b = Grade(1), Grade(2)
both, same, key = [a, b], {a: 1}, (a, b)
"""


@pytest.mark.parametrize(
    ("made", "number"),
    [
        *(("[1] == [a]", 70), ("both == [b, a]", 70), ("(a, 2) == (b, 2)", 70), ("3 in both", 70)),
        *(("{1: a} == {1: b}", 70), ("both != [b, b]", 70), ("3 not in key", 70), ("key == (b, b)", 70)),
        *(("both < [b, a]", 70), ("1 < 2 and both == [b, b]", 70), ("[b] < both < [3]", 70)),
        *(("a in same", 90), ("b in same", 70), ("same == {b: 1}", 70), ("{a, 2} == {b, 2}", 70)),
        *(("both.index(3)", 70), ("both.count(3)", 70), ("max(both)", 80), ("sorted(both)", 80)),
        *(("not both == [b, b]", 70), ("(key == (b, b), 1)", 70), ("[both == [b, b]]", 70)),
        *(("f'{both == [b, b]}'", 70), ("(*map(f, [1]),)", 60), ("0 or [b, 1] == both", 70)),
    ],
)
def test_what_a_comparison_of_containers_runs_is_of_that(made, number):
    numbers = inputs(f"{COMPARED}x = {made}\ny = f(2)\n", "x")
    assert number in numbers
    other = inputs(f"{COMPARED}x = {made}\ny = f(2)\n", "y")
    assert not {70, 80, 90} & set(other)
    assert 60 in other


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("b, c = map(f, [1, 2])\nx = f(3)\n", [60]),
        ("b, c = map(int, '12')\nx = list(map(f, [3]))\n", [3, 60]),
        ("b, c = map(int, '12')\nx = sorted([3], key=f)\n", [3, 60]),
        ("b, c = map(int, '12')\nx = max(both)\n", [80]),
        ("b, c = map(int, '12')\nx = both == [b, a]\n", [70]),
        ("b, c = map(int, '12')\nx = f(3)\nd = f\n", [60]),
        ("b, c = iter(both)\nx = min(both, key=lambda one: f(one))\n", [60]),
        ("b, c = map(int, '12')\nx = {**{a: 3}}\n", [3]),
        ("if both < []:\n    pass\nx = a == b\n", [70]),
        ("if both < []:\n    pass\nx = both == [b, a]\n", [70]),
        ("if both < []:\n    pass\nx = min(both)\n", [80]),
        ("while both < []:\n    pass\nx = 3 in both\n", [70]),
        ("y = 1 if both < [] else 2\nx = {a: 2} == {b: 2}\n", [70]),
        ("h = lambda one: f(one)\nb, c = map(h, '12')\nx = h(3)\n", [60]),
    ],
)
def test_functions_that_are_values_are_called_where_they_are(text, numbers):
    assert set(numbers) <= set(inputs(COMPARED + text, "x"))


def test_names_that_take_an_iterator_apart_come_of_what_it_runs():
    assert 60 in inputs(f"{COMPARED}x, y = map(f, [1, 2])\nz = f(2)\n", "x")
