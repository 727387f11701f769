"""Functions of a text that others may run than its calls: special methods, functions that are values.

Source: Python Language Reference, "Special method names".
"""

from __future__ import annotations

import ast

from trilha.capture.script.sites import ordering, used_as_values
from trilha.capture.script.walking import walk

__all__ = ["indirect"]


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


def _is_of_class(node: ast.FunctionDef, of: ast.ClassDef, names: set[str]) -> bool:
    """Whether something else may run a method because of its class."""
    special = node.name.startswith("__") and node.name.endswith("__")
    made = node.name in ("__init__", "__new__") and of.name not in names
    return bool(of.bases or of.keywords or of.decorator_list or special) and not made
