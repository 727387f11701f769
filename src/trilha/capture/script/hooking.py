"""Calls of hooks, put into the syntax tree of a module: each logs a record of a kind at a place of the text.

Hooks are built-in names (`HOOKS`), so that no namespace of the program holds one. A hook takes first the
number that it logs. What numbers stand for is a list, of the number of the place in the text, times 32, plus
the kind of the record: so numbers are small, and most need one byte.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Sequence
from typing import Final, TypeVar

from trilha.capture.script.indirect import indirect
from trilha.capture.script.sites import NO_NAMES, Names, containers, imported, scopes

__all__ = ["HOOKS", "KINDS", "SHORT", "Body", "Hooks", "hook_name", "placed", "read"]

_OF_LOGS: Final = [
    *("other", "block", "item", "getitem", "getattr", "into", "key", "result"),
    *("enter", "begin", "resume", "raised", "receiver", "define", "next"),
]
_OF_PARTS: Final = [
    "outside",
    "made",
    "left",
    "ran",
    "value",
    "skip",
    "skipped",
    "returned",
    "goes_on",
    "called",
]
KINDS: Final = {name: kind for kind, name in (*enumerate(_OF_LOGS), *enumerate(_OF_PARTS, 19))}
"""The kinds of records that hooks log; `docs/reference/trace.md` says what each holds."""
SHORT: Final = {"getitem": 17, "item": 18}
"""Kinds of shorter records, whose number is one above that of the long one: an access to the same container
as before that gave a number or the like; an item all of whose parts are such."""
_TOLD: Final = {"each": "item"}
"""Hooks that log the kind of record of another."""
_ROUNDS: Final = ["take", "iter", "rest", "rounds", "more", "fewer", "resumed", "unpause", "paused"]
HOOKS: Final = [*KINDS, "each", "place", "flush", "release", "slice", *_ROUNDS, "over", "deep"]
_Node = TypeVar("_Node", bound=ast.AST)
Body = list[ast.stmt]
"""Statements of a block."""


def hook_name(name: str) -> str:
    """The built-in name of a hook."""
    # The very text that code names it by: comparing signs would be a third of what finding it takes.
    return sys.intern(f"__trilha_{name}__")


class Hooks:
    """Makes the calls of hooks of one module.

    Args:
        tree: of the module, its parts numbered.
        base: number of its first part.
        first: number of the first kind of record.
        before: what its names stand for, if it shares them with other texts; it is run by statements then,
            whose values may be shown: those of hooks are not.

    Attributes:
        heads: what the kinds of records are, as far as there are hooks.
        classes: names of the classes around what is rewritten.
        place: number that stands for the module itself.
        leaving: what is traced tells when it is left: code that is not may go on then.
        rests: so many rounds of a loop are not traced before some are again; 0 for all.
        spared: numbers of the functions whose own code stays as it is.
    """

    def __init__(self, tree: ast.Module, base: int, first: int, before: Names | None = None) -> None:
        self._base, self._number = base, first
        self.heads: list[int] = []
        self._scopes = scopes(tree)
        self._scope = self._scopes[tree]
        self._shared = before is not None
        self._modules = imported(tree, before or NO_NAMES)
        self._containers = containers(tree, shared=self._shared)
        self._indirect = indirect(tree)
        self.classes: list[str] = []
        self.leaving = False
        self.rests = 0
        self.place = 0
        self.spared: Collection[int] = frozenset()

    def _is_module(self, node: ast.expr) -> bool:
        """Whether an expression is a module, or a part of one."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self._modules

    def tell(self, hook: str, place: int, at: ast.AST, *arguments: ast.expr) -> ast.Call:
        """A call of a hook that stands where `at` does."""
        kind = _TOLD.get(hook, hook)
        short = [(place, SHORT[kind])] if kind in SHORT else []
        return self.records(hook, [(place, KINDS[kind]), *short], at, *arguments)

    def records(
        self, hook: str, records: Sequence[tuple[int, int]], at: ast.AST, *arguments: ast.expr
    ) -> ast.Call:
        """A call of a hook that logs the first of these records, places and kinds; those behind it, too."""
        return self.call(hook, self.numbered(*records), at, *arguments)

    def numbered(self, *records: tuple[int, int]) -> int:
        """The number of the first of new kinds of records, each told by its place and kind."""
        head = self._number + len(self.heads)
        self.heads.extend(self._base + place << 5 | kind for place, kind in records)
        return head

    @staticmethod
    def call(hook: str, head: int, at: ast.AST, *arguments: ast.expr) -> ast.Call:
        """A call of a hook that logs records of the number `head`."""
        function = ast.copy_location(ast.Name(hook_name(hook), ast.Load()), at)
        first = ast.copy_location(ast.Constant(head), at)
        return ast.copy_location(ast.Call(function, [first, *arguments], []), at)

    def say(self, hook: str, place: int, at: ast.AST, *arguments: ast.expr) -> ast.stmt:
        """A statement that calls a hook."""
        return self.stated(self.tell(hook, place, at, *arguments), at)

    def stated(self, told: ast.Call, at: ast.AST) -> ast.stmt:
        """The call of a hook as a statement."""
        if not self._shared or self._scope.kind != "module":
            return ast.copy_location(ast.Expr(told), at)
        # Python shows the values of a statement that is run by itself, if they are statements in it.
        none = ast.copy_location(ast.Constant(None), at)
        test = ast.copy_location(ast.Compare(told, [ast.Is()], [none]), at)
        return ast.copy_location(ast.If(test, [ast.copy_location(ast.Pass(), at)], []), at)

    def first(self, hook: str, place: int, then: ast.expr, *arguments: ast.expr) -> ast.expr:
        """An expression that calls a hook, which gives None, before it gives `then`."""
        told = self.tell(hook, place, then, *arguments)
        return ast.copy_location(ast.BoolOp(ast.Or(), [told, then]), then)

    @staticmethod
    def after(told: ast.expr | None, then: ast.expr) -> ast.expr:
        """An expression, behind what is told, if anything is."""
        if told is None:
            return then
        return ast.copy_location(ast.BoolOp(ast.Or(), [told, then]), then)

    def guarded(self, body: Body, place: int, at: ast.stmt, final: Body | None = None) -> ast.Try:
        """`body`, an exception that leaves it being told."""
        name = ast.copy_location(ast.Name("BaseException", ast.Load()), at)
        name.id = hook_name("over")
        deep = ast.copy_location(ast.Name(hook_name("deep"), ast.Load()), at)
        ignored = ast.copy_location(ast.ExceptHandler(deep, None, [ast.copy_location(ast.Pass(), at)]), at)
        say = ast.copy_location(ast.Try([self.say("raised", place, at)], [ignored], [], []), at)
        told: Body = [say, ast.copy_location(ast.Raise(None, None), at)]
        handler = ast.copy_location(ast.ExceptHandler(name, None, told), at)
        return ast.copy_location(ast.Try(body, [handler], [], final or []), at)


def read(name: str, at: ast.AST) -> ast.expr:
    """The value of a name, as if it stood where `at` does."""
    return ast.copy_location(ast.Name(name, ast.Load()), at)


def placed(node: _Node, at: ast.AST) -> _Node:
    """An expression, all of it as if it stood where `at` does."""
    for part in ast.walk(node):
        if "lineno" in part._attributes:
            ast.copy_location(part, at)
    return node
