"""A campaign of small real trainings, each a run; what they did is written down beside, by the script itself.

    python campaign.py torch|sklearn|keras|lightning|transformers|deepxde DATA STORE EXPECTED

Trains digit classifiers with PyTorch, scikit-learn, Keras, Lightning or Transformers, with differing data,
preparation, hyperparameters and endings, and solves differential equations with DeepXDE. EXPECTED becomes a
JSON list, a row a run: what the script knows of it, from its own variables. The tests work out the answers to
questions from that, never from what was recorded.
"""

import hashlib
import json
import os
import pickle
import sys
import time

import numpy as np

import trilha
from trilha import learning

TORCH = [
    # name, data, steps, optimiser, rate, dropout, scheduler, epochs, ending
    ("t-adam-1", "digits.csv", ["scale"], "Adam", 0.01, 0.0, "", 4, ""),
    ("t-adam-2", "digits.csv", ["scale", "center"], "Adam", 0.003, 0.2, "", 4, ""),
    ("t-adam-3", "digits.csv", ["binarize"], "Adam", 0.003, 0.5, "StepLR", 5, ""),
    ("t-adam-4", "small.csv", ["scale"], "Adam", 0.001, 0.0, "", 3, ""),
    ("t-sgd-1", "digits.csv", ["scale"], "SGD", 0.1, 0.0, "", 4, ""),
    ("t-sgd-2", "digits.csv", ["scale", "center"], "SGD", 0.1, 0.3, "StepLR", 6, ""),
    ("t-sgd-3", "digits.csv", [], "SGD", 0.0001, 0.0, "", 2, ""),
    ("t-sgd-4", "small.csv", ["center"], "SGD", 0.05, 0.0, "", 3, ""),
    ("t-rms-1", "digits.csv", ["scale"], "RMSprop", 0.003, 0.3, "", 3, ""),
    ("t-leaky", "digits.csv", ["scale"], "Adam", 0.01, 0.0, "", 3, "leaky"),
    ("t-failed", "digits.csv", ["scale"], "SGD", 0.1, 0.0, "", 3, "ValueError"),
    ("t-interrupted", "digits.csv", ["scale"], "SGD", 0.1, 0.0, "", 3, "KeyboardInterrupt"),
]
SKLEARN = [
    ("s-log-1", "digits.csv", ["scale"], "log_loss", 0.1, 4),
    ("s-log-2", "digits.csv", ["scale", "center"], "log_loss", 0.01, 4),
    ("s-log-3", "small.csv", ["binarize"], "log_loss", 0.01, 3),
    ("s-log-4", "digits.csv", ["binarize", "center"], "log_loss", 0.001, 3),
    ("s-log-5", "digits.csv", [], "log_loss", 0.5, 2),
    ("s-mod-1", "digits.csv", ["scale"], "modified_huber", 0.1, 3),
    ("s-mod-2", "digits.csv", ["scale"], "modified_huber", 0.01, 3),
    ("s-mod-3", "digits.csv", ["binarize"], "modified_huber", 0.01, 3),
    ("s-mod-4", "small.csv", ["scale"], "modified_huber", 0.001, 3),
    ("s-mod-5", "small.csv", ["scale", "center"], "modified_huber", 0.001, 3),
]
KERAS = [
    # name, data, steps, optimiser, rate, dropout, falls after epoch, epochs
    ("k-adam-1", "digits.csv", ["scale"], "Adam", 0.01, 0.0, 0, 3),
    ("k-adam-2", "digits.csv", ["scale", "center"], "Adam", 0.003, 0.2, 0, 3),
    ("k-adam-3", "small.csv", ["binarize"], "Adam", 0.01, 0.5, 2, 4),
    ("k-sgd-1", "digits.csv", ["scale"], "SGD", 0.1, 0.0, 0, 3),
    ("k-sgd-2", "small.csv", ["scale"], "SGD", 0.05, 0.3, 1, 3),
]
LIGHTNING = [
    ("l-adam-1", "digits.csv", ["scale"], "Adam", 0.01, 0.0, "", 3),
    ("l-adam-2", "digits.csv", ["scale", "center"], "Adam", 0.003, 0.2, "StepLR", 4),
    ("l-sgd-1", "digits.csv", ["binarize"], "SGD", 0.1, 0.0, "", 3),
    ("l-sgd-2", "small.csv", ["scale"], "SGD", 0.05, 0.3, "StepLR", 3),
]

