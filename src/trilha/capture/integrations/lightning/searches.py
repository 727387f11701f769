"""Lightning's searches before a training: for a learning rate, for a batch size.

A search trains for some batches with values that it tries out, and puts the model back as it was. It is
one step that used the model and gave a value; its trials are no trainings of the program's, and what happens
while it searches is not recorded. `Tuner` and the two callbacks call one function each, which is wrapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current, process
from trilha.capture.learning.fit import guarded, next_version
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import use_object
from trilha.capture.values import is_value

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["SEARCHES", "searching"]

SEARCHES: Final = (
    ("lr_finder", "_lr_find", "learning_rate"),
    ("batch_size_finder", "_scale_batch_size", "batch_size"),
)
"""Modules of the callbacks, their functions, and what each looks for, under its common name."""


def searching(recorder: Recorder, common: str) -> Callable[[Any], Any]:
    """Wraps a function that searches so that it is one step."""

    def wrapper(original: Any) -> Any:
        def search_and_record(trainer: Any, model: Any = None, *args: Any, **kwargs: Any) -> Any:
            if process.recorder is not recorder or model is None:
                return original(trainer, *(() if model is None else (model,)), *args, **kwargs)
            begun, error, result = time.time_ns(), None, None
            process.recorder = None
            try:
                result = original(trainer, model, *args, **kwargs)
            except BaseException as raised:
                error = raised
                raise
            finally:
                process.recorder = recorder
                guarded(recorder, _state, recorder, common, model, kwargs, begun, result, error)
            return result

        return search_and_record

    return wrapper


def _state(
    recorder: Recorder,
    common: str,
    model: Any,
    settings: dict[str, Any],
    begun: int,
    result: Any,
    error: BaseException | None,
) -> None:
    about: list[Any] = ["trilha:framework", "lightning"]
    for key, value in settings.items():
        if is_value(value):
            about += [f"trilha:arg.{key}", value]
    activity = recorder.begin(f"search for a {common.replace('_', ' ')}", current(recorder), begun, *about)
    use_object(recorder, activity, model, begun, "model")
    found = result.suggestion() if hasattr(result, "suggestion") else result
    if isinstance(found, (int, float)):
        entity = next(recorder.numbers)
        label = f"{common.replace('_', ' ')} that was found"
        recorder.entity(entity, "prov:type", TYPES["Object"], "prov:label", label, "prov:value", found)
        recorder.generated(entity, activity.identifier, time.time_ns())
    name = type(model).__name__
    next_version(recorder, model, activity, time.time_ns(), f"{name} after {activity.label}")
    failed = () if error is None else ("trilha:exception", type(error).__name__)
    recorder.end(activity, time.time_ns(), *failed)
