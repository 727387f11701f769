"""Which bindings of a name are of the variable of a module: those of functions and classes are others.

Source: Python Language Reference, "Naming and binding".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Component

__all__ = ["Variables"]

_LINES = re.compile("\r\n|\r|\n")
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, *_COMPREHENSIONS)

_Place: TypeAlias = tuple[int, int]


class _Part(NamedTuple):
    """A part of a text that has names of its own: where it begins and ends, in lines and characters."""

    begin: _Place
    end: _Place
    node: ast.AST


class Variables:
    """Tells which parts of a text bind variables of its module.

    Args:
        text: of the module.
    """

    def __init__(self, text: str) -> None:
        self._lines = _LINES.split(text)
        tree = parsed(text)
        self._parts = [self._part(one) for one in ast.walk(tree) if isinstance(one, _SCOPES)]
        targets = (one.target for one in ast.walk(tree) if isinstance(one, ast.NamedExpr))
        self._named = {self._part(one).begin for one in targets}

    def binds(self, component: Component, name: str) -> bool:
        """Whether it is the module's variable of this name that a part of the text binds."""
        begin, end = (component.line, component.column), (component.end_line, component.end_column)
        around = [one for one in self._parts if one.begin <= begin and end <= one.end]
        for one in reversed(around):  # The innermost comes first.
            whole = (one.begin, one.end) == (begin, end)
            if whole and not isinstance(one.node, ast.Lambda):
                # A definition binds its name; the parameters stand for the same part.
                if getattr(one.node, "name", None) != name:
                    return False
            elif not isinstance(one.node, _COMPREHENSIONS):
                return not whole and any(name in part.names for part in _globals(one.node))
            elif begin not in self._named:
                return False
        return True

    def _part(self, node: Any) -> _Part:
        begin, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        return _Part(self._in_characters(begin), self._in_characters(end), node)

    def _in_characters(self, place: _Place) -> _Place:
        line, column = place
        return line, len(self._lines[line - 1].encode()[:column].decode("utf-8", "replace"))


def _globals(part: ast.AST) -> Iterator[ast.Global]:
    """The statements by which a function or class has names of the module."""
    for one in ast.iter_child_nodes(part):
        if isinstance(one, ast.Global):
            yield one
        elif not isinstance(one, _SCOPES):
            yield from _globals(one)
