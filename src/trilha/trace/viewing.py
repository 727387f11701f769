"""What is written through a `memoryview`: the object that it is a view of, and the other views of that.

The views of an object, and views of these, share its memory: what is written through one is seen through all.
Where in the memory that is, is not followed; so no member is known any more behind a write. Arrays of NumPy
among themselves are `trilha.trace.arrays`' matter.

Source: Python Library Reference, "Built-in Types", section "Memory Views"; PyTorch, `torch.Tensor.numpy`,
`torch.from_numpy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trilha.trace.arrays import Array, Memory
from trilha.trace.heap import ARRAY, INSTANCE, Thing
from trilha.trace.redirecting import Redirecting

__all__ = ["Viewing"]

_VIEWS: Final = "memoryview"
_OF_VIEWS: Final = frozenset(["cast", "toreadonly"])
"""Methods of a view that give another one of the same memory."""
_LENDS: Final = "numpy"
"""The method of a tensor that gives an array in its memory."""
_LENDING: Final = frozenset(["numpy.asarray", "numpy.asanyarray"])
"""Functions that give an array in the memory of a tensor, if they can."""
_LENT: Final = frozenset(["torch.from_numpy", "torch.as_tensor"])
"""Functions that give a tensor in the memory of an array, if they can."""


class Viewing(Redirecting):
    """Knows what shares its memory; a part of `trilha.trace.replay.Replay`.

    Attributes:
        memories: what shares each, by the number of the object.
    """

    def __init__(self) -> None:
        super().__init__()
        self._views: set[int] = set()
        self.memories: dict[int, list[Thing]] = {}

    def views(self, name: str, method: str | None, of: Thing | None, made: Thing | None) -> None:
        """Note what a call gave, if it is a view: of what it was given, or of another view.

        Args:
            name: of the function that was called.
            method: that was called.
            of: the first argument, or whose method it is.
            made: what the call gave.
        """
        if of is None or made is None or made is of:
            return
        if (method is None and name == _VIEWS) or (method in _OF_VIEWS and of.number in self._views):
            self._join(of, made)
        elif (method == _LENDS or name in _LENDING) and of.kind == INSTANCE and made.kind == ARRAY:
            _lend(of, made)
        elif method is None and name in _LENT and of.kind == ARRAY and made.kind == INSTANCE:
            _lend(made, of)

    def views_part(self, of: Thing | None, key: str | None, made: Thing | None) -> None:
        """Note what an access gave, if it is a part of a view."""
        if of is not None and made is not None and of.number in self._views and key and key[0] != ".":
            self._join(of, made)

    def sharing_memory(self, thing: Thing) -> Iterator[Thing]:
        """What else is seen to change where something is written into a thing."""
        return (one for one in self.memories.get(thing.number, ()) if one is not thing)

    def _join(self, of: Thing, made: Thing) -> None:
        shared = self.memories.setdefault(of.number, [of])
        shared.append(made)
        self.memories[made.number] = shared
        self._views.add(made.number)


def _lend(tensor: Thing, array: Thing) -> None:
    """Note that a tensor and an array have the same memory."""
    if tensor.array is None:
        array.array = array.array or Array(array, Memory(), None)
        tensor.array = Array(tensor, array.array.memory, None)
    else:
        array.array = Array(array, tensor.array.memory, None)
    tensor.array.memory.arrays |= {tensor.number: tensor.array, array.number: array.array}
