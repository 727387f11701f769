"""How the program ended, as far as this process can know.

The launcher notes the exception that came out of the script. Elsewhere (an API run that is still open when
the interpreter ends) only an uncaught exception is known, since the interpreter keeps it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType
from typing import Final

__all__ = ["hide_frames", "mends", "note", "of", "outcome"]

_noted: tuple[str, int | None, str] | None = None


mends: Final[list[Callable[[BaseException], None]]] = []
"""Called with what ends the program, before our frames are taken out of its traceback."""


def hide_frames(error: BaseException, hooks: tuple[str, ...], package: str) -> None:
    """Take our frames out of the tracebacks of `error` and of what led to it.

    Args:
        error: whose tracebacks are changed.
        hooks: what the names of the files begin with whose frames the program did not ask for.
        package: what the names of files begin with whose frames are taken out where a hook called them.
    """
    for mend in mends:
        mend(error)
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = _without(one.__traceback__, hooks, package)
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


def _without(trace: TracebackType | None, hooks: tuple[str, ...], package: str) -> TracebackType | None:
    kept: list[TracebackType] = []
    length, rest, in_hook = 0, trace, False
    while rest is not None:
        length += 1
        name = rest.tb_frame.f_code.co_filename
        in_hook = name.startswith(hooks) or (in_hook and name.startswith(package))
        if not in_hook:
            kept.append(rest)
        rest = rest.tb_next
    if len(kept) == length:
        return trace
    result: TracebackType | None = None
    for one in reversed(kept):
        result = TracebackType(result, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return result


def note(error: BaseException | None) -> None:
    """Keep how the script ended: None for an ordinary end."""
    global _noted
    _noted = of(error)


def of(error: BaseException | None) -> tuple[str, int | None, str]:
    """Status, exit status and exception text that belong to `error`."""
    if error is None:
        return "finished", 0, ""
    if isinstance(error, SystemExit):
        code = error.code
        if code is None or isinstance(code, int):
            status = int(code or 0) & 0xFF if abs(code or 0) < 1 << 63 else 0xFF
            return ("failed" if status else "finished"), status, ""
        return "failed", 1, _text("SystemExit", code)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130, "KeyboardInterrupt"
    return "failed", 1, _text(type(error).__qualname__, error)


def _text(name: str, error: object) -> str:
    try:
        message = str(error)
    except BaseException:
        message = "(its text cannot be had)"
    return f"{name}: {message}" if message else name


def outcome() -> tuple[str, int | None, str]:
    """Status, exit status (None if unknown) and exception text of this process, which is ending."""
    if _noted is not None:
        return _noted
    last = getattr(sys, "last_value", None)
    if isinstance(last, BaseException) and not hasattr(sys, "ps1"):
        return of(last)
    return "finished", None, ""
