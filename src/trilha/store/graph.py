"""What lies upstream of what, as arrays: the view ``link`` for stores with very many statements.

A question about a million tasks must not ask the database for each of them. So the loader keeps, beside the
tables, the graph of calls in compressed rows (CSR): for node `n` the nodes next upstream of it are
``causes[first[n]:first[n + 1]]``. To make it small, a call stands for its attempts and what was done in
them, and for the data that it made and that came of nothing else. What a node stands for or used besides is
in ``leaves``: data as positive keys, parts of the call as negative ones.

The arrays hold for statements up to `Graph.through`. What was stated later of new things is found by the
view; where something was stated later of an old thing, the graph is stale and is made anew.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.store import graph_sql, sql

if TYPE_CHECKING:
    import sqlite3

__all__ = ["CALL", "DATA", "Graph", "build", "is_stale", "keep", "kept"]

CALL: Final = 1
DATA: Final = 2
_ACTIVITY: Final = 4
_ATTEMPT: Final = 8
_RUN: Final = 16
_MADE: Final = 32

_FEWEST: Final = 100_000
"""Statements: smaller stores need no graph."""
_LARGEST: Final = 2**31 - 1
_PARTS: Final = ("keys", "kinds", "first", "causes", "leaf_first", "leaves", "stopped", "names")


class Graph(NamedTuple):
    """The graph of calls.

    Attributes:
        through: the last statement that it holds for.
        last_name: the last name that there was then.
        keys: of the nodes, ascending.
        kinds: of the nodes: `CALL`, `DATA`, or 0 for other activities.
        first, causes: nodes next upstream, as compressed rows.
        leaf_first, leaves: keys of what else belongs to a node, as compressed rows.
        stopped: keys of data that came from the run's own code.
    """

    through: int
    last_name: int
    keys: array[int]
    kinds: bytes
    first: array[int]
    causes: array[int]
    leaf_first: array[int]
    leaves: array[int]
    stopped: array[int]

    def node(self, key: int) -> int | None:
        """The node with a key; None if it is a part of another one, or not in the graph."""
        place = bisect_left(self.keys, key)
        return place if place < len(self.keys) and self.keys[place] == key else None


def kept(connection: sqlite3.Connection) -> Graph | None:
    """The graph that was kept; None if there is none."""
    rows = {part: (through, numbers) for part, through, numbers in connection.execute(graph_sql.GRAPH)}
    if any(part not in rows for part in _PARTS):
        return None
    arrays = {part: _array(numbers) for part, (_, numbers) in rows.items() if part != "kinds"}
    through = rows["keys"][0]
    return Graph(
        through,
        arrays["names"][0],
        arrays["keys"],
        bytes(rows["kinds"][1]),
        *(arrays[part] for part in ("first", "causes", "leaf_first", "leaves", "stopped")),
    )


def is_stale(connection: sqlite3.Connection, through: int, last_name: int) -> bool:
    """Whether something was stated since then that changes what is upstream of an older thing."""
    said = connection.execute(graph_sql.SAID_OF_OLD, (through, last_name, last_name)).fetchone()
    return bool(said or connection.execute(graph_sql.FOUND_ANEW, (last_name, through)).fetchone())


def keep(connection: sqlite3.Connection, *, anew: bool = False) -> bool:
    """Make the graph and keep it, in the caller's transaction.

    Args:
        connection: to the index.
        anew: at all events; by default only if the store is large, and has grown by an eighth since.

    Returns:
        Whether it was made.
    """
    (last,) = connection.execute(sql.LAST_STATEMENT).fetchone()
    if not anew:
        row = connection.execute(graph_sql.NAMES).fetchone()
        through = row[0] if row is not None else 0
        if last < _FEWEST or (through and last - through <= through // 8):
            return False
    graph = build(connection)
    if graph is None:
        return False
    connection.execute(sql.DROP_GRAPH)
    parts = graph._asdict() | {"names": array("i", [graph.last_name])}
    for part in _PARTS:
        connection.execute(graph_sql.KEEP, (part, graph.through, _bytes(parts[part])))
    return True


def build(connection: sqlite3.Connection) -> Graph | None:
    """The graph of all statements; None if the keys are too large for it."""
    last_name, through = connection.execute(graph_sql.LAST_KEYS).fetchone()
    return _Building(connection, last_name, through).graph() if last_name < _LARGEST else None


class _Building:
    """Makes a graph in three passes: all relations, what belongs together, the nodes' rows."""

    def __init__(self, connection: sqlite3.Connection, last_name: int, through: int) -> None:
        self._execute = connection.execute
        self._last, self._through = last_name, through
        self._kinds = bytearray(last_name + 2)
        self._first = _zeros(last_name + 2)
        self._causes = array("i")
        self._generations = bytearray()
        self._starter = _zeros(last_name + 2)
        self._whole = _zeros(last_name + 2)
        """For each activity and each plain result the node that stands for it; 0 where it is its own."""

    def graph(self) -> Graph:
        self._read_types()
        self._read_relations()
        self._find_parts()
        self._find_results()
        return self._rows()

    # -- reading

    def _read_types(self) -> None:
        kinds = self._kinds
        for key, iri in self._execute(graph_sql.TYPES):
            kinds[key] |= _ATTEMPT if iri.endswith("#Attempt") else CALL
        for (key,) in self._execute(graph_sql.RUNS):
            kinds[key] |= _RUN

    def _read_relations(self) -> None:
        """Rows of causes in the order of the effects, as the table has them."""
        kinds, first, causes, starter = self._kinds, self._first, self._causes, self._starter
        generations = self._generations
        add, mark = causes.append, generations.append
        same = dict(self._execute(graph_sql.SAME))
        stopped = self._stopped = array("i")
        at = 0
        for effect, kind, cause in self._execute(graph_sql.RELATIONS):
            if effect != at:
                for gap in range(at + 1, effect + 1):
                    first[gap] = len(causes)
                at = effect
                if effect in same:
                    add(same.pop(effect))
                    mark(0)
            if kind == 4:
                kinds[effect] |= DATA | _MADE
                kinds[cause] |= _ACTIVITY
                if kinds[cause] & _RUN:
                    stopped.append(effect)
                    continue
            elif kind == 5:
                kinds[effect] |= _ACTIVITY
                kinds[cause] |= DATA
            elif kind == 7:
                kinds[effect] |= _ACTIVITY
                kinds[cause] |= _ACTIVITY
                starter[effect] = starter[effect] or cause
                continue
            elif kind == 6:
                kinds[effect] |= _ACTIVITY
                kinds[cause] |= _ACTIVITY
            elif kind != 15:
                kinds[effect] |= DATA
                kinds[cause] |= DATA
            else:
                kinds[effect] |= DATA
                continue
            add(cause)
            mark(kind == 4)
        for gap in range(at + 1, len(first)):
            first[gap] = len(causes)

    # -- what belongs together

    def _find_parts(self) -> None:
        """An attempt, and what was done in it and is no call, belongs to the call; else to itself."""
        kinds, starter, whole = self._kinds, self._starter, self._whole
        for key in range(1, len(starter)):
            if not starter[key] or whole[key] or kinds[key] & (CALL | _RUN):
                continue
            path: list[int] = []
            one = key
            while one and not whole[one] and not kinds[one] & (CALL | _RUN | _ATTEMPT) and len(path) < 100:
                path.append(one)
                one = starter[one]
            found = 0
            if one and kinds[one] & _ATTEMPT:
                above = starter[one]
                found = whole[one] = whole[one] or (above if above and not kinds[above] & _RUN else one)
            elif one and whole[one] != one:
                found = whole[one]
            for step in path:
                # What lies in no attempt is its own: so is marked, so that nobody climbs from it again.
                whole[step] = found or step
        for key in range(1, len(whole)):
            top = whole[key]
            for _ in range(100):
                if whole[top] in {0, top}:
                    break
                top = whole[top]
            whole[key] = top

    def _find_results(self) -> None:
        """Data that came of one call, and of nothing but what the call used, is found by that call."""
        kinds, first, causes, whole = self._kinds, self._first, self._causes, self._whole
        marks = self._generations
        used = self._used()
        for key in range(1, self._last + 1):
            begin, end = first[key], first[key + 1]
            if begin == end or not kinds[key] & DATA:
                continue
            makers = [causes[at] for at in range(begin, end) if marks[at]]
            if len(makers) != 1:
                continue
            maker = whole[makers[0]] or makers[0]
            others = [causes[at] for at in range(begin, end) if not marks[at]]
            if not others or used(maker, makers[0]).issuperset(others):
                whole[key] = maker

    def _used(self) -> _Used:
        return _Used(self._first, self._causes)

    # -- rows

    def _rows(self) -> Graph:
        kinds, first, causes, whole = self._kinds, self._first, self._causes, self._whole
        member_first, members = self._members()
        number, keys = _zeros(len(first)), array("i")
        for key in range(1, self._last + 1):
            own = whole[key] in {0, key} and (first[key] != first[key + 1] or kinds[key] & CALL)
            if own or member_first[key] != member_first[key + 1]:
                keys.append(key)
                number[key] = len(keys)
        rows, row_first = array("i"), array("i", [0])
        leaves, leaf_first = array("i"), array("i", [0])
        for key in keys:
            near: dict[int, None] = {}
            far: dict[int, None] = {}
            parts = members[member_first[key] : member_first[key + 1]]
            far.update((-part, None) for part in parts)
            for part in (key, *parts):
                for cause in causes[first[part] : first[part + 1]]:
                    node = whole[cause] or cause
                    if number[node]:
                        near[number[node] - 1] = None
                    elif node != cause:
                        far[-node] = None
                    if node != cause or not number[node]:
                        far[-cause if kinds[cause] & _ACTIVITY else cause] = None
            near.pop(number[key] - 1, None)
            rows.extend(near)
            row_first.append(len(rows))
            leaves.extend(far)
            leaf_first.append(len(leaves))
        shown = bytes(kinds[key] & (CALL | DATA) for key in keys)
        return Graph(
            self._through, self._last, keys, shown, row_first, rows, leaf_first, leaves, self._stopped
        )

    def _members(self) -> tuple[array[int], array[int]]:
        """The parts of each call, as compressed rows."""
        kinds, whole = self._kinds, self._whole
        parts = [key for key, one in enumerate(whole) if one and one != key and not kinds[key] & DATA]
        parts.sort(key=whole.__getitem__)
        first, place = _zeros(len(whole) + 1), 0
        for key in range(len(whole)):
            while place < len(parts) and whole[parts[place]] < key:
                place += 1
            first[key] = place
        first[len(whole)] = len(parts)
        return first, array("i", parts)


class _Used:
    """What a call used, the last one asked for remembered: results of one call stand together."""

    def __init__(self, first: array[int], causes: array[int]) -> None:
        self._first, self._causes = first, causes
        self._asked: tuple[int, int] = (0, 0)
        self._answer: set[int] = set()

    def __call__(self, call: int, maker: int) -> set[int]:
        if (call, maker) != self._asked:
            first, causes = self._first, self._causes
            self._asked = (call, maker)
            self._answer = set(causes[first[maker] : first[maker + 1]])
            if call != maker:
                self._answer.update(causes[first[call] : first[call + 1]])
        return self._answer


def _zeros(length: int) -> array[int]:
    return array("i", bytes(4 * length))


def _array(numbers: bytes) -> array[int]:
    found = array("i")
    found.frombytes(numbers)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _bytes(numbers: bytes | array[int]) -> bytes:
    if isinstance(numbers, bytes):
        return numbers
    if sys.byteorder == "big":
        numbers = array("i", numbers)
        numbers.byteswap()
    return numbers.tobytes()
