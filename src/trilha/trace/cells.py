"""The replay of texts that share one namespace, each run once: cells of a notebook.

A text is a module whose names are those of its namespace. It is over when the log tells so, not where its
shadow ends: what ended it may not be known, and the next one is no part of it.
"""

from __future__ import annotations

import ast
import contextlib
import json
from typing import Any, Final

from trilha.capture.script.sites import Names, pattern_names, target_names
from trilha.trace import log as words
from trilha.trace.activations import Activations
from trilha.trace.evaluations import Gap
from trilha.trace.heap import Value, thing_of
from trilha.trace.log import END
from trilha.trace.shadow import SHOWN, Shadow
from trilha.trace.waiting import Astray, Thrown

__all__ = ["Cells"]

_OF_VALUES: Final = {
    **dict.fromkeys([words.GETITEM, words.INTO, words.RESULT, words.RECEIVER, words.RESUME], 1),
    words.GETATTR: 2,
}
"""How many values end a record."""


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
            return super().namespace_of(place, path)
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
            self.era[0] += 1
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
        try:
            with contextlib.suppress(Thrown):
                super()._enter_module(place)
            self._settle_cell(place)
        except Astray as lost:
            self._skip_cell(place, str(lost))
        self._advance()

    def _settle_cell(self, place: int) -> None:
        """Follow what runs until a text is over, after its shadow is."""
        while self.kind != words.LEFT or self.site != place:
            if self.kind == END:
                raise self.over(place)
            if self.kind == words.RAISED and not self._is_other():
                self._skip_raised()
            elif self._is_other():
                with contextlib.suppress(Thrown):
                    self._nested()
            else:
                path, line = self._place(self.site)
                raise Astray(f"a record ({words.KINDS[self.kind]}) of {path}:{line} that nothing waits for")

    def _state_end(self, at: int, why: str) -> None:
        if at >= 0 or not self.cells:  # Between two cells nothing is missing.
            super()._state_end(at, why)

    def awaited(self, at: int, value: Value) -> Value:
        """``await value`` outside of functions."""
        self.lane.result = None
        self._expect(words.RESULT, at)
        last, self.lane.result = self.lane.result, None
        thing = thing_of(self._reference(0))
        self._advance()
        return self.of_awaited(at, value, last, thing)

    # -- a text that cannot be followed ----------------------------------------------------------------------

    def _skip_cell(self, place: int, why: str) -> None:
        """Skip what else is logged of a text; what it may have bound and changed is known no more."""
        module = self._module_of(place)
        assert module is not None
        path, line = self._place(self.site)
        told = f"this text cannot be followed to its end ({why})"
        self._sink(Gap(self.clock, self._tick(), path, line, told))
        while self.kind != words.LEFT or self.site != place:
            if self.kind == END:
                raise self.over(place)
            self._skip_record()
        self.era[0] += 1
        for one in self._live.values():
            one.lose()
        others = {name for one in self._modules if one[3] is module[3] for name in one[2].declared}
        for name in module[2].bound | others:
            module[3].pop(name, None)

    def _skip_record(self) -> None:
        """Read what belongs to the record that is ready, and go to the next one."""
        kind, node, number = self.kind, self._nodes.get(self.site), self._log.number
        if kind == words.GETITEM:
            self._container()
            self._key_words()
        if kind == words.KEY:
            self._key_words()
        if kind == words.BEGIN:
            number()
        if kind in (words.ITEM, words.NEXT):
            self._values(len(_names(node)))
        elif kind in (words.ENTER, words.BEGIN) and self.site in self._functions:
            known = self._functions[self.site]
            self._values(bool(known[6]) + len(known[1]))
        elif kind == words.RAN and (count := number()):
            self._skip_keys(count - 1)
            self._skip_keys(number() - 1)
        elif kind == words.DEFINE:
            self._reference(0)
            self._values(number())
        elif kind in _OF_VALUES:
            self._values(_OF_VALUES[kind])
        elif kind == words.LEFT and isinstance(node, ast.Yield):
            self._reference(0)
        self._advance()

    def _skip_keys(self, count: int) -> None:
        for _ in range(count):
            self._key_words()


def _names(node: Any) -> list[str]:
    """The names that a record of an item has the values of."""
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return [name for one in node.items if one.optional_vars for name in target_names(one.optional_vars)]
    if isinstance(node, ast.match_case):
        return pattern_names(node.pattern)
    return target_names(node.target) if hasattr(node, "target") else []
