"""Branches, loops and exceptions of a replayed program: the log tells which way they went."""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from trilha.trace import log as words
from trilha.trace.evaluations import Kind, Role, Source
from trilha.trace.heap import (
    DEQUE,
    DICT,
    FRAME,
    GENERATOR,
    LIST,
    SET,
    Thing,
    Value,
    number_of,
    sources_of,
    thing_of,
)
from trilha.trace.sharing import Sharing
from trilha.trace.waiting import Call, Thrown

__all__ = ["Control"]


class Control(Sharing):
    """What decides where the shadow goes; a part of `trilha.trace.replay.Replay`."""

    def caught(self) -> int:
        """An exception comes to handlers; the number of the one that takes it, or of what is further out."""
        self._settle()
        return self.site if self.kind == words.RAISED else -1

    def handled(self, at: int, name: str | None) -> Value:
        """A handler takes the exception."""
        self.stop = -1
        self._advance()
        return self._evaluation(at, Kind.ASSIGN, (), None, name=name) if name else None

    def left(self, places: tuple[int, ...], *, told: bool = False) -> None:
        """The body of a ``try`` or ``with`` is over; or an exception left it that is told of there.

        Args:
            places: numbers of what tells of exceptions.
            told: there is a record behind the body in any case.
        """
        if told:
            self._settle()
        else:
            self._settle_implicit()
        if self.kind == words.RAISED and self.site in places and self._handler_act == self.lane.pausing:
            raise Thrown

    def passing(self, at: int) -> None:
        """An exception passes by a ``finally``."""
        self._settle()
        if self.kind == words.RAISED and self.site == at:
            self.stop = -1
            self._advance()

    def swallowed(self, at: int) -> bool:
        """An exception left the body of a ``with``: whether that went on behind it."""
        self.passing(at)
        self._settle()
        return self.kind == words.BLOCK and self.site == at

    def after(self, at: int) -> None:
        """A ``with`` is over."""
        self._expect(words.BLOCK, at)
        self._advance()

    def raise_(self, at: int, *values: Value) -> None:
        """A ``raise``."""
        if values:
            self._evaluation(at, Kind.RETURN, sources_of(values, Role.VALUE), thing_of(values[0]))
        self._settle()
        raise Thrown

    def assert_(self, at: int, value: Value) -> None:  # noqa: ARG002
        """An ``assert``."""
        self.check(at)

    # -- control ---------------------------------------------------------------------------------------------

    def br(self, at: int, value: Value = None) -> bool:  # noqa: ARG002
        """Whether the block of this number runs."""
        self._settle_implicit()
        if self.kind == words.BLOCK and self.site == at:
            self._advance()
            return True
        if self.kind == words.RAISED and self.stop == at:
            raise Thrown
        return False

    def case(self, places: Sequence[int]) -> int:
        """Which case of a ``match`` is taken; -1 if none is."""
        self._settle_implicit()
        return self.site if self.kind == words.ITEM and self.site in places else -1

    def has_item(self, at: int) -> bool:
        """Whether an asynchronous loop, which goes on, does so with one more item."""
        return self.kind == words.ITEM and self.site == at

    def has_next_item(self, at: int) -> bool:
        """Whether an asynchronous loop of a cell has one more item."""
        self._settle()
        return self.kind == words.ITEM and self.site == at

    def each(
        self, at: int, source: Value, names: Sequence[str] | None, position: int = 0
    ) -> Generator[Any, None, int]:
        """The items that a loop gets, from a position on; gives the one behind them."""
        settle, look = self._settle_between(at, source), Call(0, None, source, ())
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
            yield self._got(at, source, names, position, look.handed)
            position += 1

    def _settle_between(self, at: int, source: Value) -> Callable[[], None]:
        """What follows all that runs of the program while a loop gets its next item, and nothing later."""
        if isinstance(self._nodes[at], ast.comprehension) or self.is_told(at, words.BLOCK):
            return self._settle
        thing = thing_of(source)
        plain = thing is None or thing.kind in (LIST, DICT, SET, DEQUE)
        return self._settle_implicit if plain else self._settle

    def each_lazily(self, at: int, source: Value, names: Sequence[str]) -> Iterator[Any]:
        """The items that a generator expression gets; while it waits for one, perhaps for ever, nothings."""
        nothing = None if len(names) == 1 else [None] * len(names)
        if self.waiting:
            yield nothing
            return
        position = 0
        while True:
            while self.kind != words.NEXT or self._is_other():
                self.waiting = True
                yield nothing
                self.waiting = False
            if self.site != at:
                return  # A loop around this one has its next item.
            yield self._got(at, source, names, position)
            position += 1

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
        before, self.lane.call = self.lane.call, look
        try:
            self._expect(words.ITEM, at)
        finally:
            self.lane.call = before
        if len(given) == 1 and not isinstance(self._nodes[at], ast.match_case):
            given = self._entered(thing_of(given[0]), look, entered) or given
        values = self._values(len(names))
        self._advance()
        made = [
            self._evaluation(
                self._name_place(at, name),
                Kind.ASSIGN,
                sources_of(given, Role.VALUE),
                thing_of(value),
                name=name,
            )
            for name, value in zip(names, values, strict=True)
        ]
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
        self, at: int, source: Value, names: Sequence[str] | None, position: int, handed: Sequence[Value] = ()
    ) -> Any:
        """The next item of a loop, as what it binds; for `names` that are None, the item itself."""
        values = self._values(1 if names is None else len(names))
        lane = self.lane
        given, known = lane.given, lane.has_given
        iterated = thing_of(source)
        if iterated is None or iterated.kind != GENERATOR:
            # What was given went to somebody who is not traced, and who may have made something else of it.
            known = False
        if known and lane.lazy is not None and lane.giver is not None:
            self._fed[lane.lazy] = lane.giver
        lane.has_given = False
        self._advance()
        count = len(values)
        element, parts = (given, None) if known else self._element(source, position, count)
        sources = [Source(number_of(source), Role.ITERABLE)] if number_of(source) else []
        if number_of(element):
            sources.append(Source(number_of(element), Role.ELEMENT, None, True))
        elif values:
            sources += self.view_sources(source, thing_of(source), thing_of(values[0]))
            if not known and not (parts and all(map(number_of, parts))):
                sources += sources_of(handed, Role.OPERAND)
        target = getattr(self._nodes[at], "target", None)
        single = names is None or (count == 1 and not isinstance(target, (ast.Tuple, ast.List)))
        thing = thing_of(values[0]) if single else thing_of(element)
        # The parts of a frame are of all of its columns.
        whole = known or (iterated is not None and iterated.kind == FRAME)
        taken = self._evaluation(
            at, Kind.ACCESS, tuple(sources), thing, name=None if whole else str(position)
        )
        if names is None:
            return taken
        found = []
        held = thing_of(element)
        for place, (name, value) in enumerate(zip(names, values, strict=True)):
            inner: list[Source] = [Source(number_of(taken), Role.VALUE, None, single)]
            part = None if single else (parts[place] if parts else held and held.member(str(place)))
            if number_of(part):
                inner = [Source(number_of(part), Role.VALUE, None, True)]
            where = self._name_place(at, name)
            found.append(self._evaluation(where, Kind.ASSIGN, tuple(inner), thing_of(value), name=name))
        return found[0] if len(found) == 1 else found

    def _element(self, source: Value, position: int, count: int) -> tuple[Value, list[Value] | None]:
        """The member that an iteration gives at a position, where it is known; or the parts of it."""
        thing = thing_of(source)
        if thing is None or thing.kind == DICT:
            return None, None
        if isinstance(thing.over, tuple) and thing.over[0] in ("zip", "enumerate"):
            made = thing.over[2] == number_of(source)  # Else some of it may have been taken before.
            return None, self._through(thing.over, position, count) if made else None
        return thing.member(str(position)), None

    def _through(self, over: tuple[str, list[Value], int], position: int, count: int) -> list[Value] | None:
        """What `zip` and `enumerate` give at a position."""
        how, sources, _ = over
        if how == "zip" and len(sources) == count:
            return [self._element(one, position, 1)[0] for one in sources]
        return [None, self._element(sources[0], position, 1)[0]] if sources and count == 2 else None

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
