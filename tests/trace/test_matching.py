"""What patterns of a ``match`` bind comes of the member that they fit, where that is certain."""

import pytest
from tests.trace.test_special_methods import inputs, sliced

BEFORE = """\
from collections import deque
from dataclasses import dataclass
class Spot:
    __match_args__ = ("x", "y")
    def __init__(self, x, y):
        self.x = x
        self.y = y
@dataclass
class Field:
    x: int
    y: int
class Turned(Spot):
    @property
    def z(self):
        return self.y
two, three, four = [20], [30], [40]
"""


@pytest.mark.parametrize(
    ("subject", "pattern", "name", "numbers"),
    [
        ("[1, 2]", "[x, y]", "x", [1]),
        ("[1, 2]", "(x, y)", "y", [2]),
        ("(1, 2, 3)", "x, *y", "x", [1]),
        ("[1, 2, 3]", "[_, *x]", "x", [2, 3]),
        ("[1, 2, 3]", "[*_, y, x]", "x", [3]),
        ("[1, 2, 3]", "[*y, x]", "y", [1, 2]),
        ("deque([1, 2])", "[x, _]", "x", [1]),
        ("1, [2, 3]", "_, [x, _]", "x", [2]),
        ("[two, three]", "[x, y]", "x", [20]),
        ("[two, three, four]", "[_, *x]", "x", [30, 40]),
        ("[1, 2]", "[1 as x, _]", "x", [1]),
        ("[1, 2]", "[_, 2 | 3 as x]", "x", [2]),
        ("{'k': 1, 'l': 2}", "{'k': x}", "x", [1]),
        ("{'k': 1, 'l': 2, 'm': 3}", "{'k': _, **x}", "x", [2, 3]),
        ("{1: 4, True + 1: 5}", "{1: x}", "x", [4]),
        ("{'k': [1, 2], 'l': 3}", "{'k': [_, x]}", "x", [2]),
        ("Spot(1, 2)", "Spot(x=x)", "x", [1]),
        ("Spot(1, 2)", "Spot(_, x)", "x", [2]),
        ("Field(1, 2)", "Field(_, x)", "x", [1, 2]),
        ("Spot(two, [3, 4])", "Spot(two, [x, 4])", "x", [3]),
        ("[1, 2]", "[int(x), _]", "x", [1]),
        ("[1, 2]", "[int() as x, str() | int()]", "x", [1]),
        ("[1, 2]", "[x, _] if x < 5", "x", [1]),
        ("[1, 2]", "[x, 3] | [x, 2]", "x", [1, 2]),
    ],
)
def test_what_a_pattern_binds_is_of_the_member_that_it_fits(subject, pattern, name, numbers):
    text = f"{BEFORE}s = {subject}\nmatch s:\n    case {pattern}:\n        out = {name}\n"
    found = set(inputs(text, "out"))
    assert set(numbers) <= found
    assert not (found - set(numbers)) & {1, 2, 3, 4, 5, 20, 30, 40}


def test_what_a_pattern_binds_is_the_object_itself():
    body = "        x.append(7)\n        rest[0].append(8)\n"
    text = f"{BEFORE}s = [two, three]\nmatch s:\n    case [x, *rest]:\n{body}"
    assert set(inputs(f"{text}out = two[1]\n", "out")) == {7}
    assert 8 in inputs(f"{text}out = three[1]\n", "out")
    assert set(inputs(f"{text}out = rest[0][0]\n", "out")) >= {30}
    assert 20 not in inputs(f"{text}out = rest[0][0]\n", "out")


@pytest.mark.parametrize(
    ("subject", "pattern", "numbers"),
    [
        ("Turned(1, 2)", "Spot(z=x)", [2]),
        ("Turned(1, 2)", "Turned(x, _)", [1]),
        ("dict(k=1)", "{'k': x}", [1]),
        ("[*map(int, '12')]", "[x, _]", []),
    ],
)
def test_a_member_that_is_not_certain_is_of_the_whole(subject, pattern, numbers):
    text = f"{BEFORE}s = {subject}\nmatch s:\n    case {pattern}:\n        out = x\n"
    assert set(numbers) <= set(inputs(text, "out"))
    _, told = sliced(text, "out")
    lines = [line for _, line in told.lines()]
    assert text.splitlines().index(f"s = {subject}") + 1 in lines


def test_a_list_that_was_changed_is_matched_as_it_is_then():
    text = "s = [1, 2]\ns[0] = 5\ns.insert(0, 6)\nmatch s:\n    case [a, b, c]:\n        x = b\n"
    assert inputs(text, "x") == [5]
