"""Texts that share their names and are run one by one: what is rebuilt of them goes from one to the next.

Generated programs are cut into cells, some of which are run again, and held against the obvious tracer.
"""

import ast
import builtins
import os

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.trace.obvious import trace_cells
from tests.trace.test_fast_and_obvious import ATOMS, BEFORE, LISTS, NAMES, STATEMENTS, VALUES, compared
from tests.trace.traced import TracedCells

from trilha.capture.script.cells import SHOWN, UNKNOWN, traced_cell
from trilha.capture.script.hooking import KINDS, hook_name
from trilha.capture.script.sites import NO_NAMES
from trilha.trace.evaluations import Activation, Ended, Kind, Role

GLOBAL = "def g(x):\n    global a\n    a = x\n    q.append(a)\n    return p[0]\n"
MORE = st.one_of(
    STATEMENTS,
    st.builds("{} = g({})".format, NAMES, VALUES),
    st.builds("def f(l, x):\n    z = {}\n    return z + x".format, ATOMS),
    st.builds("del {}".format, NAMES),
    st.builds("class C:\n    n = {}\nc = C.n".format, VALUES),
    st.builds("{} = [i for i in {}]".format, LISTS, LISTS),
)
CELLS = st.lists(st.lists(MORE, min_size=1, max_size=4).map("\n".join), min_size=1, max_size=5)


@st.composite
def notebooks(draw):
    cells = draw(CELLS)
    order = draw(st.lists(st.integers(0, len(cells) - 1), min_size=1, max_size=8))
    return [BEFORE + GLOBAL, *(cells[at] for at in order)]


