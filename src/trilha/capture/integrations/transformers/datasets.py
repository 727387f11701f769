"""The data sets of a trainer of Transformers.

They may be lists, which nothing notices the end of. So a list is known for as long as the trainer is there
that it was given to, which holds it anyway.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.identity import Known
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet, use_object
from trilha.capture.values import is_value

if TYPE_CHECKING:
    from trilha.capture.context import Activity
    from trilha.capture.recorder import Recorder

__all__ = ["each", "opened", "state_dataset", "use_dataset", "use_loader"]

_lists: Final[weakref.WeakKeyDictionary[Any, dict[int, tuple[Any, Known, str]]]] = weakref.WeakKeyDictionary()


def each(data: Any) -> list[Any]:
    """The data sets in a dict of some, or the one."""
    return list(data.values()) if type(data) is dict else [] if data is None else [data]


def opened(loader: Any) -> Any:
    """The loader of PyTorch's that one of Accelerate's hands on from."""
    return getattr(loader, "base_dataloader", loader)


def state_dataset(recorder: Recorder, trainer: Any, dataset: Any) -> Known | None:
    """State what a data set is that no loader of PyTorch's tells; gives what is known of it."""
    if dataset is None or is_value(dataset):
        return None
    entry = _lists.get(trainer, {}).get(id(dataset))
    if entry is not None and entry[2] == recorder.uuid:
        return entry[1]
    known = meet(recorder, dataset, type(dataset).__name__)
    about: list[Any] = ["prov:type", TYPES["Dataset"]]
    if hasattr(type(dataset), "__len__") and not isinstance(dataset, (list, tuple)):  # which say so anyway
        about += ["trilha:length", len(dataset)]
    if type(dataset).__module__.startswith("datasets."):
        about += ["trilha:columns", ", ".join(map(str, getattr(dataset, "column_names", None) or ()))]
        mark = getattr(dataset, "_fingerprint", None)
        if isinstance(mark, str):
            about += ["trilha:datasets_fingerprint", mark]
    recorder.entity(known.entity, *about)
    if recorder.objects.get(dataset) is None and _holds(trainer, dataset):
        _lists.setdefault(trainer, {})[id(dataset)] = dataset, known, recorder.uuid
    return known


def _holds(trainer: Any, dataset: Any) -> bool:
    """Whether a trainer keeps a data set anyway."""
    return any(dataset is one for one in (trainer.train_dataset, *each(trainer.eval_dataset)))


def use_dataset(
    recorder: Recorder, trainer: Any, activity: Activity, dataset: Any, at: int, role: str
) -> None:
    """State that an activity uses a data set."""
    known = state_dataset(recorder, trainer, dataset)
    if known is not None and known.entity not in activity.used:
        usage = recorder.used(activity.identifier, known.entity, at, "prov:role", role)
        activity.used[known.entity] = usage


def use_loader(
    recorder: Recorder, trainer: Any, activity: Activity, loader: Any, at: int, role: str
) -> tuple[Known, int]:
    """State that an activity uses a data set by its loader; gives what is known of that, and the usage.

    PyTorch's integration says what the loader is. It is derived from the data set that it hands out.
    """
    dataset = getattr(loader, "dataset", None)
    source = state_dataset(recorder, trainer, dataset)
    fresh = recorder.objects.get(loader) is None
    known = meet(recorder, loader, "data loader")
    if fresh and source is not None and recorder.objects.get(dataset) is None:
        recorder.derived(known.entity, source.entity)
    return use_object(recorder, activity, loader, at, role)
