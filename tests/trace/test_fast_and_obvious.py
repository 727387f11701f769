"""The fast trace of generated programs says what the obvious tracer says, which writes everything down.

Compared is what accesses, operations and stores are made from, and the changes; evaluations are named
by their line, kind and count. The two differ by design in which part of a statement an access of a loop or an
unpacking is of, and in `x[k] += y`, whose reading the fast trace has in the operation. Programs of loops and
copies are compared by the lines of the slices of their names. `TRILHA_PROGRAMS` says how many programs there
are to be.
"""

import contextlib
import io
import os
import tempfile
from collections import Counter

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.trace.obvious import Obvious
from tests.trace.traced import Traced

from trilha.trace import traced
from trilha.trace.asked import meant
from trilha.trace.evaluations import Activation, Change, Ended, Evaluation, Kind, Role
from trilha.trace.indexing import _Index
from trilha.trace.slicing import backward

NAMES = st.sampled_from("abc")
LISTS = st.sampled_from(["p", "q"])
NUMBERS = st.integers(0, 3).map(str)
ATOMS = st.one_of(NAMES, NUMBERS)
PLACES = st.sampled_from(["0", "1", "-1"])
SLICES = st.sampled_from([":", "1:", ":-1", "0:1", "2:1", "::2", "::-1"])
VALUES = st.one_of(
    ATOMS,
    st.builds("{} + {}".format, ATOMS, ATOMS),
    st.builds("{}[{}]".format, LISTS, PLACES),
    st.builds("{} or {}".format, ATOMS, ATOMS),
    st.builds("f({}, {})".format, LISTS, ATOMS),
    st.builds("len({})".format, LISTS),
    st.builds("[i + 1 for i in {} if i][0]".format, LISTS),
)
SIMPLE = st.one_of(
    st.builds("{} = {}".format, NAMES, VALUES),
    st.builds("{} += {}".format, NAMES, ATOMS),
    st.builds("{}[{}] = {}".format, LISTS, PLACES, VALUES),
    st.builds("{}.append({})".format, LISTS, VALUES),
    st.builds("{}.insert(1, {})".format, LISTS, ATOMS),
    st.builds("{} = {}.pop()".format, NAMES, LISTS),
    st.builds("del {}[{}]".format, LISTS, PLACES),
    st.builds("{}[{}] = {}".format, LISTS, SLICES, LISTS),
    st.builds("{}[{}] = [{}]".format, LISTS, SLICES, ATOMS),
    st.builds("del {}[{}]".format, LISTS, SLICES),
    st.builds("{} = {}".format, LISTS, LISTS),
    st.builds("{} = [{}, {}]".format, LISTS, VALUES, VALUES),
    st.builds("{}, {} = {}, {}".format, NAMES, NAMES, ATOMS, ATOMS),
)


def _indented(lines):
    return "\n".join("    " + line for text in lines for line in text.split("\n"))


def _blocks(inner):
    bodies = st.lists(inner, min_size=1, max_size=3).map(_indented)
    return st.one_of(
        st.builds("if {} > {}:\n{}".format, ATOMS, ATOMS, bodies),
        st.builds("if {} and {}:\n{}\nelse:\n{}".format, ATOMS, ATOMS, bodies, bodies),
        st.builds("for {} in range({}):\n{}".format, NAMES, NUMBERS, bodies),
        st.builds("try:\n{}\nexcept Exception:\n{}".format, bodies, bodies),
    )


STATEMENTS = st.recursive(SIMPLE, _blocks, max_leaves=6)
BEFORE = "def f(l, x):\n    y = l[-1]\n    return y + x\na = b = c = 1\np = [1, 2, 3]\nq = [p[0], 5, 6]\n"
PROGRAMS = st.lists(STATEMENTS, min_size=1, max_size=8).map(lambda found: BEFORE + "\n".join(found))


def compared(events, components, kinds):
    """What is compared: evaluations of these kinds with their sources, and changes."""
    named, met, found = {}, Counter(), []
    for event in events:
        if isinstance(event, Evaluation):
            part = components[event.component]
            place = part.file, part.line, part.kind
            met[place] += 1
            named[event.number] = (*place, met[place])
    for event in events:
        if isinstance(event, Evaluation) and components[event.component].kind in kinds:
            sources = Counter(
                (named.get(one.evaluation), one.role)
                for one in event.sources
                # Where a value is of a call's own activation is said of the fast trace alone.
                if one.role in (Role.VALUE, Role.OPERAND, Role.ELEMENT, Role.KEY, Role.COLLECTION)
            )
            found.append((named[event.number], event.name, sources))
        elif isinstance(event, Change):
            found.append((named.get(event.by), event.how, event.key, named.get(event.member)))
    return found


