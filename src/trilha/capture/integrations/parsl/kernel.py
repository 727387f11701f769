"""What is known of the tasks of Parsl's kernels."""

from __future__ import annotations

import contextlib
import functools
import os
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.attempts import Attempt, Inside
from trilha.capture.callees import Callee, callee_of
from trilha.capture.context import Quiet, process
from trilha.capture.identity import is_value
from trilha.capture.integrations.parsl.resuming import state_folder
from trilha.capture.integrations.parsl.worker import attempt_name
from trilha.capture.interrupts import pass_on
from trilha.capture.journal.writer import literal_name
from trilha.capture.tasks import TOGETHER, Alike, Task, alike_of
from trilha.capture.values import key_of, stands_for_itself

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["ATTEMPT", "EXECUTOR", "Kernel", "Within", "error_of", "failed_within", "gave_apart"]

_OWN: Final = frozenset(["parsl_resource_specification", "walltime", "stdout", "stderr", "outputs"])
EXECUTOR: Final = ("trilha:executor",)
ATTEMPT: Final = (*EXECUTOR, "trilha:executor_task")
_FACTS: Final = ("trilha:task", *EXECUTOR)
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_DEEP: Final = 3
_HOLDING: Final = (list, tuple, dict)
_FAILURE: Final = "RemoteExceptionWrapper"
_FUTURE: Final = literal_name("trilha:Future")
"""The class of what Parsl hands over in the place of a result, where a task raised."""
_FUTURES: Final = "parsl.dataflow.futures"


