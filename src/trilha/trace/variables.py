"""Which bindings of a name are of the variable of a module: those of functions and classes are others.

Source: Python Language Reference, "Naming and binding".
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from trilha.trace.compiling import Lines, parsed
from trilha.trace.evaluations import Component

__all__ = ["Owner", "Variables"]

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, *_COMPREHENSIONS)

_Place: TypeAlias = tuple[int, int]


class Owner(NamedTuple):
    """A part of a text that has names of its own.

    Attributes:
        begin: its first line and character.
        end: its last ones.
        node: the function, class or comprehension.
    """

    begin: _Place
    end: _Place
    node: ast.AST


class Variables:
    """Tells of which variables the bindings in a text are.

    Args:
        text: of the module.
    """

    def __init__(self, text: str) -> None:
        self._lines = Lines(text)
        nodes = [one for one in ast.walk(parsed(text)) if isinstance(one, (*_SCOPES, ast.NamedExpr))]
        parts = [self._part(one) for one in nodes if not isinstance(one, ast.NamedExpr)]
        self._parts = sorted(parts, key=lambda one: (one.begin, (-one.end[0], -one.end[1])))
        self._begins = [one.begin for one in self._parts]
        self._above = self._nested()
        self._declared: dict[ast.AST, list[ast.Global | ast.Nonlocal]] = {}
        targets = [one.target for one in nodes if isinstance(one, ast.NamedExpr)]
        self._named = {self._part(one).begin for one in targets}

    def binds(self, component: Component, name: str) -> bool:
        """Whether it is the module's variable of this name that a part of the text binds."""
        return self.owner(component, name) is None

    def owner(self, component: Component, name: str) -> Owner | None:
        """The function, class or comprehension whose variable a part of the text binds.

        Returns:
            None for a variable of the module.
        """
        begin = component.line, component.column
        outside = False
        for one in reversed(self._around(component)):  # The innermost comes first.
            if self._is_whole(component, one) and not isinstance(one.node, ast.Lambda):
                # A definition binds its name; the parameters stand for the same part.
                if getattr(one.node, "name", None) != name:
                    return one
            elif not isinstance(one.node, _COMPREHENSIONS):
                if outside and isinstance(one.node, ast.ClassDef):
                    continue
                if one.node not in self._declared:
                    self._declared[one.node] = list(_declared(one.node))
                declared = [part for part in self._declared[one.node] if name in part.names]
                if any(isinstance(part, ast.Global) for part in declared):
                    return None
                if not declared:
                    return one
                outside = True
            elif begin not in self._named:
                return one
        return None

    def function(self, component: Component, name: str = "") -> str:
        """The function or class whose variable `name` is that a part of the text binds.

        Args:
            component: the part of the text.
            name: of the variable; without it, the function is told in whose text the part stands.

        Returns:
            its name, with those around it (``Class.method``), where it has one; empty for the module.
        """
        around = self._around(component)
        owner = self.owner(component, name) if name else None
        if name:
            around = around[: around.index(owner) + 1] if owner is not None else []
        return _name(one.node for one in around)

    def functions(self) -> Iterator[str]:
        """The functions and classes of the text, as `function` names them."""
        for at, one in enumerate(self._parts):
            if not isinstance(one.node, (ast.Lambda, *_COMPREHENSIONS)):
                yield _name(two.node for two in self._up_to(at) if one.end <= two.end)

    def _around(self, component: Component) -> list[Owner]:
        """The parts that have names of their own around a part of the text, the outermost first."""
        begin, end = (component.line, component.column), (component.end_line, component.end_column)
        # The last one that begins before it is in all that are around it, if it is none of them itself.
        found = self._up_to(bisect_right(self._begins, begin) - 1)
        return [one for one in found if end <= one.end]

    def _up_to(self, at: int) -> list[Owner]:
        """A part that has names of its own, by its place, and those around it, the outermost first."""
        found = []
        while at >= 0:
            found.append(self._parts[at])
            at = self._above[at]
        return found[::-1]

    def _nested(self) -> list[int]:
        """The place of the part around each that has names of its own; -1 where there is none."""
        found: list[int] = []
        around: list[int] = []
        for at, one in enumerate(self._parts):
            while around and self._parts[around[-1]].end <= one.begin:
                around.pop()
            found.append(around[-1] if around else -1)
            around.append(at)
        return found

    @staticmethod
    def _is_whole(component: Component, part: Owner) -> bool:
        begin, end = (component.line, component.column), (component.end_line, component.end_column)
        return (part.begin, part.end) == (begin, end)

    def _part(self, node: Any) -> Owner:
        begin, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        count = self._lines.characters
        return Owner((begin[0], count(*begin)), (end[0], count(*end)), node)


def _name(around: Iterable[ast.AST]) -> str:
    """What is called by its name and those around it, the outermost first."""
    return ".".join(
        getattr(one, "name", "<lambda>") for one in around if not isinstance(one, _COMPREHENSIONS)
    )


def _declared(part: ast.AST) -> Iterator[ast.Global | ast.Nonlocal]:
    """The statements by which a function or class has names of the module, or of a function around it."""
    for one in ast.iter_child_nodes(part):
        if isinstance(one, (ast.Global, ast.Nonlocal)):
            yield one
        elif not isinstance(one, _SCOPES):
            yield from _declared(one)
