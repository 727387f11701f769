"""What joins a trace to the rest of a run: which object is which entity, and where a task's result goes.

The run's record tells of models, loaders, frames and tasks; the trace tells of lines and variables. An object
that both know is logged with the IRI of its entity when it gets one, and again when it has changed and is
another one. What a function gave in a thread of a pool is logged as what its future has; a task that another
process executes is known by its IRI in the logs of both.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.script.identities import FIRST_TOKEN, JOINED
from trilha.capture.siblings import iri_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trilha.capture.recorder import Recorder
    from trilha.capture.script.trail import Trail

__all__ = ["Join", "join"]

KNOWN, HANDING, HANDED, BEGINS, GIVES, PASSES, ARRIVES, EXECUTES, EXECUTED, CALLS = range(10)
"""What a record of this kind tells."""
PROMISES, SENDS, RECEIVES, NAMED = range(11, 15)
"""The same."""
_MESSAGE: Final = "message:"
"""What the names of messages begin with."""


def join(recorder: Recorder, trail: Trail) -> None:
    """Have a trace tell what the run's record knows of its objects, and which futures got results."""
    recorder.join = Join(recorder, trail)
    recorder.objects.told = trail.telling(recorder, recorder.join.known)
    for follow in recorder.following:
        follow()


class Join:
    """Tells a trace what happens beside it; none of it raises.

    Args:
        recorder: of the run.
        trail: the trace's log.

    Attributes:
        told: what workers that start anew are to know to trace, too; empty if they are not to.
    """

    def __init__(self, recorder: Recorder, trail: Trail) -> None:
        self._recorder, self._trail = recorder, trail
        self.told = ""
        self._numbers = itertools.count(1)
        self._handed: dict[int, tuple[Callable[[], Any], int]] = {}
        self._local = threading.local()
        self._said: set[tuple[str, int, str]] = set()

    def known(self, thing: Any, entity: int | str, again: bool | None) -> None:
        """An object is an entity from now on; `again`: it was another one before (None: nothing is told)."""
        if again is not None:
            self._tell(KNOWN, thing, entity, int(again))

    def changed(self, thing: Any) -> None:
        """What the program's text does now has changed an object."""
        self._tell(KNOWN, thing, None, 1)

    def handing(self, task: int | str | None, called: Any = None) -> int:
        """A task is about to be handed over; gives a number that stands for it.

        Args:
            task: its activity; None where it is not known.
            called: what will be called for it, and for no other, where that is known yet.
        """
        number = next(self._numbers)
        if called is not None:
            self._handed[id(called)] = _held(called), number
        self._tell(HANDING, None, task, number)
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
            self._handed[id(called)] = _held(called), number

    def handed(self, future: Any) -> None:
        """A task was handed over, and is to give its result to a future."""
        self._tell(HANDED, future, None)

    def begins(self, called: Any) -> None:
        """A task begins in this thread: `called` is about to be called for it."""
        held, number = self._handed.pop(id(called), (None, 0))
        # What was never called may have left its address to something else.
        self._put(BEGINS, number=number if held is not None and held() is called else 0)

    def gives(self, future: Any) -> None:
        """A future gets what the task of this thread gave."""
        self._put(GIVES, future)

    def passes(self, future: Any, other: Any) -> None:
        """What a future gets, another one gets from it."""
        self._put(PASSES, future, other)

    def calls(self, holder: Any) -> None:
        """The call that is evaluated hands over tasks, all of which give their results to one thing."""
        self._tell(CALLS, holder, None, next(self._numbers))

    def promises(self, task: int | str) -> None:
        """The call that is evaluated has handed a task over, and gives what stands for its result.

        So it is where that is nothing that a log can tell apart from other objects.
        """
        self._tell(PROMISES, None, task)

    def sends(self, message: str = "") -> int:
        """The call that is evaluated sends a message; gives its number, 0 if that call is not traced.

        Args:
            message: what whoever gets it will call it; empty if that will be known later.
        """
        number = next(self._numbers)
        return number if self._tell(SENDS, None, f"{_MESSAGE}{message or number}") else 0

    def named(self, sent: int, message: str) -> None:
        """The message of this number is called so by whoever gets it."""
        if self._trail.active:
            try:
                self._trail.text(JOINED, f"{_MESSAGE}{sent}\0{_MESSAGE}{message}", NAMED)
            except Exception:
                self._recorder.failed()

    def receives(self, message: str) -> None:
        """The call that is evaluated gives what came in a message."""
        self._tell(RECEIVES, None, f"{_MESSAGE}{message}")

    def unknown(self, why: str) -> None:
        """What is evaluated gives something of which no trace tells where it is from."""
        trail = self._trail
        if not trail.active:
            return
        try:
            path, place = trail.evaluated()
            if path and (path, place[0], why) not in self._said:
                self._said.add((path, place[0], why))
                trail.gap(path, place[0], why)
        except Exception:
            self._recorder.failed()

    def arrives(self, future: Any, task: int | str, attempt: int | str | None = None) -> None:
        """A future gets what its task gave in another process.

        Args:
            future: that gets it, or the holder of a call.
            task: its activity.
            attempt: as which the other process knows it, if not as the task.
        """
        trail = self._trail
        if not trail.active:
            return
        try:
            told = trail.reference(future)
            if told[0] >= FIRST_TOKEN:
                known = [iri_of(self._recorder, one) for one in (task, attempt) if one is not None]
                trail.text(JOINED, "\0".join(known), ARRIVES, behind=told)
        except Exception:
            self._recorder.failed()

    def follows(self, function: Any, arguments: Sequence[Any]) -> bool:
        """Have what a task calls be traced here; tells whether it is, as far as it is to be."""
        from trilha.capture.script import workers

        try:
            return workers.follow(function, arguments)
        except Exception:
            self._recorder.failed()
            return False

    def executes(self, task: str, *, traced: bool) -> None:
        """This thread begins to execute a task that another process handed over.

        Args:
            task: IRI of its activity.
            traced: what it calls is, or is no part of the program.
        """
        if self._trail.active:
            try:
                self._trail.text(JOINED, task, EXECUTES, int(traced))
            except Exception:
                self._recorder.failed()

    def executed(self) -> None:
        """This thread has executed it; the log is written out before anybody has the result."""
        if self._trail.active:
            try:
                self._trail.put(JOINED, EXECUTED)
                self._trail.flush()
            except Exception:
                self._recorder.failed()

    def _put(self, kind: int, *things: Any, number: int | None = None) -> None:
        """Log a record of objects alone, if they can all be told, or of a number."""
        trail = self._trail
        if not trail.active:
            return
        try:
            told = [trail.reference(one) for one in things] if number is None else [(number,)]
            if number is not None or all(one[0] >= FIRST_TOKEN for one in told):
                trail.put(JOINED, kind, *itertools.chain.from_iterable(told))
        except Exception:
            self._recorder.failed()

    def _tell(self, kind: int, thing: Any, known: int | str | None, *numbers: int) -> bool:
        """Log something of an object, by what the record knows it, and what part of the text is evaluated.

        Tells whether it was logged: no part may be, or the object may be one that a log cannot tell apart.
        """
        trail = self._trail
        if not trail.active:
            return False
        try:
            path, place = trail.evaluated()
            told = trail.reference(thing) if path and thing is not None else ()
            if path and (thing is None or told[0] >= FIRST_TOKEN):
                iri = "" if known is None else iri_of(self._recorder, known)
                trail.text(JOINED, f"{path}\0{iri}", kind, *numbers, *place, behind=told)
                return True
        except Exception:
            self._recorder.failed()
        return False


def _held(called: Any) -> Callable[[], Any]:
    """A function that gives what is called, for as long as it is to be."""
    try:
        return weakref.ref(called)
    except TypeError:
        return lambda: called
