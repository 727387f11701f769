"""A process that a recorded one started joins its run before the first line of its program.

`trilha.capture.joining` tells what it joins, and states it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from trilha.capture.aside import step_aside
from trilha.capture.context import process
from trilha.capture.interrupts import pass_on
from trilha.capture.joining import PLACE, TRACE, invites
from trilha.capture.nearby import NEEDED, beside
from trilha.capture.running import Program, is_worker, program

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.siblings import Siblings

__all__ = ["begin"]


def begin(before: frozenset[str]) -> None:
    """Join the run before the program begins; called when Python starts.

    Args:
        before: names of the modules that were imported before we were.
    """
    here = program()
    if not invites() or here.is_ours or here.is_service:
        process.invited = False
        return
    places = {here.place, os.environ.get(PLACE, "")} - {""}
    if any(beside(place, NEEDED) for place in places):
        return
    from trilha.capture import session
    from trilha.capture.siblings import Siblings

    if here.is_servant:
        _inherited.append(Siblings())
        os.register_at_fork(after_in_child=_join_in_child)
    else:
        _trace(session.join(in_program=False), here)
    for place in places:
        step_aside(place, before)


_inherited: list[Siblings] = []
"""Of a server that forks workers."""


def _join_in_child() -> None:
    from trilha.capture import session

    try:
        if process.recorder is None and process.invited:
            recorder = session.join(in_program=False)
            if recorder is not None and _inherited:
                recorder.siblings = _inherited[0]
            _trace(recorder, program())
    except Exception:
        pass_on()
        process.invited = False


def _trace(recorder: Recorder | None, here: Program) -> None:
    """Have what a worker is handed be traced, if the run is; it is recorded even if that fails."""
    if recorder is None or TRACE not in os.environ:
        return
    if is_worker() or here.is_pool:
        from trilha.capture.script import workers

        try:
            workers.begin(recorder)
        except Exception:
            recorder.failed()
