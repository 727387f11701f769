"""The places of a program's text that its trace speaks of, and the scopes of its names.

The code that is traced and the code that replays its trace are made from the same text, in two processes.
Both number the text's parts as they are here, so that a number in the trace means the same part to both.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import re
import warnings
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any, Final, NamedTuple

from trilha.capture.interrupts import pass_on
from trilha.capture.script.walking import children, walk

__all__ = [
    "EFFECTS",
    "KEYED",
    "LAST",
    "NO_NAMES",
    "PYTHON_MAGICS",
    "RUN_BY_SHELL",
    "Names",
    "Scope",
    "all_inside",
    "awaits_inside",
    "containers",
    "docstring",
    "encloses_yield",
    "frees",
    "import_names",
    "imported",
    "is_plain",
    "mangled",
    "names_of_text",
    "number",
    "ordering",
    "own_parts",
    "parameters",
    "pattern_names",
    "pauses_inside",
    "resumes",
    "runs_text",
    "scopes",
    "site",
    "skips",
    "takes_all",
    "target_names",
    "target_parts",
    "told_names",
    "told_operation",
    "type_parameters",
    "used_as_values",
]

_PARTS: Final = (ast.stmt, ast.expr, ast.excepthandler, ast.match_case, ast.comprehension)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_ORDERING: Final = frozenset(["sorted", "sort", "min", "max", "nlargest", "nsmallest"])
"""Functions that order or choose by a function, and have run it when they return."""
_DISPLAYS: Final = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Constant, ast.JoinedStr)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HOLDERS: Final = ("function", "types")
"""Kinds of scopes whose names those inside see."""

_STORES: Final = frozenset(["STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"])
_LONGEST_TEXT: Final = 1 << 20
_MOST_OPTIONS: Final = 12
"""Words that may be ahead of the text of a magic: ``-n 10 f(x)``."""
_WARNED: Final = re.compile(r"\\|\d[A-Za-z]")
"""What the parser may warn of: backslashes, and a number with a word behind it."""
EFFECTS: Final = frozenset(
    [
        *("append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse", "update", "setdefault"),
        *("popitem", "add", "discard", "appendleft", "extendleft", "popleft", "rotate", "fill", "put"),
        "resize",
        *("get", "difference_update", "intersection_update", "symmetric_difference_update", "move_to_end"),
    ]
)
"""Names of the methods that change what they are called on, of the built-in types and of NumPy's arrays; and
`get`, whose key is logged as theirs are."""

RUN_BY_SHELL: Final = ("run_line_magic", "run_cell_magic")
"""Methods of IPython's shell to which a cell's magics are translated."""
PYTHON_MAGICS: Final = frozenset(["timeit", "prun", "memit", "mprun", "lprun"])
"""Magics of IPython's, and of profilers, that run the Python text which they are given as it is."""
LAST: Final = frozenset(
    [
        "os._exit",
        "os.abort",
        "os.kill",
        *(f"os.exec{one}" for one in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    ]
)
"""Functions behind which the process may have no time to write out what it logged."""
KEYED: Final = frozenset(["insert", "pop", "setdefault", "get"])
"""Names of those methods whose first argument is a key or a position."""


def number(tree: ast.AST) -> list[ast.AST]:
    """Number the statements, expressions and their like in the order of the text; gives them by number."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _PARTS):
            node.trilha = len(found)  # type: ignore[union-attr]
            found.append(node)
        waiting.extend(reversed(children(node)))
    return found


def site(node: ast.AST) -> int:
    """The number of a part that `number` has numbered."""
    made: int = node.trilha  # type: ignore[attr-defined]
    return made


class Scope:
    """Where names live: a module, a function, a class, a comprehension, or the parameters that types have.

    Attributes:
        node: that opens it.
        kind: "module", "function", "class" or "types".
        parent: in which it stands; None for the module.
        bound: names that it binds itself.
        outer: names that it declares global.
        foreign: names that it declares nonlocal.
        inner: scopes that stand in it.
        loads: names that it uses.
    """

    def __init__(self, node: ast.AST, kind: str, parent: Scope | None, bound: Iterable[str] = ()) -> None:
        self.node, self.kind, self.parent = node, kind, parent
        self.bound = set(bound)
        self.outer: set[str] = set()
        self.foreign: set[str] = set()
        self.loads: set[str] = set()
        self.inner: list[Scope] = []
        if parent is not None:
            parent.inner.append(self)

    def owner(self, name: str) -> Scope | None:
        """The function or class scope that `name` means here; None if it is global or built in."""
        if name in self.outer:
            return None
        if self.kind == "module":
            return None
        if name in self.bound and name not in self.foreign:
            return self
        above, near = self.parent, self.kind == "types"  # It alone sees the names of a class around.
        while above is not None:
            seen = above.kind in _HOLDERS or (near and above.kind == "class")
            if seen and name in above.bound and name not in above.foreign:
                return None if name in above.outer else above
            above, near = above.parent, False
        return None


def scopes(tree: ast.AST) -> dict[ast.AST, Scope]:
    """The scope that each module, function, class and comprehension of a tree opens."""
    found: dict[ast.AST, Scope] = {}
    top = Scope(tree, "module", None)
    found[tree] = top
    waiting: list[tuple[ast.AST, Scope]] = [(node, top) for node in children(tree)]
    while waiting:
        node, scope = waiting.pop()
        waiting.extend(_enter(node, scope, found))
    return found


def _enter(node: ast.AST, scope: Scope, found: dict[ast.AST, Scope]) -> Iterator[tuple[ast.AST, Scope]]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        scope.bound.add(node.name)
        yield from ((one, scope) for one in node.decorator_list)
    if isinstance(node, _FUNCTIONS):
        given = [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
        yield from ((one, scope) for one in given)
        inside = found[node] = Scope(node, "function", _typed(node, scope))
        inside.bound.update(parameters(node.args))
        body: Any = node.body
        yield from ((one, inside) for one in (body if isinstance(body, list) else [body]))
        return
    if isinstance(node, ast.ClassDef):
        scope = _typed(node, scope)
        yield from ((one, scope) for one in [*node.bases, *(word.value for word in node.keywords)])
        inside = found[node] = Scope(node, "class", scope)
        yield from ((one, inside) for one in node.body)
        return
    if isinstance(node, _COMPREHENSIONS):
        inside = found[node] = Scope(node, "function", scope)
        first = True
        for one in node.generators:
            yield one.iter, scope if first else inside
            first = False
            yield one.target, inside
            yield from ((test, inside) for test in one.ifs)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        yield from ((one, inside) for one in parts)
        return
    if type(node).__name__ == "TypeAlias":
        alias: Any = node
        yield alias.name, scope
        yield alias.value, Scope(node, "types", scope, type_parameters(node))
        return
    _note(node, scope)
    yield from ((one, scope) for one in children(node))


def _typed(node: ast.AST, scope: Scope) -> Scope:
    """The scope in which a definition stands: of its own type parameters, if it has any (PEP 695)."""
    names = type_parameters(node)
    return Scope(node, "types", scope, names) if names else scope


def type_parameters(node: ast.AST) -> list[str]:
    """Names of the type parameters of a function, class or ``type`` statement: ``T`` of ``def f[T]()``."""
    return [one.name for one in getattr(node, "type_params", [])]


def _note(node: ast.AST, scope: Scope) -> None:
    """What a part that opens no scope says of names."""
    if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name):
        outer = scope
        while isinstance(outer.node, _COMPREHENSIONS) and outer.parent is not None:
            outer = outer.parent
        outer.bound.add(node.target.id)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            scope.loads.add(node.id)
        elif not _is_walrus(node, scope):
            scope.bound.add(node.id)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        scope.bound.update((one.asname or one.name.partition(".")[0]) for one in node.names)
    elif isinstance(node, ast.Global):
        scope.outer.update(node.names)
    elif isinstance(node, ast.Nonlocal):
        scope.foreign.update(node.names)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        scope.bound.add(node.name)
    elif isinstance(node, ast.MatchMapping) and node.rest:
        scope.bound.add(node.rest)


def _is_walrus(node: ast.Name, scope: Scope) -> bool:
    """Whether a stored name in a comprehension is a walrus's, which binds outside."""
    return isinstance(scope.node, _COMPREHENSIONS) and not any(
        part is node for one in scope.node.generators for part in ast.walk(one.target)
    )


def frees(scope: Scope) -> list[str]:
    """Names of enclosing functions that a function uses itself, in order."""
    return sorted(
        name
        for name in scope.loads | scope.foreign
        if (owner := scope.owner(name)) is not None and owner is not scope and owner.kind in _HOLDERS
    )


def parameters(arguments: ast.arguments) -> list[str]:
    """Names of all parameters, in the order in which Python keeps them in the text."""
    found = [
        *arguments.posonlyargs,
        *arguments.args,
        arguments.vararg,
        *arguments.kwonlyargs,
        arguments.kwarg,
    ]
    return [one.arg for one in found if one is not None]


def target_names(target: ast.AST) -> list[str]:
    """Names that a target binds, in the order of the text."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for one in target.elts for name in target_names(one)]
    return target_names(target.value) if isinstance(target, ast.Starred) else []


def target_parts(target: ast.AST) -> Iterator[ast.expr]:
    """The subscripts and attributes that a target assigns, in the order of the text."""
    if isinstance(target, (ast.Tuple, ast.List)):
        for one in target.elts:
            yield from target_parts(one)
    elif isinstance(target, ast.Starred):
        yield from target_parts(target.value)
    elif isinstance(target, (ast.Subscript, ast.Attribute)):
        yield target


def pattern_names(pattern: ast.AST) -> list[str]:
    """Names that a pattern binds; of alternatives, those of the first."""
    found: list[str] = []
    for node in ast.walk(pattern):
        name = (
            getattr(node, "rest", None) if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
        )
        if isinstance(name, str) and name not in found:
            found.append(name)
    return sorted(found)


def takes_all(cases: list[ast.match_case]) -> bool:
    """Whether one of a ``match`` statement's cases runs in any case: the last one, of a name or ``_``."""
    return cases[-1].guard is None and _is_irrefutable(cases[-1].pattern)


def _is_irrefutable(pattern: ast.pattern | None) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return any(map(_is_irrefutable, pattern.patterns))
    return pattern is None or (isinstance(pattern, ast.MatchAs) and _is_irrefutable(pattern.pattern))


class Names(NamedTuple):
    """What names stand for before a text runs that shares them with others (a cell of a notebook).

    Attributes:
        modules: what the modules are called that names stand for: ``np`` for ``numpy``.
        imports: what was imported from modules: ``zeros`` for ``numpy.zeros``.
        bound: names that stand for something else.
    """

    modules: dict[str, str]
    imports: dict[str, str]
    bound: frozenset[str]


NO_NAMES: Final = Names({}, {}, frozenset())
"""Those of a module, which has its names for itself."""


def imported(tree: ast.AST, before: Names = NO_NAMES) -> frozenset[str]:
    """Names that a text binds, or finds bound, by `import` alone: modules, in all likelihood."""
    by_import: set[str] = set(before.modules)
    else_bound: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Import):
            by_import.update(one.asname or one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            else_bound.add(node.id)
        elif isinstance(node, ast.arg):
            else_bound.add(node.arg)
    return frozenset(by_import - else_bound)


def import_names(tree: ast.AST, before: Names = NO_NAMES) -> dict[str, str]:
    """What the names are that a text binds, or finds bound, by imports alone: ``np`` is ``numpy``."""
    found: dict[str, str] = before.modules | before.imports
    else_bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.asname: one.name for one in node.names if one.asname}
            found |= {
                one.name.partition(".")[0]: one.name.partition(".")[0] for one in node.names if not one.asname
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            else_bound.add(node.id)
        elif isinstance(node, ast.arg):
            else_bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            else_bound.add(node.name)
    return {name: full for name, full in found.items() if name not in else_bound}


def containers(tree: ast.AST, *, shared: bool = False) -> frozenset[str]:
    """Names that a text treats as data structures: it reads their parts or goes through them.

    Args:
        tree: of the text.
        shared: its names are others', too, who may treat them so: then it is all of them.
    """
    found: set[str] = set()
    for node in walk(tree):
        if shared and isinstance(node, ast.Name):
            found.add(node.id)
        part = None
        if isinstance(node, (ast.Subscript, ast.Attribute, ast.Starred)):
            part = node.value
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            part = node.iter
        if isinstance(part, ast.Name):
            found.add(part.id)
    return frozenset(found)


def told_operation(node: ast.Assign, names: frozenset[str]) -> bool:
    """Whether what an operation gave is looked at when it is assigned: it may be a data structure."""
    return isinstance(node.value, ast.BinOp) and any(
        isinstance(one, ast.Name) and one.id in names for one in node.targets
    )


def told_names(node: ast.Assign) -> list[str]:
    """The names into which what a call gives is taken apart: what they are bound to then is told.

    A call of a library may give a tuple of anything, which has no identity in the log itself.
    """
    target = node.targets[0]
    if len(node.targets) > 1 or not isinstance(target, (ast.Tuple, ast.List)):
        return []
    parts = [one.value if isinstance(one, ast.Starred) else one for one in target.elts]
    is_given = isinstance(node.value, (ast.Call, ast.Await))
    return target_names(target) if is_given and all(isinstance(one, ast.Name) for one in parts) else []


def encloses_yield(function: ast.AST) -> bool:
    """Whether the body of a function pauses: it is a generator or a coroutine."""
    if isinstance(function, ast.AsyncFunctionDef):
        return True
    body: Any = getattr(function, "body", [])
    waiting: list[ast.AST] = list(body) if isinstance(body, list) else [body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)):
            return True
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            waiting.extend(getattr(node, "decorator_list", []))
            continue
        waiting.extend(children(node))
    return False