def programs(count):
    """So many programs, always the same ones; ``TRILHA_PROGRAMS`` of them by hand."""
    return settings(
        max_examples=int(os.environ.get("TRILHA_PROGRAMS", count)),
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
    )


@programs(200)
@given(PROGRAMS)
def test_the_fast_trace_says_what_the_obvious_one_says(text):
    obvious = Obvious(text)
    error = None
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            obvious.run()
        except Exception as raised:
            error = raised
    fast = Traced(text)
    assert type(fast.error) is type(error)
    assert not [why for why in fast.gaps if "cannot be followed" in why]
    kinds = {Kind.ACCESS, Kind.PART, Kind.OPERATION, Kind.LITERAL}
    assert compared(fast.events, fast.components, kinds) == compared(
        obvious.events, obvious.components, kinds
    )


# -- loops and copies, by slices

DICTS = st.sampled_from(["d", "e"])
KEYS = st.sampled_from(["'u'", "'v'", "'w'"])
PARTS = st.one_of(
    ATOMS,
    st.builds("{}[{}]".format, DICTS, KEYS),
    st.builds("{}.get({}, {})".format, DICTS, KEYS, ATOMS),
    st.builds("{}[{}]".format, LISTS, PLACES),
)
GROWING = st.one_of(
    st.builds("{} = {} + {}".format, LISTS, LISTS, LISTS),
    st.builds("{} = [*{}, {}, *{}]".format, LISTS, LISTS, PARTS, LISTS),
    st.builds("{}.append({})".format, LISTS, PARTS),
    st.builds("{}.extend({})".format, LISTS, LISTS),
)
"""No statements of loops: these may go through the lists, for ever."""
CHANGES = st.one_of(
    st.builds("{}[{}] = {}".format, DICTS, KEYS, PARTS),
    st.builds("del {}[{}]".format, DICTS, KEYS),
    st.builds("{} = {}.pop({}, {})".format, NAMES, DICTS, KEYS, ATOMS),
    st.builds("{}.setdefault({}, {})".format, DICTS, KEYS, PARTS),
    st.builds("{}.update({})".format, DICTS, DICTS),
    st.builds("{} = {}.copy()".format, DICTS, DICTS),
    st.builds("{} = dict({})".format, DICTS, DICTS),
    st.builds("{} = {{**{}, {}: {}, **{}}}".format, DICTS, DICTS, KEYS, PARTS, DICTS),
    st.builds("{} = {{k: v for k, v in {}.items()}}".format, DICTS, DICTS),
    st.builds("{} = {}[{}]".format, LISTS, LISTS, st.sampled_from([":", "1:", "::-1", "-2:"])),
    st.builds("{} = list({})".format, LISTS, LISTS),
    st.builds("{} = list({}.values())".format, LISTS, DICTS),
    st.builds("{} = [v for v in reversed({})]".format, LISTS, LISTS),
    st.builds("{} = {}.pop()".format, NAMES, LISTS),
    st.builds("{} = {}".format, NAMES, PARTS),
)
WAYS = st.one_of(
    st.builds("{}, {} in {}.items()".format, NAMES, NAMES, DICTS),
    st.builds("{} in {}.values()".format, NAMES, DICTS),
    st.builds("{} in {}".format, NAMES, DICTS),
    st.builds("{} in reversed({})".format, NAMES, LISTS),
    st.builds("{} in list({}.values())".format, NAMES, DICTS),
    st.builds("{}, {} in zip({}, {})".format, NAMES, NAMES, LISTS, LISTS),
    st.builds("{}, {} in enumerate({}, {})".format, NAMES, NAMES, LISTS, NAMES),
    st.builds("{}, ({}, {}) in enumerate(zip({}, {}.values()))".format, NAMES, NAMES, NAMES, LISTS, DICTS),
)


def _loops(inner):
    bodies = st.lists(inner, min_size=1, max_size=3).map(_indented)
    return st.one_of(
        st.builds("for {}:\n{}\n    break".format, WAYS, bodies),
        st.builds("for {}:\n{}".format, WAYS, bodies),
        st.builds("try:\n{}\nexcept Exception:\n    pass".format, bodies),
    )


GONE_THROUGH = """\
from itertools import chain
a = b = c = 1
p = [1,
     2,
     3]
q = [p[0], 4]
d = {'u': q[1],
     'v': 6}
e = {'w': 7}
"""
LOOPS = st.lists(st.one_of(GROWING, st.recursive(CHANGES, _loops, max_leaves=5)), min_size=1, max_size=6).map(
    lambda found: GONE_THROUGH + "\n".join(found)
)


# -- iterators that have names

