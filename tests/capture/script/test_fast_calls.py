"""Calls of a script's functions, told in C: the same journal as in Python, whatever they are given and do.

By hand these say more: compiled with `-fsanitize=address,undefined` (see `tests.compiled`), and
with more programs (`TRILHA_PROGRAMS`).
"""

import builtins
import datetime as dt
import functools
import gc
import itertools
import os
import re
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.capture.graph import recording
from tests.compiled import compiled, loaded

from trilha.capture.context import current_activity, process
from trilha.capture.script import calls, fast_calls
from trilha.capture.script.rewriting import NAME, rewritten
from trilha.capture.tokens import token
from trilha.prov import Kind

FUNCTIONS = """
def same(x=None, y=None, z=None):
    return x
def number(x=None, y=None, z=None):
    return len(str(y))
def nothing(x=None, y=None, z=None):
    pass
def changed(x=None, y=None, z=None):
    x[0] = 7
    return x
def other(x=None, y=None, z=None):
    y.append(1)
def rows(x=None, y=None, z=None):
    x[0][0] += 1
    return y
def made(x=None, y=None, z=None):
    return [x]
def grid(x=None, y=None, z=None):
    return [[x, 1], [y]]
def pair(x=None, y=None, z=None):
    return x, y
def part(x=None, y=None, z=None):
    return x[0]
def passed(x=None, y=None, z=None):
    return grid(x, y)
def both(x=None, y=None, z=None):
    x.append(1)
    return [2.5] * len(y)
def outer(x=None, y=None, z=None):
    return same(inner(x, y), z)
def inner(x=None, y=None):
    x.append(3)
    return y
def deep(x=None, y=None, z=3):
    return deep(x, y, z - 1) + 1 if type(z) is int and 0 < z < 20 else 0
def failing(x=None, y=None, z=None):
    x.append(2)
    raise ValueError(y)
def caught(x=None, y=None, z=None):
    try:
        failing(x, y)
    except Exception:
        return same(y)
    finally:
        x.append(9)
def holding(x=None, y=None, z=None):
    x.append(y)
def in_a_thread(x=None, y=None, z=None):
    thread = Thread(target=same, args=(x, y))
    thread.start()
    thread.join()
"""
NAMES = [line[4 : line.index("(")] for line in FUNCTIONS.splitlines() if line.startswith("def ")]
THINGS = """
a, b, e, m, r = [1, 2], [0.5, 3], [], [[1, 2], [3, 4]], [1, None]
n, w = [m[0], [5, 6]], [[7, 8], m[1]]
s, t, d, o, i = ["x", "y"], (1, [2]), {"k": [1]}, object(), [object()]
long = list(range(300))
own = type("Own", (list,), {})([1])
whole = type("Whole", (int,), {})(3)
"""
TEXTS = ["''", "'x' * 200", "'x' * 201", "'größe'", "'\\ud800'", "b'x'"]
NUMBERS = [
    "0",
    "-1",
    "1 << 40",
    "-(1 << 63)",
    "1 << 63",
    "1 << 64",
    "2.5",
    "float('nan')",
    "True",
    "None",
    "2j",
]
MADE = ["[5]", "[[]]", "[a, b]", "m[0]", "n[1]", "[m[0]]", "(m[0], o)"]
GIVEN = st.sampled_from([*"abemrnwstdoi", "long", "own", "whole", "len", *MADE, *TEXTS, *NUMBERS])
EXAMPLES = int(os.environ.get("TRILHA_PROGRAMS", "6"))
CALLS = st.tuples(st.sampled_from(NAMES), st.lists(GIVEN, max_size=3)).map(
    lambda one: f"try:\n    {one[0]}({', '.join(one[1])})\nexcept Exception as error:\n    pass\n"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return loaded(compiled("trilha_calls", tmp_path_factory.mktemp("calls")))


def hooks_in(functions, own):
    """The hooks for these functions, in C where the library is there."""
    classes = calls._Counted, calls._Open
    return fast_calls.hooks(functions, calls._local, own, calls._find_shape, classes, calls._LIMITS)


@pytest.fixture
def told(library, monkeypatch, tmp_path):
    """What a program states, in Python and in C."""
    monkeypatch.setenv("TRILHA_DURABILITY", "3600000")
    folders = itertools.count()

    def tell(text, names=None, slowly=None):
        found = []
        for way in (None, library):
            monkeypatch.setattr(fast_calls, "library", way)
            own = calls._begin, calls._leave, calls._Keep(), calls._failed
            if way is not None and slowly is not None:
                own = (lambda *given: slowly.append(given)), slowly.append, own[2], calls._failed
            begin, leave, keep = hooks_in(calls._functions, own)
            assert (begin is calls._begin) is (way is None)
            more = {"partial": functools.partial, "define": lambda _, function: function}
            hooks = SimpleNamespace(begin=begin, leave=leave, keep=keep, **more)
            monkeypatch.setattr(builtins, NAME, hooks, raising=False)
            with recording(tmp_path / str(next(folders))) as graph:
                process.recorder.numbers = itertools.count(1 << 20)
                made = rewritten(text.encode("utf-8", "surrogatepass"), "script.py")
                calls.add(made.functions)
                # Where another test's library asks to be looked at before each call, none is ordinary.
                refreshers, process.recorder.refreshers = process.recorder.refreshers, []
                if slowly is not None:
                    calls.state_plans(process.recorder)
                exec(made.code, {"__name__": "__main__", "Thread": threading.Thread, **(names or {})})
                process.recorder.refreshers = refreshers
                counts = [
                    (one.function.label, one.calls, one.recorded, one.outer, one.within)
                    for one in map(calls._functions.pop, made.functions)
                ]
                objects = process.recorder.objects
                assert objects._bytes == sum(objects._held.values())
                counts += [len(objects._known), [*objects._held.values()]]
                assert current_activity.get() is None
                assert not calls._stack()
                assert not process.recorder.lost, process.recorder.first_error
            found.append((alike(graph), counts))
        return found

    return tell


def alike(graph):
    """The statements about calls, without what differs from run to run, and numbers in order."""
    [run] = {one.id.rpartition("#")[0] for one in graph.records if str(one.id).endswith("#run")}
    numbers = {}

    def number(found):
        return f"number {numbers.setdefault(found[0], len(numbers))}"

    def shown(value):
        if isinstance(value, dt.datetime):
            return "a time"
        return re.sub(r"run#\d+", number, str(value).replace(run, "run"))

    found = []
    for one in graph.records:
        parts = [one.id, *one.arguments]
        # Of what was loaded when the run began more may be stated meanwhile.
        if any(str(part).startswith(f"{run}#104") for part in parts) and "pkg:" not in str(parts):
            facts = [(key, shown(value)) for key, value in one.attributes]
            found.append((one.kind, *map(shown, parts), facts))
    return found


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CALLS, min_size=1, max_size=150))
def test_both_ways_state_the_same(told, found):
    in_python, in_c = told(FUNCTIONS + THINGS + "".join(found))
    assert in_python == in_c


