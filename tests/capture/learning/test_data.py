"""Splits and transformations: what went in, what came out, and in which order."""

import base64
import zlib
from array import array
from hashlib import sha256

import numpy as np
import torch
from tests.capture.graph import recording

from trilha.capture.context import process
from trilha.capture.learning.data import fingerprint, membership, split, transformation


def test_indices_have_one_fingerprint_whatever_holds_them():
    expected = sha256(array("q", [3, 1, 2]).tobytes()).hexdigest()
    for indices in (
        [3, 1, 2],
        (3, 1, 2),
        np.array([3, 1, 2], "i4"),
        np.array([3.0, 1, 2]),
        torch.tensor([3, 1, 2]),
    ):
        assert fingerprint(indices) == expected
    assert fingerprint(range(3)) == fingerprint([0, 1, 2]) != fingerprint([0, 2, 1])


def test_the_records_of_a_part_are_a_bit_each():
    for indices in ([3, 1, 9], np.array([9, 3, 1], "i4"), torch.tensor([1, 3, 9])):
        assert zlib.decompress(base64.b64decode(membership(indices))) == bytes([0b1010, 0b10])
    assert membership([]) is membership([-1]) is membership([1 << 17]) is None
    assert membership(range(1 << 17)) is not None


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
