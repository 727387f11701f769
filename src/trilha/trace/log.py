"""Reading the log of a traced process: records in the order in which they were logged.

`docs/reference/trace.md` tells the format.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

__all__ = ["END", "FIRST_TOKEN", "KINDS", "Log", "unpacked"]

KINDS: Final = (
    *("other", "block", "item", "getitem", "getattr", "into", "key", "result"),
    *("enter", "begin", "resume", "raised", "receiver", "define", "next", "end", "over"),
    *("again", "plain", "outside", "made", "left", "ran"),
)
OTHER, BLOCK, ITEM, GETITEM, GETATTR, INTO, KEY, RESULT = range(8)
ENTER, BEGIN, RESUME, RAISED, RECEIVER, DEFINE, NEXT = range(8, 15)
END: Final = 15
FINISHED: Final = 16
AGAIN, PLAIN = 17, 18
OUTSIDE, MADE, LEFT, RAN, VALUE = 19, 20, 21, 22, 23
SKIP, SKIPPED, RETURNED, GOES_ON = 24, 25, 26, 27
CALLED: Final = 28
"""Of text that is not traced: it runs; a function or class that is traced was made; it goes on."""
"""Short forms: an access to the container of before that gave an atom; an item that is made of atoms."""
FIRST: Final = 16
"""The first number that stands for a kind of record at a place."""
"""Stands for the record `OVER`: a generator or coroutine is finished."""
PAD, DEAD, SWITCH, KEYTEXT, MODULE, GAP, OVER, ARRAY, CHOSEN, OPENED = range(10)
FORKED, CELL, NAMES = 10, 11, 12
JOINED = 13
ROWS, LABELS = 14, 15
UNTRACKED: Final = 1
FIRST_TOKEN: Final = 2
KNOWN, HANDING, HANDED, BEGINS, GIVES, PASSES, ARRIVES, EXECUTES, EXECUTED, CALLS = range(10)
CLOSES: Final = 10
RELOADS, REBINDS, MEETS = 15, 16, 17
"""What a record `JOINED` tells."""


class Log:
    """The numbers and texts of a log.

    Args:
        chunks: the log's bytes, in pieces cut anywhere between records.

    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks: Iterator[bytes] = iter(chunks)
        self._data = b""
        self._at = 0

    def number(self) -> int:
        """The next number.

        Raises:
            EOFError: there is none.
        """
        data, at = self._data, self._at
        try:
            byte = data[at]
            if byte < 128:
                self._at = at + 1
                return byte
            number, shift = byte & 127, 7
            while True:
                at += 1
                byte = data[at]
                number |= (byte & 127) << shift
                if byte < 128:
                    self._at = at + 1
                    return number
                shift += 7
        except IndexError:
            self._more()
            return self.number()

    def text(self) -> bytes:
        """A text: its length, and its bytes.

        Raises:
            EOFError: there are not so many.
        """
        length = self.number()
        while len(self._data) - self._at < length:
            self._more()
        begin = self._at
        self._at = begin + length
        return self._data[begin : self._at]

    def _more(self) -> None:
        for chunk in self._chunks:
            self._data, self._at = self._data[self._at :] + chunk, 0
            return
        raise EOFError("the log ends here")


def unpacked(packed: bytes, kinds: int) -> tuple[list[int], bytes]:
    """The kinds of records of a module, and its text.

    Args:
        packed: how far each kind is from the one before, and the text, both compressed, as the log has them.
        kinds: how many there are.

    Raises:
        zlib.error, EOFError: these are none.
    """
    unpacking = zlib.decompressobj()
    steps = Log([unpacking.decompress(packed)])
    signed = (steps.number() for _ in range(kinds))
    heads = list(accumulate(-(one >> 1) - 1 if one & 1 else one >> 1 for one in signed))
    return heads, zlib.decompress(unpacking.unused_data)
