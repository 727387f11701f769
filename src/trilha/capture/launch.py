"""Replaces this process by Python running a script as Python itself would, recorded.

A script is compiled, and what begins and ends its run is compiled into it; then the process replaces itself
by Python running that code, handed over in memory in the form of a ``.pyc`` file. So the script is at the
bottom of the stack, in the ``__main__`` that Python made for it: there is no frame of ours in a traceback,
no frame more to count, and exit status, signals and output are Python's own.

Modules, folders and archives are run by `runpy`, as by Python. A script that Python cannot compile is
stated as a failed run and then given to Python alone, which says what is wrong with it.

`trilha run` calls `replace_process`. By hand: ``python launch.py --name=NAME --grain=call --store=FOLDER --
SCRIPT …``
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The folder of this file is no place to import from: its modules have ordinary names.
    if not sys.flags.safe_path:
        del sys.path[0]
import gc
import importlib.util
import marshal
import os
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from trilha.capture.nearby import NEEDED, beside
from trilha.capture.target import DESCRIPTORS, TEMPORARY, Launch, absolute, is_container, place_of, say

if TYPE_CHECKING:
    from trilha.capture.script.rewriting import Function

__all__ = ["check_loops", "main", "replace_process"]


def main(words: list[str]) -> NoReturn:
    """Run what a command line says.

    Args:
        words: options ``--key=value``, then ``--``, then the script (or ``-m`` and a module) and its
            arguments.
    """
    split = words.index("--")
    options = dict(word[2:].partition("=")[::2] for word in words[:split])
    target, *arguments = words[split + 1 :]
    as_module = target == "-m"
    if as_module:
        target, *arguments = arguments
    replace_process(Launch(target, tuple(arguments), as_module, **options))


def check_loops(loops: str) -> None:
    """See whether this is a number of rounds, as `Launch.loops` is.

    Raises:
        ValueError: it is none.
    """
    from trilha.capture.script.chosen import rounds_of

    rounds_of(loops)


def replace_process(launch: Launch) -> NoReturn:
    """Replace this process by Python running the script, recorded.

    The interpreter's own options are handed on. What cannot be recorded is run all the same.

    Raises:
        OSError: Python itself cannot be started.
    """
    flags = _interpreter_flags()
    plain = [sys.executable, *flags, *(["-m"] if launch.as_module else []), launch.target, *launch.arguments]
    hidden = beside(place_of(launch), NEEDED)
    if hidden:
        why = f"a module {min(hidden)} beside it hides Python's own, which is needed"
        say(f"{launch.target}: this run is not recorded: {why}")
        _replace(plain)
    # What is rewritten stays until this process is no more: to look for garbage in it takes half of the time.
    gc.disable()
    try:
        code = _compiled(launch, plain)
    except OSError:
        _replace(plain)
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError) as error:
        _state_failure(launch, error)
        _replace(plain)
    except Exception as error:
        say(f"{launch.target}: this run is not recorded ({type(error).__name__}: {error})")
        _replace(plain)
    # For people who look at the list of processes, the script's name is there.
    _replace([sys.executable, *flags, "-X", f"trilha={launch.target}", _hand_over(code), *launch.arguments])


def _replace(words: list[str]) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os.execv(sys.executable, words)


def _interpreter_flags() -> list[str]:
    """The options that this interpreter itself was given, up to what it was to run."""
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
import gc, sys
collects = gc.isenabled()
gc.disable()
before = frozenset(sys.modules)
if not sys.flags.safe_path:
    del sys.path[0]
try:
    from trilha.capture import launched
except ImportError:
    sys.path.append(root)
    from trilha.capture import launched
    sys.path.remove(root)
launched.begin(note, before)
if collects:
    gc.enable()
"""
# The collector rests as in `resting`: before the script's first line there is nothing of the script's.
_LAST: Final = "__trilha__.ended(__trilha__.exception())"


def _compiled(launch: Launch, plain: list[str]) -> CodeType:
    """The code to run.

    Raises:
        OSError, SyntaxError, ValueError: the script cannot be read or compiled.
    """
    from trilha.capture.script.rewriting import NO_FILE, code_program, program, traced_program

    def first(functions: dict[str, Function], *trace: Any) -> str:
        told = {key: tuple(one) for key, one in functions.items()}
        note = marshal.dumps((tuple(launch), plain, told, trace or (0, "", [], None, [])))
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        return f"exec({_BEGIN!r}, {{'__name__': 'trilha', 'root': {root!r}, 'note': {note!r}}})"

    if launch.as_module or is_container(launch.target):
        name = launch.target if launch.as_module else "__main__"
        source = f"__import__('runpy')._run_module_as_main({name!r}, {launch.as_module!r})"
        return program(source.encode(), NO_FILE, first=first, last=_LAST, calls=False).code
    with open(launch.target, "rb") as file:
        text = file.read()
    if launch.target.endswith(".pyc"):
        if text[:4] != importlib.util.MAGIC_NUMBER:
            raise ValueError("compiled by another version of Python")
        return code_program(marshal.loads(text[16:]), first=first, last=_LAST).code  # noqa: S302 -- as Python
    if launch.grain == "variable":
        from trilha.capture.script.chosen import Choice

        choice = Choice(launch.trace.splitlines(), values=bool(launch.values), loops=launch.loops)
        return traced_program(text, absolute(launch.target), choice, first=first, last=_LAST)
    return program(text, absolute(launch.target), first=first, last=_LAST, calls=launch.grain != "file").code


def _hand_over(code: CodeType) -> str:
    """Path of a compiled module with `code`: in memory where the system can, gone with the process."""
    content = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    try:
        descriptor = _above_standard(os.memfd_create("trilha", 0))
        path = f"{DESCRIPTORS}{descriptor}"
        if not os.path.exists(path):
            raise OSError(f"there is no {path}")
    except (AttributeError, OSError):
        import tempfile

        descriptor, path = tempfile.mkstemp(TEMPORARY)
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


def _state_failure(launch: Launch, error: BaseException) -> None:
    """Record a run that could not begin, since there is no code to run."""
    try:
        from trilha.capture import launched, outcome, session

        if launched.start(launch):
            session.finish(*outcome.of(error))
    except Exception as failure:
        say(f"{launch.target}: this run is not recorded ({type(failure).__name__}: {failure})")


if __name__ == "__main__":
    main(sys.argv[1:])
