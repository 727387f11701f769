"""Trilha: where did this result come from?

Provenance of Python programs, of the training of models above all, on the W3C PROV standard.

Record a script as it is with ``trilha run SCRIPT``, or say in a program what belongs together::

    import trilha

    with trilha.run("digits"):
        with trilha.step("split", ratio=0.2):
            ...
        trilha.log(loss=0.3, epoch=1)

or, in a notebook or at the top of a script, ``trilha.autolog()``. Ask with ``trilha lineage FILE``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trilha.capture.api import annotate, hyperparameters, log, produce, run, step, use
from trilha.capture.autolog import autolog, finish

if TYPE_CHECKING:
    from trilha.asking import Stop, ask, watch
    from trilha.capture.script.decorated import trace
    from trilha.formats import read, write
    from trilha.store import open

__all__ = [
    "Stop",
    "__version__",
    "annotate",
    "ask",
    "autolog",
    "finish",
    "hyperparameters",
    "log",
    "open",
    "produce",
    "read",
    "run",
    "step",
    "trace",
    "use",
    "watch",
    "write",
]

__version__ = "0.1.0"

_LATE = {
    "Stop": "trilha.asking",
    "ask": "trilha.asking",
    "open": "trilha.store",
    "read": "trilha.formats",
    "watch": "trilha.asking",
    "write": "trilha.formats",
}
"""What is imported only when it is asked for, so that ``import trilha`` stays cheap in a training script."""


def load_ipython_extension(shell: Any) -> None:
    """Begin recording a notebook, as `autolog` does, and have ``%trilha``; ``%load_ext trilha`` calls it."""
    from trilha.cli.notebook import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """End the run, and take ``%trilha`` away; ``%unload_ext trilha`` calls it."""
    from trilha.cli.notebook import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    if name == "trace":
        import importlib

        return importlib.import_module("trilha.trace")
    if name in _LATE:
        import importlib

        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'trilha' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