@settings(
    max_examples=int(os.environ.get("TRILHA_PROGRAMS", "60")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
@given(notebooks())
def test_cells_say_what_the_obvious_tracer_says_of_them(cells):
    obvious, raised = trace_cells(cells)
    fast = TracedCells(cells)
    assert [type(one) for one in fast.errors] == [type(one) for one in raised]
    assert not [why for why in fast.gaps if "cannot be followed" in why]
    kinds = {Kind.ACCESS, Kind.PART, Kind.OPERATION, Kind.LITERAL, Kind.ASSIGN}
    assert compared(fast.events, fast.components, kinds - {Kind.ASSIGN}) == compared(
        obvious.events, obvious.components, kinds - {Kind.ASSIGN}
    )


def text_of(traced, number):
    part = traced.components[traced.evaluations[number].component]
    return part.file, part.text


def came_from(traced, name):
    """Files and texts of what the last binding of a name comes from, at once or by what others did."""
    found, waiting = set(), [traced.last(name)]
    while waiting:
        one = waiting.pop()
        part = traced.components[one.component]
        if part.kind is not Kind.ASSIGN and (part.file, part.text) not in found:
            found.add((part.file, part.text))
        waiting += [
            traced.evaluations[source.evaluation]
            for source in one.sources
            if source.role not in (Role.COLLECTION, Role.FUNCTION, Role.ITERABLE, Role.KEY)
        ]
    return found


def test_a_function_of_one_cell_is_followed_in_another(trail):
    traced = TracedCells(["def f(x):\n    return [x, k]", "k = 3", "l = f(7)", "k = 4", "y = l[1]"], trail)
    assert not traced.gaps
    assert came_from(traced, "y") == {("In [2]", "3"), ("In [5]", "l[1]")}
    names = [event.name for event in traced.events if isinstance(event, Activation)]
    assert names == ["In [1]", "In [2]", "In [3]", "f", "In [4]", "In [5]"]


def test_the_same_text_run_again_is_another_activation(trail):
    traced = TracedCells(["x = 1", "x = x + 1", "x = x + 1", "y = x"], trail)
    assert came_from(traced, "y") == {
        *(("In [1]", "1"), ("In [2]", "1"), ("In [2]", "x + 1"), ("In [3]", "1"), ("In [3]", "x + 1")),
    }


def test_what_an_error_left_undone_is_not_stated(trail):
    traced = TracedCells(
        ["x = 1", "x = 2\nz = x / 0\nx = 3", "def f():\n    return x / 0\nf()", "y = x"], trail
    )
    assert [type(error) for error in traced.errors] == [
        *(type(None), ZeroDivisionError, ZeroDivisionError, type(None)),
    ]
    assert came_from(traced, "y") == {("In [2]", "2")}
    assert not [one for one in traced.evaluations.values() if one.name == "z"]
    ended = [event.how for event in traced.events if isinstance(event, Ended)]
    assert ended == ["returned", "raised", "raised", "raised", "returned"]


def test_names_that_something_else_bound_are_not_known_any_more(trail):
    def between(space, names, at):
        if at == 2:
            names["x"] = 9
            space.bound({"x": UNKNOWN, "_": SHOWN, "__": "w"})
            names["_"], names["__"] = 2, 5

    traced = TracedCells(["x = 1\nw = 5", "1 + 1", "y = x", "z = _", "v = __"], trail, between)
    assert came_from(traced, "y") == {("In [3]", "x")}
    assert came_from(traced, "z") == {("In [2]", "1 + 1"), ("In [2]", "1")}
    assert came_from(traced, "v") == {("In [1]", "5")}


def test_what_could_have_changed_unseen_has_no_members_any_more(trail):
    def between(space, names, at):
        if at == 1:
            names["l"][0] = 7
            space.bound({}, changed=True)

    traced = TracedCells(["l = [1, 2]\nm = l", "y = m[0]"], trail, between)
    (access,) = [one for one in traced.evaluations.values() if traced.kind(one) is Kind.ACCESS]
    assert {source.role for source in access.sources} == {Role.COLLECTION, Role.KEY}


def test_a_result_is_found_where_it_is_put(trail):
    def between(space, names, at):
        if at == 2:
            names["Out"][2] = 5
            space.bound({}, put=(names["Out"], 2))

    traced = TracedCells(["Out = {}", "2 + 3", "y = Out[2]"], trail, between)
    assert ("In [2]", "2 + 3") in came_from(traced, "y")


def test_modules_of_one_cell_are_known_in_another(trail):
    cells = ["import random as r\nfrom random import shuffle", "l = [1, 2]\nr.shuffle(l)\nshuffle(l)"]
    assert not TracedCells(cells, trail).gaps
    assert TracedCells([*cells[:1], "r = 5", "class R:\n    shuffle = 4\nr = R()\nx = r.shuffle"]).lines_of(
        "x"
    )


def test_a_statement_at_the_end_stays_what_it_is():
    """So that its value may be shown, and no other is."""
    for text, kinds in {"x + 1": "Expr", "x += y": "AugAssign If", "for i in x:\n    x += i": "For"}.items():
        tree = ast.parse(text)
        traced_cell(tree, 1, 16, NO_NAMES)
        assert " ".join(type(one).__name__ for one in tree.body) == kinds
        inner = [one for node in tree.body for one in ast.walk(node) if isinstance(one, ast.Expr)]
        assert len(inner) == (kinds == "Expr")


@pytest.mark.parametrize("loops", ["", "2", "1/2"])
def test_values_and_rounds_go_with_cells(trail, loops):
    cells = [
        "x = 0\ndef f(n):\n    return n + x",
        "for i in range(5):\n    x = f(i)",
        "y = x",
        "l = [y]\nz = l[0]",
    ]
    traced = TracedCells(cells, trail, loops=loops, values=True)
    assert not [why for why in traced.gaps if "followed" in why]
    assert traced.last("z").value == traced.last("y").value == "10"
    assert ("In [2]", "f(i)") in came_from(traced, "z") or loops


def test_threads_that_go_on_between_cells(trail):
    cells = [
        "import threading\ngo, done = threading.Event(), threading.Event()\nfound = []",
        "def work():\n    go.wait()\n    found.append(x)\n    done.set()",
        "x = 4\nthread = threading.Thread(target=work)\nthread.start()",
        "x = 5\ngo.set()",
        "y = done.wait(60)\nthread.join()",
        "z = found[0]",
    ]
    traced = TracedCells(cells, trail)
    assert not [why for why in traced.gaps if "cannot be followed" in why]
    assert came_from(traced, "z") >= {("In [4]", "5")}


ASYNC = """
import asyncio
async def give(x):
    await asyncio.sleep(0)
    return [x]
async def count():
    for i in range(2):
        await asyncio.sleep(0)
        yield i + k
class Manager:
    async def __aenter__(self):
        return [k]
    async def __aexit__(self, *error):
        await asyncio.sleep(0)
"""


def test_what_a_cell_awaits_is_what_a_coroutine_returned(trail):
    cells = [ASYNC, "k = 4", "a = (await give(k))[0]\nb = 1", "async for i in count():\n    c = i\nd = c"]
    cells += ["async with Manager() as m:\n    e = m[0]", "f = await asyncio.gather(give(a), give(e))"]
    traced = TracedCells(cells, trail)
    assert not [why for why in traced.gaps if "followed" in why]
    assert came_from(traced, "a") >= {("In [2]", "4")}
    assert came_from(traced, "d") >= {("In [2]", "4"), ("In [1]", "i + k")}
    assert came_from(traced, "e") >= {("In [2]", "4")}
    assert traced.names["f"] == [[4], [4]]


def test_asynchronous_comprehensions_of_a_cell_are_followed(trail):
    cells = [ASYNC, "k = 4", "a = [[i + b async for i in count()] for b in (20, 30)]", "c = a[1][0]"]
    cells += ["d = [(await give(w))[0] for w in (5, 6)]", "e = d[1]"]
    cells += ["f = (i async for i in count() if i > k)", "g = {h: [i] async for i in f for h in d}"]
    traced = TracedCells(cells, trail)
    assert not any(traced.errors)
    assert not traced.gaps
    assert came_from(traced, "c") >= {("In [1]", "i + k"), ("In [2]", "4"), ("In [3]", "30")}
    assert ("In [3]", "20") not in came_from(traced, "c")
    assert ("In [5]", "6") in came_from(traced, "e")
    assert ("In [5]", "5") not in came_from(traced, "e")
    assert ("In [1]", "i + k") in came_from(traced, "g")


DEFINED = """\
x = 1
k = 5
def g():
    global k
    k = 7
def f(a, *b):
    if a:
        return [a]
l = [x]
"""
ASTRAY = """\
w = [i for i in l]
lose()
x = f(2)
g()
d = {}
d['a'] = l[0]
for i, j in d.items():
    l.append(f(i).pop())
class C:
    def m(self):
        return (yield self)
with open('/dev/null') as h:
    q = [*C().m()]
exec('e = 4')
"""


def test_a_cell_that_cannot_be_followed_costs_what_it_did_and_no_more(trail):
    cells = [DEFINED, "lose = None", ASTRAY, "y = x", "z = k", "v = l[0]", "u = f(9)[0]"]
    heads = traced_cell(ast.parse(cells[0]), 1, 16, NO_NAMES)[2]
    stray = 16 + next(at for at, head in enumerate(heads) if head & 31 == KINDS["block"])

    def between(_space, names, at):
        if at == 2:
            names["lose"] = lambda: getattr(builtins, hook_name("block"))(stray)

    traced = TracedCells(cells, trail, between)
    assert not any(traced.errors)
    (gap,) = [why for why in traced.gaps if "cannot be followed" in why]
    assert "expected in In [3]" in gap or "that nothing waits for" in gap
    assert came_from(traced, "y") == {("In [4]", "x")}
    assert came_from(traced, "z") == {("In [5]", "k")}
    assert {source.role for source in access_of(traced, "In [6]").sources} == {Role.COLLECTION, Role.KEY}
    assert came_from(traced, "u") >= {("In [7]", "9"), ("In [7]", "f(9)[0]")}


def access_of(traced, file):
    found = [
        one
        for one in traced.evaluations.values()
        if traced.kind(one) is Kind.ACCESS and traced.components[one.component].file == file
    ]
    return found[-1]
