"""Tables on narrow terminals: no column loses its words."""

from trilha.cli.fitting import fit

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
