"""The tasks that a task depends on."""

from __future__ import annotations

from typing import Any

from dfa_lib_python.ProvenanceObject import ProvenanceObject

__all__ = ["Dependency"]


class Dependency(ProvenanceObject):
    """Tasks, by the tags of their transformations and by their numbers.

    Args:
        tags: of the transformations.
        ids: of the tasks.
    """

    def __init__(self, tags: list[str], ids: list[Any]) -> None:
        super().__init__("")
        self.tags = tags
        self.ids = ids

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags, each as ``{"tag": …}``."""
        return self._tags

    @tags.setter
    def tags(self, tags: list[str]) -> None:
        assert isinstance(tags, list), "The tags of a dependency must be a list."
        self._tags = [{"tag": tag} for tag in tags]

    @property
    def ids(self) -> list[dict[str, Any]]:
        """The numbers, each as ``{"id": …}``."""
        return self._ids

    @ids.setter
    def ids(self, ids: list[Any]) -> None:
        assert isinstance(ids, list), "The ids of a dependency must be a list."
        self._ids = [{"id": one} for one in ids]
