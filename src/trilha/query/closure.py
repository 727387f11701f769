"""All that lies upstream of a thing, however much it is.

Upstream goes along the view ``link``: from data to the call that generated it and to what it was derived
from, from a call to what it used, from a collection to its members, from an attempt to its call and back,
and from what was read to where the same bytes were written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from trilha.store import call_sql, sql

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Past", "upstream"]

_ACTIVITY: Final = 2


class Past:
    """What lies upstream of something.

    Args:
        keys: of the things, the nearest first.
        calls: how many of them are calls; attempts and what was done in them are parts of these.
        data: how many are entities.
        stopped: how many came from the program's own code, where the search stopped.
    """

    def __init__(self, keys: list[int], calls: int, data: int, stopped: int) -> None:
        self.keys = keys
        self.calls = calls
        self.data = data
        self.stopped = stopped

    @property
    def notes(self) -> list[str]:
        """Where the search stopped, in sentences."""
        if not self.stopped:
            return []
        what = "1 thing" if self.stopped == 1 else f"{self.stopped} things"
        return [f"What {what} came of: the run's own code made it, and its past is the run's as a whole."]

    def nearest(self, most: int) -> list[int]:
        """The `most` nearest things."""
        return self.keys[:most]


def upstream(store: Store, starts: Iterable[int]) -> Past:
    """All that lies upstream of things.

    Args:
        store: to look in.
        starts: keys of the things; they are no part of the answer.
    """
    execute = store.connection.execute
    first = list(dict.fromkeys(starts))
    seen, keys = set(first), list(first)
    frontier = first
    while frontier:
        found = [row[1] for row in sql.among(execute, call_sql.LINKS, sorted(frontier))]
        frontier = [key for key in dict.fromkeys(found) if key not in seen]
        seen.update(frontier)
        keys += frontier
    stopped = sum(1 for _ in sql.among(execute, call_sql.STOPPED, keys))
    del keys[: len(first)]
    kinds = [row[1] for row in sql.among(execute, call_sql.KINDS, keys)]
    calls = sum(1 for _ in sql.among(execute, call_sql.TYPED, keys))
    return Past(keys, calls, len(kinds) - kinds.count(_ACTIVITY), stopped)
