"""Whether a model has changed, without asking a device for its weights.

Keras' variables do not count their changes (those of TensorFlow and JAX; PyTorch's tensors do). What changes
a model is seen, and counted here: epochs, batches that are trained on, weights that are loaded or set.
"""

from __future__ import annotations

import weakref
from typing import Any

__all__ = ["Changes"]


class Changes:
    """The number of changes of each model or layer that have been seen."""

    def __init__(self) -> None:
        self._counts: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def changed(self, model: Any) -> None:
        """A model has changed."""
        self._counts[model] = self._counts.get(model, 0) + 1

    def token(self, model: Any) -> int:
        """Unequal after a change."""
        return self._counts.get(model, 0)
