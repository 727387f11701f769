"""The metrics of a run: dense series in the store, summed up here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from trilha.store import sql
from trilha.store.values import unescape

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Point", "Series", "Summary", "points", "series", "summaries"]


class Series(NamedTuple):
    """One metric of one block of one journal.

    Attributes:
        entity: IRI of the collection that the values are members of.
        metric: its name.
        values: how many values there are, not-a-number among them.
        nans: how many are not-a-number.
        first_time, last_time: when the first and the last were logged, nanoseconds since 1970-01-01 UTC.
        first, last: the first and the last value.
        lowest, highest: of the values that are numbers; not-a-number if there are none.
        total: their sum; not-a-number if there are none.
        key: in the store.
        block: number of the block in its journal.
        journal: uid of the journal.
        parent: uid of the journal of the process that started this one; None in a run's first process.
    """

    entity: str
    metric: str
    values: int
    nans: int
    first_time: int | None
    last_time: int | None
    first: float
    last: float
    lowest: float
    highest: float
    total: float
    key: int
    block: int
    journal: str
    parent: str | None


class Summary(NamedTuple):
    """A metric of one collection, over all processes that logged it. Attributes as in `Series`."""

    entity: str
    metric: str
    values: int
    nans: int
    first_time: int | None
    last_time: int | None
    first: float
    last: float
    lowest: float
    highest: float
    total: float

    @property
    def mean(self) -> float:
        """Of the values that are numbers; not-a-number if there are none."""
        numbers = self.values - self.nans
        return self.total / numbers if numbers else math.nan


class Point(NamedTuple):
    """One value of a series.

    Attributes:
        number: counted from 0 in its block.
        time: when it was logged, nanoseconds since 1970-01-01 UTC.
        epoch, step: where in the training it belongs, as far as it was said.
        value: not-a-number and the infinities included.
    """

    number: int
    time: int | None
    epoch: int | None
    step: int | None
    value: float


def series(connection: sqlite3.Connection, run: int) -> list[Series]:
    """All series of the run with the key `run`, those of its first process first."""
    found = []
    for row in connection.execute(sql.SERIES_OF_RUN, (run,)):
        values = [_number(value) for value in row[6:11]]
        found.append(Series(unescape(row[0]), unescape(row[1]), *row[2:6], *values, *row[11:]))
    return found


def points(connection: sqlite3.Connection, key: int) -> Iterator[Point]:
    """The values of one series, in the order in which they were logged."""
    for number, time, epoch, step, value in connection.execute(sql.POINTS_OF_SERIES, (key,)):
        yield Point(number, time, epoch, step, _number(value))


def summaries(connection: sqlite3.Connection, run: int) -> list[Summary]:
    """The metrics of the run with the key `run`, in the order in which they were first met."""
    merged: dict[tuple[str, str], Summary] = {}
    for one in series(connection, run):
        if one.values:
            key = (one.entity, one.metric)
            summary = Summary(*one[:11])
            merged[key] = _merge(merged[key], summary) if key in merged else summary
    return list(merged.values())


def _merge(one: Summary, other: Summary) -> Summary:
    early = one if (one.first_time or 0) <= (other.first_time or 0) else other
    late = one if (one.last_time or 0) > (other.last_time or 0) else other
    return Summary(
        one.entity,
        one.metric,
        one.values + other.values,
        one.nans + other.nans,
        early.first_time,
        late.last_time,
        early.first,
        late.last,
        _least(one.lowest, other.lowest),
        -_least(-one.highest, -other.highest),
        other.total
        if math.isnan(one.total)
        else one.total
        if math.isnan(other.total)
        else one.total + other.total,
    )


def _least(one: float, other: float) -> float:
    return other if math.isnan(one) else one if math.isnan(other) else min(one, other)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
