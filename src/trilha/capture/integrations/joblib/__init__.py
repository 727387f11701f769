"""joblib: each call that `Parallel` is given, and where it ran (`memory`: what was remembered).

Where it listens, in the process that hands over: `Parallel.__call__` (who asked, and in which activity),
`Parallel._dispatch` (a batch of calls goes to a backend, whichever it is) and what keeps track of a batch.
Where a batch is called, in a thread or another process: `BatchedCalls.__call__`, which finds the marks that
came beside the calls. Tested on joblib 1.6; with another version, what has changed is not recorded, with one
warning.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from trilha.capture import context
from trilha.capture.context import Activity, current, process
from trilha.capture.handed import MARK, Handed, hide_frame, is_loss, run_of
from trilha.capture.interrupts import pass_on
from trilha.capture.patches import Patches
from trilha.capture.whose import asked_by_user, is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()
_asked: Final[WeakKeyDictionary[Any, tuple[bool, Activity]]] = WeakKeyDictionary()
"""By `Parallel`: whether the user's own code called it, and the activity that this was in."""
_batches: Final[WeakKeyDictionary[Any, list[Handed | None]]] = WeakKeyDictionary()
"""The tasks of a batch, by what keeps track of it."""
_calls: Final[WeakKeyDictionary[Any, _Call]] = WeakKeyDictionary()
"""By `Parallel`: the call of it that goes on, where that is traced."""
_local: Final = threading.local()
_NEEDED: Final = {
    "Parallel": ("_dispatch", "_get_sequential_output", "__call__"),
    "BatchedCalls": ("__call__", "__reduce__"),
    "BatchCompletionCallBack": ("__init__", "_register_outcome"),
}


class _Call:
    """A call of `Parallel`: what its tasks gave in other processes is in what it gives."""


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to `joblib.parallel` for `recorder`."""
    missing = [
        f"{kind}.{name}"
        for kind, names in _NEEDED.items()
        for name in names
        if name not in vars(getattr(library, kind, object))
    ]
    if missing:
        recorder.complain(f"joblib has changed: {', '.join(missing)} cannot be recorded")
        return
    parallel, batches = library.Parallel, library.BatchedCalls
    tracks = library.BatchCompletionCallBack
    wrap = _patches.wrap
    wrap(recorder, parallel, "__call__", _calling(recorder, parallel.__call__))
    wrap(recorder, parallel, "_dispatch", _dispatching(recorder, parallel._dispatch))
    inline = _one_by_one(recorder, parallel._get_sequential_output)
    wrap(recorder, parallel, "_get_sequential_output", inline)
    wrap(recorder, tracks, "__init__", _tracking(tracks.__init__))
    wrap(recorder, tracks, "_register_outcome", _learning(tracks._register_outcome))
    wrap(recorder, batches, "__call__", _executing(batches.__call__))
    wrap(recorder, batches, "__reduce__", _sending(batches.__reduce__))


def end(recorder: Recorder) -> None:
    """Stop listening; joblib is as it was."""
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:  # noqa: ARG001 -- as every integration
    """A forked child listens as its parent did; what its parent handed over is not its own."""
    _batches.clear()


# -- handing over


def _calling(recorder: Recorder, call: Any) -> Any:
    def call_and_record(self: Any, iterable: Any) -> Any:
        if process.recorder is recorder:
            try:
                _asked[self] = asked_by_user(sys._getframe(1)), current(recorder)
                if recorder.join is not None:
                    _calls[self] = made = _Call()
                    recorder.join.calls(made)
                    recorder.join.handed(made)
            except Exception:
                recorder.failed()
        try:
            return call(self, iterable)
        except BaseException as error:
            hide_frame(error)
            raise

    return call_and_record


def _hand_over(recorder: Recorder, parallel: Any, call: Any) -> Handed | None:
    """The task of one call; None if it is none of the user's."""
    function, args, kwargs = call
    asked, place = _asked.get(parallel, (False, recorder.run))
    if process.recorder is not recorder or not (is_users(function) or (asked and not _is_wrapper(function))):
        return None
    backend = type(parallel._backend).__name__
    reset = context.enter(place)
    try:
        return Handed(recorder, "joblib", function, args, kwargs, "trilha:backend", backend)
    finally:
        context.leave(reset)


