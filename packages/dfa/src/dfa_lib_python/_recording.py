"""Tasks and their rows, told to Trilha's recorder.

A run that is being recorded (``trilha run``) takes the tasks of all executions in it; where none is, each
execution begins one. What rows and tasks are is told by `trilha.capture.learning.dataflow`. Nothing here
raises into the program: what cannot be recorded is counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import context, metrics, session
from trilha.capture.active import active
from trilha.capture.context import Activity, Quiet, current
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning import dataflow as words
from trilha.capture.learning.terms import TYPES
from trilha.capture.plans import state_plan
from trilha.capture.steps import derive_from_used
from trilha.prov import Kind

if TYPE_CHECKING:
    from dfa_lib_python.dataflow import Dataflow
    from dfa_lib_python.dataset import DataSet
    from dfa_lib_python.task import Task
    from trilha.capture.recorder import Recorder

__all__ = ["Record", "declare", "follow"]

_COLLECTION: Final = literal_name("prov:Collection")
_PLAN: Final = literal_name("prov:Plan")
_PORT: Final = literal_name("trilha:Port")
_lock: Final = threading.RLock()
_declared: Final[dict[str, Dataflow]] = {}
_executions: Final[dict[tuple[str, str], _Execution]] = {}
_own: list[tuple[Recorder, str]] = []
"""The run that was begun for an execution, and the tag of that; empty while there is none."""


def declare(dataflow: Dataflow) -> None:
    """Have tasks that name a dataflow by its tag find it."""
    _declared[dataflow._tag] = dataflow


def follow(dataflow: Dataflow, tag: str) -> None:
    """Say that the run that is being recorded, if one is, is an execution of a dataflow."""
    recorder = active()
    if recorder is None:
        return
    try:
        with _lock, Quiet():
            _executions[recorder.uuid, tag] = _Execution(recorder, tag, dataflow, dataflow._tag)
    except Exception:
        recorder.failed()


class _Row:
    """A row that a task gave.

    Attributes:
        tag: of the set.
        entity: number of its entity.
        files: numbers of the files that it names.
        is_epoch: whether it tells of one epoch.
    """

    __slots__ = ("entity", "files", "is_epoch", "tag")

    def __init__(self, tag: str, entity: int, files: list[int], is_epoch: bool) -> None:
        self.tag = tag
        self.entity = entity
        self.files = files
        self.is_epoch = is_epoch


class _Execution:
    """One execution of a dataflow, in one run.

    Attributes:
        recorder: of the run.
        tasks: by their numbers.
        rate: the learning rate, as far as it was told.
    """

    def __init__(self, recorder: Recorder, tag: str, dataflow: Dataflow | None, label: str) -> None:
        self.recorder = recorder
        self.tasks: dict[str, Record] = {}
        self.rate: float | int | None = None
        self._sets: dict[str, dict[str, Any]] = {}
        self._of: dict[str, dict[str, str]] = {}
        self._steps: dict[str, str] = {}
        self._ports: dict[str, str] = {}
        self._label = label
        plan = self._plan(dataflow) if dataflow is not None else None
        run = recorder.run.identifier
        recorder.activity(run, None, None, "trilha:execution", tag)
        if dataflow is not None and dataflow.email:
            agent = f"mailto:{dataflow.email}"
            recorder.agent(agent, "prov:type", literal_name("prov:Person"), "prov:label", dataflow.email)
            recorder.statement((int(Kind.ASSOCIATION), None, run, agent, plan, ()))
        elif plan is not None:
            recorder.associated(run, plan)

    def _plan(self, dataflow: Dataflow) -> str:
        """State the dataflow as a plan: its transformations are steps of it, their sets ports."""
        recorder = self.recorder
        plan = state_plan(recorder, dataflow._tag, _json(dataflow.transformations))
        recorder.entity(plan, "prov:type", _COLLECTION)
        for one in dataflow.transformations:
            tag, sets = one.get("tag", ""), one.get("sets", [])
            step = state_plan(recorder, f"{dataflow._tag}.{tag}", _json(one))
            recorder.entity(step, "prov:type", _COLLECTION, "trilha:name", tag)
            recorder.member(plan, step)
            self._steps[tag] = step
            for given in sets:
                name = given["tag"]
                self._sets[name] = given
                self._of.setdefault(tag, {})[name] = given["type"]
                port = self.port(name)
                about: list[Any] = []
                for attribute in given.get("attributes", ()):
                    about += ["trilha:attribute", f"{attribute['name']}: {attribute['type']}"]
                recorder.entity(port, "prov:type", _PLAN, "prov:type", _PORT, "prov:label", name, *about)
                recorder.member(step, port)
                way = "trilha:input" if given["type"] == "INPUT" else "trilha:output"
                recorder.entity(step, way, literal_name(port))
        return plan

    def port(self, name: str) -> str:
        """IRI of the port that a set is."""
        known = self._ports.get(name)
        if known is not None:
            return known
        attributes = _json(self._sets.get(name, {}).get("attributes", []))
        digest = hashlib.sha256(f"{self._label}\n{name}\n{attributes}".encode()).hexdigest()
        self._ports[name] = f"sha256:{digest}"
        return self._ports[name]

    def step(self, tag: str) -> str | None:
        """IRI of the plan that the tasks of a transformation follow; None where it was not declared."""
        return self._steps.get(tag)

    def takes(self, tag: str) -> set[str]:
        """Tags of the sets that a transformation was declared to take."""
        return {name for name, type in self._of.get(tag, {}).items() if type == "INPUT"}

    def gives(self, tag: str, name: str, *, begun: bool) -> bool:
        """Whether a transformation gives a set: as declared, else by the set's name, else by the time."""
        declared = self._of.get(tag, {}).get(name)
        if declared is not None:
            return declared == "OUTPUT"
        return name.startswith("o") or (begun and not name.startswith("i"))

    def values(self, name: str, given: list[Any]) -> dict[str, Any]:
        """The values of a row by the names of the attributes, in small letters."""
        attributes = self._sets.get(name, {}).get("attributes", ())
        names = [one["name"].lower() for one in attributes] or list(words.SETS.get(name, ()))
        names += [f"value{number}" for number in range(len(names) + 1, len(given) + 1)]
        return dict(zip(names, map(_plain, given), strict=False))

    def files(self, name: str, values: dict[str, Any]) -> list[str]:
        """The paths among the values of a row."""
        declared = {
            one["name"].lower()
            for one in self._sets.get(name, {}).get("attributes", ())
            if one["type"] in ("FILE", "RDFILE")
        }
        wanted = declared or (words.FILES if name not in self._sets else set())
        paths = [values[one] for one in wanted if isinstance(values.get(one), str)]
        return sorted(path for path in paths if os.path.isfile(path))


