"""A slice as a program that runs and gives the same value: the statements that the value needs.

Whole statements are kept. A kept statement needs all that any of its evaluations came from, the conditions
that it stood under, and every change of a thing that it used; what may have changed an object whose state
the trace does not have (an iterator, a file), a state that functions of a library share, or a file that is
read; what leaves a kept loop or function early is kept with its conditions; a name that kept text refers to
keeps its definition. This goes on until nothing is added (an executable slice: Weiser, "Program slicing",
1984; here of what one run did).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import chain

from trilha.trace.compiling import parsed
from trilha.trace.evaluations import Kind
from trilha.trace.states import SYSTEM, States
from trilha.trace.traced import Traced

__all__ = ["program"]

_END = 2**62
"""A checkpoint after all of a trace."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TYPES: tuple[type[ast.stmt], ...] = (getattr(ast, "TypeAlias", ast.ClassDef),)  # Of Python 3.12 and newer.
_BINDINGS = (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom, *_TYPES)
_JUMPS = (ast.Break, ast.Continue, ast.Return, ast.Raise, ast.Global, ast.Nonlocal)


def program(traced: Traced, start: Iterable[int], until: int | None = 0) -> dict[str, str]:
    """The programs, by the path of the module, that give the values of `start` again.

    Args:
        traced: the trace.
        start: evaluations.
        until: with what was put into their values, and what became of these, until this checkpoint; None for
            the end, 0 for nothing after they were evaluated.

    Returns:
        The texts of the modules of which anything is needed. Comments are lost.
    """
    needed = _Needed(traced)
    needed.grow(set(start), _END if until is None else until)
    return {path: module.text() for path, module in needed.modules.items() if module.kept}


class _Module:
    """The text of a module, and which of its statements are kept."""

    def __init__(self, text: str) -> None:
        self.tree = parsed(text)
        self.kept: set[ast.stmt] = set()
        self.above: dict[ast.stmt, ast.stmt | None] = {}
        self._places: list[tuple[tuple[int, int], tuple[int, int], ast.stmt]] = []
        self._enter(self.tree.body, None)
        lines = text.splitlines()
        # Columns of the tree are in bytes of UTF-8, those of components in characters.
        self._lines = [line.encode("utf-8", "surrogatepass") for line in lines]

    def _enter(self, body: Iterable[ast.stmt], above: ast.stmt | None) -> None:
        for statement in body:
            self.above[statement] = above
            begin = statement.lineno
            for decorator in getattr(statement, "decorator_list", []):
                begin = min(begin, decorator.lineno)
            end = statement.end_lineno or begin, statement.end_col_offset or 0
            column = statement.col_offset if begin == statement.lineno else 0
            self._places.append(((begin, column), end, statement))
            for _, inner in _bodies(statement):
                self._enter(inner, statement)

    def statement(self, line: int, column: int) -> ast.stmt | None:
        """The innermost statement at a place, the column in characters."""
        text = self._lines[line - 1] if line <= len(self._lines) else b""
        place = line, len(text.decode("utf-8", "surrogatepass")[:column].encode("utf-8", "surrogatepass"))
        found = None
        for begin, end, statement in self._places:
            if begin <= place < end:
                found = statement  # Those inside come later.
        return found

    def keep(self, statement: ast.stmt) -> None:
        """Keep a statement, those around it, and what decides how far they go."""
        at: ast.stmt | None = statement
        while at is not None and at not in self.kept:
            self.kept.add(at)
            self._keep_within(at)
            at = self.above[at]

    def _keep_within(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.ClassDef):
            inner: Iterator[ast.AST] = ast.walk(statement)
        elif isinstance(statement, (*_FUNCTIONS, ast.For, ast.AsyncFor, ast.While)):
            inner = (one for one in _own(statement) if isinstance(one, _JUMPS))
        elif isinstance(statement, (ast.Try, ast.TryStar)):
            # What is caught may come from any statement of its body.
            inner = (one for part in statement.body for one in ast.walk(part))
        else:
            inner = iter(())
        for one in list(inner):
            if isinstance(one, ast.stmt):
                self.keep(one)

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
        found = set()
        for statement in self.kept:
            found |= set(statement.names) if isinstance(statement, ast.Nonlocal) else set()
            found |= {
                node.id
                for part in _untold(statement)
                for node in ast.walk(part)
                if isinstance(node, ast.Name)
            }
        return found

    def define(self, names: set[str], unfollowed: set[str]) -> bool:
        """Keep what defines these names, and all that binds the others; tells whether that was more."""
        before = len(self.kept)
        for statement in self.above:
            if statement in self.kept:
                continue
            defines = isinstance(statement, _BINDINGS) and names & _bound(statement)
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


