"""What goes on in Keras during one run: trainings, evaluations, predictions, files, preparation."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current
from trilha.capture.identity import describe, token
from trilha.capture.integrations.keras.changes import Changes
from trilha.capture.integrations.keras.facts import (
    extreme,
    hyperparameters,
    main_optimizer,
    numbers,
    plain_number,
    settings_of,
)
from trilha.capture.integrations.keras.fitting import (
    Fitting,
    given,
    introduce,
    listener_class,
    tell_of_data,
)
from trilha.capture.learning.data import parts, split, transformation
from trilha.capture.learning.evaluating import Evaluating, Place
from trilha.capture.learning.fit import Fit, checkpoint, guarded, next_version
from trilha.capture.learning.terms import TYPES

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Listening"]

_MOST_FRAMES: Final = 60
_MOST_NAMED: Final = 20_000
_FOR_EXAMPLE: Final = ("Tracer", "KerasTensor", "SymbolicTensor")


class _Stage:
    """An evaluation or a prediction that goes on."""

    def __init__(self, evaluating: Evaluating) -> None:
        self.evaluating = evaluating
        self.logs: dict[str, float] = {}
        self.place = Place()


class _Loop:
    """A loop of the program's own that trains a model a batch at a time."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.steps = 0
        self.names: list[str] = []