def pauses_inside(node: Any) -> bool:
    """Whether a comprehension waits for others: it is asynchronous."""
    return any(one.is_async for one in node.generators) or awaits_inside(node)


def awaits_inside(node: Any) -> bool:
    """Whether a comprehension waits for others otherwise than by its own asynchronous clauses."""
    # What it goes through first is evaluated before.
    apart = {*map(id, node.generators), *map(id, ast.walk(node.generators[0].iter))}
    return any(
        isinstance(part, ast.Await) or (isinstance(part, ast.comprehension) and part.is_async)
        for part in ast.walk(node)
        if id(part) not in apart
    )


def resumes(node: Any, clause: ast.comprehension) -> bool:
    """Whether what a clause of a comprehension goes through, or one in it, waits for others at each item."""
    return any(one.is_async for one in node.generators[node.generators.index(clause) :])


def is_plain(items: ast.expr, scope: Scope) -> bool:
    """Whether going through what an expression gives certainly runs no code of the program."""
    if isinstance(items, ast.Call) and isinstance(items.func, ast.Name) and items.func.id == "range":
        while scope.parent is not None and "range" not in scope.bound:
            scope = scope.parent
        return "range" not in scope.bound
    return isinstance(items, (*_DISPLAYS, *_COMPREHENSIONS[:3]))


