"""Workers of a traced run trace what its tasks call: those too that are no forks of it, but start anew.

The environment says how the run is traced (`joining.TRACE`), beside its invitation. A worker that joins
traces the modules that it imports, by the rules of the run, and the script where `multiprocessing` runs it
once more. Functions that were sent by value, or were there before, get traced code from the text of their
file when a task calls them, if that is here and is what they were made of.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.context import Quiet, process
from trilha.capture.interrupts import pass_on
from trilha.capture.joining import TRACE
from trilha.capture.script import arming, calls, sending, tracked
from trilha.capture.script.chosen import Choice, Chosen, definitions
from trilha.capture.script.own import Own
from trilha.capture.script.rewriting import silence
from trilha.capture.script.traced import traced
from trilha.capture.whose import is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "follow", "told"]

_MOST_LOOKS: Final = 256
_tracing: Final[list[_Tracing]] = []
"""What this process traces as a worker, if it does."""


def told(path: str, place: str, words: Iterable[str], *, values: bool, loops: str) -> str:
    """What workers are to know: the script, the folder of its modules, what of them is traced, and how."""
    import json

    return json.dumps([path, place, list(words), values, loops])


def begin(recorder: Recorder) -> None:
    """Trace what this process does as a worker, as its environment says."""
    import json

    text = os.environ[TRACE]

    path, place, words, values, loops = json.loads(text)
    calls.install({})
    choice = Choice(words, words, values=values, loops=loops)
    trail = tracked.begin(recorder, place, choice, path)
    _tracing[:] = [_Tracing(trail, choice, Own(place))]
    _trace_script(os.path.normpath(path))


def follow(function: Any, arguments: Iterable[Any] = ()) -> bool:
    """Have what a task calls be traced in this process; tells whether it is, as far as it is to be.

    Args:
        function: that is called.
        arguments: that it is called with; functions among them may be called by it.
    """
    found = [one for one in _functions(function, arguments) if is_users(one)]
    untraced = [one for one in found if not arming.has_hooks(one.__code__)]
    if not untraced:
        return True
    if not _tracing:
        return all(_returned(one) for one in untraced)
    tracing = _tracing[0]
    # What lies elsewhere counts as a library.
    mine = [one for one in untraced if tracing.own.holds(one.__code__.co_filename)]
    done = [_arm(tracing, one) for one in mine]
    return all(done)


class _Tracing(NamedTuple):
    """How a worker traces."""

    trail: Any
    choice: Choice
    own: Own


def _trace_script(path: str) -> None:
    """Have the script be traced where `multiprocessing` runs it for its definitions (`runpy.run_path`)."""
    import runpy

    own: Any = runpy._get_code_from_file  # type: ignore[attr-defined]

    def code_of_file(*words: Any) -> Any:
        if words[-1] != path:
            return own(*words)
        runpy._get_code_from_file = own  # type: ignore[attr-defined]
        try:
            code = _script_code(path)
        except Exception:
            pass_on()
            code = None
            if process.recorder is not None:
                process.recorder.failed()
        made = own(*words)
        if code is None:
            return made
        # Until Python 3.11 with the name of the file.
        return (code, *made[1:]) if isinstance(made, tuple) else code

    runpy._get_code_from_file = code_of_file  # type: ignore[attr-defined]


def _script_code(path: str) -> CodeType | None:
    """The traced code of the script: as that of a module of its name would be."""
    name = os.path.splitext(os.path.basename(path))[0]
    for finder in sys.meta_path:
        spec = finder.find_spec(name, [os.path.dirname(path)])
        if spec is not None:
            loader: Any = spec.loader
            code: CodeType | None = loader.get_code(name) if spec.origin == path else None
            return code
    return None


# -- functions that were sent by value


class _File:
    """A file of functions that get traced code.

    Args:
        tracing: what this process traces.
        path: of the file.

    Raises:
        OSError, SyntaxError, ValueError, RecursionError: its text cannot be read, or not rewritten.
    """

    def __init__(self, tracing: _Tracing, path: str) -> None:
        with Quiet(), open(path, "rb") as file:
            source = file.read()
        trail = tracing.trail
        tree = ast.parse(source, path)
        name = os.path.splitext(os.path.basename(path))[0]
        chosen = tracing.choice.of(["__main__", name], path, tree)
        if chosen is None or chosen.whole:
            outermost = tuple(one for _, one, outer in definitions(tree) if _is_outermost(one, outer))
            chosen = (chosen or Chosen())._replace(functions=outermost, whole=False, partly=True)
        with silence():
            self.plain = arming.codes(compile(source, path, "exec", dont_inherit=True))
            names = {one: name for name, one, _ in definitions(tree)}
            nodes = {(names[one], arming.first_line(one)): one for one in chosen.functions}
            made, count, heads = traced(tree, trail.base, trail.first, chosen)
            self.traced = arming.codes(compile(made, path, "exec", dont_inherit=True))
        sites = dict(zip(chosen.functions, chosen.sites(count), strict=True))
        self.heads = {
            key: trail.first + heads.index(tracked.made_at(trail.base, sites[one]))
            for key, one in nodes.items()
        }
        trail.module(path, source, count, heads, chosen.sites(count))


_files: Final[dict[str, _File | None]] = {}
_told: Final[set[tuple[str, str]]] = set()


def _is_outermost(node: ast.AST, outer: ast.AST | None) -> bool:
    """Whether it is a function of a module, or a method of one of its classes."""
    return not isinstance(node, ast.ClassDef) and (outer is None or isinstance(outer, ast.ClassDef))


def _arm(tracing: _Tracing, function: FunctionType) -> bool:
    """Give a function traced code, and those of its file that it reaches by name; tells whether it has it."""
    path = function.__code__.co_filename
    if path not in _files:
        try:
            _files[path] = _File(tracing, path)
        except Exception:
            pass_on()
            _files[path] = None
    file = _files[path]
    done = file is not None and _give(tracing.trail, file, function)
    if file is None or not done:
        line, name = function.__code__.co_firstlineno, function.__name__
        why = "its source is not there, has changed, or stands inside a function"
        tracing.trail.gap(path, line, f"what {name} does in another process is not traced: {why}")
        return False
    _tell_values(tracing.trail, path, function)
    for one in _reached(function, path):
        if _give(tracing.trail, file, one):
            _tell_values(tracing.trail, path, one)
    return True


def _returned(function: FunctionType) -> bool:
    """Give a function that this process sent by value its traced code again; tells whether it has it.

    What it hands over it may execute itself, in another thread, after it was pickled.
    """
    code = sending.returned(function.__code__)
    if code is None or process.recorder is None:
        return False
    function.__code__ = code
    trail, path = tracked.log(process.recorder, ""), code.co_filename
    _tell_values(trail, path, function)
    for one in _reached(function, path):
        code = sending.returned(one.__code__)
        if code is not None:
            one.__code__ = code
            _tell_values(trail, path, one)
    return True


def _tell_values(trail: Any, path: str, function: FunctionType) -> None:
    """Say which names of its module a function that came by value brought with it, with their values."""
    if vars(sys.modules.get(function.__module__, sys)) is function.__globals__:
        return
    kinds = (type, FunctionType, ModuleType, BuiltinFunctionType)
    code, known = function.__code__, function.__globals__
    names = [one for one in code.co_names if one in known and not isinstance(known[one], kinds)]
    for name in sorted(set(names)):
        why = f"{name} came along with {function.__name__}; where it comes from is not known"
        if (path, why) not in _told:
            _told.add((path, why))
            trail.gap(path, code.co_firstlineno, why)


def _give(trail: Any, file: _File, function: FunctionType) -> bool:
    """Give a function traced code, if it is of the file's text."""
    code = function.__code__
    key = code.co_qualname, code.co_firstlineno
    made = file.traced.get(key)
    if made is None or key not in file.heads or not arming.is_code_of(function, file.plain.get(key)):
        return False
    if made.co_freevars != code.co_freevars:
        return False
    trail.made(file.heads[key], function)
    function.__code__ = made
    return True


