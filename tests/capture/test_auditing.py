"""Hearing of audit events: alike in Python and in C, which passes over what does not matter."""

import subprocess
import sys
import textwrap

import pytest
from tests.compiled import compiled

PROGRAM = """
import os, sys, threading
from trilha.capture import auditing
from trilha.capture.context import process

way, folder = sys.argv[1:]
assert (auditing.in_c is not None) == (way == "c")
heard, lines = [], []

class Files:
    modules = ()
    opened = lambda self, path, flags: heard.append(("opened", path))
    moved = lambda self, path, target: heard.append(("moved", path, target))

class Recorder:
    files, siblings, own = Files(), None, ("run",)
    failed = lambda self: heard.append("failed")

Files._recorder = process.recorder = Recorder()
path = folder + "/file"

def trace(frame, event, argument):
    lines.append(frame.f_code.co_filename)
    return trace

open(path, "w").close()
auditing.watch()
auditing.watch()
auditing.hear({"sys.settrace": lambda files, *rest: heard.append(("settrace", *rest))})
auditing.hear({"sys.settrace": lambda files, *rest: heard.append(("settrace", *rest))})
auditing.hear({"os.rename": lambda *_: 1 / 0})
sys.settrace(trace)
open(path).close()
sys.settrace(None)
id(path), hash(path), sys._getframe()
thread = threading.Thread(target=lambda: open(path).close())
thread.start()
thread.join()
os.rename(path, path + "2")
os.remove(path + "2")
process.recorder = None
open(path, "w").close()
assert not [one for one in lines if "auditing" in one], lines
print(heard)
"""


@pytest.fixture(scope="module")
def in_c(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    compiled("trilha_audit", folder)
    return folder


@pytest.mark.parametrize("way", ["python", "c"])
def test_what_matters_is_heard_of_once_and_untraced(way, in_c, tmp_path):
    hidden = "import sys; sys.modules['trilha_audit'] = None\n" if way == "python" else ""
    code = f"import sys; sys.path.insert(0, {str(in_c)!r})\n{hidden}{PROGRAM}"
    words = [sys.executable, "-c", code, way, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180)
    assert done.stderr == ""
    path = str(tmp_path / "file")
    heard = [
        ("settrace",),
        ("opened", path),
        ("settrace",),
        ("opened", path),
        "failed",
        ("moved", f"{path}2", None),
    ]
    assert done.stdout.strip() == str(heard)


MODULES = """
import os, sys
from trilha.capture import auditing
from trilha.capture.context import process

folder = sys.argv[1] + "/"
heard, asked = [], []

class Files:
    modules = (folder + "lib/", folder + "more/")
    opened = lambda self, path, flags: heard.append(path.removeprefix(folder))

class Recorder:
    files, siblings, own = Files(), None, ("run",)
    failed = lambda self: heard.append("failed")

Files._recorder = process.recorder = Recorder()
real = auditing._is_code
auditing._is_code = lambda *given: asked.append(given[1]) or real(*given)
opened = ["lib/a.py", "more/a.so", "lib/__pycache__/a.pyc", "lib/a.csv", "a.py", "lib/../a.py"]
opened.append("lib/\\udce9.py")
auditing.watch(Files.modules)
for path in opened:
    sys.audit("open", folder + path, "r", os.O_RDONLY | os.O_CLOEXEC)
sys.audit("open", folder + "lib/b.py", "w", os.O_WRONLY | os.O_CREAT)
sys.audit("open", folder + "lib/c.py", "r+", os.O_RDWR)
sys.audit("open", (folder + "lib/d.py").encode(), "r", os.O_RDONLY)
sys.audit("open", folder + "lib/e.py", "r", 1 << 70)
sys.audit("open", folder + "lib/f.py", "r", None)
sys.audit("open", folder + "lib/g.py", "r", os.O_RDONLY)
Files.modules = (folder + "other/",)
auditing.watch(Files.modules)
for path in ("lib/h.py", "other/h.py"):
    sys.audit("open", folder + path, "r", os.O_RDONLY)
process.recorder = None
known = ("a.so", "a.pyc", "g.py", "other/h.py")
print([path for path in asked if type(path) is str and path.endswith(known)])
print(ascii(heard))
"""


@pytest.mark.parametrize("way", ["python", "c"])
def test_modules_that_are_read_are_not_heard_of(way, in_c, tmp_path):
    hidden = "import sys; sys.modules['trilha_audit'] = None\n" if way == "python" else ""
    code = f"import sys; sys.path.insert(0, {str(in_c)!r})\n{hidden}{MODULES}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=180
    )
    assert done.stderr == ""
    asked, heard = done.stdout.splitlines()
    known = ["more/a.so", "lib/__pycache__/a.pyc", "lib/g.py", "other/h.py"]
    assert asked == str([] if way == "c" else [f"{tmp_path}/{path}" for path in known])
    others = ["lib/a.csv", "a.py", "a.py", "lib/b.py", "lib/c.py", "lib/d.py", "lib/h.py"]
    assert heard == ascii(others)


def test_a_compiled_one_of_before_is_told_of_all(tmp_path):
    old = "hear = lambda hook, names: __import__('sys').addaudithook(hook)\n"
    (tmp_path / "trilha_audit.py").write_text(old)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{MODULES}"
    words = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=180)
    assert "lib/a.csv" in done.stdout.splitlines()[1]


def test_a_subinterpreter_that_is_gone_is_told_of_nothing(in_c):
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(in_c)!r})
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        heard = []
        import trilha_audit
        trilha_audit.hear(lambda *event: heard.append(event), ("os.listdir",))
        inner = "import sys, os; sys.path.insert(0, {str(in_c)!r}); import trilha_audit;" \\
            "tell = lambda *event: print('inner', *event, flush=True);" \\
            "trilha_audit.hear(tell, ('os.listdir',)); os.listdir('/')"
        for _ in range(3):
            one = interpreters.create()
            assert interpreters.run_string(one, inner) is None
            interpreters.destroy(one)
        import os
        os.listdir("/")
        print(heard)
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180)
    assert done.stderr == ""
    assert done.stdout == "inner os.listdir ('/',)\n" * 3 + "[('os.listdir', ('/',))]\n"


def test_wrong_arguments_are_refused(in_c):
    code = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(in_c)!r})
        import trilha_audit
        texts = (["open"], ("open",) * 33, (1,))
        for wrong in ((), (print,), (1, ("open",)), (print, ("open",), ()), *((print, one) for one in texts)):
            try:
                trilha_audit.hear(*wrong)
            except TypeError:
                continue
            raise SystemExit(f"accepted: {{wrong}}")
    """)
    subprocess.run([sys.executable, "-c", code], check=True, timeout=180)
