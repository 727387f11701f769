"""What a value came from, what came of it, and programs that give it again."""

import contextlib
import io
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.trace import test_replay
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.errors import NotFound
from trilha.trace.asked import meant
from trilha.trace.histories import elsewhere, history
from trilha.trace.programs import program
from trilha.trace.slicing import backward, forward
from trilha.trace.traced import Traced


def traced(text):
    run = Run(text, Trail)
    assert not run.gaps
    return Traced.of_log(run.chunks)


def lines(told):
    return [line for _, line in told.lines()]


def texts(told):
    return [told.traced.component(number).text for number in told.inputs()]


def test_an_element_comes_from_the_two_elements_that_it_was_added_from():
    trace = traced(test_replay.PAPER)
    found = meant([trace], "result[0][2]")
    told = backward(trace, found.evaluations)
    assert lines(told) == [3, 4, 15, 17, 18]
    # result[0][1] and result[1][2], as the paper says (its section 4).
    assert [(trace.component(one).line, trace.component(one).text) for one in told.inputs()] == [
        (3, "1"),
        (4, "2"),
    ]


def test_guards_and_places_are_followed_on_request():
    trace = traced("a = [1, 2]\nc = True\ni = 1\nif c:\n    y = a[i]\n")
    found = meant([trace], "y").evaluations
    assert lines(backward(trace, found)) == [1, 5]
    assert lines(backward(trace, found, places=True)) == [1, 3, 5]
    assert lines(backward(trace, found, guards=True)) == [1, 2, 5]


PLACED = Path(__file__).with_name("places.txt").read_text("utf-8").split("### ")[1:]


@pytest.mark.parametrize("program", PLACED, ids=lambda one: one.partition(":")[0])
def test_how_an_element_was_found(program):
    title, _, text = program.partition("\n")
    placed, _, others = title.rpartition(": ")[2].partition(";")
    trace = traced(text)
    found = meant([trace], "x")
    with_places = backward(trace, found.evaluations, places=True, until=found.until)
    assert {int(one) for one in placed.split()} <= set(lines(with_places))
    assert not {int(one) for one in others.split()} & set(lines(with_places))
    without = backward(trace, found.evaluations, until=found.until)
    assert set(without.evaluations) <= set(with_places.evaluations)
    assert {end for link in with_places.links for end in link[:2]} <= set(with_places.evaluations)


GROWING = {
    "a dict that is asked for its keys": """\
counts = {}
for number in range(ROUNDS):
    if number not in counts:
        counts[number] = number
x = sum(counts.values())
""",
    "a list of lists that is counted": """\
rows = []
x = 0
for number in range(ROUNDS):
    rows.append([number])
    x = x + len(rows)
""",
    "a list that is gone along": """\
chain = None
for number in range(ROUNDS):
    chain = [number, chain]
x = 0
while chain is not None:
    x = x + chain[0]
    chain = chain[1]
""",
}


@pytest.mark.parametrize("way", [backward, forward])
@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
def test_a_slice_asks_in_proportion_to_the_trace(text, way):
    asked = []
    for rounds in (30, 120):
        trace = traced(text.replace("ROUNDS", str(rounds)))
        start = meant([trace], "x").evaluations if way is backward else list(trace)[:1]
        calls = Counter()
        sys.setprofile(lambda _frame, event, _told, calls=calls: calls.update([event]))
        try:
            way(trace, start, places=True, guards=True)
        finally:
            sys.setprofile(None)
        asked.append(calls["call"] + calls["c_call"])
    assert asked[1] < 6 * asked[0]  # Four times as much, and something for looking things up.


GUARDED = Path(__file__).with_name("guards.txt").read_text("utf-8").split("### ")[1:]


@pytest.mark.parametrize("program", GUARDED, ids=lambda one: one.partition(":")[0])
def test_what_decided_about_a_value(program):
    title, _, text = program.partition("\n")
    decided, _, others = title.rpartition(": ")[2].partition(";")
    trace = traced(text)
    found = meant([trace], "x")
    with_guards = lines(backward(trace, found.evaluations, guards=True, until=found.until))
    assert {int(one) for one in decided.split()} <= set(with_guards)
    assert not {int(one) for one in others.split()} & set(with_guards)
    without = lines(backward(trace, found.evaluations, until=found.until))
    assert set(without) <= set(with_guards)


