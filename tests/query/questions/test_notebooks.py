"""The questions about the cells of a notebook, over a notebook that IPython really ran."""

import json
import os
import subprocess
import sys

import pytest

import trilha
from trilha.errors import NotFound
from trilha.query.cells import Execution, Notebook, Use, Version
from trilha.query.things import Thing

SHELL = """
import sys, warnings
warnings.simplefilter("ignore")
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for name, cell in CELLS:
    shell.run_cell(cell, store_history=True, cell_id=name)
"""


@pytest.fixture
def notebook(tmp_path):
    """Runs cells, each an id and a text; gives a function that asks."""

    def run(*cells):
        program = SHELL.replace("CELLS", repr([("start", "import trilha; trilha.autolog('notes')"), *cells]))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
        places = {"TRILHA_STORE": str(tmp_path / "store"), "IPYTHONDIR": str(tmp_path / "ipython")}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=clean | places,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert done.stderr == ""

        def ask(name, *arguments):
            return trilha.ask(name, *arguments, store=tmp_path / "store")

        return ask

    return run


def by_execution(answer):
    return {row["execution"]: row for row in answer}


def reasons(answer):
    return {(row["execution"], row["why"]) for row in answer}


@pytest.fixture
def file(tmp_path):
    """Writes a notebook's file."""

    def write(*cells):
        path = tmp_path / "notes.ipynb"
        told = [{"cell_type": "markdown", "id": "title", "source": ["# Notes"]}]
        told += [{"cell_type": "code", "id": name, "source": text.splitlines(True)} for name, text in cells]
        path.write_text(json.dumps({"cells": told, "nbformat": 4, "nbformat_minor": 5}))
        return path

    return write


def test_each_execution_says_what_it_read_of_which_other(notebook):
    ask = notebook(
        *(("a", "x = 1"), ("b", "def f(): return x"), ("c", "y = f()"), ("d", "del y"), ("e", "z = x\n1 / 0"))
    )
    told = by_execution(ask("cells"))
    assert [row["cell"] for row in told.values()] == ["start", "a", "b", "c", "d", "e"]
    assert told["[4]"]["reads"] == ["f of [3]", "x? of [2]"]
    assert told["[4]"]["binds"] == ["y"]
    assert told["[5]"]["deletes"] == ["y"]
    assert told["[6]"]["text"] == "z = x"
    assert {row["state"] for row in told.values()} == {"up to date", "failed"}
    assert told["[6]"]["state"] == "failed"
    assert len(ask("stale-cells")) == 0
    assert any("name the notebook's file" in words for words in ask("cells").unknown)


def test_a_cell_whose_inputs_were_rewritten_is_stale_and_so_is_what_came_of_it(notebook):
    ask = notebook(
        *(("a", "x = 1"), ("b", "y = x + 1"), ("c", "z = y"), ("d", "other = 5"), ("g", "x = 2")),
        *(("e", "if other > 9:\n    late = z"), ("f", "y2 = x")),
    )
    assert reasons(ask("stale-cells")) == {
        ("[3]", "x was changed since, by [6]"),
        ("[4]", "y comes of [3], which is stale"),
        ("[7]", "z, which it may have read, comes of [4], which is stale"),
    }
    states = {name: row["state"] for name, row in by_execution(ask("cells")).items()}
    assert states == {
        "[1]": "up to date",
        "[2]": "up to date",
        "[3]": "stale",
        "[4]": "stale",
        "[5]": "up to date",
        "[6]": "up to date",
        "[7]": "stale",
        "[8]": "up to date",
    }


def test_running_the_stale_cells_again_makes_all_well(notebook):
    ask = notebook(
        *(("a", "x = 1"), ("b", "y = x"), ("c", "z = y"), ("a", "x = 2"), ("b", "y = x"), ("c", "z = y"))
    )
    assert len(ask("stale-cells")) == 0


def test_what_is_the_same_when_it_is_made_again_still_holds(notebook):
    ask = notebook(
        *(
            ("a", "x = 1\nword = 'w'\nimport json"),
            ("b", "def f(n):\n    return n"),
            ("c", "y = f(x), word, json"),
        ),
        *(
            ("a", "x = 1\nword = 'w'\nimport json"),
            ("b", "def f(n):\n    return n"),
            ("d", "x = 2"),
            ("d", "x = 1"),
        ),
    )
    assert reasons(ask("stale-cells")) == set()
    assert by_execution(ask("cells"))["[2]"]["state"] == "run again"


