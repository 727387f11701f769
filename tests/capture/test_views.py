"""Slices of arrays are known as the rows of the array that they were taken from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.capture.graph import Graph, T, recording

import trilha
from trilha.capture.identity import Objects
from trilha.capture.learning.indices import fingerprint
from trilha.capture.views import view_of
from trilha.prov import Kind


@trilha.step
def make() -> Any:
    return np.arange(60.0).reshape(20, 3).copy()


@trilha.step
def train(data: Any) -> float:
    return float(data.sum())


def parts(graph: Graph) -> dict[Any, Any]:
    """The facts of each part by its name."""
    return {facts["part"][0]: facts for facts in graph.about.values() if T + "Subset" in facts["type"]}


def test_rows_of_a_known_array_are_a_part_of_it(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        whole = make()
        train(whole[5:])
    [(name, facts)] = parts(graph).items()
    assert (name, facts["length"], facts["fingerprint"]) == (
        "rows 5 to 19",
        [15],
        [fingerprint(range(5, 20))],
    )
    assert ("data", "make()") in graph.derivations()


def test_rows_of_an_array_that_was_not_met_make_it_known(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        whole = np.arange(60.0).reshape(20, 3).copy()
        train(whole[:5])
        train(whole[5:])
    assert set(parts(graph)) == {"rows 0 to 4", "rows 5 to 19"}
    assert graph.labels().count("the whole array") == 1
    assert graph.derivations().count(("data", "the whole array")) == 2


@pytest.mark.parametrize(
    ("take", "rows"),
    [
        (lambda x: x[3:7], range(3, 7)),
        (lambda x: x[::2], range(0, 20, 2)),
        (lambda x: x[::-1], range(19, -1, -1)),
        (lambda x: x[2:][1:4], range(3, 6)),
        (lambda x: x[4:5], range(4, 5)),
    ],
    ids=["some", "every second", "backwards", "a view of a view", "one"],
)
def test_the_rows_of_a_view_are_exact(take: Any, rows: range) -> None:
    objects, whole = Objects(), np.arange(60.0).reshape(20, 3).copy()
    objects.put(whole, 1)
    view = view_of(objects, take(whole))
    assert view is not None
    assert view.whole is whole
    assert view.rows is not None
    assert list(view.rows) == list(rows)
    assert np.array_equal(take(whole), whole[list(rows)])


@pytest.mark.parametrize(
    "take",
    [lambda x: x[:, :2], lambda x: x.T, lambda x: x.ravel(), lambda x: x[0]],
    ids=["columns", "turned", "flat", "one row"],
)
def test_a_view_of_other_than_whole_rows_is_derived_and_no_part(tmp_path: Path, take: Any) -> None:
    with recording(tmp_path) as graph:
        whole = make()
        train(take(whole))
    assert ("data", "make()") in graph.derivations()
    assert not parts(graph)


@pytest.mark.parametrize(
    "take",
    [lambda x: x[[1, 2]], lambda x: x[:5].copy(), lambda x: x / 2],
    ids=["chosen", "copied", "computed"],
)
def test_nothing_is_said_of_a_copy(tmp_path: Path, take: Any) -> None:
    with recording(tmp_path) as graph:
        whole = make()
        train(take(whole))
    assert ("data", "make()") not in graph.derivations()
    assert not parts(graph)


def test_rows_of_tensors_and_of_arrays_that_became_tensors_are_parts_too(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        whole = make()
        tensor = torch.from_numpy(whole)
        train(tensor[:4])
        other = torch.zeros(10, 2)
        train(other[6:])
    assert set(parts(graph)) == {"rows 0 to 3", "rows 6 to 9"}
    assert ("data", "make()") in graph.derivations()


def test_what_was_shuffled_in_place_between_two_slices_is_another_whole(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        whole = make()
        train(whole[:5])
        whole[:] = whole[::-1].copy()
        train(whole[5:])
    wholes = {record[3] for record in graph.of(Kind.DERIVATION) if graph.label(record[2]) == "data"}
    assert len(wholes) == 2


def test_only_the_first_views_of_a_run_are_looked_at() -> None:
    objects, whole = Objects(), np.zeros((1000, 3))
    objects.put(whole, 1)
    assert sum(view_of(objects, whole[place : place + 2]) is not None for place in range(900)) == 256
