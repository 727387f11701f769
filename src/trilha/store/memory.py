"""A document as a store in memory, so that what is asked of a store is asked of a document alone.

Statements belong to the run that their names are of (``urn:uuid:<run>#…``); what is of no run (people,
packages, contents) belongs to the runs that speak of it. A document without a run is one run without a name.
Metrics come back from the attributes of their collections and, where the document holds them, from all their
points. Bundles are read as part of the document.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote
from uuid import NAMESPACE_URL, uuid5

from trilha.prov import PROV, TRILHA, Kind, Name, Record
from trilha.store import connecting, contents, sql
from trilha.store.loading import Loader
from trilha.store.store import Store
from trilha.store.values import escape, to_ns

if TYPE_CHECKING:
    import sqlite3

    from trilha.prov import Document

__all__ = ["store_of"]

_UNKNOWN: Final = 2
_TYPE: Final = PROV["type"]
_SUMMARY: Final = ("count", "nans", "first", "last", "minimum", "maximum", "mean")


class _Head(NamedTuple):
    """The head of the journal that a document stands for."""

    uid: str
    parent: str | None = None
    host: str = ""
    pid: int = 0
    started: int | None = None


def store_of(document: Document, name: str = "document") -> Store:
    """A store in memory that holds a document.

    Args:
        document: its runs, or what else it holds.
        name: what messages call it: the path of its file.
    """
    store = Store.in_memory(name)
    records = [*document, *(record for bundle in document.bundles.values() for record in bundle)]
    own = {record.id: _run_of(record) for record in records if _is_run(record)}
    runs = list(dict.fromkeys(uuid for uuid in own.values() if uuid)) or [str(uuid5(NAMESPACE_URL, name))]
    shares = _shares(records, runs)
    with connecting.transaction(store.connection):
        loader = Loader(store.connection)
        for number, uuid in enumerate(runs):
            run = loader.add_run(uuid, None)
            journal = loader.add_journal(run, _Head(f"{uuid}/{number}"), 0)
            loader.enter(journal, run, uuid)
            some = [record for record, share in zip(records, shares, strict=True) if uuid in share]
            for place, record in enumerate(some):
                loader.load(record, place)
            loader.flush()
            _Metrics(store.connection, run, journal).add(some)
            store.connection.execute(sql.SET_JOURNAL, (0, 0, 0, _UNKNOWN, journal))
        contents.decide(store.connection)
    return store


def _is_run(record: Record) -> bool:
    return (
        record.kind == Kind.ACTIVITY
        and str(record.id).startswith("urn:uuid:")
        and str(record.id)[45:] == "#run"
    )


def _run_of(record: Record) -> str:
    return str(record.id)[9:45]


def _shares(records: list[Record], runs: list[str]) -> list[set[str]]:
    """For each statement the runs that it belongs to."""
    everything = set(runs)
    if len(runs) == 1:
        return [everything] * len(records)
    shares: list[set[str]] = []
    speaks: dict[Name, set[str]] = {}
    for record in records:
        names = [cell for cell in record[1:-1] if isinstance(cell, Name)]
        share = {
            name[9:45] for name in names if name.startswith("urn:uuid:") and name[45:46] == "#"
        } & everything
        shares.append(share)
        for one in (*names, *(cell for cell in record[-1] if isinstance(cell, Name))):
            speaks.setdefault(one, set()).update(share)
    return [
        share
        or set().union(*(speaks.get(cell, ()) for cell in record[1:-1] if isinstance(cell, Name)))
        or everything
        for record, share in zip(records, shares, strict=True)
    ]


class _Metrics:
    """Puts the metrics of a document into the tables.

    Args:
        connection: to the store.
        run: key of the run.
        journal: key of its journal.
    """

    def __init__(self, connection: sqlite3.Connection, run: int, journal: int) -> None:
        self._execute = connection.execute
        self._run, self._journal = run, journal
        self._series = int(self._execute(sql.LAST_KEYS).fetchone()[2])
        self._block = 0

    def add(self, records: Iterable[Record]) -> None:
        """Find them, and add them."""
        collections: dict[Name, dict[str, dict[str, Any]]] = {}
        points: dict[Name, dict[str, Any]] = {}
        members: dict[Name, list[Name]] = {}
        makers: dict[Name, Name] = {}
        ends: dict[Name, tuple[int | None, int | None]] = {}
        for record in records:
            if record.kind == Kind.ENTITY and record.id is not None:
                types = {value for key, value in record.attributes if key == _TYPE}
                if TRILHA["Metrics"] in types:
                    found = collections.setdefault(record.id, {})
                    for key, value in record.attributes:
                        word, dot, metric = key.removeprefix(TRILHA.iri).partition(".")
                        if dot and word in _SUMMARY:
                            found.setdefault(unquote(metric), {})[word] = value
                elif TRILHA["MetricPoint"] in types:
                    points[record.id] = {
                        key.removeprefix(TRILHA.iri): value for key, value in record.attributes
                    }
            elif record.kind == Kind.MEMBERSHIP:
                members.setdefault(record[2], []).append(record[3])
            elif record.kind == Kind.GENERATION:
                makers[record[2]] = record[3]
            elif record.kind == Kind.ACTIVITY and record.id is not None:
                ends[record.id] = (_time(record[2]), _time(record[3]))
        for collection, metrics in collections.items():
            rows = [points[one] for one in members.get(collection, ()) if one in points]
            span = ends.get(makers.get(collection, collection), (None, None))
            self._add(collection, metrics, rows, span)

    def _add(
        self,
        collection: Name,
        metrics: dict[str, dict[str, Any]],
        rows: list[dict[str, Any]],
        span: tuple[int | None, int | None],
    ) -> None:
        self._block += 1
        entity = self._execute(sql.NAME_OF_IRI, (escape(collection),)).fetchone()[0]
        named = dict.fromkeys(metrics)
        named.update(
            dict.fromkeys(unquote(key[6:]) for row in rows for key in row if key.startswith("value."))
        )
        for position, metric in enumerate(named, 1):
            self._series += 1
            place = (self._series, self._run, self._journal, self._block, position, entity, escape(metric))
            self._execute(sql.ADD_SERIES, place)
            quoted = {unquote(key): key for row in rows for key in row}.get(f"value.{metric}", "")
            found = [row for row in rows if quoted in row]
            if found:
                self._points(found, quoted, span)
            else:
                self._summary(metrics.get(metric, {}), span)

    def _summary(self, said: dict[str, Any], span: tuple[int | None, int | None]) -> None:
        numbers = {word: _number(value) for word, value in said.items()}
        count, nans = int(numbers.get("count") or 0), int(numbers.get("nans") or 0)
        mean = numbers.get("mean")
        total = None if mean is None else mean * (count - nans)
        values = [numbers.get(word) for word in ("first", "last", "minimum", "maximum")]
        self._execute(sql.SET_SERIES, (count, nans, *span, *values, total, self._series))

    def _points(self, rows: list[dict[str, Any]], key: str, span: tuple[int | None, int | None]) -> None:
        numbers = [_number(row[key]) for row in rows]
        times = [_time(row.get("time")) for row in rows]
        for point, (row, number, time) in enumerate(zip(rows, numbers, times, strict=True)):
            place = (self._series, point, time, row.get("epoch"), row.get("step"), number)
            self._execute(sql.ADD_METRIC, place)
        real = [number for number in numbers if number is not None]
        self._execute(
            sql.SET_SERIES,
            (
                *(len(rows), len(rows) - len(real)),
                *(
                    times[0] if times[0] is not None else span[0],
                    times[-1] if times[-1] is not None else span[1],
                ),
                *(numbers[0], numbers[-1]),
                *((min(real), max(real), sum(real)) if real else (None, None, None)),
                self._series,
            ),
        )


def _number(value: Any) -> float | None:
    text = getattr(value, "value", value)
    try:
        number = float(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else number


def _time(value: Any) -> int | None:
    return to_ns(value) if hasattr(value, "tzinfo") else None
