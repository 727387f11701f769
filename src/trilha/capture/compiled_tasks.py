"""What parallel engines call for each task by way of `trilha_tasks`, which is in C, where that is installed.

It does what is ordinary, on the same objects, and leaves the rest to the functions in Python that it is
given: what is recorded is the same with it and without (packages/recorder). Integrations of engines import
this. `Shape.state` and the call of a `Handed` are in C for all of them from then on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from trilha.capture import attempts
from trilha.capture.attempts import Attempt, Inside
from trilha.capture.callees import Callee, callee_of
from trilha.capture.context import current_activity, process
from trilha.capture.extensions import extension
from trilha.capture.handed import THREAD, Handed
from trilha.capture.journal.mapped import MappedFile
from trilha.capture.recorder import Recorder
from trilha.capture.shaped import Shape
from trilha.capture.tasks import Alike, Task

__all__ = ["found", "let_go", "tell_alike", "use", "way", "within"]

_CLASSES: Final = (Recorder, Shape, Alike, Callee, Task, Handed, Attempt, Inside)
_PYTHON: Final = (Shape.state, Handed.__call__)
_used: ModuleType | None = None
_ways: Any = None


def found() -> ModuleType | None:
    """The library, if it is installed for this Trilha."""
    library: ModuleType | None = extension("trilha_tasks")
    return library


def use(library: ModuleType | None) -> None:
    """Have what comes be done by `library`; by Python alone without one, or by one for another version."""
    global _used, _ways
    _used = _ways = None
    state, call = _PYTHON
    if library is not None:
        try:
            told = attempts._TOLD, attempts._MEASURED, attempts._GIVEN
            ways = library.Tasks(process, current_activity, _CLASSES, MappedFile, *told)
            threads = threading._active, THREAD, Handed.over_apart  # type: ignore[attr-defined]
            state = ways.way("stating", None, state, None)
            call = ways.way("calling", None, call, None, *threads)
            _used, _ways = library, ways
        except (AttributeError, TypeError):
            state, call = _PYTHON
    setattr(Shape, "state", state)  # noqa: B010 -- a method is not assigned to
    setattr(Handed, "__call__", call)  # noqa: B010


def way(kind: str, original: Callable[..., Any], python: Callable[..., Any], *more: Any) -> Any:
    """What stands in the place of `original`, in C; None where there is nothing in C.

    Args:
        kind: what it does, as `trilha_tasks` calls it.
        original: the engine's function.
        python: does what is not ordinary.
        more: the recorder of the run, and what this kind needs.
    """
    try:
        return _ways.way(kind, original, python, *more) if _ways is not None else None
    except TypeError:
        return None  # It is one for another version of Trilha.


def tell_alike(recorder: Recorder, executor: Any, function: Callable[..., Any], count: int) -> None:
    """Have calls of a function of the user's, with `count` plain arguments, be told in C from now on.

    Args:
        recorder: of the run.
        executor: that they are handed to.
        function: that was handed over.
        count: of its arguments.
    """
    told = callee_of(recorder, function).told
    alike = told.get((type(executor).__name__, count))
    if alike is not None and _ways is not None:
        told[type(executor), count] = alike


def let_go() -> None:
    """Let go of all tasks that are over: some are kept for a while."""
    if _ways is not None:
        _ways.let_go()


def within() -> list[type]:
    """The type of what is handed to threads in the place of an engine's function, in C."""
    return [] if _used is None else [_used.Within]


use(found())
