"""The databases of DLProv and its kin, in dumps: their tables joined to runs.

The tables of the schema ``public`` (dataflow, dataflow_execution, task, performance, …) are joined with those
of a dataflow's own schema, one a set, by the tasks that their rows refer to. Dumps of several databases may
lie in one file. Whether rows belong to the tasks that are here is told by the tasks: a column refers to the
tasks of one transformation of the schema's dataflow, or else not to these.

Before executions were kept (DfAnalyzer, Keras-Prov until 2021), all runs of a version of a dataflow shared
its tasks: they are one run here.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from trilha.importing.account import Account, Report, iso, plain, shortest
from trilha.importing.dataflows import Execution, Row, Task
from trilha.importing.monetdb_dumps import Table, tables

__all__ = ["executions"]

_SUFFIX: Final = "_task_id"
_SHARED: Final = "dataflows whose executions the database did not tell apart: each is one run"
_ROWS_ONLY: Final = "the database has no task table for these rows; each run is the rows that share tasks"


def executions(paths: list[str], report: Report) -> list[Account]:
    """The runs that the dumps of one or several databases tell of.

    Raises:
        FormatError: a file is no dump, or a broken one.
    """
    parts = [part for path in paths for part in tables(path, report)]
    shared = [_Database(part) for part in parts if any(table.schema == "public" for table in part)]
    for part in parts:
        own: dict[str, list[Table]] = defaultdict(list)
        for table in part:
            if table.schema != "public" and table.name.startswith("ds_"):
                own[table.schema].append(table)
        for schema, found in own.items():
            database = next((one for one in shared if one.holds(schema, found)), None)
            if database is None:
                database = _Database([])
                shared.append(database)
                report.left[f"{found[0].place}: {_ROWS_ONLY}"] += 1
            database.add(schema, found)
    return [account for database in shared for account in database.accounts(report)]


class _Database:
    """The tables of one database, joined."""

    def __init__(self, tables: list[Table]) -> None:
        named = {table.name: list(table.dicts()) for table in tables if table.schema == "public"}
        self._dataflows = {row["id"] or "": row["tag"] or "" for row in named.get("dataflow", ())}
        self._executions = named.get("dataflow_execution", [])
        self._of_execution = {row["tag"]: row for row in self._executions}
        self._versions = {row["version"]: row["df_id"] for row in named.get("dataflow_version", ())}
        self._rows = {row["id"] or "": row for row in named.get("task", ())}
        self._times = {row["task_id"]: row for row in named.get("performance", ())}
        self._tags = {row["id"]: row["tag"] or "" for row in named.get("data_transformation", ())}
        self._of_tag = {row["id"]: row["df_id"] for row in named.get("data_transformation", ())}
        names = {row["id"]: (row["df_id"], row["tag"]) for row in named.get("data_set", ())}
        self._givers = {
            names[row["ds_id"]]: self._tags.get(row["previous_dt_id"], "")
            for row in named.get("data_dependency", ())
            if row["ds_id"] in names
        }
        self._files = {
            (row["name"] or "").lower() for row in named.get("attribute", ()) if row.get("type") == "FILE"
        }
        self._people = {row["id"]: row for row in named.get("data_scientist", ())}
        self._hardware = {row["id"]: row for row in named.get("hardware_info", ())}
        self._sets: list[tuple[str, Table]] = []
        self._tasks: dict[str, Task] = {}
        self.shortened = 0

    # -- which tables belong here ----------------------------------------------------------------------------

    def holds(self, schema: str, found: list[Table]) -> bool:
        """Whether the rows of a dataflow's tables refer to tasks of this database.

        Each column refers to tasks of one transformation, all of the dataflow that the schema is called by.
        """
        if not self._rows:
            return False
        for table in found:
            for column in _references(table):
                kinds = set()
                for row in table.dicts():
                    task = self._rows.get(row[column] or "") if row[column] else None
                    if row[column] and (task is None or self._dataflow_of(task) != schema):
                        return False
                    kinds.add(task["dt_id"] if task else None)
                if len(kinds - {None}) > 1:
                    return False
        return not any(schema == other for other, _ in self._sets)

    def _dataflow_of(self, task: dict[str, str | None]) -> str:
        return self._dataflows.get(self._dataflow_id(task) or "", "")

    def _dataflow_id(self, task: dict[str, str | None]) -> str | None:
        """Of the task's execution or, before there were executions, of its transformation or version."""
        execution = self._of_execution.get(task.get("df_exec") or "", {})
        known = execution.get("df_id") or self._of_tag.get(task["dt_id"])
        return known or self._versions.get(task.get("df_version"))

    def add(self, schema: str, found: list[Table]) -> None:
        """Take the tables of a dataflow's own schema."""
        for table in found:
            self._sets.append((schema, table))
            for column in _references(table):
                for row in table.dicts():
                    task = self._rows.get(row[column] or "")
                    if task is not None and task["dt_id"] is not None:
                        self._tags.setdefault(task["dt_id"], column.removesuffix(_SUFFIX))

    # -- runs ------------------------------------------------------------------------------------------------

    def accounts(self, report: Report) -> list[Account]:
        """The runs."""
        made = {tag: self._execution(row) for tag, row in self._of_execution.items()}
        for identifier, row in self._rows.items():
            self._tasks[identifier] = self._task(identifier, row)
            execution = made.get(row.get("df_exec") or "")
            if execution is None and not self._executions:
                execution = made.setdefault(f"\0{row.get('df_version')}", self._version(row))
            if execution is None:
                report.left["tasks of no execution"] += 1
            else:
                execution.tasks.append(self._tasks[identifier])
        together = _Together()
        for schema, table in self._sets:
            self._load(schema, table, together)
        if self.shortened:
            report.repaired["settings that were 32-bit floats, given their shortest decimals again"] += (
                self.shortened
            )
        for execution in made.values():
            states = {self._rows[str(key)]["status"] for key in self._numbers(execution)}
            execution.status = "finished" if states == {"FINISHED"} else ""
            if not any(task.taken or task.given for task in execution.tasks):
                report.left[f"executions of {execution.dataflow} whose rows are in none of the files"] += 1
            if not execution.tag and any(map(_repeats, execution.tasks)):
                report.left[_SHARED] += 1
        accounts = [execution.account(report, execution.original) for execution in made.values()]
        if not self._rows:
            accounts += self._grouped(together, report)
        return accounts

    def _numbers(self, execution: Execution) -> Iterator[str]:
        mine = {id(task) for task in execution.tasks}
        return (key for key, task in self._tasks.items() if id(task) in mine)

    def _version(self, task: dict[str, str | None]) -> Execution:
        """What all executions of a version of a dataflow are, where they were not kept."""
        execution = Execution(self._dataflow_of(task), "")
        begun = min((row["starttime"] or "" for row in self._times.values()), default="")
        execution.original = f"{execution.dataflow}\nversion {task.get('df_version')}\n{begun}"
        return execution

    def _execution(self, row: dict[str, str | None]) -> Execution:
        execution = Execution(self._dataflows.get(row["df_id"] or "", ""), row["tag"] or "")
        for table, key in ((self._people, "scientist_id"), (self._hardware, "hardware_id")):
            about = table.get(row.get(key) or "")
            if about:
                name = f"urn:uuid:{about['uuid']}" if about.get("uuid") else f"urn:dlprov:{key}:{about['id']}"
                label = about.get("email") or about.get("hostname")
                facts: list[Any] = ["prov:label", label] if label else []
                for column, value in about.items():
                    if value and column not in ("id", "uuid"):
                        facts += [f"trilha:{'host' if column == 'hostname' else column}", value]
                execution.agents[name] = facts
        return execution

    def _task(self, identifier: str | None, row: dict[str, str | None]) -> Task:
        times = self._times.get(identifier, {})
        start, end = (iso(times.get(name) or "") for name in ("starttime", "endtime"))
        about: list[Any] = ["trilha:task", plain(row["identifier"] or "")]
        for column, key in (("status", "state"), ("workspace", "workspace"), ("error_msg", "exception")):
            value = row.get(column)
            if value and value != "null":
                about += [f"trilha:{key}", value]
        tag = self._tags.get(row["dt_id"] or "") or f"transformation {row['dt_id']}"
        return Task(tag, start, end, *about)

    def _load(self, schema: str, table: Table, together: _Together) -> None:
        """Hand the rows of a set to the tasks that took and gave them."""
        tag = table.name.removeprefix("ds_")
        references = _references(table)
        giver = self._giver(schema, tag, references)
        hidden = {"id", "uuid", *references}
        for cells in table.dicts():
            values = {name.lower(): _typed(value) for name, value in cells.items() if name not in hidden}
            if tag.startswith(("itrain", "oadapt")):
                values = {name: self._short(value) for name, value in values.items()}
            row = Row(tag, values, files=self._files or None)
            involved = []
            for column in references:
                key = cells[column]
                if key is None:
                    continue
                task = self._tasks.get(key)
                if task is None:
                    task = self._tasks[key] = Task(
                        column.removesuffix(_SUFFIX), None, None, "trilha:task", plain(key)
                    )
                (task.given if column == giver else task.taken).append(row)
                involved.append(key)
            together.join(schema, involved)

    def _short(self, value: Any) -> Any:
        """A setting that was a float of 32 bits, as it was meant."""
        short = shortest(value) if isinstance(value, float) and value == value else value
        if short is not value and short != value:
            self.shortened += 1
        return short

    def _giver(self, schema: str, tag: str, references: list[str]) -> str | None:
        """The column with the task that gave a row of a set; None where no task did.

        Told by the table data_dependency; without it the first column of an output set is meant.
        """
        dataflow = next((key for key, name in self._dataflows.items() if name == schema), None)
        if (dataflow, tag) in self._givers:
            column = f"{self._givers[dataflow, tag]}{_SUFFIX}"
            return column if column in references else None
        return references[0] if tag.startswith("o") and references else None

    def _grouped(self, together: _Together, report: Report) -> list[Account]:
        """The runs of a database without tasks: rows that refer to the same tasks belong together."""
        accounts = []
        for schema, keys in together.groups():
            execution = Execution(schema, "")
            execution.tasks = [self._tasks[key] for key in keys]
            content = "\n".join(
                f"{task.tag} {row.tag} {row.values}"
                for task in execution.tasks
                for row in (*task.taken, *task.given)
            )
            digest = hashlib.sha256(content.encode()).hexdigest()
            accounts.append(execution.account(report, f"{schema}\n{digest}"))
        return accounts


