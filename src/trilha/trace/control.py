"""Branches, loops and exceptions of a replayed program: the log tells which way they went."""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from trilha.trace import log as words
from trilha.trace.among import found_among
from trilha.trace.evaluations import Kind, Role, Source
from trilha.trace.heap import (
    CLASS,
    DEQUE,
    DICT,
    FRAME,
    GENERATOR,
    LIST,
    SET,
    TUPLE,
    Ref,
    Thing,
    Value,
    guard_sources,
    number_of,
    same_source,
    sources_of,
    thing_of,
)
from trilha.trace.iterating import Counted, Way, element_sources, is_seen, taken_apart
from trilha.trace.matching import Matching
from trilha.trace.waiting import Call, Thrown

__all__ = ["Control"]

_ENDING = ("StopIteration", "StopAsyncIteration")


class Control(Matching):
    """What decides where the shadow goes; a part of `trilha.trace.replay.Replay`."""

    def caught(self) -> int:
        """An exception comes to handlers; the number of the one that takes it, or of what is further out."""
        self._settle()
        return self.site if self.kind == words.RAISED else -1

    def failed(self) -> Sequence[Value]:
        """What that looked at which the exception is of that comes to a handler, as far as is known."""
        values, checkpoint = self.lane.failed
        return values if checkpoint == self.clock else ()

    def handled(self, at: int, name: str | None) -> Value:
        """A handler takes the exception; gives what that is, as far as is known."""
        value, self.lane.raised = self._on_its_way(), (None, -1)
        self.stop = -1
        self._advance()
        if not name:
            return value
        return self._evaluation(at, Kind.ASSIGN, same_source(value), thing_of(value), name=name)

    def _on_its_way(self) -> Value:
        """The exception that a ``raise`` raised, if it is the one that goes on."""
        value, checkpoint = self.lane.raised
        return value if checkpoint == self.clock else None

    def left(
        self, places: tuple[int, ...], last: int | None = None, value: Value = None, *, told: bool = False
    ) -> None:
        """The body of a ``try`` or ``with`` is over; or an exception left it that is told of there.

        Args:
            places: numbers of what tells of exceptions.
            last: that of the expression which the body ends with; None if it ends with anything else.
            value: of that.
            told: there is a record behind the body in any case.
        """
        if told:
            self._settle()
        else:
            self._settle_implicit(last, value)
        if self.kind == words.RAISED and self.site in places and self._handler_act == self.lane.pausing:
            raise Thrown

    def passing(self, at: int) -> Value:
        """An exception passes by a ``finally``; gives what it is, as far as is known."""
        value = self._on_its_way()
        self._settle()
        if self.kind == words.RAISED and self.site == at:
            self.stop = -1
            self._advance()
        return value

    def passed(self, value: Value) -> None:
        """A ``finally`` is over, after which an exception goes on, if one had passed by."""
        if value is not None:
            self.lane.raised = value, self.clock

    def swallowed(self, at: int) -> bool:
        """An exception left the body of a ``with``: whether that went on behind it."""
        value = self._tell_managers("__exit__", at, self._settle)
        went_on = self.kind == words.BLOCK and self.site == at
        self.lane.raised = (None, -1) if went_on else (value, self.clock)
        return went_on

    def tell_managers(self, at: int) -> Value:
        """An exception left the body of an ``async with``, whose managers begin to be told."""

        def settle() -> None:
            if self.kind == words.BEGIN and self._is_other():
                self._beside()

        return self._tell_managers("__aexit__", at, settle)

    def _tell_managers(self, method: str, at: int, settle: Callable[[], None]) -> Value:
        """An exception left a ``with``, whose managers are told of it by a method; gives what it is."""
        lane, failed = self.lane, self.failed()
        value = self.passing(at)
        # Its class, itself, and its traceback.
        given = tuple((None, (one,)) for one in ((value,) if value is not None else failed))
        before, lane.call = lane.call, Call(0, method, None, given)
        try:
            settle()
        finally:
            lane.call = before
        return value

    def after(self, at: int) -> None:
        """A ``with`` is over."""
        self._expect(words.BLOCK, at)
        self._advance()
        self.restored(at)

    def raise_(self, at: int, guards: tuple[Any, ...], *values: Value) -> None:
        """A ``raise``."""
        raised: Value = None
        if values:
            thing = thing_of(values[0])
            sources = sources_of(values, Role.VALUE) + guard_sources(guards)
            made = self._evaluation(at, Kind.RETURN, sources, thing)
            raised = made if thing is None or thing.kind != CLASS else number_of(made)
        self._settle()
        # Loops and `next` of libraries take these, and nothing tells of it.
        node: Any = self._nodes[at]
        ends = node.exc is not None and ast.unparse(node.exc).startswith(_ENDING)
        self.lane.raised = (None, -1) if ends else (raised, self.clock)
        raise Thrown

    def raise_again(self, value: Value) -> None:
        """A ``raise`` of what the handler that it stands in had taken."""
        self._settle()
        self.lane.raised = value, self.clock
        raise Thrown

    def assert_(self, at: int, tested: int, value: Value) -> None:
        """An ``assert`` of the truth of an expression with this number and value."""
        if value is None or type(value) is Ref or self.is_run_within(tested):
            self._settle_implicit(tested, value)
        self.check(at)

    # -- control ---------------------------------------------------------------------------------------------

    def br(self, at: int, tested: int | None = None, value: Value = None) -> bool:
        """Whether the block of this number runs.

        Args:
            at: the number.
            tested: that of the expression by whose truth it does; None if that is another one's.
            value: of that expression.
        """
        self._settle_implicit(tested, value)
        if self.kind == words.BLOCK and self.site == at:
            self._advance()
            return True
        if self.kind == words.RAISED and self.stop == at:
            raise Thrown
        return False

    def case(self, at: int, places: Sequence[int], subject: Value, takes_all: bool) -> int:
        """Which case of a ``match`` has the first pattern that fits; -1 if none has.

        Args:
            at: number of the ``match``.
            places: those of the cases that are left.
            subject: what is to fit.
            takes_all: the last one fits in any case.
        """
        if not takes_all and not self.is_told(at, words.BLOCK):  # A log of before: nothing tells of none.
            self._settle_implicit()
            return self.site if self.kind == words.ITEM and self.site in places else -1
        lane = self.lane
        before, lane.call = lane.call, Call(0, None, subject, ())
        try:
            self._settle()
            lane.matched = lane.call.handed
        finally:
            lane.call = before
        if self.kind == words.ITEM and self.site in places:
            return self.site
        self._expect(words.BLOCK, at)
        self._advance()
        return -1

    def has_item(self, at: int, parts: Sequence[int] = ()) -> bool:
        """Whether an asynchronous loop, which goes on, does so with one more item.

        Args:
            at: its number.
            parts: numbers of the parts of data structures and objects that it binds, before its names.
        """
        return (self.kind == words.ITEM and self.site == at) or (
            self.kind == words.INTO and self.site in parts
        )

    def has_next_item(self, at: int, parts: Sequence[int] = ()) -> bool:
        """Whether an asynchronous loop of a cell has one more item."""
        self._settle()
        return self.has_item(at, parts)

    def given_by(self, source: Value, last: Value) -> Value:
        """What an asynchronous loop got of this, where `last` is what ended last of what it waited for."""
        given = self._entered(thing_of(source), Call(0, None, source, ()), last)
        return given[0] if given else source

    def each(
        self, at: int, source: Value, names: Sequence[str] | None, position: int = 0
    ) -> Generator[Any, None, int]:
        """The items that a loop gets, from a position on; gives the one behind them."""
        settle, look = self._settle_between(at, source), Call(0, None, source, ())
        way = self.way(source, position)
        while True:
            lane = self.lane
            lane.has_given = False
            if self._is_other():
                before, lane.call, look.handed = lane.call, look, []
                try:
                    settle()
                finally:
                    lane.call = before
            else:
                settle()
            if self.kind != words.ITEM or self.site != at:
                if self.kind == words.BLOCK and self.site == at:
                    self._advance()
                elif self.kind == words.RAISED and self._loop_failed(at):
                    raise Thrown
                return position
            yield self._got(at, source, way, names, position, look.handed)
            position += 1

    def _settle_between(self, at: int, source: Value) -> Callable[[], None]:
        """What follows all that runs of the program while a loop gets its next item, and nothing later."""
        if isinstance(self._nodes[at], ast.comprehension) or self.is_told(at, words.BLOCK):
            return self._settle
        thing = thing_of(source)
        plain = thing is None or thing.kind in (LIST, TUPLE, DICT, SET, DEQUE)
        return self._settle_implicit if plain else self._settle

    def each_lazily(self, at: int, source: Value, names: Sequence[str]) -> Iterator[Any]:
        """The items that a generator expression gets; while it waits for one, perhaps for ever, nothings."""
        nothing = None if len(names) == 1 else [None] * len(names)
        if self.waiting:
            yield nothing
            return
        position, way = 0, self.way(source)
        while (yield from self._waited(at, nothing)):
            yield self._got(at, source, way, names, position)
            position += 1

    def _waited(self, at: int, nothing: Any) -> Generator[Any, None, bool]:
        """Nothings until some loop has its next item; whether that is this one, and none around it."""
        while self.kind != words.NEXT or self._is_other():
            self.waiting = True
            yield nothing
            self.waiting = False
        return self.site == at

    def each_awaited(self, at: int, source: Value, names: Sequence[str]) -> Iterator[Any]:
        """The items that an asynchronous clause of a comprehension gets in a cell."""
        while self.has_next_item(at):
            yield self.item(at, source, names, self.lane.result)

    def each_lazily_awaited(self, at: int, source: Value, names: Sequence[str]) -> Iterator[Any]:
        """The items that an asynchronous clause of a generator expression gets, as `each_lazily`."""
        nothing = None if len(names) == 1 else [None] * len(names)
        if self.waiting:
            yield nothing
            return
        while (yield from self._waited(at, nothing)):
            last, self.lane.result = self.lane.result, None
            given = self._entered(thing_of(source), Call(0, None, source, ()), last)
            values = self._values(len(names))
            self._advance()
            yield self._bound_as(at, given or [source], names, values)

    def keeps(self, at: int, tested: int, value: Value) -> bool:
        """Whether a generator expression goes on with its item.

        Args:
            at: number of the condition.
            tested: the same.
            value: of it.
        """
        if self.lane.lazy is not None:
            self._tests.setdefault(self.lane.lazy, []).append(value)
        return self.br(at, tested, value)

    def kept(self, at: int, value: Value) -> Value:
        """What a generator expression gives: decided by all that it tested since it gave something."""
        tests = self._tests.get(self.lane.lazy, []) if self.lane.lazy is not None else []
        sources = same_source(value) + guard_sources((tuple(tests),))
        tests.clear()
        return self._evaluation(at, Kind.RETURN, sources, thing_of(value))

    def _loop_failed(self, at: int) -> bool:
        """Whether an exception is from getting a loop's next item."""
        if isinstance(self._nodes[at], ast.comprehension) or self.is_told(at, words.BLOCK):
            return True  # What it gets, or that there is no more, would be told.
        node: Any = self._nodes.get(at)
        module = self._module_of(at)
        # Until Python 3.12 it is at the place of the whole loop.
        return self.stop != -1 and module is not None and self.stop in (at, module[0] + node.iter.trilha)

    def item(self, at: int, sources: Any, names: Sequence[str], entered: Value = None) -> Any:
        """What a ``with``, a pattern or an asynchronous loop binds.

        Args:
            at: its number.
            sources: what it is of.
            names: that it binds.
            entered: what ended last, where it waited.
        """
        given = sources if isinstance(sources, list) else [sources]
        look = Call(0, None, given[0] if len(given) == 1 else None, ())
        called, self.lane.call = self.lane.call, look
        try:
            self._expect(words.ITEM, at)
        finally:
            self.lane.call = called
        if len(given) == 1 and not isinstance(self._nodes[at], ast.match_case):
            given = self._entered(thing_of(given[0]), look, entered) or given
        self.redirected(at, sources if isinstance(sources, list) else ())
        node, before = self._nodes[at], self._last_thing
        values = self._values(len(names))
        self._advance()
        if isinstance(node, ast.match_case):
            return self._matched(at, node.pattern, given[0], zip(names, values, strict=True), before)
        return self._bound_as(at, given, names, values)

    def _bound_as(
        self, at: int, given: Sequence[Value], names: Sequence[str], values: Sequence[Value]
    ) -> Any:
        """What names of a ``with`` or an asynchronous loop are bound to, that is of what these gave."""
        sources = sources_of(given, Role.VALUE)
        made = [
            self._evaluation(
                self._name_place(at, name),
                Kind.ASSIGN,
                sources,
                thing_of(value),
                name=name,
            )
            for name, value in zip(names, values, strict=True)
        ]
        return made[0] if len(made) == 1 else made

    def _matched(
        self,
        at: int,
        pattern: ast.pattern,
        subject: Value,
        bound: Iterable[tuple[str, Value]],
        before: int,
    ) -> Any:
        """What the pattern of a case binds; `before` is the last object that was known before."""
        captured, ran = self.captures(pattern, subject), sources_of(self.lane.matched, Role.OPERAND)
        made = []
        for name, value in bound:
            known = captured.get(name)
            if known is not None and not isinstance(known, list):
                self.same(known, value, before, sure=False)
            sources, thing = self.bound_sources(known, subject, value)
            made.append(self._evaluation(at, Kind.ASSIGN, (*sources, *ran), thing, name=name))
        return made[0] if len(made) == 1 else made

    @staticmethod
    def _entered(manager: Thing | None, look: Call, last: Value) -> list[Value]:
        """What a manager or an asynchronous iterator gave, as far as the program tells: the last value."""
        if manager is None:
            return look.handed[-1:]
        if isinstance(manager.over, tuple) and manager.over[0] == "gave":
            return [manager.over[1]]
        own = manager.member(".__aenter__") is not None or manager.member(".__anext__") is not None
        return [last] if own and number_of(last) else look.handed[-1:]

    def _got(
        self,
        at: int,
        source: Value,
        way: Way,
        names: Sequence[str] | None,
        position: int,
        handed: Sequence[Value] = (),
    ) -> Any:
        """The next item of a loop, as what it binds; for `names` that are None, the item itself."""
        before, values = self._last_thing, self._values(1 if names is None else len(names))
        lane = self.lane
        given, known = lane.given, lane.has_given
        iterated = thing_of(source)
        self.parts_taken(at, source, values)
        if iterated is None or iterated.kind != GENERATOR:
            # What was given went to somebody who is not traced, and who may have made something else of it.
            known = False
        if known and lane.lazy is not None and lane.giver is not None:
            self._fed[lane.lazy] = lane.giver
        lane.has_given = False
        self._advance()
        target: Any = getattr(self._nodes[at], "target", None)
        single = names is None or (len(values) == 1 and not isinstance(target, (ast.Tuple, ast.List)))
        element = given if known else way(position)
        if single and values:
            self.same(element, values[0], before, sure=False)
        if single and not known and values and not is_seen(element, values[0]):
            element = None
        if single and element is None and values:
            element = found_among(iterated, values[0])
        parts = [element] if single else list(taken_apart(self.way, target, element))
        for part, value in () if single else zip(parts, values, strict=True):
            self.same(part, value, before, sure=False)
        if not single and None in parts:
            pairs = zip(parts, values, strict=True)
            parts = [found_among(iterated, value) if part is None else part for part, value in pairs]
        sources = [Source(number_of(source), Role.ITERABLE)] if number_of(source) else []
        sources += (more := element_sources(element) if element is not None else [])
        if not more and values:
            sources += self.view_sources(source, iterated, thing_of(values[0]))
            if not known and not all(number_of(one) or type(one) is Counted for one in parts):
                sources += sources_of(handed, Role.OPERAND)
        thing = thing_of(element)
        if single and not (thing is not None and (thing.kind == TUPLE or thing.number < 0)):
            thing = thing_of(values[0]) or self.window(iterated, str(position))
        # The parts of a frame are of all of its columns.
        whole = known or (iterated is not None and iterated.kind == FRAME)
        taken = self._evaluation(
            at, Kind.ACCESS, tuple(sources), thing, name=None if whole else str(position)
        )
        if not position:
            self.advances(number_of(taken), source)
        if names is None:
            return taken
        if single:
            same = (Source(number_of(taken), Role.VALUE, None, True),)
            place = self._name_place(at, names[0])
            return self._evaluation(place, Kind.ASSIGN, same, thing_of(taken), name=names[0])
        bound = [
            self._bound_to(at, name, value, part, taken)
            for name, value, part in zip(names, values, parts, strict=True)
        ]
        return bound[0] if len(bound) == 1 else bound

    def _bound_to(self, at: int, name: str, value: Value, part: Value, taken: Value) -> Value:
        """A name of a loop's target, bound to a part of an item."""
        sources: tuple[Source, ...] = (Source(number_of(taken), Role.VALUE, None, False),)
        thing, found_in = thing_of(value), Source(number_of(taken), Role.ITERABLE)
        if type(part) is Counted:
            sources = (*sources_of([part.first], Role.OPERAND), found_in)
        elif number_of(part) and is_seen(part, value):
            sources = (Source(number_of(part), Role.ELEMENT, None, True), found_in)
            thing = thing or thing_of(part)
        return self._evaluation(self._name_place(at, name), Kind.ASSIGN, sources, thing, name=name)

    def _name_place(self, at: int, name: str) -> int:
        """The number of the target that binds `name` in a loop or ``with``; of the whole, if none does."""
        known = self._targets.get((at, name))
        if known is None:
            known = self._targets[at, name] = self._looked_up(at, name)
        return known

    def _looked_up(self, at: int, name: str) -> int:
        node: Any = self._nodes.get(at)
        module = self._module_of(at)
        if node is None or module is None:
            return at
        targets = [getattr(node, "target", None), *(one.optional_vars for one in getattr(node, "items", []))]
        for target in targets:
            for part in ast.walk(target) if target is not None else ():
                if isinstance(part, ast.Name) and part.id == name:
                    return module[0] + int(part.trilha)  # type: ignore[attr-defined]
        return at
