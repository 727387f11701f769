"""A callback for Keras, for programs that name what they want recorded.

Under ``trilha run``, after `trilha.autolog` and in ``with trilha.run():`` it is not needed, and changes
nothing::

    from trilha.keras import Callback

    model.fit(x, y, epochs=10, callbacks=[Callback()])
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from trilha.capture.autolog import autolog

__all__ = ["Callback"]

_keras: Any = importlib.import_module("keras")


class Callback(_keras.callbacks.Callback):  # type: ignore[misc]
    """Records the training that it is given to.

    Made where nothing is recorded, it begins a run, which lasts until the program ends, as `trilha.autolog`
    does. A training is recorded once, however many callbacks there are.

    Args:
        name: of the run; by default that of the script or notebook.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: plain values, recorded with the run.

    Raises:
        UsageError: `name` is no text, or `store` no path.
    """

    def __init__(self, name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> None:
        super().__init__()
        autolog(name, store=store, **attributes)

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 -- Keras' own names
        """The training begins."""
        from trilha.capture.integrations.keras import follow

        follow(self)
