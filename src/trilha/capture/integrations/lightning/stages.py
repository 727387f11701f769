"""What a trainer of Lightning is at: a fit, or a validation, test or prediction on its own.

The methods of a stage are called by a callback in the trainer's list (`listener_class`).
"""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.active import active
from trilha.capture.integrations.lightning.facts import prepared, rows, said_again, settings, stop
from trilha.capture.learning.evaluating import Evaluating, Place
from trilha.capture.learning.fit import Fit, guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["STAGES", "Stage", "listener_class", "stage_of"]

STAGES: Final = ("fit", "validate", "test", "predict")
"""Methods of a trainer."""

_OF_BATCHES: Final = (
    *("on_train_batch_start", "on_train_batch_end", "on_before_zero_grad", "on_before_optimizer_step"),
    *("on_before_backward", "on_after_backward", "on_validation_batch_start", "on_validation_batch_end"),
    *("on_test_batch_start", "on_test_batch_end", "on_predict_batch_start", "on_predict_batch_end"),
)
"""Hooks for each batch. A trainer leaves out what cannot be called, so that no batch waits for us."""


class Stage:
    """One stage of a trainer.

    Args:
        recorder: of the run.
        trainer: that it is of.
        name: of the trainer's method.
    """

    def __init__(self, recorder: Recorder, trainer: Any, name: str) -> None:
        self.recorder = recorder
        self.trainer = trainer
        self.name = name
        self.error: BaseException | None = None
        self.place = Place()

    def raised(self, error: BaseException) -> None:
        """An error ends the stage. Lightning turns Ctrl-C into another one: this is the first word."""
        self.error = self.error or error

    def leave(self, result: Any, error: BaseException | None) -> None:
        """The stage is over, and gave `result` or raised `error`."""
        raise NotImplementedError


class Fitting(Stage):
    """A training by `Trainer.fit`.

    An epoch ends when the next one begins, or the training ends: only then is all known that it logged.
    """

    def __init__(self, recorder: Recorder, trainer: Any) -> None:
        super().__init__(recorder, trainer, "fit")
        self._fit: Fit | None = None
        self._seen: dict[str, Any] = {}

    def fit_starts(self) -> None:
        """The model is there and on its device; a checkpoint to go on from has been loaded."""
        trainer, recorder = self.trainer, self.recorder
        fit = self._fit = Fit(recorder, "lightning", "training", trainer.lightning_module)
        self.place.enter(fit.activity)
        found = settings(trainer)
        fit.hyperparameters(found, said_again(found.get("hparams", {})))
        resumed = trainer.ckpt_path
        if resumed:
            recorder.files.read(os.path.abspath(resumed), fit.activity, time.time_ns())

    def train_starts(self) -> None:
        """The data is there, too."""
        fit, trainer = self._fit, self.trainer
        if fit is None:
            return
        fit.data(trainer.train_dataloader)
        if trainer.val_dataloaders is not None:
            fit.data(trainer.val_dataloaders, "validation data")
        fit.hyperparameters(prepared(trainer))

    def epoch_starts(self) -> None:
        """The next epoch begins, and so the one before is over."""
        fit = self._fit
        if fit is not None:
            self._end_epoch()
            fit.epoch_begins(self.trainer.current_epoch + 1)
            self.place.enter(fit.epoch or fit.activity)

    def train_ends(self) -> None:
        """The last epoch is over."""
        fit, trainer = self._fit, self.trainer
        if fit is None:
            return
        self._end_epoch()
        self.place.enter(fit.activity)
        if trainer.should_stop:
            cause, monitor, best, epoch = stop(trainer)
            fit.stopped_early(cause, monitor, best, epoch)

    def _end_epoch(self) -> None:
        fit = self._fit
        if fit is not None and fit.epoch is not None:
            fit.epoch_ends(rows(self.trainer, self._seen))

    def leave(self, result: Any, error: BaseException | None) -> None:  # noqa: ARG002 -- it gives nothing
        """The training is over."""
        fit, self._fit = self._fit, None
        if fit is not None:
            fit.end(self.error or error, "trilha:steps", self.trainer.global_step)
        self.place.leave()


