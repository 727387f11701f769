"""DLProv: the documents that its ``generate_prov.py`` writes, and dumps of its database.

The documents have defects, which are repaired here and counted: the namespace ``DLProv``, which is no IRI;
names that end in a colon; a type that is a text; -9999999 for not-a-number; floats of 32 bits written out as
64. In them a task "was informed by" the execution that it belongs to, which is read as started by it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from trilha.capture.learning import dataflow
from trilha.errors import FormatError
from trilha.importing.account import Account, Report, shortest
from trilha.importing.dataflows import Execution, Row, Task
from trilha.prov import Kind, Literal, Name, Record

__all__ = ["read"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_NAMESPACE: Final = "DLProv"
_COLON: Final = "names that ended in a colon"
_NAN: Final = "-9999999 read as not-a-number"
_FLOAT: Final = "32-bit floats given their shortest decimals again"
_INFORMED: Final = "tasks informed by their execution, read as started by it"
_TWICE: Final = "generations that were stated twice"
_SECOND: Final = "second generations of a row"


def read(paths: list[str], report: Report) -> list[Account]:
    """The runs that documents and dumps tell of.

    Raises:
        FormatError: a file is neither, or is broken.
    """
    dumps = [path for path in paths if path.lower().endswith(".sql")]
    accounts: list[Account] = []
    for path in paths:
        if path not in dumps:
            accounts += _document(path, report)
    if dumps:
        from trilha.importing.monetdb import executions

        accounts += executions(dumps, report)
    return accounts


def _document(path: str, report: Report) -> list[Account]:
    from trilha import formats

    document = formats.read(path)
    reading = _Reading(list(document), report)
    if not reading.executions:
        raise FormatError(
            f"{path}: expected a document of DLProv, with an activity that has the attribute exec_tag; found"
            f" {len(document)} statements and none. Other documents: trilha convert"
        )
    return reading.accounts()


class _Reading:
    """The statements of one document, sorted by what they are in DLProv."""

    def __init__(self, records: list[Record], report: Report) -> None:
        self._report = report
        self.executions: dict[str, Execution] = {}
        self._tasks: dict[str, Task] = {}
        self._rows: dict[str, Row] = {}
        self._plans: dict[str, str] = {}
        self._agents: dict[str, list[Any]] = {}
        self._elements = [(one, self._facts(one)) for one in records if one.kind <= Kind.AGENT]
        self._relations = [one for one in records if one.kind > Kind.AGENT]
        self._given: dict[str, str] = {}
        if any(str(one.id or "").startswith(_NAMESPACE) for one, _ in self._elements):
            report.repaired["documents whose namespace was DLProv, which is no IRI"] += 1
        for record, facts in self._elements:
            self._element(record, facts)

    # -- elements --------------------------------------------------------------------------------------------

    def _facts(self, record: Record) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for key, value in record.attributes:
            name = re.split(r"[#/]", str(key).removeprefix(_NAMESPACE))[-1]
            if name.endswith(":"):
                self._report.repaired[_COLON] += 1
                name = name.rstrip(":")
            facts[name.lower()] = self._value(value)
        return facts

    def _value(self, value: Any) -> Any:
        if isinstance(value, Literal):
            found = dataflow.number(value.value)
            value = value.value if found is None else found
            # PROV-N has six digits of it: -1e+07.
            if value == -1e7:
                value = float("nan")
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, float):
            if value != value or value == dataflow.NOT_A_NUMBER:
                self._report.repaired[_NAN] += 1
                return float("nan")
            short = shortest(value)
            if short != value:
                self._report.repaired[_FLOAT] += 1
            return short
        return value

    def _element(self, record: Record, facts: dict[str, Any]) -> None:
        name = str(record.id)
        if record.kind == Kind.AGENT:
            kept = {key: value for key, value in facts.items() if key not in ("type", "id", "uuid")}
            about = [part for key, value in kept.items() for part in (_key(key), value)]
            label = facts.get("email") or facts.get("hostname") or facts.get("name")
            self._agents[_iri(name)] = [*(("prov:label", label) if label else ()), *about]
        elif record.kind == Kind.ENTITY and "ds_tag" in facts:
            tag = str(facts.pop("ds_tag"))
            values = {key: value for key, value in facts.items() if key not in ("id", "uuid")}
            self._rows[name] = Row(tag, values, _iri(name))
        elif record.kind == Kind.ENTITY and ("tag" in facts or "df_tag" in facts):
            self._plans[name] = str(facts.get("df_tag", facts.get("tag")))
            if facts.get("type") == "prov:Plan" and not isinstance(facts["type"], Name):
                self._report.repaired['types given as the text "prov:Plan"'] += 1
        elif record.kind == Kind.ACTIVITY and "exec_tag" in facts:
            self.executions[name] = Execution("", str(facts["exec_tag"]))
        elif record.kind == Kind.ACTIVITY and "dt_tag" in facts:
            start, end = (time if isinstance(time, str) else _text(time) for time in record.arguments)
            number = ("trilha:task", facts["task_id"]) if "task_id" in facts else ()
            self._tasks[name] = Task(str(facts["dt_tag"]), start, end, *number, name=_iri(name))
        else:
            self._report.left[f"{record.kind.provn} statements that are none of DLProv's"] += 1

    # -- relations -------------------------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """The runs."""
        belongs: dict[str, str] = {}
        for record in self._relations:
            self._relation(record, belongs)
        only = next(iter(self.executions)) if len(self.executions) == 1 else ""
        for name, task in self._tasks.items():
            execution = self.executions.get(belongs.get(name, only))
            if execution is None:
                self._report.left["tasks of no execution"] += 1
            else:
                execution.tasks.append(task)
        for execution in self.executions.values():
            if not execution.dataflow:
                execution.dataflow = re.sub(r"-\d{4}-\d\d-\d\d .*", "", execution.tag)
        told = {id(row) for task in self._tasks.values() for row in (*task.taken, *task.given)}
        for row in self._rows.values():
            if id(row) not in told:
                self._report.left["rows that no task took or gave"] += 1
        return [execution.account(self._report) for execution in self.executions.values()]

    def _relation(self, record: Record, belongs: dict[str, str]) -> None:
        first, second = (str(name) for name in record.arguments[:2])
        if record.kind == Kind.COMMUNICATION and first in self._tasks and second in self.executions:
            belongs[first] = second
            self._report.repaired[_INFORMED] += 1
        elif record.kind == Kind.COMMUNICATION and first in self._tasks and second in self._tasks:
            self._tasks[first].after.append(self._tasks[second])
        elif record.kind == Kind.USAGE and first in self._tasks and second in self._rows:
            if self._rows[second] not in self._tasks[first].taken:
                self._tasks[first].taken.append(self._rows[second])
        elif record.kind == Kind.GENERATION and first in self._rows and second in self._tasks:
            if self._given.get(first) == second:
                self._report.repaired[_TWICE] += 1
            elif first in self._given:
                self._report.left[_SECOND] += 1
            else:
                self._given[first] = second
                self._tasks[second].given.append(self._rows[first])
        elif record.kind == Kind.USAGE and first in self.executions and second in self._plans:
            self.executions[first].dataflow = self._plans[second]
            self.executions[first].plan = _iri(second)
        elif record.kind == Kind.ASSOCIATION and first in self.executions and _iri(second) in self._agents:
            self.executions[first].agents[_iri(second)] = self._agents[_iri(second)]
        elif record.kind == Kind.DERIVATION and first in self._rows and second in self._rows:
            pass  # that what a task gave was derived from what it took is stated anyway
        else:
            self._report.left[f"{record.kind.provn} statements that fit nothing"] += 1


def _iri(name: str) -> str:
    """An IRI for a name in DLProv's namespace, which is none."""
    local = name.removeprefix(_NAMESPACE)
    return f"urn:uuid:{local.lower()}" if _UUID.match(local) else f"urn:dlprov:{local}"


def _key(name: str) -> str:
    return {"email": "trilha:email", "hostname": "trilha:host"}.get(name, f"trilha:{name}")


def _text(time: Any) -> str | None:
    return time.isoformat() if hasattr(time, "isoformat") else None
