"""Weights & Biases: metrics that a script logs, the configuration of its run, files of its artifacts.

`Run.log` (also as ``wandb.log``) goes through a method of the run that is wrapped while a run is recorded, as
are the one that begins a run, the one that is told of a changed configuration, and the one that logs an
artifact. Nothing is asked of the service, so that offline runs are recorded alike. Tested on wandb 0.31;
where a method is missing, one warning says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current
from trilha.capture.heard import Undo, by_framework, heard, on_host, take_back, wrap
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.fit import guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_undo: Undo = []
_MOST_FILES: Final = 1_000
_COLLECTION: Final = literal_name("prov:Collection")


def begin(recorder: Recorder, library: Any) -> None:
    """Hear the calls of runs, of the module ``wandb.sdk.wandb_run``."""
    owner = getattr(library, "Run", None)
    places = {
        "_log": _logging(recorder),
        "_on_start": _then(recorder, _configured),
        "_config_callback": _then(recorder, _configured),
        "_log_artifact": _artifact(recorder),
    }
    missing = [name for name, wrapper in places.items() if not wrap(recorder, _undo, owner, name, wrapper)]
    if missing:
        recorder.complain(f"wandb has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Runs are as they were."""
    take_back(recorder, _undo)


def _logging(recorder: Recorder) -> Callable[[Any], Any]:
    def logging(log: Any) -> Any:
        def log_and_record(self: Any, data: Any, step: Any = None, *args: Any, **kwargs: Any) -> Any:
            if type(data) is dict:
                data = {name: on_host(value) for name, value in data.items()}
            counted = step is None
            at = getattr(self, "_local_step", None) if counted else step
            result = log(self, data, step, *args, **kwargs)
            guarded(recorder, _told, recorder, self, data, at, counted)
            return result

        return log_and_record

    return logging


def _told(recorder: Recorder, run: Any, data: Any, step: Any, counted: Any) -> None:
    if not by_framework(recorder, "wandb"):
        _configured(recorder, run)
        heard(recorder).metrics("wandb", dict(_flat(data)), step, counted=counted)


def _flat(data: Any, prefix: str = "", depth: int = 4) -> list[tuple[str, Any]]:
    """Metrics in dicts of dicts, by names with dots, as the service shows them."""
    found = []
    for name, value in dict(data).items():
        if isinstance(value, dict) and depth:
            found += _flat(value, f"{prefix}{name}.", depth - 1)
        else:
            found.append((f"{prefix}{name}", value))
    return found


def _then(recorder: Recorder, tell: Callable[..., None]) -> Callable[[Any], Any]:
    """Wraps a method after which something is looked at."""

    def wrapper(method: Any) -> Any:
        def call_and_tell(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            guarded(recorder, tell, recorder, self)
            return result

        return call_and_tell

    return wrapper


def _configured(recorder: Recorder, run: Any) -> None:
    config = run.config
    values = {name: config[name] for name in config.keys() if name != "_wandb"}  # noqa: SIM118 -- is no dict
    heard(recorder).hyperparameters(values)


def _artifact(recorder: Recorder) -> Callable[[Any], Any]:
    def wrapper(log_artifact: Any) -> Any:
        def log_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
            artifact = log_artifact(self, *args, **kwargs)
            guarded(recorder, _logged, recorder, artifact)
            return artifact

        return log_and_record

    return wrapper


def _logged(recorder: Recorder, artifact: Any) -> None:
    """The files of an artifact, which is a collection of them, were read by the current activity."""
    activity, at = current(recorder), time.time_ns()
    label = str(artifact.name)
    collection = next(recorder.numbers)
    about = ("prov:label", label, "trilha:name", label, "trilha:kind", str(artifact.type))
    recorder.entity(collection, "prov:type", _COLLECTION, *about)
    recorder.generated(collection, activity.identifier, at)
    for entry in list(artifact.manifest.entries.values())[:_MOST_FILES]:
        # Where the file is that the program named; the one at `local_path` may be wandb's own copy.
        path = entry.local_path
        entity = recorder.files.read(path, activity, at) if path else None
        if entity is not None:
            recorder.member(collection, entity)
