"""An actor's state, in the process that has it: versions of one entity.

Each call of a method uses the version that is there when it begins. One that changed the state, as far as
that can be told (`trilha.capture.tokens`), made the next version. Where calls overlap, nobody knows which of
them made it: then it is derived from the one before, and made by none.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity
from trilha.capture.identity import describe
from trilha.capture.integrations.ray.names import Names
from trilha.capture.journal.writer import literal_name
from trilha.capture.tokens import token

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Actor"]

_OBJECT: Final = literal_name("trilha:Object")
_ACTOR: Final = literal_name("trilha:Actor")
_REVISION: Final = literal_name("prov:Revision")
_actors: Final[dict[tuple[int, str], Actor]] = {}
"""Those of this process, which Ray keeps for as long as it lives."""


class Actor:
    """An actor of this process.

    Args:
        known: names of the session.
        digits: Ray's identifier of it.
        instance: of the program's class.
    """

    __slots__ = ("_calls", "_entity", "_instance", "_iri", "_label", "_overlap", "_recorder", "_token")

    def __init__(self, known: Names, digits: str, instance: Any) -> None:
        self._recorder: Recorder = known.recorder
        self._iri = known.actor(digits)
        self._instance = instance
        self._label = type(instance).__qualname__.rpartition(".")[2]
        self._entity: int | str | None = None
        self._token: object = None
        self._calls = 0
        self._overlap = False

    @classmethod
    def of(cls, known: Names, digits: str, instance: Any) -> Actor:
        """The actor with this identifier."""
        key = (id(known), digits)
        actor = _actors.get(key)
        if actor is None:
            actor = _actors[key] = cls(known, digits, instance)
        return actor

    def begins(self, attempt: Activity) -> None:
        """A call of a method begins, as `attempt`."""
        self._calls += 1
        self._overlap = self._calls > 1
        if self._entity is None:
            return  # it is about to be made, or was made before the run began
        self._recorder.bring_up_to_date(self._instance)
        attempt.used[self._entity] = self._recorder.used(
            attempt.identifier, self._entity, time.time_ns(), "prov:role", "self"
        )

    def ends(self, attempt: Activity, method: str) -> None:
        """A call is over, whether it succeeded or not."""
        self._calls -= 1
        if method == "__init__":
            self._state_version(attempt, self._label)
        elif self._entity is not None:
            now = token(self._instance)
            if now != self._token:
                self._state_version(None if self._overlap else attempt, f"{self._label} after {method}", now)
        if not self._calls:
            self._overlap = False

    def _state_version(self, attempt: Activity | None, label: str, now: object = None) -> None:
        """State the version that is there now, made by `attempt` if that is known."""
        recorder, before = self._recorder, self._entity
        if before is None:
            recorder.entity(self._iri, "prov:type", _OBJECT, "prov:type", _ACTOR, "prov:label", self._label)
        self._entity = entity = next(recorder.numbers)
        self._token = token(self._instance) if now is None else now
        recorder.entity(entity, "prov:type", _OBJECT, "prov:label", label, *describe(self._instance))
        recorder.specialized(entity, self._iri)
        generation = None
        if attempt is not None:
            generation = recorder.generated(entity, attempt.identifier, time.time_ns())
            for source, usage in list(attempt.used.items()):
                kind = ("prov:type", _REVISION) if source == before else ()
                recorder.derived(entity, source, attempt.identifier, generation, usage, *kind)
        elif before is not None:
            recorder.derived(entity, before, None, None, None, "prov:type", _REVISION)
        recorder.objects.put(self._instance, entity, generation)
