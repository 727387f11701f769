"""Slices: what a value came from, and what came of it.

A backward slice follows the sources of evaluations (dynamic slicing: Korel and Laski, "Dynamic program
slicing", 1988). An access leads to the element that it gave, not to the other members of its collection. What
decided (the guards), and which collection and key an element was found by, are followed on request.

An evaluation's sources come before it. So a slice is found in one go through a byte for each evaluation, from
the last one down or from the first one up; how long that takes is a matter of what belongs to the slice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trilha.trace.evaluations import Kind, Role
from trilha.trace.traced import Traced

__all__ = ["Link", "Slice", "backward", "forward"]

_PLACES = frozenset((Role.COLLECTION, Role.KEY, Role.ITERABLE))
"""How an element was found; not what it is made of."""


class Link(NamedTuple):
    """An evaluation and one that it came from."""

    evaluation: int
    source: int
    role: Role


class Slice:
    """Evaluations that belong to an answer.

    Attributes:
        traced: the trace.
        start: the evaluations that were asked about.
        evaluations: all that belong to it, the start included, in the order in which they happened.
    """

    def __init__(self, traced: Traced, start: tuple[int, ...], *, places: bool, guards: bool) -> None:
        self.traced = traced
        self.start = start
        self.evaluations = array("I")
        self._places, self._guards = places, guards
        self._marks = bytearray(traced.end)
        self._puts: set[int] = set()
        for number in start:
            self._marks[number] = 1

    @property
    def links(self) -> Iterator[Link]:
        """The links between them."""
        for number in self.evaluations:
            if number not in self._puts:
                for source, role in self._followed(number):
                    if self._marks[source]:
                        yield from self._links(number, source, role)

    def lines(self) -> dict[tuple[str, int], int]:
        """How many evaluations of the slice each line has, by file and number; in the text's order."""
        found: dict[tuple[str, int], int] = {}
        for number, count in Counter(map(self.traced.component_number, self.evaluations)).items():
            component = self.traced.components[number]
            place = component.file, component.line
            found[place] = found.get(place, 0) + count
        return dict(sorted(found.items()))

    def inputs(self) -> list[int]:
        """The evaluations of it that came from nothing traced: literals, builtins, results of libraries."""
        behind = bytearray(len(self._marks))
        for link in self.links:
            behind[link.evaluation] = 1
        return [number for number in self.evaluations if not behind[number]]

    def _go_back(self) -> None:
        """Add all that the start came from."""
        marks, puts = self._marks, self._puts
        at = len(marks)
        while (at := marks.rfind(1, 0, at)) >= 0:
            self.evaluations.append(at)
            if at in puts:
                continue
            for source, role in self._followed(at):
                if not marks[source]:
                    marks[source] = 1
                elif source in puts:
                    puts.discard(source)
                if role is Role.ELEMENT:
                    self._add_put(at, source)
        self.evaluations.reverse()

    def _go_forward(self) -> None:
        """Add all that came of the start."""
        marks, traced, last = self._marks, self.traced, 0
        for place, source in traced.sources_after(min(self.start, default=traced.end)):
            if not marks[source]:
                continue
            number = traced.owner(place)
            if number == last:
                continue
            last = number
            for one, role in self._followed(number):
                if marks[one]:
                    marks[number] = 1
                    self._puts.discard(number)
                    if role is Role.ELEMENT:
                        self._add_put(number, one)
        self.evaluations.extend(number for number, mark in enumerate(marks) if mark)

    def _followed(self, number: int) -> list[tuple[int, Role]]:
        """The sources of an evaluation that a slice goes along."""
        sources = self.traced.sources(number)
        # Where it is not known which element it was, it may be any: the collection is the source.
        found = any(role is Role.ELEMENT for _, role in sources)
        placed = not self._places and (found or self.traced.component(number).kind is Kind.PART)
        return [
            (source, role)
            for source, role in sources
            if (self._guards or role is not Role.GUARD) and not (placed and role in _PLACES)
        ]

    def _add_put(self, access: int, member: int) -> None:
        """The call that put the member that an access gave into its collection; no more of it is followed."""
        put = self._put(access, member)
        if put is not None and not self._marks[put]:
            self._marks[put] = 1
            self._puts.add(put)

    def _links(self, number: int, source: int, role: Role) -> Iterator[Link]:
        """From an evaluation to its source; by the call that put it there, if one did."""
        put = self._put(number, source) if role is Role.ELEMENT else None
        if put is None:
            yield Link(number, source, role)
        else:
            yield Link(number, put, role)
            yield Link(put, source, Role.ARGUMENT)

    def _put(self, access: int, member: int) -> int | None:
        for source, role in self.traced.sources(access):
            if role in (Role.COLLECTION, Role.ITERABLE) and (thing := self.traced.thing(source)):
                return self.traced.put_by(thing, member, access)
        return None


def backward(traced: Traced, start: Iterable[int], *, places: bool = False, guards: bool = False) -> Slice:
    """What values came from.

    Args:
        traced: the trace.
        start: evaluations of the values.
        places: follow the collection and the key by which an element was found, too.
        guards: follow the conditions under which an evaluation took place, too.
    """
    found = Slice(traced, tuple(start), places=places, guards=guards)
    found._go_back()
    return found


def forward(traced: Traced, start: Iterable[int], *, places: bool = False, guards: bool = False) -> Slice:
    """What came of values: the evaluations that have one of them in their backward slice.

    Args:
        traced: the trace.
        start: evaluations of the values.
        places: what was found by them as a collection or a key, too.
        guards: what they decided about, too.
    """
    found = Slice(traced, tuple(start), places=places, guards=guards)
    found._go_forward()
    return found
