"""Copies of models and of their states: which version of which model such a copy is of.

Scripts keep the best state so far (``copy.deepcopy(model.state_dict())``) and save it at the end, or average
a model's weights in a copy of it. Names and shapes do not tell the one from the other, nor one epoch from the
next. So what `Module.state_dict` gives is remembered by some of its values, and a copy is told by the same
names, shapes and values; a module that was copied is told by the model that its parameters were copied from.
No value is read from an accelerator, and none by an operation.
"""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping
from ctypes import string_at
from struct import unpack
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.capture.identity import Known
from trilha.capture.integrations.torch.facts import module_token
from trilha.capture.integrations.torch.models import Models, alike_by
from trilha.capture.integrations.torch.sharding import plain_name, state_shapes

if TYPE_CHECKING:
    from trilha.capture.integrations.torch.training import Training
    from trilha.capture.recorder import Recorder

__all__ = ["EXACT", "Copies"]

_MOST_STATES: Final = 256
_MOST_COPIES: Final = 256
_MOST_SAMPLED: Final = 64
EXACT: Final = "a copy with the same names, shapes and values"
"""How it is known of which version a state is."""
_SHORT: Final = "the upper half of a float"
_CODES: Final = {
    "torch.float64": "d",
    "torch.float32": "f",
    "torch.float16": "e",
    "torch.bfloat16": _SHORT,
    "torch.int64": "q",
    "torch.int32": "i",
    "torch.int16": "h",
    "torch.int8": "b",
    "torch.uint8": "B",
    "torch.bool": "?",
}
"""How the numbers of tensors lie in memory."""
_ALIKE: Final = "a copy with the same names and shapes"


class _State(NamedTuple):
    """A state that a module has given: of which model, which version that was, and some of its values."""

    model: int
    known: Known
    values: bytes


