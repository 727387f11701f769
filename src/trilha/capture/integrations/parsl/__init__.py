"""Parsl: each app's call as a task, each attempt of it, files, futures, retries, joins and cached results.

Where it listens: where an `AppFuture` is made (a call, with its arguments as the program gave them);
`DataFlowKernel.submit`, which may refuse it; `launch_task` (an attempt, or a result that was remembered),
`handle_exec_update` (an attempt is over) and the two methods that complete a task; and
`BasicMemoizer.load_checkpoints`, which tells what earlier run is resumed. They are wrapped while a run is
recorded and give back what they gave before; the program's apps, configuration and results are left as they
are. Tested on Parsl 2026.10.26; with another version, what has changed is not recorded, with one warning.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.compiled_tasks import let_go, way, within
from trilha.capture.context import process
from trilha.capture.integrations.parsl.followed import follow
from trilha.capture.integrations.parsl.kernel import (
    ATTEMPT,
    EXECUTOR,
    Kernel,
    Within,
    failed_within,
    gave_apart,
)
from trilha.capture.integrations.parsl.opened import leave_out_own_files
from trilha.capture.integrations.parsl.resuming import state_resumed
from trilha.capture.integrations.parsl.sent import send_own_code
from trilha.capture.tasks import Task
from trilha.capture.whose import engines

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_listening: list[tuple[Recorder, list[Callable[[], None]]]] = []
_METHODS = (
    "submit",
    "launch_task",
    "handle_exec_update",
    "_complete_task_result",
    "_complete_task_exception",
)


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to Parsl for `recorder`."""
    undo: list[Callable[[], None]] = []
    _listening.append((recorder, undo))
    undo.append(leave_out_own_files(library))
    kernels = importlib.import_module("parsl.dataflow.dflow").DataFlowKernel
    kernel = Kernel(recorder)
    wrappers = {
        "submit": _submitting,
        "launch_task": _launching,
        "handle_exec_update": _updating,
        "_complete_task_result": _completing,
        "_complete_task_exception": _failing,
    }
    missing = [name for name in _METHODS if not callable(getattr(kernels, name, None))]
    if missing:
        version = getattr(library, "__version__", "?")
        recorder.complain(f"parsl {version} has changed: {', '.join(missing)} cannot be recorded")
        return
    for engine in (Within, *within(), getattr(kernels, "_launch_if_ready_async", None)):
        if engine is not None:
            engines.add(engine)
            undo.append(functools.partial(engines.discard, engine))
    threads = importlib.import_module("parsl.executors.threads").ThreadPoolExecutor
    futures = importlib.import_module("parsl.dataflow.futures").AppFuture
    places: list[tuple[Any, str, Any]] = [(kernels, name, wrapper) for name, wrapper in wrappers.items()]
    places.append((futures, "__init__", functools.partial(_promising, futures)))
    memoizer = importlib.import_module("parsl.dataflow.memoization").BasicMemoizer
    places += [(threads, "submit", _executing), (memoizer, "load_checkpoints", _resuming)]
    for owner, name, wrapper in places:
        original = getattr(owner, name, None)
        if original is None:
            continue
        wrapped = functools.wraps(original)(wrapper(kernel, original))
        setattr(owner, name, wrapped)
        undo.append(functools.partial(_put_back, owner, name, wrapped, original))

    undo.append(send_own_code(recorder))

    def trace_begins() -> None:
        undo.append(follow(recorder, kernels, futures, kernel._known))

    recorder.following.append(trace_begins)
    if recorder.join is not None:
        trace_begins()


def end(recorder: Recorder) -> None:
    """Stop listening; Parsl is as it was."""
    for known in [one for one in _listening if one[0] is recorder]:
        _listening.remove(known)
        for undo in reversed(known[1]):
            undo()
        let_go()


def _put_back(owner: Any, name: str, wrapped: Any, original: Any) -> None:
    if getattr(owner, name, None) is wrapped:
        setattr(owner, name, original)


# What follows is called for each task. `guarded`, which other integrations use, would cost a microsecond each
# time; so what may be asked for files goes into `Quiet` where it does, in the kernel. Where `trilha_tasks` is
# installed it stands in the places of Parsl's functions, and has what is not ordinary told in Python.


