"""Loading an integration when, and only when, the program imports its library.

The loader of a library that we know is given one more thing to do after it has run the library's code. It stays
what it is otherwise, and is itself again afterwards.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from trilha.capture.recorder import Recorder

__all__ = ["INTEGRATIONS", "unwatch", "watch"]

INTEGRATIONS: Final[dict[str, str]] = {"torch": "trilha.capture.integrations.torch"}
"""Which module of ours goes with which library. An integration is a module with two functions: ``begin(recorder,
library)``, called when the library has been imported or a run begins after that, and ``end(recorder)``, called when
the run ends, which undoes what `begin` did."""


class _Finder(MetaPathFinder):
    """Finds nothing of its own: asks the finders behind it and adds to what they find."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.begun: list[Any] = []

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec that the other finders have for a library that we know; None for everything else."""
        if name not in INTEGRATIONS or self.recorder is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                self._extend(spec, name)
                return spec
        return None

    def _extend(self, spec: ModuleSpec, name: str) -> None:
        loader: Any = spec.loader
        execute: Callable[[Any], None] | None = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: Any) -> None:
            try:
                del loader.exec_module
            except AttributeError:
                pass
            execute(module)
            self.begin(name, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            pass

    def begin(self, name: str, library: Any) -> None:
        """Let the integration of library `name` begin."""
        recorder = self.recorder
        if recorder is None:
            return
        with Quiet():
            try:
                integration = importlib.import_module(INTEGRATIONS[name])
                integration.begin(recorder, library)
                self.begun.append(integration)
            except Exception:
                recorder.failed()
                recorder.complain(f"what {name} does is not recorded: its integration failed on this version")


_finder: Final = _Finder()


def watch(recorder: Recorder) -> None:
    """Begin the integrations of the libraries that are there, and of those that will be imported."""
    _finder.recorder = recorder
    _finder.begun.clear()
    for name in INTEGRATIONS:
        if name in sys.modules:
            _finder.begin(name, sys.modules[name])
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def unwatch(recorder: Recorder) -> None:
    """End the integrations: what they changed in their libraries is as it was."""
    for integration in _finder.begun:
        try:
            integration.end(recorder)
        except Exception:
            recorder.failed()
    _finder.begun.clear()
    _finder.recorder = None
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