def test_what_is_ordinary_is_stated_whole(told):
    text = FUNCTIONS + THINGS + "changed(a, b, 5)\nchanged(a, b)\nchanged(m[0], m[1])\nnumber(2.5, 'x')\n"
    slowly = []
    in_python, in_c = told(text, slowly=slowly)
    assert in_python == in_c
    assert not slowly
    statements, _ = in_c
    kinds = [one[0] for one in statements]
    assert kinds.count(Kind.USAGE) == 6
    assert kinds.count(Kind.ASSOCIATION) == 4
    # What changed is a revision of what it was, and comes from the other list, too. The second call changed
    # nothing.
    assert kinds.count(Kind.DERIVATION) == 4
    assert [value for one in statements for key, value in one[-1] if key.endswith("returned")] == ["1"]


def test_lists_and_tuples_of_numbers_that_a_call_makes_are_ordinary(told):
    text = (
        FUNCTIONS
        + THINGS
        + "made(5)\ngrid(1, 2)\nboth(a, b)\nsame(passed(1.5, 2))\npair('x', None)\npart(m)\n"
    )
    slowly = []
    in_python, in_c = told(FUNCTIONS + THINGS + text, slowly=slowly)
    assert in_python == in_c
    assert not slowly
    statements, _ = in_c
    labels = [value for one in statements for key, value in one[-1] if key.endswith("label")]
    assert [one for one in labels if one.endswith("()")] == ["made()", "grid()", "both()", "grid()", "part()"]
    # What `both` made came of the two lists, and what it changed is a revision that came of the other one,
    # too; what `part` gave came of the list that it was in.
    assert [one[0] for one in statements].count(Kind.DERIVATION) == 5
    given = [(key, value) for one in statements for key, value in one[-1] if "returned" in key]
    assert [(key.rpartition("returned")[2], value) for key, value in given] == [(".0", "x")]


