"""Functions and methods of a library that are wrapped while a run is recorded, and put back afterwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Patches"]


class Patches:
    """What an integration has changed in its library, for which recorder."""

    def __init__(self) -> None:
        self._undo: list[tuple[Recorder, Callable[[], None]]] = []

    def wrap(self, recorder: Recorder, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Have `wrapper` in the place of what `owner` calls `name`, whose name and signature it takes.

        Raises:
            AttributeError: `owner` has no such thing.
        """
        original = getattr(owner, name)
        own = name in vars(owner)
        wrapped = functools.wraps(original)(wrapper)
        setattr(owner, name, wrapped)

        def undo() -> None:
            if getattr(owner, name, None) is wrapped:
                if own:
                    setattr(owner, name, original)
                else:
                    delattr(owner, name)

        self._undo.append((recorder, undo))

    def add(self, recorder: Recorder, owner: Any, name: str, value: Any) -> None:
        """Have `owner` call `value` by `name`, which it had nothing by."""
        setattr(owner, name, value)

        def undo() -> None:
            if vars(owner).get(name) is value:
                delattr(owner, name)

        self._undo.append((recorder, undo))

    def end(self, recorder: Recorder) -> None:
        """Put back what was changed for `recorder`, the last first."""
        for known in reversed([one for one in self._undo if one[0] is recorder]):
            self._undo.remove(known)
            known[1]()