TRANSFORMERS = [
    # name, data, steps, optimiser, rate, dropout, scheduler, epochs
    ("h-adam-1", "digits.csv", ["scale"], "AdamW", 0.01, 0.0, "", 3),
    ("h-adam-2", "small.csv", ["scale", "center"], "AdamW", 0.003, 0.2, "", 3),
    ("h-sgd-1", "small.csv", ["binarize"], "SGD", 0.1, 0.1, "StepLR", 4),
]
DEEPXDE = [
    # name, optimiser, rate, width of the hidden layer, points, weight of the boundary, times measured
    ("d-adam-1", "adam", 0.01, 12, 16, 1, 3),
    ("d-adam-2", "adam", 0.001, 20, 16, 10, 4),
    ("d-sgd-1", "sgd", 0.0001, 12, 32, 10, 3),
]


def scale(x):
    return x / 16


def center(x):
    return x - x.mean(axis=0)


def binarize(x):
    return (x > 8).astype(float)


def prepared(folder, file, steps, told, convert=lambda part: part):
    """The data after its preparation, split and converted; what was done is told."""
    table = np.loadtxt(os.path.join(folder, file), delimiter=",")
    x, y = table[:, :-1], table[:, -1].astype(int)
    for order, step in enumerate(steps, 1):
        after = {"scale": scale, "center": center, "binarize": binarize}[step](x)
        learning.transformed(x, after, step, order=order)
        x = after
    indices = np.random.default_rng(7).permutation(len(x))
    train, test = indices[: len(x) * 3 // 4], indices[len(x) * 3 // 4 :]
    if told.get("ending") == "leaky":
        test = train[:100]
    parts = {"train": convert(x[train]), "test": convert(x[test])}
    learning.split(x, indices={"train": train, "test": test}, settings={"seed": 7}, **parts)
    told |= {
        "data": file,
        "steps": steps,
        "sizes": {"train": len(train), "test": len(test)},
        "marks": {
            part: hashlib.sha256(np.asarray(some, "<i8").tobytes()).hexdigest()
            for part, some in (("train", train), ("test", test))
        },
        "rows": [],
        "changes": [],
        "seconds": [],
    }
    return parts["train"], y[train], parts["test"], y[test]


def saved(name, content, told):
    path = f"{name}.bin"
    with open(path, "wb") as file:
        file.write(content)
    told |= {"file": os.path.abspath(path), "sha256": hashlib.sha256(content).hexdigest()}
    return path


def found(path, told):
    with open(path, "rb") as file:
        told |= {"file": os.path.abspath(path), "sha256": hashlib.sha256(file.read()).hexdigest()}


def with_torch(folder, told, name, file, steps, optimizer, rate, dropout, scheduler, epochs, ending):
    import torch

    from trilha.torch import evaluated, training

    told |= {"framework": "torch", "rate": rate, "optimizer": optimizer, "dropout": dropout, "ending": ending}
    torch.manual_seed(3)
    x, y, tx, ty = prepared(folder, file, steps, told)
    tensors = [torch.tensor(one, dtype=torch.float32) for one in (x, tx)]
    targets = [torch.tensor(one) for one in (y, ty)]
    layers = [torch.nn.Linear(64, 24), torch.nn.ReLU(), torch.nn.Dropout(dropout), torch.nn.Linear(24, 10)]
    model = torch.nn.Sequential(*layers)
    told["layers"] = [type(layer).__name__ for layer in layers]
    told["parameters"] = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    stepping = getattr(torch.optim, optimizer)(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.StepLR(stepping, 2, 0.1) if scheduler else None
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(tensors[0], targets[0]), batch_size=64
    )
    loss = torch.nn.CrossEntropyLoss()
    with training(model, data=x, dropout=dropout, epochs=epochs) as recorded:
        for epoch in recorded.epochs(range(1, epochs + 1)):
            begin = time.perf_counter()
            total = 0.0
            model.train()
            for batch, target in loader:
                stepping.zero_grad()
                value = loss(model(batch), target)
                value.backward()
                stepping.step()
                total += value.item()
            if ending in ("ValueError", "KeyboardInterrupt") and epoch == 2:
                raise {"ValueError": ValueError, "KeyboardInterrupt": KeyboardInterrupt}[ending]("stop here")
            row = {"loss": total / len(loader), "accuracy": right(model, tensors[0], targets[0])}
            recorded.log(**row)
            told["rows"].append(row)
            told["seconds"].append(time.perf_counter() - begin)
            if schedule is not None:
                before = stepping.param_groups[0]["lr"]
                schedule.step()
                after = stepping.param_groups[0]["lr"]
                if after != before and epoch < epochs:
                    told["changes"].append([epoch, before, after])
    told["test"] = right(model, tensors[1], targets[1])
    evaluated(model, tx, "test", accuracy=told["test"])
    trilha.use(model)
    saved(name, pickle.dumps([p.detach().numpy() for p in model.parameters()]), told)


def right(model, x, y):
    import torch

    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


def with_sklearn(folder, told, name, file, steps, loss, rate, epochs):
    from sklearn.linear_model import SGDClassifier
    from sklearn.metrics import log_loss

    told |= {"framework": "sklearn", "rate": rate, "optimizer": None, "ending": ""}
    x, y, tx, ty = prepared(folder, file, steps, told)
    model = SGDClassifier(loss=loss, eta0=rate, learning_rate="constant", random_state=1)
    for epoch in range(1, epochs + 1):
        begin = time.perf_counter()
        model.partial_fit(x, y, classes=range(10))
        row = {"loss": log_loss(y, model.predict_proba(x), labels=range(10)), "accuracy": model.score(x, y)}
        trilha.log(epoch=epoch, **row)
        told["rows"].append(row)
        told["seconds"].append(time.perf_counter() - begin)
    told["test"] = model.score(tx, ty)
    trilha.use(model)
    saved(name, pickle.dumps([model.coef_, model.intercept_]), told)


def with_keras(folder, told, name, file, steps, optimizer, rate, dropout, falls, epochs):
    import keras

    told |= {"framework": "keras", "rate": rate, "optimizer": optimizer, "dropout": dropout, "ending": ""}
    keras.utils.set_random_seed(3)
    x, y, tx, ty = prepared(folder, file, steps, told)
    layers = [
        keras.layers.Dense(24, activation="relu"),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((64,)), *layers])
    model.compile(
        optimizer=getattr(keras.optimizers, optimizer)(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )

    class Told(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            told["rows"].append({"loss": float(logs["loss"]), "accuracy": float(logs["accuracy"])})
            told["seconds"].append(time.perf_counter() - self.begin)

    def falling(epoch, now):
        # `epoch` counts from 0 and is about to begin.
        if falls and epoch == falls:
            told["changes"].append([epoch, rate, rate * 0.1])
            return rate * 0.1
        return now

    callbacks = [Told(), keras.callbacks.LearningRateScheduler(falling)]
    model.fit(x, y, epochs=epochs, batch_size=64, verbose=0, callbacks=callbacks)
    told["cause"] = "LearningRateScheduler"
    told["layers"] = [type(layer).__name__ for layer in layers]
    told["parameters"] = [layer.count_params() for layer in layers]
    told["test_loss"], told["test"] = map(float, model.evaluate(tx, ty, verbose=0))
    path = f"{name}.keras"
    model.save(path)
    found(path, told)


def with_lightning(folder, told, name, file, steps, optimizer, rate, dropout, scheduler, epochs):
    import lightning.pytorch as pl
    import torch

    told |= {"framework": "lightning", "rate": rate, "optimizer": optimizer, "dropout": dropout, "ending": ""}
    torch.manual_seed(3)
    x, y, tx, ty = prepared(folder, file, steps, told, lambda part: torch.tensor(part, dtype=torch.float32))
    layers = [torch.nn.Linear(64, 24), torch.nn.ReLU(), torch.nn.Dropout(dropout), torch.nn.Linear(24, 10)]

    class Network(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(*layers)

        def measured(self, batch):
            images, labels = batch
            scores = self.layers(images)
            loss = torch.nn.functional.cross_entropy(scores, labels)
            accuracy = (scores.argmax(1) == labels).float().mean()
            return loss, accuracy

        def training_step(self, batch, _):
            loss, accuracy = self.measured(batch)
            self.log_dict({"loss": loss, "accuracy": accuracy}, on_step=False, on_epoch=True)
            return loss

        def test_step(self, batch, _):  # noqa: PT019 -- no test of pytest's
            self.log("accuracy", self.measured(batch)[1])

        def configure_optimizers(self):
            made = getattr(torch.optim, optimizer)(self.parameters(), lr=rate)
            return [made], [torch.optim.lr_scheduler.StepLR(made, 2, 0.1)] if scheduler else []

    class Told(pl.Callback):
        def on_train_epoch_start(self, trainer, module):
            self.begin = time.perf_counter()
            after = trainer.optimizers[0].param_groups[0]["lr"]
            if trainer.current_epoch and after != self.rate:
                told["changes"].append([trainer.current_epoch, self.rate, after])
            self.rate = after

        def on_train_epoch_end(self, trainer, module):
            told["rows"].append({key: float(trainer.callback_metrics[key]) for key in ("loss", "accuracy")})
            told["seconds"].append(time.perf_counter() - self.begin)

    def loader(some, labels):
        data = torch.utils.data.TensorDataset(some, torch.tensor(labels))
        return torch.utils.data.DataLoader(data, batch_size=64)

    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=[Told()], enable_checkpointing=False, **quiet
    )
    network = Network()
    trainer.fit(network, loader(x, y))
    told["cause"] = scheduler
    told["test"] = trainer.test(network, loader(tx, ty), verbose=False)[0]["accuracy"]
    path = f"{name}.ckpt"
    trainer.save_checkpoint(path)
    found(path, told)


def with_transformers(folder, told, name, file, steps, optimizer, rate, dropout, scheduler, epochs):
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments, ViTConfig, ViTForImageClassification

    told |= {
        "framework": "transformers",
        "rate": rate,
        "optimizer": optimizer,
        "dropout": dropout,
        "ending": "",
    }
    torch.manual_seed(3)

    def images(part):
        return torch.tensor(part, dtype=torch.float32).reshape(-1, 1, 8, 8)

    x, y, tx, ty = prepared(folder, file, steps, told, images)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(
        image_size=8, patch_size=4, num_channels=1, num_labels=10, hidden_dropout_prob=dropout, **sizes
    )
    model = ViTForImageClassification(config)

    class Digits(torch.utils.data.Dataset):
        def __init__(self, pixels, labels):
            self.pixels, self.labels = pixels, labels

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, index):
            return {"pixel_values": self.pixels[index], "labels": int(self.labels[index])}

    class Told(TrainerCallback):
        def on_epoch_begin(self, *_, **__):
            self.begin = time.perf_counter()

        def on_log(self, arguments, state, *_, logs=None, **__):
            if "loss" in logs:
                told["rows"].append({"loss": logs["loss"]})
                told["seconds"].append(time.perf_counter() - self.begin)
            elif "eval_accuracy" in logs:
                told["rows"][-1]["eval_accuracy"] = logs["eval_accuracy"]

    class Falling(torch.optim.lr_scheduler.StepLR):
        def step(self, *arguments):
            before = stepping.param_groups[0]["lr"]
            super().step(*arguments)
            after = stepping.param_groups[0]["lr"]
            if after != before and self.last_epoch < epochs * batches:
                told["changes"].append([self.last_epoch // batches, before, after])

    stepping = getattr(torch.optim, optimizer)(model.parameters(), lr=rate)
    batches = -(-len(x) // 64)
    fall = 2 * batches if scheduler else 10**6
    arguments = TrainingArguments(
        "trainer",
        num_train_epochs=epochs,
        per_device_train_batch_size=64,
        per_device_eval_batch_size=256,
        eval_strategy="epoch",
        save_strategy="no",
        logging_strategy="epoch",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=Digits(x, y),
        eval_dataset=Digits(x, y),
        compute_metrics=lambda of: {"accuracy": float((of.predictions.argmax(-1) == of.label_ids).mean())},
        callbacks=[Told()],
        optimizers=(stepping, Falling(stepping, fall, 0.1)),
    )
    trainer.train()
    told["cause"] = "Falling"
    told["test"] = trainer.evaluate(Digits(tx, ty), metric_key_prefix="test")["test_accuracy"]
    trainer.save_model(name)
    found(f"{name}/model.safetensors", told)


def with_deepxde(folder, told, name, optimizer, rate, width, points, weight, times):
    os.environ["DDE_BACKEND"] = "pytorch"
    import deepxde as dde
    import torch

    told |= {"framework": "deepxde", "rate": rate, "dropout": 0.0, "ending": ""}
    told["optimizer"] = {"adam": "Adam", "sgd": "SGD"}[optimizer]
    told |= {"data": None, "steps": [], "changes": [], "weight": weight}
    dde.config.set_random_seed(3)

    def equation(x, y):
        return -dde.grad.hessian(y, x) - np.pi**2 * torch.sin(np.pi * x)

    def exact(x):
        return np.sin(np.pi * x)

    interval = dde.geometry.Interval(-1, 1)
    ends = dde.icbc.DirichletBC(interval, exact, lambda _, on_boundary: on_boundary)
    sizes = {"num_domain": points, "num_boundary": 2, "num_test": 20}
    data = dde.data.PDE(interval, equation, ends, solution=exact, **sizes)
    model = dde.Model(data, dde.nn.FNN([1, width, 1], "tanh", "Glorot uniform"))
    model.compile(optimizer, lr=rate, metrics=["l2 relative error"], loss_weights=[1, weight], verbose=0)
    history, _ = model.train(iterations=10 * (times - 1), display_every=10, verbose=0)
    told["rows"] = [
        {"loss": float(sum(losses)), "l2 relative error": float(one[0])}
        for losses, one in zip(history.loss_train, history.metrics_test, strict=True)
    ]
    told["points"] = len(data.train_x)  # a point of the boundary is there for each condition, too
    told["layers"], told["parameters"] = ["Linear", "Linear"], [2 * width, width + 1]
    found(model.save(name, verbose=0), told)


KINDS = {
    "torch": (TORCH, with_torch),
    "sklearn": (SKLEARN, with_sklearn),
    "keras": (KERAS, with_keras),
    "lightning": (LIGHTNING, with_lightning),
    "transformers": (TRANSFORMERS, with_transformers),
    "deepxde": (DEEPXDE, with_deepxde),
}


def main(kind, folder, store, expected):
    everything = []
    runs, train = KINDS[kind]
    for name, *rest in runs:
        told = {"name": name}
        everything.append(told)
        try:
            with trilha.run(name, store=store):
                train(folder, told, name, *rest)
        except (ValueError, KeyboardInterrupt) as error:
            told["error"] = type(error).__name__
    with open(expected, "w") as file:
        json.dump(everything, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
