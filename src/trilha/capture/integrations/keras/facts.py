"""What can be said of Keras' models, optimisers and data, without changing anything in them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trilha.capture.interrupts import pass_on
from trilha.capture.learning.architecture import Layer
from trilha.capture.values import is_value, python_type

__all__ = [
    "about_data",
    "about_model",
    "as_kept",
    "extreme",
    "hyperparameters",
    "layers",
    "main_optimizer",
    "numbers",
    "plain_number",
    "rate_of",
    "settings_of",
    "steps_of",
    "weights_of",
]

_SETTINGS: Final = (
    *("units", "rate", "filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
    *("pool_size", "momentum", "epsilon", "axis", "input_dim", "output_dim", "num_heads", "key_dim", "seed"),
    *("return_sequences", "go_backwards", "recurrent_activation", "dropout", "recurrent_dropout", "factor"),
    *("scale", "offset", "height", "width", "max_tokens", "output_mode", "output_sequence_length", "mode"),
    *("target_shape", "size", "num_bins", "mask_value", "stddev", "interpolation", "invert", "n"),
)
_UNSAID: Final = frozenset(["name", "dtype", "trainable", "inner_optimizer", "use_ema"])
_UNUSUAL: Final = {
    "initial_epoch": (0,),
    "validation_split": (0.0, 0),
    "steps_per_epoch": (None,),
    "validation_steps": (None,),
    "validation_batch_size": (None,),
    "validation_freq": (1,),
    "class_weight": (None,),
}
"""Arguments of `Model.fit` that are stated only where they are not as they are by default."""

_MOST_NESTED: Final = 8


def numbers(logs: Any) -> dict[str, float]:
    """Metrics as Keras hands them to callbacks, as far as they are numbers, NaN included."""
    found = {}
    for name, value in dict(logs or {}).items():
        number = plain_number(value)
        if number is not None:
            found[str(name)] = number
    return found


def plain_number(value: Any) -> float | None:
    """A number of Python's; a single-precision one as it is written, 0.001 and not 0.0010000000474974513."""
    try:
        if getattr(value, "dtype", None) is not None and str(value.dtype).endswith("float32"):
            return float(str(sys.modules["numpy"].float32(value)))
        return float(value)
    except (TypeError, ValueError, KeyError):
        pass_on()
        return None


def as_kept(value: Any, variable: Any) -> float | None:
    """A number as a variable keeps it that is set to it, in single precision perhaps; None for no number."""
    number = plain_number(value)
    if number is not None and str(getattr(variable, "dtype", "")).endswith("float32"):
        return plain_number(sys.modules["numpy"].float32(number))
    return number


# -- models


def weights_of(weights: Any) -> int:
    """How many numbers are in weights, whose shapes are known."""
    total = 0
    for weight in weights:
        size = 1
        for dimension in weight.shape:
            size *= dimension
        total += size
    return total


def about_model(model: Any) -> list[Any]:
    """Attributes of a model, keys and values in turn."""
    about: list[Any] = ["trilha:name", model.name, "trilha:class", python_type(model)]
    if model.built:
        about += ["trilha:parameters", weights_of(model.weights)]
        about += ["trilha:trainable", weights_of(model.trainable_weights)]
    return about


def layers(model: Any, prefix: str = "", depth: int = _MOST_NESTED) -> Iterator[Layer]:
    """The layers of a model in order; those of a model in it by names with a slash."""
    for layer in model.layers:
        if depth and _is_model(layer):
            yield from layers(layer, f"{prefix}{layer.name}/", depth - 1)
            continue
        config = _config(layer)
        yield Layer(
            name=prefix + layer.name,
            kind=type(layer).__name__,
            input_shape=_shape(layer, "input"),
            output_shape=_shape(layer, "output"),
            parameters=weights_of(layer.weights) if layer.built else None,
            trainable=weights_of(layer.trainable_weights) if layer.built else None,
            activation=_activation(layer),
            settings={name: _text(config[name]) for name in _SETTINGS if config.get(name) is not None},
        )


def _is_model(layer: Any) -> bool:
    return any(kind.__module__ == "keras.src.models.model" for kind in type(layer).__mro__)


