"""Objects in files: what a file holds that a library wrote, and what an object is that it read.

A file that is written from an object that is known was derived from that; of an object that nobody has met
nothing is said. What is read is derived from its file, but that is stated only when the object is met, since
a program may read ten thousand files and hand on none (`trilha.capture.identity.Expected`).

A file's entity is told by the descriptor, or by the path at the moment when the library is done with it,
never by a name alone.
"""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, current
from trilha.capture.identity import Known, columns_of, describe, parts_of, within
from trilha.capture.interrupts import pass_on
from trilha.capture.learning.terms import TYPES
from trilha.capture.places import importing, path_text, status_of
from trilha.capture.steps import as_it_is, meet
from trilha.capture.values import is_value, python_type
from trilha.capture.views import owner_of, view_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Read", "gave", "knows", "savers", "wrote"]

_MOST_HELD: Final = 64
_STRUCTURES: Final = frozenset([dict, list, tuple])
_fstat = os.fstat

savers: Final[list[tuple[Callable[[Any], bool], Callable[[Recorder, Any, str], None]]]] = []
"""Of integrations: which objects are of a kind of theirs (models, which change in ways that only they can
tell), and what states that such a one was written to a path."""
knows: Final[list[Callable[[Any], tuple[Any, ...]]]] = []
"""Of integrations: each gives what is to be said of an object that was read, attribute keys and values in
turn; none where it is of no kind of theirs."""


# -- writing


def wrote(recorder: Recorder, thing: Any, target: Any, began: int) -> None:
    """State what a file holds that a library has written.

    Args:
        recorder: of the run.
        thing: that was written.
        target: the path or file object that it was written to; whatever else is no file.
        began: when, in nanoseconds since 1970-01-01 UTC.
    """
    if is_value(thing):
        return
    place = _place_of(target)
    if place is None:
        return
    for is_theirs, saved in savers:
        if is_theirs(thing):
            if isinstance(target, io.IOBase):
                target.flush()
            saved(recorder, thing, _absolute(place[0]))
            return
    recorder.bring_up_to_date(thing)
    sources = _known_in(recorder, thing)
    if not sources:
        return
    activity = current(recorder)
    for entity in sources:
        if entity not in activity.used:
            activity.used[entity] = recorder.used(activity.identifier, entity, began)
    usages = {entity: activity.used[entity] for entity in sources}
    recorder.files.filled(_absolute(place[0]), activity, began, usages)


def _known_in(recorder: Recorder, thing: Any) -> list[int | str]:
    """The entities that are written where `thing` is: itself, what it is a view of, or what it holds."""
    objects = recorder.objects
    known = objects.itself(thing)
    if known is not None:
        return [as_it_is(recorder, thing, known, "").entity]
    parts = within(thing)
    if not parts:
        view = view_of(objects, thing)
        if view is not None and view.known is not None:
            return [meet(recorder, thing, python_type(thing).rpartition(".")[2]).entity]
    found: dict[int | str, None] = {}
    for part in parts[:_MOST_HELD]:
        known = objects.itself(part)
        if known is not None:
            found[as_it_is(recorder, part, known, "").entity] = None
    return list(found)


# -- reading


