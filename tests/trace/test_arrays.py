"""NumPy's arrays: views share what is written, copies do not, elements come from their last write."""

import math
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.trace.arrays import Layout
from trilha.trace.asked import meant
from trilha.trace.slicing import backward, forward
from trilha.trace.traced import Traced


def lines(text, make, what="y", gaps=()):
    run = Run(text, make)
    assert run.error is None
    assert run.gaps == list(gaps)
    traced = Traced.of_log(run.chunks)
    return [line for _, line in backward(traced, meant([traced], what).evaluations).lines()]


IMPORT = "import numpy as np\n"
FIELDS = "a = np.zeros(2, [('u', float), ('v', float)])\nx = 7\n"
CASES = {
    "a write to a view": ("a = np.zeros(4)\nx = 3\nv = a[1:3]\nv[0] = x\ny = a[1]", [3, 5, 6]),
    "a write beside a view": ("a = np.zeros(4)\nx = 3\nv = a[1:3]\nv[0] = x\ny = a[2]", [2, 6]),
    "a write to the array, seen in a view": (
        "a = np.zeros(4)\nv = a[1:]\nx = 3\na[2] = x\ny = v[1]",
        [4, 5, 6],
    ),
    "transposed": ("a = np.zeros((2, 3))\nx = 3\nb = a.T\nb[2, 1] = x\ny = a[1][2]", [3, 5, 6]),
    "reshaped": ("a = np.zeros(6)\nx = 3\nb = a.reshape(2, 3)\na[4] = x\ny = b[1, 1]", [3, 5, 6]),
    "backwards": ("a = np.zeros(4)\nx = 3\nb = a[::-1]\nb[0] = x\ny = a[-1]", [3, 5, 6]),
    "a view of a view": ("a = np.zeros(6)\nx = 3\nb = a[1:]\nc = b[1:]\nc[0] = x\ny = a[2]", [3, 6, 7]),
    "flat": ("a = np.zeros((2, 2))\nx = 3\na.flat[1] = x\ny = a[0, 1]", [3, 4, 5]),
    "a copy": ("a = np.zeros(4)\nx = 3\nb = a.copy()\nb[0] = x\ny = a[0]", [2, 6]),
    "a copy by indices": ("a = np.zeros(4)\nx = 3\nb = a[[0, 1]]\na[0] = x\ny = b.sum()", [2, 4, 6]),
    "the whole of it": ("a = np.zeros(4)\nx = 3\na[0] = x\ny = a.sum()", [2, 3, 4, 5]),
    "a part of it": (
        "a = np.zeros(6)\nx = 3\nz = 4\na[5] = z\nv = a[:3]\na[1] = x\ny = v.sum()",
        [2, 3, 6, 7, 8],
    ),
    "what was there when the view was made": (
        "a = np.zeros(4)\nx = 3\na[1] = x\nv = a[:2]\ny = v.sum()",
        [2, 3, 4, 5, 6],
    ),
    "written over": ("a = np.zeros(4)\nx = 3\nz = 4\na[0] = x\na[:] = z\ny = a[0]", [4, 6, 7]),
    "a whole array written over": (
        "a = np.zeros(4)\nx = 3\nz = 4\na[0] = x\na[:] = z\ny = a.sum()",
        [2, 4, 6, 7],
    ),
    "in place": ("a = np.zeros(4)\nx = 3\nb = a\na += x\ny = b[0]", [2, 3, 5, 6]),
    "in place by a number": ("a = np.zeros(4)\nb = a\na += 1\ny = b[0]", [2, 4, 5]),
    "a part in place": ("a = np.zeros(4)\nx = 3\nv = a[1:]\na[2] += x\ny = v[1]", [2, 3, 5, 6]),
    "a mask": ("a = np.zeros(4)\nx = 3\na[a == 0] = x\ny = a[1]", [2, 3, 4, 5]),
    "out": ("a = np.ones(3)\nc = np.zeros(3)\nnp.add(a, 1, out=c)\ny = c[1]", [2, 3, 4, 5]),
    "out by its place": ("a = np.ones(3)\nc = np.zeros(3)\nnp.add(a, 1, c)\ny = c[1]", [2, 3, 4, 5]),
    "out of an operator": ("a = np.ones(3)\nc = a * 2\nnp.add(a, 1, out=c)\ny = c[1]", [2, 3, 4, 5]),
    "add.at": ("a = np.zeros(3)\nx = 7\nnp.add.at(a, [1], x)\ny = a[1]", [2, 3, 4, 5]),
    "fill": ("a = np.zeros(3)\nx = 7\nv = a[1:]\na.fill(x)\ny = v[0]", [2, 3, 5, 6]),
    "sort": ("a = np.zeros(3)\nx = 7\na[2] = x\na.sort()\ny = a[0]", [2, 3, 4, 5, 6]),
    "shuffle": (
        "a = np.zeros(3)\nx = 7\na[2] = x\nnp.random.default_rng(1).shuffle(a)\ny = a[0]",
        [2, 3, 4, 5, 6],
    ),
    "copyto": ("a = np.zeros(3)\nx = 7\nnp.copyto(a, x)\ny = a[0]", [2, 3, 4, 5]),
    "rows": ("a = np.zeros((2, 2))\nx = 7\na[1, 0] = x\nfor r in a:\n    y = r.sum()", [2, 3, 4, 5, 6]),
    "a row without": ("a = np.zeros((2, 2))\nx = 7\na[0, 0] = x\nfor r in a:\n    y = r.sum()", [2, 5, 6]),
    "an element of a loop": ("a = np.array([1, 2])\nfor y in a:\n    pass", [2, 3]),
    "another kind of number": (
        "a = np.zeros(2)\nx = 7\nb = a.view(np.int32)\na[0] = x\ny = b[1]",
        [2, 3, 4, 5, 6],
    ),
    "a shape that changes": (
        "a = np.zeros(4)\nx = 7\na.shape = 2, 2\na[1, 0] = x\ny = a[1, 0]",
        [2, 3, 4, 5, 6],
    ),
    "a kind of array of the program's own": (
        "class M(np.ndarray): pass\na = np.zeros((1, 2)).view(M)\nx = 7\nv = a[0]\nv[1] = x\ny = a[0, 1]",
        [4, 6, 7],
    ),
    "another array, as a whole": (
        "a = np.zeros(2)\nx = 7\na[0] = x\nb = np.zeros(2)\nb[:] = a\ny = b[0]",
        [2, 3, 4, 6, 7],
    ),
    "a row that becomes another array": (
        "a = np.zeros(2)\nx = 7\na[0] = x\nb = np.zeros((2, 2))\nb[1] = a\ny = b[1, 0]",
        [2, 3, 4, 6, 7],
    ),
    "a loop over all elements": (
        "a = np.zeros((2, 2))\nx = 7\na[1, 1] = x\nfor y in a.flat:\n    pass",
        [3, 4, 5],
    ),
    "all elements of a part that is not in one piece": (
        "a = np.zeros((2, 2))\nx = 7\na[1, 0] = x\nfor y in a[:, 0].flat:\n    pass",
        [2, 3, 4, 5],
    ),
    "partition": (
        "a = np.zeros(2)\nx = 7\na[0] = x\nv = a[:1]\na.partition(1)\ny = v[0]",
        [2, 3, 4, 5, 6, 7],
    ),
    "by the name of the operator's method": (
        "a = np.zeros(2)\nx = 7\na[0] = 1\na.__setitem__(0, x)\ny = a[0]",
        [2, 3, 4, 5, 6],
    ),
    "by what gives its memory": (
        "a = np.zeros(2)\nx = 7\nb = np.frombuffer(a.data)\na[0] = x\ny = b[0]",
        [3, 5, 6],
    ),
    "a field of a row": (f"{FIELDS}a[0]['v'] = x\ny = a['v'][0]", [2, 3, 4, 5]),
    "a field of a row that has a name": (f"{FIELDS}r = a[0]\nr['v'] = x\ny = a['v'][0]", [2, 3, 5, 6]),
    "a field of each row": (f"{FIELDS}for r in a:\n    r['v'] = x\ny = a['v'][1]", [2, 3, 5, 6]),
    "a row of fields": (f"{FIELDS}a[1] = (0, x)\ny = a['v'][1]", [2, 3, 4, 5]),
    "a row of fields, by the row": (f"{FIELDS}a[1] = (0, x)\na[0] = (x, 0)\ny = a[1]['v']", [3, 4, 6]),
    "a row that was looked at before": (f"{FIELDS}r = a[0]\na['v'] = [x, 0]\ny = r['v']", [2, 3, 4, 5, 6]),
    "windows over an array": (
        "a = np.zeros(4)\nx = 7\nv = np.lib.stride_tricks.as_strided(a, (2, 2))\na[2] = x\ny = v.max()",
        [2, 3, 4, 5, 6],
    ),
    "sliding windows over an array": (
        "a = np.zeros(4)\nx = 7\nv = np.lib.stride_tricks.sliding_window_view(a, 2)\na[2] = x\ny = v[1, 1]",
        [3, 5, 6],
    ),
    "elements that are gone through": (
        "a = np.zeros(2)\nx = 7\nfor e in np.nditer(a, [], ['readwrite']):\n    e[...] = x\ny = a.sum()",
        [2, 3, 5, 6],
    ),
    "what lends its memory": (
        "b = bytearray(4)\nx = 7\na = np.frombuffer(b, np.uint8)\nb[1] = x\ny = a.sum()",
        [2, 3, 4, 5, 6],
    ),
    "what lends its memory, written through": (
        "b = bytearray(4)\nx = 7\na = np.frombuffer(b, np.uint8)\na[1] = x\ny = b[1]",
        [2, 3, 5, 6],
    ),
    "resized and written": (
        "a = np.zeros(2)\nx = 7\na.resize(3)\na[2] = x\ny = a.sum()",
        [2, 3, 4, 5, 6],
    ),
    "numbers in the place of others": (
        "a = np.zeros(2)\nx = 7\na[0] = np.nan\nnp.nan_to_num(a, copy=False, nan=x)\ny = a.sum()",
        [2, 3, 4, 5, 6],
    ),
    "numbers in the place of others, in another array": (
        "a = np.zeros(2)\nx = 7\nb = np.nan_to_num(a, nan=x)\ny = a.sum()",
        [2, 5],
    ),
    "an array of objects": (
        "a = np.array([None, None])\nx = [7]\na[0] = x\nx.append(8)\ny = a[0][1]",
        [5, 6],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_an_element_comes_from_these_lines(case, trail):
    text, expected = CASES[case]
    assert lines(IMPORT + text, trail) == expected


TENSORS = """import torch
n = np.zeros(3)
t = torch.from_numpy(n)
m = t.numpy()
x = 7
n[0] = x
a = t.sum().item()
y = 8
t[1] = y
b = n.sum()
z = 9
m[2] = z
c = t[2].item()
t.fill_(4)
d = m[1]
w = 2
np.asarray(t)[2] = w
e = t.sum().item()
"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", [3, 4, 6, 7, 8]),
        ("b", [3, 6, 7, 9, 10, 11]),
        ("c", [3, 4, 6, 7, 12, 13, 14]),
        ("d", [3, 4, 5, 6, 7, 9, 10, 12, 13, 15, 16]),
        ("e", [3, 4, 6, 7, 9, 10, 12, 13, 15, 17, 18, 19]),
    ],
)
def test_tensors_and_arrays_in_the_same_memory_have_what_is_written_to_either(value, expected, trail):
    pytest.importorskip("torch")
    run = Run(IMPORT + TENSORS, trail)
    assert not run.gaps
    traced = Traced.of_log(run.chunks)
    assert [line for _, line in backward(traced, meant([traced], value).evaluations).lines()] == expected


def test_what_an_unknown_function_does_to_an_array_is_said_not_to_be_known():
    text = IMPORT + "import textwrap\na = np.zeros(2)\nb = np.sin(a) + a.sum()\ntextwrap.TextWrapper(a)"
    assert Run(text).gaps == ["what textwrap.TextWrapper does to a data structure it is given is not known"]


def test_what_came_of_a_number_that_was_written_through_a_view():
    text = IMPORT + "a = np.zeros(4)\nx = 3\nv = a[1:3]\nv[0] = x\ny = a.sum()\nz = a[0]\n"
    run = Run(text, Trail)
    traced = Traced.of_log(run.chunks)
    assert [line for _, line in forward(traced, meant([traced], "x").evaluations).lines()] == [3, 5, 6]


class TestLayouts:
    """Which elements a key means is what NumPy says."""

    SHAPES: ClassVar = [(6,), (24,), (2, 3), (3, 4, 2), (4, 1, 3), (0,), (2, 0)]

    @staticmethod
    def layout(array, root):
        def address(one):
            return one.__array_interface__["data"][0]

        return Layout(address(array) - address(root), array.itemsize, array.shape, array.strides)

    @staticmethod
    def places(layout):
        return sorted(one // 8 for one in layout.offsets())

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_a_key_means_the_elements_that_numpy_gives(self, data):
        shape = data.draw(st.sampled_from(self.SHAPES))
        root = np.arange(math.prod(shape))
        array = data.draw(
            st.sampled_from([root.reshape(shape), root.reshape(shape).T, root.reshape(shape)[::-1]])
        )
        bounds = st.one_of(st.none(), st.integers(-7, 7))
        part = st.one_of(
            st.integers(-4, 4),
            st.just(...),
            st.builds(slice, bounds, bounds, st.sampled_from([None, 1, 2, -1, -2])),
        )
        key = data.draw(st.one_of(part, st.lists(part, min_size=1, max_size=3).map(tuple)))
        try:
            expected = array[key]
        except IndexError:
            return
        words = str(key) if isinstance(key, int) else Trail(None)._key_text(key)
        found = self.layout(array, root).part(words)
        assert self.places(found) == sorted(np.atleast_1d(expected).ravel().tolist())
        other = self.layout(array[::2], root)
        shared = set(self.places(found)) & set(self.places(other))
        assert found.overlaps(other) == bool(shared)
        assert not other.covers(found) or set(self.places(found)) <= set(self.places(other))
        for number in range(len(root)):
            index = self.layout(array, root).indices(number * 8)
            assert array[index] == number
            assert found.holds(number * 8) == (number in self.places(found))

    @pytest.mark.parametrize("key", [None, "'a'", "?, 1", "1:x", "0, 0, 0, 0"])
    def test_a_key_that_does_not_tell_means_none(self, key):
        assert self.layout(np.zeros((2, 3)), np.zeros(1)).part(key) is None
