"""Hyperparameters of runs that train several models, at once or one after the other."""

from __future__ import annotations

import pytest
from tests.conftest import name

import trilha.store
from trilha.query import questions

TRAINING = ("prov:type", name("trilha:Training"))


def train(w, *values):
    """A training whose hyperparameter `C` is stated with each of `values` in turn."""
    training = w.step("fit", None, *TRAINING)
    for value in values:
        about = ("trilha:name", "C", "prov:value", value)
        w.uses(training, w.entity("C", *about, type="trilha:Hyperparameter"))


@pytest.fixture
def ask(writing, tmp_path):
    def ask_about(first, second, question, *words):
        for label, trainings in ("first", first), ("second", second):
            w = writing(label)
            w.begin(label)
            for values in trainings:
                train(w, *values)
            w.end()
            w.close()
        with trilha.store.open(tmp_path / ".trilha") as store:
            return questions.ask(store, question, *words)

    return ask_about


def test_what_several_trainings_had_is_no_change_of_what_one_had(ask):
    rows = ask([[1], [2], [1]], [[3, 4]], "hyperparameters").rows
    assert [
        (row["run"], row["value"], row["last"]) for row in sorted(rows, key=lambda row: row["value"])
    ] == [
        ("first", 1, 1),
        ("first", 2, 2),
        ("second", 3, 4),
    ]


def test_runs_that_trained_the_same_in_another_order_do_not_differ(ask):
    answer = ask([[1], [2]], [[2], [1]], "diff", "first", "second")
    assert not [row for row in answer.rows if row["about"] == "hyperparameter"]


def test_runs_that_trained_otherwise_differ_in_all_that_they_tried(ask):
    answer = ask([[1], [2]], [[1, 3]], "diff", "first", "second")
    rows = {row["name"]: row for row in answer.rows if row["about"] == "hyperparameter"}
    assert (rows["C"]["first"], rows["C"]["second"]) == ([1, 2], 1)
    assert rows["C (last)"]["second"] == 3


def test_what_a_training_changed_is_no_other_trainings(writing, tmp_path):
    w = writing("one")
    w.begin("one")
    trainings = [w.step("fit", None, *TRAINING) for _ in range(2)]
    for training, value in zip(trainings, (1, 2), strict=True):
        w.uses(training, w.entity("C", "trilha:name", "C", "prov:value", value, type="trilha:Hyperparameter"))
    for training, value in zip(reversed(trainings), (4, 3), strict=True):
        changed = w.entity("C", "trilha:name", "C", "prov:value", value, type="trilha:Hyperparameter")
        w.makes(w.step("change", training), changed)
        w.uses(w.step("epoch", training), changed)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        rows = questions.ask(store, "hyperparameters").rows
    assert [(row["value"], row["last"]) for row in rows] == [(1, 3), (2, 4)]
