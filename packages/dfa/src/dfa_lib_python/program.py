"""A program that carries out a transformation."""

from __future__ import annotations

from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["Program"]


class Program(ProvenanceObject):
    """A program.

    Args:
        name: of the program.
        path: where it is.
    """

    def __init__(self, name: str, path: str) -> None:
        super().__init__("")
        assert isinstance(name, str), "The name of a program must be a text."
        assert isinstance(path, str), "The path of a program must be a text."
        self._path = path
        self._name = name

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def path(self) -> str:
        """Where it is."""
        return self._path