TAKING = st.one_of(
    st.builds("z = zip({}, {})".format, LISTS, st.one_of(LISTS, st.just("r"))),
    st.builds("r = reversed({})".format, LISTS),
    st.builds("r = chain({}, {})".format, LISTS, LISTS),
    st.builds("{} = next(r)".format, NAMES),
    st.builds("{}, {} = next(z)".format, NAMES, NAMES),
    st.builds("{} = list(r)".format, LISTS),
    st.builds("{}[{}] = {}".format, LISTS, PLACES, NAMES),
    st.builds("{}.append({})".format, LISTS, NAMES),
    st.builds("for {} in {}:\n    break".format, NAMES, st.sampled_from(["r", "enumerate(r)"])),
    st.builds("for {}, {} in {}:\n    {} = {}\n    break".format, *[NAMES] * 2, st.just("z"), NAMES, NAMES),
    st.builds("for {}, {} in {}:\n    {}[0] = {}".format, *[NAMES] * 2, st.just("zip(r, p)"), LISTS, NAMES),
    st.builds("try:\n    {}, {} = next(z)\nexcept StopIteration:\n    z = zip(q, p)".format, NAMES, NAMES),
)
ITERATORS = st.lists(TAKING, min_size=1, max_size=8).map(
    lambda found: GONE_THROUGH + "z = zip(p, q)\nr = reversed(p)\n" + "\n".join(found)
)


# -- what operators and copies give, by other names

MADE = st.sampled_from("st")
OTHERS = st.sampled_from("uv")
JOINED = st.sampled_from(["g", "h"])
PLACED = st.one_of(
    NAMES, NUMBERS, st.builds("{}[{}]".format, OTHERS, PLACES), st.builds("e[{}]".format, KEYS)
)
SHARED = st.one_of(
    st.builds("{} = {}".format, OTHERS, MADE),
    st.builds("e = {}".format, JOINED),
    st.builds("{} = {} + {}".format, MADE, LISTS, LISTS),
    st.builds("{} = {} + [{}] + {}".format, MADE, LISTS, PLACED, LISTS),
    st.builds("{} = {} * 2".format, MADE, LISTS),
    st.builds("{} = both({}, {})".format, MADE, st.one_of(LISTS, MADE), LISTS),
    st.builds("{} = {}".format, MADE, st.sampled_from(["p[:]", "[*q]", "list(p)", "p.copy()", "sorted(q)"])),
    st.builds("{} = {} | {}".format, JOINED, DICTS, DICTS),
    st.builds("{} = {{**{}}}".format, JOINED, DICTS),
    st.builds("{}[{}] = {}".format, OTHERS, PLACES, PLACED),
    st.builds("{}.append({})".format, OTHERS, PLACED),
    st.builds("put({}, {})".format, MADE, PLACED),
    st.builds("e[{}] = {}".format, KEYS, PLACED),
    st.builds("{} = {}[{}]".format, NAMES, OTHERS, PLACES),
    st.builds("{} = sum({})".format, NAMES, MADE),
    st.builds("{} = len({})".format, NAMES, JOINED),
)
BOUND_BEFORE = """\
def put(l, x):
    l[0] = x
def both(l, m):
    return l + m
a = b = c = 1
p = [1,
     2]
q = [p[0], 4]
d = {'u': q[1],
     'v': 6}
e = {'w': 7}
s = p + q
t = q * 2
u = s
v = t
g = d | e
h = d | e
"""
ALIASES = st.lists(SHARED, min_size=1, max_size=10).map(
    lambda found: BOUND_BEFORE + "\n".join(found) + "\na = sum(s)\nb = sum(t)\nc = len(g)"
)


# -- what runs where containers are compared and taken apart

HELD = st.sampled_from(["m", "n", "k"])
MARKS = st.sampled_from(["u", "v"])
WITHIN = st.one_of(
    st.builds("{} = [{}, {}]".format, HELD, st.one_of(MARKS, NUMBERS), MARKS),
    st.builds("{} = {}".format, HELD, HELD),
    st.builds("{} = {} == {}".format, NAMES, HELD, HELD),
    st.builds("{} = {} < {}".format, NAMES, HELD, HELD),
    st.builds("{} = {} in {}".format, NAMES, st.one_of(NUMBERS, MARKS), HELD),
    st.builds("{} = {} != {} != {}".format, NAMES, HELD, HELD, HELD),
    st.builds("{} = ({}, 2) == ({}, 2)".format, NAMES, MARKS, MARKS),
    st.builds("{} = g({})".format, NAMES, ATOMS),
    st.builds("{} = {}".format, NAMES, ATOMS),
    st.builds("{}, {} = map(g, {})".format, NAMES, NAMES, HELD),
    st.builds("{}, {} = map(id, {})".format, NAMES, NAMES, HELD),
    st.builds("if {} < {}:\n    {} = {}".format, HELD, HELD, NAMES, ATOMS),
    st.builds("if {} == []:\n    {} = {}".format, HELD, NAMES, ATOMS),
)
MARKED = """\
class Mark:
    def __eq__(self, other):
        return a > b
    def __lt__(self, other):
        return b > c
def g(x):
    return c
a, b, c = 3, 1, 2
u = Mark()
v = Mark()
m = [u, 1]
n = [v, 1]
k = [2, u]
"""
COMPARED = st.lists(WITHIN, min_size=1, max_size=10).map(lambda found: MARKED + "\n".join(found))


