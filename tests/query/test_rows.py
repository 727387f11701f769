"""The lines of a file that rows of a frame are in: where they are sure."""

from contextlib import closing

import pytest
from tests.cli.commands import trilha

from trilha import store as stores
from trilha.query.rows import ranges, told_rows
from trilha.query.runs import find_run
from trilha.trace import asked, indexes, slicing

PLAIN = "x,y\n" + "".join(f"{row},{row * row}\n" for row in range(6))
FILES = {
    "plain": (PLAIN, ""),
    "typed": (PLAIN, ", dtype={'x': int}, usecols=['x', 'y']"),
    "windows": (PLAIN.replace("\n", "\r\n"), ""),
    "some": (PLAIN, ", nrows=5"),
    "without": (PLAIN, ", header=None, names=['x', 'y']"),
    "blank": (PLAIN.replace("2,4\n", "2,4\n\n"), ""),
    "quoted": (PLAIN.replace("0,0\n", '0,"0\n0"\n'), ""),
    "labelled": (PLAIN, ", index_col='x'"),
    "changed": (PLAIN, ""),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("rows")
    script = ["import pandas as pd"]
    for name, (content, told) in FILES.items():
        (place / f"{name}.csv").write_bytes(content.encode())
        script += [f"f = pd.read_csv('{name}.csv'{told})", f"{name} = f.loc[4, 'y']"]
    script += [
        "g = pd.read_csv('plain.csv')",
        "whole = g['y'].sum()",
        "joined = g.merge(g, on='x').loc[3, 'y_x']",
        "counted = g['y'].value_counts()[9]",
        "made = pd.DataFrame({'a': [1, 2]}, index=['b', 'c']).loc['c', 'a']",
    ]
    (place / "script.py").write_text("\n".join(script))
    trilha(place, "run", "--grain", "variable", "script.py")
    (place / "changed.csv").write_text(PLAIN.replace("5,25", "5,26"))
    return place


@pytest.fixture(scope="module")
def ask(folder):
    with closing(stores.open(folder / ".trilha")) as store:
        run = find_run(store, "last").uuid
        (traced,) = indexes.traces(str(store.folder), run)

        def asking(what):
            found = slicing.backward(traced, asked.meant([traced], what).evaluations)
            (one,) = told_rows(store, run, found)
            return one

        yield asking


@pytest.mark.parametrize("name", FILES)
def test_the_line_of_a_row_is_told_where_it_is_sure(name, ask):
    found = ask(name)
    assert found.path.endswith(f"{name}.csv")
    assert (found.rows, found.exact) == ([4], True)
    assert found.lines == ([6] if name in ("plain", "typed", "windows") else None)


def test_all_rows_and_some_are_told_apart(ask):
    assert ask("whole")[4:] == (6, [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7], True)
    assert ask("joined")[4:] == (6, [3], [5], True)
    found = ask("counted")
    assert (found.of, found.lines, found.exact) == (6, None, False)


def test_they_are_shown(folder):
    assert "Rows\nplain.csv  script.py:2  row 4  line 6\n" in trilha(folder, "slice", "plain")
    assert "Rows\nplain.csv  script.py:20  all 6  lines 2-7\n" in trilha(folder, "slice", "whole")
    assert "script.py:20  some of 6, not known which\n" in trilha(folder, "slice", "counted")
    assert "index=['b', 'c'])  script.py:24  row 'c'\n" in trilha(folder, "slice", "made")


def test_numbers_that_follow_each_other_are_ranges():
    assert ranges([7, 2, 3, 4, 9, 10]) == "2-4, 7, 9-10"
    assert ranges(["'b'", "'a'", 3, 2]) == "2-3, 'b', 'a'"
    assert ranges([]) == ""
