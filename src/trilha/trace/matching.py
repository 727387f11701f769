"""What patterns of a ``match`` bind: the members that they fit, as far as these are certain.

The log has what the names of a case are bound to, and no way there; the pattern is that way, where all that
it goes through is known. What else a pattern binds is of the whole subject.

Source: Python Language Reference, "The match statement", section "Patterns".
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from trilha.trace.copying import Copying, member_sources
from trilha.trace.evaluations import Role, Source
from trilha.trace.heap import (
    DEQUE,
    DICT,
    LIST,
    TUPLE,
    Thing,
    Value,
    same_source,
    sources_of,
    thing_of,
)
from trilha.trace.iterating import element_sources, is_seen

__all__ = ["Matching"]

_SEQUENCES: Final = (LIST, DEQUE, TUPLE)
_ITSELF: Final = frozenset(
    [
        *("bool", "bytearray", "bytes", "dict", "float", "frozenset", "int"),
        *("list", "set", "str", "tuple"),
    ]
)
"""Classes whose only pattern without a name fits the object itself."""
_MOST: Final = 4096
"""Of what has more members, those behind a star are known as a whole."""

Rest = list[tuple[str, Value]]
"""The members, with their keys, of the list or dict that a star of a pattern binds."""


class Matching(Copying):
    """What is known of patterns; a part of `trilha.trace.replay.Replay`."""

    _definitions_known: tuple[int, dict[str, list[ast.AST]]] = 0, {}

    def captures(self, pattern: ast.pattern, subject: Value) -> dict[str, Value | Rest]:
        """What a pattern that fits binds to names: the members, or those of what a star makes.

        Args:
            pattern: of a case.
            subject: what it fits.
        """
        found: dict[str, Value | Rest] = {}
        self._capture(pattern, subject, found)
        return found

    def bound_sources(
        self, captured: Value | Rest | None, subject: Value, value: Value
    ) -> tuple[tuple[Source, ...], Thing | None]:
        """What a name of a case is from, and the object that it is bound to.

        Args:
            captured: what the pattern binds to it, if that is certain.
            subject: of the ``match``.
            value: what the log has.
        """
        made = thing_of(value)
        place = sources_of([subject], Role.ITERABLE)
        if isinstance(captured, list) and made is not None and len(captured) <= _MOST:
            if made.kind == DICT and not made.parts:
                for key, member in captured:
                    made.put(key, member)
                made.open = False
                return (*member_sources(captured), *place), made
            if (members := self.fill(made, [member for _, member in captured])) or not captured:
                return (*members, *place), made
        elif captured is subject:
            return same_source(subject), made or thing_of(subject)
        elif (
            captured is not None
            and not isinstance(captured, list)
            and is_seen(captured, value)
            and (sources := element_sources(captured))
        ):
            return (*sources, *sources_of([subject], Role.COLLECTION)), made or thing_of(captured)
        return sources_of([subject], Role.OPERAND), made  # With what was put into it since.

    def _capture(self, pattern: ast.pattern | None, value: Value, found: dict[str, Value | Rest]) -> None:
        if isinstance(pattern, ast.MatchAs):
            if pattern.name is not None:
                found[pattern.name] = value
            self._capture(pattern.pattern, value, found)
        elif isinstance(pattern, ast.MatchSequence):
            self._capture_items(pattern.patterns, value, found)
        elif isinstance(pattern, ast.MatchMapping):
            self._capture_keys(pattern, value, found)
        elif isinstance(pattern, ast.MatchClass):
            self._capture_attributes(pattern, value, found)

    def _capture_items(
        self, patterns: Sequence[ast.pattern], value: Value, found: dict[str, Value | Rest]
    ) -> None:
        held, count = thing_of(value), self.count(value)
        if held is None or held.kind not in _SEQUENCES or count is None:
            return
        way = self.way(value)
        stars = [at for at, one in enumerate(patterns) if isinstance(one, ast.MatchStar)]
        behind = len(patterns) - stars[0] - 1 if stars else 0
        if len(patterns) - len(stars) > count or not (stars or len(patterns) == count):
            return  # It cannot have fitted: something is not as it is known.
        for at, one in enumerate(patterns):
            if not isinstance(one, ast.MatchStar):
                place = at if not stars or at < stars[0] else count - (len(patterns) - at)
                self._capture(one, way(place), found)
            elif one.name is not None and count <= _MOST:
                places = range(at, count - behind)
                found[one.name] = [(str(order), way(place)) for order, place in enumerate(places)]

    def _capture_keys(self, pattern: ast.MatchMapping, value: Value, found: dict[str, Value | Rest]) -> None:
        held = thing_of(value)
        if held is None or held.kind != DICT:
            return
        keys = [_words(one) for one in pattern.keys]
        for key, one in zip(keys, pattern.patterns, strict=True):
            self._capture(one, held.parts.get(key) if key is not None else None, found)
        order = held.ordered()
        if pattern.rest is not None and order is not None and None not in keys and len(order) <= _MOST:
            found[pattern.rest] = [(key, held.parts[key]) for key in order if key not in keys]

    def _capture_attributes(
        self, pattern: ast.MatchClass, value: Value, found: dict[str, Value | Rest]
    ) -> None:
        held = thing_of(value)
        names: Sequence[str] = ()
        if pattern.patterns and isinstance(pattern.cls, ast.Name):
            if pattern.cls.id in _ITSELF and not self._definitions(pattern.cls.id):
                self._capture(pattern.patterns[0], value, found)
            else:
                names = self._positions(pattern.cls.id)
        if held is None:
            return
        pairs = [*zip(names, pattern.patterns, strict=False)]
        pairs += zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True)
        for name, one in pairs:
            # What an object has itself; a property of its class gives what it will; a number is a default.
            of_class = thing_of(held.inherited(f".{name}")) is not None
            self._capture(one, None if of_class else held.parts.get(f".{name}"), found)

    def _positions(self, name: str) -> Sequence[str]:
        """The attributes that the patterns without names of a class fit, where its text says so."""
        definitions = self._definitions(name)
        if len(definitions) != 1 or not isinstance(definitions[0], ast.ClassDef):
            return ()
        class_ = definitions[0]
        for one in class_.body:
            if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "__match_args__":
                parts = one.value.elts if isinstance(one.value, ast.Tuple) else []
                return [str(part.value) for part in parts if isinstance(part, ast.Constant)]
        return _fields(class_) if any(map(_is_data, class_.decorator_list)) and not class_.bases else ()

    def _definitions(self, name: str) -> list[ast.AST]:
        """The parts of the texts that bind a name."""
        count, known = self._definitions_known
        if count != len(self._nodes):
            known = {}
            for node in self._nodes.values():
                for one in _bound_by(node):
                    known.setdefault(one, []).append(node)
            self._definitions_known = len(self._nodes), known
        return known.get(name, [])


def _is_data(decorator: ast.expr) -> bool:
    """Whether a decorator is `dataclass`, all of whose fields patterns fit by their places."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    words = decorator.keywords if isinstance(decorator, ast.Call) else []
    named = ast.unparse(called).rpartition(".")[2] == "dataclass"
    return named and not any(one.arg in ("kw_only", "match_args", "init", None) for one in words)


def _fields(class_: ast.ClassDef) -> list[str]:
    """The fields of a data class, in their order; those behind one that is none to patterns are not known."""
    found = []
    for one in class_.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            written = ast.unparse(one)
            if "KW_ONLY" in written or "kw_only" in written or "init=" in written or "InitVar" in written:
                break
            if "ClassVar" not in ast.unparse(one.annotation):
                found.append(one.target.id)
    return found


def _bound_by(node: Any) -> Sequence[str]:
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Load) else (node.id,)
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return (node.name,)
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [one.asname or one.name for one in node.names]
    return ()


def _words(key: ast.expr) -> str | None:
    """A key of a pattern, as the log has it; None if that does not follow from the text."""
    if not isinstance(key, ast.Constant):
        return None
    value: Any = key.value
    if isinstance(value, (bool, float)) and value == int(value):
        return str(int(value))
    return repr(value) if isinstance(value, (str, int, bytes, float, type(None))) else None
