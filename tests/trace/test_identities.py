"""Objects are followed by their identity, also those that have no weak references, or came in a tuple."""

import pytest
from tests.trace.test_arrays import lines

PUT = "def put(one):\n    one.b = k\nput(n)\n"
SPACE = "from types import SimpleNamespace\n"
PAIR = "import configparser, copy\nk = 'x'\none = configparser.ConfigParser\n"
CASES = {
    "bytes that change": (
        "b = bytearray(3)\nk = 7\ndef put(one):\n    one[1] = k\nput(b)\ny = b[1]",
        [2, 4, 6],
    ),
    "a namespace's attribute": (f"{SPACE}n = SimpleNamespace(a=1)\nk = 7\n{PUT}y = vars(n)['b']", [3, 5, 7]),
    "a namespace as a whole": (
        f"{SPACE}j = 7\nn = SimpleNamespace(a=j)\no = n\no.b = 8\ny = str(n)",
        [1, 2, 3, 5, 6],
    ),
    "a namespace of a class of the program's own": (
        f"{SPACE}class Own(SimpleNamespace): pass\nk = 7\nn = Own()\nn.b = k\ny = n.b",
        [3, 5, 6],
    ),
    "the first of two that a library gave": (
        f"{PAIR}a, b = copy.copy((one(), one()))\na.add_section(k)\nb.add_section('z')\ny = str(a)",
        [2, 3, 4, 5, 7],
    ),
    "the second, in a function": (
        f"{PAIR}def f():\n  a, b = copy.copy((one(), one()))\n  b.add_section(k)\n  return str(b)\ny = f()",
        [2, 3, 4, 5, 6, 7, 8],
    ),
    "the rest": (
        "from os.path import splitdrive as f\nk = 7\na, *r = f('z')\nr.append(k)\ny = r[-1]",
        [2, 4, 5],
    ),
    "an iterator of two": (
        "import itertools\na, b = itertools.tee('abc')\nnext(a)\nnext(b)\ny = next(b)",
        [2, 4, 5],
    ),
    "what cannot be taken apart": (
        "try:\n    a, b = map(int, '1 2 3'.split())\nexcept ValueError:\n    y = 5",
        [4],
    ),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_value_comes_from_what_was_done_to_the_object(case, trail):
    text, expected = CASES[case]
    assert lines(text, trail) == expected
