"""What can be said of a trainer of Transformers and its files, without changing anything in them."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from enum import Enum
from typing import Any, Final

from trilha.capture.interrupts import pass_on
from trilha.capture.values import is_value

__all__ = ["given", "metrics_of", "other_files", "position", "settings", "stop", "weights"]

_ALWAYS: Final = frozenset(
    (
        *("learning_rate", "per_device_train_batch_size", "num_train_epochs", "seed", "weight_decay"),
        *("lr_scheduler_type", "optim", "gradient_accumulation_steps", "max_grad_norm", "warmup_steps"),
        *("fp16", "bf16"),
    )
)
"""Arguments that are stated even where they are as they are by default."""
_NEVER: Final = frozenset(
    (
        *("output_dir", "logging_dir", "run_name", "report_to", "local_rank", "disable_tqdm", "log_level"),
        *("hub_token", "push_to_hub_token", "hub_model_id", "project", "trackio_space_id", "logging_steps"),
        *("log_level_replica", "do_train", "do_eval", "do_predict"),
    )
)
"""Arguments that say where and how to report, or that are secrets; no hyperparameters."""
_WEIGHTS: Final = (
    re.compile(r"(model|adapter_model)((\.[\w-]+)?(-\d+-of-\d+)?|(-\d+-of-\d+)?(\.[\w-]+)?)\.safetensors"),
    re.compile(r"(pytorch_model|adapter_model)((\.[\w-]+)?(-\d+-of-\d+)?|(-\d+-of-\d+)?(\.[\w-]+)?)\.bin"),
)
_OF_OPTIMIZER: Final = ("learning_rate", "weight_decay", "optim", "adam_", "lr_groups", "adafactor")
_OF_SCHEDULER: Final = ("lr_scheduler", "warmup")
"""How the arguments begin that nothing comes of where the trainer was given an optimizer, or a scheduler."""
_SPEED: Final = ("_runtime", "_samples_per_second", "_steps_per_second", "_model_preparation_time")


def given(trainer: Any) -> tuple[str, ...]:
    """How the names of the arguments begin that a trainer which was just made will not look at."""
    optimizer = _OF_OPTIMIZER if trainer.optimizer is not None else ()
    return (*optimizer, *_OF_SCHEDULER) if trainer.lr_scheduler is not None else optimizer


def settings(trainer: Any, unused: tuple[str, ...] = ()) -> dict[str, Any]:
    """The training arguments that are no defaults, or that are always of interest, and the model's own.

    Args:
        trainer: that trains.
        unused: how the names of the arguments begin that it does not look at.
    """
    args = trainer.args
    found: dict[str, Any] = {}
    for field in dataclasses.fields(args):
        value = _plain(getattr(args, field.name, None))
        if value is None or field.name in _NEVER or not is_value(value) or field.name.startswith(unused):
            continue
        if field.name in _ALWAYS or value != _plain(_default(field)):
            found[field.name] = value
    if unused[-len(_OF_SCHEDULER) :] == _OF_SCHEDULER:
        found["lr_scheduler"] = type(trainer.lr_scheduler).__name__
    loss = getattr(trainer.model, "loss_type", None)
    if trainer.compute_loss_func is not None:
        loss = getattr(trainer.compute_loss_func, "__name__", type(trainer.compute_loss_func).__name__)
    if isinstance(loss, str):
        found["loss"] = loss
    if trainer.processing_class is not None:
        found["processing_class"] = type(trainer.processing_class).__name__
    config: Any = getattr(trainer.model, "config", None)
    if hasattr(config, "to_diff_dict"):
        found["config"] = {
            name: value
            for name, value in config.to_diff_dict().items()
            if value is not None
            and is_value(value)
            and name not in ("_name_or_path", "transformers_version", "dtype")
        }
    return found


def _default(field: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def position(state: Any) -> dict[str, int]:
    """Where in the training a row of its log belongs: the step, and the epoch (from 1) that this lies in."""
    return {"epoch": max(1, math.ceil((state.epoch or 0) - 1e-6)), "step": state.global_step}


def metrics_of(logs: Any) -> dict[str, float]:
    """The numbers of a row of the log but for its place."""
    return {
        name: value
        for name, value in dict(logs or {}).items()
        if name not in ("epoch", "step") and isinstance(value, (int, float))
    }


def stop(trainer: Any) -> tuple[str, str, Any] | None:
    """What stopped a training early: a callback's class (empty if unknown), its metric, the best value of it.

    None where nothing did.
    """
    state = trainer.state
    if not trainer.control.should_training_stop or state.global_step >= state.max_steps:
        return None
    for callback in trainer.callback_handler.callbacks:
        patience = getattr(callback, "early_stopping_patience", None)
        if patience is not None and callback.early_stopping_patience_counter >= patience:
            return type(callback).__name__, trainer.args.metric_for_best_model or "", state.best_metric
    return "", "", None


def weights(folder: Any, variant: str | None = None) -> list[str]:
    """The files in a folder that hold a model's weights, as the library names them: those it would load."""
    try:
        names = sorted(os.listdir(os.fspath(folder)))
    except OSError:
        pass_on()
        return []
    for pattern in _WEIGHTS:
        found = [name for name in names if pattern.fullmatch(name)]
        found = [name for name in found if (f".{variant}" in name if variant else _is_plain(name))]
        if found:
            return [os.path.join(os.path.abspath(os.fspath(folder)), name) for name in found]
    return []


def _is_plain(name: str) -> bool:
    """Whether a file of weights is of no variant."""
    return name.count(".") == 1


def other_files(folder: Any) -> list[str]:
    """The files in a folder that hold no weights."""
    place = os.path.abspath(os.fspath(folder))
    try:
        names = sorted(os.listdir(place))
    except OSError:
        pass_on()
        return []
    kept = [name for name in names if not any(pattern.fullmatch(name) for pattern in _WEIGHTS)]
    return [path for name in kept if os.path.isfile(path := os.path.join(place, name))]
