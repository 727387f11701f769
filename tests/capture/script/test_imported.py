"""Functions of the modules that a script imports of its own are steps, and the script does not notice."""
# ruff: noqa: E501 -- scripts, as text

import os
import textwrap

import pytest
from tests.capture.launching import P, T, steps

from trilha.capture.script.imported import MOST_SOURCE
from trilha.capture.script.own import project_of
from trilha.prov import Kind

CLEAN = """
def clean(rows):
    return [row for row in rows if row]

def halves(rows, share=0.5):
    return rows[: int(len(rows) * share)], rows[int(len(rows) * share) :]

def numbers():
    yield 1
"""


def plans(store):
    return [
        r.value(P + "label") for r in store.records(Kind.ENTITY) if (P + "type", P + "Plan") in r.attributes
    ]


def test_functions_of_its_own_modules_are_steps_with_what_went_through_them(twice):
    twice.write("house/__init__.py", "")
    twice.write("house/data.py", CLEAN)
    twice.write("paths.py", "def where():\n    return 'raw'\n")
    script = "from house.data import clean, halves\nimport paths, json\nprint(paths.where(), len(halves(clean([[1], [], [2]]))[0]))\n"
    twice.write("s.py", script)
    assert twice.same("s.py")[1] == b"raw 1\n"
    assert steps(twice.store) == ["where", "clean", "halves"]
    assert {"house.data.clean", "house.data.halves", "paths.where"} <= set(plans(twice.store))
    began = {r.value(P + "label"): r.id for r in twice.store.records(Kind.ACTIVITY) if r.value(P + "label")}
    (cleaned,) = [r[2] for r in twice.store.records(Kind.GENERATION) if r[3] == began["clean"]]
    assert cleaned in [r[3] for r in twice.store.records(Kind.USAGE) if r[2] == began["halves"]]
    (begin,) = [r for r in twice.store.records(Kind.ACTIVITY) if r.value(P + "label") == "halves"]
    assert begin.value(T + "arg.share") == 0.5


SEEN = {
    "the modules": """
        import sys, importlib.util, inspect, linecache
        import house, house.data, paths
        for module in (house, house.data, paths):
            spec = module.__spec__
            print(module.__name__, type(module.__loader__), module.__loader__ is spec.loader, vars(spec.loader), spec.cached, spec.origin)
            print(sorted(vars(module)), module.__file__, getattr(module, "__path__", None), spec.submodule_search_locations)
        print(inspect.getsource(house.data.clean), inspect.signature(house.data.halves), house.data.clean.__code__.co_firstlineno)
        print(house.data.clean.__code__.co_varnames, house.data.clean.__module__, house.data.clean.__qualname__)
        print(importlib.util.find_spec("broken").origin, importlib.util.find_spec("nowhere"))
    """,
    "what cannot be imported": """
        import traceback
        for name in ("broken", "unfinished", "failing", "nowhere", "house.nowhere", "latin"):
            try:
                __import__(name)
            except BaseException:
                traceback.print_exc()
    """,
    "what comes out of a function": """
        import sys, traceback, warnings
        import raising
        try:
            raising.outer(3)
        except ZeroDivisionError as error:
            traceback.print_exc()
            print([line for _, line in traceback.walk_tb(error.__traceback__)])
        raising.warn()
        raising.deep(sys.getrecursionlimit() * 2)
    """,
    "a module that is loaded again": """
        import importlib, sys, paths
        print(paths.where())
        importlib.reload(paths)
        print(paths.where())
        del sys.modules["paths"]
        import paths
        print(paths.where(), pkg_names := [one.name for one in __import__("pkgutil").iter_modules(["."])])
    """,
    "modules in threads, and at the end": """
        import threading, atexit, paths, weakref
        class Mark: pass
        paths.mark = Mark()
        weakref.finalize(paths.mark, print, "gone")
        atexit.register(lambda: __import__("house.data").data.clean([1]) and print("at exit"))
        threads = [threading.Thread(target=paths.where) for _ in range(4)]
        [one.start() for one in threads]
        [one.join() for one in threads]
    """,
    "functions that compilers read": """
        from kernels import fast, helper, other, unread
        from models import Net, activation
        import torchlike as torch
        import loud
        torch.compile(Net())
        for one in (fast, helper, other, activation):
            print(one.__code__.co_names, one.__code__.co_consts)
        print(unread(), loud.late(1))
    """,
}
FILES = {
    "house/__init__.py": "",
    "house/data.py": CLEAN,
    "paths.py": "'''Paths.'''\nfrom __future__ import annotations\ndef where(a: Nothing = 1):\n    return 'raw'\n",
    "broken.py": "x = (\n",
    "unfinished.py": "def f(x):\n    return x\nreturn 3\n",
    "failing.py": "def f():\n    return 1 / 0\nf()\n",
    "latin.py": "# coding: latin-1\ndef f():\n    return 'ä'\nraise ValueError(f())\n".encode("latin-1"),
    "raising.py": "import warnings\ndef outer(n):\n    return inner(n)\n\ndef inner(n):\n    return n / 0\n"
    "def warn():\n    warnings.warn('here', stacklevel=2)\ndef deep(n):\n    return deep(n - 1)\n",
    "kernels.py": "from torchlike import jit\nfrom arithmetic import twice\n@jit\ndef fast(x):\n    return helper(x) + twice(x)\n"
    "def helper(x):\n    return other(x)\ndef other(x):\n    return x\ndef unread():\n    return 'unread'\n",
    "arithmetic.py": "def twice(x):\n    return 2 * x\ndef thrice(x):\n    return 3 * x\n",
    "models.py": "def activation(x):\n    return x\nclass Net:\n    def forward(self, x):\n        return activation(x)\n",
    "torchlike.py": "def jit(f):\n    print(f.__code__.co_names)\n    return f\ndef compile(model):\n    print(type(model).__name__)\n",
    "loud.py": "from arithmetic import thrice, twice\nimport torchlike\ndef late(x):\n    return thrice(x)\nprint(torchlike.jit(late)(2), twice.__code__.co_names)\n",
}


