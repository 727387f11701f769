"""Rows of metrics, whatever they are given."""

import math
import os

import numpy as np
import pytest
import torch
from tests.capture.graph import recording

import trilha
from trilha.capture import metrics
from trilha.capture.context import process

pytestmark = pytest.mark.usefixtures("both_ways")


def same(one, other):
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0.5, 0.5),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (3, 3.0),
        (True, 1.0),
        (2**60, float(2**60)),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.bool_(True), 1.0),
        (np.array(0.5), 0.5),
        (np.array([0.5]), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([0.5]), 0.5),
        (torch.tensor(0.5, requires_grad=True), 0.5),
        (torch.tensor(3), 3.0),
        ("0.5", 0.5),
    ],
    ids=range(18),
)
@pytest.mark.parametrize("names", [1, 2, 3])
def test_a_number_is_kept_whatever_it_lies_in(given, kept, names, tmp_path):
    more = {f"more{number}": 1.0 for number in range(names - 1)}
    with recording(tmp_path) as graph:
        for _ in range(3):
            trilha.log(loss=given, **more)
    assert len(graph.metrics()) == 3
    assert all(same(row["loss"], kept) for row in graph.metrics())
    assert len(graph.blocks) == 1
    assert graph.dropped == 0


@pytest.mark.parametrize(
    "wrong",
    ["abc", [1], {}, 1j, object(), np.zeros(2), torch.zeros(2), 2**5000, b"x", lambda: 1],
    ids=range(10),
)
def test_what_is_no_number_is_counted_and_the_rest_kept(wrong, tmp_path, capfd):
    with recording(tmp_path) as graph:
        trilha.log(loss=0.5, note=wrong)
        trilha.log(note=wrong)
        trilha.log(epoch=1, note=wrong)
        trilha.log(loss=0.25)
    assert graph.metrics() == [{"loss": 0.5}, {"loss": 0.25}]
    assert graph.dropped == 3
    assert capfd.readouterr().err.count("note is no number") == 1


def test_none_says_that_there_is_no_value(tmp_path, capfd):
    with recording(tmp_path) as graph:
        trilha.log(loss=0.5, val_loss=None)
        trilha.log(loss=None)
        trilha.log()
    assert graph.metrics() == [{"loss": 0.5}]
    assert graph.dropped == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("epoch", "row"),
    [
        (1, {"epoch": 1}),
        (1.0, {"epoch": 1}),
        (np.int32(1), {"epoch": 1}),
        (torch.tensor(1), {"epoch": 1}),
        (True, {"epoch": 1}),
        ("1", {"epoch": 1}),
        (0.5, {"epoch (fraction)": 0.5}),
        (2**63, {"epoch (fraction)": float(2**63)}),
    ],
    ids=range(8),
)
def test_an_epoch_says_where_a_row_belongs(epoch, row, tmp_path):
    with recording(tmp_path) as graph:
        trilha.log(epoch=epoch, loss=0.5)
        trilha.log(epoch=epoch, loss=0.5)
    assert graph.metrics() == [row | {"loss": 0.5}] * 2
    assert len(graph.blocks) == 1


def test_an_epoch_that_is_no_number_is_counted(tmp_path):
    with recording(tmp_path) as graph:
        trilha.log(epoch=math.nan, loss=0.5)
        trilha.log(epoch=math.inf, loss=0.5)
    assert [row["loss"] for row in graph.metrics()] == [0.5, 0.5]


def test_the_order_of_the_names_does_not_matter(tmp_path):
    with recording(tmp_path) as graph:
        for _ in range(2):
            trilha.log(a=1, b=2, epoch=3)
            trilha.log(b=2, epoch=3, a=1)
            trilha.log(epoch=3, b=2, a=1)
    assert len(graph.blocks) == 1
    assert graph.metrics() == [{"a": 1.0, "b": 2.0, "epoch": 3}] * 6


def test_many_names_and_odd_ones(tmp_path):
    many = {f"name {number}": float(number) for number in range(300)}
    odd = {
        "": 1.0,
        "a b": 2.0,
        "größe\n": 3.0,
        '"': 4.0,
        "\ud800": 5.0,
        "time": 6.0,
        "metrics": 7.0,
        "recorder": 8.0,
    }
    with recording(tmp_path) as graph:
        trilha.log(**many)
        trilha.log(**many)
        for name, value in odd.items():
            trilha.log(**{name: value})
    rows = graph.metrics()
    assert rows[0] == rows[1] == many
    assert [value for row in rows[2:] for value in row.values()][:5] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert {"\\ud800": 5.0} in rows
    assert graph.dropped == 0


def test_each_step_has_its_own_series(tmp_path):
    with recording(tmp_path) as graph:
        trilha.log(loss=0.0)
        for number in range(3):
            with trilha.step(f"epoch {number}"):
                trilha.log(loss=1.0)
                trilha.log(loss=2.0)
    assert len(graph.blocks) == 4
    assert [graph.about[block.entity]["name"] for block in graph.blocks] == [["loss"]] * 4


def test_a_forked_process_tells_its_own_series(tmp_path):
    with recording(tmp_path) as graph:
        trilha.log(loss=1.0)
        child = os.fork()
        if not child:
            trilha.log(loss=2.0)
            os._exit(0)
        os.waitpid(child, 0)
        trilha.log(loss=3.0)
    assert sorted(block.number for block in graph.blocks)
    assert len(graph.blocks) == 2
    # Each journal defines the blocks that it has rows of.
    assert sorted(row["loss"] for row in graph.metrics()) == [1.0, 2.0, 3.0]


def test_rows_that_integrations_log_may_hold_anything_after_plain_ones(tmp_path):
    with recording(tmp_path) as graph:
        recorder = process.recorder
        for epoch, loss in ((1, 0.5), (2, 0.25), (2.5, 0.2), (3, 2**1100), (4, None), (5, "0.1"), (6, 1)):
            metrics.log(recorder, recorder.run, ("epoch", "loss"), (epoch, loss))
    rows = graph.metrics()
    assert [row for row in rows if "loss" in row] == [
        *({"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}),
        *({"epoch (fraction)": 2.5, "loss": 0.2}, {"epoch": 5, "loss": 0.1}, {"epoch": 6, "loss": 1.0}),
    ]
    assert graph.dropped == 1
