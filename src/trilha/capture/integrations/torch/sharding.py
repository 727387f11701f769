"""Models whose parameters are shared out over ranks: what each was before, told without asking other ranks.

PyTorch has two ways. `FullyShardedDataParallel` flattens the parameters of a module into one and keeps a part
of that; what they were stands beside it (`torch.distributed.fsdp._flat_param.FlatParameter`). `fully_shard`
and tensor parallelism keep each as a `DTensor`, whose shape is that of the whole, and give the module a class
that is made from its own.

A model's `state_dict()` is never called here: of one that is shared out it waits for all ranks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from trilha.capture.interrupts import pass_on

__all__ = ["Parameter", "address", "own_class", "parameters", "plain_name", "shards", "sizes", "state_shapes"]

_FLATTENED: Final = "FullyShardedDataParallel"
_FLAT: Final = "_flat_param"
_MADE: Final = frozenset(["FSDPModule", "ReplicateModule", "DDP"])
"""First bases of the classes that PyTorch makes from a module's own to change how it is run."""
_INSIDE: Final = ("_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_orig_mod")
"""Parts of names that wrappers inside a model add, and that its state's names do not have."""


class Parameter(NamedTuple):
    """A parameter as it is on all ranks together.

    Attributes:
        shape: of the whole.
        trainable: whether training changes it.
    """

    shape: tuple[int, ...]
    trainable: bool

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def own_class(module: Any) -> type:
    """The class of a module as the program wrote it."""
    kind = type(module)
    first = kind.__bases__[0]
    made = first.__name__ in _MADE and first.__module__.startswith("torch.distributed")
    return kind.__bases__[1] if made and len(kind.__bases__) > 1 else kind


def plain_name(name: str) -> str:
    """The name of a module or parameter without what wrappers inside the model add to it."""
    return ".".join(part for part in name.split(".") if part not in _INSIDE)


def parameters(model: Any, wrapper: Any = None) -> dict[int, dict[str, Parameter]]:
    """The parameters of each module of a model, by the module's `id` and their names.

    Args:
        model: a module.
        wrapper: what runs it, if it is run by something.
    """
    found: dict[int, dict[str, Parameter]] = {}
    for owner, name, shape, trainable in _flattened((wrapper, *model.modules())):
        found.setdefault(id(owner), {})[name] = Parameter(shape, trainable)
    for module in model.modules():
        for name, tensor in module._parameters.items():
            if tensor is not None and name != _FLAT and not getattr(tensor, "_fsdp_flattened", False):
                parameter = Parameter(tuple(tensor.shape), tensor.requires_grad)
                found.setdefault(id(module), {})[name] = parameter
    return found


def _flattened(modules: Iterable[Any]) -> Iterator[tuple[Any, str, tuple[int, ...], bool]]:
    """Owner, name, shape and whether it is trained, of each parameter that has been flattened."""
    for module in modules:
        handle = getattr(module, "_handle", None) if type(module).__name__ == _FLATTENED else None
        flat = getattr(handle, "flat_param", None)
        if flat is None:
            continue
        try:
            own = flat._params or [flat] * len(flat._param_infos)
            told = list(zip(flat._param_infos, flat._shapes, own, strict=True))
        except (AttributeError, ValueError):
            pass_on()
            continue  # another version of PyTorch keeps it elsewhere: the parameters are not known then
        for info, shape, parameter in told:
            yield info.module, info.param_name, tuple(shape), parameter.requires_grad


def sizes(model: Any, wrapper: Any = None) -> tuple[int, int]:
    """How many numbers a model has on all ranks together, and how many of them training changes.

    A parameter that several modules share counts once.
    """
    found = [
        Parameter(shape, trainable) for _, _, shape, trainable in _flattened((wrapper, *model.modules()))
    ]
    for name, tensor in model.named_parameters():
        if not name.endswith(_FLAT) and not getattr(tensor, "_fsdp_flattened", False):
            found.append(Parameter(tuple(tensor.shape), tensor.requires_grad))
    return sum(one.size for one in found), sum(one.size for one in found if one.trainable)


def shards(model: Any, wrapper: Any = None) -> int:
    """Over how many ranks the parameters of a model are shared out; 1 if each rank has them whole."""
    for module in (wrapper, *model.modules()):
        handle = getattr(module, "_handle", None) if type(module).__name__ == _FLATTENED else None
        if handle is not None:
            return int(module.process_group.size()) if getattr(handle, "uses_sharded_strategy", True) else 1
    for tensor in model.parameters():
        mesh, placements = getattr(tensor, "device_mesh", None), getattr(tensor, "placements", ())
        if mesh is not None:
            parts = [mesh.size(number) for number, one in enumerate(placements) if one.is_shard()]
            return math.prod(parts)
    return 1


def state_shapes(model: Any, wrapper: Any = None) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's parameters and lasting buffers, as its saved state has them."""
    found: dict[str, tuple[int, ...]] = {}
    whole = parameters(model, wrapper)
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = f"{plain}." if (plain := plain_name(path)) else ""
        for name, parameter in whole.get(id(module), {}).items():
            found[prefix + name] = parameter.shape
        for name, tensor in module._buffers.items():
            if tensor is not None and name not in module._non_persistent_buffers_set:
                found[prefix + name] = tuple(tensor.shape)
    return found


def address(tensor: Any) -> int:
    """Where the numbers of a tensor lie on this rank; 0 if that says nothing."""
    if tensor.device.type == "meta" or not tensor.numel():
        return 0
    return int(getattr(tensor, "_local_tensor", tensor).data_ptr())
