"""What this process records into, asked by what a program or a library calls.

Apart from `context`, which all that records stands on: to join a run takes all of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trilha.capture.context import process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["active"]


def active() -> Recorder | None:
    """The active recorder, or None. A process that was invited to a run joins it at the first question."""
    if process.recorder is None and process.invited:
        process.invited = False
        from trilha.capture import session

        session.join()
    return process.recorder
