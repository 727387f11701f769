"""Transformers of Hugging Face: its Trainer, models that are saved and loaded, texts that are tokenised.

A callback of ours is in the trainer's own list while `Trainer.train` runs, and only then, so that a trainer
made before the recording is followed, too. To bring it there, and to know of errors, `Trainer.train` is
wrapped while a run is recorded; so are `Trainer.evaluate` and `predict`, whose begin no callback is told, and
what reads and writes weights, since that is done by compiled code which nothing else sees:
`PreTrainedModel.from_pretrained` and `save_pretrained`, `Trainer.save_model`, and the trainer's loading of a
checkpoint to go on from and of the best one.

The library imports its parts when they are asked for, so there are three to watch: ``transformers.trainer``,
``transformers.modeling_utils`` and ``transformers.tokenization_utils_base``. What PyTorch tells (optimisers,
learning rates, layers, loaders) is added to the training by the integration of PyTorch. Tested on version
5.23; another one records what is still there, with one warning where something is missing, and never fails
the program.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import current
from trilha.capture.integrations.transformers.facts import other_files, weights
from trilha.capture.integrations.transformers.loading import model_from_files, tokenised
from trilha.capture.integrations.transformers.stages import Measuring, Training, asked, listener_class
from trilha.capture.learning.fit import checkpoint, guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_MOST_TOKENISED: Final = 64
_undo: list[tuple[Recorder, Callable[[], None]]] = []
_training: dict[int, Training] = {}
"""The trainings that go on, by the identities of their trainers."""


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to a part of Transformers (the module `library`) for `recorder`."""
    part = library.__name__.rpartition(".")[2]
    owner = getattr(library, _OWNERS[part], None)
    missing = [
        f"{_OWNERS[part]}.{name}"
        for name, wrapper in _PLACES[part].items()
        if not _wrap(recorder, owner, name, wrapper)
    ]
    if missing:
        recorder.complain(f"transformers has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Stop listening; Transformers is as it was."""
    for entry in [entry for entry in reversed(_undo) if entry[0] is recorder]:
        _undo.remove(entry)
        entry[1]()
    _training.clear()


# -- the trainer


def _train(recorder: Recorder, train: Any) -> Any:
    def train_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = guarded(recorder, _enters, recorder, self)
        if stage is None:
            return train(self, *args, **kwargs)
        try:
            result = train(self, *args, **kwargs)
        except BaseException as error:
            guarded(recorder, _leaves, self, stage, error)
            raise
        guarded(recorder, _leaves, self, stage, None)
        return result

    return train_and_record


def _enters(recorder: Recorder, trainer: Any) -> Training | None:
    if id(trainer) in _training:
        return None
    stage = _training[id(trainer)] = Training(recorder, trainer)
    trainer.callback_handler.callbacks.append(listener_class()(stage))
    return stage


def _leaves(trainer: Any, stage: Training, error: BaseException | None) -> None:
    _training.pop(id(trainer), None)
    _take_away(trainer, stage)
    stage.leave(error)


def _measure(recorder: Recorder, method: Any) -> Any:
    """Wraps `evaluate` and `predict`. What a training evaluates on its way is in its own metrics."""

    def measure_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = None
        if id(self) not in _training:
            stage = guarded(recorder, _measures, recorder, self, method.__name__, args, kwargs)
        if stage is None:
            return method(self, *args, **kwargs)
        try:
            result = method(self, *args, **kwargs)
        except BaseException as error:
            guarded(recorder, _has_measured, self, stage, None, error)
            raise
        guarded(recorder, _has_measured, self, stage, result, None)
        return result

    return measure_and_record


def _measures(
    recorder: Recorder, trainer: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Measuring | None:
    if isinstance(asked(trainer, name, args, kwargs), dict):
        return None  # the trainer evaluates each of them by itself
    stage = Measuring(recorder, trainer, name, args, kwargs)
    trainer.callback_handler.callbacks.append(listener_class()(stage))
    return stage


def _has_measured(trainer: Any, stage: Measuring, result: Any, error: BaseException | None) -> None:
    _take_away(trainer, stage)
    stage.leave(result, error)


def _take_away(trainer: Any, stage: Any) -> None:
    """Take our callback out of the trainer's list, which others may have changed."""
    callbacks = trainer.callback_handler.callbacks
    callbacks[:] = [one for one in callbacks if getattr(one, "stage", None) is not stage]


def _save_model(recorder: Recorder, save_model: Any) -> Any:
    def save_and_record(self: Any, output_dir: Any = None, *args: Any, **kwargs: Any) -> None:
        save_model(self, output_dir, *args, **kwargs)
        # A model of the library's own saves itself, and that is seen.
        if not hasattr(self.model, "save_pretrained") and self.args.should_save:
            folder = output_dir if output_dir is not None else self.args.output_dir
            guarded(recorder, _saved, recorder, self.model, folder)

    return save_and_record


def _resume(recorder: Recorder, load: Any) -> Any:
    def load_and_record(self: Any, resume_from_checkpoint: Any, *args: Any, **kwargs: Any) -> Any:
        result = load(self, resume_from_checkpoint, *args, **kwargs)
        stage = _training.get(id(self))
        if stage is not None:
            guarded(recorder, stage.resumed, resume_from_checkpoint)
        return result

    return load_and_record


def _load_best(recorder: Recorder, load: Any) -> Any:
    def load_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        stage = _training.get(id(self))
        if stage is not None:
            guarded(recorder, stage.end_epoch)
        result = load(self, *args, **kwargs)
        if stage is not None:
            guarded(recorder, stage.took_best)
        return result

    return load_and_record


# -- models and texts


def _save_pretrained(recorder: Recorder, save_pretrained: Any) -> Any:
    def save_and_record(self: Any, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        result = save_pretrained(self, save_directory, *args, **kwargs)
        if args[0] if args else kwargs.get("is_main_process", True):
            guarded(recorder, _saved, recorder, self, save_directory, kwargs.get("variant"))
        return result

    return save_and_record


def _saved(recorder: Recorder, model: Any, folder: Any, variant: str | None = None) -> None:
    """A model was written to a folder: its weights hold it, its other files are made by the way."""
    activity = current(recorder)
    for path in weights(folder, variant):
        checkpoint(recorder, activity, model, path)
    for path in other_files(folder):
        recorder.files.produce(path, activity, time.time_ns())


def _from_pretrained(recorder: Recorder, from_pretrained: Any) -> Any:
    function = from_pretrained.__func__

    def load_and_record(cls: Any, place: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(cls, place, *args, **kwargs)
        model = result[0] if isinstance(result, tuple) else result
        guarded(recorder, _loaded, recorder, model, place, kwargs)
        return result

    return classmethod(functools.wraps(function)(load_and_record))


def _loaded(recorder: Recorder, model: Any, place: Any, options: dict[str, Any]) -> None:
    folder = os.fspath(place) if place is not None else ""
    if folder and os.path.isdir(folder):
        folder = os.path.join(folder, options.get("subfolder") or "")
        model_from_files(recorder, model, weights(folder, options.get("variant")), current(recorder))


def _tokenise(recorder: Recorder, call: Any) -> Any:
    """Wraps the tokenising of many texts at once. One by one, or during a training, there is no end to it."""
    seen = 0

    def call_and_record(self: Any, text: Any = None, *args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        begun = time.time_ns()
        result = call(self, text, *args, **kwargs)
        if type(text) is list and seen < _MOST_TOKENISED and not recorder.fits:
            seen += 1
            guarded(recorder, tokenised, recorder, self, text, result, kwargs, begun)
        return result

    return call_and_record


_OWNERS: Final = {
    "trainer": "Trainer",
    "modeling_utils": "PreTrainedModel",
    "tokenization_utils_base": "PreTrainedTokenizerBase",
}
_PLACES: Final[dict[str, dict[str, Callable[[Recorder, Any], Any]]]] = {
    "trainer": {
        "train": _train,
        "evaluate": _measure,
        "predict": _measure,
        "save_model": _save_model,
        "_load_from_checkpoint": _resume,
        "_load_best_model": _load_best,
    },
    "modeling_utils": {"save_pretrained": _save_pretrained, "from_pretrained": _from_pretrained},
    "tokenization_utils_base": {"__call__": _tokenise},
}


def _wrap(recorder: Recorder, owner: Any, name: str, wrapper: Callable[[Recorder, Any], Any]) -> bool:
    """Put a wrapper in the place of a method until the run ends; False if there is none."""
    original = getattr(owner, "__dict__", {}).get(name)
    if original is None:
        return False
    wrapped = wrapper(recorder, original)
    if not isinstance(wrapped, classmethod):
        wrapped = functools.wraps(original)(wrapped)
    setattr(owner, name, wrapped)

    def undo() -> None:
        if owner.__dict__.get(name) is wrapped:
            setattr(owner, name, original)

    _undo.append((recorder, undo))
    return True
