"""An attempt as the process that executes it sees it, when another process handed it over.

Both know the attempt by one name, which travels with the task. The one that handed it over states what it
is of, when it began and how it ended; the one that executes it states where, and what it took.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trilha.capture import context, machine
from trilha.capture.background import TASKS_S
from trilha.capture.context import Executing
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.shaped import Hole, shape_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Execution"]


class Execution:
    """A call that is going on in this process, in this thread: what it does lies in the attempt.

    Args:
        recorder: of this process.
        name: IRI of the attempt.
    """

    __slots__ = ("_activity", "_began", "_recorder", "_reset", "_spent")

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._activity = Executing(name, "attempt", None)
        self._began, self._spent = time.time_ns(), time.thread_time_ns()
        self._reset = context.enter(self._activity)

    def end(self, *facts: Any) -> None:
        """State what was measured, and `facts`, attribute keys and values in turn. Never raises."""
        spent, at = time.thread_time_ns() - self._spent, time.time_ns()
        recorder = self._recorder
        self._activity.ended = True
        context.leave(self._reset)
        if context.process.recorder is not recorder:
            return
        try:
            recorder.files.settle(self._activity, at)
            keys = facts[::2]
            shape = shape_of(recorder, (Execution, os.getpid(), keys), lambda: _executed(recorder, keys))
            began = datetime.fromtimestamp(self._began / 1e9, UTC)
            measured = (at - self._began) / 1e9, spent / 1e9, machine.peak_memory()
            shape.state(self._activity.identifier, began, *measured, *facts[1::2])
        except Exception:
            recorder.failed()


def _executed(recorder: Recorder, keys: tuple[str, ...]) -> Template:
    """Holes: attempt, when it began, seconds, of CPU time, bytes of memory, then a value for each key."""
    recorder.flusher.slow_down(TASKS_S)
    about: list[Any] = ["trilha:host", machine.host(), "prov:location", literal_name(recorder.machine)]
    about += ["trilha:pid", os.getpid()]
    measured = ("trilha:began", "trilha:took", "trilha:cpu_seconds", "trilha:peak_memory")
    for number, key in enumerate((*measured, *keys), 1):
        about += [key, Hole(number)]
    return ((int(Kind.ACTIVITY), Hole(0), None, None, tuple(about)),)
