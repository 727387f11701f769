"""Files that a parallel engine opens for itself: its logs, scripts for a queue, the keys of its connections.

They are no data of the program, though code of its process opens them. An engine's integration says which
code that is; whoever asks for a file then looks who asked for it.
"""

from __future__ import annotations

import functools
import os
import sys
from types import FrameType
from typing import Final, NamedTuple

from trilha.capture.places import installed

__all__ = ["Opener", "opened_by_engine", "openers"]

_TRILHA: Final = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")


class Opener(NamedTuple):
    """The code of an engine that opens files for itself.

    Attributes:
        code: what the paths of its modules begin with.
        users: likewise, of those among them that open the files of the user's tasks.
        helpers: likewise, of modules of other packages that open files for whoever calls them.
    """

    code: tuple[str, ...]
    users: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()


openers: Final[dict[Opener, None]] = {}
"""Of the engines that were imported."""


def opened_by_engine() -> bool:
    """Whether it is an engine, for itself, that opens a file in the calling thread.

    That is so if the code of the engine does, or has the standard library or a helper of its own do it. What
    any other package opens, or an import, is not taken for the engine's: its tasks may have asked for it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False
        for opener in openers:
            if name.startswith(opener.code):
                return not name.startswith(opener.users)
        if not _opens_for_callers(name):
            return False
        frame = frame.f_back
    return False


def _opens_for_callers(name: str) -> bool:
    """Whether code of the file `name` is the standard library's, our own, or an engine's helper's."""
    if name.startswith((_TRILHA, "<frozen")) or any(name.startswith(one.helpers) for one in openers):
        return True
    interpreter, packages = _installed()
    return name.startswith(interpreter) and not name.startswith(packages)


@functools.cache
def _installed() -> tuple[tuple[str, ...], tuple[str, ...]]:
    return installed()
