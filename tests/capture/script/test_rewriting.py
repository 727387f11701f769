"""A rewritten program does what it does as it is: a fixed corpus of shapes, and programs made at random."""

import ast
import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trilha.capture.script.rewriting import NAME, program, rewritten

DRIVER = Path(__file__).with_name("driver.py")


def functions(source):
    return [function.label for function in rewritten(source.encode(), "s.py").functions.values()]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(): pass\ndef g(): return 1\n", ["f", "g"]),
        ("if x:\n    def f(): pass\nelse:\n    def g(): pass\n", ["f", "g"]),
        (
            "try:\n    def f(): pass\nexcept E:\n    def g(): pass\nfinally:\n    def h(): pass\n",
            ["f", "g", "h"],
        ),
        ("with x:\n    def f(): pass\n", ["f"]),
        ("class C:\n    def f(self): pass\n", []),
        ("def f():\n    def g(): pass\n", ["f"]),
        ("for i in x:\n    def f(): pass\n", []),
        ("def f():\n    yield\nasync def g(): pass\nlambda: 1\n", []),
        ("def f():\n    return (yield)\ndef g(x=[i for i in ()]): return (i for i in x)\n", ["g"]),
        ("def f():\n    def g():\n        yield\n    return g\n", ["f"]),
        ("def f(): pass\ndef f(): return 2\n", ["f", "f"]),
        (f"def f(): return {NAME}\n", []),
        ("@jit\ndef f(): pass\n@numba.njit(cache=True)\ndef g(): h()\ndef h(): pass\ndef i(): pass\n", ["i"]),
        ("def f(): g()\ndef g(): pass\ndef h(): pass\nfast = torch.compile(f, fullgraph=True)\n", ["h"]),
        ("class M:\n    def forward(self): f()\ndef f(): pass\ndef g(): pass\nm = M()\nm.compile()\n", ["g"]),
        ("class M: pass\ndef build(): return M()\nm = torch.compile(build())\n", ["build"]),
        ("def objective(t): pass\nstudy.optimize(objective)\nframe.export(objective)\n", ["objective"]),
        ("import re\nP = re.compile('x')\ndef f(): P.match('x')\n", ["f"]),
    ],
)
def test_the_functions_at_the_top_level_tell_of_their_calls(source, names):
    assert functions(source) == names


def test_a_function_is_known_by_its_text_its_line_and_its_parameters():
    source = (
        "x = 1\n@staticmethod\ndef ä(a, /, b=1, *c, d, **e):\n    '''ü'''\n    return 'é'  # after\ny = 2\n"
    )
    (function,) = rewritten(source.encode(), "s.py").functions.values()
    assert function.label == "ä"
    assert function.source == "def ä(a, /, b=1, *c, d, **e):\n    '''ü'''\n    return 'é'"
    assert function.line == 2
    assert function.parameters == ("a", "b", "c", "d", "e")


def test_the_lines_of_a_script_are_those_of_python():
    source = "x = 1\n\x0c\ny = '\u2028'\r\ndef f():\r\n    return '\x0b\u2029'\n"
    (function,) = rewritten(source.encode(), "s.py").functions.values()
    assert function.source == "def f():\n    return '\x0b\u2029'"


def test_what_is_nested_too_deeply_for_a_tree_is_run_as_it_is():
    long = "'doc'\nx = 0" + " + 1" * 1300 + "\ndef f(): return x\n"
    plain = compile(long, "s.py", "exec")
    try:
        compile(ast.parse(long), "s.py", "exec")
    except RecursionError:
        assert rewritten(long.encode(), "s.py") == (plain, {})
    how = {"first": lambda _: "seen.append(1)", "last": "seen.append(2)", "calls": False}
    made = program(long.encode(), "s.py", **how)
    names = {"seen": []}
    exec(made.code, names)
    assert (names["x"], names["seen"], names["__doc__"]) == (1300, [1, 2], "doc")


