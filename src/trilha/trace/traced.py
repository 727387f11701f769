"""A whole trace in memory, to be asked: which evaluations there were, what each came from, what came of it.

An evaluation takes some forty bytes: numbers in arrays, the sources of all evaluations one after the other.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from trilha.errors import JournalError, NotFound
from trilha.trace.evaluations import (
    Activation,
    Change,
    Component,
    Ended,
    Evaluation,
    Event,
    Gap,
    Kind,
    Role,
)
from trilha.trace.reading import chunks, journals
from trilha.trace.replay import replay

__all__ = ["Traced"]

_ROLES: Final = tuple(Role)
_NUMBER_OF: Final = {role: number for number, role in enumerate(_ROLES)}


class Traced:
    """The trace of one process of a run.

    Attributes:
        components: by number.
        texts: of the modules, by path.
        activations: by number.
        changes: in the order in which they happened.
        gaps: what was not traced.
    """

    def __init__(self) -> None:
        self.components: dict[int, Component] = {}
        self.texts: dict[str, str] = {}
        self.activations: dict[int, Activation] = {}
        self.changes: list[Change] = []
        self.gaps: list[Gap] = []
        self._numbers = array("q")
        self._component = array("i")
        self._activation = array("i")
        self._thing = array("q")
        self._begins = array("q", [0])
        self._source = array("q")
        self._role = array("b")
        self._names: dict[int, str] = {}
        self._by_thing: dict[int, list[int]] = {}
        self._of: dict[int, list[int]] | None = None
        self._members: dict[int, set[int]] | None = None
        self._calls: dict[int, int] = {}
        self._called: dict[int, list[int]] = {}

    # -- reading

    @classmethod
    def of_run(cls, folder: str, run: str) -> list[Traced]:
        """The traces of the processes of the run with the UUID `run`, in the store `folder`."""
        found = []
        for path in journals(folder, run):
            try:
                pieces = chunks(path)
                first = next(pieces, None)
            except (OSError, JournalError):
                continue
            if first is not None:
                found.append(cls.of_log(chain([first], pieces)))
        return found

    @classmethod
    def of_log(cls, log: Iterable[bytes]) -> Traced:
        """The trace of a log, as `trilha.trace.replay.replay` reads it."""
        one = cls()
        texts = replay(log, one.add, one.component_met, one.linked)
        one.texts = {path: text.decode("utf-8", "replace") for path, text in texts.items()}
        return one

    def component_met(self, component: Component) -> None:
        """Take a component of the text."""
        self.components[component.number] = component

    def linked(self, activation: int, call: int) -> None:
        """Take the evaluation of the call of an activation."""
        self._calls[activation] = call
        self._called.setdefault(call, []).append(activation)

    def add(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Evaluation):
            self._numbers.append(event.number)
            self._component.append(event.component)
            self._activation.append(event.activation)
            self._thing.append(event.thing)
            for source in event.sources:
                self._source.append(source.evaluation)
                self._role.append(_NUMBER_OF[source.role])
            self._begins.append(len(self._source))
            if event.name is not None:
                self._names[event.number] = event.name
        elif isinstance(event, Change):
            self._by_thing.setdefault(event.thing, []).append(len(self.changes))
            self.changes.append(event)
        elif isinstance(event, Activation):
            self.activations[event.number] = event
            if event.call is not None:
                self.linked(event.number, event.call)
        elif isinstance(event, Gap):
            self.gaps.append(event)
        else:
            assert isinstance(event, Ended)

    # -- asking

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def _at(self, number: int) -> int:
        at = bisect_left(self._numbers, number)
        if at == len(self._numbers) or self._numbers[at] != number:
            raise NotFound(f"no evaluation {number} in this trace")
        return at

    def component_number(self, number: int) -> int:
        """The number of the component that was evaluated."""
        return self._component[self._at(number)]

    def component(self, number: int) -> Component:
        """The component that was evaluated."""
        return self.components[self.component_number(number)]

    def activation(self, number: int) -> Activation:
        """The activation in which it was evaluated."""
        return self.activations[self._activation[self._at(number)]]

    def call_of(self, activation: int) -> int | None:
        """The evaluation of the call of an activation; None if what called it is not traced."""
        return self._calls.get(activation)

    def called_by(self, call: int) -> list[int]:
        """The activations that a call began."""
        return self._called.get(call, [])

    def thing(self, number: int) -> int:
        """The identity of its value; 0 for none."""
        return self._thing[self._at(number)]

    def name(self, number: int) -> str | None:
        """The name that was bound, or the key."""
        return self._names.get(number)

    def sources(self, number: int) -> list[tuple[int, Role]]:
        """What it came from, and as what that went in."""
        at = self._at(number)
        return [
            (self._source[place], _ROLES[self._role[place]])
            for place in range(self._begins[at], self._begins[at + 1])
        ]

    def changes_of(self, thing: int, before: int) -> list[Change]:
        """The changes of a thing before a checkpoint."""
        places = self._by_thing.get(thing, [])
        end = bisect_right(places, before, key=lambda place: self.changes[place].checkpoint)
        return [self.changes[place] for place in places[:end]]

    def put_by(self, thing: int, member: int, before: int) -> int | None:
        """The evaluation that last put a member into a thing; None if it was there from the beginning.

        Args:
            thing: that has the member.
            member: evaluation whose value it is.
            before: a checkpoint.
        """
        for change in reversed(self.changes_of(thing, before)):
            if change.member == member:
                return change.by
        return None

    def inside(self, thing: int) -> set[int]:
        """A thing, and all that have ever been in it, to any depth."""
        if self._members is None:
            self._members = {}
            for number in self:
                if own := self.thing(number):
                    members = (one for one, role in self.sources(number) if role is Role.MEMBER)
                    self._members.setdefault(own, set()).update(map(self.thing, members))
            for change in self.changes:
                if change.member is not None:
                    self._members.setdefault(change.thing, set()).add(self.thing(change.member))
        found, waiting = {thing}, [thing]
        while waiting:
            for one in self._members.get(waiting.pop(), set()) - found - {0}:
                found.add(one)
                waiting.append(one)
        return found

    def names(self) -> set[str]:
        """The names that were bound."""
        return set(self._names.values())

    def of_component(self, component: int) -> list[int]:
        """All evaluations of a component."""
        if self._of is None:
            self._of = {}
            for number, one in zip(self._numbers, self._component, strict=True):
                self._of.setdefault(one, []).append(number)
        return self._of.get(component, [])

    def bound(self, name: str, line: int | None = None) -> list[int]:
        """The evaluations that bound a name or assigned a part, in their order.

        Args:
            name: of a variable, or the text of a part: ``a[0]``, ``self.x``.
            line: where; anywhere by default.
        """
        found = []
        for number, component in self.components.items():
            if component.kind not in (Kind.ASSIGN, Kind.PART) or (
                line is not None and component.line != line
            ):
                continue
            whole = component.kind is Kind.PART and component.text == name
            of_it = self.of_component(number)
            found += of_it if whole else [one for one in of_it if self._names.get(one) == name]
        return sorted(set(found))

    def at_line(self, line: int, file: str = "") -> list[int]:
        """The evaluations of what begins in a line, in their order."""
        numbers = [
            number
            for number, one in self.components.items()
            if one.line == line and (not file or one.file == file or one.file.endswith(f"/{file}"))
        ]
        return sorted(one for number in numbers for one in self.of_component(number))