def test_a_list_that_was_met_elsewhere_is_nothing_that_the_call_made(told):
    text = FUNCTIONS + THINGS + "number(m)\nnumber(b)\nfound = part([b])\npart([m])\nsame(found)\n"
    in_python, in_c = told(text)
    assert in_python == in_c
    labels = [value for one in in_c[0] for key, value in one[-1] if key.endswith("label")]
    assert "x" in labels
    assert not any(one.endswith("()") for one in labels)


def test_a_list_of_lists_came_of_those_that_are_known(told):
    in_python, in_c = told(FUNCTIONS + THINGS + "same(a)\nsame(b)\nnumber([a, b, [5]])\nnumber([[5], e])\n")
    assert in_python == in_c
    assert [one[0] for one in in_c[0]].count(Kind.DERIVATION) == 2


@pytest.mark.parametrize(
    ("calls_made", "derivations"),
    [
        ("same(a, [a, b])", 1),
        ("same([a, b], a)", 1),
        ("same([a], [a])", 1),
        ("changed(a, b)\nsame(m)\nsame(m[0])\nsame(m)", 3),
        ("rows(m)\npart(m)\nnumber(m[1])", 3),
        ("grid(1, 2)\nmade(m[0])\nsame([m[0]])", 2),
        # What is given besides is for Python, which is the first to ask.
        ("same(m)\nsame((m[0], o))", 1),
        ("same(m)\nsame([m[0]], o)", 1),
        ("same(m)\nrows(m, o)\nsame(m[0], o)", 3),
    ],
)
def test_a_list_that_was_in_another_one_came_of_it(told, calls_made, derivations):
    in_python, in_c = told(FUNCTIONS + THINGS + calls_made + "\n")
    assert in_python == in_c
    assert [one[0] for one in in_c[0]].count(Kind.DERIVATION) == derivations


def test_what_tells_whether_a_list_changes_is_what_python_takes(told):
    def look(*things):
        for thing in things:
            mark, expected = process.recorder.objects.itself(thing).token, token(thing)
            same.append((mark == expected, expected == mark, mark != expected, mark == (1, ()), mark is None))

    same = []
    text = (
        FUNCTIONS
        + THINGS
        + "long = [long, long[:70]]\nfor one in (a, b, e, m, long):\n    same(one)\n    look(one)\n"
    )
    told(text, {"look": look})
    assert same == [(True, True, False, False, False)] * 10


def test_what_is_gone_through_before_the_first_call_is_stated_nowhere(told):
    def rehearse():
        process.recorder.worker.stop()  # Nobody else is to state anything meanwhile.
        before.append((process.recorder.file._at, len(process.recorder.objects._held)))
        for counted in list(calls._functions.values()):
            calls._find_shape(process.recorder, counted)
            fast_calls.shapes_of(process.recorder)
            at = process.recorder.file._at
            process.recorder.objects.told = listen
            fast_calls.rehearse(process.recorder, counted)
            assert process.recorder.objects.told is listen
            process.recorder.objects.told = None
            assert process.recorder.file._at == at
            assert (counted.calls, counted.recorded, counted.within, counted.outer) == (0, 0, 0, 0)
        assert current_activity.get() is None
        assert not calls._stack()
        before.append((0, len(process.recorder.objects._held)))

    def listen(*given):
        heard.append(given)

    before, heard = [], []
    in_python, in_c = told(
        FUNCTIONS + THINGS + "if in_c():\n    rehearse()\nchanged(a, b)\n",
        {"rehearse": rehearse, "in_c": lambda: fast_calls.library is not None},
    )
    assert in_python == in_c
    assert [held for _, held in before] == [0, 0]
    assert heard
    assert {again for *_, again in heard} == {None}


