"""Futures that get what a task of their own thread gave, for a trace down to the variable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from trilha.capture.context import process
from trilha.capture.handed import hide_frame
from trilha.capture.patches import Patches

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["end", "follow"]

_patches = Patches()


def follow(recorder: Recorder, library: Any) -> None:
    """Have tasks that run in threads tell when they begin, and futures when they get their results.

    Args:
        recorder: of the run.
        library: the module `concurrent.futures.thread`.
    """
    item, future = library._WorkItem, library._base.Future
    run, give = item.run, future.set_result
    here = threading.local()

    def begins(self: Any, *args: Any) -> None:
        active = process.recorder
        if active is not None and active.join is not None:
            # What is to be called, until Python 3.13 and since then.
            called = getattr(self, "fn", None)
            active.join.begins(called if called is not None else next(iter(getattr(self, "task", ())), None))
        here.inside = True
        try:
            run(self, *args)
        finally:
            here.inside = False

    def gets(self: Any, result: Any) -> None:
        active = process.recorder
        if active is not None and active.join is not None and getattr(here, "inside", False):
            active.join.gives(self)
        try:
            give(self, result)
        except BaseException as error:
            hide_frame(error)
            raise

    _patches.wrap(recorder, item, "run", begins)
    _patches.wrap(recorder, future, "set_result", gets)


def end(recorder: Recorder) -> None:
    """Put back what was changed."""
    _patches.end(recorder)
