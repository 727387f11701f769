"""With ``--loops N``: of each loop the first N rounds are traced; the others run the text as it is.

A loop becomes two, one behind the other, over the same iterator: the first is traced and ends after N rounds,
the second is plain. Functions that are called from the second run as they are, too: each has its text twice,
and a look at its beginning tells which it is. Loops whose rounds pause (`yield`, `await`), that have an
``else``, or that stand in a class are traced whole.
"""

from __future__ import annotations

import ast
import copy
import sys
from typing import Any, Final

from trilha.capture.script.chosen import Chosen
from trilha.capture.script.hooking import KINDS, Body, hook_name
from trilha.capture.script.outside import Outside
from trilha.capture.script.sites import docstring, encloses_yield, own_parts, site, skips
from trilha.capture.script.tracing import Rewriter
from trilha.capture.script.valued import Valued

__all__ = ["Rounds", "RoundsValued"]

_INNER: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_DECLARED: Final = (ast.Global, ast.Nonlocal)


class Rounds(Rewriter):
    """Has only the first rounds of loops traced."""

    def _for(self, node: ast.For) -> ast.stmt:
        if not skips(node, self._scope):
            return super()._for(node)
        target, body = copy.deepcopy(node.target), copy.deepcopy(node.body)
        made: Any = super()._for(node)
        told = isinstance(made.target, ast.Name)  # Then the hook that tells the items is around.
        items = made.iter.args[1] if told else made.iter
        at = items if sys.version_info >= (3, 13) else node
        items = self._hook("take", 0, at, self._plain_call("iter", at, items))
        if told:
            made.iter.args[1] = items
        else:
            made.iter = items
        rest = ast.copy_location(ast.For(target, self._hook("rest", 0, node), body, []), node)
        made.orelse += self._others(node, rest)
        return node

    def _while(self, node: ast.While) -> ast.stmt | Body:  # type: ignore[override]
        if not skips(node, self._scope):
            return super()._while(node)
        rest = copy.deepcopy(node)
        made: Any = super()._while(node)
        key = self.numbered((site(node), KINDS["skip"]))
        more = self.call("more", key, node.test)
        made.test = ast.copy_location(ast.BoolOp(ast.And(), [more, made.test]), node.test)
        made.orelse = self._others(node, rest)
        return [ast.copy_location(ast.Expr(self.call("rounds", key, node)), node), made]

    def _others(self, node: Any, rest: Any) -> Body:
        """What comes behind the traced rounds: those that are not."""
        place = site(node)
        skip = self.numbered((place, KINDS["skip"]), (place, KINDS["skipped"]), (place, KINDS["returned"]))
        self._as_it_is(rest.body, skip + 2)
        if isinstance(rest, ast.While):
            holder = ast.Expr(rest.test)
            self._outside().inside(holder)
            rest.test = holder.value
        guarded = self.guarded([rest], place, node)
        unpaused = ast.copy_location(ast.Expr(self._plain_call("unpause", node)), node)
        guarded.handlers[0].body.insert(0, unpaused)
        done = ast.copy_location(ast.Expr(self.call("skipped", skip + 1, node)), node)
        test = self.call("skip", skip, node)
        return [ast.copy_location(ast.If(test, [guarded, done], []), node)]

    def _as_it_is(self, body: Body, returned: int) -> None:
        """Have a copy of a body tell only that it returns, and functions in it that they run."""
        for part in own_parts(ast.Module(body, [])):
            if isinstance(part, ast.Return):
                value = part.value or ast.copy_location(ast.Constant(None), part)
                part.value = self.call("returned", returned, value, value)
        holder = ast.Module(body, [])
        self._outside().inside(holder)

    def _outside(self) -> Outside:
        return Outside(Chosen(), self, self.place)

    @staticmethod
    def _hook(name: str, head: int, at: ast.AST, *values: ast.expr) -> ast.Call:
        return Rewriter.call(name, head, at, *values)

    @staticmethod
    def _plain_call(name: str, at: ast.AST, *values: ast.expr) -> ast.Call:
        function = ast.copy_location(ast.Name(hook_name(name), ast.Load()), at)
        return ast.copy_location(ast.Call(function, list(values), []), at)

    def function(self, node: Any) -> None:
        """Rewrite the body of a function, in place; behind a look at whether it is traced now."""
        if encloses_yield(node):
            super().function(node)
            return
        declared = _take_declared(node)
        head = docstring(node.body)
        plain = copy.deepcopy(node.body[head:])
        super().function(node)
        if plain:
            self._outside().inside(ast.Module(plain, []))
            at = plain[0]
            test = self._plain_call("paused", at)
            node.body[head:] = [*declared, ast.copy_location(ast.If(test, plain, node.body[head:]), at)]


class RoundsValued(Rounds, Valued):
    """Has only the first rounds of loops traced, with values."""


def _take_declared(node: Any) -> list[ast.stmt]:
    """Take the declarations of global and nonlocal names out of a function: they hold for both texts."""
    found: list[ast.stmt] = []

    class Taking(ast.NodeTransformer):
        def visit(self, one: ast.AST) -> Any:
            if isinstance(one, _DECLARED):
                found.append(one)
                return ast.copy_location(ast.Pass(), one)
            return one if isinstance(one, _INNER) else self.generic_visit(one)

    taking = Taking()
    node.body = [taking.visit(one) for one in node.body]
    return found
