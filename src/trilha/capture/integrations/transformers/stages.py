"""What a trainer of Transformers is at: a training, or an evaluation or prediction on its own."""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from trilha.capture.context import current
from trilha.capture.integrations.transformers.datasets import each, opened, use_dataset, use_loader
from trilha.capture.integrations.transformers.facts import (
    given,
    metrics_of,
    other_files,
    position,
    settings,
    stop,
    weights,
)
from trilha.capture.integrations.transformers.loading import model_from_files
from trilha.capture.learning.evaluating import Evaluating, Place
from trilha.capture.learning.fit import Fit, guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Measuring", "Training", "asked", "listener_class"]

_unused: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()
"""Of each trainer that has begun to train, how the names of the arguments begin that it does not look at."""


class Training:
    """A training by `Trainer.train`.

    An epoch ends when the next one begins, or the training ends: the trainer evaluates, logs and saves after
    it has said that the epoch is over.

    Args:
        recorder: of the run.
        trainer: that it is of.
    """

    def __init__(self, recorder: Recorder, trainer: Any) -> None:
        self.recorder = recorder
        self.trainer = trainer
        self._place = Place()
        self._fit: Fit | None = None
        self._resumed = ""
        if trainer not in _unused:
            # Later it has an optimizer, whoever made it.
            _unused[trainer] = given(trainer)

    def resumed(self, folder: Any) -> None:
        """The trainer has loaded a checkpoint to go on from."""
        self._resumed = os.path.abspath(os.fspath(folder))
        model_from_files(self.recorder, self.trainer.model, weights(self._resumed), current(self.recorder))

    def begins(self) -> None:
        """Everything is there."""
        trainer, recorder = self.trainer, self.recorder
        if self._fit is not None:
            # Begun anew, with smaller batches, since memory did not suffice.
            self._fit.end(None, "trilha:unfinished", True)
            self._place.leave()
        fit = self._fit = Fit(recorder, "transformers", "training", trainer.model)
        self._place.enter(fit.activity)
        fit.hyperparameters(settings(trainer, _unused[trainer]))
        if self._resumed:
            for path in weights(self._resumed):
                recorder.files.read(path, fit.activity, time.time_ns())
        loader = opened(trainer.callback_handler.train_dataloader)
        use_loader(recorder, trainer, fit.activity, loader, time.time_ns(), "training data")
        fit.data(loader)
        if _plain(trainer.args.eval_strategy) != "no":
            for dataset in each(trainer.eval_dataset):
                use_dataset(recorder, trainer, fit.activity, dataset, time.time_ns(), "validation data")

    def epoch_begins(self) -> None:
        """The next epoch begins, and so the one before is over."""
        fit = self._fit
        if fit is not None:
            self.end_epoch()
            fit.epoch_begins(int((self.trainer.state.epoch or 0) + 1e-6) + 1)
            self._place.enter(fit.epoch or fit.activity)

    def end_epoch(self) -> None:
        """The epoch that goes on is over, if one does."""
        fit = self._fit
        if fit is not None and fit.epoch is not None:
            fit.epoch_ends({})
            self._place.enter(fit.activity)

    def logged(self, logs: Any) -> None:
        """The trainer logged a row."""
        if self._fit is not None:
            row = metrics_of(logs)
            if row:
                self._fit.log(row, **position(self.trainer.state))

    def saved(self) -> None:
        """The trainer saved a checkpoint."""
        recorder, trainer = self.recorder, self.trainer
        args, state = trainer.args, trainer.state
        folder = os.path.abspath(os.path.join(args.output_dir, f"checkpoint-{state.global_step}"))
        activity, at = current(recorder), time.time_ns()
        for path in other_files(folder):
            recorder.files.produce(path, activity, at)
        best = state.best_model_checkpoint
        if best and os.path.abspath(best) == folder and isinstance(state.best_metric, (int, float)):
            extreme = "highest" if args.greater_is_better else "lowest"
            epoch = position(state)["epoch"]
            reason = f"{extreme} {args.metric_for_best_model} {state.best_metric:.5g} at epoch {epoch}"
            for path in weights(folder):
                entity = recorder.files.produce(path, activity, at)
                if entity is not None:
                    recorder.entity(entity, "trilha:best", True, "trilha:reason", reason)

    def took_best(self) -> None:
        """The trainer has loaded the best checkpoint, which is the model from now on."""
        fit = self._fit
        if fit is not None:
            folder = self.trainer.state.best_model_checkpoint
            model_from_files(self.recorder, self.trainer.model, weights(folder), fit.activity)

    def ends(self) -> None:
        """The training is over."""
        fit = self._fit
        if fit is None:
            return
        stopped = stop(self.trainer)
        if stopped is not None:
            cause, monitor, best = stopped
            fit.stopped_early(cause, monitor, best)
        self.end_epoch()

    def leave(self, error: BaseException | None) -> None:
        """The training is over, or `error` ended it."""
        fit, self._fit = self._fit, None
        if fit is not None:
            fit.end(error, "trilha:steps", self.trainer.state.global_step)
        self._place.leave()


