"""Slices of arrays: which rows of a known array another one is, told by the memory that both lie in.

A slice of an array (``images[1400:]``) is no copy: it lies in the memory of the array that it was taken from,
at a place that tells exactly which rows it is. What was copied (an array of chosen indices, a scaled one)
lies elsewhere, and nothing is told of it. Only arrays that say that they are no owners of their memory are
looked at, and of those only the first in a run: a program that slices its batches needs no statement of each.

A column of a table, and a table of some of its columns, lies in the arrays that the table keeps them in.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from trilha.capture.identity import Known, Objects, columns_of
from trilha.capture.interrupts import Harmless

__all__ = ["Memory", "View", "memory_of", "owner_of", "view_of"]

_MOST_VIEWS: Final = 256
_MOST_LOOKED_AT: Final = 1024


class Memory(NamedTuple):
    """Where an array lies.

    Attributes:
        address: of its first element.
        shape: its lengths.
        strides: bytes from one element to the next, by dimension.
        size: bytes of one element.
        owner: what it is a view of, as it says itself; None where it is no view.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    owner: Any


class View(NamedTuple):
    """What an array is a view of.

    Attributes:
        whole: the array whose memory it lies in.
        known: what is known of that, None if it has not been met.
        rows: which rows of that it is; None where it is made of anything but whole rows.
    """

    whole: Any
    known: Known | None
    rows: range | None


memory_of: Final[dict[str, Callable[[Any], Memory | None]]] = {}
"""Where an array lies, or None for what is none, by the package that its class is from."""
_looked_at: Final[weakref.WeakKeyDictionary[Objects, int]] = weakref.WeakKeyDictionary()


def view_of(objects: Objects, thing: Any) -> View | None:
    """What `thing`, which is not known, is a view of: the smallest known array around it, else its owner.

    Gives None for what is no view, and from the 257th view of a run on.
    """
    mine, columns = _memory(thing), columns_of(thing)
    if not columns and (mine is None or mine.owner is None):
        return None
    looked_at = _looked_at.get(objects, 0)
    if looked_at >= _MOST_VIEWS:
        return None
    _looked_at[objects] = looked_at + 1
    if mine is None:
        return _view_of_table(objects, thing, columns)
    begin, end = _extent(mine)
    best: tuple[int, Any, Memory] | None = None
    for one, its in _arrays(objects):
        first, last = _extent(its)
        if first <= begin and end <= last and begin < end and (best is None or last - first < best[0]):
            best = last - first, one, its
    if best is not None:
        return View(best[1], objects.itself(best[1]), _rows(mine, best[2]))
    owners = _memory(mine.owner)
    rows = _rows(mine, owners) if owners is not None else None
    if owners is None or rows is None or len(rows) == owners.shape[0]:
        return None  # The owner may be something inside a library that the program never sees.
    return View(mine.owner, None, rows)


def owner_of(thing: Any) -> Any:
    """The array whose memory an array says that it lies in; None if it has its own."""
    mine = _memory(thing)
    owner = mine.owner if mine is not None else None
    return owner if owner is not thing and _memory(owner) is not None else None


def _view_of_table(objects: Objects, table: Any, columns: list[Any]) -> View | None:
    """The first known table that keeps a column where this one does, or array that is one of its columns."""
    places = set(map(id, columns))
    for one in islice(objects.alive(), _MOST_LOOKED_AT):
        if one is not table and (id(one) in places or not places.isdisjoint(map(id, columns_of(one)))):
            return View(one, objects.itself(one), None)
    return None


def _memory(thing: Any) -> Memory | None:
    # A program's class may do anything when it is asked for its module.
    with Harmless():
        tell = memory_of.get(type(thing).__module__.partition(".")[0])
        return tell(thing) if tell is not None else None
    return None


def _arrays(objects: Objects) -> Iterator[tuple[Any, Memory]]:
    """The objects that are known or expected and whose memory can be told."""
    for thing in islice(objects.alive(), _MOST_LOOKED_AT):
        memory = _memory(thing)
        if memory is not None:
            yield thing, memory
        for column in columns_of(thing):
            memory = _memory(column)
            if memory is not None and len(memory.shape) != 1:
                # Of several columns that lie in one array, it is not told which is which: so many bytes.
                begin, end = _extent(memory)
                memory = Memory(begin, (end - begin + 1,), (1,), 0, None)
            if memory is not None:
                yield thing, memory


def _extent(memory: Memory) -> tuple[int, int]:
    """The addresses of its first byte and of the one after its last."""
    if 0 in memory.shape:
        return memory.address, memory.address
    reach = [(length - 1) * stride for length, stride in zip(memory.shape, memory.strides, strict=True)]
    begin = memory.address + sum(one for one in reach if one < 0)
    return begin, memory.address + sum(one for one in reach if one > 0) + memory.size


def _rows(part: Memory, whole: Memory) -> range | None:
    """Which rows of `whole` are `part`."""
    if not part.shape or len(part.shape) != len(whole.shape) or part.size != whole.size:
        return None
    apart = whole.strides[0]
    if (part.shape[1:], part.strides[1:]) != (whole.shape[1:], whole.strides[1:]) or apart <= 0:
        return None
    start, between = divmod(part.address - whole.address, apart)
    step, inside = divmod(part.strides[0], apart)
    if between or inside or not step:
        return None
    rows = range(start, start + step * part.shape[0], step)
    return rows if rows and min(rows[0], rows[-1]) >= 0 and max(rows[0], rows[-1]) < whole.shape[0] else None


def _of_numpy(thing: Any) -> Memory | None:
    ndarray: Any = sys.modules["numpy"].ndarray
    if not issubclass(type(thing), ndarray):
        return None
    address = ndarray.__array_interface__.__get__(thing)["data"][0]
    shape, strides = ndarray.shape.__get__(thing), ndarray.strides.__get__(thing)
    return Memory(address, shape, strides, ndarray.itemsize.__get__(thing), ndarray.base.__get__(thing))


memory_of["numpy"] = _of_numpy