def _submitting(kernel: Kernel, submit: Any) -> Any:
    recorder = kernel.recorder

    def refused(error: BaseException) -> None:
        try:
            kernel.refused(error)
        except Exception:
            recorder.failed()

    def submit_and_record(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return submit(self, *args, **named)
        except BaseException as error:
            if process.recorder is recorder:
                refused(error)
            raise

    return way("watching", submit, refused, recorder) or submit_and_record


def _promising(future_class: type, kernel: Kernel, init: Any) -> Any:
    recorder = kernel.recorder

    def promised(future: Any) -> None:
        try:
            kernel.submitted(future)
        except Exception:
            recorder.failed()

    def init_and_record(self: Any, task_record: Any) -> None:
        init(self, task_record)
        if process.recorder is recorder:
            promised(self)

    return way("promising", init, promised, recorder, kernel.mark, kernel, future_class) or init_and_record


def _resuming(kernel: Kernel, load_checkpoints: Any) -> Any:
    recorder = kernel.recorder

    def load_and_record(self: Any, checkpointDirs: Any) -> Any:  # noqa: N803 -- Parsl's name
        found = load_checkpoints(self, checkpointDirs)
        if process.recorder is recorder and checkpointDirs:
            try:
                state_resumed(recorder, checkpointDirs)
            except Exception:
                recorder.failed()
        return found

    return load_and_record


class _Launching(threading.local):
    """The task that a thread is about to launch, and Parsl's record of it; None once a pool has it."""

    task: Any = None
    record: Any = None


_launching_now: Final = _Launching()


def _launching(kernel: Kernel, launch_task: Any) -> Any:
    recorder = kernel.recorder

    def launches(task_record: Any) -> Any:
        try:
            return kernel.launches(task_record)
        except Exception:
            recorder.failed()
            return None

    def launched(kernels: Any, task: Any, task_record: Any, future: Any) -> None:
        try:
            kernel.launched(kernels.executors, task, task_record, future)
        except Exception:
            recorder.failed()

    def launch_and_record(self: Any, task_record: Any) -> Any:
        if process.recorder is not recorder:
            return launch_task(self, task_record)
        task, now = launches(task_record), _launching_now
        now.task, now.record = (task, task_record) if type(task) is Task else (None, None)
        try:
            future = launch_task(self, task_record)
        finally:
            taken, now.task, now.record = now.record is None, None, None
        if not taken:
            launched(self, task, task_record, future)
        return future

    names, facts = kernel.names, ATTEMPT
    in_c = way("launching", launch_task, launched, recorder, kernel.mark, launches, names, facts)
    return in_c or launch_and_record


def _executing(kernel: Kernel, submit: Any) -> Any:
    recorder = kernel.recorder

    def submit_and_record(self: Any, func: Any, *args: Any, **kwargs: Any) -> Any:
        now = _launching_now
        task, record = now.task, now.record
        if record is not None and process.recorder is recorder:
            now.task = now.record = None
            func = Within(task, record["executor"], func, last=not record["join"])
        return submit(self, func, *args, **kwargs)

    in_c = way("executing", submit, failed_within, recorder, gave_apart, EXECUTOR, *within())
    return in_c or submit_and_record


def _updating(kernel: Kernel, update: Any) -> Any:
    recorder = kernel.recorder

    def updated(task_record: Any, future: Any) -> None:
        try:
            kernel.updated(task_record, future)
        except Exception:
            recorder.failed()

    def update_and_record(self: Any, task_record: Any, future: Any) -> Any:
        if process.recorder is recorder:
            updated(task_record, future)
        return update(self, task_record, future)

    return way("updating", update, updated, recorder) or update_and_record


def _completing(kernel: Kernel, complete: Any) -> Any:
    recorder = kernel.recorder

    def completed(task_record: Any, new_state: Any, result: Any) -> None:
        try:
            kernel.completed(task_record, new_state, result)
        except Exception:
            recorder.failed()

    def complete_and_record(self: Any, task_record: Any, new_state: Any, result: Any) -> Any:
        if process.recorder is recorder:
            completed(task_record, new_state, result)
        return complete(self, task_record, new_state, result)

    return way("completing", complete, completed, recorder, kernel.mark) or complete_and_record


def _failing(kernel: Kernel, complete: Any) -> Any:
    recorder = kernel.recorder

    def fail_and_record(self: Any, task_record: Any, new_state: Any, exception: Any) -> Any:
        if process.recorder is recorder:
            try:
                kernel.gave_up(task_record, new_state, exception)
            except Exception:
                recorder.failed()
        return complete(self, task_record, new_state, exception)

    return fail_and_record
