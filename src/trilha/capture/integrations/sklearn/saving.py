"""Estimators in files, written and read by `pickle`, `joblib` or `skops`, as its documentation recommends.

A file is a checkpoint of the model's version that it holds; what is loaded is a model derived from its file
(`trilha.capture.stored`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trilha.capture.context import current
from trilha.capture.integrations.sklearn.facts import is_estimator, learnt
from trilha.capture.learning.fit import checkpoint
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["loaded", "saved"]


def saved(recorder: Recorder, estimator: Any, path: str) -> None:
    """State that an estimator was written to the file `path`."""
    known = meet(recorder, estimator, type(estimator).__name__)
    recorder.entity(known.entity, "prov:type", TYPES["Model"])
    checkpoint(recorder, current(recorder), estimator, path)


def loaded(thing: Any) -> tuple[Any, ...]:
    """What is said of an estimator that was read from a file; nothing of anything else."""
    return ("prov:type", TYPES["Model"], *learnt(thing)) if is_estimator(thing) else ()
