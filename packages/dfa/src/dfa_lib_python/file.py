"""A file."""

from __future__ import annotations

from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["File"]


class File(ProvenanceObject):
    """A file, by folder and name.

    Args:
        path: of its folder.
        name: in it.
    """

    def __init__(self, path: str, name: str) -> None:
        super().__init__(name)
        self._path = path
        self._name = name
