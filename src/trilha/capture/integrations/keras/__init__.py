"""Keras 3: fit, evaluate and predict, callbacks, models saved and loaded, preprocessing layers.

Keras has no global list of callbacks. `fit` and `evaluate` of its trainer are wrapped while a run is
recorded, and give two callbacks of ours along, the first and the last of the list, neither of which takes
part in what happens for a batch; so nothing is asked of a device but at the end of an epoch. Also wrapped:

- `predict`, `train_on_batch`;
- the setter of an optimiser's learning rate, which says who changed it;
- what writes and reads models (`keras.src.saving`), and `Model.export`;
- `adapt` and calls of preprocessing layers, and `validation_split`.

All is undone when the run ends. Tested on Keras 3.15 with TensorFlow 2.21, JAX 0.10 and PyTorch 2.13 behind
it. Another version records what is still where it was, with one warning where something is missing, and never
fails the program.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trilha.capture.context import Quiet, process
from trilha.capture.identity import token_of_type
from trilha.capture.integrations.keras.following import Listening
from trilha.capture.learning.fit import guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "follow", "forked"]

_listening: list[Listening] = []


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to Keras (the package `library`) for `recorder`."""
    version = str(getattr(library, "__version__", "?"))
    if version.partition(".")[0] != "3":
        recorder.complain(f"keras {version} is not recorded: Keras 3 is")
        return
    if any(one.recorder is recorder for one in _listening):
        return
    listening = Listening(recorder, library)
    _listening.append(listening)
    missing = []
    for name, attach in _PLACES.items():
        try:
            attach(listening, library)
        except (AttributeError, ImportError, KeyError):
            missing.append(name)
    if missing:
        recorder.complain(f"keras {version} has changed: {', '.join(missing)} cannot be recorded")
    if library.config.backend() != "torch":
        # There, the tensors tell themselves.
        token_of_type["keras.src.layers.layer.Layer"] = listening.changes.token
    recorder.refreshers.insert(0, listening.refresh)
    listening.undo.append(lambda: recorder.refreshers.remove(listening.refresh))


def end(recorder: Recorder) -> None:
    """Stop listening; Keras is as it was."""
    for listening in [one for one in _listening if one.recorder is recorder]:
        _listening.remove(listening)
        try:
            listening.finish()
        except Exception:
            recorder.failed()
        for undo in reversed(listening.undo):
            undo()


def forked(recorder: Recorder) -> None:
    """In a forked child: the trainings that go on are the parent's."""
    for listening in _listening:
        if listening.recorder is recorder:
            listening.forget()


def follow(callback: Any) -> None:
    """Follow the training of a program's callback, unless it is followed already.

    That is so where `fit` was looked up before the recording began, as it is in
    ``model.fit(..., callbacks=[Callback()])``. The arguments are those of the call of `fit` that is going on.

    Args:
        callback: a callback of Keras', which has its model.
    """
    for listening in _listening:
        if process.recorder is listening.recorder:
            guarded(listening.recorder, _follow, listening, callback)


def _follow(listening: Listening, callback: Any) -> None:
    model = callback.model
    if listening.fitting(model) is not None:
        return
    frame = sys._getframe()
    while frame is not None and not (frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model):
        frame = frame.f_back  # type: ignore[assignment]
    arguments = dict(frame.f_locals) if frame is not None else {}
    held = arguments.pop("callbacks", None)
    fitting = listening.fits(model, arguments)
    callbacks = list(getattr(held, "callbacks", None) or [callback])
    first, last = listening.callbacks(fitting, callbacks)
    for ours in (first, last):
        ours.set_params(callback.params)
        ours.set_model(model)
    if held is not None:
        # The list that is gone through just now stays what it is.
        held.callbacks = [first, *callbacks, last]
    listening.alone(fitting)
    fitting.train_begins(callback.params or {})


# -- trainers


def _attach_trainer(listening: Listening, keras: Any) -> None:
    owner = _owner(keras.Model, "fit")
    _wrap(listening, owner, "fit", _fitting)
    _wrap(listening, owner, "evaluate", _evaluating)
    _wrap(listening, owner, "predict", _predicting)
    _wrap(listening, owner, "train_on_batch", _stepping)


def _owner(kind: type, name: str) -> type:
    """The class that a method is inherited from."""
    return next(one for one in kind.__mro__ if name in vars(one) and not _is_abstract(vars(one)[name]))


