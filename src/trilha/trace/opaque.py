"""What was done to objects of libraries, whose inside is not known, before something was asked of them.

What such an object holds (a buffer, a parser of arguments, a connection to a database, the notes of an
exception) is not in the trace. What is known is which calls were made on it as statements of their own, for
nothing but what they do; and which took of it what it gives next, so that those behind get something else.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from trilha.trace.bodies import Bodies
from trilha.trace.compiling import parsed
from trilha.trace.effects import WITH_EFFECT
from trilha.trace.evaluations import Component, Kind, Role
from trilha.trace.origins import Origins
from trilha.trace.redirecting import OUTPUT
from trilha.trace.states import States
from trilha.trace.traced import Traced

__all__ = ["Opaque"]

_ASKED: Final = frozenset((Role.COLLECTION, Role.ARGUMENT, Role.OPERAND, Role.ITERABLE, Role.FUNCTION))
"""As what an object goes in where a value may be of what it holds."""
_KNOWN: Final = frozenset((Role.ELEMENT, Role.RESULT))
"""By which it is known what a value is."""
_TAKING: Final = frozenset(
    [
        *("next", "__next__", "islice", "takewhile", "dropwhile"),
        *("read", "readline", "readlines", "readinto", "recv_into", "fetchone", "fetchmany", "fetchall"),
    ]
)
"""Functions and methods that take of an object what it gives next.

