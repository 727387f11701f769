"""Lightning's own way to have a program recorded: a callback in the trainer's list::

    from trilha.lightning import Callback

    trainer = lightning.Trainer(max_epochs=10, callbacks=[Callback()])

The graph is that of ``trilha run`` and of `trilha.autolog`: where one of these records already, the callback
adds nothing, and nothing is recorded twice. ``lightning`` and ``pytorch_lightning`` are both known.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from trilha.capture.autolog import autolog

__all__ = ["Callback"]


def _base() -> Any:
    """The base of the callbacks of the package that the program uses, or that is installed."""
    names = ["lightning.pytorch", "pytorch_lightning"]
    names.sort(key=lambda name: name not in sys.modules)
    try:
        return import_module(names[0]).Callback
    except ImportError:
        return import_module(names[1]).Callback


if TYPE_CHECKING:
    _Base = object
else:
    _Base = _base()


class Callback(_Base):
    """Has the program recorded from where it is made, until it ends or `trilha.finish` is called.

    It has no state, so that checkpoints are what they are without it.

    Args:
        name: of the run; by default that of the script or notebook.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: plain values, recorded with the run.

    Raises:
        ImportError: Lightning is not installed.
        UsageError: `name` is no text, or `store` no path.
    """

    def __init__(self, name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> None:
        super().__init__()
        autolog(name, store=store, **attributes)
