"""Where what was read had been written: the table ``same_content``.

A run only says which content it read. That another run had written the same bytes is known once both are
here, so the loader decides it, and every question and every line of SQL sees the same. What was written under
another run's name, or where it was read, is a source if it was written before it was first read. Clocks of
two hosts tell nothing of what came first, but the graph does: nothing is read before it is written, so
where no clock agrees, what another host wrote is the source unless it came of the reading itself. A result
that was not computed again (``trilha:cached``) came in the same way from where it was computed. Of files
that a process of one run could not hash, `unhashed` tells.

Source: Lamport, "Time, clocks, and the ordering of events in a distributed system" (CACM 21, 1978): only
what may have been caused orders the events of two machines.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.store import sql
from trilha.store.circles import on_circles
from trilha.store.unhashed import sources as sources_of_unhashed
from trilha.store.values import run_of

if TYPE_CHECKING:
    import sqlite3

__all__ = ["EMPTY", "decide", "is_decided"]

EMPTY: Final = "nih:sha-256;e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The content of every empty file: having it in common means nothing."""

_KINDS: Final = ("nih:sha-256;", "urn:trilha:memo:")
"""How contents are called; what else things are specializations of, such as tables, is none."""


class _Meeting(NamedTuple):
    """An entity that has a content.

    Attributes:
        key: of the entity.
        iri: its name.
        run: UUID of the run that met it.
        paths: where it lay.
        time: when it was generated; None if it was not, or if that is not known.
        is_written: it was generated.
        is_cached: it is a result that was not computed again; None where that was not said.
    """

    key: int
    iri: str
    run: str | None
    paths: frozenset[str]
    time: int | None
    is_written: bool
    is_cached: bool | None

    @property
    def asks(self) -> bool:
        """Whether it came from somewhere else."""
        return bool(self.is_cached) or not self.is_written

    def may_be_of(self, source: _Meeting) -> bool:
        """Whether it can be what `source` is, times aside."""
        if source.key == self.key or not source.is_written:
            return False
        if self.is_cached:
            return source.is_cached is False
        # In its own run another process may have written it: then it lay where it was read.
        return source.run != self.run or self.lay_with(source)

    def lay_with(self, source: _Meeting) -> bool:
        """Whether both lay at one path."""
        return not self.paths.isdisjoint(source.paths)


def _when(one: _Meeting) -> tuple[int, str]:
    return one.time or 0, one.iri


class _Written:
    """The things of one content that were written.

    Args:
        written: they.

    Attributes:
        all: they, the earliest first; what is of unknown time before all others.
    """

    def __init__(self, written: Iterable[_Meeting]) -> None:
        self.all = sorted(written, key=_when)
        self._at: dict[str | None, list[_Meeting]] = {}
        for one in self.all:
            for path in one.paths:
                self._at.setdefault(path, []).append(one)
        self._of_run: dict[str | None, list[_Meeting]] = {}
        for one in self.all:
            self._of_run.setdefault(one.run, []).append(one)

    def before(self, one: _Meeting, bound: int | None) -> tuple[_Meeting | None, int]:
        """The likeliest source of `one` among those until `bound`, and how many others there are."""
        timely = _until(self.all, bound)
        if one.is_cached:
            found = [source for source in self.all[:timely] if one.may_be_of(source)]
            return (found[-1] if found else None), max(0, len(found) - 1)
        own = self._of_run.get(one.run, [])
        none = sum(1 for source in own[: _until(own, bound)] if not one.may_be_of(source))
        if timely == none:
            return None, 0
        nearest = [self._last(self._at.get(path, []), one, bound) for path in one.paths]
        best = max((source for source in nearest if source is not None), key=_when, default=None)
        return best or self._last(self.all, one, bound), timely - none - 1

    def _last(self, among: list[_Meeting], one: _Meeting, bound: int | None) -> _Meeting | None:
        for place in range(_until(among, bound) - 1, -1, -1):
            if one.may_be_of(among[place]):
                return among[place]
        return None


def _until(among: list[_Meeting], bound: int | None) -> int:
    """How many were written until `bound`."""
    return len(among) if bound is None else bisect_right(among, bound, key=lambda one: one.time or 0)


class _Use(NamedTuple):
    """What is to know first of an entity that has a content.

    Attributes:
        is_written: it was generated.
        first_use: when it was first used, where that is known.
        source: when the source was written that it has by now, 0 where that is not known; None without one.
    """

    is_written: int
    first_use: int | None
    source: int | None


def is_decided(connection: sqlite3.Connection) -> bool:
    """Whether the table says all that the statements do."""
    (behind,) = connection.execute(sql.CONTENTS_BEHIND).fetchone()
    return not behind


def decide(connection: sqlite3.Connection) -> None:
    """Fill in what the statements that came since say, in the caller's transaction."""
    (through,) = connection.execute(sql.DECIDED_THROUGH).fetchone()
    (last,) = connection.execute(sql.LAST_STATEMENT).fetchone()
    if last > through:
        _Deciding(connection.execute, last).take(through)
        connection.execute(sql.SET_DECIDED, (last,))


