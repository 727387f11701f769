"""Coroutines and generators of a replayed program that wait, and what came of what they waited for."""

from __future__ import annotations

import ast
from typing import Any

from trilha.trace import log as words
from trilha.trace.copying import member_sources
from trilha.trace.evaluations import Kind, Role, Source
from trilha.trace.heap import GENERATOR, LIST, Thing, Value, number_of, thing_of
from trilha.trace.machine import Machine

__all__ = ["Awaiting"]


class Awaiting(Machine):
    """What waits for others; a part of `trilha.trace.replay.Replay`."""

    def park(self, at: int, value: Value = None) -> None:  # noqa: ARG002
        """``await value`` or ``yield from value``: others run until this goes on."""
        self.escapes(value)
        self.lane.has_given = False
        self._pausing[self.lane.pausing].awaited = value

    def is_resumed(self, at: int) -> bool:
        """Whether what runs went on at this place of a comprehension."""
        pausing = self._pausing[self.lane.pausing]
        if pausing.resumed != at:
            return False
        pausing.resumed = -1
        return True

    def went_on(self) -> bool:
        """Whether what runs went on at a place of a comprehension, further out than where it paused."""
        return self._pausing[self.lane.pausing].resumed != -1

    def last_ended(self) -> Value:
        """What ended last of what a coroutine waited for."""
        last, self.lane.result = self.lane.result, None
        return last

    def takes(self, at: int, _: object) -> bool:
        """Whether an asynchronous clause of a comprehension, which goes on, does so with one more item."""
        return self.is_resumed(at) and self.kind == words.ITEM and self.site == at

    def leaves(self, at: int, members: list[Any]) -> list[Any]:
        """A comprehension is over in which others may have run: what tells of that comes next, or came."""
        if not self.is_resumed(at):
            self._expect(words.RESUME, at)
            self._reference(0)
            self._advance()
        return members

    def resumed(self, at: int, _: object) -> Value:
        """A generator or coroutine goes on with what it was sent, or what it awaited came to."""
        last, self.lane.result = self.lane.result, None
        self._pausing[self.lane.pausing].resumed = -1
        node = self._nodes.get(at)
        if isinstance(node, (ast.AsyncFor, ast.AsyncWith)):
            return last
        if not isinstance(node, (ast.Await, ast.YieldFrom)):
            return self.sent
        return self.of_awaited(at, self._pausing[self.lane.pausing].awaited, last, thing_of(self.sent))

    def of_awaited(self, at: int, awaited: Value, last: Value, thing: Thing | None) -> Value:
        """State what an ``await`` gave.

        Args:
            at: its number.
            awaited: what it waited for.
            last: what ended last meanwhile.
            thing: that it gave.
        """
        results = self._came_to(awaited)
        if results is None:
            results = [last] if self._is_awaitable(thing_of(awaited)) else []
        others = self._others(awaited) if results else []
        one, role = len(results) == 1 and not others, Role.OPERAND if others else Role.RESULT
        sources = tuple(Source(number_of(it), role, None, one) for it in results if number_of(it))
        sources += tuple(Source(number_of(it), role) for it in others if number_of(it))
        if not sources and self.whole and number_of(awaited):
            sources = (Source(number_of(awaited), Role.OPERAND),)
        sources += tuple(Source(number_of(it), Role.OPERAND) for it in self._asked(awaited) if number_of(it))
        if thing is not None and thing.kind == LIST:
            sources += tuple(self._gathered(thing, awaited))
        made = self._evaluation(at, Kind.CALL, sources, thing)
        self.advances(number_of(made), awaited)
        return made

    def _gathered(self, made: Thing, awaited: Value) -> list[Source]:
        """Note in a list what came of each of several awaitables; gives the sources that these are."""
        held = thing_of(awaited)
        if held is None or not isinstance(held.over, tuple) or held.over[0] != "awaits":
            return []
        several: list[Value] = []
        for one in held.over[1]:
            inner = thing_of(one[0]) if isinstance(one, tuple) else None
            several += [one] if inner is None else inner.members() or [None]
        results = [self._came_to(one) for one in several]
        if len(results) != len(made.items) or any(one is None or len(one) != 1 for one in results):
            return []
        made.items = [one[0] for one in results if one is not None]
        return member_sources((str(at), one) for at, one in enumerate(made.items))

    def _came_to(self, awaited: Value) -> list[Value] | None:
        """What came of the coroutines that were awaited by way of a value; None where that is not known."""
        thing = thing_of(awaited)
        how, *what = thing.over if thing is not None and isinstance(thing.over, tuple) else ("",)
        if how == "returned":
            return list(what[0])
        several = what[0] if how == "awaits" else thing.members() if thing is not None else None
        if several is None:
            return None
        found = [self._came_to(one[0] if isinstance(one, tuple) else one) for one in several]
        return [one for some in found if some is not None for one in some]

    def _others(self, awaited: Value) -> list[Value]:
        """Of what was awaited by way of a value, that of which it is not known what it came to."""
        thing = thing_of(awaited)
        how, *what = thing.over if thing is not None and isinstance(thing.over, tuple) else ("",)
        if how == "returned" or self._is_awaitable(thing):
            return []
        several = what[0] if how == "awaits" else thing.members() if thing is not None else None
        if several is None:
            return [awaited]
        return [it for one in several for it in self._others(one[0] if isinstance(one, tuple) else one)]

    def _asked(self, awaited: Value) -> list[Value]:
        """The objects of libraries by whose methods what is awaited was made: others may change them yet."""
        thing = thing_of(awaited)
        how, *what = thing.over if thing is not None and isinstance(thing.over, tuple) else ("",)
        if how == "asked":
            return list(what)
        several = what[0] if how == "awaits" else ()
        return [it for one in several for it in self._asked(one[0] if isinstance(one, tuple) else one)]

    def _is_awaitable(self, thing: Thing | None) -> bool:
        """Whether a thing is one of the program that is awaited: what ended last is what it came to."""
        own = thing is not None and (thing.kind == GENERATOR or thing.member(".__await__") is not None)
        return own or (thing is not None and thing.number in self._unbegun)
