"""A traced script behaves as it does without: output, errors, tracebacks and exit status, to the byte."""
# ruff: noqa: E501 -- scripts, as text

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.capture.launching import LAUNCHER, Twice

from trilha.trace.evaluations import Ended, Evaluation, Gap, Known
from trilha.trace.reading import events

FEATURES = Path(__file__).with_name("features.txt").read_text("utf-8")


class _Store:
    def __init__(self, folder):
        self.folder = folder

    def events(self):
        (run,) = os.listdir(self.folder / "journals")
        found = []
        assert events(str(self.folder), run, found.append, lambda _: None)
        # What no evaluation is known of comes at the end.
        return [one for one in found if not (isinstance(one, Known) and not one.evaluation)]


@pytest.fixture
def twice(recorder_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAIL", str(recorder_folder))
    made = Twice(tmp_path / "work", _Store(tmp_path / "store"))
    made.folder.mkdir()
    return made


def same(twice, *words, **how):
    return twice.same(*words, grain="variable", more={"PYTHONPATH": os.environ["TRAIL"]}, **how)


def test_all_constructs_at_once(twice):
    twice.write("features.py", FEATURES)
    status, _output, errors = same(twice, "features.py")
    assert status == 1
    assert b"IndexError" in errors
    found = twice.store.events()
    assert len([one for one in found if isinstance(one, Evaluation)]) > 500
    assert not [one for one in found if isinstance(one, Gap)]
    assert isinstance(found[-1], Ended)


def scripts(file):
    parts = Path(__file__).with_name(file).read_text("utf-8").split("### ")[1:]
    return {name: text for part in parts for name, _, text in [part.partition("\n")]}


SCRIPTS = scripts("scripts.txt")
NEWER = scripts("scripts_3_14.txt") if sys.version_info >= (3, 14) else {}
IN_PYTHON = [
    "name error",
    "locals",
    "lies",
    "types that lie",
    "no more imports",
    "generators at exit",
    "super",
    "fork",
    "async",
    "arrays",
    "except star of several",
    "patched builtins",
    "exec with names",
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_behaves_as_without(name, twice):
    twice.write("script.py", SCRIPTS[name])
    same(twice, "script.py")
    twice.store.events()


WARNED = """\
def f(a):
    try:
        return a
    finally:
        return 1 is a
"""


def test_what_python_says_of_the_text_of_a_module_is_said_as_without(twice):
    twice.write("part.py", WARNED)
    twice.write("script.py", "from part import f\nprint(f([1]))\n")
    _, _, errors = twice.same(
        "script.py",
        grain="variable",
        more={"PYTHONPATH": os.environ["TRAIL"], "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert b"SyntaxWarning" in errors
    twice.store.events()


if NEWER:

    @pytest.mark.parametrize("grain", ["variable", "call"])
    @pytest.mark.parametrize("name", NEWER)
    def test_a_script_of_a_newer_python_behaves_as_without(name, grain, twice):
        twice.write("script.py", NEWER[name])
        twice.same("script.py", grain=grain, more={"PYTHONPATH": os.environ["TRAIL"]})

    def test_that_another_interpreter_is_not_traced_is_said(twice):
        twice.write(
            "script.py", "from concurrent import interpreters\none = interpreters.create()\none.close()\n"
        )
        same(twice, "script.py")
        gaps = [(one.line, one.why) for one in twice.store.events() if isinstance(one, Gap)]
        assert gaps == [(2, "it makes another interpreter; what that one does is not traced")]


@pytest.mark.parametrize("grain", ["call", "file"])
def test_objects_die_at_exit_as_without(grain, twice):
    twice.write("script.py", SCRIPTS["finalizers"])
    twice.same("script.py", grain=grain)


@pytest.mark.parametrize("name", IN_PYTHON)
def test_so_does_it_without_a_compiler(name, tmp_path):
    made = Twice(tmp_path / "work", _Store(tmp_path / "store"))
    made.folder.mkdir()
    made.write("script.py", SCRIPTS[name])
    made.same("script.py", grain="variable", more={"TRILHA_TRAIL": "python"})
    assert isinstance(made.store.events()[-1], Ended)


def test_modules_beside_the_script_are_traced(twice):
    twice.write("helper.py", "def double(x):\n    return x * 2\n\nTABLE = [1, 2]\n")
    twice.write(
        "script.py",
        "import helper\nfrom helper import double\nprint(double(helper.TABLE[1]))\ndouble(None)\n",
    )
    status, _, errors = same(twice, "script.py")
    assert status == 1
    assert b"helper.py" in errors
    names = [one.name for one in twice.store.events() if type(one).__name__ == "Activation"]
    assert names == ["<module>", "<module>", "double", "double"]


GENERATORS = """\
def wait():
    try:
        yield 1
    finally:
        print("over")
def left():
    made = wait()
    next(made)
    return made
"""
LEFT = """\
import _json, _thread, builtins, sys
import part
builtins.kept, _json.kept, _thread.kept = part.left(), part.left(), part
_thread.held = part.left()
around = [part.left()]
around.append(around)
names = {}
exec(compile(open("part.py").read(), "part.py", "exec"), names)
builtins.other = names["left"]()
for name in sys.argv[1:]:
    del sys.modules[name], part
"""


@pytest.mark.parametrize("removed", [[], ["part"]])
def test_generators_that_outlive_their_modules_end_as_without(removed, twice):
    twice.write("part.py", GENERATORS)
    twice.write("script.py", LEFT)
    same(twice, "script.py", *removed)


def test_what_was_flushed_is_kept_of_a_killed_process(twice):
    text = (
        "import os, signal\nt = 0\nfor i in range(60000):\n    t += i\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    twice.write("script.py", text)
    status, *_ = same(twice, "script.py")
    assert status == -9
    assert len(twice.store.events()) > 50000


def bound(twice, name):
    return [one for one in twice.store.events() if isinstance(one, Evaluation) and one.name == name]


def test_what_was_logged_before_the_process_left_at_once_is_there(twice):
    twice.write("script.py", "import os\nl = [1]\nlast = l[0]\nprint(last, flush=True)\nos._exit(3)\n")
    status, *_ = same(twice, "script.py")
    assert status == 3
    assert bound(twice, "last")


ENDS = {
    "at once": ("import os\nl = [1]\nx = l[0]\nos._exit(x)\n", [4]),
    "by a signal": ("import os\nl = [1]\nx = l[0]\nos.kill(os.getpid(), 9)\n", [4]),
    "as another program": ("import os\nl = [1]\nx = l[0]\nos.execv('/bin/true', ['true'])\n", [4]),
    "of another thread": (
        "import os\nfrom threading import Thread\nl = [1]\ndef f():\n    os._exit(l[0])\nt = Thread(target=f)\nt.start()\nt.join()\n",
        [5],
    ),
    "by itself": ("l = [1]\nif not l[0]:\n    x = 2\n", []),
    "by an exception": ("l = [1]\nx = l[1]\n", []),
    "by sys.exit": ("import sys\nl = [1]\nsys.exit(l[0])\n", []),
    "while a thread waits": (
        "from queue import Queue\nfrom threading import Thread\nq, l = Queue(), Queue()\ndef f():\n    l.put(1)\n    q.get()\nt = Thread(target=f, daemon=True)\nt.start()\nx = l.get()\n",
        [],
    ),
    "with generators left": ("def f():\n    yield 1\ng = f()\nx = next(g)\n", []),
}
"""How scripts end, and the lines of the gaps that say so."""


@pytest.mark.parametrize("log", ["c", "python"])
@pytest.mark.parametrize("name", ENDS)
def test_a_trace_that_ends_before_its_program_says_so_and_no_other(name, log, twice):
    text, lines = ENDS[name]
    twice.write("script.py", text)
    more = {"PYTHONPATH": os.environ["TRAIL"]} if log == "c" else {"TRILHA_TRAIL": "python"}
    twice.same("script.py", grain="variable", more=more)
    assert [one.line for one in twice.store.events() if isinstance(one, Gap)] == lines


@pytest.mark.parametrize("how", [("-m", "package"), ("package",)])
def test_modules_and_folders_that_are_run_are_traced(how, twice):
    (twice.folder / "package").mkdir()
    twice.write("package/rates.py", "rate = 2\n")
    before = "from package" if how[0] == "-m" else ""
    line = f"{before} import rates\n".lstrip()
    twice.write("package/__main__.py", f"{line}rates.rate = 3\ntotal = rates.rate * 2\nprint(total)\n")
    _, output, _ = same(twice, *how)
    assert output == b"6\n"
    (total,) = bound(twice, "total")
    assert total.sources
    assert not [one for one in twice.store.events() if isinstance(one, Gap)]


READERS = {
    "compilers.py": "def jit(f):\n    print(f.__code__.co_names, len(f.__code__.co_code))\n    return f\n"
    "def compile(model):\n    print(model.forward.__code__.co_names, len(type(model).other.fget.__code__.co_code))\n"
    "    return model\n",
    "kernels.py": "from compilers import jit\nfrom arithmetic import twice\n@jit\ndef fast(x):\n    return within(x) + twice(x)\n"
    "def within(x):\n    return x\ndef slow(x):\n    y = x + 1\n    return y\n",
    "arithmetic.py": "def twice(x):\n    return 2 * x\ndef thrice(x):\n    return 3 * x\n",
    "models.py": "def activation(x):\n    return x\nclass Net:\n    def forward(self, x):\n        return [activation(one) for one in x]\n"
    "    @property\n    def other(self):\n        return 1\n    @staticmethod\n    def third():\n        return 3\n",
    "given.py": "import compilers as torch\ndef given(model):\n    return torch.compile(model)\n",
    "script.py": "from arithmetic import thrice, twice\nfrom models import Net, activation\nfrom kernels import fast, slow, within\n"
    "def local(x):\n    import given\n    return given.given(x)\n"
    "net = Net()\nlist(net.forward([1]))\nwith_net = local(net)\na, b = fast(1), slow(2)\nc = thrice(b)\nd = net.forward([c])\n"
    "print([len(one.__code__.co_code) for one in (fast, within, twice, activation, Net.forward, Net.third)], a, b, c, d)\n",
}


@pytest.mark.parametrize("way", ["c", "python"])
def test_what_compilers_of_bytecode_may_read_is_as_without_in_whichever_module_and_is_said(way, twice):
    for name, text in READERS.items():
        twice.write(name, text)
    if way == "c":
        same(twice, "script.py")
    else:
        twice.same("script.py", grain="variable", more={"TRILHA_TRAIL": "python"})
    found = twice.store.events()
    assert isinstance(found[-1], Ended)
    said = {one.why.partition(" ")[0] for one in found if isinstance(one, Gap) and "compiler" in one.why}
    assert said == {"fast", "within", "twice", "activation", "forward", "other", "third"}
    names = [one.name for one in found if type(one).__name__ == "Activation" and one.name != "<module>"]
    # `Net` was not known to be compiled when it was first called.
    assert [one for one in names if one.rpartition(".")[2] in said] == ["Net.forward", "activation"]
    assert {"jit", "compile", "local", "given", "slow", "thrice"} <= set(names)


def test_a_script_that_compiles_for_itself_is_traced_but_for_what_it_compiles(twice):
    twice.write(
        "script.py",
        "def njit(f):\n    print(f.__code__.co_names)\n    return f\n@njit\ndef fast(x):\n    return within(x)\n"
        "def within(x):\n    return x\ntotal = 0\nfor i in range(3):\n    total += fast(i)\nprint(total)\n",
    )
    same(twice, "script.py")
    found = twice.store.events()
    assert isinstance(found[-1], Ended)
    assert {one.line for one in found if isinstance(one, Gap)} == {5, 7}
    assert len(bound(twice, "total")) == 4


@pytest.mark.parametrize("options", [["--trace=kernels:slow"], ["--loops=1"]])
def test_so_it_is_where_a_part_is_traced(options, twice):
    for name, text in READERS.items():
        twice.write(name, text)
    launcher = [LAUNCHER, f"--store={twice.store.folder}", "--grain=variable", *options, "--", "script.py"]
    done = subprocess.run([sys.executable, *launcher], cwd=twice.folder, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == twice.plain("script.py")
    assert isinstance(twice.store.events()[-1], Ended)
