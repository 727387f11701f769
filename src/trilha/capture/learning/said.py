"""What a program says itself of its learning, where no framework that Trilha knows tells.

The same graph as that of the integrations, so that the same questions have answers. Each of these does
nothing while no run is recorded, and none raises an error of its own into the program.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from trilha.capture.active import active
from trilha.capture.identity import token
from trilha.capture.learning import data as stating
from trilha.capture.learning.fit import Fit, evaluation, guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Training", "evaluated", "split", "training", "transformed"]

N = TypeVar("N")


class Training:
    """A training while it is entered; see `training`."""

    def __init__(self, model: Any, name: str, framework: str, data: Mapping[str, Any], values: Any) -> None:
        self._model = model
        self._name = name
        self._framework = framework or type(model).__module__.partition(".")[0]
        self._data = data
        self._values = values
        self._recorder: Recorder | None = None
        self._fit: Fit | None = None
        self._row: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._recorder = active()
        if self._recorder is not None:
            self._fit = guarded(self._recorder, self._begin, self._recorder)
        return self

    def _begin(self, recorder: Recorder) -> Fit:
        forced = token(self._model) is None
        fit = Fit(recorder, self._framework, self._name, self._model, forced=forced)
        for role, thing in self._data.items():
            if thing is not None:
                fit.data(thing, role)
        fit.hyperparameters(self._values)
        return fit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fit, self._fit = self._fit, None
        if fit is not None:
            guarded(fit.recorder, self._flush, fit)
            guarded(fit.recorder, fit.end, error)

    def _flush(self, fit: Fit) -> None:
        row, self._row = self._row, {}
        fit.log(row)

    def epochs(self, numbers: Iterable[N]) -> Generator[N, None, None]:
        """Go through the epochs of the training: gives what `numbers` gives.

        Args:
            numbers: what the loop goes through. Epochs are counted from 1, whatever it gives.
        """
        for count, one in enumerate(numbers, 1):
            fit = self._fit
            if fit is not None:
                guarded(fit.recorder, fit.epoch_begins, count)
            try:
                yield one
            finally:
                if fit is not None:
                    row, self._row = self._row, {}
                    guarded(fit.recorder, fit.epoch_ends, row)

    def log(self, **metrics: Any) -> None:
        """Metrics of the epoch that goes on: numbers by name; they are one row with its number."""
        self._row.update(metrics)

    def checkpoint(self, path: Any, *, best: bool = False, reason: str = "") -> None:
        """A checkpoint of the model was written.

        Args:
            path: of the file, or of a folder of files.
            best: whether it is the best one so far.
            reason: why it is (``"highest accuracy 0.97"``).
        """
        self._tell("checkpoint", str(path), reason, best=best)

    def changed(self, name: str, before: Any, after: Any, cause: str = "") -> None:
        """A hyperparameter was changed on the way.

        Args:
            name: of the hyperparameter.
            before: its value until now.
            after: its value from now on.
            cause: what changed it, in a word.
        """
        self._tell("adaptation", name, before, after, cause)

    def stopped(self, cause: str, monitor: str = "", best: Any = None) -> None:
        """The training is being stopped early.

        Args:
            cause: why, in a word (``"patience"``).
            monitor: the metric that was watched.
            best: its best value.
        """
        self._tell("stopped_early", cause, monitor, best)

    def _tell(self, method: str, *arguments: Any, **named: Any) -> None:
        fit = self._fit
        if fit is not None:
            guarded(fit.recorder, getattr(fit, method), *arguments, **named)


def training(
    model: Any,
    *,
    data: Any = None,
    validation: Any = None,
    name: str = "training",
    framework: str = "",
    **hyperparameters: Any,
) -> Training:
    """A training of a model, around the block that does it::

        with learning.training(model, data=(x, y), learning_rate=0.1) as training:
            for epoch in training.epochs(range(10)):
                training.log(loss=fit_once(model, x, y))

    Args:
        model: an object that changes in place.
        data: what it is trained on: an array, a loader, a frame, or a tuple of such.
        validation: what it is validated on meanwhile.
        name: what to call the training.
        framework: that it is done with; the first part of the model's module by default.
        hyperparameters: by name; nested dicts become names with dots.
    """
    roles = {"training data": data, "validation data": validation}
    return Training(model, name, framework, roles, hyperparameters)


def evaluated(model: Any, data: Any, part: str = "", **metrics: Any) -> None:
    """A model was evaluated.

    Args:
        model: that was evaluated.
        data: on what.
        part: ``"test"``, ``"validation"`` or ``"train"``.
        metrics: numbers by name.
    """
    recorder = active()
    if recorder is not None:
        framework = type(model).__module__.partition(".")[0]
        guarded(recorder, evaluation, recorder, framework, model, data, metrics, part=part)


def split(
    whole: Any, indices: Mapping[str, Any] | None = None, *, settings: Any = None, **parts: Any
) -> None:
    """Data was split::

        learning.split(images, train=train_images, test=test_images, indices={"test": chosen})

    Args:
        whole: what was split.
        indices: of the samples in each part, by its name, where they are known.
        settings: of the split, by name (a seed, a ratio).
        parts: each part by its name.
    """
    recorder = active()
    if recorder is not None:
        guarded(recorder, _split, recorder, whole, indices or {}, settings or {}, parts)


def _split(
    recorder: Recorder,
    whole: Any,
    indices: Mapping[str, Any],
    settings: Mapping[str, Any],
    parts: Mapping[str, Any],
) -> None:
    told = []
    for name, thing in parts.items():
        length = len(thing) if hasattr(type(thing), "__len__") and not isinstance(thing, tuple) else None
        told += [(name, part, length, indices.get(name)) for _, part in stating.parts(thing, name)]
    wholes = [part for _, part in stating.parts(whole, "whole")]
    stating.split(recorder, wholes, told, settings, "split")


def transformed(before: Any, after: Any, name: Any, *, order: int | None = None, **settings: Any) -> None:
    """Data was transformed: one step of its preparation.

    Args:
        before: what it was.
        after: what came of it.
        name: of the transformation, or the function that did it (whose source is its plan).
        order: its place in the preparation, from 1.
        settings: what it was done with.
    """
    recorder = active()
    if recorder is None:
        return
    by = None if isinstance(name, str) else name
    label = name if isinstance(name, str) else getattr(name, "__name__", type(name).__name__)
    befores = [part for _, part in stating.parts(before, "before")]
    afters = [part for _, part in stating.parts(after, "after")]
    how = {"order": order, "settings": settings, "by": by, "begun": time.time_ns()}
    guarded(recorder, stating.transformation, recorder, label, befores, afters, **how)
