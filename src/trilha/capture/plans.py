"""Plans: what steps are to do, said before they do it (PROV-DM section 5.7.1.4, prov:Plan).

The plan of a step is the source of its function, or of its ``with`` block. It is named by a hash of its
label and source, so that the same step met in two runs follows one plan, and two functions that read the
same but are called differently follow two. It is stated once in a process.
"""

from __future__ import annotations

import inspect
import linecache
import textwrap
from collections.abc import Callable
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.reading import source_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["associate_block", "plan_of", "state_plan"]

_PLAN: Final = literal_name("prov:Plan")
_SHARED: Final = frozenset(["<string>", "<stdin>"])
"""File names that unrelated pieces of code have, so that what is kept under them may be another one's source:
Python 3.13 keeps that of ``python -c`` there."""


def state_plan(
    recorder: Recorder,
    label: str,
    source: str,
    path: str = "",
    line: int = 0,
    inputs: tuple[str, ...] = (),
) -> str:
    """State a plan; gives its IRI.

    A plan of a step that stands in the script is a member of the script, which is the run's plan: what could
    be done, said before it is. Its ports are the names of its parameters, which are the roles of usages.

    Args:
        recorder: of the run.
        label: the full name of what follows the plan.
        source: text of the plan.
        path: of the file that it stands in, where that is known.
        line: in the file, from 1.
        inputs: names of the parameters.
    """
    import hashlib

    text = f"{label}\n{source}".encode("utf-8", "backslashreplace")
    plan = f"sha256:{hashlib.sha256(text).hexdigest()}"
    place = ("trilha:path", path, "trilha:line", line) if path else ()
    ports = [fact for name in inputs for fact in ("trilha:input", name)]
    recorder.entity(plan, "prov:type", _PLAN, "prov:label", label, "trilha:source", source, *place, *ports)
    whole = recorder.plans.get(("script", path)) if path else None
    if whole is not None:
        recorder.member(whole, plan)
    return plan


def plan_of(recorder: Recorder, function: Callable[..., Any]) -> str | None:
    """IRI of the plan that calls of `function` follow, stated once; None where there is no source."""
    code = code_of(function)
    if code is None:
        return None
    key = (code, getattr(function, "__qualname__", code.co_qualname))
    plan = recorder.plans.get(key)
    if plan is None:
        with Quiet():
            source, line = "", 0
            try:
                if code.co_filename not in _SHARED:
                    lines, line = inspect.getsourcelines(code)
                    source = "".join(lines)
            except Exception:
                pass_on()
                source, line = "", 0
        label = f"{getattr(function, '__module__', None) or '?'}.{key[1]}"
        inputs = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        plan = state_plan(recorder, label, source, code.co_filename, line, inputs) if source else ""
        recorder.plans[key] = plan
    return plan or None


def code_of(function: Any) -> CodeType | None:
    """The code that a call of `function` runs in the end, under decorators and partial applications."""
    for _ in range(100):
        code = getattr(function, "__code__", None)
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
        inner = inner or getattr(function, "func", None)
        if inner is None:
            if type(code) is CodeType:
                return code
            inner = type(function).__dict__.get("__call__")
            if type(getattr(inner, "__code__", None)) is not CodeType:
                return None
        function = inner
    return None


def associate_block(recorder: Recorder, activity: int | str, label: str, code: CodeType, line: int) -> None:
    """State the plan of a step that is a ``with`` block, and that the person who runs it follows it.

    Reading the source takes time, so the first time it is left to the background.

    Args:
        recorder: of the run.
        activity: the step.
        label: of the step.
        code: that the block stands in.
        line: of the block's ``with``, from 1.
    """
    key = (code, line, label)
    plan = recorder.plans.get(key)
    if plan is not None:
        recorder.associated(activity, plan or None)
        return

    def piece(_halted: Callable[[], bool]) -> bool:
        known = recorder.plans.get(key)
        if known is None:
            source, first = _block(code.co_filename, line)
            name = f'with "{label}"'
            known = state_plan(recorder, name, source, code.co_filename, first) if source else ""
            recorder.plans[key] = known
        recorder.associated(activity, known or None)
        return True

    recorder.worker.add(piece)


def _block(path: str, line: int) -> tuple[str, int]:
    """Source and first line of the innermost ``with`` whose head has the line `line`; empty if none."""
    import ast

    if path in _SHARED:
        return "", 0
    lines = linecache.getlines(path) if path in linecache.cache else source_of(path)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass_on()
        return "", 0
    found: ast.With | ast.AsyncWith | None = None
    for node in ast.walk(tree):
        if isinstance(node, (ast.With, ast.AsyncWith)) and node.lineno <= line <= node.body[0].lineno:
            found = node if found is None or node.lineno >= found.lineno else found
    if found is None:
        return "", 0
    return textwrap.dedent("".join(lines[found.lineno - 1 : found.end_lineno])), found.lineno
