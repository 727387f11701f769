"""What is recorded of DeepXDE, on its PyTorch backend: a forward and an inverse problem."""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("DDE_BACKEND", "pytorch")

import deepxde as dde
import numpy as np
import pytest
import torch
from tests.capture.graph import Graph, T, recording

import trilha.capture.launch
import trilha.store
from trilha.prov import Kind

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
SIZES = [1, 6, 6, 1]


def pde(x, y):
    return -dde.grad.hessian(y, x) - np.pi**2 * torch.sin(np.pi * x)


def solution(x):
    return np.sin(np.pi * x)


def ends(_x, on_boundary):
    return on_boundary


def poisson():
    """A model of Poisson's equation, compiled."""
    dde.config.set_random_seed(3)
    interval = dde.geometry.Interval(-1, 1)
    condition = dde.icbc.DirichletBC(interval, solution, ends)
    data = dde.data.PDE(
        interval, pde, condition, num_domain=8, num_boundary=2, solution=solution, num_test=20
    )
    model = dde.Model(data, dde.nn.FNN(SIZES, "tanh", "Glorot uniform"))
    model.compile("adam", lr=0.01, metrics=["l2 relative error"], loss_weights=[1, 10], verbose=0)
    return model


def train(model, iterations=6, **further):
    return model.train(iterations=iterations, display_every=2, verbose=0, **further)


def used_by(graph, activity):
    """Labels and roles of what an activity used."""
    return {
        (graph.label(record[3]), str(dict(record.attributes).get("role", "")))
        for record in graph.of(Kind.USAGE)
        if record[2] == activity
    }


def valid(graph):
    """The exported document is valid, and nothing of ours failed."""
    assert graph.dropped == 0
    run = next(str(one) for one in graph.about if str(one).endswith("#run"))
    with trilha.store.open(graph.folder) as store:
        store.refresh()
        verdict = store.document(run.removeprefix("urn:uuid:").partition("#")[0]).validate()
    assert verdict.valid, str(verdict)


def settings(graph, activity):
    """Hyperparameters by name that an activity used."""
    used = [graph.about[record[3]] for record in graph.of(Kind.USAGE) if record[2] == activity]
    return {one["name"][0]: one for one in used if T + "Hyperparameter" in one["type"]}


def test_results_and_random_states_are_the_same_with_and_without(tmp_path, capsys):
    def life():
        model = poisson()
        history, _ = train(model)
        x = np.linspace(-1, 1, 11)[:, None]
        return [
            *map(np.asarray, history.loss_train),
            model.predict(x),
            torch.rand(3).numpy(),
            np.random.random(3),  # noqa: NPY002
        ]

    plain = life()
    said = capsys.readouterr().out
    with recording(tmp_path) as graph:
        recorded = life()
    assert [one.tobytes() for one in plain] == [one.tobytes() for one in recorded]
    assert capsys.readouterr().out == said
    assert graph.dropped == 0


def test_the_library_is_as_it_was_at_the_end(tmp_path):
    before = dict(vars(dde.Model))
    model = poisson()
    mine = dde.callbacks.Timer(100)
    with recording(tmp_path):
        train(model, callbacks=[mine])
    assert dict(vars(dde.Model)) == before
    assert model.callbacks.callbacks == [mine]


def test_the_problem_is_told_in_entities_of_its_own(tmp_path):
    with recording(tmp_path) as graph:
        train(poisson())
    geometry = graph.one("Interval", "Geometry")
    assert (geometry["setting.l"], geometry["setting.r"]) == ([-1], [1])
    condition = graph.one("DirichletBC 1", "Condition")
    assert condition["length"] == [2]
    (equation,) = [facts for facts in graph.about.values() if T + "Equation" in facts["type"]]
    assert "dde.grad.hessian(y, x)" in equation["source"][0]
    points = graph.one("train points", "Points")
    assert points["length"] == [12]
    assert points["shape"] == ["12×1"]
    assert points["distribution"] == ["Hammersley"]
    assert (points["num_domain"], points["num_boundary"]) == ([8], [2])
    assert graph.one("test points", "Points")["num_test"] == [20]
    assert ("train points", "Interval") in graph.derivations()
    assert ("DirichletBC 1", "Interval") in graph.derivations()
    terms = [(graph.one(f"loss of {name}")["weight"]) for name in ("PDE", "DirichletBC 1")]
    assert terms == [[1.0], [10.0]]
    assert ("loss of DirichletBC 1", "DirichletBC 1") in graph.derivations()
    used = {label for label, _ in used_by(graph, graph.id("Model.train", "Training"))}
    assert used >= {"Interval", "DirichletBC 1", "train points", "test points", "loss of PDE"}
    valid(graph)


