"""Journals become rows.

A `Loader` turns events into rows of all tables and keeps them until `flush`, which the caller puts into one
transaction with the journal's offset: so a journal that is read twice, or by a process that is killed
half-way, leaves each row once.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.journal import Block, Rows
from trilha.prov import PLACEHOLDER, PLAIN, Kind, Name, Record
from trilha.store import sql
from trilha.store.facts import facts_of
from trilha.store.values import LITERAL, NAME, TEXT, escape, to_columns, to_ns

if TYPE_CHECKING:
    import sqlite3

    from trilha.capture.journal import Event

__all__ = ["Loader"]

_TRILHA: Final = "https://w3id.org/trilha/ns#"
_LABEL: Final = "http://www.w3.org/ns/prov#label"
_PATH: Final = _TRILHA + "path"
_NAME: Final = _TRILHA + "name"
_ACTIVITY: Final = int(Kind.ACTIVITY)
_MOST_KEYS: Final = 1 << 20
_DIGITS: Final = 18
"""Longer numbers take long to read, and no journal gives them out."""
_NO_OFFSET: Final = timedelta(0)
_KNOWN_LENGTH: Final = 512
"""Longer labels and paths are known by their first characters."""

_NAMING: Final = frozenset([_LABEL, _PATH, _NAME])
_RUN_FACTS: Final = {
    _LABEL: 0,
    _TRILHA + "status": 3,
    _TRILHA + "exit_status": 4,
    _TRILHA + "exception": 5,
    _TRILHA + "dropped": 6,
    _TRILHA + "command": 7,
}


class _Layout(NamedTuple):
    """Where the arguments of a statement of one kind go.

    Attributes:
        number: of the kind.
        names: which cells hold names.
        times: which hold times.
        empty: for the columns of names that the kind does not have.
        causes: which names, counted from 1, the first one depends on.
    """

    number: int
    names: tuple[int, ...]
    times: tuple[int, ...]
    empty: tuple[None, ...]
    causes: tuple[int, ...]


_NAME_COLUMNS: Final = 5


def _layout(kind: Kind) -> _Layout:
    names = tuple(2 + place for place, one in enumerate(kind.arguments) if not one.is_time)
    times = tuple(2 + place for place, one in enumerate(kind.arguments) if one.is_time)
    causes: tuple[int, ...] = ()
    if kind > Kind.AGENT and len(names) >= 2:
        causes = (2, 3) if kind in (Kind.START, Kind.END, Kind.ASSOCIATION) else (2,)
    return _Layout(int(kind), names, times, (None,) * (_NAME_COLUMNS - len(names)), causes)


_LAYOUTS: Final = {int(kind): _layout(kind) for kind in PLAIN}
_NO_TIMES: Final = (None, None, None)


class Loader:
    """Makes rows of events.

    Args:
        connection: to the index, inside a transaction whenever a method is called.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._execute = connection.execute
        last = self._execute(sql.LAST_KEYS).fetchone()
        self._last_name, self._last_statement, self._last_series, self._last_run, self._last_journal = last
        self._keys: dict[str, int] = {}
        self._names: list[tuple[int, str]] = []
        self._statements: list[tuple[Any, ...]] = []
        self._attributes: list[tuple[Any, ...]] = []
        self._relations: list[tuple[Any, ...]] = []
        self._known: set[tuple[str, int, int]] = set()
        self._points: list[tuple[Any, ...]] = []
        self._run_choices: list[tuple[Any, ...]] = []
        self._journal = self._run = 0
        self._run_name = self._run_prefix = ""
        self._highest = self._forgotten = 0
        self._last_times: tuple[Any, Any] = (None, None)
        self._last_columns: tuple[int | None, int | None, str | None] = _NO_TIMES
        self._facts: list[Any] | None = None
        self._blocks: dict[int, _Block] = {}
        self.statements = self.values = 0

    # -- runs and journals -----------------------------------------------------------------------------------

    def add_run(self, uuid: str, started: int | None) -> int:
        """A new run; gives its key."""
        self._last_run += 1
        self._execute(sql.ADD_RUN, (self._last_run, uuid, started))
        return int(self._last_run)

    def add_journal(self, run: int, head: Any, place: int) -> int:
        """A new journal of `run`; gives its key."""
        self._last_journal += 1
        row = (
            self._last_journal,
            head.uid,
            run,
            head.parent,
            escape(head.host),
            head.pid,
            head.started,
            place,
        )
        self._execute(sql.ADD_JOURNAL, row)
        return int(self._last_journal)

    def set_head(self, journal: int, head: Any) -> None:
        """The head of a journal that could not be read before."""
        self._execute(sql.SET_HEAD, (head.parent, escape(head.host), head.pid, head.started, journal))

    def enter(self, journal: int, run: int, uuid: str) -> None:
        """What comes next is from `journal`, of the run `uuid`."""
        self._journal, self._run = journal, run
        self._run_name = f"urn:uuid:{uuid}#run"
        self._look_for_names(uuid)
        self._facts = None
        self._blocks = {
            number: _Block(self._execute, journal, number, kind, json.loads(columns), points)
            for number, _, kind, columns, points in self._execute(sql.BLOCKS_OF_JOURNAL, (journal,))
        }

    def _look_for_names(self, uuid: str) -> None:
        """Find out whether the table of names knows nothing of the run yet that is read next."""
        prefix = f"urn:uuid:{uuid}#"
        if prefix != self._run_prefix:
            self._write_names()
            known = self._execute(sql.NAME_BEGINNING, (prefix, prefix[:-1] + "$")).fetchone()
            self._run_prefix = "" if known else prefix
            self._highest = self._forgotten = 0

    # -- events ----------------------------------------------------------------------------------------------

    def load(self, event: Event, place: int) -> str | None:
        """Make rows of one event that ends at the offset `place`; gives what is wrong with it, or None."""
        if isinstance(event, Record):
            self._statement(event, place)
            return None
        if isinstance(event, Rows):
            return self._rows(event)
        if isinstance(event, Block):
            return self._block(event)
        return "an event that this version does not know"

    def _statement(self, record: Record, place: int) -> None:
        cells: tuple[Any, ...] = record
        kind, names_at, times_at, empty, causes = _LAYOUTS[cells[0]]
        keys, key = self._keys.get, self._key
        self._last_statement = statement = self._last_statement + 1
        self.statements += 1
        name = cells[1]
        identifier = None if name is None else keys(name) or key(name)
        names = [None if (one := cells[at]) is None else keys(one) or key(one) for at in names_at]
        times = self._times(cells, times_at) if times_at else _NO_TIMES
        about = (statement, self._run, self._journal, place, kind, identifier)
        self._statements.append((*about, *names, *empty, *times))
        if causes and names[0]:
            for argument in causes:
                cause = names[argument - 1]
                if cause:
                    self._relations.append((names[0], kind, argument, cause, statement, times[0]))
        flat = cells[-1]
        if flat:
            self._add_attributes(statement, flat, identifier if kind <= 3 else None)
            if kind <= 3:
                for fact, called, number, said in facts_of(kind, flat):
                    self._run_choices.append((fact, called, self._run, statement, identifier, number, said))
        if kind == _ACTIVITY and name == self._run_name:
            self._note_run(flat, times)

    def _times(
        self, cells: tuple[Any, ...], places: tuple[int, ...]
    ) -> tuple[int | None, int | None, str | None]:
        """The columns of a statement's times: the last ones are remembered, for what is told together."""
        given = cells[places[0]], cells[places[1]] if len(places) > 1 else None
        if given[0] is None and given[1] is None:
            return _NO_TIMES
        last = self._last_times
        if given[0] is last[0] and given[1] is last[1]:
            return self._last_columns
        columns, text = _times(given[: len(places)])
        self._last_times, self._last_columns = given, (columns[0], columns[1], text)
        return self._last_columns

    def _add_attributes(self, statement: int, flat: tuple[Any, ...], thing: int | None) -> None:
        keys, key, add = self._keys.get, self._key, self._attributes.append
        for position in range(0, len(flat), 2):
            name, value = flat[position], flat[position + 1]
            if type(value) is Name:
                whole, of = keys(value) or key(value), keys(name) or key(name)
                add((statement, position // 2, of, NAME, whole, None, None, None, None))
                continue
            columns = to_columns(value, key)
            add((statement, position // 2, keys(name) or key(name), *columns))
            text = columns[-1]
            if thing is not None and text and name in _NAMING and columns[0] in (TEXT, LITERAL):
                self._known.add((text[:_KNOWN_LENGTH], thing, self._run))
                if name == _PATH:
                    self._known.add((text.rstrip("/").rpartition("/")[2][:_KNOWN_LENGTH], thing, self._run))

    def _note_run(self, flat: tuple[Any, ...], times: tuple[int | None, int | None, str | None]) -> None:
        facts = self._run_facts()
        if times[0] is not None:
            facts[1] = times[0]
        if times[1] is not None:
            facts[2] = times[1]
        for position in range(0, len(flat), 2):
            place = _RUN_FACTS.get(flat[position])
            if place is not None:
                value = flat[position + 1]
                if place in (4, 6):
                    facts[place] = value if isinstance(value, int) and abs(value) < 2**63 else None
                else:
                    facts[place] = escape(str(value))

    def _run_facts(self) -> list[Any]:
        if self._facts is None:
            self._facts = list(self._execute(sql.RUN_FACTS, (self._run,)).fetchone())
        return self._facts

    def _block(self, block: Block) -> str | None:
        if block.number in self._blocks:
            return f"block {block.number} is defined twice"
        entity = self._key(block.entity)
        columns = [[escape(name), code] for name, code in block.columns]
        try:
            made = _Block(self._execute, self._journal, block.number, block.kind, columns, 0)
        except (struct.error, ValueError) as error:
            return f"block {block.number} has no layout: {error}"
        self._execute(
            sql.ADD_BLOCK, (self._journal, block.number, entity, escape(block.kind), json.dumps(columns))
        )
        self._blocks[block.number] = made
        if block.kind == "metrics":
            for position in made.metrics:
                self._last_series += 1
                row = (
                    self._last_series,
                    self._run,
                    self._journal,
                    block.number,
                    position,
                    entity,
                    columns[position][0],
                )
                self._execute(sql.ADD_SERIES, row)
        return None

    def _rows(self, rows: Rows) -> str | None:
        block = self._blocks.get(rows.block)
        if block is None:
            return f"rows of block {rows.block}, whose definition was not read"
        if len(rows.data) % block.layout.size:
            return f"rows of block {rows.block} that are not whole"
        self.values += block.take(rows.data, self._points)
        return None

    # -- names -----------------------------------------------------------------------------------------------

    def _key(self, name: Any) -> int:
        found = self._keys.get(name)
        if found is not None:
            return found
        if name is PLACEHOLDER:
            return 0
        iri = escape(str(name))
        row = None if self._is_new(iri) else self._execute(sql.NAME_OF_IRI, (iri,)).fetchone()
        if row is None:
            self._last_name += 1
            self._names.append((self._last_name, iri))
        found = row[0] if row else self._last_name
        if len(self._keys) >= _MOST_KEYS:
            self._forget_keys()
        self._keys[name] = found
        return int(found)

    def _is_new(self, iri: str) -> bool:
        """Whether an IRI that is not among the keys is known to be new, so that the table need not be asked.

        Those of a run that the table knew nothing of are, as long as all of them are among the keys; of what
        is not there any more, those with a higher number than all that were.
        """
        begin = len(self._run_prefix)
        if not begin or iri[:begin] != self._run_prefix:
            return False
        number = iri[begin:]
        if not number.isdecimal() or len(number) > _DIGITS:
            return not self._forgotten
        found = int(number)
        self._highest = max(self._highest, found)
        return found > self._forgotten

    def _forget_keys(self) -> None:
        self._write_names()
        self._keys.clear()
        self._forgotten = self._highest or 1

    # -- writing ---------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many rows wait to be written."""
        return len(self._statements) + len(self._attributes) + len(self._points)

    def _write_names(self) -> None:
        self._connection.executemany(sql.ADD_NAME, self._names)
        self._names.clear()

    def flush(self) -> None:
        """Write all rows that wait."""
        self._write_names()
        many: Callable[..., Any] = self._connection.executemany
        many(sql.ADD_STATEMENT, self._statements)
        many(sql.ADD_ATTRIBUTE, self._attributes)
        self._relations.sort()
        many(sql.ADD_UPSTREAM, self._relations)
        many(sql.ADD_DOWNSTREAM, sorted(self._relations, key=lambda row: (row[3], *row)))
        many(sql.ADD_KNOWN_AS, sorted(self._known))
        many(sql.ADD_METRIC, self._points)
        many(sql.ADD_FACT, [self._labelled(row) for row in self._run_choices])
        for kept in (self._statements, self._attributes, self._relations, self._points, self._run_choices):
            kept.clear()
        self._known.clear()
        if self._facts is not None:
            self._execute(sql.SET_RUN_FACTS, (*self._facts, self._run))
        for block in self._blocks.values():
            block.write(self._connection)

    def _labelled(self, fact: tuple[Any, ...]) -> tuple[Any, ...]:
        """A fact whose text is a label that another statement says."""
        if fact[-1] is not None:
            return fact
        row = self._execute(sql.LABEL_OF, (fact[4], self._run, _LABEL)).fetchone()
        return (*fact[:-1], row[0] if row else "")


class _Block:
    """A dense block while its rows are loaded.

    Attributes:
        layout: of a row.
        metrics: positions of the columns that are metrics.
    """

    def __init__(
        self,
        execute: Callable[..., Any],
        journal: int,
        number: int,
        kind: str,
        columns: list[list[str]],
        points: int,
    ) -> None:
        self._execute = execute
        self._journal, self._number, self._points = journal, number, points
        if any(code not in ("q", "d") for _, code in columns) or not columns:
            raise ValueError("its columns are not of 64-bit numbers")
        self.layout = struct.Struct("<" + "".join(code for _, code in columns))
        names = [name for name, _ in columns]
        self._place = {
            name: names.index(name) for name in ("time", "epoch", "step") if [name, "q"] in columns
        }
        self.metrics = (
            [at for at in range(len(columns)) if at not in self._place.values()] if kind == "metrics" else []
        )
        self._series: dict[int, _Summary] | None = None
        self._changed = False

    def take(self, data: bytes, out: list[tuple[Any, ...]]) -> int:
        """Rows for the table ``metric`` from packed `data`, appended to `out`; gives their number."""
        if self._series is None:
            found = self._execute(sql.SERIES_OF_BLOCK, (self._journal, self._number))
            self._series = {row[1]: _Summary(row[0], row[2:]) for row in found}
        at_time, at_epoch, at_step = (self._place.get(name) for name in ("time", "epoch", "step"))
        before = len(out)
        self._changed = True
        for row in self.layout.iter_unpack(data):
            time = None if at_time is None else row[at_time]
            epoch = None if at_epoch is None else row[at_epoch]
            step = None if at_step is None else row[at_step]
            for position, summary in self._series.items():
                value = float(row[position])
                summary.add(value, time)
                out.append(
                    (summary.series, self._points, time, epoch, step, None if value != value else value)
                )
            self._points += 1
        return len(out) - before

    def write(self, connection: sqlite3.Connection) -> None:
        """Write how far the block was read."""
        if self._changed and self._series is not None:
            connection.execute(sql.SET_BLOCK_POINTS, (self._points, self._journal, self._number))
            connection.executemany(sql.SET_SERIES, [summary.row() for summary in self._series.values()])
            self._changed = False


class _Summary:
    """Count, first, last, lowest, highest and sum of a metric; not-a-number is None, and never an extreme."""

    __slots__ = (
        "first",
        "first_time",
        "highest",
        "last",
        "last_time",
        "lowest",
        "nans",
        "points",
        "series",
        "total",
    )

    def __init__(self, series: int, row: tuple[Any, ...]) -> None:
        self.series = series
        self.points, self.nans, self.first_time, self.last_time = row[:4]
        self.first, self.last, self.lowest, self.highest, self.total = row[4:]

    def add(self, value: float, time: int | None) -> None:
        """Count one more value."""
        nan = value != value
        if not self.points:
            self.first, self.first_time = None if nan else value, time
        self.points += 1
        self.last, self.last_time = None if nan else value, time
        if nan:
            self.nans += 1
            return
        self.total = value if self.total is None else self.total + value
        if self.lowest is None or value < self.lowest:
            self.lowest = value
        if self.highest is None or value > self.highest:
            self.highest = value

    def row(self) -> tuple[Any, ...]:
        """For `sql.SET_SERIES`."""
        total = None if self.total != self.total else self.total
        values = (self.first, self.last, self.lowest, self.highest, total)
        return self.points, self.nans, self.first_time, self.last_time, *values, self.series


def _times(given: tuple[Any, ...]) -> tuple[list[int | None], str | None]:
    """The columns ``time1``, ``time2`` and ``time_text`` of an argument list's times.

    ``time_text`` is a JSON list, used where a time is no UTC time to the microsecond: text that was kept as
    it was given, a time with another offset, or PROV-N's ``-``.
    """
    columns: list[int | None] = [None, None]
    texts: list[str | None] = [None] * len(given)
    for at, time in enumerate(given):
        if time is None:
            continue
        if time is PLACEHOLDER:
            texts[at] = "-"
        elif isinstance(time, str):
            texts[at] = str(time)
            columns[at] = _ns_of_text(time)
        else:
            columns[at] = _ns(time)
            if columns[at] is None or (time.tzinfo is not UTC and time.utcoffset() != _NO_OFFSET):
                texts[at] = time.isoformat()
    return columns, json.dumps(texts) if any(texts) else None


def _ns(time: datetime) -> int | None:
    ns = to_ns(time)
    return ns if -(2**63) <= ns < 2**63 else None


def _ns_of_text(text: str) -> int | None:
    try:
        return _ns(datetime.fromisoformat(text))
    except ValueError:
        return None
