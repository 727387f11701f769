"""Where the statements of a document stand in its text: line and column of each, for messages.

A reader notes one number a statement; line and column are worked out for those that someone asks for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import overload

__all__ = ["Offsets", "Positions", "place"]

Place = tuple[int, int]
"""Line and column, both from 1, columns in characters."""


def place(text: str, offset: int) -> Place:
    """Line and column of one offset in a text."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class _Places(Sequence[Place]):
    __slots__ = ("_numbers",)

    def __init__(self, numbers: array[int]) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Place]: ...
    def __getitem__(self, index: int | slice) -> Place | Sequence[Place]:
        if isinstance(index, slice):
            return [self._place(number) for number in self._numbers[index]]
        return self._place(self._numbers[index])

    def _place(self, number: int) -> Place:
        raise NotImplementedError


class Offsets(_Places):
    """Places by offsets into a text.

    Args:
        offsets: of each statement, in characters.
        breaks: of each line feed of the text.
    """

    __slots__ = ("_breaks",)

    def __init__(self, offsets: array[int], breaks: array[int]) -> None:
        super().__init__(offsets)
        self._breaks = breaks

    def _place(self, number: int) -> Place:
        line = bisect_left(self._breaks, number)
        return line + 1, number - (self._breaks[line - 1] if line else -1)


class Positions(_Places):
    """Places by lines and columns.

    Args:
        packed: line (from 1) × 2³² + column (from 1) of each statement.
    """

    __slots__ = ()

    def _place(self, number: int) -> Place:
        return number >> 32, number & 0xFFFFFFFF
