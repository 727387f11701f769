"""A task: one carrying out of a transformation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dfa_lib_python import _recording
from dfa_lib_python.dataflow import Dataflow
from dfa_lib_python.dataset import DataSet
from dfa_lib_python.dependency import Dependency
from dfa_lib_python.performance import Performance
from dfa_lib_python.ProvenanceObject import ProvenanceObject
from dfa_lib_python.task_status import TaskStatus

__all__ = ["Task"]


class Task(ProvenanceObject):
    """A task.

    Args:
        id: its number in the execution.
        dataflow: that it is of, or the tag of that.
        exec_tag: of the execution.
        transformation_tag: of the transformation that it carries out.
        sub_id: its number in a task.
        dependency: the task, or tasks, that it depends on.
        workspace: folder that it works in.
        resource: that it is computed by.
        output: what it printed.
        error: what went wrong.

    Attributes:
        label: the transformation's tag as it was given.
        waiting: rows that were added and not recorded yet.
        record: what is recorded of the task.
    """

    def __init__(
        self,
        id: Any,
        dataflow: Dataflow | str,
        exec_tag: str,
        transformation_tag: str,
        sub_id: Any = "",
        dependency: Task | list[Task] | Dependency | None = None,
        workspace: str = "",
        resource: str = "",
        output: str = "",
        error: str = "",
    ) -> None:
        super().__init__(transformation_tag)
        tag = dataflow._tag if isinstance(dataflow, Dataflow) else dataflow
        self._exec = exec_tag
        self._workspace = workspace
        self._resource = resource
        self._dependency: Any = ""
        self._output = output
        self._error = error
        self._sets: list[dict[str, Any]] = []
        self._status = TaskStatus.READY.value
        self._dataflow = tag.lower()
        self._transformation = transformation_tag.lower()
        self._id = str(id)
        self._sub_id = str(sub_id) if sub_id != "" else ""
        self._performances: list[dict[str, Any]] = []
        self.label = transformation_tag
        self.start_time: str | None = None
        self.end_time: str | None = None
        self.waiting: list[DataSet] = []
        self.after: list[Task] = []
        if isinstance(dependency, Task):
            dependency = [dependency]
        if isinstance(dependency, list):
            self.after = [one for one in dependency if isinstance(one, Task)]
            dependency = Dependency([one._tag for one in self.after], [one._id for one in self.after])
        if isinstance(dependency, Dependency):
            self.add_dependency(dependency)
        self.record = _recording.Record(self)

    def add_dependency(self, dependency: Dependency) -> None:
        """Say which tasks it depends on."""
        assert isinstance(dependency, Dependency), "The dependency must be a Dependency."
        self._dependency = dependency.get_specification()

    def set_datasets(self, datasets: list[DataSet]) -> None:
        """Add rows of several sets."""
        assert isinstance(datasets, list), "The data sets must be a list."
        for dataset in datasets:
            self.add_dataset(dataset)

    def add_dataset(self, dataset: DataSet) -> None:
        """Add rows that it took or gave; several calls before `save` add up."""
        assert isinstance(dataset, DataSet), "The data set must be a DataSet."
        self._sets.append(dataset.get_specification())
        self.waiting.append(dataset)

    def set_status(self, status: TaskStatus) -> None:
        """Say what the task is at."""
        assert isinstance(status, TaskStatus), "The status must be a TaskStatus."
        self._status = status.value

    def begin(self) -> None:
        """The task begins; the rows that were added went into it."""
        self.set_status(TaskStatus.RUNNING)
        self.start_time = _now()
        self.record.begin()
        self.save()

    def save(self) -> None:
        """Record the rows that were added."""
        self.record.save(self.waiting)
        self.waiting = []
        self._sets = []

    def end(self) -> None:
        """The task ends."""
        self.set_status(TaskStatus.FINISHED)
        self.end_time = _now()
        self._performances.append(Performance(self.start_time, self.end_time).get_specification())
        self.save()
        self.record.end()


def _now() -> str:
    return datetime.now().strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ005 -- local time is what the client has
