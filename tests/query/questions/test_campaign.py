"""Questions over a campaign of 37 real trainings in six frameworks.

What is right is worked out from what the trainings' scripts wrote down.

Each question is asked of the store; a few of each run's document alone, too.
"""

import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.capture.preloaded import Preloaded

import trilha
import trilha.store
from trilha.errors import NotFound
from trilha.formats import write
from trilha.query import questions

HERE = Path(__file__).parent
RATE = {"sklearn": "eta0", "keras": "learning_rate"}
RATE |= dict.fromkeys(("torch", "lightning", "transformers", "deepxde"), "lr")
"""What each framework calls its learning rate."""


class Campaign:
    """The runs, the store, and what the scripts wrote down of each run by its name."""

    def __init__(self, folder):
        self.folder = folder
        digits = load_digits()
        table = np.column_stack([digits.data, digits.target]).astype(int)
        np.savetxt(folder / "digits.csv", table, "%d", delimiter=",")
        np.savetxt(folder / "small.csv", table[:600], "%d", delimiter=",")
        self.runs = {}
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "KERAS_BACKEND": "torch",
        }
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

        def words(kind):
            return [str(HERE / "campaign.py"), kind, ".", ".trilha", f"{kind}.json"]

        running = {
            kind: subprocess.Popen([sys.executable, *words(kind)], cwd=folder, env=environment, **pipes)
            for kind in ("sklearn", "keras")
        }
        libraries = "torch", "torch._dynamo", "transformers.trainer", "lightning.pytorch"
        preloaded = Preloaded(*libraries, environment=environment)
        # DeepXDE runs on PyTorch.
        for kind in ("torch", "lightning", "transformers", "deepxde"):
            done = preloaded.run(*words(kind), cwd=folder, timeout=600)
            assert done.returncode == 0, done.stderr
            assert "trilha" not in done.stderr
        preloaded.close()
        for process in running.values():
            errors = process.communicate()[1]
            assert process.returncode == 0, errors
            assert "trilha" not in errors
        for kind in ("torch", "sklearn", "keras", "lightning", "transformers", "deepxde"):
            self.runs |= {one["name"]: one for one in json.loads((folder / f"{kind}.json").read_text())}
        self.store = trilha.store.open(folder / ".trilha")
        self.uuids = dict(self.store.connection.execute("SELECT label, uuid FROM run"))

    def ask(self, *arguments, **more):
        return questions.ask(self.store, *arguments, **more)

    def document(self, name, points="summary"):
        path = self.folder / f"{name}-{points}.provn"
        if not path.exists():
            write(self.store.document(self.uuids[name], points), path)
        return path

    def last(self, one, metric):
        """The last value that a run logged: that of the test comes after those of the epochs."""
        return [math.nan, *self.values(one, metric)][-1]

    def values(self, one, metric):
        """What a run logged; of the test too, where its framework calls that so."""
        values = [row[metric] for row in one["rows"] if metric in row]
        tested = {"accuracy": "test", "loss": "test_loss"}.get(metric)
        return [*values, one[tested]] if tested in one and one["framework"] != "transformers" else values

    def where(self, condition):
        return {name: one for name, one in self.runs.items() if condition(one)}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    made = Campaign(tmp_path_factory.mktemp("campaign"))
    assert len(made.runs) >= 20
    yield made
    made.store.close()


def near(values):
    return pytest.approx(values, rel=1e-12)


# -- choosing and ranking


