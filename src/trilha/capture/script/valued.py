"""With ``--values``: what names, parts and parameters are bound to, and what functions return.

Told are numbers, truth values and texts, cut where they are long; of everything else the kind, and how many
members it has. No method of the program's own is called. What the environment's variables hold is not told.
"""

from __future__ import annotations

import ast
import os
import re
from typing import Any, Final

from trilha.capture.script.hooking import KINDS, Body, read
from trilha.capture.script.sites import docstring, parameters, site, target_names
from trilha.capture.script.tracing import Rewriter
from trilha.capture.values import python_type, value_of

__all__ = ["Valued", "text_of"]

_LONGEST: Final = 60
_LONGEST_NUMBER: Final = 200
"""Bits of whole numbers that are written out."""
_SECRET: Final = re.compile(r"KEY|TOKEN|SECRET|PASS|AUTH|CREDENTIAL|COOKIE", re.IGNORECASE)
_FEW: Final = 6
"""Texts of fewer letters are no secrets, or none that could be told from others."""
_HIDDEN: Final = "<of the environment>"


def text_of(value: Any) -> str:
    """A value as a text; empty where it has none that could be told."""
    own = type(value)
    if own is int:
        return repr(value) if value.bit_length() <= _LONGEST_NUMBER else f"<int of {value.bit_length()} bits>"
    if own is float or own is bool or value is None or own is complex:
        return repr(value)
    if own is str:
        return _hidden(value) or _cut(repr(value[: _LONGEST + 1]), len(value) > _LONGEST)
    if own is bytes:
        return _cut(repr(value[: _LONGEST + 1]), len(value) > _LONGEST)
    if own in (list, dict, set, tuple, frozenset):
        return f"<{own.__name__} of {len(value)}>"
    if own.__module__ == "numpy" or issubclass(own, (int, float)):
        plain = value_of(value)
        if type(plain) in (int, float, bool):
            return repr(plain)
    return f"<{python_type(value)}>"


def _cut(text: str, more: bool) -> str:
    return f"{text[:_LONGEST]}…" if more or len(text) > 2 * _LONGEST else text


def _hidden(text: str) -> str:
    """What is told instead of a text that the environment holds."""
    if len(text) < _FEW:
        return ""
    for name, value in os.environ.items():
        if len(value) >= _FEW and (text == value or (_SECRET.search(name) and value in text)):
            return _HIDDEN
    return ""


class Valued(Rewriter):
    """Has a module tell its values, too."""

    def _told(self, place: int, value: ast.expr, order: int = 0) -> ast.expr:
        """An expression that tells its value, and gives it."""
        head = self.numbered((place, KINDS["value"]))
        return self.call("value", head, value, value, ast.copy_location(ast.Constant(order), value))

    def _tell(self, place: int, name: str, at: ast.AST, order: int = 0) -> ast.stmt:
        return ast.copy_location(ast.Expr(self._told(place, read(name, at), order)), at)

    def _bound(self, targets: list[ast.expr], at: ast.AST) -> Body:
        """Statements that tell what names were bound to, if all targets are names."""
        names = [part for one in targets for part in ast.walk(one) if isinstance(part, ast.Name)]
        found = [name for one in targets for name in target_names(one)]
        if sorted(one.id for one in names) != sorted(found):
            return []  # A part is stored, too: between it and the names more may be logged.
        return [self._tell(site(one), one.id, at) for one in names]

    def _assign(self, node: ast.Assign) -> ast.stmt | Body:
        targets = list(node.targets)
        made = super()._assign(node)
        assert not isinstance(made, list)
        if any(isinstance(one, (ast.Tuple, ast.List)) for one in targets):
            return [made, *self._bound(targets, node)]
        for one in targets:
            node.value = self._told(site(one), node.value)
        return made

    def _annassign(self, node: ast.AnnAssign) -> ast.stmt:
        made = super()._annassign(node)
        if node.value is not None:
            node.value = self._told(site(node.target), node.value)
        return made

    def _augassign(self, node: ast.AugAssign) -> ast.stmt | Body:
        target = node.target
        made = super()._augassign(node)
        if not isinstance(target, ast.Name):
            return made
        return [*(made if isinstance(made, list) else [made]), self._tell(site(target), target.id, node)]

    def _return(self, node: ast.Return) -> ast.stmt:
        if node.value is not None:
            node.value = self._told(site(node), self.expression(node.value))
        return node

    def _for(self, node: ast.For) -> ast.stmt:
        told = self._bound([node.target], node.body[0])
        made = super()._for(node)
        at = 0 if isinstance(node.target, ast.Name) else 1  # Behind what tells that there is an item.
        node.body[at:at] = told
        return made

    def _x_namedexpr(self, node: ast.NamedExpr) -> ast.expr:
        super()._x_namedexpr(node)
        node.value = self._told(site(node.target), node.value)
        return node

    def function(self, node: Any) -> None:
        """Rewrite the body of a function, in place."""
        at = node.body[min(docstring(node.body), len(node.body) - 1)]
        told = [self._tell(site(node), name, at, order) for order, name in enumerate(parameters(node.args))]
        super().function(node)
        head = docstring(node.body)
        node.body[head + 1 : head + 1] = told
