"""Functions that are handed to other interpreters of this process run there as without hooks.

An interpreter has built-in names of its own (PEP 734, Python 3.14), and a function that needs no more than
these is handed over as its code, which looks the hooks up there. Nothing is recorded of what another
interpreter does, and the log says so; it gets hooks that do what the text says, and no more, when it is made:
a function is handed over in many ways, to be called, or as what another one is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process
from trilha.capture.interrupts import pass_on
from trilha.capture.script.hooking import HOOKS, hook_name

if TYPE_CHECKING:
    from trilha.capture.script.trail import Trail

__all__ = ["MODULE", "follow"]

MODULE: Final = "concurrent.interpreters"
"""The module of the standard library that makes interpreters, which `concurrent.futures` asks, too."""
_GAP: Final = "it makes another interpreter; what that one does is not traced"
_TEXT: Final = f"""
import builtins
def nothing(*_):
    return None
def second(_, value=None, *more):
    return value
def getitem(_, container, key):
    return container[key]
def attribute(_, container, name):
    return getattr(container, name)
def define(_):
    return lambda made: made
hooks = dict.fromkeys({HOOKS!r}, nothing)
for name in "into", "result", "receiver", "resume", "key", "place", "outside", "value", "made", "ran", "each":
    hooks[name] = second
hooks |= dict(take=second, returned=second, getitem=getitem, getattr=attribute, define=define, slice=slice)
hooks |= dict(iter=iter, more=lambda *_: True, over=(BaseException,), deep=(RecursionError,))
hooks["release"] = lambda value: value
for name, hook in hooks.items():
    setattr(builtins, {hook_name("{}")!r}.format(name), hook)
"""
"""Makes the hooks, in the interpreter that runs it; no name of the program's is bound."""


def follow(module: Any, trail: Trail) -> None:
    """Have each interpreter that is made from now on know the hooks.

    Args:
        module: `MODULE`, imported.
        trail: the log.
    """
    library = module._interpreters
    create = library.create
    if hasattr(create, "trilha"):
        return

    def create_and_tell(*arguments: Any, **named: Any) -> Any:
        try:
            made = create(*arguments, **named)
        except BaseException as error:
            from trilha.capture.handed import hide_frame

            hide_frame(error)
            raise
        try:
            library.exec(made, f"exec({_TEXT!r}, {{}})")
            path, place = trail.evaluated()
            if path:
                trail.gap(path, place[0], _GAP)
        except Exception:
            pass_on()
            if process.recorder is not None:
                process.recorder.failed()
        return made

    marked: Any = create_and_tell
    marked.trilha = True
    library.create = marked
