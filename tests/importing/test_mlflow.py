"""MLflow's stores become runs; the stores in tests/corpus/mlflow were made by MLflow itself."""

import math
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from trilha.errors import FormatError
from trilha.prov import Kind

CORPUS = Path(__file__).parents[1] / "corpus" / "mlflow"


@pytest.fixture
def database(tmp_path):
    """A store in SQLite, with one artifact of its first run beside it."""
    text = (CORPUS / "store.sql").read_text().replace("@HERE@", str(tmp_path))
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(f"BEGIN;{text}COMMIT;")
    uri, end = connection.execute("SELECT artifact_uri, end_time FROM runs WHERE name = 'first'").fetchone()
    connection.close()
    _artifact(Path(uri), end / 1000)
    return path


@pytest.fixture
def folder(tmp_path):
    """A store in a folder."""
    root = tmp_path / "mlruns"
    pieces = (CORPUS / "mlruns.txt").read_text().replace("@HERE@", str(tmp_path)).split("\n== ")
    for piece in pieces[1:]:
        name, _, content = piece.partition("\n")
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.removesuffix("\n"))
    return root


def _artifact(place, when):
    place.mkdir(parents=True, exist_ok=True)
    (place / "note.txt").write_text("hi")
    os.utime(place / "note.txt", (when, when))


@pytest.fixture(params=["database", "folder"])
def source(request):
    return request.getfixturevalue(request.param)


def _named(store, name):
    return store.document(next(run for run in store.runs() if run.name == name).uuid)


def test_runs_that_were_not_deleted_are_imported_with_their_status_and_times(store, source):
    report = store.bring("mlflow", source)
    assert {run.name: run.status for run in store.runs()} == {
        "first": "finished",
        "second": "failed",
        "child": "finished",
    }
    assert all(run.start <= run.end for run in store.runs())
    assert report.left["runs that were deleted in MLflow"] == 1


def test_parameters_are_hyperparameters_with_common_names_and_the_numbers_that_they_are(store, source):
    store.bring("mlflow", source)
    told = _named(store, "first")
    assert told.hyperparameters() == {
        "learning_rate": 0.01,
        "epochs": 5,
        "solver": "lbfgs",
        "a/b": "x: 'y'",
        "on": True,
        "id": "007",
    }
    assert told.common() == {"learning_rate": 0.01, "epochs": 5, "optimizer": "lbfgs"}
    assert _named(store, "second").common() == {"learning_rate": 0.1}


def test_histories_of_metrics_are_blocks_with_nan_and_infinity(store, source):
    store.bring("mlflow", source)
    run = next(run for run in store.runs() if run.name == "first")
    points = store.document(run.uuid, points="all").all("MetricPoint")
    loss = {one["step"][0]: one["value.loss"][0] for one in points if "value.loss" in one}
    assert loss == {epoch: 1 / (epoch + 1) for epoch in range(5)}
    rows = [one for one in points if "value.loss" in one]
    assert {one["step"][0]: one["value.accuracy"][0] for one in rows} == {
        epoch: epoch / 5 for epoch in range(5)
    }
    validated = {one["step"][0]: one["value.val_loss"][0] for one in points if "value.val_loss" in one}
    assert math.isnan(validated[3])
    assert validated[4] == 0.4
    assert [one["value.diverged"][0] for one in points if "value.diverged" in one] == [math.inf]
    child = _named(store, "child").all("Metrics")
    assert [one["last.x"][0] for one in child] == [-math.inf]


def test_the_database_s_largest_numbers_are_infinities_again(store, database):
    report = store.bring("mlflow", database)
    assert dict(report.repaired) == {"infinities, which the database had as the largest numbers": 2}


def test_the_model_is_derived_from_the_data_that_it_was_trained_on_and_not_from_the_test_data(store, source):
    store.bring("mlflow", source)
    told = _named(store, "first")
    assert {pair for pair in told.pairs(Kind.DERIVATION) if pair[0] != "MLmodel"} == {("net", "digits-train")}
    assert ("net", "first") in told.pairs(Kind.GENERATION)
    assert ("first", "digits-train") in told.pairs(Kind.USAGE)
    model = told.one("Model")
    assert model["setting.depth"] == [3]
    assert model["class"] == ["cnn"]
    trained = next(one for one in told.all("Dataset") if one.get("shape"))
    assert trained["length"] == [50]


def test_a_metric_of_a_model_on_data_is_an_evaluation(store, source):
    store.bring("mlflow", source)
    told = _named(store, "first")
    evaluation = told.one("Evaluation")["label"][0]
    used = [pair[1] for pair in told.pairs(Kind.USAGE) if pair[0] == evaluation]
    assert sorted(used) == ["digits-test", "net"]
    assert any("last.test_accuracy" in one for one in told.all("Metrics"))


def test_a_model_that_another_run_made_is_the_same_thing_in_both(store, database):
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO inputs SELECT 'x', 'RUN_INPUT', (SELECT run_uuid FROM runs WHERE name = 'second'),"
            " 'MODEL_INPUT', model_id, 0 FROM logged_models"
        )
    connection.close()
    store.bring("mlflow", database)
    made = _named(store, "first").one("Model")
    used = _named(store, "second")
    assert made["label"] == ["net"]
    assert used.one("Model")["label"][0].startswith("m-")
    done = store.cli("lineage", "net", "--downstream")
    assert "second" in done.stdout


def test_the_same_data_in_two_runs_is_one(store, source):
    store.bring("mlflow", source)
    general = [
        {one.arguments[1] for one in _named(store, name).records if one.kind is Kind.SPECIALIZATION}
        for name in ("first", "second")
    ]
    assert any("digits-train" in str(name) for name in general[0] & general[1])


