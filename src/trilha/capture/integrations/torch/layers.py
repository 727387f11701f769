"""A PyTorch model's layers, without running it.

What a layer gives for an input is known only when it is called, and a hook on every call would be seen by
``torch.compile``; so shapes are those of the weights, and the settings those that the layer itself prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from trilha.capture.learning.architecture import Layer

__all__ = ["layers"]

_LONGEST: Final = 500


def layers(model: Any) -> Iterator[Layer]:
    """The layers of a module: its parts that have no parts, in the order in which they were registered."""
    for name, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if next(module.children(), None) is not None and not own:
            continue
        activation = module.__module__ == "torch.nn.modules.activation"
        kind = type(module).__name__
        yield Layer(
            name or kind,
            kind,
            parameters=sum(parameter.numel() for parameter in own.values()),
            trainable=sum(parameter.numel() for parameter in own.values() if parameter.requires_grad),
            activation=kind if activation else "",
            settings=_settings(module, own),
        )


def _settings(module: Any, own: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    # Only PyTorch's own classes are asked what they print: a user's may do anything.
    if type(module).__module__.startswith("torch."):
        said = module.extra_repr()
        if said:
            settings["made_with"] = said[:_LONGEST]
        rate = getattr(module, "p", None)
        if isinstance(rate, float):
            settings["rate"] = rate
    for name, parameter in list(own.items())[:8]:
        settings[f"{name}_shape"] = str(tuple(parameter.shape))
    return settings
