"""The fast trace of generated programs says what the obvious tracer says, which writes everything down.

Compared is what accesses, operations and stores are made from, and the changes; evaluations are named
by their line, kind and count. The two differ by design in which part of a statement an access of a loop or an
unpacking is of, and in `x[k] += y`, whose reading the fast trace has in the operation. `TRILHA_PROGRAMS` says
how many programs there are to be.
"""

import contextlib
import io
import os
from collections import Counter

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.trace.obvious import Obvious
from tests.trace.traced import Traced

from trilha.trace.evaluations import Change, Evaluation, Kind, Role

NAMES = st.sampled_from("abc")
LISTS = st.sampled_from(["p", "q"])
NUMBERS = st.integers(0, 3).map(str)
ATOMS = st.one_of(NAMES, NUMBERS)
PLACES = st.sampled_from(["0", "1", "-1"])
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


@settings(
    max_examples=int(os.environ.get("TRILHA_PROGRAMS", "200")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
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
