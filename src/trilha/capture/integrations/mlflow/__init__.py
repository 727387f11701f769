"""MLflow: metrics, parameters, tags, artifacts and inputs that a script logs.

What the functions of ``mlflow`` and its autologging do goes through `MlflowClient`, whose methods are wrapped
while a run is recorded. A metric without a step has step 0 with MLflow, and here. Of tags the program's own
are kept, not those that MLflow gives (``mlflow.…``). A file that is logged as an artifact is used by the
current activity; an input is a dataset with the digest that MLflow worked out. Tested on MLflow 3.17; where a
method is missing, one warning says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current
from trilha.capture.heard import Undo, by_framework, heard, on_host, place, take_back, wrap
from trilha.capture.interrupts import pass_on
from trilha.capture.learning.fit import guarded
from trilha.capture.learning.terms import TYPES

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_undo: Undo = []
_MOST_FILES: Final = 1_000


def begin(recorder: Recorder, library: Any) -> None:
    """Hear the calls of the client in the module ``mlflow.tracking.client``."""
    client = getattr(library, "MlflowClient", None)
    missing = [name for name, tell in _PLACES.items() if not _attach(recorder, client, name, tell)]
    if missing:
        recorder.complain(f"mlflow has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """The client is as it was."""
    take_back(recorder, _undo)


def _attach(recorder: Recorder, client: Any, name: str, tell: Callable[..., None]) -> bool:
    def wrapper(method: Any) -> Any:
        if name == "log_metric":

            def log_and_record(
                self: Any, run_id: Any, key: Any, value: Any, *args: Any, **kwargs: Any
            ) -> Any:
                value = on_host(value)
                result = method(self, run_id, key, value, *args, **kwargs)
                guarded(recorder, _told, recorder, tell, (run_id, key, value, *args), kwargs)
                return result

            return log_and_record

        def call_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            guarded(recorder, _told, recorder, tell, args, kwargs)
            return result

        return call_and_record

    return wrap(recorder, _undo, client, name, wrapper)


def _told(recorder: Recorder, tell: Callable[..., None], args: Any, kwargs: Any) -> None:
    if not by_framework(recorder, "mlflow"):
        # All take the identifier of the MLflow run first.
        named = {name: value for name, value in kwargs.items() if name != "run_id"}
        tell(recorder, *(args[1:] if len(named) == len(kwargs) else args), **named)


def _metric(recorder: Recorder, key: Any, value: Any, *others: Any, **named: Any) -> None:
    step = named.get("step", others[1] if len(others) > 1 else None)
    heard(recorder).metrics("mlflow", {key: value}, step or 0, counted=not step)


def _batch(
    recorder: Recorder, metrics: Any = (), params: Any = (), tags: Any = (), *_: Any, **__: Any
) -> None:
    ours = heard(recorder)
    by_step: dict[Any, dict[Any, Any]] = {}
    for metric in metrics:
        by_step.setdefault(metric.step, {})[metric.key] = metric.value
    for step, values in by_step.items():
        ours.metrics("mlflow", values, step or 0, counted=not step)
    ours.hyperparameters({param.key: _said(param.value) for param in params})
    for tag in tags:
        _tag(recorder, tag.key, tag.value)


def _param(recorder: Recorder, key: Any, value: Any, *_: Any, **__: Any) -> None:
    heard(recorder).hyperparameters({key: value})


def _said(text: Any) -> Any:
    """A parameter's value, which MLflow has made a text, as the number that it says, where it says one."""
    for kind in (int, float):
        try:
            value = kind(text)
        except (TypeError, ValueError):
            pass_on()
            continue
        if str(value) == text:
            return value
    return text


def _tag(recorder: Recorder, key: Any, value: Any, *_: Any, **__: Any) -> None:
    if not str(key).startswith("mlflow."):
        heard(recorder).tag(str(key), value)


def _artifact(recorder: Recorder, local_path: Any, *_: Any, **__: Any) -> None:
    recorder.files.read(os.path.abspath(local_path), current(recorder), time.time_ns())


def _artifacts(recorder: Recorder, local_dir: Any, *_: Any, **__: Any) -> None:
    found = [os.path.join(folder, name) for folder, _, names in os.walk(local_dir) for name in names]
    for path in sorted(found)[:_MOST_FILES]:
        _artifact(recorder, path)


def _inputs(recorder: Recorder, datasets: Any = None, *_: Any, **__: Any) -> None:
    activity = place(recorder)
    for given in datasets or ():
        context = next((tag.value for tag in given.tags if tag.key == "mlflow.data.context"), "")
        known, entity = given.dataset, next(recorder.numbers)
        about = ["prov:type", TYPES["Dataset"], "prov:label", str(known.name), "trilha:digest", known.digest]
        if known.source_type:
            about += ["trilha:source", str(known.source_type)]
        recorder.entity(entity, *about)
        role = ("prov:role", context) if context else ()
        recorder.used(activity.identifier, entity, time.time_ns(), *role)


_PLACES: Final[dict[str, Callable[..., None]]] = {
    "log_metric": _metric,
    "log_batch": _batch,
    "log_param": _param,
    "set_tag": _tag,
    "log_artifact": _artifact,
    "log_artifacts": _artifacts,
    "log_inputs": _inputs,
}