def test_what_came_of_a_value():
    trace = traced("a = 1\nb = 2\nc = a + b\nd = [c, b]\ne = d[0]\nf = d[1]\n")
    assert lines(forward(trace, meant([trace], "a").evaluations)) == [1, 3, 4, 5]
    assert lines(forward(trace, meant([trace], "b").evaluations)) == [2, 3, 4, 5, 6]


def test_forward_and_backward_are_each_other_s_converse():
    trace = traced(test_replay.PAPER)
    everything = list(trace)
    behind = {one: set(backward(trace, [one]).evaluations) for one in everything}
    for one in everything[::7]:
        assert set(forward(trace, [one]).evaluations) == {two for two in everything if one in behind[two]}


@pytest.mark.parametrize(
    ("what", "line", "times"),
    [
        ("s", 3, 4),
        ("s@1", 1, 1),
        ("s@script.py:3", 3, 3),
        ("n * 2", 3, 3),
        ("3", 3, 3),
        ("script.py:3", 3, 3),
    ],
)
def test_what_is_meant(what, line, times):
    trace = traced("s = 0\nfor n in [1, 2, 3]:\n    s = s + n * 2\n")
    found = meant([trace], what)
    assert found.component.line == line
    assert found.times % times == 0


def test_a_line_means_what_it_evaluated_the_last_time():
    trace = traced("s = 0\nfor n in [1, 2, 3]:\n    s = s + n\n")
    found = meant([trace], "3")
    assert len(found.evaluations) == 2
    assert found.times == 6


@pytest.mark.parametrize("what", ["total", "s@2", "99", "other.py:1", "s +", ""])
def test_what_was_not_evaluated_is_not_found(what):
    trace = traced("s = 0\ntotals = 1\n")
    with pytest.raises(NotFound, match="expected a name"):
        meant([trace], what)
    if what == "total":
        with pytest.raises(NotFound, match="'totals'"):
            meant([trace], what)


def test_that_something_is_not_traced_is_told_where_what_is_asked_for_is_not_found():
    run = Run("x = eval('1')\ncode = compile('y = 2', 'it', 'exec')\nexec(code)\n", Trail)
    with pytest.raises(NotFound, match=r"Not traced is: .*:3: what exec .* \(and 1 more\)\."):
        meant([Traced.of_log(run.chunks)], "y")


def test_the_history_of_a_variable_has_its_bindings_and_the_changes_of_its_thing():
    trace = traced("a = [1]\nb = a\nb.append(2)\na[0] = 3\na = 5\nb.append(4)\n")
    assert [trace.component(one).line for one in history(trace, "a")] == [1, 3, 4, 5]
    assert [trace.component(one).line for one in history(trace, "b")] == [2, 3, 4, 6]
    assert [trace.component(one).line for one in history(trace, "a[0]")] == [1, 4]
    paper = traced(test_replay.PAPER)
    assert [paper.component(one).line for one in history(paper, "result")] == [2, 17, 17, 17]


SEVERAL = """\
def f(rows):
    rows.append(1)
    total = len(rows)
    return total
rows = []
total = f(rows)
f([2])
rows.append(3)
def g():
    rows = [1]
    def h():
        nonlocal rows
        rows = [n for n in rows]
    h()
    rows.append(4)
g()
"""


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("total", [6]),
        ("total@3", [3, 3]),
        ("f:total", [3, 3]),
        # The changes of the list, by whatever name; that of the other call is another.
        ("rows", [5, 2, 8]),
        ("rows@5", [5, 2, 8]),
        ("f:rows", [1, 2, 1, 2, 8]),
        ("g:rows", [10, 13, 15]),
        ("rows@13", [10, 13, 15]),
        ("g.h:n", [13]),
        ("n", [13]),
        ("rows[1]", [8]),
        ("f:n", None),
        ("f(rows)", None),
        ("6", None),
    ],
)
def test_the_history_is_that_of_one_variable_as_far_as_it_is_said_which(what, changed):
    trace = traced(SEVERAL)
    if changed is None:
        with pytest.raises(NotFound, match="FUNCTION:"):
            history(trace, what)
    else:
        assert [trace.component(one).line for one in history(trace, what)] == changed


def test_other_functions_with_a_variable_of_that_name_are_told():
    trace = traced(SEVERAL)
    assert elsewhere(trace, "rows") == ["f", "g"]
    assert elsewhere(trace, "total") == ["f"]
    assert elsewhere(trace, "f:total") == elsewhere(trace, "total@3") == elsewhere(trace, "n") == []


