"""The way of Hugging Face's Transformers to have a program recorded: a callback in the trainer's list::

    from trilha.transformers import Callback

    trainer = Trainer(model, args, train_dataset=dataset, callbacks=[Callback()])

The graph is that of ``trilha run`` and of `trilha.autolog`: where one of these records already, the callback
adds nothing, and nothing is recorded twice.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from trilha.capture.autolog import autolog

__all__ = ["Callback"]

if TYPE_CHECKING:
    _Base = object
else:
    _Base = import_module("transformers").TrainerCallback


class Callback(_Base):
    """Has the program recorded from where it is made, until it ends or `trilha.finish` is called.

    It has no state, so that checkpoints are what they are without it.

    Args:
        name: of the run; by default that of the script or notebook.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: plain values, recorded with the run.

    Raises:
        ImportError: Transformers is not installed.
        UsageError: `name` is no text, or `store` no path.
    """

    def __init__(self, name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> None:
        super().__init__()
        autolog(name, store=store, **attributes)
