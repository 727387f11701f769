"""Extension modules in C (packages/recorder), each of which is used where it is installed for this Trilha.

They have the slots of our objects by their places, and call what they were compiled to call: one that is left
from another version of Trilha may leave a slot unset, or say something else. So each tells the number of what
it shares with Trilha, which is raised with every change of that, here and in its source (`version.h`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["VERSION", "complain", "extension"]

VERSION: Final = 4
_OTHER: Final = (
    "the installed trilha-recorder is for another version of Trilha and is not used: recording costs more,"
    " nothing else is different. Install it anew from where Trilha is from: pip install ./packages/recorder"
)
_passed_over: Final[set[str]] = set()


def extension(name: str) -> Any:
    """The module in C of this name; None, where the same is to be done in Python.

    Where there is one for another version of Trilha, that is said, once a run.

    Args:
        name: as it is imported.
    """
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    if getattr(module, "VERSION", None) == VERSION:
        return module
    _passed_over.add(name)
    if process.recorder is not None:
        complain(process.recorder)
    return None


def complain(recorder: Recorder) -> None:
    """Say that modules for another version of Trilha are passed over, if there are any.

    Args:
        recorder: of the run, which says it once.
    """
    if _passed_over:
        recorder.complain(_OTHER)
