"""Whether a transformation takes or gives a set."""

from enum import Enum

__all__ = ["SetType"]


class SetType(Enum):
    """Whether a transformation takes or gives a set."""

    INPUT = "INPUT"
    OUTPUT = "OUTPUT"
