"""Names and definitions of a replayed program: what a name stands for, functions, classes, decorators.

Source: Python Language Reference, "Naming and binding", "Function definitions", "Class definitions".
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, Final, cast

from trilha.trace import log as words
from trilha.trace.activations import Function
from trilha.trace.defining import Making
from trilha.trace.evaluations import Kind, Role, Source
from trilha.trace.heap import (
    CLASS,
    FUNCTION,
    MODULE,
    Ref,
    Value,
    guard_sources,
    number_of,
    same_source,
    sources_of,
    thing_of,
)
from trilha.trace.operators import Operators
from trilha.trace.waiting import Call

__all__ = ["Naming"]

_BINDS: Final = {"staticmethod": "nothing", "classmethod": "class"}
_MANAGING: Final = frozenset(
    f"{module}{how}" for module in ("", "contextlib.") for how in ("contextmanager", "asynccontextmanager")
)
"""Decorators whose functions make of what they are given what begins the generator later."""
_WORKED_OUT: Final = "what a `type` statement stands for is worked out by text that is not traced"


class Naming(Operators):
    """What is known of names; a part of `trilha.trace.replay.Replay`."""

    def ld(self, at: int, names: dict[str, Value], name: str) -> Value:
        """A global or built-in name."""
        found = names.get(name)
        if found is not None and at != self.stop:
            return found
        self.check(at)
        if found is not None:
            return found
        found = self._evaluation(at, Kind.NAME, (), None, name=name)
        names[name] = found
        return found

    def put(self, names: dict[str, Value], name: str, value: Value) -> Value:
        """A name bound inside of an expression."""
        names[name] = value
        return value

    def named(self, at: int, module: str, name: str) -> Value:
        """A part of a module: of one that is traced what its name stands for, or what an object of it has."""
        names = self.names_of(module)
        found = names.get(name) if names is not None else None
        if found is not None:
            return found
        holder = self.part_of(module) if names is None else None
        thing, key = thing_of(holder), f".{name}"
        member = thing.member(key) if thing is not None and not thing.may_hide(key) else None
        held = thing_of(member)
        if held is not None and held.function is not None:
            member = held = None  # As a method it is another object.
        sources = [Source(number_of(holder), Role.COLLECTION)] if number_of(holder) else []
        if number_of(member):
            sources.append(Source(number_of(member), Role.ELEMENT, key, True))
        return self._evaluation(at, Kind.ACCESS if sources else Kind.NAME, tuple(sources), held)

    def method_of(self, at: int, module: str, name: str) -> tuple[str | None, Value]:
        """A part of a module that is called, as a method's name and what it is called on, if it is one.

        The log has no record of that: what a module has is known by its names.
        """
        holder = self.part_of(module) if self.names_of(module) is None else None
        thing = thing_of(holder)
        if thing is not None and thing.kind != MODULE:
            return name, holder
        return None, self.named(at, module, name)

    def unfollowed(self, at: int, values: tuple[Value, ...], made: Value = None) -> Value:
        """A comprehension whose inside is not followed.

        Args:
            at: its number.
            values: what it goes through, and what is known of the names in it.
            made: as the log has it.
        """
        self.gap(at, "a generator expression that awaits, whose inside is not traced")
        sources = (*sources_of(values[:1], Role.ITERABLE), *sources_of(values[1:], Role.OPERAND))
        found = self._evaluation(at, Kind.DEFINITION, sources, thing_of(made))
        self.advances(number_of(found), *values)
        self.escapes(*values)
        return found

    @staticmethod
    def known(load: Callable[[], Value]) -> Value:
        """What a name stands for, if it is bound."""
        try:
            return load()
        except NameError:
            return None

    def made(self, at: int) -> Value:
        """A value that the log has as a result."""
        self._expect(words.RESULT, at)
        value = self._reference(0)
        self._advance()
        return value

    def paused_for(self, _: object) -> Value:
        """The value that something waited for with which a coroutine goes on."""
        self.lane.result = None
        self._pausing[self.lane.pausing].resumed = -1
        return self.sent

    def imported(self, at: int, name: str, full: str) -> Value:
        """A name that an ``import`` binds, to a module or what a module has; before, texts of modules run."""
        while self.kind == words.ENTER and self.site not in self._functions:
            self._nested()
        self.check(at)
        if self.names_of(full) is not None:
            made = self._evaluation(at, Kind.ASSIGN, (), None, name=name)
            return Ref(number_of(made), thing_of(self.module_of(full)) or self._new_thing(MODULE))
        module, _, part = full.rpartition("/")
        value = (self.names_of(module) or {}).get(part)
        return self._evaluation(at, Kind.ASSIGN, same_source(value), thing_of(value), name=name)

    def opaque(self, at: int, name: str) -> Value:
        """A name that something bound that is not followed."""
        return self._evaluation(at, Kind.ASSIGN, (), None, name=name)

    def alias(self, at: int, name: str, run: Callable[[], Value], guards: tuple[Value, ...]) -> Value:
        """A name that a ``type`` statement binds; `run` gives what that stands for, when it is asked for."""
        made = self._evaluation(at, Kind.ASSIGN, guard_sources(guards), None, name=name)
        self._aliases[number_of(made)] = run
        return made

    def _stands_for(self, at: int, alias: Value) -> Value:
        """What a ``type`` statement's name stands for: the same each time that it is asked for."""
        known = self._aliases.get(number_of(alias))
        if callable(known):
            known = self._aliases[number_of(alias)] = known()
        if known is None:
            self.gap(at, _WORKED_OUT)
        return known

    def assign(self, at: int, name: str, value: Value, guards: tuple[Value, ...] = ()) -> Value:
        """A name bound."""
        return self._evaluation(
            at, Kind.ASSIGN, same_source(value) + guard_sources(guards), thing_of(value), name=name
        )

    def define(self, at: int, name: str, run: Any, defaults: dict[str, Value]) -> Value:
        """A function, made by its definition."""
        self._expect(words.DEFINE, at)
        value = self._reference(0)
        function = Function(at, name, run, defaults)
        self._made[at] = function
        for _ in range(self._log.number()):
            cell = thing_of(self._reference(0))
            if cell is not None:
                cell.parts[f"function {at}"] = function
        self._advance()
        thing = thing_of(value) or self._new_thing(FUNCTION)
        thing.function = function
        if name == "<lambda>":
            return self._evaluation(at, Kind.DEFINITION, (), thing)
        return Ref(0, thing)

    def class_(self, at: int, parts: dict[str, Value], bases: list[Value]) -> Value:
        """A class, made by its definition; `bases` are those, and the values of its words."""
        lane, node = self.lane, cast("ast.ClassDef", self._nodes[at])
        given = zip([one.arg for one in node.keywords], bases[len(node.bases) :], strict=True)
        before, lane.call = lane.call, Making([one for one in given if one[0] != "metaclass"], parts)
        try:
            self._expect(words.DEFINE, at)
        finally:
            lane.call = before
        value = self._reference(0)
        for _ in range(self._log.number()):
            self._reference(0)
        self._advance()
        thing = thing_of(value) or self._new_thing(CLASS)
        for key, part in parts.items():
            thing.parts[f".{key}"] = part
        thing.over = ("class", [one for one in map(thing_of, bases) if one is not None])
        thing.open = not all(one is not None and one.is_own_class() for one in map(thing_of, bases))
        return Ref(0, thing)

    def decorated(self, at: int, value: Value, decorators: list[Value]) -> Value:
        """What decorators made of a definition."""
        node: Any = self._nodes[at]
        binds = _BINDS.get(ast.unparse(node.decorator_list[-1]))
        lane = self.lane
        before, lane.call = lane.call, Call(self.clock, None, decorators[-1], ((None, value),))
        lane.result = None
        self._expect(words.RESULT, at)
        lane.call = before
        made = self._reference(0)
        self._advance()
        thing, given = thing_of(made), thing_of(value)
        if binds is not None and given is not None and given.function is not None:
            given.function.binds = binds
        if thing is not None and thing.kind == CLASS:
            thing.open = True
        self.note_keeper(ast.unparse(node.decorator_list[0]).partition("(")[0], thing, given)
        if (thing is not None and thing is given) or (binds is not None and len(decorators) == 1):
            return value
        if thing is not None and given is not None and ast.unparse(node.decorator_list[0]) in _MANAGING:
            thing.function = given.function
        return Ref(number_of(lane.result), thing) if thing is not None else number_of(lane.result)
