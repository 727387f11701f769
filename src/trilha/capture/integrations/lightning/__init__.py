"""Lightning: its Trainer's fit, validate, test and predict, its data modules and its checkpoints.

A callback of ours is in the trainer's own list while one of these runs, and only then, so that a trainer made
before the recording is followed, too, and the program never sees it. It keeps no state, so that checkpoints
are what they are without it, and takes no part in what happens for each batch. To bring it there,
`Trainer.fit`, `validate`, `test` and `predict` are wrapped while a run is recorded; so are
`Trainer.save_checkpoint`, for no callback is told where a checkpoint is, and the trainer's calls of a data
module's hooks.

What PyTorch tells (optimisers, learning rates, layers, loaders) is added to the training by the integration
of PyTorch. Both packages are known, ``lightning`` and ``pytorch_lightning``. Tested on version 2.6; another
one records what its hooks still tell, with one warning where one is missing, and never fails the program.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trilha.capture.context import current, process
from trilha.capture.integrations.lightning.facts import why_best
from trilha.capture.integrations.lightning.searches import SEARCHES, searching
from trilha.capture.integrations.lightning.stages import STAGES, Stage, listener_class, stage_of
from trilha.capture.learning.fit import checkpoint, guarded
from trilha.capture.steps import Call, plan_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]


class _Listening:
    """What listens to one of Lightning's packages during one run."""

    def __init__(self, recorder: Recorder, library: Any) -> None:
        self.recorder = recorder
        self.listener = listener_class(library)
        self.undo: list[Callable[[], None]] = []

    def enters(self, trainer: Any, name: str) -> Stage | None:
        """The trainer enters a stage; None where that is not followed."""
        stage = stage_of(name, self.recorder, trainer)
        trainer.callbacks = _with(trainer.callbacks, self.listener(stage))
        return stage

    def leaves(self, trainer: Any, stage: Stage, result: Any, error: BaseException | None) -> None:
        """The trainer has left a stage: with a result, or by an error."""
        # The list may be another one by now, in another order.
        trainer.callbacks = [one for one in trainer.callbacks if getattr(one, "stage", None) is not stage]
        stage.leave(result, error)

    def saved(self, trainer: Any, path: Any) -> None:
        """The trainer wrote a checkpoint."""
        place = os.fspath(path)
        if "://" in place or not trainer.is_global_zero:
            return
        place = os.path.abspath(place)
        best, reason = why_best(trainer, place)
        checkpoint(self.recorder, current(self.recorder), trainer.lightning_module, place, reason, best=best)


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to Lightning (the package `library`) for `recorder`."""
    listening = _Listening(recorder, library)
    _listening.append(listening)
    trainer = library.Trainer
    missing = [name for name in STAGES if not _wrap(listening, trainer, name, _following(listening, name))]
    if not _wrap(listening, trainer, "save_checkpoint", _saving(listening)):
        missing.append("save_checkpoint")
    if missing:
        version = getattr(library, "__version__", "?")
        recorder.complain(
            f"{library.__name__} {version} has changed: {', '.join(missing)} cannot be recorded"
        )
    for module, name, common in SEARCHES:
        place = getattr(getattr(library, "callbacks", None), module, None)
        _wrap(listening, place, name, searching(recorder, common))
    calls = getattr(getattr(library, "trainer", None), "call", None)
    _wrap(listening, calls, "_call_lightning_datamodule_hook", _preparing(listening))


def end(recorder: Recorder) -> None:
    """Stop listening; Lightning is as it was."""
    for listening in [one for one in _listening if one.recorder is recorder]:
        _listening.remove(listening)
        for undo in reversed(listening.undo):
            undo()


_listening: list[_Listening] = []


def _with(callbacks: list[Any], ours: Any) -> list[Any]:
    """Callbacks with ours behind the program's own, but before those that write checkpoints."""
    place = len(callbacks)
    while place and any(kind.__name__ == "Checkpoint" for kind in type(callbacks[place - 1]).__mro__):
        place -= 1
    return [*callbacks[:place], ours, *callbacks[place:]]


def _following(listening: _Listening, name: str) -> Callable[[Any], Any]:
    def following(original: Any) -> Any:
        def run_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
            recorder = listening.recorder
            stage = guarded(recorder, listening.enters, self, name)
            if stage is None:
                return original(self, *args, **kwargs)
            try:
                result = original(self, *args, **kwargs)
            except BaseException as error:
                guarded(recorder, listening.leaves, self, stage, None, error)
                raise
            guarded(recorder, listening.leaves, self, stage, result, None)
            return result

        return run_and_record

    return following


def _saving(listening: _Listening) -> Callable[[Any], Any]:
    def saving(save_checkpoint: Any) -> Any:
        def save_and_record(self: Any, filepath: Any, *args: Any, **kwargs: Any) -> None:
            save_checkpoint(self, filepath, *args, **kwargs)
            guarded(listening.recorder, listening.saved, self, filepath)

        return save_and_record

    return saving


def _preparing(listening: _Listening) -> Callable[[Any], Any]:
    """Wraps the trainer's call of a data module's hook: those that prepare data are steps."""

    def preparing(call_hook: Any) -> Any:
        def call_and_record(trainer: Any, hook_name: str, *args: Any, **kwargs: Any) -> Any:
            recorder, module = listening.recorder, trainer.datamodule
            call = None
            if hook_name in ("prepare_data", "setup") and process.recorder is recorder:
                call = guarded(recorder, _step, recorder, module, hook_name, kwargs)
            if call is None:
                return call_hook(trainer, hook_name, *args, **kwargs)
            try:
                result = call_hook(trainer, hook_name, *args, **kwargs)
            except BaseException as error:
                guarded(recorder, call.fail, error)
                raise
            finally:
                call.leave()
            guarded(recorder, call.end, result)
            return result

        return call_and_record

    return preparing


def _step(recorder: Recorder, module: Any, name: str, arguments: dict[str, Any]) -> Call | None:
    """The step that a data module's hook is; None where the class does not have it, but only inherits it."""
    hook = getattr(type(module), name, None)
    if hook is None or hook.__module__.startswith(("lightning.", "pytorch_lightning.")):
        return None
    given = {key: str(value) if key == "stage" else value for key, value in arguments.items()}
    plan = plan_of(recorder, hook) or ""
    return Call(recorder, f"{type(module).__name__}.{name}", plan, {"self": module, **given})


def _wrap(listening: _Listening, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> bool:
    """Put a wrapper in the place of a function until the run ends; False if there is none."""
    original = getattr(owner, "__dict__", {}).get(name)
    if original is None:
        return False
    wrapped = functools.wraps(original)(wrapper(original))
    setattr(owner, name, wrapped)

    def undo() -> None:
        if getattr(owner, name, None) is wrapped:
            setattr(owner, name, original)

    listening.undo.append(undo)
    return True
