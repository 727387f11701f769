"""What a text did is rebuilt from its log: values from values, through names, parts, calls and exceptions."""

import gc
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from tests.trace.traced import Traced

from trilha.capture.script.trail import Trail
from trilha.trace.evaluations import Activation, Ended, Evaluation, How, Kind, Role
from trilha.trace.heap import Thing
from trilha.trace.replay import replay
from trilha.trace.waiting import MOST_HANDED

PAPER = Path(__file__).with_name("floyd_warshall.txt").read_text("utf-8")


def test_the_program_of_the_paper(trail):
    traced = Traced(PAPER, trail)
    assert traced.output == "3\n"
    assert traced.changes == [(How.PUT, "1"), (How.PUT, "2"), (How.PUT, "0")]
    assert not traced.gaps
    known = traced.evaluations
    read = [one for one in known.values() if traced.components[one.component].text == "result[0][2]"]
    (element,) = [source for source in read[-1].sources if source.role is Role.ELEMENT]
    part = known[element.evaluation]
    assert traced.components[part.component].text == "disti[j]"
    assert traced.kind(part) is Kind.PART
    (value,) = [source for source in part.sources if source.role is Role.VALUE]
    assert traced.components[known[value.evaluation].component].line == 15


CASES = {
    "alias": ("a = [1]\nb = a\nx = 5\nb[0] = x\ny = a[0]", "y", [3, 4, 5]),
    "append": ("l = []\nx = 5\nl.append(x)\ny = l[0]", "y", [2, 4]),
    "update": ("d = {}\ne = {'r': 7}\nd.update(e)\ny = d['r']", "y", [2, 4]),
    "unused argument": ("def f(a, b):\n    return a\nx = 1\nz = 2\ny = f(x, z)", "y", [1, 2, 3, 4, 5]),
    "insert": ("l = [1, 2]\nx = 9\nl.insert(1, x)\ny = l[2]\nz = l[1]", "z", [2, 5]),
    "closure": (
        "def o():\n    n = 1\n    def i():\n        return n\n    return i\ny = o()()",
        "y",
        [2, 4, 6],
    ),
    "attribute": ("class A: pass\na = A()\nx = 3\na.v = x\nb = a\ny = b.v", "y", [3, 4, 6]),
    "exception": (
        "x = 0\ntry:\n    x = 1\n    z = 1 / 0\n    x = 2\nexcept ZeroDivisionError:\n    pass\ny = x",
        "y",
        [3, 8],
    ),
    "generator": ("def g():\n    a = 4\n    yield a\nfor y in g():\n    pass", "y", [2, 3, 4]),
    "walrus": ("if (n := 3) > 2:\n    y = n", "y", [1, 2]),
    "swap": ("a = 1\nb = 2\na, b = b, a\ny = a", "y", [2, 3, 4]),
    "loop": ("l = [1, 2]\nfor y in l:\n    pass", "y", [1, 2]),
    "or": ("a = 0\nb = 2\ny = a or b", "y", [1, 2, 3]),
    "or that stops": ("a = 1\nb = 2\ny = a or b", "y", [1, 3]),
    "match": ("p = (1, 2)\nmatch p:\n    case (a, b):\n        y = b", "y", [1, 3, 4]),
    "comprehension": ("l = [1, 2]\nm = [a + 1 for a in l if a > 1]\ny = m[0]", "y", [1, 2, 3]),
    "del": ("l = [1, 2]\ndel l[0]\ny = l[0]", "y", [1, 3]),
    "zip by a name": ("a = [1,\n2]\nz = zip(a, a)\nfor x, y in z:\n    pass", "y", [2, 4]),
    "pairs of one iterator": ("a = [1,\n2]\ni = iter(a)\nfor x, y in zip(i, i):\n    pass", "x", [1, 4]),
    "dictionary key": ("k = 'q'\nd = {k: 1}\ny = d['q']", "y", [2, 3]),
}


PROPERTIES = """\
class M(type):
    fails = False
    def mro(cls):
        if M.fails:
            raise RuntimeError
        return type.mro(cls)
class A: pass
class B(A): pass
class C(B, metaclass=M):
    @property
    def x(self):
        return self.y
    @x.setter
    def x(self, value):
        if value < 0:
            raise ValueError
        self.y = value
    @x.deleter
    def x(self):
        self.y = 0
    def put(self, value):
        self.y = value
    z = property(None, put)
def stored(c, value):
    try:
        c.x = value
    except ValueError:
        return 1
    else:
        return c.x
def deleted(c, flag):
    del c.x
    if flag:
        return c.y
    c.z = 5
    if not flag:
        y = c.y
    return y
def of_bases(c):
    M.fails = True
    try:
        B.__bases__ = (C.__mro__[-2],)
    except (RuntimeError, TypeError):
        return 3
    return len(c)
c = C()
all = [stored(c, 2), stored(c, -1), deleted(c, True), deleted(c, False), of_bases(c)]
y = all[3]
"""
"""What attributes that are stored and deleted run, with no call in the text."""


def test_what_a_property_runs_when_it_is_stored_or_deleted_is_followed(trail):
    traced = Traced(PROPERTIES, trail)
    assert not traced.error
    assert not traced.gaps
    assert traced.names["all"] == [2, 1, 0, 5, 3]
    assert {22, 35, 37} <= set(traced.lines_of("y"))
    names = [event.name for event in traced.events if isinstance(event, Activation)]
    assert names.count("C.x") == 5
    assert names.count("C.put") == 1


