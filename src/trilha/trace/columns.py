"""Columns of numbers in a file: written piece by piece in bounded memory, read through a memory map.

A file is a sequence of columns, each an array of numbers of one width, and a JSON object at its end that says
where each begins and what else is to be known. Who asks for a few numbers reads a few pages, however many
there are. `docs/reference/trace.md` tells the format.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
import struct
import sys
import tempfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from heapq import merge
from typing import IO, Any, Final

from trilha.errors import TrilhaError

__all__ = ["Columns", "Damaged", "Texts", "Writing", "found_in", "pairs_of"]

MAGIC: Final = b"TRLHCOL1"
_END: Final = struct.Struct("<QQ")
_PIECE: Final = 1 << 16
"""Numbers that are held before they are written."""
_RUN: Final = 1 << 18
"""Pairs that are sorted at once."""
_KNOWN: Final = 1 << 16
"""Texts that are remembered, so that the same one is written once."""


class Damaged(TrilhaError):
    """A file of columns is cut, or of another format or byte order."""


class _Column:
    """A column that is written: `held` takes numbers; `spill` now and then."""

    def __init__(self, width: str, folder: str | None) -> None:
        self.width = width
        self.held = array(width)
        self.length = 0
        self._folder = folder
        self._file: IO[bytes] | None = None

    def spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 -- closed by `close`
        self.held.tofile(self._file)
        self.length += len(self.held)
        del self.held[:]

    def into(self, target: IO[bytes]) -> None:
        if self._file is not None:
            self._file.seek(0)
            shutil.copyfileobj(self._file, target, 1 << 20)
        self.length += len(self.held)
        self.held.tofile(target)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Pairs:
    """Pairs of 32-bit numbers, to be sorted: runs that are sorted in memory are merged at the end."""

    def __init__(self, folder: str | None) -> None:
        self.held = array("Q")
        self._folder = folder
        self._runs: list[IO[bytes]] = []

    def spill(self) -> None:
        if len(self.held) >= _RUN:
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 -- closed by `close`
            array("Q", sorted(self.held)).tofile(file)
            self._runs.append(file)
            del self.held[:]

    def sorted(self) -> Iterator[int]:
        runs: list[Iterator[int]] = [iter(sorted(self.held))]
        runs += [_numbers(file) for file in self._runs]
        yield from merge(*runs)

    def close(self) -> None:
        for file in self._runs:
            file.close()


def _numbers(file: IO[bytes]) -> Iterator[int]:
    file.seek(0)
    while True:
        piece = array("Q")
        with contextlib.suppress(EOFError):
            piece.fromfile(file, 4096)
        if not piece:
            return
        yield from piece


class Texts:
    """Texts by number, in two columns: where each ends, and the bytes of all."""

    def __init__(self, ends: array[int], texts: array[int]) -> None:
        self._ends, self._bytes = ends, texts
        self._length = self._count = 0
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text."""
        known = self._known.get(text)
        if known is not None:
            return known
        encoded = text.encode("utf-8", "surrogatepass")
        self._bytes.frombytes(encoded)
        self._length += len(encoded)
        self._ends.append(self._length)
        if len(self._known) >= _KNOWN:
            self._known.clear()
        self._known[text] = self._count
        self._count += 1
        return self._count - 1


