"""The statements that a document or a bundle can make: one method for each kind (PROV-DM section 5).

Names are given as `Name`, as ``"ex:e1"`` with a declared prefix, or as the statement that carries them; an
optional argument left out is None, and `PLACEHOLDER` where PROV-N would write ``-``. Attributes are a
mapping, in which a list, tuple or set gives several values, or an iterable of pairs; a key is a name, and a
plain ``str`` as value is text: a qualified name is given as `Name`, as in ``{"prov:type": PROV["Plan"]}``.
Every method appends its statement, returns it, and raises `UsageError` for a prefix that is not declared, and
for a time or value that is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.namespaces import Name, Namespaces
from trilha.prov.record import (
    Activity,
    Agent,
    Alternate,
    Association,
    Attribution,
    Communication,
    Delegation,
    Derivation,
    End,
    Entity,
    Generation,
    Influence,
    Invalidation,
    Membership,
    Mention,
    Record,
    Specialization,
    Start,
    Usage,
)
from trilha.prov.terms import PLACEHOLDER, Kind, Placeholder
from trilha.prov.values import time as _aware
from trilha.prov.values import value as _value

__all__ = ["Attributes", "Named", "Statements"]

Attributes = Mapping[str, Any] | Iterable[tuple[str, Any]] | None
"""Attributes as a caller gives them."""
Named = str | Record
"""What names something: a `Name`, ``"ex:e1"``, or a statement that has an identifier."""
Optional = Named | Placeholder | None
"""The same where it may be left out (None) or written as nothing (`PLACEHOLDER`)."""
When = datetime | str | Placeholder | None
"""A time: best an aware `datetime`; else text as in XML Schema."""

_ENTITY = Kind.ENTITY
_ACTIVITY = Kind.ACTIVITY
_AGENT = Kind.AGENT
_GENERATION = Kind.GENERATION
_USAGE = Kind.USAGE
_COMMUNICATION = Kind.COMMUNICATION
_START = Kind.START
_END = Kind.END
_INVALIDATION = Kind.INVALIDATION
_DERIVATION = Kind.DERIVATION
_ATTRIBUTION = Kind.ATTRIBUTION
_ASSOCIATION = Kind.ASSOCIATION
_DELEGATION = Kind.DELEGATION
_INFLUENCE = Kind.INFLUENCE
_SPECIALIZATION = Kind.SPECIALIZATION
_ALTERNATE = Kind.ALTERNATE
_MENTION = Kind.MENTION
_MEMBERSHIP = Kind.MEMBERSHIP

_PLAIN: Final = frozenset({bool, int, float, str, Name})
_SEVERAL: Final = frozenset({list, tuple, set, frozenset})

new: Any = tuple.__new__


def _time(given: datetime | str | Placeholder) -> datetime | str | Placeholder:
    if isinstance(given, datetime) and given.__class__ is datetime and given.tzinfo is UTC:
        return given
    return given if given is PLACEHOLDER else _aware(given)


class Statements:
    """A list of statements, and the methods that add to it.

    Attributes:
        records: the statements, in order. To be read; `add` and the methods of the kinds append to it.
        namespaces: the prefixes that names are resolved by.
    """

    __slots__ = ("_names", "namespaces", "records")

    def __init__(self, namespaces: Namespaces) -> None:
        self.records: list[Record] = []
        self.namespaces = namespaces
        self._names: Any = namespaces.names

    def add(self, record: Record) -> Record:
        """Add a statement that is there already, as it is."""
        self.records.append(record)
        return record

    def _flat(self, attributes: Any) -> tuple[Any, ...]:
        """Attributes in the form in which a record keeps them."""
        names = self._names
        mapping = attributes.__class__ is dict or isinstance(attributes, Mapping)
        pairs = attributes.items() if mapping else attributes
        flat: list[Any] = []
        for key, given in pairs:
            name = key if key.__class__ is Name else names[key]
            kind = given.__class__
            if kind in _PLAIN:
                flat += (name, given)
            elif kind in _SEVERAL:
                for one in given:
                    flat += (name, _value(one))
            elif given is None:
                raise UsageError(f"the attribute {key} has no value: leave it out, or give one")
            else:
                flat += (name, _value(given))
        return tuple(flat)

    def entity(self, id: str, attributes: Attributes = None) -> Entity:
        """State an entity (PROV-DM section 5.1.1)."""
        names = self._names
        record: Entity = new(
            Entity,
            (
                _ENTITY,
                id if id.__class__ is Name else names[id],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def activity(
        self, id: str, start: When = None, end: When = None, attributes: Attributes = None
    ) -> Activity:
        """State an activity, with the times of its start and end (5.1.2)."""
        names = self._names
        record: Activity = new(
            Activity,
            (
                _ACTIVITY,
                id if id.__class__ is Name else names[id],
                None if start is None else _time(start),
                None if end is None else _time(end),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def agent(self, id: str, attributes: Attributes = None) -> Agent:
        """State an agent (5.3.1)."""
        names = self._names
        record: Agent = new(
            Agent,
            (_AGENT, id if id.__class__ is Name else names[id], self._flat(attributes) if attributes else ()),
        )
        self.records.append(record)
        return record

    def was_generated_by(
        self,
        entity: Named,
        activity: Optional = None,
        time: When = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Generation:
        """State that `activity` made `entity` at `time` (5.1.3)."""
        names = self._names
        record: Generation = new(
            Generation,
            (
                _GENERATION,
                id if id is None or id.__class__ is Name else names[id],
                entity if entity.__class__ is Name else names[entity],
                activity if activity is None or activity.__class__ is Name else names[activity],
                None if time is None else _time(time),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def used(
        self,
        activity: Named,
        entity: Optional = None,
        time: When = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Usage:
        """State that `activity` began to use `entity` at `time` (5.1.4)."""
        names = self._names
        record: Usage = new(
            Usage,
            (
                _USAGE,
                id if id is None or id.__class__ is Name else names[id],
                activity if activity.__class__ is Name else names[activity],
                entity if entity is None or entity.__class__ is Name else names[entity],
                None if time is None else _time(time),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_informed_by(
        self, informed: Named, informant: Named, attributes: Attributes = None, *, id: str | None = None
    ) -> Communication:
        """State that the activity `informed` used something that the activity `informant` made (5.1.5)."""
        names = self._names
        record: Communication = new(
            Communication,
            (
                _COMMUNICATION,
                id if id is None or id.__class__ is Name else names[id],
                informed if informed.__class__ is Name else names[informed],
                informant if informant.__class__ is Name else names[informant],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_started_by(
        self,
        activity: Named,
        trigger: Optional = None,
        starter: Optional = None,
        time: When = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Start:
        """State that the entity `trigger`, made by the activity `starter`, began `activity` (5.1.6)."""
        names = self._names
        record: Start = new(
            Start,
            (
                _START,
                id if id is None or id.__class__ is Name else names[id],
                activity if activity.__class__ is Name else names[activity],
                trigger if trigger is None or trigger.__class__ is Name else names[trigger],
                starter if starter is None or starter.__class__ is Name else names[starter],
                None if time is None else _time(time),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_ended_by(
        self,
        activity: Named,
        trigger: Optional = None,
        ender: Optional = None,
        time: When = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> End:
        """State that the entity `trigger`, made by the activity `ender`, ended `activity` (5.1.7)."""
        names = self._names
        record: End = new(
            End,
            (
                _END,
                id if id is None or id.__class__ is Name else names[id],
                activity if activity.__class__ is Name else names[activity],
                trigger if trigger is None or trigger.__class__ is Name else names[trigger],
                ender if ender is None or ender.__class__ is Name else names[ender],
                None if time is None else _time(time),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_invalidated_by(
        self,
        entity: Named,
        activity: Optional = None,
        time: When = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Invalidation:
        """State that `entity` ceased to be available, by `activity`, at `time` (5.1.8)."""
        names = self._names
        record: Invalidation = new(
            Invalidation,
            (
                _INVALIDATION,
                id if id is None or id.__class__ is Name else names[id],
                entity if entity.__class__ is Name else names[entity],
                activity if activity is None or activity.__class__ is Name else names[activity],
                None if time is None else _time(time),
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_derived_from(
        self,
        generated: Named,
        used: Named,
        activity: Optional = None,
        generation: Optional = None,
        usage: Optional = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Derivation:
        """State that `generated` came out of `used` (5.2.1), in `activity`."""
        names = self._names
        record: Derivation = new(
            Derivation,
            (
                _DERIVATION,
                id if id is None or id.__class__ is Name else names[id],
                generated if generated.__class__ is Name else names[generated],
                used if used.__class__ is Name else names[used],
                activity if activity is None or activity.__class__ is Name else names[activity],
                generation if generation is None or generation.__class__ is Name else names[generation],
                usage if usage is None or usage.__class__ is Name else names[usage],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_attributed_to(
        self, entity: Named, agent: Named, attributes: Attributes = None, *, id: str | None = None
    ) -> Attribution:
        """State that `entity` is ascribed to `agent` (5.3.2)."""
        names = self._names
        record: Attribution = new(
            Attribution,
            (
                _ATTRIBUTION,
                id if id is None or id.__class__ is Name else names[id],
                entity if entity.__class__ is Name else names[entity],
                agent if agent.__class__ is Name else names[agent],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_associated_with(
        self,
        activity: Named,
        agent: Optional = None,
        plan: Optional = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Association:
        """State that `agent` was responsible for `activity`, by the entity `plan` (5.3.3)."""
        names = self._names
        record: Association = new(
            Association,
            (
                _ASSOCIATION,
                id if id is None or id.__class__ is Name else names[id],
                activity if activity.__class__ is Name else names[activity],
                agent if agent is None or agent.__class__ is Name else names[agent],
                plan if plan is None or plan.__class__ is Name else names[plan],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def acted_on_behalf_of(
        self,
        delegate: Named,
        responsible: Named,
        activity: Optional = None,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Delegation:
        """State that the agent `delegate` acted for the agent `responsible` in `activity` (5.3.4)."""
        names = self._names
        record: Delegation = new(
            Delegation,
            (
                _DELEGATION,
                id if id is None or id.__class__ is Name else names[id],
                delegate if delegate.__class__ is Name else names[delegate],
                responsible if responsible.__class__ is Name else names[responsible],
                activity if activity is None or activity.__class__ is Name else names[activity],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def was_influenced_by(
        self, influencee: Named, influencer: Named, attributes: Attributes = None, *, id: str | None = None
    ) -> Influence:
        """State an influence of a kind that is not said (5.3.5)."""
        names = self._names
        record: Influence = new(
            Influence,
            (
                _INFLUENCE,
                id if id is None or id.__class__ is Name else names[id],
                influencee if influencee.__class__ is Name else names[influencee],
                influencer if influencer.__class__ is Name else names[influencer],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def specialization_of(
        self, specific: Named, general: Named, attributes: Attributes = None, *, id: str | None = None
    ) -> Specialization:
        """State that `specific` shares all aspects of the more general entity `general` (5.5.1)."""
        names = self._names
        record: Specialization = new(
            Specialization,
            (
                _SPECIALIZATION,
                id if id is None or id.__class__ is Name else names[id],
                specific if specific.__class__ is Name else names[specific],
                general if general.__class__ is Name else names[general],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def alternate_of(
        self, alternate1: Named, alternate2: Named, attributes: Attributes = None, *, id: str | None = None
    ) -> Alternate:
        """State that two entities are aspects of the same thing (5.5.2)."""
        names = self._names
        record: Alternate = new(
            Alternate,
            (
                _ALTERNATE,
                id if id is None or id.__class__ is Name else names[id],
                alternate1 if alternate1.__class__ is Name else names[alternate1],
                alternate2 if alternate2.__class__ is Name else names[alternate2],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def mention_of(
        self,
        specific: Named,
        general: Named,
        bundle: Named,
        attributes: Attributes = None,
        *,
        id: str | None = None,
    ) -> Mention:
        """State that `specific` is `general` as `bundle` describes it (PROV-LINKS section 3)."""
        names = self._names
        record: Mention = new(
            Mention,
            (
                _MENTION,
                id if id is None or id.__class__ is Name else names[id],
                specific if specific.__class__ is Name else names[specific],
                general if general.__class__ is Name else names[general],
                bundle if bundle.__class__ is Name else names[bundle],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record

    def had_member(
        self, collection: Named, entity: Named, attributes: Attributes = None, *, id: str | None = None
    ) -> Membership:
        """State that `entity` belongs to `collection` (5.6.2)."""
        names = self._names
        record: Membership = new(
            Membership,
            (
                _MEMBERSHIP,
                id if id is None or id.__class__ is Name else names[id],
                collection if collection.__class__ is Name else names[collection],
                entity if entity.__class__ is Name else names[entity],
                self._flat(attributes) if attributes else (),
            ),
        )
        self.records.append(record)
        return record
