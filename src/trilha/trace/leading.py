"""What may have led to a value, where the trace has no way between them: the inside of libraries' objects.

Libraries are black boxes: what an object of theirs holds (a buffer, a parser of arguments, a connection to a
database) is not known, nor what a file has in it. What is known is which calls were made on it as statements
of their own, for nothing but what they do; and which calls wrote a file before it was read.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from trilha.trace.bodies import bodies_of
from trilha.trace.carried import Recorded, given
from trilha.trace.compiling import parsed
from trilha.trace.effects import WITH_EFFECT
from trilha.trace.evaluations import Component, Kind, Role
from trilha.trace.seeds import Seeds
from trilha.trace.traced import Traced

__all__ = ["Leading"]

_ASKED: Final = frozenset((Role.COLLECTION, Role.ARGUMENT, Role.OPERAND, Role.ITERABLE, Role.FUNCTION))
"""As what an object goes in where a value may be of what it holds."""
_KNOWN: Final = frozenset((Role.ELEMENT, Role.RESULT))
"""By which it is known what a value is."""


class Leading:
    """Tells which calls may have led to an evaluation, and to which evaluations a call may have led.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._recorded = Recorded(traced)
        self._objects: dict[int, list[int]] | None = None
        self._by_call: dict[int, list[int]] = {}
        self._values = bytearray()  # by evaluation: whether its value is one of the objects
        self._files = _Files(traced)
        self._bodies = bodies_of(traced)
        self._seeds = Seeds(traced)

    def __contains__(self, thing: int) -> bool:
        return thing in self._recorded

    def led_to(self, number: int) -> list[int]:
        """The calls that may have led to what an evaluation gave, or changed; what a class's body bound."""
        found = self._recorded.led_to(number)
        if self._all() and self._traced.comes_of_any(number, self._values):
            found = [*found, *self._done_to(number)]
        for path in self._files.read.get(number, ()):
            calls = self._files.writing(path)
            found = [*found, *calls[: bisect_left(calls, number)]]
        return [*found, *self.bound_for(number), *self._seeds.seeded_by(number)]

    def bound_for(self, number: int) -> list[int]:
        """What the body of a class bound that a library made and an evaluation gave."""
        return self._bodies.bound_for(number)

    def classes_of(self, number: int) -> list[int]:
        """The evaluations that gave classes which libraries made of what an evaluation bound in a body."""
        return self._bodies.made_of(number)

    def leads_to(self, number: int) -> Iterator[int]:
        """The evaluations to which a call may have led."""
        yield from self._recorded.leads_to(number)
        yield from self._files.read_after(number)
        yield from self._seeds.drawn_after(number)

    def objects_of(self, number: int) -> Iterator[int]:
        """The objects to which a call may have done something."""
        if self._all():
            yield from self._by_call.get(number, ())

    def done_to(self, thing: int) -> list[int]:
        """The calls that may have done something to an object, or to what a library made of it."""
        return self._all().get(thing, [])

    def _done_to(self, number: int) -> list[int]:
        objects = self._all()
        sources = self._traced.sources(number)
        if any(role in _KNOWN for _, role in sources):
            return []
        found: list[int] = []
        for thing in {self._traced.thing(source) for source, role in sources if role in _ASKED}:
            calls = objects.get(thing)
            # One that does something to it does not come of what others did before.
            if calls is not None and not _has(calls, number):
                found += calls[: bisect_left(calls, number)]
        return found

    def _all(self) -> dict[int, list[int]]:
        """By object, the calls that may have done something to it, or to what a library made of it."""
        if self._objects is None:
            done: dict[int, list[int]] = {}
            advanced = len(self._traced.columns("advanced"))
            own = {number for number, one in self._statements() if _may_do(one)} if advanced else ()
            if own:
                for value, by in self._traced.advanced():
                    if self._traced.component_number(by) in own and (thing := self._traced.thing(value)):
                        done.setdefault(thing, []).append(by)
            self._objects = {thing: sorted(calls) for thing, calls in self._over(done).items()}
            self._values = bytearray(self._traced.end if done else 0)
            for thing, calls in self._objects.items():
                for call in calls:
                    self._by_call.setdefault(call, []).append(thing)
                for value in self._traced.with_thing(thing):
                    self._values[value] = 1
        return self._objects

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
            sources = self._traced.sources(first)
            above = [self._traced.thing(source) for source, _ in sources]
            if self._is_foreign(first) or self._is_found_in_foreign(first):
                yield one
                waiting += above

    def _first(self, thing: int) -> int | None:
        """The evaluation that gave an object first; of an instance the call of its class."""
        first = next(self._traced.with_thing(thing), None)
        if first is None or self._traced.component(first).kind is not Kind.ASSIGN:
            return first
        activation = self._traced.activation_number(first)
        call = self._traced.call_of(activation) if activation else None
        return call if call is not None and self._traced.thing(call) == thing else first

    def _is_foreign(self, first: int) -> bool:
        """Whether a library made an object or a base of its class, by where that was met first."""
        if self._traced.component(first).kind is not Kind.CALL:
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

    def _statements(self) -> Iterator[tuple[int, Component]]:
        """The components that are calls and statements of their own."""
        texts = self._traced.texts.items()
        places = {(path, *place) for path, text in texts for place in _calls_alone(parsed(text))}
        for number, one in self._traced.components.items():
            if one.kind is Kind.CALL and (one.file, one.line, one.end_line, one.end_column) in places:
                yield number, one


class _Files:
    """Which calls may have written the files that others opened to read later."""

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._openers: dict[str, set[int]] = {}
        self._writing: dict[str, list[int]] = {}
        self.read: dict[int, list[str]] = {}
        for one in traced.opened:
            if one.evaluation and one.written:
                self._openers.setdefault(one.path, set()).add(one.evaluation)
        for one in traced.opened:
            if one.evaluation and not one.written and one.path in self._openers:
                self.read.setdefault(one.evaluation, []).append(one.path)

    def writing(self, path: str) -> list[int]:
        """The calls that opened a file to write, or were given it open."""
        if path not in self._writing:
            openers = self._openers[path]
            self._writing[path] = sorted(openers.union(given(self._traced, openers)))
        return self._writing[path]

    def read_after(self, number: int) -> Iterator[int]:
        """What opened a file to read after a call that may have written it."""
        for opener, paths in self.read.items():
            if opener > number and any(_has(self.writing(path), number) for path in paths):
                yield opener


def _may_do(component: Component) -> bool:
    """Whether what a call is given may be changed by it: a list's method changes the list alone."""
    called = component.text.partition("(")[0].rpartition(".")[2]
    return called not in WITH_EFFECT


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
