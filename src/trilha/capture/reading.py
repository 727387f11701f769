"""Reading files beside the program, by descriptors that it may close and use again.

A program may close descriptors that it never opened (a daemon closes all of them at its start). The number
that a background thread holds then stands for another file, the program's own, by the time that the thread
closes it. So what is read beside the program is opened here, read without moving the place in the file, and
closed only while it still is the file that was opened.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from importlib.util import decode_source
from typing import Final, Self

from trilha.capture.interrupts import Harmless, pass_on

__all__ = ["Opened", "content", "source_of"]

_TRIES: Final = 5
_LEAST: Final = 1 << 14
_CHUNK: Final = 1 << 20
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

# The program may put others in their places.
_open, _close, _fstat, _preadv = os.open, os.close, os.fstat, os.preadv


class Opened:
    """A file, open for reading while it is entered.

    Args:
        path: of the file.
        keep: asked at the end; if it says True the descriptor is not closed.

    Attributes:
        status: of the file when it was opened.

    Raises:
        OSError: the file cannot be opened.
    """

    __slots__ = ("_keep", "_number", "status")

    def __init__(self, path: str, keep: Callable[[], bool] = lambda: False) -> None:
        self._keep = keep
        self._number = _open(path, _FLAGS)
        self.status = _fstat(self._number)

    def __enter__(self) -> Self:
        return self

    def now(self) -> os.stat_result | None:
        """The file's status now; None if the program closed the descriptor."""
        try:
            status = _fstat(self._number)
        except OSError:
            pass_on()
            return None
        same = status.st_ino == self.status.st_ino and status.st_dev == self.status.st_dev
        return status if same else None

    def read(self, place: int, room: memoryview) -> int:
        """Fill `room` with the bytes at `place`, counted from 0; tells how many there were.

        Raises:
            OSError: the file cannot be read.
        """
        return _preadv(self._number, [room], place)

    def __exit__(self, *_: object) -> None:
        if not self._keep() and self.now() is not None:
            with Harmless(OSError):
                _close(self._number)


def content(path: str) -> bytes:
    """All bytes of a file.

    Raises:
        OSError: it cannot be read, or the program closed our descriptor meanwhile.
    """
    for _ in range(_TRIES):
        try:
            with Opened(path) as file:
                found = bytearray()
                room = memoryview(bytearray(max(_LEAST, min(_CHUNK, file.status.st_size + 1))))
                while count := file.read(len(found), room):
                    found += room[:count]
                if file.now() is not None:
                    return bytes(found)
        except OSError as error:
            pass_on()
            if error.errno not in (errno.EBADF, errno.ESPIPE):  # closed, or a pipe's number by now
                raise
    raise OSError(errno.EBADF, "the program closed the descriptor", path)


def source_of(path: str) -> list[str]:
    """The lines of a Python source file, with their ends; none if it cannot be read."""
    try:
        return decode_source(content(path)).splitlines(keepends=True)
    except (OSError, SyntaxError, UnicodeError):
        pass_on()
        return []
