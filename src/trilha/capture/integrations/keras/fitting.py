"""A training by `Model.fit`, as two callbacks of ours tell of it.

One is the first in the list, so that what the program's own callbacks do belongs to the epoch that has begun,
or to the model as the epoch left it. The other is the last, and sees what they did: a changed learning rate,
a training told to stop, weights that were put back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.identity import token
from trilha.capture.integrations.keras.facts import (
    about_data,
    about_model,
    as_kept,
    hyperparameters,
    layers,
    main_optimizer,
    numbers,
    plain_number,
    rate_of,
    steps_of,
)
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.architecture import state_architecture
from trilha.capture.learning.data import parts
from trilha.capture.learning.evaluating import Place
from trilha.capture.learning.fit import Fit, guarded, next_version
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet

if TYPE_CHECKING:
    from trilha.capture.identity import Known
    from trilha.capture.integrations.keras.changes import Changes
    from trilha.capture.recorder import Recorder

__all__ = ["Fitting", "given", "introduce", "listener_class", "tell_of_data"]

_REVISION: Final = literal_name("prov:Revision")


def introduce(recorder: Recorder, model: Any) -> Known:
    """What is known of a model; its architecture is stated once it is built."""
    known = meet(recorder, model, type(model).__name__)
    if model.built and model not in recorder.described:
        recorder.entity(known.entity, "prov:type", TYPES["Model"], *about_model(model))
        for layer in model._flatten_layers(include_self=False):
            part = recorder.objects.get(layer)
            if part is not None and part.entity != known.entity:
                recorder.derived(known.entity, part.entity)
        state_architecture(recorder, model, known, layers(model))
    return known


def tell_of_data(recorder: Recorder, thing: Any) -> None:
    """State what is known of data beyond what any array tells."""
    for _, part in parts(thing, "data"):
        known = recorder.objects.get(part)
        about = about_data(part)
        if known is not None and about:
            recorder.entity(known.entity, *about)


class Fitting:
    """One call of `Model.fit`.

    Args:
        recorder: of the run.
        keras: the library.
        model: that is fitted.
        changes: of models.
        arguments: of the call.

    Attributes:
        number: of the epoch that goes on or was the last, from 1.
        train: what it is trained on, as far as another than the argument: the first part of a split.
        validation: likewise.
        callbacks: the program's own.
    """

    def __init__(
        self, recorder: Recorder, keras: Any, model: Any, changes: Changes, arguments: Mapping[str, Any]
    ) -> None:
        if recorder.objects.get(model) is not None:
            recorder.bring_up_to_date(model)
        self.recorder, self.keras, self.model, self.changes = recorder, keras, model, changes
        self.arguments = arguments
        self.at = time.time_ns()
        self.fit: Fit | None = None
        self.place = Place()
        self.number = 0
        self.train: Any = None
        self.validation: Any = None
        self._within = False
        self._ending = False
        self._later: list[tuple[Any, ...]] = []
        self._rate: float | None = None
        self._last = 0
        self._versions: dict[int, Known] = {}
        self._used: dict[str, set[int | str]] = {}
        self.callbacks: list[Any] = []
        self.over: Callable[[], None] | None = None
        self._steps = 0.0

    # -- told by the callbacks

    def train_begins(self, params: Mapping[str, Any]) -> None:
        """The model is built, the data is there."""
        recorder, model, arguments = self.recorder, self.model, self.arguments
        self._last = params.get("epochs") or arguments.get("epochs") or 1
        introduce(recorder, model)
        fit = self.fit = Fit(recorder, "keras", "training", model, at=self.at)
        self.place.enter(fit.activity)
        own = given(*(arguments.get(name) for name in ("x", "y", "sample_weight")))
        train = self.train if self.train is not None else own
        validation = self.validation if self.validation is not None else arguments.get("validation_data")
        for thing, role in ((train, "training data"), (validation, "validation data")):
            if thing is not None:
                fit.data(thing, role)
                tell_of_data(recorder, thing)
                for _, part in parts(thing, role):
                    if (known := recorder.objects.get(part)) is not None:
                        self._used.setdefault(role, set()).add(known.entity)
        fit.hyperparameters(hyperparameters(self.keras, model, arguments, self._last))
        self._rate = rate_of(self.keras, main_optimizer(model))
        self._steps = steps_of(self.keras, main_optimizer(model))

    def epoch_begins(self, epoch: int) -> None:
        """An epoch begins; the program's callbacks have not been told."""
        fit = self.fit
        if fit is not None:
            self.number = epoch + 1
            fit.epoch_begins(self.number)
            self.place.enter(fit.epoch or fit.activity)

    def epoch_begun(self) -> None:
        """All callbacks know that an epoch begins."""
        self._see_rate()
        self._within = True

    def epoch_over(self) -> None:
        """An epoch is over; the program's callbacks have not been told."""
        fit = self.fit
        if fit is None:
            return
        self.changed()
        self._within, self._ending = False, True
        if fit.epoch is not None:
            label = f"{type(self.model).__name__} after {fit.epoch.label}"
            self._versions[self.number] = next_version(
                self.recorder, self.model, fit.epoch, time.time_ns(), label
            )

    def epoch_ends(self, logs: Any) -> None:
        """All callbacks have been told of an epoch's end."""
        fit, model = self.fit, self.model
        if fit is None:
            return
        values = numbers(logs)
        fit.epoch_ends(values)
        self.place.enter(fit.activity)
        self._ending = False
        self._see_rate()
        later, self._later = self._later, []
        for name, before, after, cause in later:
            fit.adaptation(name, before, after, cause)
        if model.stop_training:
            self._stopped(fit, values.get("loss", 0.0))

    def train_ended(self) -> None:
        """All callbacks know that the training is over: what one put back is the current version."""
        fit = self.fit
        if fit is None:
            return
        for callback in self._own("EarlyStopping"):
            if callback.restore_best_weights and callback.best_weights is not None:
                self._restored(fit, callback.best_epoch + 1)
        if self.over is not None:
            self.over()

    # -- told by others

    def used(self, role: str) -> set[int | str]:
        """The entities of the training data, or of the validation data."""
        return self._used.get(role, set())

    def changed(self) -> None:
        """The model has changed since it was last looked at, if an epoch goes on."""
        if self._within and self.model.trainable_weights:
            self.changes.changed(self.model)

    def rate_set(self, value: Any, cause: str) -> None:
        """The learning rate was set."""
        fit, before = self.fit, self._rate
        after = as_kept(value, getattr(main_optimizer(self.model), "_learning_rate", None))
        # A callback may set what it has read, which is no change.
        if fit is None or after is None or after == before:
            return
        self._rate = after
        self._adapt(before, after, cause)

    def leave(self, error: BaseException | None) -> None:
        """`Model.fit` gave back, or raised `error`."""
        fit = self.fit
        if fit is None and error is not None:
            # Broken off before it began: the model may not have been built.
            fit = Fit(self.recorder, "keras", "training", self.model, at=self.at)
        self.fit = None
        if fit is not None:
            if fit.epoch is not None:
                self.changed()
            steps = int(steps_of(self.keras, main_optimizer(self.model)) - self._steps)
            fit.end(error, "trilha:steps", steps, "trilha:backend", self.keras.config.backend())
        self.place.leave()

    # -- ours

    def _own(self, kind: str) -> list[Any]:
        """The program's callbacks of a class of Keras', or of one derived from it."""
        return [one for one in self.callbacks if any(base.__name__ == kind for base in type(one).__mro__)]

    def _see_rate(self) -> None:
        """A learning rate that has changed in another way than by being set: by a schedule, by `assign`."""
        optimizer = main_optimizer(self.model)
        before, after = self._rate, rate_of(self.keras, optimizer)
        if after is None or before is None or abs(after - before) <= 1e-6 * abs(before):
            return
        self._rate = after
        schedule = getattr(optimizer, "_learning_rate", None)
        scheduled = any(kind.__name__ == "LearningRateSchedule" for kind in type(schedule).__mro__)
        self._adapt(before, after, type(schedule).__name__ if scheduled else "")

    def _adapt(self, before: Any, after: Any, cause: str) -> None:
        if self.fit is None:
            return
        if self._ending:
            # The epoch that is over has not been trained with it; the next one will be.
            self._later.append(("learning_rate", before, after, cause))
        else:
            self.fit.adaptation("learning_rate", before, after, cause)

    def _stopped(self, fit: Fit, loss: float) -> None:
        if not math.isfinite(loss):
            for callback in self._own("TerminateOnNaN"):
                fit.stopped_early(type(callback).__name__, "loss", loss, self.number)
                return
        if self.number >= self._last:
            return
        for callback in self._own("EarlyStopping"):
            if callback.stopped_epoch and callback.stopped_epoch + 1 == self.number:
                best = plain_number(callback.best)
                fit.stopped_early(type(callback).__name__, callback.monitor, best, self.number)
                return
        fit.stopped_early(self._stopper(), "", None, self.number)

    def _stopper(self) -> str:
        """The class of the one callback whose methods stop trainings; empty unless there is just one."""
        found = set()
        for callback in self.callbacks:
            if type(callback).__module__.startswith(("keras.", "trilha.")):
                continue
            for kind in type(callback).__mro__:
                codes = (getattr(one, "__code__", None) for one in vars(kind).values())
                if kind.__module__ != "builtins" and any("stop_training" in c.co_names for c in codes if c):
                    found.add(type(callback).__name__)
        return found.pop() if len(found) == 1 else ""

    def _restored(self, fit: Fit, epoch: int) -> None:
        recorder, model, at = self.recorder, self.model, time.time_ns()
        best, current = self._versions.get(epoch), recorder.objects.get(model)
        self.changes.changed(model)
        if best is None or current is None or best.entity == current.entity:
            if current is not None:
                current.token = token(model)
            return
        activity = fit.activity
        usage = activity.used.get(best.entity)
        if usage is None:
            usage = activity.used[best.entity] = recorder.used(
                activity.identifier, best.entity, at, "prov:role", "best model"
            )
        entity = next(recorder.numbers)
        label = f"{type(model).__name__} of epoch {epoch}, restored"
        recorder.entity(
            entity, "prov:type", TYPES["Object"], "prov:type", TYPES["Model"], "prov:label", label
        )
        generation = recorder.generated(entity, activity.identifier, at)
        recorder.objects.put(model, entity, generation)
        revision = ("prov:type", _REVISION)
        recorder.derived(entity, best.entity, activity.identifier, generation, usage, *revision)


