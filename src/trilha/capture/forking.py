"""Python's warning of a fork beside other threads, where the only other threads are ours.

Python 3.12 and newer warn whoever forks while the process has several threads. Ours end before a fork, but
one that waits for the disk, or that the kernel still counts, may be there for longer than a fork should wait.
A program without other threads would then see a warning that it does not see without us: for that fork it is
left out. Where the program has threads of its own, it gets its warning.

Source: CPython, `warn_about_fork_with_threads` in Modules/posixmodule.c.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection
from typing import Any, Final

from trilha.capture.interrupts import pass_on

__all__ = ["hush", "speak"]

_TASKS: Final = "/proc/self/task"
_WARNING: Final = re.compile(r"This process \(pid=\d+\) is multi-threaded, use of \w+\(\)")
_hushed: Final[list[tuple[list[Any], Any]]] = []
"""The lists of filters that the warning was put into, and what was put there."""


def hush(threads: Collection[int]) -> None:
    """Leave out the warning, if the process is about to fork and has no more threads but these.

    Args:
        threads: of ours that may still be there, as the kernel numbers them.
    """
    speak()
    if not threads or sys.version_info < (3, 12):
        return
    try:
        there = {int(one) for one in os.listdir(_TASKS)}
    except OSError:
        pass_on()
        return
    if not there & set(threads) or len(there - set(threads)) > 1:
        return
    filters: list[Any] = sys.modules["warnings"].filters
    # Without a word to `warnings`, which would forget what it has shown once already.
    one = ("ignore", _WARNING, DeprecationWarning, None, 0)
    filters.insert(0, one)
    _hushed.append((filters, one))


def speak() -> None:
    """Have the warning shown again."""
    while _hushed:
        filters, one = _hushed.pop()
        for place, other in enumerate(filters):
            if other is one:
                del filters[place]
                break
