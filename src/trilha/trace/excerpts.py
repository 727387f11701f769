"""A slice as the events of a trace of its own, to be stated as PROV like a whole one."""

from __future__ import annotations

from collections.abc import Iterator

from trilha.trace.evaluations import Component, Event
from trilha.trace.slicing import Slice

__all__ = ["excerpt"]


def excerpt(told: Slice) -> tuple[list[Event], dict[int, Component]]:
    """The events of a slice, in their order, and the parts of the text that they are of.

    An evaluation keeps the sources that belong to the slice; of the changes those remain that one of its
    evaluations made, with a member that belongs to it or without one.
    """
    traced = told.traced
    events = [event for number in told.evaluations for event in _events(told, number)]
    numbers = {traced.component_number(number) for number in told.evaluations}
    return events, {number: traced.components[number] for number in numbers}


def _events(told: Slice, number: int) -> Iterator[Event]:
    one = told.traced.evaluation(number)
    yield one._replace(sources=tuple(source for source in one.sources if source.evaluation in told))
    for change in told.traced.changes_by(number):
        if change.member is None or change.member in told:
            yield change
