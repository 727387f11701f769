"""Where pandas put which rows: the indexers of a merge, and the groups of a grouping.

pandas works out for each row of a merge which row of either frame it has, and for each row of a frame which
group it is in. Both are taken from pandas when it has them, and nothing is worked out here: a merge hands its
indexers to a method of its own; a grouping keeps them for what it is asked next, and what it sums up has the
very index of the groups, by which it is known.

Source: pandas 3.1, `pandas.core.reshape.merge`, `pandas.core.groupby.ops`; those of pandas 2 have the same
parts by other names.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from functools import partial, wraps
from typing import Any, Final, NamedTuple

from trilha.capture.interrupts import Harmless

__all__ = ["GROUPINGS", "Placed"]

GROUPINGS: Final = frozenset(["DataFrameGroupBy", "SeriesGroupBy"])
"""The names of pandas' groupings."""
MOST: Final = 1 << 15
"""Of more rows it is not told where they went."""
_MOST_HELD: Final = 8
"""So many groupings, and merges of which the result was not met yet, are held."""


_hearing: list[weakref.ref[Placed]] = []
"""Who hears of merges."""


class _Grouping(NamedTuple):
    by: tuple[weakref.ref[Any], ...]
    """It, and columns of it, as far as these were met."""
    made: dict[str, Any]
    """What pandas keeps of it: no frame is held."""
    rows: Any
    """The index of what is grouped."""
    is_indexed: bool
    """Whether what it sums up has the index of the groups."""

    @property
    def groups(self) -> tuple[Any, Any] | None:
        """The index of the groups, and the group of each row; None where pandas has not worked these out."""
        known = self.made.get("result_index_and_ids")
        if known is None and "group_info" in self.made:
            known = self.made.get("result_index"), self.made["group_info"][0]
        return known


class _Merged(NamedTuple):
    result: weakref.ref[Any]
    places: tuple[Any, ...]


class Placed:
    """What is known of where rows went that no statement has met yet."""

    def __init__(self) -> None:
        self._groupings: dict[int, _Grouping] = {}
        self._has_lost = False
        self._merged: dict[int, _Merged] = {}
        self._listens = False

    def listen(self, merge: Any) -> None:
        """Hear of merges from now on.

        Args:
            merge: pandas' module of that name, if it is there.
        """
        operation = getattr(merge, "_MergeOperation", None)
        add = getattr(operation, "_maybe_add_join_keys", None)
        if self._listens or operation is None or add is None:
            return
        self._listens = True
        is_wrapped, _hearing[:] = bool(_hearing), [weakref.ref(self)]
        if is_wrapped:
            return

        @wraps(add)
        def noted(operation: Any, *given: Any, **named: Any) -> Any:
            placed = _hearing[0]()
            if placed is not None:
                with Harmless():
                    placed.merged(*given)
            return add(operation, *given, **named)

        operation._maybe_add_join_keys = noted

    def merged(self, result: Any, *indexers: Any) -> None:
        """A merge is about to give this frame.

        Args:
            result: the frame.
            indexers: for each of the two, which of its rows is where, -1 for none; None for all in order.
        """
        if len(indexers) != 2 or any(one is not None and len(one) > MOST for one in indexers):
            return
        if len(self._merged) >= _MOST_HELD:
            self._merged.pop(next(iter(self._merged)), None)
        forget = partial(self._merged.pop, id(result))  # in C: no signal handler runs in the midst of it
        self._merged[id(result)] = _Merged(weakref.ref(result, forget), indexers)

    def grouping(self, value: Any) -> None:
        """Take note of a grouping that a statement has met."""
        facts = vars(value)
        grouper = facts.get("_grouper", facts.get("grouper"))
        rows = vars(grouper).get("axis") if grouper is not None else None
        if rows is None or len(rows) > MOST:
            self._has_lost = True
            return
        self._forget_groupings(_MOST_HELD - 1)
        # As pandas does it when it keeps something there for the first time.
        made = vars(grouper).setdefault("_cache", {})
        before = self._groupings.get(id(made))
        by = () if before is None else tuple(one for one in before.by if one() is not None)
        is_indexed = facts.get("as_index") is not False
        self._groupings[id(made)] = _Grouping((*by, weakref.ref(value)), made, rows, is_indexed)

    def places(self, frame: Any) -> tuple[Any, ...]:
        """For each of the two frames that this one was merged from, its indexer; empty for no such one."""
        found = self._merged.pop(id(frame), None)
        return found.places if found is not None and found.result() is frame else ()

    def groups(self, index: Any) -> tuple[bool, Any, int] | None:
        """The groups that what has this index was made by.

        Args:
            index: of a frame or column that was met now.

        Returns:
            Whether the index is that of the groups, by which this is sure; else it was made by these groups
            if it was made by any. For each row its group, -1 for none; the number of groups.
        """
        found = next((one for one in self._known() if one[0].is_(index)), None)
        sure = found is not None
        if found is None and len(self._groupings) == 1 and not self._has_lost:
            (only,) = self._groupings.values()
            known = only.groups
            alike = only.rows.is_(index) or (not only.is_indexed and known and len(known[0]) == len(index))
            found = known if alike else None
        self._forget_groupings(_MOST_HELD)
        return (sure, found[1], len(found[0])) if found is not None else None

    def _known(self) -> Iterator[tuple[Any, Any]]:
        """The groups of the groupings that have worked these out."""
        return (known for one in self._groupings.values() if (known := one.groups) is not None)

    def _forget_groupings(self, most: int) -> None:
        """Let go of groupings that are gone, and of the oldest, if there are more than these."""
        for key, one in list(self._groupings.items()):
            is_gone = all(by() is None for by in one.by)
            if is_gone or len(self._groupings) > most:
                self._groupings.pop(key, None)
                self._has_lost = self._has_lost or not is_gone
