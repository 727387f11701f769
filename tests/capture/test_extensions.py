"""Modules in C that are for another version of Trilha are passed over, which is said once a run."""

import sys
from types import SimpleNamespace

import pytest
from tests.capture.graph import Graph, P, recording
from tests.compiled import MODULES, compiled, loaded

from trilha.capture import extensions
from trilha.capture.extensions import VERSION, extension

SENTENCE = "the installed trilha-recorder is for another version of Trilha"
LABEL = f"{P}label"
OTHERS = [SimpleNamespace(VERSION=VERSION + 1), SimpleNamespace(VERSION=None), SimpleNamespace()]
PROGRAM = """
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import trilha

@trilha.step
def double(numbers):
    return [2 * one for one in numbers]

if __name__ == "__main__":
    with trilha.run("old"):
        print(double([1, 2]))
        for pool in (ThreadPoolExecutor, ProcessPoolExecutor):
            with pool(2) as one:
                print(list(one.map(abs, [-1, 2])))
    print(sorted(one for one in sys.modules if one in NAMES))
"""


@pytest.fixture
def passed_over(monkeypatch):
    found = set()
    monkeypatch.setattr(extensions, "_passed_over", found)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_each_module_tells_the_number_of_this_version(name, tmp_path):
    assert loaded(compiled(name, tmp_path)).VERSION == VERSION


def test_a_module_of_this_version_is_used(monkeypatch, passed_over):
    module = SimpleNamespace(VERSION=VERSION)
    monkeypatch.setitem(sys.modules, "trilha_lists", module)
    assert extension("trilha_lists") is module
    assert not passed_over


def test_where_there_is_no_module_nothing_is_said(passed_over, tmp_path, capfd):
    assert extension("trilha_of_nobody") is None
    with recording(tmp_path):
        pass
    assert SENTENCE not in capfd.readouterr().err


@pytest.mark.parametrize("module", OTHERS)
def test_a_module_of_another_version_is_passed_over_and_that_is_said_once(
    module, monkeypatch, passed_over, tmp_path, capfd
):
    monkeypatch.setitem(sys.modules, "trilha_lists", module)
    assert extension("trilha_lists") is None
    assert SENTENCE not in capfd.readouterr().err  # No run is recorded that could say it.
    with recording(tmp_path):
        assert extension("trilha_lists") is None
    assert passed_over == {"trilha_lists"}
    assert capfd.readouterr().err.count(SENTENCE) == 1


def test_a_program_with_modules_of_another_version_is_recorded_by_python(run_program, store, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    for name in MODULES:
        text = f"VERSION = {VERSION - 1}\ndef __getattr__(name):\n    raise SystemExit(name)\n"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    source = PROGRAM.replace("NAMES", repr(list(MODULES)))
    done = run_program(source, environment={"PYTHONPATH": str(folder)})
    assert done.stdout.splitlines()[:3] == ["[2, 4]", "[1, 2]", "[1, 2]"]
    assert "trilha_tasks" in done.stdout
    assert "trilha_lists" in done.stdout
    labels = [value for one in Graph(store.folder).records for key, value in one.attributes if key == LABEL]
    assert labels.count("double") == 1
    assert labels.count("abs") == 4
    assert done.stderr.count(SENTENCE) == 1
    assert done.stderr.count("\n") == 1