def test_runs_are_chosen_by_metrics_hyperparameters_framework_and_data(campaign):
    for where, condition in {
        "accuracy > 0.9": lambda one: campaign.last(one, "accuracy") > 0.9,
        "best(loss) < 0.5": lambda one: min(campaign.values(one, "loss")) < 0.5,
        "learning_rate < 0.01": lambda one: one["rate"] < 0.01,
        "learning_rate <= 0.01 and framework = sklearn": lambda one: (
            one["rate"] <= 0.01 and one["framework"] == "sklearn"
        ),
        "optimizer = adam and dropout > 0.1": lambda one: one["optimizer"] == "Adam" and one["dropout"] > 0.1,
        "dataset = small.csv and accuracy > 0.8": lambda one: (
            one["data"] == "small.csv" and campaign.last(one, "accuracy") > 0.8
        ),
        "transformation = center and not transformation = scale": lambda one: (
            "center" in one["steps"] and "scale" not in one["steps"]
        ),
        "status != finished": lambda one: "error" in one,
        # Each framework has names of its own for its metrics.
        "accuracy > 0.95 or eval_accuracy > 0.45": lambda one: (
            campaign.last(one, "accuracy") > 0.95 or campaign.last(one, "eval_accuracy") > 0.45
        ),
        "`l2 relative error` > 0": lambda one: one["framework"] == "deepxde",
    }.items():
        expected = campaign.where(condition)
        assert expected, where
        assert set(campaign.ask("runs", where=where).column("run")) == set(expected), where


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_the_best_runs_come_with_all_that_made_them(campaign, metric):
    best = {
        name: (min if metric == "loss" else max)(campaign.values(one, metric))
        for name, one in campaign.runs.items()
        if campaign.values(one, metric)
    }
    order = sorted(best, key=lambda name: best[name] if metric == "loss" else -best[name])
    answer = campaign.ask("top", metric, "5")
    assert answer.column(f"best({metric})") == near([best[name] for name in order[:5]])
    for row in answer:
        one = campaign.runs[row["run"]]
        assert best[row["run"]] == near(row[f"best({metric})"])
        assert row["framework"] == one["framework"]
        assert row["transformations"] == one["steps"]
        # Keras reads its settings, which may have been anything.
        assert [name for name in row["data"] if name != "keras.json"] == [one["data"]]
        assert row["hyperparameters"][RATE[one["framework"]]] == one["rate"]


def test_the_best_combination_for_a_data_set(campaign):
    small = campaign.where(lambda one: one["data"] == "small.csv" and campaign.values(one, "accuracy"))
    best = max(small, key=lambda name: campaign.last(small[name], "accuracy"))
    (row,) = campaign.ask("top", "last(accuracy)", "1", where="dataset = small.csv")
    assert row["last(accuracy)"] == near(campaign.last(campaign.runs[best], "accuracy"))


# -- metrics and epochs


def test_averages_and_extremes_of_a_metric(campaign):
    for name, one in campaign.runs.items():
        values = campaign.values(one, "loss")
        (row,) = campaign.ask("metric", "loss", run=name)
        expected = [values[0], values[-1], min(values), max(values), sum(values) / len(values)]
        assert [row[word] for word in ("first", "last", "min", "max", "avg")] == near(expected)


def test_averages_over_the_runs_with_an_optimizer_and_dropout(campaign):
    some = campaign.where(lambda one: one["optimizer"] == "Adam" and one["dropout"] > 0)
    values = [value for one in some.values() for value in campaign.values(one, "loss")]
    lasts = [campaign.last(one, "loss") for one in some.values()]
    summary = campaign.ask("metric", "loss", where="optimizer = Adam and dropout > 0").summary
    assert (summary["runs"], summary["values"]) == (len(some), len(values))
    assert summary["avg"] == near(sum(values) / len(values))
    assert summary["avg of the last"] == near(sum(lasts) / len(lasts))


def test_each_epoch_has_its_metrics_and_its_time(campaign):
    for name, one in campaign.runs.items():
        answer = [row for row in campaign.ask("epochs", run=name) if row.get("loss") is not None]
        if one["framework"] == "deepxde":
            assert answer == []  # it knows iterations only
            continue
        assert [row["epoch"] for row in answer] == list(range(1, len(one["rows"]) + 1))
        for metric in one["rows"][0]:
            assert [row[metric] for row in answer] == near([row[metric] for row in one["rows"]])
        # A callback of Lightning's, which the others tell it by, comes after our epoch's end.
        if one["framework"] in ("torch", "keras"):
            for row, seconds in zip(answer, one["seconds"], strict=True):
                # What the script measured lies within the epoch.
                assert row["elapsed"] >= seconds * 0.99


# -- hyperparameters, layers, adaptations


