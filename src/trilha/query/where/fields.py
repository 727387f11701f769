"""What a name in an expression means for each run: a fact of the run, a hyperparameter, a metric.

Each is fetched for all runs by one query with the name as its parameter. Where a name means several things
(``loss`` is a metric, and the common name of the loss function) all of them are candidates, and the
comparison takes the first that is of its kind: a number for a number, a text for a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.query.runs import STATES
from trilha.store import sql
from trilha.store.values import escape, unescape

if TYPE_CHECKING:
    from trilha.query.where.reading import Field
    from trilha.store import Store

__all__ = ["FACTS", "Fields", "Value", "lower_is_better"]

Value = float | str
"""A number or a text; a time is a number of nanoseconds, a duration one of seconds."""

_LOWER: Final = re.compile(
    r"(^|[\W_])(\w*loss|err|error|mse|mae|rmse|msle|mape|nll|perplexity|ppl|wer|cer|fid|residual|"
    r"mean_\w+_error|cross_?entropy|brier\w*|\w*_time|time|seconds|duration)([\W_]|$)"
)
_SORTS: Final = ("metric", "hyperparameter", "run", "annotation")
_MANY: Final = {"framework": "framework", "transformation": "transformation", "user": "user", "host": "host"}
_OF_RUN: Final = ("name", "id", "status", "command", "exception", "exit_status", "started", "ended", "took")
_OTHER_WORDS: Final = {"label": "name", "run": "id", "filter": "transformation", "start": "started"}
FACTS: Final = (*_OF_RUN, *_MANY, "dataset")
"""The facts of a run that expressions know by these names, whatever was recorded."""


def lower_is_better(metric: str) -> bool:
    """Whether the best value of a metric is its lowest: losses, errors and times, told by the name."""
    return _LOWER.search(metric.lower()) is not None


class _Summary(NamedTuple):
    """A metric of one run, over all its series."""

    first_time: int
    last_time: int
    first: float | None
    last: float | None
    lowest: float | None
    highest: float | None
    total: float | None
    points: int
    nans: int

    def value(self, function: str, metric: str) -> float:
        """What the function gives."""
        if function in ("", "last"):
            return _real(self.last)
        if function == "best":
            function = "min" if lower_is_better(metric) else "max"
        if function == "avg":
            numbers = self.points - self.nans
            return self.total / numbers if self.total is not None and numbers else math.nan
        if function == "count":
            return float(self.points)
        return _real({"first": self.first, "min": self.lowest, "max": self.highest}[function])


class Fields:
    """What names mean for each run of a store; each is fetched once.

    Args:
        store: to look in.
    """

    def __init__(self, store: Store) -> None:
        self._execute = store.connection.execute
        self._metrics: dict[str, dict[int, _Summary]] = {}
        self._hyperparameters: dict[tuple[str, str], dict[int, list[Value]]] = {}
        self._facts: dict[str, dict[int, list[Value]]] = {}

    def candidates(self, field: Field) -> list[dict[int, list[Value]]]:
        """What the field may mean, the likeliest first: of each run the values, any of which may match."""
        kind, mark, rest = field.name.partition(":")
        name = rest if mark and kind in _SORTS else field.name
        if not mark or kind not in _SORTS:
            kind = ""
        found: list[dict[int, list[Value]]] = []
        if kind in ("", "run") and not field.function:
            found += [self._of_run(name)]
        hyper = []
        if kind in ("", "hyperparameter"):
            # What a framework calls so may be another thing than what is commonly called so.
            hyper = [
                self._of_hyperparameter(one, name, field.function) for one in ("hyperparameter", "common")
            ]
        measured = [self._of_metric(name, field.function)] if kind in ("", "metric") else []
        found += measured + hyper if field.function else hyper + measured
        if kind in ("", "annotation") and not field.function:
            found += [self._of_annotation(name)]
        return [one for one in found if one]

    def close_to(self, name: str) -> list[str]:
        """Other names that are there, and like this one."""
        from difflib import get_close_matches

        rows = [*self._execute(sql.METRIC_NAMES), *self._execute(sql.HYPERPARAMETER_NAMES)]
        known = ({unescape(row[0]) for row in rows} | set(FACTS)) - {name}
        lower = {one.lower(): one for one in sorted(known)}
        return [lower[one] for one in get_close_matches(name.lower(), lower, 3)]

    # -- metrics

    def _of_metric(self, name: str, function: str) -> dict[int, list[Value]]:
        return {run: [one.value(function, name)] for run, one in self.metric(name).items()}

    def metric(self, name: str) -> dict[int, _Summary]:
        """A metric of each run that has it."""
        if name not in self._metrics:
            found: dict[int, _Summary] = {}
            for run, *row in self._execute(sql.METRIC_OF_RUNS, (escape(name),)):
                one = _Summary(row[0] or 0, row[1] or 0, *row[2:])
                found[run] = _merged(found[run], one) if run in found else one
            self._metrics[name] = found
        return self._metrics[name]

    # -- hyperparameters

    def _of_hyperparameter(self, about: str, name: str, function: str) -> dict[int, list[Value]]:
        if function in ("avg", "best", "count"):
            return {}
        choose: Callable[[list[Value]], Value] = {"last": _last, "min": _least, "max": _greatest}.get(
            function, _first
        )
        return {run: [choose(values)] for run, values in self.hyperparameter(about, name).items()}

    def hyperparameter(self, about: str, name: str) -> dict[int, list[Value]]:
        """The values of a hyperparameter in each run, as they were stated.

        Args:
            about: ``"hyperparameter"`` for its own name, ``"common"`` for the common one.
            name: of it.
        """
        key = about, name
        if key not in self._hyperparameters:
            found: dict[int, list[Value]] = {}
            for run, number, text in self._execute(sql.FACT_OF_RUNS, (about, escape(name))):
                found.setdefault(run, []).append(_value(number, text))
            self._hyperparameters[key] = found
        return self._hyperparameters[key]

    def _of_annotation(self, name: str) -> dict[int, list[Value]]:
        """What was said in each run, or of it, of anything in it, or of a content that it met."""
        found: dict[int, list[Value]] = {}
        for run, number, text in self._execute(sql.ANNOTATION_OF_RUNS, (escape(name), escape(name))):
            found.setdefault(run, []).append(unescape(text) if number is None else number)
        return found

    # -- facts

    def facts(self, name: str) -> dict[int, list[Value]]:
        """A fact of `FACTS` of each run that has it."""
        return self._of_run(name)

    def _of_run(self, name: str) -> dict[int, list[Value]]:
        name = _OTHER_WORDS.get(name, name)
        if name not in self._facts:
            self._facts[name] = dict(self._read_fact(name))
        return self._facts[name]

    def _read_fact(self, name: str) -> dict[int, list[Value]]:
        found: dict[int, list[Value]] = {}
        if name in _OF_RUN:
            for run, *row in self._execute(sql.FACTS_OF_RUNS):
                value = _fact(name, row)
                if value is not None:
                    found[run] = [value]
        elif name in _MANY:
            for run, _, text in self._execute(sql.FACT_OF_RUNS, (_MANY[name], "")):
                found.setdefault(run, []).append(unescape(text))
        elif name == "dataset":
            for run, text in self._execute(sql.DATA_OF_RUNS):
                found.setdefault(run, []).append(unescape(text))
        return found


def _fact(name: str, row: list[Any]) -> Value | None:
    uuid, label, started, ended, status, exit_status, exception, command, state = row
    if name == "took":
        return None if started is None or ended is None else (ended - started) / 1e9
    if name == "status":
        return unescape(status) if status else STATES.get(state, "unknown")
    value: Any = {
        "name": label,
        "id": uuid,
        "command": command,
        "exception": exception,
        "exit_status": exit_status,
        "started": started,
        "ended": ended,
    }[name]
    return unescape(value) if isinstance(value, str) else value


def _merged(one: _Summary, other: _Summary) -> _Summary:
    early, late = (one, other) if one.first_time <= other.first_time else (other, one)
    last = one if one.last_time > other.last_time else other
    lows = [low for low in (one.lowest, other.lowest) if low is not None]
    highs = [high for high in (one.highest, other.highest) if high is not None]
    totals = [total for total in (one.total, other.total) if total is not None]
    return _Summary(
        early.first_time,
        max(one.last_time, late.last_time),
        early.first,
        last.last,
        min(lows) if lows else None,
        max(highs) if highs else None,
        sum(totals) if totals else None,
        one.points + other.points,
        one.nans + other.nans,
    )


def _real(value: float | None) -> float:
    return math.nan if value is None else value


def _value(number: float | None, text: str) -> Value:
    if number is not None:
        return number
    try:
        return float(text)
    except ValueError:
        return unescape(text)


def _first(values: list[Value]) -> Value:
    return values[0]


def _last(values: list[Value]) -> Value:
    return values[-1]


def _least(values: list[Value]) -> Value:
    numbers = [value for value in values if isinstance(value, float)]
    return min(numbers) if numbers else values[0]


def _greatest(values: list[Value]) -> Value:
    numbers = [value for value in values if isinstance(value, float)]
    return max(numbers) if numbers else values[0]
