"""PyTorch: models, optimisers, data loaders, epochs, learning rates, what is saved and loaded.

Where it listens, from the most stable to the least:

- global hooks that PyTorch offers: `register_module_parameter_registration_hook` and
  `register_module_module_registration_hook` (which module owns a parameter), `register_optimizer_step_post_hook`;
- the functions `torch.save`, `torch.load` and `DataLoader.__iter__`, which are wrapped while a run is recorded and give back
  what they gave before.

An epoch is a pass over a data loader during which an optimiser made steps; it begins with the pass, and ends when the iterator
is gone, when the next pass begins, or when the model is saved. A pass without such steps is recorded as that. Nothing is
read from an accelerator: no call of ours waits for one.

Tested on torch 2.13. Any other version records what its hooks still tell, and never fails the program.
"""

from __future__ import annotations

import functools
import importlib
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import metrics
from trilha.capture.context import Activity, Quiet, current, process
from trilha.capture.identity import Known, describe, leaves, token_of_type
from trilha.capture.journal.writer import literal_name
from trilha.capture.steps import meet, state_hyperparameters, use_object

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_now = time.time_ns
_REVISION: Final = literal_name("prov:Revision")
_MOST_ADAPTATIONS: Final = 200
_MOST_PASSES: Final = 10_000
_ARCHITECTURE_LENGTH: Final = 1 << 16


class _Pass:
    """One iteration over a data loader that is going on."""

    __slots__ = ("activity", "at", "iterator", "known", "place", "steps")

    def __init__(self, known: Known, at: int, place: Activity) -> None:
        self.known = known
        self.place = place
        self.at = at
        self.steps = 0
        self.activity: Activity | None = None
        self.iterator: weakref.ref[Any] | None = None


class _Optimizer:
    """An optimiser that has made a step.

    Attributes:
        models: the modules at the top whose parameters it changes.
        rates: the learning rate of each group when it was last seen.
    """

    __slots__ = ("known", "models", "rates", "reference")

    def __init__(self, reference: weakref.ref[Any], known: Known, models: list[Any], rates: list[float]) -> None:
        self.reference = reference
        self.known = known
        self.models = [weakref.ref(model) for model in models]
        self.rates = rates


