"""What is recorded of joblib's `Parallel` and `Memory`, and that they work as ever."""

import subprocess
import sys

import pytest
from tests.capture.integrations.programs import facts, labels, run_twice, statuses

from trilha.prov import Kind

BEGIN = """
import math, os, sys, traceback
from joblib import Memory, Parallel, delayed
def square(x, out=None):
    if out:
        open(out, "w").write(str(x))
    return [x * x]
def bad(x):
    raise ValueError(f"no {x}")
memory = Memory(os.environ["WAY"], verbose=0)
@memory.cache
def slow(x):
    return [x + 1]
def parallel(**how):
    if METHOD == "sequential":
        return Parallel(1, **how)
    return Parallel(2, backend=METHOD, **how)
METHOD = sys.argv[1] if len(sys.argv) > 1 else "threading"
"""
EVERYWHERE = pytest.mark.parametrize("method", ["sequential", "threading", "multiprocessing", "loky"])


@pytest.fixture
def run(tmp_path):
    def run_program(source, *arguments, begin=BEGIN):
        return run_twice(tmp_path, begin, source, *arguments)

    return run_program


@EVERYWHERE
def test_each_call_is_a_task_and_what_it_does_lies_in_its_attempt(method, run):
    graph = run(
        """
        print(parallel()(delayed(square)(x, out=f"out {x}") for x in range(3)))
        print(parallel(batch_size=2)(delayed(math.sqrt)(x) for x in range(4)))
        try:
            parallel()(delayed(bad)(x) for x in [1])
        except ValueError:
            traceback.print_exc()
        """,
        method,
    )
    assert labels(graph, "Task") == ["bad", *["sqrt"] * 4, *["square"] * 3]
    assert labels(graph, "Attempt") == [f"{one}, attempt 1" for one in labels(graph, "Task")]
    assert sorted(one["arg.x"][0] for one in facts(graph, "Task") if one["label"] == ["square"]) == [0, 1, 2]
    assert {("out 0", "square, attempt 1"), ("out 2", "square, attempt 1")} <= set(graph.generations())
    assert statuses(graph) == {("bad", "failed"), ("square", "finished"), ("sqrt", "finished")}
    assert len({one["backend"][0] for one in facts(graph, "Task")}) == 1


@pytest.mark.parametrize("method", ["sequential", "threading", "loky"])
def test_results_come_one_by_one_where_they_are_asked_for_so(method, run):
    graph = run(
        """
        found = parallel(return_as="generator")(delayed(square)(x) for x in range(3))
        print(type(found), [next(found), *found])
        """,
        method,
    )
    assert statuses(graph) == {("square", "finished")}
    assert ("square()", "square") in graph.generations()


def test_a_result_that_goes_into_another_call_links_the_two(run):
    graph = run("""
        first = parallel()(delayed(square)(x) for x in range(2))
        print(parallel()(delayed(sum)(one) for one in first))
        """)
    assert graph.usages().count(("sum", "square()")) == 2
    assert graph.derivations().count(("sum()", "square()")) == 2


def test_a_remembered_result_is_that_of_the_call_that_computed_it(run):
    graph = run("print(slow(1), slow(1), slow(2), parallel()(delayed(slow)(x) for x in [1]))")
    calls = [one for one in facts(graph, "Task") if one["engine"] == ["joblib.Memory"]]
    assert len(calls) == 4
    computed = [
        one for one in graph.about if graph.starters().get("slow, attempt 1") and graph.about[one]["cached"]
    ]
    assert sorted(graph.about[one]["cached"][0] for one in computed) == [False, False, True, True]
    kept = [str(one[3]) for one in graph.of(Kind.SPECIALIZATION) if "urn:trilha:memo:joblib" in str(one[3])]
    assert len(kept) == 4
    assert len(set(kept)) == 2


def test_what_became_of_calls_whose_worker_died_or_that_took_too_long_is_unknown(run):
    graph = run(
        """
        for function, how in (os._exit, {}), (time.sleep, {"timeout": 0.2}), (late, {}):
            try:
                parallel(**how)(delayed(function)(x) for x in [1])
            except Exception as error:
                print(type(error).__name__)
        """,
        "loky",
        begin=f"import time\ndef late(x):\n    raise TimeoutError{BEGIN}",
    )
    assert statuses(graph) == {("_exit", "lost"), ("sleep", "lost"), ("late", "failed")}


OF_A_LIBRARY = """
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
"""


def test_what_a_library_hands_over_is_no_task(run):
    graph = run(
        """
        x, y = make_classification(60, random_state=0)
        forest = RandomForestClassifier(4, n_jobs=2, random_state=0)
        print(cross_val_score(forest, x, y, cv=2, n_jobs=2))
        """,
        begin=OF_A_LIBRARY,
    )
    assert labels(graph, "Task") == []


AS_IT_WAS = """
import sys, trilha, joblib.parallel as p, joblib.memory as m
places = [p.Parallel, p.BatchedCalls, p.BatchCompletionCallBack, m.MemorizedFunc]
before = [dict(vars(one)) for one in places]
with trilha.run("test", store=sys.argv[1]):
    assert all(dict(vars(one)) != was for one, was in zip(places, before))
assert [dict(vars(one)) for one in places] == before
"""


def test_joblib_is_as_it_was_after_the_run(tmp_path):
    subprocess.run([sys.executable, "-c", AS_IT_WAS, str(tmp_path)], check=True, cwd=tmp_path)
