"""joblib's `Memory`: a call of a remembered function, and whether its result had to be computed.

A call is a task. It has an attempt only if the result had to be computed; if it was there, it is the same
content as that of the call that computed it, in another run too: both are specializations of one entity.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.attempts import Inside
from trilha.capture.context import process
from trilha.capture.handed import THREAD, Handed, hide_frame
from trilha.capture.patches import Patches
from trilha.capture.whose import is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()
_NEEDED: Final = ("_cached_call", "_call", "_is_in_cache_and_valid", "func_code_info")


class _Asking(threading.local):
    """The calls that go on in this thread, the innermost last."""

    def __init__(self) -> None:
        self.calls: list[_Asked] = []


class _Asked:
    """A call of a remembered function.

    Attributes:
        task: as it is stated.
        function: that remembers.
        name: by which its result is kept; empty until that is known.
        computed: it was not there.
    """

    __slots__ = ("computed", "function", "name", "task")

    def __init__(self, task: Handed, function: Any) -> None:
        self.task = task
        self.function = function
        self.name: Any = None
        self.computed = False


_asking: Final = _Asking()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to `joblib.memory` for `recorder`."""
    kind: Any = getattr(library, "MemorizedFunc", object)
    missing = [name for name in _NEEDED if name not in vars(kind)]
    if missing:
        recorder.complain(f"joblib has changed: MemorizedFunc {', '.join(missing)} cannot be recorded")
        return
    _patches.wrap(recorder, kind, "_cached_call", _asked_for(recorder, kind, kind._cached_call))
    _patches.wrap(recorder, kind, "_is_in_cache_and_valid", _looked_up(kind._is_in_cache_and_valid))
    _patches.wrap(recorder, kind, "_call", _computed(recorder, kind._call))


def end(recorder: Recorder) -> None:
    """Stop listening; joblib is as it was."""
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:
    """A forked child listens as its parent did."""


def _asked_for(recorder: Recorder, kind: Any, cached_call: Any) -> Any:
    def call_and_record(self: Any, args: Any, kwargs: Any, shelving: Any) -> Any:
        asked = None
        if process.recorder is recorder and type(self) is kind:
            try:
                if is_users(self.func):
                    task = Handed(recorder, "joblib.Memory", self.func, args, kwargs)
                    asked = _Asked(task, self)
                    _asking.calls.append(asked)
            except Exception:
                recorder.failed()
        try:
            found = cached_call(self, args, kwargs, shelving)
        except BaseException as error:
            hide_frame(error)
            if asked is not None:
                asked.task.raised(error)
            raise
        finally:
            if asked is not None:
                _asking.calls.remove(asked)
        if asked is not None:
            _tell(recorder, asked, found[0])
        return found

    return call_and_record


def _tell(recorder: Recorder, asked: _Asked, result: Any) -> None:
    try:
        task = asked.task
        task.gave(result)
        if asked.name is not None and task.has_result:
            kept = asked.function
            words = (kept.store_backend.location, *asked.name, kept.func_code_info[0])
            key = hashlib.sha256("\n".join(map(str, words)).encode("utf-8", "replace")).hexdigest()
            task.remembered_as("joblib", key, cached=not asked.computed)
    except Exception:
        recorder.failed()


def _looked_up(is_there: Any) -> Any:
    def look_and_record(self: Any, call_id: Any) -> Any:
        if _asking.calls and _asking.calls[-1].function is self:
            _asking.calls[-1].name = call_id
        return is_there(self, call_id)

    return look_and_record


def _computed(recorder: Recorder, call: Any) -> Any:
    def compute_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        running = None
        if _asking.calls and _asking.calls[-1].function is self and process.recorder is recorder:
            asked = _asking.calls[-1]
            asked.computed = True
            try:
                running = Inside(asked.task, asked.task.at, THREAD, (threading.current_thread().name,))
            except Exception:
                recorder.failed()
        try:
            found = call(self, *args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            if running is not None:
                running.over(error, last=False)
            raise
        if running is not None:
            running.over(None, last=True)
        return found

    return compute_and_record