def test_hyperparameters_have_their_own_and_their_common_names(campaign):
    for name, one in campaign.runs.items():
        found = {row["common"]: row for row in campaign.ask("hyperparameters", run=name) if row["common"]}
        assert found["learning_rate"]["value"] == one["rate"]
        assert found["learning_rate"]["name"] == RATE[one["framework"]]
        if one["optimizer"]:
            assert found["optimizer"]["value"] == one["optimizer"]
        if one["framework"] == "torch":
            # The others have it in a layer only.
            assert found["dropout"]["value"] == one["dropout"]
        last = one["changes"][-1][2] if one["changes"] else one["rate"]
        assert found["learning_rate"]["last"] == near(last)


def test_the_layers_of_a_model(campaign):
    for name, one in campaign.where(lambda one: "layers" in one).items():
        rows = campaign.ask("layers", run=name).rows
        assert [row["class"] for row in rows] == one["layers"]
        assert [row["parameters"] for row in rows] == one["parameters"]
        assert [row["position"] for row in rows] == list(range(1, len(one["layers"]) + 1))


def test_what_changed_on_the_way_and_what_came_of_it(campaign):
    answer = campaign.ask("adaptations", "loss", "accuracy", "eval_accuracy")
    changed = campaign.where(lambda one: one["changes"])
    assert set(answer.column("run")) == set(changed)
    for name, one in changed.items():
        rows = [row for row in answer if row["run"] == name]
        assert len(rows) == len(one["changes"])
        for row, (epoch, before, after) in zip(rows, one["changes"], strict=True):
            assert (row["common"], row["cause"]) == ("learning_rate", one.get("cause", "StepLR"))
            assert (float(row["before"]), row["after"]) == (pytest.approx(before, rel=1e-4), near(after))
            for metric in one["rows"][0]:
                assert row[f"{metric} before"] == near(one["rows"][epoch - 1][metric])
                assert row[f"{metric} after"] == near(one["rows"][epoch][metric])


# -- data


def test_which_filters_the_models_over_an_accuracy_had(campaign):
    good = campaign.where(lambda one: campaign.last(one, "accuracy") > 0.9)
    answer = campaign.ask("preparation", where="accuracy > 0.9")
    expected = {
        (name, order, step) for name, one in good.items() for order, step in enumerate(one["steps"], 1)
    }
    assert {(row["run"], row["order"], row["transformation"]) for row in answer} == expected
    assert set(answer.summary["transformations"]) == {step for _, _, step in expected}


def test_the_parts_of_the_data(campaign):
    for name, one in campaign.where(lambda one: "sizes" in one).items():
        rows = {row["part"]: row for row in campaign.ask("parts", run=name)}
        assert {part: row["length"] for part, row in rows.items()} == one["sizes"]
        assert {part: row["fingerprint"] for part, row in rows.items()} == one["marks"]


def test_where_a_record_went(campaign):
    for name, one in campaign.where(lambda one: "sizes" in one).items():
        indices = np.random.default_rng(7).permutation(600 if one["data"] == "small.csv" else 1797)
        cut = len(indices) * 3 // 4
        train, test = indices[:cut], indices[:100] if one["ending"] == "leaky" else indices[cut:]
        for record in (0, 5, 599):
            expected = [part for part, some in (("train", train), ("test", test)) if record in some]
            assert campaign.ask("record", str(record), run=name).column("part") == expected
        rows = {row["part"]: row["records"] for row in campaign.ask("parts", run=name)}
        assert numbers(rows["test"]) == sorted(map(int, test))


def numbers(text):
    spans = [part.split("-") for part in text.split(", ")]
    return [number for span in spans for number in range(int(span[0]), int(span[-1]) + 1)]


def test_what_the_test_data_has_in_common_with_the_training_data(campaign):
    for name, one in campaign.where(lambda one: "sizes" in one).items():
        answer = campaign.ask("overlap", run=name)
        tested = {row["verdict"] for row in answer if (row["on"], row["with"]) == ("train", "test")}
        leaky = one["ending"] == "leaky"
        assert tested == {"100 of 100 records in common" if leaky else "no record in common"}, name
        # scikit-learn's score() was called on the training data, too.
        scored = [row["with"] for row in answer if row["verdict"] == "the same data"]
        assert ("train" in scored) is (one["framework"] == "sklearn")
        assert answer.yes is (leaky or bool(scored))


def test_which_models_share_data(campaign):
    rows = {row["data"]: row for row in campaign.ask("shared-data") if row["data"].endswith(".csv")}
    for file in ("digits.csv", "small.csv"):
        expected = campaign.where(lambda one, file=file: one["data"] == file)
        assert {name.partition(" ")[0] for name in rows[file]["runs"]} == set(expected)


