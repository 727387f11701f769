"""The trainings that `learning.py` measures: each trains an epoch when it is its turn.

- ``mlp`` and ``cnn``: a loop in PyTorch, over random data and over images of digits (`overhead.py`); the
  program logs its metrics itself.
- ``poisson``: DeepXDE's physics-informed network of Poisson's equation in one dimension; an epoch is 100
  iterations, after which DeepXDE measures its losses.
- ``trainer``: a tiny language model in the Trainer of Transformers; an epoch is 40 batches. MLflow and
  TensorBoard are asked for by ``report_to``, which is their own way there.

With DeepXDE and the Trainer Trilha is told nothing: its integrations see what the framework tells.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from overhead import cnn_parts, mlp_parts, train

__all__ = ["NEEDS", "TRAININGS", "Run"]

Log = Callable[..., None]
Timed = Callable[[Log], Log]
Run = Callable[[Iterable[int], Log], None]
"""Trains an epoch for each number that it is given, and logs; the rows of one training."""


def loop(parts: Callable[[Path], tuple[Any, Any]]) -> Callable[[Path, str, str, Timed], Run]:
    """A loop in PyTorch over a model and its data."""

    def prepare(folder: Path, _how: str, rate: str, _timed: Timed) -> Run:
        net, loader = parts(folder)
        return lambda epochs, log: train(net, loader, epochs, log, log if rate == "batch" else None)

    return prepare


def poisson(_folder: Path, how: str, rate: str, _timed: Timed) -> Run:
    """DeepXDE on PyTorch."""
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde as dde
    import numpy as np
    import torch

    length = 1 if rate == "batch" else 100

    class Turns(dde.callbacks.Callback):  # type: ignore[misc]
        def __init__(self, epochs: Iterable[int], log: Log) -> None:
            super().__init__()
            self.epochs, self.log, self.count = iter(epochs), log, 0

        def on_train_begin(self) -> None:
            next(self.epochs)

        def on_epoch_end(self) -> None:
            self.count += 1
            state = self.model.train_state
            if self.count % length == 0 and how not in ("plain", "trilha", "inside"):
                self.log(epoch=self.count, loss=float(sum(state.loss_train)))
            if self.count % 100 == 0 and next(self.epochs, None) is None:
                self.model.stop_training = True

    def residual(x: Any, y: Any) -> Any:
        return -dde.grad.hessian(y, x) - np.pi**2 * torch.sin(np.pi * x)

    def solution(x: Any) -> Any:
        return np.sin(np.pi * x)

    interval = dde.geometry.Interval(-1, 1)
    ends = dde.icbc.DirichletBC(interval, solution, lambda _, on_boundary: on_boundary)
    points = {"num_domain": 64, "num_boundary": 2, "num_test": 100}
    data = dde.data.PDE(interval, residual, ends, solution=solution, **points)

    def run(epochs: Iterable[int], log: Log) -> None:
        model = dde.Model(data, dde.nn.FNN([1, 50, 50, 50, 1], "tanh", "Glorot uniform"))
        model.compile("adam", lr=1e-3, verbose=0)
        model.train(iterations=10_000_000, display_every=length, callbacks=[Turns(epochs, log)], verbose=0)

    return run


def trainer(folder: Path, how: str, rate: str, timed: Timed) -> Run:
    """The Trainer of Transformers, with a small network made from a configuration."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    class Turns(TrainerCallback):  # type: ignore[misc]
        def __init__(self, epochs: Iterable[int], log: Log) -> None:
            self.epochs, self.log = iter(epochs), log

        def on_epoch_begin(self, _args: Any, _state: Any, control: Any, **_: Any) -> None:
            if next(self.epochs, None) is None:
                control.should_training_stop = True

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if how in ("flowcept", "yprov4ml"):
                self.log(**{name: value for name, value in logs.items() if isinstance(value, (int, float))})

    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    net = BertForSequenceClassification(BertConfig(vocab_size=50, max_position_embeddings=32, **sizes))
    luck = torch.Generator().manual_seed(7)
    texts = torch.randint(0, 50, (640, 24), generator=luck)
    samples = [{"input_ids": text, "labels": text.sum() % 2} for text in texts]
    arguments = TrainingArguments(
        str(folder / f"out-{os.getpid()}"),
        num_train_epochs=1_000_000,
        per_device_train_batch_size=16,
        lr_scheduler_type="constant",
        logging_strategy="steps" if rate == "batch" else "epoch",
        logging_steps=1,
        save_strategy="no",
        report_to=[how] if how in ("mlflow", "tensorboard") else [],
        use_cpu=True,
        disable_tqdm=True,
    )

    def run(epochs: Iterable[int], log: Log) -> None:
        whole = Trainer(net, arguments, train_dataset=samples, callbacks=[Turns(epochs, log)])
        for one in whole.callback_handler.callbacks:
            if type(one).__name__ in ("MLflowCallback", "TensorBoardCallback"):
                one.on_log = timed(one.on_log)
        whole.train()

    return run


TRAININGS: dict[str, Callable[[Path, str, str, Timed], Run]] = {
    "mlp": loop(mlp_parts),
    "cnn": loop(cnn_parts),
    "poisson": poisson,
    "trainer": trainer,
}
NEEDS = {"poisson": "deepxde", "trainer": "transformers"}
"""The libraries that some of them need, besides PyTorch."""
