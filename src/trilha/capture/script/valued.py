"""With ``--values``: what names, parts and parameters are bound to, and what functions return.

How a value is told, `capture.script.texts` says.
"""

from __future__ import annotations

import ast
from typing import Any

from trilha.capture.script.hooking import KINDS, Body, read
from trilha.capture.script.sites import docstring, parameters, site, target_names
from trilha.capture.script.tracing import Rewriter

__all__ = ["Valued"]


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
        if any(isinstance(one, (ast.Tuple, ast.List)) for one in targets):
            return [*(made if isinstance(made, list) else [made]), *self._bound(targets, node)]
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

    def _for(self, node: ast.For) -> ast.stmt | Body:
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