class Kernel:
    """The tasks of one run.

    What is known of a task is kept with the future that the program got: a `Task` while it goes on, and
    then only the number of its result.

    Args:
        recorder: of the run.

    Attributes:
        recorder: of the run.
        mark: name of the attribute of a future that is what is known of its task.
        last: gives the kernel of Parsl's that submitted last, or None.
        names: what the names of attempts begin with, by the executor that they are handed to.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.mark = f"_trilha_{recorder.uid.replace('-', '')}"
        self.last: Callable[[], Any] = _no_kernel
        self.names: dict[Any, str] = {}
        self._met: set[str] = set()

    def _known(self, future: Any) -> Any:
        """The task behind a future, or the number of its result, or None."""
        try:
            # Asked in the usual way for what it does not have, an AppFuture submits a task that gets it.
            return object.__getattribute__(future, self.mark)
        except AttributeError:
            return None

    def _meet(self, kernel: Any) -> None:
        """A kernel submits for the first time, or another one did since."""
        self.last = weakref.ref(kernel)
        if kernel.run_id not in self._met:
            self._met.add(kernel.run_id)
            state_folder(self.recorder, kernel.run_dir)

    # -- a call

    def submitted(self, future: Any) -> Task:
        """The program has called an app: Parsl has made the future, and not looked at the arguments yet."""
        record = future.task_record
        function, args, kwargs = record["func"], record["args"], record["kwargs"]
        if record["dfk"] is not self.last():
            self._meet(record["dfk"])
        callee = callee_of(self.recorder, function, _inner)
        task = None
        if not kwargs and not record["join"]:
            task = self._told_alike(record, callee, args)
        if task is None:
            task = self._describe(record, callee, args, kwargs)
        setattr(future, self.mark, task)
        return task

    def _told_alike(self, record: Any, callee: Callee, args: Any) -> Task | None:
        """State a call as others whose arguments are plain, or futures of tasks, at the same places."""
        names = callee.names
        if names is None or len(args) > len(names):
            return None
        plain: list[Any] = []
        roles: list[str] = []
        uses: list[tuple[int | str, str]] = []
        places = 0
        for place, value in enumerate(args):
            if stands_for_itself(value):
                plain.append(value)
                roles.append(names[place])
            elif (producer := self._result_of(value)) is not None:
                places |= 1 << place
                uses.append((producer, names[place]))
            else:
                return None
        name = record["func_name"]
        key = ("parsl", name, len(args), places) if places else ("parsl", name, len(args))
        alike: Alike | None = callee.told.get(key)
        if alike is None:
            keys, used = (*_FACTS, *map(_key, roles)), tuple([role for _, role in uses[:TOGETHER]])
            alike = alike_of(self.recorder, name, "parsl", callee.plan, keys, used)
            callee.told[key] = alike
        return Task.of(alike, (record["id"], record["executor"], *plain), uses)

    def _result_of(self, value: Any) -> int | None:
        """The entity that a future of a task's stands for; None for anything else."""
        known = self._known(value) if type(value).__module__ == _FUTURES else None
        return known.result if type(known) is Task else known

    def _describe(self, record: Any, callee: Callee, args: Any, kwargs: Any) -> Task:
        """State a task of which more is to be said than plain arguments."""
        facts: list[Any] = [_FACTS[0], record["id"], _FACTS[1], record["executor"]]
        if record["join"]:
            facts += ["trilha:join", True]
        uses: list[tuple[int | str, str]] = []
        rest: dict[str, Any] = {}
        for name, value in callee.arguments(args, _told(kwargs)).items():
            if stands_for_itself(value):
                facts += () if value is None else (_key(name), value)
            elif (producer := self._result_of(value)) is not None:
                uses.append((producer, name))
            else:
                rest[name] = value
        task = Task(self.recorder, record["func_name"], "parsl", callee, *facts, uses=uses)
        files = {f"outputs[{place}]": one for place, one in enumerate(kwargs.get("outputs", ()))}
        files |= {name: kwargs.get(name) for name in ("stdout", "stderr")}
        files = {role: one for role, one in files.items() if _is_file(one)}
        if rest or files:
            with Quiet():
                task.uses_values({role: one for role, one in rest.items() if not self._use(task, one, role)})
                paths = {role: _path(one) for role, one in files.items()}
                task.outputs = {
                    os.path.abspath(path): role for role, path in paths.items() if path is not None
                }
        return task

    def refused(self, error: BaseException) -> None:
        """Parsl raised `error` to the program, which called an app."""
        trace, record = error.__traceback__, None
        while trace is not None and record is None:
            record = trace.tb_frame.f_locals.get("task_record")
            trace = trace.tb_next
        future = record.get("app_fu") if type(record) is dict else None
        task = self._known(future) if future is not None else None
        if type(task) is Task and not task.over:
            task.failed("refused", error)

    def _use(self, task: Task, value: Any, role: str, depth: int = _DEEP) -> bool:
        """State what a task uses; False for a plain value."""
        if isinstance(value, Future):
            self._use_future(task, value, role)
        elif _is_file(value):
            path = _path(value)
            if path is not None:
                task.uses_file(path, role)
        elif type(value) in _HOLDING and self._came(value):
            task.uses(value, role)
            for key, one in value.items() if type(value) is dict else enumerate(value):
                if isinstance(one, Future) or _is_file(one):
                    self._use(task, one, f"{role}[{key!r}]", depth - 1)
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

    def _came(self, value: Any) -> bool:
        """Whether a list, tuple or dict is what a task gave, or a part of that."""
        objects = self.recorder.objects
        return objects.itself(value) is not None or objects.whole(value) is not None

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

    def launches(self, record: Any) -> Any:
        """Parsl is about to launch a task, or to find that it need not; gives the task, as it is known."""
        future = record["app_fu"]
        task = self._known(future) or self.submitted(future)
        if type(task) is Task and task.awaited:
            _use_awaited(task)
        return task

    def launched(self, executors: Any, task: Task, record: Any, future: Any) -> None:
        """Parsl launched it where no thread of this process executes it, or has found a result."""
        if record.get("from_memo"):
            return
        label = record["executor"]
        facts: list[Any] = ["trilha:executor", label]
        number = getattr(future, "parsl_executor_task_id", None)
        name = None
        if number is not None:
            facts += ["trilha:executor_task", number]
            executor = executors[label]
            folder = getattr(executor, "worker_logdir", None)
            if folder is not None:
                begin = attempt_name(self.recorder, folder)
                name = f"{begin}{number}"
                with contextlib.suppress(TypeError):  # of a class of the user's, say, that cannot be hashed
                    self.names[executor] = begin
        task.trying = Attempt(task, *facts, name=name)

    def updated(self, record: Any, future: Any) -> None:
        """Parsl was told that an attempt is over; one that a thread of this process executed has said so."""
        task = self._known(record["app_fu"])
        attempt = task.tried() if type(task) is Task else None
        if attempt is not None:
            _over(attempt, future, last=not record["join"])

    # -- its end

    def completed(self, record: Any, state: Any, result: Any) -> None:
        """A task has its result."""
        future = record["app_fu"]
        task = self._known(future) or self.submitted(future)
        if type(task) is not Task:
            return
        if task.awaited:
            _use_awaited(task)
        if record["joins"] is not None:
            self._joined(task, record["joins"])
        attempt = task.tried()
        if attempt is not None:
            attempt.gave_result()
        task.ended(state._name_, result)
        if record["hashsum"]:
            task.remembered_as("parsl", record["hashsum"], cached=bool(record["from_memo"]))
        if task.outputs:
            with Quiet():
                self._write(task)
        setattr(future, self.mark, task.result)

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
        task = self._known(future) or self.submitted(future)
        if type(task) is Task:
            attempt = task.tried()
            if attempt is not None:
                attempt.ended()
            task.failed(state.name, error)
            # Tasks that were given the future used what it is: never a result.
            about = (
                "prov:type",
                _FUTURE,
                "prov:label",
                f"future of {task.label}",
                "trilha:status",
                state.name,
            )
            self.recorder.entity(task.result, *about)
            setattr(future, self.mark, task.result)


