"""What is known of the tasks of Parsl's kernels."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from trilha.capture.context import Activity, current
from trilha.capture.identity import is_value
from trilha.capture.integrations.parsl.worker import attempt_name
from trilha.capture.learning.fit import guarded
from trilha.capture.tasks import Attempt, Task, Within, arguments_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Given", "Kernel"]

_OWN: Final = frozenset(["parsl_resource_specification", "walltime", "stdout", "stderr", "outputs"])
_DEEP: Final = 3


class Given(NamedTuple):
    """A call as the program made it.

    Attributes:
        function: of the app.
        arguments: by name, with futures as they were.
        outputs: files that it is to write.
        place: the activity that made the call.
        at: when, in nanoseconds since 1970-01-01 UTC.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    outputs: list[Any]
    place: Activity
    at: int


class Kernel:
    """The tasks of one run.

    Args:
        recorder: of the run.

    Attributes:
        recorder: of the run.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._tasks: WeakKeyDictionary[Any, Task] = WeakKeyDictionary()
        """By the future that the program got."""
        self._outputs: WeakKeyDictionary[Any, list[str]] = WeakKeyDictionary()
        self._lock = threading.RLock()
        self._local = threading.local()

    # -- a call

    def given(self, function: Any, args: Any, kwargs: Any) -> Given:
        """What the program called, before Parsl looks at it."""
        named = {name: value for name, value in dict(kwargs).items() if name not in _OWN}
        for name in ("stdout", "stderr"):
            if is_value(kwargs.get(name)) and kwargs.get(name) is not None:
                named[name] = kwargs[name]
        outputs = [*kwargs.get("outputs", ()), kwargs.get("stdout"), kwargs.get("stderr")]
        function = _inner(function)
        arguments = {name: _kept(one) for name, one in arguments_of(function, args, named).items()}
        files = [one for one in outputs if _is_file(one)]
        return Given(function, arguments, files, current(self.recorder), time.time_ns())

    def submitted(self, given: Given, future: Any) -> None:
        """Parsl took the call over."""
        task = self._task(future, given)
        paths = [path for path in map(_path, given.outputs) if path is not None]
        self._outputs[future] = paths
        if task.over:
            # It was done before we were told of it.
            self._write(task, paths)

    def _task(self, future: Any, given: Given | None = None) -> Task:
        """The task behind a future. Whoever asks first makes it: it may be launched while it is submitted."""
        with self._lock:
            task = self._tasks.get(future)
            if task is None:
                record = vars(future)["task_record"]
                name, function = record["func_name"], given.function if given else record["func"]
                facts = ["trilha:task", record["id"], "trilha:executor", record["executor"]]
                if record.get("join"):
                    facts += ["trilha:join", True]
                task = Task(self.recorder, name, "parsl", function, *facts, at=given.at if given else None)
                self._tasks[future] = task
            if given is not None:
                arguments = given.arguments.items()
                task.uses_values({role: one for role, one in arguments if not self._use(task, one, role)})
            return task

    def _use(self, task: Task, value: Any, role: str, depth: int = _DEEP) -> bool:
        """State what a task uses; False for a plain value."""
        if isinstance(value, Future):
            self._use_future(task, value, role)
        elif _is_file(value):
            path = _path(value)
            if path is not None:
                task.uses_file(path, role)
        elif type(value) in (list, tuple) and depth and any(map(_matters, value)):
            for place, one in enumerate(value):
                if not self._use(task, one, f"{role}[{place}]", depth - 1):
                    task.uses_values({f"{role}[{place}]": one})
        elif type(value) is dict and depth and any(map(_matters, value.values())):
            for key, one in value.items():
                if not self._use(task, one, f"{role}[{key!r}]", depth - 1):
                    task.uses_values({f"{role}[{key!r}]": one})
        elif is_value(value):
            return False
        else:
            task.uses(value, role)
        return True

    def _use_future(self, task: Task, future: Any, role: str) -> None:
        """What comes of a future: a file that another task writes, its result, or what nobody knows yet."""
        # Asked for an attribute that it does not have, an AppFuture submits a task that gets it.
        known = vars(future)
        file = known.get("file_obj")
        maker = known.get("parent") if file is not None else future
        producer = self._tasks.get(maker) if maker is not None else None
        if producer is None:
            if type(future) is Future:
                task.uses(future, role)
            return
        path = _path(file) if file is not None else None
        if path is None:
            task.uses_entity(producer.result, role)
        elif producer.over:
            task.uses_file(path, role)
        else:
            task.awaited.append((path, role))

    # -- its attempts

    def launching(self, record: Any) -> None:
        """Parsl is about to launch a task, or to find that it need not."""
        task = self._task(record["app_fu"])
        _use_awaited(task)
        self._local.task, self._local.attempt = task, None
        self._local.executor = record["executor"]

    def within(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function as a thread of this process is to call it for the task that is launched."""
        task = getattr(self._local, "task", None)
        if task is None:
            return function
        self._local.attempt = Attempt(task, "trilha:executor", self._local.executor)
        return Within(self._local.attempt, function)

    def launched(self, record: Any, executors: Any, future: Any) -> None:
        """Parsl launched it on one of its executors, or has found a result."""
        task = self._task(record["app_fu"])
        attempt, self._local.task = getattr(self._local, "attempt", None), None
        if record.get("from_memo"):
            return
        if attempt is None:
            facts: list[Any] = ["trilha:executor", record["executor"]]
            number = vars(future).get("parsl_executor_task_id")
            name = None
            if number is not None:
                facts += ["trilha:executor_task", number]
                folder = getattr(executors[record["executor"]], "worker_logdir", None)
                if folder is not None:
                    name = attempt_name(self.recorder, folder, number)
            attempt = Attempt(task, *facts, name=name)

        def done(finished: Any) -> None:
            guarded(self.recorder, attempt.ended, _error_of(finished))

        future.add_done_callback(done)

    # -- its end

    def completed(self, record: Any, state: Any, result: Any) -> None:
        """A task has its result."""
        future = record["app_fu"]
        task = self._task(future)
        facts: list[Any] = []
        _use_awaited(task)
        if record.get("joins") is not None:
            self._joined(task, record["joins"])
        task.ended(state.name, result, *facts)
        if record.get("hashsum"):
            task.remembered_as("parsl", record["hashsum"], cached=bool(record.get("from_memo")))
        self._write(task, self._outputs.get(future, []))

    def _joined(self, task: Task, joins: Any) -> None:
        """The result of a join app is that of the tasks that it started."""
        for place, one in enumerate(joins if isinstance(joins, list) else [joins]):
            inner = self._tasks.get(one)
            if inner is not None:
                task.uses_entity(inner.result, f"joined[{place}]" if isinstance(joins, list) else "joined")

    def _write(self, task: Task, paths: list[str]) -> None:
        for path in paths:
            if os.path.isfile(path):
                task.wrote(path)

    def gave_up(self, record: Any, state: Any, error: BaseException) -> None:
        """A task has failed for good."""
        self._task(record["app_fu"]).failed(state.name, error)


