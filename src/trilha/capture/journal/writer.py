"""Appending to a journal from the user's program, at the cost of a function call.

Three things make an append cheap and safe at once. A frame is copied into a memory-mapped page, so nothing
of it is lost when the process is killed, and no system call is made. The place of a frame is taken by two
plain assignments between which no other thread can run (the interpreter switches threads and runs signal
handlers only at calls and jumps), so no lock is needed where there is a GIL. And the file's blocks are
reserved before they are mapped, so that a full disk is an error of `posix_fallocate`, which we catch, and
never a bus error, which nobody can.

A thread that is killed between taking its place and filling it leaves a hole: its call had not returned. The
reader passes over holes.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import mmap
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol
from zlib import crc32

import msgspec

from trilha.capture.journal.frames import (
    EXT_LITERAL,
    EXT_NAME,
    EXT_PLACEHOLDER,
    FRAME,
    MAGIC,
    MAX_PAYLOAD,
    Head,
)
from trilha.prov import PLACEHOLDER, Literal, Name

__all__ = ["GroupedFile", "JournalFile", "MappedFile", "encode", "literal_name", "open_file"]

pack_frame: Final = FRAME.pack_into
_FIRST_SEGMENT: Final = 1 << 16
_LAST_SEGMENT: Final = 1 << 24
_RETRY_S: Final = 5.0
_UNSAFE_TO_MAP: Final = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "orangefs", "pvfs2"]
    + ["glusterfs", "davfs", "sshfs", "zfs", "vboxsf", "drvfs", "virtiofs", "acfs", "gfs2", "ocfs2"]
)
"""File systems on which a page stored by one host may be lost or seen late by others, or whose blocks cannot
be reserved (zfs). `fuse.*` is added to them."""

_GIL: Final = getattr(sys, "_is_gil_enabled", lambda: True)() and sys.implementation.name == "cpython"


def _foreign(value: object) -> object:
    """What stands in MessagePack for a value that it has no word for."""
    if isinstance(value, Name):
        return msgspec.msgpack.Ext(EXT_NAME, value.encode())
    if isinstance(value, Literal):
        parts = [value.value, str(value.datatype), value.language]
        return msgspec.msgpack.Ext(EXT_LITERAL, msgspec.msgpack.encode(parts))
    if value is PLACEHOLDER:
        return msgspec.msgpack.Ext(EXT_PLACEHOLDER, b"")
    raise TypeError(f"no value of PROV: {type(value).__name__}")


encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder(enc_hook=_foreign).encode
"""MessagePack of one statement or note."""


def literal_name(text: str) -> msgspec.msgpack.Ext:
    """The qualified name `text` (``prefix:local`` or an IRI) as the value of an attribute."""
    return msgspec.msgpack.Ext(EXT_NAME, text.encode())


class JournalFile(Protocol):
    """Where frames go.

    Attributes:
        dropped: how many payloads could not be kept since the last time that one could.
        kept: bytes taken from the file so far, magic included.
    """

    dropped: int

    def append(self, payload: bytes) -> None:
        """Keep one payload; never raises for want of space."""

    def flush(self) -> None:
        """Have all that was appended written to the disk itself."""

    def close(self) -> None:
        """Give back what was reserved and not used, and write the rest out."""

    def abandon(self) -> None:
        """Let go of the file in a forked child."""


class MappedFile:
    """A journal in memory-mapped pages: what `append` took survives the death of the process.

    Args:
        path: of the file, which must not exist.
        complain: called once with a sentence for the user when the file can grow no more.
        each: write every payload through to the disk before `append` returns.

    Raises:
        OSError: the file cannot be made, or its first pages cannot be reserved.
    """

    __slots__ = (
        "_base", "_buffer", "_capacity", "_complain", "_dirty", "_each", "_fd", "_grow", "_limit", "_lock",
        "_position", "_retry", "dropped", "path",
    )  # fmt: skip

    def __init__(self, path: str, complain: Callable[[str], None], *, each: bool = False) -> None:
        self.path = path
        self.dropped = 0
        self._complain = complain
        self._each = each
        self._lock = _thread.RLock()
        self._retry = 0.0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._base = self._position = self._limit = self._capacity = self._dirty = 0
        self._grow = _FIRST_SEGMENT
        try:
            self._map(len(MAGIC))
        except OSError:
            os.close(self._fd)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        self._buffer[: len(MAGIC)] = MAGIC
        self._position = len(MAGIC)

    def append(self, payload: bytes) -> None:
        """Keep one payload.

        No thread switch can fall between reading `_position` and setting it, since no call or jump stands between them.
        Where that does not hold, or every payload is to be written through, `_limit` is -1 and the place is taken under a
        lock.
        """
        length = len(payload)
        check = crc32(payload)
        start = self._position
        end = start + 8 + length
        if end > self._limit:
            self._append_slowly(payload, check)
            return
        self._position = end
        buffer = self._buffer
        buffer[start + 8 : end] = payload
        pack_frame(buffer, start, length, check)

    def _append_slowly(self, payload: bytes, check: int) -> None:
        with self._lock:
            if not self._room(len(payload) + FRAME.size):
                self.dropped += 1
                return
            start = self._position
            end = start + 8 + len(payload)
            self._position = end
            self._buffer[start + 8 : end] = payload
            pack_frame(self._buffer, start, len(payload), check)
            if self._each:
                self.flush()

    def _room(self, size: int) -> bool:
        """Whether `size` bytes fit at the position, after growing the file if need be."""
        if self._position + size <= self._capacity:
            return True
        if self._fd < 0 or size > MAX_PAYLOAD:
            return False
        now = time.monotonic()
        if now < self._retry:
            return False
        try:
            self._map(size)
        except (OSError, ValueError) as error:
            self._limit = self._capacity = -1
            if not self._retry:
                self._complain(
                    f"the journal {self.path} can grow no more ({_reason(error)}): the program goes on, and what"
                    " happens from now on is counted but not recorded; free some space"
                )
            self._retry = now + _RETRY_S
            return False
        self._retry = 0.0
        return True

    def _map(self, size: int) -> None:
        """Reserve and map the pages that follow the position, at least `size` bytes."""
        position = self._base + self._position
        base = position - position % mmap.ALLOCATIONGRANULARITY
        step = max(self._grow, size)
        end = position + step
        end += -end % mmap.ALLOCATIONGRANULARITY
        os.posix_fallocate(self._fd, base, end - base)
        buffer = mmap.mmap(self._fd, end - base, offset=base)
        start, capacity = position - base, end - base
        limit = capacity if _GIL and not self._each else -1
        # No call in these assignments: no thread sees the new pages with the old position.
        self._buffer, self._base, self._position, self._limit, self._capacity = buffer, base, start, limit, capacity
        self._grow = min(self._grow * 4, _LAST_SEGMENT)

    def flush(self) -> None:
        """Write dirty pages to the disk (`fdatasync`, which lets other threads run)."""
        end = self._base + self._position
        if end != self._dirty and self._fd >= 0:
            self._dirty = end
            with contextlib.suppress(OSError):
                os.fdatasync(self._fd)

    def close(self) -> None:
        """Cut the file after the last frame and write it out. What comes later is dropped and counted."""
        with self._lock:
            if self._fd < 0:
                return
            end = self._base + self._position
            self._limit = self._capacity = -1
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, end)
            self._dirty = -1
            self.flush()
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """Let go of the file in a forked child, without touching what the parent writes to."""
        self._limit = self._capacity = -1
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1


class GroupedFile:
    """A journal that is written in groups, for file systems that cannot be mapped safely.

    A group is written when it is 64 KiB long and at each `flush`; what a killed process had not written is lost.
    """

    def __init__(self, path: str, complain: Callable[[str], None], *, each: bool = False) -> None:
        self.path = path
        self.dropped = 0
        self._complain = complain
        self._each = each
        self._lock = _thread.RLock()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self._group = bytearray(MAGIC)
        self._frames = 0
        self._retry = 0.0
        self._failed = False

    def append(self, payload: bytes) -> None:
        """Keep one payload in the group."""
        with self._lock:
            if self._fd < 0 or len(payload) > MAX_PAYLOAD or (self._failed and time.monotonic() < self._retry):
                self.dropped += 1
                return
            self._group += FRAME.pack(len(payload), crc32(payload)) + payload
            self._frames += 1
            if self._each or len(self._group) >= 1 << 16:
                self._write()
                if self._each:
                    self._sync()

    def _write(self) -> None:
        """Write the group; a frame that was written in part is completed by the next try."""
        group = self._group
        try:
            while group:
                done = os.write(self._fd, group)
                del group[:done]
            self._frames = 0
            self._failed = False
        except OSError as error:
            if not self._failed:
                self._complain(
                    f"the journal {self.path} cannot be written ({_reason(error)}): the program goes on, and what"
                    " happens from now on is counted but not recorded; free some space"
                )
            self._failed = True
            self._retry = time.monotonic() + _RETRY_S

    def _sync(self) -> None:
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)

    def flush(self) -> None:
        """Write the group and have it on the disk."""
        with self._lock:
            if self._fd >= 0 and self._group:
                self._write()
                self._sync()

    def close(self) -> None:
        """Write the rest. Frames that could not be written count as dropped."""
        with self._lock:
            if self._fd < 0:
                return
            self.flush()
            self.dropped += self._frames
            os.close(self._fd)
            self._fd = -1

    def abandon(self) -> None:
        """Let go of the file in a forked child: the parent writes its own group."""
        self._group.clear()
        self._frames = 0
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1


def open_file(
    folder: str, head: Head, complain: Callable[[str], None], *, durability: str = "group", way: str = ""
) -> MappedFile | GroupedFile:
    """A new journal in `folder`, its head written.

    Args:
        folder: where it goes; made if it is not there.
        head: its first frame; the file is called ``<head.uid>.journal``.
        complain: takes one sentence for the user when the journal can keep no more.
        durability: ``"event"`` has every payload on the disk before its call returns.
        way: ``"mapped"`` or ``"grouped"`` forces one way; by default the file system decides.

    Raises:
        OSError: the folder or file cannot be made or written.
    """
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{head.uid}.journal")
    each = durability == "event"
    way = way or ("mapped" if _can_map(folder) else "grouped")
    file: MappedFile | GroupedFile
    if way == "mapped":
        try:
            file = MappedFile(path, complain, each=each)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV, errno.ENOSYS):
                raise
            file = GroupedFile(path, complain, each=each)
    else:
        file = GroupedFile(path, complain, each=each)
    file.append(encode(head.note()))
    return file


def _reason(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _can_map(folder: str) -> bool:
    """Whether the file system of `folder` keeps what is stored into mapped pages (Linux: /proc/self/mountinfo)."""
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        device = os.stat(folder).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                fields = line.split()
                if fields[2] == wanted:
                    kind = fields[fields.index("-") + 1]
                    return kind not in _UNSAFE_TO_MAP and not kind.startswith("fuse.")
    except (OSError, ValueError, IndexError):
        pass
    return sys.platform != "linux" or not os.path.exists("/proc/self/mountinfo")