def test_a_file_that_was_written_since_makes_stale(notebook):
    def write(name, text):
        return f"with open({name!r}, 'w') as file: file.write({text!r})"

    ask = notebook(
        ("a", write("new", "1")),
        ("b", write("kept", "1")),
        ("c", "with open('new') as file: x = file.read()"),
        ("d", "with open('kept') as file: y = file.read()"),
        ("e", "z = x"),
        ("f", write("new", "22")),
        ("g", write("plan", "text")),
    )
    assert reasons(ask("stale-cells")) == {
        ("[4]", "new was changed since, by [7]"),
        ("[6]", "x comes of [4], which is stale"),
    }
    assert by_execution(ask("cells"))["[2]"]["writes"] == ["new"]
    assert [row["execution"] for row in ask("cells-behind", "y")] == ["[3]", "[5]"]


@pytest.mark.parametrize(("content", "is_stale"), [("a", False), ("b", True), ("", True)])
def test_a_file_that_holds_what_it_held_makes_nothing_stale(content, is_stale):
    thing = Thing("run:1", "activity", None, "cell", (), 0, 0, {})
    wrote, read, again = (Execution(at, at, at, f"{at}", "", thing) for at in range(3))
    versions = [Version("data", wrote, 0, path="/data", content="a"), Version("data", again, 2, path="/data")]
    versions[1].content = content
    read.uses.append(Use(versions[0], False))
    wrote.makes.append(versions[0])
    again.makes.append(versions[1])
    assert bool(Notebook([wrote, read, again], versions).executions[1].why) is is_stale


def test_what_came_of_a_module_that_was_changed_is_stale(notebook):
    ask = notebook(
        (
            "a",
            "for name in 'one', 'two':\n    with open(f'{name}.py', 'w') as f: f.write('V, KEPT = 1, []\\n')",
        ),
        ("b", "import one, importlib"),
        ("c", "import two"),
        ("d", "y = one.V"),
        ("e", "z = two.V"),
        ("f", "for name in 'one', 'two':\n    with open(f'{name}.py', 'w') as file: file.write('V = 22\\n')"),
        ("g", "again = importlib.reload(one)"),
        ("h", "w = one.V"),
        ("i", "two.V = 3"),
        ("j", "v = two.V"),
        ("k", "one.KEPT.append(w)"),
    )
    assert reasons(ask("stale-cells")) == {
        ("[4]", "two.py was changed since, by [7]"),
        ("[5]", "one was changed since, by [8]"),
        ("[6]", "two was changed since, by [10]"),
        ("[6]", "two comes of [4], which is stale"),
        ("[10]", "two comes of [4], which is stale"),
        ("[11]", "two comes of [10], which is stale"),
    }


def test_what_came_of_functions_that_autoreload_changes_is_stale_until_it_is_run_again(notebook):
    write = "import os\nwith open('own.py', 'w') as file: file.write({!r})\nos.utime('own.py', ({}, {}))"
    ask = notebook(
        ("a", write.format("def f(): return 1\ndef g(): return 1\n", 1_900_000_000, 1_900_000_000)),
        ("b", "%load_ext autoreload\n%autoreload 2"),
        ("c", "import own\nfrom own import f, g"),
        ("d", "x = f()"),
        ("e", "y = f()"),
        ("f", "z = g()"),
        ("g", write.format("def f(): return 2\ndef g(): return 1\n", 2_000_000_000, 2_000_000_000)),
        ("e", "y = f()"),
        ("h", "w = g()"),
    )
    assert reasons(ask("stale-cells")) == {("[5]", "f was changed since, and it is not known by what")}
    assert [row["execution"] for row in ask("cells-behind", "y")][1:] == ["[4]", "[9]"]


def test_what_is_changed_by_another_name_from_far_within_or_hidden_behind_a_built_in_name_is_stale(notebook):
    ask = notebook(
        ("a", "import numpy as np\nx = np.zeros(9)\npart = x[2:5]\ndeep = {'a': [{'b': [1, 2]}]}"),
        ("b", "class C:\n    v = 1\n    def get(self): return self.v\nc = C()"),
        ("c", "total = x.sum()"),
        ("d", "n = deep['a'][0]['b'][0]"),
        ("e", "m = max(3, 4)"),
        ("f", "k = c.get()"),
        ("g", "5"),
        ("h", "five = _"),
        ("i", "part[0] = 1"),
        ("j", "deep['a'][0]['b'][0] = 7"),
        ("k", "max = min"),
        ("l", "C.v = 2"),
        ("m", "6"),
    )
    assert reasons(ask("stale-cells")) == {
        ("[4]", "x was changed since, by [10]"),
        ("[5]", "deep was changed since, by [11]"),
        ("[6]", "max, which Python had for it, was bound since, by [12]"),
        ("[7]", "C, which it may have read, was changed since, by [13]"),
        ("[9]", "_ was changed since, by [14]"),
    }


def test_a_name_of_a_text_that_is_gone_is_hidden_state(notebook):
    ask = notebook(("a", "x = 1\nextra = 2"), ("b", "y = extra"), ("a", "x = 1"), ("c", "w = extra + x"))
    assert reasons(ask("stale-cells")) == {
        ("[2]", "extra: hidden state, made by a text that its cell no longer has"),
        ("[3]", "extra comes of [2], a text that its cell no longer has"),
        ("[5]", "extra comes of [2], a text that its cell no longer has"),
    }


