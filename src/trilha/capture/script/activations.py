"""Which generator or coroutine a frame is of, as the log numbers them."""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType
from typing import Final

__all__ = ["activation_of"]

_INSIDE: Final = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>"))
"""Code of comprehensions, which until Python 3.11 have frames of their own."""


def activation_of(frame: FrameType, known: Mapping[int, int]) -> int:
    """The number of what a frame is of, or of what a comprehension that it is of stands in; 0 for none.

    Args:
        frame: that runs.
        known: numbers by the addresses of frames.
    """
    number, at = known.get(id(frame), 0), frame
    while not number and at.f_code.co_name in _INSIDE and at.f_back is not None:
        at = at.f_back
        number = known.get(id(at), 0)
    return number
