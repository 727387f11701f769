"""Which names a cell's text looks up and binds, against what Python does when it runs it."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trilha.capture.notebook.text import mentioned, statements


def read(source):
    """Names looked up and bound by a text of one statement: the certain ones, and those that need not be."""
    [one] = statements(source)
    parts = []
    for names in (one.reads, one.binds):
        parts += [{name for name, sure in names.items() if sure}, {name for name in names if not names[name]}]
    return parts


@pytest.mark.parametrize(
    ("source", "reads", "perhaps", "binds", "perhaps_binds"),
    [
        ("y = x", "x", "", "y", ""),
        ("x += a", "x a", "", "x", ""),
        ("x.a = b[c]", "x b c", "", "", ""),
        ("x[i], *y = z", "x i z", "", "y", ""),
        ("x: t = a", "a", "t", "x", ""),
        ("x: t", "", "t", "", ""),
        ("import a.b, c as d", "", "", "a d", ""),
        ("from a import b as c, d", "", "", "c d", ""),
        ("from a import *", "", "", "", ""),
        ("if a: b = c\nelse: d", "a", "c d", "", "b"),
        ("while a: b = c", "a", "c", "", "b"),
        ("for a in b: c = a + d", "b", "d a", "", "a c"),
        ("with a as b: c = b", "a", "", "b", "c"),
        ("try: a = b\nexcept c as d: d, e\nfinally: f", "f", "b c e", "", "a"),
        ("match a:\n case [b, *c]: d\n case {'k': e, **f}: pass\n case g: pass", "a", "d", "", "b c e f g"),
        ("a and b or c", "a", "b c", "", ""),
        ("a if b else c", "b", "a c", "", ""),
        ("a < b < c", "a b", "c", "", ""),
        ("(a := b) + a", "b", "", "a", ""),
        ("assert a, b", "a", "b", "", ""),
        ("lambda x, y=a: x + b", "a", "", "", ""),
        ("[a + b for a in c for d in e if f]", "c", "b e f", "", ""),
        ("{a: b for a, b in c}", "c", "", "", ""),
        ("[(y := a) for a in b]", "b", "", "", "y"),
        ("@a\ndef f(x: b, y=c) -> d: return e", "a c", "b d", "f", ""),
        ("async def f(): return e", "", "", "f", ""),
        ("class A(b):\n c = d\n e = c\n def f(self): return g", "b d", "", "A", ""),
        ("del a", "a", "", "", ""),
        ("global a", "", "", "", ""),
        ("f'{a}{b!r:{c}}'", "a b c", "", "", ""),
        ("await a", "a", "", "", ""),
        ("get_ipython().run_line_magic('time', 'a = b')", "", "b", "", "a"),
        ("get_ipython().run_line_magic('timeit', '-n 10 a(b)')", "", "a b", "", ""),
        ("get_ipython().run_cell_magic('time', '', 'a = b\\nc = a\\n')", "", "b", "", "a c"),
        ("get_ipython().run_line_magic('matplotlib', 'inline')", "", "", "", ""),
        ("get_ipython().system('ls {a}')", "get_ipython", "", "", ""),
    ],
)
def test_names_of_each_construct(source, reads, perhaps, binds, perhaps_binds):
    found = read(source)
    assert found[0] == set(reads.split())
    assert found[1] - {"a"} == set(perhaps.split()) - {"a"}
    assert found[2:] == [set(binds.split()), set(perhaps_binds.split())]


def test_statements_have_their_lines_and_what_they_delete():
    told = statements("a = 1\n\n@b\ndef f():\n    c\n\ndel a, f\n")
    assert [(one.first, one.last) for one in told] == [(1, 1), (3, 5), (7, 7)]
    assert told[2].deletes == {"a", "f"}
    assert statements("no Python") is None
    assert statements("(" * 10_000) is None
    assert mentioned("def f(): return g(x)") == {"g", "x"}
    assert mentioned("no Python") == frozenset()


names = st.sampled_from("abcd")
expressions = st.recursive(
    st.one_of(names, st.just("1")),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: f"({two[0]} + {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} and {two[1]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} if {three[1]} else {three[2]})"),
        st.tuples(names, inner).map(lambda two: f"({two[0]} := {two[1]})"),
        inner.map(lambda one: f"(lambda y={one}: y)()"),
    ),
    max_leaves=6,
)
simple = st.one_of(
    st.tuples(names, expressions).map(lambda two: f"{two[0]} = {two[1]}"),
    st.tuples(names, expressions).map(lambda two: f"{two[0]} += {two[1]}"),
)
compound = st.one_of(
    simple,
    st.tuples(expressions, simple, simple).map(lambda it: f"if {it[0]}:\n    {it[1]}\nelse:\n    {it[2]}"),
    st.tuples(names, expressions, simple).map(lambda it: f"for {it[0]} in range({it[1]} % 3):\n    {it[2]}"),
)


class Seen(dict):
    """A namespace that notes what is looked up in it, as long as nobody has bound it, and what is bound."""

    def __init__(self):
        super().__init__(a=0, b=1, c=2, d=3)
        self.reads, self.binds = set(), set()

    def __getitem__(self, name):
        found = super().__getitem__(name)
        if name not in self.binds:
            self.reads.add(name)
        return found

    def __setitem__(self, name, value):
        self.binds.add(name)
        super().__setitem__(name, value)


@settings(max_examples=150, deadline=None)
@given(compound)
def test_what_is_certain_happens_and_what_happens_is_told(source):
    seen = Seen()
    exec(compile(source, "cell", "exec"), {"__builtins__": __builtins__}, seen)
    [one] = statements(source)
    certain = {name for name, sure in one.reads.items() if sure}
    assert certain - {"sum", "range"} <= seen.reads
    assert seen.reads - {"sum", "range"} <= one.reads.keys()
    assert {name for name, sure in one.binds.items() if sure} <= seen.binds <= one.binds.keys()
    assert mentioned(source) == {
        node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)
    }
