"""Calls of scikit-learn while they go on: which are the program's own, and what is a part of another.

A forest fits a hundred trees, and a search fits each candidate five times: such calls are the library's, not
the program's. What a call of the program does inside the library is therefore left out, but for the steps of
a composite (a pipeline, a union of columns), which are what its author wrote.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context
from trilha.capture.context import Activity, process
from trilha.capture.learning.fit import guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["LIBRARY", "Going", "carry_out", "inside", "recorded_function", "within_library"]


class Going:
    """A call that goes on.

    Attributes:
        activity: that stands for it; None for what is not recorded.
        estimator: that was called; None for a function.
        composite: whether the calls of estimators inside it are steps that are recorded.
        order: how many steps there have been.
        steps: the estimators of the steps, each with its activity and with what it gave.
        source: the data that it was called with.
    """

    activity: Activity | None = None
    composite = False

    def __init__(self, recorder: Recorder, estimator: Any = None) -> None:
        self.recorder = recorder
        self.estimator = estimator
        self.order = 0
        self.steps: list[tuple[Any, Activity, Any]] = []
        self.source: Any = None

    def end(self, result: Any) -> None:
        """The call gave `result`."""

    def fail(self, error: BaseException) -> None:
        """The call raised `error`."""


class _Library:
    """Stands for a call of the library's own, whose inside is of no interest."""

    composite = False
    estimator = None


LIBRARY: Final[Any] = _Library()
inside: Final[ContextVar[Any]] = ContextVar("trilha_sklearn_inside", default=None)
"""The call that goes on in this thread: a `Going`, or `LIBRARY`; None outside of any."""


def within_library(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function, nothing of which is recorded as the program's own."""
    before = inside.set(LIBRARY)
    try:
        return function(*args, **kwargs)
    finally:
        inside.reset(before)


def carry_out(
    going: Going | None, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a function while `going` stands for the call, and tell that what became of it."""
    if going is None:
        return within_library(function, args, kwargs)
    before = inside.set(going)
    outside = context.enter(going.activity)
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        inside.reset(before)
        context.leave(outside)
        guarded(going.recorder, going.fail, error)
        raise
    inside.reset(before)
    context.leave(outside)
    guarded(going.recorder, going.end, result)
    return result


def recorded_function(function: Any, begin: Callable[..., Going | None]) -> Any:
    """A function in the place of `function`, which is recorded by what `begin` makes of its arguments."""

    @functools.wraps(function)
    def call_and_record(*args: Any, **kwargs: Any) -> Any:
        recorder = process.recorder
        if recorder is None or inside.get() is not None:
            return function(*args, **kwargs)
        return carry_out(guarded(recorder, begin, recorder, function, args, kwargs), function, args, kwargs)

    return call_and_record