@pytest.mark.parametrize("case", SEEN)
def test_the_script_sees_what_it_sees_by_itself(twice, case):
    for name, text in FILES.items():
        twice.write(name, text)
    twice.write("s.py", textwrap.dedent(SEEN[case]))
    twice.same("s.py")


def test_what_a_compiler_may_read_is_no_step_and_the_rest_is(twice):
    for name, text in FILES.items():
        twice.write(name, text)
    twice.write(
        "s.py",
        "from kernels import fast, unread\nfrom arithmetic import thrice\nprint(fast(1), unread(), thrice(1))\n",
    )
    twice.same("s.py")
    assert steps(twice.store) == ["jit", "unread", "thrice"]


def test_what_python_keeps_of_compiled_modules_it_keeps_as_always(twice):
    twice.write("paths.py", FILES["paths.py"])
    twice.write("s.py", "import paths\nprint(paths.where())\n")
    kept = twice.folder / "__pycache__"
    contents = []
    for run in (twice.plain, twice.recorded):
        for old in kept.glob("*"):
            old.unlink()
        run("s.py", more={"PYTHONDONTWRITEBYTECODE": ""})
        contents.append({path.name: path.read_bytes() for path in kept.iterdir()})
    assert contents[0] == contents[1] != {}
    twice.recorded("s.py", more={"PYTHONDONTWRITEBYTECODE": ""})
    assert steps(twice.store) == ["where", "where"]


def test_a_project_is_marked_and_its_packages_are_its_own_wherever_the_script_lies(twice):
    twice.write("project/pyproject.toml", "")
    twice.write("project/src/house/__init__.py", "def build():\n    return 'built'\n")
    twice.write("project/.venv/lib/site-packages/alien.py", "def landed():\n    return 'landed'\n")
    twice.write("elsewhere/stranger.py", "def met():\n    return 'met'\n")
    paths = "import sys\nsys.path += ['project/src', 'project/.venv/lib/site-packages', 'elsewhere']\n"
    twice.write(
        "project/scripts/s.py",
        paths + "import house, alien, stranger\nprint(house.build(), alien.landed(), stranger.met())\n",
    )
    twice.same("project/scripts/s.py")
    assert steps(twice.store) == ["build"]


def test_the_uppermost_folder_of_a_project(tmp_path, monkeypatch):
    inner = tmp_path / "home" / "project" / "scripts"
    inner.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "setup.py").touch()
    (tmp_path / "pyproject.toml").touch()
    assert project_of(str(inner)) == str(inner), "a home is no project"
    (inner.parent / ".git").mkdir()
    assert project_of(str(inner)) == str(inner.parent)
    assert project_of(os.sep) == os.sep


def test_modules_that_are_too_much_to_read_run_as_they_are_and_the_run_says_so(twice):
    twice.write("big.py", "def grow():\n    return 'big'\n" + "# " + "x" * MOST_SOURCE + "\n")
    twice.write("s.py", "import big\nprint(big.grow())\n")
    twice.same("s.py")
    assert steps(twice.store) == []
    assert "modules that were too much to read: big" in twice.store.run()["unrecorded_calls"]


def test_at_the_grain_of_files_no_module_tells_of_its_calls(twice):
    twice.write("paths.py", FILES["paths.py"])
    twice.write("s.py", "import paths\nprint(paths.where())\n")
    twice.same("s.py", grain="file")
    assert steps(twice.store) == []
