"""A journal in memory-mapped pages: an append is a copy, without a system call and without a lock.

A frame is copied into a page that belongs to the operating system, so nothing of it is lost when the process
is killed. The place of a frame is taken by one statement on one line, in which no other thread can run: the
interpreter switches threads and runs signal handlers only at calls and backward jumps, and trace functions
only where a line begins. And the file's blocks are reserved before they are mapped, so that a full disk is an
error of `posix_fallocate`, which we catch, and never a bus error, which nobody can.

A thread that is killed between taking its place and filling it leaves a hole: its call had not returned. The
reader passes over holes.
"""

from __future__ import annotations

import _thread
import mmap
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final
from zlib import crc32

from trilha.capture.interrupts import Harmless, pass_on
from trilha.capture.journal.descriptor import Descriptor, Pages, room_under_limit
from trilha.capture.journal.frames import FRAME, MAGIC, MAX_PAYLOAD

__all__ = ["MappedFile"]

pack_frame: Final = FRAME.pack_into
_FIRST_SEGMENT: Final = 1 << 16
_LAST_SEGMENT: Final = 1 << 24
_SPARE: Final = 1 << 12
"""So many bytes of what is reserved are kept for the last words: how the run ended, and what was dropped."""
_LARGE: Final = 1 << 14
"""So many bytes are put into a file in less time by the system, which need not map the pages for them."""
_RETRY_S: Final = 5.0

_GIL: Final = getattr(sys, "_is_gil_enabled", lambda: True)() and sys.implementation.name == "cpython"


