"""Swift: the logs of its runs, with the records of the wrapper that ran each job.

A log becomes a run. In it, a procedure that was called is a task (a call, where it only called others),
started by the call around it: the thread's name tells, ``0-4-2`` lies in ``0-4``. Each try to execute a task
on a site is an attempt, started by the task. Data sets are what they are in Swift: a primitive value, a
mapped file, or a collection with its members; a member's key is kept with the membership. Operators,
functions and the making of an array are activities of their own; reading an element of an array or struct is
an access. Source: the log lexicon of Swift r2522 and the schemas of its provenance database (Gadelha et al.,
"Provenance management in Swift", FGCS 2011).
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import Any, Final

from trilha.errors import FormatError
from trilha.importing.account import Account, Report, plain, typed
from trilha.importing.swift_info import jobs
from trilha.importing.swift_log import Line, lines
from trilha.prov import Kind

__all__ = ["read"]

_SCRIPT: Final = re.compile(r"(\S+\.(?:swift|dtm|kml|xml)): ")
_HOST: Final = "file://localhost/"


def read(paths: list[str], report: Report) -> list[Account]:
    """The runs that logs tell of.

    Args:
        paths: logs, records of the wrapper (``…-info``), and folders of both.
        report: what could not be carried.

    Raises:
        FormatError: a file is neither, or none of them tells of a run.
    """
    logs, infos = _sorted(paths)
    records = jobs(infos)
    accounts = []
    for path in logs:
        reading = _Reading(path, report)
        for line in lines(path):
            reading.take(line)
        account = reading.account(records)
        if account is None:
            report.left["logs without a run (no RUNID)"] += 1
        else:
            accounts.append(account)
    if records:
        report.left["records of jobs that no log tells of"] += len(records)
    if not accounts:
        raise FormatError(f"{paths[0]}: expected a log of Swift with the RUNID of a run; found none")
    return accounts


def _sorted(paths: list[str]) -> tuple[list[str], list[str]]:
    """Logs and records of the wrapper."""
    files = []
    for path in paths:
        if os.path.isdir(path):
            files += [os.path.join(path, name) for name in sorted(os.listdir(path))]
        else:
            files.append(path)
    infos = [path for path in files if path.endswith("-info")]
    logs = [path for path in files if path not in infos]
    return [path for path in logs if path in paths or path.endswith(".log")], infos


class _Dataset:
    """A data set, as the log tells of it.

    Attributes:
        values: what it was said to have, by attribute: each once, in order.
        producers: the threads that had it as an output, with the parameter.
    """

    def __init__(self) -> None:
        self.values: dict[str, dict[str, None]] = defaultdict(dict)
        self.producers: list[tuple[str, str]] = []


class _Attempt:
    """One try to execute a task."""

    def __init__(self, thread: str, values: dict[str, str], time: int) -> None:
        self.task = thread.rpartition("-")[0]
        self.values = values
        self.start = time
        self.end: int | None = None
        self.status = ""
        self.arguments = ""


class _Task:
    """A procedure that was called, or an execution whose procedure the log does not name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.application = ""
        self.start: int | None = None
        self.end: int | None = None
        self.status = ""
        self.inputs: list[tuple[str, str]] = []