def test_no_name_is_added_to_what_a_function_knows():
    source = b"def f(a, *b):\n    x = a\n    def g(): return x\n    return g\n"
    codes = [
        next(c for c in code.co_consts if hasattr(c, "co_code"))
        for code in (compile(source, "s.py", "exec"), rewritten(source, "s.py").code)
    ]
    plain, changed = codes
    for name in (
        "co_varnames",
        "co_cellvars",
        "co_freevars",
        "co_firstlineno",
        "co_flags",
        "co_nlocals",
        "co_qualname",
    ):
        assert getattr(changed, name) == getattr(plain, name)
    assert set(changed.co_names) - set(plain.co_names) == {
        NAME,
        "begin",
        "keep",
        "leave",
        "RecursionError",
        "NameError",
        "exec",
    }


def test_all_that_can_be_nested_without_us_can_be_nested():
    deep = (
        "def f():\n"
        + "".join("    " * (i + 1) + "for i in ():\n" for i in range(19))
        + "    " * 20
        + "pass\n"
    )
    compile(deep, "s.py", "exec")
    assert rewritten(deep.encode(), "s.py").code
    assert program(deep.encode(), "s.py", first=lambda _: "None", last="None").code


def test_what_cannot_be_compiled_is_refused_as_by_python():
    for source in (
        b"x = (\n",
        b"def f():\nreturn\n",
        b"x = '\xff'\n",
        b"return\n",
        b"def f():\n    nonlocal x\n",
    ):
        with pytest.raises((SyntaxError, ValueError)):
            program(source, "s.py", first=lambda _: "None", last="None")


def test_a_warning_of_the_compiler_is_shown_once():
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        program(b"def f(x):\n    return x is 1\n", "s.py", first=lambda _: "None", last="None")
    assert [warning.category for warning in met] == [SyntaxWarning]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SyntaxError):
            program(b"def f(x):\n    return x is 1\n", "s.py", first=lambda _: "None", last="None")


def test_the_head_of_a_module_stays_its_head():
    source = b"'doc'\nfrom __future__ import annotations\nx: int = 1\n"
    made = program(
        source, "s.py", first=lambda _: "seen.append(__doc__)", last="seen.append('end')", calls=False
    )
    names = {"seen": []}
    exec(made.code, names)
    assert names["seen"] == ["doc", "end"]
    assert names["__annotations__"] == {"x": "int"}


# -- programs made at random ---------------------------------------------------------------------------------

HEAD = """
import contextlib
budget = [300]
class Stop(BaseException): pass
class Manager:
    def __init__(self, swallow): self.swallow = swallow
    def __enter__(self): print("enter")
    def __exit__(self, kind, error, trace):
        print("exit", kind)
        return self.swallow and kind is not Stop
def tick():
    budget[0] -= 1
    if budget[0] < 0:
        raise Stop
"""
NAMES = ["f0", "f1", "f2"]


@st.composite
def expressions(draw, depth=2):
    simple = st.sampled_from(["a", "x", "y", "0", "1", "-1", "'t'", "None", "[a, x]", "n"])
    if not depth:
        return draw(simple)
    part = expressions(depth - 1)
    name = draw(st.sampled_from(NAMES))
    return draw(
        st.one_of(
            simple,
            part.map(lambda e: f"({name}({e}, n - 1) if n > 0 else {e})"),
            part.map(lambda e: f"{name}(a={e}, n=n - 1, *()) if n > 0 else 2"),
            st.tuples(part, part).map(lambda e: f"({e[0]} == {e[1]})"),
            part.map(lambda e: f"(1 // len([{e}][x if isinstance(x, int) else 0:]))"),
            part.map(lambda e: f"[{e} for i in range(2)]"),
            part.map(lambda e: f"(lambda: {e})()"),
            part.map(lambda e: f"(y := {e})"),
            part.map(lambda e: f"{{}}[{e}]"),
        )
    )


