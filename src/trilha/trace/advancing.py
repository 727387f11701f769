"""What a call or a loop may have changed of an object whose state the trace does not have.

An iterator is gone on, a file read, a queue emptied, a generator of random numbers stepped by whoever uses
it: what it gives next is another value. Of objects that are no data structures, nothing but that is known; so
each use by code that is not traced is stated, but by functions which leave what they are given as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from trilha.trace.evaluations import Advanced
from trilha.trace.heap import ARRAY, FRAME, GENERATOR, INSTANCE, Thing, Value, number_of, thing_of
from trilha.trace.stating import Stating
from trilha.trace.waiting import Call

__all__ = ["Advancing"]

_LEAVING: Final = frozenset(
    [
        *("abs", "bool", "callable", "complex", "dir", "float", "format", "hasattr", "hash", "id", "int"),
        *("isinstance", "issubclass", "len", "print", "range", "repr", "round", "str", "super", "type"),
        "vars",
    ]
)
"""Functions that neither take from what they are given nor keep it."""
_FIXED: Final = frozenset(
    [
        *("range", "slice", "super", "type", "object", "memoryview", "re.compile", "re.match", "re.search"),
        *("re.fullmatch", "pathlib.Path", "pathlib.PurePath", "datetime.datetime", "datetime.date"),
        *("datetime.timedelta", "decimal.Decimal", "fractions.Fraction", "operator.itemgetter"),
        *("operator.attrgetter", "uuid.UUID", "uuid.uuid4"),
    ]
)
"""What makes objects that never change."""
_LEAVING_IT: Final = frozenset(["finditer", "scanner", "open", "iterdir", "glob", "rglob"])
"""Methods of such objects that give others which do change."""
_IS_FIXED: Final = ("fixed",)
_MOST: Final = 16
"""Of larger data structures, what is in them is not looked at."""


class Advancing(Stating):
    """States such uses; a part of `trilha.trace.replay.Replay`."""

    def advances(self, by: int, *values: Value) -> None:
        """State that an evaluation may have changed these values, or what is in them."""
        for value in values:
            for one in _inside(value):
                if _is_opaque(thing_of(one)):
                    self._sink(Advanced(by, number_of(one)))

    def used_by_call(self, name: str, call: Call, made: Thing | None) -> None:
        """State what a call of a function that is not traced may have changed.

        Args:
            name: of the function.
            call: of it.
            made: what it gave.
        """
        target = thing_of(call.on or call.target)
        fixed = target is not None and target.over == _IS_FIXED and call.method is not None
        if made is not None and made.over is None and _gives_fixed(name, call, made, target, fixed=fixed):
            made.over = _IS_FIXED
        if fixed and call.method not in _LEAVING_IT:
            return
        if made is not None and made.over is None and call.method is not None and _is_opaque(target):
            made.over = ("asked", call.on or call.target)  # If it is awaited, that may change meanwhile.
        self.advances(call.number, call.target, call.on)
        leaves = call.method is None and name in _LEAVING
        for word, value in call.arguments:
            if isinstance(value, tuple):
                self.advances(call.number, value[0])
            elif not leaves or word == "file":
                self.advances(call.number, value)

    def changes_unknown(self, by: int, values: Sequence[Any]) -> None:
        """State that a function may have changed the data structures that it was given."""
        for value in values:
            one = value[0] if isinstance(value, tuple) else value
            if thing_of(one) is not None and number_of(one):
                self._sink(Advanced(by, number_of(one)))


def _gives_fixed(name: str, call: Call, made: Thing, target: Thing | None, *, fixed: bool) -> bool:
    """Whether a call gave something that never changes."""
    if fixed:
        return call.method not in _LEAVING_IT
    if call.method is not None:
        # What an array gives of itself that is no array is a number.
        return made.number < 0 and target is not None and target.kind in (ARRAY, FRAME)
    if name.startswith("numpy."):
        return made.number < 0 and not name.startswith("numpy.random.")
    return name in _FIXED


def _is_opaque(thing: Thing | None) -> bool:
    """Whether an object may have a state that the trace does not have."""
    if thing is None or thing.unmet or thing.kind not in (INSTANCE, GENERATOR):
        return False
    return thing.over is not _IS_FIXED


def _inside(value: Value) -> Iterator[Value]:
    """A value, or what is in it if that is a small data structure."""
    thing = thing_of(value)
    if thing is None:
        return
    if thing.kind in (INSTANCE, GENERATOR):
        if number_of(value):
            yield value
        return
    for held in (thing.items, thing.parts.values()):
        if len(held) <= _MOST:
            for one in held:
                if number_of(one) and _is_opaque(thing_of(one)):
                    yield one
