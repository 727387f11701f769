"""A row of a set."""

from __future__ import annotations

from typing import Any

__all__ = ["Element"]


class Element:
    """A row: the values of the attributes of its set, in their order.

    Args:
        values: of the row.

    Attributes:
        given: the values as they were given; `values` has them as texts.
    """

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    @property
    def values(self) -> list[str]:
        """The values as texts."""
        return self._values

    @values.setter
    def values(self, values: list[Any]) -> None:
        assert isinstance(values, list), "The values of an element must be a list."
        self.given = list(values)
        self._values = [str(value) for value in values]
