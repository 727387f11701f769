"""What is known of the tasks of Parsl's kernels."""

from __future__ import annotations

import functools
import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture import context
from trilha.capture.callees import Callee, callee_of
from trilha.capture.context import Activity, Quiet, current, process
from trilha.capture.identity import is_value
from trilha.capture.integrations.parsl.resuming import state_folder
from trilha.capture.integrations.parsl.worker import attempt_name
from trilha.capture.tasks import Attempt, Task
from trilha.capture.values import key_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Given", "Kernel", "Within"]

_OWN: Final = frozenset(["parsl_resource_specification", "walltime", "stdout", "stderr", "outputs"])
_DEEP: Final = 3
_SHORT: Final = 200
_PLAIN: Final = frozenset([bool, int, float, type(None)])
_FUTURES: Final = "parsl.dataflow.futures"


class Given(NamedTuple):
    """A call as the program made it.

    Attributes:
        callee: function of the app.
        facts: plain arguments as attributes, keys and values in turn.
        uses: results of other tasks, with the parameters' names.
        rest: other arguments by name, with futures as they were.
        outputs: files that it is to write.
        place: the activity that made the call.
        at: when, in nanoseconds since 1970-01-01 UTC.
    """

    callee: Callee
    facts: list[Any]
    uses: list[tuple[int | str, str]]
    rest: dict[str, Any]
    outputs: list[Any]
    place: Activity
    at: int