# -- lineage


def test_the_lineage_of_each_model_leads_to_its_raw_data(campaign):
    for one in campaign.where(lambda one: one["data"] and "file" in one).values():
        assert one["data"] in campaign.ask("lineage", one["file"]).summary["raw data"]


def test_the_steps_on_the_way_to_a_model_are_in_order(campaign):
    for name, one in campaign.where(lambda one: "test" in one).items():
        rows = campaign.ask("operations", "model", run=name).rows
        before = [row["activity"] for row in rows if row["when"] == "before"]
        training = "training" if one["framework"] != "sklearn" else "SGDClassifier.partial_fit"
        expected = [*one["steps"], "split", training]
        assert list(dict.fromkeys(step for step in before if step in expected)) == expected
        assert "Evaluation" in [row["type"] for row in rows if row["when"] == "after"]


def test_the_shortest_path_from_the_test_metrics_to_the_raw_data(campaign):
    for name, one in campaign.where(lambda one: "test" in one).items():
        rows = campaign.ask("path", "test metrics", one["data"], run=name).rows
        evaluation = {"sklearn": "SGDClassifier.score", "lightning": "test"}.get(
            one["framework"], "evaluation"
        )
        metrics = "accuracy, loss" if "test_loss" in one else "accuracy"
        if one["framework"] == "transformers":
            assert rows[0]["what"].startswith("test_loss, test_accuracy, ")
        else:
            assert rows[0]["what"] == metrics
        assert rows[0]["from"] == evaluation
        assert rows[-1]["from"] == one["data"]
        for link, following in itertools.pairwise(rows):
            assert link["from id"] == following["what id"]
        turned = campaign.ask("path", one["data"], "test metrics", run=name)
        assert turned.rows == rows


def test_what_made_the_test_metrics(campaign):
    (row,) = campaign.ask("made-by", "test metrics", run="t-adam-1")
    assert (row["activity"], row["run"]) == ("evaluation", "t-adam-1")
    assert row["by"]
    assert row["on"]


def test_the_impact_of_the_data(campaign):
    # Found by its content, wherever it lies.
    answer = campaign.ask("impact", str(campaign.folder / "small.csv"))
    expected = campaign.where(lambda one: one["data"] == "small.csv" and "file" in one)
    assert {one.partition(" ")[0] for one in answer.summary["runs"]} == set(expected)
    files = {os.path.basename(one["file"]) for one in expected.values()}
    # Transformers' Trainer writes these beside a model.
    assert set(answer.summary["files"]) == files | {"config.json", "training_args.bin"}


def test_what_a_network_that_solves_an_equation_was_trained_on(campaign):
    for name, one in campaign.where(lambda one: one["framework"] == "deepxde").items():
        document = campaign.store.document(campaign.uuids[name])
        said = [
            {str(key).rpartition("#")[2]: value for key, value in record.attributes} for record in document
        ]
        weights = {about["name"]: about["weight"] for about in said if "weight" in about}
        assert weights == {"PDE": 1, "DirichletBC 1": one["weight"]}
        points = next(about for about in said if about.get("label") == "train points")
        assert points["length"] == one["points"]
        assert campaign.ask("path", "model", "Interval", run=name).rows[-1]["from"] == "Interval"
        rows = campaign.ask("metric", "l2 relative error", run=name).rows
        assert rows[0]["last"] == near(one["rows"][-1]["l2 relative error"])


def test_a_file_is_the_model_of_its_run_only(campaign):
    for name, one in campaign.where(lambda one: "file" in one).items():
        answer = campaign.ask("verify", one["file"], run=name)
        assert answer.yes is True
        assert [(row["how"], row["sha256"]) for row in answer] == [("written", one["sha256"])]
    assert campaign.ask("verify", campaign.runs["t-adam-1"]["file"], run="t-sgd-1").yes is False


# -- accounts


def test_what_failed_and_what_was_interrupted(campaign):
    rows = [row for row in campaign.ask("failed") if row["what"] == "run"]
    assert {row["run"]: (row["how"], row["exception"]) for row in rows} == {
        "t-failed": ("failed", "ValueError: stop here"),
        "t-interrupted": ("interrupted", "KeyboardInterrupt"),
    }
    assert {row["run"] for row in campaign.ask("failed") if row["what"] == "training"} == {
        "t-failed",
        "t-interrupted",
    }


