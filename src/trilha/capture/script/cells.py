"""Texts that share one namespace, each run once, as it is then: the cells of a notebook.

Each execution of a text is traced as a module of its own, whose names are those of the namespace. What binds
these names otherwise (a magic, a library) is told by name; so is the value that a text ended with, which the
one who runs it may bind to names, too (`_`).
"""

from __future__ import annotations

import ast
import contextlib
import json
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from inspect import CO_OPTIMIZED
from itertools import count
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.script.hooking import KINDS
from trilha.capture.script.restored import restore, tell
from trilha.capture.script.sites import Names, import_names, number, scopes, site
from trilha.capture.script.spared import Spared
from trilha.capture.script.traced import rewriter_of
from trilha.capture.script.trail import CELL, NAMES, NOWHERE, place_of

if TYPE_CHECKING:
    from trilha.capture.script.chosen import Chosen
    from trilha.capture.script.trail import Trail

__all__ = ["SHOWN", "UNKNOWN", "Cell", "Space", "bound_by", "parsed", "traced_cell"]

SHOWN: Final = "= shown"
"""Stands, as what a name was bound to, for the value that the last text ended with."""
UNKNOWN: Final = ""
"""Stands for what is not known, or that the name is bound no more."""
_CHANGED, _PUT = 1, 2
_ENTER, _RAISED, _LEFT = range(3)
_numbers: Final = count()


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """While entered, the compiler does not say what it says of the text as it is.

    `warnings.catch_warnings` would make Python forget which warnings of the program's it has shown.
    """
    shown: Any = warnings.showwarning
    warnings.showwarning = lambda *_, **__: None
    try:
        yield
    finally:
        warnings.showwarning = shown


def parsed(text: str) -> ast.Module:
    """The tree of a text.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse` raises them.
    """
    with _unwarned():
        return ast.parse(text)


def bound_by(tree: ast.Module) -> set[str]:
    """The names of the namespace that a text binds, its functions included."""
    found = scopes(tree)
    return found[tree].bound | {name for one in found.values() for name in one.outer & one.bound}


class Cell:
    """One execution of a text.

    Args:
        trail: the log.
        first: number of its first kind of record.
        file: that its code names.
    """

    def __init__(self, trail: Trail, first: int, file: str) -> None:
        self._trail, self._first, self._file = trail, first, file

    def begin(self) -> None:
        """It runs from here on."""
        self._trail.put(self._first + _ENTER)

    def end(self, error: BaseException | None = None, *, failed: bool = False) -> None:
        """It is over.

        Args:
            error: what ended it.
            failed: it was ended, by an error that is not known.
        """
        if error is not None or failed:
            where = NOWHERE if error is None else self._place(error.__traceback__)
            self._trail.put(self._first + _RAISED, 0, *where)
        self._trail.put(self._first + _LEFT)

    def _place(self, trace: TracebackType | None) -> tuple[int, ...]:
        """Which part of the text, or of a class in it, an error came from; zeros where that is not known."""
        found = NOWHERE
        while trace is not None:
            code = trace.tb_frame.f_code
            if code.co_filename == self._file and not code.co_flags & CO_OPTIMIZED:
                found = place_of(code, trace.tb_lasti)
            elif found != NOWHERE:
                break
            trace = trace.tb_next
        return found


