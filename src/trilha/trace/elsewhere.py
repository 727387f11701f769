"""Tasks that another process executes, as both sides tell of them: with what they pass, by their IRIs.

In the process that handed one over, what arrives is an evaluation of the call once more, and is in the future
that got it; a call that waited for it may give it. Where it is executed, its function's parameters and what
that gave are noted (`Passed`); `trilha.trace.across` goes from one to the other.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from trilha.trace import log as words
from trilha.trace.evaluations import Evaluation, Kind, Known, Opened, Passed, Passing, Role, Source
from trilha.trace.heap import Thing, Value, number_of, thing_of
from trilha.trace.joins import Joins

__all__ = ["Elsewhere"]

_PROMISES: Final = 11
"""What a record tells by which a call gives what stands for a task's result."""
_MESSAGES: Final = {12: Passing.GAVE, 13: Passing.ARRIVED}
"""Likewise, by which a call sends a message, or gives what came in one."""
_NAMED: Final = 14
"""Likewise, which says what a message that was sent is called by whoever gets it."""


class _Sent(NamedTuple):
    """What was handed over by one call.

    Attributes:
        number: that stands for it.
        activation: in which the call stands.
        thread: that made it.
        several: any number of tasks were.
    """

    number: int
    activation: int
    thread: int
    several: bool = False


class Elsewhere(Joins):
    """What the log tells of tasks that are executed in other processes than they were handed over in."""

    _sent: dict[str, _Sent]
    _holders: dict[int, _Sent]
    _early: dict[int, list[tuple[_Sent, str, Thing]]]

    def note_joined(self, what: int) -> None:
        """What joins the trace to the rest of the run, and to other processes."""
        if what == words.ARRIVES:
            self._arrives()
        elif what == words.EXECUTES:
            traced = self._log.number()
            task = self._log.text().decode("utf-8", "surrogatepass")
            self.lane_of(self._thread).told.append(task if traced else f"?{task}")
        elif what == words.EXECUTED:
            self.lane_of(self._thread).told.append("")
        elif what == words.CALLS:
            self._calls()
        elif what == _PROMISES:
            place, path, task = self.during()
            for passing in (Passing.HANDED, Passing.ARRIVED):
                event = self._thread, Passed(task, 0, passing)
                self._happened.setdefault(self.part_at(path, place), []).append(event)
        elif what in _MESSAGES:
            place, path, message = self.during()
            event = self._thread, Passed(message, 0, _MESSAGES[what])
            self._happened.setdefault(self.part_at(path, place), []).append(event)
        elif what == _NAMED:
            self._sink(Passed(self._log.text().decode("utf-8", "surrogatepass"), 0, Passing.NAMED))
        else:
            super().note_joined(what)

    # -- in the process that hands them over

    def sends(self, activity: str, task: int) -> None:
        """A task of the run's record is about to be handed over."""
        lane = self.lane_of(self._thread)
        self._sent[activity] = _Sent(task, lane.activation, lane.number)

    def _calls(self) -> None:
        """A call hands over tasks, whose results are all given to one thing."""
        task, lane = self._log.number(), self.lane_of(self._thread)
        place, path, _ = self.during()
        holder = thing_of(self._reference(0))
        if holder is not None:
            self._holders[holder.number] = _Sent(task, lane.activation, lane.number, several=True)
            self.begun_by(task, self.part_at(path, place))

    def _arrives(self) -> None:
        """A future got what its task gave."""
        task, _, attempt = self._log.text().decode("utf-8", "surrogatepass").partition("\0")
        future = thing_of(self._reference(0))
        if future is None:
            return
        sent = self._sent.pop(task, None) or self._holders.get(future.number)
        if sent is None:
            return
        self._early.setdefault(sent.number, []).append((sent, attempt or task, future))
        if sent.number in self._tasks:  # Else the shadow is not as far as the call.
            self.call_known(sent.number)

    def call_known(self, task: int) -> None:
        """The call that handed over a task is known: what arrived of it is in its future."""
        for sent, name, future in self._early.pop(task, ()):
            call = self._tasks[task] if sent.several else self._tasks.pop(task)
            if call.at not in self._met:
                self._meet(call.at, Kind.CALL)
            made = self._tick()
            sources = (Source(call.number, Role.VALUE),) if call.number else ()
            self._sink(Evaluation(made, call.at, sent.activation, sources))
            self._sink(Passed(name, made, Passing.ARRIVED))
            if sent.several:
                self._sink(Known(made, 0, name, again=False))
            if call.number:
                self._sink(Passed(name, call.number, Passing.HANDED))
            else:
                # It goes on, and may give what arrived.
                call.handed.append(made)
                event = Passed(name, 0, Passing.HANDED)
                self._happened.setdefault(call.at, []).append((sent.thread, event))
            self.put_result(future, made)

    def happened(self, event: Opened | Known | Passed | Thing, number: int, thing: Thing | None) -> None:
        """State what happened while a part of the text was evaluated, which gave `thing`."""
        if isinstance(event, Passed):
            self._sink(event._replace(evaluation=number))
        else:
            super().happened(event, number, thing)

    # -- in the process that executes them

    def settle_executed(self, lane: Any) -> None:
        """What was told of tasks of other processes in this thread holds now."""
        waiting, lane.told = lane.told, []
        for task in waiting:
            if not task and lane.executing[:1] != "?":
                for number in lane.gave or (0,):
                    self._sink(Passed(lane.executing, number, Passing.GAVE))
            lane.executing, lane.base = task, -1
            lane.gave.clear()

    def executes(self, lane: Any, above: int = 0) -> bool:
        """Whether the function that runs next (`above` is 1: that runs) is one that a task calls."""
        if lane.executing and lane.base < 0:
            lane.base = lane.depth
        return bool(lane.executing) and lane.depth == lane.base + above

    def given(self, lane: Any, parameters: list[Value]) -> None:
        """State what the function of a task is called with."""
        for value in parameters if lane.executing[:1] != "?" else ():
            self._sink(Passed(lane.executing, number_of(value), Passing.GIVEN))
