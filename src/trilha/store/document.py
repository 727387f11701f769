"""The PROV document of a run.

A journal says things as they come: an activity once when it starts and once when it ends, a file again when
its hash is known. A document says each thing once. Merging follows PROV-CONSTRAINTS: statements with one
identifier are one (22, 23); an entity has one generation and one invalidation by an activity (24, 25), an
activity one start by a starter and one end by an ender (26, 27); and their times are the activity's (28,
29). What cannot be merged, because two statements contradict each other, keeps what was said first.

The statements of a document stand in the order in which things were first met, the run's first process
first, so that the same journals give the same document each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from trilha.errors import NotFound, UsageError
from trilha.prov import (
    FIXED,
    PLACEHOLDER,
    PROV,
    TRILHA,
    XSD,
    Document,
    Kind,
    Literal,
    Name,
    Namespace,
    Record,
)
from trilha.prov.values import time as prov_time
from trilha.store import metrics, sql
from trilha.store.values import NAME, exact, from_ns, unescape

if TYPE_CHECKING:
    from trilha.store.store import Store

__all__ = ["document"]

_UNIQUE: Final = {
    Kind.GENERATION: (0, 1),
    Kind.INVALIDATION: (0, 1),
    Kind.START: (0, 2),
    Kind.END: (0, 2),
}
"""The arguments that, if they are all there, a statement of the kind is the only one with (24 to 27)."""

_OTHERS: Final = (
    Namespace("acct", "acct:"),
    Namespace("pkg", "pkg:"),
    Namespace("uuid", "urn:uuid:"),
)


class _Statement:
    """A statement that may still take up others.

    Attributes:
        kind: of the statement.
        identifier: of the statement, or None.
        arguments: in the order of PROV-N.
        attributes: values by key and what makes them equal.
    """

    __slots__ = ("arguments", "attributes", "identifier", "kind")

    def __init__(self, kind: Kind, identifier: Name | None, arguments: list[Any]) -> None:
        self.kind = kind
        self.identifier = identifier
        self.arguments = arguments
        self.attributes: dict[Any, tuple[Name, Any]] = {}

    def say(self, key: Name, value: Any) -> None:
        """Add an attribute; saying the same twice is saying it once."""
        self.attributes.setdefault((key, value.__class__, value if value == value else "NaN"), (key, value))

    def take_up(self, other: _Statement) -> None:
        """Merge `other`, which comes later, into this."""
        for at, value in enumerate(other.arguments):
            if self.arguments[at] is None:
                self.arguments[at] = value
        if self.identifier is None:
            self.identifier = other.identifier
        for key, pair in other.attributes.items():
            self.attributes.setdefault(key, pair)

    def record(self) -> Record:
        """The statement as the model has it."""
        flat = tuple(part for pair in self.attributes.values() for part in pair)
        return Record.new((self.kind, self.identifier, *self.arguments, flat))


def document(store: Store, uuid: str, points: str = "summary") -> Document:
    """The PROV document of the run `uuid`; see `Store.document`.

    Raises:
        NotFound: no such run.
        UsageError: `points` is neither ``"summary"`` nor ``"all"``.
    """
    if points not in ("summary", "all"):
        raise UsageError(f"points {points!r}: expected 'summary' or 'all'")
    row = store.connection.execute(sql.RUN_BY_UUID, (uuid,)).fetchone()
    if row is None:
        raise NotFound(f"no run {uuid} in {store.folder}; `trilha list` shows the runs there are")
    run = int(row[0])
    statements = _merged(_Reader(store.connection.execute, run).statements())
    _add_metrics(store, run, statements, points)
    records = [statement.record() for statement in statements]
    made = Document(_namespaces(uuid, records))
    made.update(records)
    return made


class _Reader:
    """Reads the statements of one run."""

    def __init__(self, execute: Callable[..., Iterable[Any]], run: int) -> None:
        self._execute = execute
        self._run = run
        self._names: dict[int, Name] = {}

    def statements(self) -> list[_Statement]:
        """The statements, in order."""
        rows = list(self._execute(sql.STATEMENTS_OF_RUN, (self._run,)))
        attributes = list(self._execute(sql.ATTRIBUTES_OF_RUN, (self._run,)))
        self._learn(rows, attributes)
        found: list[_Statement] = []
        by_key: dict[int, _Statement] = {}
        for row in rows:
            kind = Kind(row[1])
            statement = _Statement(
                kind, self._name(row[2]), self._arguments(kind, row[3:8], row[8:10], row[10])
            )
            found.append(statement)
            by_key[row[0]] = statement
        for key, name, *columns in attributes:
            by_key[key].say(self._names[name], exact(tuple(columns), self._names.__getitem__, Literal))
        return found

    def _learn(self, rows: list[Any], attributes: list[Any]) -> None:
        keys = {key for row in rows for key in row[2:8] if key}
        for _, name, type_, whole, _, datatype, _, _ in attributes:
            keys.add(name)
            if datatype:
                keys.add(datatype)
            if type_ == NAME:
                keys.add(whole)
        for key, iri in sql.among(self._execute, sql.NAMES, sorted(keys)):
            self._names[key] = Name(unescape(iri))

    def _name(self, key: int | None) -> Any:
        return None if key is None else self._names[key] if key else PLACEHOLDER

    def _arguments(self, kind: Kind, names: Any, times: Any, text: str | None) -> list[Any]:
        texts = json.loads(text) if text else (None, None)
        next_name, next_time = iter(names), iter(zip(times, texts, strict=False))
        return [
            _time(*next(next_time)) if one.is_time else self._name(next(next_name)) for one in kind.arguments
        ]


def _time(ns: int | None, text: str | None) -> Any:
    if text == "-":
        return PLACEHOLDER
    if text is not None:
        try:
            return prov_time(text)
        except UsageError:
            return text
    return None if ns is None else from_ns(ns)


def _merged(statements: list[_Statement]) -> list[_Statement]:
    """Each thing said once, in the order in which things were first met."""
    kept: list[_Statement] = []
    by_identifier: dict[tuple[Kind, Name], _Statement] = {}
    by_unique: dict[tuple[Any, ...], _Statement] = {}
    plain: dict[tuple[Any, ...], _Statement] = {}
    other_name: dict[Name, Name] = {}
    for statement in statements:
        kind, identifier = statement.kind, statement.identifier
        same = by_identifier.get((kind, identifier)) if identifier is not None else None
        unique = _unique_key(statement)
        if same is None and unique is not None:
            same = by_unique.get(unique)
        if same is None and identifier is None:
            key = (kind, *statement.arguments, frozenset(statement.attributes))
            same = plain.setdefault(key, statement)
            same = None if same is statement else same
        if same is None:
            same = statement
            kept.append(statement)
        else:
            same.take_up(statement)
            if identifier is not None and same.identifier != identifier:
                other_name[identifier] = same.identifier  # type: ignore[assignment]
        if same.identifier is not None:
            by_identifier.setdefault((kind, same.identifier), same)
        if unique is not None:
            by_unique.setdefault(unique, same)
    _rename(kept, other_name)
    _align_times(kept, by_identifier)
    return kept


def _unique_key(statement: _Statement) -> tuple[Any, ...] | None:
    places = _UNIQUE.get(statement.kind)
    if places is None:
        return None
    values = [statement.arguments[at] for at in places]
    return (statement.kind, *values) if all(isinstance(value, Name) for value in values) else None


def _rename(statements: list[_Statement], names: dict[Name, Name]) -> None:
    """Have what pointed to a statement that was taken up point to the one that took it up."""
    for statement in statements if names else ():
        if statement.kind == Kind.DERIVATION:
            statement.arguments[3:5] = [names.get(name, name) for name in statement.arguments[3:5]]


def _align_times(statements: list[_Statement], by_identifier: dict[tuple[Kind, Name], _Statement]) -> None:
    """Starts and ends have the time of their activity (28, 29)."""
    for statement in statements:
        if statement.kind in (Kind.START, Kind.END):
            activity = by_identifier.get((Kind.ACTIVITY, statement.arguments[0]))
            at = 0 if statement.kind == Kind.START else 1
            if activity is None or statement.arguments[3] is None:
                continue
            if activity.arguments[at] is None:
                activity.arguments[at] = statement.arguments[3]
            else:
                statement.arguments[3] = activity.arguments[at]


# -- metrics
# -----------------------------------------------------------------------------------------------------


def _add_metrics(store: Store, run: int, statements: list[_Statement], points: str) -> None:
    collections = {one.identifier: one for one in statements if one.kind == Kind.ENTITY}
    for summary in metrics.summaries(store.connection, run):
        name = Name(summary.entity)
        if name not in collections:
            # Its statement was in a part of the journal that is damaged.
            collections[name] = _Statement(Kind.ENTITY, name, [])
            collections[name].say(PROV["type"], TRILHA["Metrics"])
            statements.append(collections[name])
        local = _local(summary.metric)
        collections[name].say(TRILHA[f"count.{local}"], summary.values)
        collections[name].say(TRILHA[f"first.{local}"], summary.first)
        collections[name].say(TRILHA[f"last.{local}"], summary.last)
        collections[name].say(TRILHA[f"minimum.{local}"], summary.lowest)
        collections[name].say(TRILHA[f"maximum.{local}"], summary.highest)
        collections[name].say(TRILHA[f"mean.{local}"], summary.mean)
        if summary.nans:
            collections[name].say(TRILHA[f"nans.{local}"], summary.nans)
    if points == "all":
        _add_points(store, run, statements)


def _add_points(store: Store, run: int, statements: list[_Statement]) -> None:
    blocks: dict[tuple[str, int], list[metrics.Series]] = {}
    for one in metrics.series(store.connection, run):
        blocks.setdefault((one.journal, one.block), []).append(one)
    for (journal, block), columns in blocks.items():
        first = columns[0]
        tag = f"{journal[:8]}." if first.parent else ""
        rows: dict[int, _Statement] = {}
        for column in columns:
            for point in metrics.points(store.connection, column.key):
                row = rows.get(point.number)
                if row is None:
                    row = rows[point.number] = _Statement(
                        Kind.ENTITY, Name(f"{first.entity}.{tag}{block}.{point.number}"), []
                    )
                    _describe(row, point)
                row.say(TRILHA[f"value.{_local(column.metric)}"], point.value)
        for row in rows.values():
            statements.append(row)
            statements.append(_Statement(Kind.MEMBERSHIP, None, [Name(first.entity), row.identifier]))


def _describe(row: _Statement, point: metrics.Point) -> None:
    row.say(PROV["type"], TRILHA["MetricPoint"])
    if point.time is not None:
        row.say(TRILHA["time"], from_ns(point.time))
    if point.epoch is not None:
        row.say(TRILHA["epoch"], point.epoch)
    if point.step is not None:
        row.say(TRILHA["step"], point.step)


def _local(metric: str) -> str:
    """A metric's name as a part of a name: what is no letter, digit or ``_.-~`` is percent-encoded."""
    from urllib.parse import quote

    return quote(metric, safe="", errors="surrogatepass")


# -- prefixes
# ----------------------------------------------------------------------------------------------------


def _namespaces(uuid: str, records: list[Record]) -> list[Namespace]:
    """The namespaces that the names in `records` need, in a fixed order."""
    wanted = [*FIXED, Namespace("run", f"urn:uuid:{uuid}#"), *_OTHERS]
    longest_first = sorted(wanted, key=lambda namespace: -len(namespace.iri))
    used = {PROV.prefix, XSD.prefix, TRILHA.prefix, "run"}
    names = {cell for record in records for cell in (*record[1:-1], *record[-1]) if isinstance(cell, Name)}
    for name in names:
        for namespace in longest_first:
            if name in namespace:
                used.add(namespace.prefix)
                break
    return [namespace for namespace in wanted if namespace.prefix in used]
