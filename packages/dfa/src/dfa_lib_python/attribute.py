"""An attribute of a set."""

from __future__ import annotations

from dfa_lib_python.attribute_type import AttributeType
from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["Attribute"]


class Attribute(ProvenanceObject):
    """A column of the rows of a set.

    Args:
        tag: its name.
        type: what its values are.
    """

    def __init__(self, tag: str, type: AttributeType) -> None:
        super().__init__("")
        assert isinstance(tag, str), "The name of an attribute must be a text."
        assert isinstance(type, AttributeType), "The type of an attribute must be an AttributeType."
        self._name = tag
        self._type = type.value

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        assert isinstance(name, str), "The name of an attribute must be a text."
        self._name = name

    @property
    def type(self) -> str:
        """What its values are: the value of an `AttributeType`."""
        return self._type

    @type.setter
    def type(self, type: AttributeType) -> None:
        assert isinstance(type, AttributeType), "The type of an attribute must be an AttributeType."
        self._type = type.value

    def __repr__(self) -> str:
        return f"{self._name}:{self._type}"