def test_a_value_is_asked_for_by_its_function():
    trace = traced(SEVERAL)
    assert meant([trace], "f:total").component.line == 3
    assert meant([trace], "g:rows").component.line == 13
    assert meant([trace], "f:len(rows)").component.line == 3
    with pytest.raises(NotFound, match="expected a name"):
        meant([trace], "g:total")


def test_the_history_of_a_part_has_what_was_there_from_the_beginning():
    trace = traced(
        "d = {'a': {'b': 1}}\nd['a']['b'] = 2\ne = d['a']\ne['b'] = 3\nd['a'] = {}\nd['a']['c'] = 1\n"
    )
    assert [trace.component(one).line for one in history(trace, "d['a']")] == [1, 2, 4, 5, 6]
    assert [trace.component(one).line for one in history(trace, "d['a']['c']")] == [6]
    trace = traced("class A: pass\ndef f(x):\n    x.n = 2\na = A()\nf(a)\na.n += 1\n")
    assert [trace.component(one).line for one in history(trace, "a.n")] == [3, 6]


@pytest.mark.parametrize(
    ("text", "what", "changed"),
    [
        ("d = {'a': 1}\nd['k'] = 2\ndel d['k']\nd['b'] = 3\n", "d['k']", [2, 3]),
        ("d = {'k': 1}\nd.pop('k')\n", "d['k']", [1, 2]),
        ("d = {'k': 1}\nd.update(dict.fromkeys('kl'))\n", "d['k']", [1, 2]),
        ("l = [1, 2]\nl[-1] = 8\nl[0] = 3\n", "l[-1]", [1, 2]),
        ("l = [1, 2]\nl.append(3)\nl.pop()\nl.insert(1, 4)\nl.pop(0)\n", "l[0]", [1, 5]),
        ("l = [1, 2]\nl.insert(0, 4)\n", "l[1]", [1, 2]),
        ("l = [[1], 2]\nl.insert(0, 4)\nl[1].append(3)\n", "l[1]", [1, 2, 3]),
        ("l = [2, 1]\nl.sort()\nl[1] = 5\n", "l[0]", [1, 2]),
        ("l = [2, 1]\nl[:] = [3]\nl[1:] = [4, 5]\n", "l[0]", [1, 2]),
        ("d = {}\nd[(1, 2)] = 3\nd[None] = 4\nd[(1, 2)] = 5\n", "d[1, 2]", [2, 4]),
        ("class A: pass\na = A()\na.x = 1\ndel a.x\n", "a.x", [3, 4]),
    ],
)
def test_the_history_of_a_part_has_what_took_it_out_or_moved_it(text, what, changed):
    trace = traced(text)
    assert [trace.component(one).line for one in history(trace, what)] == changed


def test_a_part_that_was_never_there_has_no_history():
    trace = traced("d = {'k': 1}\nd.clear()\nl = [1]\nl.pop(0)\n")
    for what in ("d['z']", "l[7]", "d['z']['k']", "x.y"):
        with pytest.raises(NotFound):
            history(trace, what)


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("l = [1,\n2]\nl.insert(0, 9)\nl.pop()\n", "l[0]", 3),
        ("l = [1,\n2]\nl.insert(0, 9)\nl.pop()\n", "l[-1]", 1),
        ("l = [1,\n2]\ndel l[0]\n", "l[0]", 2),
        ("l = [1,\n2]\nl.clear()\nl.append(5)\n", "l[0]", 4),
        ("from collections import deque\nq = deque([1, 2])\nq.appendleft(7)\n", "q[0]", 3),
        ("d = {}\nd[1.5] = 3\nd[None] = 4\n", "d[1.5]", 2),
        ("l = [[0], [1]]\nl.insert(1, [2,\n3])\n", "l[1][-1]", 3),
    ],
)
def test_a_part_is_found_where_others_were_put_in_or_taken_out_before_it(text, what, line):
    assert meant([traced(text)], what).component.line == line


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("l = [1, 2]\nl.insert(0, 9)\nl.pop()\n", "l[2]"),
        ("l = [1, 2]\nl.insert(0, 9)\nl.sort()\n", "l[-4]"),
        ("import random\nl = [1, 2]\nl.insert(0, 9)\nl.pop(random.choice([0]))\nl.insert(3, 4)\n", "l[-9]"),
        ("d = {0: 5}\n", "d[-1]"),
        ("d = {'k': 5}\ndel d['k']\n", "d['k']"),
        ("l = [1, *[2]]\n", "l[-3]"),
    ],
)
def test_a_part_that_is_not_there_is_not_found(text, what):
    with pytest.raises(NotFound):
        meant([traced(text)], what)


