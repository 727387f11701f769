"""PyTorch: models, optimisers, data loaders, epochs, learning rates, what is saved and loaded.

Where it listens, from the most stable to the least:

- global hooks that PyTorch offers: `register_module_parameter_registration_hook` and
  `register_module_module_registration_hook` (which module owns a parameter),
  `register_optimizer_step_post_hook`;
- `torch.save`, `torch.load`, `Module.load_state_dict`, `Module.state_dict` and `DataLoader.__iter__`, and
  what makes a copy of a module (`Module.__setstate__`, `Parameter.__deepcopy__`), which are wrapped while a
  run is recorded and give back what they gave before.

Nothing is read from an accelerator, so no call of ours waits for one. Tested on torch 2.11 and 2.13. Another
version records what its hooks still tell, with one warning where one is missing, and never fails the program.
"""

from __future__ import annotations

import _thread
import functools
import importlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trilha.capture.context import Activity, current, own_threads, process
from trilha.capture.identity import describe, token_of_type
from trilha.capture.integrations.torch.copies import EXACT, Copies
from trilha.capture.integrations.torch.data import Data
from trilha.capture.integrations.torch.facts import memory, module_token
from trilha.capture.integrations.torch.followed import follow
from trilha.capture.integrations.torch.inference import Inferences
from trilha.capture.integrations.torch.models import MOST_LOADED, Models
from trilha.capture.integrations.torch.schedules import Schedules
from trilha.capture.integrations.torch.states import States, Taking
from trilha.capture.integrations.torch.training import Training
from trilha.capture.learning.terms import TYPES
from trilha.capture.views import memory_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked", "marks", "restored", "saved"]


