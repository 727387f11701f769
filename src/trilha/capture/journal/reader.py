"""Reading a journal again: whole frames become events, whatever is torn is reported and passed over.

Nothing in a journal is trusted: a frame is used only if its checksum holds and its content has the shape of
`frames`; anything else becomes a `Damage` and the reader goes on with the next whole frame. Nothing is ever
executed, and work and memory stay in proportion to the size of the file.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

import msgspec

from trilha.capture.journal.decoding import Event, NoShape, Resolver
from trilha.capture.journal.frames import FRAME, MAGIC, NOTE_BYTES, VERSION, Head
from trilha.capture.journal.scanning import Scanner
from trilha.errors import JournalError

__all__ = ["Damage", "Event", "Journal", "read"]

_LONGEST_HEAD: Final = 1 << 20
_MOST_DAMAGES: Final = 4096
"""What is torn beyond so many places is told as one."""
_NO_EVENT: Final = (
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
    RecursionError,
)
"""What decoding raises on a payload that holds no event."""


class Damage(msgspec.Struct, frozen=True):
    """A part of a journal that cannot be read.

    Attributes:
        offset: where it begins, in bytes from the start of the file.
        length: of the part, in bytes.
        reason: what is wrong with it, for people.
    """

    offset: int
    length: int
    reason: str


def read(path: str | os.PathLike[str]) -> Journal:
    """The journal in the file `path`.

    Raises:
        JournalError: the file is no journal, its first frame is damaged, or it is of a newer version.
        OSError: the file cannot be opened.
    """
    return Journal(os.fspath(path))


class Journal:
    """One process's record of what it did.

    Attributes:
        path: of the file.
        head: whose journal it is.
        damage: what could not be read so far, by offset; grows while `events` runs.
        start: offset of the first event.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.damage: list[Damage] = []
        with open(path, "rb", opener=_opener) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise JournalError(f"{path}: expected a journal of Trilha; this is no ordinary file")
            begin = file.read(len(MAGIC) + FRAME.size)
            if begin[: len(MAGIC)] != MAGIC:
                raise JournalError(_no_journal(path, begin))
            whole = len(begin) == len(MAGIC) + FRAME.size
            length, check = FRAME.unpack(begin[len(MAGIC) :]) if whole else (0, 0)
            payload = file.read(length) if length <= _LONGEST_HEAD else b""
        if not length or len(payload) < length or zlib.crc32(payload) != check:
            place = f"{path}: expected the head of a journal at byte {len(MAGIC)}"
            raise JournalError(f"{place}; the file is cut or damaged")
        self.head = self._head(payload)
        self.start = len(begin) + length
        self._resolve = Resolver(self.head.bases)
        self._looked_back = False

    def _head(self, payload: bytes) -> Head:
        try:
            note = msgspec.msgpack.decode(payload)["head"]
            version = note["version"]
            if type(version) is not int or version > VERSION:
                raise JournalError(
                    f"{self.path}: a journal of version {version!r}; this Trilha reads up to {VERSION}:"
                    " upgrade Trilha"
                )
            return msgspec.convert(note, Head)
        except (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise JournalError(f"{self.path}: its first frame is no head of a journal: {error}") from None

    def alive(self) -> bool | None:
        """Whether the process that writes this journal still runs; None where that cannot be known here."""
        from trilha.capture.machine import is_alive

        head = self.head
        return is_alive(head.host, head.machine, head.boot, head.pid, head.process_start)

    def events(self, offset: int = 0) -> Iterator[tuple[int, Event]]:
        """What the journal holds from `offset` on, in the order in which it was appended.

        Args:
            offset: 0, or an end that this iterator gave before.

        Yields:
            The offset behind the event, and the event. Stops where nothing whole follows. Of several events
            in one frame all but the last come with the offset behind the event before: who reads on from
            there is given all of them.

        Raises:
            OSError: the file cannot be read.
        """
        decode = self._resolve.events
        first, before = max(offset, self.start), offset
        with open(self.path, "rb", buffering=0) as file:
            for end, payload in Scanner(file, self._report).frames(first):
                try:
                    try:
                        events = decode(payload)
                    except NoShape:
                        self._look_back(first)
                        events = decode(payload)
                except _NO_EVENT as error:
                    self._report(
                        end - len(payload) - FRAME.size, len(payload) + FRAME.size, f"no event: {error}"
                    )
                    continue
                for event in events[:-1]:
                    yield before, event
                if events:
                    yield end, events[-1]
                    before = end

    def _look_back(self, offset: int) -> None:
        """Read the definitions of shapes that stand before `offset`, once."""
        if self._looked_back:
            return
        self._looked_back = True
        with open(self.path, "rb", buffering=0) as file:
            for end, payload in Scanner(file, lambda *_: None).frames(self.start):
                if end > offset:
                    break
                if payload[0] in NOTE_BYTES:
                    with contextlib.suppress(*_NO_EVENT):
                        self._resolve.events(payload)

    def _report(self, offset: int, length: int, reason: str) -> None:
        known = self.damage
        place = bisect_left(known, offset, key=attrgetter("offset"))
        if place < len(known) and known[place].offset == offset:
            known[place] = Damage(offset, length, reason)
        elif len(known) < _MOST_DAMAGES:
            known.insert(place, Damage(offset, length, reason))
        elif place == len(known):
            first = known[-1].offset
            known[-1] = Damage(first, offset + length - first, "torn in very many places")


def _opener(path: str, flags: int) -> int:
    # A pipe by the name of a journal must not make the reader wait.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _no_journal(path: str, begin: bytes) -> str:
    if not begin:
        return f"{path}: expected a journal of Trilha; the file is empty"
    return (
        f"{path}: expected a journal of Trilha, which begins with {MAGIC!r}; this begins with {begin[:8]!r}"
    )
