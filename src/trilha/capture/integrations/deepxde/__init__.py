"""DeepXDE: physics-informed networks, with the geometry, equation, conditions, points and losses of each.

A training is told by a callback of DeepXDE's own kind, which is added to those that the program gives to
`Model.train`, and taken out of the list again. What no callback tells (what a model was compiled with, what
it predicts, where it is saved) is seen in `Model.compile`, `Model.predict` and `Model.save`, which are
wrapped while a run is recorded. On the PyTorch backend the weights, the optimiser's settings and the files
are told by the integration of PyTorch, to the training that is led here.

Tested on DeepXDE 1.15 with the backends of PyTorch and of TensorFlow (`tensorflow.compat.v1`). Another
version, or another backend, records what its hooks still tell.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from trilha.capture import context
from trilha.capture.context import process
from trilha.capture.integrations.deepxde.problem import Problem
from trilha.capture.integrations.deepxde.training import Training
from trilha.capture.learning.evaluating import Evaluating
from trilha.capture.learning.fit import checkpoint, guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_PLACE_OF_CALLBACKS = 4
"""Position of `callbacks` among the arguments of `Model.train`, after the model itself."""


class _Listening:
    """What listens to DeepXDE during one run."""

    def __init__(self, recorder: Recorder, library: Any) -> None:
        self.recorder = recorder
        self.library = library
        self.compiled: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
        self.problems: WeakKeyDictionary[Any, Problem] = WeakKeyDictionary()
        self.trainings: list[Training] = []
        self.undo: list[Callable[[], None]] = []


_listening: list[_Listening] = []


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to DeepXDE for `recorder`."""
    listening = _Listening(recorder, library)
    _listening.append(listening)
    missing = []
    for name, wrapper in (("train", _train), ("compile", _compile), ("predict", _predict), ("save", _save)):
        try:
            _wrap(listening, library.Model, name, wrapper)
        except AttributeError:
            missing.append(f"Model.{name}")
    if missing:
        version = getattr(library, "__version__", "")
        recorder.complain(f"deepxde {version} has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Stop listening; DeepXDE is as it was."""
    for listening in [one for one in _listening if one.recorder is recorder]:
        _listening.remove(listening)
        for undo in reversed(listening.undo):
            undo()


def forked(recorder: Recorder) -> None:
    """In a forked child: a training that goes on is the parent's."""
    for listening in _listening:
        if listening.recorder is recorder:
            listening.trainings.clear()


def _wrap(listening: _Listening, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    wrapped = functools.wraps(original)(wrapper(listening, original))
    setattr(owner, name, wrapped)

    def undo() -> None:
        if getattr(owner, name, None) is wrapped:
            setattr(owner, name, original)

    listening.undo.append(undo)


def _active(listening: _Listening) -> bool:
    return process.recorder is listening.recorder


def _train(listening: _Listening, train: Any) -> Any:
    def train_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _active(listening):
            return train(self, *args, **kwargs)
        recorder = listening.recorder
        training = guarded(recorder, _begun, listening, self, args, kwargs)
        if training is None:
            return train(self, *args, **kwargs)
        # In the way that they were given: DeepXDE asks whether `verbose` was given by name.
        if len(args) > _PLACE_OF_CALLBACKS:
            given = [*(args[_PLACE_OF_CALLBACKS] or []), training.callback]
            args = (*args[:_PLACE_OF_CALLBACKS], given, *args[_PLACE_OF_CALLBACKS + 1 :])
        else:
            kwargs = {**kwargs, "callbacks": [*(kwargs.get("callbacks") or []), training.callback]}
        listening.trainings.append(training)
        outside = context.enter(training.activity)
        error: BaseException | None = None
        try:
            return train(self, *args, **kwargs)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if training in listening.trainings:
                listening.trainings.remove(training)
            guarded(recorder, training.end, error)
            context.leave(outside)

    return train_and_record


def _begun(listening: _Listening, model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Training:
    names = ("iterations", "batch_size", "display_every", "disregard_previous_best", "callbacks")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    problem = listening.problems.get(model.data)
    if problem is None:
        problem = listening.problems[model.data] = Problem(listening.recorder, model.data)
    compiled = listening.compiled.get(model, {})
    return Training(listening.recorder, listening.library, model, problem, compiled, given)


def _compile(listening: _Listening, compile_model: Any) -> Any:
    def compile_and_note(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = compile_model(self, *args, **kwargs)
        if _active(listening):
            names = ("optimizer", "lr", "loss", "metrics", "decay", "loss_weights")
            listening.compiled[self] = {**dict(zip(names, args, strict=False)), **kwargs}
        return result

    return compile_and_note


def _predict(listening: _Listening, predict: Any) -> Any:
    def predict_and_record(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        if not _active(listening) or listening.trainings:
            return predict(self, x, *args, **kwargs)
        recorder = listening.recorder
        doing = guarded(recorder, _predicting, recorder, self, x)
        try:
            result = predict(self, x, *args, **kwargs)
        except BaseException as error:
            if doing is not None:
                guarded(recorder, doing.end, {}, error)
            raise
        if doing is not None:
            guarded(recorder, doing.gave, result)
            guarded(recorder, doing.end, {})
        return result

    return predict_and_record


def _predicting(recorder: Recorder, model: Any, x: Any) -> Evaluating:
    doing = Evaluating(recorder, "deepxde", label="Model.predict", measures=False)
    doing.model(model.net)
    doing.data(x)
    return doing


def _save(listening: _Listening, save: Any) -> Any:
    def save_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        path = save(self, *args, **kwargs)
        if _active(listening):
            protocol = args[1] if len(args) > 1 else kwargs.get("protocol", "backend")
            prefix = args[0] if args else kwargs.get("save_path", "")
            guarded(listening.recorder, _saved, listening, self, str(path), str(prefix), protocol)
        return path

    return save_and_record


def _saved(listening: _Listening, model: Any, path: str, prefix: str, protocol: str) -> None:
    recorder = listening.recorder
    training = next((one for one in reversed(listening.trainings) if one.model is model), None)
    reason = training.reason_to_save(prefix) if training is not None else ""
    activity = context.current(recorder)
    if protocol == "backend" and listening.library.backend.backend_name == "pytorch":
        # `torch.save` has been recorded, with the weights that are in the file.
        if reason:
            entity = recorder.files.produce(path, activity, time.time_ns())
            if entity is not None:
                recorder.entity(entity, "trilha:best", True, "trilha:reason", reason)
        return
    checkpoint(recorder, activity, model.net, path, reason, best=bool(reason))
