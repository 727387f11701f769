"""All that lies upstream of a thing, however much it is.

Upstream goes along the view ``link``: from data to the call that generated it and to what it was derived
from, from a call to what it used, from a collection to its members, from an attempt to its call and back,
and from what was read to where the same bytes were written. Where the store keeps a graph of calls
(`trilha.store.graph`), its arrays are searched, a million calls in a fraction of a second; what the graph
does not hold is asked of the view, a level at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from trilha.store import call_sql, graph, sql

if TYPE_CHECKING:
    from trilha.store import Store
    from trilha.store.graph import Graph

__all__ = ["Past", "keeps_graph", "upstream"]

_ACTIVITY: Final = 2
_GENERATION: Final = 4
_PART: Final = 7
_known: WeakKeyDictionary[Store, tuple[int, Graph | None]] = WeakKeyDictionary()
"""The graph of each store, and the last statement there was when it was fetched."""


class Past:
    """What lies upstream of something.

    Args:
        store: that was searched.
        starts: keys of what was asked for, which are no part of the past.
        nodes: of the graph, the nearest first.
        others: keys of things that the graph does not hold, the nearest first.
        kept: the graph.
    """

    def __init__(
        self, store: Store, starts: list[int], nodes: list[int], others: list[int], kept: Graph | None
    ) -> None:
        self._store = store
        self._starts = set(starts)
        self._nodes = nodes
        self._others = others
        self._graph = kept
        self._sorted: tuple[set[int], set[int], int] | None = None

    @property
    def calls(self) -> int:
        """How many calls there are; attempts and what was done in them are parts of these."""
        return sum(1 for _ in self.call_keys())

    def call_keys(self) -> Iterator[int]:
        """The keys of the calls, the nearest first as far as the graph tells."""
        for row in sql.among(self._store.connection.execute, call_sql.TYPED, self._others):
            if row[0] not in self._starts:
                yield row[0]
        if self._graph is not None:
            keys, kinds, met = self._graph.keys, self._graph.kinds, set(self._others)
            for node in self._nodes:
                if kinds[node] & graph.CALL and keys[node] not in self._starts and keys[node] not in met:
                    yield keys[node]

    @property
    def data(self) -> int:
        """How many entities there are."""
        return len(self._sorts()[0])

    @property
    def size(self) -> int:
        """How many things there are in all."""
        return sum(map(len, self._sorts()[:2]))

    @property
    def data_keys(self) -> set[int]:
        """The keys of the entities."""
        return self._sorts()[0]

    @property
    def activity_keys(self) -> set[int]:
        """The keys of the calls, of their parts, and of other activities."""
        return self._sorts()[1]

    @property
    def notes(self) -> list[str]:
        """Where the search stopped, in sentences."""
        stopped = self._sorts()[2]
        if not stopped:
            return []
        what = "1 thing" if stopped == 1 else f"{stopped} things"
        return [f"What {what} came of: the run's own code made it, and its past is the run's as a whole."]

    def __contains__(self, key: int) -> bool:
        return any(key in keys for keys in self._sorts()[:2])

    def nearest(self, most: int) -> list[int]:
        """Keys of the `most` nearest things."""
        return list(islice(self._keys(), most))

    def _keys(self) -> Iterator[int]:
        met = set(self._starts)
        for key in self._others:
            if key not in met:
                met.add(key)
                yield key
        if self._graph is None:
            return
        keys, first, leaves = self._graph.keys, self._graph.leaf_first, self._graph.leaves
        for node in self._nodes:
            for key in (keys[node], *map(abs, leaves[first[node] : first[node + 1]])):
                if key not in met:
                    met.add(key)
                    yield key

    def _sorts(self) -> tuple[set[int], set[int], int]:
        """Entities, activities, and how many of the first the run's own code made."""
        if self._sorted is None:
            execute = self._store.connection.execute
            kinds = dict(row[:2] for row in sql.among(execute, call_sql.KINDS, self._others))
            data = {key for key in self._others if kinds.get(key) != _ACTIVITY}
            other = set(self._others) - data
            stopped = {row[0] for row in sql.among(execute, call_sql.STOPPED, [*data, *self._starts])}
            if self._graph is not None:
                self._sort_nodes(self._graph, data, other)
                stopped |= data.intersection(self._graph.stopped)
            data -= self._starts
            other -= self._starts
            self._sorted = data, other, len(stopped)
        return self._sorted

    def _sort_nodes(self, kept: Graph, data: set[int], other: set[int]) -> None:
        keys, kinds, first, leaves = kept.keys, kept.kinds, kept.leaf_first, kept.leaves
        for node in self._nodes:
            (data if kinds[node] & graph.DATA else other).add(keys[node])
            for key in leaves[first[node] : first[node + 1]]:
                if key > 0:
                    data.add(key)
                else:
                    other.add(-key)


def upstream(store: Store, starts: Iterable[int]) -> Past:
    """All that lies upstream of things.

    Args:
        store: to look in.
        starts: keys of the things; they are no part of the answer.
    """
    kept = _graph_of(store)
    first = list(dict.fromkeys(starts))
    nodes: list[int] = []
    seen = bytearray(len(kept.keys) if kept is not None else 0)
    met, others, frontier = set(first), [], first
    while frontier:
        outside, fresh = [], []
        for key in frontier:
            node = kept.node(key) if kept is not None else None
            if node is None:
                outside.append(key)
            elif not seen[node]:
                seen[node] = 1
                fresh.append(node)
        if kept is not None:
            _follow(kept, fresh, seen)
        nodes += fresh
        others += outside
        frontier = [key for key in _next(store, outside, kept) if key not in met]
        met.update(frontier)
    return Past(store, first, nodes, others, kept)


def keeps_graph(store: Store) -> bool:
    """Whether the store is so large that it keeps a graph, so that `upstream` is quick."""
    return _graph_of(store) is not None


def _follow(kept: Graph, nodes: list[int], seen: bytearray) -> None:
    """Append all nodes upstream of the ones in the list, breadth first: the list grows while it is read."""
    first, causes, add = kept.first, kept.causes, nodes.append
    for node in nodes:
        for cause in causes[first[node] : first[node + 1]]:
            if not seen[cause]:
                seen[cause] = 1
                add(cause)


def _next(store: Store, keys: list[int], kept: Graph | None) -> list[int]:
    """What lies next upstream of things, by the view."""
    links: dict[int, list[tuple[int, int]]] = {}
    for effect, cause, kind in sql.among(store.connection.execute, call_sql.LINKS, sorted(keys)):
        links.setdefault(effect, []).append((cause, kind))
    found: dict[int, None] = {}
    for key in keys:
        causes = links.get(key, [])
        if kept is not None and key <= kept.last_name:
            # What the graph leaves out is a part of a call, or came of one call and of what that used.
            way = [cause for cause, kind in causes if kind == _GENERATION]
            way = way or [cause for cause, kind in causes if kind == _PART]
            found.update(dict.fromkeys(way))
        else:
            found.update(dict.fromkeys(cause for cause, _ in causes))
    return list(found)


def _graph_of(store: Store) -> Graph | None:
    """The store's graph as it must be now; None where it keeps none."""
    connection = store.connection
    (last,) = connection.execute(sql.LAST_STATEMENT).fetchone()
    known = _known.get(store)
    if known is not None and known[0] == last:
        return known[1]
    kept = graph.kept(connection)
    if kept is not None and graph.is_stale(connection, kept.through, kept.last_name):
        store.renew_graph()
        kept = graph.build(connection) if store.read_only else graph.kept(connection)
    _known[store] = last, kept
    return kept
