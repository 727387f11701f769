"""Pools of processes of `concurrent.futures`: each call that the user hands over, and where it ran.

Where it listens, in the process that hands over: `ProcessPoolExecutor.submit`; what goes to a worker, which
carries a mark beside the user's own function, pickled as ever; and the thread that learns of results. In a
worker: what comes in with a mark is called as an attempt. A worker that does not know Trilha does not see
the mark. Several calls that `map` sends in one piece (``chunksize``) are one task.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.compiled_tasks import tell_alike, way
from trilha.capture.context import process
from trilha.capture.handed import MARK, Handed, hide_frame, run_of
from trilha.capture.integrations.executors.futures import watch
from trilha.capture.patches import Patches
from trilha.capture.pieces import Piece
from trilha.capture.whose import asked_by_user, is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to pools of processes for `recorder`."""
    items: Any = getattr(library, "_CallItem", None)
    manager: Any = getattr(library, "_ExecutorManagerThread", None)
    if items is None or not hasattr(manager, "process_result_item") or hasattr(items, "__setstate__"):
        version = sys.version.partition(" ")[0]
        what = f"concurrent.futures of Python {version} has changed"
        recorder.complain(f"{what}: pools of processes cannot be recorded")
        return
    executor = library.ProcessPoolExecutor
    _patches.wrap(recorder, executor, "submit", _submitting(recorder, executor.submit, library))
    watch(_patches, recorder, library._base.Future)
    _patches.wrap(recorder, items, "__init__", _sending(items.__init__))
    _patches.wrap(recorder, manager, "process_result_item", _learning(manager.process_result_item))

    def receive(self: Any, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.fn = run_of(self.fn, state.get(MARK))

    _patches.put(recorder, items, "__setstate__", receive)


def end(recorder: Recorder) -> None:
    """Stop listening; pools of processes are as they were."""
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:
    """A forked child listens as its parent did."""


def _submitting(recorder: Recorder, submit: Any, library: Any) -> Any:
    def submit_and_record(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        handed = None
        if process.recorder is recorder:
            try:
                handed = _hand_over(recorder, self, fn, args, kwargs, library)
            except Exception:
                recorder.failed()
        if handed is not None and recorder.join is not None:
            recorder.join.handing(handed.identifier)
        try:
            future = submit(self, fn if handed is None else handed, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            if handed is not None:
                handed.cancelled()
            raise
        if handed is not None:
            handed.stands_for(future)
            if recorder.join is not None:
                recorder.join.handed(future)
        return future

    return way("submitting", submit, submit_and_record, recorder, frozenset()) or submit_and_record


def _hand_over(
    recorder: Recorder, executor: Any, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], library: Any
) -> Handed | None:
    """The task, if the call is the user's."""
    pieces = getattr(library, "_process_chunk", None)
    function, calls = fn, None
    if pieces is not None and type(fn) is functools.partial and fn.func is pieces:
        function, calls = fn.args[0], args[0]
    users = is_users(function)
    if not users and not asked_by_user(sys._getframe(2)):
        return None
    engine = type(executor).__name__
    if calls is not None:
        handed: Handed = Piece(recorder, engine, function, calls)
    else:
        handed = Handed(recorder, engine, function, args, kwargs)
    handed.function = fn  # what is sent
    if users and function is fn:
        tell_alike(recorder, executor, fn, len(args))
    return handed


def _sending(make: Any) -> Any:
    def init(self: Any, work_id: Any, fn: Any, *rest: Any) -> None:
        if isinstance(fn, Handed):
            setattr(self, MARK, fn.mark())
            fn = fn.function
        make(self, work_id, fn, *rest)

    return init


def _learning(learn: Any) -> Any:
    def process_result_item(self: Any, result_item: Any) -> Any:
        # Before those who wait for the result have it.
        work_id = getattr(result_item, "work_id", None)
        item: Any = self.pending_work_items.get(work_id) if work_id is not None else None
        handed = getattr(item, "fn", None)
        if isinstance(handed, Handed):
            handed.function = None  # a program may keep the future, and that would keep this
            if result_item.exception:
                handed.raised(result_item.exception)
            else:
                if handed.recorder.join is not None:
                    handed.recorder.join.arrives(item.future, handed.identifier)
                handed.gave(result_item.result)
        return learn(self, result_item)

    return process_result_item
