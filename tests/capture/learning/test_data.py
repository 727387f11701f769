"""Splits and transformations: what went in, what came out, and in which order."""

import numpy as np
from tests.capture.graph import recording

from trilha.capture.context import process
from trilha.capture.learning.data import split, transformation
from trilha.capture.learning.indices import fingerprint


def test_a_split_generates_its_parts_out_of_the_whole(tmp_path):
    with recording(tmp_path) as graph:
        whole = np.arange(4)
        subsets = [("train", whole[:3].copy(), 3, [0, 1, 2]), ("test", whole[3:].copy(), 1, None)]
        split(process.recorder, [whole], subsets, {"test_size": 0.25, "seed": 7}, "random_split")
    assert graph.one("random_split")["arg.seed"] == [7]
    assert graph.generations()[1:] == [("train", "random_split"), ("test", "random_split")]
    assert graph.one("train")["fingerprint"] == [fingerprint([0, 1, 2])]
    assert "fingerprint" not in graph.one("test", "Subset")
    assert len(graph.derivations()) == 2


def double(values):
    return values * 2


def test_transformations_follow_each_other_and_a_function_is_its_plan(tmp_path):
    with recording(tmp_path) as graph:
        raw = np.arange(4)
        once = double(raw)
        transformation(process.recorder, "double", [raw], [once], order=1, by=double)
        once += 1
        transformation(process.recorder, "add", [once], [once], order=2, settings={"by": 1})
    assert graph.derivations() == [("after double", graph.usages()[0][1]), ("after add", "after double")]
    assert graph.one("double", "Transformation")["class"] == ["tests.capture.learning.test_data.double"]
    assert any("return values * 2" in str(facts["source"]) for facts in graph.about.values())
