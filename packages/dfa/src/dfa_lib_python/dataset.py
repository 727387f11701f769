"""Rows of a set that a task took or gave."""

from __future__ import annotations

from typing import Any

from dfa_lib_python.element import Element
from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["DataSet"]


class DataSet(ProvenanceObject):
    """Rows of a set.

    Args:
        tag: of the set.
        elements: the rows.

    Attributes:
        rows: values of each row as they were given; `elements` has them as texts.
    """

    def __init__(self, tag: str, elements: list[Element]) -> None:
        super().__init__(tag)
        self.name = tag
        self.elements = elements

    @property
    def elements(self) -> list[list[str]]:
        """The values of each row, as texts."""
        return self._elements

    @elements.setter
    def elements(self, elements: list[Element]) -> None:
        assert isinstance(elements, list), "The elements of a data set must be a list."
        assert all(isinstance(one, Element) for one in elements), "Each element must be an Element."
        self.rows: list[list[Any]] = [one.given for one in elements]
        self._elements = [one.values for one in elements]

    def add_element(self, element: Element) -> None:
        """Add a row."""
        assert isinstance(element, Element), "Each element must be an Element."
        self.rows.append(element.given)
        self._elements.append(element.values)
