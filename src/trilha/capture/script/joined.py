"""What joins a trace to the rest of a run: which object is which entity, and where a task's result goes.

The run's record tells of models, loaders, frames and tasks; the trace tells of lines and variables. An object
that both know is logged with the IRI of its entity when it gets one, and again when it has changed and is
another one. What a function gave in a thread of a pool is logged as what its future has.
"""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

from trilha.capture.script.trail import FIRST_TOKEN, JOINED
from trilha.capture.siblings import iri_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.script.trail import Trail

__all__ = ["Join", "join"]

KNOWN, HANDING, HANDED, BEGINS, GIVES, PASSES = range(6)
"""What a record of this kind tells."""


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
        self._numbers = itertools.count(1)
        self._handed: dict[int, int] = {}
        self._local = threading.local()

    def known(self, thing: Any, entity: int | str, again: bool) -> None:
        """An object is an entity from now on; `again`: it was another one before."""
        self._tell(KNOWN, thing, iri_of(self._recorder, entity), int(again))

    def changed(self, thing: Any) -> None:
        """What the program's text does now has changed an object."""
        self._tell(KNOWN, thing, "", 1)

    def handing(self, task: int | str | None, called: Any = None) -> int:
        """A task is about to be handed over; gives a number that stands for it.

        Args:
            task: its activity; None where it is not known.
            called: what will be called for it, and for no other, where that is known yet.
        """
        number = next(self._numbers)
        if called is not None:
            self._handed[id(called)] = number
        self._tell(HANDING, None, "" if task is None else iri_of(self._recorder, task), number)
        return number

    def launching(self, number: int) -> int:
        """This thread launches the task of a number; gives the one that it launched before."""
        before: int = getattr(self._local, "launching", 0)
        self._local.launching = number
        return before

    def runs(self, called: Any) -> None:
        """What is called is for the task that this thread launches, and for no other."""
        number = getattr(self._local, "launching", 0)
        if number:
            self._handed[id(called)] = number

    def handed(self, future: Any) -> None:
        """A task was handed over, and is to give its result to a future."""
        self._tell(HANDED, future, "")

    def begins(self, called: Any) -> None:
        """A task begins in this thread: `called` is about to be called for it."""
        if self._trail.active:
            self._trail.put(JOINED, BEGINS, self._handed.pop(id(called), 0))

    def gives(self, future: Any) -> None:
        """A future gets what the task of this thread gave."""
        trail = self._trail
        if not trail.active:
            return
        try:
            token, *told = trail.reference(future)
            if token >= FIRST_TOKEN:
                trail.put(JOINED, GIVES, token, *told)
        except Exception:
            self._recorder.failed()

    def passes(self, future: Any, other: Any) -> None:
        """What a future gets, another one gets from it."""
        trail = self._trail
        if not trail.active:
            return
        try:
            first, second = trail.reference(future), trail.reference(other)
            if first[0] >= FIRST_TOKEN and second[0] >= FIRST_TOKEN:
                trail.put(JOINED, PASSES, *first, *second)
        except Exception:
            self._recorder.failed()

    def _tell(self, kind: int, thing: Any, text: str, *numbers: int) -> None:
        """Log something of an object, and which part of the text is being evaluated."""
        trail = self._trail
        if not trail.active:
            return
        try:
            path, place = trail.evaluated()
            told = trail.reference(thing) if path and thing is not None else ()
            if path and (thing is None or told[0] >= FIRST_TOKEN):
                trail.text(JOINED, f"{path}\0{text}", kind, *numbers, *place, behind=told)
        except Exception:
            self._recorder.failed()
