"""Data sets in the graph: collections with the keys of their members, and what made them.

A collection's members are entities: files, and collections in turn. That it contains them says nothing of
causes (Swift's authors on OPM, 2009: a member may go into its collection, or come out of it): those are told
by a `Constructor`, an activity that used the members and generated the collection when it was closed, or by a
`Mapping`, where the files were there before. Both used the mapper, an entity with its parameters, which is
derived from the entities among them.

A data set that has changed since (another member, another content) is a new entity, a revision.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.context import Activity, current, process
from trilha.capture.identity import is_value
from trilha.capture.journal.writer import literal_name
from trilha.capture.mapping.places import condition, is_remote
from trilha.capture.mapping.remote import remote_entity
from trilha.capture.mapping.shapes import Keys, Shape, key_text, keys_text
from trilha.capture.siblings import iri_of
from trilha.capture.values import key_of, text_of, value_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.mapping.sets import File, Origin
    from trilha.capture.recorder import Recorder

__all__ = ["known_elsewhere", "state_container", "state_file"]

_TYPES: Final = {
    name: literal_name(name)
    for name in (
        *("trilha:Dataset", "prov:Collection", "trilha:Mapper", "trilha:Mapping", "trilha:Constructor"),
        "prov:Revision",
    )
}
_lock: Final = threading.RLock()
_MANY: Final = 256
_PATIENCE: Final = 20
"""A closed data set of many files is looked at again after so many times as long as looking took."""
_MAPPER: Final = (None,)
"""Stands for the mapper among the keys of what was stated."""


def state_file(recorder: Recorder, file: File) -> None:
    """Have a file known as the entity that it is now; not, if it is not there."""
    entity = _file(recorder, file.path)
    known = recorder.objects.get(file)
    if entity is not None and (known is None or known.entity != entity):
        recorder.objects.put(file, entity)


def state_container(recorder: Recorder, thing: Any, origin: Origin, keys: Keys) -> None:
    """Have an array or structure known as the collection that it is now."""
    with _lock:
        before = origin.stated.get((recorder.uuid, keys))
        began = time.monotonic()
        if before is not None and origin.closed and began < origin.looked.get(keys, 0.0):
            entity, generation = before.entity, before.generation
        else:
            stating = _Stating(recorder, origin, keys)
            entity, generation = stating.collection(keys)
            stating.end()
            patience = _PATIENCE if len(origin.paths) >= _MANY else 0
            origin.looked[keys] = began + (1 + patience) * (time.monotonic() - began)
    known = recorder.objects.get(thing)
    if known is None or known.entity != entity:
        recorder.objects.put(thing, entity, generation)


def known_elsewhere(origin: Origin) -> dict[Any, Any]:
    """What was stated of a data set in the run that is recorded, with names that all its processes know."""
    recorder = process.recorder
    found: dict[Any, Any] = {}
    for (uuid, keys), made in origin.stated.items():
        if recorder is not None and uuid == recorder.uuid and keys != _MAPPER:
            found[uuid, keys] = _Made((), iri_of(recorder, made.entity), None)
    return found


def _file(recorder: Recorder, path: str) -> int | str | None:
    if is_remote(path):
        return remote_entity(recorder, path)
    return recorder.files.entity_at(os.path.abspath(path))


class _Made(NamedTuple):
    """A collection as it was stated: its members, its entity and the generation."""

    members: tuple[tuple[Any, Any], ...]
    entity: int | str
    generation: int | None


class _Stating:
    """One statement of a data set: all new collections in it are made by one activity."""

    def __init__(self, recorder: Recorder, origin: Origin, keys: Keys) -> None:
        self._recorder = recorder
        self._origin = origin
        self._keys = keys
        self._at = time.time_ns()
        self._maker: Activity | None = None

    def collection(self, keys: Keys) -> tuple[int | str, int | None]:
        """Entity and generation of the collection at `keys`, stated if it is not as it was."""
        origin, recorder = self._origin, self._recorder
        shape = _at(origin.shape, keys)
        members, missing = [], 0
        for key in origin.keys(keys):
            inner = shape.at(key)
            below = (*keys, key)
            entity = (
                _file(recorder, origin.paths[below]) if inner.sort == "file" else self.collection(below)[0]
            )
            missing += entity is None
            members += [(key, entity)] if entity is not None else []
        before: Any = origin.stated.get((recorder.uuid, keys))
        if before is not None and before.members == tuple(members):
            return before.entity, before.generation
        made = self._state(keys, shape, members, missing, before)
        origin.stated[recorder.uuid, keys] = made
        return made.entity, made.generation

    def _state(
        self, keys: Keys, shape: Shape, members: list[tuple[Any, Any]], missing: int, before: _Made | None
    ) -> _Made:
        recorder, maker = self._recorder, self._made_by()
        entity = next(recorder.numbers)
        about = ["prov:type", _TYPES["trilha:Dataset"], "prov:type", _TYPES["prov:Collection"]]
        about += ["prov:label", self._origin.label(keys), "trilha:class", "collection"]
        about += ["trilha:declared", shape.text, "trilha:length", len(members)]
        recorder.entity(entity, *about, *(("trilha:missing", missing) if missing else ()))
        for key, member in members:
            told = ("trilha:key", key_text(key, shape))
            recorder.statement((int(Kind.MEMBERSHIP), None, entity, member, told))
        generation = recorder.generated(entity, maker.identifier, self._at)
        if before is not None:
            recorder.derived(entity, before.entity, None, None, None, "prov:type", _TYPES["prov:Revision"])
        return _Made(tuple(members), entity, generation)

    def _made_by(self) -> Activity:
        """The activity that makes what is new, and that used the mapper and the files."""
        if self._maker is not None:
            return self._maker
        recorder, origin, keys = self._recorder, self._origin, self._keys
        under = {one: path for one, path in origin.paths.items() if one[: len(keys)] == keys}
        there = all(one in origin.found and origin.found[one] == condition(under[one]) for one in under)
        sort = "Mapping" if there else "Constructor"
        label = f"{'map' if sort == 'Mapping' else 'construct'} {origin.label(keys)}"
        mapper = self._mapper()
        maker = self._maker = recorder.begin(
            label, current(recorder), self._at, "prov:type", _TYPES[f"trilha:{sort}"]
        )
        maker.used[mapper] = recorder.used(maker.identifier, mapper, self._at, "prov:role", "mapper")
        for one, path in under.items() if sort == "Constructor" else ():
            entity = _file(recorder, path)
            if entity is not None and entity not in maker.used:
                role = keys_text(one[len(keys) :], _at(origin.shape, keys))
                maker.used[entity] = recorder.used(maker.identifier, entity, self._at, "prov:role", role)
        return maker

    def _mapper(self) -> int | str:
        """The entity of the mapper with its parameters."""
        origin, recorder = self._origin, self._recorder
        known: Any = origin.stated.get((recorder.uuid, _MAPPER))
        if known is not None:
            found: int = known
            return found
        entity = next(recorder.numbers)
        name = type(origin.mapper).__name__
        about: list[Any] = ["prov:type", _TYPES["trilha:Mapper"], "prov:label", f"{name} of {origin.name}"]
        about += ["trilha:class", name, "trilha:declared", origin.shape.text]
        sources: list[int | str] = []
        for parameter, value in _flat(origin.mapper.parameters):
            if is_value(value):
                about += [] if value is None else [key_of("trilha:arg.", parameter), value_of(value)]
            else:
                about += [key_of("trilha:arg.", parameter), text_of(_said(value))]
            source = self._source(parameter, value)
            sources += [] if source is None else [source]
        recorder.entity(entity, *about)
        for source in dict.fromkeys(sources):
            recorder.derived(entity, source)
        origin.stated[recorder.uuid, _MAPPER] = entity
        return entity

    def _source(self, parameter: str, value: Any) -> int | str | None:
        """The entity that a parameter is: an object that was met before, or the file of a table."""
        if parameter == "file" and isinstance(value, (str, os.PathLike)):
            return _file(self._recorder, os.fsdecode(os.fspath(value)))
        known = None if is_value(value) else self._recorder.objects.get(value)
        return known.entity if known is not None else None

    def end(self) -> None:
        """The activity, if there was one, is over."""
        if self._maker is not None:
            self._recorder.end(self._maker, max(self._at, time.time_ns()))


def _at(shape: Shape, keys: Keys) -> Shape:
    for key in keys:
        shape = shape.at(key)
    return shape


def _flat(parameters: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Parameters, those in a dict one by one."""
    for name, value in parameters.items():
        if type(value) is dict:
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _said(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
