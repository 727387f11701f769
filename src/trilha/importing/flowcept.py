"""Flowcept: its messages as lines of JSON (``flowcept_buffer.jsonl``).

A line is a workflow or a task, as version 1.0 writes them (``flowcept/commons/flowcept_dataclasses``).
Messages about the same one add up, the later counting. A workflow becomes a run, a task an activity of it;
what a task used and generated are values, which stay values: that two tasks have equal ones does not say that
one had them from the other.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from typing import Any, Final
from urllib.parse import quote

from trilha.capture.learning import dataflow
from trilha.capture.learning.terms import TYPES, common_name
from trilha.errors import FormatError
from trilha.importing.account import Account, Report, typed

__all__ = ["read"]

_STATUS: Final = {"FINISHED": "finished", "COMPLETED": "finished", "ERROR": "failed"}
_NULLS: Final = "values that were null (Flowcept writes NaN so)"
_KNOWN: Final = frozenset(
    [
        *("type", "activity_id", "workflow_id", "campaign_id", "task_id", "parent_task_id", "name", "status"),
        *("parent_workflow_id", "used", "generated", "started_at", "ended_at", "hostname", "stderr", "user"),
        *("login_name", "code_repository", "dependencies", "interceptor_ids", "agent_id", "utc_timestamp"),
        *("sys_name", "submitted_at", "registered_at"),
    ]
)
"""Fields that are read, or that say nothing of the run itself."""
_DEEPEST: Final = 6
_MOST_NESTED: Final = 200


def read(paths: list[str], report: Report) -> list[Account]:
    """The runs that files of Flowcept tell of; several files may tell of one.

    Raises:
        FormatError: a line is none of Flowcept's.
    """
    workflows: dict[str, dict[str, Any]] = {}
    tasks: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for path in paths:
        for number, message in _messages(path):
            workflow = message.get("workflow_id")
            if not workflow or not isinstance(workflow, str):
                raise FormatError(f"{path}:{number}: expected a workflow or task with its workflow_id")
            if message.get("type") == "workflow":
                workflows.setdefault(workflow, {}).update(message)
            elif message.get("type") == "task" or "task_id" in message:
                tasks[workflow].setdefault(str(message.get("task_id")), {}).update(message)
            else:
                report.left[f"messages of the type {message.get('type')!r}"] += 1
    names = dict.fromkeys([*workflows, *tasks])
    return [_Telling(name, workflows.get(name, {}), tasks.get(name, {}), report).account() for name in names]


def _messages(path: str) -> list[tuple[int, dict[str, Any]]]:
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    message = json.loads(line)
                except (json.JSONDecodeError, RecursionError) as error:
                    place = f":{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                    raise FormatError(
                        f"{path}:{number}{place}: expected one message of Flowcept as JSON"
                    ) from None
                if not isinstance(message, dict):
                    raise FormatError(f"{path}:{number}: expected a message of Flowcept, an object")
                found.append((number, message))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected UTF-8; byte {error.start} is none") from None
    if not found:
        raise FormatError(f"{path}:1: expected messages of Flowcept, one a line; the file is empty")
    return found


class _Telling:
    """One workflow, told as a run."""

    def __init__(
        self, name: str, workflow: dict[str, Any], tasks: dict[str, dict[str, Any]], report: Report
    ) -> None:
        self._workflow = workflow
        self._tasks = tasks
        self._report = report
        self._account = Account("Flowcept", name, str(workflow.get("name") or name[:8]))
        self._activities: dict[str, Any] = {}
        self._entered: set[str] = set()
        self._values = {
            key: (dict(self._flat(task.get("used"))), dict(self._flat(task.get("generated"))))
            for key, task in tasks.items()
        }

    def account(self) -> Account:
        """The account of the run."""
        account, workflow = self._account, self._workflow
        start, end = _span(workflow)
        hosts = {str(task["hostname"]) for task in self._tasks.values() if task.get("hostname")}
        account.host = next(iter(hosts)) if len(hosts) == 1 else ""
        about: list[Any] = (
            ["trilha:campaign", str(workflow["campaign_id"])] if workflow.get("campaign_id") else []
        )
        account.begin(start, end, *about, *(part for host in sorted(hosts) for part in ("trilha:host", host)))
        self._person()
        self._commit()
        if workflow.get("parent_workflow_id"):
            above = Account("Flowcept", str(workflow["parent_workflow_id"]), "").run
            account.say(7, None, account.run, None, above, start, ())
        for name, value in self._flat(workflow.get("used")):
            account.hyperparameter(account.run, dataflow.hyperparameter(name, value))
        for key in self._tasks:
            self._activity(key, _MOST_NESTED)
        self._epochs()
        for key in workflow.keys() - _KNOWN:
            self._report.left[f"the field {key} of workflows"] += 1
        error = ("trilha:exception", str(workflow["stderr"])) if workflow.get("stderr") else ()
        account.end(_STATUS.get(str(workflow.get("status")), ""), *error)
        return account

    def _person(self) -> None:
        user = self._workflow.get("user") or self._workflow.get("login_name")
        if user:
            agent = f"acct:{quote(str(user), safe='')}@{quote(self._account.host or 'unknown', safe='')}"
            self._account.agent(agent, "prov:type", typed("prov:Person"), "prov:label", str(user))
            self._account.associated(self._account.run, agent)

    def _commit(self) -> None:
        code = self._workflow.get("code_repository")
        sha = code.get("sha") or code.get("short_sha") if isinstance(code, dict) else None
        if not isinstance(code, dict) or not sha:
            return
        about: list[Any] = ["prov:type", typed("trilha:Commit"), "prov:label", str(sha)[:12]]
        for key, own in (("branch", "branch"), ("remote", "origin")):
            if code.get(key):
                about += [f"trilha:{own}", str(code[key])]
        dirty = ("trilha:dirty", code["dirty"] == "dirty" or code["dirty"] is True) if "dirty" in code else ()
        self._account.used(self._account.run, self._account.entity(f"commit:{sha}", *about), None, *dirty)

    def _activity(self, key: str, depth: int) -> Any:
        """The activity of a task, stated once, in that of the task around it."""
        if key in self._activities:
            return self._activities[key]
        self._entered.add(key)
        task, account = self._tasks[key], self._account
        around = str(task.get("parent_task_id") or "")
        within = (
            self._activity(around, depth - 1)
            if depth and around in self._tasks and around not in self._entered - self._activities.keys()
            else None
        )
        start, end = _span(task)
        used, generated = self._values[key]
        about: list[Any] = ["trilha:task", key]
        if _is_epoch(used, generated):
            about += ["prov:type", TYPES["Epoch"], "trilha:epoch", used.get("epoch", generated.get("epoch"))]
        stated = {name for name in used if common_name(name)}
        for name in (one for one in used if one not in stated):
            about += [f"trilha:arg.{quote(name, safe='')}", used[name]]
        for name, value in generated.items():
            about += [f"trilha:returned.{quote(name, safe='')}", value]
        if task.get("stderr"):
            about += ["trilha:exception", str(task["stderr"])]
        if task.get("status"):
            about += ["trilha:state", str(task["status"])]
        label = str(task.get("activity_id") or key)
        activity = self._activities[key] = account.step(label, start, end, *about, within=within)
        for name in sorted(stated):
            account.hyperparameter(activity, dataflow.hyperparameter(name, used[name]))
        others = task.get("dependencies")
        for other in map(str, others if isinstance(others, list) else ()):
            if other in self._tasks and other != key and depth:
                account.informed(activity, self._activity(other, depth - 1))
        for field in task.keys() - _KNOWN:
            self._report.left[f"the field {field} of tasks"] += 1
        return activity

    def _epochs(self) -> None:
        """What tasks of one epoch each generated, as the metrics of what they are in."""
        series: dict[Any, list[list[Any]]] = defaultdict(list)
        for key, task in self._tasks.items():
            used, generated = self._values[key]
            if not _is_epoch(used, generated):
                continue
            around = self._activities.get(str(task.get("parent_task_id") or ""), self._account.run)
            numbers = {
                name: float(value)
                for name, value in generated.items()
                if _is_number(value) and name != "epoch"
            }
            at = _span(task)[1] or _span(task)[0] or 0
            if numbers:
                row = [at, used.get("epoch", generated.get("epoch")), *numbers.values()]
                series[around, tuple(numbers)].append(row)
        for (around, names), rows in series.items():
            self._account.metrics(
                around, [("time", "q"), ("epoch", "q"), *((name, "d") for name in names)], rows
            )

    def _flat(self, values: Any, prefix: str = "", depth: int = _DEEPEST) -> list[tuple[str, Any]]:
        """Values by name; those in a dict by a name with dots, other structures as JSON."""
        found: list[tuple[str, Any]] = []
        for name, value in values.items() if isinstance(values, dict) else ():
            if value is None:
                self._report.left[_NULLS] += 1
            elif isinstance(value, dict) and depth:
                found += self._flat(value, f"{prefix}{name}.", depth - 1)
            elif isinstance(value, (str, int, float, bool)):
                found.append((f"{prefix}{name}", value))
            else:
                found.append((f"{prefix}{name}", json.dumps(value)[:10_000]))
        return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_epoch(used: dict[str, Any], generated: dict[str, Any]) -> bool:
    epoch = used.get("epoch", generated.get("epoch"))
    return type(epoch) is int and abs(epoch) < 2**63 and any(map(_is_number, generated.values()))


def _span(message: dict[str, Any]) -> tuple[int | None, int | None]:
    """Start and end, which Flowcept has in seconds, in nanoseconds since 1970-01-01 UTC."""
    times = []
    for name in ("started_at", "ended_at"):
        seconds = message.get(name)
        known = _is_number(seconds) and math.isfinite(seconds or 0) and 0 < (seconds or 0) < 9e9
        times.append(int((seconds or 0) * 10**6) * 1000 if known else None)
    start, end = times
    return start, end if start is None or end is None or end >= start else None
