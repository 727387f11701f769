"""What a program puts in the place of Python's own functions is for the program: we neither call it nor fail."""
# ruff: noqa: E501 -- scripts, as text

import builtins
import subprocess
import sys
import textwrap

import pytest
from tests.capture.launching import environment

from trilha.capture import pristine

WORK = """
import json, os, pickle, sys, threading, time
def add(a, b=1, *c, **d):
    return a + b
class Thing:
    def __init__(self, v):
        self.v = v
    def grow(self, by, other=None):
        self.v += by
        return self
def work():
    out = [add(i, b=[i, {"k": i}] and i) for i in range(9)]
    thing = Thing(2).grow(3, other={"a": [1, (2, 3)], "b": {"c": out}})
    kept = {}
    kept["a"] = thing
    kept["a"].v = [1]
    try:
        kept["b"]
    except KeyError:
        out.append(thing)
    number = os.open("made.bin", os.O_CREAT | os.O_WRONLY)
    os.write(number, b"12")
    os.close(number)
    os.rename("made.bin", "moved.bin")
    again = os.open("moved.bin", os.O_RDONLY)
    os.close(again)
    os.remove("moved.bin")
work()
"""
"""What is recorded of this is not all recorded in C. Its second time imports nothing any more."""
OURS = """
def is_ours(frame):
    # Modules of the standard library that are imported in the background are Python's to load.
    found = False
    while frame is not None:
        name = frame.f_code.co_filename
        if "importlib" in name:
            return False
        found = found or f"trilha{os.sep}capture" in name
        frame = frame.f_back
    return found
"""

PROGRAMS = {
    "built-in functions that count": f"""
        import builtins
        {{work}}
        {{ours}}
        met, counted = [], []
        def counting(name, real):
            def count(*given, **named):
                if name not in met and is_ours(sys._getframe(1)):
                    met.append(name)
                counted.append(name)
                return real(*given, **named)
            return count
        names = {[name for name in dir(builtins) if type(getattr(builtins, name)) is type(len)]!r}
        names.remove("__build_class__")
        kept = {{{{name: getattr(builtins, name) for name in names}}}}
        for name in names:
            setattr(builtins, name, counting(name, kept[name]))
        isinstance(1, int)
        work()
        for name in names:
            setattr(builtins, name, kept[name])
        print(sorted(met), "isinstance" in counted)
    """,
    "classes that are functions": """
        import builtins
        {work}
        def no(*given, **named):
            raise RuntimeError("not for you")
        names = ["bool", "bytes", "dict", "enumerate", "filter", "frozenset", "int", "list", "map", "memoryview"]
        names += ["range", "reversed", "set", "slice", "str", "super", "tuple", "zip"]
        kept = {{name: getattr(builtins, name) for name in names}}
        for name in names:
            setattr(builtins, name, no)
        number = os.open("other.bin", os.O_CREAT | os.O_WRONLY)
        os.write(number, b"12")
        os.close(number)
        thing = Thing(1).grow(add(2))
        for name, value in kept.items():
            setattr(builtins, name, value)
        print(thing.v)
    """,
    "functions that raise and stay": """
        import builtins
        {work}
        def no(*given, **named):
            raise RuntimeError("not for you")
        for name in ("isinstance", "issubclass", "len", "getattr", "hasattr", "id", "sorted", "open", "next", "__import__"):
            setattr(builtins, name, no)
        thing = Thing(1).grow(add(2))
        os.write(1, b"%d\\n" % thing.v)
        os._exit(3)
    """,
    "system calls that raise": """
        {work}
        from os import path
        import stat, weakref, functools, hashlib, gc
        def no(*given, **named):
            raise RuntimeError("not for you")
        left = {{"open", "close", "read", "write", "rename", "remove", "O_CREAT", "O_RDONLY", "O_WRONLY", "fspath"}}
        modules = os, path, time, stat, weakref, functools, hashlib, gc
        kept = [vars(module).copy() for module in modules]
        for module in modules:
            for name in dir(module):
                if callable(getattr(module, name)) and name not in left and name[:2] != "__":
                    setattr(module, name, no)
        work()
        number = os.open("new.bin", os.O_CREAT | os.O_WRONLY)
        os.write(number, b"12")
        os.close(number)
        for module, was in zip(modules, kept):
            vars(module).update(was)
        print(os.stat("new.bin").st_size)
    """,
    # As freezegun does: wherever a module has a function that tells the time, it gets another.
    "time that stands still": """
        import datetime
        {work}
        ticks = []
        def frozen(*given):
            ticks.append(sys._getframe(1).f_code.co_filename)
            return 0
        real = {{id(getattr(time, name)): name for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")}}
        kept = []
        for module in list(sys.modules.values()):
            for name, value in list(vars(module).items()):
                if id(value) in real:
                    kept.append((module, name, value))
                    setattr(module, name, frozen)
        time.time()
        work()
        for module, name, value in kept:
            setattr(module, name, value)
        print(len(ticks), len(kept) > 6)
    """,
    "a hook for audit events of its own": """
        import sys
        heard = []
        def hook(event, arguments):
            heard.append(event)
            if event in raising:
                raise RuntimeError(event)
        def work(x):
            return [x, x + 1]
        raising = []
        sys.addaudithook(hook)
        print(work(1))
        raising += ["builtins.id", "sys._getframe"]
        print(work(2))
        print([event for event in heard if event in raising])
    """,
    "an import that counts": """
        import builtins, pickle
        {work}
        text = pickle.dumps(__import__("fractions").Fraction(1, 2))
        del sys.modules["fractions"]
        asked = []
        real = builtins.__import__
        def counting(name, *rest):
            if name == "fractions":
                asked.append(name)
            return real(name, *rest)
        builtins.__import__ = counting
        with open("half.pkl", "wb") as file:
            file.write(text)
        with open("half.pkl", "rb") as file:
            half = pickle.load(file)
        builtins.__import__ = real
        print(half, asked)
    """,
    "an error within an import of ours": """
        import sys, traceback, warnings
        sys.modules["dask.base"] = sys.modules["dask"] = None
        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name.startswith("trilha.trace"):
                    raise RuntimeError(name)
        sys.meta_path.insert(0, Finder())
        def lines(error):
            return [one.filename for one in traceback.extract_tb(error.__traceback__)]
        try:
            import trilha.asking
        except RuntimeError as error:
            text = "".join(traceback.format_exception(error))
            print("pristine" in text, "_import_kept" in text, "exec_module" in text)
        import trilha
        print(trilha.step, __builtins__ is vars(trilha)["__builtins__"])
    """,
}


