"""A set: rows with the same attributes, which transformations take or give."""

from __future__ import annotations

from typing import Any

from dfa_lib_python.attribute import Attribute
from dfa_lib_python.extractor import Extractor
from dfa_lib_python.ProvenanceObject import ProvenanceObject
from dfa_lib_python.set_type import SetType

__all__ = ["Set"]


class Set(ProvenanceObject):
    """A set, as a transformation declares it.

    Args:
        tag: of the set.
        type: whether the transformation takes or gives it.
        attributes: of its rows.
        extractors: of raw data.
        dependency: tag of the transformation that gives it, where this one takes it.
    """

    def __init__(
        self,
        tag: str,
        type: SetType,
        attributes: list[Attribute],
        extractors: list[Extractor] | None = None,
        dependency: str = "",
    ) -> None:
        super().__init__(tag)
        self.attributes = attributes
        self.type = type
        self.extractors = extractors or []
        self.dependency = dependency

    @property
    def type(self) -> str:
        """Whether the transformation takes or gives it: the value of a `SetType`."""
        return self._type

    @type.setter
    def type(self, type: SetType) -> None:
        assert isinstance(type, SetType), "The type of a set must be a SetType."
        self._type = type.value

    def set_type(self, type: SetType) -> None:
        """Say whether the transformation takes or gives it."""
        self.type = type

    @property
    def attributes(self) -> list[dict[str, Any]]:
        """The specifications of the attributes."""
        return self._attributes

    @attributes.setter
    def attributes(self, attributes: list[Attribute]) -> None:
        assert isinstance(attributes, list), "The attributes of a set must be a list."
        assert all(isinstance(one, Attribute) for one in attributes), "Each attribute must be an Attribute."
        self._attributes = [one.get_specification() for one in attributes]

    def add_attribute(self, attribute: Attribute) -> None:
        """Add an attribute."""
        assert isinstance(attribute, Attribute), "Each attribute must be an Attribute."
        self._attributes.append(attribute.get_specification())

    @property
    def extractors(self) -> list[dict[str, Any]]:
        """The specifications of the extractors."""
        return self._extractors

    @extractors.setter
    def extractors(self, extractors: list[Extractor]) -> None:
        assert isinstance(extractors, list), "The extractors of a set must be a list."
        assert all(isinstance(one, Extractor) for one in extractors), "Each extractor must be an Extractor."
        self._extractors = [one.get_specification() for one in extractors]

    def add_extractor(self, extractor: Extractor) -> None:
        """Add an extractor."""
        assert isinstance(extractor, Extractor), "Each extractor must be an Extractor."
        self._extractors.append(extractor.get_specification())

    @property
    def dependency(self) -> str:
        """Tag of the transformation that gives it."""
        return self._dependency

    @dependency.setter
    def dependency(self, dependency: str) -> None:
        assert isinstance(dependency, str), "The dependency of a set must be a text."
        self._dependency = dependency
