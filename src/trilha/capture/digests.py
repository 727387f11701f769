"""Hashing files beside the program, and never claiming a hash of something else.

A file is hashed by the background thread, after the fact, a slice at a time, so that a large file holds up
neither the program, nor a fork, nor the other files. Its size, inode and time of change are compared with
those at the time it was met, before and after each slice: if they differ, or the program has opened it for
writing since, the content that the program met is gone, and the hash stays unknown (`trilha:unhashed` says
why).

To close a file gives back all the locks that the process holds on it (fcntl(2), "Advisory record locking"),
whoever opened it. So a file that the program has locked is not opened here before the run ends.
"""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.reading import Opened, content

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Digest", "locked_by_us", "stamp"]

_CHUNK: Final = 1 << 20
_SLICE: Final = 64 << 20
CLOCK_TICK_S: Final = 0.02
"""File systems note times of change in ticks of up to 10 ms; a change within one tick would go unseen."""
_CONTENT: Final = literal_name("trilha:Content")
_CHANGED: Final = "the file was changed before it could be hashed"
_LOCKED: Final = "the program holds a lock on the file"
_LATE: Final = "the program ended before the file could be hashed"


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What tells one content of a file from the next, short of reading it."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Digest:
    """The hash of a file as it was met, which the background works on.

    Args:
        recorder: of the run.
        entity: number of the file's entity.
        path: where the file lies.
        mark: its `stamp` when it was met.

    Attributes:
        path: where the file lies now.
        over: the hash, or why there is none, has been stated.
        stale: the program may have written to the file since.
    """

    __slots__ = ("_entity", "_mark", "_place", "_recorder", "_state", "_turn", "over", "path", "stale")

    def __init__(self, recorder: Recorder, entity: int, path: str, mark: tuple[int, ...]) -> None:
        self._recorder = recorder
        self._entity = entity
        self._mark = mark
        self._state: Any = None
        self._place = 0
        self._turn = _thread.allocate_lock()
        self.path = path
        self.over = False
        self.stale = False

    def later(self) -> None:
        """Have the background go on with it."""
        import hashlib  # noqa: F401 -- here, lest the background holds an import's lock while the program forks

        self._recorder.worker.add(self._piece, whole=False)

    def _piece(self, halted: Callable[[], bool]) -> bool:
        """Hash the next slice, unless another thread is at it, which then goes on with it."""
        if not self._turn.acquire(blocking=False):
            return True
        try:
            return self._next(halted)
        finally:
            self._turn.release()

    def _next(self, halted: Callable[[], bool]) -> bool:
        if self.over or self.stale:
            # What became of the file is known when it has been written: see `doubt`.
            return True
        files = self._recorder.files
        if files.hash_until and time.monotonic() > files.hash_until:
            self._recorder.complain(
                f"{self.path!a} was not hashed: the program is over, and Trilha does not hold it up longer"
                " (TRILHA_HASH_SECONDS gives it more time)"
            )
            self.give_up(_LATE)
            return True
        try:
            why = self._slice(halted)
        except FileNotFoundError:
            why = "the file was gone before it could be hashed"
        except Exception as error:
            pass_on()
            why = f"the file could not be read: {getattr(error, 'strerror', None) or error}"
        if why == _LOCKED and not files.hash_until:
            files.locked.append(self)
        elif why:
            self.give_up(why)
        elif not self.over:
            if halted():
                return False
            self.later()
        return True

    def give_up(self, why: str = _CHANGED) -> None:
        """State that the file has no hash, unless it has one."""
        if not self.over:
            self.over = True
            self._recorder.entity(self._entity, "trilha:unhashed", why)

    def trust(self) -> None:
        """The program had opened the file for writing, but did not change it."""
        self.stale = False
        if not self.over:
            self.later()

    def _slice(self, halted: Callable[[], bool]) -> str:
        """Hash one more slice of the file; gives why that cannot be done, if it cannot."""
        if locked_by_us(self._mark[1]):
            return _LOCKED
        if not self._recorder.files.hash_until:
            young = self._mark[3] / 1e9 + CLOCK_TICK_S - time.time()
            if 0 < young <= CLOCK_TICK_S:
                time.sleep(young)
        with Opened(self.path, lambda: locked_by_us(self._mark[1])) as file:
            if stamp(file.status) != self._mark:
                return _CHANGED
            ended = self._read(file, halted)
            status = file.now()
            if status is None:  # the program closed it, so what was read may be another file's: once more
                self._state, self._place = None, 0
                return ""
            if self.stale or stamp(status) != self._mark:
                return "" if self.stale else _CHANGED
        if ended:
            self._finish()
        return ""

    def _read(self, file: Opened, halted: Callable[[], bool]) -> bool:
        """Take in the next slice; tells whether the file's end was reached."""
        if self._state is None:
            import hashlib

            self._state = hashlib.sha256()
        chunk = memoryview(bytearray(min(_CHUNK, max(1, self._mark[2]))))
        end = self._place + _SLICE
        while self._place < end and not halted():
            count = file.read(self._place, chunk)
            if not count:
                return True
            self._state.update(chunk[:count])
            self._place += count
        return False

    def _finish(self) -> None:
        """State the hash, and tie the file to the entity of its content."""
        self.over = True
        digest = self._state.hexdigest()
        iri = f"sha256:{digest}"
        recorder = self._recorder
        recorder.entity(iri, "prov:type", _CONTENT, "trilha:size", self._mark[2])
        recorder.entity(self._entity, "trilha:sha256", digest)
        recorder.specialized(self._entity, iri)


def locked_by_us(inode: int) -> bool:
    """Whether this process holds a POSIX record lock on the file `inode` (proc(5), /proc/locks)."""
    try:
        text = content("/proc/locks")
    except OSError:
        pass_on()
        return False
    if b"POSIX" not in text:
        return False
    us, number = str(os.getpid()).encode(), str(inode).encode()
    for line in text.splitlines():
        fields = line.split()
        if (
            len(fields) > 5
            and fields[1] == b"POSIX"
            and fields[4] == us
            and fields[5].rpartition(b":")[2] == number
        ):
            return True
    return False
