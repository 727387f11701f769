"""A journal that is written in groups, for file systems whose pages cannot be mapped safely."""

from __future__ import annotations

import _thread
import os
import time
from collections.abc import Callable
from typing import Final
from zlib import crc32

from trilha.capture.interrupts import Harmless, pass_on
from trilha.capture.journal.descriptor import Descriptor, room_under_limit
from trilha.capture.journal.frames import FRAME, MAGIC, MAX_PAYLOAD
from trilha.capture.journal.mapped import reason, sync_folders

__all__ = ["GroupedFile"]

_GROUP: Final = 1 << 16
_RETRY_S: Final = 5.0


class GroupedFile:
    """A journal that is written in groups.

    A group is written when it is 64 KiB long and at each `flush`; what a killed process had not written is
    lost.

    Args:
        path: of the file, which must not exist.
        head: the first payload.
        complain: called with a sentence for the user when nothing more can be written.
        each: write every payload through to the disk before `append` returns.
        sync: whether `flush` and `close` wait for the disk.

    Attributes:
        path: of the file.
        dropped: how many payloads were not kept.

    Raises:
        OSError: the file cannot be made or written.
    """

    __slots__ = (
        "_closed",
        "_complain",
        "_descriptor",
        "_done",  # length of the file up to which the group is not concerned
        "_each",
        "_failed",
        "_frames",  # frames in the group
        "_group",
        "_lock",
        "_retry",
        "_sync",
        "_synced",
        "_writing",
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
        self._group = bytearray(MAGIC + _frame(head))
        self._frames = self._done = 0
        self._closed = self._failed = self._writing = self._synced = False
        self._retry = 0.0
        self._descriptor = Descriptor(path, os.O_WRONLY | os.O_APPEND)
        try:
            self._write_out()
        except OSError:
            self._descriptor.close()
            with Harmless(OSError):
                os.unlink(path)
            raise

    def append(self, payload: bytes) -> None:
        """Keep one payload in the group; count it as dropped where the disk took none lately."""
        frame = _frame(payload)
        with self._lock:
            waiting = self._failed and time.monotonic() < self._retry
            if self._closed or len(payload) > MAX_PAYLOAD or waiting:
                self.dropped += 1
                return
            self._group += frame
            self._frames += 1
            if self._each or len(self._group) >= _GROUP:
                self._write(sync=self._each)

    def append_last(self, payload: bytes) -> bool:
        """Keep the last payload of all.

        Returns:
            False if it could not be written; then it is not counted as dropped.
        """
        with self._lock:
            if self._closed:
                return False
            self._retry = 0.0
            dropped = self.dropped
            self.append(payload)
            self._write(sync=False)
            if self._failed:
                self._frames -= 1
            self.dropped = dropped
            return not self._failed

    def _write(self, *, sync: bool) -> None:
        """Write the group; a frame that was written in part is completed by the next try."""
        if self._writing:
            return  # a signal handler, while this thread writes already
        self._writing = True
        try:
            self._write_out()
            if sync:
                number = self._descriptor.get()
                os.fdatasync(number)
                if not self._synced:
                    self._synced = True
                    sync_folders(self._descriptor.path)
        except OSError as error:
            pass_on()
            self._retry = time.monotonic() + _RETRY_S
            if not self._failed:
                self._failed = True
                self._complain(
                    f"the journal {self.path} cannot be written ({reason(error)}): the program goes on,"
                    " and what happens from now on is counted but not recorded; free some space"
                )
        finally:
            self._writing = False

    def _write_out(self) -> None:
        while True:
            number = self._descriptor.get()
            # The file's length tells what a write did that an exception of the program's cut off from us.
            length = os.fstat(number).st_size
            del self._group[: length - self._done]
            self._done = length
            if not self._group:
                break
            room_under_limit(length + len(self._group))
            os.write(number, self._group)
        self._frames = 0
        self._failed = False

    def flush(self) -> bool:
        """Write the group and have it on the disk; False if there was nothing to be written."""
        with self._lock:
            if self._closed or not self._group:
                return False
            if not (self._failed and time.monotonic() < self._retry):
                self._write(sync=self._sync)
            return True

    def close(self) -> None:
        """Write the rest. Frames that could not be written count as dropped."""
        with self._lock:
            if self._closed:
                return
            if self._group:
                self._write(sync=self._sync)
            self._closed = True
            self.dropped += self._frames
            self._group.clear()
            self._descriptor.close()

    def abandon(self) -> None:
        """Let go of the file in a forked child: the parent writes its own group."""
        self._closed = True
        self._frames = 0
        self._group = bytearray()
        self._descriptor.close()

    def gone(self) -> bool:
        """Whether somebody deleted the file."""
        return not self._closed and self._descriptor.gone()


def _frame(payload: bytes) -> bytes:
    return FRAME.pack(len(payload), crc32(payload)) + payload
