"""Texts that are made of objects: of what their `__format__`, `__str__` and `__repr__` return.

Source: Python Language Reference, "Formatted string literals"; Data Model, `object.__format__`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from trilha.trace import log as words
from trilha.trace.calling import Calls
from trilha.trace.evaluations import Kind, Role
from trilha.trace.heap import DEQUE, DICT, LIST, SET, TUPLE, Ref, Thing, Value, sources_of, thing_of

__all__ = ["Writing"]

_WAYS: Final = {
    -1: ("format", "str", "repr"),
    ord("s"): ("str", "repr"),
    ord("r"): ("repr",),
    ord("a"): ("repr",),
    ord("%"): ("str", "repr"),
}
"""The methods by the first of which an object is written, by the conversion that the text asks for; by any
of them for ``%``."""
_STRUCTURES: Final = frozenset((LIST, TUPLE, DICT, SET, DEQUE))
"""What writes its members by their `__repr__`."""
_DEEPEST: Final = 4
_MOST: Final = 256
"""Members are looked for so deep, and so many."""


class Writing(Calls):
    """What is known of how objects are written; a part of `trilha.trace.replay.Replay`."""

    def written(self, conversion: int, value: Value, *spec: Value) -> tuple[Value, ...]:
        """A part of an f-string is written: its value, and what methods of the program gave for it.

        Args:
            conversion: of the part, as `ast.FormattedValue` has it.
            value: of it.
            spec: what it is written by.
        """
        return (value, *spec, *(self.writes(value, conversion) if type(value) is Ref else ()))

    def text(self, at: int, *values: Value) -> Value:
        """An f-string is put together."""
        if at == self.stop:
            self.check(at)
        self.escapes(*values)
        made = self._evaluation(at, Kind.OPERATION, sources_of(values, Role.OPERAND))
        self.may_run(*values)
        return made

    def writes(self, value: Value, conversion: int = -1) -> list[Value]:
        """Follow the methods of the program that write a value; gives what these gave."""
        places = list(_methods(thing_of(value), conversion, _DEEPEST))[:_MOST]
        lane = self.lane
        gave: list[Value] = []
        # Where there are several threads, to look at the next record is to let another one go on.
        while places and self.kind == words.ENTER and self.site in places:
            places.remove(self.site)
            before, lane.call, lane.result = lane.call, None, None
            try:
                self._beside()
            finally:
                lane.call = before
            gave.append(lane.result)
            lane.result = None
        return gave


def _methods(held: Thing | None, conversion: int, depth: int) -> Iterator[int]:
    """Where the methods are that may be run to write a thing, once for each object that has one."""
    if held is None:
        return
    if held.kind in _STRUCTURES:
        members = held.members() or list(held.parts.values())
        if held.kind == DICT:
            members += held.keys.values()
        several = conversion == ord("%") and held.kind == TUPLE and depth == _DEEPEST
        for one in members[:_MOST] if depth else ():
            yield from _methods(thing_of(one), conversion if several else ord("r"), depth - 1)
        return
    for way in _WAYS[conversion]:
        method: Any = thing_of(held.member(f".__{way}__"))
        if method is not None and method.function is not None:
            yield method.function.place
            if conversion != ord("%"):
                return
