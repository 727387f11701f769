"""What is known of one file: as it was met, as it is being written, as it is about to move."""

from __future__ import annotations

import _thread
import os
import time
from typing import TYPE_CHECKING, Final

from trilha.capture.digests import Digest

if TYPE_CHECKING:
    from trilha.capture.context import Activity

__all__ = ["Met", "Move", "Writing"]

_UNDECIDED_S: Final = 5.0


class Met:
    """A file as it was at one time.

    Attributes:
        entity: number of its entity.
        stamp: what told one content from the next: device, inode, size and time of change.
        digest: what hashes it.
        paths: by which it is known, as they were stated.
        generation: identifier of its generation, where the run wrote it.
        by: the activity that wrote it.
    """

    __slots__ = ("by", "digest", "entity", "generation", "paths", "stamp")

    def __init__(self, entity: int, mark: tuple[int, ...], digest: Digest, path: str) -> None:
        self.entity = entity
        self.stamp = mark
        self.digest = digest
        self.paths = {path}
        self.generation: int | None = None
        self.by: Activity | None = None


class Writing:
    """A file that was opened for writing and not yet recorded.

    Attributes:
        activity: that opened it.
        at: when, in nanoseconds since 1970-01-01 UTC.
        before: its state at that time; None if it was not there, or will surely be another.
        path: as it was opened.
        until: when the activity ended, where it has.
        exact: a state that is equal proves that nothing was written.
        source: the file that is copied into it, if one is.
        holds: the entities that were written to it as a whole, each with its usage by the activity; without
            one where another activity wrote it.
    """

    __slots__ = ("activity", "at", "before", "exact", "holds", "path", "source", "until")

    def __init__(self, activity: Activity, at: int, before: tuple[int, ...] | None, path: str) -> None:
        self.activity = activity
        self.at = at
        self.before = before
        self.path = path
        self.until: int | None = None
        self.exact = False
        self.source: Met | None = None
        self.holds: dict[int | str, int | None] = {}


class Move:
    """A rename (or, without a target, a removal) that a thread was about to make."""

    __slots__ = ("activity", "at", "inode", "links", "source", "target", "thread", "until")

    def __init__(self, source: str, target: str | None, status: os.stat_result, activity: Activity) -> None:
        self.source = source
        self.target = target
        self.inode = status.st_dev, status.st_ino
        self.links = status.st_nlink
        self.activity = activity
        self.thread = _thread.get_ident()
        self.at = time.time_ns()
        self.until = time.monotonic() + _UNDECIDED_S
