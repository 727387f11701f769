"""Answers as JSON, written piece by piece."""

import json
from datetime import UTC, datetime
from itertools import count, islice

from hypothesis import given
from hypothesis import strategies as st

from trilha.cli.streaming import pieces

SINGLE = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(SINGLE, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(VALUES)
def test_the_text_is_that_of_the_standard_library(value):
    assert "".join(pieces(value)) == json.dumps(value, indent=2)


@given(st.lists(VALUES), VALUES)
def test_an_iterator_is_written_as_a_list(members, beside):
    expected = json.dumps({"first": beside, "many": members, "in": [{"more": members}]}, indent=2)
    told = {"first": beside, "many": iter(members), "in": [{"more": (one for one in members)}]}
    assert "".join(pieces(told)) == expected


def test_an_iterator_is_gone_through_as_it_is_written():
    endless = pieces({"numbers": count()})
    assert "".join(islice(endless, 20)).startswith('{\n  "numbers": [\n    0,\n    1,')


def test_what_json_has_no_word_for():
    told = [float("inf"), float("-inf"), float("nan"), b"\x00\xff", datetime(2026, 1, 2, tzinfo=UTC), (1,)]
    written = ["INF", "-INF", "NaN", "00ff", "2026-01-02T00:00:00.000000Z", [1]]
    assert json.loads("".join(pieces(told))) == json.loads("".join(pieces(iter(told)))) == written