def test_who_where_and_with_what(campaign):
    import getpass
    import platform
    import socket

    import torch

    for row in campaign.ask("who"):
        assert (row["by"], row["on"]) == (getpass.getuser(), socket.gethostname())
        assert f"CPython {platform.python_version()}" in row["software"]
        assert (f"torch {torch.__version__}" in row["software"]) is (
            campaign.runs[row["run"]]["framework"] != "sklearn"
        )
        assert row["cores"] >= 1


def test_two_runs_differ_in_what_they_were_given_and_what_they_reached(campaign):
    rows = {(row["about"], row["name"]): row for row in campaign.ask("diff", "t-adam-1", "t-sgd-2")}
    one, two = campaign.runs["t-adam-1"], campaign.runs["t-sgd-2"]
    for key, values in {
        ("hyperparameter", "lr"): (one["rate"], two["rate"]),
        ("hyperparameter", "optimizer"): ("Adam", "SGD"),
        ("hyperparameter", "dropout"): (0.0, 0.3),
        ("metric", "last(loss)"): (campaign.last(one, "loss"), campaign.last(two, "loss")),
        ("metric", "last(accuracy)"): (one["test"], two["test"]),
        ("preparation", "transformations"): (["scale"], ["scale", "center"]),
    }.items():
        assert (rows[key]["first"], rows[key]["second"]) == values
    assert ("data", "digits.csv") not in rows
    assert campaign.ask("diff", "t-sgd-1", "t-sgd-1").rows == []


# -- what is not there


def test_a_name_that_a_run_does_not_know_is_said_to_be_unknown_there(campaign):
    with pytest.raises(NotFound, match=r"'digits.csv' in the run 'k-sgd-2' of") as raised:
        campaign.ask("path", "test metrics", "digits.csv", run="k-sgd-2")
    assert "Did you mean" not in str(raised.value)


# -- from a document alone


@pytest.mark.parametrize("name", ["t-sgd-2", "s-log-2", "t-leaky", "k-adam-3", "l-adam-2", "h-sgd-1"])
def test_a_document_alone_answers_as_the_store(campaign, name):
    document, data = campaign.document(name), campaign.runs[name]["data"]
    for question in (
        *(
            ["metric", "loss"],
            ["top", "loss"],
            ["hyperparameters"],
            ["layers"],
            ["preparation"],
            ["parts"],
        ),
        *(["overlap"], ["who"], ["failed"], ["lineage", "model"], ["operations", "model"], ["record", "5"]),
        *(["path", "test metrics", data], ["made-by", "test metrics"], ["impact", data]),
        ["verify", campaign.runs[name]["file"]],
    ):
        here, there = campaign.ask(*question, run=name), trilha.ask(*question, document=document)
        assert there.yes == here.yes
        assert same(there.rows, here.rows), question


def test_a_document_with_all_points_has_the_epochs_and_what_adaptations_did(campaign):
    document = campaign.document("t-sgd-2", "all")
    for question in (["epochs"], ["adaptations", "loss"]):
        here, there = campaign.ask(*question, run="t-sgd-2"), trilha.ask(*question, document=document)
        assert same(there.rows, here.rows), question


def test_a_document_with_summaries_says_that_it_has_no_epochs_metrics(campaign):
    answer = trilha.ask("epochs", document=campaign.document("t-sgd-2"))
    assert len(answer) == 6
    assert any("--points all" in sentence for sentence in answer.unknown)


def same(ours, theirs):
    """Whether rows say the same, in any order; numbers as far as a document carries them."""
    return sorted(map(plain, ours)) == sorted(map(plain, theirs))


def plain(row):
    def text(value):
        if isinstance(value, float):
            return "nan" if math.isnan(value) else f"{value:.9g}"
        if isinstance(value, dict):
            return {key: text(one) for key, one in sorted(value.items())}
        if isinstance(value, list):
            return sorted(map(str, map(text, value)))
        return str(value)

    return json.dumps({key: text(value) for key, value in row.items()}, sort_keys=True)
