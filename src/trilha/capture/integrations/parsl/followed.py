"""Tasks of Parsl that run in threads, for a trace down to the variable: which call of an app each is of.

A task may be launched long after its app was called, by whichever thread gives the last thing that it waits
for; so the call is noted where the program's future is made, and again where the task is launched.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable

    from trilha.capture.recorder import Recorder

__all__ = ["follow"]


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
        before = join.launching(0 if promised is None else numbers.get(promised, 0))
        try:
            future = launch(self, task_record)
        finally:
            join.launching(before)
        join.passes(future, promised)
        return future

    patches.wrap(recorder, futures, "__init__", promises)
    patches.wrap(recorder, kernels, "launch_task", launches)
    return lambda: patches.end(recorder)
