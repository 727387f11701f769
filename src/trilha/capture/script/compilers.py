"""Which functions of a module compilers of bytecode may read: those they are given, and all these name.

Numba reads what it decorates, TorchDynamo what `torch.compile` is given and all that this calls; both must
find the program's own code.
"""

from __future__ import annotations

import ast
from typing import Final

__all__ = ["DEFINITIONS", "compiles", "given", "names_compiler", "read_by_compilers"]

DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPILERS: Final = frozenset(["compile", "jit", "njit", "vectorize", "guvectorize", "cfunc", "stencil"])


def read_by_compilers(tree: ast.Module) -> set[str]:
    """Names of the functions whose bytecode a compiler may read: what it is given, and all that names."""
    definitions = [node for node in ast.walk(tree) if isinstance(node, DEFINITIONS)]
    waiting = {node.name for node in definitions if any(names_compiler(one) for one in node.decorator_list)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and compiles(call):
            # A model that is compiled is an object of a class: of one of the script's own, perhaps.
            waiting |= {node.name for node in definitions if isinstance(node, ast.ClassDef)}
            waiting |= {name for argument in call.args for name in given(argument)}
    found: set[str] = set()
    while waiting:
        found |= waiting
        inside = [part for node in definitions if node.name in waiting for part in ast.walk(node)]
        waiting = {part.id for part in inside if isinstance(part, ast.Name)} - found
    return found


def compiles(call: ast.Call) -> bool:
    """Whether a call gives something to a compiler of bytecode.

    A model's own ``compile`` that is given a loss or an optimizer is Keras', which reads no bytecode.
    """
    words = {word.arg for word in call.keywords}
    return names_compiler(call.func) and ("jit_compile" in words or not words & {"loss", "optimizer"})


def given(argument: ast.expr) -> set[str]:
    """Names of what goes into an argument, not of what is called to make it."""
    if isinstance(argument, ast.Call):
        return {name for one in argument.args for name in given(one)}
    return {part.id for part in ast.walk(argument) if isinstance(part, ast.Name)}


def names_compiler(function: ast.expr) -> bool:
    """Whether an expression is a compiler or makes one: `numba.njit`, `jit(cache=True)`, `torch.compile`."""
    while isinstance(function, ast.Call):
        function = function.func
    if isinstance(function, ast.Name):
        return function.id in _COMPILERS - {"compile"}
    if not isinstance(function, ast.Attribute):
        return False
    root = function.value
    while isinstance(root, ast.Attribute):
        root = root.value
    library = root.id if isinstance(root, ast.Name) else ""
    if function.attr == "export":
        return library == "torch"
    return function.attr in _COMPILERS and library != "re"
