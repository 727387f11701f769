"""Functions that compilers of bytecode may read, over all modules of a program, keep their own code.

What a script gives to `torch.compile` is mostly a model of another module, which calls functions of a third.
So all names count that what is compiled has in it, and all that those have in them, whichever module they are
of.
"""

from __future__ import annotations

import ast
import re
from types import CodeType
from typing import Final

from trilha.capture.context import Quiet
from trilha.capture.interrupts import pass_on
from trilha.capture.script.compilers import compiles, given, names_compiler

__all__ = ["Spared"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS: Final = (*_FUNCTIONS, ast.ClassDef)
_WORDS: Final = re.compile(rb"compile|jit|vectorize|cfunc|stencil|export")
"""Without one of these a text names no compiler."""


class Spared:
    """What compilers may read of the modules that were met.

    Attributes:
        names: of functions that keep their own code.
        objects: of classes that the program defines are compiled, perhaps.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._uses: dict[str, set[str]] = {}
        self._in_classes: set[str] = set()
        self.objects = False

    def script(self, path: str) -> ast.Module | None:
        """The script was begun before any module of its own was imported; gives it, if it names compilers."""
        try:
            with Quiet(), open(path, "rb") as file:
                source = file.read()
            if path.endswith(".py") and _WORDS.search(source):
                tree = ast.parse(source, path)
                self.meet(source, tree, compile(source, path, "exec", dont_inherit=True))
                return tree
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            pass_on()
        return None

    def meet(self, source: bytes, tree: ast.Module, plain: CodeType) -> None:
        """A module is imported.

        Args:
            source: its text.
            tree: the same, parsed.
            plain: its code.
        """
        for code in (one for one in plain.co_consts if isinstance(one, CodeType)):
            names = _names(code)
            self._uses.setdefault(code.co_name, set()).update(names)
            if not code.co_flags & _OPTIMIZED:
                self._in_classes |= names
        if _WORDS.search(source):
            self._compiled(tree)
        if self.objects:
            self.names |= self._in_classes
        waiting = set(self.names)
        while waiting:
            waiting = {used for name in waiting for used in self._uses.get(name, ())} - self.names
            self.names |= waiting

    def nodes(self, tree: ast.Module) -> set[ast.AST]:
        """The functions of a module that keep their own code; of classes whose objects are compiled, all."""
        found: set[ast.AST] = set()
        waiting: list[tuple[ast.AST, bool]] = [(tree, False)] if self.names or self.objects else []
        while waiting:
            node, in_class = waiting.pop()
            if isinstance(node, ast.ClassDef):
                in_class = True
            elif isinstance(node, _FUNCTIONS) and (node.name in self.names or (in_class and self.objects)):
                found.add(node)
            waiting += [(one, in_class) for one in ast.iter_child_nodes(node)]
        return found

    def _compiled(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, _DEFINITIONS) and any(map(names_compiler, node.decorator_list)):
                self.names.add(node.name)
            elif isinstance(node, ast.Call) and compiles(node):
                # What is compiled is an object of a class, perhaps: of whichever module.
                self.objects = True
                for argument in node.args:
                    self.names |= given(argument)


_OPTIMIZED: Final = 0x1
"""Flag of the code of functions; that of classes has it not (`inspect.CO_OPTIMIZED`)."""


def _names(code: CodeType) -> set[str]:
    """Global names and attributes in a code object and in those inside it."""
    found, waiting = set(code.co_names), [code]
    while waiting:
        for one in waiting.pop().co_consts:
            if isinstance(one, CodeType):
                found |= {one.co_name, *one.co_names}
                waiting.append(one)
    return found