class _Reading:
    """What one log says, gathered before it is told: a data set's file and value come after its use."""

    def __init__(self, path: str, report: Report) -> None:
        self._path = path
        self._report = report
        self._run = ""
        self._script = ""
        self._version = ""
        self._status = ""
        self._first: int | None = None
        self._last: int | None = None
        self._tasks: dict[str, _Task] = {}
        self._attempts: dict[str, _Attempt] = {}
        self._datasets: dict[str, _Dataset] = defaultdict(_Dataset)
        self._members: dict[tuple[str, str], str] = {}
        self._evaluations: list[tuple[str, str, str, list[tuple[str, str]], str, int]] = []
        self._pending: dict[str, list[str]] = defaultdict(list)
        self._arrays: dict[str, list[tuple[str, str]]] = {}

    # -- reading ---------------------------------------------------------------------------------------------

    def take(self, line: Line) -> None:
        """One line of the log."""
        self._first = line.time if self._first is None else self._first
        self._last = line.time
        method = _METHODS.get(line.word)
        if method is None:
            return
        try:
            method(self, line.values, line.time)
        except KeyError as missing:
            raise FormatError(
                f"{self._path}:{line.number}:1: expected {missing.args[0]}= in the line {line.word}"
            ) from None

    def _loader(self, values: dict[str, str], _: int) -> None:
        text = values["text"]
        script = _SCRIPT.match(text)
        if script is not None:
            self._script = self._script or script[1]
        elif "finished with no errors" in text:
            self._status = "finished"
        elif "finished with errors" in text or "failed" in text:
            self._status = "failed"

    def _version_of(self, values: dict[str, str], _: int) -> None:
        self._version = values["text"].strip()

    def _runid(self, values: dict[str, str], _: int) -> None:
        self._run = values["id"]

    def _procedure(self, values: dict[str, str], _: int) -> None:
        self._tasks.setdefault(values["thread"], _Task("")).name = values["name"]

    def _param(self, values: dict[str, str], _: int) -> None:
        thread, dataset, name = values["thread"], values["provenanceid"], values["variable"]
        if values["direction"] == "output":
            self._datasets[dataset].producers.append((thread, name))
        else:
            self._datasets[dataset]  # noqa: B018 -- known from here on
            self._tasks.setdefault(thread, _Task("")).inputs.append((name, dataset))

    def _start(self, values: dict[str, str], time: int) -> None:
        task = self._tasks.setdefault(values["thread"], _Task(""))
        task.application = values["tr"]
        task.start = time

    def _success(self, values: dict[str, str], time: int) -> None:
        self._finished(values["thread"], time, "finished")

    def _failure(self, values: dict[str, str], time: int) -> None:
        self._finished(values["thread"], time, "failed")

    def _finished(self, thread: str, time: int, status: str) -> None:
        task = self._tasks.setdefault(thread, _Task(""))
        task.end, task.status = time, status

    def _associated(self, values: dict[str, str], time: int) -> None:
        self._attempts[values["jobid"]] = _Attempt(values["thread"], values, time)

    def _job_start(self, values: dict[str, str], _: int) -> None:
        attempt = self._attempt(values)
        if attempt is not None:
            attempt.arguments = values.get("arguments", "")
            attempt.values = {**attempt.values, **values}

    def _job_end(self, values: dict[str, str], time: int) -> None:
        attempt = self._attempt(values)
        if attempt is not None:
            attempt.end, attempt.status = time, "finished"

    def _job_failed(self, values: dict[str, str], time: int) -> None:
        attempt = self._attempt(values)
        if attempt is not None:
            attempt.end, attempt.status = time, "failed"

    def _attempt(self, values: dict[str, str]) -> _Attempt | None:
        attempt = self._attempts.get(values["jobid"])
        if attempt is None:
            self._report.left["lines of jobs that belong to no thread"] += 1
        return attempt

    def _new(self, values: dict[str, str], _: int) -> None:
        self._datasets[values["id"]]  # noqa: B018

    def _closed(self, values: dict[str, str], _: int) -> None:
        dataset = self._datasets[values["dataset"]]
        dataset.values["trilha:data_type"][values["type"]] = None
        if values["name"] != "unnamed SwiftScript value":
            dataset.values["trilha:name"][values["name"] + values["path"]] = None

    def _rootpath(self, values: dict[str, str], _: int) -> None:
        self._datasets[values["dataset"]].values["trilha:rootpath"][values["path"].strip()] = None

    def _value(self, values: dict[str, str], _: int) -> None:
        self._datasets[values["dataset"]].values["prov:value"][values["VALUE"].rstrip("\r\n")] = None

    def _filename(self, values: dict[str, str], _: int) -> None:
        self._datasets[values["dataset"]].values["trilha:filename"][values["filename"].rstrip("\r\n")] = None

    def _containment(self, values: dict[str, str], _: int) -> None:
        self._members.setdefault((values["parent"], values["child"]), "")

    def _array_begins(self, values: dict[str, str], _: int) -> None:
        self._arrays[values["array"]] = []

    def _array_member(self, values: dict[str, str], _: int) -> None:
        pair = values["array"], values["member"]
        key = f"[{values['index']}]"
        self._arrays.setdefault(values["array"], []).append((key, values["member"]))
        self._members[pair] = key

    def _element(self, values: dict[str, str], time: int) -> None:
        used = [("array", values["array"]), ("index", values["child"])]
        self._evaluations.append(("Access", "array element", values["thread"], used, values["result"], time))

    def _member(self, values: dict[str, str], time: int) -> None:
        used = [("struct", values["struct"])]
        label = f"struct member {values['child']}"
        self._evaluations.append(("Access", label, values["thread"], used, values["result"], time))
        pair = values["struct"], values["result"]
        self._members[pair] = self._members.get(pair) or f".{values['child']}"

    def _operator(self, values: dict[str, str], time: int) -> None:
        used: list[tuple[str, str]] = [(side, values[side]) for side in ("lhs", "rhs") if side in values]
        name, result = values["operator"], values["result"]
        self._evaluations.append(("Operator", name, values["thread"], used, result, time))

    def _function_parameter(self, values: dict[str, str], _: int) -> None:
        self._pending[values.get("id") or values["thread"]].append(values["input"])

    def _function(self, values: dict[str, str], time: int) -> None:
        used = [("", one) for one in self._pending.pop(values.get("id") or values["thread"], [])]
        thread = values.get("thread", "")
        self._evaluations.append(("Function", f"@{values['name']}", thread, used, values["result"], time))

    # -- telling ---------------------------------------------------------------------------------------------

    def account(self, records: dict[str, dict[str, str]]) -> Account | None:
        """The run; None if the log tells of none.

        Args:
            records: of the wrapper, by job; those of this run's jobs are taken out.
        """
        if not self._run:
            return None
        label = self._script or os.path.basename(self._path).removesuffix(".log")
        account = Account("Swift", self._run, label)
        about = ["trilha:log", os.path.basename(self._path)]
        about += ["trilha:engine", self._version] if self._version else []
        account.begin(self._first, self._last, *about)
        for name, dataset in self._datasets.items():
            account.entity(name, *self._described(name, dataset))
        self._tell_tasks(account)
        self._tell_attempts(account, records)
        self._tell_outputs(account)
        self._tell_evaluations(account)
        for (parent, child), key in self._members.items():
            told = ("trilha:key", key) if key else self._key(child)
            account.say(Kind.MEMBERSHIP, None, parent, child, told)
        account.end(self._status)
        return account

    def _described(self, name: str, dataset: _Dataset) -> list[Any]:
        values = dataset.values
        parents = {parent for parent, _ in self._members} | set(self._arrays)
        kind = (
            "collection"
            if name in parents
            else "primitive"
            if "prov:value" in values
            else "mapped"
            if "trilha:filename" in values
            else "other"
        )
        shown = next(iter(values["trilha:name"]), "") or next(iter(values["prov:value"]), "")
        label = shown or name.rpartition(":")[2]
        about: list[Any] = ["prov:type", typed("trilha:Dataset"), "prov:label", label[:200]]
        about += ["trilha:class", kind]
        for key, found in values.items():
            about += [fact for value in found for fact in (key, _typed_value(key, value, values))]
        for value in values["trilha:filename"]:
            if value.startswith(_HOST):
                about += ["trilha:path", value[len(_HOST) :]]
        return about

    def _key(self, child: str) -> tuple[str, ...]:
        """The member's name as the last part of its path: ``[2]``, ``.v``."""
        paths = [path for path in self._datasets[child].values["trilha:rootpath"] if path != "$"]
        if len(paths) != 1:
            return ()
        match = re.search(r"(\[[^\[\]]*\]|\.?[^.\[\]]+)$", paths[0])
        return ("trilha:key", match[1]) if match else ()

    def _name(self, thread: str) -> str:
        return self._tag("execute", thread)

    def _tag(self, what: str, part: str) -> str:
        """An IRI as Swift's own tools made it of a run's."""
        authority = self._run.partition(",")[0]
        return f"{authority},2008:swiftlogs:{what}:{self._run.rpartition(':')[2]}:{part}"

    def _around(self, thread: str) -> str | None:
        """The activity of the call that a thread lies in; None for the run."""
        while "-" in thread:
            thread = thread.rpartition("-")[0]
            if thread in self._tasks:
                return self._name(thread)
        return None

    def _tell_tasks(self, account: Account) -> None:
        for thread in sorted(self._tasks, key=lambda one: (one.count("-"), one)):
            task = self._tasks[thread]
            kind = "trilha:Task" if task.application else "trilha:Call"
            about: list[Any] = ["prov:type", typed(kind), "trilha:thread", thread]
            about += ["trilha:procedure", task.name] if task.name else []
            about += ["trilha:application", task.application] if task.application else []
            about += ["trilha:status", task.status] if task.status else []
            name, label = self._name(thread), task.name or task.application or f"thread {thread}"
            within = self._around(thread)
            account.step(label, task.start, task.end, *about, within=within, name=name)
            for role, dataset in task.inputs:
                account.used(name, dataset, None, "prov:role", role)

    def _tell_attempts(self, account: Account, records: dict[str, dict[str, str]]) -> None:
        for job, attempt in self._attempts.items():
            about: list[Any] = ["prov:type", typed("trilha:Attempt"), "trilha:job", job]
            for key in ("host", "replicationGroup", "tmpdir"):
                if attempt.values.get(key):
                    about += [f"trilha:{key}", attempt.values[key]]
            about += ["trilha:arguments", attempt.arguments] if attempt.arguments else []
            about += ["trilha:status", attempt.status] if attempt.status else []
            for key, value in records.pop(job, {}).items():
                about += [f"trilha:{key}", value]
            within = self._name(attempt.task) if attempt.task in self._tasks else None
            label = attempt.values.get("tr", job)
            name = self._tag("execute2", job)
            account.step(label, attempt.start, attempt.end, *about, within=within, name=name)

    def _tell_outputs(self, account: Account) -> None:
        """What calls gave. Of calls inside each other that give one data set, the innermost made it.

        That an output came of an input, and of which, the log does not say.
        """
        for name, dataset in self._datasets.items():
            threads = sorted(dataset.producers, key=lambda one: -one[0].count("-"))
            for place, (thread, role) in enumerate(threads):
                self._tasks.setdefault(thread, _Task(""))
                if not place:
                    account.generation(name, self._name(thread), None, "prov:role", role)
                else:
                    told = (name, self._name(thread), ("prov:role", role))
                    account.say(Kind.INFLUENCE, None, *told)

    def _tell_evaluations(self, account: Account) -> None:
        made = {name for name, dataset in self._datasets.items() if dataset.producers}
        for kind, label, thread, used, result, time in self._evaluations:
            around = self._name(thread) if thread in self._tasks else self._around(thread)
            about = ("prov:type", typed(f"trilha:{kind}"))
            step = account.step(label, time, time, *about, within=around)
            usages = [(one, account.used(step, one, None, "prov:role", role)) for role, one in used]
            if kind == "Access" or result in made:
                account.say(Kind.INFLUENCE, None, result, step, ("prov:role", "result"))
                continue
            made.add(result)
            number = account.generation(result, step, None, "prov:role", "result")
            for source, usage in usages:
                account.say(Kind.DERIVATION, None, result, source, step, number, usage, ())
        for array, members in self._arrays.items():
            step = account.step("array", None, None, "prov:type", typed("trilha:Constructor"))
            usages = [(one, account.used(step, one, None, "prov:role", key)) for key, one in members]
            if array not in made:
                number = account.generation(array, step, None, "prov:role", "collection")
                for source, usage in usages:
                    account.say(Kind.DERIVATION, None, array, source, step, number, usage, ())


