"""When a file that is being written was last seen not to be whole.

Python tells of a file that is opened, not of one that is closed, and a file system's clock is behind by a
tick of some milliseconds. A script that puts the small files of a folder together reads all of them within
one tick: by the time of its last change alone the result would have been there before its inputs. So each
time that a file is read, those that are being written are looked at: what changed later was not whole then.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.capture.digests import stamp
from trilha.capture.places import status_of

if TYPE_CHECKING:
    from trilha.capture.filed import Writing

__all__ = ["Unfinished"]

_MOST: Final = 4
"""So many are looked at, the last that were opened."""


class _Look(NamedTuple):
    """How a file that is being written was.

    Attributes:
        state: when it was last looked at; None if it was not there.
        since: when it was last looked at and was in another state, or else was opened.
        at: when it was last looked at.
    """

    state: tuple[int, ...] | None
    since: int
    at: int


class Unfinished:
    """The files that are being written, by their real paths; times in nanoseconds since 1970-01-01 UTC."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}

    def look(self, writing: Mapping[str, Writing], now: int) -> None:
        """Another file is read: see how those are that are being `writing`."""
        for real, one in islice(reversed(writing.items()), _MOST):  # type: ignore[call-overload]
            status = status_of(real)
            state = stamp(status) if status is not None else None
            known = self._looks.get(real)
            if known is None or known.at < one.at:
                known = _Look(one.before[:-1] if one.before else None, one.at, one.at)
            self._looks[real] = _Look(state, known.since if state == known.state else known.at, now)

    def until(self, real: str, status: os.stat_result) -> int:
        """Up to when the file at `real`, which is whole now and is forgotten, was not; 0 if nobody looked."""
        known = self._looks.pop(real, None)
        return 0 if known is None else known.since if known.state == stamp(status) else known.at

    def renamed(self, source: str, target: str) -> None:
        """A file is called otherwise."""
        if source in self._looks:
            self._looks[target] = self._looks.pop(source)

    def clear(self) -> None:
        """Forget all."""
        self._looks.clear()
