"""Models and their versions, and what a saved file holds.

A model changes in place with every step of its optimiser. Each state that matters (at the end of an epoch,
when it is saved, when a step takes it) is an entity of its own, derived from the one before.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.compiled import registered_of
from trilha.capture.context import Activity, current
from trilha.capture.identity import Known
from trilha.capture.integrations.torch.facts import about_model, module_token
from trilha.capture.integrations.torch.layers import layers
from trilha.capture.integrations.torch.sharding import address, own_class, state_shapes
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.architecture import state_architecture
from trilha.capture.learning.terms import TYPES
from trilha.capture.shaped import Hole, shape_of
from trilha.capture.steps import meet
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["MOST_LOADED", "WRAPPERS", "Models", "alike_by"]

_REVISION = literal_name("prov:Revision")
_MOST_TENSORS = 64
MOST_LOADED: Final = 4096
"""Of what was read from a file so many tensors are known, of each container."""
_VERSION: Final = (
    (
        *(int(Kind.ENTITY), Hole(0)),
        ("prov:type", TYPES["Object"], "prov:type", TYPES["Model"], "prov:label", Hole(1)),
    ),
    (int(Kind.GENERATION), Hole(2), Hole(0), Hole(3), Hole(4), ()),
    (
        *(int(Kind.DERIVATION), None, Hole(0), Hole(5), Hole(3), Hole(2), Hole(6)),
        ("prov:type", _REVISION),
    ),
)
"""Statements of a version: entity, label, generation, activity, time, the version before and its usage."""
WRAPPERS: Final = {
    "CheckpointWrapper": "_checkpoint_wrapped_module",
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "OptimizedModule": "_orig_mod",
}
"""Modules of PyTorch's own that run another one as it is, and what that is called in them."""


class _Part:
    """A module that is a part of others, and those, all of them weakly."""

    __slots__ = ("containers", "module")

    def __init__(self, module: weakref.ref[Any]) -> None:
        self.module = module
        self.containers: list[weakref.ref[Any]] = []