def test_commit_user_tags_and_the_run_around_a_run_are_kept(store, source):
    store.bring("mlflow", source)
    told = _named(store, "first")
    assert told.one("Commit")["branch"] == ["main"]
    run = told.one("Run")
    assert run["tag.team"] == ["a"]
    assert run["tag.note"] == ["line 1\nline 2"]
    assert run["experiment"] == ["digits"]
    assert ("first", "ana") in told.pairs(Kind.ASSOCIATION)
    second = next(run for run in store.runs() if run.name == "second")
    starts = [one for one in _named(store, "child").records if one.kind is Kind.START]
    assert [one.arguments[2] for one in starts] == [f"urn:uuid:{second.uuid}#run"]


def test_an_artifact_has_its_hash_unless_it_changed_after_the_run(store, database, tmp_path):
    note = next(tmp_path.glob("artifacts/*/artifacts/note.txt"))
    copy = tmp_path / "other"
    shutil.copytree(tmp_path / "artifacts", copy / "artifacts")
    store.bring("mlflow", database)
    assert "sha256" in _named(store, "first").one("File")
    note.write_text("changed")
    from tests.importing.conftest import Imported

    later = Imported(tmp_path / "later")
    report = later.bring("mlflow", database)
    assert "sha256" not in _named(later, "first").one("File")
    assert report.left["artifacts that have changed since: recorded by path, without a hash"] == 1


def test_an_import_said_twice_changes_nothing_and_a_run_that_went_on_is_noticed(store, database):
    store.bring("mlflow", database)
    assert {one.state for one in store.bring("mlflow", database).runs} == {"there"}
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE params SET value = '0.5' WHERE key = 'lr'")
    connection.close()
    states = {one.label: one.state for one in store.bring("mlflow", database).runs}
    assert states == {"first": "there", "second": "differs", "child": "there"}


def test_the_store_of_mlflow_is_not_written_to(store, database):
    before = database.read_bytes()
    database.chmod(0o444)
    store.bring("mlflow", database)
    assert database.read_bytes() == before
    assert not list(database.parent.glob("mlflow.db-*"))


def test_an_older_store_with_fewer_tables_is_read(store, database):
    with sqlite3.connect(database) as connection:
        for table in (
            "inputs",
            "input_tags",
            "datasets",
            "logged_models",
            "logged_model_metrics",
            "logged_model_params",
        ):
            connection.execute(f"DROP TABLE {table}")
        run = connection.execute("SELECT run_uuid FROM runs WHERE name = 'first'").fetchone()[0]
        history = f'[{{"run_id": "{run}", "artifact_path": "model", "model_uuid": "abc"}}]'
        place = connection.execute("SELECT artifact_uri FROM runs WHERE name = 'first'").fetchone()[0]
        (Path(place) / "model").mkdir()
        (Path(place) / "model" / "MLmodel").write_text("flavors: {}")
        connection.execute("INSERT INTO tags VALUES ('mlflow.log-model.history', ?, ?)", (history, run))
    connection.close()
    store.bring("mlflow", database)
    told = _named(store, "first")
    assert told.one("Model")["label"] == ["model"]
    assert ("model", "MLmodel") in told.pairs(Kind.MEMBERSHIP) or ("model", "model/MLmodel") in told.pairs(
        Kind.MEMBERSHIP
    )
    assert len([one for one in told.all("File") if "MLmodel" in one["path"][0]]) == 1


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"no database at all", b"\0" * 5000])
def test_what_is_no_store_is_refused(store, tmp_path, content):
    path = tmp_path / "bad.db"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"bad\.db: expected"):
        store.bring("mlflow", path)
    assert not store.folder.exists()


def test_another_program_s_database_and_an_empty_folder_are_refused(store, tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE runs (x)")
    connection.close()
    with pytest.raises(FormatError, match="its tables experiments, metrics, params, tags are missing"):
        store.bring("mlflow", tmp_path / "other.db")
    with pytest.raises(FormatError, match="a folder for each experiment"):
        store.bring("mlflow", tmp_path)


def test_a_broken_metric_is_refused_with_its_line(store, folder):
    path = next(folder.glob("*/*/metrics/loss"))
    path.write_text("1795253010590 0.75 0\nnonsense\n")
    with pytest.raises(FormatError, match=r"metrics/loss:2: expected the time"):
        store.bring("mlflow", folder)
    assert not store.folder.exists()


@pytest.mark.parametrize("value", ["x", None, b"\xff", 2.0**70, math.inf])
def test_a_metric_that_is_none_is_refused(store, database, value):
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE OR IGNORE metrics SET timestamp = ? WHERE key = 'val_loss'", (value,))
        connection.execute("UPDATE OR IGNORE metrics SET value = ? WHERE key = 'val_loss'", (value,))
    connection.close()
    said = ""
    try:
        store.bring("mlflow", database)
    except FormatError as error:
        said = str(error)
    assert said.startswith(f"{database}: expected the time") or value in (None, math.inf)


@pytest.mark.parametrize("value", ["x", -1, 2**62, 1.5, b"\xff", "", math.inf])
@pytest.mark.parametrize("column", ["start_time", "end_time", "status", "name", "user_id", "artifact_uri"])
def test_strange_facts_of_a_run_never_become_errors_of_ours(store, database, column, value):
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA ignore_check_constraints = on")
        connection.execute(f"UPDATE runs SET {column} = ?", (value,))
    connection.close()
    report = store.bring("mlflow", database)
    for one in report.runs:
        store.document(one.uuid)
