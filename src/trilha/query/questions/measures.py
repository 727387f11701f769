"""Metrics: their course over the epochs, and what holds of them together."""

from __future__ import annotations

import math
from typing import Any

from trilha.errors import NotFound
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.things import Thing
from trilha.store import metrics, sql
from trilha.store.values import from_ns, unescape

__all__ = ["epochs", "metric", "rows_by_epoch"]


@question(
    "metric",
    "NAME",
    "A metric over the epochs of each run: first, last, lowest, highest, average, best.",
    papers=("D1", "K4"),
    acceptance=(4, 7),
)
def metric(asked: Asked, name: str) -> Answer:
    """Aggregates of a metric, run by run; the summary holds the same over all values of all runs."""
    found = asked.fields.metric(name)
    if asked.keys and not found:
        close = asked.fields.close_to(name)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise NotFound(f"no run in {asked.store.folder} has a metric {name!r}.{hint}")
    rows: list[dict[str, Any]] = []
    for run in asked.keys:
        if run in found:
            one = found[run]
            values = {word: one.value(word, name) for word in ("first", "last", "min", "max", "avg", "best")}
            took = asked.runs[run]
            seconds = None if took.start is None or took.end is None else (took.end - took.start) / 1e9
            rows.append({**asked.named(run), "values": one.points, **values, "took": seconds})
    columns = ("run", "id", "values", "first", "last", "min", "max", "avg", "best", "took")
    return Answer(columns, rows, _together([found[run] for run in asked.keys if run in found], rows))


def _together(some: list[Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not some:
        return {}
    count = sum(one.points - one.nans for one in some)
    total = sum(one.total for one in some if one.total is not None)
    lows = [one.lowest for one in some if one.lowest is not None]
    highs = [one.highest for one in some if one.highest is not None]
    lasts = [row["last"] for row in rows if not math.isnan(row["last"])]
    took = [row["took"] for row in rows if row["took"] is not None]
    return {
        "runs": len(some),
        "values": sum(one.points for one in some),
        "min": min(lows, default=math.nan),
        "max": max(highs, default=math.nan),
        "avg": total / count if count else math.nan,
        "avg of the last": sum(lasts) / len(lasts) if lasts else math.nan,
        "avg took": sum(took) / len(took) if took else None,
    }


@question(
    "epochs",
    "",
    "Each epoch of each run: when it began, how long it took, and its metrics.",
    papers=("K2", "D1"),
    acceptance=(4,),
)
def epochs(asked: Asked) -> Answer:
    """The epochs, with what was logged with their number; where no epoch was noticed, as they were logged."""
    activities = asked.things("Epoch")
    rows: list[dict[str, Any]] = []
    names: dict[str, None] = {}
    unknown: list[str] = []
    told: set[int] = set()
    for run in asked.keys:
        measured = rows_by_epoch(asked, run)
        noticed = [thing for _, thing in activities.get(run, ())]
        if not measured and not noticed:
            continue
        told.add(run)
        for one in _of_run(asked, run, noticed, measured):
            names.update(dict.fromkeys(key for key in one if key not in _OWN))
            rows.append(one)
        if not measured and next(asked.store.connection.execute(sql.METRICS_OF_RUN, (run,)), None):
            unknown.append(
                f"The metrics of {asked.runs[run].name} by epoch: only their summaries are here, or they were"
                " logged without an epoch (trilha export --points all keeps every value)."
            )
    unknown += asked.without("epochs", told)
    return Answer((*_OWN, *names), rows, unknown=unknown)


_OWN = ("run", "id", "training", "epoch", "started", "elapsed")


def _of_run(
    asked: Asked, run: int, noticed: list[Thing], measured: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    rows = []
    told: set[int] = set()
    trainings = _trainings(asked, run)
    repeated = len({_number(thing) for thing in noticed}) < len(noticed)
    for thing in noticed:
        number = _number(thing)
        row: dict[str, Any] = {**asked.named(run), "training": trainings.get(thing.iri, ""), "epoch": number}
        row["started"] = None if thing.start is None else from_ns(thing.start)
        row["elapsed"] = None
        if thing.start is not None and thing.end is not None:
            row["elapsed"] = (thing.end - thing.start) / 1e9
        if number is not None:
            told.add(number)
            values = measured.get(number, {})
            if repeated:
                values = _within(asked, run, thing, number)
            row |= {key: value for key, value in values.items() if key != "time"}
        rows.append(row)
    before = asked.runs[run].start
    for number in sorted(measured):
        time = measured[number].get("time")
        if number not in told:
            elapsed = None if noticed or time is None or before is None else (time - before) / 1e9
            row = {**asked.named(run), "training": "", "epoch": number, "started": None, "elapsed": elapsed}
            rows.append(row | {key: value for key, value in measured[number].items() if key != "time"})
        before = time
    return rows


def _number(thing: Thing) -> int | None:
    number = thing.fact("trilha:epoch")
    return int(number) if isinstance(number, int) else None


def _trainings(asked: Asked, run: int) -> dict[str, str]:
    """The label of the training that each epoch belongs to, where a run has several."""
    things = asked.things("Training").get(run, [])
    if len(things) < 2:
        return {}
    labels = {key: f"{thing.label} {at}" for at, (key, thing) in enumerate(things, 1)}
    starters = dict(asked.store.connection.execute(sql.STARTERS_IN_RUN, (run,)))
    return {
        thing.iri: labels[starters[key]]
        for key, thing in asked.things("Epoch").get(run, [])
        if starters.get(key) in labels
    }


def _within(asked: Asked, run: int, thing: Thing, number: int) -> dict[str, Any]:
    """The metrics of an epoch whose number several epochs have: those logged by its training's pace."""
    bounds = [one.start for _, one in asked.things("Epoch").get(run, []) if one.start is not None]
    later = [start for start in bounds if thing.start is not None and start > thing.start]
    end = min(later, default=None)
    return rows_by_epoch(asked, run, thing.start, end).get(number, {})


def rows_by_epoch(
    asked: Asked, run: int, since: int | None = None, until: int | None = None
) -> dict[int, dict[str, Any]]:
    """The metrics of a run by the epoch that they were logged with, and ``time``: when the last of them was.

    Args:
        asked: the question.
        run: key of the run.
        since, until: only what was logged from then and before then, nanoseconds since 1970-01-01 UTC.
    """
    found: dict[int, dict[str, Any]] = {}
    for one in metrics.series(asked.store.connection, run):
        for point in metrics.points(asked.store.connection, one.key):
            if point.epoch is None or not _inside(point.time, since, until):
                continue
            row = found.setdefault(point.epoch, {})
            row[unescape(one.metric)] = point.value
            row["time"] = max(row.get("time") or 0, point.time or 0) or None
    return found


def _inside(time: int | None, since: int | None, until: int | None) -> bool:
    return time is None or ((since is None or time >= since) and (until is None or time < until))
