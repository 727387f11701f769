"""A PyTorch model's layers, without running it.

What a layer gives for an input is known only when it is called, and a hook on every call would be seen by
``torch.compile``; so shapes are those of the weights, and the settings those that the layer itself prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from trilha.capture.integrations.torch.sharding import Parameter, own_class, parameters, plain_name
from trilha.capture.learning.architecture import Layer

__all__ = ["layers"]

_LONGEST: Final = 500


def layers(model: Any, wrapper: Any = None) -> Iterator[Layer]:
    """The layers of a module: its parts that have no parts, in the order in which they were registered.

    Args:
        model: the module.
        wrapper: what runs it, if it is run by something.
    """
    whole = parameters(model, wrapper)
    for path, module in model.named_modules():
        own = whole.get(id(module), {})
        if next(module.children(), None) is not None and not own:
            continue
        type_ = own_class(module)
        activation = type_.__module__ == "torch.nn.modules.activation"
        yield Layer(
            plain_name(path) or type_.__name__,
            type_.__name__,
            parameters=sum(parameter.size for parameter in own.values()),
            trainable=sum(parameter.size for parameter in own.values() if parameter.trainable),
            activation=type_.__name__ if activation else "",
            settings=_settings(module, type_, own),
        )


def _settings(module: Any, type_: type, own: dict[str, Parameter]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    # Only PyTorch's own classes are asked what they print: a user's may do anything.
    if type_.__module__.startswith("torch."):
        said = module.extra_repr()
        if said:
            settings["made_with"] = said[:_LONGEST]
        rate = getattr(module, "p", None)
        if isinstance(rate, float):
            settings["rate"] = rate
    for name, parameter in list(own.items())[:8]:
        settings[f"{name}_shape"] = str(parameter.shape)
    return settings
