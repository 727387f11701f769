"""Functions of the modules that a script imports of its own tell of their calls, as the script's do.

Python asks a finder for each folder of its path; for the program's own folders (`trilha.capture.script.own`)
that one is made here, of the same class, and gives loaders of the same class, so that nothing else is
imported more slowly. What Python keeps of compiled modules it keeps as always, and a
module that cannot be compiled fails as it does by itself.
"""

from __future__ import annotations

import functools
import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from types import CodeType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet, process
from trilha.capture.interrupts import pass_on
from trilha.capture.script import calls
from trilha.capture.script.own import Own
from trilha.capture.script.rewriting import Program, module_program
from trilha.capture.script.spared import Spared

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["MOST_SOURCE", "watch"]

MOST_SOURCE: Final = 256 * 1024
"""So many bytes of modules are rewritten in a run: to read 100 kB takes some 50 ms."""


def watch(recorder: Recorder, place: str, script: str = "") -> None:
    """Have the functions of the program's own modules tell of their calls, from now on until the run ends.

    Args:
        recorder: of the run.
        place: where Python looks for the program's modules first.
        script: path of the script, where there is one.
    """
    with Quiet():
        modules = _Modules(place, script)
    modules.begin()
    recorder.endings.append(modules.end)


class _Modules:
    """The program's own modules, as they are imported.

    Args:
        place: where Python looks for them first.
        script: path of the script.
    """

    def __init__(self, place: str, script: str) -> None:
        self._own = Own(place)
        self._script = script
        self._spared: Spared | None = None
        self._left = MOST_SOURCE
        self._active = False

    def begin(self) -> None:
        """Be asked for finders of folders that Python has not looked into, or only before the script did."""
        self._active = True
        sys.path_hooks.insert(0, self._finder)
        self._forget()

    def end(self) -> None:
        """Rewrite nothing any more."""
        self._active = False
        if self._finder in sys.path_hooks:
            sys.path_hooks.remove(self._finder)
        self._forget()

    def _forget(self) -> None:
        for path in list(sys.path_importer_cache):
            if type(sys.path_importer_cache[path]) is FileFinder and self._own.holds(path):
                del sys.path_importer_cache[path]

    def _finder(self, path: str) -> FileFinder:
        """A finder of modules in a folder of the program's own (PEP 302, `sys.path_hooks`).

        Raises:
            ImportError: it is none; Python asks the next one.
        """
        with Quiet():
            if not self._active or not os.path.isdir(path) or not self._own.holds(path):
                raise ImportError(f"{path} is no folder of the program's own modules")
        extensions = ExtensionFileLoader, EXTENSION_SUFFIXES
        without_source = SourcelessFileLoader, BYTECODE_SUFFIXES
        factory: Any = self._loader
        return FileFinder(path, extensions, (factory, SOURCE_SUFFIXES), without_source)

    def _loader(self, name: str, path: str) -> SourceFileLoader:
        loader: Any = SourceFileLoader(name, path)

        def create_module(_: ModuleSpec) -> None:
            # The first that a loader is asked for if the module is to be run; from then on, and where
            # nothing can be rewritten, it is a loader like any other.
            loader.__dict__.pop("create_module", None)
            made = self._program(loader, name)
            if made is not None:
                loader.get_code = functools.partial(self._code, loader, made)

        if self._active:
            loader.create_module = create_module
        found: SourceFileLoader = loader
        return found

    def _program(self, loader: SourceFileLoader, name: str) -> tuple[CodeType, Program] | None:
        """The module's own code, as its text gives it, and what is to be run instead."""
        if not self._active or process.recorder is None:
            return None
        try:
            with Quiet():
                source = loader.get_data(loader.path)
            self._left -= len(source)
            if self._left < 0:
                calls.pass_over(name)
                return None
            if self._spared is None:
                self._spared = Spared()
                self._spared.script(self._script)
            return module_program(source, loader.path, name, self._spared)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            # Python will say so itself.
            pass_on()
            return None
        except Exception:
            process.recorder.failed()
            return None

    def _code(self, loader: Any, made: tuple[CodeType, Program], name: str) -> CodeType | None:
        loader.__dict__.pop("get_code", None)
        own: CodeType | None = loader.get_code(name)
        plain, program = made
        if own != plain:
            # What Python keeps of the module is not what its text gives.
            return own
        calls.add(program.functions)
        if self._spared is not None:
            calls.spare(self._spared.names)
        return program.code
