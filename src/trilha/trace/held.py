"""The changes of a data structure: which of them still held at some time.

A put holds until its key is put again or deleted, or all is cleared; where positions move (a list's
insertions and removals) or the key is not a single one, nothing is known to replace anything.

Source: Pimentel, Murta, Freire, "Versioned-PROV" (IPAW 2018), section 3: members of a collection at a
checkpoint.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from trilha.trace.evaluations import Change, How

__all__ = ["Held", "is_another"]

_OF_NO_ELEMENT: Final = frozenset(
    [
        *(".shape", ".size", ".ndim", ".dtype", ".nbytes", ".itemsize", ".strides", ".flags", ".base"),
        *(".T", ".mT", ".flat", ".real", ".imag", ".data"),
    ]
)
"""Attributes of arrays that say nothing of what is in them, or are views: the log has what these share."""


def _is_single(key: str | None) -> bool:
    """Whether a key is of one member: not unknown, no slice, no mask."""
    return key is not None and (key[:1] in "'\".(" or key.lstrip("-").isdecimal())


def is_another(key: str | None, other: str | None) -> bool:
    """Whether the key of a change is certainly of another member than that of what looked.

    A row's may be that of an element in it; what a library's object gives as an attribute may be made of all
    that is in it.
    """
    if key is None or other is None or key == other:
        return False
    if key[:1] == "[" or other[:1] == "[":
        # Several columns of a frame.
        return (
            other not in key if key[:1] == "[" and _is_single(other) else _is_single(key) and key not in other
        )
    if not _is_single(key) or not _is_single(other):
        return False
    if other[:1] == "." and key[:1] != ".":
        return other in _OF_NO_ELEMENT
    return (key[:1] == "(") == (other[:1] == "(")


class Held:
    """Changes of one thing: which of them still held at some time.

    Attributes:
        changes: in their order.
    """

    def __init__(self, changes: list[Change]) -> None:
        self.changes = changes
        self._times = array("Q", (one.checkpoint for one in changes))
        self._cleared = [at for at, one in enumerate(changes) if one.how is How.CLEAR]
        self._moves = any(one.how in (How.INSERT, How.REMOVE) for one in changes)
        self._of_key: dict[str, array[int]] = {}
        self._told: set[int] = set()
        self._looks: list[int] = []
        """Up to which changes it was looked at, less than zero: who goes back in time adds at the end."""
        self._odd: list[int] = []
        self._single: tuple[list[int], list[int]] = [], []
        for at, one in enumerate(changes):
            if one.key is not None:
                self._of_key.setdefault(one.key, array("I")).append(at)
            if _is_single(one.key):
                self._single[str(one.key)[:1] == "("].append(at)
            else:
                self._odd.append(at)

    def may_be_of(self, key: str) -> list[Change]:
        """Those that may be of what is under a key."""
        if not _is_single(key):
            return [one for one in self.changes if not is_another(one.key, key)]
        # A row's key may be that of an element in it.
        others = self._single[key[:1] != "("]
        found = {*self._of_key.get(key, ()), *self._odd, *others}
        if key[:1] == ".":
            items = (places for one, places in self._of_key.items() if one[:1] != "." and _is_single(one))
            found.update(*items)
        return [one for at in sorted(found) if not is_another((one := self.changes[at]).key, key)]

    def more(self, before: int) -> Iterator[Change]:
        """Those that held, without those that were told of a time that was asked for earlier."""
        end = bisect_left(self._times, before)
        place = bisect_left(self._looks, -end)
        if place < len(self._looks) and self._looks[place] == -end:
            return
        earlier = -self._looks[place] if place < len(self._looks) else 0
        later = -self._looks[place - 1] if place else None
        self._looks.insert(place, -end)
        # What held at an earlier look was told then; what holds here and not at the later one was
        # replaced between.
        new: Iterable[int] = range(max(self._begin(end), earlier), end)
        for at in new if later is None else sorted(self._replaced(end, later)):
            if at not in self._told and self._holds(at, end):
                self._told.add(at)
                yield self.changes[at]

    def all(self, before: int) -> Iterator[Change]:
        """Those that held before a checkpoint."""
        end = bisect_left(self._times, before)
        begin = self._begin(end)
        if self._moves:
            return (self.changes[at] for at in range(begin, end))
        last = (bisect_left(places, end) for places in self._of_key.values())
        places = zip(self._of_key.values(), last, strict=True)
        found = {some[at - 1] for some, at in places if at and some[at - 1] >= begin}
        found.update(self._odd[bisect_left(self._odd, begin) : bisect_left(self._odd, end)])
        return (self.changes[at] for at in sorted(found))

    def until(self, before: int) -> int:
        """How many of the changes were before a checkpoint."""
        return bisect_left(self._times, before)

    def replaced_by(self, at: int) -> Iterable[int]:
        """The places of changes that held until the one at a place."""
        change = self.changes[at]
        if change.how is How.CLEAR:
            return range(self._begin(at), at)
        if self._moves or not _is_single(change.key):
            return ()
        places = self._of_key[change.key or ""]
        place = bisect_left(places, at)
        return places[place - 1 : place] if place else ()

    def is_put_by(self, evaluation: int) -> bool:
        """Whether an evaluation only put into it what another one gave, as `append` does."""
        at = bisect_left(self._times, evaluation)
        change = self.changes[at] if at < len(self.changes) else None
        return change is not None and change.by == evaluation and change.member not in (None, evaluation)

    def _begin(self, end: int) -> int:
        """The place of the last change before `end` that cleared all."""
        cleared = bisect_left(self._cleared, end)
        return self._cleared[cleared - 1] if cleared else 0

    def _replaced(self, begin: int, end: int) -> set[int]:
        """The last change before `begin` of each key that changes up to `end`; all, if all is cleared."""
        if self._begin(end) != self._begin(begin):
            return set(range(self._begin(begin), begin))
        found = set()
        for one in self.changes[begin:end]:
            if one.key is not None:
                places = self._of_key[one.key]
                at = bisect_left(places, begin)
                if at:
                    found.add(places[at - 1])
        return found

    def _holds(self, at: int, end: int) -> bool:
        """Whether a change is not replaced before `end`."""
        change = self.changes[at]
        if self._moves or not _is_single(change.key):
            return True
        places = self._of_key[change.key or ""]
        after = bisect_right(places, at)
        return after == len(places) or places[after] >= end
