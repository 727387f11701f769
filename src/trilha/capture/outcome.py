"""How the program ended, as far as this process can know.

The launcher notes the exception that came out of the script. Elsewhere (an API run that is still open when the
interpreter ends) only an uncaught exception is known, since the interpreter keeps it.
"""

from __future__ import annotations

import sys

__all__ = ["note", "outcome"]

_noted: tuple[str, int | None, str] | None = None


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
            status = int(code or 0) & 0xFF
            return ("failed" if status else "finished"), status, ""
        return "failed", 1, _text("SystemExit", code)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130, "KeyboardInterrupt"
    return "failed", 1, _text(type(error).__qualname__, error)


def _text(name: str, error: object) -> str:
    try:
        message = str(error)
    except Exception:
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