class _Torch:
    """What is known of PyTorch's doings in this run."""

    def __init__(self, recorder: Recorder, torch: Any) -> None:
        self.recorder = recorder
        self.torch = torch
        self.undo: list[Callable[[], None]] = []
        self.owners: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self.above: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        self.optimizers: dict[int, _Optimizer] = {}
        self.training: Activity | None = None
        self.epoch: Activity | None = None
        self.running: _Pass | None = None
        self.epochs = self.passes = self.adaptations = self.steps = 0
        self.steps_seen: dict[int, int] = {}
        self.versions: set[int | str] = set()
        self.loaders: set[int] = set()
        self.last_step = 0

    # -- modules ------------------------------------------------------------------------------------------------

    def parameter_registered(self, module: Any, name: str, parameter: Any) -> None:
        """A module got a parameter."""
        if parameter is not None:
            self.owners[id(parameter)] = module

    def module_registered(self, module: Any, name: str, submodule: Any) -> None:
        """A module got a part."""
        if submodule is not None:
            self.above[submodule] = weakref.ref(module)

    def top(self, module: Any) -> Any:
        """The module that `module` is in the end a part of."""
        for _ in range(1000):
            reference = self.above.get(module)
            container = reference() if reference is not None else None
            if container is None:
                return module
            module = container
        return module

    def models_of(self, optimizer: Any) -> list[Any]:
        """The modules whose parameters the optimiser changes."""
        found: dict[int, Any] = {}
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                owner = self.owners.get(id(parameter))
                if owner is not None and any(own is parameter for own in owner._parameters.values()):
                    top = self.top(owner)
                    found[id(top)] = top
        return list(found.values())

    def model(self, module: Any) -> Known:
        """What is known of a model, its version brought up to date."""
        known = self.recorder.objects.get(module)
        if known is None or known.entity not in self.versions:
            return self.introduce(module)
        return self.refresh(module, known)

    def introduce(self, module: Any) -> Known:
        """What is known of a model, as it was when it was last looked at."""
        recorder = self.recorder
        known = meet(recorder, module, type(module).__name__)
        if known.entity not in self.versions:
            about = _about_model(module)
            if about:
                recorder.entity(known.entity, *about)
            self.versions.add(known.entity)
            self.steps_seen.setdefault(id(module), self.steps)
        return known

    def refresh(self, module: Any, known: Known) -> Known:
        """A model that has changed since it was last looked at is a new entity, derived from the old one."""
        mark = _module_token(module)
        if mark == known.token:
            return known
        recorder = self.recorder
        trained = self.steps > self.steps_seen.get(id(module), 0)
        activity = (self.epoch or self.training) if trained else None
        if activity is None:
            activity = current(recorder)
        entity = next(recorder.numbers)
        label = type(module).__name__
        if trained:
            label += f" after {activity.label}" if self.epoch else " after training"
        recorder.entity(entity, "prov:type", _T["Object"], "prov:label", label, *describe(module), *_about_model(module))
        at = self.last_step if trained and self.last_step else _now()
        usage = activity.used.get(known.entity)
        if usage is None:
            usage = activity.used[known.entity] = recorder.used(activity.identifier, known.entity, None)
        new = recorder.objects.put(module, entity)
        new.generation = recorder.generated(entity, activity.identifier, at)
        recorder.derived(
            *(entity, known.entity, activity.identifier, new.generation, usage, "prov:type", _REVISION)
        )
        self.versions.add(entity)
        self.steps_seen[id(module)] = self.steps
        return new

    def refresh_all(self) -> None:
        """Bring every model that was trained up to date."""
        for optimizer in list(self.optimizers.values()):
            for reference in optimizer.models:
                module = reference()
                if module is not None:
                    self.model(module)

    # -- passes over data ---------------------------------------------------------------------------------------

    def pass_begins(self, loader: Any, iterator: Any) -> None:
        """The program begins to iterate over a data loader."""
        at = _now()
        self.pass_ends()
        known = self.recorder.objects.get(loader)
        if known is None or id(loader) not in self.loaders:
            known = meet(self.recorder, loader, "data loader")
            self.recorder.entity(known.entity, *_about_loader(self.torch, loader))
            self.loaders.add(id(loader))
            self._tie_loader(loader, known)
        running = self.running = _Pass(known, at, current(self.recorder))

        def gone(_: Any) -> None:
            if self.running is running and process.recorder is self.recorder:
                self.guard(self.pass_ends)

        try:
            running.iterator = weakref.ref(iterator, gone)
        except TypeError:
            running.iterator = None

    def _tie_loader(self, loader: Any, known: Known) -> None:
        """Derive the loader from the data that it hands out, as far as those objects are known."""
        dataset = getattr(loader, "dataset", None)
        for thing in (dataset, *getattr(dataset, "tensors", ())):
            source = self.recorder.objects.get(thing) if thing is not None else None
            if source is not None and source.entity != known.entity:
                self.recorder.derived(known.entity, source.entity)

    def pass_ends(self) -> None:
        """The pass that is going on is over."""
        running = self.running
        self.running = None
        if running is None:
            return
        at = _now()
        if running.activity is not None:
            self.recorder.end(running.activity, at, "trilha:steps", running.steps)
            return
        if running.known.entity in running.place.used:
            # A step of the script's own that was given the loader says as much.
            return
        self.passes += 1
        if self.passes > _MOST_PASSES:
            return
        activity = self.recorder.begin("pass without updates", running.place, running.at, "prov:type", _T["Pass"])
        activity.used[running.known.entity] = self.recorder.used(
            activity.identifier, running.known.entity, running.at
        )
        self.recorder.end(activity, at)

    # -- training -----------------------------------------------------------------------------------------------

    def stepped(self, optimizer: Any) -> None:
        """An optimiser made a step: called after each."""
        self.steps += 1
        self.last_step = _now()
        known = self.optimizers.get(id(optimizer))
        if known is None or known.reference() is not optimizer:
            known = self._met_optimizer(optimizer)
        running = self.running
        if running is not None:
            running.steps += 1
            if running.activity is None:
                self._begin_epoch(running, known)
        groups = optimizer.param_groups
        if len(groups) == 1:
            rate = groups[0].get("lr")
            if rate is not known.rates[0] and rate != known.rates[0]:
                self._rates_changed(optimizer, known)
        elif _rates(optimizer) != known.rates:
            self._rates_changed(optimizer, known)

    def _met_optimizer(self, optimizer: Any) -> _Optimizer:
        recorder = self.recorder
        at = self.running.at if self.running is not None else self.last_step
        known = meet(recorder, optimizer, type(optimizer).__name__)
        recorder.entity(known.entity, "prov:type", _T["Optimizer"])
        if self.training is None:
            place = _owner(current(recorder), known)
            self.training = recorder.begin("training", place, at, "prov:type", _T["Training"])
        use_object(recorder, self.training, optimizer, at, "optimiser")
        state_hyperparameters(recorder, self.training, {"optimizer": type(optimizer).__name__, **_settings(optimizer)})
        models = self.models_of(optimizer)
        for module in models:
            # It has made a step already; what is used is what it was before.
            model = self.introduce(module)
            self.steps_seen[id(module)] = 0
            model.token = object()
            self.training.used[model.entity] = recorder.used(
                self.training.identifier, model.entity, at, "prov:role", "model"
            )
        found = _Optimizer(weakref.ref(optimizer), known, models, _rates(optimizer))
        self.optimizers[id(optimizer)] = found
        return found

    def _begin_epoch(self, running: _Pass, optimizer: _Optimizer) -> None:
        recorder = self.recorder
        if self.training is None:
            return
        self.epochs += 1
        label = f"epoch {self.epochs}"
        activity = recorder.begin(
            label, self.training, running.at, "prov:type", _T["Epoch"], "trilha:epoch", self.epochs
        )
        running.activity = self.epoch = activity
        activity.used[running.known.entity] = recorder.used(
            activity.identifier, running.known.entity, running.at, "prov:role", "training data"
        )
        for reference in optimizer.models:
            module = reference()
            known = recorder.objects.get(module) if module is not None else None
            if known is not None and known.entity not in activity.used:
                activity.used[known.entity] = recorder.used(
                    activity.identifier, known.entity, running.at, "prov:role", "model"
                )

    def _rates_changed(self, optimizer: Any, known: _Optimizer) -> None:
        before, after = known.rates, _rates(optimizer)
        if before == after:
            return
        known.rates = after
        recorder = self.recorder
        place = self.training or current(recorder)
        if after and after[0] is not None:
            metrics.log(recorder, place, ("step", "learning_rate"), (self.steps, after[0]))
        self.adaptations += 1
        if self.adaptations > _MOST_ADAPTATIONS:
            return
        at = self.last_step
        label = f"learning rate {_list(before)} → {_list(after)}"
        activity = recorder.begin(label, place, at, "prov:type", _T["Adaptation"], "trilha:name", "lr")
        entity = next(recorder.numbers)
        recorder.entity(
            *(entity, "prov:type", _T["Hyperparameter"], "prov:label", "lr", "trilha:name", "lr"),
            *("prov:value", after[0] if len(after) == 1 else _list(after), "trilha:before", _list(before)),
        )
        recorder.generated(entity, activity.identifier, at)
        recorder.end(activity, at)
        if self.epoch is not None:
            recorder.used(self.epoch.identifier, entity, at)

    # -- files --------------------------------------------------------------------------------------------------

    def saved(self, thing: Any, path: str) -> None:
        """`torch.save` wrote `thing` to `path`."""
        recorder = self.recorder
        at = _now()
        activity = current(recorder)
        sources = self._sources(thing)
        entity = recorder.files.produce(path, activity, at)
        if entity is None:
            return
        generation = recorder.files.generation_at(path)
        recorder.entity(entity, "prov:type", _T["Checkpoint"])
        for known, evidence in sources:
            usage = activity.used.get(known.entity)
            if usage is None:
                usage = activity.used[known.entity] = recorder.used(activity.identifier, known.entity, at)
            recorder.derived(
                *(entity, known.entity, activity.identifier, generation, usage, "trilha:evidence", evidence)
            )

    def _sources(self, thing: Any) -> list[tuple[Known, str]]:
        """The known objects that `thing` holds, each with how that is known."""
        found: dict[int | str, tuple[Known, str]] = {}
        module_type, tensor_type = self.torch.nn.Module, self.torch.Tensor
        parts = [("", thing), *leaves(thing), *leaves(dict(thing) if isinstance(thing, dict) else None)]
        storages: dict[int, Any] | None = None
        for _, part in parts:
            known = None
            evidence = "the same object"
            if isinstance(part, module_type):
                known = self.model(self.top(part))
            elif isinstance(part, tensor_type) and self.recorder.objects.get(part) is None:
                storages = self._storages() if storages is None else storages
                module = storages.get(part.data_ptr())
                known, evidence = (self.model(module), "the same storage") if module is not None else (None, "")
            elif part is not None:
                known = self.recorder.objects.get(part)
            if known is not None:
                found.setdefault(known.entity, (known, evidence))
        return list(found.values()) or self._alike(thing)

    def _known_models(self) -> list[Any]:
        models = [ref() for optimizer in self.optimizers.values() for ref in optimizer.models]
        return [module for module in models if module is not None]

    def _storages(self) -> dict[int, Any]:
        """The models by the addresses of their parameters and buffers."""
        found: dict[int, Any] = {}
        tops = {id(top): top for module in list(self.owners.values()) for top in [self.top(module)]}
        for module in tops.values():
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.numel():
                    found[tensor.data_ptr()] = module
        return found

    def _alike(self, thing: Any) -> list[tuple[Known, str]]:
        """Models whose state has the same names and shapes as a copy of some state in `thing`."""
        candidates = [thing, *(thing.values() if isinstance(thing, dict) else ())]
        for candidate in candidates:
            if not isinstance(candidate, dict) or not candidate:
                continue
            shapes = {key: getattr(value, "shape", None) for key, value in candidate.items()}
            for module in self._known_models():
                if shapes == {key: value.shape for key, value in module.state_dict().items()}:
                    return [(self.model(module), "a copy with the same names and shapes")]
        return []

    def loaded(self, thing: Any, path: str) -> None:
        """`torch.load` read `thing` from `path`."""
        recorder = self.recorder
        at = _now()
        activity = current(recorder)
        entity = recorder.files.read(path, activity, at)
        if entity is None:
            return
        made = next(recorder.numbers)
        label = f"content of {path.rpartition('/')[2]}"
        recorder.entity(made, "prov:type", _T["Object"], "prov:label", label, *describe(thing))
        known = recorder.objects.put(thing, made)
        known.generation = recorder.generated(made, activity.identifier, at)
        recorder.derived(made, entity, activity.identifier, known.generation, activity.used[entity])

    # -- life ---------------------------------------------------------------------------------------------------

    def guard(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call one of our functions so that nothing of it reaches the program."""
        try:
            with Quiet():
                function(*arguments)
        except Exception:
            self.recorder.failed()

    def finish(self) -> None:
        """The run ends: state what is still open."""
        self.pass_ends()
        self.refresh_all()
        if self.training is not None:
            self.recorder.end(self.training, self.last_step, "trilha:steps", self.steps, "trilha:epochs", self.epochs)


_T: Final = {
    name: literal_name(f"trilha:{name}")
    for name in (
        *("Object", "Model", "Optimizer", "DataLoader", "Training", "Epoch", "Pass", "Adaptation", "Checkpoint"),
        "Hyperparameter",
    )
}
_state: _Torch | None = None


def begin(recorder: Recorder, torch: Any) -> None:
    """Listen to PyTorch for `recorder`."""
    global _state
    state = _state = _Torch(recorder, torch)
    module = torch.nn.modules.module
    for register, hook in (
        (module.register_module_parameter_registration_hook, state.parameter_registered),
        (module.register_module_module_registration_hook, state.module_registered),
    ):
        state.undo.append(register(_quietly(state, hook)).remove)
    # torch.optim takes this name out of its namespace again.
    optimizers = importlib.import_module("torch.optim.optimizer")
    state.undo.append(optimizers.register_optimizer_step_post_hook(_after_step(state)).remove)
    token_of_type["torch.nn.modules.module.Module"] = _module_token
    token_of_type["torch.Tensor"] = lambda tensor: tensor._version
    recorder.refreshers.append(lambda thing: state.model(thing) if isinstance(thing, torch.nn.Module) else None)
    _wrap(state, torch.serialization, "save", _saving(state), also=torch)
    _wrap(state, torch.serialization, "load", _loading(state), also=torch)
    _wrap(state, torch.utils.data.DataLoader, "__iter__", _iterating(state))


def end(recorder: Recorder) -> None:
    """Stop listening; PyTorch is as it was."""
    global _state
    state, _state = _state, None
    if state is None:
        return
    state.guard(state.finish)
    for undo in reversed(state.undo):
        undo()
    recorder.refreshers.clear()


def _quietly(state: _Torch, hook: Callable[..., None]) -> Callable[..., None]:
    def called(*arguments: Any) -> None:
        if process.recorder is state.recorder:
            try:
                hook(*arguments)
            except Exception:
                state.recorder.failed()

    return called


def _after_step(state: _Torch) -> Callable[..., None]:
    stepped, recorder = state.stepped, state.recorder

    def after_step(optimizer: Any, args: Any, kwargs: Any) -> None:
        if process.recorder is recorder:
            try:
                stepped(optimizer)
            except Exception:
                recorder.failed()

    # What torch.compiler.disable would set; calling that would import the compiler for nothing.
    after_step._torchdynamo_disable = True  # type: ignore[attr-defined]
    return after_step


def _wrap(state: _Torch, owner: Any, name: str, wrapper: Callable[[Any], Any], also: Any = None) -> None:
    """Put a wrapper in the place of a function until the run ends; leave it if someone else has replaced ours."""
    original = getattr(owner, name)
    wrapped = functools.wraps(original)(wrapper(original))
    places = [place for place in (owner, also) if place is not None and getattr(place, name, None) is original]
    for place in places:
        setattr(place, name, wrapped)

    def undo() -> None:
        for place in places:
            if getattr(place, name, None) is wrapped:
                setattr(place, name, original)

    state.undo.append(undo)


def _path_of(target: Any) -> str | None:
    import os

    if isinstance(target, (str, os.PathLike)):
        return os.path.abspath(os.fspath(target))
    name = getattr(target, "name", None)
    return os.path.abspath(name) if isinstance(name, str) and os.path.isfile(name) else None


def _saving(state: _Torch) -> Callable[[Any], Any]:
    def wrapper(save: Any) -> Any:
        def saving(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            result = save(obj, f, *args, **kwargs)
            path = _path_of(f)
            if path is not None and process.recorder is state.recorder:
                if hasattr(f, "flush"):
                    state.guard(f.flush)
                state.guard(state.saved, obj, path)
            return result

        return saving

    return wrapper


def _loading(state: _Torch) -> Callable[[Any], Any]:
    def wrapper(load: Any) -> Any:
        def loading(f: Any, *args: Any, **kwargs: Any) -> Any:
            result = load(f, *args, **kwargs)
            path = _path_of(f)
            if path is not None and process.recorder is state.recorder:
                state.guard(state.loaded, result, path)
            return result

        return loading

    return wrapper


def _iterating(state: _Torch) -> Callable[[Any], Any]:
    def wrapper(iterate: Any) -> Any:
        def __iter__(self: Any) -> Any:
            iterator = iterate(self)
            if process.recorder is state.recorder:
                state.guard(state.pass_begins, self, iterator)
            return iterator

        return __iter__

    return wrapper


def _module_token(module: Any) -> object:
    """The sum of the in-place counters of the module's parameters and buffers, and which tensors they are."""
    total = 0
    for tensor in (*module.parameters(), *module.buffers()):
        total += tensor._version
    return total


def _about_model(module: Any) -> tuple[Any, ...]:
    parameters = list(module.parameters())
    if not parameters:
        return ()
    about: list[Any] = ["prov:type", _T["Model"], "trilha:parameters", sum(p.numel() for p in parameters)]
    about += ["trilha:trainable", sum(p.numel() for p in parameters if p.requires_grad)]
    about += ["trilha:architecture", repr(module)[:_ARCHITECTURE_LENGTH]]
    about += ["trilha:device", str(parameters[0].device), "trilha:dtype", str(parameters[0].dtype)]
    return tuple(about)


def _about_loader(torch: Any, loader: Any) -> tuple[Any, ...]:
    about: list[Any] = ["prov:type", _T["DataLoader"]]
    sampler = type(getattr(loader, "sampler", None)).__name__
    facts = {
        "batch_size": loader.batch_size,
        "shuffle": sampler == "RandomSampler",
        "sampler": sampler,
        "drop_last": loader.drop_last,
        "workers": loader.num_workers,
        "dataset": type(loader.dataset).__qualname__,
    }
    for name, value in facts.items():
        if value is not None:
            about += [f"trilha:{name}", value]
    for name, sized in (("length", loader), ("samples", loader.dataset)):
        try:
            about += [f"trilha:{name}", len(sized)]
        except TypeError:
            continue
    return tuple(about)


def _settings(optimizer: Any) -> dict[str, Any]:
    """The optimiser's hyperparameters, as its first group has them; names of further groups get a number."""
    found: dict[str, Any] = {}
    for number, group in enumerate(optimizer.param_groups[:16]):
        for name, value in group.items():
            if name in ("params", "param_names") or value is None:
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


def _owner(activity: Activity, known: Known) -> Activity:
    """The activity that an object belongs to: what was handed to a step belongs to the one around it."""
    while known.entity in activity.used and activity.enclosing is not None:
        activity = activity.enclosing
    return activity


def _rates(optimizer: Any) -> list[Any]:
    """The learning rate of each group; None for one that lies in a tensor, which might be on an accelerator."""
    return [rate if isinstance(rate, (int, float)) else None for rate in (g.get("lr") for g in optimizer.param_groups)]


def _list(rates: list[Any]) -> str:
    return ", ".join("?" if rate is None else f"{rate:g}" for rate in rates)
