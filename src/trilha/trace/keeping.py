"""What functions give that keep their results: `functools.lru_cache`, `functools.cache`.

A call of one runs the function, or gives what an earlier call gave for the same arguments. The log has
no arguments: a number or text comes of any of the results that are kept; an object is known by its identity.

Source: Python Library Reference, `functools`.
"""

from __future__ import annotations

from typing import Final

from trilha.trace.evaluations import How
from trilha.trace.heap import Thing, Value, number_of, thing_of
from trilha.trace.viewing import Viewing
from trilha.trace.waiting import Call

__all__ = ["Keeping"]

_KEEPING: Final = frozenset(["lru_cache", "functools.lru_cache", "cache", "functools.cache"])
_MOST: Final = 4096
"""Of a function that keeps more objects, none is told by its identity."""


class Keeping(Viewing):
    """Knows what such functions keep; a part of `trilha.trace.replay.Replay`.

    Attributes:
        keeping: the objects that each keeps, by the number of the function and theirs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.keeping: dict[int, dict[int, Value]] = {}

    def note_keeper(self, name: str, made: Thing | None, given: Thing | None) -> None:
        """Note what a call or a decorator made of a function, if it keeps results.

        Args:
            name: of what was called, as it is written.
            made: what that gave.
            given: the function.
        """
        if made is not None and given is not None and given.function is not None and name in _KEEPING:
            made.function = given.function
            self.keeping[made.number] = {}

    def keeper(self, call: Call) -> Value:
        """The function that a call is of, if it keeps its results; else None."""
        called, thing = call.target, thing_of(call.target)
        if thing is not None and call.method is not None:
            called = thing.member(f".{call.method}")
            thing = thing_of(called)
        return called if thing is not None and thing.number in self.keeping else None

    def kept_by(self, keeper: Value, seen: Thing | None) -> Value:
        """The result that a function kept which is an object; None if none is."""
        return self.keeping[keeper.thing.number].get(seen.number) if seen is not None else None

    def keep_result(self, keeper: Value, by: int, made: Value) -> None:
        """State that a function keeps what a call of it gave."""
        thing, known = thing_of(made), self.keeping[keeper.thing.number]
        if thing is not None and len(known) < _MOST:
            known[thing.number] = made
        self.change(by, keeper.thing, How.PUT, None, number_of(made))

    def forget_results(self, call: Call) -> None:
        """State that a function keeps nothing any more, if that was what was asked of it."""
        thing = thing_of(call.target)
        if call.method == "cache_clear" and thing is not None and thing.number in self.keeping:
            self.keeping[thing.number] = {}
            self.change(call.number, thing, How.CLEAR, None)
