"""What may have led to a value, where the trace has no way between them: the inside of libraries' objects.

Libraries are black boxes: what an object of theirs holds is not known (`opaque`), nor what a file has in it.
What is known is which calls wrote a file before it was read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from trilha.trace.bodies import bodies_of
from trilha.trace.carried import Recorded, given
from trilha.trace.compiling import parsed
from trilha.trace.decimals import Decimals
from trilha.trace.evaluations import Kind, Role
from trilha.trace.lent import Lent
from trilha.trace.opaque import Opaque
from trilha.trace.origins import Origins
from trilha.trace.seeds import Seeds
from trilha.trace.states import FILES, States
from trilha.trace.traced import Traced

__all__ = ["Leading"]


class Leading:
    """Tells which calls may have led to an evaluation, and to which evaluations a call may have led.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._recorded = Recorded(traced)
        self._made: Opaque | None = None
        self._files = _Files(traced)
        self._bodies = bodies_of(traced)
        self._seeds = Seeds(traced)
        self._lent = Lent(traced)
        self._decimals = Decimals(traced)

    def __contains__(self, thing: int) -> bool:
        return thing in self._recorded

    def led_to(self, number: int) -> list[int]:
        """The calls that may have led to what an evaluation gave, or changed; what a class's body bound."""
        found = self._recorded.led_to(number)
        found = [*found, *self._opaque.led_to(number)]
        for path in self._files.read.get(number, ()):
            calls = self._files.writing(path)
            found = [*found, *calls[: bisect_left(calls, number)]]
        found = [*found, *self._files.seen_by(number)]
        found = [*found, *self.bound_for(number), *self._seeds.seeded_by(number)]
        return [*found, *self._lent.led_to(number), *self._decimals.led_to(number)]

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
        yield from self._lent.asked_after(number)
        yield from self._decimals.calculated_after(number)

    def objects_of(self, number: int) -> list[int]:
        """The objects to which a call may have done something."""
        return self._opaque.objects_of(number)

    def with_object(self, one: int) -> Iterator[int]:
        """The evaluations that gave such an object."""
        return self._opaque.with_object(one)

    def done_to(self, thing: int) -> list[int]:
        """The calls that may have done something to an object, or to what a library made of it."""
        return self._opaque.done_to(thing)

    @property
    def _opaque(self) -> Opaque:
        if self._made is None:
            self._made = Opaque(self._traced, self._bodies)
        return self._made


class _Files:
    """Which calls may have written the files that others opened to read later, or asked about."""

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
        self._origins = Origins(traced)
        texts = traced.texts.items() if self._openers else ()
        states = {path: States(parsed(text)) for path, text in texts}
        self._asking = {
            number
            for number, one in traced.components.items()
            if one.file in states
            and one.kind is Kind.CALL
            and (FILES, False) in states[one.file].stepped(one.text)
        }

    def seen_by(self, number: int) -> list[int]:
        """The calls that may have written what another one saw of a file without opening it.

        That is the file for which both were given the same path; of what is not known, any.
        """
        if self._traced.component_number(number) not in self._asking:
            return []
        asked = self._given(number)
        paths = {
            path for path, ones in self._openers.items() if any(asked & self._given(one) for one in ones)
        }
        calls = {call for path in paths or self._openers for call in self.writing(path)}
        return sorted(call for call in calls if call < number)

    def _given(self, number: int) -> set[int]:
        return {
            self._origins.of(source)
            for source, role in self._traced.sources(number)
            if role in (Role.ARGUMENT, Role.COLLECTION)
        }

    def writing(self, path: str) -> list[int]:
        """The calls that opened a file to write, or were given it open."""
        if path not in self._writing:
            openers = self._openers[path]
            self._writing[path] = sorted(openers.union(given(self._traced, openers)))
        return self._writing[path]

    def read_after(self, number: int) -> Iterator[int]:
        """What opened a file to read after a call that may have written it."""
        for opener, paths in self.read.items():
            if opener > number and any(number in self.writing(path) for path in paths):
                yield opener
        if self._asking and any(number in self.writing(path) for path in self._openers):
            for asking in sorted(one for part in self._asking for one in self._traced.of_component(part)):
                if asking > number and number in self.seen_by(asking):
                    yield asking
