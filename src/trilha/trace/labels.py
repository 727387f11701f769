"""The labels of rows of pandas' frames, as a trace has them (`trilha.capture.script.labels`)."""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Final

__all__ = ["FRAME", "OTHER", "PLAIN", "Labels"]

PLAIN: Final = 1
"""A column of plain values."""
FRAME: Final = 2
OTHER: Final = 3
"""A column of values of other kinds (categories)."""
_RANGE, _BITS, _EACH = range(3)
"""How labels are told."""


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
        self.how, self.length, self._first, self._step, self._packed = how, length, first, step, packed

    def __len__(self) -> int:
        return self.length

    @cached_property
    def all(self) -> Sequence[int]:
        """The labels in the order of the rows."""
        if self.how == _RANGE:
            return range(self._first, self._first + self.length * self._step, self._step or 1)
        if self.how == _BITS:
            bits = "".join(f"{byte:08b}" for byte in self._packed)
            return array("q", (self._first + at for at, bit in enumerate(bits) if bit == "1"))
        found = array("q", zlib.decompress(self._packed))
        if sys.byteorder == "big":
            found.byteswap()
        return found

    @cached_property
    def places(self) -> dict[int, int]:
        """The position of each label; of one that several rows have, the last."""
        return {label: at for at, label in enumerate(self.all)}

    @property
    def are_unique(self) -> bool:
        """Whether no two rows have the same label."""
        return self.how != _EACH or len(self.places) == self.length

    @property
    def are_positions(self) -> bool:
        """Whether each row's label is its position."""
        return self.how == _RANGE and (self._first, self._step) == (0, 1)

    def at(self, position: int) -> int | None:
        """The label at a position, from the end if it is less than 0; None if there is none."""
        return self.all[position] if -self.length <= position < self.length else None
