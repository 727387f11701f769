"""What is known of data by where it came from: its part of a split, and the model that predicted it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Lineage", "lineage_of"]


class Lineage:
    """Parts and predictions of one run, by their entities.

    Args:
        recorder: of the run.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._objects = recorder.objects
        self._parts: dict[int | str, str] = {}
        self._models: dict[int | str, int | str] = {}

    def is_part(self, entity: int | str, part: str) -> None:
        """An entity is a part of a split: ``"train"``, ``"test"``, …"""
        self._parts[entity] = part

    def passes_on(self, sources: Iterable[int | str], entity: int | str) -> None:
        """What was transformed belongs to the part that it was transformed from, where that is but one."""
        found = {self._parts[source] for source in sources if source in self._parts}
        if len(found) == 1:
            self._parts[entity] = found.pop()

    def part_of(self, thing: Any) -> str:
        """The part that data belongs to; empty if that is not known."""
        known = self._objects.get(thing)
        return self._parts.get(known.entity, "") if known is not None else ""

    def predicted(self, thing: Any, model: int | str) -> None:
        """A version of a model gave these predictions."""
        known = self._objects.get(thing)
        if known is not None:
            self._models[known.entity] = model

    def model_of(self, thing: Any) -> int | str | None:
        """The version of a model that gave predictions; None if that is not known."""
        known = self._objects.get(thing)
        return self._models.get(known.entity) if known is not None else None


_lineages: WeakKeyDictionary[Any, Lineage] = WeakKeyDictionary()


def lineage_of(recorder: Recorder) -> Lineage:
    """What is known in one run."""
    found = _lineages.get(recorder)
    if found is None:
        found = _lineages[recorder] = Lineage(recorder)
    return found
