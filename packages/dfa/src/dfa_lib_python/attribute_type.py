"""The types that an attribute can have."""

from enum import Enum

__all__ = ["AttributeType"]


class AttributeType(Enum):
    """The types that an attribute can have."""

    TEXT = "TEXT"
    NUMERIC = "NUMERIC"
    FILE = "FILE"
    RDFILE = "RDFILE"
