"""Calls that an engine sends to a worker in one piece, as `map` does (``chunksize``): one task.

The worker gives back a list, one result for each call. The program never sees that list, but its members. So
these are what is known afterwards, each derived from the arguments of its own call alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.callees import brought_by, unbound
from trilha.capture.context import process
from trilha.capture.handed import Handed
from trilha.capture.identity import describe
from trilha.capture.journal.writer import literal_name
from trilha.capture.values import is_value
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Piece"]

_OBJECT: Final = literal_name("trilha:Object")
_COLLECTION: Final = literal_name("prov:Collection")
_MEMBERSHIP: Final = int(Kind.MEMBERSHIP)
_MOST_RESULTS: Final = 256
_PAIRS: Final = 64


class Piece(Handed):
    """Some calls of one function, handed over in one piece.

    Args:
        recorder: of the run.
        engine: that they are handed to: the executor's class or library.
        function: that is called.
        calls: the arguments of each call.
    """

    __slots__ = ("_used_by",)

    def __init__(
        self, recorder: Recorder, engine: str, function: Callable[..., Any], calls: Sequence[Sequence[Any]]
    ) -> None:
        if len(calls) == 1:
            super().__init__(recorder, engine, function, calls[0], {})
        else:
            super().__init__(recorder, engine, function, (), {}, calls=calls)
        inner, bound, named = unbound(function, (), {})
        shared = (*bound, *named.values(), *brought_by(inner).values())
        self._used_by = [self._usages_of((*shared, *call)) for call in calls] if len(calls) > 1 else [{}]

    def _usages_of(self, call: Sequence[Any]) -> dict[int | str, int]:
        """The entities that are arguments of `call`, each with its usage."""
        usages, objects = self._taken(), self.recorder.objects
        if not usages:
            return {}
        found: dict[int | str, int] = {}
        for thing in call:
            if not is_value(thing):
                for _, part in objects.given(thing, ""):
                    known = objects.get(part)
                    if known is not None and known.entity in usages:
                        found[known.entity] = usages[known.entity]
        return found

    def gave(self, result: Any) -> None:
        """The calls gave `result`: a list, one result for each."""
        calls = len(self._used_by)
        if type(result) is list and len(result) == calls:
            if calls == 1:
                result = result[0]
            elif not self.over and process.recorder is self.recorder:
                try:
                    self._gave_each(result)
                except Exception:
                    self.recorder.failed()
        super().gave(result)

    def _gave_each(self, results: list[Any]) -> None:
        """State the results that have an identity, as members of the list."""
        recorder, objects = self.recorder, self.recorder.objects
        at = time.time_ns()
        recorder.entity(self.result, "prov:type", _COLLECTION)
        for place, result in enumerate(results[:_MOST_RESULTS]):
            if is_value(result):
                continue
            known = objects.get(result)
            entity = next(recorder.numbers) if known is None else known.entity
            recorder.statement((_MEMBERSHIP, None, self.result, entity, ("trilha:key", f"[{place}]")))
            if known is not None:
                continue  # It gave back what was there already.
            about = ("prov:type", _OBJECT, "prov:label", f"{self.label}()[{place}]")
            recorder.entity(entity, *about, *describe(result))
            generation = recorder.generated(entity, self.identifier, at)
            objects.put(result, entity, generation)
            for source, usage in list(self._used_by[place].items())[:_PAIRS]:
                recorder.derived(entity, source, self.identifier, generation, usage)
