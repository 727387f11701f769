"""Which samples a part has: a fingerprint of their order, and a bit for each."""

import base64
import zlib
from array import array
from hashlib import sha256

import numpy as np
import torch

from trilha.capture.learning.indices import fingerprint, membership


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
