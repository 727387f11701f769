"""Programs that import a large library, without the time that its import takes.

One process imports the library and is forked for each program. There its modules are hidden first: to the
program an import is an import, seen by whatever watches imports, and finds what was imported before.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import select
import signal
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

LAUNCHER = "/trilha/capture/launch.py"


class Preloaded:
    """A process that has imported libraries, and runs programs as Python would.

    Args:
        libraries: the modules that it imports. What a program does first with one of them makes all the
            modules come back that came with it.
        environment: that of the programs; this process's by default.
    """

    def __init__(self, *libraries, environment=None):
        words = [sys.executable, "-c", f"from tests.capture.preloaded import serve; serve({libraries!r})"]
        root = str(Path(__file__).parents[2])
        # Descriptors of its own, for programs have the standard ones.
        (theirs, self._ask), (self._answer, back) = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [*words, str(theirs), str(back)],
            # Only a process of one thread is forked; libraries of numbers have more when they are imported.
            env={"OMP_NUM_THREADS": "1", **(os.environ if environment is None else environment)},
            cwd=root,
            pass_fds=(theirs, back),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs)
        os.close(back)

    def run(self, *words, cwd, more=None, timeout=200):
        """Run ``python words…``; gives the finished process, with its texts.

        The program may be a script, or Trilha's launcher with a script. `more` are variables of its
        environment; those that Python itself reads when it begins are to be given ahead.

        Raises:
            subprocess.TimeoutExpired: it, and all of its process's, had to be killed.
        """
        paths = [Path(cwd, f".{name}") for name in ("output", "errors")]
        request = [str(word) for word in words], str(cwd), list(map(str, paths)), more or {}
        os.write(self._ask, marshal.dumps(request))
        if not select.select([self._answer], [], [], timeout)[0]:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout)
        answer = os.read(self._answer, 100)
        assert answer, "the process that programs are forked from has ended"
        texts = [path.read_text("utf-8") for path in paths]
        for path in paths:
            path.unlink()
        return subprocess.CompletedProcess([sys.executable, *words], int(answer), *texts)

    def close(self):
        """End the process."""
        os.close(self._ask)
        self._process.wait()
        os.close(self._answer)


# -- the process that is forked ------------------------------------------------------------------------------


def serve(libraries):
    """Import the libraries and fork a process for each program that is asked for.

    Returns in none of them but those: the forked process runs its program and ends.
    """
    asked, answers = map(int, sys.argv[1:])
    hidden = _Hidden(libraries)
    assert len(os.listdir("/proc/self/task")) == 1, "threads are not forked"
    gc.freeze()
    while request := os.read(asked, 1 << 16):
        child = os.fork()
        if not child:
            break
        os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    else:
        return
    os.close(asked)
    os.close(answers)
    words, folder, paths, more = marshal.loads(request)
    os.environ.update(more)
    os.chdir(folder)
    for number, path in enumerate(paths, 1):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
        os.close(descriptor)
    hidden.hide()
    gc.unfreeze()
    if words[0].endswith(LAUNCHER):
        words = _launched(words, hidden)
    _execute(words)


class _Hidden:
    """The modules that were imported, and the finder by which they come back."""

    def __init__(self, libraries):
        self._path = sys.path[1:]
        self._before = frozenset(sys.modules) - {__name__, "tests", "tests.capture"}
        self.groups = {}
        for library in libraries:
            importlib.import_module(library)
            self.groups[library] = {
                name: module
                for name, module in sys.modules.items()
                if name not in self._before and not any(name in group for group in self.groups.values())
            }
        self.modules = {name: one for group in self.groups.values() for name, one in group.items()}
        for name in (__name__, "tests", "tests.capture"):
            self.modules.pop(name, None)

    def hide(self):
        """Have no modules but those that Python itself begins with."""
        for name in sys.modules.keys() - self._before:
            del sys.modules[name]
        sys.path[:] = ["", *self._path]
        sys.meta_path[:] = [self, *(one for one in sys.meta_path if one is not self)]
        importlib.invalidate_caches()

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, _Loader(self, name)) if name in self.modules else None

    def come_back(self, library):
        """Have all modules that came up to a library's import, each as its import would have it."""
        watching = sys.meta_path[: sys.meta_path.index(self)]
        for group, modules in self.groups.items():
            for name, module in modules.items():
                if name in sys.modules or name not in self.modules:
                    continue
                if any(one.find_spec(name, None) for one in watching):
                    importlib.import_module(name)
                else:
                    sys.modules[name] = module
            if group == library:
                break


class _Loader:
    """Gives back a module that was hidden; each has one of its own, for those who watch imports change it."""

    def __init__(self, hidden, name):
        self._hidden, self._module, self._name = hidden, hidden.modules[name], name
        self._spec = getattr(self._module, "__spec__", None)

    def create_module(self, spec):
        return self._module

    def exec_module(self, module):
        module.__spec__ = self._spec
        for library, modules in self._hidden.groups.items():
            # The package of a library may give its modules without an import that is seen here.
            if self._name == library or (self._name == library.partition(".")[0] and self._name in modules):
                self._hidden.come_back(library)


class _Replaced(BaseException):
    """A process would have been replaced by another program; its words are the argument."""


def _launched(words, hidden):
    """Run the launcher; gives the words of the program by which it replaces itself."""

    def replaced(_path, words):
        raise _Replaced(words[1:])

    replace, os.execv = os.execv, replaced
    try:
        _execute(words)
    except _Replaced as one:
        hidden.hide()
        return one.args[0]
    finally:
        os.execv = replace
    return None


def _execute(words):
    """Run a program as Python does: ``[-X option] path arguments…``."""
    sys.orig_argv[:] = [sys.executable, *words]
    if words[0] == "-X":
        name, _, value = words[1].partition("=")
        sys._xoptions[name] = value
        words = words[2:]
    sys.argv[:] = words
    path = os.path.abspath(words[0])
    sys.path[0] = os.path.dirname(path)
    content = _content(path)
    compiled = content.startswith(importlib.util.MAGIC_NUMBER)
    code = marshal.loads(content[16:]) if compiled else compile(content, path, "exec", dont_inherit=True)
    main = sys.modules["__main__"].__dict__
    main.clear()
    main |= {"__name__": "__main__", "__doc__": None, "__package__": None, "__loader__": None}
    main |= {"__spec__": None, "__annotations__": {}, "__file__": path, "__cached__": None}
    main["__builtins__"] = sys.modules["builtins"]
    exec(code, main)


def _content(path):
    with open(path, "rb") as file:
        return file.read()