class Space:
    """A namespace.

    Args:
        trail: the log.
        names: what its names stand for.
    """

    def __init__(self, trail: Trail, names: Mapping[str, Any]) -> None:
        self._trail, self._names = trail, names
        self._number = next(_numbers)
        self._imports: dict[str, str] = {}
        self._spared = Spared()

    def cell(
        self,
        tree: ast.Module,
        source: bytes,
        path: str,
        *,
        file: str = "",
        chosen: Chosen | None = None,
        watched: Callable[[ast.stmt], int] = lambda _: 0,
        ends: bool = False,
    ) -> Cell:
        """Rewrite a text in place, and log it; it is to be run at once.

        Args:
            tree: as parsed.
            source: its text.
            path: what it is called, as no other.
            file: that its code will name; `path` by default.
            chosen: how it is traced.
            watched: gives a number for each of its statements; where that is not 0, the hook `names` is
                called with it before the statement, and with 0 behind it but for the expression at the end.
            ends: that hook is called at the end, too, with -1, and with the value of the expression there,
                which it gives back.

        Raises:
            RecursionError, SyntaxError, ValueError: it cannot be rewritten; nothing was logged.
        """
        trail, before = self._trail, self._before(tree)
        imports = import_names(tree, Names({}, self._imports, frozenset()))
        with _unwarned():
            own = compile(tree, file or path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            self._spared.meet(source, tree, own)
            kept = self._spared.nodes(tree)
            tree, parts, heads = traced_cell(
                tree, trail.base, trail.first, before, chosen, watched, ends, kept
            )
            compile(tree, file or path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        self._imports = imports
        made = Cell(trail, trail.first, file or path)
        told = [before.modules, before.imports, sorted(before.bound)]
        trail.text(CELL, json.dumps(told), self._number)
        sites = chosen.sites(parts) if chosen is not None and chosen.partly else None
        trail.module(path, source, parts, heads, sites, file=file)
        tell(trail, path, kept)
        restore(trail, self._spared, (self._names, "__main__"))
        return made

    def bound(
        self, names: Mapping[str, str], *, changed: bool = False, put: tuple[Any, int] | None = None
    ) -> None:
        """Log what was bound by what is not traced.

        Args:
            names: what each stands for now: `UNKNOWN`, `SHOWN`, or what another name stood for until then.
            changed: any object may have changed, too.
            put: a dict that has the value which was shown, too, and the key in it.
        """
        if not names and not changed and put is None:
            return
        for name, value in names.items():
            if value == UNKNOWN:
                self._imports.pop(name, None)
        numbers = [self._number, _CHANGED * changed + _PUT * (put is not None)]
        if put is not None:
            reference = self._trail.reference(put[0])
            numbers += [put[1], *reference]
        self._trail.text(NAMES, json.dumps(dict(names)), *numbers)

    def _before(self, tree: ast.Module) -> Names:
        """What the names that a text uses stand for."""
        modules, imports, bound = {}, {}, set()
        for name in sorted({one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}):
            value = self._names.get(name, self)
            if value is self:
                continue
            full = vars(value).get("__name__") if issubclass(type(value), ModuleType) else None
            if type(full) is str:
                modules[name] = full
            elif name in self._imports:
                imports[name] = self._imports[name]
            else:
                bound.add(name)
        return Names(modules, imports, frozenset(bound))


def traced_cell(
    tree: ast.Module,
    base: int,
    first: int,
    before: Names,
    chosen: Chosen | None = None,
    watched: Callable[[ast.stmt], int] = lambda _: 0,
    ends: bool = False,
    spared: Collection[ast.AST] = frozenset(),
) -> tuple[ast.Module, int, list[int]]:
    """Rewrite a text that shares its names with others, in place: a cell of a notebook, say.

    Its statements stay apart, and those that are expressions stay such: they may be run one by one, and
    shown. Who runs them tells that it begins, what ended it, and that it is left: the first three kinds of
    records.

    Args:
        tree: as parsed.
        base: number of its first part.
        first: number of the first kind of record.
        before: what its names stand for.
        chosen: how it is traced; it is in whole.
        watched: as for `Space.cell`.
        ends: as there.
        spared: functions whose own code stays as it is.

    Returns:
        As `traced`.

    Raises:
        RecursionError: it is nested too deeply.
    """
    count = len(number(tree))
    rewriter = rewriter_of(chosen)(tree, base, first, before)
    rewriter.place, rewriter.spared = count, {site(one) for one in spared}
    rewriter.leaving = chosen is not None and chosen.partly
    rewriter.numbered(*((count, KINDS[kind]) for kind in ("enter", "raised", "left")))
    shown = tree.body[-1] if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    body: list[ast.stmt] = []
    for one in tree.body:
        watch, made = watched(one), rewriter.body([one])
        if watch:
            made.insert(0, rewriter.stated(rewriter.call("names", watch, one), one))
        if watch and one is not shown:
            made.append(rewriter.stated(rewriter.call("names", 0, one), one))
        body += made
    tree.body[:] = body
    if ends and shown is not None:
        shown.value = rewriter.call("names", -1, shown.value, shown.value)
    elif ends:
        body = tree.body[-1:]
        tree.body += [rewriter.stated(rewriter.call("names", -1, one), one) for one in body]
    return ast.fix_missing_locations(tree), count + 1, rewriter.heads
