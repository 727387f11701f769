"""What dataflows, transformations, sets and tasks have in common: a tag and a specification."""

from __future__ import annotations

from typing import Any

__all__ = ["ProvenanceObject"]


class ProvenanceObject:
    """Something with a tag, in small letters.

    Args:
        tag: of the thing.
    """

    def __init__(self, tag: str) -> None:
        self._tag = tag.lower()

    def get_specification(self, prefix: str = "_") -> dict[str, Any]:
        """What the thing says of itself: its fields that are not empty, by name.

        Args:
            prefix: that the names of such fields begin with.
        """
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name.startswith(prefix) and hasattr(value, "__len__") and len(value):
                found[name[len(prefix) :]] = value
        return found
