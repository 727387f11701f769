"""Telling that a mutable object has changed, at a bounded cost, without keeping a copy.

A token is unequal after a change that can be told: the in-place counter of a tensor, length and parts of a
container, a checksum over a sample of an array, the attributes of an instance. An equal token does not prove
that nothing changed.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable
from itertools import islice
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final

from trilha.capture.interrupts import pass_on
from trilha.capture.lists import SAMPLE, token_of
from trilha.capture.values import is_value, known_type

__all__ = ["instance_state", "token", "token_of_type"]

token_of_type: Final[dict[str, Callable[[Any], object]]] = {}
"""How integrations tell a changed object: by the ``module.qualname`` of each class in its type's MRO."""

_OWN_WAYS: Final = frozenset(["torch"])
"""Libraries whose objects change inside without anything that matters; their integration tells what does."""


def token(thing: Any) -> object:
    """Something that is unequal after a change that can be told; None where no change can be."""
    try:
        return _token(thing, 2)
    except Exception:
        pass_on()
        return None


def _token(thing: Any, depth: int) -> object:
    kind = type(thing)
    if known_type(thing) in _CONTAINERS:
        return _container_token(thing, depth)
    if kind is bytearray:
        return len(thing), zlib.crc32(thing[:: max(1, len(thing) // 4096)])
    for ancestor in kind.__mro__:
        known = token_of_type.get(f"{ancestor.__module__}.{ancestor.__qualname__}")
        if known is not None:
            return known(thing)
        if type(ancestor) is type and ancestor in _CONTAINERS:
            return _container_token(thing, depth)
    if depth > 1:
        state = instance_state(thing)
        if state is not None:
            return tuple((key, _part(value, depth)) for key, value in islice(state.items(), SAMPLE)), len(
                state
            )
    return None


_CONTAINERS: Final = frozenset([list, dict, set])
_TOLD: Final = frozenset([int, float, str, bool])
"""What stands for itself."""


def _container_token(thing: Any, depth: int) -> object:
    kind = type(thing)
    if kind is list:
        plain = token_of(thing, depth > 1)
        if plain is not None:
            return plain
    # The base's own methods: a subclass may do anything in one of its own.
    bases = (one for one in kind.__mro__ if type(one) is type and one in _CONTAINERS)
    base: Any = next(bases)
    length = base.__len__(thing)
    parts: Iterable[Any]
    if base is dict:
        parts = (part for pair in islice(dict.items(thing), SAMPLE) for part in pair)
    elif base is list:
        parts = list.__getitem__(thing, slice(None, None, max(1, length // SAMPLE)))
        if _TOLD.issuperset(map(type, parts)):
            return length, tuple(parts)
    else:
        parts = islice(set.__iter__(thing), SAMPLE)
    return length, tuple([_part(part, depth) for part in parts])


def _part(part: Any, depth: int) -> object:
    """What tells one part from the next: which object it is; what is in it, one level down."""
    kind = type(part)
    kind = kind if type(kind) is type else object  # As `known_type`, without the call.
    if kind in _TOLD:
        return part
    if depth < 2:
        return id(part)
    if kind in _CONTAINERS:
        return id(part), _container_token(part, depth - 1)
    inner = None if is_value(part) else _token(part, depth - 1)
    return id(part) if inner is None else (id(part), inner)


def instance_state(thing: Any) -> dict[str, Any] | None:
    """The attributes of an instance, had without running any code of its class; None if it has none."""
    kind = type(thing)
    if issubclass(kind, type) or kind.__module__.partition(".")[0] in _OWN_WAYS:
        return None
    for ancestor in kind.__mro__:
        slot = ancestor.__dict__.get("__dict__")
        if slot is not None:
            if type(slot) not in (GetSetDescriptorType, MemberDescriptorType):
                return None
            state = slot.__get__(thing)
            return state if type(state) is dict else None
    return None


def _array_token(array: Any) -> object:
    """Shape and a checksum over at most some 4,096 evenly spaced elements of a NumPy array.

    An array that lies in a file is not read, and neither is one that would have to be copied for it.
    """
    numpy: Any = sys.modules["numpy"]
    if issubclass(type(array), numpy.memmap) or type(numpy.ndarray.base.__get__(array)) is numpy.memmap:
        return numpy.ndarray.shape.__get__(array)
    plain = numpy.ndarray.view(array, numpy.ndarray)
    if not plain.flags.c_contiguous and not plain.flags.f_contiguous:
        if plain.size > 1 << 20:
            return plain.shape
        flat = plain.reshape(-1)
    else:
        flat = plain.ravel("K")
    return plain.shape, _sample_token(flat, 4096)


def _sample_token(flat: Any, most: int) -> object:
    sample = flat[:: max(1, len(flat) // most)]
    if sample.dtype.hasobject:
        return tuple(map(id, sample[:512].tolist())) if sample.dtype == object else len(sample)
    return zlib.crc32(sample.tobytes())


def _frame_token(frame: Any) -> object:
    """Shape and column names of a pandas data frame, with a token of each of its first 64 columns."""
    columns = [_column_token(frame.iloc[:, position]) for position in range(min(frame.shape[1], SAMPLE))]
    return frame.shape, tuple(map(str, frame.columns[:SAMPLE])), tuple(columns)


def _column_token(column: Any) -> object:
    values = column.array
    plain = getattr(values, "_ndarray", None)
    if plain is None:
        # Arrow's arrays never change in place: a changed column holds another one.
        arrow = getattr(values, "_pa_array", None)
        return len(values) if arrow is None else id(arrow)
    return _sample_token(plain, 512) if getattr(plain, "ndim", 0) == 1 else len(values)


token_of_type["numpy.ndarray"] = _array_token
for _place in ("pandas.core.frame.DataFrame", "pandas.DataFrame"):
    token_of_type[_place] = _frame_token
for _place in ("pandas.core.series.Series", "pandas.Series"):
    token_of_type[_place] = _column_token
