"""What is said of one run as a whole, and what of it is not known."""

import pytest

import trilha
import trilha.store
from trilha import learning
from trilha.cli.main import _status
from trilha.query.account import account
from trilha.query.runs import find_run
from trilha.query.unknown import of_account


class Line:
    weight = 0.0


def unknown(folder):
    with trilha.store.open(folder) as store:
        return of_account(account(store, find_run(store, "last")))


def train(folder, *, says, trainings=1):
    with trilha.run("one", store=folder):
        for _ in range(trainings):
            with learning.training(Line(), data=[1.0, 2.0], learning_rate=0.5) as training:
                for _ in training.epochs(range(2)):
                    says(training)


def test_that_a_training_has_no_metric_is_said(tmp_path):
    train(tmp_path, says=lambda _: print("loss", 0.5))
    assert unknown(tmp_path) == [
        "How well the training went: no metric was recorded. What is only printed is not recorded."
    ]


def test_of_several_trainings_it_is_said_how_many(tmp_path):
    train(tmp_path, says=lambda _: None, trainings=3)
    assert [sentence.partition(":")[0] for sentence in unknown(tmp_path)] == ["How well 3 trainings went"]


def test_nothing_is_said_of_a_training_with_a_metric_or_of_a_run_without_training(tmp_path):
    train(tmp_path / "metric", says=lambda training: training.log(loss=0.5))
    with trilha.run("one", store=tmp_path / "none"):
        pass
    assert unknown(tmp_path / "metric") == unknown(tmp_path / "none") == []


@pytest.mark.parametrize("points", ["all", "summary"])
@pytest.mark.parametrize("logs", [True, False])
def test_a_document_says_so_too(tmp_path, points, logs, capsys):
    train(tmp_path, says=lambda training: training.log(loss=0.5) if logs else None)
    document = str(tmp_path / "one.provn")
    assert _status(["export", "last", "--store", str(tmp_path), "-o", document, "--points", points]) == 0
    assert _status(["show", "--document", document]) == 0
    assert ("no metric was recorded" in capsys.readouterr().out) is not logs


def test_of_a_model_that_took_over_a_state_only_what_it_became_is_shown(tmp_path, writing):
    w = writing()
    w.begin("one")
    trained, taken, further, _ = (w.entity(label, type="trilha:Model") for label in "abcd")
    state, first = w.entity("state"), w.entity("first", type="trilha:Model")
    w.derives(trained, first)
    w.say(16, None, taken, trained, ())
    w.derives(taken, state)
    w.derives(further, taken)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        told = account(store, find_run(store, "last"))
    assert [thing.label for thing in told.objects] == ["c", "d"]
