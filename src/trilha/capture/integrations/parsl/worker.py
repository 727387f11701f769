"""What a task does in a worker process of Parsl's HighThroughputExecutor.

The process that submits a task and the worker that executes it agree on the attempt's name: it is made of the
executor's folder of logs, which both know, and the number that the executor gives the task, which travels
with it. Where it listens: `parsl.executors.execute_task.execute_task`, which each worker calls for each task;
the number and the folder are read from its caller. Without them the task runs as ever and only what the
submitting process knows is recorded. Tested on Parsl 2026.10.26.
"""

from __future__ import annotations

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
from trilha.capture.context import Activity, process
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.shaped import Hole, shape_of, with_holes
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["attempt_name", "begin", "end"]

_undo: list[tuple[Recorder, Callable[[], None]]] = []
_PLACE: Final = {
    "worker": "PARSL_WORKER_RANK",
    "pool": "PARSL_WORKER_POOL_ID",
    "block": "PARSL_WORKER_BLOCK_ID",
}


def attempt_name(recorder: Recorder, folder: str, number: int) -> str:
    """IRI of an attempt, the same in both processes.

    Args:
        recorder: of the run.
        folder: of the executor's logs, as its workers are told it.
        number: that the executor gave the task.
    """
    return f"{recorder.prefix}parsl-{_short(folder)}-{number}"


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
    """A task that this process executes."""

    def __init__(self, recorder: Recorder, folder: str, number: int) -> None:
        self._recorder = recorder
        self._activity = Activity(attempt_name(recorder, folder, number), "attempt", None)
        self._began, self._usage, self._io = time.time_ns(), _usage(), _bytes()
        self._reset = context.enter(self._activity)

    def end(self) -> None:
        """State what was measured."""
        context.leave(self._reset)
        recorder = self._recorder
        try:
            recorder.files.settle(self._activity, time.time_ns())
            began = datetime.fromtimestamp(self._began / 1e9, UTC)
            about: list[Any] = [
                "trilha:host",
                machine.host(),
                "trilha:pid",
                os.getpid(),
                "trilha:began",
                began,
            ]
            about += ["trilha:took", (time.time_ns() - self._began) / 1e9]
            about += ["prov:location", literal_name(recorder.machine)]
            spent, peak = _usage()
            about += ["trilha:cpu_seconds", spent - self._usage[0], "trilha:peak_memory", peak]
            for name, before, after in zip(("bytes_read", "bytes_written"), self._io, _bytes(), strict=False):
                about += [f"trilha:{name}", after - before]
            for name, variable in _PLACE.items():
                if os.environ.get(variable):
                    about += [f"trilha:{name}", os.environ[variable]]
            keys = tuple(about[::2])
            shape = shape_of(recorder, (_Attempt, keys), lambda: _measured(keys))
            shape.state(self._activity.identifier, *about[1::2])
        except Exception:
            recorder.failed()


def _measured(keys: tuple[str, ...]) -> Template:
    """Holes: attempt, then a value for each key."""
    return ((int(Kind.ACTIVITY), Hole(0), None, None, with_holes(keys, 1)),)


def _usage() -> tuple[float, int]:
    """Seconds of CPU time of this process and its children so far, and its peak memory in bytes."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return spent, max(own.ru_maxrss, children.ru_maxrss) * 1024


def _bytes() -> tuple[int, ...]:
    """Bytes that this process has read and written so far, whatever from; empty where that is not told."""
    try:
        with context.Quiet(), open("/proc/self/io", encoding="ascii") as file:
            told = dict(line.split(": ") for line in file.read().splitlines())
        return int(told["rchar"]), int(told["wchar"])
    except (OSError, KeyError, ValueError):
        return ()
