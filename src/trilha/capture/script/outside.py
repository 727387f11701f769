"""A module of which only chosen functions are traced: the rest tells that it runs, and nothing else.

What runs untraced may change any data structure that it can reach. So the trace must know when it ran: each
function that is not traced says so when it begins, a generator or coroutine also when it goes on. A record
takes a byte or two, and several in a row are one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final

from trilha.capture.script.chosen import Chosen
from trilha.capture.script.hooking import KINDS
from trilha.capture.script.sites import docstring, site
from trilha.capture.script.tracing import Rewriter

__all__ = ["Outside", "rewrite"]

_NOT_RUN: Final = frozenset(["annotation", "returns", "type_params", "type_comment"])
"""Fields of the syntax tree whose text may be kept as text."""


def rewrite(tree: ast.Module, chosen: Chosen, rewriter: Rewriter, place: int) -> None:
    """Rewrite a module of which only a part is traced, in place.

    Args:
        tree: its parts numbered.
        chosen: what is traced.
        rewriter: of this module.
        place: number that stands for the module itself.
    """
    outside = Outside(chosen, rewriter, place)
    outside.inside(tree)
    head = docstring(tree.body)
    while head < len(tree.body) and getattr(tree.body[head], "module", None) == "__future__":
        head += 1
    if head < len(tree.body):
        tree.body.insert(head, outside.said(tree.body[head]))


class Outside:
    """Has text that is not traced tell that it runs.

    Args:
        chosen: what in it is traced.
        rewriter: of its module.
        place: number that stands for the module itself.
    """

    def __init__(self, chosen: Chosen, rewriter: Rewriter, place: int) -> None:
        self._functions, self._classes = frozenset(chosen.functions), frozenset(chosen.classes)
        self._rewriter = rewriter
        self._head = rewriter.numbered((place, KINDS["outside"]))

    def _hook(self, at: ast.AST, *value: ast.expr) -> ast.Call:
        return self._rewriter.call("outside", self._head, at, *value)

    def said(self, at: ast.AST) -> ast.Expr:
        """A statement that tells that this text runs, where `at` stands."""
        return ast.copy_location(ast.Expr(self._hook(at)), at)

    def inside(self, node: ast.AST) -> None:
        """Rewrite the parts of a part."""
        for field, value in ast.iter_fields(node):
            if field in _NOT_RUN:
                continue
            if isinstance(value, ast.AST):
                setattr(node, field, self._made(value))
            elif isinstance(value, list):
                value[:] = [self._made(one) if isinstance(one, ast.AST) else one for one in value]

    def _made(self, node: Any) -> Any:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self._function(node)
        if isinstance(node, ast.ClassDef):
            return self._class(node)
        self.inside(node)
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)):
            return self._hook(node, node)
        if isinstance(node, ast.GeneratorExp):
            node.elt = self._hook(node.elt, node.elt)
        elif isinstance(node, ast.Lambda):
            told = ast.BoolOp(ast.Or(), [self._hook(node.body), node.body])
            node.body = ast.copy_location(told, node.body)
        return node

    def _function(self, node: Any) -> Any:
        if site(node) in self._rewriter.spared:
            return node
        if node not in self._functions:
            self.inside(node)
            head = docstring(node.body)
            at = node.body[head] if head < len(node.body) else node.body[0]
            node.body.insert(head, self.said(at))
            return node
        for one in self._around(node):
            self.inside(one)
        self._rewriter.function(node)
        node.decorator_list.append(self._told(node))
        return node

    def _told(self, node: ast.AST) -> ast.Call:
        """The innermost decorator of a definition, which tells what was made."""
        head = self._rewriter.numbered((site(node), KINDS["made"]))
        return self._rewriter.call("define", head, node)

    @staticmethod
    def _around(node: Any) -> Iterator[ast.AST]:
        """What is evaluated where the function is defined."""
        for values in (node.decorator_list, node.args.defaults, node.args.kw_defaults):
            holder = ast.Tuple(values, ast.Load())
            yield holder

    def _class(self, node: ast.ClassDef) -> ast.AST:
        self._rewriter.classes.append(node.name)
        self.inside(node)
        self._rewriter.classes.pop()
        if node in self._classes:
            node.decorator_list.append(self._told(node))
        return node
