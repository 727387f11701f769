"""Processes of `multiprocessing` that the user starts: what each is to call, and what came of it.

Where it listens: `BaseProcess.start`, where the call becomes a task; `BaseProcess.run`, in the process that
was started, where it is the attempt; and `BaseProcess.join`, where the one that waited learns how it ended.
A process whose class has a `run` of the user's own, and those that libraries start, are parts of the program
as ever.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from trilha.capture.context import process
from trilha.capture.handed import MARK, Handed, hide_frame, run_of
from trilha.capture.patches import Patches
from trilha.capture.whose import asked_by_user, is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()
_started: Final[WeakKeyDictionary[Any, Handed]] = WeakKeyDictionary()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to processes for `recorder`."""
    owner = library.BaseProcess
    start, run, join = owner.start, owner.run, owner.join

    def start_and_record(self: Any) -> None:
        if process.recorder is recorder:
            try:
                _hand_over(recorder, self)
            except Exception:
                recorder.failed()
        try:
            start(self)
        except BaseException as error:
            hide_frame(error)
            handed = _started.pop(self, None)
            if handed is not None:
                handed.raised(error)
            raise

    def run_and_record(self: Any) -> None:
        mark = self.__dict__.pop(MARK, None)
        if mark is not None:
            self._target = run_of(self._target, mark)
        try:
            run(self)
        except BaseException as error:
            hide_frame(error)
            raise

    def join_and_record(self: Any, timeout: float | None = None) -> None:
        try:
            join(self, timeout)
        except BaseException as error:
            hide_frame(error)
            raise
        handed = _started.get(self)
        if handed is not None:
            exit_status = getattr(self._popen, "returncode", None)
            if exit_status is not None:
                del _started[self]
                handed.stopped(exit_status)

    _patches.wrap(recorder, owner, "start", start_and_record)
    _patches.wrap(recorder, owner, "run", run_and_record)
    _patches.wrap(recorder, owner, "join", join_and_record)


def end(recorder: Recorder) -> None:
    """Stop listening; processes are as they were."""
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:  # noqa: ARG001 -- as every integration
    """A forked child listens as its parent did; the processes that its parent started are not its own."""
    _started.clear()


def _hand_over(recorder: Recorder, started: Any) -> None:
    target = getattr(started, "_target", None)
    if target is None or not (is_users(target) or asked_by_user(sys._getframe(2))):
        return
    handed = Handed(recorder, "Process", target, started._args, started._kwargs)
    if recorder.join is not None:
        recorder.join.handing(handed.identifier)
    setattr(started, MARK, handed.mark())
    _started[started] = handed
