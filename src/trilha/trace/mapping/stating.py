"""What the three mappings of a trace have in common: an entity a value, an activity an evaluation.

A mapping is told of collections, references and changes by the methods that `Stating` leaves open. Statements
that the other mappings would not make are marked as specific, as figure 5 of the paper counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from trilha.prov import Document, Name, Namespace
from trilha.prov.versioned.terms import CHECKPOINT, SCRIPT, VERSION
from trilha.trace.evaluations import (
    Change,
    Component,
    Ended,
    Evaluation,
    Event,
    Gap,
    Kind,
    Role,
    Source,
)
from trilha.trace.mapping.plan import Plan, same_source

__all__ = ["Stating"]

_TYPES: Final = {
    Kind.LITERAL: "literal",
    Kind.CONSTANT: "constant",
    Kind.NAME: "name",
    Kind.OPERATION: "operation",
    Kind.ASSIGN: "name",
    Kind.PART: "access",
    Kind.ACCESS: "access",
    Kind.CALL: "eval",
    Kind.RETURN: "return",
}
_ACTIVITIES: Final = {
    Kind.OPERATION: "operation",
    Kind.ASSIGN: "assign",
    Kind.PART: "assign",
    Kind.ACCESS: "access",
    Kind.CALL: "call",
    Kind.RETURN: "return",
    Kind.DEFINITION: "define",
}
_BRACKETS: Final = {"[": "list", "(": "tuple", "{": "dict"}
_SHARED: Final = (Kind.LITERAL, Kind.CONSTANT, Kind.NAME)
_LONGEST: Final = 1000
_USED: Final = (Role.COLLECTION, Role.KEY, Role.ITERABLE)


class Stating:
    """States a trace as PROV.

    Args:
        events: what happened, in order.
        components: of the text, by number.
        names: in which the document's own names are.

    Attributes:
        document: what was stated.
        specific: places in `document.records` of what only this mapping states.
        lines: line of the script that each statement is of; 0 for none.
    """

    versioned = False

    def __init__(
        self, events: Sequence[Event], components: Mapping[int, Component], names: Namespace
    ) -> None:
        self.components = dict(components)
        self.events = events
        self.plan = Plan(events, self.components)
        self.document = Document([VERSION, SCRIPT, names])
        self.specific: list[int] = []
        self.lines: list[int] = []
        self._names = names
        self.clock = 0
        self._line = 0
        self._counts: dict[str, int] = {}
        self.entities: dict[int, Name] = {}
        self.activities: dict[int, Name] = {}
        self._literals: dict[str, Name] = {}
        self.items: dict[tuple[int, str], Name] = {}
        self._generations: dict[Name, Name] = {}
        self._usages: dict[tuple[Name, Name], Name] = {}
        self._groups: dict[int, Name] = {}
        self._waiting: list[Change] = []
        self.at = 0

    # -- what a mapping adds ---------------------------------------------------------------------------------

    def defined(self, event: Evaluation, entity: Name, members: list[tuple[str | None, int]]) -> None:
        """A collection was made, with these members: key and evaluation."""

    def given(self, identity: int, entity: Name, keys: list[str]) -> None:
        """A call gave a collection, whose items are stated (`item`)."""

    def referred(self, event: Evaluation, entity: Name) -> None:
        """`entity` has the very value of another one."""

    def met(self, event: Evaluation, entity: Name) -> None:
        """`entity` is a thing that no source is said to be: a new one, or one that was there before."""

    def bound(self, event: Evaluation, entity: Name) -> None:
        """A name was bound."""

    def changed(self, changes: list[Change]) -> None:
        """A collection was changed by one evaluation."""

    def ended(self, event: Ended) -> None:
        """An activation is over."""

    def element(self, event: Evaluation, source: Source | None, held: int) -> Name | None:
        """The entity that an access read; None if it is not known."""
        known = None if source is None else self.entity(source.evaluation)
        return known or (self.items.get((held, event.name)) if event.name is not None else None)

    def derivation(self, event: Evaluation, source: Source) -> dict[Any, Any]:  # noqa: ARG002
        """Attributes of the derivation of an evaluation from a source."""
        return {}

    # -- statements ------------------------------------------------------------------------------------------

    def tick(self) -> int:
        """The next checkpoint."""
        self.clock += 1
        return self.clock

    def note(self, *, specific: bool = False) -> None:
        """Keep of what line the last statement is, and whether it is specific."""
        if specific:
            self.specific.append(len(self.document.records) - 1)
        self.lines.append(self._line)

    def new_name(self, word: str) -> Name:
        """A name that was not given yet."""
        self._counts[word] = number = self._counts.get(word, 0) + 1
        return self._names[f"{word}.{number}"]

    def state_entity(self, word: str, attributes: dict[Any, Any], *, specific: bool = False) -> Name:
        """State an entity; its name."""
        name = self.new_name(word)
        kept = {key: value for key, value in attributes.items() if value is not None}
        self.document.entity(name, kept)
        self.note(specific=specific)
        return name

    def state_activity(self, kind: str, label: str | None = None, *, specific: bool = False) -> Name:
        """State an activity; its name."""
        name = self.new_name(f"{kind}")
        attributes: dict[str, Any] = {"prov:type": SCRIPT[kind]}
        if label:
            attributes["prov:label"] = label[:_LONGEST]
        if self._line:
            attributes[SCRIPT["line"]] = self._line
        self.document.activity(name, attributes=attributes)
        self.note(specific=specific)
        return name

    def derive(
        self,
        generated: Name,
        used: Name,
        activity: Name | None,
        attributes: dict[Any, Any] | None = None,
        *,
        specific: bool = False,
    ) -> None:
        """State a derivation, with its generation and usage."""
        generation = usage = None
        if activity is not None:
            generation = self._generations.get(generated)
            if generation is None:
                generation = self._generations[generated] = self.new_name("generation")
            usage = self._usages.get((activity, used))
            if usage is None:
                usage = self._usages[activity, used] = self.new_name("usage")
        self.document.was_derived_from(generated, used, activity, generation, usage, attributes)
        self.note(specific=specific)

    def generate(self, entity: Name, activity: Name, *, specific: bool = False) -> None:
        """State a generation, unless a derivation has said it."""
        if entity not in self._generations:
            self._generations[entity] = self.new_name("generation")
            moment: dict[str, Any] | None = {CHECKPOINT: self.clock} if self.versioned else None
            self.document.was_generated_by(entity, activity, attributes=moment, id=self._generations[entity])
            self.note(specific=specific)

    def use(
        self, activity: Name, entity: Name | None, moment: int | None = None, *, specific: bool = False
    ) -> None:
        """State a usage, unless a derivation has said it or says it."""
        if entity is None or (activity, entity) in self._usages:
            return
        self._usages[activity, entity] = self.new_name("usage")
        attributes: dict[str, Any] | None = None
        if self.versioned and moment is not None:
            attributes = {CHECKPOINT: moment}
        self.document.used(activity, entity, attributes=attributes, id=self._usages[activity, entity])
        self.note(specific=specific)

    def member(self, collection: Name, entity: Name, attributes: dict[Any, Any] | None = None) -> None:
        """State a membership."""
        self.document.had_member(collection, entity, attributes)
        self.note(specific=True)

    # -- events ----------------------------------------------------------------------------------------------

    def run(self) -> Document:
        """State all of the trace."""
        for at, event in enumerate(self.events):
            self.at = at
            if self._waiting and not (
                isinstance(event, Change)
                and (event.by, event.thing) == (self._waiting[0].by, self._waiting[0].thing)
            ):
                self._flush()
            if isinstance(event, Evaluation):
                self.evaluated(event)
            elif isinstance(event, Change):
                self._waiting.append(event)
            elif isinstance(event, Gap):
                self._line = event.line
                self.state_activity("gap", event.why)
            elif isinstance(event, Ended):
                self.ended(event)
        if self._waiting:
            self._flush()
        return self.document

    def _flush(self) -> None:
        changes, self._waiting = self._waiting, []
        by = self.plan.evaluations.get(changes[0].by)
        if by is not None:
            self._line = self.components[by.component].line
        self.changed(changes)

    def entity(self, number: int) -> Name | None:
        """The entity of an evaluation; literals and builtins are stated when they are asked for."""
        found = self.entities.get(number)
        if found is not None:
            return found
        event = self.plan.evaluations.get(number)
        if event is None:
            return None
        component = self.components[event.component]
        if component.kind not in _SHARED:
            return None
        key = f"{component.kind}:{component.text}"
        known = self._literals.get(key)
        if known is None:
            before, self._line = self._line, component.line
            word = "literal" if component.kind is Kind.LITERAL else _word(component.text)
            known = self.state_entity(word, self.attributes(event, component))
            self._literals[key] = known
            self._line = before
        self.entities[number] = known
        return known

    def attributes(self, event: Evaluation, component: Component) -> dict[Any, Any]:
        """Attributes of the entity of an evaluation."""
        kind = _TYPES.get(component.kind) or definition_type(component)
        label = (event.name if component.kind is Kind.ASSIGN else None) or component.text
        return {
            "prov:type": SCRIPT[kind],
            "prov:label": label[:_LONGEST],
            "prov:value": None if event.value is None else event.value[:_LONGEST],
            SCRIPT["line"]: component.line,
            SCRIPT["activation"]: None if component.kind in _SHARED else event.activation or None,
        }

    def evaluated(self, event: Evaluation) -> None:
        """State an evaluation."""
        component = self.components[event.component]
        self._line = component.line
        if event.number not in self.plan.stated or component.kind in _SHARED:
            return
        self.tick()
        if component.kind is Kind.DEFINITION:
            self._definition(event, component)
            return
        if event.number in self.plan.merged:
            return  # the name that it is bound to says it
        if component.kind is Kind.PART and self._deletes(event):
            self._deletion(event, component)
            return
        access = self._merged_into(event)
        reading = access or event
        named: Name | None = None
        if component.kind is not Kind.CALL or event.number in self.plan.needed:
            attributes = self.attributes(event, component)
            named = self.state_entity(self._entity_word(event, component), attributes)
            self.entities[event.number] = named
            if access is not None:
                self.entities[access.number] = named
        kind = "access" if access is not None else _ACTIVITIES[component.kind]
        label = component.text.partition("(")[0] if component.kind is Kind.CALL else None
        activity = self.activities[event.number] = self.state_activity(kind, label)
        self._sources(reading, named, activity)
        if access is not None:
            self._guards(event, activity)
        if named is not None:
            self._after(event, reading, named)

    def _merged_into(self, event: Evaluation) -> Evaluation | None:
        same = same_source(event)
        if same is not None and self.plan.merged.get(same.evaluation) == event.number:
            return self.plan.evaluations[same.evaluation]
        return None

    def _entity_word(self, event: Evaluation, component: Component) -> str:
        if component.kind is Kind.ASSIGN and event.name:
            return _word(event.name)
        return _word(component.text)

    def _definition(self, event: Evaluation, component: Component) -> None:
        entity = self.state_entity(definition_type(component), self.attributes(event, component))
        self.entities[event.number] = entity
        members = [(source.name, source.evaluation) for source in event.sources if source.role is Role.MEMBER]
        self.defined(event, entity, members)

    def definition_activity(self, event: Evaluation) -> Name:
        """The activity of a definition and of those that stand within it."""
        group = self.plan.group.get(event.number, event.number)
        found = self._groups.get(group)
        if found is None:
            found = self._groups[group] = self.state_activity(
                f"define{definition_type(self.components[event.component])}", specific=True
            )
        self.activities[event.number] = found
        return found

    def _deletes(self, event: Evaluation) -> bool:
        """Whether a part was deleted: nothing went into it, as far as is known, and nothing was put there."""
        stored = any(source.role in (Role.VALUE, Role.OPERAND) for source in event.sources)
        return not stored and event.number not in self.plan.putting

    def _deletion(self, event: Evaluation, component: Component) -> None:
        activity = self.activities[event.number] = self.state_activity("delete", component.text)
        for source in event.sources:
            if source.role is Role.KEY:
                self.use(activity, self.entity(source.evaluation))
        self._guards(event, activity)

    def _sources(self, event: Evaluation, entity: Name | None, activity: Name) -> None:
        """What an evaluation came from, by the kind of its component."""
        kind = self.components[event.component].kind
        used: list[Name] = []
        for source in event.sources:
            role = source.role
            if role in (Role.VALUE, Role.RESULT, Role.OPERAND) or (
                role is Role.ELEMENT and kind in (Kind.CALL, Kind.ASSIGN)
            ):
                self._derived(event, source, entity, activity)
            elif role in _USED or role in (Role.ARGUMENT, Role.FUNCTION):
                known = kind is Kind.PART and role is not Role.KEY
                found = None if known or self._is_called(source) else self.entity(source.evaluation)
                used += [found] if found is not None else []
        if kind is Kind.ACCESS and entity is not None:
            self._read(event, entity, activity)
        for one in used:
            self.use(activity, one, self.clock if kind is Kind.CALL else None)
        self._guards(event, activity)
        if entity is not None:
            self.generate(entity, activity)

    def _is_called(self, source: Source) -> bool:
        known = self.plan.evaluations.get(source.evaluation)
        return source.role is Role.FUNCTION and known is not None and self.plan.kind(known) is Kind.NAME

    def _derived(self, event: Evaluation, source: Source, entity: Name | None, activity: Name) -> None:
        used = self.entity(source.evaluation)
        if used is None:
            return
        if entity is None:
            self.use(activity, used, self.clock)
        else:
            self.derive(entity, used, activity, self.derivation(event, source))

    def _read(self, event: Evaluation, entity: Name, activity: Name) -> None:
        """An access: from the element where it is known, else from the collection."""
        element = next(
            (source for source in event.sources if source.role in (Role.ELEMENT, Role.RESULT)), None
        )
        held = next((source for source in event.sources if source.role in _USED[::2]), None)
        identity = self.plan.identity.get(held.evaluation, 0) if held else 0
        known = self.element(event, element, identity)
        if known is None and held is not None:
            known = self.entity(held.evaluation)
            element = None
        if known is not None and (element is None or element.role is not Role.RESULT):
            source = element or Source(0, Role.ELEMENT, event.name, same=(identity, event.name) in self.items)
            self.derive(entity, known, activity, self.derivation(event, source))

    def _guards(self, event: Evaluation, activity: Name) -> None:
        for source in event.sources:
            if source.role is Role.GUARD:
                for number in self.plan.guarding(source.evaluation):
                    self.guard(activity, self.entity(number))

    def guard(self, activity: Name, entity: Name | None) -> None:
        """What a condition looked at, under which an activity took place."""
        self.use(activity, entity)

    def _after(self, event: Evaluation, reading: Evaluation, entity: Name) -> None:
        """What the mapping adds to an evaluation that has a value."""
        kind = self.components[event.component].kind
        members = [(one.name, one.evaluation) for one in reading.sources if one.role is Role.MEMBER]
        identity = self.plan.identity[event.number]
        if members:
            self.defined(event, entity, members)
        elif kind is Kind.CALL and identity in self.plan.items and same_source(event) is None:
            self._items(event, identity, entity)
        elif same_source(reading) is not None or (identity, reading.name) in self.items:
            self.referred(event, entity)
        elif event.thing and kind is not Kind.PART:
            self.met(event, entity)
        if kind is Kind.ASSIGN:
            self.bound(event, entity)

    def _items(self, event: Evaluation, identity: int, entity: Name) -> None:
        """Members that a call made, and that the script did not."""
        keys = list(self.plan.items[identity])
        for key in keys:
            component = self.components[event.component]
            attributes = {"prov:type": SCRIPT["item"], SCRIPT["line"]: component.line}
            item = self.items[identity, key] = self.state_entity("item", attributes)
            self.generate(item, self.activities[event.number])
        self.given(identity, entity, keys)


@lru_cache(maxsize=4096)
def _word(text: str) -> str:
    """A text as part of a name that every format can carry."""
    made = "".join(char if char.isascii() and char.isalnum() else "_" for char in text[:40]).strip("_")
    return made if made and made[0].isalpha() else f"e_{made}"


@lru_cache(maxsize=4096)
def definition_type(component: Component) -> str:
    """What a definition defines, by its text."""
    text = component.text
    if text.startswith(("class ", "@")):
        return "class"
    if text.startswith("lambda"):
        return "function"
    found = _BRACKETS.get(text[:1], "tuple")
    if found == "dict" and ":" not in text and text.strip("{} \n"):
        return "set"
    return found
