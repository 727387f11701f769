"""A slice as a program that runs and gives the same value: the statements that the value needs.

Whole statements are kept. A kept statement needs all that any of its evaluations came from, the conditions
that it stood under, and every change of a thing that it used; what may have changed an object whose state
the trace does not have (an iterator, a file), a state that functions of a library share, or a file that is
read; what leaves a kept loop or function early is kept with its conditions, and so is each place at which a
coroutine waits; what Python or a library ran is needed with what it was run by; a name that kept text refers
to keeps its definition. This goes on until nothing is added (an executable slice: Weiser, "Program slicing",
1984; here of what one run did).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import chain

from trilha.trace.compiling import parsed
from trilha.trace.contents import Contents
from trilha.trace.decimals import Decimals
from trilha.trace.evaluations import Component, Kind
from trilha.trace.lent import Lent
from trilha.trace.origins import Origins
from trilha.trace.running import Running
from trilha.trace.statements import FUNCTIONS, Module
from trilha.trace.states import FILES, SYSTEM, States
from trilha.trace.traced import Traced

__all__ = ["program"]

_END = 2**62
"""A checkpoint after all of a trace."""
_OVER = (Kind.ASSIGN, Kind.NAME, Kind.LITERAL)
"""What evaluates nothing that could begin something."""


def program(
    traced: Traced, start: Iterable[int], until: int | None = 0, elsewhere: Iterable[Component] = ()
) -> dict[str, str]:
    """The programs, by the path of the module, that give the values of `start` again.

    Args:
        traced: the trace.
        start: evaluations.
        until: with what was put into their values, and what became of these, until this checkpoint; None for
            the end, 0 for nothing after they were evaluated.
        elsewhere: what other processes evaluated that the values came from (`trilha.trace.across`).

    Returns:
        The texts of the modules of which anything is needed. Comments are lost.
    """
    needed = _Needed(traced)
    needed.keep_run_elsewhere(elsewhere)
    needed.grow(set(start), _END if until is None else until)
    return {path: module.text() for path, module in needed.modules.items() if module.kept}


def _families(modules: dict[str, Module], spaces: dict[str, int]) -> Iterator[list[Module]]:
    """Modules, in the order in which they were run, those together that share their names."""
    found: dict[int, list[Module]] = {}
    for path, module in modules.items():
        if path in spaces:
            found.setdefault(spaces[path], []).append(module)
        else:
            yield [module]
    yield from found.values()


class _Needed:
    """Grows the evaluations, and with them the statements, that are needed until they suffice."""

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self.modules = {path: Module(text) for path, text in traced.texts.items()}
        self._families = list(_families(self.modules, traced.spaces))
        self._where: dict[int, tuple[Module, ast.stmt]] = {}
        self._marks = bytearray(traced.end)
        self._entered = bytearray(len(traced.activations) + 1)
        self._things: set[int] = set()
        self._contents = Contents(traced)
        self._unseen = _Unseen(traced)
        self._whole: set[int] = set()
        self._running = Running(traced)
        self._defining: dict[ast.stmt, list[int]] = {}
        self._unfollowed = _unfollowed(traced)
        self._waiting: list[int] = []
        self._last = 0
        for number, component in traced.components.items():
            module = self.modules.get(component.file)
            statement = module.statement(component.line, component.column) if module is not None else None
            if module is not None and statement is not None:
                self._where[number] = module, statement
                if isinstance(statement, FUNCTIONS) and component.kind is Kind.ASSIGN:
                    self._defining.setdefault(statement, []).append(number)

    def keep_run_elsewhere(self, components: Iterable[Component]) -> None:
        """Keep the text of what other processes evaluated; of functions all, with what binds their names."""
        for one in components:
            module = self.modules.get(one.file)
            statement = module.statement(one.line, one.column) if module is not None else None
            if module is not None and statement is not None:
                module.keep_run_elsewhere(statement)

    def grow(self, seeds: set[int], until: int) -> None:
        """Keep what the evaluations `seeds` need, and what changed their values until a checkpoint."""
        seeds |= {by for seed in seeds for by in self._changing(seed) if by < until}
        self._last = max(seeds, default=0)
        if until == _END and self._is_of_thread(self._last):
            self._last = self._traced.end  # Who waited for the thread did so later.
        for number in seeds:
            self._need(number)
        while self._waiting:
            while self._waiting:
                self._follow(self._waiting.pop())
            while sum(self._refers(family) for family in self._families):
                pass
            self._need_kept()
            if not self._waiting and any(map(self._binds, self._families)):
                self._need_kept()

    def _is_of_thread(self, number: int) -> bool:
        """Whether an evaluation took place in another thread than the program began in."""
        activation = self._traced.activation_number(number) if self._traced.is_evaluation(number) else 0
        return bool(activation) and self._traced.activation_of(activation).thread != 0

    def _changing(self, number: int) -> Iterator[int]:
        """The evaluations that changed what an evaluation gave, or something in it, or may have."""
        traced = self._traced
        for thing in self._contents.inside(traced.thing(number)) - {0}:
            for change in traced.changes_of(thing, _END):
                yield change.by
        yield from self._unseen.changing(number)

    @staticmethod
    def _refers(family: list[Module]) -> bool:
        """Keep what defines the names that kept text of a family refers to; tells whether that was more."""
        names = {name for module in family for name in module.names()}
        unfollowed = {name for module in family for name in module.unfollowed()}
        # What a text defines that was run after all that is kept is no part of it.
        last = max((at for at, module in enumerate(family) if module.kept), default=-1)
        return sum(module.define(names, unfollowed) for module in family[: last + 1]) > 0

    @staticmethod
    def _binds(family: list[Module]) -> bool:
        """Keep what binds names that kept text of a family refers to, where nothing that is kept does.

        That is in statements which raised before they had evaluated them. Tells whether that was more.
        """
        kept = [module for module in family if module.kept]
        names = {name for module in kept for name in module.names()}
        names -= {name for module in kept for name in module.binds()}
        return sum(module.bind(names) for module in kept) > 0

    def _need(self, number: int) -> None:
        if not self._marks[number]:
            self._marks[number] = 1
            self._waiting.append(number)

    def _follow(self, number: int) -> None:
        """Need what an evaluation came from, the call that it is in, and what changed the thing it gave."""
        traced = self._traced
        place = traced.component_number(number)
        # A name from outside is evaluated once, at its first use; that is no reason to keep this.
        if place in self._where and traced.components[place].kind is not Kind.NAME:
            module, statement = self._where[place]
            module.keep(statement)
        for source, _ in traced.sources(number):
            self._need(source)
        if place in self._unfollowed:
            # What ran in it is not known: all that no call of the text began.
            for activation in traced.activations:
                if (
                    traced.call_of(activation) is None
                    and traced.activation_of(activation).checkpoint < number
                ):
                    self._whole.add(activation)
                    self._entered[activation] = 1
        for changing in self._unseen.behind(number):
            if changing <= self._last:
                self._need(changing)
        things = {traced.thing(number)} - {0}
        while things:
            thing = things.pop()
            if thing not in self._things:
                self._things.add(thing)
                for change in traced.changes_of(thing, self._last):
                    self._need(change.by)
                things |= self._contents.found.inside(thing)
        for activation in (traced.activation_number(number), *traced.called_by(number)):
            if not self._entered[activation]:
                self._entered[activation] = 1
                call = traced.call_of(activation) if activation else None
                if call is not None:
                    self._need(call)
                elif activation:
                    self._need_what_ran(activation, place)

    def _need_what_ran(self, activation: int, place: int) -> None:
        """Need what an activation began by that no call of the text began; `place` is evaluated in it."""
        inside = self._where.get(place)
        definition = inside[0].function(inside[1]) if inside is not None else None
        told = self._traced.activation_of(activation)
        for number in self._defining.get(definition, ()) if definition is not None else ():
            for one in self._traced.of_component(number):
                calls = self._running.given_to(one, getattr(definition, "name", ""))
                # A call that was not over when this began is what ran it, or has to do with what did.
                at_once = told.caller and not isinstance(definition, ast.AsyncFunctionDef)
                if at_once and any(call > told.checkpoint for call in calls):
                    continue
                for call in calls:
                    if call <= self._last:
                        self._need(call)
        before, after = self._running.around(activation) if told.caller else (None, None)
        # What began it is told before it, in places; a name is bound when all that ran for it is over.
        if before is not None and self._traced.component(before).kind not in _OVER:
            self._need(before)
        if after is None:
            return
        # A statement that is run again goes on to its end, also where that is behind what was asked for.
        begun, ran = (self._statement_of(one) if one is not None else None for one in (before, after))
        for number in self._running.following(told.caller or 0, after):
            if self._statement_of(number) != ran:
                break
            self._last = max(self._last, number)
            self._need(number)
        if ran is not None:
            for statement in (ran[1], *ran[0].silent(begun[1] if begun is not None else None, ran[1])):
                ran[0].keep(statement)

    def _statement_of(self, number: int) -> tuple[Module, ast.stmt] | None:
        return self._where.get(self._traced.component_number(number))

    def _need_kept(self) -> None:
        """Need each evaluation of a kept statement in an activation that is gone through."""
        traced, marks, waiting = self._traced, self._marks, self._waiting
        kept = [
            number in self._where and self._where[number][1] in self._where[number][0].kept
            for number, _ in traced.slots()
        ]
        slots, (begins, activations) = traced.columns("slot"), traced.switches()
        ends = chain(begins[1:], [len(slots)])
        for begin, end, activation in zip(begins, ends, activations, strict=True):
            if begin > self._last:
                return
            if not self._entered[activation]:
                continue
            whole = activation in self._whole
            for number in range(begin, min(end, self._last + 1)):
                if slots[number] and (kept[slots[number]] or whole) and not marks[number]:
                    marks[number] = 1
                    waiting.append(number)


def _unfollowed(traced: Traced) -> set[int]:
    """The components whose inside was not followed."""
    places = {(one.file, one.line) for one in traced.gaps}
    return {
        number
        for number, one in traced.components.items()
        if one.kind is Kind.DEFINITION and (one.file, one.line) in places
    }


class _Unseen:
    """What may have changed values otherwise than the trace tells, and what an evaluation depends on.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._told: set[object] = set()
        self._origins = Origins(traced)
        self._lent = Lent(traced)
        self._decimals = Decimals(traced)
        self._advanced: dict[int, list[int]] = {}
        for value, by in traced.advanced():
            self._advanced.setdefault(self._origins.of(value), []).append(by)
        self._stepped: dict[int, list[tuple[str, bool]]] = {}
        states = {path: States(parsed(text)) for path, text in traced.texts.items()}
        for number, one in traced.components.items():
            if one.kind is Kind.CALL and one.file in states:
                self._stepped[number] = list(states[one.file].stepped(one.text))
        self._opened: dict[int, set[str]] = {}
        self._written: dict[str, list[int]] = {}
        for opened in traced.opened:
            if opened.evaluation:
                self._opened.setdefault(opened.evaluation, set()).add(opened.path)
                if opened.written:
                    self._written.setdefault(opened.path, []).append(opened.evaluation)

    def behind(self, number: int) -> Iterator[int]:
        """The evaluations that may have changed what an evaluation gave, or depended on; each told once."""
        origin = self._origins.of(number)
        if origin in self._advanced and self._is_new(origin):
            yield from self._advanced[origin]
        yield from self._lent.led_to(number)
        yield from self._decimals.led_to(number)
        for path in self._opened.get(number, ()):
            if self._is_new(path):
                yield from self._written.get(path, ())
            yield from self._of_state(SYSTEM)
        for state, _ in self._stepped.get(self._traced.component_number(number), ()):
            yield from self._of_state(state)
            if state == FILES and self._is_new(FILES):
                yield from (one for writing in self._written.values() for one in writing)

    def changing(self, number: int) -> list[int]:
        """The evaluations that may have changed the object that one gave, otherwise than is told."""
        return self._advanced.get(self._origins.of(number), [])

    def _of_state(self, state: str) -> Iterator[int]:
        """The evaluations that may have changed a state which functions share."""
        if self._is_new((state,)):
            for component, stepped in self._stepped.items():
                if (state, True) in stepped:
                    yield from self._traced.of_component(component)

    def _is_new(self, one: object) -> bool:
        known = one in self._told
        self._told.add(one)
        return not known