def _is_own(thing: Any) -> bool:
    """Whether a class of Keras' own, of which it is known what its methods do."""
    return type(thing).__module__.partition(".")[0] == "keras"


def _config(layer: Any) -> Mapping[str, Any]:
    if not _is_own(layer):
        return {}
    return _made_with(layer)


def _made_with(thing: Any) -> dict[str, Any]:
    """What an object of Keras' own was made with, as it keeps it under the names of its parameters.

    Its `get_config` is not asked: to serialise what is in it, Keras imports TensorFlow, whatever the backend.
    """
    found: dict[str, Any] = {}
    for kind in type(thing).__mro__:
        if kind.__module__.partition(".")[0] != "keras":
            continue
        make = kind.__dict__.get("__init__")
        code = getattr(inspect.unwrap(make), "__code__", None) if make is not None else None
        if code is None:
            continue
        for name in code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]:
            if name not in found:
                try:
                    found[name] = getattr(thing, name)
                except Exception:
                    pass_on()
                    continue
    return found


def settings_of(layer: Any) -> dict[str, Any]:
    """What a layer of Keras' own was made with."""
    return {
        name: _text(value) for name, value in _config(layer).items() if name in _SETTINGS and _said(value)
    }


def _said(value: Any) -> bool:
    return value is not None and value is not False


def _shape(layer: Any, which: str) -> str:
    """The shape of a layer's input or output as it stands in the graph of a model; empty if it is in none."""
    try:
        tensor = getattr(layer, which)
        if isinstance(tensor, (list, tuple)):
            return ", ".join(_sizes(one.shape) for one in tensor)
        return _sizes(tensor.shape)
    except Exception:
        pass_on()
    try:
        shapes = list((layer._build_shapes_dict or {}).values())
        if which == "input" and len(shapes) == 1:
            return _sizes(shapes[0])
        if len(shapes) == 1 and _is_own(layer):
            return _sizes(layer.compute_output_shape(shapes[0]))
    except Exception:
        pass_on()
    return ""


def _sizes(shape: Any) -> str:
    sizes = tuple(shape)
    return str((None, *sizes[1:])) if sizes else "()"


def _activation(layer: Any) -> str:
    activation = getattr(layer, "activation", None)
    if activation is None:
        return ""
    return str(getattr(activation, "__name__", None) or type(activation).__name__)


def _text(value: Any) -> Any:
    if is_value(value):
        return value
    if isinstance(value, (list, tuple)):
        return str(tuple(value))
    if isinstance(value, dict):
        return str(value.get("class_name", value))
    return str(value)


# -- hyperparameters


def main_optimizer(model: Any) -> Any:
    """The optimiser of a model; the one inside, where another scales its losses."""
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)


def rate_of(keras: Any, optimizer: Any) -> float | None:
    """The learning rate as it is now; None where there is no such thing. Waits for a device, if there is."""
    try:
        return plain_number(keras.ops.convert_to_numpy(optimizer.learning_rate))
    except Exception:
        pass_on()
        return None


def steps_of(keras: Any, optimizer: Any) -> float:
    """How many steps an optimiser has made; 0 where that is not known. Waits for a device, if any."""
    try:
        return plain_number(keras.ops.convert_to_numpy(optimizer.iterations)) or 0.0
    except Exception:
        pass_on()
        return 0.0


def hyperparameters(keras: Any, model: Any, arguments: Mapping[str, Any], epochs: Any) -> dict[str, Any]:
    """The hyperparameters of a fit, by Keras' own names.

    Args:
        keras: the library.
        model: compiled.
        arguments: of `Model.fit`.
        epochs: how many there will be at most; None where that is not known.
    """
    found = _of_optimizer(keras, main_optimizer(model))
    loss = _name_of(getattr(model, "loss", None))
    found |= {"loss": loss} if loss else {}
    found |= {"epochs": epochs} if epochs is not None else {}
    batch_size = _batch_size(arguments)
    found |= {"batch_size": batch_size} if batch_size is not None else {}
    for name, usual in _UNUSUAL.items():
        value = arguments.get(name)
        if value is not None and not (is_value(value) and value in usual):
            found[name] = {str(key): one for key, one in value.items()} if isinstance(value, dict) else value
    if arguments.get("shuffle") is False:
        found["shuffle"] = False
    seed = getattr(keras.src.utils.rng_utils, "get_random_seed", lambda: None)()
    found |= {"seed": seed} if isinstance(seed, int) else {}
    found["dtype_policy"] = model.dtype_policy.name
    found["layers"] = len(list(layers(model)))
    for name in ("run_eagerly", "steps_per_execution"):
        value = getattr(model, name, None)
        if isinstance(value, (bool, int)) and (value is True or value > 1):
            found[name] = value
    return found


