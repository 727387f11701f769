"""Tasks of Parsl, for a trace down to the variable: the call of an app that each is of, and what they gave.

A task may be launched long after its app was called, by whichever thread gives the last thing that it waits
for; so the call is noted where the program's future is made, and again where the task is launched.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

from trilha.capture.context import current, process
from trilha.capture.handed import hide_frame
from trilha.capture.integrations.parsl.kernel import error_of
from trilha.capture.integrations.parsl.worker import attempt_name
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from trilha.capture.recorder import Recorder

__all__ = ["follow", "follow_worker"]


def _arrives(recorder: Recorder, promised: Any, task: int | str, executor: Any, future: Any) -> None:
    """A process of an executor has given a result, as the attempt that it knows."""
    try:
        folder = getattr(executor, "worker_logdir", None)
        if folder is not None and process.recorder is recorder and error_of(future) is None:
            attempt = f"{attempt_name(recorder, folder)}{future.parsl_executor_task_id}"
            recorder.join.arrives(promised, task, attempt)
    except Exception:
        recorder.failed()


def follow_worker(recorder: Recorder, library: Any) -> Callable[[], None]:
    """Have a worker of another process tell which attempt its trace goes on in.

    Args:
        recorder: of the worker, whose attempt is the current activity while it executes one.
        library: the module `parsl.executors.execute_task`.

    Returns:
        Ends it.
    """
    patches, unpack = Patches(), getattr(library, "unpack_apply_message", None)
    if unpack is None:
        return lambda: None

    def unpack_and_follow(*message: Any) -> Any:
        found = unpack(*message)
        try:
            function, args, named = found
            attempt = current(recorder).identifier
            if process.recorder is recorder and recorder.join is not None and type(attempt) is str:
                traced = recorder.join.follows(function, (*args, *named.values()))
                return _Executed(recorder.join, attempt, function, traced=traced), args, named
        except Exception:
            recorder.failed()
        return found

    patches.wrap(recorder, library, "unpack_apply_message", unpack_and_follow)
    return lambda: patches.end(recorder)


class _Executed:
    """A function that a worker calls for an attempt, and tells so."""

    def __init__(self, join: Any, attempt: str, function: Callable[..., Any], *, traced: bool) -> None:
        self._join, self._function = join, function
        join.executes(attempt, traced=traced)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the function gives."""
        try:
            return self._function(*args, **named)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            self._join.executed()


def follow(recorder: Recorder, kernels: Any, futures: Any, known: Callable[[Any], Any]) -> Callable[[], None]:
    """Have a trace tell which call of an app each task of a thread is of.

    Args:
        recorder: of the run, which has a trace.
        kernels: the class `DataFlowKernel`.
        futures: the class `AppFuture`.
        known: gives what is known of the task of a future.

    Returns:
        Ends it.
    """
    patches, join = Patches(), recorder.join
    numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
    init, launch = futures.__init__, kernels.launch_task

    def promises(self: Any, task_record: Any) -> None:
        init(self, task_record)
        try:
            numbers[self] = join.handing(getattr(known(self), "identifier", None))
            join.handed(self)
        except Exception:
            recorder.failed()

    def launches(self: Any, task_record: Any) -> Any:
        promised = task_record.get("app_fu")
        task = getattr(known(promised), "identifier", None)
        before = join.launching(0 if promised is None else numbers.get(promised, 0))
        try:
            future = launch(self, task_record)
        finally:
            join.launching(before)
        join.passes(future, promised)
        if task is not None and getattr(future, "parsl_executor_task_id", None) is not None:
            executor = self.executors[task_record["executor"]]
            future.add_done_callback(functools.partial(_arrives, recorder, promised, task, executor))
        return future

    patches.wrap(recorder, futures, "__init__", promises)
    patches.wrap(recorder, kernels, "launch_task", launches)
    return lambda: patches.end(recorder)