def test_what_is_not_recorded_any_more_is_counted(told):
    in_python, in_c = told(FUNCTIONS + "for i in range(140):\n    same(i)\ndeep(1, 2, 15)\n")
    assert in_python == in_c


def test_a_signal_handler_may_raise_at_any_time_and_is_the_programs(told):
    """What the program's own code raises that runs meanwhile goes on to the program."""

    class Stopped(BaseException):
        pass

    def arrive():
        raise Stopped

    def told_once(*_):
        objects.told = None
        arrive()

    def watch():
        nonlocal objects
        objects = process.recorder.objects
        objects.told = told_once

    objects = None
    text = (
        FUNCTIONS
        + THINGS
        + "watch()\ntry:\n    same(a)\nexcept BaseException as error:\n    met.append(type(error))\n"
    )
    met = []
    in_python, in_c = told(text, {"watch": watch, "met": met})
    assert met == [Stopped, Stopped]
    assert [one[0] for one in in_python[0]] == [one[0] for one in in_c[0]]


def test_who_wants_to_know_is_told_of_each_list_that_becomes_an_entity(told):
    heard = []

    def listen(names):
        things, entities = {id(names[name]): name for name in "abemr"}, {}
        heard.append(mine := [])

        def hear(thing, entity, again):
            number = entities.setdefault(entity, len(entities))
            mine.append((things.get(id(thing)), len(thing), number, again))

        process.recorder.objects.told = hear

    text = "listen(globals())\nmade(a)\nchanged(a, b)\nboth(a, b)\ngrid(a, 5)\nrows(m, r)\nrows([m[0], b])\n"
    text += "same(m[0])\nholding(b, a)\nsame(b)\n"
    in_python, in_c = told(FUNCTIONS + THINGS + text, {"listen": listen})
    assert in_python == in_c
    assert heard[0] == heard[1]
    of_a = [(length, again) for name, length, _, again in heard[1] if name == "a"]
    assert of_a == [(2, False), (2, True), (3, True)]


def test_nothing_is_kept_of_calls_that_are_over(told):
    text = FUNCTIONS + (
        "for round in range(6):\n    for one in range(60):\n        changed([1, 2], [3])\n"
        "        number(1, 'x')\n    count()\n"
    )
    counted = []

    def count():
        process.recorder.objects.clear()
        gc.collect()
        counted.append(sys.getallocatedblocks())
        calls._functions.update({key: calls._Counted(one.function) for key, one in calls._functions.items()})

    told(text, {"count": count})
    # What else goes on in this process may keep something in one round, but hardly in each.
    assert min(later - earlier for earlier, later in itertools.pairwise(counted[7:])) < 300


def test_a_library_for_another_version_is_left_alone(monkeypatch):
    own = calls._begin, calls._leave, calls._Keep(), calls._failed
    for wrong in (SimpleNamespace(), SimpleNamespace(hooks=lambda: None)):
        monkeypatch.setattr(fast_calls, "library", wrong)
        hooks = hooks_in({}, own)
        assert hooks == own[:3]


def test_wrong_calls_of_the_hooks_do_nothing(library, monkeypatch):
    monkeypatch.setattr(fast_calls, "library", library)
    own = calls._begin, calls._leave, calls._Keep(), calls._failed
    begin, leave, _ = hooks_in({}, own)
    for key in ("unknown", 5, None):
        assert begin(key, ()) is None
        assert leave(key) is None
    with pytest.raises(TypeError):
        begin()
