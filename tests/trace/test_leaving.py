"""Programs that leave loops, managers, functions and generators in each way are followed to their end."""

import contextlib
import io
from textwrap import indent

from hypothesis import given
from hypothesis import strategies as st
from tests.trace.test_fast_and_obvious import programs
from tests.trace.traced import Traced

ATOMS = st.sampled_from(["a", "b", "0", "2"])
TESTS = st.one_of(ATOMS, st.just("l"), st.builds("t({})".format, ATOMS), st.builds("B({})".format, ATOMS))
MANAGERS = st.sampled_from(["M()", "S()", "F()", "m()", "M(), m()", "closing(C())", "nullcontext(M())"])
ITEMS = st.sampled_from(["[1, 2]", "range(2)", "gen(2)", "(i for i in l[:2])"])
LEAVING = st.one_of(
    st.sampled_from(["break", "continue", "return a", "b = 1 / 0", "assert a", "l.append(a)"]),
    st.builds("b = next(gen({}), 5)".format, ATOMS),
    st.builds("a = t({})".format, ATOMS),
)


def _blocks(inner):
    bodies = st.lists(inner, min_size=1, max_size=2).map(lambda found: indent("\n".join(found), "    "))
    return st.one_of(
        st.builds("with {}:\n{}".format, MANAGERS, bodies),
        st.builds("if {}:\n{}".format, TESTS, bodies),
        st.builds("for a in {}:\n{}".format, ITEMS, bodies),
        st.builds("while {}:\n{}\n    break".format, TESTS, bodies),
        st.builds("try:\n{}\nfinally:\n{}".format, bodies, bodies),
        st.builds("try:\n{}\nexcept Exception:\n{}".format, bodies, bodies),
    )


BEFORE = """\
from contextlib import closing, contextmanager, nullcontext
class M:
    def __enter__(self):
        return self
    def __exit__(self, *of):
        l.append(1)
class S(M):
    def __exit__(self, *of):
        super().__exit__(*of)
        return True
class F(M):
    def __exit__(self, *of):
        if len(l) > 3:
            raise KeyError(1)
class C:
    def close(self):
        l.append(2)
class B:
    def __init__(self, n):
        self.n = n
    def __bool__(self):
        return self.n > 1
@contextmanager
def m():
    yield 1
    l.append(3)
def gen(n):
    with m():
        for i in range(n):
            if i == len(l):
                return
            yield i
def t(x):
    return x > 1
l = []
a = b = 1
def f(a, b):
    for a in [1, 2]:
"""
AFTER = """
try:
    a = f(1, 2)
    for b in g(1, 2):
        l.append(b)
except Exception:
    pass
"""
LEFT = st.lists(st.recursive(LEAVING, _blocks, max_leaves=6), min_size=1, max_size=4).map("\n".join)


@programs(60)
@given(LEFT)
def test_a_program_that_leaves_blocks_in_each_way_is_followed_to_its_end(text):
    body = indent(text, "        ")
    generator = "\ndef g(a, b):\n    for a in [1, 2]:\n        yield a\n"
    with contextlib.redirect_stdout(io.StringIO()):
        run = Traced(BEFORE + body + generator + body + AFTER)
    assert run.error is None
    assert run.gaps == []