@st.composite
def blocks(draw, depth, in_loop, indent):
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        lines += draw(statements(depth, in_loop, indent))
    return lines


@st.composite
def statements(draw, depth, in_loop, indent):
    pad = "    " * indent
    kinds = ["print", "assign", "return", "raise", "bare return"] + (["break", "continue"] if in_loop else [])
    if depth:
        kinds += ["if", "for", "while", "try", "try finally", "with", "def", "match"]
    kind = draw(st.sampled_from(kinds))
    e = draw(expressions())
    inner = blocks(depth - 1, in_loop, indent + 1)
    if kind == "print":
        return [f"{pad}print({e})"]
    if kind == "assign":
        return [f"{pad}{draw(st.sampled_from('xy'))} = {e}"]
    if kind == "return":
        return [f"{pad}return {e}"]
    if kind == "bare return":
        return [f"{pad}return"]
    if kind == "raise":
        return [
            pad
            + draw(
                st.sampled_from(
                    [f"raise ValueError({e})", f"raise KeyError({e}) from ValueError(1)", "raise"]
                )
            )
        ]
    if kind in ("break", "continue"):
        return [pad + kind]
    if kind == "if":
        return [f"{pad}if {e}:", *draw(inner), f"{pad}else:", *draw(inner)]
    if kind == "for":
        loop = draw(blocks(depth - 1, True, indent + 1))
        return [f"{pad}for x in range(2):", f"{pad}    tick()", *loop, f"{pad}else:", *draw(inner)]
    if kind == "while":
        loop = draw(blocks(depth - 1, True, indent + 1))
        return [f"{pad}while {e}:", f"{pad}    tick()", *loop]
    if kind == "with":
        return [f"{pad}with Manager({draw(st.booleans())}):", *draw(inner)]
    if kind == "match":
        return [
            f"{pad}match {e}:",
            f"{pad}    case [x, *_]:",
            *draw(blocks(depth - 1, in_loop, indent + 2)),
            f"{pad}    case _:",
            *draw(blocks(depth - 1, in_loop, indent + 2)),
        ]
    if kind == "def":
        body = draw(blocks(depth - 1, False, indent + 1))
        return [f"{pad}def g(a, n=n, x=x, y=y):", f"{pad}    tick()", *body, f"{pad}print(g({e}))"]
    caught = draw(st.sampled_from(["Exception as error", "(ValueError, KeyError)", "ZeroDivisionError"]))
    lines = [f"{pad}try:", *draw(inner)]
    if kind == "try":
        lines += [f"{pad}except {caught}:", *draw(inner)]
        if draw(st.booleans()):
            lines += [f"{pad}else:", *draw(inner)]
    if kind == "try finally" or draw(st.booleans()):
        lines += [f"{pad}finally:", *draw(inner)]
    return lines


@st.composite
def programs(draw):
    lines = [HEAD]
    for name in NAMES:
        lines += [f"def {name}(a, n=2, /):" if draw(st.booleans()) else f"def {name}(a, n=2):"]
        lines += [*(['    "doc"'] if draw(st.booleans()) else []), "    tick()", "    x = y = 0"]
        lines += draw(blocks(2, False, 1))
    lines += [
        "try:",
        "    print(f0(1))",
        "except Exception as error:",
        "    print(repr(error), error.__context__)",
        "    print(f1(error))",
    ]
    lines += ["for a in (1, 'q'):", "    print(f2(a, 3))", "print(f1([1, 2]))"]
    return "\n".join(lines) + "\n"


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(programs(), min_size=1, max_size=25))
def test_random_programs_do_what_they_do_as_they_are(tmp_path_factory, sources):
    for source in sources:
        ast.parse(source)
    store = tmp_path_factory.mktemp("store")
    done = subprocess.run(
        [sys.executable, DRIVER, store],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert not answer["different"], "\n".join(answer["different"])
    assert answer["left open"] == 0
    assert answer["lost"] == 0
    assert answer["recorded"] > 0
