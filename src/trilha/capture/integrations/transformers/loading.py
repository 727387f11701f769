"""Models that come from files, and texts that become numbers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.identity import describe
from trilha.capture.learning.data import transformation
from trilha.capture.learning.fit import next_version
from trilha.capture.learning.terms import TYPES
from trilha.capture.values import is_value

if TYPE_CHECKING:
    from trilha.capture.context import Activity
    from trilha.capture.recorder import Recorder

__all__ = ["model_from_files", "tokenised"]

_SETTINGS: Final = ("padding", "truncation", "max_length", "stride", "return_tensors", "add_special_tokens")


def model_from_files(recorder: Recorder, model: Any, paths: list[str], activity: Activity) -> None:
    """State that a model took its weights from files.

    Args:
        recorder: of the run.
        model: as it is now.
        paths: of the files with its weights.
        activity: that loaded it.
    """
    at = time.time_ns()
    files = [recorder.files.read(path, activity, at) for path in paths]
    sources = [entity for entity in files if entity is not None]
    if not sources:
        return
    name = type(model).__name__
    if recorder.objects.get(model) is not None:
        known = next_version(recorder, model, activity, at, f"{name}, loaded", force=True)
    else:
        entity = next(recorder.numbers)
        types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Model"])
        recorder.entity(entity, *types, "prov:label", name, *describe(model))
        known = recorder.objects.put(model, entity, recorder.generated(entity, activity.identifier, at))
    for source in sources:
        how = (activity.identifier, known.generation, activity.used[source])
        recorder.derived(known.entity, source, *how)


def tokenised(
    recorder: Recorder, tokenizer: Any, texts: list[Any], result: Any, options: dict[str, Any], begun: int
) -> None:
    """State that texts were tokenised: a transformation from the list to what came of it."""
    settings: dict[str, Any] = {"texts": len(texts), "vocabulary": getattr(tokenizer, "vocab_size", None)}
    for name in _SETTINGS:
        value = options.get(name)
        if value is not None and is_value(value):
            settings[name] = value
    name = type(tokenizer).__name__
    transformation(recorder, name, [texts], [result], settings=settings, by=tokenizer, begun=begun)