def _of_optimizer(keras: Any, optimizer: Any) -> dict[str, Any]:
    if optimizer is None:
        return {}
    found: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    config = _made_with(optimizer) if _is_own(optimizer) else {}
    schedule = getattr(optimizer, "_learning_rate", None)
    for name, value in config.items():
        if name in _UNSAID or not _said(value) or (name.startswith("ema_") and not config.get("use_ema")):
            continue
        if name == "learning_rate":
            found[name] = rate_of(keras, optimizer)
        elif is_value(value):
            found[name] = value
    if "learning_rate" not in found and (rate := rate_of(keras, optimizer)) is not None:
        found["learning_rate"] = rate
    if schedule is not None and any(
        kind.__name__ == "LearningRateSchedule" for kind in type(schedule).__mro__
    ):
        found["scheduler"] = type(schedule).__name__
        if _is_own(schedule):
            settings = {
                name: one for name, one in _made_with(schedule).items() if is_value(one) and _said(one)
            }
            found |= {f"scheduler_{name}": one for name, one in settings.items() if name != "name"}
    return found


def _name_of(loss: Any) -> str:
    if isinstance(loss, str):
        return loss
    if isinstance(loss, dict):
        return ", ".join(f"{name}: {_name_of(one)}" for name, one in loss.items())
    if isinstance(loss, (list, tuple)):
        return ", ".join(_name_of(one) for one in loss)
    if loss is None:
        return ""
    return str(getattr(loss, "__name__", None) or getattr(loss, "name", None) or type(loss).__name__)


def _batch_size(arguments: Mapping[str, Any]) -> int | None:
    """How many samples a batch has: as the program says, the loader says, or as is Keras' default."""
    given = arguments.get("batch_size")
    if given is not None:
        return int(given)
    data = arguments.get("x")
    own = getattr(data, "batch_size", None)
    if isinstance(own, int):
        return own
    own = getattr(data, "_batch_size", None)
    if own is not None and not isinstance(own, int):
        own = plain_number(own)
    if own is not None:
        return int(own)
    first = data[0] if isinstance(data, (list, tuple)) and data else data
    return 32 if hasattr(first, "shape") and hasattr(first, "__getitem__") else None


# -- data and callbacks


def about_data(thing: Any) -> list[Any]:
    """Attributes of data that `trilha.capture.identity.describe` does not tell, keys and values in turn."""
    about: list[Any] = []
    shape = getattr(thing, "shape", None)
    if shape is not None:
        sizes = tuple(shape)
        if sizes and isinstance(sizes[0], int):
            about += ["trilha:length", sizes[0]]
        if type(thing).__module__.startswith("tensorflow"):
            about += ["trilha:shape", "×".join(map(str, sizes)) or "scalar", "trilha:dtype", thing.dtype.name]
        return about
    if type(thing).__module__.startswith("tensorflow.") and hasattr(thing, "cardinality"):
        batches = plain_number(thing.cardinality())
        if batches is not None and batches >= 0:
            about += ["trilha:batches", int(batches)]
    elif any(kind.__name__ == "PyDataset" for kind in type(thing).__mro__):
        batches = thing.num_batches
        if batches is not None:
            about += ["trilha:batches", int(batches)]
    size = getattr(thing, "batch_size", None)
    if isinstance(size, int):
        about += ["trilha:batch_size", size]
    return about


def extreme(callback: Any) -> str:
    """Whether a callback's best is the ``"lowest"`` or the ``"highest"``; empty if that is not decided."""
    name = getattr(getattr(callback, "monitor_op", None), "__name__", "")
    return {"less": "lowest", "greater": "highest"}.get(name, "")
