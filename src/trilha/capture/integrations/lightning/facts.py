"""What can be said of Lightning's trainers, without changing anything in them."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from typing import Any, Final

from trilha.capture.learning.terms import common_name
from trilha.capture.values import is_value, python_type

__all__ = ["prepared", "rows", "said_again", "settings", "stop", "why_best"]

_UNUSUAL: Final = {
    "min_epochs": (None, 0),
    "max_steps": (-1,),
    "min_steps": (None,),
    "gradient_clip_val": (None,),
    "gradient_clip_algorithm": (None,),
    "limit_train_batches": (1.0, None),
    "limit_val_batches": (1.0, None),
    "limit_test_batches": (1.0, None),
    "overfit_batches": (0.0, 0),
    "val_check_interval": (1.0, None),
    "check_val_every_n_epoch": (1,),
    "reload_dataloaders_every_n_epochs": (0,),
    "num_nodes": (1,),
    "fast_dev_run": (False,),
}
"""Settings that are stated only where they are not as they are by default."""
_TOLD: Final = frozenset(
    ("learning_rate", "batch_size", "epochs", "optimizer", "weight_decay", "momentum", "scheduler")
)
"""Common names of what the trainer, its loaders and its optimisers tell themselves."""


def settings(trainer: Any) -> dict[str, Any]:
    """The trainer's settings, and what the model and its data module have saved as hyperparameters."""
    found: dict[str, Any] = {
        "max_epochs": trainer.max_epochs,
        "precision": trainer.precision,
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "strategy": type(trainer.strategy).__name__,
        "accelerator": type(trainer.accelerator).__name__,
        "devices": trainer.num_devices,
    }
    for name, usual in _UNUSUAL.items():
        value = getattr(trainer, name, None)
        if value is not None and value not in usual:
            found[name] = value
    seed = os.environ.get("PL_GLOBAL_SEED", "")
    if seed.isascii() and seed.isdigit():
        found["seed"] = int(seed)
    loss = _loss(trainer.lightning_module)
    if loss:
        found["loss"] = loss
    for owner in (trainer.datamodule, trainer.lightning_module):
        saved = _plain(dict(getattr(owner, "hparams", None) or {}))
        if saved:
            found["hparams"] = {**found.get("hparams", {}), **saved}
    return found


def said_again(values: dict[Any, Any], prefix: str = "hparams.") -> dict[str, str]:
    """The saved hyperparameters whose common names are those of the trainer's or optimiser's own, none each.

    What the program saved is what it meant to use; what is used is told by what uses it.
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= said_again(value, f"{prefix}{name}.")
        elif common_name(str(name)) in _TOLD:
            found[f"{prefix}{name}"] = ""
    return found


def _plain(values: dict[Any, Any]) -> dict[Any, Any]:
    """Hyperparameters as a program saves them, with objects (a network, say) told by their types."""
    found: dict[Any, Any] = {}
    for name, value in values.items():
        if isinstance(value, Namespace):
            found[name] = _plain(vars(value))
        elif isinstance(value, dict):
            found[name] = _plain(value)
        elif is_value(value) or isinstance(value, (str, list, tuple)):
            found[name] = value
        else:
            found[name] = python_type(value)
    return found


def _loss(model: Any) -> str:
    """The class of the model's loss, where it has one as a part of it, of one class only."""
    losses = getattr(sys.modules.get("torch.nn.modules.loss"), "_Loss", None)
    if losses is None:
        return ""
    names = {type(module).__name__ for module in model.modules() if issubclass(type(module), losses)}
    return names.pop() if len(names) == 1 else ""


def prepared(trainer: Any) -> dict[str, Any]:
    """Hyperparameters that are known once the data and the optimisers are there."""
    found: dict[str, Any] = {}
    batch_size = getattr(_first(trainer.train_dataloader), "batch_size", None)
    if isinstance(batch_size, int):
        found["batch_size"] = batch_size
    schedulers = [type(config.scheduler).__name__ for config in trainer.lr_scheduler_configs]
    for number, name in enumerate(schedulers):
        found["lr_scheduler" if not number else f"lr_scheduler.{number}"] = name
    return found


def _first(loaders: Any) -> Any:
    """The first of a program's loaders, which may be in a list or a dict."""
    for _ in range(4):
        if isinstance(loaders, dict):
            loaders = next(iter(loaders.values()), None)
        elif isinstance(loaders, (list, tuple)):
            loaders = loaders[0] if loaders else None
    return loaders


def rows(trainer: Any, seen: dict[str, Any]) -> dict[str, float]:
    """The metrics that are new since `seen`, as numbers.

    A metric that was not logged anew is the very tensor that it was. ``loss_step`` is left out where there is
    a ``loss_epoch``: it is that of the last batch alone.

    Args:
        trainer: that keeps them.
        seen: metrics as they were; brought up to date.
    """
    now = dict(trainer.callback_metrics)
    new = {}
    for name, value in now.items():
        if seen.get(name) is not value:
            seen[name] = value
            if not (name.endswith("_step") and f"{name[:-5]}_epoch" in now):
                new[name] = float(value)
    return new


def stop(trainer: Any) -> tuple[str, str, float | None, int | None]:
    """What has stopped a training early: a callback's class, its metric, the best value of that, the epoch.

    Empty where it is not known: any part of a program may tell a trainer to stop.
    """
    for callback in trainer.callbacks:
        kinds = {kind.__name__ for kind in type(callback).__mro__}
        if "EarlyStopping" in kinds:
            reason = getattr(callback, "stopping_reason", None)
            if getattr(reason, "value", 0) or callback.stopped_epoch:
                best = float(callback.best_score)
                return type(callback).__name__, callback.monitor, best, callback.stopped_epoch + 1
        elif "Timer" in kinds and (left := callback.time_remaining()) is not None and left <= 0:
            return type(callback).__name__, "", None, None
    return "", "", None, None


def why_best(trainer: Any, path: str) -> tuple[bool, str]:
    """Whether a checkpoint at `path` is the best one so far to some callback, and why."""
    for callback in trainer.checkpoint_callbacks:
        best = getattr(callback, "best_model_path", "")
        monitor, score = getattr(callback, "monitor", None), getattr(callback, "best_model_score", None)
        if best and monitor and score is not None and os.path.abspath(best) == path:
            extreme = "lowest" if callback.mode == "min" else "highest"
            return True, f"{extreme} {monitor} {float(score):.5g} at epoch {trainer.current_epoch + 1}"
    return False, ""
