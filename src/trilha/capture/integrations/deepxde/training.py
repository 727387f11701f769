"""One call of `Model.train`: what goes in, the history of its losses, what happens on the way.

DeepXDE calls an update of the weights an iteration, and measures every so many of them: each such
measurement is a row of the training's metrics, with the total and each term of the loss, on the points to
train at and on those to test at. An iteration is no activity.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity
from trilha.capture.identity import describe
from trilha.capture.integrations.deepxde.problem import Problem
from trilha.capture.learning.data import parts
from trilha.capture.learning.fit import Fit, guarded, next_version
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet, use_object
from trilha.capture.values import is_value, text_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Training"]

_MOST_RESAMPLINGS: Final = 200
_COMMON: Final = {"iterations": "epochs", "decay": "scheduler"}


class Training:
    """A training that goes on.

    Args:
        recorder: of the run.
        library: the module `deepxde`.
        model: a `deepxde.Model`.
        problem: that it solves.
        compiled: what the model was last compiled with.
        given: the arguments of `Model.train`.

    Attributes:
        model: that is trained.
        activity: the training.
        callback: to be called by DeepXDE.
    """

    def __init__(
        self,
        recorder: Recorder,
        library: Any,
        model: Any,
        problem: Problem,
        compiled: dict[str, Any],
        given: dict[str, Any],
    ) -> None:
        self._recorder = recorder
        self._library = library
        self.model = model
        self._compiled = compiled
        self._backend = str(library.backend.backend_name)
        meet(recorder, model.net, type(model.net).__name__)
        # PyTorch counts the changes of its parameters; of the other backends only DeepXDE can tell.
        self._fit = Fit(recorder, "deepxde", "Model.train", model.net, forced=self._backend != "pytorch")
        self.activity: Activity = self._fit.activity
        self._problem = problem
        self._inputs: set[int | str] = set()
        for entity, role in self._problem.entities:
            self._use(entity, role)
        self._fit.hyperparameters(self._settings(given), _COMMON)
        self._callbacks = list(given.get("callbacks") or [])
        self._points: Any = None
        self._collocates = False
        self._rows = len(model.losshistory.steps)
        self._first_step = int(model.train_state.step)
        self._names: list[str] = []
        self._values: dict[int, Any] = {}
        self._resamplings = 0
        self.callback = _callback(self, library)

    def _use(self, entity: int | str | None, role: str) -> None:
        used = self.activity.used
        if entity is not None and role != "validation data":
            self._inputs.add(entity)
        if entity is not None and entity not in used:
            used[entity] = self._recorder.used(
                self.activity.identifier, entity, time.time_ns(), "prov:role", role
            )

    def _settings(self, given: dict[str, Any]) -> dict[str, Any]:
        compiled, library = self._compiled, self._library
        iterations = given.get("iterations", given.get("epochs"))
        optimizer = getattr(self.model, "opt_name", None)
        found: dict[str, Any] = {
            "iterations": iterations,
            "batch_size": given.get("batch_size"),
            "loss": _name(compiled.get("loss", "MSE")),
            "seed": getattr(library.config, "random_seed", None),
        }
        decay = compiled.get("decay")
        if decay is not None:
            found["decay"] = text_of(decay)
        if self._backend != "pytorch":
            # PyTorch's own integration tells of its optimisers.
            found |= {"optimizer": _name(optimizer), "lr": compiled.get("lr")}
        if isinstance(optimizer, str) and optimizer in {"L-BFGS", "L-BFGS-B"}:
            found |= {"LBFGS": dict(library.optimizers.LBFGS_options)}
        return {name: value for name, value in found.items() if value is not None}

    # -- what the callback is told

    def begins(self) -> None:
        """The network has been measured once, and is about to be trained."""
        data, state = self.model.data, self.model.train_state
        self._points = getattr(data, "train_x", None)
        if self._points is None:
            self._points = state.X_train
        # Only points in a geometry are drawn anew; other data may come in batches.
        self._collocates = self._problem.geometry is not None and hasattr(data, "train_x")
        if hasattr(self._points, "shape"):
            self._use(self._problem.points(self._points, "train"), "training data")
        else:
            for path, part in parts(self._points, "training data"):
                meet(self._recorder, part, path)
                use_object(self._recorder, self.activity, part, time.time_ns(), "training data")
        tests = getattr(data, "test_x", None)
        if hasattr(tests, "shape") and tests is not self._points:
            self._use(self._problem.points(tests, "test"), "validation data")
        history = self.model.losshistory
        if history.loss_train:
            count = len(list(history.loss_train[-1]))
            for name, entity in self._problem.terms(count, self.model.loss_weights):
                self._names.append(name)
                self._use(entity, "loss term")
        self.measured()

    def is_due(self) -> bool:
        """Whether the iteration that is over brought something to record. Asked after each of them."""
        model = self.model
        if len(model.losshistory.steps) != self._rows:
            return True
        if self._collocates and model.data.train_x is not self._points:
            return True
        values = self._values
        for one in self._callbacks:  # noqa: SIM110 -- in a fraction of the time
            if one.__dict__.get("value") is not values.get(id(one)):
                return True
        return False

    def iterated(self) -> None:
        """An iteration that brought something is over."""
        if len(self.model.losshistory.steps) != self._rows:
            self.measured()
        for callback in self._callbacks:
            value = callback.__dict__.get("value")
            if value is not None and value is not self._values.get(id(callback)):
                self._inferred(callback, value)
        if self._collocates:
            points = self.model.data.train_x
            if points is not self._points and hasattr(points, "shape"):
                self._resampled(points)

    def measured(self) -> None:
        """State what DeepXDE has measured since the last time."""
        history = self.model.losshistory
        for place in range(self._rows, len(history.steps)):
            train, test = list(history.loss_train[place]), list(history.loss_test[place])
            row: dict[str, float] = {"loss": float(sum(train)), "test_loss": float(sum(test))}
            if len(train) == len(self._names) > 1:
                row |= {f"loss.{name}": float(one) for name, one in zip(self._names, train, strict=True)}
            if len(test) == len(self._names) > 1:
                row |= {f"test_loss.{name}": float(one) for name, one in zip(self._names, test, strict=True)}
            measures = list(history.metrics_test[place] or [])
            names = [_name(one) for one in self._compiled.get("metrics") or []]
            if len(names) != len(measures):
                names = [f"metric {number}" for number in range(1, len(measures) + 1)]
            row |= {name: float(one) for name, one in zip(names, measures, strict=True)}
            if not self._watched():
                row |= self._variables()
            self._fit.log(row, step=int(history.steps[place]))
        self._rows = len(history.steps)

    def _watched(self) -> bool:
        """Whether the program has its unknowns told by a callback."""
        return any(type(one).__name__ == "VariableValue" for one in self._callbacks)

    def _variables(self) -> dict[str, float]:
        """The unknowns that are inferred, where reading them waits for no accelerator."""
        found = {}
        for number, one in enumerate(self.model.external_trainable_variables or (), 1):
            if str(getattr(one, "device", "")) == "cpu" and getattr(one, "ndim", None) == 0:
                found[f"variable {number}"] = float(one.detach())
        return found

    def _inferred(self, callback: Any, value: Any) -> None:
        """`VariableValue` has read the unknowns."""
        self._values[id(callback)] = value
        if type(callback).__name__ == "VariableValue":
            row = {f"variable {number}": float(one) for number, one in enumerate(value, 1)}
            self._fit.log(row, step=int(self.model.train_state.step))

    def _resampled(self, points: Any) -> None:
        """The points to train at are others now."""
        self._points = points
        self._resamplings += 1
        if self._resamplings > _MOST_RESAMPLINGS:
            return
        recorder, at = self._recorder, time.time_ns()
        iteration = int(self.model.train_state.iteration)
        cause = "PDEPointResampler"
        if not any(type(one).__name__ == cause for one in self._callbacks):
            cause = ""
        label = f"points resampled after iteration {iteration}"
        facts = ("trilha:epoch", iteration)
        activity = self._fit._adapt("train_x", label, at, cause, None, facts)
        entity = next(recorder.numbers)
        about = self._problem.about_points(points, "train")
        recorder.entity(
            entity, "prov:type", TYPES["Object"], "prov:label", "train points", *describe(points), *about
        )
        generation = recorder.generated(entity, activity.identifier, at)
        recorder.objects.put(points, entity, generation)
        geometry = self._problem.geometry
        if geometry is not None:
            usage = recorder.used(activity.identifier, geometry, at, "prov:role", "geometry")
            recorder.derived(entity, geometry, activity.identifier, generation, usage)
        recorder.end(activity, at)
        self._use(entity, "training data")

    def reason_to_save(self, prefix: str) -> str:
        """Why a file is the best one so far, where a `ModelCheckpoint` saves better ones only; else empty."""
        for callback in self._callbacks:
            mine = type(callback).__name__ == "ModelCheckpoint" and str(callback.filepath) == prefix
            if mine and callback.save_better_only:
                return (
                    f"lowest {callback.monitor} {float(callback.get_monitor_value()):.6g}"
                    f" at step {int(self.model.train_state.step)}"
                )
        return ""

    # -- the end

    def end(self, error: BaseException | None) -> None:
        """The training is over: it finished, or `error` ended it."""
        recorder, model = self._recorder, self.model
        self._forget_callback()
        if self._names or error is None:
            self.measured()
        if error is None:
            self._stopped()
        at = time.time_ns()
        inputs = dict(self.activity.used)
        # PyTorch's integration asks which training leads, so that it must not be over yet.
        recorder.bring_up_to_date(model.net)
        label = f"{type(model.net).__name__} after {self.activity.label}"
        steps = int(model.train_state.step) - self._first_step
        forced = self._backend != "pytorch" and steps > 0
        known = next_version(recorder, model.net, self.activity, at, label, force=forced)
        if self._fit in recorder.fits:
            recorder.fits.remove(self._fit)
        if known.entity not in inputs:
            how = (self.activity.identifier, known.generation)
            for entity in self._inputs & inputs.keys():
                recorder.derived(known.entity, entity, *how, inputs[entity])
        about: list[Any] = ["trilha:steps", steps]
        best = float(model.train_state.best_loss_train)
        if math.isfinite(best):
            about += ["trilha:best_step", int(model.train_state.best_step), "trilha:best_loss", best]
        if error is not None:
            about += ["trilha:exception", type(error).__qualname__]
        recorder.end(self.activity, at, *about)

    def _forget_callback(self) -> None:
        callbacks = getattr(self.model.callbacks, "callbacks", None)
        if isinstance(callbacks, list) and self.callback in callbacks:
            callbacks.remove(self.callback)

    def _stopped(self) -> None:
        for callback in self._callbacks:
            if type(callback).__name__ == "EarlyStopping" and callback.stopped_epoch > 0:
                best = float(callback.best)
                self._fit.stopped_early("EarlyStopping", callback.monitor, best, int(callback.stopped_epoch))
                return
        losses = [*list(self.model.train_state.loss_train), *list(self.model.train_state.loss_test)]
        if self.model.stop_training and any(math.isnan(float(one)) for one in losses):
            self._fit.stopped_early("NaN loss", "loss", None, int(self.model.train_state.iteration))


def _callback(training: Training, library: Any) -> Any:
    """A callback of DeepXDE's own kind that tells a training of what happens."""
    recorder = training._recorder

    class Recording(library.callbacks.Callback):  # type: ignore[misc]
        """Tells Trilha of a training."""

        def on_train_begin(self) -> None:
            guarded(recorder, training.begins)

        def on_epoch_end(self) -> None:
            try:
                due = training.is_due()
            except Exception:
                recorder.failed()
                return
            if due:
                guarded(recorder, training.iterated)

    return Recording()


def _name(thing: Any) -> Any:
    """A loss, a metric or an optimiser by its name."""
    if isinstance(thing, (list, tuple)):
        return ", ".join(str(_name(one)) for one in thing)
    if isinstance(thing, str) or (is_value(thing) and not callable(thing)):
        return thing
    return getattr(thing, "__name__", type(thing).__name__)
