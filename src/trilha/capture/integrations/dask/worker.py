"""What a task does in a worker of Dask's distributed scheduler.

A worker calls `_run_task_simple` (in a thread) or `_run_task_async` (a coroutine) for each task; these are
wrapped while a worker of the run is in this process. What the task does lies in the attempt, whose name is
made of the number that the scheduler gave this try. Tested on distributed 2026.8.0.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from trilha.capture.context import Quiet, process
from trilha.capture.execution import Execution
from trilha.capture.integrations.dask import followed
from trilha.capture.integrations.dask.told import Told, attempt_name, leave
from trilha.capture.interrupts import pass_on
from trilha.capture.values import text_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_workers: WeakKeyDictionary[Any, tuple[Recorder, str]] = WeakKeyDictionary()
"""The recorder of each worker in this process, and the identifier of its scheduler."""
_joined: list[str] = []
"""Runs that this process joined because a scheduler said so."""
_undo: list[Callable[[], None]] = []


def begin(words: tuple[str, ...], scheduler: str, worker: Any) -> None:
    """Record what the tasks of `worker` do.

    Args:
        words: which run, as a `Told`.
        scheduler: identifier of the worker's scheduler.
        worker: in this process.
    """
    try:
        told = Told(*words)
        before = process.recorder
        recorder = told.join()
        if recorder is None:
            return
        if before is None and told.run not in _joined:
            _joined.append(told.run)
        _workers[worker] = recorder, scheduler
        _listen(recorder)
    except Exception:
        pass_on()
        if process.recorder is not None:
            process.recorder.failed()


def end(words: tuple[str, ...], worker: Any) -> None:
    """Stop recording what the tasks of `worker` do."""
    known = _workers.pop(worker, None)
    run = Told(*words).run
    if known is None or any(one.uuid == run for one, _ in _workers.values()):
        return
    if run in _joined:
        _joined.remove(run)
        if process.recorder is known[0]:
            leave()
    _rest()


def _rest() -> None:
    while _undo:
        _undo.pop()()


def _listen(recorder: Recorder) -> None:
    module: Any = sys.modules["distributed.worker"]
    missing = [name for name in ("_run_task_simple", "_run_task_async") if not hasattr(module, name)]
    if missing:
        recorder.complain(f"distributed has changed: {', '.join(missing)} cannot be recorded")
        return
    for name, wrapper in (("_run_task_simple", _running), ("_run_task_async", _awaiting)):
        original = getattr(module, name)
        if getattr(original, "trilha_wraps", False):
            continue
        wrapped: Any = functools.wraps(original)(wrapper(original))
        wrapped.trilha_wraps = True
        setattr(module, name, wrapped)
        _undo.append(functools.partial(_put_back, module, name, wrapped, original))
    if _rest not in recorder.endings:
        recorder.endings.append(_rest)


def _put_back(module: Any, name: str, wrapped: Any, original: Any) -> None:
    if getattr(module, name) is wrapped:
        setattr(module, name, original)


def _running(original: Any) -> Any:
    def run_and_record(task: Any, *rest: Any, **named: Any) -> Any:
        execution = _begin(task)
        try:
            message = original(task, *rest, **named)
        except BaseException:
            _end(execution, None)
            raise
        _end(execution, message)
        return message

    return run_and_record


def _awaiting(original: Any) -> Any:
    async def run_and_record(task: Any, *rest: Any, **named: Any) -> Any:
        execution = _begin(task)
        try:
            message = await original(task, *rest, **named)
        except BaseException:
            _end(execution, None)
            raise
        _end(execution, message)
        return message

    return run_and_record


def _begin(task: Any) -> Execution | None:
    try:
        worker = sys.modules["distributed.worker"].get_worker()
        recorder, scheduler = _workers[worker]
        if process.recorder is not recorder:
            return None
        number = worker.state.tasks[task.key].run_id
        if recorder.join is not None:
            followed.computes(recorder, scheduler, task)
        return Execution(recorder, attempt_name(recorder, scheduler, number))
    except Exception:
        pass_on()
        return None  # not called by a worker that we know


def _end(execution: Execution | None, message: Any) -> None:
    if execution is None:
        return
    if process.recorder is not None and process.recorder.join is not None:
        process.recorder.join.executed()
    error = message.get("actual_exception") if isinstance(message, dict) else None
    with Quiet():
        execution.end(*(() if error is None else ("trilha:exception", text_of(error)[:2000])))