def runs_text(node: ast.Call) -> int:
    """Which argument of a call is run as text, by the call's name, from 0; -1 if none is.

    That is the first one of ``exec`` and ``eval``, and the last one of magics of IPython's that run Python.
    """
    if isinstance(node.func, ast.Name):
        given = node.func.id in ("exec", "eval") and bool(node.args)
        return 0 if given and not isinstance(node.args[0], ast.Starred) else -1
    if isinstance(node.func, ast.Attribute) and node.func.attr in RUN_BY_SHELL:
        words = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
        if words and words[0] in PYTHON_MAGICS and isinstance(words[-1], str):
            return len(words) - 1
    return -1


def names_of_text(code: Any) -> tuple[list[str], list[str]] | None:
    """The names that what is given to ``exec`` or ``eval`` binds, and those that it uses; None if unknown."""
    if isinstance(code, CodeType):
        bound = [one.argval for one in dis.get_instructions(code) if one.opname in _STORES]
        return sorted(set(bound)), sorted(set(code.co_names) - set(bound))
    if type(code) not in (str, bytes) or len(code) > _LONGEST_TEXT:
        return None
    try:
        tree = _parsed_text(code.strip() if type(code) is str else code)
        top = scopes(tree)[tree]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass_on()
        return [], []
    bound_ = top.bound | {name for one in all_inside(top) for name in one.outer}
    used = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    return sorted(bound_), sorted(used)


