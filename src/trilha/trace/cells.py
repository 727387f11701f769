"""The replay of texts that share one namespace, each run once: cells of a notebook.

A text is a module whose names are those of its namespace. It is over when the log tells so, not where its
shadow ends: what ended it may not be known, and the next one is no part of it.
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

from trilha.capture.script.sites import Names
from trilha.trace import log as words
from trilha.trace.activations import Activations
from trilha.trace.heap import Value, thing_of
from trilha.trace.log import END
from trilha.trace.shadow import SHOWN, Shadow
from trilha.trace.waiting import Lost, Over, Thrown

__all__ = ["Cells"]


class Cells(Activations):
    """What is known of namespaces that texts share; a part of `trilha.trace.replay.Replay`.

    Attributes:
        before: what the names of the module that comes next stand for, if it shares them.
        cells: numbers that stand for texts that do.
        spaces: number of the namespace of each such text, by its path.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._names: dict[int, dict[str, Value]] = {}
        self._space: int | None = None
        self.spaces: dict[str, int] = {}
        self.before: Names | None = None
        self.cells: set[int] = set()

    def note_other(self, what: int) -> None:
        """A record of a namespace."""
        if what == words.CELL:
            self._note_cell()
        elif what == words.NAMES:
            self._note_names()
        else:
            super().note_other(what)

    def _note_cell(self) -> None:
        """The module that comes next has its names in a namespace that others have, too."""
        self._space = self._log.number()
        self._names.setdefault(self._space, {})
        modules, imports, bound = json.loads(self._log.text())
        self.before = Names(modules, imports, frozenset(bound))

    def _shadow(self, source: bytes, path: str, base: int) -> Shadow:
        return Shadow(source, path, base, before=self.before)

    def namespace_of(self, place: int, path: str) -> dict[str, Value]:
        """The names of the module for which a number stands, which is new."""
        number, self._space, self.before = self._space, None, None
        if number is None:
            return {}
        self.cells.add(place)
        self.spaces[path] = number
        return self._names[number]

    def is_left(self) -> bool:
        """Whether the text whose shadow runs is over."""
        return self.kind == words.LEFT and self.site in self.cells

    def _note_names(self) -> None:
        """Something that is not traced bound names of a namespace, or changed what it could reach."""
        number = self._log.number
        names, how = self._names.setdefault(number(), {}), number()
        if how & 2:
            key, thing = number(), thing_of(self._reference(0))
            if thing is not None:
                thing.put(str(key), names.get(SHOWN))
        if how & 1:
            for one in self._live.values():
                one.lose()
        told: dict[str, str] = json.loads(self._log.text())
        found = {name: names.get(other) for name, other in told.items()}
        for name, value in found.items():
            names.pop(name, None)
            if value is not None:
                names[name] = value

    def _enter_module(self, place: int) -> None:
        if place not in self.cells:
            super()._enter_module(place)
            return
        with contextlib.suppress(Thrown):
            super()._enter_module(place)
        while self.kind != words.LEFT or self.site != place:
            if self.kind == END:
                raise Over
            if self.kind == words.RAISED and not self._is_other():
                self._skip_raised()
            elif self._is_other():
                with contextlib.suppress(Thrown):
                    self._nested()
            else:
                path, line = self._place(self.site)
                raise Lost(f"a record ({words.KINDS[self.kind]}) of {path}:{line} that nothing waits for")
        self._advance()

    def awaited(self, at: int, value: Value) -> Value:
        """``await value`` outside of functions."""
        self.lane.result = None
        self._expect(words.RESULT, at)
        last, self.lane.result = self.lane.result, None
        thing = thing_of(self._reference(0))
        self._advance()
        return self.of_awaited(at, value, last, thing)
