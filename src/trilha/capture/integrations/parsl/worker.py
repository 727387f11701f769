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
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context, machine
from trilha.capture.background import TASKS_S
from trilha.capture.compiled_tasks import way
from trilha.capture.context import Brief, process
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.shaped import Hole, Shape, shape_of, with_holes
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["attempt_name", "begin", "end"]

_undo: list[tuple[Recorder, Callable[[], None]]] = []
_FLOOR: Final = 960
"""Numbers of files from here up, below the usual limit of 1024, are rarely met."""
_RSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
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
    measured = _Measured(recorder)

    def execute_and_record(bufs: Any) -> Any:
        executing = None
        if process.recorder is recorder:
            try:
                caller = sys._getframe(1).f_locals
                executing = measured.begins(caller["logdir"], caller["tid"])
            except Exception:
                pass_on()
                executing = None  # not called by a worker
        if executing is None:
            return execute(bufs)
        try:
            return execute(bufs)
        finally:
            measured.ends(executing)

    facts = measured.prefixes, _Executing, measured.shapes, _bytes.open, measured.tell
    execute_task = way("attempting", execute, execute_and_record, recorder, *facts) or execute_and_record
    library.execute_task = functools.wraps(execute)(execute_task)

    def undo() -> None:
        if library.execute_task is execute_task:
            library.execute_task = execute

    _undo.append((recorder, undo))
    if recorder.join is not None:
        from trilha.capture.integrations.parsl.followed import follow_worker

        _undo.append((recorder, follow_worker(recorder, library)))


def end(recorder: Recorder) -> None:
    """Stop listening."""
    for known in [one for one in _undo if one[0] is recorder]:
        _undo.remove(known)
        known[1]()


class _Executing(Brief):
    """An attempt that this process executes.

    Args:
        name: IRI of it.
    """

    __slots__ = ("began", "ended", "io", "reset", "spent")

    executes = True

    @property
    def is_over(self) -> bool:
        """As an `Activity` has it."""
        # `trilha_tasks` makes it without.
        return getattr(self, "ended", False)

    def __init__(self, name: str) -> None:
        self.identifier = name
        self.label = "attempt"
        self.enclosing = None
        self._blocks = self._used = None
        self.ended = False
        self.began, self.spent, self.io = time.time_ns(), _usage()[0], _bytes()
        self.reset = context.enter(self)


class _Measured:
    """What is measured of the attempts that this process executes. `trilha_tasks` does the same in C.

    Args:
        recorder: of this process.

    Attributes:
        prefixes: what the names of attempts begin with, by the executor's folder of logs.
        shapes: of what was measured where bytes are told, by process.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.prefixes: dict[str, str] = {}
        self.shapes: dict[int, Shape] = {}

    def begins(self, folder: str, number: int) -> _Executing:
        """An attempt begins, of the task that the executor with this folder of logs gave this number."""
        prefix = self.prefixes.get(folder)
        if prefix is None:
            prefix = self.prefixes[folder] = attempt_name(self._recorder, folder)
        return _Executing(f"{prefix}{number}")

    def ends(self, executing: _Executing) -> None:
        """It is over. Never raises."""
        at, (spent, peak), io = time.time_ns(), _usage(), _bytes()
        context.leave(executing.reset)
        if process.recorder is self._recorder:
            moved = [after - before for before, after in zip(executing.io, io, strict=False)] or (-1, -1)
            self.tell(executing, at, executing.began, spent - executing.spent, peak, *moved)

    def tell(self, executing: _Executing, at: int, began: int, spent: int, peak: int, *moved: int) -> None:
        """State what it wrote, and what was measured. Never raises.

        Args:
            executing: that is over.
            at: when, in nanoseconds since 1970-01-01 UTC.
            began: likewise.
            spent: CPU time of the process and its children, in microseconds.
            peak: bytes of memory.
            moved: bytes read and written, whatever from; -1 each where that is not known.
        """
        try:
            executing.ended = True
            self._recorder.files.settle(executing, at)
            self._state(executing.identifier, began, at - began, spent, peak, *moved)
        except Exception:
            self._recorder.failed()

    def _state(self, name: int | str, began: int, took: int, spent: int, peak: int, *moved: int) -> None:
        recorder = self._recorder
        told = tuple(one for one in moved if one >= 0)
        shape = shape_of(
            recorder, (_Measured, os.getpid(), len(told)), lambda: _measured(recorder, len(told))
        )
        if told:
            self.shapes[os.getpid()] = shape
        when = _EPOCH + timedelta(microseconds=began // 1000)
        shape.state(name, when, took / 1e9, spent / 1e6, peak, *told)


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


def _usage() -> tuple[int, int]:
    """Microseconds of CPU time of this process and its children so far, and its peak memory in bytes."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return round(1e6 * spent), max(own.ru_maxrss, children.ru_maxrss) * _RSS_UNIT


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
        self.open()
        return self._read()

    def open(self) -> int:
        """Open what tells them, for this process; gives the number of the descriptor, -1 for none."""
        self._process, self._number = os.getpid(), -1
        try:
            with context.Quiet():
                number = os.open("/proc/self/io", os.O_RDONLY | os.O_CLOEXEC)
            self._number = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FLOOR)
            os.close(number)
        except OSError:
            pass_on()
        return self._number

    def _read(self) -> tuple[int, ...]:
        try:
            told = os.pread(self._number, 256, 0).split()
            return (int(told[1]), int(told[3])) if told[0] == b"rchar:" and told[2] == b"wchar:" else ()
        except (OSError, ValueError, IndexError):
            pass_on()
            return ()


_bytes: Final = _Counters()