def _parsed_text(text: str | bytes) -> ast.Module:
    """The tree of a text that is run, without the options that a magic has before it."""
    for _ in range(_MOST_OPTIONS if text[:1] == "-" else 0):
        with contextlib.suppress(SyntaxError):
            return _parsed(text)
        _, _, text = str(text).partition(" ")
    return _parsed(text)


def _parsed(text: str | bytes) -> ast.Module:
    """The tree of a text that Python will compile again, and then warn of."""
    words = text if isinstance(text, str) else text.decode("latin-1")
    if not _WARNED.search(words):
        return ast.parse(text)
    # Only where there is something to silence: it makes Python forget which warnings it has shown.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def all_inside(scope: Scope) -> Iterator[Scope]:
    """The scopes that stand in one, and in these."""
    for one in scope.inner:
        yield one
        yield from all_inside(one)


def mangled(name: str, classes: list[str]) -> str:
    """An attribute's name as Python has it inside of classes (`__x` becomes `_Class__x`)."""
    if not classes or not name.startswith("__") or name.endswith("__"):
        return name
    owner = classes[-1].lstrip("_")
    return f"_{owner}{name}" if owner else name


def own_parts(node: ast.AST) -> Iterator[Any]:
    """The parts of a part, but for those of functions and classes in it."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(node))
    while waiting:
        one = waiting.pop()
        yield one
        if not isinstance(one, (*_FUNCTIONS, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(one))


def skips(loop: Any, scope: Scope) -> bool:
    """Whether rounds of a loop may be left untraced (`capture.script.rounds`)."""
    pauses = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)
    if loop.orelse or scope.kind == "class":
        return False
    return not any(
        isinstance(part, pauses) or (isinstance(part, ast.comprehension) and part.is_async)
        for part in own_parts(loop)
    )


def docstring(body: list[ast.stmt]) -> int:
    """1 if a body begins with a docstring, else 0."""
    first = body[0] if body else None
    return int(isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str))


def ordering(nodes: Iterable[ast.AST]) -> set[ast.AST]:
    """The lambdas that a call runs which orders or chooses by them: ``sorted(l, key=lambda x: x[1])``."""
    found: set[ast.AST] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            keys = [word.value for word in node.keywords if word.arg == "key"] if name in _ORDERING else []
            found.update(one for one in keys if isinstance(one, ast.Lambda))
    return found


def used_as_values(nodes: Iterable[ast.AST]) -> tuple[set[str], dict[ast.AST, set[str]]]:
    """What functions of a text are known as where it has them without calling them.

    Args:
        nodes: all parts of the text.

    Returns:
        The names, of variables and of attributes; those to which nothing but a lambda is bound, by that.
    """
    called, loaded, names = set(), [], set()
    lambdas: dict[ast.AST, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Call):
            called.add(node.func)
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Load):
            loaded.append(node)
        elif isinstance(node, ast.alias):
            names |= {node.name.rpartition(".")[2]} if node.asname else set()
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            bound = {one.id for one in node.targets if isinstance(one, ast.Name)}
            lambdas[node.value] = bound if len(bound) == len(node.targets) else set()
    for one in loaded:
        if one not in called:
            names.add(one.id if isinstance(one, ast.Name) else one.attr)
    return names, lambdas
