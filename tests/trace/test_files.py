"""Which part of a script's text opened which file, what went into a file, and what came of one."""

import contextlib
import json

import pytest
from tests.cli.commands import trilha

SCRIPT = """\
import csv
import json
import sys
from pathlib import Path

sys.path.append("node_modules")
import library

scale = 3
waste = 4
with open("in.csv") as f:
    rows = [int(line) for line in f]
settings = json.loads(
    Path("settings.json")
    .read_text()
)
total = sum([row * scale for row in rows])
out = open("out.csv", "w")
writer = csv.writer(out)
writer.writerow([total])
out.close()


def save(path, text):
    with open(path, "w") as file:
        file.write(text)


save("other.txt", str(settings))
hidden = library.read()
try:
    open("rows.bin", opener=lambda path, flags: 1 / 0)
except ZeroDivisionError:
    pass
import os, shutil, tempfile
os.mkdir("old")
for part in (scale, waste):
    save("part.tmp", str(part))
    os.replace("part.tmp", f"old/{part}.txt")
os.rename("old", "new")
part = open("new/3.txt").read()
try:
    os.rename("missing", "new/3.txt")
except OSError:
    again = open("new/3.txt").read()
with tempfile.NamedTemporaryFile("w", dir=".", delete=False) as file:
    file.write(str(waste))
shutil.move(file.name, "new")
moved = open("new/" + os.path.basename(file.name)).read()
os.link("other.txt", "linked.txt")
linked = open("linked.txt").read()
os.symlink("3.txt", "new/symbolic.txt")
symbolic = open("new/symbolic.txt").read()
import sqlite3
base = sqlite3.connect("base.db")
base.execute("create table t (a)")
base.execute("insert into t values (?)", (scale,))
base.commit()
base.close()
base = sqlite3.connect("file:base.db?mode=ro", uri=True)
stored = base.execute("select sum(a) from t").fetchone()[0]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("files")
    (place / "work.py").write_text(SCRIPT)
    (place / "node_modules").mkdir()
    (place / "node_modules" / "library.py").write_text(
        "import pathlib, sys\ndef read():\n    return pathlib.Path('config.' + 'ini').read_text()\n"
    )
    (place / "in.csv").write_text("1\n2\n")
    (place / "settings.json").write_text('{"a": 1}')
    (place / "config.ini").write_text("x")
    (place / "rows.bin").write_text("x")
    assert trilha(place, "run", "--grain", "variable", "work.py") == ""
    return place


def told(folder, *arguments):
    found = json.loads(trilha(folder, "slice", *arguments, "--json"))
    lines = {one["line"] for one in found["evaluations"] if one["file"].endswith("work.py")}
    files = {one["path"].rpartition("/")[2]: one for one in found["files"]}
    return lines, files, found


def test_what_went_into_a_file_that_was_written(folder):
    lines, files, _ = told(folder, "out.csv")
    assert {9, 11, 12, 17, 18, 19, 20, 21} <= lines
    assert not {10, 13, 14} & lines
    assert set(files) == {"in.csv"}
    assert files["in.csv"]["named"] is True


def test_a_file_that_a_function_of_the_script_writes(folder):
    lines, files, _ = told(folder, "other.txt")
    assert {14, 25, 26, 29} <= lines
    assert not {9, 12, 18} & lines
    assert set(files) == {"settings.json"}


def test_what_was_written_under_another_name_is_read_under_the_later_one(folder):
    lines, _, found = told(folder, "part")
    assert {9, 25, 26, 38, 39, 40, 41} <= lines
    assert not {14, 43, 47} & lines
    # Of the two files that were called the same meanwhile, it is the first.
    written = [one for one in found["evaluations"] if one["text"].startswith("open(path")]
    assert len(written) == 1
    assert {38, 39, 40} <= told(folder, "new/3.txt")[0]
    lines, _, _ = told(folder, "moved")
    assert {10, 46, 47, 48, 49} <= lines
    assert not {9, 38, 40} & lines


def test_what_is_read_by_a_link_was_written_by_who_wrote_the_file(folder):
    lines, _, _ = told(folder, "linked")
    assert {14, 25, 26, 29, 50, 51} <= lines
    assert not {9, 12, 38, 46} & lines
    lines, _, _ = told(folder, "symbolic")
    assert {9, 25, 26, 38, 39, 40, 52, 53} <= lines
    assert not {14, 50} & lines


def test_what_is_asked_of_a_database_was_put_there_by_a_connection_before(folder):
    lines, files, _ = told(folder, "stored")
    assert {9, 55, 56, 57, 58, 60, 61} <= lines
    assert not {10, 12, 14, 18} & lines
    assert set(files) == {"base.db"}


def test_a_rename_that_failed_moved_nothing(folder):
    lines, _, _ = told(folder, "again")
    assert {38, 39, 40, 45} <= lines
    assert 43 not in lines


def test_a_folder_in_which_a_file_is_made_is_not_written(folder):
    written = trilha(folder, "slice", "waste", "--forward").partition("Written to\n")[2]
    assert "work.py:46" in written
    assert all(row.split()[0] != "." for row in written.splitlines() if row)


def test_what_came_of_a_file_that_was_read(folder):
    lines, files, _ = told(folder, "in.csv", "--forward")
    assert {11, 12, 17, 20} <= lines
    assert not {9, 26, 30} & lines
    assert set(files) == {"out.csv"}
    assert "Written to\nout.csv" in trilha(folder, "slice", "in.csv", "--forward")


def test_a_file_that_a_library_reads_by_itself_is_told_as_such(folder):
    _, files, found = told(folder, "hidden")
    assert {name: one["named"] for name, one in files.items()} == {"config.ini": False}
    assert "config.ini  work.py:30    no literal" in trilha(folder, "slice", "hidden")
    assert [one["path"].rpartition("/")[2] for one in found["files_read_elsewhere"]] == ["rows.bin"]
    assert "Also read, into what is not known\nrows.bin  work.py:32" in trilha(folder, "slice", "hidden")


def test_the_other_question_is_told(folder):
    assert "has only read this file; ask with --forward" in trilha(folder, "slice", "in.csv", status=1)
    assert "has only written this file; ask without" in trilha(
        folder, "slice", "out.csv", "--forward", status=1
    )
    assert "expected a name" in trilha(folder, "slice", "none.csv", status=1)


def test_a_program_writes_a_file_again_that_the_script_wrote_and_read(tmp_path):
    (tmp_path / "back.py").write_text(
        "import os\nos.makedirs('made')\nwaste = 3\n"
        "with open('made/numbers', 'w') as file:\n    file.write('1\\n')\n    print(2, file=file)\n"
        "with open('other', 'w') as file:\n    file.write('1')\n"
        "with open('made/numbers') as file:\n    file.readline()\n    y = file.readline()\n"
    )
    assert trilha(tmp_path, "run", "--grain", "variable", "back.py") == ""
    found = trilha(tmp_path, "slice", "y", "--program")
    assert "print(2, file=file)" in found
    assert "waste" not in found
    assert "'other'" not in found
    (tmp_path / "made" / "numbers").unlink()
    (tmp_path / "made").rmdir()
    names = {"__name__": "__main__"}
    with contextlib.chdir(tmp_path):
        exec(compile(found, "slice.py", "exec"), names)
    assert names["y"] == "2\n"


def test_what_is_read_of_a_file_that_the_script_wrote_comes_from_what_it_wrote(tmp_path):
    text = (
        "one, two, more = 1, 2, 3\nwith open('a.txt', 'w') as file:\n    file.write(str(one))\n"
        "with open('b.txt', 'w') as file:\n    file.write(str(two))\n"
        "with open('a.txt') as file:\n    x = file.read()\nwith open('a.txt', 'a') as file:\n"
        "    file.write(str(more))\n"
    )
    (tmp_path / "work.py").write_text(text)
    assert trilha(tmp_path, "run", "--grain", "variable", "work.py") == ""
    told = json.loads(trilha(tmp_path, "slice", "x", "--json"))
    assert {one["line"] for one in told["evaluations"]} == {1, 2, 3, 6, 7}
    told = json.loads(trilha(tmp_path, "slice", "one", "--forward", "--json"))
    assert {one["line"] for one in told["evaluations"]} == {1, 3, 6, 7}