class Listening:
    """What listens to Keras during one run.

    Args:
        recorder: of the run.
        keras: the library.

    Attributes:
        changes: of the models.
        undo: functions that put Keras back as it was.
        busy: how many trainings, evaluations, predictions and preparations go on.
    """

    def __init__(self, recorder: Recorder, keras: Any) -> None:
        self.recorder = recorder
        self.keras = keras
        self.changes = Changes()
        self.undo: list[Callable[[], None]] = []
        self.busy = 0
        self._fittings: list[Fitting] = []
        self._alone: list[Fitting] = []
        self._loops: list[tuple[Any, _Loop]] = []
        self._parts: dict[int | str, str] = {}
        self._model = keras.Model
        self._unclaimed: tuple[Any, list[Any]] | None = None

    def refresh(self, thing: Any) -> None:
        """A model that is met, by whatever, is described; one that has changed is a new version."""
        recorder = self.recorder
        if not issubclass(type(thing), self._model):
            return
        known = recorder.objects.get(thing)
        if thing.built and thing not in recorder.described:
            # In Keras' words, before another integration has a word for it.
            introduce(recorder, thing)
        elif known is not None and known.token is not None and token(thing) != known.token:
            loop = self._loop(thing)
            activity = loop.fit.activity if loop is not None else current(recorder)
            label = f"{type(thing).__name__} after {loop.steps} steps" if loop else type(thing).__name__
            next_version(recorder, thing, activity, time.time_ns(), label)

    def finish(self) -> None:
        """The run ends: what goes on is over."""
        for fitting in reversed(self._fittings):
            fitting.leave(None)
        self._fittings.clear()
        for _, loop in self._loops:
            self._end(loop)
        self._loops.clear()

    def forget(self) -> None:
        """What goes on is another process's."""
        self._fittings.clear()
        self._loops.clear()

    # -- trainings

    def fitting(self, model: Any) -> Fitting | None:
        """The fit of a model that goes on."""
        return next((one for one in reversed(self._fittings) if one.model is model), None)

    def fits(self, model: Any, arguments: Mapping[str, Any]) -> Fitting:
        """`Model.fit` is called."""
        for fitting in [one for one in self._alone if one.model is model]:
            self.left(fitting, None)
        for own, loop in [pair for pair in self._loops if pair[0] is model]:
            self._end(loop)
            self._loops.remove((own, loop))
        fitting = Fitting(self.recorder, self.keras, model, self.changes, arguments)
        self._fittings.append(fitting)
        self.busy += 1
        return fitting

    def callbacks(self, fitting: Fitting, callbacks: Any) -> tuple[Any, Any]:
        """Callbacks of ours for a fit, given the program's own."""
        listed = getattr(callbacks, "callbacks", callbacks)
        listed = listed if isinstance(listed, (list, tuple)) else [listed] if listed else []
        fitting.callbacks = list(listed)
        first, last = listener_class(self.keras)
        return first(fitting), last(fitting)

    def alone(self, fitting: Fitting) -> None:
        """Of this fit only the callbacks tell: it ends when they say so. Its data may be split."""
        made, self._unclaimed = self._unclaimed, None
        if made is not None and made[0] is fitting.arguments.get("x"):
            fitting.train, fitting.validation = made[1]
        self._alone.append(fitting)
        fitting.over = lambda: self.left(fitting, None)

    def left(self, fitting: Fitting, error: BaseException | None) -> None:
        """`Model.fit` gave back, or raised an error."""
        if fitting not in self._fittings:
            return
        self._fittings.remove(fitting)
        if fitting in self._alone:
            self._alone.remove(fitting)
        self.busy -= 1
        for role, part in (("training data", "train"), ("validation data", "validation")):
            for thing in fitting.used(role):
                self._parts[thing] = part
        fitting.leave(error)

    def split(self, arrays: Any, ratio: Any, result: Any) -> None:
        """`validation_split` of a fit took the last part of the data for validation."""
        sides = [given(*side) for side in result]
        if self._fittings:
            self._fittings[-1].train, self._fittings[-1].validation = sides
        else:
            self._unclaimed = result[0][0], sides
        subsets = []
        at = 0
        for name, side in zip(("train", "validation"), sides, strict=True):
            length = 0
            for _, thing in parts(side, name):
                length = int(thing.shape[0])
                subsets.append((name, thing, length, range(at, at + length)))
            at += length
        wholes = [thing for _, thing in parts(given(*arrays), "whole")]
        split(self.recorder, wholes, subsets, {"validation_split": ratio}, "validation_split")

    def rate_set(self, optimizer: Any, value: Any) -> None:
        """An optimiser's learning rate was set."""
        for fitting in reversed(self._fittings):
            if main_optimizer(fitting.model) is optimizer:
                caller = _caller(self.keras)
                named = type(caller).__name__ if caller is not None else ""
                fitting.rate_set(value, self.recorder.policy or named)
                return

    # -- loops of the program's own

    def _loop(self, model: Any) -> _Loop | None:
        return next((loop for own, loop in self._loops if own is model), None)

    def steps(self, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """A batch is about to be trained on."""
        if self._fittings or self._loop(model) is not None or not model.built:
            return
        self._begin_loop(model, args, kwargs)

    def _begin_loop(self, model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Loop:
        recorder = self.recorder
        recorder.bring_up_to_date(model)
        introduce(recorder, model)
        fit = Fit(recorder, "keras", "training", model)
        arguments = {**dict(zip(("x", "y"), args, strict=False)), **kwargs}
        # A batch that is a view is a part of the array that it is a view of.
        bases = [getattr(arguments.get(name), "base", None) for name in ("x", "y")]
        whole = given(*(base if hasattr(base, "shape") else None for base in bases))
        if whole is not None:
            fit.data(whole)
        found = hyperparameters(self.keras, model, {}, None)
        sizes = getattr(arguments.get("x"), "shape", None)
        if sizes:
            found["batch_size"] = int(sizes[0])
        fit.hyperparameters(found)
        loop = _Loop(fit)
        self._loops.append((model, loop))
        return loop

    def stepped(self, model: Any, result: Any) -> None:
        """A batch has been trained on."""
        if self._fittings:
            return
        loop = self._loop(model) or self._begin_loop(model, (), {})
        loop.steps += 1
        self.changes.changed(model)
        if isinstance(result, dict):
            values = numbers(result)
        elif isinstance(result, (list, tuple)):
            loop.names = loop.names or _names(model)
            values = numbers(zip(loop.names, result, strict=False))
        else:
            values = numbers({"loss": result})
        loop.fit.log(values, step=loop.steps)

    def _end(self, loop: _Loop) -> None:
        loop.fit.end(None, "trilha:steps", loop.steps, "trilha:backend", self.keras.config.backend())

    # -- evaluations, predictions

    def evaluates(self, model: Any, arguments: Mapping[str, Any]) -> tuple[_Stage, Any]:
        """`Model.evaluate` is called by the program."""
        recorder = self.recorder
        data = given(arguments.get("x"), arguments.get("y"), arguments.get("sample_weight"))
        evaluating = Evaluating(recorder, "keras", part=self._part(data))
        stage = self._enter(evaluating)
        introduce(recorder, model)
        evaluating.model(model)
        evaluating.data(data)
        tell_of_data(recorder, data)

        def over(logs: Any = None) -> None:
            stage.logs = guarded(recorder, numbers, logs) or {}

        listener = self.keras.callbacks.LambdaCallback()
        listener.on_test_end = over
        return stage, listener

    def _part(self, data: Any) -> str:
        """Which part of the data this is: as a training has used it; else it is there for testing."""
        for _, thing in parts(data, "data"):
            known = self.recorder.objects.get(thing)
            if known is not None and known.entity in self._parts:
                return self._parts[known.entity]
            for fitting in self._fittings:
                for role, part in (("training data", "train"), ("validation data", "validation")):
                    if known is not None and known.entity in fitting.used(role):
                        return part
            break
        return "" if self._fittings else "test"

    def evaluated(self, stage: _Stage, error: BaseException | None) -> None:
        """An evaluation is over."""
        self._leave(stage)
        stage.evaluating.end(stage.logs, error)

    def predicts(self, model: Any, arguments: Mapping[str, Any]) -> _Stage:
        """`Model.predict` is called."""
        recorder, data = self.recorder, arguments.get("x")
        evaluating = Evaluating(recorder, "keras", label="prediction", measures=False)
        stage = self._enter(evaluating)
        introduce(recorder, model)
        evaluating.model(model)
        evaluating.data(data)
        tell_of_data(recorder, data)
        return stage

    def predicted(self, stage: _Stage, result: Any, error: BaseException | None) -> None:
        """A prediction is over."""
        self._leave(stage)
        if result is not None:
            stage.evaluating.gave(result)
        stage.evaluating.end({}, error)

    def _enter(self, evaluating: Evaluating) -> _Stage:
        stage = _Stage(evaluating)
        stage.place.enter(evaluating.activity)
        self.busy += 1
        return stage

    def _leave(self, stage: _Stage) -> None:
        stage.place.leave()
        self.busy -= 1

    # -- files

    def saved(self, model: Any, filepath: Any) -> None:
        """A model, or its weights, were written."""
        if not issubclass(type(model), self._model) or not isinstance(filepath, (str, os.PathLike)):
            return
        recorder, path = self.recorder, os.path.abspath(os.fspath(filepath))
        fitting = self.fitting(model)
        if fitting is not None:
            fitting.changed()
        introduce(recorder, model)
        best, reason = _why_best(_caller(self.keras), fitting)
        checkpoint(recorder, current(recorder), model, path, reason, best=best)

    def loaded(self, model: Any, filepath: Any = None, *_: Any, **named: Any) -> None:
        """A model was made from a file."""
        self._from_file(model, named.get("filepath", filepath))

    def took(self, _: Any, model: Any = None, filepath: Any = None, **named: Any) -> None:
        """A model took over weights from a file."""
        self._from_file(named.get("model", model), named.get("filepath", filepath))

    def _from_file(self, model: Any, filepath: Any) -> None:
        recorder, at = self.recorder, time.time_ns()
        if not isinstance(filepath, (str, os.PathLike)) or not issubclass(type(model), self._model):
            return
        activity = current(recorder)
        path = os.path.abspath(os.fspath(filepath))
        files = [path]
        if os.path.isdir(path):
            files = sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
        sources = [recorder.files.read(one, activity, at) for one in files]
        self.changes.changed(model)
        name = type(model).__name__
        known = recorder.objects.get(model)
        if known is None:
            entity = next(recorder.numbers)
            types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Model"])
            recorder.entity(entity, *types, "prov:label", name, *describe(model))
            known = recorder.objects.put(model, entity, recorder.generated(entity, activity.identifier, at))
            introduce(recorder, model)
        else:
            known = next_version(recorder, model, activity, at, f"{name}, loaded", force=True)
        for source in sources:
            if source is not None:
                how = (activity.identifier, known.generation, activity.used[source])
                recorder.derived(known.entity, source, *how)

    # -- preparation

    def prepares(self) -> int:
        """A preprocessing layer is adapted, or called; gives when."""
        self.busy += 1
        return time.time_ns()

    def prepared(self, begun: int | None) -> bool:
        """That is over; gives whether it was nothing within another thing."""
        if begun is None:
            return False
        self.busy -= 1
        return not self.busy

    def adapted(self, layer: Any, data: Any, begun: int) -> None:
        """A preprocessing layer was adapted to data."""
        self.changes.changed(layer)
        # What is told of it is told as of a layer, not as of a model of its own.
        self.recorder.described.add(layer)
        things = [thing for _, thing in parts(data, "data")]
        name = f"{type(layer).__name__}.adapt"
        settings = settings_of(layer)
        transformation(self.recorder, name, things, [layer], settings=settings, by=layer, begun=begun)

    def transformed(self, layer: Any, inputs: Any, result: Any, begun: int) -> None:
        """A preprocessing layer was called with data, not with what stands for data in a model."""
        if _in_model(self.keras) or not (_is_concrete(inputs) and _is_concrete(result)):
            return
        before = [thing for _, thing in parts(inputs, "data")]
        if self.recorder.objects.get(layer) is not None:
            before.append(layer)
        after = [thing for _, thing in parts(result, "data")]
        name, settings = type(layer).__name__, settings_of(layer)
        transformation(self.recorder, name, before, after, settings=settings, by=layer, begun=begun)


def _names(model: Any) -> list[str]:
    """The names of what `train_on_batch` gives as a list: those of the model's metrics first."""
    logs = model.get_metrics_result()
    own = [metric.name for metric in model.metrics if metric.name in logs]
    return own + sorted(name for name in logs if name not in own)


def _is_concrete(thing: Any) -> bool:
    """Whether data, and not what stands for data while a function is traced or a model is built."""
    for _, part in parts(thing, "data"):
        names = {kind.__name__ for kind in type(part).__mro__}
        if not names.isdisjoint(_FOR_EXAMPLE) or ("Tensor" in names and not hasattr(part, "numpy")):
            return False
    return True


def _in_model(keras: Any) -> bool:
    """Whether a layer is being called by another one."""
    state = keras.src.backend.common.global_state
    return state.get_global_attribute("current_call_ctx") is not None


def _caller(keras: Any) -> Any:
    """The program's (or Keras') callback that is at work in this thread; None where none is."""
    base = keras.callbacks.Callback
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        # The function of a callback made of functions has no `self`; the list's own method is no callback.
        own = frame.f_locals.get("self") if frame.f_code.co_varnames[:1] == ("self",) else None
        if issubclass(type(own), base) and not issubclass(type(own), keras.callbacks.CallbackList):
            return own
        frame = frame.f_back
    return None


def _why_best(callback: Any, fitting: Fitting | None) -> tuple[bool, str]:
    """Whether a callback writes the best model so far, and why it is that."""
    if fitting is None or not getattr(callback, "save_best_only", False):
        return False, ""
    best, which = plain_number(getattr(callback, "best", None)), extreme(callback)
    if best is None or not which:
        return False, ""
    return True, f"{which} {callback.monitor} {best:.5g} at epoch {fitting.number}"
