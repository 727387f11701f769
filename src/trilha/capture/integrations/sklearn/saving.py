"""Estimators in files: `joblib` and `pickle`, which scikit-learn's documentation recommends for it.

A file is a checkpoint of the model's version that it holds; what is loaded is derived from its file. What is
no estimator is left alone.
"""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING, Any

from trilha.capture.context import current, process
from trilha.capture.identity import describe
from trilha.capture.integrations.sklearn.facts import is_estimator, learnt
from trilha.capture.learning.fit import checkpoint, guarded
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["dumping", "loading"]


def dumping(dump: Any, *, path: bool) -> Any:
    """A `dump` in the place of `dump`, which is recorded.

    Args:
        dump: ``joblib.dump`` or ``pickle.dump``.
        path: whether the target may be a path; else it is a file object.
    """

    @functools.wraps(dump)
    def dump_and_record(*args: Any, **kwargs: Any) -> Any:
        result = dump(*args, **kwargs)
        recorder = process.recorder
        if recorder is not None:
            thing = args[0] if args else kwargs.get("value", kwargs.get("obj"))
            target = args[1] if len(args) > 1 else kwargs.get("filename", kwargs.get("file"))
            guarded(recorder, _dumped, recorder, thing, target, path)
        return result

    return dump_and_record


def loading(load: Any, *, path: bool) -> Any:
    """A `load` in the place of `load`, which is recorded."""

    @functools.wraps(load)
    def load_and_record(*args: Any, **kwargs: Any) -> Any:
        result = load(*args, **kwargs)
        recorder = process.recorder
        if recorder is not None:
            source = args[0] if args else kwargs.get("filename", kwargs.get("file"))
            guarded(recorder, _loaded, recorder, result, source, path)
        return result

    return load_and_record


def _dumped(recorder: Recorder, thing: Any, target: Any, path: bool) -> None:
    place = _place(target, path)
    if place is None or not is_estimator(thing):
        return
    if hasattr(target, "flush"):
        target.flush()
    known = meet(recorder, thing, type(thing).__name__)
    recorder.entity(known.entity, "prov:type", TYPES["Model"])
    checkpoint(recorder, current(recorder), thing, place)


def _loaded(recorder: Recorder, thing: Any, source: Any, path: bool) -> None:
    place = _place(source, path)
    if place is None or not is_estimator(thing):
        return
    activity, at = current(recorder), time.time_ns()
    file = recorder.files.read(place, activity, at)
    if file is None:
        return
    entity = next(recorder.numbers)
    label = f"{type(thing).__name__} of {os.path.basename(place)}"
    types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Model"], "prov:label", label)
    recorder.entity(entity, *types, *describe(thing), *learnt(thing))
    generation = recorder.generated(entity, activity.identifier, at)
    recorder.objects.put(thing, entity, generation)
    recorder.derived(entity, file, activity.identifier, generation, activity.used[file])


def _place(target: Any, path: bool) -> str | None:
    """The absolute path of a file that is written or read; None if it is none."""
    if path and isinstance(target, (str, os.PathLike)):
        return os.path.abspath(os.fsdecode(os.fspath(target)))
    name = getattr(target, "name", None)
    return os.path.abspath(name) if isinstance(name, str) and os.path.isfile(name) else None