class Copies:
    """What is known of copies in the program.

    Args:
        recorder: of the run.
        torch: the library.
        models: of the program.
        training: that brings a model's versions up to date.
    """

    def __init__(self, recorder: Recorder, torch: Any, models: Models, training: Training) -> None:
        self._recorder = recorder
        self._torch = torch
        self._models = models
        self._training = training
        self._states: dict[int, list[_State]] = {}
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._noted = self._copied = 0

    # -- modules that were copied

    def module_restored(self, module: Any) -> None:
        """A module was made of a state of it: copied, or unpickled. No hook has told of its parts."""
        for name, parameter in module._parameters.items():
            self._models.parameter_registered(module, name, parameter)
        for name, part in module._modules.items():
            self._models.module_registered(module, name, part)

    def parameter_copied(self, parameter: Any, copied: Any, memo: dict[Any, Any]) -> None:
        """A parameter was copied, and with it perhaps the model that it is a parameter of."""
        # By an identity, as all that a memo has: the models of which the deep copy has met a parameter.
        met = memo.setdefault(id(self), set())
        owner = self._models.owner(parameter)
        if owner is None or copied is parameter:
            return
        top = self._models.top(owner)
        if id(top) in met or self._copied >= _MOST_COPIES:
            return
        met.add(id(top))
        self._copied += 1
        self._models.copied(copied, self._version(top))

    def _version(self, model: Any) -> Known:
        """What is known of a model as it is now."""
        self._training.bring_up_to_date(model)
        return self._models.introduce(model)

    # -- states that were kept

    def state_given(self, module: Any, state: Any) -> None:
        """A module has given its state: remember of which version it is, and some of its values."""
        if self._noted >= _MOST_STATES or not isinstance(state, dict):
            return
        if self._training.running is not None:
            return  # In the middle of an epoch the model is of no version; a program may ask at each step.
        owner = self._models.top(self._models.wrapped(module))
        if self._recorder.objects.itself(owner) is None:
            return  # What nobody has met yet: a library asks while it makes a model.
        known = self._version(owner)
        if known.token != module_token(owner):
            return
        tensors = _tensors(state)
        noted = self._states.setdefault(alike_by(_shapes(tensors)), [])
        if any(one.known.entity == known.entity for one in noted):
            return
        values = self._values(tensors)
        if values is not None:
            self._noted += 1
            number = self._numbers.setdefault(owner, len(self._numbers) + self._noted)
            noted.append(_State(number, known, values))

    def version_of(self, state: Any) -> Known | None:
        """The version that a state is of, where it has the names, shapes and values of one that was given."""
        tensors = _tensors(state)
        noted = self._states.get(alike_by(_shapes(tensors))) if tensors else None
        if not noted:
            return None
        values = self._values(tensors)
        same = [one for one in noted if one.values == values]
        # Two models may have begun with the same values: whose these are is not known, then.
        return same[-1].known if len({one.model for one in same}) == 1 else None

    def sources(self, thing: Any, trained: list[Any]) -> list[tuple[Known, str]]:
        """The model of whose state some dict in `thing` is a copy, with how that is known.

        Where values cannot be read (those on an accelerator), names and shapes tell it only if one model of
        the run has had these: not the members of an ensemble, nor the models of a cross-validation.

        Args:
            thing: what is being saved.
            trained: models that `thing` may hold a copy of.
        """
        for candidate in (thing, *(thing.values() if isinstance(thing, dict) else ())):
            tensors = _tensors(candidate)
            if not tensors:
                continue
            version = self.version_of(candidate)
            if version is not None:
                return [(version, EXACT)]
            shapes = _shapes(tensors)
            alike = [one for one in trained if shapes == state_shapes(one, self._models.container(one))]
            compared = [(one, self._same(one, tensors)) for one in alike]
            same = [one for one, equal in compared if equal]
            if same:
                return [(self._models.as_it_is(same[0]), EXACT)] if len(same) == 1 else []
            if any(equal is None for _, equal in compared):
                known = self._models.as_it_is(alike[0])
                return [(known, _ALIKE)] if self._models.had_alike(shapes) <= 1 else []
        return []

    def _same(self, module: Any, tensors: Mapping[str, Any]) -> bool | None:
        """Whether tensors have the values that a module has; None where that cannot be told."""
        named: tuple[Callable[..., Iterator[tuple[str, Any]]], ...] = (
            module.named_parameters,
            module.named_buffers,
        )
        own = {plain_name(path): one for each in named for path, one in each(remove_duplicate=False)}
        if not tensors.keys() <= own.keys():
            return None
        mine, its = self._values(tensors), self._values({name: own[name] for name in tensors})
        return mine == its if mine is not None and its is not None else None

    def _values(self, tensors: Mapping[str, Any]) -> bytes | None:
        """The first and last number of some tensors; None where one is on an accelerator, or not plain.

        They are read where they lie: an operation would be heard by whoever listens to them, and counted.
        """
        names = sorted(tensors)
        apart = max(1, -(-len(names) // _MOST_SAMPLED))
        found = array("d")
        for name in reversed(names[::-1][::apart]):
            tensor = tensors[name]
            if (
                type(tensor) not in (self._torch.Tensor, self._torch.nn.Parameter)
                or tensor.device.type != "cpu"
            ):
                return None
            if tensor.layout is not self._torch.strided or tensor.is_quantized or tensor.is_neg():
                return None
            if tensor.numel():
                ends = _ends(tensor)
                if ends is None:
                    return None
                found.extend(ends)
        return found.tobytes()


def _ends(tensor: Any) -> list[float] | None:
    """The first and last number of a dense tensor; None where they cannot be read where they lie."""
    code = _CODES.get(str(tensor.dtype))
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    size = tensor.element_size()
    first, storage = tensor.data_ptr(), tensor.untyped_storage()
    last = first + size * sum((length - 1) * step for length, step in steps)
    if code is None or not first or last + size > storage.data_ptr() + storage.nbytes():
        return None  # of another kind, or its numbers have been taken from it, as FSDP does
    if code == _SHORT:
        return [unpack("<f", b"\0\0" + string_at(place, size))[0] for place in (first, last)]
    return [float(unpack(code, string_at(place, size))[0]) for place in (first, last)]


def _tensors(thing: Any) -> dict[str, Any]:
    """The tensors in a state; what a module adds to its state by `get_extra_state` is none."""
    if not isinstance(thing, dict):
        return {}
    return {key: value for key, value in thing.items() if isinstance(key, str) and hasattr(value, "shape")}


def _shapes(tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tensor.shape for name, tensor in tensors.items()}
