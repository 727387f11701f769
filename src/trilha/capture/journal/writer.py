"""Making a journal for a process, in the way that its file system can bear.

`mapped` and `grouped` hold the two ways, `encoding` turns statements into payloads.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Final, Protocol

from trilha.capture.interrupts import pass_on
from trilha.capture.journal.encoding import cells_of, encode, faithful, hole, literal_name
from trilha.capture.journal.frames import Head
from trilha.capture.journal.grouped import GroupedFile
from trilha.capture.journal.mapped import MappedFile
from trilha.errors import UsageError

__all__ = [
    "GroupedFile",
    "JournalFile",
    "MappedFile",
    "can_map",
    "cells_of",
    "encode",
    "faithful",
    "hole",
    "literal_name",
    "open_file",
]

_UNSAFE_TO_MAP: Final = frozenset(
    [
        *(
            "9p",
            "acfs",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "davfs",
            "drvfs",
            "dvs",
            "fuse",
            "fuseblk",
            "gfs2",
            "glusterfs",
        ),
        *(
            "gpfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
            "ocfs2",
            "orangefs",
            "panfs",
            "prl_fs",
            "pvfs2",
            "smb3",
            "smbfs",
        ),
        *("sshfs", "vboxsf", "virtiofs", "vmhgfs", "wekafs", "zfs"),
    ]
)
"""File systems on which a page stored by one host may be lost or seen late by others, or whose blocks cannot
be reserved (zfs, fuse). `fuse.*` is added to them."""


class JournalFile(Protocol):
    """Where frames go.

    Attributes:
        dropped: how many payloads were not kept.
    """

    dropped: int

    def append(self, payload: bytes) -> None:
        """Keep one payload; never raises for want of space."""

    def append_last(self, payload: bytes) -> bool:
        """Keep the last payload of all, for which room is kept; False if that cannot be."""

    def flush(self) -> bool:
        """Have all that was appended written to the disk itself; False if there was nothing."""

    def close(self) -> None:
        """Give back what was reserved and not used, and write the rest out."""

    def abandon(self) -> None:
        """Let go of the file in a forked child."""

    def gone(self) -> bool:
        """Whether somebody deleted the file, so that what is appended will be lost."""


def open_file(
    folder: str, head: Head, complain: Callable[[str], None], *, durability: str = "group", way: str = ""
) -> MappedFile | GroupedFile:
    """A new journal in `folder`, its head written.

    Args:
        folder: where it goes; made if it is not there.
        head: its first frame; the file is called ``<head.uid>.journal``.
        complain: takes one sentence for the user when the journal can keep no more.
        durability: ``"event"`` has every payload on the disk before its call returns; ``"none"`` never waits
            for the disk; ``"group"`` lies between.
        way: ``"mapped"`` or ``"grouped"`` forces one way; by default the file system decides.

    Raises:
        OSError: the folder or file cannot be made or written.
        UsageError: there is no such way.
    """
    if way not in ("", "mapped", "grouped"):
        raise UsageError(f'a journal written {way!r}: expected "mapped" or "grouped"')
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{head.uid}.journal")
    first = encode(head.note())
    each, sync = durability == "event", durability != "none"
    file: MappedFile | GroupedFile | None = None
    if way == "mapped" or (not way and can_map(folder)):
        try:
            file = MappedFile(path, first, complain, each=each, sync=sync)
        except OSError as error:
            pass_on()
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV, errno.ENOSYS):
                raise
    if file is None:
        file = GroupedFile(path, first, complain, each=each, sync=sync)
    return file


def can_map(folder: str, mounts: str = "/proc/self/mountinfo") -> bool:
    """Whether the file system of `folder` keeps what is stored into mapped pages.

    Args:
        folder: which exists.
        mounts: the list of mounted file systems (Linux, proc(5)).
    """
    if not hasattr(os, "posix_fallocate"):
        return False
    try:
        device = os.stat(folder).st_dev
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            kind = _file_system(
                lines.read(), os.path.realpath(folder), f"{os.major(device)}:{os.minor(device)}"
            )
    except (OSError, ValueError, IndexError):
        pass_on()
        return sys.platform != "linux"
    return bool(kind) and kind not in _UNSAFE_TO_MAP and not kind.startswith("fuse.")


def _file_system(mounts: str, folder: str, device: str) -> str:
    """The type of the file system mounted from `device`; else (btrfs) of the one that `folder` is below."""
    best, above = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        kind = fields[fields.index("-") + 1]
        if fields[2] == device:
            return kind
        place = (
            fields[4]
            .replace("\\040", " ")
            .replace("\\011", "\t")
            .replace("\\012", "\n")
            .replace("\\134", "\\")
        )
        if len(place) >= len(above) and os.path.join(folder, "").startswith(os.path.join(place, "")):
            best, above = kind, place
    return best
