"""A journal's file descriptor, in a program that may close it without knowing whose it is.

A program that turns into a daemon closes every descriptor from 3 up, and the next file that it opens gets
a number that was ours. A `ftruncate` or `close` on such a number would destroy the user's data, so each use
asks first whether the number still stands for the journal, and opens the journal again where it does not. The
number is a high one where the system allows: the program's own files get the numbers they get without us.
"""

from __future__ import annotations

import _thread
import errno
import mmap
import os
import sys
from typing import Any, Final

from trilha.capture.interrupts import Harmless, pass_on

__all__ = ["Descriptor", "Pages", "room_under_limit"]

_POPULATE_WRITE: Final = 23
_READY_PAGES: Final = 4
_FLOOR: Final = 960
"""Numbers from here up, below the usual limit of 1024, are rarely met."""


class Descriptor:
    """The descriptor of a file that only this process writes.

    Args:
        path: of the file, which must not exist.
        flags: of `os.open`: how to open it.

    Attributes:
        path: of the file.

    Raises:
        OSError: the file cannot be made.
    """

    __slots__ = ("_flags", "_identity", "_lock", "_number", "path")

    def __init__(self, path: str, flags: int) -> None:
        self.path = os.path.abspath(path)
        self._flags = flags | os.O_CLOEXEC
        self._lock = _thread.RLock()
        number = os.open(path, self._flags | os.O_CREAT | os.O_EXCL, 0o666)
        # Not the number's, which the program may have closed and used again since the line above.
        status = os.stat(path)
        self._identity: tuple[int, int] | None = (status.st_dev, status.st_ino)
        self._number = self._moved_up(number)

    def get(self) -> int:
        """The descriptor's number, as it is now.

        Raises:
            OSError: the file is closed, or it was closed from outside and cannot be opened again.
        """
        with self._lock:
            if self._identity is None:
                raise OSError(errno.EBADF, "the journal is closed")
            if not self.stands_for(self._number):
                self._number = -1
                self._number = self._opened_again()
            return self._number

    def _opened_again(self) -> int:
        if self.gone():
            raise FileNotFoundError(errno.ENOENT, "the journal was deleted", self.path)
        number = self._moved_up(os.open(self.path, self._flags))
        if not self.stands_for(number):
            # The program took the number meanwhile: it is not ours to close.
            raise OSError(errno.EBADF, "the program closed the journal", self.path)
        return number

    def _moved_up(self, number: int) -> int:
        """The same open file under a high number; the old one where there is none."""
        try:
            import fcntl
            import resource

            limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            floor = _FLOOR if limit == resource.RLIM_INFINITY else min(_FLOOR, limit * 15 // 16)
            if number >= floor or not self.stands_for(number):
                return number
            high = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, floor)
        except (ImportError, AttributeError, OSError, ValueError):
            pass_on()
            return number
        self.let_go(number)
        return high

    def let_go(self, number: int) -> None:
        """Close `number` if it is a descriptor of this file, and not one that the program took over."""
        if number >= 0 and self.stands_for(number):
            with Harmless(OSError):
                os.close(number)

    def stands_for(self, number: int) -> bool:
        """Whether the descriptor `number` is one of this file."""
        try:
            status = os.fstat(number)
        except (OSError, ValueError, OverflowError):
            pass_on()
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def gone(self) -> bool:
        """Whether the file has no name any more: what it holds ends with the process."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            pass_on()
            return False
        return (status.st_dev, status.st_ino) != self._identity

    def close(self) -> None:
        """Close the descriptor if it still is ours."""
        # Without the lock: in a forked child a thread of the parent may hold it.
        number, self._number = self._number, -1
        self.let_go(number)
        self._identity = None


class Pages:
    """Some pages of a journal's file in memory.

    Before Python 3.13 a map holds a descriptor of its own and closes it in the end, whatever its number
    stands for by then. Where it stands for something else, the map is kept for good.

    Args:
        descriptor: of the file.
        offset: of the first page, in bytes; a multiple of `mmap.ALLOCATIONGRANULARITY`.
        length: in bytes; the file is as long.

    Attributes:
        buffer: the pages.

    Raises:
        OSError: they cannot be mapped.
    """

    __slots__ = ("_descriptor", "_number", "buffer")

    def __init__(self, descriptor: Descriptor, offset: int, length: int) -> None:
        self._descriptor = descriptor
        self._number = -1
        number = descriptor.get()
        self.buffer: Any = None
        if sys.version_info >= (3, 13):
            self.buffer = mmap.mmap(number, length, offset=offset, trackfd=False)
            return
        spare = os.dup(number)
        descriptor.let_go(spare)
        self.buffer = mmap.mmap(number, length, offset=offset)
        # The lowest free number: the one that we had just now, unless another thread was quicker.
        self._number = spare if descriptor.stands_for(spare) else -2

    def make_ready(self, place: int) -> None:
        """Have the page of `place` and the next ones mapped for writing: what is put there need not wait.

        A page that was written to the disk is mapped anew with the next byte that is put there, which takes
        the system some 30 µs. Here it takes them beside the program (``MADV_POPULATE_WRITE`` of madvise(2),
        Linux 5.14): without the interpreter's lock, by way of `ctypes`, if the program has that; else with
        it, for one page.
        """
        if sys.platform != "linux":
            return
        ctypes = sys.modules.get("ctypes")
        start = place - place % mmap.PAGESIZE
        with Harmless():
            length = min(_READY_PAGES * mmap.PAGESIZE, len(self.buffer) - start)
            if ctypes is None:
                self.buffer.madvise(_POPULATE_WRITE, start, min(mmap.PAGESIZE, length))
                return
            first = ctypes.c_char.from_buffer(self.buffer, start)
            address, number = ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(length)
            ctypes.CDLL(None).madvise(address, number, _POPULATE_WRITE)

    def release(self) -> None:
        """Give the pages back, once nobody holds `buffer` any more."""
        if self._number != -1 and not self._descriptor.stands_for(self._number):
            _keep_for_good(self.buffer)
        self.buffer = None


_kept: Final[list[object]] = []


def _keep_for_good(thing: object) -> None:
    """Have `thing` never destroyed, not even when the interpreter ends."""
    _kept.append(thing)
    with Harmless():
        import ctypes  # as rare as programs that close what is not theirs

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def room_under_limit(end: int) -> None:
    """Have a file that would become longer than the process may write be an error, not a signal (SIGXFSZ).

    Raises:
        OSError: a file must not be `end` bytes long (``EFBIG``).
    """
    try:
        import resource
    except ImportError:
        return
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and end > limit:
        raise OSError(errno.EFBIG, "file size limit reached")
