"""Hashing files beside the program, and never claiming a hash of something else.

A file is hashed by the background thread, after the fact. Its size, inode and time of change are compared with
those at the time it was met, before and after hashing: if they differ, the content that the program met is gone,
and the hash stays unknown (`trilha:unhashed` says why).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["digest_later", "stamp"]

_CHUNK: Final = 1 << 20
_CLOCK_TICK_S: Final = 0.02
"""File systems note times of change in ticks of up to 10 ms; a change within one tick would go unseen."""


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What tells one content of a file from the next, short of reading it."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def digest_later(recorder: Recorder, entity: int, path: str, mark: tuple[int, ...]) -> None:
    """Have the file hashed, and its entity tied to the entity of its content."""

    def piece(halted: Callable[[], bool]) -> bool:
        digest, why = _digest(path, mark, halted)
        if digest:
            _state(recorder, entity, digest, mark[2])
        elif why:
            recorder.entity(entity, "trilha:unhashed", why)
        return bool(digest or why)

    recorder.worker.add(piece)


def _state(recorder: Recorder, entity: int, digest: str, size: int) -> None:
    from trilha.capture.journal.writer import literal_name

    content = f"sha256:{digest}"
    recorder.entity(content, "prov:type", literal_name("trilha:Content"), "trilha:size", size)
    recorder.entity(entity, "trilha:sha256", digest)
    recorder.specialized(entity, content)


def _digest(path: str, mark: tuple[int, ...], halted: Callable[[], bool]) -> tuple[str, str]:
    """The SHA-256 of the file in hexadecimal, or why there is none; both empty if broken off."""
    changed = "the file was changed before it could be hashed"
    try:
        young = mark[3] / 1e9 + _CLOCK_TICK_S - time.time()
        if 0 < young <= _CLOCK_TICK_S:
            time.sleep(young)
        with open(path, "rb", buffering=0) as file:
            if stamp(os.fstat(file.fileno())) != mark:
                return "", changed
            state = hashlib.sha256()
            chunk = memoryview(bytearray(_CHUNK))
            while count := file.readinto(chunk):
                state.update(chunk[:count])
                if halted():
                    return "", ""
            if stamp(os.fstat(file.fileno())) != mark:
                return "", changed
    except FileNotFoundError:
        return "", "the file was gone before it could be hashed"
    except OSError as error:
        return "", f"the file could not be read: {error.strerror}"
    return state.hexdigest(), ""
