"""Looking at what a notebook's name stands for, to tell later whether that has changed.

Deeper than `trilha.capture.tokens`, which the hot path asks: what lies in lists, dicts and tuples, in
instances of the notebook's own classes, is gone through as far as so many parts. Of these classes, and of
modules of the notebook's folder, it is what their names stand for, not what lies in that: a module may keep
what it worked out. A function is looked at for its code, which `%autoreload` exchanges.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from types import FunctionType, ModuleType
from typing import Any, Final

from trilha.capture.interrupts import pass_on
from trilha.capture.script.own import Own
from trilha.capture.tokens import instance_state, token
from trilha.capture.values import is_value

__all__ = ["Looks", "same_as"]

_MOST: Final = 500
"""So many parts are gone through."""
_ARRAY: Final = 50
"""So many parts an array counts as."""
_LONGEST: Final = 1000
_PLAIN: Final = frozenset([int, float, str, bool, bytes, type(None)])
_PYTHONS_OWN: Final = frozenset(
    [
        *("__builtins__", "__spec__", "__loader__", "__cached__", "__warningregistry__", "__annotations__"),
        *("__annotations_cache__", "__annotate__", "__abstractmethods__", "_abc_impl"),
    ]
)
_GONE_THROUGH: Final = (list, tuple, set, frozenset, deque, dict)


class Looks:
    """What tells whether objects have changed.

    Args:
        place: the notebook's folder.
    """

    def __init__(self, place: str) -> None:
        self._own = Own(place)

    def of(self, value: Any) -> object:
        """Something that is unequal after a change that can be told; None where no change can be.

        None of the program's code runs, and no object is kept.
        """
        try:
            return self._of(value)
        except Exception:
            pass_on()
            return None

    def _of(self, value: Any) -> object:
        kind = type(value)
        if kind is FunctionType:
            return id(value.__code__)
        if issubclass(kind, ModuleType):
            path = ModuleType.__getattribute__(value, "__dict__").get("__file__")
            own = type(path) is str and os.path.isabs(path) and self._own.holds(path)
            return _inside(value, deep=False) if own else None
        if issubclass(kind, type):
            return _inside(value, deep=False) if _is_of_notebook(value) else None
        if is_value(value):
            return None
        if issubclass(kind, (tuple, frozenset)):
            return _inside(value)
        found = token(value)
        return found if found is None or _parts(value) is None else (found, _inside(value))


def same_as(value: Any) -> object:
    """Equal for plain values that are the same, and for functions of the same text; else None."""
    if type(value) in _PLAIN:
        is_short = type(value) not in (str, bytes) or len(value) <= _LONGEST
        return (type(value), repr(value)) if is_short else None
    if type(value) is not FunctionType or value.__closure__ or value.__defaults__ or value.__kwdefaults__:
        return None
    return FunctionType, hash(value.__code__), value.__code__.co_code


def _inside(root: Any, *, deep: bool = True) -> int:
    """One number for all that is gone through, breadth first; not `deep`, for what `root` itself has."""
    found: list[object] = []
    waiting, seen = deque([root]), {id(root)}
    left = _MOST
    while waiting and left > 0:
        for part in islice(_parts(waiting.popleft()) or (), left):
            left -= 1
            kind = type(part)
            if kind in _PLAIN:
                found.append(part)
                continue
            found.append(id(part))
            if kind is FunctionType:
                found.append(id(part.__code__))
            elif deep and id(part) not in seen:
                seen.add(id(part))
                if kind.__module__ == "numpy":
                    left -= _ARRAY
                    found.append(token(part))
                elif not issubclass(kind, (ModuleType, type)) and _parts(part) is not None:
                    waiting.append(part)
    return hash(tuple(found))


def _parts(thing: Any) -> Iterable[Any] | None:
    """What lies in something; None where that is not gone into."""
    kind = type(thing)
    if issubclass(kind, ModuleType):
        return _own_names(ModuleType.__getattribute__(thing, "__dict__"))
    if issubclass(kind, type):
        return _own_names(type.__getattribute__(thing, "__dict__"))
    if kind in _GONE_THROUGH:
        return thing if kind is not dict else chain.from_iterable(thing.items())
    if type(kind) is type and _is_of_notebook(kind):
        state = instance_state(thing)
        return None if state is None else chain.from_iterable(state.items())
    return None


def _own_names(names: Mapping[str, Any]) -> Iterable[Any]:
    """Names with what they stand for, but those that Python keeps of its own, such as what is built in."""
    return chain.from_iterable(
        one for one in list(names.items()) if type(one[0]) is not str or one[0] not in _PYTHONS_OWN
    )


def _is_of_notebook(kind: type) -> bool:
    return bool(type.__getattribute__(kind, "__module__") == "__main__")
