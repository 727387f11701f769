"""Functions that are there already, and the code that they would have if their text was traced."""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import Any

from trilha.capture.script.hooking import hook_name
from trilha.capture.script.rewriting import NAME

__all__ = ["codes", "first_line", "has_hooks", "is_code_of", "name_of"]


def codes(code: CodeType) -> dict[tuple[str, int], CodeType]:
    """The code of the functions in a module's, by `name_of`."""
    found: dict[tuple[str, int], CodeType] = {}
    waiting = [code]
    while waiting:
        for one in waiting.pop().co_consts:
            if isinstance(one, CodeType):
                found.setdefault(name_of(one), one)
                waiting.append(one)
    return found


def name_of(code: CodeType) -> tuple[str, int]:
    """Qualified name and first line."""
    return code.co_qualname, code.co_firstlineno


def first_line(node: Any) -> int:
    """The first line of a definition's code: that of its first decorator."""
    first: int = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first


def has_hooks(code: CodeType) -> bool:
    """Whether code tells what it does, down to the variable."""
    return bool({hook_name("enter"), hook_name("begin")} & set(code.co_names))


def is_code_of(function: FunctionType, plain: CodeType | None) -> bool:
    """Whether a function's code is what its text gives now, if need be with the hooks of another grain."""
    code = function.__code__
    if plain is None or code.co_freevars != plain.co_freevars:
        return False
    return code.co_code == plain.co_code or bool({NAME, hook_name("outside")} & set(code.co_names))
