"""Slices: what a value came from, and what came of it.

A backward slice follows the sources of evaluations (dynamic slicing: Korel and Laski, "Dynamic program
slicing", 1988). An access leads to the element that it gave, not to the other members of its collection. What
decided (the guards), and which collection and key an element was found by, are followed on request.
"""

from __future__ import annotations

from collections.abc import Iterable
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


class Slice(NamedTuple):
    """Evaluations that belong to an answer.

    Attributes:
        traced: the trace.
        start: the evaluations that were asked about.
        evaluations: all that belong to it, the start included, in the order in which they happened.
        links: between them.
    """

    traced: Traced
    start: tuple[int, ...]
    evaluations: list[int]
    links: list[Link]

    def lines(self) -> dict[tuple[str, int], int]:
        """How many evaluations of the slice each line has, by file and number; in the text's order."""
        found: dict[tuple[str, int], int] = {}
        for number in self.evaluations:
            component = self.traced.component(number)
            place = component.file, component.line
            found[place] = found.get(place, 0) + 1
        return dict(sorted(found.items()))

    def inputs(self) -> list[int]:
        """The evaluations of it that came from nothing traced: literals, builtins, results of libraries."""
        behind = {link.evaluation for link in self.links}
        return [number for number in self.evaluations if number not in behind]


def backward(traced: Traced, start: Iterable[int], *, places: bool = False, guards: bool = False) -> Slice:
    """What values came from.

    Args:
        traced: the trace.
        start: evaluations of the values.
        places: follow the collection and the key by which an element was found, too.
        guards: follow the conditions under which an evaluation took place, too.
    """
    begin = tuple(start)
    seen, waiting = set(begin), list(begin)
    links = []
    while waiting:
        number = waiting.pop()
        for source, role in _followed(traced, number, places=places, guards=guards):
            between = _links(traced, number, source, role)
            links += between
            seen.update(link.evaluation for link in between)
            if source not in seen:
                seen.add(source)
                waiting.append(source)
    return Slice(traced, begin, sorted(seen), links)


def _followed(traced: Traced, number: int, *, places: bool, guards: bool) -> list[tuple[int, Role]]:
    """The sources of an evaluation that a slice goes along."""
    sources = traced.sources(number)
    # Where it is not known which element it was, it may be any: the collection is the source.
    found = any(role is Role.ELEMENT for _, role in sources)
    placed = not places and (found or traced.component(number).kind is Kind.PART)
    return [
        (source, role)
        for source, role in sources
        if (guards or role is not Role.GUARD) and not (placed and role in _PLACES)
    ]


def _links(traced: Traced, number: int, source: int, role: Role) -> list[Link]:
    """From an evaluation to its source; by the call that put it there, of which no more is followed."""
    put = _put(traced, number, source) if role is Role.ELEMENT else None
    if put is None:
        return [Link(number, source, role)]
    return [Link(number, put, role), Link(put, source, Role.ARGUMENT)]


def _put(traced: Traced, access: int, member: int) -> int | None:
    """The call that put the member that an access gave into its collection; None for no call."""
    for source, role in traced.sources(access):
        if role in (Role.COLLECTION, Role.ITERABLE) and (thing := traced.thing(source)):
            by = traced.put_by(thing, member, access)
            return by if by != member else None
    return None


def forward(traced: Traced, start: Iterable[int], *, places: bool = False, guards: bool = False) -> Slice:
    """What came of values: the evaluations that have one of them in their backward slice.

    Args:
        traced: the trace.
        start: evaluations of the values.
        places: what was found by them as a collection or a key, too.
        guards: what they decided about, too.
    """
    begin = tuple(start)
    seen = set(begin)
    links = []
    first = min(begin, default=0)
    for number in traced:
        if number <= first:
            continue
        if not any(source in seen for source, _ in traced.sources(number)):
            continue
        for source, role in _followed(traced, number, places=places, guards=guards):
            if source not in seen:
                continue
            between = _links(traced, number, source, role)
            links += between
            seen.update(link.evaluation for link in between)
    return Slice(traced, begin, sorted(seen), links)
