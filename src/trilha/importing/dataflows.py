"""One execution of a DLProv dataflow, told in Trilha's words; where it was read from does not matter here.

Source of the model: DLProv's data model (dataflow, execution, task, performance, and a table a set), in which
each row of a set was given by one task and taken by others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trilha.capture.learning import dataflow
from trilha.capture.learning.terms import TYPES
from trilha.importing.account import Account, Report, iso, typed

__all__ = ["Execution", "Row", "Task"]

_WRONG: Final = {
    "missing": "files that do not lie here: recorded by path, without a hash",
    "relative": "files named by a relative path: recorded by it, without a hash",
    "folder": "folders: recorded by path, without a hash",
    "changed": "files that have changed since: recorded by path, without a hash",
}


class Row:
    """A row of a set.

    Attributes:
        tag: of the set.
        values: by the names of the attributes, in small letters; None where there is none.
        name: IRI of its entity; None for one of the run's own.
        files: names of the attributes that are paths of files.
        entity: that it is, once it was told.
        members: entities of the files, once they were told.
    """

    __slots__ = ("entity", "files", "members", "name", "tag", "values")

    def __init__(
        self,
        tag: str,
        values: Mapping[str, Any],
        name: str | None = None,
        files: Iterable[str] | None = None,
    ) -> None:
        self.tag = tag
        self.values = dict(values)
        self.name = name
        self.files = dataflow.FILES if files is None else frozenset(files)
        self.entity: Any = None
        self.members: list[Any] | None = None

    @property
    def is_epoch(self) -> bool:
        """Whether it tells of one epoch."""
        return dataflow.is_epoch(self.tag, self.values)


class Task:
    """A task, and the rows that it took and gave.

    Attributes:
        tag: of its transformation.
        start: text of an xsd:dateTime, or None.
        end: likewise.
        about: further attributes, keys and values in turn.
        name: IRI of its activity; None for one of the run's own.
        taken: rows that it used.
        given: rows that it generated.
        after: the tasks that it depends on.
        activity: that it is, once it was told.
    """

    __slots__ = ("about", "activity", "after", "end", "given", "name", "start", "tag", "taken")

    def __init__(
        self, tag: str, start: str | None = None, end: str | None = None, *about: Any, name: str | None = None
    ) -> None:
        self.tag = tag
        self.start = start
        self.end = end
        self.about = about
        self.name = name
        self.taken: list[Row] = []
        self.given: list[Row] = []
        self.after: list[Task] = []
        self.activity: Any = None


class Execution:
    """One execution of a dataflow.

    Attributes:
        dataflow: its tag.
        tag: of the execution; empty if it has none.
        tasks: in the order in which they were numbered.
        status: of the run; empty if unknown.
        agents: attributes of each agent that was responsible, by IRI.
        plan: IRI of the dataflow; None for one of the run's own.
        original: what tells it from all others, if it has no tag.
    """

    def __init__(self, dataflow: str, tag: str, plan: str | None = None) -> None:
        self.dataflow = dataflow
        self.tag = tag
        self.plan = plan
        self.tasks: list[Task] = []
        self.status = ""
        self.agents: dict[str, list[Any]] = {}
        self.original = ""
        self._rate: float | int | None = None
        self._until: int | None = None

    def account(self, report: Report, original: str = "") -> Account:
        """The run that this is.

        Args:
            report: counts what could not be carried.
            original: what tells the execution from all others, if it has no tag.
        """
        account = Account("DLProv", original or f"{self.dataflow}\n{self.tag}", self.dataflow or self.tag)
        begins = [task.start for task in self.tasks if task.start]
        ends = [task.end for task in self.tasks if task.end]
        whole = len(begins) == len(ends) == len(self.tasks) > 0
        self._until = _latest(ends)
        about = ("trilha:framework", "dlprov", *(("trilha:execution", self.tag) if self.tag else ()))
        account.begin(min(begins, default=None), max(ends) if whole else None, *about)
        plan = account.entity(self.plan, *_plan(self.dataflow))
        for name, facts in self.agents.items():
            account.agent(name, *facts)
        for agent in self.agents or (None,):
            account.associated(account.run, agent, plan)
        for task in self.tasks:
            self._tell(account, plan, task, report)
        for task in self.tasks:
            for other in task.after:
                account.informed(task.activity, other.activity)
        account.end(self.status)
        return account

    def _tell(self, account: Account, plan: Any, task: Task, report: Report) -> None:
        kind = dataflow.task_type(task.tag)
        about = [*(("prov:type", TYPES[kind]) if kind else ()), "trilha:name", task.tag, *task.about]
        if kind in ("Transformation", "Split"):
            for row in task.taken:
                if row.tag.lower().startswith("i"):
                    about += [
                        part
                        for name, value in row.values.items()
                        if value is not None
                        for part in (f"trilha:arg.{name}", value)
                    ]
        epochs = [row for row in task.given if row.is_epoch]
        if kind == "Training":
            about += ["trilha:framework", "dlprov", *(("trilha:epochs", len(epochs)) if epochs else ())]
        elif kind == "Evaluation":
            about += ["trilha:part", "test"]
        task.activity = account.step(task.tag, task.start, task.end, *about, name=task.name)
        step = account.entity(None, *_step(task.tag))
        account.member(plan, step)
        account.associated(task.activity, None, step)
        used = self._take(account, task, report)
        made: list[Any] = []
        for row in task.given:
            entity = _entity(account, row, task, output=True)
            account.generated(entity, self._adapted(account, task, row))
            if not row.is_epoch and not dataflow.is_adaptation(row.tag, row.values):
                made.append(entity)
            for file in _files(account, row, report, self._until):
                account.generated(file, task.activity)
                made.append(file)
        account.derive_all(made, task.activity, used)
        _metrics(account, task, epochs)

    def _adapted(self, account: Account, task: Task, row: Row) -> Any:
        """The activity that gave a row: the task or, where the row is an adaptation, one in it."""
        before, rate = self._rate, dataflow.rate_of(row.values)
        self._rate = rate if rate is not None else before
        if not dataflow.is_adaptation(row.tag, row.values):
            return task.activity
        if before is not None:
            account.entity(row.entity, "trilha:before", before)
        about = dataflow.adaptation(row.values)
        return account.step("adaptation", None, None, *about, within=task.activity)

    def _take(self, account: Account, task: Task, report: Report) -> list[tuple[Any, int]]:
        """State what a task took; gives what its results are derived from, each with the usage."""
        used: list[tuple[Any, int]] = []
        for row in task.taken:
            entity = row.entity if row.entity is not None else _entity(account, row, task, output=False)
            usage = account.used(task.activity, entity)
            rate = dataflow.rate_of(row.values)
            self._rate = rate if rate is not None else self._rate
            if not row.is_epoch:
                used.append((entity, usage))
            for file in _files(account, row, report, self._until):
                used.append((file, account.used(task.activity, file)))
            for name, value in dataflow.hyperparameters_of(row.tag, row.values).items():
                account.hyperparameter(task.activity, dataflow.hyperparameter(name, value))
        return used


def _latest(ends: list[str]) -> int | None:
    """The last of these times in nanoseconds since 1970-01-01 UTC; one without a zone in the latest zone."""
    found = [datetime.fromisoformat(one) for one in map(iso, ends) if one is not None]
    aware = [one if one.tzinfo else one.replace(tzinfo=UTC) + timedelta(hours=14) for one in found]
    return max((int(one.timestamp() * 10**9) for one in aware), default=None)


def _plan(tag: str) -> tuple[Any, ...]:
    return ("prov:type", typed("prov:Plan"), "prov:type", typed("prov:Collection"), "prov:label", tag)


def _step(tag: str) -> tuple[Any, ...]:
    return ("prov:type", typed("prov:Plan"), "prov:label", tag, "trilha:name", tag)


def _entity(account: Account, row: Row, task: Task, *, output: bool) -> Any:
    row.entity = account.entity(row.name, *dataflow.row(row.tag, task.tag, row.values, output=output))
    return row.entity


def _files(account: Account, row: Row, report: Report, until: int | None) -> list[Any]:
    """The files that a row names: members of it. Gives their entities."""
    if row.members is None:
        row.members = []
        for name in sorted(row.files & row.values.keys()):
            path = row.values[name]
            if isinstance(path, str) and path:
                entity, wrong = account.file(path, until=until)
                row.members.append(entity)
                if wrong:
                    report.left[_WRONG[wrong]] += 1
        if row.members:
            account.entity(row.entity, "prov:type", typed("prov:Collection"))
        for entity in row.members:
            account.member(row.entity, entity)
    return row.members


def _metrics(account: Account, task: Task, epochs: list[Row]) -> None:
    """The dense blocks of a task: of its epochs, or of what it measured."""
    measured = [row for row in task.given if dataflow.is_measured(row.tag)]
    blocks: dict[tuple[str, ...], list[list[float | int]]] = {}
    for row in epochs or measured:
        values, time = dataflow.measures(row.values), dataflow.time_of(row.values)
        if values:
            values = {"time": time, **values} if time is not None else values
            blocks.setdefault(tuple(values), []).append(list(values.values()))
    for names, rows in blocks.items():
        columns = [(name, "q" if name in ("time", "epoch") else "d") for name in names]
        account.metrics(task.activity, columns, rows)
