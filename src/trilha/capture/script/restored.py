"""Functions of a traced program that a compiler of bytecode may read have, or get back, their own code.

What compilers (Numba, TorchDynamo) read of hooks they cannot compile, and the program would fail. Which
functions these are is known when a module that names a compiler is loaded, perhaps only after theirs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.script.hooking import hook_name
from trilha.capture.script.sending import Plain

if TYPE_CHECKING:
    from trilha.capture.script.spared import Spared
    from trilha.capture.script.trail import Trail

__all__ = ["restore", "tell"]

_HOOK: Final = hook_name("").removesuffix("__")


def tell(trail: Trail, path: str, nodes: set[ast.AST]) -> None:
    """Log which functions of a module are not traced.

    Args:
        trail: the log.
        path: of the module.
        nodes: these functions.
    """
    for node in sorted(nodes, key=lambda one: getattr(one, "lineno", 0)):
        trail.gap(path, getattr(node, "lineno", 0), _why(getattr(node, "name", "a function")))


def restore(trail: Trail, spared: Spared, *namespaces: tuple[Mapping[str, Any], str]) -> None:
    """Give functions that were loaded before their own code, for good.

    Args:
        trail: the log, which knows the texts that are traced.
        spared: the functions.
        namespaces: where they are looked for, each with the name of its module; in all modules, if none are
            given.
    """
    if not spared.names and not spared.objects:
        return
    plain = Plain(trail)
    for names, module in namespaces or _loaded(trail):
        for function, in_class in _functions(names, module):
            code = function.__code__
            if code.co_filename not in trail.sources or not any(map(_is_hook, code.co_names)):
                continue
            if function.__name__ in spared.names or (in_class and spared.objects):
                function.__code__ = plain.of(code)
                trail.gap(code.co_filename, code.co_firstlineno, _why(function.__name__))


def _loaded(trail: Trail) -> list[tuple[Mapping[str, Any], str]]:
    """Of all modules that are traced the names, and the module's own."""
    found = [(getattr(one, "__file__", None), one) for one in list(sys.modules.values())]
    return [(vars(module), module.__name__) for path, module in found if path in trail.sources]


def _is_hook(name: str) -> bool:
    return name.startswith(_HOOK)


def _why(name: str) -> str:
    return f"{name} may be read by a compiler of bytecode: it runs as it is, and what it does is not traced"


def _functions(names: Mapping[str, Any], module: str) -> Iterator[tuple[FunctionType, bool]]:
    """The functions that names of a module stand for, and whether they are those of a class."""
    for value in list(names.values()):
        if isinstance(value, type):
            if value.__module__ == module:
                for one in list(vars(value).values()):
                    parts = (one.fget, one.fset, one.fdel) if isinstance(one, property) else (one,)
                    yield from ((function, True) for part in parts for function in _inside(part))
        else:
            yield from ((function, False) for function in _inside(value))


def _inside(value: Any) -> Iterator[FunctionType]:
    """The function that a value is in the end, under decorators of `functools.wraps`."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    for _ in range(100):
        if isinstance(value, FunctionType):
            yield value
        value = vars(value).get("__wrapped__") if isinstance(value, FunctionType) else None
        if value is None:
            return
