"""``trilha diff --runs``: what changed between two runs, and the first evaluation at which they part."""

import json

import pytest
from tests.cli.commands import trilha

SCRIPT = """\
import os

table = {"a": 1, "b": 2}


def load(path):
    with open(path) as file:
        return [float(line) for line in file]


def clip(value, top):
    if value > top:
        return top
    return value


rows = load("in.csv")
key = os.environ.get("KEY_OF_TABLE", "a")
found = table[key]
total = 0
for row in rows:
    total += clip(row, 3)
flip = os.environ.get("FLIP", "")
if flip:
    total += 1
with open("out.txt", "w") as file:
    file.write(str(total))
"""


FORK = """\
import os
rate = 2
if os.fork() == 0:
    share = rate * 2
    if os.environ.get("LESS"):
        share -= 1
    os._exit(0)
os.wait()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")

    def run(name, rows="1\n2\n3\n4\n", text=SCRIPT, grain="variable", **environment):
        (place / "work.py").write_text(text)
        (place / "in.csv").write_text(rows)
        trilha(place, "run", "--name", name, "--grain", grain, "work.py", **environment)

    run("one")
    run("same")
    run("layout", text=SCRIPT.replace("rows =", "# A remark.\n\nrows ="))
    run("data", rows="1\n5\n3\n4\n")
    run("shorter", rows="1\n2\n")
    run("key", KEY_OF_TABLE="b")
    run("flip", FLIP="yes")
    run("literal", text=SCRIPT.replace("clip(row, 3)", "clip(row, 4)"))
    run("function", text=SCRIPT.replace("value > top", "value >= top") + "def more(): pass\n")
    run("calls", grain="call")
    run("forks", text=FORK)
    run("forks again", text=FORK)
    run(
        "fork that differs",
        text=FORK,
        LESS="yes",
        OMP_CANCELLATION="true",
        OMP_TOKEN="a secret",
        MY_NAME="a secret",
    )
    values = "import os\nrate = float(os.environ.get('RATE', '1'))\nfinal = rate * 3\nprint(final)\n"
    for name, rate in (("values", "1"), ("same values", "1"), ("another value", "2")):
        (place / "work.py").write_text(values)
        words = ("run", "--name", name, "--grain", "variable", "--values", "work.py")
        trilha(place, *words, RATE=rate)
    return place


def told(folder, other, first="one", status=1):
    return json.loads(trilha(folder, "diff", "--runs", first, other, "--json", status=status))


def names(found, about):
    return [one["name"] for one in found["changes"] if one["about"] == about]


def lines(found, which):
    return {one["line"] for one in found["divergence"]["came_from"][which]["lines"]}


def test_runs_that_did_the_same(folder):
    found = told(folder, "same", status=0)
    assert (found["changes"], found["functions"], found["divergence"]) == ([], {}, None)
    assert (found["traced"], found["values"]) == (True, False)
    text = trilha(folder, "diff", "--runs", "one", "same")
    assert "They evaluated the same, in the same order, to the end." in text
    assert "Values were not recorded" in text


def test_remarks_and_moved_lines_are_no_other_way_to_go(folder):
    found = told(folder, "layout")
    assert found["divergence"] is None
    assert found["functions"] == {}
    assert (names(found, "script"), names(found, "file read")) == (["work.py"], [])


def test_another_input_file_is_the_reason_of_another_branch(folder):
    found = told(folder, "data")
    assert names(found, "file read") == ["in.csv"]
    assert names(found, "file written") == ["out.txt"]
    parted = found["divergence"]
    assert (parted["how"], parted["first"]["line"], parted["second"]["line"]) == ("flow", 14, 13)
    assert parted["first"]["in"] == "clip"
    assert {7, 8, 12, 17, 22} <= lines(found, 0) == lines(found, 1)
    assert [path.rpartition("/")[2] for path in parted["came_from"][0]["files"]] == ["in.csv"]
    assert "read from in.csv" in trilha(folder, "diff", "--runs", "one", "data", status=1)


def test_fewer_items_are_the_reason_of_a_loop_that_ends_earlier(folder):
    found = told(folder, "shorter")
    assert (found["divergence"]["how"], found["divergence"]["first"]["line"]) == ("flow", 8)
    assert 7 in lines(found, 0)


def test_another_key_is_found_and_where_it_came_from(folder):
    found = told(folder, "key")
    parted = found["divergence"]
    assert (parted["how"], parted["first"]["text"]) == ("data", "table[key]")
    assert {18, 19} <= lines(found, 0)
    assert "from outside: os.environ.get(" in trilha(folder, "diff", "--runs", "one", "key", status=1)


def test_a_branch_that_only_one_takes(folder):
    found = told(folder, "flip")
    assert found["divergence"]["second"]["line"] == 25
    assert 23 in lines(found, 0)


def test_another_literal_and_another_function_are_told_as_text(folder):
    found = told(folder, "literal")
    parted = found["divergence"]
    assert (parted["how"], parted["first"]["text"], parted["second"]["text"]) == ("text", "3", "4")
    assert found["functions"] == {"work.py": {"<module>": "changed"}}
    found = told(folder, "function")
    assert found["functions"] == {"work.py": {"clip": "changed", "more": "added"}}
    assert found["divergence"]["first"]["text"] == "value > top"


def test_without_traces_what_is_recorded_is_compared(folder):
    found = told(folder, "calls", status=0)
    assert (found["traced"], found["divergence"]) == (False, None)
    assert "record both with --grain variable" in trilha(folder, "diff", "--runs", "one", "calls", status=0)


def test_wrong_questions_are_told_what_is_expected(folder):
    assert "expected two runs" in trilha(folder, "diff", "--runs", "one", status=2)
    assert "expected one of them" in trilha(folder, "diff", "--runs", "--plan", "one", status=2)


def test_values_tell_where_runs_part_that_took_the_same_way(folder):
    assert told(folder, "same values", "values", status=0)["divergence"] is None
    parted = told(folder, "another value", "values")["divergence"]
    assert (parted["how"], parted["first"]["line"]) == ("value", 2)
    assert (parted["first"]["value"], parted["second"]["value"]) == ("1.0", "2.0")
    text = trilha(folder, "diff", "--runs", "values", "another value", status=1)
    assert "from outside: os.environ.get('RATE', '1')" in text


def test_processes_that_were_forked_are_compared_in_their_order(folder):
    found = told(folder, "forks again", "forks", status=0)
    assert (found["processes"], found["divergence"]) == ([2, 2], None)
    found = told(folder, "fork that differs", "forks")
    assert found["process"] == 1
    assert found["divergence"]["second"]["line"] == 6
    assert "in a process that was forked" in trilha(
        folder, "diff", "--runs", "forks", "fork that differs", status=1
    )


def test_variables_of_the_environment_that_matter_are_compared_and_no_others(folder):
    found = told(folder, "fork that differs", first="forks")
    assert [one for one in found["changes"] if one["about"] == "environment"] == [
        {"about": "environment", "name": "OMP_CANCELLATION", "first": None, "second": "true"}
    ]
    shown = trilha(folder, "diff", "--runs", "forks", "fork that differs", status=1)
    assert "Environment\n  OMP_CANCELLATION  -  →  true\n" in shown
    assert b"a secret" not in b"".join(path.read_bytes() for path in (folder / ".trilha").rglob("*.journal"))
