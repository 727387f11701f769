"""What joins a trace to the rest of a run: which object is which entity, and where a task's result goes.

The run's record tells of models, loaders, frames and tasks; the trace tells of lines and variables. An object
that both know is logged with the IRI of its entity when it gets one, and again when it has changed and is
another one. What a function gave in a thread of a pool is logged as what its future has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trilha.capture.script.trail import ATOM, FIRST_TOKEN, GIVEN, HANDED, KNOWN
from trilha.capture.siblings import iri_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.script.trail import Trail

__all__ = ["Join", "join"]


def join(recorder: Recorder, trail: Trail) -> None:
    """Have a trace tell what the run's record knows of its objects, and which futures got results."""
    recorder.join = Join(recorder, trail)
    recorder.objects.told = recorder.join.known
    for follow in recorder.following:
        follow()


class Join:
    """Tells a trace what happens beside it; none of it raises.

    Args:
        recorder: of the run.
        trail: the trace's log.
    """

    def __init__(self, recorder: Recorder, trail: Trail) -> None:
        self._recorder, self._trail = recorder, trail

    def known(self, thing: Any, entity: int | str, again: bool) -> None:
        """An object is an entity from now on; `again`: it was another one before."""
        self._tell(KNOWN, thing, iri_of(self._recorder, entity), int(again))

    def changed(self, thing: Any) -> None:
        """What the program's text does now has changed an object."""
        self._tell(KNOWN, thing, "", 1)

    def handed(self, future: Any) -> None:
        """A task was handed over, and is to give its result to a future."""
        self._tell(HANDED, future, "")

    def begins(self) -> None:
        """A task begins in this thread."""
        if self._trail.active:
            self._trail.put(GIVEN, ATOM)

    def gives(self, future: Any) -> None:
        """A future gets what the task of this thread gave."""
        trail = self._trail
        if not trail.active:
            return
        try:
            token, *told = trail.reference(future)
            if token >= FIRST_TOKEN:
                trail.put(GIVEN, token, *told)
        except Exception:
            self._recorder.failed()

    def _tell(self, kind: int, thing: Any, text: str, *numbers: int) -> None:
        """Log something of an object, and which part of the text is being evaluated."""
        trail = self._trail
        if not trail.active:
            return
        try:
            path, place = trail.evaluated()
            token, *told = trail.reference(thing) if path else (ATOM,)
            if token >= FIRST_TOKEN:
                trail.text(kind, f"{path}\0{text}", *numbers, *place)
                trail.put(token, *told)
        except Exception:
            self._recorder.failed()
