"""Runs a script as Python itself would, recorded.

A script is compiled, and what begins and ends its run is compiled into it; then the process replaces itself by
Python running that code, handed over in memory in the form of a ``.pyc`` file. So the script is at the bottom of
the stack, in the ``__main__`` that Python made for it: there is no frame of ours in a traceback, no frame more to
count, and exit status, signals and output are Python's own.

Modules, folders and archives are run by `runpy`, as by Python. A script that Python cannot compile is stated as a
failed run and then given to Python alone, which says what is wrong with it.

`trilha run` calls `replace_process`. By hand: ``python launch.py --name=NAME --grain=call --store=FOLDER -- SCRIPT …``
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The folder of this file is no place to import from: its modules have ordinary names.
    if not sys.flags.safe_path:
        del sys.path[0]
    try:
        import trilha.capture
    except ImportError:
        sys.path.append(__file__.rpartition("/trilha/")[0])

import atexit
import importlib.util
import marshal
import os
from importlib.machinery import SourceFileLoader, SourcelessFileLoader
from types import CodeType
from typing import Any, Final, NamedTuple, NoReturn

from trilha.capture.context import process

__all__ = ["Launch", "begin", "main", "replace_process"]

_PACKAGE: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_NO_FILE: Final = "<trilha>"
_LATER: Final = (
    "hashlib",
    "importlib.metadata",
    "inspect",
    "json",
    "platform",
    "runpy",
    "shlex",
    "subprocess",
    "traceback",
    "uuid",
)
"""Modules of the standard library that we, or those that we import, import only when they are needed."""
_NEEDED: Final = frozenset(["ast", "ctypes", "fcntl", "hashlib", "reprlib", "resource"])
"""Modules that we import ourselves while the script runs."""


class Launch(NamedTuple):
    """What is to be run, and how it is recorded.

    Attributes:
        target: path of a script, folder or archive; or a module's name.
        arguments: of the script.
        as_module: whether `target` is a module's name, as after ``python -m``.
        name: of the run; the script's name if empty.
        store: folder of the store; the default one if empty.
        grain: ``"call"`` (the script's own functions are steps) or ``"file"``.
    """

    target: str
    arguments: tuple[str, ...] = ()
    as_module: bool = False
    name: str = ""
    store: str = ""
    grain: str = "call"


def main(words: list[str]) -> NoReturn:
    """Run what `words` say: options ``--key=value``, then ``--``, then the script (or ``-m`` and a module) and its
    arguments."""
    split = words.index("--")
    options = dict(word[2:].partition("=")[::2] for word in words[:split])
    target, *arguments = words[split + 1 :]
    as_module = target == "-m"
    if as_module:
        target, *arguments = arguments
    replace_process(Launch(target, tuple(arguments), as_module, **options))


def replace_process(launch: Launch) -> NoReturn:
    """Replace this process by Python running the script, recorded. The interpreter's own options are handed on.

    Raises:
        OSError: Python itself cannot be started.
    """
    flags = _interpreter_flags()
    plain = [sys.executable, *flags, *(["-m"] if launch.as_module else []), launch.target, *launch.arguments]
    hidden = _NEEDED & _beside(_place(launch))
    if hidden:
        name = min(hidden)
        _say(
            f"{launch.target}: this run is not recorded; a module {name} beside it hides Python's own, which is needed"
        )
        _replace(plain)
    try:
        code = _compiled(launch, plain)
    except Exception as error:
        _state_failure(launch, error)
        _replace(plain)
    # For people who look at the list of processes, the script's name is there.
    _replace([sys.executable, *flags, "-X", f"trilha={launch.target}", _hand_over(code), *launch.arguments])


def _replace(words: list[str]) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execv(sys.executable, words)


def _interpreter_flags() -> list[str]:
    """The options that this interpreter itself was given, up to what it was to run (`Py_Main`'s command line)."""
    words = sys.orig_argv[1:]
    found: list[str] = []
    while words and words[0].startswith("-") and words[0] not in ("-", "--"):
        option = words.pop(0)
        if option.startswith("--"):
            found += [option, *words[:1]]
            del words[:1]
            continue
        for place, letter in enumerate(option[1:], 1):
            if letter in "cm":
                return [*found, option[:place]] if place > 1 else found
            if letter in "WX":
                found.append(option)
                if place == len(option) - 1:
                    found += words[:1]
                    del words[:1]
                break
        else:
            found.append(option)
    return found


# -- before: the code that Python will run -------------------------------------------------------------------

_BEGIN: Final = """
import sys
before = frozenset(sys.modules)
if not sys.flags.safe_path:
    del sys.path[0]
try:
    from trilha.capture import launch
except ImportError:
    sys.path.append(root)
    from trilha.capture import launch
    sys.path.remove(root)
launch.begin(note, before)
"""
_LAST: Final = "__trilha__.ended(__trilha__.exception())"


def _compiled(launch: Launch, plain: list[str]) -> CodeType:
    """The code to run.

    Raises:
        OSError, SyntaxError, ValueError: the script cannot be read or compiled.
    """
    from trilha.capture.script.rewriting import Function, program

    def first(functions: dict[str, Function]) -> str:
        note = marshal.dumps((tuple(launch), plain, {key: tuple(one) for key, one in functions.items()}))
        root = os.path.dirname(os.path.dirname(_PACKAGE))
        return f"exec({_BEGIN!r}, {{'__name__': 'trilha', 'root': {root!r}, 'note': {note!r}}})"

    if launch.as_module or _is_container(launch.target):
        name = launch.target if launch.as_module else "__main__"
        source = f"__import__('runpy')._run_module_as_main({name!r}, {launch.as_module!r})"
        return program(source.encode(), _NO_FILE, first=first, last=_LAST, calls=False).code
    with open(launch.target, "rb") as file:
        text = file.read()
    if launch.target.endswith(".pyc"):
        if text[:4] != importlib.util.MAGIC_NUMBER:
            raise ValueError("compiled by another version of Python")
        source = f"exec(__import__('marshal').loads({text[16:]!r}))"
        return program(source.encode(), _NO_FILE, first=first, last=_LAST, calls=False).code
    return program(text, absolute(launch.target), first=first, last=_LAST, calls=launch.grain != "file").code


def _is_container(path: str) -> bool:
    """Whether Python looks for a ``__main__`` in what is at `path`: a folder or an archive (also one that begins with a
    line for the shell)."""
    if os.path.isdir(path):
        return True
    import zipfile

    return os.path.isfile(path) and zipfile.is_zipfile(path)


def absolute(path: str) -> str:
    """The path by which Python knows its script: from the root on, and as it was given for the rest."""
    return path if path.startswith("/") else os.path.join(os.getcwd(), path)


def _hand_over(code: CodeType) -> str:
    """Path of a compiled module with `code`: in memory where the system can, which is gone with the process."""
    content = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    try:
        descriptor = _above_standard(os.memfd_create("trilha", 0))
        path = f"{_DESCRIPTORS}{descriptor}"
        if not os.path.exists(path):
            raise OSError(f"there is no {path}")
    except (AttributeError, OSError):
        import tempfile

        descriptor, path = tempfile.mkstemp(_TEMPORARY)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return path


def _above_standard(descriptor: int) -> int:
    """A descriptor of the same file that is none of the three standard ones, which may be closed."""
    import fcntl

    if descriptor > 2:
        return descriptor
    higher = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 3)
    os.close(descriptor)
    return higher


_DESCRIPTORS: Final = "/proc/self/fd/"
_TEMPORARY: Final = "-trilha.pyc"


def _state_failure(launch: Launch, error: Exception) -> None:
    """Record a run that could not begin, since there is no code to run."""
    if isinstance(error, OSError):
        return
    try:
        from trilha.capture import outcome, session

        if _start(launch):
            session.finish(*outcome.of(error))
    except Exception as failure:
        _say(f"{launch.target}: this run is not recorded ({type(failure).__name__}: {failure})")


def _say(sentence: str) -> None:
    try:
        os.write(2, f"trilha: {sentence}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass


# -- after: in the process that runs the script --------------------------------------------------------------


def begin(note: bytes, before: frozenset[str]) -> None:
    """Begin the run, and make the process what it would be without us. Called ahead of the script's first line.

    Args:
        note: what the process before this one knew: the launch, the plain command and the functions that tell of
            their calls.
        before: names of the modules that were imported before we were.
    """
    words, plain, functions = marshal.loads(note)  # noqa: S302 -- compiled into this very code
    try:
        launch = Launch(*words)
        _forget_launcher(plain)
        if not _start(launch):
            os.execv(sys.executable, plain)
        _install(functions)
        _become(launch, before)
    except Exception as error:
        _say(
            f"{launch.target}: this run is not recorded ({type(error).__name__}: {error}); the script runs all the same"
        )
        os.execv(sys.executable, plain)


def _forget_launcher(plain: list[str]) -> None:
    """Give back what this process was started with: the code in memory, an option, the command."""
    path = sys.argv[0]
    if path.startswith(_DESCRIPTORS):
        os.close(int(path.removeprefix(_DESCRIPTORS)))
    elif path.endswith(_TEMPORARY):
        os.unlink(path)
    sys._xoptions.pop("trilha", None)
    sys.orig_argv[:] = plain
    # A run inside a run is one of its own.
    os.environ.pop("TRILHA_RUN", None)


def _start(launch: Launch) -> bool:
    """Begin the run; False, and the user was told, where nothing can be recorded."""
    import threading  # noqa: F401 -- whichever thread imports it first is the main one to it

    from trilha.capture import session

    script = launch.target if not launch.as_module and os.path.isfile(launch.target) else ""
    store, name = launch.store, _name(launch)
    return (
        session.start(name, store=store, argv=_command(launch), script=script, in_program=False) is not None
    )


def _install(functions: dict[str, tuple[Any, ...]]) -> None:
    from trilha.capture.script import calls
    from trilha.capture.script.rewriting import Function

    calls.install({key: Function(*one) for key, one in functions.items()}, ended=_ended)
    atexit.register(_at_exit)


def _become(launch: Launch, before: frozenset[str]) -> None:
    """Have ``sys`` and ``__main__`` as Python has them for the script."""
    path = absolute(launch.target)
    container = launch.as_module or _is_container(launch.target)
    main_module = sys.modules["__main__"].__dict__
    if container:
        import runpy  # noqa: F401 -- now, from the standard library

        del main_module["__file__"], main_module["__cached__"]
        if launch.grain != "file":
            from trilha.capture.script import modules

            modules.watch(launch.target if launch.as_module else "__main__")
    else:
        main_module["__file__"] = path
        loader = SourcelessFileLoader if path.endswith(".pyc") else SourceFileLoader
        main_module["__loader__"] = loader("__main__", path)
    place = _place(launch)
    sys.argv = ["-m" if launch.as_module else launch.target, *launch.arguments]
    _step_aside(place, before)
    if not sys.flags.safe_path or (container and not launch.as_module):
        sys.path.insert(0, place)


def _step_aside(place: str, before: frozenset[str]) -> None:
    """Let modules that lie beside the script, or in the folder it is run from, go before ours of the same name.

    We have imported more of the standard library than Python does by itself. Where the script would have found a
    module of its own by such a name (``random.py``, ``queue.py``), it still does; our modules keep theirs.
    """
    beside = _beside(place)
    ours = {name.partition(".")[0] for name in sys.modules.keys() - before} - {"trilha", "__main__"}
    if not beside & (ours | sys.stdlib_module_names):
        return
    for name in _LATER:
        importlib.import_module(name)
    tops = beside & {name.partition(".")[0] for name in sys.modules.keys() - before} - {"trilha", "__main__"}
    for name in [name for name in sys.modules if name.partition(".")[0] in tops and name not in before]:
        del sys.modules[name]


def _place(launch: Launch) -> str:
    """Where Python looks for modules first: beside the script, in the folder or archive, or where a module is run."""
    if launch.as_module:
        return os.getcwd()
    path = absolute(launch.target)
    return path if _is_container(path) else os.path.dirname(os.path.realpath(path))


def _beside(place: str) -> frozenset[str]:
    """Names of the modules that may lie in a folder."""
    try:
        return frozenset(entry.partition(".")[0] for entry in os.listdir(place))
    except OSError:
        return frozenset()


def _at_exit() -> None:
    """State how many calls of which functions were not recorded, ahead of the run's end."""
    from trilha.capture import outcome
    from trilha.capture.script import calls

    if calls.unseen:
        outcome.note(calls.unseen.pop())
    recorder = process.recorder
    if recorder is not None and recorder.is_first:
        try:
            words = [word for text in calls.unrecorded() for word in ("trilha:unrecorded_calls", text)]
            if words:
                recorder.activity(recorder.run.identifier, None, None, *words)
        except Exception:
            recorder.failed()


def _ended(error: BaseException | None) -> None:
    """The script ended, by `error` or as it should."""
    from trilha.capture import outcome

    try:
        outcome.note(error)
        if error is not None and not isinstance(error, SystemExit):
            outcome.hide_frames(error, (_PACKAGE, _NO_FILE))
    except Exception:
        if process.recorder is not None:
            process.recorder.failed()


def _name(launch: Launch) -> str:
    if launch.name:
        return launch.name
    return (
        launch.target
        if launch.as_module
        else os.path.splitext(os.path.basename(os.path.abspath(launch.target)))[0]
    )


def _command(launch: Launch) -> list[str]:
    """The plain command as the user knows it."""
    return ["python", *(["-m"] if launch.as_module else []), launch.target, *launch.arguments]


if __name__ == "__main__":
    from trilha.capture import launch as _launch

    _launch.main(sys.argv[1:])