def test_the_history_has_what_was_done_deep_in_it_and_to_what_a_library_holds():
    trace = traced("import json\nc = json.loads('{\"a\": {}}')\nc['a']['b'] = 3\nd = c['a']\n")
    assert [trace.component(one).line for one in history(trace, "c")] == [2, 3]
    trace = traced("import io\nw = io.StringIO()\nw.write('a')\nw = io.StringIO()\nw.write('b')\n")
    assert [trace.component(one).line for one in history(trace, "w")] == [2, 3, 4, 5]


def test_the_call_that_put_an_element_in_belongs_to_what_it_came_from():
    trace = traced("l = [7]\nx = 5\nl.append(x)\nl.append(6)\ny = l[1]\n")
    assert lines(backward(trace, meant([trace], "y").evaluations)) == [2, 3, 5]
    assert lines(forward(trace, meant([trace], "x").evaluations)) == [2, 3, 5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p = []\ndef f(a):\n    p.append(a)\nf(1)\np.reverse()\nx = str(p)\n", [1, 2, 3, 4, 5, 6]),
        ("p = []\ndef f(a):\n    p.append(a)\nf(1)\np.reverse()\nx = p[0]\n", [2, 3, 4, 5, 6]),
        ("import json\nc = json.loads('{\"a\": {}}')\ne = c['a']\ne['b'] = 3\nx = str(c)\n", [2, 4, 5]),
        (
            "import json\nc = json.loads('{\"a\": 1}')\nc['b'] = 3\ns = str(c)\nx = s + str(c['a'])\n",
            [2, 3, 4, 5],
        ),
        (
            "import copy\nc = copy.deepcopy({'a': {'b': {}}})\nc['a']['b']['c'] = 3\nx = str(c)\n",
            [2, 3, 4],
        ),
    ],
)
def test_what_was_moved_or_is_in_what_a_library_made_comes_from_what_put_it_there(text, expected):
    trace = traced(text)
    assert lines(backward(trace, meant([trace], "x").evaluations)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import io\nw = io.StringIO()\nw.write('a')\nprint('b', file=w)\nx = w.getvalue()\n", [2, 3, 4, 5]),
        ("import io\nw = io.StringIO()\nn = w.write('a')\nx = n\nw.write('b')\n", [2, 3, 4]),
        ("import io\nw = io.StringIO()\nv = io.StringIO()\nv.write('v')\nx = w.getvalue()\n", [2, 5]),
        (
            "import csv, io\nw = io.StringIO()\nc = csv.writer(w)\nc.writerow(['a'])\nx = w.getvalue()\n",
            [2, 3, 4, 5],
        ),
        (
            (
                "import argparse\np = argparse.ArgumentParser()\ng = p.add_argument_group('g')\n"
                "g.add_argument('--a', default=3)\nn = p.parse_args([])\nx = n.a\n"
            ),
            [2, 3, 4, 5, 6],
        ),
        (
            (
                "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t (a)')\n"
                "c.execute('insert into t values (?)', (5,))\nx = c.execute('select a from t').fetchone()\n"
                "c.close()\n"
            ),
            [2, 3, 4, 5],
        ),
        ("import re\np = re.compile('a')\np.match('b')\nx = p.match('a')[0]\n", [2, 4]),
        ("import io\nl = []\nw = io.StringIO()\nl.append(w)\nx = w.getvalue()\n", [3, 5]),
        ("it = iter([7,\n  8])\nnext(it)\nx = next(it)\n", [2, 4]),
        ("import random\nrandom.seed(3)\nrandom.seed(4)\nx = random.random()\nrandom.seed(5)\n", [3, 4]),
        ("import random\nrandom.seed(4)\nr = random.Random(3)\nx = r.random()\n", [3, 4]),
        ("import collections\nc = collections.Counter('aab')\nc.subtract(a=1)\nx = dict(c)\n", [2, 3, 4]),
    ],
)
def test_a_value_of_a_library_s_object_comes_from_the_statements_that_did_something_to_it(text, expected):
    trace = traced(text)
    told = backward(trace, meant([trace], "x").evaluations)
    assert lines(told) == expected


