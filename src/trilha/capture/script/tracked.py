"""The trace of a run: the script and the modules of its own are traced, and the log goes to the journal.

What is rewritten is never kept beside the source, as Python keeps compiled code.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Quiet, current, process
from trilha.capture.interrupts import pass_on
from trilha.capture.recorder import say
from trilha.capture.script import calls, sending
from trilha.capture.script.appending import Appending, follow_forks
from trilha.capture.script.chosen import Choice
from trilha.capture.script.hooking import KINDS
from trilha.capture.script.identities import JOINED
from trilha.capture.script.joined import join
from trilha.capture.script.own import Own
from trilha.capture.script.restored import restore, tell
from trilha.capture.script.rewriting import silence, traced_module
from trilha.capture.script.spared import Spared
from trilha.capture.script.traced import traced
from trilha.capture.script.trail import RELOADS, Trail

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin"]

_FAST: Final = "trilha.capture.script.fast_trail"
_FLUSH_S: Final = 1.0
"""A killed process keeps what it appended; after a power failure so much of a trace may be gone."""


def begin(recorder: Recorder, place: str, choice: Choice, path: str = "") -> Any:
    """Have the hooks of traced code log to the journal.

    Args:
        recorder: of the run.
        place: folder of the program's own modules.
        choice: which of their functions are traced.
        path: of the script.

    Returns:
        The log.
    """
    trail = log(recorder, path)
    trail.rounds = choice.rounds
    recorder.endings.append(functools.partial(_tell_unmet, trail, choice, path))
    sys.meta_path.insert(0, _Finder(trail, place, choice, path))
    return trail


_logs: Final[weakref.WeakKeyDictionary[Recorder, Any]] = weakref.WeakKeyDictionary()


def log(recorder: Recorder, path: str) -> Any:
    """The log of a run's trace, begun when it is asked for first.

    Args:
        recorder: of the run.
        path: of the script, or of the first file that is traced.
    """
    known = _logs.get(recorder)
    if known is not None:
        return known
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        recorder.complain(
            "this Python runs threads without the global lock: where several are traced, the trace may be"
            " wrong"
        )
    write = Appending(recorder)
    trail = _logs[recorder] = _trail(write)
    trail.install()
    recorder.files.told = trail.opened
    join(recorder, trail)
    if os.environ.get("TRILHA_DURABILITY", "") in ("", "group"):
        recorder.flusher.slow_down(_FLUSH_S)
    recorder.endings.append(trail.stop)
    follow_forks(recorder, trail, write, path)
    if type(trail) is Trail:
        calls.end_unheard(functools.partial(_leave, trail, path))
    sending.watch(trail)
    return trail


def _leave(trail: Trail, path: str) -> None:
    if trail.active:
        trail.gap(path, 0, "the program hears of audit events; from here on nothing is traced")
        trail.flush()
        trail.leave()


def tell_spared(trail: Any, path: str) -> None:
    """Log which functions of the script keep their own code, since compilers may read them."""
    spared = Spared()
    tree = spared.script(path)
    if tree is not None:
        tell(trail, path, spared.nodes(tree))


def made_at(base: int, place: int) -> int:
    """What stands for the record that tells that a function was made, among the kinds of a module.

    Args:
        base: number of the module's first part.
        place: of the function.
    """
    return base + place << 5 | KINDS["made"]


def _tell_unmet(trail: Any, choice: Choice, path: str) -> None:
    """What was asked for and never met is told."""
    for word in choice.unmet():
        why = f"--trace {word}: no module or function of this name was loaded; nothing was traced for it"
        trail.gap(path, 0, why)
        say(f"{why}. Names are as in `import`, paths end with .py: --trace model:Net.forward")


def _trail(write: Callable[[bytes], None]) -> Any:
    if os.environ.get("TRILHA_TRAIL") != "python":
        try:
            import importlib

            fast: Any = importlib.import_module(_FAST)
            return fast.FastTrail(write)
        except ImportError:
            pass
    return Trail(write)


class _Finder(MetaPathFinder):
    """Gives the program's own modules a loader that traces them."""

    def __init__(self, trail: Trail, place: str, choice: Choice, script: str) -> None:
        self._trail, self._choice, self._script = trail, choice, script
        self._spared: Spared | None = None
        self._own = Own(place)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is the program's own, with our loader; None for any other."""
        if not self._trail.active:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader or spec.origin is None:
            return None
        if not self._own.holds(spec.origin):
            return None
        if self._spared is None:
            self._spared = Spared()
            self._spared.script(self._script)
        name, where = spec.loader.name, spec.loader.path
        spec.loader = _Loader(name, where, self._trail, self._choice, self._spared)
        spec.loader.is_anew = target is not None
        return spec


class _Loader(SourceFileLoader):
    """Loads a module's source, traced.

    Attributes:
        is_anew: the module has its names already (`importlib.reload`).
    """

    is_anew = False

    def __init__(self, name: str, path: str, trail: Trail, choice: Choice, spared: Spared) -> None:
        super().__init__(name, path)
        self._trail, self._choice, self._spared = trail, choice, spared

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, traced where that can be."""
        try:
            with Quiet():
                own = super().get_code(fullname)  # Python says itself what there is to say of the text.
        except BaseException as error:
            # Without this frame, which Python would show where nothing is imported by a statement.
            trace = error.__traceback__
            error.__traceback__ = trace.tb_next if trace is not None else None
            raise
        if own is None:
            return None
        _note_read(self.path)
        try:
            with Quiet():
                source = self.get_data(self.path)
            with silence():
                if self.is_anew:
                    self._trail.put(JOINED, RELOADS)
                return _code(self._trail, source, self.path, self._choice, fullname, self._spared, own)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
            pass_on()
            self._trail.gap(self.path, 0, "this module cannot be traced; it runs as it is")
        except Exception:
            pass_on()
            if process.recorder is not None:
                process.recorder.failed()
        return own


def _note_read(path: str) -> None:
    """The run reads the text of a module, as of any grain; no evaluation does, and the trace has the text."""
    recorder = process.recorder
    if recorder is not None:
        try:
            with Quiet():
                recorder.files.read(path, current(recorder), time.time_ns())
        except Exception:
            recorder.failed()


def _code(
    trail: Trail, source: bytes, path: str, choice: Choice, name: str, spared: Spared, own: CodeType
) -> CodeType:
    tree = ast.parse(source, path)
    spared.meet(source, tree, own)
    kept = spared.nodes(tree)
    chosen = choice.of([name], path, tree)
    tree, count, heads = traced(tree, trail.base, trail.first, chosen, kept)
    made = traced_module(source, path, tree, name, spared, calls=calls.is_installed())
    sites = chosen.sites(count) if chosen is not None and chosen.partly else None
    trail.module(path, source, count, heads, sites)
    calls.add(made.functions)
    calls.spare(spared.names)
    tell(trail, path, kept)
    restore(trail, spared)
    return made.code
