"""What a script tells TensorBoard, MLflow, Weights & Biases and tqdm is recorded without a second line."""

import json
import math
import os
import subprocess
import sys
from textwrap import dedent

import pytest
from tests.capture.graph import Graph

import trilha
import trilha.capture.launch
from trilha.prov import Kind

QUIET = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONWARNINGS": "ignore",
}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    # TensorBoard would import TensorFlow, if it is there, for which it has a stand-in of its own.
    hidden = tmp_path_factory.mktemp("hidden")
    (hidden / "tensorflow.py").write_text("raise ImportError('there is none here')")
    paths = os.pathsep.join(filter(None, [str(hidden), os.environ.get("PYTHONPATH")]))

    def record_script(source):
        """Run a script under `trilha run` in a folder of its own; gives its graph and what it printed."""
        folder = tmp_path_factory.mktemp("script")
        (folder / "script.py").write_text(dedent(source))
        launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={folder / 'store'}", "--"]
        done = subprocess.run(
            [*launcher, "script.py"],
            cwd=folder,
            env={**os.environ, **QUIET, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        graph = Graph(folder / "store")
        graph.said = done.stdout + done.stderr
        assert not graph.dropped
        assert "trilha" not in done.stderr, done.stderr
        with trilha.open(folder / "store") as opened:
            document = opened.document(graph.about_run())
        assert document.validate().valid
        return graph

    return record_script


def hyperparameters(graph):
    found = {}
    for facts in graph.about.values():
        if "https://w3id.org/trilha/ns#Hyperparameter" in map(str, facts["type"]):
            found.setdefault(str(facts["name"][0]), []).append(facts["value"][0])
    return found


@pytest.fixture(scope="module")
def board(record):
    return record(
        """
        import json, torch
        from torch.utils.tensorboard import SummaryWriter
        from tqdm.auto import tqdm
        from tqdm.std import tqdm as bars
        def wrapped():
            methods = SummaryWriter.add_scalar, bars.set_postfix
            return json.dumps([hasattr(one, "__wrapped__") for one in methods])
        writer = SummaryWriter("board")
        bar = tqdm(range(3))
        for step in bar:
            loss = torch.tensor(1.0 / (step + 1), requires_grad=True)
            writer.add_scalar("loss/train", loss, step)
            writer.add_scalar("shared", 5.0 + step, step)
            bar.set_description(f"epoch {step}")
            bar.set_postfix(shared=5.0 + step, rate="0.25", state="fine")
            bar.set_postfix(shared=5.0 + step, rate="0.25", state="good")
        writer.add_scalar("late", float("nan"))
        writer.add_scalar("late", float("inf"), 7)
        writer.add_scalars("both", {"train": 1.0, "test": 2.0}, 3)
        writer.add_hparams({"lr": 0.1, "opt": "sgd"}, {"hparam/accuracy": 0.75})
        writer.close()
        try:
            writer.add_scalar()
        except TypeError as error:
            print(error)
        print(wrapped())
        print(json.dumps([SummaryWriter.add_scalar.__qualname__, bars.set_postfix.__qualname__]))
        from trilha.capture import session
        session.finish()
        print(wrapped())
        """
    )


def test_scalars_of_tensorboard_are_metrics_with_their_steps(board):
    rows = [row for row in board.metrics() if "loss/train" in row]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert [row["loss/train"] for row in rows] == pytest.approx([1, 1 / 2, 1 / 3])
    late = [row for row in board.metrics() if "late" in row]
    assert math.isnan(late[0]["late"])
    assert "step" not in late[0]
    assert late[1] == {"step": 7, "late": math.inf}
    assert {"step": 3, "both/train": 1.0, "both/test": 2.0} in board.metrics()


def test_a_value_that_two_loggers_are_given_is_one_value(board):
    assert [row["shared"] for row in board.metrics() if "shared" in row] == [5, 6, 7]


def test_numbers_of_a_bar_are_metrics_when_they_change(board):
    rows = [row for row in board.metrics() if "rate" in row]
    assert [row["rate"] for row in rows] == [0.25] * 3
    assert not [row for row in board.metrics() if "state" in row]


def test_hyperparameters_of_tensorboard_have_common_names(board):
    assert hyperparameters(board) == {"lr": [0.1], "opt": ["sgd"]}
    (lr,) = [facts for facts in board.about.values() if facts["name"] == ["lr"]]
    assert lr["common"] == ["learning_rate"]
    assert {"hparam/accuracy": 0.75} in board.metrics()


def test_a_wrong_call_fails_as_it_does_by_itself(board):
    assert "missing" in board.said


@pytest.fixture(scope="module")
def flow(record):
    return record(
        """
        from pathlib import Path
        import mlflow
        import numpy as np
        from mlflow import log_metric
        mlflow.set_tracking_uri("sqlite:///mlflow.db")
        Path("notes.txt").write_text("made before")
        with mlflow.start_run():
            mlflow.log_param("lr", 0.1)
            mlflow.log_params({"batch_size": 32, "name": "small"})
            mlflow.set_tag("owner", "me")
            for step in range(1, 4):
                log_metric("loss", 1 / step, step=step)
            mlflow.log_metrics({"a": 1.0, "b": 2.0}, step=9)
            mlflow.log_metric("final", 0.5)
            mlflow.log_artifact("notes.txt")
            mlflow.log_input(mlflow.data.from_numpy(np.zeros((4, 2)), name="zeros"), context="training")
        """
    )


def test_metrics_of_mlflow_are_metrics_with_their_steps(flow):
    assert [(row["step"], row["loss"]) for row in flow.metrics() if "loss" in row] == [
        (step, 1 / step) for step in (1, 2, 3)
    ]
    assert {"step": 9, "a": 1.0, "b": 2.0} in flow.metrics()
    assert {"step": 0, "final": 0.5} in flow.metrics()


def test_parameters_and_tags_of_mlflow_are_hyperparameters_and_attributes(flow):
    assert hyperparameters(flow) == {"lr": [0.1], "batch_size": [32], "name": ["small"]}
    assert flow.run["tag.owner"] == ["me"]


def test_a_file_that_is_logged_with_mlflow_is_used(flow):
    assert ("run", "notes.txt") in flow.usages()


def test_an_input_of_mlflow_is_a_dataset_with_its_digest(flow):
    (zeros,) = [facts for name, facts in flow.about.items() if "zeros" in facts["label"]]
    assert len(zeros["digest"]) == 1
    roles = [dict(record.attributes) for record in flow.of(Kind.USAGE) if flow.label(record[3]) == "zeros"]
    assert [str(value) for role in roles for value in role.values()] == ["training"]


@pytest.fixture(scope="module")
def weights(record):
    return record(
        """
        from pathlib import Path
        import wandb
        Path("data.csv").write_text("1,2")
        run = wandb.init(project="p", config={"lr": 0.1, "net": {"layers": 3}})
        wandb.config.seed = 7
        for step in range(3):
            wandb.log({"loss": 1.0 / (step + 1), "picture": "none", "val": {"accuracy": 0.5}})
        run.log({"late": 1.5}, step=20)
        artifact = wandb.Artifact("table", type="dataset")
        artifact.add_file("data.csv")
        run.log_artifact(artifact)
        run.finish()
        """
    )


def test_what_is_logged_with_wandb_are_metrics(weights):
    rows = [row for row in weights.metrics() if "loss" in row]
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert [row["loss"] for row in rows] == pytest.approx([1, 1 / 2, 1 / 3])
    assert [row["val.accuracy"] for row in rows] == [0.5] * 3
    assert {"step": 20, "late": 1.5} in weights.metrics()


def test_the_configuration_of_wandb_are_hyperparameters(weights):
    assert hyperparameters(weights) == {"lr": [0.1], "net.layers": [3], "seed": [7]}


def test_an_artifact_of_wandb_is_a_collection_of_its_files(weights):
    (artifact,) = [name for name, facts in weights.about.items() if "table" in facts["name"]]
    members = [weights.label(record[3]) for record in weights.of(Kind.MEMBERSHIP) if record[2] == artifact]
    assert len(members) == 1


def test_libraries_are_as_they_were_when_the_run_is_over(board):
    during, names, after = map(json.loads, board.said.splitlines()[1:4])
    assert during == [True, True]
    assert names == ["SummaryWriter.add_scalar", "tqdm.set_postfix"]
    assert after == [False, False]


def test_a_metric_of_another_version_s_writer_is_one_complaint(tmp_path):
    import types

    from tests.capture.graph import recording

    from trilha.capture.context import process
    from trilha.capture.integrations import tensorboard

    said = []
    with recording(tmp_path / "store"):
        process.recorder.complain = said.append
        tensorboard.begin(process.recorder, types.ModuleType("torch.utils.tensorboard.writer"))
        tensorboard.end(process.recorder)
    assert len(said) == 1
    assert "add_scalar" in said[0]


@pytest.fixture(scope="module")
def own_logger(record):
    """A test, ahead of any training; then a training of another model."""
    return record(
        """
        import logging, torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset
        import lightning.pytorch as pl
        from lightning.pytorch.loggers import TensorBoardLogger
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        class Net(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(2, 1)
            def training_step(self, batch, number):
                loss = self.layer(batch[0]).pow(2).mean()
                self.log("train_loss", loss, on_step=False, on_epoch=True)
                self.logger.experiment.add_scalar("mine", 1.5, number)
                return loss
            def test_step(self, batch, number):
                self.log("test_loss", self.layer(batch[0]).pow(2).mean())
                self.logger.experiment.add_scalar("tested", 1.5, number)
            def configure_optimizers(self):
                return torch.optim.SGD(self.parameters(), lr=0.1)
        data = DataLoader(TensorDataset(torch.ones(4, 2)), batch_size=2)
        def trainer(folder):
            off = ("enable_progress_bar", "enable_model_summary", "enable_checkpointing")
            logger = TensorBoardLogger(folder)
            how = dict(max_epochs=2, logger=logger, accelerator="cpu", log_every_n_steps=1)
            return pl.Trainer(**how, **dict.fromkeys(off, False))
        trainer("tested").test(Net(), data, verbose=False)
        trainer("trained").fit(Net(), data)
        """
    )


def test_what_a_framework_s_own_logger_is_told_is_not_told_twice(own_logger):
    assert len([row for row in own_logger.metrics() if "train_loss" in row]) == 2
    assert [(row["step"], row["mine"]) for row in own_logger.metrics() if "mine" in row] == [
        (0, 1.5),
        (1, 1.5),
    ] * 2


def test_what_is_logged_in_a_test_without_a_training_is_told_once(own_logger):
    assert len([row for row in own_logger.metrics() if "test_loss" in row]) == 1
    assert [row["step"] for row in own_logger.metrics() if "tested" in row] == [0, 1]
