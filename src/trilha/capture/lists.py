"""Lists of plain values, and lists of such lists: what programs hand around most.

Each call goes through its arguments several times: do they hold anything that has an identity, did they
change, may they be kept? For these lists that is answered here at once, by their members' types; by
`trilha_lists`, in C, where that is installed (packages/recorder), which gives the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain
from typing import Any, Final

from trilha.capture.extensions import extension

__all__ = ["LOOKED_AT", "SAMPLE", "only_numbers", "token_of", "weight_of"]

LOOKED_AT: Final = 256
"""So many members of a list are looked at to find what has an identity."""
SAMPLE: Final = 64
_NUMBER: Final = 32
_NUMBERS: Final = frozenset([bool, int, float, complex, type(None)])
_LIST: Final = frozenset([list])
_TOLD: Final = frozenset([int, float, str, bool])
"""What stands for itself in a token."""


def _only_numbers(things: list[Any], deep: bool) -> bool:
    """Whether a list holds numbers alone, as far as it is looked at; if `deep`, or lists of numbers alone."""
    some = things[:LOOKED_AT]
    kinds = set(map(type, some))
    if kinds <= _NUMBERS:
        return True
    if not deep or kinds != _LIST:
        return False
    rows = some if max(map(len, some)) <= LOOKED_AT else [one[:LOOKED_AT] for one in some]
    return _NUMBERS.issuperset(map(type, chain.from_iterable(rows)))


def _token_of(things: list[Any], deep: bool) -> tuple[Any, ...] | None:
    """What is unequal after a list of plain values has changed; if `deep`, or a list of lists of them.

    Some 64 members of each are looked at, evenly spaced. None for another list.
    """
    length = len(things)
    parts = things[:: max(1, length // SAMPLE)]
    kinds = set(map(type, parts))
    if kinds <= _TOLD:
        return length, tuple(parts)
    if not deep or kinds != _LIST:
        return None
    rows = [row[:: max(1, len(row) // SAMPLE)] for row in parts]
    if not _TOLD.issuperset(map(type, chain.from_iterable(rows))):
        return None
    return length, tuple(map(id, parts)), tuple(map(len, parts)), tuple(map(tuple, rows))


def _weight_of(things: list[Any], deep: bool, most: int) -> int | None:
    """About how many bytes a list of numbers keeps alive; if `deep`, or a list of lists of numbers.

    None for another list, unless it takes more than `most` bytes: then that many.
    """
    size = sys.getsizeof(things)
    kinds = set(map(type, things))
    if kinds <= _NUMBERS:
        return size + _NUMBER * len(things)
    if not deep or kinds != _LIST:
        return None
    weight: int = size + sum(map(sys.getsizeof, things)) + _NUMBER * sum(map(len, things))
    if weight > most or _NUMBERS.issuperset(map(type, chain.from_iterable(things))):
        return weight
    return None


in_c: Any = extension("trilha_lists")
only_numbers: Final[Callable[[list[Any], bool], bool]] = getattr(in_c, "only_numbers", _only_numbers)
token_of: Final[Callable[[list[Any], bool], Any]] = getattr(in_c, "token_of", _token_of)
weight_of: Final[Callable[[list[Any], bool, int], int | None]] = getattr(in_c, "weight_of", _weight_of)
