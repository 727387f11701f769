"""The plan that a script's text is: steps, ports, channels, loops and branches."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trilha.errors import UsageError
from trilha.query.planning import plan_of_text


def read(text):
    return plan_of_text(dedent(text), "flow.py")


def channels(plan):
    """From step to step, or to the result of a step, as text."""
    return {
        f"{source.step}.{source.name} -> {target.step}.{target.name}"
        for source, target in plan.channels
        if not source.incoming and target.incoming
    }


APPS = """
from parsl import python_app, bash_app, join_app
@python_app
def make(n): return [n]
@python_app
def add(a, b=None, *more, key=None, **others): return a
@bash_app
def write(text, outputs=(), stdout=None): return f"echo {text} > {outputs[0]}"
def plain(x): return x
"""


def test_steps_are_the_functions_with_their_ports_engines_and_calls():
    plan = read(APPS + "one = make(1)\ntwo = make(2); three = make(3)\nadd(one)\n")
    make, add, write, plain = plan.steps.values()
    assert (make.name, make.inputs, make.engine, make.calls) == ("make", ("n",), "parsl", [10, 11, 11])
    assert add.inputs == ("a", "b", "key", "more", "others")
    assert (write.engine, write.calls, plain.engine) == ("parsl", [], "")
    assert channels(plan) == {"make.result -> add.a"}


FIRST = "make.result -> add.a"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = make(1)\nadd(0, x)", {"make.result -> add.b"}),
        ("x = make(1)\nadd(0, key=x)", {"make.result -> add.key"}),
        ("x = make(1)\nadd(0, 1, 2, x)", {"make.result -> add.more"}),
        ("x = [make(i) for i in range(3)]\nadd(*x)", {"make.result -> add.a"}),
        ("x = []\nfor i in range(3):\n    x.append(make(i))\nadd(x)", {"make.result -> add.a"}),
        ("x = {}\nfor i in range(3):\n    x[i] = make(i)\nadd(x[1])", {"make.result -> add.a"}),
        ("x, y = make(1), 2\nadd(y)", {"make.result -> add.a"}),
        ("with open(make(1).result()) as f:\n    add(f)", {"make.result -> add.a"}),
        ("x = make(1).result() + 1\nadd(x)", {"make.result -> add.a"}),
        ("add(max(make(1), make(2)))", {"make.result -> add.a"}),
        ("x = 0\nfor i in range(3):\n    x = add(x)", {"add.result -> add.a"}),
        ("x = 1\nif x:\n    x = make(1)\nelse:\n    x = plain(1)\nadd(x)", {FIRST, "plain.result -> add.a"}),
        ("if (x := make(1)):\n    add(x)", {"make.result -> add.a"}),
        ("w = write('a', outputs=['f'])\nadd(w.outputs[0])", {"write.outputs -> add.a"}),
        ("x = make(1)\nwrite('a', outputs=[x], stdout=x)", set()),
        ("x = make(1)\nx = 3\nadd(x)", set()),
        ("x = make(1)\nimport os\nos.remove(x)\nadd(os.getcwd())", set()),
        ("x = make(1)\nadd(x == 3)", set()),
        ("x = make(1)\nmatch x:\n    case [y, *_]:\n        add(y)", {"make.result -> add.a"}),
        ("x = make(1)\ntry:\n    add(x)\nexcept Exception:\n    add(0, x)", {FIRST, "make.result -> add.b"}),
        ("if __name__ == '__main__':\n    add(make(1))", {"make.result -> add.a"}),
    ],
)  # fmt: skip
def test_channels_go_where_a_value_may_go(text, found):
    assert channels(read(APPS + text)) == found


def test_functions_that_are_handed_to_an_executor_are_called():
    plan = read("""
    from concurrent.futures import ProcessPoolExecutor
    from dask import delayed
    def load(path): return path
    def fit(data, rate): return data
    def score(model): return model
    def lazy(x): return x
    with ProcessPoolExecutor() as pool:
        data = pool.submit(load, "a")
        models = pool.map(fit, [data.result()], [1, 2])
        best = pool.apply_async(score, args=(models,))
    delayed(lazy)(best)
    """)
    assert channels(plan) == {
        "load.result -> fit.data",
        "fit.result -> score.model",
        "score.result -> lazy.x",
    }
    engines = {step.name: step.engine for step in plan.steps.values()}
    assert engines == {"load": "executor", "fit": "executor", "score": "executor", "lazy": "dask"}
    assert [plan.steps[name].repeated for name in ("load", "fit")] == [False, True]


def test_functions_that_processes_and_workers_begin_with_are_called():
    plan = read("""
        from multiprocessing import Process, Pool
        from concurrent.futures import ProcessPoolExecutor
        from threading import Thread
        def make(n): return [n]
        def add(a, b=None): return a
        def prepare(known): pass
        def beside(): pass
        one = make(1)
        Process(target=add, args=(one,), kwargs={"b": one}).start()
        Thread(target=beside, daemon=True).start()
        with ProcessPoolExecutor(2, initializer=prepare, initargs=(one,)) as pool:
            pass
    """)
    made = {name: (step.engine, len(step.calls), step.repeated) for name, step in plan.steps.items()}
    assert made["add"] == ("executor", 1, False)
    assert made["beside"] == ("", 1, False)
    assert made["prepare"] == ("", 1, True)
    assert channels(plan) == {
        "make.result -> add.a",
        "make.result -> add.b",
        "make.result -> prepare.known",
    }


def test_loops_and_branches_are_marked():
    plan = read(
        APPS
        + """
for i in range(3):
    make(i)
if len(APPS) > 3:
    add(1)
else:
    add(2)
write("always")
plain(1) if APPS else None
"""
    )
    marks = {step.name: (step.repeated, step.conditional) for step in plan.steps.values()}
    assert marks == {
        "make": (True, False),
        "add": (False, True),
        "write": (False, False),
        "plain": (False, True),
    }


def test_steps_inside_steps_are_joined_to_their_ports():
    plan = read("""
    from parsl import join_app, python_app
    @python_app
    def inner(x): return x
    @join_app
    def outer(y):
        def local(z): return z
        return [inner(local(y))]
    def main():
        outer(inner(1))
    main()
    """)
    told = [(source[:2], target[:2]) for source, target in plan.channels]
    assert (("outer", "y"), ("outer.<locals>.local", "z")) in told
    assert (("outer.<locals>.local", "result"), ("inner", "x")) in told
    assert (("inner", "result"), ("outer", "result")) in told
    assert (("inner", "result"), ("outer", "y")) in told
    assert plan.steps["inner"].within == ["outer", "main"]


def test_a_text_that_is_no_python_is_refused_with_its_place():
    with pytest.raises(UsageError, match=r"flow\.py:2: expected the text of a Python program"):
        read("x = 1\nx = = 2")
    with pytest.raises(UsageError, match="expected the text of a Python program"):
        plan_of_text("\0", "flow.py")


@given(
    st.lists(
        st.sampled_from(["x", "y", "make(x)", "add(x, y)", "[x, y]", "x.f(y)", "(lambda: x)()"]), max_size=8
    )
)
def test_any_text_is_read_and_never_executed(parts):
    text = "x = y = 0\nraise SystemExit\n" + "\n".join(f"x, y = y, {part}" for part in parts)
    plan = read(APPS + text)
    assert set(plan.steps) == {"make", "add", "write", "plain"}
    assert len(plan.channels) == len(set(plan.channels))
