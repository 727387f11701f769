"""Runs with all that they are told apart by, and the best of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from trilha.errors import NotFound, UsageError
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.where.fields import lower_is_better
from trilha.query.where.reading import Field, operand
from trilha.store import sql
from trilha.store.values import unescape

__all__ = ["facts_of", "runs", "top"]

_ABOUT = ("framework", "hyperparameters", "layers", "transformations", "data")


@question(
    "runs",
    "[METRIC…]",
    "Runs with their hyperparameters, layers, preparation, data and metrics.",
    papers=("D6", "D7", "K1", "K7"),
    acceptance=(5, 6, 7),
)
def runs(asked: Asked, *metrics: str) -> Answer:
    """Each run with what it was set up with; the metrics named, or the last value of all of them."""
    fields = [operand(metric) for metric in metrics]
    values = {}
    for one in fields:
        _known(asked, one)
        values[_said(one)] = _valuing(asked, one)
    measured = [_said(one) for one in fields] or ["metrics"]
    rows = []
    for run in asked.keys:
        row = {**asked.named(run), "status": asked.runs[run].status, **facts_of(asked, run)}
        row |= {said: value(run) for said, value in values.items()}
        if not fields:
            row["metrics"] = _metrics(asked, run)
        rows.append(row)
    return Answer(("run", "id", "status", *measured, *_ABOUT), rows)


@question(
    "top",
    "METRIC [N]",
    "The n best runs by a metric, with hyperparameters, data and transformations.",
    papers=("K3", "K6", "D6", "D7"),
    acceptance=(6,),
)
def top(asked: Asked, metric: str, n: str = "10") -> Answer:
    """The best runs: by the best value of the metric, or by what ``last(METRIC)``, ``avg(…)``, … says."""
    count = _count(n)
    field = operand(metric)
    field = field if field.function else field._replace(function="best")
    _known(asked, field)
    lowest = lower_is_better(field.name)
    value = _valuing(asked, field)
    values = {run: value(run) for run in asked.keys}
    known = {
        run: value for run, value in values.items() if isinstance(value, float) and not math.isnan(value)
    }
    best = sorted(known, key=lambda run: known[run] if lowest else -known[run])[:count]
    rows = [
        {"place": place, **asked.named(run), _said(field): known[run], **facts_of(asked, run)}
        for place, run in enumerate(best, 1)
    ]
    unknown = []
    if len(known) < len(values):
        missing = len(values) - len(known)
        unknown.append(f"{missing} run{'s have' if missing > 1 else ' has'} no {field.name}: not ranked.")
    summary = {"best is": "the lowest" if lowest else "the highest", "runs ranked": len(known)}
    return Answer(("place", "run", "id", _said(field), *_ABOUT), rows, summary, unknown)


def _valuing(asked: Asked, field: Field) -> Callable[[int], Any]:
    """A function that gives what a field is in a run; None where it is nothing."""
    candidates = asked.fields.candidates(field)

    def value(run: int) -> Any:
        return next((one[run][0] for one in candidates if run in one), None)

    return value


def facts_of(asked: Asked, run: int) -> dict[str, Any]:
    """What a run was set up with."""
    execute = asked.store.connection.execute
    hyperparameters: dict[str, Any] = {}
    several: dict[str, list[str]] = {}
    dropout: list[str] = []
    layers: list[str] = []
    own = False
    for about, name, number, text in execute(sql.FACTS_OF_RUN, (run,)):
        said = unescape(text)
        if about == "hyperparameter":
            hyperparameters.setdefault(unescape(name), _plain(number, said))
        elif about == "common":
            own = own or name == "dropout"
            if name == "dropout":
                dropout.append(said)
            elif name == "layers":
                layers.append(said)
        else:
            several.setdefault(about, [])
            if said not in several[about]:
                several[about].append(said)
    if own and "dropout" not in hyperparameters and dropout:
        hyperparameters["dropout (layers)"] = ", ".join(dict.fromkeys(dropout))
    files = [unescape(row[2]) for row in execute(sql.DATA_OF_RUN, (run,)) if row[1] == "file"]
    read = files or several.get("dataset", [])
    return {
        "framework": ", ".join(several.get("framework", [])) or None,
        "hyperparameters": hyperparameters,
        "layers": ", ".join(layers) or None,
        "transformations": _in_order(asked, run),
        "data": list(dict.fromkeys(read)),
    }


def _in_order(asked: Asked, run: int) -> list[str]:
    rows = asked.store.connection.execute(sql.FACTS_OF_RUN, (run,))
    return [unescape(text) for about, _, _, text in rows if about == "transformation"]


def _metrics(asked: Asked, run: int) -> dict[str, float]:
    names = [unescape(row[0]) for row in asked.store.connection.execute(sql.METRICS_OF_RUN, (run,))]
    return {name: asked.fields.metric(name)[run].value("last", name) for name in dict.fromkeys(names)}


def _known(asked: Asked, field: Field) -> None:
    if asked.keys and not asked.fields.candidates(field):
        close = asked.fields.close_to(field.name)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise NotFound(f"no run in {asked.store.folder} has a metric {field.name!r}.{hint}")


def _said(field: Field) -> str:
    return f"{field.function}({field.name})" if field.function else field.name


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f"{text!r}: expected how many runs, a whole number from 1")
    return number


def _plain(number: float | None, text: str) -> Any:
    if number is None or text in ("true", "false"):
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number
