"""What an operator gives is one object, by whichever name it changes, or what a special method returned."""

import pytest
from tests.trace.traced import Traced

from trilha.trace import traced
from trilha.trace.asked import meant
from trilha.trace.slicing import backward

LISTS = "a = [1]\nb = [2]\n"
SETS = "a = {1}\nb = {2}\n"
ARRAYS = "import numpy as np\na = np.ones(3)\n"
CHANGED = "d = c\nd[0] = 7\n"
OWN = """\
class V:
    def __init__(self, x):
        self.x = x
    def __add__(self, other):
        made = self.x + other.x
        return made
    def __lt__(self, other):
        return other.x > 1
    def __imul__(self, by):
        self.x = by
        return self
    def __radd__(self, other):
        return V(other)
v = V(1)
w = V(2)
"""


def lines(text, name):
    """The lines of the slice of a name's last value."""
    one = traced.Traced.of_log(Traced(text).chunks)
    return [line for _, line in backward(one, meant([one], name).evaluations).lines()]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (f"{LISTS}c = a + b\n{CHANGED}", 5),
        (f"{LISTS}c = a * 2\n{CHANGED}", 5),
        (f"{LISTS}c = a + b + a\n{CHANGED}", 5),
        (f"{LISTS}c, e = a + b, 1\n{CHANGED}", 5),
        (f"{LISTS}c = (a if b else b) + b\n{CHANGED}", 5),
        (f"{LISTS}c = a or b + b\nc = b + c\n{CHANGED}", 6),
        (f"{LISTS}c = a + b\nd = c\nd.append(7)\n", 5),
        (f"{LISTS}c = a + b\nd = c\nd += a\n", 5),
        (f"{LISTS}c = a + b\nd = c\ndel d[0]\n", 5),
        (f"{LISTS}c = a + b\ndef f(l):\n    l[0] = 7\nf(c)\n", 5),
        (f"{LISTS}c = a + b\nl = [c]\nl[0][0] = 7\n", 5),
        (f"{LISTS}c = a + b\nfor d in [c]:\n    d[0] = 7\n", 5),
        (f"{LISTS}def f(l):\n    return l + b\nc = f(a)\n{CHANGED}", 7),
        ("a = [[1]]\nb = [[2]]\nc = a + b\nd = a\nd[0][0] = 7\n", 5),
        (f"{SETS}c = a | b\nd = c\nd.add(7)\n", 5),
        (f"{SETS}c = a - b\nd = c\nd.add(7)\n", 5),
        (f"{ARRAYS}c = -a\n{CHANGED}", 5),
        (f"{ARRAYS}c = a > 0\n{CHANGED}", 5),
        (f"{ARRAYS}c = 2 * a\n{CHANGED}", 5),
    ],
)
def test_a_change_by_another_name_is_one_of_what_an_operator_gave(text, last):
    assert last in lines(f"{text}y = str(c)\n", "y")


@pytest.mark.parametrize(
    ("operation", "inside", "outside"),
    [
        ("y = v + w", {5, 6}, {8, 10, 11}),
        ("y = v < w", {8}, {5, 6}),
        ("y = w > v", {8}, {5, 6}),
        ("y = 3 + v", {13}, {5, 6}),
        ("u = v\nu *= 2\ny = v.x", {10}, {3, 5}),
        ("t = {'k': v}\nt['k'] += w\ny = t['k']", {5, 6}, {8, 10}),
    ],
)
def test_what_a_special_method_returned_is_what_its_operator_gave(operation, inside, outside):
    found = set(lines(OWN + operation, "y"))
    assert inside <= found
    assert not outside & found


def test_members_of_a_sum_are_known_by_any_name():
    text = f"{LISTS}c = a + b\nd = c\nx = d[0]\ny = d[1]\n"
    assert lines(text, "x") == [1, 3, 5]
    assert lines(text, "y") == [2, 3, 6]


@pytest.mark.parametrize("given", ["sum(i)", "l = [i]", "f(i)", "2 in i", "[].extend(i)"])
def test_of_an_iterator_that_others_have_it_is_not_known_what_is_next(given):
    text = (
        f"f = len\na = [1,\n     2]\ni = iter(a)\ntry:\n    {given}\nexcept TypeError: pass\ny = next(i, 0)\n"
    )
    assert set(lines(text, "y")) >= {2, 3, 4, 8}


def test_what_next_gives_is_the_member_that_is_next():
    assert lines("a = [1,\n     2]\ni = iter(a)\nj = i\nnext(j)\ny = next(i)\n", "y") == [2, 6]