def _reached(function: FunctionType, path: str) -> Iterator[FunctionType]:
    """The functions of the same file without traced code that a function reaches by their names."""
    waiting, seen = [function], {id(function)}
    while waiting and len(seen) < _MOST_LOOKS:
        one = waiting.pop()
        for name in one.__code__.co_names:
            known = one.__globals__.get(name)
            for found in [known, *(vars(known).values() if isinstance(known, type) else ())]:
                inner = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
                if (
                    type(inner) is FunctionType
                    and id(inner) not in seen
                    and inner.__code__.co_filename == path
                ):
                    seen.add(id(inner))
                    waiting.append(inner)
                    if not arming.has_hooks(inner.__code__):
                        yield inner


def _functions(function: Any, arguments: Iterable[Any]) -> list[FunctionType]:
    """The functions that a task may call: its own, and those that it is given."""
    waiting, found = [function, *arguments], []
    for one in waiting:
        if type(one) is functools.partial:
            waiting += [one.func, *one.args]
        elif type(one) is MethodType:
            waiting.append(one.__func__)
        elif type(one) is tuple and one and callable(one[0]):
            waiting.append(one[0])  # As `multiprocessing` sends several calls.
        elif type(one) is FunctionType:
            inner = getattr(one, "__wrapped__", None)
            waiting += [inner] if inner is not None else []
            found.append(one)
        if len(waiting) > _MOST_LOOKS:
            break
    return found
