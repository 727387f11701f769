"""An evaluation, or a prediction, while it goes on; and which activity a framework is in.

`trilha.capture.learning.fit.evaluation` states one that is over. Where a framework tells of its begin and its
end, what is opened and gone through in between belongs to it: it is the current activity meanwhile.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trilha.capture import metrics
from trilha.capture.context import Activity, current, current_activity
from trilha.capture.identity import describe
from trilha.capture.learning.data import parts
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet, use_object

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Evaluating", "Place", "is_evaluating", "state_predictions"]

_going_on: weakref.WeakSet[Evaluating] = weakref.WeakSet()


def is_evaluating(recorder: Recorder) -> bool:
    """Whether a framework evaluates, or predicts, now."""
    return any(one.recorder is recorder for one in list(_going_on))


class Place:
    """Where a framework is: makes activities the current one, until it is left.

    A framework begins and ends its stages in callbacks of its own, so that no ``with`` is around them.
    """

    def __init__(self) -> None:
        self._outside = current_activity.get()
        self._entered: Activity | None = None

    def enter(self, activity: Activity) -> None:
        """Be in `activity`, and no longer in the one entered before."""
        self._entered = activity
        current_activity.set(activity)

    def leave(self) -> None:
        """Be where it began, unless the program has gone elsewhere meanwhile."""
        if self._entered is not None and current_activity.get() is self._entered:
            current_activity.set(self._outside)
        self._entered = None


class Evaluating:
    """An evaluation, or a prediction, that goes on.

    Args:
        recorder: of the run.
        framework: ``"lightning"``, ``"transformers"``, …
        label: what to call it.
        part: ``"test"``, ``"validation"`` or ``"train"``, where that is known.
        measures: whether it measures the model: a prediction does not.
    """

    def __init__(
        self,
        recorder: Recorder,
        framework: str,
        *,
        label: str = "evaluation",
        part: str = "",
        measures: bool = True,
    ) -> None:
        at = time.time_ns()
        about: list[Any] = ["prov:type", TYPES["Evaluation" if measures else "Inference"]]
        about += ["trilha:framework", framework]
        if part:
            about += ["trilha:part", part]
        self.recorder = recorder
        self.activity = recorder.begin(label, current(recorder), at, *about)
        self._sources: dict[int | str, int] = {}
        self._role = "evaluation data" if measures else "data"
        _going_on.add(self)

    def model(self, model: Any) -> None:
        """It uses a model, as that is now."""
        recorder, at = self.recorder, time.time_ns()
        meet(recorder, model, type(model).__name__)
        known, usage = use_object(recorder, self.activity, model, at, "model")
        recorder.entity(known.entity, "prov:type", TYPES["Model"])
        self._sources[known.entity] = usage

    def data(self, thing: Any) -> None:
        """It goes through data: a loader, a data set, or a structure of such."""
        at = time.time_ns()
        for path, part in parts(thing, self._role):
            meet(self.recorder, part, path)
            known, usage = use_object(self.recorder, self.activity, part, at, self._role)
            self.recorder.entity(known.entity, "prov:type", TYPES["Dataset"])
            self._sources[known.entity] = usage

    def gave(self, thing: Any, label: str = "predictions") -> None:
        """It gave `thing`: an array, or a structure of such. That is derived from the model and the data."""
        state_predictions(self.recorder, self.activity, self._sources, thing, time.time_ns(), label)

    def end(self, values: Mapping[str, Any], error: BaseException | None = None) -> None:
        """It is over, with these metrics; or `error` ended it."""
        _going_on.discard(self)
        if values:
            metrics.log(self.recorder, self.activity, tuple(values), tuple(values.values()))
        about = ("trilha:exception", type(error).__qualname__) if error is not None else ()
        self.recorder.end(self.activity, time.time_ns(), *about)


def state_predictions(
    recorder: Recorder,
    activity: Activity,
    sources: Mapping[int | str, int],
    thing: Any,
    at: int,
    label: str = "predictions",
) -> None:
    """State what a model gave. The activity around used it, since that is where it was handed to.

    Args:
        recorder: of the run.
        activity: in which the model was called.
        sources: the entities that it is derived from, each with its usage.
        thing: an array, or a structure of such.
        at: when, in nanoseconds since 1970-01-01 UTC.
        label: what to call it.
    """
    around = activity.enclosing
    for path, part in parts(thing, label):
        known = recorder.objects.get(part)
        if known is not None and known.entity in sources:
            continue  # handed through
        entity = next(recorder.numbers)
        recorder.entity(entity, "prov:type", TYPES["Object"], "prov:label", path, *describe(part))
        generation = recorder.generated(entity, activity.identifier, at)
        recorder.objects.put(part, entity, generation)
        for source, usage in sources.items():
            recorder.derived(entity, source, activity.identifier, generation, usage)
        if around is not None:
            around.used[entity] = recorder.used(around.identifier, entity, at, "prov:role", label)
