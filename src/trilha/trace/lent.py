"""Objects that modules of libraries have for all who import them: `sys.argv`, `os.environ`, `plt.rcParams`.

The text names such an object wherever it needs it (`sys.path.append(…)`, `os.environ["MODE"]`), and each time
the trace has a name from outside that came of nothing. What changed the object before, by its name, may have
led to what is asked of it later; where both give a key that stands in the text, it is the same one.

Source: Python Library Reference, `sys`, `os`.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

from trilha.trace.compiling import parsed
from trilha.trace.effects import WITH_EFFECT
from trilha.trace.evaluations import Component, Kind, Role
from trilha.trace.states import States
from trilha.trace.traced import Traced

__all__ = ["Lent"]

_READING: Final = {
    "os.getenv": "os.environ",
    "os.path.expandvars": "os.environ",
    "os.path.expanduser": "os.environ",
}
"""Functions that ask such an object, which is not in their text."""
_PARSING: Final = frozenset(["parse_args", "parse_known_args"])
"""Methods that ask `sys.argv` where they are given nothing."""
_LONGEST: Final = 10_000
"""Of longer parts of texts, it is not asked which objects they name."""
_KNOWN: Final = frozenset((Role.ELEMENT, Role.RESULT))


class Lent:
    """Tells which evaluations changed such an object before another one asked it for something.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._states: dict[str, States] = {}
        self._keys: dict[int, object] = {}
        changing = dict[int, str]()
        for number, one in traced.components.items():
            if (name := self._changed_by(one)) is not None:
                changing[number] = name
        self._changes: dict[str, list[int]] = {}
        for number, name in changing.items():
            self._changes.setdefault(name, []).extend(traced.of_component(number))
        for changes in self._changes.values():
            changes.sort()
        self._asking: dict[int, str] = {}
        for number, one in traced.components.items() if self._changes else ():
            if number not in changing and (name := self._asked_by(one)) is not None:
                self._asking[number] = name

    def led_to(self, number: int) -> list[int]:
        """What changed the object that an evaluation asked for something."""
        name = self._asking.get(self._traced.component_number(number)) if self._asking else None
        if name is None or any(role in _KNOWN for _, role in self._traced.sources(number)):
            return []
        changes = self._changes[name]
        return [one for one in changes[: bisect_left(changes, number)] if self._may_be_of(one, number)]

    def asked_after(self, number: int) -> Iterator[int]:
        """The evaluations that asked an object for something which an evaluation had changed."""
        for name, changes in self._changes.items():
            at = bisect_left(changes, number)
            if at == len(changes) or changes[at] != number:
                continue
            for component in [one for one, asked in self._asking.items() if asked == name]:
                for one in self._traced.of_component(component):
                    if one > number and number in self.led_to(one):
                        yield one

    def _may_be_of(self, change: int, asked: int) -> bool:
        first, second = (self._key(self._traced.component_number(one)) for one in (change, asked))
        return first is None or second is None or first == second

    def _key(self, number: int) -> object:
        """The key that stands in the text of a part; None if there is none."""
        if number not in self._keys:
            self._keys[number] = _key_of(_expression(self._traced.components[number].text))
        return self._keys[number]

    def _changed_by(self, one: Component) -> str | None:
        """The name of the object that a part of a text changes."""
        if one.kind is Kind.PART:
            node = _expression(one.text)
            return self._known(one, node.value if isinstance(node, ast.Subscript) else node)
        if one.kind is Kind.CALL and one.text.partition("(")[0].rpartition(".")[2] in WITH_EFFECT:
            node = _expression(one.text)
            called = node.func if isinstance(node, ast.Call) else None
            return self._known(one, called.value) if isinstance(called, ast.Attribute) else None
        return None

    def _asked_by(self, one: Component) -> str | None:
        """The name of the object that a part of a text asks for something."""
        if one.kind not in (Kind.CALL, Kind.ACCESS):
            return None
        if one.kind is Kind.CALL:
            called = one.text.partition("(")[0]
            if called.rpartition(".")[2] in _PARSING and one.text.endswith("()"):
                return "sys.argv" if "sys.argv" in self._changes else None
            if (name := _READING.get(self._state_of(one).full_name(one.text), "")) in self._changes:
                return name
        if not any(name.rpartition(".")[2] in one.text for name in self._changes):
            return None
        node: Any = _expression(one.text)
        asked = (
            [node.func, *node.args] if isinstance(node, ast.Call) else [node, getattr(node, "value", None)]
        )
        asked += [part.value for part in asked if isinstance(part, ast.Attribute)]
        names = (self._known(one, part) for part in asked if isinstance(part, ast.expr))
        return next((name for name in names if name in self._changes), None)

    def _known(self, one: Component, node: ast.expr | None) -> str | None:
        """The full name of an object of a module of a library, where a part of a text is such."""
        if not isinstance(node, (ast.Attribute, ast.Name)):
            return None
        text = ast.unparse(node)
        full = self._state_of(one).full_name(text)
        imported = self._state_of(one).is_imported(text) and "." in full
        return full if imported else None

    def _state_of(self, one: Component) -> States:
        if one.file not in self._states:
            self._states[one.file] = States(parsed(self._traced.texts.get(one.file, "")))
        return self._states[one.file]


def _expression(text: str) -> ast.expr | None:
    """The tree of a part of a text; None if it is none by itself, or too long."""
    if len(text) > _LONGEST:
        return None
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _key_of(node: ast.expr | None) -> object:
    key: ast.expr | None = None
    if isinstance(node, ast.Subscript):
        key = node.slice
    elif isinstance(node, ast.Call) and node.args:
        key = node.args[0]
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