class Record:
    """What is recorded of a task.

    Args:
        task: that it is of.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._execution: _Execution | None = None
        self._activity: Activity | None = None
        self._begun = self._ended = False
        self._epochs = 0
        self.given: list[_Row] = []

    def begin(self) -> None:
        """The task begins."""
        self._guarded(self._begin)

    def save(self, datasets: list[DataSet]) -> None:
        """The task took or gave these rows."""
        if datasets:
            self._guarded(self._save, datasets)

    def end(self) -> None:
        """The task ends."""
        self._guarded(self._end)

    def _guarded(self, function: Any, *arguments: Any) -> None:
        recorder: Recorder | None = None
        try:
            with _lock:
                recorder = self._recorder()
                if recorder is not None:
                    with Quiet():
                        function(recorder, *arguments)
        except Exception:
            recorder = recorder if recorder is not None else active()
            if recorder is not None:
                recorder.failed()

    def _recorder(self) -> Recorder | None:
        """The recorder of the run that the task belongs to, which is begun if there is none."""
        task = self._task
        tag = str(task._exec)
        recorder = active()
        if recorder is not None and _own and _own[0][0] is recorder and _own[0][1] != tag:
            session.finish()
            recorder = None
        if recorder is None:
            if self._execution is not None:
                return None  # the run that the task was of is over
            recorder = session.start(task._dataflow, script=_script())
            _own[:] = [(recorder, tag)] if recorder is not None else []
        if recorder is not None and (self._execution is None or self._execution.recorder is not recorder):
            key = (recorder.uuid, tag)
            execution = _executions.get(key)
            if execution is None:
                declared = _declared.get(task._dataflow)
                execution = _executions[key] = _Execution(recorder, tag, declared, task._dataflow)
            self._execution = execution
            execution.tasks[task._id] = self
        return recorder

    # -- the task --------------------------------------------------------------------------------------------

    def _begin(self, recorder: Recorder) -> None:
        if self._activity is not None:
            return
        self._begun = True
        self._state(recorder, time.time_ns())
        context.enter(self._activity)

    def _state(self, recorder: Recorder, at: int | None) -> Activity:
        """State the activity, what it depends on, and what it took of that."""
        task, execution = self._task, self._execution
        assert execution is not None
        kind = words.task_type(task._transformation)
        about: list[Any] = ["prov:type", TYPES[kind]] if kind else []
        about += ["trilha:name", task.label, "trilha:task", task._id]
        about += ["trilha:framework", "dlprov"] if kind == "Training" else []
        about += ["trilha:part", "test"] if kind == "Evaluation" else []
        for name, value in (("workspace", task._workspace), ("resource", task._resource)):
            about += [f"trilha:{name}", str(value)] if value else []
        enclosing = current(recorder)
        now = time.time_ns()
        if at is not None:
            self._activity = recorder.begin(task.label, enclosing, at, *about)
        else:
            number = next(recorder.numbers)
            types = ("prov:type", literal_name("trilha:Step"), "prov:label", task.label)
            recorder.activity(number, None, None, *types, *about)
            self._activity = Activity(number, task.label, enclosing)
        activity = self._activity
        recorder.associated(activity.identifier, execution.step(task._tag))
        takes = execution.takes(task._tag)
        for other in self._after(execution):
            if other._activity is not None:
                informed = activity.identifier, other._activity.identifier
                recorder.statement((int(Kind.COMMUNICATION), None, *informed, ()))
            for row in other.given:
                if row.tag in takes:
                    self._take(recorder, activity, row, now)
        return activity

    def _after(self, execution: _Execution) -> list[Record]:
        found = [one.record for one in self._task.after]
        ids = self._task._dependency["ids"] if self._task._dependency else ()
        for one in ids:
            record = execution.tasks.get(str(one["id"]))
            if record is not None and record is not self and record not in found:
                found.append(record)
        return found

    def _take(self, recorder: Recorder, activity: Activity, row: _Row, at: int) -> None:
        for entity in (row.entity, *row.files):
            if entity not in activity.used:
                usage = recorder.used(activity.identifier, entity, at, "prov:role", row.tag)
                if not row.is_epoch:
                    activity.used[entity] = usage

    def _end(self, recorder: Recorder) -> None:
        if self._ended:
            return
        activity = self._activity if self._activity is not None else self._state(recorder, None)
        self._ended = True
        task, at = self._task, time.time_ns()
        recorder.files.settle(activity, at)
        about: list[Any] = ["trilha:state", task._status]
        about += ["trilha:epochs", self._epochs] if self._epochs else []
        about += ["trilha:exception", str(task._error)] if task._error else []
        recorder.end(activity, at, *about)
        if context.current_activity.get() is activity:
            enclosing = activity.enclosing
            context.enter(None if enclosing is recorder.run else enclosing)

    # -- rows ------------------------------------------------------------------------------------------------

    def _save(self, recorder: Recorder, datasets: list[DataSet]) -> None:
        activity = self._activity if self._activity is not None else self._state(recorder, None)
        at = time.time_ns()
        for dataset in datasets:
            for given in dataset.rows:
                self._row(recorder, activity, dataset, given, at)

    def _row(
        self, recorder: Recorder, activity: Activity, dataset: DataSet, given: list[Any], at: int
    ) -> None:
        execution, task = self._execution, self._task
        assert execution is not None
        name = dataset._tag
        values = execution.values(name, given)
        output = execution.gives(task._tag, name, begun=self._begun)
        entity = next(recorder.numbers)
        port = ("trilha:port", literal_name(execution.port(name))) if name in execution._sets else ()
        recorder.entity(entity, *words.row(dataset.name, task._tag, values, output=output), *port)
        before, rate = execution.rate, words.rate_of(values)
        execution.rate = rate if rate is not None else before
        if output and words.is_adaptation(name, values):
            if before is not None:
                recorder.entity(entity, "trilha:before", before)
            change = recorder.begin("adaptation", activity, at, *words.adaptation(values))
            recorder.generated(entity, change.identifier, at)
            recorder.end(change, at)
        elif output:
            self._give(recorder, activity, name, entity, values, at)
        else:
            self._put_in(recorder, activity, name, entity, values, at)

    def _put_in(
        self, recorder: Recorder, activity: Activity, name: str, entity: int, values: dict[str, Any], at: int
    ) -> None:
        """A row that the task took: its files, and the hyperparameters and settings that it states."""
        task, execution = self._task, self._execution
        assert execution is not None
        activity.used[entity] = recorder.used(activity.identifier, entity, at, "prov:role", name)
        for path in execution.files(name, values):
            file = recorder.files.read(path, activity, at)
            if file is not None:
                self._hold(recorder, entity, file)
        for own, value in words.hyperparameters_of(name, values).items():
            number = next(recorder.numbers)
            recorder.entity(number, *words.hyperparameter(own, value))
            recorder.used(activity.identifier, number, at)
        if words.task_type(task._tag) in ("Transformation", "Split"):
            about = [part for own, value in values.items() for part in (f"trilha:arg.{own}", value)]
            recorder.activity(activity.identifier, None, None, *about)

    def _give(
        self, recorder: Recorder, activity: Activity, name: str, entity: int, values: dict[str, Any], at: int
    ) -> None:
        """A row that the task gave: its files, its metrics, and what it was derived from."""
        assert self._execution is not None
        generation = recorder.generated(entity, activity.identifier, at, "prov:role", name)
        is_epoch = words.is_epoch(name, values)
        files: list[int] = []
        if is_epoch or words.is_measured(name):
            measured = words.measures(values)
            metrics.log(recorder, activity, tuple(measured), tuple(measured.values()))
            self._epochs += is_epoch
        if not is_epoch:
            derive_from_used(recorder, activity, entity, generation)
        for path in map(os.path.abspath, self._execution.files(name, values)):
            known = {one for row in self.given for one in row.files}
            file = recorder.files.produce(path, activity, at)
            if file is not None:
                files.append(file)
                self._hold(recorder, entity, file)
                if file not in known:
                    derive_from_used(recorder, activity, file, recorder.files.generation_at(path, activity))
        self.given.append(_Row(name, entity, files, is_epoch))

    def _hold(self, recorder: Recorder, entity: int, file: int) -> None:
        """A row holds the files that it names."""
        recorder.entity(entity, "prov:type", _COLLECTION)
        recorder.member(entity, file)


def _script() -> str:
    """The script that runs, if one does."""
    path = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    return path if path.endswith(".py") and os.path.isfile(path) else ""


def _json(specification: Any) -> str:
    return json.dumps(specification, sort_keys=True, indent=1, default=str)


def _plain(value: Any) -> Any:
    """A value of a row: a path becomes its text, a number of NumPy's a number; a truth value, a text stay."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if hasattr(value, "__fspath__"):
        return os.fsdecode(os.fspath(value))
    if type(value) in (int, float):
        return value
    found = words.number(value)
    return found if found is not None else str(value)