def _is_abstract(function: Any) -> bool:
    """Whether a method does nothing but to say that there is none."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_names == ("NotImplementedError",)


def _with(callbacks: Any, first: Any, last: Any, model: Any) -> tuple[Any, Callable[[], None]]:
    """A `callbacks` argument with ours before and behind; and what takes them out of it again."""
    if hasattr(callbacks, "set_params") and hasattr(callbacks, "callbacks"):
        own = callbacks.callbacks
        for ours in (first, last):
            ours.set_params(callbacks.params)
            ours.set_model(model)
        callbacks.callbacks = [first, *own, last]

        def undo() -> None:
            callbacks.callbacks = [one for one in callbacks.callbacks if one is not first and one is not last]

        return callbacks, undo
    listed = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
    return [first, *listed, last], lambda: None


def _arguments(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        # The call fails as it does without us.
        return None
    found = dict(bound.arguments)
    found.pop("self", None)
    extra = found.pop("kwargs", {})
    return {**found, **extra}


def _fitting(listening: Listening, fit: Any) -> Any:
    signature = inspect.signature(fit)

    def begins(model: Any, arguments: dict[str, Any]) -> Any:
        fitting = listening.fits(model, arguments)
        callbacks = arguments.get("callbacks")
        first, last = listening.callbacks(fitting, callbacks)
        given, undo = _with(callbacks, first, last, model)
        return fitting, given, undo

    def fit_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = listening.recorder
        arguments = _arguments(signature, args, kwargs) if process.recorder is recorder else None
        begun = guarded(recorder, begins, self, arguments) if arguments is not None else None
        if begun is None or arguments is None:
            return fit(self, *args, **kwargs)
        fitting, callbacks, undo = begun
        try:
            result = fit(self, **{**arguments, "callbacks": callbacks})
        except BaseException as error:
            guarded(recorder, listening.left, fitting, error)
            raise
        finally:
            undo()
        guarded(recorder, listening.left, fitting, None)
        return result

    return fit_and_record


def _evaluating(listening: Listening, evaluate: Any) -> Any:
    signature = inspect.signature(evaluate)

    def evaluate_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = listening.recorder
        # A validation of Keras' own in a training: its metrics are those of the epoch.
        own = "_use_cached_eval_dataset" in kwargs or process.recorder is not recorder
        arguments = None if own else _arguments(signature, args, kwargs)
        begun = guarded(recorder, listening.evaluates, self, arguments) if arguments is not None else None
        if begun is None or arguments is None:
            return evaluate(self, *args, **kwargs)
        stage, ours = begun
        callbacks, undo = _with(arguments.get("callbacks"), ours, ours, self)
        if isinstance(callbacks, list):
            callbacks = callbacks[1:]
        try:
            result = evaluate(self, **{**arguments, "callbacks": callbacks})
        except BaseException as error:
            guarded(recorder, listening.evaluated, stage, error)
            raise
        finally:
            undo()
        guarded(recorder, listening.evaluated, stage, None)
        return result

    return evaluate_and_record


def _predicting(listening: Listening, predict: Any) -> Any:
    signature = inspect.signature(predict)

    def predict_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = listening.recorder
        arguments = _arguments(signature, args, kwargs) if process.recorder is recorder else None
        stage = guarded(recorder, listening.predicts, self, arguments) if arguments is not None else None
        if stage is None:
            return predict(self, *args, **kwargs)
        try:
            result = predict(self, *args, **kwargs)
        except BaseException as error:
            guarded(recorder, listening.predicted, stage, None, error)
            raise
        guarded(recorder, listening.predicted, stage, result, None)
        return result

    return predict_and_record


def _stepping(listening: Listening, train_on_batch: Any) -> Any:
    def step_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        recorder = listening.recorder
        guarded(recorder, listening.steps, self, args, kwargs)
        result = train_on_batch(self, *args, **kwargs)
        guarded(recorder, listening.stepped, self, result)
        return result

    return step_and_record


# -- learning rates, splits


def _attach_rates(listening: Listening, keras: Any) -> None:
    owner = _owner(keras.optimizers.Optimizer, "learning_rate")
    own = vars(owner)["learning_rate"]

    def set_and_record(self: Any, value: Any) -> None:
        own.fset(self, value)
        guarded(listening.recorder, listening.rate_set, self, value)

    wrapped = property(own.fget, set_and_record, own.fdel, own.__doc__)
    owner.learning_rate = wrapped  # type: ignore[attr-defined]

    def undo() -> None:
        if vars(owner).get("learning_rate") is wrapped:
            owner.learning_rate = own  # type: ignore[attr-defined]

    listening.undo.append(undo)


def _attach_splits(listening: Listening, keras: Any) -> None:
    def splitting(_: Listening, split: Any) -> Any:
        def split_and_record(arrays: Any, validation_split: Any) -> Any:
            result = split(arrays, validation_split)
            guarded(listening.recorder, listening.split, arrays, validation_split, result)
            return result

        return split_and_record

    _wrap(listening, keras.src.trainers.data_adapters.array_slicing, "train_validation_split", splitting)


def _attach_loaders(listening: Listening, keras: Any) -> None:
    """With PyTorch, Keras makes loaders of its own for other data: they are nothing of the program's."""
    if keras.config.backend() != "torch":
        return

    def making(_: Listening, make: Any) -> Any:
        def make_and_note(self: Any) -> Any:
            loader = make(self)
            guarded(listening.recorder, listening.recorder.inner.add, loader)
            return loader

        return make_and_note

    for module in list(vars(keras.src.trainers.data_adapters).values()):
        for name, kind in list(vars(module).items()) if inspect.ismodule(module) else []:
            own = name.endswith("Adapter") and kind.__module__ == module.__name__
            if own and name not in ("DataAdapter", "TorchDataLoaderAdapter"):
                _wrap(listening, kind, "get_torch_dataloader", making)


