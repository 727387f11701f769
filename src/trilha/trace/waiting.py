"""What goes on in a replayed program, and waits: its threads, calls, generators; and how they end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from trilha.trace.evaluations import Gap
from trilha.trace.heap import Thing, Value

__all__ = [
    "MOST_HANDED",
    "OF_DESCRIPTORS",
    "SETTING",
    "STORING",
    "TESTED",
    "WITH_KEY",
    "Astray",
    "Call",
    "Lane",
    "Lost",
    "Over",
    "Pausing",
    "Thrown",
    "Unbegun",
]

WITH_KEY: Final = frozenset(["__setitem__", "__delitem__", "__setattr__", "__delattr__"])
OF_DESCRIPTORS: Final = frozenset(["__set__", "__delete__"])
"""Special methods that are given the object of which an attribute is stored or deleted."""
STORING: Final = WITH_KEY | OF_DESCRIPTORS
SETTING: Final = frozenset(["setter", "deleter"])
"""Decorators whose functions run when an attribute is stored or deleted."""
MOST_HANDED: Final = 4096
"""So many things that ran of the program gave within a call are kept with all that is in them."""
TESTED: Final = "tested"
"""With what a generator expression leaves out by: what it tested since it last gave something."""
_MOST_GIVEN: Final = 4096
"""So many functions that a thread called on its own account may go into what one future has."""


class Thrown(BaseException):  # noqa: N818 -- it stands for the program's exception, and is no error
    """The program's exception, in its shadow."""


class Lost(Exception):
    """Log and shadow disagree."""


class Astray(Lost):
    """They disagree about the record that is ready, of which nothing was read yet."""


class Over(Exception):
    """The log is at its end."""


class Call:
    """A call, or a loop's look at its next item, that goes on: what the first activation within it may be of.

    Attributes:
        handed: what else of the program ran within it gave to code that is not traced.
        yielded: what generators gave that it was given itself, one after the other.
        on: what a method of ``super()`` runs on.
        rows: what the rows of a frame have of each column that it gives to a function.
        under: what decided that it was made.
    """

    __slots__ = (
        *("activation", "arguments", "at", "called", "handed", "method", "number", "on", "rows", "target"),
        *("under", "yielded"),
    )

    def __init__(self, number: int, method: str | None, target: Value, arguments: Any) -> None:
        self.number, self.method, self.target, self.arguments = number, method, target, arguments
        self.called = False
        self.at = self.activation = 0
        self.handed: list[Value] = []
        self.yielded: list[Value] = []
        self.rows: dict[str, Value] = {}
        self.under: tuple[Value, ...] = ()
        self.on: Value = None


class Pausing:
    """A generator or coroutine of the program.

    Attributes:
        things: what it may be; one, where that is known.
        awaited: what it waits for.
        operands: as those of a thread, of operations that it is in the middle of.
        resumed: where it went on last, if nothing has asked for that yet.
    """

    __slots__ = ("activation", "awaited", "operands", "resumed", "shadow", "things")

    def __init__(self, shadow: Any, activation: int, things: list[Thing]) -> None:
        self.shadow, self.activation, self.things = shadow, activation, things
        self.awaited: Value = None
        self.resumed = -1
        self.operands: list[Any] = []


class Unbegun(NamedTuple):
    """A call that gave a generator or coroutine, perhaps of the program, which has not begun.

    Attributes:
        thing: what it gave.
        call: that gave it.
        gap: what is to be said of the call if it was none of the program; None if nothing is.
    """

    thing: Thing
    call: Call
    gap: Gap | None


class Lane:
    """A thread of the program.

    Attributes:
        executing: IRI of the task of another process that it executes; empty for none.
        objects: the last evaluation by an operation of objects, or of what is not known.
        read: the last one when a record was read.
        base: how many functions were running when the first of that task began; -1 before.
        told: IRIs of tasks that it began since, one after the other; an empty text ends one.
        matched: what ran of the program gave while the last pattern of a ``match`` was tried.
        operands: those of the operations that go on whose operands may not all be evaluated.
        raised: what the last ``raise`` raised, and at which checkpoint that was on its way: it still is if
            nothing was evaluated since.
        failed: likewise, what the part of the text looked at that an exception came from.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.turn = threading.Semaphore(0)
        self.activation = 0
        self.pausing = 0
        self.call: Call | None = None
        self.given: Value = None
        self.has_given = False
        self.result: Value = None
        self.lazy: Any = None
        self.giver: Any = None
        self.since, self.outside = 0, False
        self.unguarded = False
        self.depth = self.objects = self.read = 0
        self.gave: deque[int] = deque(maxlen=_MOST_GIVEN)
        self.giving: list[Thing | int] = []
        self.task = 0
        self.matched: list[Value] = []
        self.operands: list[Any] = []
        self.raised: tuple[Value, int] = None, -1
        self.failed: tuple[Sequence[Value], int] = (), -1
        self.executing, self.base = "", -1
        self.told: list[str] = []