class Measuring:
    """`Trainer.evaluate` or `predict`, outside a training.

    Args:
        recorder: of the run.
        trainer: that does it.
        name: of the method.
        args: that it is called with.
        kwargs: likewise.
    """

    def __init__(
        self, recorder: Recorder, trainer: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.recorder = recorder
        self.trainer = trainer
        self._name = name
        data = asked(trainer, name, args, kwargs)
        prefix = args[2] if len(args) > 2 else kwargs.get("metric_key_prefix", "")
        if name == "predict" or str(prefix).startswith("test"):
            part = "test"
        elif data is trainer.train_dataset:
            part = "train"
        else:
            part = "validation" if any(data is one for one in each(trainer.eval_dataset)) else ""
        label = "evaluation" if name == "evaluate" else "prediction"
        self._begun = time.time_ns()
        self._loader: Any = None
        self._place = Place()
        self._evaluating = Evaluating(recorder, "transformers", label=label, part=part)
        self._evaluating.model(trainer.model)
        self._place.enter(self._evaluating.activity)

    def step(self, loader: Any) -> None:
        """A batch is through: by now the loader is there."""
        loader = opened(loader)
        if loader is not self._loader:
            self._loader = loader
            evaluating = self._evaluating
            where = (evaluating.activity, loader, self._begun, "evaluation data")
            use_loader(self.recorder, self.trainer, *where)
            evaluating.data(loader)

    def leave(self, result: Any, error: BaseException | None) -> None:
        """It is over, and gave `result`; or `error` ended it."""
        evaluating = self._evaluating
        if error is not None:
            evaluating.end({}, error)
        elif self._name == "evaluate":
            evaluating.end(metrics_of(result))
        else:
            evaluating.gave(result.predictions)
            evaluating.end(metrics_of(result.metrics))
        self._place.leave()


def asked(trainer: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The data set that a trainer is asked to go through; a dict where there are several."""
    given = args[0] if args else kwargs.get("eval_dataset" if name == "evaluate" else "test_dataset")
    if isinstance(given, str) and isinstance(trainer.eval_dataset, dict):
        return trainer.eval_dataset.get(given)
    return trainer.eval_dataset if given is None else given


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


_classes: list[type] = []


def listener_class() -> type:
    """The class of our callbacks."""
    if not _classes:
        _classes.append(_listener_class(import_module("transformers.trainer_callback").TrainerCallback))
    return _classes[0]


def _listener_class(base: type) -> type:
    class Listener(base):  # type: ignore[misc]
        """Tells a training what its trainer tells; keeps no state that a checkpoint could have."""

        def __init__(self, stage: Training | Measuring) -> None:
            self.stage = stage

        def __reduce__(self) -> Any:
            return base, ()

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            """Everything is there."""
            _tell(self.stage, "begins")

        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            """An epoch begins."""
            _tell(self.stage, "epoch_begins")

        def on_log(self, *_: Any, logs: Any = None, **__: Any) -> None:
            """A row was logged."""
            _tell(self.stage, "logged", logs)

        def on_prediction_step(self, *_: Any, eval_dataloader: Any = None, **__: Any) -> None:
            """A batch of an evaluation is through."""
            _tell(self.stage, "step", eval_dataloader)

        def on_save(self, *_: Any, **__: Any) -> None:
            """A checkpoint was saved."""
            _tell(self.stage, "saved")

        def on_train_end(self, *_: Any, **__: Any) -> None:
            """The training is over."""
            _tell(self.stage, "ends")

    return Listener


def _tell(stage: Training | Measuring, what: str, *arguments: Any) -> None:
    method = getattr(stage, what, None)
    if method is not None:
        guarded(stage.recorder, method, *arguments)