class Measuring(Stage):
    """`Trainer.validate`, `test` or `predict`.

    Args:
        recorder: of the run.
        trainer: that does it.
        name: of the method.
    """

    def __init__(self, recorder: Recorder, trainer: Any, name: str) -> None:
        super().__init__(recorder, trainer, name)
        self._evaluating: Evaluating | None = None

    def set_up(self) -> None:
        """The model is there. What it may be loaded from, and the passes over the data, belong to this."""
        what = self.name
        self._evaluating = Evaluating(
            self.recorder,
            "lightning",
            label={"validate": "validation", "predict": "prediction"}.get(what, what),
            part={"validate": "validation", "test": "test"}.get(what, ""),
            measures=what != "predict",
        )
        self.place.enter(self._evaluating.activity)

    def data_is_there(self) -> None:
        """The model is as it will be used, and the data is there."""
        evaluating, trainer = self._evaluating, self.trainer
        if evaluating is not None:
            evaluating.model(trainer.lightning_module)
            evaluating.data(
                getattr(trainer, f"{'val' if self.name == 'validate' else self.name}_dataloaders")
            )

    def leave(self, result: Any, error: BaseException | None) -> None:
        """It is over."""
        evaluating, self._evaluating = self._evaluating, None
        if evaluating is not None:
            if self.name == "predict":
                if result:
                    evaluating.gave(result)
                evaluating.end({}, self.error or error)
            else:
                evaluating.end({} if error else rows(self.trainer, {}), self.error or error)
        self.place.leave()


_classes: dict[Any, type] = {}


def listener_class(library: Any) -> type:
    """The class of our callbacks, a subclass of that package's own."""
    known = _classes.get(library.Callback)
    if known is None:
        known = _classes[library.Callback] = _listener_class(library.Callback)
    return known


def _listener_class(base: type) -> type:
    class Listener(base):  # type: ignore[misc]
        """Tells a stage what its trainer tells; keeps no state that a checkpoint could have."""

        def __init__(self, stage: Stage, *, alone: bool = False) -> None:
            self.stage = stage
            self._process = 0 if alone else os.getpid()

        def __reduce__(self) -> Any:
            # To a process that the trainer starts anew: what is done there is told from there.
            return _sent, (base.__module__.partition(".callbacks")[0], self.stage.name)

        def setup(self, trainer: Any, *_: Any, **__: Any) -> None:
            """The trainer sets everything up; the data module has been."""
            _tell(self.stage, trainer, "set_up")

        def on_fit_start(self, trainer: Any, *_: Any) -> None:
            """The trainer has set everything up but the data."""
            _tell(self.stage, trainer, "fit_starts")

        def on_train_start(self, trainer: Any, *_: Any) -> None:
            """The training begins."""
            _tell(self.stage, trainer, "train_starts")

        def on_train_epoch_start(self, trainer: Any, *_: Any) -> None:
            """An epoch begins."""
            _tell(self.stage, trainer, "epoch_starts")

        def on_train_end(self, trainer: Any, *_: Any) -> None:
            """The training is over."""
            _tell(self.stage, trainer, "train_ends")

        def on_validation_start(self, trainer: Any, *_: Any) -> None:
            """A validation begins: of its own, or within a training."""
            _tell(self.stage, trainer, "data_is_there")

        on_test_start = on_predict_start = on_validation_start

        def on_exception(self, trainer: Any, _: Any, exception: BaseException) -> None:
            """The stage is broken off."""
            _tell(self.stage, trainer, "raised", exception)
            if self._process != os.getpid():
                _tell(self.stage, trainer, "leave", None, exception)

        def teardown(self, trainer: Any, *_: Any, **__: Any) -> None:
            """The stage is over. In the process in which the trainer was called, its caller knows more."""
            if self._process != os.getpid():
                _tell(self.stage, trainer, "leave", None, None)

    for name in _OF_BATCHES:
        if hasattr(base, name):
            setattr(Listener, name, None)
    return Listener


def _tell(stage: Stage, trainer: Any, what: str, *arguments: Any) -> None:
    method = getattr(stage, what, None)
    if method is not None:
        stage.trainer = trainer
        guarded(stage.recorder, method, *arguments)


def _sent(place: str, name: str) -> Any:
    """A callback of ours in a process that a trainer started to do its work there."""
    library: Any = import_module(place)
    recorder = active()
    if recorder is None:
        return library.Callback()
    return listener_class(library)(stage_of(name, recorder, None), alone=True)


def stage_of(name: str, recorder: Recorder, trainer: Any) -> Stage:
    """The stage that a trainer enters by its method `name`."""
    return Fitting(recorder, trainer) if name == "fit" else Measuring(recorder, trainer, name)