class Within:
    """A function that a thread of this process calls as an attempt: what it does belongs there.

    Args:
        task: that the call tries to execute.
        executor: Parsl's name of the pool of threads.
        function: to be called.
        last: the task ends with it, if it gives a result.
    """

    __slots__ = ("_at", "_executor", "_function", "_last", "_task")

    def __init__(self, task: Task, executor: str, function: Callable[..., Any], *, last: bool) -> None:
        self._task = task
        self._executor = executor
        self._function = function
        self._last = last
        self._at = time.time_ns()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives."""
        attempt, recorder = None, self._task.recorder
        if process.recorder is recorder:
            try:
                attempt = Inside(self._task, self._at, EXECUTOR, (self._executor,))
            except Exception:
                recorder.failed()
        try:
            result = self._function(*args, **kwargs)
        except BaseException as error:
            if attempt is not None:
                failed_within(attempt, error)
            raise
        if attempt is not None:
            if self._last and type(result).__name__ != _FAILURE:
                attempt.over(None, last=True)
            else:
                gave_apart(attempt, result)
        return result


def failed_within(attempt: Inside, error: BaseException) -> None:
    """An attempt in this thread raised `error`. Never raises."""
    attempt.over(error, *_exit_status(error), last=False)


def gave_apart(attempt: Inside, result: Any) -> None:
    """An attempt in this thread gave `result`: an error, or not that of its task. Never raises."""
    error = None
    try:
        error = _error_in(result)
    except Exception:
        attempt.task.recorder.failed()
    attempt.over(error, *_exit_status(error), last=False)


def _over(attempt: Attempt, future: Any, *, last: bool) -> None:
    """An attempt that no thread of this process executed is over, as its future tells."""
    error = error_of(future)
    if error is None and last:
        attempt.gave_result()
    else:
        attempt.ended(error, *_exit_status(error))


def _exit_status(error: BaseException | None) -> tuple[Any, ...]:
    """How the command of a bash app ended that failed; of one that did not, its result says so, 0."""
    if error is None:
        return ()
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


def _told(kwargs: Any) -> Mapping[str, Any]:
    """What of the arguments by name is the program's, and of Parsl's own what is a plain value."""
    if not kwargs:
        return _NONE
    named = {name: value for name, value in dict(kwargs).items() if name not in _OWN}
    for name in ("stdout", "stderr"):
        value = kwargs.get(name)
        if value is not None and is_value(value):
            named[name] = value
    return named


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


def error_of(future: Any) -> BaseException | None:
    """What an executor's future failed with: raised, or handed over as a result of Parsl's own kind."""
    error: BaseException | None = future.exception()
    return error if error is not None else _error_in(future.result())


def _error_in(result: Any) -> BaseException | None:
    """The error that Parsl hands over as a result."""
    if type(result).__name__ != _FAILURE:
        return None
    inner = getattr(result, "e_value", None)
    if inner is None:
        try:
            inner = result.get_exception()
        except Exception as unreadable:
            pass_on()
            inner = unreadable
    return inner if isinstance(inner, BaseException) else None
