"""Arrays that share memory: what was last written where, and which of them a write changes.

An array is a way to walk through memory: where it begins, how many steps each dimension has, and how far
apart they are. A view walks through the memory of another array, so a write to one is a change of each that
comes by there. All is decided by these facts, which the log has, never by how the text looks.

Source: NumPy Reference, "The N-dimensional array", section "Internal memory layout of an ndarray".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias
from weakref import WeakValueDictionary

__all__ = ["VIEW", "Array", "Layout", "Memory", "Write"]

VIEW, FIELDS, PLAIN = 1, 2, 4
"""What the log says of an array: its memory is another's; its elements have fields; they are no objects."""

_FEW: Final = 4096
"""So many elements are looked at one by one."""
_MOST_WRITES: Final = 64
"""So many writes to more than one element are told apart in one memory."""


class Layout(NamedTuple):
    """The elements of an array, or some of them, in memory.

    Attributes:
        offset: of the first, in bytes from the beginning of the memory.
        size: of one, in bytes.
        shape: how many there are in each dimension.
        strides: bytes from one to the next in each dimension.
    """

    offset: int
    size: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many elements there are."""
        return math.prod(self.shape)

    def part(self, key: str | None) -> Layout | None:
        """The elements under a key as the log has it; None if that does not tell which they are."""
        if key is None:
            return None
        words = key[1:-1] if key[:1] == "(" else key
        parts = [one.strip() for one in words.split(",")]
        if parts and not parts[-1]:
            parts.pop()
        if "Ellipsis" in parts:
            at = parts.index("Ellipsis")
            parts[at : at + 1] = [":"] * (len(self.shape) - len(parts) + 1)
        if len(parts) > len(self.shape):
            return None
        offset, shape, strides = self.offset, list(self.shape), list(self.strides)
        left: list[int] = []
        for axis, text in enumerate(parts):
            step = _positions(text, shape[axis])
            if step is None:
                return None
            begin, count, by = step
            offset += begin * strides[axis]
            if count < 0:
                left.append(axis)
            else:
                shape[axis], strides[axis] = count, strides[axis] * by
        kept = [axis for axis in range(len(shape)) if axis not in left]
        return Layout(
            offset, self.size, tuple(shape[axis] for axis in kept), tuple(strides[axis] for axis in kept)
        )

    def offsets(self) -> Iterator[int]:
        """Where each element is."""
        found = [self.offset]
        for count, stride in zip(self.shape, self.strides, strict=True):
            found = [one + at * stride for one in found for at in range(count)]
        return iter(found)

    def in_one_dimension(self) -> Layout | None:
        """All elements, one behind the other; None if they do not lie like this."""
        expected = self.size
        for count, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if stride != expected and count != 1:
                return None
            expected *= count
        return Layout(self.offset, self.size, (self.elements,), (self.size,))

    def holds(self, offset: int) -> bool:
        """Whether an element is there."""
        return self.indices(offset) is not None

    def indices(self, offset: int) -> tuple[int, ...] | None:
        """The indices of the element that is there; None if there is none."""
        rest = offset - self.bounds()[0]
        found = [0] * len(self.shape)
        for axis in sorted(range(len(self.shape)), key=lambda one: -abs(self.strides[one])):
            count, stride = self.shape[axis], self.strides[axis]
            at = min(rest // abs(stride), count - 1) if stride else 0
            if at < 0:
                return None
            found[axis] = at if stride >= 0 else count - 1 - at
            rest -= at * abs(stride)
        return tuple(found) if rest == 0 else None

    def bounds(self) -> tuple[int, int]:
        """The first byte, and one behind the last."""
        low = high = self.offset
        for count, stride in zip(self.shape, self.strides, strict=True):
            low += min(0, (count - 1) * stride)
            high += max(0, (count - 1) * stride)
        return low, high + self.size

    def overlaps(self, other: Layout) -> bool:
        """Whether some element may be in both; exact unless both are large."""
        if not self.elements or not other.elements:
            return False
        (low, high), (other_low, other_high) = self.bounds(), other.bounds()
        if high <= other_low or other_high <= low:
            return False
        small, large = (self, other) if self.elements <= other.elements else (other, self)
        if small == large or small.elements > _FEW or small.size != large.size:
            return True
        return any(large.holds(one) for one in small.offsets())

    def covers(self, other: Layout) -> bool:
        """Whether all elements of the other one are certainly among these."""
        if self == other:
            return True
        low, high = self.bounds()
        dense = high - low == self.elements * self.size
        other_low, other_high = other.bounds()
        return dense and low <= other_low and other_high <= high


def _positions(text: str, length: int) -> tuple[int, int, int] | None:
    """First position, count (-1 for a single one) and step of a part of a key; None if it does not tell."""
    if text.lstrip("-").isdecimal():
        at = int(text)
        return (at + length if at < 0 else at), -1, 1
    found = places(text, length)
    return None if found is None else (found.start, len(found), found.step)


def places(key: str, length: int) -> range | None:
    """The positions that a slice has of so many; None where the key is no slice, or not known."""
    pieces = key.split(":")
    if not 2 <= len(pieces) <= 3 or any(one and not one.lstrip("-").isdecimal() for one in pieces):
        return None
    return range(length)[slice(*(int(one) if one else None for one in pieces))]


Member: TypeAlias = object


class Write(NamedTuple):
    """A write to memory.

    Attributes:
        order: they grow.
        layout: to which elements; None if that is not known.
        member: what they are now, as the shadow has it.
        sure: all of these elements were written, not just some.
    """

    order: int
    layout: Layout | None
    member: Member
    sure: bool


class Memory:
    """What arrays share, and what was written there.

    Attributes:
        arrays: those that live, by the number of their thing.
        windows: what else is a way to it, and has no identity in the log.
        columns: keys of the columns that frames have there, by the number of the frame's thing.
    """

    def __init__(self) -> None:
        self.arrays: dict[int, Array] = {}
        self.windows: WeakValueDictionary[int, Array] = WeakValueDictionary()
        self.columns: dict[int, dict[Layout, str]] = {}
        self._cells: dict[int, Write] = {}
        self._writes: list[Write] = []
        self._sizes: set[int] = set()
        self._order = 0

    def write(self, layout: Layout | None, member: Member, *, sure: bool) -> None:
        """Note a write."""
        self._order += 1
        if layout is not None:
            self._sizes.add(layout.size)
        made = Write(self._order, layout, member, sure and layout is not None)
        if layout is not None and sure and layout.elements == 1:
            self._cells[layout.offset] = made
            return
        if made.sure and layout is not None:
            self._writes = [
                one for one in self._writes if one.layout is None or not layout.covers(one.layout)
            ]
            if len(self._cells) <= _FEW:
                self._cells = {at: one for at, one in self._cells.items() if not layout.holds(at)}
        self._writes.append(made)
        if len(self._writes) > _MOST_WRITES:
            self._writes = [Write(self._order, None, None, False)]

    def element(self, element: Layout) -> Member:
        """What was last written to a single element; None if that is not known."""
        offset = element.offset
        if self._sizes - {element.size}:
            return None
        cell = self._cells.get(offset)
        for one in reversed(self._writes):
            if cell is not None and one.order < cell.order:
                break
            if one.layout is None or one.layout.holds(offset):
                return one.member if one.sure else None
        return cell.member if cell is not None else None

    def within(self, layout: Layout) -> list[Member] | None:
        """What was written to these elements and may still be there; None if that is too much to tell."""
        if self._sizes - {layout.size} or any(one.layout is None for one in self._writes):
            return None
        found = [one for one in self._writes if one.layout is not None and one.layout.overlaps(layout)]
        if self._cells:
            if layout.elements <= len(self._cells):
                cells = [self._cells[one] for one in layout.offsets() if one in self._cells]
            elif len(self._cells) <= _FEW:
                cells = [one for at, one in self._cells.items() if layout.holds(at)]
            else:
                return None
            found += cells
        found.sort()
        return [one.member for one in found] if len(found) <= _MOST_WRITES else None


class Array:
    """An array of the program.

    Attributes:
        memory: that it walks through.
        layout: how; None if that changed in a way that is not known.
        has_rows: whether its elements have fields: such an element is a way to the memory, too.
        is_plain: whether it is known that its elements are no objects: what is stored in it is copied.
    """

    __slots__ = ("__weakref__", "has_rows", "is_plain", "layout", "memory", "thing")

    def __init__(self, thing: object, memory: Memory, layout: Layout | None, flags: int = 0) -> None:
        self.thing, self.memory, self.layout = thing, memory, layout
        self.has_rows, self.is_plain = bool(flags & FIELDS), bool(flags & PLAIN)

    def part(self, key: str | None) -> Layout | None:
        """The elements under a key; None if they are not known."""
        return self.layout.part(key) if self.layout is not None else None

    def keeps(self, key: str | None) -> bool:
        """Whether an object that is stored under a key may be there from then on; else it is copied."""
        found = None if self.is_plain else self.part(key)
        return found is not None and not found.shape

    def element(self, key: str | None) -> Member:
        """What was last written to the one element under a key; None if that is not known."""
        found = self.part(key)
        return self.memory.element(found) if found is not None and not found.shape else None

    def key(self, written: Layout) -> str | None:
        """The key of a single element, as the log has keys; None for more than one."""
        if self.layout is None or written.elements != 1 or written.size != self.layout.size:
            return None
        if self.has_rows:
            return None  # Who looks at a field looks at each row.
        index = self.layout.indices(written.offset)
        if index is None:
            return None
        return str(index[0]) if len(index) == 1 else repr(index)
