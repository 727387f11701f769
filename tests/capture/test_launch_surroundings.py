"""What surrounds a script is its own: options of Python, streams, modules, the store, the list of processes."""
# ruff: noqa: E501 -- scripts, as text

import subprocess
import sys

import pytest
from tests.capture.launching import LAUNCHER, P, T, environment, steps

from trilha.prov import Kind


@pytest.mark.parametrize(
    "options",
    [
        ("-W", "error"),
        ("-Werror::UserWarning", "-X", "dev"),
        ("-O",),
        ("-OO", "-u"),
        ("-P",),
        ("-I",),
        ("-bb", "-q"),
        ("-X", "utf8=0", "-Xfrozen_modules=off"),
    ],
    ids=" ".join,
)
def test_options_of_the_interpreter_are_handed_on(twice, options):
    twice.write(
        "s.py",
        "import sys, warnings\nprint(sys.flags, sys._xoptions, sys.warnoptions, sys.orig_argv[1:], sys.path[:1], __debug__)\n"
        "def f():\n    'doc'\n    assert sys, 'x'\n    warnings.warn('w')\n    return 1\nprint(f.__doc__, sys.stdout.write_through)\n"
        "print(f() is 1)\n",
    )
    twice.same("s.py", python=options)


def test_the_environment_of_python_is_heeded(twice):
    twice.write("s.py", "import sys, warnings\nprint(sys.flags, sys.warnoptions)\nwarnings.warn('w')\n")
    twice.same(
        "s.py",
        more={
            "PYTHONWARNINGS": "error",
            "PYTHONUNBUFFERED": "1",
            "PYTHONOPTIMIZE": "1",
            "PYTHONHASHSEED": "7",
        },
    )


def test_standard_input_is_the_scripts(twice):
    twice.write("s.py", "import sys\nprint(sys.stdin.read()[::-1], sys.stdin.isatty())\n")
    twice.same("s.py", stdin=b"some input")


def test_an_output_that_nobody_reads(twice):
    # When it prints, nobody reads any more: which of many lines is the first to fail would be chance.
    program = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\nprint('lost')\nsys.stdout.flush()\n"
    script = twice.write("s.py", program)
    answers = []
    for words in ([script], [LAUNCHER, f"--store={twice.store.folder}", "--", script]):
        command = [sys.executable, *map(str, words)]
        env = environment(twice.store.folder)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(command, env=env, **pipes)
        child.stdout.readline()
        child.stdout.close()
        child.stdin.close()
        answers.append((child.stderr.read(), child.wait(timeout=30)))
        child.stderr.close()
    assert answers[0] == answers[1]
    assert twice.store.run()["exception"].startswith("BrokenPipeError")


def test_streams_that_are_closed(twice):
    script = twice.write(
        "s.py",
        "import sys, os\nprint(1)\nos.write(1, repr((sys.stdin, sys.stderr)).encode())\nraise ValueError\n",
    )
    answers = []
    for words in ([script], [LAUNCHER, f"--store={twice.store.folder}", "--", script]):
        line = 'exec "$@" <&- 2>&-'
        command = ["sh", "-c", line, "sh", sys.executable, *map(str, words)]
        env = environment(twice.store.folder)
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=False)
        answers.append((done.stdout, done.returncode))
    assert answers[0] == answers[1]


def test_modules_of_the_script_go_before_those_that_we_import(twice):
    for name in (
        "metrics",
        "files",
        "session",
        "random",
        "queue",
        "uuid",
        "platform",
        "inspect",
        "shlex",
        "msgspec",
        "launch",
    ):
        twice.write(f"{name}.py", f"print('own {name}')\nx = 1\n")
    twice.write("datetime/__init__.py", "print('own datetime')\n")
    twice.write(
        "s.py",
        "import metrics, files, session, random, queue, platform, shlex, msgspec, launch, datetime\n"
        "def f():\n    import uuid, inspect\n    return uuid.x + inspect.x\nprint(f(), random.__file__)\n",
    )
    twice.same("s.py")
    twice.same("-m", "s")
    assert twice.store.run()["status"] == "finished"
    assert steps(twice.store) == ["f", "f"]
    assert "dropped" not in twice.store.run()


def test_modules_of_the_script_are_not_imported_by_us(twice):
    for name in (
        "random",
        "queue",
        "email",
        "csv",
        "tempfile",
        "inspect",
        "shlex",
        "subprocess",
        "platform",
        "json",
    ):
        twice.write(f"{name}.py", "print('imported', __name__)\n")
    twice.write("s.py", "import time\ndef f(x):\n    return x\nprint(f([1]))\ntime.sleep(0.2)\n")
    twice.same("s.py")


