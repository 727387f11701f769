"""The data structures of a replayed program: which evaluation each of their members is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

from trilha.trace.arrays import Array
from trilha.trace.evaluations import Role, Source

__all__ = ["Ref", "Thing", "Value", "guard_sources", "number_of", "same_source", "sources_of", "thing_of"]

LIST, DICT, SET, DEQUE, FUNCTION, CLASS, INSTANCE, GENERATOR = range(1, 9)
GENERATOR, ARRAY, FRAME, TUPLE, MODULE = 8, 9, 10, 13, 14
ROW = ("row",)
"""What is `over` of a row of a frame: its parts are those of the frame's columns."""
REST = repr("…")
"""Stands for the columns of a frame that no statement of the program made."""
NUMBERS, TEXTS = "numbers", "texts"
"""What the labels of a Series are, where these are known."""


class Thing:
    """An object of the program.

    Attributes:
        number: its identity in the trace; less than 0 for an object that has none.
        kind: as the log tells it.
        items: members by position, of a list or deque.
        open: whether there may be more, behind them or, in a dict, anywhere: positions there are not known.
        parts: members by key, of any other; attributes by name with a dot before it.
        keys: of a dict: what its keys came from, where that is known.
        function: what is known of it if it is a function of the program.
        over: what an iterator goes through, where that is known: how, the values, and the call that made it.
        array: how it lies in memory, if it is an array.
        blocks: where a frame or Series has its values, if others may have theirs there.
        labels: of a Series of pandas: what its labels are (`NUMBERS`, `TEXTS`, others empty); else None.
        own: where only a part of a program is traced: nothing else can reach it.
        unmet: an operator made it, and the log has not met it: kind and members are not known for sure.
    """

    __slots__ = (
        *("array", "blocks", "function", "items", "keys", "kind", "labels", "number", "open", "over", "own"),
        *("parts", "unmet"),
    )

    def __init__(self, number: int, kind: int = INSTANCE) -> None:
        self.number = number
        self.kind = kind
        self.items: list[Any] = []
        self.open = False
        self.parts: dict[str, Any] = {}
        self.keys: dict[str, Any] = {}
        self.function: Any = None
        self.over: Any = None
        self.array: Array | None = None
        self.labels: str | None = None
        self.blocks: tuple[Array, ...] = ()
        self.own = self.unmet = False

    def become(self, other: Thing) -> None:
        """Be what the log tells of an object that it meets first, as another thing."""
        other.take_members(self)
        self.kind, self.open, self.unmet = other.kind, other.open, False
        self.items, self.parts, self.keys, self.array = other.items, other.parts, other.keys, other.array
        self.labels, self.blocks = other.labels, other.blocks
        self.over = None

    def take_members(self, unmet: Thing) -> None:
        """Have the members of what an operator made, which this is, if there are as many."""
        if self.kind != unmet.kind:
            return
        if self.kind == DICT:
            self.parts, self.keys = dict(unmet.parts), dict(unmet.keys)
            self.open = unmet.open
        elif self.kind == LIST and unmet.items and not len(self.items) % len(unmet.items):
            self.items = unmet.items * (len(self.items) // len(unmet.items))

    def member(self, key: str | None) -> Any:
        """The value under a key; None if it is not known."""
        if key is None:
            return None
        if self.kind in (LIST, DEQUE):
            return self.items[int(key)] if key.isdecimal() and int(key) < len(self.items) else None
        if self.array is not None and key[:1] != ".":
            return self.array.element(key)
        if self.over is not None and key[:1] == "." and type(self.over) is tuple and self.over[0] == "names":
            return self.over[1].get(key[1:])
        if type(self.over) is tuple and key[:1] in "'\"" and self.over[0] in ("names", "attributes"):
            names = self.over[1] if self.over[0] == "names" else None
            return names.get(key[1:-1]) if names is not None else self.over[1].member(f".{key[1:-1]}")
        found = self.parts.get(key)
        if found is None and key[:1] in "'\"" and (self.kind == FRAME or self.over is ROW):
            found = self.parts.get(REST)
        return self.inherited(key) if found is None and key[:1] == "." else found

    def inherited(self, key: str) -> Any:
        """An attribute that an object has of its class, or a class of its bases."""
        how, above = self.over if type(self.over) is tuple and len(self.over) == 2 else ("", [])
        if how not in ("instance", "class"):
            return None
        return next((found for one in above if (found := one.member(key)) is not None), None)

    def is_own_class(self) -> bool:
        """Whether it is a class of the program of which all is known that its objects have of it."""
        return type(self.over) is tuple and self.over[0] == "class" and not self.open

    def may_hide(self, key: str | None) -> bool:
        """Whether a library may have given an object this attribute, instead of the one of its class."""
        if key is None or key[:1] != "." or key in self.parts or type(self.over) is not tuple:
            return False
        return self.over[0] == "instance" and not all(one.is_own_class() for one in self.over[1])

    def members(self) -> list[Any] | None:
        """The members of a list, tuple or deque in their order; None if they are not all known."""
        if self.open or self.kind not in (LIST, DEQUE, TUPLE):
            return None
        return list(self.items if self.kind != TUPLE else self.parts.values())

    def put(self, key: str | None, value: Any, of: Any = None) -> None:
        """Put a value under a key, which came of that; under an unknown one, no member is known any more."""
        if key is None:
            self.forget()
        elif self.kind == DEQUE and self.open and key.isdecimal():
            self.forget()  # With a greatest length, what is appended moves the others.
        elif self.kind in (LIST, DEQUE) and key.isdecimal():
            place = int(key)
            self.resize(max(place + 1, len(self.items)))
            self.items[place] = value
        elif self.kind in (LIST, DEQUE) and not key.startswith("."):
            self.forget()
        else:
            if self.kind == DICT and key not in self.parts:
                self.keys[key] = of  # A dict keeps the key that it got first.
            self.parts[key] = value

    def ordered(self) -> list[str] | None:
        """The keys of a dict in their order; None if they are not all known."""
        return None if self.open else [key for key in self.parts if key[:1] != "."]

    def lacks(self, key: str) -> bool:
        """Whether it is a dict that has nothing under a key."""
        return self.kind == DICT and not self.open and key not in self.parts

    def clear(self) -> None:
        """Nothing is in it."""
        self.forget()
        self.open = False

    def resize(self, length: int) -> None:
        """Have as many positions as the object has."""
        missing = length - len(self.items)
        if missing > 0:
            self.items.extend([None] * missing)
        elif missing < 0:
            del self.items[length:]

    def lose(self) -> None:
        """It may have changed unseen."""
        functions = {key: value for key, value in self.parts.items() if key.startswith("function ")}
        self.forget()
        self.parts = functions
        if isinstance(self.over, tuple):
            self.over = None
        if self.array is not None:
            self.array.memory.write(None, None, sure=False)

    def be_row(self, parts: dict[str, Any]) -> None:
        """It is a row of a frame, with these parts, unless more is known of it."""
        if parts and self.kind == INSTANCE and self.over is None:
            self.over = ROW
            self.parts |= parts

    def forget(self) -> None:
        """No member is known any more, nor how many there are."""
        self.items = []
        self.keys = {}
        self.open = True
        self.parts = {key: value for key, value in self.parts.items() if key.startswith(".")}


class Ref:
    """A value that is an object: the evaluation that gave it, and the object."""

    __slots__ = ("number", "thing")

    def __init__(self, number: int, thing: Thing) -> None:
        self.number = number
        self.thing = thing


Value: TypeAlias = Any
"""What a name of the shadow holds: a `Ref`, the number of an evaluation, or None where nothing is known."""


_source: Callable[[tuple[Any, ...]], Source] = partial(tuple.__new__, Source)
"""A source of its four parts: this runs for each, and a call of `Source` is one of Python's own."""


def number_of(value: Value) -> int:
    """The evaluation that gave a value; 0 if none is known."""
    if type(value) is int:
        return value
    return value.number if type(value) is Ref else 0


def thing_of(value: Value) -> Thing | None:
    """The object that a value is, if it is one that is known."""
    return value.thing if type(value) is Ref else None


def same_source(value: Value) -> tuple[Source, ...]:
    """The source of what is this very value; none if it is not known."""
    number = value if type(value) is int else number_of(value)
    return (_source((number, Role.VALUE, None, True)),) if number else ()


def guard_sources(values: tuple[Any, ...]) -> tuple[Source, ...]:
    """The sources of what was done under these conditions; the last one is a tuple of what else decided."""
    if not values:
        return ()
    *inner, outer = values
    found = sources_of(inner, Role.GUARD)
    return (*found, *sources_of(dict.fromkeys(map(number_of, outer)), Role.CONTROL)) if outer else found


def sources_of(values: Iterable[Value], role: Role) -> tuple[Source, ...]:
    """The sources that these values are, in a role; those that are known."""
    found = []
    for value in values:
        number = value
        if type(value) is not int:
            number = number_of(value[0] if isinstance(value, tuple) and value else value)
        if number:
            found.append(_source((number, role, None, False)))
    return tuple(found)