def test_an_iterator_that_gives_itself_is_gone_through(trail):
    text = "def g(n):\n    yield n\nx = 5\ni = iter(g(x))\ny = list(i)\n"
    own = "class I:\n    def __iter__(self):\n        return self\n"
    own += "    def __next__(self):\n        raise StopIteration\n"
    traced = Traced(f"{text}{own}i = iter(iter(I()))\nz = [list(i), *i]\n", trail)
    assert not traced.error
    assert not traced.gaps
    assert {2, 3} <= set(traced.lines_of("y"))


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_a_value_comes_from_these_lines(case, trail):
    text, name, lines = CASES[case]
    traced = Traced(text, trail)
    assert not traced.gaps
    assert traced.lines_of(name) == lines


def test_every_activation_ends():
    traced = Traced(
        "def f(n):\n    return n and f(n - 1)\ntry:\n    f(3)\n    f('a')\nexcept TypeError:\n    pass"
    )
    begun = [event.number for event in traced.events if isinstance(event, Activation)]
    ended = {event.activation: event.how for event in traced.events if isinstance(event, Ended)}
    assert sorted(ended) == begun
    assert list(ended.values()).count("raised") == 1


def test_what_is_not_known_of_a_function_is_said():
    traced = Traced("import json\nl = [1]\nbool(json.JSONEncoder().encode(l))")
    assert traced.gaps == ["what encode does to a data structure it is given is not known"]


def test_what_follows_a_loop_whose_items_fail_is_not_stated(trail):
    text = (
        "class Failing:\n    def __iter__(self): return self\n    def __next__(self): raise OSError\n"
        "y = 1\ntry:\n    for x in Failing():\n        pass\n    y = 2\nexcept OSError:\n    z = y\n"
    )
    traced = Traced(text, trail)
    assert not traced.gaps
    assert len([one for one in traced.evaluations.values() if one.name == "y"]) == 1


def test_a_call_is_no_part_of_the_statement_before_it():
    text = "def f(a):\n    return a\nimport json\ny = f(2)\nb, c = 1, 3\nz = f(c)\ndel b"
    assert Traced(text).lines_of("y") == [1, 2, 4]
    assert Traced(text).lines_of("z") == [1, 2, 5, 6]


def test_an_item_of_a_generator_expression_is_not_the_one_before():
    traced = Traced("q = [1, 2]\nx = 6\nq[0] = 5\nq[1] = x\nsum(i for i in q)")
    assert traced.lines_of("i") == [2, 4, 5]


def test_a_generator_that_waits_when_the_log_ends_is_closed_in_silence(trail, monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    text = "def g():\n    try:\n        yield 1\n    finally:\n        x = [2]\nw = g()\nnext(w)\n"
    traced = Traced(text, trail)
    traced.names.clear()
    gc.collect()
    assert not told
    assert not [one for one in traced.evaluations.values() if one.name == "x"]


def test_a_default_that_a_dict_gives_is_no_change_of_it(trail):
    traced = Traced("d = {1: 2}\na = d.pop(0, 3)\nb = d.pop(1, 3)\n", trail)
    assert traced.changes == [(How.DELETE, "1")]


def test_parts_are_told_as_the_text_has_them():
    text = "a = 'é\u2028\x1c'; b = [a,\n   1]\n\x0cif b: y = (a +\r\n b[0])\n"
    traced = Traced(text)
    told = {one.text for one in traced.components.values()}
    assert {"'é\u2028\x1c'", "[a,\n   1]", "y", "a +\n b[0]"} <= told


def test_what_only_the_log_in_python_holds_is_let_go_and_nothing_else():
    made = Trail(lambda _: None)
    held = [[], {}, set()]
    tokens = [made.reference(one)[0] for one in held]
    gone = [made.reference(one())[0] for one in (list, dict, set)]
    made._sweep()
    assert [made.reference(one) for one in held] == [(token,) for token in tokens]
    assert made.reference([])[0] in gone


@pytest.mark.parametrize("inner_first", [True, False])
def test_a_long_chain_that_only_the_log_in_python_holds_is_let_go_in_a_few_rounds(inner_first):
    made, count = Trail(lambda _: None), 500
    chain = [[] for _ in range(count)]
    for inner, outer in pairwise(chain if inner_first else reversed(chain)):
        outer.append(inner)
    for one in chain:
        made.reference(one)
    del inner, outer, one, chain
    looks = []
    sys.setprofile(lambda _, event, what: event == "c_call" and what is sys.getrefcount and looks.append(1))
    made._sweep()
    sys.setprofile(None)
    assert made._held == 0
    assert len(looks) < 4 * count


def test_what_dies_with_what_only_the_log_in_python_holds_is_let_go_with_it():
    class Thing:
        pass

    made, thing = Trail(lambda _: None), Thing()
    tokens = {made.reference(one)[0] for one in ([thing], thing)}
    del thing
    made._sweep()
    assert {made.reference(one())[0] for one in (list, Thing)} == tokens


def test_of_very_many_things_that_a_generator_gave_to_a_call_only_their_evaluations_are_kept(trail):
    many = 2 * MOST_HANDED
    text = f"from itertools import chain\ny = list(chain((0,) for _ in range({many})))"
    traced = Traced(text, trail)
    alive = []

    def count(event):
        if isinstance(event, Evaluation) and event.number % 1000 == 0:
            alive.append(sum(type(one) is Thing for one in gc.get_objects()))

    replay(traced.chunks, count)
    assert len(alive) > 10
    assert max(alive) < MOST_HANDED + 1000
    known = traced.evaluations[traced.last("y").sources[0].evaluation]
    assert len([one for one in known.sources if one.role is Role.OPERAND]) == many
    assert not traced.gaps
