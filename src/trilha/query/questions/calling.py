"""Calls, attempts and files of parallel workflows, whichever engine ran them.

Each question is one line of SQL over the store's views (docs/reference/store.md), asked here.

Source: the query patterns that Swift's provenance database was made for (Gadelha et al., "Provenance
management in Swift", FGCS 2011; ``swift-about-filename``, ``compare_run``, ``correlate_parameter_runtime``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from trilha.errors import UsageError
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.things import describe
from trilha.store import call_sql, sql
from trilha.store.values import escape, from_ns, unescape

__all__ = ["about_file", "attempts", "cached", "compare", "correlate", "retries"]

_FEW: Final = 400
"""So many runs are named in a query; more are picked from the answer."""


@question(
    "attempts",
    "",
    "What ran where and how long: each attempt with host, executor, queue wait, duration, memory, bytes.",
    papers=("S4",),
    acceptance=(12,),
)
def attempts(asked: Asked) -> Answer:
    """One row an attempt, in time; the summary adds up per host."""
    columns = (
        *("number", "host", "executor", "status", "exit_status", "started", "waited", "took", "cpu"),
        *("peak memory", "read", "written"),
    )
    rows = []
    hosts: Counter[str] = Counter()
    for name, *values, run in _rows(asked, call_sql.ATTEMPTS):
        row = {**asked.named(run), "call": _text(name), **dict(zip(columns, values, strict=True))}
        row["started"] = _time(row["started"])
        for key in ("host", "executor", "status"):
            row[key] = _text(row[key])
        hosts[row["host"] or "not known"] += 1
        rows.append(row)
    took = [row["took"] for row in rows if row["took"] is not None]
    waited = [row["waited"] for row in rows if row["waited"] is not None]
    summary: dict[str, Any] = {"attempts": len(rows), "by host": dict(hosts)}
    summary |= {"took": sum(took)} if took else {}
    summary |= {"longest wait": max(waited)} if waited else {}
    missing = sum(row["host"] is None for row in rows)
    unknown = (
        [f"Where {_count(missing, 'attempt')} ran: the process that ran it told nothing."] if missing else []
    )
    return Answer(("run", "id", "call", *columns), rows, summary, unknown)


@question(
    "retries",
    "",
    "What failed and was retried: calls with an attempt that did not finish, or without a result.",
    papers=("S5",),
    acceptance=(14,),
)
def retries(asked: Asked) -> Answer:
    """One row a call; ``end`` says how it came out."""
    rows = []
    for name, status, exception, started, tried, failed, first, _, run in _rows(asked, call_sql.RETRIED):
        end = "failed" if exception or status == "failed" else "unknown" if status is None else "succeeded"
        rows.append(
            {
                **asked.named(run),
                "call": _text(name),
                "end": end,
                "status": _text(status),
                "attempts": tried,
                "failed": failed or 0,
                "first exception": _text(first),
                "exception": _text(exception),
                "started": _time(started),
            }
        )
    columns = ("call", "end", "status", "attempts", "failed", "first exception", "exception", "started")
    ends = Counter(row["end"] for row in rows)
    summary = {end: ends[end] for end in ("succeeded", "failed", "unknown") if ends[end]}
    lost = [f"How {_count(ends['unknown'], 'call')} ended: no end was recorded."] if ends["unknown"] else []
    return Answer(("run", "id", *columns), rows, summary, lost)


@question(
    "cached",
    "",
    "Which results were not computed again, and which call of which run they came from.",
    papers=("S6",),
)
def cached(asked: Asked) -> Answer:
    """One row a call whose result an engine had kept."""
    found = list(_rows(asked, call_sql.CACHED))
    things = describe(asked.store, {key for call, _, other, _ in found for key in (call, other)})
    from trilha.query.runs import of_keys

    runs = {one.key: one for one in of_keys(asked.store, sorted({row[1] for row in found}))}
    rows = [
        {
            **asked.named(run),
            "call": things[call].label,
            "from": things[other].label,
            "from run": runs[source].name,
            "from id": runs[source].short,
            "from number": things[other].fact("trilha:task"),
            "number": things[call].fact("trilha:task"),
        }
        for call, source, other, run in found
    ]
    columns = ("run", "id", "call", "number", "from", "from number", "from run")
    return Answer(columns, rows)


@question(
    "about-file",
    "NAME",
    "Which runs made or used a file of this name (or path), by which call and as which parameter.",
    papers=("S7",),
    acceptance=(10,),
)
def about_file(asked: Asked, name: str) -> Answer:
    """One row a use or making of the file, or of a collection that it is in; one where there is neither."""
    held = list(_rows(asked, call_sql.HELD, escape(name)))
    uses: dict[tuple[int, int], dict[tuple[Any, ...], None]] = {}
    execute = asked.store.connection.execute
    for data, run, *use in sql.among(execute, call_sql.IO_OF_DATA, sorted({row[1] for row in held})):
        uses.setdefault((data, run), {})[tuple(use)] = None
    found = [
        (file, data, *use, run)
        for file, data, run in held
        for use in sorted(uses.get((data, run), {(None, None, None): None}), key=str)
    ]
    keys = {key for file, data, _, call, _, _ in found for key in (file, data, call) if key}
    things = describe(asked.store, keys)
    paths = {
        file: things[file].fact("trilha:path") or things[file].fact("trilha:filename") for file, *_ in found
    }
    # What functions are defined in is known by that path, too, and nobody uses it.
    told = {(run, paths[file]) for file, _, direction, _, _, run in found if direction}
    words = {"in": "used", "out": "made"}
    told_of = []
    for file, data, direction, call, parameter, run in found:
        if not direction:
            if data != file or (run, paths[file]) in told:
                continue
            told.add((run, paths[file]))
        row = {
            **asked.named(run),
            "file": paths[file],
            "what": words.get(direction, "named"),
            "call": things[call].label if call else None,
            "parameter": _text(parameter),
            "as a part of": things[data].label if data != file else None,
            "sha256": things[file].fact("trilha:sha256"),
        }
        told_of.append(((call, *(value for key, value in row.items() if key != "parameter")), row))
    # What an attempt opened, its call says, too, where a parameter names it: one row is enough.
    named = {said for said, row in told_of if row["parameter"] is not None}
    rows = [row for said, row in told_of if row["parameter"] is not None or said not in named]
    columns = ("run", "id", "file", "what", "call", "parameter", "as a part of", "sha256")
    return Answer(columns, rows, {"runs": len({row["id"] for row in rows})}, yes=bool(rows))


@question(
    "compare",
    "NAME…",
    "Runs side by side by parameters of their calls, or by annotations.",
    papers=("S8",),
    acceptance=(11,),
)
def compare(asked: Asked, *names: str) -> Answer:
    """One row a run that has one of them; several values of one name are a list."""
    if not names:
        raise UsageError("expected the name of a parameter or an annotation: trilha ask compare NAME…")
    by_run: dict[int, dict[str, list[Any]]] = {}
    for name in names:
        for _, value, number, _, run in _rows(asked, call_sql.COMPARED, name, name):
            values = by_run.setdefault(run, {}).setdefault(name, [])
            one = _plain(value, number)
            if one not in values:
                values.append(one)
    order = [run for run in asked.keys if run in by_run]
    rows = []
    for run in order:
        cells = {name: _several(by_run[run].get(name, [])) for name in names}
        rows.append({**asked.named(run), **cells})
    known = [name for name in names if not any(name in values for values in by_run.values())]
    unknown = [f"{name}: no run has a parameter or an annotation of this name." for name in known]
    return Answer(("run", "id", *names), rows, {}, unknown)


@question(
    "correlate",
    "PARAMETER",
    "How the time that calls executed goes with one of their parameters.",
    papers=("S9",),
)
def correlate(asked: Asked, parameter: str) -> Answer:
    """One row a call; for numbers the summary has Pearson's coefficient for each function."""
    rows = []
    pairs: dict[Any, list[tuple[float, float]]] = {}
    for name, started, seconds, value, number, run in _rows(asked, call_sql.CORRELATED, parameter):
        one = _plain(value, number)
        if isinstance(one, (int, float)):
            pairs.setdefault(_text(name), []).append((float(one), seconds))
        row = {"call": _text(name), "started": _time(started), "took": seconds, "value": one}
        rows.append({**asked.named(run), **row})
    summary: dict[str, Any] = {"calls": len(rows)}
    coefficients = {name: one for name, of_it in pairs.items() if (one := _pearson(of_it)) is not None}
    if coefficients:
        summary["correlation"] = coefficients
    unknown = []
    left = len(rows) - sum(map(len, pairs.values()))
    if left:
        unknown.append(f"A coefficient over {_count(left, 'call')}: the value is no number.")
    return Answer(("run", "id", "call", "value", "took", "started"), rows, summary, unknown)


# -- rows


def _rows(asked: Asked, text: str, *parameters: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a line of SQL, about the runs that are asked about; the run's key comes last."""
    keys = asked.keys
    runs = ",".join(map(str, keys)) if len(keys) <= _FEW else "SELECT run FROM run"
    wanted = set(keys)
    for run, *rest in asked.store.connection.execute(text.format(runs=runs), parameters):
        if run in wanted:
            yield (*rest, run)


def _text(value: Any) -> Any:
    return unescape(value) if isinstance(value, str) else value


def _time(ns: int | None) -> Any:
    return None if ns is None else from_ns(ns)


def _plain(value: Any, number: Any) -> Any:
    """A number where it is one, a whole one as it was written."""
    if number is None:
        return _text(value)
    try:
        return int(value)
    except (TypeError, ValueError):
        return number


def _several(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values or None


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _pearson(pairs: list[tuple[float, float]]) -> float | None:
    """The correlation of pairs; None where it has no meaning."""
    if len(pairs) < 3:
        return None
    from statistics import StatisticsError, correlation

    try:
        return correlation([one for one, _ in pairs], [other for _, other in pairs])
    except StatisticsError:
        return None  # one of the two is the same everywhere
