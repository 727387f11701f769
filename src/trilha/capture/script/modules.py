"""Functions of a module that is run by `runpy` (``-m``, a folder, an archive) tell of their calls, too.

`runpy` asks the module's loader for its code (PEP 302, `get_code`). The loader of that one module gives
rewritten code for once, and states the module's file as the script that the run follows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Final

from trilha.capture.context import Quiet, process

__all__ = ["LAUNCHERS", "watch"]

LAUNCHERS: Final = frozenset(
    ["torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch"]
)
"""Modules that only start the program, whose functions are none of its steps."""


class _Finder:
    """Finds nothing of its own: has the loader of the module that is to be run give rewritten code."""

    def __init__(self, name: str, *, calls: bool) -> None:
        self._names = (name, f"{name}.__main__")
        self._calls = calls

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders have for the module; None for every other module."""
        if name not in self._names:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                if spec.submodule_search_locations is None:
                    self._extend(spec.loader)
                return spec
        return None

    def _extend(self, loader: Any) -> None:
        get_code = getattr(loader, "get_code", None)
        if get_code is None:
            return

        def rewritten_code(name: str) -> CodeType | None:
            sys.meta_path.remove(self)
            try:
                del loader.get_code
            except AttributeError:
                pass
            code: CodeType | None = get_code(name)
            return _rewritten(loader, name, code, calls=self._calls)

        try:
            loader.get_code = rewritten_code
        except AttributeError:
            pass


def _rewritten(loader: Any, name: str, code: CodeType | None, *, calls: bool) -> CodeType | None:
    """The module's code, rewritten; `code`, which is its own, where that cannot be or is not wanted."""
    recorder = process.recorder
    if recorder is None or code is None:
        return code
    try:
        from trilha.capture.script.calls import install
        from trilha.capture.script.rewriting import rewritten

        path = loader.get_filename(name)
        with Quiet():
            recorder.associated(recorder.run.identifier, recorder.files.script(path, time.time_ns()))
            if not calls or not path.endswith(".py") or name in LAUNCHERS:
                return code
            made = rewritten(loader.get_data(path), code.co_filename)
        install(made.functions)
    except Exception:
        recorder.failed()
        return code
    return made.code


def watch(name: str, *, calls: bool) -> None:
    """Have the module `name`, or its ``__main__``, stated as the script when it is run.

    Args:
        name: of the module.
        calls: whether its functions are to tell of their calls.
    """
    sys.meta_path.insert(0, _Finder(name, calls=calls))