def _inner(function: Any) -> Any:
    """The program's own function: Parsl hands a bash app's over as the first argument of one of its own."""
    for _ in range(8):
        inside = getattr(function, "__wrapped__", None)
        if inside is None and type(function) is functools.partial and function.args:
            inside = function.args[0] if callable(function.args[0]) else function.func
        if inside is None:
            break
        function = inside
    return function


def _kept(value: Any, depth: int = _DEEP) -> Any:
    """A list or dict as it is now: Parsl puts other things into those that hold files."""
    if depth and type(value) is list:
        return [_kept(one, depth - 1) for one in value]
    if depth and type(value) is dict:
        return {key: _kept(one, depth - 1) for key, one in value.items()}
    return value


def _use_awaited(task: Task) -> None:
    """State the use of files that other tasks have written by now."""
    while task.awaited:
        task.uses_file(*task.awaited.pop(0))


def _matters(value: Any) -> bool:
    return not is_value(value)


def _is_file(thing: Any) -> bool:
    kind = type(thing)
    return any(one.__module__ == "parsl.data_provider.files" for one in kind.__mro__)


def _path(file: Any) -> str | None:
    """The path of a file that lies here; None for one that lies elsewhere."""
    return file.filepath if file.scheme == "file" else None


def _error_of(future: Any) -> BaseException | None:
    """What an executor's future failed with: raised, or handed over as a result of Parsl's own kind."""
    error: BaseException | None = future.exception()
    if error is None:
        wrapper = future.result()
        inner = getattr(wrapper, "e_value", None)
        if inner is None and type(wrapper).__name__ == "RemoteExceptionWrapper":
            try:
                inner = wrapper.get_exception()
            except Exception as unreadable:
                inner = unreadable
        error = inner if isinstance(inner, BaseException) else None
    return error
