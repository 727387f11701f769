"""What a task does in a worker process of Parsl's HighThroughputExecutor.

The process that submits a task and the worker that executes it agree on the attempt's name: it is made of the
executor's folder of logs, which both know, and the number that the executor gives the task, which travels
with it. Where it listens: `parsl.executors.execute_task.execute_task`, which each worker calls for each task;
the number and the folder are read from its caller. Without them the task runs as ever and only what the
submitting process knows is recorded. Tested on Parsl 2026.10.26.
"""

from __future__ import annotations

import fcntl
import functools
import os
import resource
import sys
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context, machine
from trilha.capture.background import TASKS_S
from trilha.capture.context import Activity, process
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.shaped import Hole, shape_of, with_holes
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["attempt_name", "begin", "end"]

_undo: list[tuple[Recorder, Callable[[], None]]] = []
_FLOOR: Final = 960
"""Numbers of files from here up, below the usual limit of 1024, are rarely met."""
_MOVED: Final = ("trilha:bytes_read", "trilha:bytes_written")
_PLACE: Final = {
    "worker": "PARSL_WORKER_RANK",
    "pool": "PARSL_WORKER_POOL_ID",
    "block": "PARSL_WORKER_BLOCK_ID",
}


def attempt_name(recorder: Recorder, folder: str) -> str:
    """What the IRI of an attempt begins with, the same in both processes; the number of the task follows.

    Args:
        recorder: of the run.
        folder: of the executor's logs, as its workers are told it.
    """
    return f"{recorder.prefix}parsl-{_short(folder)}-"


@functools.lru_cache(64)
def _short(folder: str) -> str:
    return f"{zlib.crc32(folder.encode('utf-8', 'surrogateescape')):08x}"


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to the worker for `recorder`."""
    execute = getattr(library, "execute_task", None)
    if not callable(execute):
        return

    def execute_task(bufs: Any) -> Any:
        attempt = None
        if process.recorder is recorder:
            try:
                caller = sys._getframe(1).f_locals
                attempt = _Attempt(recorder, caller["logdir"], caller["tid"])
            except Exception:
                attempt = None  # not called by a worker
        if attempt is None:
            return execute(bufs)
        try:
            return execute(bufs)
        finally:
            attempt.end()

    execute_task.__doc__, execute_task.__wrapped__ = execute.__doc__, execute  # type: ignore[attr-defined]
    library.execute_task = execute_task

    def undo() -> None:
        if library.execute_task is execute_task:
            library.execute_task = execute

    _undo.append((recorder, undo))


def end(recorder: Recorder) -> None:
    """Stop listening."""
    for known in [one for one in _undo if one[0] is recorder]:
        _undo.remove(known)
        known[1]()


class _Attempt:
    """A task that this process executes.

    Args:
        recorder: of this process.
        folder: of the executor's logs.
        number: that the executor gave the task.
    """

    __slots__ = ("_activity", "_began", "_io", "_recorder", "_reset", "_spent")

    def __init__(self, recorder: Recorder, folder: str, number: int) -> None:
        self._recorder = recorder
        self._activity = Activity(f"{attempt_name(recorder, folder)}{number}", "attempt", None)
        self._began, self._spent, self._io = time.time_ns(), _usage()[0], _bytes()
        self._reset = context.enter(self._activity)

    def end(self) -> None:
        """State what was measured."""
        at, (spent, peak), io = time.time_ns(), _usage(), _bytes()
        context.leave(self._reset)
        recorder = self._recorder
        try:
            recorder.files.settle(self._activity, at)
            began = datetime.fromtimestamp(self._began / 1e9, UTC)
            moved = [after - before for before, after in zip(self._io, io, strict=False)]
            shape = shape_of(
                recorder, (_Attempt, os.getpid(), len(moved)), lambda: _measured(recorder, len(moved))
            )
            took, cpu = (at - self._began) / 1e9, spent - self._spent
            shape.state(self._activity.identifier, began, took, cpu, peak, *moved)
        except Exception:
            recorder.failed()


def _measured(recorder: Recorder, moved: int) -> Template:
    """Holes: attempt, when it began, seconds, those of CPU time, bytes of memory, then bytes moved."""
    recorder.flusher.slow_down(TASKS_S)
    about: list[Any] = ["trilha:host", machine.host(), "prov:location", literal_name(recorder.machine)]
    about += ["trilha:pid", os.getpid()]
    for name, variable in _PLACE.items():
        if os.environ.get(variable):
            about += [f"trilha:{name}", os.environ[variable]]
    keys = ("trilha:began", "trilha:took", "trilha:cpu_seconds", "trilha:peak_memory", *_MOVED[:moved])
    return ((int(Kind.ACTIVITY), Hole(0), None, None, (*about, *with_holes(keys, 1))),)


def _usage() -> tuple[float, int]:
    """Seconds of CPU time of this process and its children so far, and its peak memory in bytes."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return spent, max(own.ru_maxrss, children.ru_maxrss) * 1024


class _Counters:
    """Gives the bytes that this process has read and written so far, whatever from.

    To open what tells them costs more than to read it, so it stays open, under a high number. A program that
    closes descriptors which it does not know may have another file there by then: what is read says which it
    is, and is read without moving in it.
    """

    def __init__(self) -> None:
        self._process = 0
        self._number = -1

    def __call__(self) -> tuple[int, ...]:
        """Bytes read, and written; empty where that is not told."""
        if self._process == os.getpid() and (told := self._read()):
            return told
        self._process = os.getpid()
        try:
            with context.Quiet():
                self._number = os.open("/proc/self/io", os.O_RDONLY | os.O_CLOEXEC)
            high = fcntl.fcntl(self._number, fcntl.F_DUPFD_CLOEXEC, _FLOOR)
            os.close(self._number)
            self._number = high
        except OSError:
            pass
        return self._read()

    def _read(self) -> tuple[int, ...]:
        try:
            told = os.pread(self._number, 256, 0).split()
            return (int(told[1]), int(told[3])) if told[0] == b"rchar:" and told[2] == b"wchar:" else ()
        except (OSError, ValueError, IndexError):
            return ()


_bytes: Final = _Counters()
