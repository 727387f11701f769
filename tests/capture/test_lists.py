"""Lists of plain values: told, weighed and compared alike in Python and in C."""

import gc
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiled import compiled, loaded

from trilha.capture import lists

NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.none(), st.complex_numbers())
TEXTS = st.text(max_size=3)
OTHERS = st.sampled_from(
    [(1, 2), b"bytes", {}, {1}, object, type("Own", (list,), {})([1]), type("N", (int,), {})(3)]
)
MEMBERS = st.one_of(NUMBERS, TEXTS, OTHERS)
ROWS = st.one_of(st.lists(NUMBERS), st.lists(TEXTS), st.lists(MEMBERS, max_size=4))
LENGTHS = st.sampled_from([1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 600])
LONG = st.builds(
    lambda one, count, last: [one] * count + last, NUMBERS, LENGTHS, st.lists(MEMBERS, max_size=2)
)
LISTS = st.one_of(
    ROWS, LONG, st.lists(ROWS), st.lists(st.one_of(LONG, ROWS), max_size=3), st.lists(st.lists(ROWS))
)


@pytest.fixture(scope="module")
def in_c(tmp_path_factory):
    return loaded(compiled("trilha_lists", tmp_path_factory.mktemp("lists")))


@settings(max_examples=300)
@given(LISTS, st.booleans())
def test_both_ways_give_the_same(in_c, things, deep):
    assert in_c.only_numbers(things, deep) is lists._only_numbers(things, deep)
    assert in_c.token_of(things, deep) == lists._token_of(things, deep)
    for most in (0, 1 << 26):
        assert in_c.weight_of(things, deep, most) == lists._weight_of(things, deep, most)


@pytest.mark.parametrize("way", ["python", "c"])
def test_what_is_equal_and_of_another_kind_is_no_change(way, in_c):
    token_of = lists._token_of if way == "python" else in_c.token_of
    things = [[1, 2.5, "a"], [True]]
    before = token_of(things, True)
    assert before == token_of(things, True)
    things[1].append(3)
    assert before != token_of(things, True)
    assert token_of(things, False) is None
    assert token_of([], True) == (0, ())


def test_wrong_arguments_are_refused(in_c):
    for call in (in_c.only_numbers, in_c.token_of, in_c.weight_of):
        for wrong in ((), ([1],), ((1,), True), ([1], True, 1, 1), ({}, True, 1)):
            with pytest.raises(TypeError):
                call(*wrong)


def test_nothing_is_kept_and_nothing_is_lost(in_c):
    inner = object()
    things = [[1.5, inner], [2.5] * 70, "text" * 9]
    rows = [[number + 0.5 for number in range(70)] for _ in range(70)]
    before = (
        sys.getrefcount(inner),
        sys.getrefcount(things[1]),
        sys.getrefcount(rows[3]),
        sys.getrefcount(rows[3][3]),
    )
    for _ in range(50):
        for some in (things, rows, rows[0]):
            in_c.only_numbers(some, True)
            in_c.token_of(some, True)
            in_c.weight_of(some, True, 1 << 26)
    gc.collect()
    after = (
        sys.getrefcount(inner),
        sys.getrefcount(things[1]),
        sys.getrefcount(rows[3]),
        sys.getrefcount(rows[3][3]),
    )
    assert before == after