def _typed_value(key: str, text: str, values: dict[str, dict[str, None]]) -> Any:
    """The value of a primitive data set of a number's type as that number; all else as it was logged."""
    if key != "prov:value" or not {"int", "float"} & values["trilha:data_type"].keys():
        return text
    return plain(text)


_METHODS: Final = {
    "LOADER": _Reading._loader,
    "VERSION": _Reading._version_of,
    "RUNID": _Reading._runid,
    "PROCEDURE": _Reading._procedure,
    "PARAM": _Reading._param,
    "START": _Reading._start,
    "END_SUCCESS": _Reading._success,
    "END_FAILURE": _Reading._failure,
    "THREAD_ASSOCIATION": _Reading._associated,
    "JOB_START": _Reading._job_start,
    "JOB_END": _Reading._job_end,
    "APPLICATION_EXCEPTION": _Reading._job_failed,
    "NEW": _Reading._new,
    "CLOSED": _Reading._closed,
    "ROOTPATH": _Reading._rootpath,
    "VALUE": _Reading._value,
    "FILENAME": _Reading._filename,
    "CONTAINMENT": _Reading._containment,
    "CREATEARRAY_START": _Reading._array_begins,
    "CREATEARRAY_MEMBER": _Reading._array_member,
    "ARRAYELEMENT": _Reading._element,
    "STRUCTMEMBER": _Reading._member,
    "OPERATOR": _Reading._operator,
    "FUNCTIONPARAMETER": _Reading._function_parameter,
    "FUNCTION": _Reading._function,
}
