"""Files of object stores: entities by their URIs, and versions as far as the store tells them.

Nothing is asked of a network for the sake of recording: what a store told when the program opened an object
is taken down, and nothing else.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from trilha.capture.active import active
from trilha.capture.context import current
from trilha.capture.journal.writer import literal_name

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["opened", "remote_entity", "written"]

_FILE: Final = literal_name("trilha:File")
_TOLD: Final = {
    "ETag": "etag",
    "etag": "etag",
    "size": "size",
    "VersionId": "version",
    "generation": "version",
}
_known: Final[WeakKeyDictionary[Any, dict[str, tuple[dict[str, Any], int]]]] = WeakKeyDictionary()


def remote_entity(
    recorder: Recorder, uri: str, told: dict[str, Any] | None = None, *, new: bool = False
) -> int:
    """The entity of an object; a new one if it is `new`, or if the store tells of another version."""
    objects = _known.setdefault(recorder, {})
    facts, entity = objects.get(uri, (None, 0))
    told = told or {}
    if facts is None or new or any(facts.get(name, value) != value for name, value in told.items()):
        entity = next(recorder.numbers)
        label = uri.rstrip("/").rpartition("/")[2] or uri
        recorder.entity(
            entity, "prov:type", _FILE, "prov:label", label, "trilha:uri", uri, "trilha:path", uri
        )
        facts = {}
    more = {name: value for name, value in told.items() if name not in facts}
    if more:
        recorder.entity(entity, *(cell for name, value in more.items() for cell in (f"trilha:{name}", value)))
    objects[uri] = ({**facts, **more}, entity)
    return entity


def opened(uri: str, details: Any) -> None:
    """The program has opened an object to read it; `details` is what the store told of it, if it did."""
    recorder = active()
    if recorder is None:
        return
    try:
        told = {}
        for name, value in (details if isinstance(details, dict) else {}).items():
            if name in _TOLD and isinstance(value, (int, str)):
                told[_TOLD[name]] = value
        activity = current(recorder)
        entity = remote_entity(recorder, uri, told)
        if entity not in activity.used:
            activity.used[entity] = recorder.used(activity.identifier, entity, time.time_ns())
    except Exception:
        recorder.failed()


def written(uri: str) -> None:
    """The program has written an object, and closed it."""
    recorder = active()
    if recorder is None:
        return
    try:
        activity = current(recorder)
        entity = remote_entity(recorder, uri, new=True)
        recorder.generated(entity, activity.identifier, time.time_ns())
    except Exception:
        recorder.failed()