class Kernel:
    """The tasks of one run.

    What is known of a task is kept with the future that the program got: a `Task` while it goes on, and
    then only the number of its result.

    Args:
        recorder: of the run.

    Attributes:
        recorder: of the run.
        last: gives the kernel of Parsl that submitted last.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self._mark = f"_trilha_{recorder.uid.replace('-', '')}"
        self._lock = threading.RLock()
        self._met: set[str] = set()
        self.last: Callable[[], Any] = _no_kernel
        self._local = threading.local()

    def _known(self, future: Any) -> Any:
        """The task behind a future, or the number of its result, or None."""
        try:
            # Asked in the usual way for what it does not have, an AppFuture submits a task that gets it.
            return object.__getattribute__(future, self._mark)
        except AttributeError:
            return None

    def met(self, kernel: Any) -> None:
        """A kernel submits for the first time, or another one did since."""
        self.last = weakref.ref(kernel)
        if kernel.run_id not in self._met:
            self._met.add(kernel.run_id)
            state_folder(self.recorder, kernel.run_dir)

    # -- a call

    def given(self, function: Any, args: Any, kwargs: Any) -> Given:
        """What the program called, before Parsl looks at it."""
        at, recorder = time.time_ns(), self.recorder
        outputs: list[Any] = []
        named = kwargs
        if kwargs:
            named = {name: value for name, value in dict(kwargs).items() if name not in _OWN}
            for name in ("stdout", "stderr"):
                value = kwargs.get(name)
                if value is not None and is_value(value):
                    named[name] = value
            outputs = [*kwargs.get("outputs", ()), kwargs.get("stdout"), kwargs.get("stderr")]
            outputs = [one for one in outputs if _is_file(one)]
        callee = callee_of(recorder, function, _inner)
        facts: list[Any] = []
        uses: list[tuple[int | str, str]] = []
        rest: dict[str, Any] = {}
        for name, value in callee.arguments(args, named).items():
            kind = type(value)
            if kind in _PLAIN or (kind is str and len(value) <= _SHORT):
                if value is not None:
                    facts += (_key(name), value_of(value))
            elif kind.__module__ == _FUTURES and (producer := self._known(value)) is not None:
                uses.append((producer if type(producer) is int else producer.result, name))
            else:
                rest[name] = _kept(value)
        return Given(callee, facts, uses, rest, outputs, current(recorder), at)

    def submitted(self, given: Given, future: Any) -> None:
        """Parsl took the call over."""
        task = self._task(future, given)
        if given.outputs and task is not None:
            with Quiet():
                task.outputs = [path for path in map(_path, given.outputs) if path is not None]
                if task.over:
                    # It was done before we were told of it.
                    self._write(task)

    def _task(self, future: Any, given: Given | None = None) -> Task | None:
        """The task behind a future. Whoever asks first makes it: it may be launched while it is submitted.

        None where it is over, and what was `given` is stated nevertheless.
        """
        with self._lock:
            task = self._known(future)
            if task is None:
                task = self._new_task(future, given)
                setattr(future, self._mark, task)
            elif given is not None:
                task = self._told_late(task, given)
        if given is not None and given.rest and type(task) is Task:
            with Quiet():
                items = given.rest.items()
                task.uses_values({role: one for role, one in items if not self._use(task, one, role)})
        return task if type(task) is Task else None

    def _new_task(self, future: Any, given: Given | None) -> Task:
        record = future.task_record
        facts = ["trilha:task", record["id"], "trilha:executor", record["executor"]]
        if record.get("join"):
            facts += ["trilha:join", True]
        name = record["func_name"]
        if given is None:
            return Task(self.recorder, name, "parsl", _inner(record["func"]), *facts)
        facts += given.facts
        at, place, uses = given.at, given.place, given.uses
        return Task(self.recorder, name, "parsl", given.callee, *facts, at=at, place=place, uses=uses)

    def _told_late(self, task: Any, given: Given) -> Any:
        """It was launched before its arguments were stated."""
        if type(task) is Task:
            if given.facts:
                self.recorder.activity(task.activity.identifier, None, None, *given.facts)
            for entity, role in given.uses:
                task.uses_entity(entity, role)
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
        known = vars(future)
        file = known.get("file_obj")
        maker = known.get("parent") if file is not None else future
        producer = self._known(maker) if maker is not None else None
        if producer is None:
            if type(future) is Future:
                task.uses(future, role)
            return
        path = _path(file) if file is not None else None
        over = type(producer) is int
        if path is None:
            task.uses_entity(producer if over else producer.result, role)
        elif over or producer.over:
            task.uses_file(path, role)
        else:
            task.awaited = [*task.awaited, (path, role)]

    # -- its attempts

    def launching(self, record: Any) -> None:
        """Parsl is about to launch a task, or to find that it need not."""
        local = self._local
        local.task = task = self._known(record["app_fu"]) or self._task(record["app_fu"])
        local.attempt = None
        if type(task) is Task and task.awaited:
            _use_awaited(task)
        local.record = record

    def within(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function as a thread of this process is to call it for the task that is launched."""
        local = self._local
        task = getattr(local, "task", None)
        if task is None:
            return function
        record = local.record
        local.attempt = attempt = Attempt(task, "trilha:executor", record["executor"])
        return Within(attempt, function, last=not record["join"])

    def launched(self, record: Any, executors: Any, future: Any) -> None:
        """Parsl launched it on one of its executors, or has found a result."""
        local = self._local
        task, attempt, local.task, local.attempt = local.task, local.attempt, None, None
        if attempt is not None or task is None or record.get("from_memo"):
            return
        label = record["executor"]
        facts: list[Any] = ["trilha:executor", label]
        number = vars(future).get("parsl_executor_task_id")
        name = None
        if number is not None:
            facts += ["trilha:executor_task", number]
            folder = getattr(executors[label], "worker_logdir", None)
            if folder is not None:
                name = attempt_name(self.recorder, folder, number)
        attempt = Attempt(task, *facts, name=name)
        future.add_done_callback(_Done(self.recorder, attempt, last=not record["join"]))

    # -- its end

    def completed(self, record: Any, state: Any, result: Any) -> None:
        """A task has its result."""
        future = record["app_fu"]
        task = self._known(future) or self._task(future)
        if type(task) is not Task:
            return
        if task.awaited:
            _use_awaited(task)
        if record["joins"] is not None:
            self._joined(task, record["joins"])
        task.ended(state.name, result)
        if record["hashsum"]:
            task.remembered_as("parsl", record["hashsum"], cached=bool(record["from_memo"]))
        if task.outputs:
            with Quiet():
                self._write(task)
        setattr(future, self._mark, task.result)

    def _joined(self, task: Task, joins: Any) -> None:
        """The result of a join app is that of the tasks that it started."""
        for place, one in enumerate(joins if isinstance(joins, list) else [joins]):
            inner = self._known(one)
            if inner is not None:
                result = inner if type(inner) is int else inner.result
                task.uses_entity(result, f"joined[{place}]" if isinstance(joins, list) else "joined")

    def _write(self, task: Task) -> None:
        for path in task.outputs:
            if os.path.isfile(path):
                task.wrote(path)

    def gave_up(self, record: Any, state: Any, error: BaseException) -> None:
        """A task has failed for good."""
        future = record["app_fu"]
        task = self._known(future) or self._task(future)
        if type(task) is Task:
            task.failed(state.name, error)
            setattr(future, self._mark, task.result)


