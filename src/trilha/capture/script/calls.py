"""Calls of a script's own functions become steps, without the script knowing.

The functions that a script defines at its top level are what its author divided the work into. Each is rewritten so that it
tells when it begins, what it returns and when it is left; nothing else about it changes: no frame is added to a traceback, no
name to its variables, no line moves. Generators and coroutines are left as they are.

Only the first `MOST_CALLS` calls of a function are recorded. How many there were beyond is stated with the run.
"""

from __future__ import annotations

import ast
import builtins
import sys
import threading
from types import CodeType, FrameType
from typing import Any, Final

from trilha.capture.context import process
from trilha.capture.steps import Call, state_plan

__all__ = ["MOST_CALLS", "compile_script", "unrecorded"]

MOST_CALLS: Final = 64
_BEGIN, _KEEP, _LEAVE = "__trilha_begin__", "__trilha_keep__", "__trilha_leave__"


class _Function:
    """A function of the script: its name, its source, and how often it was called."""

    __slots__ = ("calls", "label", "plan", "source")

    def __init__(self, label: str, source: str) -> None:
        self.label = label
        self.source = source
        self.calls = 0
        self.plan: str | None = None


class _Open:
    """A call that is going on."""

    __slots__ = ("call", "frame", "kept")

    def __init__(self, frame: FrameType, call: Call) -> None:
        self.frame = frame
        self.call = call
        self.kept: Any = None


_functions: Final[list[_Function]] = []
_local: Final = threading.local()


def compile_script(source: bytes, path: str) -> CodeType:
    """The script's code, its own functions made to tell of their calls.

    Args:
        source: of the script, as it lies in its file.
        path: what its code objects and tracebacks call it.

    Raises:
        SyntaxError, ValueError: as `compile` raises them for the script as it is.
    """
    plain = compile(source, path, "exec", dont_inherit=True)
    try:
        tree = ast.parse(source, path)
        text = _decoded(source)
        changed = False
        for node in _top_level(tree):
            if _can_tell(node):
                _functions.append(_Function(node.name, ast.get_source_segment(text, node) or ""))
                _rewrite(node, len(_functions) - 1)
                changed = True
        if not changed:
            return plain
        for name, function in ((_BEGIN, _begin), (_KEEP, _keep), (_LEAVE, _leave)):
            setattr(builtins, name, function)
        import warnings

        with warnings.catch_warnings():
            # What there is to warn about, the first compilation said.
            warnings.simplefilter("ignore")
            return compile(tree, path, "exec", dont_inherit=True)
    except (RecursionError, MemoryError, ValueError, SyntaxError):
        return plain


def _decoded(source: bytes) -> str:
    from importlib.util import decode_source

    return decode_source(source)


def _top_level(tree: ast.Module) -> list[ast.FunctionDef]:
    """Functions defined at the top level, also under an `if` or `try` there."""
    found: list[ast.FunctionDef] = []
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef):
            found.append(node)
        elif isinstance(node, (ast.If, ast.Try)):
            waiting = [*node.body, *node.orelse, *waiting]
    return found


def _can_tell(node: ast.FunctionDef) -> bool:
    inner = list(_own_nodes(node.body))
    return not any(isinstance(part, (ast.Yield, ast.YieldFrom, ast.Await)) for part in inner)


def _own_nodes(body: list[Any]) -> Any:
    """All nodes of a body, those of functions and classes inside left out."""
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def _call(name: str, at: ast.AST, *arguments: ast.expr) -> ast.Call:
    call = ast.Call(func=ast.Name(id=name, ctx=ast.Load()), args=list(arguments), keywords=[])
    for node in (call, call.func):
        ast.copy_location(node, at)
    return call


def _rewrite(node: ast.FunctionDef, index: int) -> None:
    documented = isinstance(node.body[0], ast.Expr) and isinstance(getattr(node.body[0].value, "value", None), str)
    head, body = (node.body[:1], node.body[1:]) if documented else ([], node.body)
    if not body:
        body = [ast.copy_location(ast.Pass(), node.body[0])]
    for part in _own_nodes(body):
        if isinstance(part, ast.Return) and part.value is not None:
            part.value = _call(_KEEP, part.value, part.value)
    first, last = body[0], body[-1]
    number = ast.copy_location(ast.Constant(index), first)
    begin = ast.copy_location(ast.Expr(_call(_BEGIN, first, number)), first)
    leave = ast.copy_location(ast.Expr(_call(_LEAVE, last)), last)
    guarded = ast.copy_location(ast.Try(body=body, handlers=[], orelse=[], finalbody=[leave]), first)
    node.body = [*head, begin, guarded]


def _stack() -> list[_Open]:
    try:
        stack: list[_Open] = _local.stack
    except AttributeError:
        stack = _local.stack = []
    return stack


def _begin(index: int) -> None:
    """A function of the script begins: its arguments are all the variables that it has by now."""
    function = _functions[index]
    function.calls += 1
    recorder = process.recorder
    if recorder is None or function.calls > MOST_CALLS:
        return
    try:
        if function.plan is None:
            function.plan = state_plan(recorder, f"__main__.{function.label}", function.source)
        frame = sys._getframe(1)
        arguments = dict(frame.f_locals)
        _stack().append(_Open(frame, Call(recorder, function.label, function.plan, arguments)))
    except Exception:
        recorder.failed()


def _keep(result: Any) -> Any:
    """A function of the script is about to return `result`."""
    stack = getattr(_local, "stack", None)
    if stack and stack[-1].frame is sys._getframe(1):
        stack[-1].kept = result
    return result


def _leave() -> None:
    """A function of the script is left, by a return, by its end or by an exception."""
    stack = getattr(_local, "stack", None)
    if not stack or stack[-1].frame is not sys._getframe(1):
        return
    done = stack.pop()
    recorder = process.recorder
    if recorder is None:
        return
    try:
        error = sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
        if error is not None and _is_leaving(error, done.frame):
            done.call.fail(error)
        else:
            done.call.end(done.kept)
    except Exception:
        recorder.failed()
    finally:
        done.frame = None  # type: ignore[assignment]


def _is_leaving(error: BaseException, frame: FrameType) -> bool:
    """Whether `error` came out of `frame`'s own code, rather than being handled further out while it ran."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame is frame:
            return True
        trace = trace.tb_next
    return False


def unrecorded() -> list[str]:
    """For each function with calls that were not recorded: its name and how many of how many."""
    return [
        f"{function.label}: {function.calls - MOST_CALLS} of {function.calls}"
        for function in _functions
        if function.calls > MOST_CALLS
    ]
