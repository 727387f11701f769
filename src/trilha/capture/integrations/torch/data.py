"""Data sets of PyTorch: how they were split, and what transforms do to their samples.

A transform is applied to each sample when it is asked for, so there is no moment at which the whole set is
transformed. It is stated when the set is first gone through: one transformation for each transform, in
order, from the set as it is to the set as the model sees it.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity
from trilha.capture.identity import Known, inside
from trilha.capture.learning.data import split
from trilha.capture.learning.indices import fingerprint
from trilha.capture.learning.terms import TYPES
from trilha.capture.plans import plan_of
from trilha.capture.steps import as_it_is, meet
from trilha.capture.values import is_value, key_of, python_type, value_of
from trilha.capture.views import view_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Data"]

_MOST_TRANSFORMS: Final = 64
_MOST_SETTINGS: Final = 16


class Data:
    """The data sets of the program.

    Args:
        recorder: of the run.
        torch: the library.

    Attributes:
        plain: the class of data sets that hand their tensors out as they are.
    """

    def __init__(self, recorder: Recorder, torch: Any) -> None:
        self._recorder = recorder
        self._subset: type = torch.utils.data.Subset
        self.plain: type = torch.utils.data.TensorDataset
        self._dataset: type = torch.utils.data.Dataset
        self._module: type = torch.nn.Module
        self._introduced: weakref.WeakSet[Any] = weakref.WeakSet()
        self._transformed: weakref.WeakKeyDictionary[Any, Known] = weakref.WeakKeyDictionary()

    def met(self, dataset: Any) -> None:
        """A loader hands a data set out: say what it is, if that says more than what it is made of."""
        if type(dataset) is not self.plain or self._recorder.objects.get(dataset) is not None:
            self.introduce(dataset)

    def known(self, thing: Any) -> Known | None:
        """What is known of a data set or tensor: also where it lies in a known array (`torch.from_numpy`)."""
        objects = self._recorder.objects
        found = objects.get(thing)
        if found is None:
            view = view_of(objects, thing)
            known = objects.itself(view.whole) if view is not None else None
            if view is not None and known is not None:
                if view.rows is None or len(view.rows) < len(view.whole):
                    return meet(self._recorder, thing, type(thing).__name__)
                found = as_it_is(self._recorder, view.whole, known, "")
        return found

    def introduce(self, dataset: Any) -> None:
        """State that something is a data set, and which part of another one it is."""
        if not issubclass(type(dataset), self._dataset) or dataset in self._introduced:
            return
        self._introduced.add(dataset)
        recorder = self._recorder
        part = issubclass(type(dataset), self._subset)
        if part:
            self.introduce(dataset.dataset)
        lying = [] if part else self._inside(dataset)
        known = meet(recorder, dataset, type(dataset).__name__)
        about: list[Any] = ["prov:type", TYPES["Dataset"]]
        if part:
            about += ["prov:type", TYPES["Subset"], "trilha:length", len(dataset.indices)]
            about += ["trilha:fingerprint", fingerprint(dataset.indices)]
        recorder.entity(known.entity, *about)
        if part:
            # Split off before the recording began, or by the program itself.
            whole = recorder.objects.get(dataset.dataset)
            if whole is not None and whole.entity != known.entity:
                recorder.derived(known.entity, whole.entity)
        sources = map(self.known, lying)
        for entity in {source.entity: None for source in sources if source is not None}:
            recorder.derived(known.entity, entity)

    def _inside(self, dataset: Any) -> list[Any]:
        """What a data set holds that it is not derived from when it is met."""
        if type(dataset) is self.plain:
            return list(vars(dataset).get("tensors", ()))
        objects, held = self._recorder.objects, inside(dataset)
        return held if objects.get(dataset) is not None else [one for one in held if objects.get(one) is None]

    def was_split(self, dataset: Any, subsets: list[Any], settings: dict[str, Any], begun: int) -> None:
        """`random_split` shared a data set out."""
        self.introduce(dataset)
        told = [
            (f"part {number}", subset, len(subset.indices), subset.indices)
            for number, subset in enumerate(subsets, 1)
        ]
        split(self._recorder, [dataset], told, settings, "random_split", begun=begun)
        self._introduced.update(subsets)

    # -- transforms

    def has_transforms(self, dataset: Any) -> bool:
        """Whether a data set hands its samples out transformed, as far as that is known."""
        if type(dataset) is self.plain:
            return False
        dataset = self._whole(dataset)
        return type(dataset) is not self.plain and bool(self._steps_of(dataset))

    def _whole(self, dataset: Any) -> Any:
        """What a part of a data set is a part of; the data set itself if it is none."""
        for _ in range(8):
            if not issubclass(type(dataset), self._subset):
                break
            dataset = dataset.dataset
        return dataset

    def transformed(self, dataset: Any, at: int, place: Activity) -> Known | None:
        """What a data set is as its transforms hand it out; None if it has none that are known.

        Args:
            dataset: that is gone through.
            at: when that began, nanoseconds since 1970-01-01 UTC.
            place: the activity that goes through it.
        """
        dataset = self._whole(dataset)
        if not issubclass(type(dataset), self._dataset):
            return None
        known = self._transformed.get(dataset)
        if known is None:
            steps = self._steps_of(dataset)
            if not steps:
                return None
            known = self._transformed[dataset] = self._state(dataset, steps, at, place)
        return known

    def _steps_of(self, dataset: Any) -> list[tuple[str, Any]]:
        """The transforms of a data set: what each is applied to (the sample or the target), and itself."""
        attributes = getattr(dataset, "__dict__", {})
        steps: list[tuple[str, Any]] = []
        for name, what in (("transform", "sample"), ("target_transform", "target")):
            found = attributes.get(name)
            if found is not None and callable(found):
                steps += [(what, one) for one in self._opened(found)]
        return steps[:_MOST_TRANSFORMS]

    def _opened(self, transform: Any) -> list[Any]:
        """What a composition applies, one after the other; anything else is one step."""
        inside = getattr(transform, "__dict__", {}).get("transforms")
        if isinstance(inside, (list, tuple)) and inside and all(map(callable, inside)):
            return [one for part in inside for one in self._opened(part)]
        if issubclass(type(transform), self._module) and type(transform).__name__ == "Sequential":
            return [one for part in transform.children() for one in self._opened(part)]
        return [transform]

    def _state(self, dataset: Any, steps: list[tuple[str, Any]], at: int, place: Activity) -> Known:
        recorder = self._recorder
        known = meet(recorder, dataset, type(dataset).__name__)
        for order, (what, transform) in enumerate(steps, 1):
            name = getattr(transform, "__name__", None) or type(transform).__name__
            about: list[Any] = ["prov:type", TYPES["Transformation"], "trilha:name", str(name)]
            about += [
                "trilha:order",
                order,
                "trilha:class",
                python_type(transform),
                "trilha:applies_to",
                what,
            ]
            activity = recorder.begin(str(name), place, at, *about, *_made_with(transform))
            plan = plan_of(recorder, transform)
            if plan is not None:
                recorder.associated(activity.identifier, plan)
            usage = recorder.used(activity.identifier, known.entity, at)
            entity = next(recorder.numbers)
            label = f"{type(dataset).__name__} after {name}"
            types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Dataset"])
            recorder.entity(entity, *types, "prov:label", label)
            generation = recorder.generated(entity, activity.identifier, at)
            recorder.derived(entity, known.entity, activity.identifier, generation, usage)
            recorder.end(activity, time.time_ns())
            known = Known(entity, None, None)
            known.generation = generation
        return known


def _made_with(transform: Any) -> list[Any]:
    """The plain values that a transform keeps (a mean, a size, a probability)."""
    found: list[Any] = []
    for name, value in list(getattr(transform, "__dict__", {}).items())[:_MOST_SETTINGS]:
        if not name.startswith("_") and name != "training" and value is not None and is_value(value):
            found += [key_of("trilha:arg.", name), value_of(value)]
    return found