Not those of queues and pipes between processes: what sent the very thing is known.
"""
_QUEUES: Final = frozenset(
    [
        *("queue.Queue", "queue.LifoQueue", "queue.PriorityQueue", "queue.SimpleQueue"),
        *("asyncio.Queue", "asyncio.LifoQueue", "asyncio.PriorityQueue"),
    ]
)
"""What makes queues, of which these take what comes next:"""
_OF_QUEUES: Final = frozenset(["get", "get_nowait"])
_GENERATORS: Final = frozenset(
    ["random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.Generator"]
)
"""What makes generators of random numbers: any method of theirs may step them."""


class Opaque:
    """Tells which calls may have done something to an object, and which evaluations ask it for something.

    Objects are told by their identity; what has none in the log, by the evaluation that gave it first.

    Args:
        traced: the trace.
        bodies: of its classes.
    """

    def __init__(self, traced: Traced, bodies: Bodies) -> None:
        self._traced = traced
        self._bodies = bodies
        self._origins = Origins(traced)
        self._met: set[int] = set()
        self._taking: set[int] = set()
        self._taken: dict[int, list[int]] = {}
        self._by_call: dict[int, list[int]] = {}
        self._unnamed: dict[int, list[int]] = {}
        self._objects = {one: sorted(calls) for one, calls in self._over(self._done()).items()}
        for one, calls in self._objects.items():
            self._taken[one] = [call for call in calls if call in self._taking]
            for call in calls:
                self._by_call.setdefault(call, []).append(one)
        self._values = self._marked()  # by evaluation: whether its value is one of the objects

    def done_to(self, one: int) -> list[int]:
        """The calls that may have done something to an object, or to what a library made of it."""
        return self._objects.get(one, [])

    def objects_of(self, call: int) -> list[int]:
        """The objects to which a call may have done something."""
        return self._by_call.get(call, [])

    def with_object(self, one: int) -> Iterator[int]:
        """The evaluations that gave an object."""
        yield from self._traced.with_thing(one) if one > 0 else self._unnamed.get(one, ())

    def led_to(self, number: int) -> list[int]:
        """The calls that may have led to what an evaluation gave, by what they did to what it asked."""
        if not self._objects or not self._traced.comes_of_any(number, self._values):
            return []
        sources = self._traced.sources(number)
        if any(role in _KNOWN for _, role in sources):
            return []
        found: list[int] = []
        for one in {self._origins.of(source) for source, role in sources if role in _ASKED}:
            calls = self._objects.get(one)
            # One that does something to it, and takes nothing of it, does not come of what others did.
            if calls is not None and (number in self._taking or not _has(calls, number)):
                taken = self._taken[one]
                at = bisect_left(taken, number)
                # What was taken last came of what others had done before that.
                begin = bisect_left(calls, taken[at - 1]) if at else 0
                found += calls[begin : bisect_left(calls, number)]
        return found

    def _done(self) -> dict[int, list[int]]:
        """By object, what may have done something to it."""
        if not len(self._traced.columns("advanced")):
            return {}
        alone = {number for number, one in self._statements() if _called(one) not in WITH_EFFECT}
        taking, looping = self._components_taking()
        stepped = self._stepped()
        done, looped = dict[int, list[int]](), dict[int, list[int]]()
        for value, by in self._traced.advanced() if alone or taking or stepped else ():
            component, one = self._traced.component_number(by), self._origins.of(value)
            self._met.add(one)
            takes = component in taking or component in stepped.get(one, ())
            if component in looping:
                looped.setdefault(one, []).append(by)
            elif component in alone or takes:
                done.setdefault(one, []).append(by)
                if takes:
                    self._taking.add(by)
        for one, loops in looped.items():
            # What may be gone through again is not taken from, as far as is known.
            if not self._taking.isdisjoint(done.get(one, ())):
                done[one] += loops
                self._taking.update(loops)
        return done

    def _marked(self) -> bytearray:
        traced, unnamed = self._traced, sorted(-one for one in self._objects if one < 0)
        marks = bytearray(traced.end if self._objects else 0)
        for number in unnamed:
            marks[number] = 1
            self._unnamed[-number] = [number]
        for number in traced.consumers(unnamed[0], marks, marks) if unnamed else ():
            one = self._origins.of(number)
            if one in self._unnamed and not marks[number]:
                marks[number] = 1
                self._unnamed[one].append(number)
        for one in self._objects:
            for number in traced.with_thing(one) if one > 0 else ():
                marks[number] = 1
        return marks

    def _over(self, done: dict[int, list[int]]) -> dict[int, set[int]]:
        """These, each also for what its object was made of."""
        found: dict[int, set[int]] = {}
        for thing, calls in done.items():
            for one in self._made_of(thing):
                found.setdefault(one, set()).update(calls)
        return found

    def _made_of(self, thing: int) -> Iterator[int]:
        """An object, and those of libraries that it was made of or by, or found in."""
        waiting, met = [thing], {0}
        while waiting:
            one = waiting.pop()
            if one in met:
                continue
            met.add(one)
            first = self._first(one)
            if first is None:
                continue
            above = [self._origins.of(source) for source, _ in self._traced.sources(first)]
            # What never changes, as texts do, has no identity either.
            above = [one for one in above if one > 0 or one in self._met]
            if self._is_foreign(first) or self._is_found_in_foreign(first):
                yield one
                waiting += above

    def _first(self, thing: int) -> int | None:
        """The evaluation that gave an object first; of an instance the call of its class."""
        first = next(self._traced.with_thing(thing), None) if thing > 0 else -thing
        if first is None or self._traced.component(first).kind is not Kind.ASSIGN:
            return first
        activation = self._traced.activation_number(first)
        call = self._traced.call_of(activation) if activation else None
        return call if call is not None and thing > 0 and self._traced.thing(call) == thing else first

    def _is_foreign(self, first: int) -> bool:
        """Whether a library made an object or a base of its class, by where that was met first."""
        component = self._traced.component(first)
        if component.kind in (Kind.ASSIGN, Kind.RETURN) and component.text.startswith(("except", "raise")):
            return True  # An exception: the program's own are known by the calls that made them.
        if component.kind is not Kind.CALL:
            return False
        classes = [
            self._traced.component_number(source)
            for source, role in self._traced.sources(first)
            if role is Role.FUNCTION and self._traced.component(source).text.startswith("class ")
        ]
        if classes:
            return not self._bodies.derived.isdisjoint(classes)
        return not self._traced.called_by(first)

    def _is_found_in_foreign(self, first: int) -> bool:
        """Whether an object was found in one that a library made, and it is not known how it came there."""
        met: set[int] = set()
        while self._traced.component(first).kind is Kind.ACCESS and first not in met:
            met.add(first)
            sources = self._traced.sources(first)
            if any(role in _KNOWN for _, role in sources):
                return False
            holder = next((source for source, role in sources if role is Role.COLLECTION), 0)
            held = self._traced.thing(holder) if holder else 0
            # A tuple has no identity: what is taken apart as it is given is held by the call itself.
            above = self._first(held) if held else holder
            if not above:
                return False
            first = above
        return bool(met) and self._is_foreign(first)

    def _components_taking(self) -> tuple[set[int], set[int]]:
        """The components that take of an object what it gives next: calls; loops, if it is an iterator."""
        taking, looping = set(), set()
        for number, one in self._traced.components.items():
            if one.kind is Kind.CALL and _called(one) in _TAKING:
                taking.add(number)
            elif one.kind is Kind.ACCESS and one.text.startswith("for "):
                looping.add(number)
        return taking, looping

    def _stepped(self) -> dict[int, set[int]]:
        """By queue and generator of random numbers, the components that take of it what it gives next."""
        traced, found = self._traced, dict[int, set[int]]()
        made, gets, methods = dict[int, str](), set[int](), set[int]()
        texts = traced.texts.items()
        states = {path: States(parsed(text)) for path, text in texts if "ueue" in text or "andom" in text}
        for number, one in traced.components.items() if states else ():
            if one.kind is not Kind.CALL or one.file not in states:
                continue
            if (name := states[one.file].full_name(one.text)) in _QUEUES | _GENERATORS:
                made[number] = name
            elif "." in one.text:
                methods.add(number)
                gets |= {number} if _called(one) in _OF_QUEUES else set()
        for number, name in made.items():
            for each in traced.of_component(number):
                found[self._origins.of(each)] = gets if name in _QUEUES else methods
        return found

    def _statements(self) -> Iterator[tuple[int, Component]]:
        """The components that are calls and statements of their own; and what sends the output elsewhere."""
        texts = self._traced.texts.items()
        places = {(path, *place) for path, text in texts for place in _calls_alone(parsed(text))}
        for number, one in self._traced.components.items():
            alone = (one.file, one.line, one.end_line, one.end_column) in places
            is_call = one.kind is Kind.CALL and (alone or _called(one) == "redirect_stdout")
            if is_call or (one.kind is Kind.PART and one.text == OUTPUT):
                yield number, one


def _called(component: Component) -> str:
    """The name of the function or method of a call: what a list's method changes is the list alone."""
    return component.text.partition("(")[0].rpartition(".")[2]


def _has(calls: list[int], number: int) -> bool:
    at = bisect_left(calls, number)
    return at < len(calls) and calls[at] == number


def _calls_alone(tree: ast.AST) -> Iterator[tuple[int, int, int]]:
    """Where calls stand that are statements of their own, awaited or not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(value, ast.Call):
                yield value.lineno, value.end_lineno or 0, value.end_col_offset or 0