def _own(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The statements inside, but for those of functions and classes in it."""
    for _, inner in _bodies(statement):
        for one in inner:
            yield one
            if not isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
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


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names} | (
            {"*"} if any(alias.name == "*" for alias in statement.names) else set()
        )
    name = getattr(statement, "name", None)  # Of a ``type`` statement it is a part of its own.
    return {name.id if isinstance(name, ast.Name) else str(name)}


def _untold(statement: ast.stmt) -> Iterator[ast.expr]:
    """The annotations of a statement, and the guards of its cases."""
    if isinstance(statement, _FUNCTIONS):
        given = statement.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        found = [statement.returns, *(one.annotation for one in every if one is not None)]
    elif isinstance(statement, ast.AnnAssign):
        found = [statement.annotation]
    else:
        found = [one.guard for one in getattr(statement, "cases", ())]
    yield from (one for one in found if one is not None)


def _stored(statement: ast.stmt) -> set[str]:
    """The names that a statement binds itself."""
    nodes = (node for part in _parts(statement) for node in ast.walk(part))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _families(modules: dict[str, _Module], spaces: dict[str, int]) -> Iterator[list[_Module]]:
    """Modules, in the order in which they were run, those together that share their names."""
    found: dict[int, list[_Module]] = {}
    for path, module in modules.items():
        if path in spaces:
            found.setdefault(spaces[path], []).append(module)
        else:
            yield [module]
    yield from found.values()


class _Needed:
    """Grows the evaluations, and with them the statements, that are needed until they suffice."""

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self.modules = {path: _Module(text) for path, text in traced.texts.items()}
        self._families = list(_families(self.modules, traced.spaces))
        self._where: dict[int, tuple[_Module, ast.stmt]] = {}
        self._marks = bytearray(traced.end)
        self._entered = bytearray(len(traced.activations) + 1)
        self._things: set[int] = set()
        self._unseen = _Unseen(traced)
        self._whole: set[int] = set()
        self._unfollowed = _unfollowed(traced)
        self._waiting: list[int] = []
        self._last = 0
        for number, component in traced.components.items():
            module = self.modules.get(component.file)
            statement = module.statement(component.line, component.column) if module is not None else None
            if module is not None and statement is not None:
                self._where[number] = module, statement

    def grow(self, seeds: set[int], until: int) -> None:
        """Keep what the evaluations `seeds` need, and what changed their values until a checkpoint."""
        seeds |= {by for seed in seeds for by in self._changing(seed) if by < until}
        self._last = max(seeds, default=0)
        for number in seeds:
            self._need(number)
        while self._waiting:
            while self._waiting:
                self._follow(self._waiting.pop())
            while sum(self._refers(family) for family in self._families):
                pass
            self._need_kept()

    def _changing(self, number: int) -> Iterator[int]:
        """The evaluations that changed what an evaluation gave, or something in it, or may have."""
        traced = self._traced
        for thing in traced.inside(traced.thing(number)) - {0}:
            for change in traced.changes_of(thing, _END):
                yield change.by
        yield from self._unseen.changing(number)

    @staticmethod
    def _refers(family: list[_Module]) -> bool:
        """Keep what defines the names that kept text of a family refers to; tells whether that was more."""
        names = {name for module in family for name in module.names()}
        unfollowed = {name for module in family for name in module.unfollowed()}
        # What a text defines that was run after all that is kept is no part of it.
        last = max((at for at, module in enumerate(family) if module.kept), default=-1)
        return sum(module.define(names, unfollowed) for module in family[: last + 1]) > 0

    def _need(self, number: int) -> None:
        if not self._marks[number]:
            self._marks[number] = 1
            self._waiting.append(number)

    def _follow(self, number: int) -> None:
        """Need what an evaluation came from, the call that it is in, and what changed the thing it gave."""
        traced = self._traced
        place = traced.component_number(number)
        # A name from outside is evaluated once, at its first use; that is no reason to keep this.
        if place in self._where and traced.components[place].kind is not Kind.NAME:
            module, statement = self._where[place]
            module.keep(statement)
        for source, _ in traced.sources(number):
            self._need(source)
        if place in self._unfollowed:
            # What ran in it is not known: all that no call of the text began.
            for activation in traced.activations:
                if (
                    traced.call_of(activation) is None
                    and traced.activation_of(activation).checkpoint < number
                ):
                    self._whole.add(activation)
                    self._entered[activation] = 1
        for changing in self._unseen.behind(number):
            if changing <= self._last:
                self._need(changing)
        thing = traced.thing(number)
        if thing and thing not in self._things:
            self._things.add(thing)
            for change in traced.changes_of(thing, self._last):
                self._need(change.by)
        for activation in (traced.activation_number(number), *traced.called_by(number)):
            if not self._entered[activation]:
                self._entered[activation] = 1
                call = traced.call_of(activation) if activation else None
                if call is not None:
                    self._need(call)

    def _need_kept(self) -> None:
        """Need each evaluation of a kept statement in an activation that is gone through."""
        traced, marks, waiting = self._traced, self._marks, self._waiting
        kept = [
            number in self._where and self._where[number][1] in self._where[number][0].kept
            for number, _ in traced.slots()
        ]
        slots, (begins, activations) = traced.columns("slot"), traced.switches()
        ends = chain(begins[1:], [len(slots)])
        for begin, end, activation in zip(begins, ends, activations, strict=True):
            if begin > self._last:
                return
            if not self._entered[activation]:
                continue
            whole = activation in self._whole
            for number in range(begin, min(end, self._last + 1)):
                if slots[number] and (kept[slots[number]] or whole) and not marks[number]:
                    marks[number] = 1
                    waiting.append(number)


def _unfollowed(traced: Traced) -> set[int]:
    """The components whose inside was not followed."""
    places = {(one.file, one.line) for one in traced.gaps}
    return {
        number
        for number, one in traced.components.items()
        if one.kind is Kind.DEFINITION and (one.file, one.line) in places
    }


class _Unseen:
    """What may have changed values otherwise than the trace tells, and what an evaluation depends on.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._told: set[object] = set()
        self._origins: dict[int, int] = {}
        self._advanced: dict[int, list[int]] = {}
        for value, by in traced.advanced():
            self._advanced.setdefault(self._origin(value), []).append(by)
        self._stepped: dict[int, list[tuple[str, bool]]] = {}
        states = {path: States(parsed(text)) for path, text in traced.texts.items()}
        for number, one in traced.components.items():
            if one.kind is Kind.CALL and one.file in states:
                self._stepped[number] = list(states[one.file].stepped(one.text))
        self._opened: dict[int, set[str]] = {}
        self._written: dict[str, list[int]] = {}
        for opened in traced.opened:
            if opened.evaluation:
                self._opened.setdefault(opened.evaluation, set()).add(opened.path)
                if opened.written:
                    self._written.setdefault(opened.path, []).append(opened.evaluation)

    def behind(self, number: int) -> Iterator[int]:
        """The evaluations that may have changed what an evaluation gave, or depended on; each told once."""
        origin = self._origin(number)
        if origin in self._advanced and self._is_new(origin):
            yield from self._advanced[origin]
        for path in self._opened.get(number, ()):
            if self._is_new(path):
                yield from self._written.get(path, ())
            yield from self._of_state(SYSTEM)
        for state, _ in self._stepped.get(self._traced.component_number(number), ()):
            yield from self._of_state(state)

    def changing(self, number: int) -> list[int]:
        """The evaluations that may have changed the object that one gave, otherwise than is told."""
        return self._advanced.get(self._origin(number), [])

    def _of_state(self, state: str) -> Iterator[int]:
        """The evaluations that may have changed a state which functions share."""
        if self._is_new((state,)):
            for component, stepped in self._stepped.items():
                if (state, True) in stepped:
                    yield from self._traced.of_component(component)

    def _is_new(self, one: object) -> bool:
        known = one in self._told
        self._told.add(one)
        return not known

    def _origin(self, number: int) -> int:
        """What stands for the object that an evaluation gave: its identity, or what gave it first."""
        known = self._origins.get(number)
        if known is not None:
            return known
        way, at = [], number
        while (above := self._traced.is_same(at)) and not self._traced.thing(at):
            way.append(at)
            at = above
        thing = self._traced.thing(at)
        found = -thing if thing else at
        for one in (*way, number):
            self._origins[one] = found
        return found
