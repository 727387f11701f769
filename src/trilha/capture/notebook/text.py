"""Which names of the notebook the text of a cell looks up, binds and deletes, in which of its statements.

What is in the text need not happen: a branch may not be taken, a loop may go round zero times, an error may
end the cell. So each name is told as certain (where the statement that it stands in was run to its end, the
name was looked up, or bound) or not. What a function's body looks up is not the cell's but its callers'.

Source: "Resolution of names" in Python's reference, section 4.2.2.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from trilha.capture.interrupts import pass_on
from trilha.capture.script.sites import PYTHON_MAGICS, RUN_BY_SHELL

__all__ = ["OTHER_MAGICS", "TIMED", "UNTOLD", "Statement", "mentioned", "statements"]

UNTOLD: Final = frozenset(["eval", "exec", "globals", "locals", "vars", "get_ipython", "Out", "In"])
"""Names by which a cell may come to any other name, so that what it looks up is not known."""
TIMED: Final = "time"
"""The magic that has its text transformed as a cell is, and runs it in the notebook's namespace."""
_RUN: Final = PYTHON_MAGICS | {TIMED, "capture"}
"""Magics that run Python text."""
OTHER_MAGICS: Final = frozenset(
    [
        *(
            "alias",
            "autoreload",
            "autosave",
            "bash",
            "cd",
            "colors",
            "conda",
            "config",
            "env",
            "file",
            "history",
        ),
        *("html", "javascript", "latex", "load_ext", "logstart", "ls", "lsmagic", "magic", "markdown"),
        *("pdef", "pdoc", "pfile", "pinfo", "pinfo2", "psearch", "psource"),
        *("matplotlib", "pdb", "pip", "precision", "pwd", "reload_ext", "sh", "svg", "trilha", "unload_ext"),
        *("who", "whos", "writefile", "xmode"),
    ]
)
"""Magics of IPython's, and ours, that look up no name of the notebook that matters."""


class Statement(NamedTuple):
    """One statement of a cell's own (not of what it contains).

    Attributes:
        first: its first line, from 1.
        last: its last line.
        reads: the names that it looks up before it binds them, each with whether that is certain.
        binds: the names that it binds, each with whether that is certain.
        deletes: the names that it deletes, where that is certain.
    """

    first: int
    last: int
    reads: dict[str, bool]
    binds: dict[str, bool]
    deletes: frozenset[str]


def statements(source: str) -> list[Statement] | None:
    """What each statement of a cell looks up and binds.

    Args:
        source: text of the cell as Python, its magics translated.

    Returns:
        The statements in order; None where it is no Python.
    """
    try:
        body = ast.parse(source).body
        return [_statement(node) for node in body]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass_on()
        return None


