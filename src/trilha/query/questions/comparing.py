"""Two runs, side by side: what differs in hyperparameters, metrics, data, tasks, code and software."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from trilha.query.account import Account, account
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.runs import find_run
from trilha.query.settings import Hyperparameter
from trilha.query.unknown import of_runs
from trilha.store import call_sql, sql
from trilha.store.values import unescape

__all__ = ["diff"]


@question(
    "diff",
    "RUN RUN",
    "What differs between two runs: hyperparameters, metrics, data, preparation, tasks, code, packages.",
    papers=("D7", "K6"),
    acceptance=(11,),
)
def diff(asked: Asked, first: str, second: str) -> Answer:
    """Each fact that the two runs do not share; the summary counts those that they do."""
    one, other = (account(asked.store, find_run(asked.store, name)) for name in (first, second))
    mine, its = _facts(asked, one), _facts(asked, other)
    rows: list[dict[str, Any]] = []
    same: dict[str, int] = {}
    for key in dict.fromkeys([*mine, *its]):
        about, name = key
        if _equal(mine.get(key), its.get(key)):
            same[about] = same.get(about, 0) + 1
        else:
            rows.append({"about": about, "name": name, "first": mine.get(key), "second": its.get(key)})
    order: dict[Any, int] = {about: place for place, about in enumerate(_ABOUT)}
    rows.sort(key=lambda row: order[row["about"]])
    summary = {f"same {about}": same[about] for about in _ABOUT if about in same}
    runs = {one.run.uuid: one.run, other.run.uuid: other.run}
    return Answer(("about", "name", "first", "second"), rows, summary, of_runs(runs.values()))


_ABOUT = (
    *("run", "hyperparameter", "metric", "preparation", "data", "task", "argument", "outcome", "time"),
    *("code", "software", "machine"),
)


def _facts(asked: Asked, told: Account) -> dict[tuple[str, str], Any]:
    run = told.run
    facts: dict[tuple[str, str], Any] = {("run", "status"): run.status, ("run", "command"): run.command}
    for name, stated in _by_name(told.hyperparameters).items():
        facts["hyperparameter", name] = _one_or_all(one.value for one in stated)
        if any(one.last != one.value for one in stated):
            facts["hyperparameter", f"{name} (last)"] = _one_or_all(one.last for one in stated)
    for measured in told.metrics:
        facts["metric", f"last({measured.name})"] = measured.last
        facts["metric", f"min({measured.name})"] = measured.lowest
        facts["metric", f"max({measured.name})"] = measured.highest
    steps = [
        unescape(text)
        for about, _, _, text in asked.store.connection.execute(sql.FACTS_OF_RUN, (run.key,))
        if about == "transformation"
    ]
    facts["preparation", "transformations"] = steps
    for file in told.files:
        if file.read and not file.written:
            facts["data", file.thing.label] = file.thing.fact("trilha:sha256")
    for iri, part, mark in asked.store.connection.execute(sql.PARTS_OF_RUN, (*_PART, run.key)):
        facts["data", f"indices of {unescape(part)}"] = unescape(mark or iri)
    facts["code", "commit"] = told.commit.label if told.commit else None
    facts["code", "uncommitted changes"] = told.dirty
    facts["code", "script"] = told.script.iri if told.script else None
    for package in told.packages:
        name, _, version = package.label.rpartition(" ")
        facts["software", name or package.label] = version
    facts |= _tasks(asked, run.key)
    facts["machine", "host"] = told.machine.label if told.machine else None
    facts["machine", "user"] = told.person.label if told.person else None
    return facts


def _by_name(stated: Iterable[Hyperparameter]) -> dict[str, list[Hyperparameter]]:
    found: dict[str, list[Hyperparameter]] = {}
    for one in stated:
        found.setdefault(one.name, []).append(one)
    return found


def _one_or_all(values: Iterable[Any]) -> Any:
    """The value; of several trainings their values, in an order that does not depend on which was first."""
    several = sorted(
        dict.fromkeys(values),
        key=lambda one: (0, one, "") if isinstance(one, (int, float)) else (1, 0, str(one)),
    )
    return several[0] if len(several) == 1 else several


def _tasks(asked: Asked, run: int) -> dict[tuple[str, str], Any]:
    """Of the calls of each name: how many, how they ended, with which arguments, how long they executed."""
    execute = asked.store.connection.execute
    calls: dict[str, list[Any]] = {}
    names: dict[int, str] = {}
    activities = [key for (key,) in execute(call_sql.ACTIVITIES, (run,))]
    tasks = [key for (key,) in sql.among(execute, call_sql.TYPED, activities)]
    for call, name, status in sql.among(execute, call_sql.TASKS_AMONG, tasks):
        names[call] = unescape(name or "")
        calls.setdefault(names[call], []).append(status)
    given: dict[str, set[str]] = {}
    for call, parameter, value in sql.among(execute, call_sql.PARAMETERS_OF, list(names)):
        if call in names:
            given.setdefault(f"{names[call]}.{parameter}", set()).add(unescape(value or ""))
    executed = {unescape(name or ""): seconds for name, seconds in execute(call_sql.EXECUTED, (run,))}
    facts: dict[tuple[str, str], Any] = {}
    for name, found in calls.items():
        facts["task", name] = len(found)
        for status, count in sorted(Counter(unescape(one or "unknown") for one in found).items()):
            facts["outcome", f"{name}: {status}"] = count
        if executed.get(name) is not None:
            facts["time", name] = round(executed[name], 6)
    facts |= {("argument", name): sorted(values) for name, values in given.items()}
    return facts


_PART = ("https://w3id.org/trilha/ns#part", "https://w3id.org/trilha/ns#fingerprint")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other)
