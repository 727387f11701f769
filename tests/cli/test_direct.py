"""`trilha run` read without click, against what click reads."""

import os
import subprocess
import sys

import pytest

from trilha.capture import launch
from trilha.capture.target import Launch
from trilha.cli.direct import launch_of
from trilha.cli.group import group

PLAIN = [
    ["s.py"],
    ["s.py", "-m", "--name", "x", "--", "--help"],
    ["--name", "first try", "s.py", "data.csv"],
    ["--name=", "s.py"],
    ["--name=a=b", "--grain", "file", "--campaign", "all", "--no-children", "s.py"],
    ["--grain=variable", "--store", "place", "s.py", "--epochs", "3"],
    ["--name", "one", "--name", "two", "s.py"],
    ["-m", "package.train", "--epochs", "10"],
    ["-m", "--store=/place", "package"],
]
OTHER = [
    [],
    ["--help"],
    ["-h"],
    ["--name"],
    ["--name", "s.py"],
    ["--name", "--grain", "s.py"],
    ["--grain", "fine", "s.py"],
    ["--unknown", "s.py"],
    ["--no-children=yes", "s.py"],
    ["--", "s.py"],
    ["-mpackage"],
    ["no such file"],
    ["folder"],
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text("")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("words", PLAIN, ids=" ".join)
def test_a_plain_line_is_read_as_click_reads_it(words, folder, monkeypatch):
    read = []
    monkeypatch.setattr(launch, "replace_process", read.append)
    group.main(["run", *words], standalone_mode=False)
    assert [launch_of(words)] == read


@pytest.mark.parametrize("words", OTHER, ids=" ".join)
def test_every_other_line_is_left_to_click(words, folder):
    assert launch_of(words) is None


def test_completion_is_left_to_click(folder, monkeypatch):
    assert launch_of(["s.py"]) == Launch("s.py")
    monkeypatch.setenv("_TRILHA_COMPLETE", "bash_source")
    assert launch_of(["s.py"]) is None


def test_running_a_script_imports_no_click(folder):
    program = (
        "import sys, os; from trilha.cli import main\n"
        "os.execv = lambda *_: sys.exit('click' in sys.modules)\n"
        "main(['run', 's.py'])"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
    assert subprocess.run([sys.executable, "-c", program], env=clean).returncode == 0
