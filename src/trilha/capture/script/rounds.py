"""With ``--loops N``, of each loop the first N rounds are traced; the others run the text as it is.

A loop becomes two, one behind the other, over the same iterator: the first is traced and ends after N
rounds, the second is plain. With ``--loops N/M`` this one ends, too, after the rest of M rounds, and a loop
around both begins anew. Functions that are called from the second run as they are, too: each has its text
twice, and a look at its beginning tells which it is. Loops whose rounds pause (`yield`, `await`), that have
an ``else``, or that stand in a class are traced whole.
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
    """Has only some rounds of loops traced."""

    def _for(self, node: ast.For) -> ast.stmt | Body:
        if not skips(node, self._scope):
            return super()._for(node)
        target, body = copy.deepcopy(node.target), copy.deepcopy(node.body)
        made: Any = super()._for(node)
        number = self._numbers(node)
        told = isinstance(made.target, ast.Name)  # Then the hook that tells the items is around.
        items = made.iter.args[1] if told else made.iter
        at = items if sys.version_info >= (3, 13) else node
        items = self._plain_call("iter", at, items)
        if self.rests:
            resumed = self.call("resumed", number, at)
            items = ast.copy_location(ast.BoolOp(ast.Or(), [resumed, items]), at)
        items = self.call("take", number, at, items)
        if told:
            made.iter.args[1] = items
        else:
            made.iter = items
        rest = self.call("rest", number, node, ast.copy_location(ast.Constant(self.rests), node))
        made.orelse += self._others(node, number, ast.copy_location(ast.For(target, rest, body, []), node))
        return self._in_turns(made, number) if self.rests else made

    def _while(self, node: ast.While) -> ast.stmt | Body:
        if not skips(node, self._scope):
            return super()._while(node)
        rest = copy.deepcopy(node)
        made: Any = super()._while(node)
        number = self._numbers(node)
        made.test = self._as_long_as(self.call("more", number, node.test), made.test)
        if self.rests:
            fewer = self.call("fewer", number, node, ast.copy_location(ast.Constant(self.rests), node))
            rest.test = self._as_long_as(fewer, rest.test)
        made.orelse = self._others(node, number, rest)
        if self.rests:
            return self._in_turns(made, number)
        return [self._begun(made, number), made]

    @staticmethod
    def _as_long_as(more: ast.Call, test: ast.expr) -> ast.expr:
        return ast.copy_location(ast.BoolOp(ast.And(), [more, test]), test)

    def _numbers(self, node: ast.AST) -> int:
        """The number by which the hooks of `capture.script.skipping` know a loop: of its first record."""
        kinds = ("skip", "skipped", "returned", "goes_on")
        return self.numbered(*((site(node), KINDS[kind]) for kind in kinds))

    def _begun(self, node: ast.AST, number: int) -> ast.Expr:
        return ast.copy_location(ast.Expr(self.call("rounds", number, node)), node)

    def _in_turns(self, node: Any, number: int) -> Body:
        """A loop whose rounds are traced and are not, in turns."""
        always = ast.copy_location(ast.Constant(True), node)
        turns = ast.While(always, [node, ast.copy_location(ast.Break(), node)], [])
        return [self._begun(node, number), ast.copy_location(turns, node)]

    def _others(self, node: Any, number: int, rest: Any) -> Body:
        """What comes behind the traced rounds: those that are not."""
        self._as_it_is(rest.body, number)
        if isinstance(rest, ast.While):
            holder = ast.Expr(rest.test)
            self._outside().inside(holder)
            rest.test = holder.value
        guarded = self.guarded([rest], site(node), node)
        unpaused = ast.copy_location(ast.Expr(self._plain_call("unpause", node)), node)
        guarded.handlers[0].body.insert(0, unpaused)
        test = self.call("skip", number, node)
        return [ast.copy_location(ast.If(test, [guarded, self._ended(node, number)], []), node)]

    def _ended(self, node: ast.AST, number: int) -> ast.stmt:
        """A statement that tells that the rounds that are not traced are over."""
        if not self.rests:
            return ast.copy_location(ast.Expr(self.call("skipped", number, node)), node)
        count = ast.copy_location(ast.Constant(self.rests), node)
        again: Body = [ast.copy_location(ast.Continue(), node)]
        return ast.copy_location(ast.If(self.call("goes_on", number, node, count), again, []), node)

    def _as_it_is(self, body: Body, number: int) -> None:
        """Have a copy of a body tell only that it returns, and functions in it that they run."""
        for part in own_parts(ast.Module(body, [])):
            if isinstance(part, ast.Return):
                value = part.value or ast.copy_location(ast.Constant(None), part)
                part.value = self.call("returned", number, value, value)
        holder = ast.Module(body, [])
        self._outside().inside(holder)

    def _outside(self) -> Outside:
        return Outside(Chosen(), self, self.place)

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
