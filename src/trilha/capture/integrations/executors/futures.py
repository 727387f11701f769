"""Futures of `concurrent.futures` whose task was handed over, and never executed.

What comes of a task that is executed is told where that happens. Of one that is cancelled, or whose executor
broke, only its future knows: `Future.cancel` and `Future.set_exception` are wrapped while a run is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trilha.capture.handed import handed_of, is_loss
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["watch"]


def watch(patches: Patches, recorder: Recorder, futures: Any) -> None:
    """Listen to futures for `recorder`.

    Args:
        patches: of the integration that hands tasks over.
        recorder: of the run.
        futures: the class of them.
    """
    cancel, set_exception = futures.cancel, futures.set_exception

    def cancel_and_record(self: Any) -> Any:
        done = cancel(self)
        if done:
            handed = handed_of(self)
            if handed is not None and not handed.over:
                handed.cancelled()
        return done

    def set_exception_and_record(self: Any, exception: Any) -> Any:
        # Before those who wait for the result learn of it.
        handed = handed_of(self)
        if handed is not None and not handed.over and exception is not None:
            handed.raised(exception, "lost" if is_loss(exception) else "failed")
        return set_exception(self, exception)

    patches.wrap(recorder, futures, "cancel", cancel_and_record)
    patches.wrap(recorder, futures, "set_exception", set_exception_and_record)