class Within:
    """A function that a thread of this process calls as an attempt: what it does belongs there.

    Args:
        attempt: that the call is.
        function: to be called.
        last: the task ends with it, if it gives a result.
    """

    __slots__ = ("_attempt", "_function", "_last")

    def __init__(self, attempt: Attempt, function: Callable[..., Any], *, last: bool) -> None:
        self._attempt = attempt
        self._function = function
        self._last = last

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        attempt = self._attempt
        began, spent = time.time_ns(), time.thread_time_ns()
        reset = context.enter(attempt.activity)
        try:
            result = self._function(*args, **kwargs)
        except BaseException as error:
            context.leave(reset)
            self._over(attempt, began, spent, error)
            raise
        context.leave(reset)
        self._over(attempt, began, spent, _error_in(result))
        return result

    def _over(self, attempt: Attempt, began: int, spent: int, error: BaseException | None) -> None:
        cpu = (time.thread_time_ns() - spent) / 1e9
        attempt.ran = ("trilha:waited", (began - attempt.at) / 1e9, "trilha:cpu_seconds", cpu)
        _end(attempt, error, last=self._last)


class _Done:
    """Told when an executor's future is done: an attempt is over.

    The future may be kept for long, so that this lets go of all that it knows.
    """

    __slots__ = ("_attempt", "_last", "_recorder")

    def __init__(self, recorder: Recorder, attempt: Attempt, *, last: bool) -> None:
        self._recorder: Recorder | None = recorder
        self._attempt: Attempt | None = attempt
        self._last = last

    def __call__(self, future: Any) -> None:
        recorder, attempt = self._recorder, self._attempt
        self._recorder = self._attempt = None
        if attempt is not None and recorder is not None and process.recorder is recorder:
            try:
                _end(attempt, _error_of(future), last=self._last)
            except Exception:
                recorder.failed()


def _end(attempt: Attempt, error: BaseException | None, *, last: bool) -> None:
    """An attempt is over; if the task's end follows at once, both are stated together."""
    recorder = attempt.recorder
    if process.recorder is not recorder:
        return
    try:
        if error is None and last:
            attempt.gave_result()
        else:
            attempt.ended(error, *_exit_status(error))
    except Exception:
        recorder.failed()


def _exit_status(error: BaseException | None) -> tuple[Any, ...]:
    """How the command of a bash app ended that failed; of one that did not, its result says so, 0."""
    status = getattr(error, "exitcode", None) if type(error).__name__ == "BashExitFailure" else None
    return () if type(status) is not int else ("trilha:exit_status", status)


def _no_kernel() -> None:
    """No kernel has submitted yet."""


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
    awaited, task.awaited = task.awaited, ()
    with Quiet():
        for path, role in awaited:
            task.uses_file(path, role)


@functools.lru_cache(4096)
def _key(name: str) -> str:
    return key_of("trilha:arg.", name)


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
    return error if error is not None else _error_in(future.result())


def _error_in(result: Any) -> BaseException | None:
    """The error that Parsl hands over as a result."""
    if type(result).__name__ != "RemoteExceptionWrapper":
        return None
    inner = getattr(result, "e_value", None)
    if inner is None:
        try:
            inner = result.get_exception()
        except Exception as unreadable:
            inner = unreadable
    return inner if isinstance(inner, BaseException) else None
