"""Functions of a text that others may run than its calls: special methods, functions that are values.

Source: Python Language Reference, "Special method names".
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Final

from trilha.capture.script.walking import walk

__all__ = ["indirect", "ordering", "used_as_values"]

_ORDERING: Final = frozenset(["sorted", "sort", "min", "max", "nlargest", "nsmallest"])
"""Functions that order or choose by a function, and have run it when they return."""


def indirect(tree: ast.AST) -> set[ast.AST]:
    """The functions of a text that others may run than its calls, as far as the text tells.

    These are special methods, methods of classes that are derived from others, decorated functions and those
    that the text has without calling them, lambdas that have no name, or such a one, among them. What a call
    orders by is run by that: what the call gives is logged behind it.

    Args:
        tree: of the text.
    """
    found: set[ast.AST] = set()
    nodes = list(walk(tree))
    names, lambdas = used_as_values(nodes)
    methods: dict[ast.AST, ast.ClassDef] = {}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            methods |= dict.fromkeys(node.body, node)
    quick = ordering(nodes)
    for node in nodes:
        if isinstance(node, ast.Lambda) and node not in quick:
            bound = lambdas.get(node)
            if not bound or not names.isdisjoint(bound):
                found.add(node)
        elif isinstance(node, ast.FunctionDef):
            of = methods.get(node)
            if (
                node.name in names
                or node.decorator_list
                or (of is not None and _is_of_class(node, of, names))
            ):
                found.add(node)
    return found


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


def _is_of_class(node: ast.FunctionDef, of: ast.ClassDef, names: set[str]) -> bool:
    """Whether something else may run a method because of its class."""
    special = node.name.startswith("__") and node.name.endswith("__")
    made = node.name in ("__init__", "__new__") and of.name not in names
    return bool(of.bases or of.keywords or of.decorator_list or special) and not made


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
