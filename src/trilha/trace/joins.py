"""Where a trace is joined to the rest of a run: objects that are entities, and futures of tasks.

What a function of the program gave in a thread of a pool is in the future that its caller has, or in what the
call gave that handed the task over (`pool.map`): it comes out of these by whatever way they are asked.
"""

from __future__ import annotations

from typing import Any

from trilha.trace.evaluations import How, Known, Opened
from trilha.trace.heap import Thing, Value, number_of, thing_of
from trilha.trace.machine import Machine

__all__ = ["Joins"]


class Joins(Machine):
    """What the run's record tells of the objects of a trace; a part of `trilha.trace.replay.Replay`."""

    def note_known(self) -> None:
        """The run's record knows an object, by an entity of its own."""
        again = bool(self._log.number())
        place, path, entity = self._during()
        thing = thing_of(self._reference(0))
        if thing is not None:
            self.happens(path, place, Known(0, thing.number, entity, again))

    def note_handed(self) -> None:
        """A task was handed over: what the call gives that did has its result, too."""
        place, path, _ = self._during()
        future = thing_of(self._reference(0))
        if future is not None:
            self.happens(path, place, future)

    def _during(self) -> tuple[tuple[int, int, int, int], str, str]:
        """The place of the text that was being evaluated, its path, and a text."""
        number = self._log.number
        place = number(), number(), number(), number()
        path, _, text = self._log.text().decode("utf-8", "surrogatepass").partition("\0")
        return place, path, text

    def happened(self, event: Opened | Known | Thing, number: int, thing: Thing | None) -> None:
        """State what happened while a part of the text was evaluated, which gave `thing`."""
        if isinstance(event, Thing):
            if thing is not None and thing is not event:
                event.over = ("handed", thing)
                for member in event.parts.values():
                    self.change(number_of(member), thing, How.PUT, None, member)
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

    def note_given(self) -> None:
        """A future got what was given in this thread since its task began; or one begins."""
        future = thing_of(self._reference(0))
        lane = self._lanes.get(self._thread)
        if lane is not None:
            lane.giving.append(future)
            if not lane.depth:
                self._settle_giving(lane)

    def gave(self, lane: Any, result: Value) -> None:
        """A function is over that nothing of the program had called in this thread."""
        if number_of(result):
            lane.gave.append(number_of(result))
        self._settle_giving(lane)

    def _settle_giving(self, lane: Any) -> None:
        """Put what functions of a thread gave into the futures that got it."""
        waiting, lane.giving = lane.giving, []
        for future in waiting:
            if future is None:
                lane.gave.clear()
            for number in lane.gave:
                holders = [future]
                if type(future.over) is tuple and future.over[0] == "handed":
                    holders.append(future.over[1])
                future.parts[f"result {number}"] = number
                for holder in holders:
                    self.change(number, holder, How.PUT, None, number)
