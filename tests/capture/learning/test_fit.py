"""A training told by a framework: what of it is stated, and that the document is valid."""

import numpy as np
import pytest
from tests.capture.graph import recording

import trilha
from trilha.capture.context import process
from trilha.capture.learning.architecture import Layer, state_architecture
from trilha.capture.learning.fit import Fit, evaluation
from trilha.capture.steps import meet
from trilha.formats import read


class Model:
    """Stands for a framework's model: it changes in place."""

    def __init__(self):
        self.weight = 0


def train(model, data, epochs=2):
    fit = Fit(process.recorder, "test", "fit", model)
    fit.data(data)
    fit.hyperparameters({"lr": 0.1, "batch_size": 8, "solver": "adam", "own": 1})
    for number in range(1, epochs + 1):
        fit.epoch_begins(number)
        model.weight += 1
        fit.epoch_ends({"loss": 1 / number})
    return fit


def verdict(folder, out):
    from trilha.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["export", "last", "--store", str(folder), "-o", str(out)])
    assert not ended.value.code
    return read(out).validate()


def test_each_epoch_makes_a_new_version_of_the_model_out_of_the_one_before(tmp_path):
    with recording(tmp_path) as graph:
        train(Model(), (np.zeros(4), np.ones(4))).end()
    assert graph.generations() == [
        *[("Model", "run"), ("training data[0]", "run"), ("training data[1]", "run")],
        *[("Model after epoch 1", "epoch 1"), ("Model after epoch 2", "epoch 2")],
    ]
    assert graph.derivations() == [
        ("Model after epoch 1", "Model"),
        ("Model after epoch 2", "Model after epoch 1"),
    ]
    assert graph.one("fit")["epochs"] == [2]
    assert verdict(tmp_path, tmp_path / "run.provn").valid


def test_a_model_that_did_not_change_has_no_new_version(tmp_path):
    with recording(tmp_path) as graph:
        fit = Fit(process.recorder, "test", "fit", Model())
        fit.epoch_begins(1)
        fit.epoch_ends({})
        fit.end()
    assert graph.generations() == [("Model", "run")]


def test_hyperparameters_have_the_common_name_beside_their_own(tmp_path):
    with recording(tmp_path) as graph:
        train(Model(), np.zeros(3)).end()
    named = {label: graph.one(label)["common"] for label in graph.labels("Hyperparameter")}
    assert named == {
        "lr": ["learning_rate"],
        "batch_size": ["batch_size"],
        "solver": ["optimizer"],
        "own": [],
    }


def test_metrics_of_all_epochs_are_one_series_of_the_training(tmp_path):
    with recording(tmp_path) as graph:
        train(Model(), np.zeros(3), epochs=3).end()
    assert graph.metrics() == [{"epoch": n, "loss": 1 / n} for n in (1, 2, 3)]
    assert len(graph.blocks) == 1


def test_what_an_adaptation_changed_is_used_by_the_next_epoch(tmp_path):
    with recording(tmp_path) as graph:
        model = Model()
        fit = train(model, np.zeros(3), epochs=1)
        fit.adaptation("lr", 0.1, 0.05, "StepLR")
        fit.epoch_begins(2)
        model.weight += 1
        fit.adaptation("lr", 0.05, 0.01)
        fit.epoch_ends({})
        fit.stopped_early("EarlyStopping", "val_loss", 0.5)
        fit.end()
    first = graph.one("lr 0.1 → 0.05")
    assert first["name"] == ["lr"]
    assert first["common"] == ["learning_rate"]
    assert first["cause"] == ["StepLR"]
    assert first["epoch"] == [1]
    assert graph.one("lr 0.05 → 0.01")["epoch"] == [2]
    assert [pair for pair in graph.usages() if pair[0] == "epoch 2" and pair[1] == "lr"] == [
        ("epoch 2", "lr")
    ] * 2
    stopped = graph.one("stopped early after epoch 2", "Adaptation")
    assert stopped["monitor"] == ["val_loss"]
    assert stopped["best"] == [0.5]
    assert verdict(tmp_path, tmp_path / "run.provn").valid


def test_a_checkpoint_is_derived_from_the_version_that_it_holds(tmp_path):
    with recording(tmp_path / "store") as graph:
        model = Model()
        fit = train(model, np.zeros(3), epochs=1)
        (tmp_path / "folder").mkdir()
        for name in ("a.bin", "b.json"):
            (tmp_path / "folder" / name).write_bytes(name.encode())
        assert fit.checkpoint(str(tmp_path / "folder"), "lowest loss", best=True) is not None
        fit.end()
    assert ("a.bin", "Model after epoch 1") in graph.derivations()
    assert ("b.json", "Model after epoch 1") in graph.derivations()
    assert graph.one("a.bin")["best"] == [True]
    assert graph.one("a.bin")["reason"] == ["lowest loss"]
    assert verdict(tmp_path / "store", tmp_path / "run.provn").valid


def test_a_training_that_fails_says_so_and_what_became_of_the_model(tmp_path):
    with recording(tmp_path) as graph:
        model = Model()
        fit = Fit(process.recorder, "test", "fit", model)
        fit.epoch_begins(1)
        model.weight += 1
        fit.end(ValueError("no"))
        assert not process.recorder.fits
    assert graph.one("fit")["exception"] == ["ValueError"]
    assert graph.one("epoch 1")["unfinished"] == [True]
    assert ("Model during epoch 1", "Model") in graph.derivations()


def test_layers_are_members_of_the_architecture_and_are_stated_once(tmp_path):
    layers = [
        Layer("a", "Dense", "(None, 4)", "(None, 2)", 10, 10, "relu", {"units": 2}),
        Layer("b", "Dropout"),
    ]
    with recording(tmp_path) as graph:
        model = Model()
        known = meet(process.recorder, model, "Model")
        state_architecture(process.recorder, model, known, layers)
        state_architecture(process.recorder, model, known, layers)
    assert graph.one("architecture of Model")["layers"] == [2]
    assert graph.derivations() == [("Model", "architecture of Model")]
    first = graph.one("Dense a")
    assert {
        "position": [1],
        "class": ["Dense"],
        "output_shape": ["(None, 2)"],
        "setting.units": [2],
    }.items() <= dict(first).items()
    assert "parameters" not in graph.one("Dropout b")


def test_an_evaluation_uses_model_and_data_and_has_its_metrics(tmp_path):
    with recording(tmp_path) as graph:
        evaluation(process.recorder, "test", Model(), np.zeros(3), {"accuracy": 0.5}, part="test")
    assert graph.one("evaluation")["part"] == ["test"]
    assert graph.usages() == [("evaluation", "Model"), ("evaluation", "evaluation data")]
    assert graph.metrics() == [{"accuracy": 0.5}]


def test_the_explicit_api_has_common_names_too(tmp_path):
    with recording(tmp_path) as graph:
        trilha.hyperparameters(optimizer={"LR": 0.1}, **{"batch-size": 3})
    assert graph.one("optimizer.LR")["common"] == ["learning_rate"]
    assert graph.one("batch-size")["common"] == ["batch_size"]
