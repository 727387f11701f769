"""Wherever a script lies and however it is called and written, it runs as by itself."""
# ruff: noqa: E501 -- scripts, as text

import os
import shutil
import zipfile

import pytest
from tests.capture.launching import T, steps

from trilha.prov import Kind

TELL = """
import sys, os
print(__name__, __file__, __package__, __spec__ and (__spec__.name, __spec__.origin), sys.argv, sys.path[:2])
print(os.getcwd(), __cached__, type(__loader__).__name__, sorted(globals()))
def f():
    raise ValueError("to see the traceback")
f()
"""


@pytest.mark.parametrize(
    "name",
    [
        "./s.py",
        ".//s.py",
        "sub/s.py",
        "../beside/s.py",
        "two words.py",
        'it\'s "q".py',
        "ünï→.py",
        "no_suffix",
        "s.txt",
    ],
)
def test_a_script_knows_its_place(twice, name):
    twice.write(name, TELL)
    twice.same(name, "--name=x", "--", "-m")


def test_a_script_whose_name_is_no_text(twice):
    name = os.fsdecode(b"s\xff.py")
    (twice.folder / name).write_text("print(ascii(__file__), 1 / 0)")
    twice.same(name)
    assert twice.store.run()["exception"] == "ZeroDivisionError: division by zero"


def test_a_script_given_by_a_whole_path_and_by_a_link(twice, tmp_path):
    script = twice.write("real/s.py", TELL)
    twice.same(script, cwd=tmp_path)
    (twice.folder / "links").mkdir()
    (twice.folder / "links" / "l.py").symlink_to(script)
    (twice.folder / "links" / "again.py").symlink_to("l.py")
    twice.same("links/l.py")
    twice.same("links/again.py")


def test_a_script_that_changes_its_folder(twice):
    twice.write("sub/helper.py", "x = 3\n")
    twice.write(
        "sub/s.py",
        "import os, inspect\ndef f():\n    return 1\nos.chdir('/')\nimport helper\nprint(helper.x, inspect.getsource(f))\n"
        "os.makedirs('/nonexistent') if False else f()\nraise ValueError\n",
    )
    twice.same("sub/s.py")
    assert twice.store.run()["status"] == "failed"


def test_a_folder_and_an_archive(twice):
    twice.write("app/__main__.py", TELL)
    twice.same("app", "a")
    twice.same("./app/")
    with zipfile.ZipFile(twice.folder / "app.zip", "w") as archive:
        archive.write(twice.folder / "app" / "__main__.py", "__main__.py")
    shutil.copy(twice.folder / "app.zip", twice.folder / "app.pyz")
    twice.same("app.zip", "a")
    twice.same("app.pyz")
    assert steps(twice.store) == ["f"] * 4


def test_a_folder_and_an_archive_without_a_main_module(twice):
    (twice.folder / "empty").mkdir()
    with zipfile.ZipFile(twice.folder / "empty.zip", "w"):
        pass
    twice.same("empty")
    twice.same("empty.zip")


def test_a_module_and_a_package(twice):
    twice.write("module.py", TELL)
    twice.write("package/__init__.py", "import sys\nprint('init', sys.argv)\n")
    twice.write("package/__main__.py", "from . import part\nfrom .part import x\nprint(x)\n" + TELL)
    twice.write("package/part.py", "x = 1\nif __name__ == '__main__':\n    from . import __main__\n")
    twice.write("broken.py", "x = (\n")
    twice.write("package/failing/__init__.py", "1 / 0\n")
    for name in (
        "module",
        "package",
        "package.__main__",
        "package.part",
        "broken",
        "package.failing",
        "package.failing.x",
    ):
        twice.same("-m", name, "a", "--b")
    for name in ("nowhere", "package.nowhere", "nowhere.at.all", "module.py", ".relative", "sys", ""):
        twice.same("-m", name)
    # Three that were run tell of `f`, and two that were imported while Python looked for another one.
    assert steps(twice.store).count("f") == 5


def test_a_module_of_the_standard_library(twice):
    twice.same("-m", "json.tool", stdin=b'{"a": [1, 2]}')
    twice.same("-m", "platform", "--version")


def test_the_run_of_a_module_follows_the_file_that_it_is(twice):
    path = twice.write("module.py", "def f():\n    return 1\nf()\n")
    twice.recorded("-m", "module")
    paths = [record.value(T + "path") for record in twice.store.records(Kind.ENTITY)]
    assert str(path) in paths
    plans = [r for r in twice.store.records(Kind.ASSOCIATION) if r[2].endswith("#run") and r[4]]
    assert plans


def test_a_compiled_script(twice):
    import py_compile

    script = twice.write("s.py", "import sys\nprint(__file__, type(__loader__).__name__, sys.argv)\n1 / 0\n")
    py_compile.compile(script, twice.folder / "s.pyc", doraise=True)
    twice.same("s.pyc", "a")
    twice.write("bad.pyc", b"nothing of the kind")
    twice.same("bad.pyc")


def test_a_script_that_is_not_there(twice):
    twice.same("nowhere.py")
    assert not twice.store.paths()


@pytest.mark.parametrize(
    "source",
    [
        b"# -*- coding: latin-1 -*-\ndef f(\xe4='\xfc'):\n    return \xe4\nprint(ascii(f()))\nraise ValueError('\xdf')\n",
        b"\xef\xbb\xbfdef f():\n    return '\xc3\xbc'\nprint(f())\n",
        b"def f():\r\n    '''doc\r\n    two'''\r\n    x = '''a\r\nb'''\r\n    return x\r\nprint(repr(f()), repr(f.__doc__))\r\n1/0\r\n",
        b"def f():\r    return 1\rprint(f())\r",
        b"x = 1\n\x0cdef f():\n    return 2\n\x0cprint(f())\n1/0\n",
        b"def f(): return 1\nprint(f())  # no newline at the end, \xe2\x86\x92",
        b"#!/usr/bin/env python\n# comment\n\n\ndef f(): raise ValueError\n\n\nf()\n",
        "def f():\n\t# \u2028\n\treturn '\u2028'; 'x\x0by'\nimport inspect\nprint(ascii(inspect.getsource(f)))\nf()/0\n".encode(),
        b"from __future__ import annotations\ndef f(x: nowhere) -> also_nowhere:\n    return x\nprint(f.__annotations__, f(1))\n",
        b"'doc'\nfrom __future__ import annotations, generator_stop\n'no doc'\nprint(__doc__)\n",
        b"from os import *\nprint(getcwd)\ndef f(): return sep\nprint(f())\n",
        b"async def f(): pass\nx = [i async for i in f()]\n",
        b"def f():\n    return\n    yield\nprint(list(f()))\n",
        b"return 1\n",
        b"def f():\n    x = 1\n    def g():\n        nonlocal y\n",
        b"print(__debug__)\nassert False, 'asserted'\n",
    ],
)
def test_source_in_every_spelling(twice, source):
    twice.write("s.py", source)
    twice.same("s.py")
    assert twice.store.run()["status"]
