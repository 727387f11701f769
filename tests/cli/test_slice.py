"""``trilha slice``, as a user gives it."""

import json
import subprocess
import sys

import pytest
from tests.cli.commands import trilha

from trilha import formats
from trilha.prov.versioned.checking import check

SCRIPT = """\
def double(x):
    return 2 * x

rows = [1, 2, 3]
waste = "nothing"
total = 0
for row in rows:
    if row != 2:
        total += double(row)
rows.append(total)
print(rows[-1])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("slice")
    (place / "sum.py").write_text(SCRIPT)
    assert trilha(place, "run", "--grain", "variable", "sum.py") == "8\n"
    return place


def test_the_help(folder, golden):
    golden("help-slice.txt", trilha(folder, "slice", "--help"))


def test_the_lines_that_a_value_came_from(folder):
    out = trilha(folder, "slice", "rows[-1]")
    assert out.startswith("rows[-1], line 11 of sum.py, came from\n")
    numbers = [int(line.split()[0]) for line in out.splitlines()[3:]]
    assert {2, 4, 6, 9, 10, 11} <= set(numbers)
    assert not {5, 8} & set(numbers)
    assert 8 in [
        int(line.split()[0]) for line in trilha(folder, "slice", "total", "--guards").splitlines()[3:]
    ]


def test_what_came_of_a_value(folder):
    out = trilha(folder, "slice", "total", "--forward")
    assert [int(line.split()[0]) for line in out.splitlines()[3:]] == [9, 10, 11]


def test_a_program_that_gives_the_same(folder):
    out = trilha(folder, "slice", "11", "--program")
    assert "waste" not in out
    (folder / "part.py").write_text(out)
    done = subprocess.run([sys.executable, "part.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "8\n"


def test_the_lines_are_those_that_python_counts(tmp_path):
    (tmp_path / "pages.py").write_text(
        "\x0c\na = 2\n\x0c\nb = 'x\u2028y\x85z'\nwaste = 0; c = a + len(b)\nprint(c)\n"
    )
    assert trilha(tmp_path, "run", "--grain", "variable", "pages.py") == "7\n"
    shown = [line.split(maxsplit=1) for line in trilha(tmp_path, "slice", "c").split("\n")[3:] if line]
    assert [(number, text[:5]) for number, text in shown] == [("2", "a = 2"), ("4", "b = '"), ("5", "waste")]
    assert trilha(tmp_path, "slice", "a", "--history").split("\n")[1].endswith("a = 2")
    program = trilha(tmp_path, "slice", "c", "--program")
    assert "waste" not in program
    names = {}
    exec(program, names)
    assert names["c"] == 7


def test_each_value_came_from_the_text_that_a_module_had_then(tmp_path):
    (tmp_path / "own.py").write_text("def g(x):\n    return x + 1\nstep = 2; far = lambda x: x + step\n")
    again = "base, step = 50, 7\ndef g(x):\n    waste = 1\n    return x + base\n"
    (tmp_path / "main.py").write_text(
        "import importlib, os\nimport own\nfrom own import far\nfirst = own.g(3)\n"
        f"open('own.py', 'w').write({again!r})\nos.utime('own.py', (2e9, 2e9))\n"
        "importlib.reload(own)\nsecond = own.g(3)\nprint(first, second)\n"
        "third = own.base\nfourth = far(0)\n"
    )
    assert trilha(tmp_path, "run", "--grain", "variable", "main.py") == "4 53\n"
    first, second = trilha(tmp_path, "slice", "first"), trilha(tmp_path, "slice", "second")
    assert "own.py  2 of 3 lines" in first
    assert "2      return x + 1 " in first
    assert "own.py (2)  3 of 4 lines" in second
    assert "4      return x + base " in second
    assert "return x + base" in trilha(tmp_path, "slice", "own.py:4")
    assert "1  base, step = 50, 7" in trilha(tmp_path, "slice", "third")
    fourth = trilha(tmp_path, "slice", "fourth")  # It has the names of now.
    assert "1  base, step = 50, 7" in fourth
    assert fourth.count("step = ") == 2  # With that of the line which has the function as well.


def test_when_a_variable_changed_and_by_which_line(folder):
    rows = trilha(folder, "slice", "rows", "--history").splitlines()
    assert [row.split()[1] for row in rows[1:]] == ["sum.py:4", "sum.py:10"]
    assert rows[-1].endswith("rows.append(total)")


def test_a_history_as_json_as_a_graph_and_as_prov(folder):
    told = json.loads(trilha(folder, "slice", "rows", "--history", "--json"))
    of = {one["evaluation"]: one for one in told["evaluations"]}
    assert [of[number]["line"] for number in told["changes"]] == [4, 10]
    assert {end for link in told["links"] for end in (link["evaluation"], link["source"])} <= {*of}
    dot = trilha(folder, "slice", "rows", "--history", "--dot")
    assert '"10: rows.append(total)"' in dot
    assert dot.count(" -> ") == len(told["links"])
    trilha(folder, "slice", "rows", "--history", "-o", "rows.provn")
    document = formats.read(folder / "rows.provn")
    assert document.validate().valid
    assert not check(document)
    assert [record.kind.provn for record in document.records].count("hadMember") == 1


def test_the_history_of_a_member_that_is_gone(tmp_path):
    (tmp_path / "gone.py").write_text("d = {}\nd['k'] = 1\nd['l'] = 2\ndel d['k']\n")
    trilha(tmp_path, "run", "--grain", "variable", "gone.py")
    rows = trilha(tmp_path, "slice", "d['k']", "--history").splitlines()[1:]
    assert [row.split()[1] for row in rows] == ["gone.py:2", "gone.py:4"]
    assert "no variable" in trilha(tmp_path, "slice", "d['m']", "--history", status=1)


def test_lines_and_names_are_those_of_the_script_unless_a_module_is_named(tmp_path):
    (tmp_path / "shop.py").write_text("rate = 2\nrate = 3\n")
    (tmp_path / "main.py").write_text("import shop\ntotal = 4\n")
    trilha(tmp_path, "run", "--grain", "variable", "main.py")
    assert trilha(tmp_path, "slice", "2").startswith("2, line 2 of main.py, ")
    assert trilha(tmp_path, "slice", "shop.py:2").startswith("shop.py:2, line 2 of shop.py, ")
    assert trilha(tmp_path, "slice", "shop.rate").startswith("shop.rate, line 2 of shop.py, ")
    rows = trilha(tmp_path, "slice", "shop.rate", "--history").splitlines()[1:]
    assert [row.split()[1] for row in rows] == ["shop.py:1", "shop.py:2"]
    assert "Did you mean" in trilha(tmp_path, "slice", "shop.rat", status=1)


def test_as_json_and_for_graphviz(folder):
    told = json.loads(trilha(folder, "slice", "total", "--json"))
    assert told["kind"] == "slice"
    numbers = {one["evaluation"] for one in told["evaluations"]}
    assert set(told["start"]) <= numbers
    assert {end for link in told["links"] for end in (link["evaluation"], link["source"])} <= numbers
    assert set(told["inputs"]) == numbers - {link["evaluation"] for link in told["links"]}
    dot = trilha(folder, "slice", "total", "--dot")
    assert dot.startswith("digraph slice {")
    assert dot.count(" -> ") == len(told["links"])


def test_wrong_questions_are_told_what_is_expected(folder):
    assert "Did you mean 'total'?" in trilha(folder, "slice", "totl", status=1)
    assert "Did you mean 'double:x'?" in trilha(folder, "slice", "doubl:x", status=1)
    assert "sum.py has the lines 1 to 11." in trilha(folder, "slice", "12", status=1)
    assert "No traced text is called b.py; there are sum.py." in trilha(folder, "slice", "b.py:1", status=1)
    assert "Nothing that begins in line 3 of sum.py was evaluated: ''." in trilha(
        folder, "slice", "3", status=1
    )
    assert "'total' is bound in sum.py:6, sum.py:9." in trilha(folder, "slice", "total@5", status=1)
    assert "expected one of them" in trilha(folder, "slice", "total", "--json", "--dot", status=2)
    assert "expected one of them" in trilha(folder, "slice", "total", "--json", "-o", "x.provn", status=2)
    assert "say which format" in trilha(folder, "slice", "total", "-o", "-", status=2)
    assert "not together with" in trilha(folder, "slice", "total", "--forward", "--program", status=2)


def test_a_run_without_a_trace_says_how_to_have_one(folder, tmp_path):
    (tmp_path / "one.py").write_text("x = 1\n")
    trilha(tmp_path, "run", "one.py")
    assert "trilha run --grain variable" in trilha(tmp_path, "slice", "x", status=1)
    (tmp_path / "two.py").write_text("x = (1\n")
    trilha(tmp_path, "run", "--grain", "variable", "two.py", status=1)
    assert "(it was ended by SyntaxError: '(' was never closed" in trilha(tmp_path, "slice", "x", status=1)


@pytest.mark.parametrize("mapping", ["plain", "dictionary", "versioned"])
@pytest.mark.parametrize("what", ["total", "rows[-1]", "row", "11"])
def test_as_a_document_of_prov(folder, what, mapping):
    trilha(folder, "slice", what, "-o", "slice.provn", "--mapping", mapping)
    document = formats.read(folder / "slice.provn")
    assert len(document)
    assert document.validate().valid
    assert not check(document)
    assert "waste" not in (folder / "slice.provn").read_text()
    printed = trilha(folder, "slice", what, "-o", "-", "--format", "provn", "--mapping", mapping)
    assert printed == (folder / "slice.provn").read_text()


def test_reindex_makes_the_indexes_of_traces_beforehand(folder):
    assert "Indexed 1 trace." in trilha(folder, "reindex", "--traces")
    (run,) = (folder / ".trilha" / "traces").iterdir()
    assert [one.suffix for one in run.iterdir()] == [".columns"]
    assert json.loads(trilha(folder, "reindex", "--traces", "--json"))["traces"] == 1
    assert "traces" not in json.loads(trilha(folder, "reindex", "--json"))


def test_a_script_in_another_encoding_is_shown_and_given_as_it_was(tmp_path):
    source = '# -*- coding: latin-1 -*-\nunit = "\xb5m"; waste = "\xe9"\nx = unit + "\xb2"\nprint(ascii(x))\n'
    (tmp_path / "old.py").write_bytes(source.encode("latin-1"))
    printed = trilha(tmp_path, "run", "--grain", "variable", "old.py")
    assert 'unit = "\xb5m"; waste = "\xe9"' in trilha(tmp_path, "slice", "x")
    (tmp_path / "part.py").write_text(
        trilha(tmp_path, "slice", "x", "--program") + "print(ascii(x))\n", "utf-8"
    )
    done = subprocess.run(
        [sys.executable, "part.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == printed