# -- files


def _attach_files(listening: Listening, keras: Any) -> None:
    saving, legacy = keras.src.saving, keras.src.legacy.saving.legacy_h5_format
    for owner, name in (
        (saving.saving_lib, "save_model"),
        (saving.saving_lib, "save_weights_only"),
        (legacy, "save_model_to_hdf5"),
        (keras.Model, "export"),
    ):
        _wrap(listening, owner, name, _saving)
    for owner, name, loads in (
        (saving.saving_lib, "load_model", listening.loaded),
        (legacy, "load_model_from_hdf5", listening.loaded),
        (saving.saving_api, "load_weights", listening.took),
    ):
        _wrap(listening, owner, name, functools.partial(_loading, loads=loads))


def _saving(listening: Listening, save: Any) -> Any:
    def save_and_record(model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
        if process.recorder is not listening.recorder:
            return save(model, filepath, *args, **kwargs)
        with Quiet():
            result = save(model, filepath, *args, **kwargs)
        guarded(listening.recorder, listening.saved, model, filepath)
        return result

    return save_and_record


def _loading(listening: Listening, load: Any, loads: Callable[..., None]) -> Any:
    def load_and_record(*args: Any, **kwargs: Any) -> Any:
        if process.recorder is not listening.recorder:
            return load(*args, **kwargs)
        with Quiet():
            result = load(*args, **kwargs)
        guarded(listening.recorder, loads, result, *args[:2], **kwargs)
        return result

    return load_and_record


# -- preparation


def _attach_preparation(listening: Listening, keras: Any) -> None:
    layers = keras.layers
    kinds = [
        getattr(layers, name)
        for name in ("Normalization", "Discretization", "TextVectorization", "StringLookup", "IntegerLookup")
    ]
    for owner in {_owner(kind, "adapt") for kind in kinds}:
        _wrap(listening, owner, "adapt", _adapting)
    data_layer = keras.src.layers.preprocessing.data_layer.DataLayer
    _wrap(listening, data_layer, "__call__", _calling)
    for kind in kinds:
        if not issubclass(kind, data_layer):
            _give(listening, kind, "__call__", _calling)


def _adapting(listening: Listening, adapt: Any) -> Any:
    def adapt_and_record(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        begun = guarded(listening.recorder, listening.prepares)
        try:
            result = adapt(self, data, *args, **kwargs)
        finally:
            outermost = guarded(listening.recorder, listening.prepared, begun)
        if outermost:
            guarded(listening.recorder, listening.adapted, self, data, begun)
        return result

    return adapt_and_record


def _calling(listening: Listening, call: Any) -> Any:
    def call_and_record(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if process.recorder is not listening.recorder or listening.busy:
            return call(self, inputs, *args, **kwargs)
        begun = guarded(listening.recorder, listening.prepares)
        try:
            result = call(self, inputs, *args, **kwargs)
        finally:
            outermost = guarded(listening.recorder, listening.prepared, begun)
        if outermost:
            guarded(listening.recorder, listening.transformed, self, inputs, result, begun)
        return result

    return call_and_record


_PLACES: dict[str, Callable[[Listening, Any], None]] = {
    "trainings": _attach_trainer,
    "learning rates": _attach_rates,
    "splits": _attach_splits,
    "data loaders": _attach_loaders,
    "saved models": _attach_files,
    "preprocessing": _attach_preparation,
}


def _wrap(listening: Listening, owner: Any, name: str, wrapper: Callable[[Listening, Any], Any]) -> None:
    """Put a wrapper in the place of a function until the run ends, or until someone else replaces it."""
    original = vars(owner)[name]
    wrapped = functools.wraps(original)(wrapper(listening, original))
    setattr(owner, name, wrapped)

    def undo() -> None:
        if vars(owner).get(name) is wrapped:
            setattr(owner, name, original)

    listening.undo.append(undo)


def _give(listening: Listening, kind: type, name: str, wrapper: Callable[[Listening, Any], Any]) -> None:
    """Give a class a method of its own, that wraps the one that it inherits, until the run ends."""
    original = getattr(kind, name)
    wrapped = functools.wraps(original)(wrapper(listening, original))
    setattr(kind, name, wrapped)

    def undo() -> None:
        if vars(kind).get(name) is wrapped:
            delattr(kind, name)

    listening.undo.append(undo)
