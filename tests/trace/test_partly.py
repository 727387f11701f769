"""Only chosen functions are traced: what is said then is true, and the rest of the program runs as it did.

What a trace of a part says is held against the trace of the whole: each source of an evaluation must be one
of its sources there, or a name of which nothing is said. Evaluations are named by component and count.
"""

import ast
import contextlib
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.trace.traced import Traced

from trilha.capture.script.chosen import Choice
from trilha.trace.evaluations import Activation, Change, Kind, Role

SHARED = "rows = [1, 2, 3]\ntable = {'a': 4}\ncount = 0\n"


def named(traced):
    """What evaluations are called in both traces, by number: component and count."""
    met, found = Counter(), {}
    for event in traced.evaluations.values():
        part = traced.components[event.component]
        name = event.name if part.kind is Kind.ASSIGN else None
        place = part.line, part.column, part.end_line, part.end_column, part.kind, name
        met[place] += 1
        found[event.number] = (*place, met[place])
    return found


def sources(traced):
    """Each evaluation's sources, and their roles."""
    names = named(traced)
    return {
        names[event.number]: {(names.get(one.evaluation), one.role) for one in event.sources}
        for event in traced.evaluations.values()
    }


def objects(traced):
    """The identity of each evaluation's value."""
    names = named(traced)
    return {names[event.number]: event.thing for event in traced.evaluations.values()}


def values(found, one):
    """All that an evaluation's value comes from by being the same, or a part of it."""
    seen, waiting = set(), [one]
    while waiting:
        # A name of a loop's target has its part as source, and the item that this was found in.
        roles = (Role.VALUE, Role.ITERABLE) if (at := waiting.pop())[4] is Kind.ASSIGN else (Role.VALUE,)
        more = {source for source, role in found.get(at, ()) if role in roles} - seen
        seen |= more
        waiting += more
    return seen


def lost(traced):
    return [why for why in traced.gaps if "cannot be followed" in why]


def check(text, *words, make=None, marked=True):
    """The trace of a part says nothing that the trace of the whole does not."""
    how = {"make": make} if make is not None else {}
    whole = Traced(text, **how)
    part = Traced(
        text, words=[f"script:{word}" if word != "*" else "script" for word in words], marked=marked, **how
    )
    assert part.output == whole.output
    assert type(part.error) is type(whole.error)
    assert not lost(whole)
    assert not lost(part)
    true, things = sources(whole), objects(whole)
    for one, found in sources(part).items():
        if one[4] is Kind.NAME:
            assert not found
            continue
        # A name that untraced text binds is a source of which no more is said.
        more = {source for source in found if source[0][4] is not Kind.NAME} - true[one]
        # An object that is the very one that was given may have come on another way, through untraced code.
        assert all(
            role is Role.VALUE and (source in values(true, one) or things[source] == things[one] != 0)
            for source, role in more
        ), (one, more)
    return part


CASES = {
    head.partition(": ")[0]: (text, head.partition(": ")[2].split())
    for part in Path(__file__).with_name("parts.txt").read_text("utf-8").split("### ")[1:]
    for head, _, text in [part.partition("\n")]
}


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "decorated"])
@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of_a_part_is_true(case, marked, trail):
    text, words = CASES[case]
    check(SHARED + text, *words, make=trail, marked=marked)


def test_what_traced_code_keeps_to_itself_is_still_known():
    text, words = CASES["what traced code keeps to itself stays known"]
    part = check(SHARED + text, *words)
    assert [
        part.components[one.component].text
        for one in part.evaluations.values()
        if "l[0]" in part.components[one.component].text and len(one.sources) == 3
    ]


def test_a_direct_call_binds_its_arguments():
    part = check("def f(a, b=2):\n    return a + b\ndef g(x):\n    return f(x)\nprint(g(1))", "f", "g")
    (a,) = [one for one in part.evaluations.values() if one.name == "a"]
    assert [part.evaluations[one.evaluation].name for one in a.sources] == ["x"]
    activations = [one for one in part.events if isinstance(one, Activation)]
    assert [one.name for one in activations] == ["g", "f"]
    assert activations[1].caller == activations[0].number


def test_of_what_is_not_chosen_nothing_is_said():
    part = check("def f(a):\n    return g(a)\ndef g(x):\n    return x + 1\nprint(f(1))", "g")
    assert {part.components[one.component].line for one in part.evaluations.values()} == {3, 4}
    assert not [one for one in part.events if isinstance(one, Change)]


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("script:f", {"f"}),
        ("f", set()),
        ("script.py:A.m", {"m"}),
        ("ana/script.py:A", {"m", "n"}),
        ("*:f*", {"f", "fun"}),
        (":A.n", {"n"}),
        ("script:outer.<locals>.f", {"f"}),
        ("script:outer.f", {"f"}),
        ("other:f", set()),
    ],
)
def test_functions_are_chosen_by_name(word, names):
    text = (
        "def f(): pass\ndef fun(): pass\nclass A:\n    def m(self): pass\n    def n(self): pass\n"
        "def outer():\n    def f(): pass\n"
    )
    choice = Choice([word])
    chosen = choice.of(["__main__", "script"], "/home/ana/script.py", ast.parse(text))
    assert {one.name for one in chosen.functions} == names
    assert choice.unmet() == ([] if names else [word])