def test_what_a_state_of_random_numbers_was_set_to_went_into_those_that_came_of_it():
    trace = traced(
        "import random\na = 3\nx = random.random()\nrandom.seed(a)\ny = random.random()\n"
        "random.seed(4)\nz = random.random()\n"
    )
    assert lines(forward(trace, meant([trace], "a").evaluations)) == [2, 4, 5]


def test_what_was_put_into_a_library_s_object_went_into_what_that_gave():
    trace = traced(
        "import io\na = 'a'\nw = io.StringIO()\nx = w.getvalue()\nw.write(a)\ny = w.getvalue()\nv = a\n"
    )
    assert lines(forward(trace, meant([trace], "a").evaluations)) == [2, 5, 6, 7]
    trace = traced("import json\na = 3\nc = json.loads('{\"a\": {}}')\nc['a']['b'] = a\nx = str(c)\ny = c\n")
    assert lines(forward(trace, meant([trace], "a").evaluations)) == [2, 4, 5]


ENUMERATED = """\
import enum
class Own:
    other = 0
class Color(enum.Enum):
    RED = 1
    BLUE = 2
x = [one.value for one in Color]
y = Own()
z = y.other
"""
DATA = """\
import dataclasses
@dataclasses.dataclass
class Whole:
    count: int = 1
@dataclasses.dataclass
class Part(Whole):
    weight: float = 1.5
p = Part()
x = repr(p)
"""


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [(ENUMERATED, "x", [4, 5, 6, 7]), (ENUMERATED, "z", [3, 9]), (DATA, "x", [4, 6, 7, 8, 9])],
)
def test_what_libraries_make_of_a_class_comes_from_what_its_body_bound(text, name, expected):
    trace = traced(text)
    assert lines(backward(trace, meant([trace], name).evaluations)) == expected


def test_what_the_body_of_a_class_binds_goes_into_what_a_library_makes_of_it():
    trace = traced("import enum\na = 3\nclass C(enum.Enum):\n    M = a\nx = list(C)\ny = 5\n")
    assert lines(forward(trace, meant([trace], "a").evaluations)) == [2, 3, 4, 5]


def test_a_function_that_a_decorator_of_a_library_is_given_needs_no_evaluation_before_it_is_bound():
    text = (
        "import functools\ndef noted(f=None, *, log):\n    if f is None:\n"
        "        return functools.partial(noted, log=log)\n    def inner(*given):\n"
        "        log.append(f(*given))\n    return inner\n"
        "x = []\n@noted(log=x)\ndef area(w):\n    return w\narea(3)\n"
    )
    trace = Traced.of_log(Run(text).chunks)
    assert {6, 8, 11, 12} <= {*lines(backward(trace, meant([trace], "x").evaluations, until=None))}


# -- programs


def run(text):
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(text, "slice.py", "exec"), names)
    return names


def sliced(text, name):
    trace = traced(text)
    (found,) = program(trace, meant([trace], name).evaluations).values()
    return found


@pytest.mark.parametrize("case", test_replay.CASES, ids=list(test_replay.CASES))
def test_a_slice_runs_and_gives_the_same_value(case):
    text, name, _ = test_replay.CASES[case]
    assert run(sliced(text, name))[name] == run(text)[name]


LONG = '''
import math
import os

unused = os.getcwd()

def square(x):
    """Squared."""
    waste = x + 1
    return x * x

def other(y):
    return y - 1

class Box:
    def __init__(self, v):
        self.v = v
    def add(self, k):
        self.v += k

noise = [other(i) for i in range(5)]
total, items = 0, []
for i in range(10):
    if i == 7:
        break
    noise.append(i)
    try:
        if i == 3:
            raise ValueError("x")
        items.append(square(i))
    except ValueError:
        items.append(-1)
    finally:
        noise.append(0)
box, junk = Box(2), Box(3)
while items:
    x = items.pop()
    if x < 0:
        continue
    total += x
    box.add(x)
junk.add(2)
text = ", ".join(str(one) for one in noise)
with open(os.devnull) as file:
    read = file.read()
match [total, 1]:
    case [a, 1]:
        b = a
    case _:
        b = 0
result = math.sqrt(b + box.v)
'''


