"""What changed during the training, and what came of it."""

from __future__ import annotations

from typing import Any

from trilha.query.questions.asking import Answer, Asked, question, told_once
from trilha.query.questions.measures import rows_by_epoch
from trilha.query.things import Thing, describe
from trilha.store import metrics, sql
from trilha.store.values import from_ns, unescape

__all__ = ["adaptations"]

_COLUMNS = ("run", "id", "name", "common", "epoch", "before", "after", "cause", "when")


@question(
    "adaptations",
    "[METRIC…]",
    "What changed during training, when, why, and the metrics before and after.",
    papers=("K5",),
    acceptance=(8,),
)
def adaptations(asked: Asked, *names: str) -> Answer:
    """Each adaptation with the metrics of the last epoch before it and of the first one that used it.

    Which epoch that is, is told by the first epoch that used the new value; where none says so, by time.
    """
    rows = []
    columns: dict[str, None] = {}
    for run, things in asked.things("Adaptation").items():
        measured = rows_by_epoch(asked, run)
        changes = [
            (thing, {**asked.named(run), **_change(asked, key, thing), "by": (key, thing)})
            for key, thing in things
        ]
        for row in told_once(changes, ("when", "by")):
            key, thing = row.pop("by")
            first = _first_epoch(asked, run, key)
            before, after = _around(asked, run, thing, first, measured)
            for name in names or dict.fromkeys([*before, *after]):
                if name != "time":
                    row[f"{name} before"], row[f"{name} after"] = before.get(name), after.get(name)
                    columns.update({f"{name} before": None, f"{name} after": None})
            rows.append(row)
    return Answer((*_COLUMNS, *columns), rows)


def _change(asked: Asked, key: int, thing: Thing) -> dict[str, Any]:
    made = [row[0] for row in sql.among(asked.store.connection.execute, sql.DOWNSTREAM, [key]) if row[1] == 4]
    new = next(
        (one for one in describe(asked.store, made).values() if one.is_a("trilha:Hyperparameter")), None
    )
    return {
        "name": thing.fact("trilha:name", new.label if new else thing.label),
        "common": thing.fact("trilha:common", new.fact("trilha:common") if new else None),
        "epoch": thing.fact("trilha:epoch"),
        "before": new.fact("trilha:before") if new else thing.fact("trilha:best"),
        "after": new.fact("prov:value") if new else None,
        "cause": thing.fact("trilha:cause"),
        "when": None if thing.start is None else from_ns(thing.start),
    }


def _first_epoch(asked: Asked, run: int, key: int) -> int | None:
    """The number of the first epoch that used what an adaptation made."""
    execute = asked.store.connection.execute
    made = [row[0] for row in sql.among(execute, sql.DOWNSTREAM, [key]) if row[1] == 4]
    users = {row[0] for row in sql.among(execute, sql.DOWNSTREAM, made) if row[1] == 5}
    numbers = [
        thing.fact("trilha:epoch") for one, thing in asked.things("Epoch").get(run, []) if one in users
    ]
    return min((number for number in numbers if isinstance(number, int)), default=None)


def _around(
    asked: Asked, run: int, thing: Thing, first: int | None, measured: dict[int, dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    if first is not None and (first in measured or first - 1 in measured):
        return measured.get(first - 1, {}), measured.get(first, {})
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if thing.start is None:
        return before, after
    for one in metrics.series(asked.store.connection, run):
        for point in metrics.points(asked.store.connection, one.key):
            if point.time is None:
                continue
            if point.time <= thing.start:
                before[unescape(one.metric)] = point.value
            else:
                after.setdefault(unescape(one.metric), point.value)
                break
    return before, after
