"""The labels of rows of pandas' frames, as a trace has them (`trilha.capture.script.labels`)."""

from __future__ import annotations

import ast
import sys
import zlib
from array import array
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final, TypeAlias

__all__ = ["BY_GROUPS", "FRAME", "OF_FIRST", "OF_GROUPS", "OF_SECOND", "OTHER", "PLAIN", "SERIES", "Label"]
__all__ += ["Labels", "are_texts"]

Label: TypeAlias = int | str
"""Of a row: a whole number, or the words of a text, as a key has them."""

SERIES: Final = 0
"""A column, whatever its values are, and its labels."""
PLAIN: Final = 1
"""A column of plain values."""
FRAME: Final = 2
OTHER: Final = 3
"""A column of values of other kinds (categories)."""
OF_FIRST, OF_SECOND, OF_GROUPS, BY_GROUPS = 4, 5, 6, 7
"""What was made of rows: of those of the two frames that were merged, of those of groups; by these groups, if
by any."""
_RANGE, _BITS, _EACH, _TEXTS, _PLACES, _GROUPS, _PRESSED = range(7)
"""How labels, and places, are told."""


def are_texts(how: int) -> bool:
    """Whether labels are texts that were told like this; else they are whole numbers."""
    return how == _TEXTS


class Labels:
    """The labels of the rows of a frame or column, one for each position.

    Args:
        how: they were told.
        length: how many there are.
        first: of them.
        step: from one to the next, where they are a range.
        packed: the others, as the log has them.
    """

    def __init__(self, how: int, length: int, first: int, step: int, packed: bytes) -> None:
        if how == _PRESSED:
            how, packed = _BITS, zlib.decompress(packed)
        self.how, self.length, self._first, self._step, self._packed = how, length, first, step, packed

    def __len__(self) -> int:
        return self.length

    @cached_property
    def all(self) -> Sequence[Label]:
        """The labels in the order of the rows."""
        if self.how == _TEXTS:
            return zlib.decompress(self._packed).decode("utf-8", "surrogatepass").split("\0")
        return self.numbers

    @cached_property
    def numbers(self) -> Sequence[int]:
        """Labels that are whole numbers; where each row was, -1 for nowhere; the group of each, from 1 on."""
        if self.how == _RANGE:
            return range(self._first, self._first + self.length * self._step, self._step or 1)
        if self.how == _BITS:
            bits = "".join(f"{byte:08b}" for byte in self._packed)
            return array("q", (self._first + at for at, bit in enumerate(bits) if bit == "1"))
        width = "q" if self.how == _EACH else {1: "B", 2: "H", 4: "I"}[self._first]
        found = array(width, zlib.decompress(self._packed))
        if sys.byteorder == "big":
            found.byteswap()
        if self.how != _PLACES:
            return found
        numbers = [one - 1 for one in found]
        return list(accumulate(numbers)) if self._step else numbers

    @cached_property
    def places(self) -> dict[Label, int]:
        """The position of each label; of one that several rows have, the last."""
        return {label: at for at, label in enumerate(self.all)}

    @property
    def are_unique(self) -> bool:
        """Whether no two rows have the same label."""
        return self.how in (_RANGE, _BITS) or len(self.places) == self.length

    @property
    def are_positions(self) -> bool:
        """Whether each row's label is its position."""
        return self.how == _RANGE and (self._first, self._step) == (0, 1)

    @property
    def are_texts(self) -> bool:
        """Whether they are texts."""
        return self.how == _TEXTS

    @property
    def count(self) -> int:
        """How many groups there are, where these are groups."""
        return self._step

    def at(self, position: int) -> Label | None:
        """The label at a position, from the end if it is less than 0; None if there is none."""
        return self.all[position] if -self.length <= position < self.length else None

    def named(self, key: str) -> Label | None:
        """The label that a key, or the first part of it, names; None for none that is here."""
        try:
            value = ast.literal_eval(key)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        for one in (value, value[0] if type(value) is tuple and value else value):
            label = one if type(one) is int else repr(one)
            if label in self.places:
                return label
        return None