def _is_wrapper(function: Any) -> bool:
    """Whether a library handed over something of its own making, on the user's behalf."""
    return not hasattr(function, "__name__")


def _dispatching(recorder: Recorder, dispatch: Any) -> Any:
    def dispatch_and_record(self: Any, batch: Any) -> None:
        tasks: list[Handed | None] = []
        if process.recorder is recorder and not self._aborting:
            try:
                tasks = [_hand_over(recorder, self, call) for call in batch.items]
                if any(tasks):
                    setattr(batch, MARK, [None if task is None else task.travels() for task in tasks])
            except Exception:
                recorder.failed()
        _local.tasks = tasks
        try:
            dispatch(self, batch)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            _local.tasks = None

    return dispatch_and_record


def _one_by_one(recorder: Recorder, output: Any) -> Any:
    def output_and_record(self: Any, iterable: Iterable[Any]) -> Iterator[Any]:
        def tell(call: Any) -> Any:
            try:
                task = _hand_over(recorder, self, call)
                if task is None:
                    return call
                return task, *call[1:]
            except Exception:
                recorder.failed()
                return call

        made: Iterator[Any] = output(self, map(tell, iterable))
        return made

    return output_and_record


# -- learning what came of it


def _tracking(make: Any) -> Any:
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        tasks = getattr(_local, "tasks", None)
        if tasks:
            _local.tasks = None
            _batches[self] = tasks

    return init


def _learning(register: Any) -> Any:
    def register_and_record(self: Any, outcome: Any) -> None:
        # Before those who wait for the results have them.
        tasks = _batches.pop(self, None)
        if tasks is not None:
            try:
                _tell(tasks, outcome["result"], _calls.get(self.parallel))
            except Exception:
                pass_on()
                if process.recorder is not None:
                    process.recorder.failed()
        register(self, outcome)

    return register_and_record


def _tell(tasks: list[Handed | None], result: Any, call: _Call | None) -> None:
    if isinstance(result, BaseException):
        # Which one of several it was that raised, the attempts know.
        if len(tasks) == 1 and tasks[0] is not None:
            tasks[0].raised(result, "lost" if is_loss(result) or _is_joblibs(result) else "failed")
        return
    for task, one in zip(tasks, result, strict=True):
        if task is not None:
            if call is not None and task.function is not None:
                task.recorder.join.arrives(call, task.identifier)  # No thread of ours called it.
            task.gave(one)


def _is_joblibs(error: BaseException) -> bool:
    """Whether joblib had waited for too long; a timeout of the call's own has been raised somewhere."""
    late = type(error).__name__ == "TimeoutError"
    return late and error.__traceback__ is None and error.__cause__ is None


# -- where a batch is called


def _executing(call: Callable[..., Any]) -> Callable[..., Any]:
    def call_and_record(self: Any) -> Any:
        marks = self.__dict__.pop(MARK, None)
        if marks is not None:
            self.items = [
                (run_of(function, mark), args, kwargs)
                for (function, args, kwargs), mark in zip(self.items, marks, strict=True)
            ]
        try:
            return call(self)
        except BaseException as error:
            hide_frame(error)
            raise

    return call_and_record


def _sending(reduce: Callable[..., Any]) -> Callable[..., Any]:
    def reduce_and_record(self: Any) -> Any:
        made = reduce(self)
        marks = self.__dict__.get(MARK)
        # The state of an object that has no more to say: added to its attributes.
        return made if marks is None or len(made) != 2 else (*made, {MARK: marks})

    return reduce_and_record
