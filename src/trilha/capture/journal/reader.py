"""Reading a journal again: whole frames become events, whatever is torn is reported and passed over.

Nothing in a journal is trusted: a frame is used only if its checksum holds and its content has the shape of
`frames`; anything else becomes a `Damage` and the reader goes on with the next whole frame. Nothing is ever
executed.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from trilha.capture.journal.frames import (
    EXT_LITERAL,
    EXT_NAME,
    EXT_PLACEHOLDER,
    FIRST_BYTES,
    FRAME,
    MAGIC,
    MAX_PAYLOAD,
    PREFIXES,
    ROWS_BYTE,
    ROWS_HEAD,
    VERSION,
    Block,
    Head,
    Rows,
)
from trilha.errors import JournalError
from trilha.prov import PLACEHOLDER, Kind, Literal, Name, Record

__all__ = ["Damage", "Event", "Journal", "read"]

_SEARCH_BYTES: Final = 1 << 22
"""How far behind damage the next whole frame is looked for, zeros not counted."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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


Event = Record | Block | Rows


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
        damage: what could not be read so far; grows while `events` runs.
        start: offset of the first event.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.damage: list[Damage] = []
        with open(path, "rb") as file:
            begin = file.read(len(MAGIC) + FRAME.size)
            if begin[: len(MAGIC)] != MAGIC:
                raise JournalError(_no_journal(path, begin))
            length, check = FRAME.unpack(begin[len(MAGIC) :]) if len(begin) == len(MAGIC) + FRAME.size else (0, 0)
            payload = file.read(length) if length <= 1 << 20 else b""
        if not length or len(payload) < length or zlib.crc32(payload) != check:
            raise JournalError(f"{path}: expected the head of a journal at byte {len(MAGIC)}; the file is cut or damaged")
        self.head = self._head(payload)
        self.start = len(begin) + length
        self._resolve = _Resolver(self.head.bases)

    def _head(self, payload: bytes) -> Head:
        try:
            note = msgspec.msgpack.decode(payload)["head"]
            version = note["version"]
            if not isinstance(version, int) or version > VERSION:
                raise JournalError(
                    f"{self.path}: a journal of version {version!r}; this Trilha reads up to {VERSION}: upgrade Trilha"
                )
            return msgspec.convert(note, Head)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            raise JournalError(f"{self.path}: its first frame is no head of a journal: {error}") from None

    def alive(self) -> bool | None:
        """Whether the process that writes this journal still runs; None where that cannot be known from here."""
        from trilha.capture.machine import boot_id, process_start

        if self.head.boot != boot_id() or not self.head.process_start:
            return None
        return process_start(self.head.pid) == self.head.process_start

    def events(self, offset: int = 0) -> Iterator[tuple[int, Event]]:
        """What the journal holds from `offset` on, in the order in which it was appended.

        Args:
            offset: 0, or an end that this iterator gave before.

        Yields:
            The offset behind the event, and the event. Stops where nothing whole follows.

        Raises:
            OSError: the file cannot be read.
        """
        decode = self._resolve.event
        for end, payload in self._frames(offset or self.start):
            try:
                event = decode(payload)
            except (msgspec.MsgspecError, ValueError, TypeError, LookupError, OverflowError) as error:
                self._report(end - len(payload) - FRAME.size, len(payload) + FRAME.size, f"no event: {error}")
                continue
            if event is not None:
                yield end, event

    def _frames(self, offset: int) -> Iterator[tuple[int, bytes]]:
        """Each whole frame from `offset` on: the offset behind it, and its payload."""
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(offset)
            while offset + FRAME.size <= size:
                length, check = FRAME.unpack(file.read(FRAME.size))
                if 0 < length <= min(MAX_PAYLOAD, size - offset - FRAME.size):
                    payload = file.read(length)
                    if len(payload) == length and zlib.crc32(payload) == check:
                        offset += FRAME.size + length
                        yield offset, payload
                        continue
                after = self._search(file, offset, size)
                if after is None:
                    return
                offset = after
                file.seek(offset)
            if offset < size:
                file.seek(offset)
                if any(file.read(size - offset)):
                    self._report(offset, size - offset, "the file ends inside a frame")

    def _search(self, file: Any, offset: int, size: int) -> int | None:
        """Where the next whole frame behind the damage at `offset` begins; None if there is none."""
        file.seek(offset)
        place, looked = offset, 0
        written = False
        while place < size and looked < _SEARCH_BYTES:
            file.seek(place)
            window = file.read(1 << 16)
            if not window:
                break
            body = window.lstrip(b"\0")
            if not body:
                place += len(window)
                continue
            written = True
            # The first bytes of a length may be zeros themselves.
            skipped = max(0, len(window) - len(body) - 3)
            found = self._whole_frame(file, window[skipped:], place + skipped, size, after=offset)
            if found is not None:
                self._report(offset, found - offset, "a frame was not finished")
                return found
            looked += len(window) - skipped
            place += max(1, len(window) - FRAME.size)
        if written:
            self._report(offset, size - offset, "the last frame was not finished")
        return None

    @staticmethod
    def _whole_frame(file: Any, window: bytes, place: int, size: int, after: int) -> int | None:
        """The first place in `window` where a frame with the right checksum begins."""
        work = 0
        for index in range(len(window) - FRAME.size):
            if window[index + FRAME.size] not in FIRST_BYTES or place + index <= after:
                continue
            length, check = FRAME.unpack_from(window, index)
            begin = place + index + FRAME.size
            if not 0 < length <= size - begin or work + length > _SEARCH_BYTES:
                continue
            work += length
            payload = window[index + FRAME.size : index + FRAME.size + length]
            if len(payload) < length:
                file.seek(begin)
                payload = file.read(length)
            if zlib.crc32(payload) == check:
                return place + index
        return None

    def _report(self, offset: int, length: int, reason: str) -> None:
        damage = Damage(offset, length, reason)
        if damage not in self.damage:
            self.damage.append(damage)


