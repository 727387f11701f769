"""The log of a trace goes to the run's journal: of the process that began it, and of those that it forks.

A forked process goes on where its parent was: what it knows of objects, modules and keys is what the parent
told. So its log, in a journal of its own, begins with the name of the parent's journal and how much of the
log there was before; who reads it reads that first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process
from trilha.capture.joining import invites
from trilha.capture.journal.frames import ROWS_BYTE, ROWS_HEAD
from trilha.capture.journal.mapped import MappedFile
from trilha.capture.journal.writer import encode as payload
from trilha.capture.journal.writer import literal_name
from trilha.capture.script.trail import FORKED, encode

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder


__all__ = ["Appending", "follow_forks"]

_TRACE: Final = literal_name("trilha:Trace")
_ROOM: Final = 1 << 20
"""Bytes that a log finds room for when it begins: to make room takes longer than to write what goes there."""


class Appending:
    """Appends the pieces of a log to the journal, in a dense block of its own that begins with the first.

    Args:
        recorder: of the run.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._head = self._before = b""
        self._count = self._dropped = 0
        self._lost = False
        self._uid = ""
        if isinstance(recorder.file, MappedFile):
            recorder.file.reserve(_ROOM)

    def __call__(self, data: bytes) -> None:
        """Append a piece of the log; behind one that the journal could not take, none.

        Nobody can follow a log in which something is missing, but where it ends.
        """
        file = self._recorder.file
        if self._lost:
            file.dropped += 1
            return
        if not self._head:
            self._dropped = file.dropped
            self._begin()
        self._count += len(data)
        file.append(self._head + data)
        self._lost = file.dropped != self._dropped

    def _begin(self) -> None:
        recorder = self._recorder
        entity, number = next(recorder.numbers), next(recorder.numbers)
        recorder.entity(entity, "prov:type", _TRACE, "prov:label", "trace")
        recorder.generated(entity, recorder.run.identifier, None)
        block = {"number": number, "entity": entity, "kind": "trace", "columns": [("bytes", "q")]}
        recorder.file.append(payload({"block": block}))
        self._head = ROWS_HEAD.pack(ROWS_BYTE, number)
        if self._before:
            self._count += len(self._before)
            recorder.file.append(self._head + self._before)

    def before_fork(self) -> None:
        """Keep the name of this process's journal for the one that is to be forked."""
        self._uid = self._recorder.uid

    def after_fork(self) -> None:
        """In a forked process: go on in its own journal."""
        if self._head:
            name = self._uid.encode()
            self._before = encode([FORKED, self._count, len(name), *(-1 - byte for byte in name)])
            self._head, self._count = b"", 0


def follow_forks(recorder: Recorder, trail: Any, write: Appending, path: str) -> None:
    """Have the log of a process go on in those that it forks, if they record at all.

    Args:
        recorder: of the run.
        trail: the log.
        write: what appends it.
        path: of the script.
    """

    def before() -> None:
        trail.flush()
        write.before_fork()

    def in_child() -> None:
        if process.recorder is not recorder:
            trail.leave()
            return
        write.after_fork()
        trail.forked()
        recorder.endings.append(trail.stop)

    def in_parent() -> None:
        if not invites():
            trail.gap(path, 0, "a process was forked; what it does is not traced")

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_child=in_child, after_in_parent=in_parent)
