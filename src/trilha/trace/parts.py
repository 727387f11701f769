"""What the shadow of a part of a module must know of the rest: which names the rest binds.

A name that untraced code binds may mean something else each time that it is read, but for functions, classes
and modules that are bound once.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from trilha.capture.script.sites import Scope, site

__all__ = ["around", "bound_in", "inside", "lasting", "leaking", "shared", "unsure"]

_ONCE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)


def inside(roots: Collection[ast.AST]) -> frozenset[ast.AST]:
    """All that stands in these functions, they included."""
    return frozenset(part for one in roots for part in ast.walk(one))


def around(tree: ast.AST, roots: Collection[ast.AST]) -> dict[ast.AST, list[str]]:
    """Names of the classes that each of these functions stands in."""
    found: dict[ast.AST, list[str]] = {}
    waiting: list[tuple[ast.AST, list[str]]] = [(tree, [])]
    while waiting:
        node, names = waiting.pop()
        if node in roots:
            found[node] = names
            continue
        inner = [*names, node.name] if isinstance(node, ast.ClassDef) else names
        waiting.extend((one, inner) for one in ast.iter_child_nodes(node))
    return found


def _bound(
    tree: ast.AST, scopes: dict[ast.AST, Scope], seen: Collection[ast.AST]
) -> Iterator[tuple[str, ast.AST]]:
    """The global names that untraced code binds, and what binds them."""
    waiting: list[tuple[ast.AST, Scope]] = [(tree, scopes[tree])]
    while waiting:
        node, scope = waiting.pop()
        for one in ast.iter_child_nodes(node):
            named = isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            names = [one.name] if named else _names_bound(one)  # type: ignore[attr-defined]
            for name in names:
                if scope.owner(name) is None and (one not in seen or one in scopes):
                    yield name, one
            if one not in seen:
                waiting.append((one, scopes.get(one, scope)))


def unsure(tree: ast.AST, scopes: dict[ast.AST, Scope], seen: Collection[ast.AST]) -> frozenset[str]:
    """Global names that may mean something else each time that they are read."""
    bound = list(_bound(tree, scopes, seen))
    often = Counter(name for name, _ in bound)
    return frozenset(name for name, by in bound if often[name] > 1 or not isinstance(by, _ONCE))


def lasting(tree: ast.AST, scopes: dict[ast.AST, Scope], seen: Collection[ast.AST]) -> dict[int, str]:
    """The functions and classes that are global, as they are defined, and bound once: name by number."""
    names = unsure(tree, scopes, seen)
    found: dict[int, str] = {}
    for name, node in _bound(tree, scopes, seen):
        one: Any = node
        if isinstance(one, _ONCE[:3]) and name not in names and all(map(_is_ours, one.decorator_list)):
            found[site(one)] = name
    return found


def _is_ours(decorator: ast.expr) -> bool:
    """Whether a decorator is `trilha.trace`, which gives back what it gets."""
    return ast.unparse(decorator) in ("trace", "trilha.trace")


def leaking(scopes: dict[ast.AST, Scope], seen: Collection[ast.AST]) -> Iterator[ast.AST]:
    """The parts that bind names which others see: global ones, and those that inner functions use later."""
    for opened, scope in scopes.items():
        if opened not in seen:
            continue
        later = {
            name
            for other in scopes.values()
            if other is not scope and isinstance(other.node, _LATER) and other.node in seen
            for name in other.loads | other.foreign
            if other.owner(name) is scope
        }
        waiting = list(ast.iter_child_nodes(opened))
        while waiting:
            one = waiting.pop()
            if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
                owner = scope.owner(one.id)
                if owner is not scope or one.id in later:
                    yield one
            if one not in scopes:
                waiting.extend(ast.iter_child_nodes(one))


def shared(scopes: dict[ast.AST, Scope]) -> tuple[frozenset[str], frozenset[tuple[Scope, str]]]:
    """The names that functions bind outside of themselves: global ones, and those of functions around."""
    outer = {name for scope in scopes.values() for name in scope.outer & scope.bound}
    found = {
        (owner, name)
        for scope in scopes.values()
        for name in scope.foreign
        if (owner := scope.owner(name)) is not None
    }
    return frozenset(outer), frozenset(found)


def bound_in(loop: ast.AST) -> set[str]:
    """The names that a loop binds in its own scope."""
    found: set[str] = set()
    waiting: list[tuple[ast.AST, bool]] = [(loop, False)]
    while waiting:
        node, inner = waiting.pop()
        for one in ast.iter_child_nodes(node):
            if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                found.add(one.name)
                continue
            if isinstance(one, ast.Lambda):
                continue
            if isinstance(one, ast.NamedExpr):
                found.add(one.target.id)
            elif not inner:
                found.update(_names_bound(one))
            comprehension = isinstance(one, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp))
            waiting.append((one, inner or comprehension))
    return found


def _names_bound(one: ast.AST) -> list[str]:
    """The names that a part itself binds, but for functions and classes."""
    if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
        return [one.id]
    if isinstance(one, (ast.Import, ast.ImportFrom)):
        return [part.asname or part.name.partition(".")[0] for part in one.names]
    if isinstance(one, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and one.name:
        return [one.name]
    return [one.rest] if isinstance(one, ast.MatchMapping) and one.rest else []
