"""A transformation: a step of a dataflow, with the sets that it takes and gives."""

from __future__ import annotations

from typing import Any

from dfa_lib_python.ProvenanceObject import ProvenanceObject
from dfa_lib_python.set import Set
from dfa_lib_python.set_type import SetType

__all__ = ["Transformation"]


class Transformation(ProvenanceObject):
    """A transformation.

    Args:
        tag: of the transformation.
        sets: that it takes and gives.

    Attributes:
        label: the tag as it was given.
    """

    def __init__(self, tag: str, sets: list[Set] | None = None) -> None:
        super().__init__(tag)
        self.label = tag
        self.sets = sets if sets is not None else []

    @property
    def sets(self) -> list[dict[str, Any]]:
        """The specifications of its sets."""
        return self._sets

    @sets.setter
    def sets(self, sets: list[Set]) -> None:
        assert isinstance(sets, list), "The sets of a transformation must be a list."
        self._sets: list[dict[str, Any]] = []
        for one in sets:
            self.add_set(one)

    def _of(self, type: SetType) -> list[dict[str, Any]]:
        return [one for one in self._sets if one["type"] == type.value]

    @property
    def input(self) -> list[dict[str, Any]]:
        """The specifications of the sets that it takes."""
        return self._of(SetType.INPUT)

    @input.setter
    def input(self, sets: list[Set]) -> None:
        self._replace(SetType.INPUT, sets)

    @property
    def output(self) -> list[dict[str, Any]]:
        """The specifications of the sets that it gives."""
        return self._of(SetType.OUTPUT)

    @output.setter
    def output(self, sets: list[Set]) -> None:
        self._replace(SetType.OUTPUT, sets)

    def _replace(self, type: SetType, sets: list[Set]) -> None:
        assert isinstance(sets, list), "The sets of a transformation must be a list."
        assert all(one.type == type.value for one in sets), f"The type of each set must be {type.value}."
        self._sets = [one for one in self._sets if one["type"] != type.value]
        self.set_sets(sets)

    def set_sets(self, sets: list[Set]) -> None:
        """Add sets."""
        assert isinstance(sets, list), "The sets of a transformation must be a list."
        for one in sets:
            self.add_set(one)

    def add_set(self, set: Set) -> None:
        """Add a set."""
        assert isinstance(set, Set), "Each set must be a Set."
        self._sets.append(set.get_specification())