def test_a_module_that_hides_one_we_cannot_do_without_leaves_the_script_alone(twice):
    twice.write("hashlib.py", "print('own')\n")
    twice.write("s.py", "import hashlib\ndef f():\n    return hashlib.__file__\nprint(f())\n")
    code, output, errors = twice.recorded("s.py")
    assert (code, output) == twice.plain("s.py")[:2]
    assert (
        errors
        == b"trilha: s.py: this run is not recorded: a module hashlib beside it hides Python's own, which is needed\n"
    )


@pytest.mark.parametrize("name", ["resource/notes.txt", "hashlib.csv", "ctypes", "ast/__init__.txt"])
def test_what_is_no_module_hides_none(twice, name):
    twice.write(name, "some text")
    twice.write("s.py", "import hashlib, resource, ctypes\nprint(hashlib.__file__, resource, ctypes)\n")
    twice.same("s.py")
    assert twice.store.run()["status"] == "finished"


def test_a_folder_of_tests_has_nothing_more_imported(twice):
    seen = "import sys\nprint([name for name in ('inspect', 'platform', 'email') if name in sys.modules])\n"
    twice.write("s.py", seen)
    without = twice.recorded("s.py")
    twice.write("test/__init__.py", "")
    assert twice.recorded("s.py") == without
    twice.write("random.py", "")
    assert twice.recorded("s.py") != without  # else this test would see nothing


def test_a_store_that_cannot_be_made_leaves_the_script_alone(twice):
    twice.store.folder.write_text("a file in its place")
    twice.write(
        "s.py", "import sys\ndef f():\n    return sys.argv\nprint(f(), __file__)\nraise ValueError('x')\n"
    )
    code, output, errors = twice.plain("s.py", "a")
    recorded = twice.recorded("s.py", "a")
    assert recorded[:2] == (code, output)
    first, _, rest = recorded[2].partition(b"\n")
    assert first.startswith(b"trilha: ")
    assert b"not recorded" in first
    assert rest == errors


def test_nothing_of_the_launcher_is_left_open_or_in_the_environment(twice):
    twice.write(
        "s.py",
        "import os\nprint(sorted(name for name in os.environ if name.startswith('TRILHA')))\n"
        "names = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}')]\n"
        "print([name for name in names if 'memfd' in name])\n",
    )
    _, output, _ = twice.recorded("s.py")
    assert output.splitlines()[1] == b"[]"


def test_the_list_of_processes_shows_the_scripts_name(twice):
    twice.write("s.py", "print(open('/proc/self/cmdline').read().split('\\0'))\n")
    _, output, _ = twice.recorded("s.py", "--epochs", "3")
    assert b"trilha=s.py" in output
    assert b"'--epochs', '3'" in output


def test_a_run_inside_a_run_is_one_of_its_own(twice):
    inner = twice.write("inner.py", "print('inner')\n")
    words = [sys.executable, LAUNCHER, f"--store={twice.store.folder}", "--", str(inner)]
    twice.write("s.py", f"import subprocess\nsubprocess.run({words!r}, check=True)\nprint('outer')\n")
    assert twice.recorded("s.py") == (0, b"inner\nouter\n", b"")
    labels = {r.value(P + "label") for r in twice.store.records(Kind.ACTIVITY) if r.id.endswith("#run")} - {
        None
    }
    assert labels == {"inner", "s"}


def test_what_a_signal_handler_raises_in_the_middle_of_our_hooks_reaches_the_script(twice):
    functions = "".join(f"def f{n}(x):\n    return [x]\n" for n in range(150))
    twice.write(
        "s.py",
        functions
        + "import signal, traceback\nclass Late(Exception): pass\ndef handler(number, frame):\n    raise Late\n"
        "signal.signal(signal.SIGALRM, handler)\ncaught, strange = 0, set()\n"
        "for n in range(150):\n    f = globals()[f'f{n}']\n    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0.0001 + n * 0.000005)\n"
        "        while True:\n            f([n])\n    except Late:\n        caught += 1\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\nprint(caught)\n",
    )
    assert twice.same("s.py")[1] == b"150\n"
    # A statement that was being appended may be a hole in the journal; the reader goes on behind it.
    (journal,) = twice.store.journals()
    assert [event for _, event in journal.events()][-1].value(T + "status") == "finished"