class MappedFile:
    """A journal in memory-mapped pages: what `append` took survives the death of the process.

    Args:
        path: of the file, which must not exist.
        head: the first payload.
        complain: called with a sentence for the user when the file can grow no more.
        each: write every payload through to the disk before `append` returns.
        sync: whether `close` waits for the disk.

    Attributes:
        path: of the file.
        dropped: how many payloads were not kept.

    Raises:
        OSError: the file cannot be made, or its first pages cannot be reserved.
    """

    __slots__ = (
        "_at",  # where the next frame begins in the buffer
        "_base",  # where the buffer begins in the file
        "_buffer",
        "_capacity",  # length of the buffer
        "_complain",
        "_descriptor",
        "_each",
        "_limit",  # up to where threads may append without the lock; -1: not at all
        "_lock",
        "_pages",
        "_retry",
        "_segment",
        "_sync",
        "_synced",
        "_top",  # up to where threads may append with the lock
        "dropped",
        "path",
    )

    def __init__(
        self,
        path: str,
        head: bytes,
        complain: Callable[[str], None],
        *,
        each: bool = False,
        sync: bool = True,
    ) -> None:
        self.path = path
        self.dropped = 0
        self._complain = complain
        self._each = each
        self._sync = sync
        self._lock = _thread.RLock()
        self._retry = 0.0
        self._base = self._at = self._synced = self._capacity = 0
        self._limit = self._top = -1
        self._segment = _FIRST_SEGMENT
        self._pages: Pages | None = None
        self._buffer: Any = bytearray()
        self._descriptor = Descriptor(path, os.O_RDWR)
        try:
            self._extend(len(MAGIC) + len(head))
        except OSError:
            self._descriptor.close()
            with Harmless(OSError):
                os.unlink(path)
            raise
        self._buffer[: len(MAGIC)] = MAGIC
        self._at = len(MAGIC)
        self.append(head)
        self._allow()

    def append(self, payload: bytes) -> None:
        """Keep one payload; count it as dropped where there is no room."""
        length = len(payload)
        size = length + 8
        check = crc32(payload)
        # One line, no call: the place is taken together with the buffer that it is in, or there is no room.
        if (end := (at := self._at) + size) <= self._limit: self._at, buffer, base = end, self._buffer, self._base  # fmt: skip # noqa: E501, E701
        else:
            self._append_slowly(payload, check)
            return
        if length < _LARGE or not self._write(base + at + 8, payload):
            buffer[at + 8 : end] = payload
        pack_frame(buffer, at, length, check)

    def _write(self, place: int, payload: bytes) -> bool:
        """Write a payload into the file, whose pages are the same ones; False if that was not possible."""
        try:
            return os.pwrite(self._descriptor.get(), payload, place) == len(payload)
        except OSError:
            pass_on()
            return False

    def reserve(self, size: int) -> None:
        """Have room for `size` bytes, where much is about to come; if there is none, that is not said."""
        with self._lock:
            if self._at + size > self._top and not self._grow(size, quietly=True):
                self._retry = 0.0

    def _append_slowly(self, payload: bytes, check: int) -> None:
        """Append under the lock, after growing the file if need be."""
        size = len(payload) + 8
        with self._lock:
            while True:
                # The same line: a signal handler of this thread may append in between. `buffer` is not bound
                # yet: to let go of an old one, as the last that knows it, would let other threads run.
                if (end := (at := self._at) + size) <= self._top: self._at, buffer = end, self._buffer; break  # fmt: skip # noqa: E501, E701, E702
                if not self._grow(size):
                    self.dropped += 1
                    return
            buffer[at + 8 : end] = payload
            pack_frame(buffer, at, len(payload), check)
            self._allow()
            if self._each:
                self.flush()

    def append_last(self, payload: bytes) -> bool:
        """Keep the last payload of all, in room that was kept for it where there is no other.

        Returns:
            False if it does not fit there; then it is not counted as dropped.
        """
        size = len(payload) + 8
        with self._lock:
            self._retry = 0.0
            if self._at + size > self._top and not self._grow(size, quietly=True):
                self._limit = self._top = -1
                if self._pages is None or self._at + size > self._capacity:
                    return False
            at = self._at
            self._at = at + size
            self._buffer[at + 8 : at + size] = payload
            pack_frame(self._buffer, at, len(payload), crc32(payload))
            return True

    def _allow(self) -> None:
        """Let threads append without the lock, where that is safe."""
        self._limit = self._top if _GIL and not self._each else -1

    def _grow(self, size: int, *, quietly: bool = False) -> bool:
        """Make room for `size` bytes more; False, and one complaint, if there is none to be had."""
        if self._pages is None or size > MAX_PAYLOAD:
            return False
        now = time.monotonic()
        if now < self._retry:
            return False
        # From here on every other thread comes to wait for the lock.
        self._limit = -1
        try:
            self._extend(size)
        except (OSError, ValueError, OverflowError, MemoryError) as error:
            pass_on()
            if not self._retry and not quietly:
                self._retry = now + _RETRY_S
                self._complain(
                    f"the journal {self.path} can grow no more ({reason(error)}): the program goes on,"
                    " and what happens from now on is counted but not recorded; free some space"
                )
            self._retry = now + _RETRY_S
            return False
        finally:
            self._allow()
        self._retry = 0.0
        return True

    def _extend(self, size: int) -> None:
        """Reserve and map the pages that follow the position, at least `size` bytes and the spare ones."""
        wanted = [max(self._segment, size + _SPARE), max(_FIRST_SEGMENT, size + _SPARE), size + _SPARE]
        while True:
            position = self._base + self._at
            base = position - position % mmap.ALLOCATIONGRANULARITY
            end = position + wanted[0]
            end += -end % mmap.ALLOCATIONGRANULARITY
            try:
                room_under_limit(end)
                os.posix_fallocate(self._descriptor.get(), base, end - base)
                pages = Pages(self._descriptor, base, end - base)
            except OSError:
                self._cut(self._base + self._capacity)
                pass_on()
                del wanted[0]
                if not wanted:
                    raise
                continue
            old, at, capacity, buffer = self._pages, position - base, end - base, pages.buffer
            if self._base + self._at != position:
                # A signal handler appended meanwhile, and may have grown the file itself.
                pages.release()
                if self._at + size <= self._top:
                    return
                continue
            # No call from the question above to here, and the old buffer lives: no one sees new pages with an
            # old position.
            self._buffer, self._base, self._at = buffer, base, at
            self._top, self._capacity, self._pages = capacity - _SPARE, capacity, pages
            break
        del buffer
        if old is not None:
            old.release()
        self._segment = min(self._segment * 4, _LAST_SEGMENT)

    def _cut(self, end: int) -> None:
        """Give back what a failed reservation may have taken, so that the user's program has it."""
        with Harmless(OSError):
            number = self._descriptor.get()
            if os.fstat(number).st_size > end:
                os.ftruncate(number, end)

    def flush(self) -> bool:
        """Write dirty pages to the disk (`fdatasync`, which lets other threads run); False if none are."""
        end, pages = self._base + self._at, self._pages
        if end == self._synced or pages is None:
            return False
        first, self._synced = not self._synced, end
        with Harmless(OSError):
            os.fdatasync(self._descriptor.get())
        if not self._each:
            pages.make_ready(self._at)
        if first:
            sync_folders(self._descriptor.path)
        return True

    def close(self) -> None:
        """Cut the file after the last frame and write it out. What comes later is dropped and counted."""
        with self._lock:
            pages, self._pages = self._pages, None
            if pages is None:
                return
            self._limit = self._top = -1
            end = self._base + self._at
            with Harmless(OSError):
                number = self._descriptor.get()
                os.ftruncate(number, end)
                if self._sync:
                    os.fdatasync(number)
            self._let_go(pages)

    def abandon(self) -> None:
        """Let go of the file in a forked child, without touching what the parent writes to."""
        pages, self._pages = self._pages, None
        self._limit = self._top = -1
        if pages is not None:
            self._let_go(pages)

    def _let_go(self, pages: Pages) -> None:
        self._buffer = bytearray()
        pages.release()
        self._descriptor.close()

    def gone(self) -> bool:
        """Whether somebody deleted the file."""
        return self._pages is not None and self._descriptor.gone()


def sync_folders(path: str) -> None:
    """Have a new file's name on the disk, as far as that can be: its folder, and the folder's own name."""
    folder = os.path.dirname(path)
    for place in (folder, os.path.dirname(folder)):
        with Harmless(OSError):
            number = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(number)
            finally:
                # While that took its time the program may have closed the number, and used it again.
                if os.path.samestat(os.stat(place), os.fstat(number)):
                    os.close(number)


def reason(error: BaseException) -> str:
    """What the system says of an error, for the middle of a sentence."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
