"""One collection as it was at one checkpoint, and all within it: unfolded when asked for, and kept.

Source: section 6 of the paper names this as future work ("run by demand, populating caches of unfolded data
structures").
"""

from __future__ import annotations

from typing import NamedTuple

from trilha.prov.namespaces import Name
from trilha.prov.values import Value
from trilha.prov.versioned.history import History
from trilha.prov.versioned.terms import Moment

__all__ = ["Snapshot", "Snapshots"]


class Snapshot(NamedTuple):
    """A collection at a checkpoint.

    Attributes:
        root: what was made once; of a collection that contains itself, this is what tells the circle.
        members: key and entity, in order; None as key for those of a set.
        inner: the members that are collections themselves, by their keys (of a set's, by their names). One
            that leads back into itself is the very same object.
    """

    root: Name
    members: tuple[tuple[str | None, Name], ...]
    inner: dict[str, Snapshot]


class Snapshots:
    """Collections at checkpoints, each unfolded once.

    Args:
        history: of the document.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._kept: dict[tuple[Name, Moment | None], Snapshot] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def at(self, entity: str, checkpoint: Value | None = None) -> Snapshot:
        """A collection, and those within it, at the same checkpoint.

        Args:
            entity: the collection, or any that refers to it.
            checkpoint: until when changes count, itself included; None for the end.
        """
        history = self._history
        moment = None if checkpoint is None else history.order(checkpoint)
        start = history.root(entity)
        waiting = [start]
        while waiting:
            root = waiting.pop()
            if (root, moment) in self._kept:
                continue
            members = tuple(history.members(root, checkpoint))
            self._kept[root, moment] = Snapshot(root, members, {})
            waiting += [history.root(member) for _, member in members if history.is_collection(member)]
        self._link(start, moment)
        return self._kept[start, moment]

    def _link(self, start: Name, moment: Moment | None) -> None:
        """Lead from each collection to those within it."""
        waiting = [start]
        done: set[Name] = set()
        for root in waiting:
            if root in done:
                continue
            done.add(root)
            snapshot = self._kept[root, moment]
            for key, member in snapshot.members:
                inner = self._kept.get((self._history.root(member), moment))
                if inner is not None:
                    snapshot.inner[str(member) if key is None else key] = inner
                    waiting.append(inner.root)
