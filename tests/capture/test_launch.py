"""A script that the launcher runs behaves to the byte as it does by itself, and what it did is recorded."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from tests.capture.launching import GRAINS, LAUNCHER, Twice, environment
from trilha.prov import Kind

P = "http://www.w3.org/ns/prov#"
T = "https://w3id.org/trilha/ns#"


@pytest.fixture
def twice(tmp_path, store):
    folder = tmp_path / "work"
    folder.mkdir()
    return Twice(folder, store)


def steps(store):
    return [
        record.value(P + "label")
        for record in store.records(Kind.ACTIVITY)
        if (P + "type", T + "Step") in record.attributes
    ]


# -- how scripts end: source, then status, exit status and exception as recorded -----------------------------

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
    "exit huge": ("import sys\nsys.exit(1 << 70)\n", ("failed", 255, None)),
    "exit True": ("import sys\nsys.exit(True)\n", ("failed", 1, None)),
    "exit None": ("import sys\nsys.exit(None)\n", FINISHED),
    "exit text": ("import sys\nsys.exit('no data')\n", ("failed", 1, "SystemExit: no data")),
    "exit object": ("import sys\nsys.exit([1, 2])\n", ("failed", 1, "SystemExit: [1, 2]")),
    "exit in a function": ("import sys\ndef f():\n    sys.exit(4)\nf()\n", ("failed", 4, None)),
    "raise SystemExit": ("raise SystemExit\n", FINISHED),
    "quit": ("quit(5)\n", ("failed", 5, None)),
    "os._exit": ("import os\nprint('x', flush=True)\nos._exit(7)\n", LOST),
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
    if case in ("null bytes", "no UTF-8", "wrong coding cookie") and grain == "file":
        pytest.skip("what cannot be compiled has no grain")
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
        time.sleep(0.3)  # until it sleeps: the traceback tells the line
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


# -- what scripts can see ------------------------------------------------------------------------------------

SEEN = {
    "its module": """
        '''The docstring.'''
        from __future__ import annotations
        x: int = 1
        import __main__, sys, builtins
        print(list(globals()), __name__, __file__, __doc__, __spec__, __package__, __cached__, __annotations__)
        print(type(__loader__).__qualname__, __loader__.path, __loader__.name, __builtins__ is builtins)
        print(__main__.__dict__ is globals(), sys.modules["__main__"] is __main__, __loader__.is_package("__main__"))
        print(dir())
    """,
    "its arguments and paths": """
        import sys, os
        print(sys.argv, sys.path, os.getcwd(), sys._xoptions, sys.warnoptions, sys.orig_argv[1:])
        print(sys.excepthook is sys.__excepthook__, sys.gettrace(), sys.getprofile(), sys.getrecursionlimit())
        print(sys.flags, sys.displayhook is sys.__displayhook__, hasattr(sys, "last_value"))
    """,
    "its place on the stack": """
        import inspect, sys, traceback
        def f():
            print(len(inspect.stack()), sys._getframe(1).f_code.co_name, sys._getframe(1).f_back)
            traceback.print_stack()
            print([(i.function, i.lineno, i.code_context) for i in inspect.stack()])
        f()
        try:
            sys._getframe(1)
        except ValueError as error:
            print(error)
    """,
    "its descriptors and threads": """
        import os, sys, threading, signal
        def f():
            print(threading.active_count(), threading.current_thread(), threading.main_thread() is threading.current_thread())
            print([s for s in range(1, 32) if signal.getsignal(s) not in (signal.SIG_DFL, None)])
            print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            with open(sys.argv[0]) as file:
                print(file.fileno() < 8, os.get_inheritable(file.fileno()))
        f()
    """,
    "its own functions": '''
        import inspect, dis
        def f(a, /, b, *c, d=1, **e) -> int:
            """What f does."""
            # a comment
            return a
        def only_documented():
            """Only a docstring."""
        def decorate(function):
            def inner(*args):
                return function(*args)
            inner.__wrapped__ = function
            return inner
        @decorate
        @decorate
        def g(x: "int" = 2): return x * 2
        for one in (f, only_documented, g):
            print(inspect.getsource(one), inspect.signature(one), one.__name__, one.__qualname__, one.__module__)
            print(one.__doc__, one.__defaults__, one.__kwdefaults__, one.__annotations__, one.__closure__ is None)
            code = inspect.unwrap(one).__code__
            print(code.co_name, code.co_firstlineno, code.co_filename, code.co_varnames, code.co_argcount, code.co_flags)
            print(code.co_freevars, code.co_cellvars, code.co_nlocals, code.co_kwonlyargcount)
        print(f(1, 2), only_documented(), g(4), repr(f(1, 2, 3, d=4, z=5)))
    ''',
    "its variables": """
        def f(a, b=2, *c, d=3, **e):
            print(locals(), dir(), sorted(vars()))
            x = 1
            print(locals())
            def g():
                return a + x
            print(sorted(locals()), g.__code__.co_freevars)
            del x
            try:
                return locals()
            finally:
                print(sorted(locals()))
        print(f(1, 5, 6, q=7)["e"])
        print(sorted(name for name in globals() if not name.startswith("__")))
    """,
    "control flow": """
        import contextlib
        def loops(n):
            for i in range(n):
                with contextlib.suppress(ZeroDivisionError):
                    try:
                        if i == 3:
                            return i
                        if i == 1:
                            continue
                        1 / (i - 2)
                    finally:
                        print("finally", i)
                print("after", i)
            else:
                return "else"
        print(loops(2), loops(9), loops(0))
        def again():
            while True:
                try:
                    return 1
                finally:
                    break
            return 2
        print(again())
        def overridden():
            try:
                return print("first")
            finally:
                return "second"
        print(overridden())
        def nothing(): pass
        def bare(x):
            if x: return
            return None
        print(nothing(), bare(1), bare(0))
        def matching(x):
            match x:
                case [a, *rest]: return a, rest
                case {"k": v}: return v
                case _: return (yield_ := 5)
        print(matching([1, 2]), matching({"k": 3}), matching(0))
        def handled():
            try:
                raise KeyError
            except KeyError as e:
                return repr(e)
        print(handled())
        def one(): return 1
        def two():
            global z; z = one(); return z
        print(two() + one(), z)
        def nested():
            total = 0
            def add(x):
                nonlocal total
                total += x
                return total
            return [add(i) for i in range(3)], total
        print(nested())
    """,
    "recursion": """
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        print(fib(15))
        def even(n): return True if n == 0 else odd(n - 1)
        def odd(n): return False if n == 0 else even(n - 1)
        print(even(400))
        def deep(n):
            return deep(n + 1)
        try:
            deep(0)
        except RecursionError as error:
            print(error)
        print(fib(10))
    """,
    "generators and coroutines": """
        import asyncio, inspect
        def numbers(n):
            got = yield 0
            for i in range(n):
                got = yield (i, got)
            return "end"
        def both():
            result = yield from numbers(2)
            print(result)
        async def work(x):
            await asyncio.sleep(0)
            return x + 1
        async def stream():
            for i in range(3):
                yield i
        async def main():
            print(await asyncio.gather(work(1), work(2)), [i async for i in stream()], [await work(i) for i in range(2)])
            raise ValueError("in main")
        def lazily(): return (x for x in range(3))
        def hidden():
            def inner(x=(lambda: 3)): return x
            return [y for y in [inner()() for _ in range(2)]]
        print(list(both()), list(lazily()), hidden())
        print(inspect.isgeneratorfunction(numbers), inspect.iscoroutinefunction(work))
        asyncio.run(main())
    """,
    "definitions": """
        if True:
            def f(): return "if"
        else:
            def f(): return "else"
        print(f())
        try:
            import nowhere_at_all
        except ImportError:
            def g(): return "except"
        else:
            def g(): return "else"
        finally:
            def h(): return "finally"
        print(g(), h())
        def f(): return "again"
        print(f())
        for i in range(2):
            def f(i=i): return i
            print(f())
        with open(__file__) as _:
            def w(): return "with"
        print(w())
        class C:
            def method(self): return super().__repr__().startswith("<")
            @staticmethod
            def s(): return 1
        print(C().method(), C.s())
        def ä(ö, *, ü=2): return ö + ü
        print(ä(1), ä(ö=4))
    """,
    "warnings": """
        import warnings
        def f():
            warnings.warn("one")
            warnings.warn("two", stacklevel=2)
            warnings.warn("far", stacklevel=9)
            warnings.warn("old", DeprecationWarning)
        f()
        f()
    """,
    "a tracer of its own": """
        import sys
        def f(a):
            b = a
            for i in range(2):
                b += i
            if b > 3:
                return b
            try:
                return (b,
                        a)
            finally:
                b = 0
        def g():
            raise ValueError
        def h():
            f(1)
            x = 1
        def trace(frame, event, arg):
            print(frame.f_code.co_name, event, frame.f_lineno, arg if event == "return" else "")
            return trace
        sys.settrace(trace)
        f(1); f(9); h()
        try:
            g()
        except ValueError:
            pass
        sys.settrace(None)
        print(f(1))
    """,
    "pickles": """
        import pickle, copy
        class C:
            def __init__(self): self.x = 1
        def f(): return 5
        print(pickle.loads(pickle.dumps(f)) is f, pickle.loads(pickle.dumps(C())).x, copy.deepcopy(f)())
    """,
    "processes": """
        import concurrent.futures, multiprocessing, os, subprocess, sys
        def square(x):
            return x * x
        def fails(x):
            raise ValueError(x)
        def main():
            for method in ("fork", "spawn"):
                context = multiprocessing.get_context(method)
                with context.Pool(2) as pool:
                    print(pool.map(square, range(5)))
                    try:
                        pool.apply(fails, (3,))
                    except ValueError as error:
                        print(repr(error))
                with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
                    print(list(pool.map(square, range(3))))
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                print(list(pool.map(square, range(5))))
            print(subprocess.run([sys.executable, "-c", "print(6)"], capture_output=True).stdout)
            sys.stdout.flush()
            pid = os.fork()
            if not pid:
                print(square(9))
                sys.exit(3)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if __name__ == "__main__":
            main()
    """,
    "lifetimes": """
        import gc, sys, weakref
        class Big:
            def __del__(self): print("gone")
        def consume(thing):
            del thing
            print("still in")
        def replace(thing):
            thing = None
            print("replaced")
        def give():
            return Big()
        gc.disable()
        consume(Big())
        replace(Big())
        give()
        x = give()
        print("kept")
        del x
        print("end")
    """,
    "hooks that users have": """
        import sys, atexit, threading
        def f(): return 1
        sys.setprofile(lambda *_: None); f(); sys.setprofile(None)
        threading.settrace(None)
        atexit.register(print, "at exit")
        sys.addaudithook(lambda *_: None)
        def handler(signum, frame):
            raise TimeoutError("late")
        import signal
        signal.signal(signal.SIGALRM, handler)
        def slow():
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            try:
                while True: f()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            slow()
        except TimeoutError as error:
            print(error)
        sys.stdout.write("no newline")
    """,
}


def _source(text):
    import textwrap

    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize("grain", GRAINS)
@pytest.mark.parametrize("case", SEEN)
def test_a_script_sees_what_it_sees_by_itself(twice, case, grain):
    twice.write("s.py", _source(SEEN[case]))
    twice.same("s.py", "one", "two words", "--three=ü", grain=grain)
    assert twice.store.run()["status"]


# -- where scripts lie and how they are called ---------------------------------------------------------------

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
        "../work/s.py",
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
    assert steps(twice.store).count("f") == 3


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


# -- the interpreter and its surroundings --------------------------------------------------------------------


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
    script = twice.write("s.py", "for i in range(100000):\n    print(i)\n")
    answers = []
    for words in ([script], [LAUNCHER, f"--store={twice.store.folder}", "--", script]):
        command = [sys.executable, *map(str, words)]
        env = environment(twice.store.folder)
        child = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        child.stdout.readline()
        child.stdout.close()
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
        == b"trilha: s.py: this run is not recorded; a module hashlib beside it hides Python's own, which is needed\n"
    )


def test_a_store_that_cannot_be_made_leaves_the_script_alone(twice):
    twice.store.folder.write_text("a file in its place")
    twice.write(
        "s.py", "import sys\ndef f():\n    return sys.argv\nprint(f(), __file__)\nraise ValueError('x')\n"
    )
    code, output, errors = twice.plain("s.py", "a")
    recorded = twice.recorded("s.py", "a")
    assert recorded[:2] == (code, output)
    first, _, rest = recorded[2].partition(b"\n")
    assert first.startswith(b"trilha: ") and b"not recorded" in first
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


# -- what is recorded ----------------------------------------------------------------------------------------


def ends(store):
    """Of each step its label, what it returned and the exception that ended it."""
    labels, found = {}, []
    for record in store.records(Kind.ACTIVITY):
        if record.value(P + "label"):
            labels[record.id] = record.value(P + "label")
        elif record.id in labels and not record.id.endswith("#run"):
            found.append((labels[record.id], record.value(T + "returned"), record.value(T + "exception")))
    return found


def test_calls_are_steps_with_arguments_and_results(twice):
    twice.write(
        "s.py",
        "def f(a, b=2, /, *c, d, e=5, **g):\n    try:\n        return a + d\n    finally:\n        h(1)\n"
        "def h(x):\n    if x:\n        return\n    raise KeyError(x)\n"
        "def i():\n    try:\n        h(0)\n    except KeyError:\n        return 'handled'\n"
        "def j():\n    try:\n        return 1\n    finally:\n        return 2\n"
        "def k(e):\n    try:\n        raise e\n    except ValueError:\n        pass\n    return 'k'\n"
        "f(1, d=4, z=9)\ni()\nj()\ntry:\n    raise ValueError\nexcept ValueError as error:\n    k(error)\n"
        "try:\n    h(0)\nexcept KeyError:\n    pass\n",
    )
    twice.same("s.py")
    assert ends(twice.store) == [
        ("h", None, None),
        ("f", 5, None),
        ("h", None, "KeyError"),
        ("i", "handled", None),
        ("j", 2, None),
        ("k", "k", None),
        ("h", None, "KeyError"),
    ]
    (begin,) = [r for r in twice.store.records(Kind.ACTIVITY) if r.value(P + "label") == "f"]
    assert [begin.value(T + f"arg.{name}") for name in "abde"] == [1, 2, 4, 5]


def test_an_object_that_one_function_returns_and_another_takes_is_one_entity(twice):
    twice.write(
        "s.py",
        "def make():\n    return {i: i for i in range(300)}\ndef take(table):\n    return sum(table)\n"
        "def main():\n    print(take(make()))\nmain()\n",
    )
    twice.same("s.py")
    (generation,) = [r for r in twice.store.records(Kind.GENERATION) if not r[3].endswith("#run")]
    usages = [r for r in twice.store.records(Kind.USAGE) if r[3] == generation[2]]
    assert len(usages) == 1


def test_calls_beyond_those_recorded_are_counted(twice):
    twice.write(
        "s.py",
        "def few(): pass\ndef some(i): return i\ndef many(i):\n    return i\n"
        "few()\nfor i in range(100): some(i)\nprint(sum(many(i) for i in range(10_000)), many.__code__.co_names)\n",
    )
    twice.same("s.py")
    about = [r for r in twice.store.records(Kind.ACTIVITY) if r.value(T + "unrecorded_calls")]
    texts = [value for r in about for key, value in r.attributes if key == T + "unrecorded_calls"]
    assert sorted(texts) == ["many: more than 4032 of more than 4096", "some: 36 of 100"]
    assert steps(twice.store).count("some") == 64


def test_a_function_that_is_sent_by_value_runs_where_nobody_knows_trilha(twice):
    twice.write(
        "s.py",
        "import marshal, subprocess, sys\ndef f(x):\n    if x:\n        return x + 1\n    raise ValueError('there')\n"
        "code = marshal.dumps(f.__code__)\n"
        "there = 'import marshal, types, sys\\nf = types.FunctionType(marshal.loads(sys.stdin.buffer.read()), {})\\n'\n"
        "there += 'print(f(1), f(2))\\ntry: f(0)\\nexcept ValueError as e: print(e)\\n'\n"
        "print(subprocess.run([sys.executable, '-S', '-c', there], input=code, capture_output=True))\n",
    )
    code, output, _ = twice.same("s.py")
    assert b"2 3" in output


def test_functions_for_compilers_of_bytecode_are_left_alone(twice):
    twice.write(
        "s.py",
        "def njit(function): return function\nclass torch:\n    compile = staticmethod(lambda function: function)\n"
        "@njit\ndef fast(x):\n    return inner(x)\ndef inner(x):\n    return x\ndef step(x):\n    return loss(x)\n"
        "def loss(x):\n    return x\ndef other(x):\n    return x\nstep = torch.compile(step)\n"
        "print([one.__code__.co_names for one in (fast, inner, step, loss)])\nfast(1); step(2); other(3)\n",
    )
    twice.same("s.py")
    assert steps(twice.store) == ["other"]


def test_a_debugger_sees_the_script_alone(twice):
    twice.write(
        "s.py",
        "import threading\ndef f(x):\n    y = x\n    return y\ndef g():\n    breakpoint()\n    f(1)\n    f(2)\nf(0)\ng()\nf(3)\nf(4)\n",
    )
    twice.same("s.py", stdin=b"n\ns\ns\ns\nbt\nn\nn\nn\nn\nn\nn\nc\n")
    about = [
        v for r in twice.store.records(Kind.ACTIVITY) for k, v in r.attributes if k == T + "unrecorded_calls"
    ]
    assert about == ["all functions: from when a tracer or profiler was set"]
