"""The mappings to plain PROV and to PROV-Dictionary: a change makes a new entity of every name that sees it.

Entities are immutable there, so that a change of a collection makes a new entity for each live name of it,
and for each name of every collection that contains it, transitively; one without a name gets one entity.
A name lives until it is bound anew, or its activation is over and nothing reads it any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trilha.prov import PROV, Name
from trilha.prov.versioned.terms import SCRIPT
from trilha.trace.evaluations import Change, Ended, Evaluation, How, Kind, Source
from trilha.trace.mapping.plan import same_source
from trilha.trace.mapping.stating import Stating

__all__ = ["Dictionary", "Plain"]


class Plain(Stating):
    """States a trace as plain PROV."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.members: dict[int, dict[str, Name]] = {}
        self._inner: dict[int, dict[str, int]] = {}
        self._containers: dict[int, set[int]] = {}
        self._live: dict[int, dict[str, tuple[Name, int, int]]] = {}
        self._names_of: dict[int, dict[tuple[int, str], None]] = {}
        self._latest: dict[int, Name] = {}

    # -- collections -----------------------------------------------------------------------------------------

    def defined(self, event: Evaluation, entity: Name, members: list[tuple[str | None, int]]) -> None:
        """A dummy for each member that is no collection, all of one activity, and the membership."""
        identity = self.plan.identity[event.number]
        self.members[identity], self._inner[identity] = {}, {}
        self._latest[identity] = entity
        written = self.components[event.component].kind is Kind.DEFINITION
        activity = self.definition_activity(event) if written else None
        for at, (key, number) in enumerate(members):
            known = self.entity(number)
            if known is None:
                continue
            inner = self.plan.identity.get(number, 0)
            if activity is not None and inner not in self.members:
                known = self._dummy(number, known, activity)
            self._hold(identity, str(at) if key is None else key, known, inner)
        if activity is not None:
            self.generate(entity, activity, specific=True)
        self.recreate(entity, identity)

    def _dummy(self, number: int, known: Name, activity: Name) -> Name:
        event = self.plan.evaluations[number]
        attributes = {"prov:type": SCRIPT["item"], SCRIPT["line"]: self.components[event.component].line}
        if event.value is not None:
            attributes["prov:value"] = event.value
        dummy = self.state_entity("item", attributes, specific=True)
        self.derive(dummy, known, activity, specific=True)
        return dummy

    def given(self, identity: int, entity: Name, keys: list[str]) -> None:
        """The membership of the items."""
        self._latest[identity] = entity
        self.members[identity] = {key: self.items[identity, key] for key in keys}
        self._inner[identity] = {}
        self.recreate(entity, identity)

    def _hold(self, identity: int, key: str, member: Name, inner: int) -> None:
        self.members[identity][key] = member
        if inner in self.members:
            self._inner[identity][key] = inner
            self._containers.setdefault(inner, set()).add(identity)
        else:
            self._inner[identity].pop(key, None)

    def current(self, identity: int) -> dict[str, Name]:
        """The members of a collection as they are now."""
        members, inner = self.members[identity], self._inner[identity]
        if not inner:
            return dict(members)
        return {key: self._as_it_is(member, inner.get(key)) for key, member in members.items()}

    def _as_it_is(self, member: Name, inner: int | None) -> Name:
        """A member; of one that is a collection itself, the latest version."""
        return member if inner is None else self._latest.get(inner, member)

    def recreate(self, entity: Name, identity: int) -> None:
        """State all members of an entity."""
        for member in dict.fromkeys(self.current(identity).values()):
            self.member(entity, member)

    def referred(self, event: Evaluation, entity: Name) -> None:
        """All members again."""
        identity = self.plan.identity[event.number]
        if identity in self.members:
            self.recreate(entity, identity)

    def met(self, event: Evaluation, entity: Name) -> None:
        """All members again, if it was there before; what is changed in place has them after the change."""
        if self.components[event.component].kind is not Kind.OPERATION:
            self.referred(event, entity)

    def element(self, event: Evaluation, source: Source | None, held: int) -> Name | None:
        """The member as it is now: a dummy, where a definition made one."""
        if held in self.members and event.name is not None:
            found = self.members[held].get(event.name)
            if found is not None:
                return self._as_it_is(found, self._inner[held].get(event.name))
        return super().element(event, source, held)

    # -- names -----------------------------------------------------------------------------------------------

    def bound(self, event: Evaluation, entity: Name) -> None:
        """The name is this entity's from now on."""
        identity = self.plan.identity[event.number]
        name = str(event.name)
        self._forget(event.activation, name)
        self._live.setdefault(event.activation, {})[name] = entity, identity, event.number
        self._names_of.setdefault(identity, {})[event.activation, name] = None

    def _forget(self, activation: int, name: str) -> None:
        gone = self._live.get(activation, {}).pop(name, None)
        if gone is not None:
            self._names_of[gone[1]].pop((activation, name), None)

    def ended(self, event: Ended) -> None:
        """Names that nothing reads any more are gone."""
        if event.activation == 0:
            return
        for name, (_, _, number) in list(self._live.get(event.activation, {}).items()):
            if self.plan.last_use.get(number, 0) <= self.at:
                self._forget(event.activation, name)

    # -- changes ---------------------------------------------------------------------------------------------

    def changed(self, changes: list[Change]) -> None:
        """New entities for the collection and for all that contain it, of all of their names."""
        identity = changes[0].thing
        by = self.plan.evaluations.get(changes[0].by)
        activity = None if by is None else self.activities.get(by.number)
        if by is None or activity is None:
            return
        self.members.setdefault(identity, {})
        self._inner.setdefault(identity, {})
        before = {one: self.known_before(one) for one in self._affected(identity)}
        causes = self._apply(identity, changes, by, activity)
        for one, members in before.items():
            self._renew(one, members, causes, activity)

    def _affected(self, identity: int) -> list[int]:
        """A collection, and all that contain it, from the inside."""
        found, known = [identity], {identity}
        for one in found:
            for outer in sorted(self._containers.get(one, ())):
                if outer not in known and one in self._inner.get(outer, {}).values():
                    found.append(outer)
                    known.add(outer)
        return found

    def _apply(self, identity: int, changes: list[Change], by: Evaluation, activity: Name) -> list[Name]:
        """Change the members that are kept; the entities that the change came from."""
        held = self.members[identity]
        causes: list[Name] = []
        for change in changes:
            member = None if change.member is None else self.entity(change.member)
            if member is None and change.how in (How.PUT, How.INSERT):
                member = self.state_entity("item", {"prov:type": SCRIPT["item"]})
                self.generate(member, activity)
            key = change.key
            if key is None and change.how is How.PUT:
                self._displace(identity, change.checkpoint)
                key = f"#{change.checkpoint}"
            if change.how is How.CLEAR:
                held.clear()
                self._inner[identity].clear()
            elif change.how is How.DELETE:
                held.pop(str(key), None)
                self._inner[identity].pop(str(key), None)
            else:
                if change.how is not How.PUT:
                    self._shift(identity, int(str(key)), change.how)
                if member is not None:
                    inner = self.plan.identity.get(change.member or 0, 0)
                    self._hold(identity, str(key), member, inner)
            cause = self._cause(change, by, member)
            if cause is not None and cause not in causes:
                causes.append(cause)
        return causes

    def _displace(self, identity: int, checkpoint: int) -> None:
        """Under which keys the members are that were put before is not known any more."""
        for kept in (self.members[identity], self._inner[identity]):
            old: dict[str, Any] = dict(kept)
            kept.clear()
            for key, value in old.items():
                kept[key if key.startswith("#") else f"#{checkpoint}.{key}"] = value

    def _cause(self, change: Change, by: Evaluation, member: Name | None) -> Name | None:
        """What a new member came from: of a part assignment, the value that was assigned."""
        if change.member == by.number and (same := same_source(by)) is not None:
            return self.entity(same.evaluation)
        return member if change.member is not None else None

    def _shift(self, identity: int, at: int, how: How) -> None:
        for kept in (self.members[identity], self._inner[identity]):
            old: dict[str, Any] = dict(kept)
            kept.clear()
            for key, value in old.items():
                place = int(key) if key.lstrip("-").isdecimal() else -1
                if how is How.REMOVE and place == at:
                    continue
                move = 0 if place < at else (1 if how is How.INSERT else -1)
                kept[str(place + move) if place >= 0 else key] = value

    def _renew(self, identity: int, before: dict[str, Name], causes: list[Name], activity: Name) -> None:
        """New entities for the live names of a collection; one for a collection without a name."""
        names = list(self._names_of.get(identity, ()))
        old = [self._live[activation][name][0] for activation, name in names]
        if not names:
            latest = self._latest.get(identity)
            old = [] if latest is None else [latest]
        made = [self._version(one, identity, before, causes, activity) for one in old]
        for (activation, name), entity in zip(names, made, strict=False):
            number = self._live[activation][name][2]
            self._live[activation][name] = entity, identity, number
            self.entities[number] = entity
        if made:
            self._latest[identity] = made[0]

    def _version(
        self, old: Name, identity: int, before: dict[str, Name], causes: Iterable[Name], activity: Name
    ) -> Name:
        word = old.rpartition(":")[2].rpartition(".")[0]
        attributes = {"prov:type": SCRIPT["list"], SCRIPT["line"]: self._line or None}
        entity = self.state_entity(word, attributes, specific=True)
        self.remember(entity, old, identity, before)
        for cause in [old, *causes]:
            self.derive(entity, cause, activity, specific=True)
        return entity

    def known_before(self, identity: int) -> dict[str, Name]:  # noqa: ARG002
        """The members of a collection that is about to change, if `remember` asks for them."""
        return {}

    def remember(self, entity: Name, old: Name, identity: int, before: dict[str, Name]) -> None:  # noqa: ARG002
        """State the members of a new version."""
        self.recreate(entity, identity)


class Dictionary(Plain):
    """States a trace as PROV-Dictionary (the W3C note of 2013)."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._empty: Name | None = None

    def _nothing(self) -> Name:
        if self._empty is None:
            self._empty = self.state_entity("empty", {"prov:type": PROV["EmptyDictionary"]}, specific=True)
        return self._empty

    def recreate(self, entity: Name, identity: int) -> None:
        """One insertion of all members into the empty dictionary."""
        self.document.derived_by_insertion_from(entity, self._nothing(), self.current(identity))
        self.note(specific=True)

    def known_before(self, identity: int) -> dict[str, Name]:
        """The members."""
        return self.current(identity)

    def remember(self, entity: Name, old: Name, identity: int, before: dict[str, Name]) -> None:
        """What was put in or taken out, in one statement; all anew where both happened."""
        now = self.current(identity)
        put = {key: member for key, member in now.items() if before.get(key) != member}
        gone = [key for key in before if key not in now]
        if gone and put:
            self.recreate(entity, identity)
        elif gone:
            self.document.derived_by_removal_from(entity, old, gone)
            self.note(specific=True)
        else:
            self.document.derived_by_insertion_from(entity, old, put)
            self.note(specific=True)
