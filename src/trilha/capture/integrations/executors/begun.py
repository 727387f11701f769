"""Threads and Python programs that an attempt at a task begins: what they do lies in it, too.

Where it listens: what `threading` begins threads by, and what `subprocess` forks by, or spawns (since Python
3.13 in most cases), where the environment invites a Python program to the attempt and not to the run.

A thread lies in the attempt for as long as that goes on. It has to be the program's: a library's own thread
may serve others, too. A program that is started lies in it however long it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextvars import Context
from functools import partial
from types import FrameType, MethodType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import INVITATION, Activity, current, current_activity, process
from trilha.capture.handed import hide_frame
from trilha.capture.joining import invites
from trilha.capture.patches import Patches
from trilha.capture.siblings import iri_of
from trilha.capture.whose import asked_by_user, is_users

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_patches: Final = Patches()
_BEGINS: Final = ("_start_new_thread", "_start_joinable_thread")
"""What `threading` begins a thread by, until Python 3.12 and since then."""
_ENVIRONMENT: Final = 5
"""Place of the environment among what `_posixsubprocess.fork_exec` takes."""
_SPAWNS_WITH: Final = 3
"""The same among what `Popen._posix_spawn` takes, itself the first."""
_INVITES: Final = INVITATION.encode() + b"="


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to threads, or to programs that are started, for `recorder`."""
    if library.__name__ == "threading":
        for name in _BEGINS:
            if getattr(library, name, None) is not None:
                start = getattr(library, name)
                _patches.put(recorder, library, name, _beginning(recorder, library.Thread, start))
    elif invites():
        if getattr(library, "_fork_exec", None) is not None:
            fork = _inviting(recorder, library._fork_exec, _ENVIRONMENT, _invited)
            _patches.put(recorder, library, "_fork_exec", fork)
        spawn = getattr(library.Popen, "_posix_spawn", None)
        if spawn is not None:
            spawn = _inviting(recorder, spawn, _SPAWNS_WITH, _mapped)
            _patches.put(recorder, library.Popen, "_posix_spawn", spawn)


def end(recorder: Recorder) -> None:
    """Stop listening."""
    _patches.end(recorder)


def forked(recorder: Recorder) -> None:
    """A forked child listens as its parent did."""


def _attempt(recorder: Recorder) -> Activity | None:
    """The attempt that goes on in this thread."""
    activity: Activity | None = current(recorder)
    while activity is not None and not activity.executes:
        activity = activity.enclosing
    return activity


# -- threads


def _beginning(recorder: Recorder, kind: Any, start: Any) -> Any:
    def begin_and_note(function: Any, *rest: Any, **named: Any) -> Any:
        if process.recorder is recorder:
            try:
                attempt = _attempt(recorder)
                if attempt is not None and _is_users(kind, function, sys._getframe(2)):
                    function = _within(attempt, function)
            except Exception:
                recorder.failed()
        try:
            return start(function, *rest, **named)
        except BaseException as error:
            hide_frame(error)
            raise

    return begin_and_note


def _is_users(kind: Any, function: Any, asks: FrameType) -> bool:
    """Whether `function` runs a thread of the program's; `asks` calls `Thread.start`."""
    if type(function) is not MethodType or not isinstance(function.__self__, kind):
        return False
    thread = function.__self__
    return is_users(thread.__dict__.get("_target") or type(thread).run) or asked_by_user(asks)


def _within(attempt: Activity, function: Any) -> Any:
    """What runs `function` in the attempt, with no frame of ours."""
    # Since Python 3.14 a thread has its context itself; before, each began with an empty one.
    own = getattr(function.__self__, "_context", None)
    context = Context() if own is None else own
    if context.get(current_activity) is None:
        context.run(current_activity.set, attempt)
    return partial(context.run, function) if own is None else function


# -- programs


def _inviting(recorder: Recorder, start: Any, place: int, invited: Callable[..., Any]) -> Any:
    """What starts a program as `start` does, by the attempt that goes on.

    Args:
        recorder: of the run.
        start: takes the environment as its argument at `place`.
        place: counted from 0.
        invited: gives the environment that names the attempt.
    """

    def start_and_invite(*arguments: Any) -> Any:
        if process.recorder is recorder:
            try:
                attempt = _attempt(recorder)
                if attempt is not None:
                    changed = invited(recorder, attempt, arguments[place])
                    arguments = (*arguments[:place], changed, *arguments[place + 1 :])
            except Exception:
                recorder.failed()
        try:
            return start(*arguments)
        except BaseException as error:
            hide_frame(error)
            raise

    return start_and_invite


def _mapped(recorder: Recorder, attempt: Activity, given: Any) -> Any:
    """A mapping that a program gets as its environment, or None, where that names the attempt."""
    told = None if given is None else [os.fsencode(one) + b"=" + os.fsencode(given[one]) for one in given]
    changed = _invited(recorder, attempt, told)
    return given if changed is told else dict(one.split(b"=", 1) for one in changed if b"=" in one)


def _invited(recorder: Recorder, attempt: Activity, given: Any) -> Any:
    """The variables that a program gets, None for those of this process, where they name the attempt."""
    environment = _environment() if given is None else given
    name = iri_of(recorder, attempt.identifier)
    run = f"{_INVITES.decode()}{recorder.uuid} ".encode()
    within = os.fsencode(name.removeprefix(recorder.prefix))
    if type(environment) is not list or not name.startswith(recorder.prefix) or b" " in within:
        return given
    changed = [_renamed(one, within) if one.startswith(run) else one for one in environment]
    return given if changed == environment else changed


def _renamed(variable: bytes, within: bytes) -> bytes:
    """An invitation, whose third word is the activity that a program is started by."""
    words = variable.split(b" ")
    return b" ".join([*words[:2], within, *words[3:]])


def _environment() -> list[bytes] | None:
    """The environment that a program inherits; `os.environ` has not what libraries in C put there."""
    import ctypes

    pointer = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found: list[bytes] = []
    while pointer and (one := pointer[len(found)]) is not None:
        found.append(one)
    return found or None