@pytest.mark.parametrize(
    ("what", "grain"),
    [
        *((what, "call") for what in PROGRAMS),
        *((what, "variable") for what in [*list(PROGRAMS)[:4], "a hook for audit events of its own"]),
    ],
)
def test_what_replaces_functions_of_python_is_the_programs_alone(what, grain, twice):
    text = textwrap.dedent(PROGRAMS[what])
    twice.write("p.py", text.format(work=WORK, ours=OURS) if "{work}" in text else text)
    twice.same("p.py", grain=grain)


def test_every_module_of_ours_has_built_in_functions_of_its_own():
    program = """
        import importlib, pathlib, sys, trilha
        root = pathlib.Path(trilha.__file__).parent
        for path in [*root.glob("capture/**/*.py"), *root.glob("prov/*.py")]:
            if not {"integrations", "children", "__init__.py"} & set(path.parts):
                try:
                    importlib.import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
                except ImportError as error:
                    assert "trilha" not in str(error.name)  # of a library that is not there
        mine = vars(sys.modules["trilha.capture.pristine"])["__builtins__"]
        ours = {name: module for name, module in sys.modules.items() if name.startswith(("trilha.capture.", "trilha.prov"))}
        print(sorted(name for name, module in ours.items() if vars(module)["__builtins__"] is not mine), len(ours) > 150)
        files = sys.modules["trilha.capture.files"]
        import os
        print(files.os is os, files.os.path.os is files.os, files.os.environ is os.environ, files.os.stat_result is os.stat_result)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] True\nFalse True True True\n", done.stderr


def test_what_looks_for_modules_is_the_programs_own():
    program = "import sys; a = sys.meta_path[:], sys.path_hooks[:], __import__; import trilha, trilha.prov; print(a == (sys.meta_path, sys.path_hooks, __import__))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_copy_of_a_module_is_asked_for_by_any_way_to_import_it():
    ask = pristine._import_kept
    os = ask("os")
    assert os is not sys.modules["os"]
    assert ask("os.path") is os
    assert ask("os.path", None, None, ("join",)) is os.path is ask("posixpath")
    assert ask("os.path").path.join("a", "b") == sys.modules["os"].path.join("a", "b")
    assert ask("string") is sys.modules["string"]
    # From a function in C, which gives a list.
    assert ask("os", {}, {}, []) is builtins.__import__("os")


def test_from_an_archive_the_same_is_recorded(tmp_path):
    archive, script = tmp_path / "ours.zip", tmp_path / "p.py"
    root = pristine.__file__.removesuffix("capture/pristine.py")
    program = f"import shutil, os; shutil.make_archive({str(archive)[:-4]!r}, 'zip', os.path.dirname({root!r}.rstrip('/')), 'trilha')"
    subprocess.run([sys.executable, "-c", program], check=True)
    script.write_text(
        f"import sys; sys.path.insert(0, {str(archive)!r}); import trilha\n"
        "with trilha.run('one'):\n    trilha.log(loss=1)\nprint(trilha.__file__)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert str(archive) in done.stdout
    assert list(tmp_path.glob("journals/*/*.journal"))