class Models:
    """The modules of the program that own parameters.

    Args:
        recorder: of the run.
        torch: the library.
    """

    def __init__(self, recorder: Recorder, torch: Any) -> None:
        self._recorder = recorder
        self._torch = torch
        self._owners: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._above: dict[int, _Part] = {}
        self._introduced: weakref.WeakSet[Any] = weakref.WeakSet()
        self._changed: weakref.WeakSet[Any] = weakref.WeakSet()
        self._trained: Counter[int] = Counter()
        """How many models of the same names and shapes have changed, those that are no more among them."""
        self._copied: dict[int, tuple[weakref.ref[Any], Known]] = {}
        """Parameters that were made by copying one of a model, and the version that this was of."""

    # -- told by PyTorch's own hooks

    def parameter_registered(self, module: Any, _name: str, parameter: Any) -> None:
        """A module got a parameter."""
        if parameter is not None:
            self._owners[id(parameter)] = module

    def module_registered(self, module: Any, _name: str, submodule: Any) -> None:
        """A module got a part."""
        if submodule is None:
            return
        # The last container that is still there counts: a part of a list (`layers[:-1]`) is one for a moment,
        # and some networks take it for each batch.
        above = self._above
        address = id(submodule)
        part = above.get(address)
        if part is None or part.module() is not submodule:
            # In C, as in `Objects`: no signal handler of the program runs in the midst of it.
            part = above[address] = _Part(weakref.ref(submodule, partial(above.pop, address)))
        containers = part.containers
        while containers and containers[-1]() in (None, module):
            containers.pop()
        containers.append(weakref.ref(module))

    def noting_parts(self, other: Callable[..., None]) -> Callable[..., None]:
        """What does as `module_registered` does; `other` is called where a part is not known."""
        return registered_of(other, self._above, _Part)  # type: ignore[no-any-return]

    # -- which model

    def top(self, module: Any) -> Any:
        """The module that `module` is in the end a part of; what only wraps that does not count."""
        found = container = module
        for _ in range(1000):
            container = self.container(container)
            if container is None:
                break
            if type(container).__name__ not in WRAPPERS:
                found = container
        return found

    def container(self, module: Any) -> Any:
        """The module that `module` is a part of; None if it is a part of none."""
        part = self._above.get(id(module))
        containers = reversed(part.containers) if part is not None and part.module() is module else ()
        return next((one for reference in containers if (one := reference()) is not None), None)

    def name(self, module: Any) -> str:
        """What to call a model: by its class."""
        return own_class(module).__name__

    def wrapped(self, module: Any) -> Any:
        """The model that a wrapper wraps; `module` itself if it is no wrapper."""
        for _ in range(10):
            part = WRAPPERS.get(type(module).__name__)
            inner = module._modules.get(part) if part is not None else None
            if inner is None:
                break
            module = inner
        return module

    def trained_by(self, optimizer: Any) -> list[Any]:
        """The modules whose parameters an optimiser changes."""
        found: dict[int, Any] = {}
        looked = False
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                owner = self.owner(parameter)
                if owner is None and not looked:
                    looked = True
                    self._look_again()
                    owner = self.owner(parameter)
                if owner is not None:
                    top = self.top(owner)
                    found[id(top)] = top
        return list(found.values())

    def owner(self, parameter: Any) -> Any:
        """The module that a parameter is one of; None if that is not known."""
        owner = self._owners.get(id(parameter))
        mine = owner is not None and any(own is parameter for own in owner._parameters.values())
        return owner if mine else None

    def _look_again(self) -> None:
        """Learn the parameters that modules were given without a word, as FSDP does it."""
        for top in self.tops():
            for module in top.modules():
                for name, parameter in module._parameters.items():
                    self.parameter_registered(module, name, parameter)

    def tops(self) -> list[Any]:
        """The models that are there."""
        return list({id(top): top for top in map(self.top, list(self._owners.values()))}.values())

    def introduce(self, module: Any) -> Known:
        """What is known of a model, as it was when it was last looked at."""
        known = meet(self._recorder, module, self.name(module))
        if module not in self._introduced:
            self._introduced.add(module)
            # A framework above that has described it counts in its own way.
            wrapper = self.container(module)
            about = about_model(module, wrapper) if module not in self._recorder.described else ()
            if about:
                self._recorder.entity(known.entity, *about)
                name = self.name(module)
                state_architecture(self._recorder, module, known, layers(module, wrapper), name)
            origin = self._origin(module) if self._copied else None
            if origin is not None and origin.entity != known.entity:
                self._recorder.derived(known.entity, origin.entity)
        return known

    def copied(self, parameter: Any, origin: Known) -> None:
        """A parameter is a copy of one of the model that was `origin` then."""
        address = id(parameter)
        self._copied[address] = weakref.ref(parameter, partial(self._copied.pop, address)), origin

    def _origin(self, module: Any) -> Known | None:
        """The version of the model that a model is a copy of, where it is one."""
        for parameter in module.parameters():
            reference, origin = self._copied.get(id(parameter), (None, None))
            if reference is not None and reference() is parameter:
                return origin
        return None

    def had_alike(self, shapes: Mapping[str, Any]) -> int:
        """How many models of these names and shapes have changed, those that are no more among them."""
        return self._trained[alike_by(shapes)]

    def as_it_is(
        self,
        module: Any,
        by: Activity | None = None,
        at: int | None = None,
        when: str = "after",
        *,
        instead: tuple[int | str, int] | None = None,
    ) -> Known:
        """What is known of a model as it is now: a new version if it has changed.

        Args:
            module: the model.
            by: the activity that changed it, where that is known; else the current one.
            at: when it was changed, nanoseconds since 1970-01-01 UTC; None if unknown.
            when: "after" or "during" that activity, for people.
            instead: what it is now a revision of, in place of what it was: the entity, and its usage by the
                activity that changed the model.
        """
        known = self.introduce(module)
        mark = module_token(module)
        if mark == known.token:
            return known
        if module not in self._changed:
            self._changed.add(module)
            self._trained[alike_by(state_shapes(module, self.container(module)))] += 1
        recorder = self._recorder
        activity = by if by is not None else current(recorder)
        entity = next(recorder.numbers)
        name = self.name(module)
        label = f"{name} {when} {activity.label}" if by is not None else name
        before, usage = instead if instead is not None else (known.entity, activity.used.get(known.entity))
        if usage is None:
            usage = activity.used[before] = recorder.used(activity.identifier, before, at)
        generation = next(recorder.numbers)
        version = shape_of(recorder, "a model's next version", lambda: _VERSION)
        version.state(entity, label, generation, activity.identifier, at, before, usage)
        return recorder.objects.put(module, entity, generation, mark)

    # -- what a file holds

    def sources(self, thing: Any) -> list[tuple[Known, str]]:
        """The known objects that `thing`, which is being saved, holds, each with how that is known."""
        found: dict[int | str, tuple[Known, str]] = {}
        whole = self._recorder.objects.get(thing) if not isinstance(thing, self._torch.nn.Module) else None
        if whole is not None:
            found[whole.entity] = (whole, "the same object")
        storages: dict[int, Any] | None = None
        for part in self.parts(thing):
            if isinstance(part, self._torch.nn.Module):
                known = self.as_it_is(self.top(self.wrapped(part)))
                found.setdefault(known.entity, (known, "the same object"))
                continue
            place = address(part)
            if not place:
                continue
            storages = self._storages() if storages is None else storages
            module = storages.get(place)
            if module is not None:
                known = self.as_it_is(module)
                found.setdefault(known.entity, (known, "the same storage"))
        return list(found.values())

    def parts(self, thing: Any, depth: int = 4, most: int = _MOST_TENSORS) -> Iterator[Any]:
        """Modules and tensors in `thing`, the first `most` of each container."""
        if isinstance(thing, (self._torch.nn.Module, self._torch.Tensor)):
            yield thing
        elif depth and isinstance(thing, dict):
            for value in list(thing.values())[:most]:
                yield from self.parts(value, depth - 1, most)
        elif depth and type(thing) in (list, tuple):
            for value in thing[:most]:
                yield from self.parts(value, depth - 1, most)

    def _storages(self) -> dict[int, Any]:
        """The models by the addresses of their parameters and buffers."""
        found: dict[int, Any] = {}
        for module in self.tops():
            for tensor in (*module.parameters(), *module.buffers()):
                found[address(tensor)] = module
        return found


def alike_by(shapes: Mapping[str, Any]) -> int:
    """A number that is the same for the same names and shapes, in whatever order."""
    return hash(frozenset((name, tuple(shape)) for name, shape in shapes.items()))
