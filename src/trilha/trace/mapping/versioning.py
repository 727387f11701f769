"""The mapping to Versioned-PROV: a constant number of statements for each assignment and change."""

from __future__ import annotations

from typing import Any

from trilha.prov import Name
from trilha.prov.versioned.terms import (
    ACCESS,
    ADD,
    CHECKPOINT,
    COLLECTION,
    DEL,
    KEY,
    PUT,
    REFERENCE,
    SCRIPT,
    VOID,
)
from trilha.trace.evaluations import Change, Evaluation, How, Kind, Role, Source
from trilha.trace.mapping.plan import same_source
from trilha.trace.mapping.stating import Stating

__all__ = ["Versioned"]

_GIVEN = (Role.OPERAND, Role.ARGUMENT)
_TYPES = {How.PUT: PUT, How.DELETE: PUT, How.INSERT: ADD, How.REMOVE: DEL, How.CLEAR: DEL}


class Versioned(Stating):
    """States a trace as Versioned-PROV (the paper's section 3; `Add`, `Del` and `VoidEntity` as its site)."""

    versioned = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._roots: dict[int, Name] = {}
        self._void: Name | None = None

    def defined(self, event: Evaluation, entity: Name, members: list[tuple[str | None, int]]) -> None:
        """A Put for each member."""
        self._roots.setdefault(self.plan.identity[event.number], entity)
        for key, number in members:
            known = self.entity(number)
            if known is not None:
                self._put(entity, known, PUT, key)

    def given(self, identity: int, entity: Name, keys: list[str]) -> None:
        """A Put for each item."""
        self._roots.setdefault(identity, entity)
        for key in keys:
            self._put(entity, self.items[identity, key], PUT, key)

    def _put(self, root: Name, member: Name, type_: Name, key: str | None) -> None:
        attributes: dict[Any, Any] = {"prov:type": type_, CHECKPOINT: self.clock}
        if key is not None:
            attributes[KEY] = key
        self.member(root, member, attributes)

    def derivation(self, event: Evaluation, source: Source) -> dict[Any, Any]:
        """Reference and checkpoint; of an access, its collection, key and direction."""
        attributes: dict[Any, Any] = {CHECKPOINT: self.clock}
        if source.same or source is self._gave_back(event):
            attributes["prov:type"] = REFERENCE
        kind = self.components[event.component].kind
        if kind in (Kind.ACCESS, Kind.PART):
            held = next((s for s in event.sources if s.role in (Role.COLLECTION, Role.ITERABLE)), None)
            collection = None if held is None else self.entity(held.evaluation)
            if collection is not None:
                attributes[COLLECTION] = collection
                if event.name is not None:
                    attributes[KEY] = event.name
                attributes[ACCESS] = "w" if kind is Kind.PART else "r"
        return attributes

    def referred(self, event: Evaluation, entity: Name) -> None:
        """What the derivation says already; of an argument that a call gave itself, none says it."""
        self._roots.setdefault(self.plan.identity[event.number], entity)
        same = same_source(event)
        if same is not None and same.role is Role.ARGUMENT:
            self._refer(event, entity, self.entity(same.evaluation))

    def met(self, event: Evaluation, entity: Name) -> None:
        """A reference to what it is, where no operand is that."""
        root = self._roots.setdefault(self.plan.identity[event.number], entity)
        given = self._gave_back(event)
        if root != entity and (given is None or given.role is not Role.OPERAND):
            known = None if given is None else self.entity(given.evaluation)
            self._refer(event, entity, known or root)

    def _refer(self, event: Evaluation, entity: Name, used: Name | None) -> None:
        activity = self.activities.get(event.number)
        if activity is not None and used is not None:
            self.derive(entity, used, activity, {CHECKPOINT: self.clock, "prov:type": REFERENCE})

    def _gave_back(self, event: Evaluation) -> Source | None:
        """The first operand or argument that is itself what an operation or call gave."""
        kind = self.components[event.component].kind
        if not event.thing or kind not in (Kind.OPERATION, Kind.CALL) or same_source(event) is not None:
            return None
        for source in event.sources:
            if source.role in _GIVEN and self.plan.identity.get(source.evaluation) == event.thing:
                return source
        return None

    def guard(self, activity: Name, entity: Name | None) -> None:
        """Said even where a derivation says it too, as in the authors' documents."""
        if entity is not None:
            self.document.used(activity, entity)
            self.note()

    def changed(self, changes: list[Change]) -> None:
        """One membership for each change, of the root, and the usage of what a PART changed."""
        by = self.plan.evaluations.get(changes[0].by)
        root = self._roots.get(changes[0].thing)
        if by is None or (root is None and (root := self._first_of(changes[0].thing, by)) is None):
            return
        before = self.clock
        self.tick()
        for change in changes:
            member = None if change.member is None else self.entity(change.member)
            if change.how in (How.PUT, How.INSERT) and member is None:
                member = self._item(change, by)
            self._put(root, member or self._nothing(), _TYPES[change.how], change.key)
            if change is not changes[-1]:
                self.tick()
        activity = self.activities.get(by.number)
        held = next((source for source in by.sources if source.role is Role.COLLECTION), None)
        if activity is not None and held is not None and self.components[by.component].kind is Kind.PART:
            self.use(activity, self.entity(held.evaluation), before, specific=True)

    def _first_of(self, thing: int, by: Evaluation) -> Name | None:
        """What a collection is known by that nobody was seen to make."""
        for source in by.sources:
            if self.plan.identity.get(source.evaluation) == thing:
                found = self.entity(source.evaluation)
                if found is not None:
                    return self._roots.setdefault(thing, found)
        return None

    def _item(self, change: Change, by: Evaluation) -> Name:
        """A member that an untraced call put."""
        item = self.state_entity("item", {"prov:type": SCRIPT["item"]})
        activity = self.activities.get(by.number)
        if activity is not None:
            self.generate(item, activity)
        if change.key is not None:
            self.items[change.thing, change.key] = item
        return item

    def _nothing(self) -> Name:
        if self._void is None:
            self._void = self.state_entity("nothing", {"prov:type": VOID}, specific=True)
        return self._void