def test_the_history_of_losses_is_one_series(tmp_path):
    with recording(tmp_path) as graph:
        history, _ = train(poisson())
    rows = graph.metrics()
    assert [row["step"] for row in rows] == history.steps == [0, 2, 4, 6]
    assert [row["loss.PDE"] for row in rows] == [float(one[0]) for one in history.loss_train]
    assert [row["test_loss.DirichletBC 1"] for row in rows] == [float(one[1]) for one in history.loss_test]
    assert [row["l2 relative error"] for row in rows] == [float(one[0]) for one in history.metrics_test]


def test_two_optimisers_in_turn_are_two_trainings_of_one_model(tmp_path):
    options = dict(dde.optimizers.LBFGS_options)
    with recording(tmp_path) as graph:
        model = poisson()
        train(model)
        dde.optimizers.set_LBFGS_options(maxiter=3)
        model.compile("L-BFGS", verbose=0)
        train(model, None)
    dde.optimizers.LBFGS_options.update(options)
    first, second = graph.all("Model.train", "Training")
    assert settings(graph, first)["optimizer"]["value"] == ["Adam"]
    assert settings(graph, first)["lr"]["value"] == [0.01]
    assert settings(graph, first)["iterations"]["common"] == ["epochs"]
    assert settings(graph, first)["seed"]["value"] == [3]
    assert settings(graph, second)["optimizer"]["value"] == ["LBFGS"]
    assert settings(graph, second)["LBFGS.maxiter"]["value"] == [3]
    assert graph.about[first]["steps"] == [6]
    made = [record[2] for record in graph.of(Kind.GENERATION) if record[3] in (first, second)]
    models = [one for one in made if graph.label(one) == "FNN after Model.train"]
    assert len(models) == 2
    derived = [(record[2], record[3]) for record in graph.of(Kind.DERIVATION)]
    assert (models[1], models[0]) in derived
    assert (models[1], graph.id("train points")) in derived
    valid(graph)


def test_resampled_points_are_an_adaptation_that_makes_new_ones(tmp_path):
    with recording(tmp_path) as graph:
        model = poisson()
        model.data.train_distribution = "pseudo"
        train(model, callbacks=[dde.callbacks.PDEPointResampler(period=3)])
    (first, *_) = graph.all("points resampled after iteration 3", "Adaptation")
    assert graph.about[first]["cause"] == ["PDEPointResampler"]
    assert len(graph.all("train points", "Points")) == 3
    assert ("train points", "points resampled after iteration 6") in graph.generations()
    valid(graph)


def test_stopping_early_and_keeping_the_best_say_why(tmp_path):
    with recording(tmp_path / "store") as graph:
        stop = dde.callbacks.EarlyStopping(min_delta=1e9, patience=2)
        keep = dde.callbacks.ModelCheckpoint(str(tmp_path / "best"), save_better_only=True, period=2)
        train(poisson(), 20, callbacks=[stop, keep])
    (adaptation,) = graph.labels("Adaptation")
    assert adaptation.startswith("stopped early after epoch")
    assert graph.one(adaptation)["cause"] == ["EarlyStopping"]
    best = graph.one("best-2.pt", "Checkpoint")
    assert best["best"] == [True]
    assert best["reason"][0].startswith("lowest train loss ")
    assert any(generated == "best-2.pt" and used.startswith("FNN") for generated, used in graph.derivations())
    valid(graph)


def test_an_inverse_problem_tells_the_unknown_it_infers(tmp_path):
    def life(with_callback):
        factor = dde.Variable(2.0)

        def equation(x, y):
            return -dde.grad.hessian(y, x) - factor * torch.sin(np.pi * x)

        interval = dde.geometry.Interval(-1, 1)
        x = np.linspace(-1, 1, 5)[:, None]
        observed = dde.icbc.PointSetBC(x, solution(x))
        data = dde.data.PDE(interval, equation, [observed], num_domain=8, num_boundary=2, anchors=x)
        model = dde.Model(data, dde.nn.FNN(SIZES, "tanh", "Glorot uniform"))
        model.compile("adam", lr=0.05, external_trainable_variables=[factor], verbose=0)
        watching = dde.callbacks.VariableValue([factor], period=2, filename=os.devnull)
        train(model, callbacks=[watching] if with_callback else [])
        watching.file.close()
        return float(factor.detach())

    with recording(tmp_path) as graph:
        values = [life(True), life(False)]
    rows = [row["variable 1"] for row in graph.metrics() if "variable 1" in row]
    assert rows[0] == pytest.approx(2.0)
    assert {values[0], values[1]} <= set(rows)
    condition = next(facts for facts in graph.about.values() if "PointSetBC" in facts["class"])
    assert condition["length"] == [5]
    assert graph.about[graph.all("train points", "Points")[0]]["anchors"] == [5]
    valid(graph)


