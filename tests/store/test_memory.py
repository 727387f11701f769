"""A document as a store in memory: what is asked of it has the answers of the store that it came from."""

import pytest

import trilha.store
from trilha.formats import read, write
from trilha.prov import Document
from trilha.query import runs
from trilha.query.account import account
from trilha.query.finding import find
from trilha.query.lineage import lineage
from trilha.store import metrics
from trilha.store.memory import store_of


@pytest.fixture
def exported(tmp_path, writing, digits):
    """The store of one run, and its document as text that was read back."""

    def make(points="summary", suffix="provn"):
        uuid = digits(writing(), folder=str(tmp_path))
        with trilha.store.open(tmp_path / ".trilha") as store:
            write(store.document(uuid, points), tmp_path / f"run.{suffix}")
            told = account(store, runs.find_run(store, uuid))
            facts = sorted(row[:2] + row[3:] for row in facts_of(store))
        return told, facts, read(tmp_path / f"run.{suffix}")

    return make


def facts_of(store):
    return store.connection.execute("SELECT about, name, run, number, text FROM fact").fetchall()


@pytest.mark.parametrize("points", ["summary", "all"])
@pytest.mark.parametrize("suffix", ["provn", "json", "ttl", "provx", "jsonld"])
def test_a_document_answers_as_its_store_in_every_format(exported, points, suffix):
    told, facts, document = exported(points, suffix)
    with store_of(document, "run.x") as store:
        (run,) = runs.runs(store)
        same = account(store, run)
        assert (same.run.uuid, same.run.name, same.run.status) == (told.run.uuid, "digits", "finished")
        assert (same.run.start, same.run.end) == (told.run.start, told.run.end)
        assert [one.name for one in same.hyperparameters] == ["lr"]
        assert same.hyperparameters[0].value == pytest.approx(0.01)
        key = lambda one: one.name  # noqa: E731
        for one, other in zip(sorted(same.metrics, key=key), sorted(told.metrics, key=key), strict=True):
            assert one == pytest.approx(other)
        assert same.person.label == "ana"
        assert sorted(row[:2] + row[3:] for row in facts_of(store)) == facts
        trail = lineage(store, find(store, "model.pt"))
        assert "digits.csv" in {thing.label for thing in trail.things.values()}


def test_all_points_of_a_document_come_back_with_their_epochs_and_times(exported):
    _, _, document = exported("all")
    with store_of(document) as store:
        (loss,) = (one for one in metrics.series(store.connection, 1) if one.metric == "loss")
        points = list(metrics.points(store.connection, loss.key))
    assert [(point.epoch, point.value) for point in points] == [(0, 1.0), (1, 0.5), (2, pytest.approx(1 / 3))]
    assert all(point.time is not None for point in points)


def test_a_document_of_two_runs_keeps_them_apart(tmp_path, writing, digits):
    uuids = [digits(writing(seed, start=start), label=seed) for seed, start in (("one", 0), ("two", 100))]
    document = Document()
    with trilha.store.open(tmp_path / ".trilha") as store:
        for uuid in uuids:
            document.update(store.document(uuid))
    with store_of(document) as store:
        assert [run.name for run in runs.runs(store)] == ["two", "one"]
        for run in runs.runs(store):
            told = account(store, run)
            assert told.person.label == "ana"
            assert [package.label for package in told.packages] == ["CPython 3.11.7", "torch 2.13.0"]
            assert len(told.metrics) == 2


def test_a_document_of_another_tool_is_one_run_without_a_name():
    document = Document({"ex": "http://example.org/"})
    document.entity("ex:model")
    document.activity("ex:train")
    document.was_generated_by("ex:model", "ex:train")
    with store_of(document) as store:
        (run,) = runs.runs(store)
        assert (run.name, run.status, store.refresh().journals) == ("", "unknown", 0)
        trail = lineage(store, find(store, "http://example.org/model"))
        assert "http://example.org/train" in trail.things