class _Together:
    """Which tasks belong to one run: those that share rows."""

    def __init__(self) -> None:
        self._above: dict[tuple[str, str], tuple[str, str]] = {}

    def join(self, schema: str, keys: list[str]) -> None:
        """These tasks are of one run."""
        for key in keys:
            self._above[self._top((schema, key))] = self._top((schema, keys[0]))

    def _top(self, key: tuple[str, str]) -> tuple[str, str]:
        self._above.setdefault(key, key)
        while self._above[key] != key:
            key = self._above[key]
        return key

    def groups(self) -> Iterable[tuple[str, list[str]]]:
        """Schema and tasks of each run, in the order of the tasks' numbers."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key in sorted(self._above, key=lambda one: (one[0], len(one[1]), one[1])):
            found[self._top(key)].append(key[1])
        return [(top[0], keys) for top, keys in found.items()]


def _references(table: Table) -> list[str]:
    return [name for name in table.columns if name.endswith(_SUFFIX)]


def _repeats(task: Task) -> bool:
    """Whether a task holds the rows of several executions: it cannot have been given its settings twice."""
    stated = [row.tag for row in task.taken if row.tag.startswith("itrain")]
    return len(stated) > len(set(stated))


def _typed(value: str | None) -> Any:
    """A number where the text is one; the text ``null`` is none, as the server writes it."""
    if value is None or value == "null":
        return None
    if re.fullmatch(r"-?\d{1,18}", value):
        return float("nan") if value == "-9999999" else int(value)
    try:
        found = float(value) if re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?|-?inf|nan", value) else None
    except ValueError:
        found = None
    if found is None:
        return value
    return float("nan") if found == -9999999 else found