class Writing:
    """A file of columns while it is written.

    Args:
        folder: where what does not fit into memory waits; that of temporary files by default.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        self._columns: dict[str, _Column] = {}
        self._pairs: dict[str, _Pairs] = {}

    def column(self, name: str, width: str = "I") -> array[int]:
        """A new column, as the array that takes its numbers; `spill` empties it.

        Args:
            name: of the column.
            width: type code of `array`: "I" for 32 bits, "Q" for 64, "B" for a byte.
        """
        self._columns[name] = one = _Column(width, self._folder)
        return one.held

    def texts(self, name: str) -> Texts:
        """A new pair of columns of texts."""
        return Texts(self.column(f"{name} ends", "Q"), self.column(name, "B"))

    def pairs(self, name: str) -> array[int]:
        """A new column of pairs, ``first << 32 | second``, that are sorted when they are written."""
        self._pairs[name] = one = _Pairs(self._folder)
        return one.held

    def length(self, name: str) -> int:
        """How many numbers a column has so far."""
        one = self._columns[name]
        return one.length + len(one.held)

    def spill(self) -> None:
        """Write what is held, where it has become much."""
        for column in self._columns.values():
            if len(column.held) >= _PIECE:
                column.spill()
        for pairs in self._pairs.values():
            pairs.spill()

    def write(self, target: IO[bytes], about: dict[str, Any]) -> None:
        """Write the file.

        Args:
            target: an empty file.
            about: what else is to be known; of JSON's types.
        """
        for name, pairs in self._pairs.items():
            held = self.column(name, "Q")
            for pair in pairs.sorted():
                held.append(pair)
                if len(held) >= _PIECE:
                    self._columns[name].spill()
        target.write(MAGIC)
        at, places = len(MAGIC), {}
        for name, column in self._columns.items():
            column.into(target)
            length = column.length * column.held.itemsize
            places[name] = [column.width, at, length]
            padding = -length % 8
            target.write(bytes(padding))
            at += length + padding
        told = json.dumps({"byte_order": sys.byteorder, "columns": places, "about": about}).encode()
        target.write(told)
        target.write(_END.pack(at, len(told)) + MAGIC)
        target.flush()

    def close(self) -> None:
        """Let go of what waits in temporary files."""
        for column in self._columns.values():
            column.close()
        for pairs in self._pairs.values():
            pairs.close()


class Columns:
    """A file of columns, read through a memory map.

    Args:
        file: opened for reading; it may be closed afterwards.

    Attributes:
        about: what else it says.

    Raises:
        Damaged: it is no whole file of columns, or one of another kind of machine.
    """

    def __init__(self, file: IO[bytes]) -> None:
        size = os.fstat(file.fileno()).st_size
        tail = _END.size + len(MAGIC)
        if size < len(MAGIC) + tail:
            raise Damaged("a file of columns that is cut; it is to be made again")
        self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        at, length = _END.unpack_from(self._map, size - tail)
        if self._map[: len(MAGIC)] != MAGIC or self._map[size - len(MAGIC) :] != MAGIC:
            raise Damaged("no file of columns of this version; it is to be made again")
        if at + length + tail != size:
            raise Damaged("a file of columns that is cut; it is to be made again")
        told = json.loads(self._map[at : at + length])
        if told["byte_order"] != sys.byteorder:
            raise Damaged("a file of columns of another byte order; it is to be made again")
        self.about: dict[str, Any] = told["about"]
        self._places: dict[str, tuple[str, int, int]] = told["columns"]

    def column(self, name: str) -> memoryview[int]:
        """The numbers of a column."""
        width, at, length = self._places[name]
        return memoryview(self._map)[at : at + length].cast(width)  # type: ignore[call-overload, no-any-return]

    def text(self, name: str, number: int) -> str:
        """A text of a pair of columns of texts."""
        ends, texts = self.column(f"{name} ends"), self._places[name][1]
        begin = ends[number - 1] if number else 0
        return self._map[texts + begin : texts + ends[number]].decode("utf-8", "surrogatepass")

    def places(self, name: str, number: int) -> Iterator[int]:
        """Where a number is in a column of 32-bit numbers."""
        _, begin, length = self._places[name]
        needle, find = number.to_bytes(4, sys.byteorder), self._map.find
        at, end = begin, begin + length
        while (at := find(needle, at, end)) >= 0:
            if (at - begin) & 3:
                at += 1
                continue
            yield (at - begin) >> 2
            at += 4

    def places_backward(self, name: str, number: int, before: int | None = None) -> Iterator[int]:
        """Where a number is in a column of 32-bit numbers, the last place first.

        Args:
            name: of the column.
            number: that is looked for.
            before: a place; only those before it are meant.
        """
        _, begin, length = self._places[name]
        needle, find = number.to_bytes(4, sys.byteorder), self._map.rfind
        end = begin + (length if before is None else min(length, before << 2))
        while (at := find(needle, begin, end)) >= 0:
            if (at - begin) & 3:
                end = at + 3
                continue
            yield (at - begin) >> 2
            end = at


def found_in(sorted_numbers: memoryview[int], number: int) -> int:
    """The place of a number in a sorted column; -1 if it is not there."""
    at = bisect_left(sorted_numbers, number)
    return at if at < len(sorted_numbers) and sorted_numbers[at] == number else -1


def pairs_of(pairs: memoryview[int], first: int) -> tuple[int, int]:
    """Where the pairs with this first number begin and end."""
    begin = bisect_left(pairs, first << 32)
    return begin, bisect_right(pairs, (first << 32) | 0xFFFFFFFF, begin)
