"""Errors that come up in our code and are not ours.

The interpreter runs a signal handler of the program in the middle of whatever the main thread does, and what
the handler raises (a time-out, say) comes out of there: out of our code, if that is what ran. We swallow our
own errors, but that one belongs to the program. Whatever swallows asks here first.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
from sys import exception
from types import CodeType, TracebackType
from typing import Any

__all__ = ["Harmless", "of_a_signal_handler", "pass_on"]


def pass_on() -> None:
    """Raise the error that is being handled once more, if a signal handler of the program raised it."""
    error = exception()
    if error is not None and of_a_signal_handler(error.__traceback__):
        raise error


class Harmless:
    """While entered, an error is swallowed, unless a signal handler of the program raised it.

    Args:
        kinds: of errors; without any, every `Exception`.
    """

    __slots__ = ("_kinds",)

    def __init__(self, *kinds: type[BaseException]) -> None:
        self._kinds = kinds or (Exception,)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return kind is not None and issubclass(kind, self._kinds) and not of_a_signal_handler(trace)


def of_a_signal_handler(trace: TracebackType | None) -> bool:
    """Whether `trace` goes through a signal handler of the program."""
    if trace is None or trace.tb_next is None:
        return False  # raised by the very code that swallows it
    places: set[tuple[str, str, int]] = set()
    while trace is not None:
        places.add(_place(trace.tb_frame.f_code))
        trace = trace.tb_next
    # Not by `signal`, which makes enumerations of what these give, in Python.
    for number in _signal.valid_signals():
        handler = _signal.getsignal(number)
        code = _code(handler) if callable(handler) else None
        if code is not None and _place(code) in places:
            return True
    return False


def _place(code: CodeType) -> tuple[str, str, int]:
    """Where code stands: a function that is left alone meanwhile gets other code for the same text."""
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _code(handler: Any) -> CodeType | None:
    """The code that a handler runs first, if it is written in Python."""
    try:
        while (inner := getattr(handler, "func", None)) is not None:  # functools.partial
            handler = inner
        handler = getattr(handler, "__func__", handler)
        code = getattr(handler, "__code__", None) or type(handler).__call__.__code__
    except Exception:
        return None
    return code if isinstance(code, CodeType) else None
