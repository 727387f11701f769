"""`trilha.trace`: functions that are traced down to the variable whenever something is recorded.

A decorated function stays the very object that it was. While a run is recorded it has other code, made from
the text of its file, with the same names, lines and closure; before and afterwards it has its own, and costs
nothing. What is not decorated does not tell that it runs, so the replay takes every call of it to have
changed whatever it could reach.
"""

from __future__ import annotations

import ast
import os
import weakref
from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from trilha.capture.context import Quiet, process
from trilha.capture.interrupts import pass_on
from trilha.errors import UsageError

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "trace"]

_Target = TypeVar("_Target")
_known: Final[list[weakref.ref[FunctionType]]] = []
_told: Final[set[tuple[str, str]]] = set()


def trace(target: _Target) -> _Target:
    """Trace a function, or all methods of a class, down to the variable: a decorator.

    It is traced in every run that is recorded, by `trilha run`, `trilha.run` or `trilha.autolog`, begun
    before or after. Where nothing is recorded, and where all is traced anyway, nothing changes. Ask with
    ``trilha slice``.

    Args:
        target: a function, a class, or what another decorator made of a function and has as `__wrapped__`.

    Returns:
        The target itself.

    Raises:
        UsageError: it is neither a function nor a class.
    """
    found = list(_functions(target))
    if not found and not isinstance(target, type):
        raise UsageError(
            f"trilha.trace takes a function or a class, not {type(target).__name__}; use it as @trilha.trace"
        )
    _known[:] = [one for one in _known if one() is not None] + [weakref.ref(one) for one in found]
    if process.recorder is not None:
        _arm(process.recorder, found)
    return target


def begin(recorder: Recorder) -> None:
    """A run is recorded from now on: trace what was decorated before."""
    _arm(recorder, [one for ref in _known if (one := ref()) is not None])


def _functions(target: Any) -> Iterator[FunctionType]:
    if isinstance(target, type):
        for one in vars(target).values():
            if not isinstance(one, type):
                yield from _functions(one)
        return
    if isinstance(target, property):
        for one in (target.fget, target.fset, target.fdel):
            yield from _functions(one)
        return
    seen = 0
    while not isinstance(target, FunctionType) and hasattr(target, "__wrapped__") and seen < 100:
        target, seen = target.__wrapped__, seen + 1
    if isinstance(target, (staticmethod, classmethod)):
        target = target.__func__
    while isinstance(target, FunctionType) and hasattr(target, "__wrapped__") and seen < 100:
        target, seen = target.__wrapped__, seen + 1
    if isinstance(target, FunctionType):
        yield target


def _arm(recorder: Recorder, functions: list[FunctionType]) -> None:
    """Give functions code that is traced, until the run ends."""
    from trilha.capture.script.arming import has_hooks

    by_file: dict[str, list[FunctionType]] = {}
    for one in functions:
        if not has_hooks(one.__code__):
            by_file.setdefault(one.__code__.co_filename, []).append(one)
    for path, found in by_file.items():
        try:
            with Quiet():
                _arm_file(recorder, path, found)
        except Exception:
            recorder.failed()


def _arm_file(recorder: Recorder, path: str, functions: list[FunctionType]) -> None:
    from trilha.capture.script import arming, tracked
    from trilha.capture.script.chosen import Chosen
    from trilha.capture.script.rewriting import silence
    from trilha.capture.script.traced import traced

    try:
        with open(path, "rb") as file:
            source = file.read()
        tree = ast.parse(source, path)
    except (OSError, SyntaxError, ValueError, RecursionError):
        pass_on()
        _say(functions, "its source cannot be read")
        return
    nodes = {}
    with silence():
        plain = arming.codes(compile(source, path, "exec", dont_inherit=True))
    for one in functions:
        node = _definition(tree, one)
        if node is None or not arming.is_code_of(one, plain.get(arming.name_of(one.__code__))):
            _say([one], "its source cannot be found, or has changed")
        else:
            nodes[one] = node
    if not nodes:
        return
    trail = tracked.log(recorder, path)
    with silence():
        made, count, heads = traced(tree, trail.base, trail.first, Chosen(tuple(nodes.values())))
        codes = arming.codes(compile(made, path, "exec", dont_inherit=True))
    chosen = Chosen(tuple(nodes.values())).sites(count)
    first, base = trail.first, trail.base
    trail.module(path, source, count, heads, chosen, marked=False)
    for (one, _), at in zip(nodes.items(), chosen, strict=True):
        code = codes.get(arming.name_of(one.__code__))
        if code is None or code.co_freevars != one.__code__.co_freevars:
            _say([one], "its source cannot be rewritten")
            continue
        trail.made(first + heads.index(tracked.made_at(base, at)), one)
        recorder.endings.append(_Back(one))
        one.__code__ = code


class _Back:
    """Gives a function the code that it has now, when called."""

    def __init__(self, function: FunctionType) -> None:
        self._function, self._code = weakref.ref(function), function.__code__

    def __call__(self) -> None:
        function = self._function()
        if function is not None:
            function.__code__ = self._code


def _definition(tree: ast.Module, function: FunctionType) -> ast.AST | None:
    from trilha.capture.script import arming
    from trilha.capture.script.chosen import definitions

    for name, node, _ in definitions(tree):
        if not isinstance(node, ast.ClassDef) and (name, arming.first_line(node)) == arming.name_of(
            function.__code__
        ):
            return node
    return None


def _say(functions: list[FunctionType], why: str) -> None:
    from trilha.capture.recorder import say

    for one in functions:
        where = f"{os.path.basename(one.__code__.co_filename)}:{one.__code__.co_firstlineno}"
        if (one.__qualname__, where) not in _told:
            _told.add((one.__qualname__, where))
            say(f"trilha.trace: {one.__qualname__} ({where}) is not traced: {why}; it runs as it is")
