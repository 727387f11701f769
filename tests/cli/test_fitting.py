"""Tables on narrow terminals: no column loses its words."""

import io
import re
import sys

import pytest

from trilha.cli.fitting import cells_of, fit
from trilha.cli.page import Page

HEADER = ("run", "call", "took", "exception")
ROWS = [
    ["one", "load", "1.5 s", ""],
    ["one", "transform", "20 ms", "ValueError('the ninth column is not a number')"],
]
TOOK = frozenset([2])


def test_a_table_that_fits_is_told_as_it_is():
    found = fit(ROWS, HEADER, TOOK, 72)
    assert (found.alike, found.columns, found.widths) == ([], [0, 1, 2, 3], [3, 9, 5, 46])


def test_what_all_rows_say_alike_is_told_once_before_a_text_is_broken():
    assert fit(ROWS, HEADER, TOOK, 64) == ([0], [1, 2, 3], [9, 5, 46])
    assert fit(ROWS, HEADER, TOOK, 50) == ([0], [1, 2, 3], [9, 5, 32])


def test_rows_are_told_one_below_the_other_where_a_text_would_be_broken_into_many_lines():
    assert fit(ROWS, HEADER, TOOK, 29) == ([0], [1, 2, 3], None)


def test_a_number_is_never_broken():
    rows = [[str(10**12), str(10**11)]]
    assert fit(rows, ("a", "b"), frozenset([0, 1]), 20) == ([], [0, 1], None)


def test_a_single_row_keeps_its_columns():
    assert fit(ROWS[1:], HEADER, TOOK, 50).alike == []


@pytest.mark.parametrize(
    ("text", "wide"), [("abc", 3), ("é", 1), ("e\u0301", 1), ("日本", 4), ("ｶﾅ", 2), ("", 0)]
)
def test_columns_of_a_terminal_that_a_text_takes(text, wide):
    assert cells_of(text) == wide


LONG = "rows = [price(row) for row in table if row[0] != 名前]  # and " + "so on " * 40


def _shown(monkeypatch, rows, right, *, columns):
    out = io.StringIO()
    out.isatty = lambda: columns > 0
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", str(columns or 80))
    monkeypatch.setenv("TERM", "xterm")
    page = Page()
    page.table(rows, right=right)
    page.print()
    return [re.sub("\x1b\\[[0-9;]*m", "", line).rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    "values", ["rows = 3", "row = ['a', 'b', 'c', 'd'], rows = <list of 4>, n = 5, m = 6"]
)
def test_where_columns_are_too_wide_the_others_are_told_whole(values, monkeypatch):
    rows = [("5", "total = 0", "×2", ""), ("16", LONG, "×20", values)]
    first, second, *more = _shown(monkeypatch, rows, (0,), columns=80)
    assert first.startswith(" 5  total = 0  ")
    assert first.endswith("  ×2")
    assert second.startswith("16  rows = [price(row)")
    assert "…" in second
    assert "×20  row" in second
    assert " ".join(line[len(second.partition("×20")[0]) + 3 :].strip() for line in more) in values
    assert cells_of(second) <= 80


def test_columns_stand_below_each_other_behind_wide_characters(monkeypatch):
    rows = [("4", "名前 = 1", "×2"), ("16", "name = 1", "×3")]
    first, second = _shown(monkeypatch, rows, (0,), columns=0)
    assert cells_of(first.partition("×")[0]) == cells_of(second.partition("×")[0])
