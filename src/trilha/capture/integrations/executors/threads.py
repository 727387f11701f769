"""Thread pools of `concurrent.futures`: each call that the user hands over, and where it ran.

Where it listens: `ThreadPoolExecutor.submit` is wrapped while a run is recorded, and what it hands to a
thread is called as an attempt. `futures` tells of what is never executed. `asyncio.to_thread` and
`run_in_executor` end here, too.
"""

from __future__ import annotations

import contextvars
import functools
import sys
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.compiled_tasks import tell_alike, way
from trilha.capture.context import process
from trilha.capture.handed import Handed, hide_frame
from trilha.capture.integrations.executors import results
from trilha.capture.integrations.executors.futures import watch
from trilha.capture.patches import Patches
from trilha.capture.whose import asked_by_user, engines, is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to thread pools for `recorder`."""
    owner = library.ThreadPoolExecutor
    submit = owner.submit

    def submit_and_record(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        if type(fn) in engines or (type(fn) is MethodType and fn.__func__ in engines):
            if recorder.join is not None:
                recorder.join.runs(fn)
            return submit(self, fn, *args, **kwargs)
        handed = None
        ours = type(self) is owner or not _is_of_interpreters(type(self))
        if ours and process.recorder is recorder:
            try:
                handed, fn, args, kwargs = _hand_over(recorder, self, fn, args, kwargs)
            except Exception:
                recorder.failed()
        if handed is not None and recorder.join is not None:
            recorder.join.handing(handed.identifier, fn)
        try:
            future = submit(self, fn, *args, **kwargs)
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

    in_c = way("submitting", submit, submit_and_record, recorder, engines)
    _patches.wrap(recorder, owner, "submit", in_c or submit_and_record)
    watch(_patches, recorder, library._base.Future)
    recorder.following.append(functools.partial(results.follow, recorder, library))
    if recorder.join is not None:
        results.follow(recorder, library)


def end(recorder: Recorder) -> None:
    """Stop listening; thread pools are as they were."""
    results.end(recorder)
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:
    """A forked child listens as its parent did."""


def _is_of_interpreters(kind: type) -> bool:
    """Whether it hands calls to other interpreters, which must be able to take them (Python 3.14)."""
    return any(one.__name__ == "InterpreterPoolExecutor" for one in kind.__mro__)


def _hand_over(
    recorder: Recorder, executor: Any, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Handed | None, Any, tuple[Any, ...], dict[str, Any]]:
    """The task, if the call is the user's, and what the executor is to call with what."""
    runs_in = None
    if type(fn) is FunctionType and is_users(fn):
        handed = Handed(recorder, type(executor).__name__, fn, args, kwargs, shares=True)
        tell_alike(recorder, executor, fn, len(args))
        return handed, handed, args, kwargs
    function, given, named = fn, args, kwargs
    if type(fn) is functools.partial and type(getattr(fn.func, "__self__", None)) is contextvars.Context:
        # As asyncio.to_thread hands it over.
        runs_in, (function, *rest), named = fn.func, fn.args, fn.keywords
        given = tuple(rest)
    if not is_users(function) and not asked_by_user(sys._getframe(2)):
        return None, fn, args, kwargs
    handed = Handed(recorder, type(executor).__name__, function, given, named, shares=True)
    if runs_in is not None:
        return handed, functools.partial(runs_in, handed, *given, **named), args, kwargs
    return handed, handed, args, kwargs
