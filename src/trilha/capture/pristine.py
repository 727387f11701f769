"""Our modules run on Python as it was before the program changed it.

A program may put its own in the place of `len`, `open`, `time.time` or `os.path.exists`: to count, to freeze
time (freezegun), to fail (`unittest.mock`), or by mistake. What it put there is for its own modules. It would
answer us, count our calls, tell us its time, or raise in the midst of our code, where without us it never
ran.

So our modules are loaded with built-in functions of their own, a copy made when Trilha was imported. (A
function takes its built-ins from its module when it is defined: `function.__builtins__` in Python's data
model.) And what they import of the modules in `COPIED` and `REPEATED` is a copy too, whose functions call
each other, and nothing that came later.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import FunctionType, ModuleType
from typing import Any, Final

__all__ = ["COPIED", "REPEATED", "keep"]

COPIED: Final = frozenset(
    [
        *("os", "os.path", "posixpath", "genericpath", "stat"),
        *("errno", "fcntl", "functools", "gc", "itertools", "json", "marshal", "mmap", "operator"),
        *("resource", "struct", "uuid", "zlib"),
    ]
)
"""Modules of the standard library of which ours have a copy: none of them is ever told to be otherwise.

`os.environ` is the one that there is. What is in `sys` is the process's, and asked for where it is.
"""
REPEATED: Final = frozenset(["_weakrefset", "hashlib", "reprlib", "time", "weakref"])
"""Those that are made once more for ours.

They have classes in Python; or who freezes time looks for the functions that tell it, wherever they are.
"""
_BUILTINS: Final = vars(builtins).copy()
__builtins__ = _BUILTINS  # type: ignore[assignment] # of the functions below
_HIDDEN: Final = "<frozen importlib._bootstrap>"
"""Frames of this file are the import system's: left out of tracebacks, and passed over by `warnings`."""
_import: Final = builtins.__import__
_copies: Final[dict[str, ModuleType]] = {}


def keep(folders: list[str]) -> None:
    """Have what is imported from these folders of ours, and those below, run on Python as it is now.

    From an archive it is imported as everything else is.
    """
    _BUILTINS["__import__"] = _import_kept
    for folder in folders:
        if type(sys.path_importer_cache.get(folder)) is FileFinder:
            _find_in(folder)


def _find_in(folder: str) -> None:
    # Only for this folder, and where nobody counts: `sys.meta_path` and `sys.path_hooks` are the program's.
    finder = FileFinder(folder, (_Loader, SOURCE_SUFFIXES), (SourcelessFileLoader, BYTECODE_SUFFIXES))
    sys.path_importer_cache[folder] = finder


class _Loader(SourceFileLoader):
    """Loads a module of ours."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code on the built-in functions of ours."""
        space = vars(module)
        space["__builtins__"] = _BUILTINS
        for folder in space.get("__path__", ()):
            _find_in(folder)
        super().exec_module(module)


def _import_kept(
    name: str,
    space: Mapping[str, Any] | None = None,
    local: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    """What `__import__` is to our modules."""
    if type(fromlist) is list:
        # Not a statement of ours, but a function in C that runs below us, pickle's say, maybe the program's.
        return vars(builtins)["__import__"](name, space, local, fromlist, level)  # type: ignore[no-any-return]
    if level == 0 and (name in COPIED or name in REPEATED):
        if name == "os.path":
            name = "posixpath" if fromlist else "os"
        return _copies[name] if name in _copies else _copy(_import(name, fromlist=("",)))
    return _import(name, space, local, fromlist, level)


def _copy(module: ModuleType) -> ModuleType:
    """Our copy of a module of the standard library."""
    name = module.__name__
    if name not in _copies:
        copy = (_repeated(module) if name in REPEATED else None) or _rebound(module)
        _copies.setdefault(name, copy)
    return _copies[name]


def _repeated(module: ModuleType) -> ModuleType | None:
    """The module, made once more; None where it cannot be."""
    spec = module.__spec__
    if spec is None or spec.loader is None:
        return None
    if spec.loader is BuiltinImporter:  # type: ignore[comparison-overlap] # a class that is a loader itself
        again: Any = BuiltinImporter.create_module(spec)
        BuiltinImporter.exec_module(again)
        return again  # type: ignore[no-any-return]
    code = getattr(spec.loader, "get_code", lambda _: None)(spec.name)
    if code is None:
        return None
    made = ModuleType(spec.name)
    made.__spec__, made.__loader__, made.__file__ = spec, spec.loader, spec.origin
    vars(made)["__builtins__"] = _BUILTINS
    exec(code, vars(made))  # noqa: S102 -- as Python did when it imported the module
    return made


def _rebound(module: ModuleType) -> ModuleType:
    """The same, but functions in Python find in it what they call."""
    copy = _copies[module.__name__] = ModuleType(module.__name__, module.__doc__)
    space = vars(copy)
    space.update(vars(module))
    space["__builtins__"] = _BUILTINS
    for name, value in vars(module).items():
        if type(value) is ModuleType and value.__name__ in COPIED:
            space[name] = _copy(value)
        elif type(value) is FunctionType:
            home = sys.modules.get(value.__globals__.get("__name__", ""))
            if home is not None and home.__name__ in COPIED and vars(home) is value.__globals__:
                space[name] = _function(value, vars(_copy(home)))
    return copy


def _function(function: FunctionType, space: dict[str, Any]) -> FunctionType:
    """The same function in another module."""
    code, name = function.__code__, function.__name__
    made = FunctionType(code, space, name, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    vars(made).update(vars(function))
    return made


for _one in (_import_kept, _Loader.exec_module):
    _one.__code__ = _one.__code__.replace(co_filename=_HIDDEN)
