"""How a log ends: as it was closed, or cut where the process was killed, left at once, or was still at work.

A closed log has all that was done; what no record tells of at its end (a condition that did not hold) follows
from that. Behind the end of a cut one nothing is known. Logs of before do not say which they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final

from trilha.capture.script.sites import LAST
from trilha.trace.evaluations import Component, Ended, Event, Gap
from trilha.trace.heap import Thing
from trilha.trace.keeping import Keeping
from trilha.trace.log import END, Log
from trilha.trace.waiting import Over

__all__ = ["Ending"]

_CUT: Final = (
    "the trace ends here: the process was killed, left at once, was still at work, or its journal could take"
    " no more; what it did from here on is not known"
)
_SHORT: Final = "the trace ends here, before the program does: what it did from here on is not known"


class Ending(Keeping):
    """Ends a replay, and says what is missing; a part of `trilha.trace.machine.Machine`.

    Args:
        log: what is replayed.
        sink: takes each event.
        components: takes the components as they are met.

    Attributes:
        ended: nothing more is stated.
        forked: the log goes on in a process that was forked.
        cut: there is no record any more, of a log that was not closed.
    """

    kind: int
    stop: int
    _lanes: dict[int, Any]
    _open: dict[int, str]
    _unbegun: dict[int, Any]
    lane: Any

    def __init__(
        self, log: Log, sink: Callable[[Event], object], components: Callable[[Component], object]
    ) -> None:
        super().__init__()
        self._log, self._sink, self._told = log, sink, components
        self.ended = self.forked = self.cut = False
        self._last = -1
        self._closes = self._closed = self._lost = False

    def note_closes(self) -> None:
        """The log tells that it will be closed, or that it is."""
        self._closes, self._closed = True, bool(self._log.number())

    def at_end(self) -> None:
        """There is no record any more."""
        last = self.site
        self.kind = self.site = END
        self.stop = -1
        if self._closes and not self._closed:
            self.cut, self._last = True, last

    def is_cut(self) -> bool:
        """Whether this thread may have done more than the log tells.

        What has executed a task of another process is through with it: a pool ends its workers by a signal.
        """
        return self.cut and "" not in self.lane.told

    def at_cut(self) -> Over:
        """Which way the program went, no record tells any more; gives what is to be raised."""
        return self.over(self._last)

    def over(self, at: int = -1) -> Over:
        """The log is at its end where more is waited for: what was followed is all there is.

        Args:
            at: the part of the text that waits.

        Returns:
            What is to be raised.
        """
        self.finish(at)
        return Over()

    def finish(self, at: int = -1) -> None:
        """State what is known at the end; from then on nothing is."""
        if self.ended:
            return
        self.ended = True
        self._say_end(at)
        for activation in list(self._open):
            self._sink(Ended(activation, self._tick(), "lost"))
        self._open.clear()
        for one in self._unbegun.values():
            self._never_begun(one)
        for lane in self._lanes.values():
            self.settle_executed(lane)
        for some in self._happened.values():
            for _, event in some:
                if not isinstance(event, Thing):
                    self._sink(event)
        # Shadows that are left now run what comes finally, which the program may not have.
        self._sink = self._told = _nowhere
        for lane in self._lanes.values():
            lane.turn.release()

    def _say_end(self, at: int) -> None:
        """State a gap where the log ends before the program does."""
        waits = bool(self._lanes[0].activation)
        if self._lost:
            return  # That was said.
        if self.cut:
            if not (self.forked and self._leaves(at)):
                self._state_end(at, _CUT)
        elif waits and not self.forked:
            # The first thread of a process that multiprocessing forked is in the call that forked it.
            self._state_end(at, _SHORT)

    def _state_end(self, at: int, why: str) -> None:
        path, line = self._place(at)
        self._sink(Gap(self.clock, self._tick(), path, line, why))

    def _leaves(self, at: int) -> bool:
        """Whether a part of the text is a call that ends the process at once, as forked ones do."""
        node = self._nodes.get(at)
        return isinstance(node, ast.Call) and ast.unparse(node.func) in LAST

    def lose(self, why: str) -> None:
        """State that log and shadow disagree."""
        path, line = self._place(self.site)
        text = f"the trace cannot be followed from here on: {why}"
        self._sink(Gap(self.clock, self._tick(), path, line, text))
        self._lost = True

    def settle_executed(self, lane: Any) -> None:
        """What was told of tasks of other processes in this thread holds now."""
        raise NotImplementedError

    def _place(self, place: int) -> tuple[str, int]:
        raise NotImplementedError


def _nowhere(_: object) -> None:
    """Where events go behind the end."""