class _Listening:
    """What listens to PyTorch during one run.

    Attributes:
        undo: functions that put PyTorch back as it was.
    """

    def __init__(self, recorder: Recorder, torch: Any) -> None:
        self.recorder = recorder
        self.models = Models(recorder, torch)
        self.data = Data(recorder, torch)
        self.schedules = Schedules(torch)
        self.training = Training(recorder, self.models, self.data, self.schedules, self.guard)
        self.copies = Copies(recorder, torch, self.models, self.training)
        self.states = States(recorder, self.models, self.copies, self.training)
        self.undo: list[Callable[[], None]] = []

    def guard(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call one of our functions so that nothing of it reaches the program.

        Raises:
            BaseException: what a signal handler of the program raised meanwhile, or where it could not.
        """
        if process.recorder is not self.recorder:
            return
        if self.training.late is not None:
            late, self.training.late = self.training.late, None
            raise late
        # What `Quiet` does, with nothing called that need not be: each epoch pays for it, twice.
        thread = _thread.get_ident()
        nested = thread in own_threads
        own_threads.add(thread)
        try:
            function(*arguments)
        except Exception:
            self.recorder.failed()
        finally:
            if not nested:
                own_threads.discard(thread)

    def saved(self, thing: Any, path: str) -> None:
        """`torch.save` wrote `thing` to `path`."""
        recorder, at = self.recorder, time.time_ns()
        activity = current(recorder)
        for model in self.training.trained():
            self.training.bring_up_to_date(model)
        sources = self.models.sources(thing)
        if not sources:
            sources = self.copies.sources(thing, self.training.trained())
        elif (version := self.copies.version_of(thing)) is not None:
            # What a step gave back, say, whose result is told by what the step took.
            named = {one.entity for one, _ in sources}
            sources += [(version, EXACT)] if version.entity not in named else []
        usages = []
        for known, evidence in sources:
            usage = activity.used.get(known.entity)
            if usage is None:
                usage = activity.used[known.entity] = recorder.used(activity.identifier, known.entity, at)
            usages.append((known.entity, usage, evidence))
        entity = recorder.files.produce(path, activity, at)
        if entity is None:
            return
        recorder.entity(entity, "prov:type", TYPES["Checkpoint"])
        generation = recorder.files.generation_at(path, activity)
        for source, usage, evidence in usages:
            how = (activity.identifier, generation, usage) if generation is not None else (None, None, None)
            recorder.derived(entity, source, *how, "trilha:evidence", evidence)

    def loaded(self, thing: Any, path: str) -> None:
        """`torch.load` read `thing` from `path`."""
        recorder, at = self.recorder, time.time_ns()
        activity = current(recorder)
        entity = recorder.files.read(path, activity, at)
        if entity is not None:
            self._content(thing, os.path.basename(path), [entity], activity, at)

    def _content(self, thing: Any, name: str, files: list[int], activity: Activity, at: int) -> None:
        """State that `thing` is what was read from files."""
        recorder, made = self.recorder, next(self.recorder.numbers)
        about = ("prov:type", TYPES["Object"], "prov:label", f"content of {name}")
        recorder.entity(made, *about, *describe(thing))
        known = recorder.objects.put(thing, made)
        known.generation = recorder.generated(made, activity.identifier, at)
        # A state is taken apart before a model takes it over, or a part of it.
        for part in self.models.parts(thing, most=MOST_LOADED):
            if recorder.objects.itself(part) is None:
                recorder.objects.put(part, made, known.generation)
        for entity in files:
            recorder.derived(made, entity, activity.identifier, known.generation, activity.used[entity])

    def restored(self, thing: Any, name: str, files: list[int], marks: list[tuple[Any, int]]) -> None:
        """The tensors in `thing` were filled from files; `marks` are the models and their tokens before."""
        self.training.catch_up()
        changed = [model for model, mark in marks if module_token(model) != mark]
        for model in changed:
            known = self.models.as_it_is(model, None, time.time_ns())
            for entity in files:
                self.recorder.derived(known.entity, entity)
        if not changed and files:
            self._content(thing, name, files, current(self.recorder), time.time_ns())


def begin(recorder: Recorder, torch: Any) -> None:
    """Listen to PyTorch for `recorder`."""
    listening = _Listening(recorder, torch)
    _listening.append(listening)
    missing = [name for name, attach in _PLACES.items() if not _attached(attach, listening, torch)]
    if missing:
        recorder.complain(f"torch {torch.__version__} has changed: {', '.join(missing)} cannot be recorded")
    token_of_type["torch.nn.modules.module.Module"] = module_token
    token_of_type["torch.Tensor"] = lambda tensor: tensor._version
    memory_of["torch"] = memory

    def refresh(thing: Any) -> None:
        # Of its type, since an object may do anything when it is asked for its class.
        if issubclass(type(thing), torch.nn.Module):
            model = listening.models.wrapped(thing)
            listening.training.bring_up_to_date(model)
            if model is not thing:
                known = listening.models.introduce(model)
                recorder.objects.put(thing, known.entity, known.generation)

    def notice(cause: str) -> None:
        listening.guard(listening.training.notice, cause)

    recorder.refreshers.append(refresh)
    listening.undo.append(lambda: recorder.refreshers.remove(refresh))
    recorder.noticers.append(notice)
    listening.undo.append(lambda: recorder.noticers.remove(notice))


def end(recorder: Recorder) -> None:
    """Stop listening; PyTorch is as it was."""
    for listening in [one for one in _listening if one.recorder is recorder]:
        _listening.remove(listening)
        try:
            listening.training.finish()
        except Exception:
            recorder.failed()
        for undo in reversed(listening.undo):
            undo()


def saved(recorder: Recorder, thing: Any, path: str) -> None:
    """State that `thing`, which may hold models, was written to the file `path`."""
    for listening in _listening:
        if listening.recorder is recorder:
            listening.saved(thing, path)


def marks(recorder: Recorder) -> list[tuple[Any, int]]:
    """The models that are there, each with its token, before what may change them."""
    return [
        (model, module_token(model))
        for listening in _listening
        if listening.recorder is recorder
        for model in listening.models.tops()
    ]


def restored(
    recorder: Recorder, thing: Any, name: str, files: list[int], before: list[tuple[Any, int]]
) -> None:
    """State that the tensors in `thing` were filled from files.

    Args:
        recorder: of the run.
        thing: a structure of tensors, which may be those of models.
        name: of the checkpoint.
        files: the entities of its files.
        before: what `marks` gave before that.
    """
    for listening in _listening:
        if listening.recorder is recorder:
            listening.restored(thing, name, files, before)


def forked(recorder: Recorder) -> None:
    """In a forked child: the training that goes on is the parent's."""
    for listening in _listening:
        if listening.recorder is recorder:
            listening.training.forget()


_listening: list[_Listening] = []


def _attached(attach: Callable[[_Listening, Any], None], listening: _Listening, torch: Any) -> bool:
    try:
        attach(listening, torch)
    except (AttributeError, ImportError):
        return False
    return True


def _attach_modules(listening: _Listening, torch: Any) -> None:
    module, models = torch.nn.modules.module, listening.models
    parameters = _quietly(listening, models.parameter_registered)
    listening.undo.append(module.register_module_parameter_registration_hook(parameters).remove)
    listening.undo.append(module.register_module_module_registration_hook(_module_hook(listening)).remove)


def _module_hook(listening: _Listening) -> Callable[..., None]:
    return listening.models.noting_parts(_quietly(listening, listening.models.module_registered))


def _attach_optimizers(listening: _Listening, _torch: Any) -> None:
    # torch.optim takes this module's name out of its namespace again.
    optimizers = importlib.import_module("torch.optim.optimizer")
    listening.undo.append(optimizers.register_optimizer_step_post_hook(_step_hook(listening)).remove)
    recorder = listening.recorder

    def trace_begins() -> None:
        listening.undo.append(follow(recorder, optimizers, listening.models))

    recorder.following.append(trace_begins)
    if recorder.join is not None:
        trace_begins()


def _step_hook(listening: _Listening) -> Callable[..., None]:
    return listening.training.stepping.after_step


def _attach_loaders(listening: _Listening, torch: Any) -> None:
    def iterating(iterate: Any) -> Any:
        def iterate_and_record(self: Any) -> Any:
            iterator = iterate(self)
            listening.guard(listening.training.pass_begins, self, iterator)
            return iterator

        return iterate_and_record

    _wrap(listening, torch.utils.data.DataLoader, "__iter__", iterating)


def _attach_files(listening: _Listening, torch: Any) -> None:
    def saving(save: Any) -> Any:
        def save_and_record(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
            if listening.training.inferences is not None:
                listening.guard(listening.training.inferences.release)
            result = save(obj, f, *args, **kwargs)
            path = _path_of(f)
            if path is not None:
                if hasattr(f, "flush"):
                    listening.guard(f.flush)
                listening.guard(listening.saved, obj, path)
            return result

        return save_and_record

    def loading(load: Any) -> Any:
        def load_and_record(f: Any, *args: Any, **kwargs: Any) -> Any:
            result = load(f, *args, **kwargs)
            path = _path_of(f)
            if path is not None:
                listening.guard(listening.loaded, result, path)
            return result

        return load_and_record

    _wrap(listening, torch.serialization, "save", saving, also=torch)
    _wrap(listening, torch.serialization, "load", loading, also=torch)


def _attach_states(listening: _Listening, torch: Any) -> None:
    def taking(load_state_dict: Any) -> Any:
        def load_and_record(self: Any, state_dict: Any, *args: Any, **kwargs: Any) -> Any:
            found: list[Taking] = []
            listening.guard(listening.states.about_to_take, self, state_dict, found)
            result = load_state_dict(self, state_dict, *args, **kwargs)
            if found:
                listening.guard(listening.states.taken, found[0], result)
            return result

        return load_and_record

    def giving(state_dict: Any) -> Any:
        def give_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = state_dict(self, *args, **kwargs)
            if not args and not kwargs:
                # Otherwise it is that of a part, which goes into the state of the whole.
                listening.guard(listening.copies.state_given, self, result)
            return result

        return give_and_record

    _wrap(listening, torch.nn.Module, "load_state_dict", taking)
    _wrap(listening, torch.nn.Module, "state_dict", giving)


def _attach_copies(listening: _Listening, torch: Any) -> None:
    copies = listening.copies

    def restoring(restore: Any) -> Any:
        def restore_and_note(self: Any, state: Any) -> None:
            restore(self, state)
            listening.guard(copies.module_restored, self)

        return restore_and_note

    def copying(copy: Any) -> Any:
        def copy_and_note(self: Any, memo: Any) -> Any:
            made = copy(self, memo)
            listening.guard(copies.parameter_copied, self, made, memo)
            return made

        return copy_and_note

    _wrap(listening, torch.nn.Module, "__setstate__", restoring)
    _wrap(listening, torch.nn.Parameter, "__deepcopy__", copying)


def _attach_schedules(listening: _Listening, _torch: Any) -> None:
    schedulers = importlib.import_module("torch.optim.lr_scheduler")
    losses = importlib.import_module("torch.nn.modules.loss")
    # That one does not call what it inherits.
    for owner in (schedulers.LRScheduler, schedulers.ReduceLROnPlateau):
        _wrap(listening, owner, "__init__", _noting(listening, listening.schedules.scheduler_made))
    _wrap(listening, losses._Loss, "__init__", _noting(listening, listening.schedules.loss_made))


def _attach_inferences(listening: _Listening, torch: Any) -> None:
    training = listening.training
    inferences = Inferences(listening.recorder, torch, listening.models, training, listening.guard)
    listening.undo.append(inferences.undo)
    training.inferences = inferences

    def evaluating(evaluate: Any) -> Any:
        def evaluate_and_record(self: Any) -> Any:
            result = evaluate(self)
            listening.guard(inferences.evaluating, self)
            return result

        return evaluate_and_record

    def exporting(export: Any) -> Any:
        def export_unseen(*args: Any, **kwargs: Any) -> Any:
            listening.guard(inferences.exports)
            return export(*args, **kwargs)

        return export_unseen

    def compiling(compile_it: Any) -> Any:
        def compile_and_note(model: Any = None, *args: Any, **kwargs: Any) -> Any:
            listening.guard(inferences.compiles)
            return compile_it(model, *args, **kwargs)

        return compile_and_note

    _wrap(listening, torch.nn.Module, "eval", evaluating)
    _wrap(listening, torch.export, "export", exporting)
    _wrap(listening, torch, "compile", compiling)


def _noting(listening: _Listening, note: Callable[[Any], None]) -> Callable[[Any], Any]:
    """Wraps an ``__init__`` so that what it made is noted (some networks make a loss for each batch)."""
    noted = _quietly(listening, note)

    def noting(make: Any) -> Any:
        def make_and_note(self: Any, *args: Any, **kwargs: Any) -> None:
            make(self, *args, **kwargs)
            noted(self)

        return make_and_note

    return noting


def _attach_splits(listening: _Listening, torch: Any) -> None:
    def splitting(random_split: Any) -> Any:
        def split_and_record(dataset: Any, lengths: Any, *args: Any, **kwargs: Any) -> Any:
            begun = time.time_ns()
            # Before it draws from it: what the generator was seeded with does not change by that.
            generator = args[0] if args else kwargs.get("generator")
            subsets = random_split(dataset, lengths, *args, **kwargs)
            settings = {"lengths": list(lengths) if isinstance(lengths, (list, tuple)) else None}
            listening.guard(_record_split, listening, dataset, subsets, settings, generator, begun)
            return subsets

        return split_and_record

    _wrap(listening, torch.utils.data.dataset, "random_split", splitting, also=torch.utils.data)


def _record_split(
    listening: _Listening,
    dataset: Any,
    subsets: Any,
    settings: dict[str, Any],
    generator: Any,
    begun: int,
) -> None:
    seed = generator.initial_seed() if generator is not None else listening.schedules.seed()
    listening.data.was_split(dataset, list(subsets), {**settings, "seed": seed}, begun)


_PLACES: dict[str, Callable[[_Listening, Any], None]] = {
    "models": _attach_modules,
    "training": _attach_optimizers,
    "data loaders": _attach_loaders,
    "checkpoints": _attach_files,
    "states": _attach_states,
    "copies": _attach_copies,
    "schedulers and losses": _attach_schedules,
    "splits": _attach_splits,
    "inferences": _attach_inferences,
}


def _quietly(listening: _Listening, hook: Callable[..., None]) -> Callable[..., None]:
    recorder = listening.recorder

    def called(*arguments: Any) -> None:
        if process.recorder is recorder:
            try:
                hook(*arguments)
            except Exception:
                recorder.failed()

    return called


def _wrap(
    listening: _Listening, owner: Any, name: str, wrapper: Callable[[Any], Any], also: Any = None
) -> None:
    """Put a wrapper in the place of a function until the run ends, or until someone else replaces it."""
    original = getattr(owner, name)
    wrapped = functools.wraps(original)(wrapper(original))
    places = [
        place for place in (owner, also) if place is not None and getattr(place, name, None) is original
    ]
    for place in places:
        setattr(place, name, wrapped)

    def undo() -> None:
        for place in places:
            if getattr(place, name, None) is wrapped:
                setattr(place, name, original)

    listening.undo.append(undo)


def _path_of(target: Any) -> str | None:
    if isinstance(target, (str, os.PathLike)):
        return os.path.abspath(os.fsdecode(os.fspath(target)))
    name = getattr(target, "name", None)
    return os.path.abspath(name) if isinstance(name, str) and os.path.isfile(name) else None
