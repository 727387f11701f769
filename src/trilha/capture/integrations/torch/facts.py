"""What can be said of PyTorch's objects without asking an accelerator for anything."""

from __future__ import annotations

import sys
from typing import Any, Final

from trilha.capture.compiled import versions_of
from trilha.capture.integrations.torch.sharding import own_class, shards, sizes
from trilha.capture.learning.terms import TYPES
from trilha.capture.views import Memory

__all__ = [
    "about_loader",
    "about_model",
    "memory",
    "module_token",
    "rate_of",
    "rates_of",
    "rates_text",
    "settings_of",
]

_ARCHITECTURE_LENGTH: Final = 1 << 16
_GROUPS: Final = 16


def _token(module: Any) -> int:
    """The sum of the in-place counters of a module's parameters and buffers: it grows with every change.

    It is asked of each model at the end of each epoch, so it goes through the modules itself: PyTorch's own
    ways make a name for each of the tensors. One that two modules share counts twice, as it did before.
    """
    total = 0
    modules, seen = [module], {id(module)}
    for one in modules:
        for tensors in (one._parameters, one._buffers):
            for tensor in tensors.values():
                if tensor is not None:
                    total += tensor._version
        for part in one._modules.values():
            if part is not None and id(part) not in seen:
                seen.add(id(part))
                modules.append(part)
    return total


module_token: Final = versions_of(_token)
"""`_token`, in C where that is installed."""


def memory(thing: Any) -> Memory | None:
    """Where a dense tensor of the processor lies; None for anything else.

    One that was made of an array of NumPy's (`torch.from_numpy`) says so only by its storage, which cannot
    grow.
    """
    torch: Any = sys.modules["torch"]
    if (
        not issubclass(type(thing), torch.Tensor)
        or thing.device.type != "cpu"
        or thing.layout is not torch.strided
    ):
        return None
    owner = thing._base
    if owner is None and not thing.untyped_storage().resizable():
        owner = thing
    size = thing.element_size()
    strides = tuple(stride * size for stride in thing.stride())
    return Memory(thing.data_ptr(), tuple(thing.shape), strides, size, owner)


def about_model(module: Any, wrapper: Any = None) -> tuple[Any, ...]:
    """Attributes of a model: keys and values in turn. Empty for a module without parameters.

    Args:
        module: the model.
        wrapper: what runs it, if it is run by something.
    """
    parameters = list(module.parameters())
    if not parameters:
        return ()
    total, trainable = sizes(module, wrapper)
    about: list[Any] = ["prov:type", TYPES["Model"], "trilha:parameters", total]
    about += ["trilha:trainable", trainable]
    about += ["trilha:architecture", repr(module)[:_ARCHITECTURE_LENGTH]]
    kind, over = own_class(module), shards(module, wrapper)
    about += ["trilha:class", f"{kind.__module__}.{kind.__qualname__}"]
    about += ["trilha:shards", over] if over > 1 else []
    about += ["trilha:device", str(parameters[0].device), "trilha:dtype", str(parameters[0].dtype)]
    return tuple(about)


def about_loader(loader: Any) -> tuple[Any, ...]:
    """Attributes of a data loader: keys and values in turn. The length is in samples."""
    about: list[Any] = ["prov:type", TYPES["DataLoader"]]
    # One that was given batches to draw has no batch size, sampler or the like of its own.
    batches = loader if loader.batch_size is not None else getattr(loader, "batch_sampler", None) or loader
    while hasattr(batches, "batch_sampler") and batches is not loader:
        batches = batches.batch_sampler
    sampler = type(getattr(batches, "sampler", None)).__name__
    facts = {
        "batch_size": getattr(batches, "batch_size", None),
        "shuffle": sampler in ("RandomSampler", "SeedableRandomSampler"),
        "sampler": sampler,
        "drop_last": getattr(batches, "drop_last", None),
        "workers": loader.num_workers,
        "dataset": type(loader.dataset).__qualname__,
    }
    for name, value in facts.items():
        if value is not None:
            about += [f"trilha:{name}", value]
    for name, sized in (("length", loader.dataset), ("batches", loader)):
        try:
            about += [f"trilha:{name}", len(sized)]
        except (TypeError, NotImplementedError):
            continue
    return tuple(about)


def settings_of(optimizer: Any) -> dict[str, Any]:
    """An optimiser's hyperparameters, as its first group has them; what differs in group n is ``name.n``."""
    found: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups[:_GROUPS]):
        for name, value in group.items():
            if name in ("params", "param_names"):
                continue
            if isinstance(value, (bool, int, float, str)):
                plain: Any = value
            elif isinstance(value, (tuple, list)) and all(isinstance(one, (int, float)) for one in value):
                plain = ", ".join(map(str, value))
            else:
                continue
            if number == 0 or found.get(name) != plain:
                found[name if number == 0 else f"{name}.{number}"] = plain
    return found


def rates_of(optimizer: Any) -> list[float | None]:
    """The learning rate of each group; None for one in a tensor, which may be on an accelerator."""
    rates = (group.get("lr") for group in optimizer.param_groups)
    return [rate if isinstance(rate, (int, float)) else None for rate in rates]


def rate_of(rates: list[float | None]) -> float | str:
    """The one learning rate that all groups have, or else all of them as a text."""
    first = rates[0] if rates else None
    return first if first is not None and all(rate == first for rate in rates) else rates_text(rates)


def rates_text(rates: list[float | None]) -> str:
    """Learning rates for people."""
    return ", ".join("?" if rate is None else f"{rate:g}" for rate in rates)