# -- what patterns bind

INNER = st.sampled_from(["0", "1", "a", "_", "[c, *_]", "{'u': c}", "2 as c"])
PATTERNS = st.one_of(
    st.builds("[{}, b]".format, INNER),
    st.builds("[{}, *r]".format, INNER),
    st.builds("[*_, {}]".format, INNER),
    st.builds("[b, *r, {}]".format, INNER),
    st.builds("{{'u': {}}}".format, INNER),
    st.builds("{{'v': {}, **e}}".format, INNER),
    st.just("[[a, b], *_] as r"),
)
HOLDERS = st.one_of(LISTS, DICTS, st.just("r"))
MATCHED = st.one_of(
    st.builds(
        "match {}:\n    case {}{}:\n        {} = {}\n    case {}:\n        {} = {}".format,
        *(HOLDERS, PATTERNS, st.sampled_from(["", " if a > b", " if c"]), NAMES, ATOMS),
        *(PATTERNS, NAMES, ATOMS),
    ),
    st.builds("match {}, {}:\n    case {}:\n        {} = a".format, HOLDERS, ATOMS, PATTERNS, NAMES),
    st.builds("{}.append({})".format, LISTS, st.one_of(ATOMS, HOLDERS)),
    st.builds("{}.insert(0, {})".format, LISTS, ATOMS),
    st.builds("{}[{}] = {}".format, DICTS, KEYS, st.one_of(ATOMS, HOLDERS)),
    st.builds("{} = [{}, {}]".format, LISTS, st.one_of(ATOMS, HOLDERS), ATOMS),
    st.builds("{} = {{'u': {}, 'v': {}}}".format, DICTS, st.one_of(ATOMS, HOLDERS), ATOMS),
    st.builds("{} = {}".format, NAMES, ATOMS),
)
MATCHES = st.lists(MATCHED, min_size=1, max_size=8).map(
    lambda found: GONE_THROUGH + "r = [p, 8]\n" + "\n".join(found)
)


def indexed(obvious, text):
    """The obvious tracer's events, to be asked as those of a log are."""
    made = _Index(None)
    for number, one in obvious.components.items():
        made.component(one._replace(number=number))
    for event in obvious.events:
        if isinstance(event, Activation):
            made.sink(event._replace(number=event.number + 1))
        else:
            more = {"activation": event.activation + 1} if isinstance(event, (Evaluation, Ended)) else {}
            made.sink(event._replace(**more))
    with tempfile.TemporaryFile() as file:
        made.write(file, None, {"script.py": text}, {})
        made.close()
        return traced.Traced(file)


@programs(200)
@given(LOOPS)
def test_slices_through_loops_and_copies_are_those_of_the_obvious_trace(text):
    sliced_as_by_the_obvious(text)


@programs(100)
@given(ALIASES)
def test_what_an_operator_gives_is_the_same_object_by_whichever_name_it_is_changed(text):
    sliced_as_by_the_obvious(text)


@programs(100)
@given(ITERATORS)
def test_what_is_taken_of_an_iterator_by_its_name_is_the_member_that_is_next(text):
    sliced_as_by_the_obvious(text)


@programs(100)
@given(COMPARED)
def test_what_runs_where_containers_are_compared_or_taken_apart_is_of_that(text):
    sliced_as_by_the_obvious(text, but=(1, 2, 4, 6))


@programs(100)
@given(MATCHES)
def test_what_a_pattern_binds_is_of_the_member_that_it_fits(text):
    sliced_as_by_the_obvious(text)


def sliced_as_by_the_obvious(text, but=()):
    """The slices have the same lines, but for those of some definitions."""
    obvious = Obvious(text)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        obvious.run()
    fast = Traced(text)
    both = indexed(obvious, text), traced.Traced.of_log(fast.chunks)
    for name in "abc":
        slices = [backward(one, meant([one], name).evaluations).lines() for one in both]
        found = [[line for _, line in lines if line not in but] for lines in slices]
        assert found[0] == found[1], name