def test_a_module_is_chosen_whole_by_its_name():
    tree = ast.parse("x = 1")
    assert Choice(["package.model"]).of(["package.model"], "/a/package/model.py", tree).whole
    assert Choice(["model"]).of(["package.model"], "/a/package/model.py", tree).whole
    assert Choice([]).of(["package.model"], "/a/package/model.py", tree) is None
    other = Choice(["data"]).of(["package.model"], "/a/package/model.py", tree)
    assert not other.functions
    assert not other.whole


def test_a_whole_module_among_others(trail):
    text = "def gen():\n    for i in rows:\n        yield i\nx, y, z = gen()\nf = lambda a: a + x\ny = f(2)"
    part = check(SHARED + text, "*", make=trail)
    assert part.lines_of("y") == Traced(SHARED + text, trail).lines_of("y")


def test_untraced_text_that_runs_several_times_in_a_row_is_told_once(trail):
    text = "def key(x):\n    return -x\ndef f(rows):\n    return len(rows)\n"
    text += "sorted(range(%d), key=key)\nf(rows)\nsum(x for x in range(%d))\nkey(f(rows))\n"
    few, many = (Traced(SHARED + text % (count, count), trail, words=["script:f"]) for count in (1000, 2000))
    assert sum(map(len, many.chunks)) == sum(map(len, few.chunks))
    assert not lost(many)


def test_threads_tell_apart_that_untraced_text_runs(trail):
    text = """\
import threading
def g():
    return 1
def f(l):
    g()
    return l[0]
def both():
    one = threading.Thread(target=g)
    one.start()
    one.join()
    g()
both()
print(f([1]))
"""
    check(text, "f", make=trail)


NAMES = st.sampled_from("abc")
LISTS = st.sampled_from(["p", "q", "rows"])
ATOMS = st.one_of(NAMES, st.integers(0, 2).map(str))
CALLS = st.builds("f{}({}, {})".format, st.integers(0, 3), LISTS, ATOMS)
VALUES = st.one_of(
    ATOMS,
    CALLS,
    st.builds("{} + {}".format, ATOMS, ATOMS),
    st.builds("{}[{}]".format, LISTS, st.sampled_from(["0", "-1"])),
    st.builds("sum(x for x in {})".format, LISTS),
    st.builds("len({})".format, LISTS),
    st.builds("max(map(int, {}))".format, LISTS),
)
SIMPLE = st.one_of(
    st.builds("{} = {}".format, NAMES, VALUES),
    st.builds("{}[0] = {}".format, LISTS, VALUES),
    st.builds("{} += {}".format, NAMES, ATOMS),
    st.builds("{}.append({})".format, LISTS, VALUES),
    st.builds("{} = {}.pop()".format, NAMES, LISTS),
    st.builds("{} = [{}, {}]".format, st.sampled_from(["p", "q"]), VALUES, VALUES),
    st.builds("{} = {}".format, st.sampled_from(["p", "q"]), LISTS),
    st.builds("{}, {} = {}[:2]".format, NAMES, NAMES, LISTS),
    st.builds("count = {}".format, VALUES),
    st.builds("{} = count".format, NAMES),
    CALLS,
)


def _indented(lines):
    return "\n".join("    " + line for text in lines for line in text.split("\n"))


BLOCKS = st.one_of(
    SIMPLE,
    st.builds(
        "for {} in {}:\n{}".format,
        NAMES,
        st.builds("list({})[:2]".format, LISTS),
        st.lists(SIMPLE, min_size=1, max_size=2).map(_indented),
    ),
    st.builds(
        "try:\n{}\nexcept Exception:\n    c = 9".format,
        st.lists(SIMPLE, min_size=1, max_size=3).map(_indented),
    ),
)


@st.composite
def programs(draw):
    lines = ["rows = [1, 2, 3]", "count = 0", "budget = [60]"]
    for at in range(4):
        body = _indented(draw(st.lists(BLOCKS, min_size=1, max_size=5)))
        lines += [
            f"def f{at}(p, a):",
            "    global count",
            "    budget[0] -= 1",
            "    if budget[0] < 0:\n        raise RecursionError",
            "    b, c, q = 1, a, [a, 2]",
            body,
            f"    return {draw(VALUES)}",
        ]
    lines += ["for n in range(2):", "    try:", "        print(f0(rows, n))", "        rows[0] = n"]
    lines += ["    except Exception as error:", "        print(type(error))", "print(rows, count)"]
    return "\n".join(lines)


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(programs(), st.sets(st.integers(0, 3), min_size=1, max_size=3), st.booleans())
def test_generated_programs(text, chosen, marked):
    with contextlib.redirect_stdout(io.StringIO()):
        check(text, *(f"f{at}" for at in chosen), marked=marked)