def test_time_and_combined_geometries_are_made_of_their_parts(tmp_path):
    with recording(tmp_path) as graph:
        space = dde.geometry.Rectangle([0, 0], [1, 1]) - dde.geometry.Disk([0.5, 0.5], 0.2)
        whole = dde.geometry.GeometryXTime(space, dde.geometry.TimeDomain(0, 1))
        start = dde.icbc.IC(whole, lambda x: 0 * x[:, :1], lambda _, on: on)

        def heat(x, y):
            return dde.grad.jacobian(y, x, j=2) - dde.grad.hessian(y, x, i=0, j=0)

        data = dde.data.TimePDE(whole, heat, [start], num_domain=10, num_boundary=4, num_initial=4)
        model = dde.Model(data, dde.nn.FNN([3, 5, 1], "tanh", "Glorot uniform"))
        model.compile("adam", lr=0.01, verbose=0)
        train(model, 2)
    derivations = graph.derivations()
    assert ("GeometryXTime", "CSGDifference") in derivations
    assert ("GeometryXTime", "TimeDomain") in derivations
    assert ("CSGDifference", "Disk") in derivations
    assert graph.one("IC 1", "Condition")["class"] == ["IC"]
    assert graph.one("train points")["num_initial"] == [4]
    valid(graph)


def test_a_loss_that_is_no_number_stops_the_training_and_is_kept(tmp_path):
    with recording(tmp_path) as graph:
        model = poisson()
        with torch.no_grad():
            model.net.linears[0].weight.fill_(float("nan"))
        train(model)
    assert np.isnan(graph.metrics()[0]["loss"])
    (label,) = graph.labels("Adaptation")
    assert graph.one(label)["cause"] == ["NaN loss"]


def test_an_exception_of_a_callback_is_the_programs_and_told(tmp_path):
    class Fails(dde.callbacks.Callback):
        def on_epoch_end(self):
            raise RuntimeError("mine")

    with recording(tmp_path) as graph, pytest.raises(RuntimeError, match="mine"):
        train(poisson(), callbacks=[Fails()])
    assert graph.one("Model.train", "Training")["exception"] == ["RuntimeError"]
    valid(graph)


def test_predictions_come_from_the_trained_model(tmp_path):
    with recording(tmp_path) as graph:
        model = poisson()
        train(model)
        model.predict(np.linspace(-1, 1, 5)[:, None])
    assert ("predictions", "FNN after Model.train") in graph.derivations()


def test_the_example_runs_and_its_file_comes_from_both_trainings(tmp_path):
    example = Path(__file__).parents[3] / "examples" / "poisson_deepxde.py"
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
    arguments = ["--iterations", "20", "--out", str(tmp_path)]
    subprocess.run([*launcher, example, *arguments], check=True, cwd=tmp_path, capture_output=True)
    graph = Graph(tmp_path / "store")
    assert len(graph.all("Model.train", "Training")) == 2
    (weights,) = tmp_path.glob("poisson-*.pt")
    assert (weights.name, "FNN after Model.train") in graph.derivations()
    valid(graph)


def test_a_restored_model_comes_from_its_file(tmp_path):
    with recording(tmp_path / "store") as graph:
        model = poisson()
        train(model)
        path = model.save(str(tmp_path / "kept"))
        other = poisson()
        other.restore(path)
        other.predict(np.linspace(-1, 1, 5)[:, None])
        model.save(str(tmp_path / "plain"), protocol="pickle")
    derivations = graph.derivations()
    assert ("content of kept-6.pt", "kept-6.pt") in derivations
    assert ("FNN", "content of kept-6.pt") in derivations
    assert ("plain-6.pkl", "FNN after Model.train") in derivations
    valid(graph)


def test_an_operator_network_on_batches_of_data_has_no_points(tmp_path):
    rng = np.random.default_rng(0)
    branch, trunk = (rng.normal(size=(12, 5)).astype("float32"), rng.normal(size=(12, 1)).astype("float32"))
    target = rng.normal(size=(12, 1)).astype("float32")
    with recording(tmp_path) as graph:
        data = dde.data.Triple((branch, trunk), target, (branch, trunk), target)
        net = dde.nn.DeepONet([5, 4, 4], [1, 4, 4], "relu", "Glorot normal")
        model = dde.Model(data, net)
        model.compile("adam", lr=0.01, verbose=0)
        train(model, 4, batch_size=6)
    assert graph.labels("Adaptation") == []
    assert graph.labels("Points") == []
    (training,) = graph.all("Model.train", "Training")
    assert settings(graph, training)["batch_size"]["value"] == [6]
    used = {record[3] for record in graph.of(Kind.USAGE) if record[2] == training}
    assert any(graph.about[one]["shape"] == ["12×5"] for one in used)
    valid(graph)
