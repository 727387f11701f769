"""The statements of a text, of which a program keeps some: what each binds, names and may run."""

from __future__ import annotations

import ast
import builtins
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from trilha.trace.compiling import Lines, parsed

__all__ = ["FUNCTIONS", "Module"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TYPES: tuple[type[ast.stmt], ...] = (getattr(ast, "TypeAlias", ast.ClassDef),)  # Of Python 3.12 and newer.
_BINDINGS = (*FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom, *_TYPES)
_JUMPS = (ast.Break, ast.Continue, ast.Return, ast.Raise, ast.Global, ast.Nonlocal)


class Module:
    """The text of a module, and which of its statements are kept."""

    def __init__(self, text: str) -> None:
        self.tree = parsed(text)
        self.kept: set[ast.stmt] = set()
        self.above: dict[ast.stmt, ast.stmt | None] = {}
        self._places: list[tuple[tuple[int, int], ast.stmt]] = []
        self._ends: dict[ast.stmt, tuple[int, int]] = {}
        self._enter(self.tree.body, None)
        self._places.sort(key=lambda one: one[0])
        self._begins = [begin for begin, _ in self._places]
        self._bound = {*dir(builtins), *_all_bound(self.tree)}
        self._elsewhere: set[ast.stmt] = set()
        self._lines = Lines(text)

    def _enter(self, body: Iterable[ast.stmt], above: ast.stmt | None) -> None:
        for statement in body:
            self.above[statement] = above
            begin = statement.lineno
            for decorator in getattr(statement, "decorator_list", []):
                begin = min(begin, decorator.lineno)
            self._ends[statement] = statement.end_lineno or begin, statement.end_col_offset or 0
            column = statement.col_offset if begin == statement.lineno else 0
            self._places.append(((begin, column), statement))
            for _, inner in _bodies(statement):
                self._enter(inner, statement)

    def statement(self, line: int, column: int) -> ast.stmt | None:
        """The innermost statement at a place, the column in characters."""
        place = line, self._lines.bytes(line, column)  # Columns of the tree are in bytes of UTF-8.
        at = bisect_right(self._begins, place) - 1
        found = self._places[at][1] if at >= 0 else None
        while found is not None and place >= self._ends[found]:
            found = self.above[found]
        return found

    def keep(self, statement: ast.stmt) -> None:
        """Keep a statement, those around it, and what decides how far they go."""
        at: ast.stmt | None = statement
        while at is not None and at not in self.kept:
            self.kept.add(at)
            self._keep_within(at)
            at = self.above[at]

    def keep_run_elsewhere(self, statement: ast.stmt) -> None:
        """Keep a statement that another process ran: of a function all, since its trace is another one."""
        function = self.function(statement)
        if function is None:
            self.keep(statement)
        elif function not in self._elsewhere:
            self._elsewhere.add(function)
            for one in ast.walk(function):
                if isinstance(one, ast.stmt):
                    self.keep(one)

    def _keep_within(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ClassDef):
            inner: Iterator[ast.AST] = ast.walk(statement)
        elif isinstance(statement, (*FUNCTIONS, ast.For, ast.AsyncFor, ast.While)):
            inner = (one for one in _own(statement) if isinstance(one, _JUMPS) or _awaits(one))
        elif isinstance(statement, (ast.Try, ast.TryStar)):
            # What is caught may come from any statement of its body.
            inner = (one for part in statement.body for one in ast.walk(part))
        else:
            inner = iter(())
        for one in list(inner):
            if isinstance(one, ast.stmt):
                self.keep(one)

    def function(self, statement: ast.stmt) -> ast.stmt | None:
        """The innermost function that a statement is in; itself, if it is one."""
        at: ast.stmt | None = statement
        while at is not None and not isinstance(at, FUNCTIONS):
            at = self.above[at]
        return at

    def silent(self, begin: ast.stmt | None, end: ast.stmt) -> Iterator[ast.stmt]:
        """The statements between two that may run something and evaluate nothing that the trace tells of.

        Args:
            begin: that ran before; None for the beginning of the function.
            end: that ran afterwards: before it in the text if a loop went on.
        """
        function = self.function(end)
        if begin is not None and self.function(begin) is not function:
            begin = None
        first, last = begin.lineno if begin is not None else 0, end.lineno
        for statement in self.above:
            runs = isinstance(statement, (ast.With, ast.AsyncWith)) or any(True for _ in _bare(statement))
            if runs and self.function(statement) is function:
                at = statement.lineno
                if first <= at <= last if first <= last else at >= first or at <= last:
                    yield statement

    def names(self) -> set[str]:
        """The names that kept text refers to."""
        return {
            node.id
            for statement in self.kept
            for part in _parts(statement)
            for node in ast.walk(part)
            if isinstance(node, ast.Name)
        }

    def unfollowed(self) -> set[str]:
        """Those of them of which the trace does not tell what they were when the text ran."""
        run = (node for one in self._elsewhere for node in ast.walk(one))
        found = {node.id for node in run if isinstance(node, ast.Name)}
        for statement in self.kept:
            found |= set(statement.names) if isinstance(statement, ast.Nonlocal) else set()
            found |= {
                node.id
                for part in _untold(statement)
                for node in ast.walk(part)
                if isinstance(node, ast.Name)
            }
        return found

    def binds(self) -> set[str]:
        """The names that kept text binds anywhere, and those that are built in."""
        bound = {name for one in self.kept for part in _parts(one) for name in _all_bound(part)}
        bound |= {name for one in self.kept if isinstance(one, _BINDINGS) for name in _bound(one)}
        return bound.union(dir(builtins))

    def bind(self, names: set[str]) -> bool:
        """Keep what binds these names outside of functions; tells whether that was more."""
        before = len(self.kept)
        for statement in self.above if names else ():
            if statement not in self.kept and names & _stored(statement) and self.function(statement) is None:
                self.keep(statement)
        return len(self.kept) > before

    def define(self, names: set[str], unfollowed: set[str]) -> bool:
        """Keep what defines these names, and all that binds the others; tells whether that was more."""
        before = len(self.kept)
        for statement in self.above:
            if statement in self.kept:
                continue
            defines = isinstance(statement, _BINDINGS) and names & (bound := _bound(statement))
            if not defines and isinstance(statement, ast.ImportFrom) and "*" in bound:
                defines = names - self._bound  # It may bind any of these.
            if defines or (unfollowed and unfollowed & _stored(statement)):
                self.keep(statement)
        return len(self.kept) > before

    def text(self) -> str:
        """The kept statements as text."""
        first = [one for one in self.tree.body if _is_future(one)]
        for one in first:
            self.kept.add(one)
        tree = ast.Module(self._pruned(self.tree.body), [])
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

    def _pruned(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found = []
        for statement in body:
            if statement not in self.kept:
                continue
            for owner, inner in _bodies(statement):
                kept = self._pruned(inner)
                name = next(name for name in _BODIES if getattr(owner, name, None) is inner)
                if not kept and (name == "body" or (name == "finalbody" and inner)):
                    kept = [ast.Pass()]
                setattr(owner, name, kept)
            found.append(statement)
        return found


_BODIES = ("body", "orelse", "finalbody")


def _bodies(statement: ast.stmt) -> Iterator[tuple[ast.AST, list[ast.stmt]]]:
    """The lists of statements inside a statement, with what holds them."""
    for owner in (statement, *getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        for name in _BODIES:
            inner = getattr(owner, name, None)
            if isinstance(inner, list) and (inner or name == "body"):
                yield owner, inner


def _awaits(statement: ast.stmt) -> bool:
    """Whether others go on while a statement waits: of what these do the text around has no evaluation."""
    if isinstance(statement, (ast.AsyncFor, ast.AsyncWith)):
        return True
    inner = (node for part in _parts(statement) for node in ast.walk(part))
    return not isinstance(statement, (*FUNCTIONS, ast.ClassDef)) and any(
        isinstance(node, (ast.Await, ast.YieldFrom)) for node in inner
    )


def _own(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The statements inside, but for those of functions and classes in it."""
    for _, inner in _bodies(statement):
        for one in inner:
            yield one
            if not isinstance(one, (*FUNCTIONS, ast.ClassDef)):
                yield from _own(one)


def _parts(statement: ast.stmt) -> Iterator[ast.AST]:
    """What a statement consists of, but for the statements inside."""
    inside = {id(one) for _, inner in _bodies(statement) for one in inner}
    for child in ast.iter_child_nodes(statement):
        if id(child) in inside:
            continue
        if isinstance(child, (ast.ExceptHandler, ast.match_case)):
            yield from (one for one in ast.iter_child_nodes(child) if not isinstance(one, ast.stmt))
        else:
            yield child


def _bound(statement: ast.AST) -> set[str]:
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names} | (
            {"*"} if any(alias.name == "*" for alias in statement.names) else set()
        )
    name = getattr(statement, "name", None)  # Of a ``type`` statement it is a part of its own.
    return {name.id if isinstance(name, ast.Name) else str(name)}


def _all_bound(tree: ast.AST) -> Iterator[str]:
    """The names that a text binds anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, _BINDINGS):
            yield from _bound(node)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name


def _untold(statement: ast.stmt) -> Iterator[ast.expr]:
    """The annotations of a statement, the guards of its cases, and names that are all it evaluates."""
    if isinstance(statement, FUNCTIONS):
        given = statement.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        found = [statement.returns, *(one.annotation for one in every if one is not None)]
    elif isinstance(statement, ast.AnnAssign):
        found = [statement.annotation]
    else:
        found = [*_bare(statement), *(one.guard for one in getattr(statement, "cases", ()))]
    yield from (one for one in found if one is not None)


def _bare(statement: ast.stmt) -> Iterator[ast.expr]:
    """The names of a statement that are all it evaluates there, of which the trace does not tell."""
    found: list[ast.expr | None] = []
    if isinstance(statement, (ast.If, ast.While)):
        found = [statement.test]
    elif isinstance(statement, ast.Assert):
        found = [statement.test, statement.msg]
    elif isinstance(statement, (ast.With, ast.AsyncWith)):
        found = [one.context_expr for one in statement.items]
    elif isinstance(statement, ast.Raise):
        found = [statement.exc, statement.cause]
    elif isinstance(statement, (ast.Try, ast.TryStar)):
        found = [one.type for one in statement.handlers]
    elif isinstance(statement, (ast.For, ast.AsyncFor)):
        found = [statement.iter]
    elif isinstance(statement, ast.Match):
        found = [statement.subject]
    elif isinstance(statement, ast.Expr):
        found = [statement.value]
    yield from (one for one in found if isinstance(one, (ast.Name, ast.Tuple)))


def _stored(statement: ast.stmt) -> set[str]:
    """The names that a statement binds itself."""
    nodes = (node for part in _parts(statement) for node in ast.walk(part))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
