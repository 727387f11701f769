"""yProv4ML's documents become runs; tests/corpus/yprov4ml was made by yProv4ML 3.2.8 itself."""

import json
import math
import os
import shutil
from pathlib import Path

import pytest

from trilha.errors import FormatError
from trilha.prov import Kind

CORPUS = Path(__file__).parents[1] / "corpus" / "yprov4ml" / "digits_0"
ENDED = 1795253879


@pytest.fixture
def folder(tmp_path):
    """The folder of a run, its files as old as they were."""
    copy = tmp_path / "digits_0"
    shutil.copytree(CORPUS, copy)
    os.utime(copy / "artifacts_GR0" / "raw.csv", (ENDED - 1, ENDED - 1))
    return copy


def test_the_run_has_its_times_with_the_zone_that_was_said_and_its_person(store, folder):
    report = store.bring("yprov4ml", folder)
    (run,) = store.runs()
    assert (run.name, run.status) == ("digits", "finished")
    assert (run.start, run.end) == (1795253878385020000, 1795253879870341000)
    told = store.document(run.uuid)
    assert ("digits", "ana") in told.pairs(Kind.ASSOCIATION)
    assert told.one("Run")["host"] == ["node7"]
    assert report.repaired["times that were given as attributes"] == 4
    assert report.left["starts of contexts that were noted only after the run's end"] == 2


def test_hyperparameters_are_used_also_where_they_were_said_to_be_generated(store, folder):
    report = store.bring("yprov4ml", folder)
    told = store.document(report.runs[0].uuid)
    assert told.common() == {"learning_rate": 0.01, "epochs": 3, "optimizer": "adam"}
    assert report.repaired["hyperparameters that the run was said to generate, read as used"] == 2
    assert {("digits", name) for name in ("lr", "epochs", "optimizer")} <= set(told.pairs(Kind.USAGE))
    assert not {("lr", "digits"), ("optimizer", "digits")} & set(told.pairs(Kind.GENERATION))


def test_metrics_beside_the_document_are_blocks_of_their_contexts(store, folder):
    report = store.bring("yprov4ml", folder)
    told = store.document(report.runs[0].uuid, points="all")
    points = told.all("MetricPoint")
    assert {one["epoch"][0]: one["value.loss"][0] for one in points if "value.loss" in one} == {
        0: 1.0,
        1: 0.5,
        2: 1 / 3,
    }
    validated = [one["value.val_loss"][0] for one in points if "value.val_loss" in one]
    assert [math.isnan(value) for value in validated] == [False, True, False]
    assert told.one("Training")["label"] == ["training"]
    assert told.one("Evaluation")["part"] == ["validation"]


def test_files_are_used_and_made_as_said_and_hashed_where_they_lie(store, folder):
    report = store.bring("yprov4ml", folder)
    told = store.document(report.runs[0].uuid)
    assert [one["label"] for one in told.all("File") if "sha256" in one] == [["raw.csv"]]
    assert ("digits", "raw.csv") in told.pairs(Kind.USAGE)
    assert ("net.pt", "digits") in told.pairs(Kind.GENERATION)
    assert ("net.pt", "Original_net.pt") in told.pairs(Kind.DERIVATION)
    models = [one for one in told.all("Model") if one["label"] == ["net.pt"]]
    assert [one["parameters"] for one in models] == [[3]]
    assert report.left["files that do not lie here: recorded by path, without a hash"] == 5


def test_a_document_alone_is_imported_and_its_metrics_are_missed(store, folder):
    shutil.rmtree(folder / "metrics_GR0")
    report = store.bring("yprov4ml", folder / "prov_digits_GR0_0.json")
    assert report.left["metrics whose file does not lie here"] == 3


def test_an_import_said_twice_changes_nothing(store, folder):
    store.bring("yprov4ml", folder)
    assert [one.state for one in store.bring("yprov4ml", folder).runs] == ["there"]
    assert len(store.runs()) == 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", ":1:1:"),
        ("{", ":1:2:"),
        ("[]", ": expected"),
        ('{"entity": []}', ": expected"),
        ("{}", ": expected"),
    ],
)
def test_a_broken_document_is_refused_with_its_place(store, tmp_path, text, place):
    path = tmp_path / "prov_bad.json"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        store.bring("yprov4ml", path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert not store.folder.exists()


def test_a_broken_metric_is_refused_with_its_line(store, folder):
    path = folder / "metrics_GR0" / "loss_training_None_GR0.csv"
    path.write_text("epoch,value,timestep\n0,1.0,1795253879387\n1,0.5\n")
    with pytest.raises(FormatError, match=r"loss_training_None_GR0\.csv:3: expected the epoch"):
        store.bring("yprov4ml", folder)


def test_a_folder_without_a_document_is_refused(store, tmp_path):
    with pytest.raises(FormatError, match="expected the folder of a run"):
        store.bring("yprov4ml", tmp_path)


def test_strange_documents_never_become_errors_of_ours(store, folder):
    path = folder / "prov_digits_GR0_0.json"
    whole = json.loads(path.read_text())
    for section in list(whole):
        for name in list(whole[section]):
            for odd in (None, {}, {"prov:startedAtTime": "never", "yprov:run_id": "0"}, "text", 5):
                changed = json.loads(json.dumps(whole))
                changed[section][name] = odd
                path.write_text(json.dumps(changed))
                said = str(path)
                try:
                    store.bring("yprov4ml", path)
                except FormatError as error:
                    said = str(error)
                assert said.startswith(str(path))
