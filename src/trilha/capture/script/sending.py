"""Functions that are sent to other processes by value go without hooks: who gets them may not know these.

Picklers of functions (cloudpickle and its copies in other packages, dill) take the code of a function apart
themselves, by an entry for `types.CodeType` in a table of theirs. When such a module is imported, that entry
is led by way of one that gives the script's own code, compiled from the text that was traced.

Other interpreters of this process get hooks that do nothing (`trilha.capture.script.interpreters`).

Source: cloudpickle's `CloudPickler._dispatch_table`; dill's `Pickler.dispatch`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process
from trilha.capture.interrupts import pass_on
from trilha.capture.script import interpreters
from trilha.capture.script.hooking import hook_name
from trilha.capture.script.rewriting import silence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trilha.capture.script.trail import Trail

__all__ = ["Plain", "returned", "watch"]

_PICKLERS: Final = ("cloudpickle", "cloudpickle_fast", "_dill", "detect")
"""Last words of the names of modules that pickle functions by value, or look at their names."""
_sent: Final[dict[CodeType, CodeType]] = {}
"""The code with hooks of what was sent, by the plain code that went in its place."""
_HOOK: Final = hook_name("").removesuffix("__")


def watch(trail: Trail) -> None:
    """Have picklers get the plain code of traced functions, those too that are imported later.

    Args:
        trail: the log, which knows the texts that are traced.
    """
    _sent.clear()
    plain = Plain(trail)
    for name, module in list(sys.modules.items()):
        if _is_sender(name):
            _extend(module, plain)
    sys.meta_path.insert(0, _Finder(plain))


def returned(code: CodeType) -> CodeType | None:
    """The code with hooks of a function that was sent, and came back to this process; None if none was."""
    found = _sent.get(code)
    return found if found is not None and found.co_filename == code.co_filename else None


def _is_sender(name: str) -> bool:
    """Whether a module of this name may send functions by value."""
    return name == interpreters.MODULE or name.rpartition(".")[2] in _PICKLERS


def _extend(module: Any, plain: Plain) -> None:
    """Have one module's table lead by way of the plain code."""
    if module.__name__ == interpreters.MODULE:
        interpreters.follow(module, plain.trail)
        return
    table = getattr(getattr(module, "CloudPickler", None), "_dispatch_table", None)
    if isinstance(table, dict) and CodeType in table:
        table[CodeType] = _reducing(table[CodeType], plain)
    table = getattr(getattr(module, "Pickler", None), "dispatch", None)
    if module.__name__.endswith("_dill") and isinstance(table, dict) and CodeType in table:
        table[CodeType] = _saving(table[CodeType], plain)
        # It has the names of all built-in types, two of `slice` among them.
        for name in [one for one in module._reverse_typemap if one.startswith(_HOOK)]:
            kind = module._reverse_typemap.pop(name)
            module._typemap[kind] = kind.__name__
    if module.__name__ == "dill.detect":
        module.nestedglobals = _naming(module.nestedglobals)


def _reducing(own: Callable[[CodeType], Any], plain: Plain) -> Callable[[CodeType], Any]:
    return own if hasattr(own, "trilha") else _marked(lambda code: own(plain.of(code)))


def _saving(own: Callable[[Any, CodeType], Any], plain: Plain) -> Callable[[Any, CodeType], Any]:
    return own if hasattr(own, "trilha") else _marked(lambda pickler, code: own(pickler, plain.of(code)))


def _naming(own: Callable[..., list[str]]) -> Callable[..., list[str]]:
    """The names that a function uses, without those of hooks."""

    def names(function: Any, recurse: bool = True) -> list[str]:
        return [name for name in own(function, recurse) if not name.startswith(_HOOK)]

    return own if hasattr(own, "trilha") else _marked(names)


def _marked(function: Any) -> Any:
    function.trilha = True
    return function


class Plain:
    """The program's own code for that with hooks.

    Args:
        trail: the log, which keeps the texts that are traced.
    """

    def __init__(self, trail: Trail) -> None:
        self.trail = trail
        self._codes: dict[str, dict[tuple[str, int], list[CodeType]]] = {}

    def of(self, code: CodeType) -> CodeType:
        """The code without hooks; the code itself, if it has none or is not known."""
        path = code.co_filename
        source = self.trail.sources.get(path)
        if source is None:
            return code
        if path not in self._codes:
            self._codes[path] = _codes_of(source, path)
        found = self._codes[path].get((code.co_qualname, code.co_firstlineno), [])
        if len(found) > 1:
            span = _span(code)
            found = [one for one in found if _span(one) == span]  # Of several lambdas in a line.
        if not found or found[0].co_freevars != code.co_freevars:
            return code
        _sent[found[0]] = code
        return found[0]


def _codes_of(source: bytes, path: str) -> dict[tuple[str, int], list[CodeType]]:
    """The code of all functions of a text, by qualified name and first line."""
    found: dict[tuple[str, int], list[CodeType]] = {}
    try:
        with silence():
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            waiting = [compile(source, path, "exec", flags, dont_inherit=True)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass_on()
        return found
    while waiting:
        one = waiting.pop()
        found.setdefault((one.co_qualname, one.co_firstlineno), []).append(one)
        waiting.extend(inner for inner in one.co_consts if isinstance(inner, CodeType))
    return found


def _span(code: CodeType) -> tuple[Any, Any]:
    """Where the text of a code begins and ends."""
    places = [one for one in code.co_positions() if None not in one and one[2] != one[3]]
    begin = min(((one[0], one[2]) for one in places), default=None)
    return begin, max(((one[1], one[3]) for one in places), default=None)


class _Finder(MetaPathFinder):
    """Gives modules that pickle functions a loader that extends them."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of such a module, with our loader; None for any other."""
        if not _is_sender(name):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = _Loader(spec.loader.name, spec.loader.path, self._plain)
        return spec


class _Loader(SourceFileLoader):
    """Loads a module and extends it."""

    def __init__(self, name: str, path: str, plain: Plain) -> None:
        super().__init__(name, path)
        self._plain = plain

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's own code, and have its table lead by way of the plain code of functions."""
        super().exec_module(module)
        try:
            _extend(module, self._plain)
        except Exception:
            pass_on()
            if process.recorder is not None:
                process.recorder.failed()