class Read:
    """What was read from a file, until somebody asks what it is.

    Args:
        recorder: of the run.
        thing: that was read.
        file: entity of the file.
        path: of the file, and which part of it; empty for all.
        activity: that read it.
        at: when, in nanoseconds since 1970-01-01 UTC.
    """

    __slots__ = ("_at", "_facts", "_kind", "_known", "_path", "_recorder", "activity", "file")

    def __init__(
        self, recorder: Recorder, thing: Any, file: int, path: tuple[Any, str], activity: Activity, at: int
    ) -> None:
        self._recorder = recorder
        self._kind = type(thing)
        self._facts = describe(thing) if type(thing) in _STRUCTURES else ()
        self._path = path
        self._at = at
        self._known: Known | None = None
        self.file = file
        self.activity = activity

    def arrives(self, thing: Any) -> Known:
        """State that it was made of the file; all that it is known by is one entity."""
        recorder = self._recorder
        if self._known is not None:
            return recorder.objects.put(thing, self._known.entity, self._known.generation)
        entity = next(recorder.numbers)
        path, part = self._path
        label = f"{self._kind.__qualname__} of {os.path.basename(path_text(os.fsdecode(path)))}{part}"
        facts = self._facts or (describe(thing) if type(thing) is self._kind else ())
        more = [one for know in knows for one in know(thing)]
        recorder.entity(entity, "prov:type", TYPES["Object"], "prov:label", label, *facts, *more)
        generation = recorder.generated(entity, self.activity.identifier, self._at)
        self.became(entity, generation)
        self._known = recorder.objects.put(thing, entity, generation)
        return self._known

    def describe(self, thing: Any) -> None:
        """Have it described as it is now, whatever it is known by when it is met."""
        self._facts = describe(thing)

    def became(self, entity: int, generation: int) -> None:
        """State that the activity made `entity` of the file."""
        recorder, activity = self._recorder, self.activity
        usage = activity.used.get(self.file)
        if usage is None:
            usage = activity.used[self.file] = recorder.used(activity.identifier, self.file, self._at)
        recorder.derived(entity, self.file, activity.identifier, generation, usage)


def gave(recorder: Recorder, thing: Any, source: Any, part: str = "", *, whole: bool = False) -> None:
    """Expect an object that a library has read.

    Args:
        recorder: of the run.
        thing: that was read.
        source: the path or file object that it was read from; whatever else is no file.
        part: which part of the file it is.
        whole: a structure is one object, as the state of a model is; else each part is one of its own.
    """
    if is_value(thing):
        return
    place = _place_of(source)
    if place is None:
        return
    path, status = place
    activity, at = current(recorder), time.time_ns()
    files = recorder.files
    file = files.met(status)
    if file is None:
        # What Python opened and the record lacks was left out: what a library reads when it is imported.
        if not isinstance(source, (str, os.PathLike)) or importing():
            return
        file = files.read(_absolute(path), activity, at)
        if file is None:
            return
    for inner, one in (None if whole else parts_of(thing, part)) or [(part, thing)]:
        _expect(recorder, one, Read(recorder, one, file, (path, inner), activity, at))


def _expect(recorder: Recorder, thing: Any, read: Read) -> None:
    objects = recorder.objects
    before = objects.expected(thing)
    if isinstance(before, Read) and before.file == read.file:
        return  # One function of a library has called another.
    for one in within(thing) or (thing, *columns_of(thing)):
        objects.expect(one, read)
    # NumPy gives its own array another shape: a view that the program takes then is one of that.
    owner = owner_of(thing)
    if owner is not None:
        read.describe(thing)
        objects.expect(owner, read)


# -- files


def _place_of(target: Any) -> tuple[str | bytes, os.stat_result] | None:
    """The path of a regular file that was read or written, and its status; None if it is none."""
    if isinstance(target, (str, os.PathLike)):
        path: Any = os.fspath(target)
        status = status_of(path)
    else:
        path, status = _path_of_open(target)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    return path, status


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))


def _path_of_open(target: Any) -> tuple[Any, os.stat_result | None]:
    """The path of a file object, as far as that is where the file still is, and its status."""
    # What `tempfile` gives has the file object in it.
    file = getattr(target, "file", None) if type(target).__module__ == "tempfile" else target
    if not isinstance(file, io.IOBase):
        return None, None
    try:
        status = _fstat(file.fileno())
        path = getattr(file, "name", None)
    except (OSError, ValueError):
        pass_on()
        return None, None
    if not isinstance(path, (str, bytes)):
        return None, None
    there = status_of(os.fsdecode(path))
    if there is None or (there.st_dev, there.st_ino) != (status.st_dev, status.st_ino):
        return None, None
    return path, there
