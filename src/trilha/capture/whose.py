"""Whose code it is: the user's own, or that of the interpreter and of installed packages.

Libraries hand calls to executors for purposes of their own (asyncio looks up a host's name so). A call is the
user's if the function that is called is the user's, or if the code that asked for it is.
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from types import FrameType, FunctionType
from typing import Any, Final

from trilha.capture.places import installed
from trilha.capture.plans import code_of

__all__ = ["asked_by_user", "engines", "hands_on", "is_users", "is_users_file"]

_HANDS_ON: Final = frozenset(
    [
        *("submit", "map", "run_in_executor", "to_thread", "<listcomp>", "<genexpr>", "apply", "apply_async"),
        *("map_async", "starmap", "starmap_async", "_map_async", "imap", "imap_unordered"),
    ]
)
"""Functions of the standard library that hand on what they were asked for."""
engines: Final[set[Any]] = set()
"""Types of callables, and functions, that parallel engines hand to executors, where what they do is recorded
by the engine's integration: they are told apart at once, since there is one for each task."""
_theirs: dict[str, bool] = {}
_folders: list[tuple[str, ...]] = []


def is_users(function: Callable[..., Any]) -> bool:
    """Whether the code that a call of `function` runs in the end is the user's own."""
    if type(function) is FunctionType and not hasattr(function, "__wrapped__"):
        name = function.__code__.co_filename
        found = _theirs.get(name)
        return not found if found is not None else is_users_file(name)
    code = code_of(function)
    return code is not None and is_users_file(code.co_filename)


def asked_by_user(frame: FrameType | None) -> bool:
    """Whether the user's own code asked for what goes on in `frame`."""
    while frame is not None:
        code = frame.f_code
        if is_users_file(code.co_filename):
            return True
        if not hands_on(code.co_name):
            return False
        frame = frame.f_back
    return False


def hands_on(name: str) -> bool:
    """Whether a function of this name, which is not the user's, does what it was asked for by its caller."""
    return name in _HANDS_ON or name.endswith("_and_record")


def is_users_file(name: str) -> bool:
    """Whether code of the file `name` is the user's own."""
    found = _theirs.get(name)
    if found is None:
        if not _folders:
            _folders.extend(installed())
            # Programs that packages install (the worker pool of Parsl's, say).
            _folders.append((os.path.join(sysconfig.get_path("scripts"), ""),))
        found = name.startswith(("<frozen", "<__array_function__")) or any(map(name.startswith, _folders))
        _theirs[name] = found
    return not found
