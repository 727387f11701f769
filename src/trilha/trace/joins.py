"""Where a trace is joined to the rest of a run: objects that are entities, and futures of tasks.

What a function of the program gave in a thread of a pool is in the future that its caller has, or in what the
call gave that handed the task over (`pool.map`): it comes out of these by whatever way they are asked. What a
task gives in another process is in `trilha.trace.elsewhere`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.evaluations import How, Known, Opened, Passed, Role, Source
from trilha.trace.heap import Thing, Value, number_of, thing_of
from trilha.trace.machine import Machine
from trilha.trace.waiting import Call

__all__ = ["Joins"]

_RESULT: Final = "result "
"""What the keys of results in futures begin with."""
_MOST_CALLS: Final = 8
"""Where it is not known which of several calls a thread's function is of, it may be any of so many."""


class Joins(Machine):
    """What the run's record tells of the objects of a trace; a part of `trilha.trace.replay.Replay`."""

    def note_joined(self, what: int) -> None:
        """What joins the trace to the rest of the run; also objects told of ahead of their places."""
        if what == words.MEETS:
            token = self._log.number() + words.FIRST_TOKEN
            self._introduced[token] = self._log.number(), self._log.number()
            return
        told = self._known, self._handing, self._handed, self._begins, self._gives, self._passes
        told[what]()

    def _known(self) -> None:
        """The run's record knows an object, by an entity of its own."""
        again = bool(self._log.number())
        place, path, entity = self.during()
        thing = thing_of(self._reference(0))
        if thing is not None:
            self.happens(path, place, Known(0, thing.number, entity, again))

    def _handed(self) -> None:
        """A task was handed over: what the call gives that did has its result, too."""
        place, path, _ = self.during()
        future = thing_of(self._reference(0))
        if future is not None:
            self.happens(path, place, future)

    def _handing(self) -> None:
        """A task is about to be handed over, by the call that a part of the text is making."""
        task = self._log.number()
        place, path, activity = self.during()
        if activity:
            self.happens(path, place, Known(0, 0, activity, False))
            self.sends(activity, task)
        self.begun_by(task, self.part_at(path, place))

    def begun_by(self, task: int, part: int) -> None:
        """A task, or several, are handed over by the call that a part of the text is making."""
        call = self.lane_of(self._thread).call
        if call is not None and call.at == part:
            self._tasks[task] = call
        else:
            self._handing_at.setdefault((self._thread, part), []).append(task)

    def call_begins(self, at: int, call: Call) -> None:
        """A call is about to be made by a part of the text: it may hand over tasks."""
        call.at = at
        if self._handing_at:
            for task in self._handing_at.pop((self.lane.number, at), ()):
                self._tasks[task] = call
                self.call_known(task)

    def sends(self, activity: str, task: int) -> None:
        """A task of the run's record is about to be handed over."""
        raise NotImplementedError

    def call_known(self, task: int) -> None:
        """The call that hands over a task is known now."""
        raise NotImplementedError

    def during(self) -> tuple[tuple[int, int, int, int], str, str]:
        """The place of the text that was being evaluated, its path, and a text."""
        number = self._log.number
        place = number(), number(), number(), number()
        path, _, text = self._log.text().decode("utf-8", "surrogatepass").partition("\0")
        return place, path, text

    def happened(self, event: Opened | Known | Passed | Thing, number: int, thing: Thing | None) -> None:
        """State what happened while a part of the text was evaluated, which gave `thing`."""
        if isinstance(event, Thing):
            if thing is not None and thing is not event:
                self._pass_on(event, thing)
            return
        super().happened(event, number, thing)
        if isinstance(event, Known):
            later = event.again and event.entity and event.thing in self._told_changed
            # The record takes notice later of what was told when it happened.
            event = event._replace(evaluation=number, again=event.again and not later)
            self._sink(event)
            if event.again:
                self.change(number, Thing(event.thing), How.PUT, None)
                if not event.entity:
                    self._told_changed.add(event.thing)

    # -- results of tasks

    def _begins(self) -> None:
        """A task begins in this thread."""
        self._giving(self._log.number())

    def _gives(self) -> None:
        """A future got what was given in this thread since its task began."""
        future = thing_of(self._reference(0))
        if future is not None:
            self._giving(future)

    def _giving(self, what: Thing | int) -> None:
        lane = self.lane_of(self._thread)
        lane.giving.append(what)
        self.settle_giving(lane)

    def gives_function(self, place: int, call: Call) -> None:
        """A call is given a function of the program, which a thread may call on its own account."""
        known = self._given_to.setdefault(place, [])
        if len(known) <= _MOST_CALLS:
            known.append(call)

    def task_calls(self, place: int) -> tuple[Call, ...]:
        """The calls by one of which a thread got the function that it calls on its own account."""
        known = self._tasks.get(self.lane.task)
        if known is not None:
            return (known,)
        if self.lane.executing:
            return ()  # Another process knows.
        calls = self._given_to.get(place, [])
        if len(calls) > _MOST_CALLS:
            self.gap(place, "where the arguments of this function come from in a thread is not known")
            return ()
        return tuple(calls)

    def results_given(self, calls: Sequence[Call]) -> tuple[Source, ...]:
        """What tasks gave whose futures these calls were given: tasks get results where futures were passed.

        They may have come after the call, but before the task began.
        """
        waiting = [thing_of(value) for call in calls for _, value in call.arguments]
        things = [inner for one in waiting if one is not None for inner in (one, *_within(one))]
        return tuple(Source(number, Role.VALUE) for one in things for number in _results(one))

    def gave(self, lane: Any, result: Value) -> None:
        """A function gave something that nothing of the program had called in this thread."""
        if number_of(result):
            lane.gave.append(number_of(result))
        self._give(lane)

    def settle_giving(self, lane: Any) -> None:
        """A function that a thread called is over: what was told meanwhile holds now."""
        if lane.giving and not lane.depth:
            self._give(lane)

    def _give(self, lane: Any) -> None:
        """Put what functions of a thread gave into the futures that got it."""
        waiting, lane.giving = lane.giving, []
        for future in waiting:
            if type(future) is int:
                lane.gave.clear()
                self._tasks.pop(lane.task, None)
                lane.task = future
                continue
            for number in lane.gave:
                self.put_result(future, number)

    def _passes(self) -> None:
        """What a future gets, another one gets from it."""
        future, other = thing_of(self._reference(0)), thing_of(self._reference(0))
        if future is not None and other is not None:
            self._pass_on(future, other)

    def _pass_on(self, future: Thing, other: Thing) -> None:
        """What a future has got, and will get, is in another thing, too."""
        future.over = ("handed", other)
        for member in future.parts.values():
            self.put_result(other, number_of(member))

    def put_result(self, holder: Thing, number: int) -> None:
        """Put what a function gave into a future, and into what has its results."""
        key = f"{_RESULT}{number}"
        while key not in holder.parts:
            holder.parts[key] = number
            self.change(number, holder, How.PUT, None, number)
            if type(holder.over) is not tuple or holder.over[0] != "handed":
                return
            holder = holder.over[1]


def _within(thing: Thing) -> list[Thing]:
    """The things in a list or tuple, whose members may be futures."""
    held = map(thing_of, thing.members() or ())
    return [one for one in held if one is not None]


def _results(future: Thing) -> list[int]:
    """What functions gave into a future."""
    return [number_of(one) for key, one in future.parts.items() if key.startswith(_RESULT)]