class _Deciding:
    """Finds the sources of what is new, and of what something new may be the source of."""

    def __init__(self, execute: Callable[..., Any], last: int) -> None:
        self._execute = execute
        self._last = last
        self._meetings: dict[int, _Meeting] = {}
        self._ahead: dict[int, list[_Meeting]] = {}
        """Of what no clock tells: what may be the source, the likeliest first."""
        self._dropped: set[int] = set()
        """What is found to have no source by its content any more."""

    def take(self, through: int) -> None:
        """Decide on all that was stated after `through`."""
        for fresh, met in self._contents(through):
            writers = [key for key, one in met.items() if one.is_written]
            self._meet({*fresh, *writers})
            written = _Written(self._meetings[key] for key in writers)
            new = [one for one in written.all if one.key in fresh and not one.is_cached]
            asking = sorted({*fresh, *(self._doubted(met, new) if new else ())})
            self._meet(asking)
            for key in asking:
                self._decide(self._meetings[key], written, met[key].first_use)
        self._follow_the_graph()
        for key, source, possible in sources_of_unhashed(self._execute, through, self._dropped):
            self._say_by_path(key, source, possible)

    def _contents(self, through: int) -> Iterator[tuple[set[int], dict[int, _Use]]]:
        """For each content of which something new was stated: what is new, and all things that have it."""
        fresh: dict[int, set[int]] = {}
        for content, entity, iri in self._execute(sql.NEW_OF_CONTENTS, (through,) * 3):
            if iri.startswith(_KINDS) and iri != EMPTY:
                fresh.setdefault(content, set()).add(entity)
        met: dict[int, dict[int, _Use]] = {content: {} for content in fresh}
        for content, entity, *use in self._among(sql.MEETINGS, sorted(fresh)):
            met[content][entity] = _Use(*use)
        for content in sorted(fresh):
            yield fresh[content], met[content]

    def _doubted(self, met: dict[int, _Use], new: list[_Meeting]) -> Iterator[int]:
        """Those of which something new may be a better source than the one that they have."""
        earliest = min(one.time or 0 for one in new)
        for key, use in met.items():
            known = self._meetings.get(key)
            if known is None or known.asks:
                bound = known.time if known is not None and known.is_cached else use.first_use
                if use.source is None or bound is None or bound >= earliest or use.source > bound:
                    yield key

    def _meet(self, keys: Iterable[int]) -> None:
        """Learn of entities what is to know."""
        # To take all that is known off a set would look at all of it, for each content.
        missing = sorted(key for key in set(keys) if key not in self._meetings)
        names = dict(self._among(sql.NAMES, missing))
        written: dict[int, int | None] = {}
        for key, time in self._among(sql.GENERATED_AT, missing):
            written[key] = max(written.get(key) or 0, time) if time is not None else written.get(key)
        paths: dict[int, set[str]] = {}
        cached: dict[int, bool] = {}
        for key, iri, text, whole in self._among(sql.PATHS_AND_CACHED, missing):
            if iri.endswith("#path"):
                paths.setdefault(key, set()).add(text)
            elif whole is not None:
                cached[key] = bool(whole)
        for key in missing:
            iri = names[key]
            where = frozenset(paths.get(key, ()))
            self._meetings[key] = _Meeting(
                key, iri, run_of(iri), where, written.get(key), key in written, cached.get(key)
            )

    def _decide(self, one: _Meeting, written: _Written, first_use: int | None) -> None:
        """Find the source of one thing by the clocks; what these do not tell is left to the graph."""
        if not one.asks:
            self._say(one, None)
            return
        best, others = written.before(one, one.time if one.is_cached else first_use)
        self._say(one, best, others)
        if best is not None:
            return
        candidates = [source for source in written.all if one.may_be_of(source)]
        if not candidates:
            return
        hosts = {row[0] for row in self._execute(sql.MET_ON, (one.key, one.key))}
        places = dict(self._among(sql.WRITTEN_ON, sorted(source.key for source in candidates)))
        # The earliest by the writers' clocks is the likeliest where these are ahead.
        ahead = sorted(
            (source for source in candidates if hosts and places[source.key] not in hosts),
            key=lambda source: (not one.lay_with(source), source.time or 0, source.iri),
        )
        if ahead:
            self._ahead[one.key] = ahead

    def _follow_the_graph(self) -> None:
        """Take the likeliest source on another host that did not itself come of what was read."""
        for key, ahead in self._ahead.items():
            self._say(self._meetings[key], ahead[0], len(ahead) - 1)
        proposed = {key: ahead[0].key for key, ahead in self._ahead.items()}
        doubted = on_circles(self._execute, proposed)
        for key in sorted(doubted):
            self._say(self._meetings[key], None)
        for key in sorted(doubted):
            ahead = self._ahead[key]
            for place, source in enumerate(ahead):
                if not on_circles(self._execute, {key: source.key}):
                    self._say(self._meetings[key], source, len(ahead) - place - 1)
                    break

    def _say_by_path(self, key: int, source: int | None, possible: frozenset[int]) -> None:
        """Say what a file was written as, unless its content tells; of `possible` only its path does."""
        row = self._execute(sql.SOURCE_OF, (key,)).fetchone()
        if row is None or row[0] in possible:
            self._put(key, None if source is None else (source, 0))

    def _say(self, one: _Meeting, source: _Meeting | None, others: int = 0) -> None:
        if self._put(one.key, None if source is None else (source.key, others)) and source is None:
            self._dropped.add(one.key)

    def _put(self, key: int, told: tuple[int, int] | None) -> bool:
        """Have the table say a source and how many others there are, or None; tells whether it did not."""
        if self._execute(sql.SOURCE_OF, (key,)).fetchone() == told:
            return False
        self._execute(sql.DROP_SOURCE, (key,))
        if told is None:
            # The arrays of links hold what is no more; they are made anew.
            self._execute(sql.DROP_GRAPH)
        else:
            self._execute(sql.ADD_SOURCE, (key, *told, self._last))
        return True

    def _among(self, text: str, keys: list[int]) -> Iterator[tuple[Any, ...]]:
        return sql.among(self._execute, text, keys)
