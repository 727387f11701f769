"""However a script ends, it ends to the byte as it does by itself, and how is recorded."""
# ruff: noqa: E501, ISC004 -- scripts, as text

import signal
import subprocess
import sys

import pytest
from tests.capture.launching import GRAINS, LAUNCHER, T, environment, until_it_is_in

from trilha.capture.outcome import of
from trilha.prov import Kind

FINISHED, LOST = ("finished", 0, None), (None, None, None)
ENDINGS = {
    "by its last line": ("print('done')\n", FINISHED),
    "empty": ("", FINISHED),
    "only a docstring": ('"""Nothing."""\n', FINISHED),
    "only future imports": ("from __future__ import annotations\n", FINISHED),
    "uncaught": ("def f():\n    raise ValueError('x\\ny')\nf()\n", ("failed", 1, "ValueError: x\ny")),
    "uncaught at the top level": ("x = 1\nx / 0\n", ("failed", 1, "ZeroDivisionError: division by zero")),
    "raised in a long expression": (
        "def f(a):\n    return (a['one']['two'] +\n        a['three'])\ndef g(a):\n    return f(\n        a\n    )\n"
        "g({'one': {'two': 1}})\n",
        ("failed", 1, "KeyError: 'three'"),
    ),
    "raised from": (
        "def f():\n    try:\n        {}[1]\n    except KeyError as error:\n        raise ValueError('v') from error\nf()\n",
        ("failed", 1, "ValueError: v"),
    ),
    "raised while handling": (
        "def f():\n    try:\n        {}[1]\n    except KeyError:\n        int('x')\nf()\n",
        ("failed", 1, "ValueError: invalid literal for int() with base 10: 'x'"),
    ),
    "context suppressed": (
        "def f():\n    try:\n        {}[1]\n    except KeyError:\n        raise ValueError('v') from None\nf()\n",
        ("failed", 1, "ValueError: v"),
    ),
    "raised again": (
        "def f():\n    try:\n        {}[1]\n    except KeyError as e:\n        e.add_note('noted')\n        raise\nf()\n",
        ("failed", 1, "KeyError: 1"),
    ),
    "exception group": (
        "def f():\n    errors = []\n    for i in range(2):\n        try:\n            g(i)\n        except Exception as e:\n"
        "            errors.append(e)\n    raise ExceptionGroup('both', errors)\ndef g(i):\n    raise OSError(i)\nf()\n",
        ("failed", 1, "ExceptionGroup: both (2 sub-exceptions)"),
    ),
    "in a nested function": (
        "def f():\n    def g():\n        return (lambda: [1][3])()\n    return g()\nf()\n",
        ("failed", 1, "IndexError: list index out of range"),
    ),
    "through finally": (
        "def f():\n    try:\n        raise OSError('o')\n    finally:\n        print('cleanup')\nf()\n",
        ("failed", 1, "OSError: o"),
    ),
    "in finally after a return": (
        "def f():\n    try:\n        return 1\n    finally:\n        raise OSError('o')\nf()\n",
        ("failed", 1, "OSError: o"),
    ),
    "swallowed by finally": (
        "def f():\n    try:\n        raise OSError\n    finally:\n        return 3\nprint(f())\n",
        FINISHED,
    ),
    "in a thread": (
        "import threading\ndef f():\n    raise ValueError('t')\nt = threading.Thread(target=f)\nt.start(); t.join()\n",
        FINISHED,
    ),
    "a thread goes on": (
        "import threading, time\ndef f():\n    time.sleep(0.05); print('late')\nthreading.Thread(target=f).start()\n",
        FINISHED,
    ),
    "in atexit": (
        "import atexit\n@atexit.register\ndef f():\n    print('bye'); raise ValueError('a')\n",
        FINISHED,
    ),
    "no name": (
        "def f():\n    return nowhere\nf()\n",
        ("failed", 1, "NameError: name 'nowhere' is not defined"),
    ),
    "runaway recursion": (
        "def f(n):\n    return f(n + 1)\nf(0)\n",
        ("failed", 1, "RecursionError: maximum recursion depth exceeded"),
    ),
    "runaway recursion without a value": (
        "def f(n):\n    f(n + 1)\nf(0)\n",
        ("failed", 1, "RecursionError: maximum recursion depth exceeded"),
    ),
    "text that raises": (
        "class Bad(Exception):\n    def __str__(self): raise OSError\ndef f():\n    raise Bad\nf()\n",
        ("failed", 1, "Bad: (its text cannot be had)"),
    ),
    "warning made an error": (
        "import warnings\nwarnings.simplefilter('error')\ndef f():\n    warnings.warn('w')\nf()\n",
        ("failed", 1, "UserWarning: w"),
    ),
    "exit 0": ("import sys\nsys.exit(0)\n", FINISHED),
    "exit 3": ("import sys\nsys.exit(3)\n", ("failed", 3, None)),
    "exit 256": ("import sys\nsys.exit(256)\n", FINISHED),
    "exit -1": ("import sys\nsys.exit(-1)\n", ("failed", 255, None)),
    "exit huge": ("import sys\nsys.exit((1 << 40) + 7)\n", ("failed", 7, None)),
    "exit True": ("import sys\nsys.exit(True)\n", ("failed", 1, None)),
    "exit None": ("import sys\nsys.exit(None)\n", FINISHED),
    "exit text": ("import sys\nsys.exit('no data')\n", ("failed", 1, "SystemExit: no data")),
    "exit object": ("import sys\nsys.exit([1, 2])\n", ("failed", 1, "SystemExit: [1, 2]")),
    "exit in a function": ("import sys\ndef f():\n    sys.exit(4)\nf()\n", ("failed", 4, None)),
    "raise SystemExit": ("raise SystemExit\n", FINISHED),
    "quit": ("quit(5)\n", ("failed", 5, None)),
    "os._exit": ("import os\nprint('x', flush=True)\nos._exit(7)\n", ("failed", 7, None)),
    "os._exit by name": ("import os\nos._exit(status=256)\n", FINISHED),
    "SIGTERM": ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint('never')\n", LOST),
    "SIGKILL": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", LOST),
    "SIGINT": (
        "import os, signal\ndef f():\n    os.kill(os.getpid(), signal.SIGINT)\n    for _ in range(10**7): pass\nf()\n",
        ("interrupted", 130, "KeyboardInterrupt"),
    ),
    "SIGINT handled": (
        "import os, signal\nsignal.signal(signal.SIGINT, lambda *_: print('caught'))\n"
        "os.kill(os.getpid(), signal.SIGINT)\nfor _ in range(1000): pass\n",
        FINISHED,
    ),
    "SIGTERM handled": (
        "import os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nfor _ in range(1000): pass\n",
        ("failed", 143, None),
    ),
    "own excepthook": (
        "import sys, traceback\ndef hook(kind, error, trace):\n    print('mine', kind, error, len(traceback.extract_tb(trace)))\n"
        "sys.excepthook = hook\ndef f():\n    raise ValueError('x')\nf()\n",
        ("failed", 1, "ValueError: x"),
    ),
    "own excepthook that raises": (
        "import sys\ndef hook(*_):\n    raise OSError('in the hook')\nsys.excepthook = hook\nraise ValueError('x')\n",
        ("failed", 1, "ValueError: x"),
    ),
    "own threading.excepthook": (
        "import threading\nthreading.excepthook = lambda a: print(a.exc_type, a.exc_value)\n"
        "t = threading.Thread(target=int, args=('x',)); t.start(); t.join()\n",
        FINISHED,
    ),
    "SyntaxError": (
        "print('never')\nx = (\n",
        ("failed", 1, "SyntaxError: '(' was never closed (s.py, line 2)"),
    ),
    "IndentationError": (
        "def f():\nreturn 1\n",
        (
            "failed",
            1,
            "IndentationError: expected an indented block after function definition on line 1 (s.py, line 2)",
        ),
    ),
    "null bytes": (b"x = 1\0\n", ("failed", 1, ...)),
    "no UTF-8": (b"x = '\xff'\n", ("failed", 1, ...)),
    "wrong coding cookie": (b"# coding: nonsense\n", ("failed", 1, ...)),
    "SyntaxError of an import": (
        "def f():\n    import broken\nf()\n",
        ("failed", 1, "SyntaxError: '(' was never closed (broken.py, line 1)"),
    ),
    "ImportError": (
        "import nowhere_to_be_found\n",
        ("failed", 1, "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    ),
    "too much nesting": ("x = " + "(" * 300 + ")" * 300 + "\n", ("failed", 1, ...)),
    "SyntaxWarning": ("def f(x):\n    return x is 1\nprint(f(2))\n", FINISHED),
    "escapes": ("x = '\\d'\nprint(x)\n", FINISHED),
    "a very long expression": (
        "x = 0" + " + 1" * 1300 + "\ndef f():\n    return x / 0\nf()\n",
        ("failed", 1, "ZeroDivisionError: division by zero"),
    ),
    "os.execv": (
        "import os, sys\nprint('a', flush=True)\nos.execv(sys.executable, [sys.executable, '-c', 'print(1)'])\n",
        LOST,
    ),
}


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("case", ENDINGS)
def test_a_script_ends_as_by_itself_and_how_is_recorded(twice, case, grain):
    source, (status, exit_status, exception) = ENDINGS[case]
    twice.write("s.py", source)
    twice.write("broken.py", "x = (\n")
    code, _, _ = twice.same("s.py", grain=grain)
    run = twice.store.run()
    assert run["label"] == "s"
    assert run.get("status") == status
    assert run.get("exit_status") == exit_status
    if exception is ...:
        assert run["exception"]
    else:
        assert run.get("exception") == exception
    if exit_status is not None and status != "interrupted":
        assert code == exit_status


def test_the_traceback_of_a_traced_module_that_cannot_be_compiled_is_that_of_python(twice):
    shown = "except SyntaxError:\n    traceback.print_exc()\n"
    twice.write("broken.py", "x = (\n")
    twice.write(
        "s.py",
        f"import importlib, traceback\ntry:\n    importlib.import_module('broken')\n{shown}"
        f"try:\n    import broken\n{shown}",
    )
    twice.same("s.py", grain="variable")


def test_an_abort_ends_a_script_as_by_itself(twice):
    twice.write("s.py", "import os, resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nos.abort()\n")
    code, _, _ = twice.same("s.py")
    assert code == -signal.SIGABRT
    assert "status" not in twice.store.run()


def test_a_key_press_in_the_middle_leaves_an_interrupted_run(twice):
    script = twice.write(
        "s.py", "import time\ndef f():\n    print('ready', flush=True)\n    time.sleep(30)\nf()\n"
    )
    answers = []
    for words in ([script], [LAUNCHER, f"--store={twice.store.folder}", "--", script]):
        child = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=twice.folder,
            env=environment(twice.store.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout.readline() == b"ready\n"
        until_it_is_in("nanosleep", child.pid)  # the traceback tells the line
        child.send_signal(signal.SIGINT)
        answers.append((*child.communicate(timeout=30), child.returncode))
    assert answers[0] == answers[1]
    assert answers[0][2] == -signal.SIGINT
    assert twice.store.run()["status"] == "interrupted"
    (end,) = [
        record
        for record in twice.store.records(Kind.ACTIVITY)
        if record.value(T + "exception") and not record.id.endswith("#run")
    ]
    assert end.value(T + "exception") == "KeyboardInterrupt"


def test_an_exit_status_beyond_all_machine_words_is_known():
    # What Python prints of one depends on its version and on who registered functions with atexit.
    assert of(SystemExit(1 << 70)) == ("failed", 255, "")
