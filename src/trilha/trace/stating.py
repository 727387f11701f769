"""Values of a replayed program: as the log has them, and as evaluations, changes and gaps that are stated."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.evaluations import (
    Change,
    Component,
    Evaluation,
    Event,
    Gap,
    How,
    Kind,
    Labelled,
    Rows,
    Source,
)
from trilha.trace.heap import (
    DEQUE,
    DICT,
    INSTANCE,
    LIST,
    NUMBERS,
    TEXTS,
    Ref,
    Thing,
    Value,
    number_of,
    thing_of,
)
from trilha.trace.labels import OTHER, SERIES, are_texts
from trilha.trace.log import FIRST_TOKEN, Log
from trilha.trace.waiting import Lane, Unbegun

__all__ = ["Stating"]

_stated: Callable[[tuple[Any, ...]], Evaluation] = partial(tuple.__new__, Evaluation)
_VALUED: Final = frozenset([Kind.ASSIGN, Kind.PART, Kind.RETURN])


class Stating:
    """Reads values and states what is known of them; a part of `trilha.trace.machine.Machine`."""

    clock: int
    site: int
    half_key: str | None
    lane: Lane
    _log: Log
    _sink: Callable[[Event], object]
    _told: Callable[[Component], object]
    _live: dict[int, Thing]
    _introduced: dict[int, tuple[int, int]]
    _keys: dict[int, str]
    _label_kinds: dict[int, str]
    _container_tokens: dict[int, int]
    _values_told: dict[tuple[int, int, int], str]
    _happened: dict[int, Any]
    _nodes: dict[int, ast.AST]
    _met: set[int]
    _gaps: set[tuple[str, int, str]]
    _last_thing: int
    _twins: dict[int, set[int]]
    """Of things that operators gave which were known before: the numbers that they have in evaluations."""
    _nameless: int
    _token: int
    _short: bool

    def _tick(self) -> int:
        raise NotImplementedError

    def may_run(self, *values: Value) -> None:
        """What is done with these values may run methods of the program, of which nothing is logged yet."""
        if any(one is None or type(one) is Ref for one in values):
            self.lane.objects = self.clock

    def _claim(self, place: int, number: int, thing: Thing | None) -> None:
        raise NotImplementedError

    def _module_of(self, place: int) -> Any:
        raise NotImplementedError

    def _place(self, place: int) -> tuple[str, int]:
        raise NotImplementedError

    # -- as the log has them ---------------------------------------------------------------------------------
    def _new_thing(self, kind: int) -> Thing:
        self._last_thing += 1
        return Thing(self._last_thing, kind)

    def _reference(self, evaluation: int) -> Value:
        """A value that the log has: a `Ref`, or `evaluation` for one whose identity does not matter."""
        number = self._log.number
        token = self._token = number()
        if token < FIRST_TOKEN:
            return evaluation
        thing = self._live.get(token)
        if thing is None:
            told = self._introduced.pop(token, None) or (number(), number())
            thing = self._live[token] = self._thing_as_told(*told)
        return Ref(evaluation, thing)

    def _thing_as_told(self, kind: int, length: int) -> Thing:
        thing = self._new_thing(kind)
        if kind in (LIST, DEQUE):
            thing.resize(length - 1)
        elif kind == DICT:
            thing.open = length > 1
        return thing

    def dies(self, token: int) -> Thing | None:
        """An object has died that had a token; gives it, if a record told of it."""
        self._introduced.pop(token, None)
        return self._live.pop(token, None)

    def _alive(self, token: int) -> Thing | None:
        """The object that has a token, which no record of a place of the text may have had yet."""
        told = self._introduced.pop(token, None)
        if told is not None:
            self._live[token] = self._thing_as_told(*told)
        return self._live.get(token)

    def _result(self, value: Value) -> Value:
        """What a call gave, which is this; what has no identity in the log is itself if it is handed on."""
        got = self.met(value)
        if self._token != words.UNTRACKED:
            return got
        self._nameless -= 1
        return Ref(0, Thing(self._nameless))

    def untracked(self, known: Value = None, holder: Thing | None = None) -> Thing | None:
        """An object that the log has just told of without an identity: what is known there, or a new one.

        Args:
            known: what the shadow has there.
            holder: where it was found; None if a function got it.
        """
        if self._token != words.UNTRACKED:
            return None
        held = thing_of(known)
        if known is not None:
            return held if held is not None and held.number < 0 else None
        if holder is not None and holder.kind != INSTANCE:
            return None
        self._nameless -= 1
        return Thing(self._nameless)

    def met(self, value: Value, *, sure: bool = True) -> Value:
        """A value that the log has, which is this one: an object that an operator made is known from here on.

        Args:
            value: as the shadow has it.
            sure: it is that in any case; else only if the log has not told of the object before.
        """
        made = thing_of(value)
        if made is None or not made.unmet:
            return self._reference(0)
        before = self._last_thing
        found = self._reference(0)
        thing = thing_of(found)
        if thing is None or thing is made:
            return found
        if self._last_thing == before:
            self.same(value, found, before, sure=sure)
            return found
        self._live[self._token] = made
        made.become(thing)
        return Ref(0, made)

    def same(self, value: Value, seen: Value, before: int, *, sure: bool = True) -> None:
        """Note that a value that the log has is one that the shadow has: an object that an operator made.

        Args:
            value: as the shadow has it.
            seen: as the log has it.
            before: the greatest number of a thing before the log was read.
            sure: it is that in any case; else only if the log has not told of the object before.
        """
        made, thing = thing_of(value), thing_of(seen)
        if made is None or thing is None or not made.unmet or thing is made:
            return
        if thing.number > before:
            thing.take_members(made)
        elif not sure:
            return
        self._twins.setdefault(thing.number, set()).add(made.number)
        made.over = ("met", thing)

    def _values(self, count: int) -> list[Value]:
        """The values of an item."""
        return [0] * count if self._short else [self._reference(0) for _ in range(count)]

    def _container(self, value: Value = None) -> Thing | None:
        """The container of an access; the one of before at this place, if the log says no more."""
        if self._short:
            return self._alive(self._container_tokens[self.site])
        thing = thing_of(self.met(value))
        self._container_tokens[self.site] = self._token
        return thing

    def _key_words(self) -> str | None:
        """A key; None for one that is not known, of which `half_key` has what is."""
        self.half_key = None
        number = self._log.number()
        if number & 1:
            found = self._keys.get(number >> 1) or None
            if found is not None and found[:1] == "?":
                self.half_key = found[1:]
                return None
            return found
        zigzag = number >> 1
        value = -(zigzag >> 1) - 1 if zigzag & 1 else zigzag >> 1
        return str(value)

    def note_rows(self, what: int) -> None:
        """Which rows a frame or column has that was told before; or a set of labels, told ahead of that."""
        number = self._log.number
        if what == words.ROWS:
            thing, shape, labels = self._alive(number() + FIRST_TOKEN), number(), number()
            if thing is not None and shape == SERIES:
                thing.labels = ""
            elif thing is not None:
                if thing.labels is not None and shape <= OTHER:
                    thing.labels = self._label_kinds.get(labels, "")
                self._sink(Rows(self.clock, thing.number, shape, labels))
            return
        facts = number(), number(), number()
        self._label_kinds[facts[0]] = TEXTS if are_texts(facts[1]) else NUMBERS
        first, step = (-(one >> 1) - 1 if one & 1 else one >> 1 for one in (number(), number()))
        self._sink(Labelled(*facts, first, step, self._log.text()))

    # -- as they are stated ----------------------------------------------------------------------------------

    def _evaluation(
        self,
        place: int,
        kind: Kind,
        sources: tuple[Source, ...],
        thing: Thing | None = None,
        *,
        name: str | None = None,
        number: int = 0,
        order: int = 0,
    ) -> Value:
        """State an evaluation; gives it as a value of the shadow."""
        if place not in self._met:
            self._meet(place, kind)
        number = number or self._tick()
        identity = thing.number if thing is not None and thing.number > 0 else 0
        text = None
        if self._values_told and kind in _VALUED:
            text = self._values_told.pop((self.lane.number, place, order), None)
        self._sink(_stated((number, place, self.lane.activation, sources, identity, text, name)))
        if place in self._happened:
            self._claim(place, number, thing)
        return number if thing is None else Ref(number, thing)

    def _meet(self, place: int, kind: Kind) -> None:
        self._met.add(place)
        module, node = self._module_of(place), self._nodes.get(place)
        if module is None or node is None:
            return
        self._told(module[2].component(place, kind))

    def change(self, by: int, thing: Thing, how: How, key: str | None, member: Value = None) -> None:
        """State a change of a data structure."""
        if thing.number > 0:
            self._sink(Change(self._tick(), by, thing.number, how, key, number_of(member) or None))
            for twin in self._twins.get(thing.number, ()) if self._twins else ():
                self._sink(Change(self._tick(), by, twin, how, key, number_of(member) or None))

    def gap(self, place: int, why: str) -> None:
        """State, once a place, that something was not traced."""
        self._state_gap(self._gap_at(place, why))

    def _gap_at(self, place: int, why: str) -> Gap:
        path, line = self._place(place)
        return Gap(self.clock, self.clock, path, line, why)

    def _state_gap(self, gap: Gap) -> None:
        if (told := (gap.file, gap.line, gap.why)) not in self._gaps:
            self._gaps.add(told)
            self._sink(gap)

    def _never_begun(self, one: Unbegun) -> None:
        """What a call gave is no generator of the program: what the call did is not known."""
        if one.gap is not None:
            self._state_gap(one.gap)
