"""Which functions of a program are traced: what ``--trace MODULE[:FUNCTION]`` names.

A function's name is its qualified one (`solve`, `Table.add`, `outer.inner`); a class stands for all of its
methods. Both parts may be patterns of `fnmatch` (`model.*:train_*`).
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from trilha.capture.script.sites import site

__all__ = ["Choice", "Chosen", "definitions", "rounds_of"]

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES: Final = (*_FUNCTIONS, ast.ClassDef)


class Chosen(NamedTuple):
    """What of a module is traced.

    Attributes:
        functions: the outermost ones; what stands in them is traced with them.
        classes: whose methods are all traced.
        whole: all of it is.
        partly: not all that the program does is.
        values: values are told, too.
        rounds: so many rounds of each loop are traced; 0 for all.
        rests: so many that follow are not, before as many are again; 0 for all.
    """

    functions: tuple[ast.AST, ...] = ()
    classes: tuple[ast.AST, ...] = ()
    whole: bool = False
    partly: bool = True
    values: bool = False
    rounds: int = 0
    rests: int = 0

    def sites(self, count: int) -> list[int]:
        """The numbers of the functions, or that of the module itself, once it is rewritten.

        Args:
            count: how many numbers its parts take; the last is its own.
        """
        return [count - 1] if self.whole else [site(one) for one in self.functions]


class Choice:
    """The modules and functions that are traced.

    Args:
        words: none for all; each ``MODULE`` or ``MODULE:FUNCTION``, as the user gave them. A module is named
            as it is imported, by its last part, or by (the end of) the path of its file; the script also by
            its name without ``.py``. An empty MODULE is any.
        met: those of them that named something in what was loaded before.
        values: whether values are told, too.
        loops: how many rounds of each loop are traced, as the user gave it (`rounds_of`); all if empty.

    Attributes:
        met: those that did so far.
        rounds: so many rounds of each loop are traced; 0 for all.
    """

    def __init__(
        self, words: Sequence[str], met: Sequence[str] = (), *, values: bool = False, loops: str = ""
    ) -> None:
        self._words = [(word, *_parts(word)) for word in words]
        self.met = set(met)
        self.rounds, rests = rounds_of(loops) if loops else (0, 0)
        self._how = Chosen(partly=bool(words or loops), values=values, rounds=self.rounds, rests=rests)

    def of(self, names: Sequence[str], path: str, tree: ast.Module) -> Chosen | None:
        """What is traced of a module, and how; None for all of it, as of all other modules.

        Args:
            names: of the module, as it may be imported.
            path: of its file.
            tree: its text.
        """
        wanted: list[tuple[str, str]] = []
        if self._how == Chosen(partly=False):
            return None
        whole = not self._words
        for word, module, function in self._words:
            if not _is_module(module, names, path):
                continue
            if function:
                wanted.append((word, function))
            else:
                self.met.add(word)
                whole = True
        found = self._found(tree, wanted) if wanted else Chosen()
        return self._how._replace(functions=found.functions, classes=found.classes, whole=whole)

    def _found(self, tree: ast.Module, wanted: list[tuple[str, str]]) -> Chosen:
        functions, classes, inside = [], [], set()
        for name, node, outer in definitions(tree):
            if outer in inside:
                inside.add(node)
                continue
            plain = name.replace(".<locals>", "")
            words = [word for word, one in wanted if fnmatchcase(name, one) or fnmatchcase(plain, one)]
            in_class = outer in classes
            if not words and not in_class:
                continue
            self.met.update(words)
            if isinstance(node, ast.ClassDef):
                classes.append(node)
            else:
                functions.append(node)
                inside.add(node)
        return Chosen(tuple(functions), tuple(classes))

    def unmet(self) -> list[str]:
        """The words that named nothing in what was loaded."""
        return [word for word, *_ in self._words if word not in self.met]


def rounds_of(loops: str) -> tuple[int, int]:
    """How many rounds of a loop are traced, and how many that follow are not before as many are again.

    Args:
        loops: ``N``, the first N rounds, or ``N/M``, of each M rounds the first N.

    Raises:
        ValueError: it is neither.
    """
    rounds, slash, every = loops.partition("/")
    if not all(one.isascii() and one.isdigit() for one in ([rounds, every] if slash else [rounds])):
        raise ValueError(f"{loops}: expected a number of rounds, as 10, or 10/100 for 10 of each 100")
    found = int(rounds), int(every) - int(rounds) if slash else 0
    if not found[0] or (slash and found[1] < 1):
        raise ValueError(f"{loops}: expected at least one round, and after the slash more than before it")
    return found


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST, ast.AST | None]]:
    """Functions and classes of a module, those outside first: qualified name, itself, what it stands in."""
    waiting: list[tuple[ast.AST, str, ast.AST | None]] = [(one, "", None) for one in reversed(tree.body)]
    while waiting:
        node, before, outer = waiting.pop()
        if isinstance(node, _SCOPES):
            name = before + node.name
            yield name, node, outer
            before, outer = f"{name}.<locals>." if isinstance(node, _FUNCTIONS) else f"{name}.", node
        waiting.extend((one, before, outer) for one in reversed(list(ast.iter_child_nodes(node))))


def _parts(word: str) -> tuple[str, str]:
    """Module and function of a word; what is behind the colon of a drive is part of the path."""
    module, colon, function = word.rpartition(":")
    if not colon or "/" in function or "\\" in function:
        return word, ""
    return module, function


def _is_module(pattern: str, names: Sequence[str], path: str) -> bool:
    if not pattern:
        return True
    if pattern.endswith(".py") or "/" in pattern:
        wanted = os.path.normpath(pattern)
        return fnmatchcase(path, wanted) or fnmatchcase(path, f"*/{wanted}")
    return any(fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}") for name in names)