class _Resolver:
    """Turns what stands in a journal into records of the model, one object a name."""

    def __init__(self, bases: tuple[tuple[int, str], ...]) -> None:
        self._bases = bases
        self._names: dict[Any, Name] = {}
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._extension).decode

    def event(self, payload: bytes) -> Event | None:
        """The event that `payload` holds; None if it is a note that this version does not know."""
        if payload[0] == ROWS_BYTE:
            return Rows(ROWS_HEAD.unpack_from(payload)[1], payload[ROWS_HEAD.size :])
        content = self._decode(payload)
        if isinstance(content, list):
            return self._record(content)
        if isinstance(content, dict):
            if "block" in content:
                raw = dict(content["block"])
                raw["entity"] = self.name(raw["entity"])
                return msgspec.convert(raw, Block)
            return None
        raise ValueError("neither a statement nor a note")

    def _record(self, content: list[Any]) -> Record:
        kind = Kind(content[0])
        arguments = kind.arguments
        if len(content) != len(arguments) + 3:
            raise ValueError(f"{kind.name} with {len(content)} cells")
        cells: list[Any] = [kind, self.name(content[1])]
        for value, argument in zip(content[2:-1], arguments, strict=True):
            cells.append(self._time(value) if argument.is_time else self.name(value))
        flat = content[-1]
        if not isinstance(flat, list) or len(flat) % 2:
            raise ValueError("attributes without a value")
        attributes: list[Any] = []
        for index in range(0, len(flat), 2):
            attributes.append(self.name(flat[index]))
            attributes.append(flat[index + 1])
        cells.append(tuple(attributes))
        return Record.new(tuple(cells))

    def name(self, raw: Any) -> Any:
        """The name that `raw` (a number, a text, nil or the placeholder) stands for."""
        name = self._names.get(raw)
        if name is not None:
            return name
        if raw is None or raw is PLACEHOLDER:
            return raw
        if isinstance(raw, int):
            base = ""
            for first, prefix in self._bases:
                if raw >= first:
                    base = prefix
            name = Name(f"{base}{raw}")
        elif isinstance(raw, str):
            prefix, _, local = raw.partition(":")
            name = Name(PREFIXES[prefix] + local) if prefix in PREFIXES else Name(raw)
        else:
            raise TypeError(f"no name: {type(raw).__name__}")
        if len(self._names) < 1 << 18:
            self._names[raw] = name
        return name

    @staticmethod
    def _time(raw: Any) -> datetime | None:
        if raw is None or raw is PLACEHOLDER:
            return None
        return _EPOCH + timedelta(microseconds=raw // 1000)

    def _extension(self, code: int, data: memoryview) -> Any:
        if code == EXT_NAME:
            return self.name(str(data, "utf-8"))
        if code == EXT_LITERAL:
            text, datatype, language = msgspec.msgpack.decode(data, type=tuple[str, str, str | None])
            return Literal(text, self.name(datatype), language)
        if code == EXT_PLACEHOLDER:
            return PLACEHOLDER
        raise ValueError(f"extension type {code} is unknown")


def _no_journal(path: str, begin: bytes) -> str:
    if not begin:
        return f"{path}: expected a journal of Trilha; the file is empty"
    return f"{path}: expected a journal of Trilha, which begins with {MAGIC!r}; this begins with {begin[:8]!r}"