def mentioned(source: str) -> frozenset[str]:
    """All names in a cell's text, those in the bodies of its functions too; none where it is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass_on()
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _statement(node: ast.stmt) -> Statement:
    reader = _Reader()
    reader.visit(node)
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))])
    return Statement(
        first, node.end_lineno or node.lineno, reader.reads, reader.binds, frozenset(reader.deletes)
    )


class _Reader(ast.NodeVisitor):
    """Follows one statement in the order in which Python does."""

    def __init__(self) -> None:
        self.reads: dict[str, bool] = {}
        self.binds: dict[str, bool] = {}
        self.deletes: set[str] = set()
        self._certain = True
        self._local: list[set[str]] = []

    # -- names

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        elif self._local:
            self._local[-1].discard(node.id)
        elif self._certain:
            self._read(node.id)
            self.binds.pop(node.id, None)
            self.deletes.add(node.id)

    def _read(self, name: str) -> None:
        if any(name in scope for scope in self._local) or self.binds.get(name):
            return
        self.reads[name] = self.reads.get(name, False) or self._certain

    def _bind(self, name: str) -> None:
        if self._local:
            self._local[-1].add(name)
        else:
            self.binds[name] = self.binds.get(name, False) or self._certain
            self.deletes.discard(name)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        # In a comprehension it binds outside of that (PEP 572).
        inner, self._local = self._local, [] if self._in_comprehension else self._local
        self._bind(node.target.id)
        self._local = inner

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._read(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        self._all(node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)
        self._all([node.annotation], certain=False)

    def visit_TypeAlias(self, node: Any) -> None:
        self._bind(node.name.id)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name != "*":
                self._bind(alias.asname or alias.name)

    # -- what need not happen

    def _all(self, nodes: Iterable[ast.AST | None], *, certain: bool = True) -> None:
        was, self._certain = self._certain, self._certain and certain
        for node in nodes:
            if node is not None:
                self.visit(node)
        self._certain = was

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._all([*node.body, *node.orelse], certain=False)

    visit_While = visit_If  # type: ignore[assignment]  # noqa: N815 -- the same fields

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._all([node.target, *node.body, *node.orelse], certain=False)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        self._all(node.items)
        # It may swallow an error of its body.
        self._all(node.body, certain=False)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_Try(self, node: Any) -> None:
        self._all([*node.body, *node.handlers, *node.orelse], certain=False)
        self._all(node.finalbody)

    visit_TryStar = visit_Try  # noqa: N815

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._all([node.type])
        known = node.name in self.reads
        self._all(node.body)
        if node.name and not known:
            # It is bound in here, and deleted at the end.
            self.reads.pop(node.name, None)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self._all(node.cases, certain=False)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self._all([node.pattern])
        if node.name:
            self._bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self._all([*node.keys, *node.patterns])
        if node.rest:
            self._bind(node.rest)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._all(node.values[:1])
        self._all(node.values[1:], certain=False)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._all([node.body, node.orelse], certain=False)

    def visit_Compare(self, node: ast.Compare) -> None:
        self._all([node.left, node.comparators[0]])
        self._all(node.comparators[1:], certain=False)

    def visit_Assert(self, node: ast.Assert) -> None:
        self._all([node.test], certain=__debug__)
        self._all([node.msg], certain=False)

    # -- scopes of their own

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._all([*node.decorator_list, *node.args.defaults, *node.args.kw_defaults])
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        annotated = [one.annotation for one in (*parameters, node.args.vararg, node.args.kwarg) if one]
        # Python 3.14 evaluates them when they are asked for (PEP 649), and others can be told to (PEP 563).
        self._all([*annotated, node.returns], certain=False)
        self._bind(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._all([*node.args.defaults, *node.args.kw_defaults])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all([*node.decorator_list, *node.bases, *node.keywords])
        self._local.append(set())
        self._all(node.body)
        self._local.pop()
        self._bind(node.name)

    _in_comprehension = False

    def _comprehension(self, node: Any) -> None:
        self.visit(node.generators[0].iter)
        self._local.append(set())
        within, self._in_comprehension = self._in_comprehension, True
        for number, each in enumerate(node.generators):
            self._all([each.iter] if number else [], certain=False)
            self._all([each.target, *each.ifs], certain=False)
        self._all(
            [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt],
            certain=False,
        )
        self._in_comprehension = within
        self._local.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _comprehension  # noqa: N815

    # -- magics

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
        if isinstance(function, ast.Attribute) and function.attr in RUN_BY_SHELL and texts:
            if texts[0] in _RUN:
                self._magic([text for text in texts[1:] if isinstance(text, str)])
                return
            if texts[0] in OTHER_MAGICS:
                return
        self.generic_visit(node)

    def _magic(self, texts: list[str]) -> None:
        """What a magic runs, as far as that is Python; its options are none."""
        for text in texts:
            inner = statements(text) or statements(_without_options(text)) or []
            for one in inner:
                was, self._certain = self._certain, False
                for name in one.reads:
                    self._read(name)
                for name in one.binds:
                    self._bind(name)
                self._certain = was


def _without_options(text: str) -> str:
    """A line magic's text without the options before it: ``-n 10 f(x)``."""
    words = text.split()
    while words and words[0].startswith("-"):
        del words[: 1 if len(words[0]) > 2 else 2]
    return " ".join(words)
