"""``@trilha.trace``: the function stays what it is, is traced while a run is recorded, and only then."""

import subprocess
import sys
import textwrap

import pytest

import trilha

SCRIPT = """\
import inspect, pickle, traceback
import trilha

def helper(x):
    return x * 2

@trilha.trace
def solve(x, k=2):
    "Doc."
    y = helper(x) + k
    return y

@trilha.trace
class Net:
    def __init__(self, weight):
        self.weight = weight

    @property
    def double(self):
        return self.weight * 2

    @staticmethod
    def one(x):
        z = x + 1
        return z

    def forward(self, x):
        out = self.double + x
        return out

def outer(n):
    @trilha.trace
    def inner(x):
        found = x + n
        return found
    return inner

@trilha.trace
def fails(x):
    return 1 / x

def main():
    print(solve(3), solve.__doc__, solve.__defaults__, Net(2).forward(3), Net.one(1), outer(1)(2))
    print(pickle.loads(pickle.dumps(solve)) is solve, inspect.getsource(solve).count("\\n"))
    try:
        fails(0)
    except ZeroDivisionError:
        print(traceback.format_exc())
"""


@pytest.fixture
def run(tmp_path):
    def run(text, *words):
        (tmp_path / "script.py").write_text(textwrap.dedent(text))
        command = [sys.executable, *(words or ["script.py"])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


def sliced(run, what):
    out, _ = run_trilha(run, "slice", what)
    return {int(line.split()[0]) for line in out.splitlines() if line[:2].strip().isdigit()}


def run_trilha(run, *words):
    return run(SCRIPT, "-c", "from trilha.cli import main; main()", *words)


def test_it_changes_nothing_but_what_is_known(run):
    plain, nothing = run(SCRIPT + "main()\n")
    assert not nothing
    recorded, errors = run(SCRIPT + "with trilha.autolog('a'):\n    main()\n")
    assert (recorded, errors) == (plain, "")
    assert sliced(run, "y") == {8, 10}
    assert sliced(run, "out") == {15, 16, 19, 20, 27, 28}
    assert sliced(run, "found") == {33, 34}


def test_a_run_of_ones_own_is_enough_and_what_comes_after_is_not_traced(run):
    run(SCRIPT + "with trilha.run('a'):\n    solve(1)\ncodes = solve.__code__\nsolve(2)\n")
    assert 10 in sliced(run, "y")
    assert "the last of" not in run_trilha(run, "slice", "y")[0]


@pytest.mark.parametrize(
    "words", [[], ["--grain", "file"], ["--grain", "variable"], ["--trace", "script:outer"]]
)
def test_under_trilha_run(run, words):
    text = SCRIPT + "main()\n"
    plain, _ = run(text)
    main = "from trilha.cli import main; main()"
    assert run(text, "-c", main, "run", *words, "script.py") == (plain, "")
    done = run(text, "-c", main, "slice", "out")[0]
    assert "28" in done


def test_what_cannot_be_traced_is_said_once(run):
    text = "import trilha\nexec('@trilha.trace\\ndef f(x):\\n    return x')\n"
    text += "with trilha.autolog('a'):\n    f(1)\n    f(2)\nwith trilha.autolog('b'):\n    f(3)\n"
    out, errors = run(text)
    assert not out
    assert errors.count("trilha.trace: f (<string>:1) is not traced: its source cannot be read") == 1


def test_only_functions_and_classes_are_decorated():
    with pytest.raises(trilha.errors.UsageError, match="takes a function or a class, not int"):
        trilha.trace(3)


FREE = """
import sys
sys._is_gil_enabled = lambda: LOCKED
import trilha
@trilha.trace
def solve(x):
    return x + 1
with trilha.run("free"):
    print(solve(3), solve(4))
"""


@pytest.mark.parametrize("locked", [True, False])
def test_where_threads_run_without_the_global_lock_it_is_said_once_that_a_trace_may_be_wrong(
    locked, tmp_path
):
    (tmp_path / "free.py").write_text(FREE.replace("LOCKED", str(locked)))
    done = subprocess.run(
        [sys.executable, "free.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "4 5\n"
    assert done.stderr.count("without the global lock") == (not locked)
