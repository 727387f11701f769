"""Flowcept's messages become runs; tests/corpus/flowcept was written by Flowcept 1.0.3 itself."""

import json
from pathlib import Path

import pytest

from trilha.errors import FormatError
from trilha.prov import Kind

BUFFER = Path(__file__).parents[1] / "corpus" / "flowcept" / "flowcept_buffer.jsonl"


def test_a_workflow_becomes_a_run_with_its_tasks(store):
    report = store.bring("flowcept", BUFFER)
    (run,) = store.runs()
    assert (run.name, run.status) == ("train digits", "finished")
    assert run.start == 1795253799037590000
    told = store.document(run.uuid)
    assert told.one("Run")["campaign"] == ["camp1"]
    assert [one["label"][0] for one in told.all("Step")] == ["load", "double", "epoch", "epoch", "bad"]
    assert dict(report.left) == {"values that were null (Flowcept writes NaN so)": 1}


def test_values_stay_values_and_hyperparameters_get_common_names(store):
    told = store.document(store.bring("flowcept", BUFFER).runs[0].uuid)
    load = told.one("Step", "load")
    assert (load["arg.path"], load["returned.rows"]) == (["digits.csv"], [100])
    assert told.common() == {"learning_rate": 0.1}
    assert not told.pairs(Kind.DERIVATION)
    bad = told.one("Step", "bad")
    assert (bad["exception"], bad["state"]) == (["boom"], ["ERROR"])


def test_epochs_are_a_block_of_metrics(store):
    told = store.document(store.bring("flowcept", BUFFER).runs[0].uuid, points="all")
    points = told.all("MetricPoint")
    assert {one["epoch"][0]: one["value.loss"][0] for one in points} == {0: 0.5, 1: 0.25}
    assert [one["epoch"][0] for one in told.all("Epoch")] == [0, 1]


def test_messages_about_one_task_add_up_and_tasks_in_tasks_are_nested(store, tmp_path):
    path = tmp_path / "buffer.jsonl"
    messages = [
        {
            "type": "task",
            "task_id": "1",
            "workflow_id": "w",
            "activity_id": "fit",
            "started_at": 1795253799.5,
        },
        {"type": "task", "task_id": "2", "workflow_id": "w", "activity_id": "inner", "parent_task_id": "1"},
        {"type": "task", "task_id": "3", "workflow_id": "w", "activity_id": "late", "dependencies": ["2"]},
        {
            "type": "task",
            "task_id": "1",
            "workflow_id": "w",
            "ended_at": 1795253800.5,
            "telemetry_at_end": {},
        },
    ]
    path.write_text("\n\n".join(map(json.dumps, messages)))
    report = store.bring("flowcept", path)
    told = store.document(report.runs[0].uuid)
    assert ("inner", "fit") in told.pairs(Kind.START, 0, 2)
    assert told.pairs(Kind.COMMUNICATION) == [("late", "inner")]
    assert report.left["the field telemetry_at_end of tasks"] == 1
    assert store.runs()[0].status == "unknown"


def test_an_import_said_twice_changes_nothing(store):
    store.bring("flowcept", BUFFER)
    assert [one.state for one in store.bring("flowcept", BUFFER).runs] == ["there"]


@pytest.mark.parametrize(
    ("text", "place"),
    [("", ":1:"), ("{}\n", ":1:"), ('{"workflow_id": "w", "type": "task"}\n{"a"', ":2:5:"), ("[1]\n", ":1:")],
)
def test_a_broken_line_is_refused_with_its_place(store, tmp_path, text, place):
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        store.bring("flowcept", path)
    assert str(caught.value).startswith(f"{path}{place}")
    assert not store.folder.exists()


def test_strange_messages_never_become_errors_of_ours(store, tmp_path):
    path = tmp_path / "odd.jsonl"
    odd = (None, [], {}, "text", -1, 1e300, True, [None], {"a": {"b": [1]}})
    whole = {
        "type": "task",
        "task_id": "1",
        "workflow_id": "w",
        "used": {"epoch": 1},
        "generated": {"loss": 1.5},
    }
    fields = (
        "used",
        "generated",
        "started_at",
        "ended_at",
        "parent_task_id",
        "dependencies",
        "status",
        "task_id",
    )
    for field in fields:
        for value in odd:
            path.write_text(json.dumps({**whole, field: value}))
            store.bring("flowcept", path)
    for field in (
        "name",
        "used",
        "code_repository",
        "user",
        "campaign_id",
        "started_at",
        "stderr",
        "workflow_id",
    ):
        for value in odd:
            path.write_text(json.dumps({"type": "workflow", "workflow_id": "w", field: value}))
            refused = False
            try:
                store.bring("flowcept", path)
            except FormatError:
                refused = True
            assert not refused or field == "workflow_id"


def test_tasks_that_are_in_one_another_are_told_once(store, tmp_path):
    path = tmp_path / "round.jsonl"
    around = {"1": "2", "2": "1", "3": "3"}
    tasks = [{"task_id": one, "parent_task_id": other, "workflow_id": "w"} for one, other in around.items()]
    path.write_text("\n".join(map(json.dumps, tasks)))
    told = store.document(store.bring("flowcept", path).runs[0].uuid)
    assert len(told.all("Step")) == 3
