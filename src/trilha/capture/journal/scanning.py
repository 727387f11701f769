"""Finding the whole frames of a file, and the next one behind whatever is torn.

Where a long frame is torn but its length is not, the next one begins behind it. Else every place is a
candidate at which a length could stand, and a checksum decides. Checksums of nonsense cost time, so there is
only so much to spend on them: a file that was made to waste time is passed over as one damage.
"""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections.abc import Callable, Iterator
from io import RawIOBase
from typing import Final

from trilha.capture.journal.frames import FIRST_BYTES, FRAME, MAX_PAYLOAD

__all__ = ["Scanner"]

_WINDOW: Final = 1 << 16
_CHUNK: Final = 1 << 20
_CANDIDATE: Final = re.compile(
    # Four bytes of a length up to MAX_PAYLOAD, four of a checksum, and the first byte of a payload.
    rb"(?s)(?=...[\x00-\x10]....["
    + b"".join(re.escape(bytes([byte])) for byte in sorted(FIRST_BYTES))
    + b"])"
)
_LEAST_COST: Final = 512
"""What trying a place costs beside its checksum, in bytes of checksum."""
_SMALL: Final = 1 << 16


class Scanner:
    """Reads the frames of one file.

    Args:
        file: open for reading, unbuffered.
        report: takes the offset, length and reason of each damage.
    """

    def __init__(self, file: RawIOBase, report: Callable[[int, int, str], None]) -> None:
        self._file = file
        self._report = report
        self._size = os.fstat(file.fileno()).st_size
        self._small = 16 * self._size + (1 << 26)
        self._large = 4 * self._size + (1 << 28)
        self._window = b""
        self._window_at = 0

    def frames(self, offset: int) -> Iterator[tuple[int, bytes]]:
        """Each whole frame from `offset` on: the offset behind it, and its payload."""
        while offset + FRAME.size < self._size:
            payload = self._in_window(offset) or self._payload(offset)
            if payload is None:
                self._window = b""  # a living writer may have filled it since
                payload = self._payload(offset)
            if payload is not None:
                offset += FRAME.size + len(payload)
                yield offset, payload
                continue
            begin = self._data_from(offset)
            if begin is None:
                return
            found = self._next(offset, begin)
            if found is None:
                self._report(offset, self._size - offset, "the last frame was not finished")
                return
            self._report(offset, found - offset, "a frame was not finished or is damaged")
            offset = found
        if offset < self._size and any(self._bytes(offset, self._size - offset)):
            self._report(offset, self._size - offset, "the file ends inside a frame")

    def _in_window(self, offset: int) -> bytes | None:
        """The payload of the frame at `offset`, if a whole one is in the window: so are nearly all."""
        window, at = self._window, offset - self._window_at
        if not 0 <= at < len(window) - FRAME.size:
            return None
        length, check = FRAME.unpack_from(window, at)
        begin = at + FRAME.size
        payload = window[begin : begin + length] if 0 < length <= len(window) - begin else b""
        if payload and payload[0] in FIRST_BYTES and zlib.crc32(payload) == check:
            return payload
        return None

    def _bytes(self, offset: int, length: int) -> bytes:
        """Bytes of the file, out of one window where they are in it."""
        begin = offset - self._window_at
        if begin >= 0 and begin + length <= len(self._window):
            return self._window[begin : begin + length]
        if length > _WINDOW // 2:
            return self._read(offset, length)
        self._window, self._window_at = self._read(offset, _WINDOW), offset
        return self._window[:length]

    def _read(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        while length > 0:
            part = os.pread(self._file.fileno(), min(length, 1 << 26), offset)
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _payload(self, offset: int) -> bytes | None:
        """The payload of the frame at `offset`, if a whole one is there."""
        head = self._bytes(offset, FRAME.size + 1)
        if len(head) <= FRAME.size or head[FRAME.size] not in FIRST_BYTES:
            return None
        length, check = FRAME.unpack(head[: FRAME.size])
        if not 0 < length <= min(MAX_PAYLOAD, self._size - offset - FRAME.size):
            return None
        if length > _CHUNK and not self._holds(offset + FRAME.size, length, check):
            return None
        payload = self._bytes(offset + FRAME.size, length)
        return payload if len(payload) == length and zlib.crc32(payload) == check else None

    def _holds(self, offset: int, length: int, check: int) -> bool:
        """Whether the checksum of a long payload is right, found out without having it in memory at once."""
        found = 0
        for begin in range(0, length, _CHUNK):
            found = zlib.crc32(self._read(offset + begin, min(_CHUNK, length - begin)), found)
        return found == check

    def _data_from(self, offset: int) -> int | None:
        """Where the first byte from `offset` on is that is not zero; None if there is none."""
        while offset < self._size:
            try:
                offset = os.lseek(self._file.fileno(), offset, os.SEEK_DATA)
            except AttributeError:
                pass
            except OSError as error:
                if error.errno == errno.ENXIO:
                    return None
            window = self._read(offset, _WINDOW)
            if not window:
                return None
            body = window.lstrip(b"\0")
            if body:
                return offset + len(window) - len(body)
            offset += len(window)
        return None

    def _next(self, torn: int, begin: int) -> int | None:
        """Where the next whole frame behind the torn one at `torn` begins, whose first byte is at `begin`."""
        head = self._bytes(torn, FRAME.size)
        length = FRAME.unpack(head)[0] if len(head) == FRAME.size else 0
        behind = torn + FRAME.size + length
        if _SMALL < length <= MAX_PAYLOAD and self._pay(behind) and self._payload(behind) is not None:
            return behind
        # The first bytes of a length may be zeros themselves.
        place = max(torn + 1, begin - 3)
        while place + FRAME.size < self._size:
            window = self._read(place, _WINDOW)
            for match in _CANDIDATE.finditer(window):
                at = place + match.start()
                if self._pay(at) and self._payload(at) is not None:
                    return at
            if self._small <= 0:
                return None
            place += max(1, len(window) - FRAME.size)
            if not any(window[-FRAME.size :]):
                data = self._data_from(place)
                if data is None:
                    return None
                place = max(place, data - 3)
        return None

    def _pay(self, at: int) -> bool:
        """Whether it is worth its cost to look for a frame at `at`."""
        head = self._bytes(at, FRAME.size)
        length = FRAME.unpack(head)[0] if len(head) == FRAME.size else 0
        if not 0 < length <= self._size - at - FRAME.size:
            return False
        if length <= _SMALL:
            self._small -= max(length, _LEAST_COST)
            return self._small > 0
        if length > self._large:
            return False
        self._large -= length
        return True
