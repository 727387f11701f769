"""Functions that `%autoreload` exchanges the code of are followed in the text that their module has then.

Where a module's file was changed, IPython runs only the definitions in it that differ, and puts their code
into the functions that are there (its `DeduperReloader`, since IPython 9). What it does not do so, it loads
anew as a whole, which needs nothing here. Functions get code that is traced, with the lines of the file; what
is bound otherwise, and what cannot be followed, is told as a gap. Tested on IPython 9.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.script import arming
from trilha.capture.script.cells import bound_by
from trilha.capture.script.chosen import Chosen, definitions
from trilha.capture.script.identities import JOINED
from trilha.capture.script.rewriting import silence
from trilha.capture.script.traced import traced
from trilha.capture.script.tracked import made_at
from trilha.capture.script.trail import REBINDS, RELOADS

if TYPE_CHECKING:
    from trilha.capture.script.trail import Trail

__all__ = ["Reloading"]

_MODULE: Final = "IPython.extensions.deduperreload.deduperreload"
_CLASS, _METHOD = "DeduperReloader", "maybe_reload_module"
Functions = dict[str, tuple[FunctionType, CodeType]]
"""Functions, with the code that they had, by qualified name."""
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Reloading:
    """What `%autoreload` does, as long as it is watched.

    Args:
        trail: the log.
        guard: calls a function, and lets none of its errors out.
    """

    def __init__(self, trail: Trail, guard: Callable[..., None]) -> None:
        self._trail, self._guard = trail, guard
        self._original: Any = None

    def watch(self) -> None:
        """Watch it, where it is there and is not watched yet."""
        kind = getattr(sys.modules.get(_MODULE), _CLASS, None)
        if self._original is not None or kind is None:
            return
        original = self._original = vars(kind)[_METHOD]

        @functools.wraps(original)
        def maybe_reload_module(reloader: Any, module: Any) -> Any:
            before: list[Functions] = []
            self._guard(lambda: before.append(_functions(module)))
            done = original(reloader, module)
            if done is True and before:
                self._guard(self._reloaded, module, before[0])
            return done

        setattr(kind, _METHOD, maybe_reload_module)

    def end(self) -> None:
        """Watch it no more."""
        kind = getattr(sys.modules.get(_MODULE), _CLASS, None)
        if self._original is not None and kind is not None:
            setattr(kind, _METHOD, self._original)
            self._original = None

    def _reloaded(self, module: ModuleType, before: Functions) -> None:
        """Some functions of a module have other code, of the text that its file has now."""
        path = str(module.__file__)
        old = self._trail.sources.get(path)
        if old is None:
            return  # It is not traced.
        with open(path, "rb") as file:
            source = file.read()
        was, tree = ast.parse(old, path), ast.parse(source, path)
        changed = _differing(was, tree)
        exchanged = {
            name: function
            for name, (function, code) in _functions(module).items()
            if name in changed and (name not in before or before[name][1] is not code)
        }
        followed = self._follow(path, source, tree, exchanged)
        rest = sorted(changed - followed)
        if rest:
            why = f"changed while the program ran, and not followed since: {', '.join(rest)}"
            self._trail.gap(path, 0, why)
        bound = sorted(_rebound(was, tree))
        if bound:
            self._trail.gap(path, 0, f"bound by what is not traced, here or later: {', '.join(bound)}")
            self._trail.text(JOINED, "\0".join([self._trail.paths[path], *bound]), REBINDS)

    def _follow(
        self, path: str, source: bytes, tree: ast.Module, functions: dict[str, FunctionType]
    ) -> set[str]:
        """Give functions code that is traced; gives the names of those that have it."""
        trail, called = self._trail, self._trail.paths[path]
        with silence():
            plain = arming.codes(compile(source, path, "exec", dont_inherit=True))
        nodes: dict[str, Any] = {}
        for name, node, _ in definitions(tree):
            code = plain.get((name, arming.first_line(node))) if name in functions else None
            if code is not None and _is_code(functions[name], code):
                nodes[name] = node
        if not nodes:
            return set()
        chosen, base, first = Chosen(tuple(nodes.values())), trail.base, trail.first
        with silence():
            made, count, heads = traced(tree, base, first, chosen)
            codes = arming.codes(compile(made, path, "exec", dont_inherit=True))
        trail.put(JOINED, RELOADS)
        sites = chosen.sites(count)
        trail.module(called, source, count, heads, sites, file=path)
        followed = set()
        for (name, node), at in zip(nodes.items(), sites, strict=True):
            code = codes.get((name, arming.first_line(node)))
            if code is not None and code.co_freevars == functions[name].__code__.co_freevars:
                trail.made(first + heads.index(made_at(base, at)), functions[name])
                functions[name].__code__ = code
                followed.add(name)
        return followed


def _functions(module: ModuleType) -> Functions:
    """The functions of a module and the methods of its classes, with their code, by qualified name."""
    return {
        function.__qualname__: (function, function.__code__)
        for function in _all_functions(vars(module), module.__name__)
    }


def _all_functions(names: Any, of: str) -> Iterator[FunctionType]:
    for value in list(names.values()):
        kind = type(value)
        if issubclass(kind, type) and type.__getattribute__(value, "__module__") == of:
            yield from _all_functions(type.__getattribute__(value, "__dict__"), of)
        found = (value.fget, value.fset, value.fdel) if kind is property else (value,)
        for one in found:
            function = one.__func__ if type(one) in (staticmethod, classmethod) else one
            if type(function) is FunctionType and function.__module__ == of:
                yield function


def _is_code(function: FunctionType, plain: CodeType) -> bool:
    """Whether a function has the code that the text gives, at whatever lines."""
    code = function.__code__
    mine = (code.co_code, code.co_varnames, code.co_names, code.co_freevars, code.co_flags)
    return mine == (plain.co_code, plain.co_varnames, plain.co_names, plain.co_freevars, plain.co_flags)


def _differing(was: ast.Module, tree: ast.Module) -> set[str]:
    """The functions of a text that another one of before did not have like this, those outside alone."""
    old = {name: ast.dump(node) for name, node, _ in definitions(was)}
    found: set[str] = set()
    for name, node, outer in definitions(tree):
        is_within = isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef))
        is_new_class = isinstance(node, ast.ClassDef) and name not in old
        if is_within or (isinstance(node, ast.ClassDef) and not is_new_class):
            continue
        if old.get(name) != ast.dump(node):
            found.add(name)
    return found


def _rebound(was: ast.Module, tree: ast.Module) -> set[str]:
    """The names that a text binds by other statements than one of before, but for definitions."""
    old, new = _bindings(was), _bindings(tree)
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _bindings(tree: ast.Module) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for statement in tree.body:
        if not isinstance(statement, _DEFINITIONS):
            for name in bound_by(ast.Module([statement], [])):
                found.setdefault(name, []).append(ast.dump(statement))
    return found
