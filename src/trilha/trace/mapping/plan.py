"""What is known of a trace before any of it is stated: who is a collection, and which evaluations matter.

An evaluation that only decides whether something else happens is no entity (a condition: section 4 of the
paper's mapping); a value that nobody reads is none either, nor is a builtin that is only called.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trilha.trace.evaluations import Change, Component, Evaluation, Event, How, Kind, Role, Source

__all__ = ["Plan", "same_source"]

_LAZY = (Kind.LITERAL, Kind.CONSTANT, Kind.NAME)
_SAID_ANYWAY = (Kind.ASSIGN, Kind.PART, Kind.ACCESS, Kind.CALL, Kind.RETURN, Kind.DEFINITION)


def same_source(evaluation: Evaluation) -> Source | None:
    """The source whose very value an evaluation is; None if it made a value."""
    for source in evaluation.sources:
        if source.same and source.role is not Role.KEY:  # (A dict has the very key; it is not the value.)
            return source
    return None


class Plan:
    """A look at all of a trace.

    Args:
        events: what happened.
        components: of the text, by number.

    Attributes:
        evaluations: by number.
        identity: of the value of each evaluation: what is shared is shared by those with the same one.
        needed: evaluations whose value something that is stated reads.
        stated: evaluations that are stated.
        items: keys of members that nobody made in the script (of a range), by identity of the collection.
        group: for a definition that stands within another one, the outermost.
        last_use: place in the events at which an evaluation is read last.
        merged: for the ACCESS of a loop, the ASSIGN of its name, which is one with it.
        putting: evaluations that put something into a collection.
    """

    def __init__(self, events: Sequence[Event], components: dict[int, Component]) -> None:
        self.evaluations = {event.number: event for event in events if isinstance(event, Evaluation)}
        self._components = components
        self.identity: dict[int, int] = {}
        self.items: dict[int, dict[str, None]] = {}
        self.group: dict[int, int] = {}
        self.last_use: dict[int, int] = {}
        self.merged: dict[int, int] = {}
        self.needed: set[int] = set()
        self.stated: set[int] = set()
        self.putting = {
            event.by for event in events if isinstance(event, Change) and event.how in (How.PUT, How.INSERT)
        }
        self._identify(events)
        self._choose(events)
        self._note_items(events)

    def kind(self, evaluation: Evaluation) -> Kind:
        """The kind of an evaluation."""
        return self._components[evaluation.component].kind

    def _identify(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Evaluation):
                same = same_source(event)
                known = self.identity.get(same.evaluation, 0) if same else 0
                self.identity[event.number] = event.thing or known or -event.number

    def _choose(self, events: Sequence[Event]) -> None:
        """From the end, so that who reads is known before what is read."""
        for at in range(len(events) - 1, -1, -1):
            event = events[at]
            if isinstance(event, Change):
                if event.member is not None:
                    self._need(event.member, at)
            elif isinstance(event, Evaluation):
                kind = self.kind(event)
                if kind not in _SAID_ANYWAY and event.number not in self.needed:
                    continue
                self.stated.add(event.number)
                for source in event.sources:
                    self._use(source, at)
                self._join(event, kind)

    def _use(self, source: Source, at: int) -> None:
        number = source.evaluation
        if source.role is Role.CONTROL:
            return
        if source.role is Role.GUARD:
            for one in self.guarding(number):
                self._need(one, at)
            return
        known = self.evaluations.get(number)
        if source.role is Role.FUNCTION and known is not None and self.kind(known) is Kind.NAME:
            return
        self._need(number, at)

    def _need(self, number: int, at: int) -> None:
        self.needed.add(number)
        self.last_use.setdefault(number, at)

    def guarding(self, number: int) -> list[int]:
        """What a condition looked at: the evaluation itself, or the operands of its comparisons."""
        evaluation = self.evaluations.get(number)
        if evaluation is None:
            return []
        if self.kind(evaluation) is not Kind.OPERATION or number in self.stated:
            return [number]
        return [
            one
            for source in evaluation.sources
            for one in (self.guarding(source.evaluation) if source.role is not Role.FUNCTION else [])
        ]

    def _join(self, event: Evaluation, kind: Kind) -> None:
        """Nested definitions are one with the outermost, and the name of a loop with its access."""
        if kind is Kind.DEFINITION:
            outer = self.group.get(event.number, event.number)
            for source in event.sources:
                inner = self.evaluations.get(source.evaluation)
                if source.role is Role.MEMBER and inner is not None and self.kind(inner) is Kind.DEFINITION:
                    self.group[inner.number] = outer
        same = same_source(event)
        if kind is Kind.ASSIGN and same is not None:
            read = self.evaluations.get(same.evaluation)
            if (
                read is not None
                and self.kind(read) is Kind.ACCESS
                and any(source.role is Role.ITERABLE for source in read.sources)
                and read.number not in self.merged
                and same.role is Role.VALUE
            ):
                self.merged[read.number] = event.number

    def _note_items(self, events: Iterable[Event]) -> None:
        """Members of what a call gave that are met only when they are read."""
        creators: dict[int, Kind] = {}
        for event in events:
            if isinstance(event, Change):
                if event.member is None and event.key is not None and event.how == "put":
                    self._item(event.thing, event.key)
                continue
            if not isinstance(event, Evaluation):
                continue
            kind = self.kind(event)
            creators.setdefault(self.identity[event.number], kind)
            if kind is not Kind.ACCESS or event.name is None or event.name.startswith("."):
                continue
            if any(source.role in (Role.ELEMENT, Role.MEMBER) for source in event.sources):
                continue
            for source in event.sources:
                if source.role in (Role.COLLECTION, Role.ITERABLE):
                    held = self.identity.get(source.evaluation, 0)
                    if creators.get(held) is Kind.CALL and ":" not in event.name:
                        self._item(held, event.name)

    def _item(self, held: int, key: str) -> None:
        self.items.setdefault(held, {})[key] = None
