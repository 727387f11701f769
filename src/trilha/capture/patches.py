"""Functions and methods of a library that are wrapped while a run is recorded, and put back afterwards.

A Python function in the place of a function in C would not be the same: it becomes a method in a class, is
pickled by another name, and is found in no table of functions. `stand_in` makes what is the same in all of
that but its type. A wrapper is one more frame, too, and a library that warns of its caller would name us:
`unseen` makes the frame one that `warnings` passes over, as those of an import.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Patches", "stand_in", "unseen"]

_NOTHING: Final = object()


class Patches:
    """What an integration has changed in its library, for which recorder."""

    def __init__(self) -> None:
        self._undo: list[tuple[Recorder, Callable[[], None]]] = []

    def wrap(self, recorder: Recorder, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Have `wrapper` in the place of what `owner` calls `name`, whose name and signature it takes.

        Raises:
            AttributeError: `owner` has no such thing.
        """
        self.put(recorder, owner, name, functools.wraps(getattr(owner, name))(wrapper))

    def replace(
        self, recorder: Recorder, owners: Sequence[Any], name: str, make: Callable[[Any], Callable[..., Any]]
    ) -> None:
        """Have what `make` gives for a function in its place, in each of `owners` that has it by `name`.

        Raises:
            AttributeError: the first owner has no such thing.
        """
        original = getattr(owners[0], name)
        wrapper = unseen(make(original))
        plain = type(original) is FunctionType
        wrapped: Any = (
            functools.wraps(original)(wrapper) if plain else stand_in(original, wrapper, owners[0], name)
        )
        for owner in owners:
            if getattr(owner, name, None) is original:
                setattr(owner, name, wrapped)

        def undo() -> None:
            for owner in owners:
                if getattr(owner, name, None) is wrapped:
                    setattr(owner, name, original)

        self._undo.append((recorder, undo))

    def put(self, recorder: Recorder, owner: Any, name: str, value: Any) -> None:
        """Have `owner` call `value` by `name`, in the place of what it may have had by that itself."""
        own = vars(owner).get(name, _NOTHING)
        setattr(owner, name, value)

        def undo() -> None:
            if vars(owner).get(name) is not value:
                return
            if own is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, own)

        self._undo.append((recorder, undo))

    def end(self, recorder: Recorder) -> None:
        """Put back what was changed for `recorder`, the last first."""
        for known in reversed([one for one in self._undo if one[0] is recorder]):
            self._undo.remove(known)
            known[1]()


_UNSEEN: Final = "<frozen importlib_bootstrap of trilha>"
"""What `warnings` takes for a part of the import system (`is_internal_filename` in CPython's _warnings.c)."""


def unseen(function: Any) -> Any:
    """`function` itself, whose frames are passed over where a library warns of its caller."""
    function.__code__ = function.__code__.replace(co_filename=_UNSEEN)
    return function


class _StandIn:
    """In the place of a function in C: equal to it, pickled by its public name, never a class's method."""

    def __init__(self, original: Any, module: str, name: str) -> None:
        self.__wrapped__ = original
        self.__module__ = module
        self.__name__ = self.__qualname__ = name
        self.__doc__ = original.__doc__

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return other is self or self.__wrapped__ == other

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> str:
        return self.__name__


def stand_in(original: Any, wrapper: Callable[..., Any], owner: Any, name: str) -> Any:
    """What calls `wrapper` in the place of `original`, a function in C of the module `owner`."""
    kind = type(type(original).__name__, (_StandIn,), {"__call__": staticmethod(wrapper)})
    return kind(original, owner.__name__, name)
