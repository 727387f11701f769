"""The replay of a program of which only chosen functions are traced, or only some rounds of its loops.

What runs untraced may change all that it can reach, and the log says only that it ran
(`capture.script.outside`). From then on no member is known of what it may have reached: of every data
structure but those that traced code wrote out itself and never let go of. A function that untraced code calls
is an activation of its own; where its arguments come from is not known, but for those that are the very
objects that the traced call was given.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from trilha.trace import log as words
from trilha.trace.activations import Function
from trilha.trace.effects import PURE, WITH_EFFECT
from trilha.trace.evaluations import Gap, How, Kind, Source
from trilha.trace.heap import (
    ARRAY,
    DEQUE,
    DICT,
    FUNCTION,
    GENERATOR,
    INSTANCE,
    LIST,
    SET,
    Ref,
    Thing,
    Value,
    thing_of,
)
from trilha.trace.lanes import Lanes
from trilha.trace.log import END
from trilha.trace.replay import Replay
from trilha.trace.shadow import Shadow
from trilha.trace.waiting import Call, Thrown

__all__ = ["Partly"]

_KEEPING = frozenset(
    [
        *("abs", "all", "any", "bool", "float", "format", "hash", "id", "int", "isinstance", "len", "print"),
        *("repr", "round", "str", "sum", "type"),
    ]
)
"""Functions that keep nothing of what they are given, and give none of it back, if they give a number."""


class Partly(Replay):
    """Replays a log of which a part is not there. An instance of `Replay` becomes one when that is told."""

    epoch: int
    _behind: set[int]
    _touched: dict[int, Thing]
    _roots: dict[int, Any]
    _chosen: tuple[int, ...] | None
    _unmarked: bool
    _marked: bool = True
    _rounds: bool = False
    _skipped: int = 0
    whole = False

    @classmethod
    def of(cls, replay: Replay) -> None:
        """Have a replay go on as one of a part."""
        made: Any = replay
        if not isinstance(made, cls):
            # It may be one of several threads by now.
            several = isinstance(made, Lanes)
            made.__class__ = type(f"{cls.__name__}Lanes", (Lanes, cls), {}) if several else cls
            made.epoch, made._behind, made._touched, made._roots, made._chosen = 0, set(), {}, {}, None
            made._unmarked = False
            made._touched.update((one.number, one) for one in made._live.values())

    def choose(self) -> None:
        """Read what is traced of the module that comes next."""
        how = self._log.number()
        self._marked, self._rounds = bool(how & 1), bool(how & 2)
        self._chosen = tuple(self._log.number() for _ in range(self._log.number()))

    def _shadow(self, source: bytes, path: str, base: int) -> Shadow:
        chosen, self._chosen = self._chosen, None
        made = Shadow(source, path, base, chosen, rounds=self._rounds, before=self.before)
        if made.whole:
            made.note_leaking()
        return made

    def _add_module(self, base: int, count: int, first: int, kinds: int) -> None:
        if self._chosen == (count - 1,):
            self._chosen = None
        super()._add_module(base, count, first, kinds)
        shadow, names = self._modules[-1][2:]
        if not self._marked and not self._unmarked:
            self._unmarked = True
            why = (
                "what is not decorated does not tell when it runs: each call of it may have changed anything"
            )
            self._sink(Gap(self.clock, self.clock, shadow.path, 0, why))
        if not shadow.whole:
            defined: dict[str, Any] = {}
            exec(shadow.code, defined)  # noqa: S102 -- made from the syntax tree, of names and numbers alone
            self._roots |= defined["shadow"](self, names)

    # -- what is not traced ----------------------------------------------------------------------------------

    def beside(self) -> None:
        """A record that is of no shadow: something untraced runs, or made a function that is traced."""
        if self.kind == words.OUTSIDE:
            # The shadow has not come here yet: it is told when it has.
            self._behind.add(self._thread)
        elif self.kind == words.MADE:
            self._note_made()
        else:
            super().beside()

    def _note_made(self) -> None:
        place = self.site
        value = self._reference(0)
        cells = [thing_of(self._reference(0)) for _ in range(self._log.number())]
        thing, function = thing_of(value), self._root(place)
        for cell in cells:
            if cell is not None:
                cell.parts[f"function {place}"] = function
        if thing is not None and function is not None:
            thing.function = function
        module = self._module_of(place)
        name = module[2].lasting.get(place) if module is not None else None
        if module is not None and name is not None and thing is not None:
            module[3][name] = value

    def _root(self, place: int) -> Function | None:
        if place in self._roots and place not in self._made:
            node: Any = self._nodes[place]
            made = self._made[place] = Function(place, node.name, self._roots[place], {})
            decorators = {one.id for one in node.decorator_list if isinstance(one, ast.Name)}
            for binds in ("static", "class"):
                made.binds = binds if f"{binds}method" in decorators else made.binds
        return self._made.get(place)

    def _called(self, place: int, known: Any, call: Call | None = None) -> tuple[Function, list[Value]]:
        self._root(place)
        return super()._called(place, known, call)

    def ran_outside(self, *, own: bool = False) -> None:
        """Something untraced ran: what it may have changed is known no more.

        Args:
            own: it could reach what traced code made for itself, too.
        """
        self.epoch += 1
        kept = {}
        for number, thing in self._touched.items():
            if thing.own and not own:
                kept[number] = thing
            else:
                thing.lose()
        self._touched = kept

    def _catch_up(self) -> None:
        """The shadow has come to where something untraced ran."""
        behind, self._behind = self._behind, set()
        call = self.lane.call
        if call is not None:
            self.let_go(call.target, *(value for _, value in call.arguments))
        self.ran_outside()
        for number in behind | {self.lane.number}:
            lane = self._lanes.get(number)
            if lane is not None:
                lane.result, lane.given, lane.has_given = None, None, False

    def _is_called(self) -> bool:
        """Whether what begins now is the very function that traced code calls."""
        call, known, function = self.lane.call, self._functions.get(self.site), self._root(self.site)
        if call is None or call.called or known is None or function is None:
            return False
        return super()._is_direct(call, self.site, known, function) is not None

    def _is_object_called(self) -> bool:
        """Whether traced code calls the function that begins as the object that it is: it begins at once."""
        call = self.lane.call
        if call is None or call.called:
            return False
        target = thing_of(call.target)
        if target is not None and call.method is not None:
            target = thing_of(target.member(f".{call.method}"))
        return target is not None and target.function is not None and target.function.place == self.site

    def _is_from_outside(self) -> bool:
        """Whether what begins now was called, or resumed, by something untraced."""
        return not self.lane.activation or self.lane.since != self.epoch

    # -- going along the log ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        if self._behind:
            self._catch_up()
        super()._advance()

    def _expect(self, kind: int, at: int) -> None:
        self.lane.since = self.epoch
        super()._expect(kind, at)
        if self._behind:
            self._catch_up()

    def _nested(self) -> None:
        if self._behind or (self._unmarked and self.site in self._functions and not self._is_called()):
            is_called = self.kind == words.ENTER and self._is_object_called()
            self._catch_up()
            if is_called:
                self.lane.since = self.epoch  # What ran before was at work before the call.
        super()._nested()

    def _settle(self) -> None:
        self.lane.since = self.epoch
        if self._behind:
            # Perhaps only after what the shadow does now: so it is told again.
            self.ran_outside()
            self.lane.since = self.epoch
        super()._settle()

    def _settle_implicit(self, tested: int | None = None, value: Value = None) -> None:
        self.lane.since = self.epoch
        if self._behind:
            self.ran_outside()
            self.lane.since = self.epoch
        super()._settle_implicit(tested, value)

    def _got(self, at: int, source: Value, way: Any, names: Any, position: int, handed: Any = ()) -> Any:
        iterated = thing_of(source)
        plain = iterated is not None and iterated.kind in (LIST, DICT, SET, DEQUE, ARRAY)
        if self._behind or (self._unmarked and not plain):
            self._catch_up()
        return super()._got(at, source, way, names, position, handed)

    def _reference(self, evaluation: int) -> Value:
        value = super()._reference(evaluation)
        if type(value) is Ref:
            self._touched[value.thing.number] = value.thing
        return value

    def change(self, by: int, thing: Thing, how: How, key: str | None, member: Value = None) -> None:
        """State a change of a data structure."""
        self._touched[thing.number] = thing
        super().change(by, thing, how, key, member)

    # -- activations -----------------------------------------------------------------------------------------

    def _activation(self, name: str) -> int:
        lane = self.lane
        call = lane.call
        if self._is_from_outside():
            lane.call = None
        try:
            return super()._activation(name)
        finally:
            lane.call = call

    def _is_direct(self, call: Call, place: int, known: Any, function: Function) -> list[Value] | None:
        if self._is_from_outside():
            self.gap(
                place, f"code that is not traced calls {known[0]}; where its arguments come from is not known"
            )
            return None
        return super()._is_direct(call, place, known, function)

    def _guessed(self, known: Any, values: list[Value], call: Call) -> dict[str, tuple[Source, ...]]:
        found = super()._guessed(known, values, call)
        if self._is_from_outside():
            found = {name: tuple(one for one in sources if one.same) for name, sources in found.items()}
        return found

    def _run(self, place: int, activation: int, function: Function, parameters: list[Value]) -> None:
        lane, outside = self.lane, self._is_from_outside()
        before = lane.since, lane.outside
        lane.outside = outside
        try:
            super()._run(place, activation, function, parameters)
        finally:
            lane.since, lane.outside = before
            # Texts that were loaded before a part of another one was chosen do not tell it.
            if place not in self.cells and self.is_told(place, words.LEFT):
                self._expect(words.LEFT, place)
                self._advance()
            if outside:
                lane.result = None
                self.ran_outside()

    def _go_on(self, pausing: Any, key: int, *, thrown: bool = False) -> None:
        lane, outside = self.lane, self._is_from_outside()
        before = lane.since, lane.outside
        lane.outside = True
        try:
            super()._go_on(pausing, key, thrown=thrown)
        finally:
            lane.since, lane.outside = before
            if outside:
                lane.result, lane.given, lane.has_given = None, None, False
                self.ran_outside()

    def _hand(self, value: Value, *generators: Thing) -> None:
        if not self.lane.outside:
            super()._hand(value, *generators)

    # -- rounds of loops that are not traced -----------------------------------------------------------------

    def some(self, at: int, source: Value, names: Sequence[str]) -> Iterator[Any]:
        """The items that a loop gets; where rounds are not traced, this replay in their place."""
        position = 0
        while True:
            position = yield from self.each(at, source, names, position)
            if not self.skips(at):
                return
            yield self  # The shadow asks `later`.
            position += self._skipped

    def skips(self, at: int) -> bool:
        """Whether a loop goes on that is over as far as it is traced."""
        if self.kind != words.SKIP or self.site != at:
            return False
        self.gap(at, "only some rounds of this loop are traced; what the others did is not known")
        self.ran_outside(own=True)
        self._advance()
        return True

    def later(self, at: int) -> bool | None:
        """The rounds that are not traced run: whether those behind them are, None if one of them returned."""
        ends = (words.SKIPPED, words.RETURNED, words.GOES_ON)
        while self.site != at or self.kind not in ends:
            if self.kind == END:
                raise self.over(at)
            self.lane.since = -1
            if self.kind == words.RAISED and self.site == at:
                self._advance()
                self.ran_outside(own=True)
                raise Thrown
            with contextlib.suppress(Thrown):
                self._nested()
        how = None if self.kind == words.RETURNED else self.kind == words.GOES_ON
        self._skipped = self._log.number() if how else 0
        self._advance()
        self.ran_outside(own=True)
        return how

    # -- what is let go of -----------------------------------------------------------------------------------

    def let_go(self, *values: Value) -> None:
        """Others may reach these values from here on, and what is in them."""
        waiting = list(values)
        while waiting:
            one = waiting.pop()
            thing = thing_of(one[0] if isinstance(one, tuple) and one else one)
            if thing is not None and thing.own:
                thing.own = False
                self._touched[thing.number] = thing
                waiting += [*thing.items, *thing.parts.values()]

    def display(self, at: int, kind: str, members: Any, decided: tuple[Source, ...] = ()) -> Value:
        """A data structure that the text writes out: nobody else has it yet."""
        made = super().display(at, kind, members, decided)
        if type(made) is Ref:
            made.thing.own = True
            self._touched[made.thing.number] = made.thing
        return made

    def unseen(self, at: int, name: str) -> Value:
        """A name that untraced code binds: it may be something else each time."""
        self.check(at)
        if isinstance(getattr(self._nodes[at], "ctx", None), ast.Store):
            return None  # That of an augmented assignment, which is a part of its own.
        return self._evaluation(at, Kind.NAME, (), None, name=name)

    def op(self, at: int, *values: Value) -> Value:
        """An operation: its value may hold its operands, or what is in them."""
        self.let_go(*values)
        made = super().op(at, *values)
        if type(made) is Ref:
            self._touched[made.thing.number] = made.thing
        return made

    def seen(self, at: int, *values: Value) -> Value:
        """An operation whose value was looked at."""
        self.let_go(*values)
        return super().seen(at, *values)

    def define(self, at: int, name: str, run: Any, defaults: dict[str, Value]) -> Value:
        """A function, which keeps its defaults."""
        self.let_go(*defaults.values())
        return super().define(at, name, run, defaults)

    def ret(self, at: int, value: Value, guards: tuple[Value, ...] = ()) -> Value:
        """A ``return``."""
        if self.lane.outside:
            self.let_go(value)
        return super().ret(at, value, guards)

    def give(self, at: int, value: Value, guards: tuple[Any, ...]) -> None:
        """``yield value``."""
        if self.is_told(at, words.LEFT):
            self._expect(words.LEFT, at)
            self._reference(0)
            self._advance()
        self.let_go(value)
        super().give(at, value, guards)

    def put_member(self, by: int, thing: Thing, key: str | None, value: Value, of: Value = None) -> None:
        """A member put into a thing."""
        if not thing.own:
            self.let_go(value)
        super().put_member(by, thing, key, value, of)

    def _accessed(
        self,
        at: int,
        container: Value,
        thing: Thing | None,
        key: str | None,
        keys: tuple[Value, ...],
        rows: str | None = None,
        given: Value = None,
    ) -> Value:
        made = super()._accessed(at, container, thing, key, keys, rows, given)
        found = thing_of(made)
        if found is not None and thing is not None and thing.own and thing_of(thing.member(key)) is not found:
            self.let_go(Ref(0, thing))  # A slice shares the members.
        return made

    def _returned(
        self, at: int, name: str, call: Call, got: Value, result: Value, keys: tuple[str | None, ...]
    ) -> Value:
        made = super()._returned(at, name, call, got, result, keys)
        if call.called:
            return made
        thing, held = thing_of(got), thing_of(call.target)
        short = name.rpartition(".")[2]
        effect = call.method in WITH_EFFECT and held is not None
        if effect and held is not None and held.own:
            return made  # What it was given is in it, or is its own member.
        if thing is not None and held is not None and not effect:
            self.let_go(call.target)
        if effect or thing is not None or short not in _KEEPING or self.lane.since != self.epoch:
            self.let_go(*(value for _, value in call.arguments))
        if self._unmarked and not effect and not self._is_harmless(short, call):
            self.let_go(call.target)
            self.ran_outside()
        return made

    @staticmethod
    def _is_harmless(name: str, call: Call) -> bool:
        """Whether a call certainly runs no code of the program."""
        given = [thing_of(one[0] if isinstance(one, tuple) else one) for _, one in call.arguments]
        plain = all(one is None or one.kind not in (INSTANCE, GENERATOR, FUNCTION) for one in given)
        return call.method is None and name in PURE and plain

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
        made = super()._evaluation(place, kind, sources, thing, name=name, number=number, order=order)
        if kind is Kind.ASSIGN and thing is not None and thing.own:
            module = self._module_of(place)
            if module is not None and place in module[2].leaking:
                self.let_go(made)
        return made

    # -- data structures of which not all members are known --------------------------------------------------

    def effect(self, by: int, thing: Thing, method: str, keys: Any, arguments: Any, made: Value) -> None:
        """State what a method does to what it is called on."""
        if not thing.own:
            self.let_go(*(value for _, value in arguments))
        super().effect(by, thing, method, keys, arguments, made)

    def extended(self, by: int, thing: Thing, value: Value) -> None:
        """State that the members of a value were put into a thing."""
        other = thing_of(value[0] if isinstance(value, tuple) else value)
        if not thing.own and other is not None:
            self.let_go(*other.items, *other.parts.values())
        super().extended(by, thing, value)