def test_changed_objects_and_deleted_names_make_stale(notebook):
    ask = notebook(
        *(("a", "things = [1]"), ("b", "first = len(things)"), ("c", "things.append(2)"), ("d", "gone = 1")),
        *(("e", "there = gone"), ("f", "del gone")),
    )
    assert reasons(ask("stale-cells")) == {
        ("[3]", "things was changed since, by [4]"),
        ("[6]", "gone was deleted by [7]"),
    }


def test_a_cell_that_changes_its_own_input_is_not_stale_by_that(notebook):
    ask = notebook(("a", "x = 1"), ("b", "x = x + 1"), ("c", "x += 1"), ("d", "x"))
    assert reasons(ask("stale-cells")) == set()


def test_cells_run_out_of_order_are_told(notebook, file):
    ask = notebook(
        *(("low", "x = 1"), ("high", "y = x"), ("lower", "k = 1"), ("low", "x = k"), ("high", "y = x"))
    )
    told = by_execution(ask("cells"))
    assert told["[5]"]["order"] == ["k comes of [4], whose cell was first run after this one"]
    assert told["[6]"]["order"] == []
    path = file(("high", "y = x"), ("low", "x = k"), ("lower", "k = 1"))
    assert reasons(ask("stale-cells", path)) >= {
        ("[5]", "k comes of [4], a cell further down"),
        ("[6]", "x comes of [5], a cell further down"),
    }


def test_cells_that_were_edited_or_deleted_since_are_told_by_the_file(notebook, file):
    ask = notebook(("a", "x = 1"), ("b", "y = 2"), ("c", "z = x + y"))
    path = file(("start", "import trilha; trilha.autolog('notes')"), ("a", "x = 3"), ("c", "z = x + y\n"))
    assert reasons(ask("stale-cells", path)) == {
        ("[2]", "its cell has another text in the notebook"),
        ("[2]", "x: hidden state, made by a text that its cell no longer has"),
        ("[3]", "its cell is no longer in the notebook"),
        ("[3]", "y: hidden state, made by a text that its cell no longer has"),
        ("[4]", "x comes of [2], a text that its cell no longer has"),
        ("[4]", "y comes of [3], a text that its cell no longer has"),
    }


def test_the_cells_behind_a_name_are_a_script_that_makes_it_again(notebook):
    ask = notebook(
        *(
            ("a", "x = [1]"),
            ("b", "other = 5"),
            ("c", "def total(of):\n    return sum(of) + start"),
            ("d", "start = 10"),
        ),
        *(
            ("e", "x.append(2)"),
            ("f", "y = total(x)"),
            ("e", "x.append(3)"),
            ("b", "other = y"),
            ("g", "del other"),
        ),
    )
    told = ask("cells-behind", "y")
    assert told.column("execution") == ["[2]", "[4]", "[5]", "[6]", "[7]"]
    names = {}
    exec("\n".join(told.column("source")), names)
    assert names["y"] == 13
    with pytest.raises(NotFound, match="'other' was deleted by"):
        ask("cells-behind", "other")
    with pytest.raises(NotFound, match="'nothing'"):
        ask("cells-behind", "nothing")


def test_what_is_unknown_is_said(notebook):
    ask = notebook(("a", "x = iter([1, 2])"), ("b", "exec('y = next(x)')"), ("c", "next(x)"))
    told = by_execution(ask("cells"))
    assert told["[3]"]["unknown"] == ["reads by exec"]
    assert told["[4]"]["unknown"] == ["changes of x"]


def test_files_go_from_cell_to_cell_through_variables(notebook, tmp_path):
    (tmp_path / "in.csv").write_text("1\n2\n")
    (tmp_path / "other.csv").write_text("5\n")
    notebook(
        ("a", "with open('in.csv') as file:\n    rows = [int(line) for line in file]"),
        ("b", "with open('other.csv') as file:\n    other = file.read()"),
        ("c", "total = sum(rows)"),
        ("d", "with open('out.txt', 'w') as file:\n    print(total, file=file)"),
    )
    words = [sys.executable, "-c", "from trilha.cli import main; main()", "lineage", "out.txt"]
    done = subprocess.run(
        [*words, "--store", "store"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "in.csv" in done.stdout
    assert "total" in done.stdout
    assert "other.csv" not in done.stdout


@pytest.mark.parametrize("text", [None, "{", "[]", '{"cells": 3}', '{"cells": [3]}'])
def test_a_file_that_is_no_notebook_is_said(text, notebook, tmp_path):
    ask = notebook(("a", "x = 1"))
    path = tmp_path / "bad.ipynb"
    if text is not None:
        path.write_text(text)
    with pytest.raises(trilha.errors.UsageError, match=r"bad\.ipynb: "):
        ask("cells", path)
