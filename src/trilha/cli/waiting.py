"""Telling a user, on the standard error, what takes long, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from trilha.query.wording import visible

__all__ = ["waiting"]

_PATIENCE: Final = 2.0
"""Seconds before anything is said."""
_BETWEEN: Final = 0.5
"""Seconds between two numbers on a terminal."""


@contextmanager
def waiting(what: str) -> Iterator[Callable[[float], None]]:
    """Something that may take long.

    Args:
        what: is done, in words.

    Yields:
        Takes how much of it is done, from 0 to 1. On a terminal that is told again and again, in a file what
        is done is told once; nothing is told of what is soon over.
    """
    next_time, said = time.monotonic() + _PATIENCE, False

    def told(share: float) -> None:
        nonlocal next_time, said
        now = time.monotonic()
        if now < next_time:
            return
        if sys.stderr.isatty():
            sys.stderr.write(f"\rtrilha: {visible(what, 200)}: {share:.0%} ")
            next_time = now + _BETWEEN
        else:
            sys.stderr.write(f"trilha: {visible(what, 200)}\n")
            next_time = float("inf")
        sys.stderr.flush()
        said = True

    try:
        yield told
    finally:
        if said and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