def test_a_generator_that_hands_on_what_another_gives_does_so_in_the_program():
    text = (
        "def flat(l):\n    for one in l:\n        if isinstance(one, list):\n"
        "            yield from flat(one)\n        else:\n            yield one\n"
        "x = list(flat([1, [2, [3, 4]], 5]))\n"
    )
    assert run(sliced(text, "x"))["x"] == [1, 2, 3, 4, 5]


def test_a_slice_leaves_out_what_is_not_needed():
    found = sliced(LONG, "result")
    assert run(found)["result"] == run(LONG)["result"]
    for needless in ("waste", "other", "noise", "unused", "text", "read", "open"):
        assert needless not in found
    for needed in ("import math", "break", "continue", "raise ValueError", "box.add(x)", "case [a, 1]"):
        assert needed in found
    assert run(sliced(LONG, "text"))["text"] == run(LONG)["text"]
    assert "math" not in sliced(LONG, "text")


def test_a_program_of_a_method_that_changes_what_it_is_called_on_and_of_what_calls_it():
    text = (
        "class Box:\n    def __init__(self):\n        self.items = []\n        self.log = []\n"
        "    def put(self, x):\n        self.items.append(x)\n        self.log.append('put')\n"
        "def fill(box, n):\n    for i in range(n):\n        box.put(i)\n"
        "def idle(n):\n    return [n] * n\n"
        "one, two = Box(), Box()\nfill(one, 3)\nfill(two, 30)\nwaste = idle(5)\nresult = one.items[2]\n"
    )
    found = sliced(text, "result")
    assert run(found)["result"] == 2
    assert "idle" not in found
    assert "waste" not in found


if sys.version_info >= (3, 12):
    TYPED = """
from dataclasses import dataclass
n, waste = int, 3
type Pair[T] = tuple[T, n]
type Other = Waste
@dataclass
class Box[T]:
    value: T
    def get[U](self, other: U) -> Pair[T]:
        return self.value, other
class Waste: pass
box = Box[Pair](2)
other = waste + 1
result = box.get(3)
value = str(Pair.__value__)
"""

    @pytest.mark.parametrize("name", ["result", "value"])
    def test_a_program_with_types_that_have_parameters(name):
        found = sliced(TYPED, name)
        assert run(found)[name] == run(TYPED)[name]
        assert "type Pair[T]" in found
        assert "Waste" not in found
        assert "waste + 1" not in found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def f(a):\n    x = a\n    return x\nx = 5\ny = f(2)\n", 4),
        ("x = 5\ndef f(x):\n    return x\ny = f(2)\n", 1),
        ("x = 5\nf = lambda x: x\ny = f(2)\n", 1),
        ("x = 5\nclass A:\n    x = 6\n", 1),
        ("x = 5\ny = [x for x in (1, 2)]\n", 1),
        ("x = 5\ny = [x := 3 for z in (1, 2)]\n", 2),
        ("x = 5\ndef f():\n    global x\n    x = 6\nf()\n", 4),
        ("x = 5\ndef f():\n    def g():\n        global x\n        x = 6\n    g()\n    x = 8\nf()\n", 5),
        ("é = 1; x = 5; y = [x for x in (1, 2)]\n", 1),
        ("def f(a):\n    x = a\n    return x\ny = f(2)\n", 2),
        ("def f(x):\n    return x\ndef x():\n    return 1\nf(2)\n", 3),
    ],
)
def test_a_name_means_the_variable_of_the_module_first(text, line):
    assert meant([traced(text)], "x").component.line == line


def test_the_bindings_of_a_name_are_told_in_their_order_however_many_lines_have_one():
    text = "def f(x):\n    return x\nfor i in range(2):\n" + "    x = i\n    y = f(x)\n" * 30
    trace = traced(text + "z = x\n")
    asked = trace.bound("x")
    assert list(asked) == sorted(asked)
    assert list(reversed(asked)) == sorted(asked, reverse=True)
    assert len(asked) == len(list(asked)) == 120
    assert lines(backward(trace, meant([trace], "x").evaluations)) == [3, 62]


def test_a_part_is_that_of_the_variable_of_the_module_first():
    trace = traced("def f():\n    l = [1]\n    return l\nl = [2]\nf()\n")
    assert lines(backward(trace, meant([trace], "l[0]").evaluations)) == [4]


def test_a_name_in_a_line_means_the_variable_that_is_bound_there():
    trace = traced("def f(a):\n    x = a\n    return x\nx = 5\ny = f(2)\n")
    assert meant([trace], "x@2").component.line == 2
