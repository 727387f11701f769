"""What names a compiler of bytecode, and what it is given.

Numba reads what it decorates, TorchDynamo what `torch.compile` is given and all that this calls; both must
find the program's own code.
"""

from __future__ import annotations

import ast
from typing import Final

__all__ = ["compiles", "given", "names_compiler"]

_COMPILERS: Final = frozenset(["compile", "jit", "njit", "vectorize", "guvectorize", "cfunc", "stencil"])


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
