"""Data sets, the steps of their preparation, and the parts they are split into.

A transformation is an activity that used the data before it and generated the data after it; a split uses the
whole and generates its parts, of which is told which samples they have (`trilha.capture.learning.indices`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, current
from trilha.capture.identity import Known, describe, is_value, parts_of
from trilha.capture.learning.indices import samples
from trilha.capture.learning.terms import TYPES
from trilha.capture.plans import plan_of
from trilha.capture.steps import use_object
from trilha.capture.values import key_of, python_type, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["label_dataset", "parts", "split", "transformation"]

_MOST_PARTS: Final = 32


def parts(thing: Any, role: str) -> list[tuple[str, Any]]:
    """The objects that a data argument stands for, each with its role: ``(x, y)`` are two."""
    if thing is None or is_value(thing):
        return []
    return (parts_of(thing, role) or [(role, thing)])[:_MOST_PARTS]


def label_dataset(recorder: Recorder, known: Known, *attributes: Any) -> None:
    """State that something known is a data set; `attributes` are keys and values in turn."""
    recorder.entity(known.entity, "prov:type", TYPES["Dataset"], *attributes)


def split(
    recorder: Recorder,
    whole: Iterable[Any],
    subsets: Iterable[tuple[str, Any, int | None, Any]],
    settings: Mapping[str, Any],
    label: str,
    *,
    begun: int | None = None,
) -> Activity:
    """State that data was split.

    Args:
        recorder: of the run.
        whole: the objects that were split, as they were.
        subsets: of each part its name (``"train"``, ``"validation"``, ``"test"``, ``"part 1"``), the object,
            how many samples it has, and their indices; None where these are not known.
        settings: of the split (ratio, seed, stratified by what).
        label: what to call the activity: the function's name.
        begun: when, in nanoseconds since 1970-01-01 UTC.

    Returns:
        The activity, which has ended.
    """
    at = time.time_ns()
    begun = at if begun is None else begun
    activity = recorder.begin(
        label, current(recorder), begun, "prov:type", TYPES["Split"], *_settings(settings)
    )
    usages = [use_object(recorder, activity, thing, begun, "") for thing in whole]
    for part, thing, length, indices in subsets:
        about: list[Any] = ["prov:type", TYPES["Subset"], "prov:type", TYPES["Dataset"], "trilha:part", part]
        if length is not None:
            about += ["trilha:length", length]
        if indices is not None:
            about += samples(indices)
        _generate(recorder, activity, usages, thing, part, at, about)
    recorder.end(activity, at)
    return activity


def transformation(
    recorder: Recorder,
    name: str,
    before: Iterable[Any],
    after: Iterable[Any],
    *,
    order: int | None = None,
    settings: Mapping[str, Any] | None = None,
    by: Any = None,
    begun: int | None = None,
    place: Activity | None = None,
    facts: tuple[Any, ...] = (),
) -> Activity:
    """State one step of preparation.

    Args:
        recorder: of the run.
        name: of the transformation: a class's or a function's.
        before: the objects that it took.
        after: the objects that it gave. One that it changed in place becomes a new version of itself.
        order: its place in its pipeline, from 1.
        settings: what it was made with.
        by: the function, or the object, that did it: a function's source is the plan.
        begun: when, in nanoseconds since 1970-01-01 UTC; now by default.
        place: the activity that it belongs to; the current one by default.
        facts: further attributes of the activity, keys and values in turn.

    Returns:
        The activity, which has ended.
    """
    at = time.time_ns()
    begun = at if begun is None else begun
    about: list[Any] = ["prov:type", TYPES["Transformation"], "trilha:name", name]
    if order is not None:
        about += ["trilha:order", order]
    plan = None
    if by is not None:
        plan = plan_of(recorder, by) if callable(by) else None
        about += ["trilha:class", _dotted(by)]
    enclosing = place if place is not None else current(recorder)
    activity = recorder.begin(name, enclosing, begun, *about, *_settings(settings or {}), *facts)
    if plan is not None:
        recorder.associated(activity.identifier, plan)
    usages = [use_object(recorder, activity, thing, begun, "") for thing in before]
    for thing in after:
        _generate(recorder, activity, usages, thing, f"after {name}", at, ["prov:type", TYPES["Dataset"]])
    recorder.end(activity, at)
    return activity


def _generate(
    recorder: Recorder,
    activity: Activity,
    usages: list[tuple[Known, int]],
    thing: Any,
    label: str,
    at: int,
    about: list[Any],
) -> None:
    entity = next(recorder.numbers)
    types = ("prov:type", TYPES["Object"], "prov:label", label)
    recorder.entity(entity, *types, *describe(thing), *about)
    generation = recorder.generated(entity, activity.identifier, at)
    if not is_value(thing):
        recorder.objects.put(thing, entity, generation)
    for source, usage in usages:
        recorder.derived(entity, source.entity, activity.identifier, generation, usage)


def _settings(settings: Mapping[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name, value in settings.items():
        if value is not None:
            found += [key_of("trilha:arg.", name), value_of(value) if is_value(value) else text_of(value)]
    return found


def _dotted(thing: Any) -> str:
    if isinstance(thing, type) or not hasattr(thing, "__qualname__"):
        return python_type(thing)
    return f"{getattr(thing, '__module__', None) or '?'}.{thing.__qualname__}"