def given(*things: Any) -> Any:
    """The data that is given to a call: what there is of x, y and weights; or one alone, or None."""
    known = [one for one in things if one is not None]
    return None if not known else known[0] if len(known) == 1 else tuple(known)


_classes: dict[Any, tuple[type, type]] = {}


def listener_class(keras: Any) -> tuple[type, type]:
    """The classes of our two callbacks, the first and the last in the list."""
    base = keras.callbacks.Callback
    if base not in _classes:
        _classes[base] = _listener_classes(base)
    return _classes[base]


def _listener_classes(base: type) -> tuple[type, type]:
    class First(base):  # type: ignore[misc]
        """Tells a fitting of what happens before the program's callbacks know."""

        def __init__(self, fitting: Fitting) -> None:
            super().__init__()
            self.fitting = fitting

        def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002 -- Keras' own names
            """The training begins."""
            fitting = self.fitting
            guarded(fitting.recorder, fitting.train_begins, self.params or {})

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            """An epoch begins."""
            guarded(self.fitting.recorder, self.fitting.epoch_begins, epoch)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            """An epoch is over."""
            guarded(self.fitting.recorder, self.fitting.epoch_over)

    class Last(base):  # type: ignore[misc]
        """Tells a fitting of what has happened after the program's callbacks."""

        def __init__(self, fitting: Fitting) -> None:
            super().__init__()
            self.fitting = fitting

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            """An epoch begins."""
            guarded(self.fitting.recorder, self.fitting.epoch_begun)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            """An epoch is over."""
            guarded(self.fitting.recorder, self.fitting.epoch_ends, logs)

        def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
            """The training is over."""
            guarded(self.fitting.recorder, self.fitting.train_ended)

    return First, Last
