"""What is recorded of programs that know nothing of Trilha and compute with Dask on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

import pytest
from tests.capture.graph import Graph

import trilha
import trilha.capture.launch
from trilha.prov import Kind

BEGIN = """
import sys, dask, dask.bag, dask.array
from dask import delayed
scheduler = sys.argv[1]
def square(x, by=2): return x ** by
def total(xs, start=0): return [sum(xs) + start]
def first(xs): return xs[0]
def written(name):
    with open(name, "w") as file: file.write("a")
    return name
def size(name): return len(open(name).read())
def fails(x): raise ValueError(f"no {x}")
"""


@pytest.fixture
def run(tmp_path):
    def run_program(source, scheduler="threads", *, compared=True):
        """The graph of a program, whose output and exit status are what they are without us."""
        script = tmp_path / "flow.py"
        main = "def main():\n" + "\n".join(f"    {line}" for line in dedent(source).strip().split("\n"))
        script.write_text(f'{BEGIN}{main}\nif __name__ == "__main__":\n    main()\n')
        store = tmp_path / "store"
        launcher = [
            sys.executable,
            trilha.capture.launch.__file__,
            f"--store={store}",
            "--grain=file",
            "--",
        ]
        told = []
        for words in ([sys.executable], launcher) if compared else (launcher,):
            environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
            done = subprocess.run(
                [*words, str(script), scheduler],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            told.append((done.returncode, done.stdout, done.stderr))
        assert told[0] == told[-1]
        graph = Graph(store)
        assert not graph.dropped
        with trilha.open(store) as opened:
            verdict = opened.document(graph.about_run()).validate()
        assert verdict.valid, verdict.violations
        return graph

    return run_program


def uses(graph):
    """Of each usage, the label of what used, that of what was used, and the roles."""
    return {
        (graph.label(record[2]), graph.label(record[3]), str(value))
        for record in graph.of(Kind.USAGE)
        for key, value in record.attributes
        if str(key).endswith("role")
    }


@pytest.mark.parametrize("scheduler", ["threads", "processes", "sync"])
def test_each_task_has_its_arguments_and_what_it_takes_from_others(run, scheduler):
    graph = run(
        """
        once = delayed(square)(3)
        twice = delayed(square)(once, by=3)
        print(dask.compute(delayed(total)([once, twice, 5], start=1), scheduler=scheduler))
        """,
        scheduler,
        compared=scheduler != "sync",
    )
    assert sorted(graph.labels("Task")) == ["square", "square", "total"]
    assert sorted(graph.labels("Attempt")) == ["square, attempt 1"] * 2 + ["total, attempt 1"]
    assert uses(graph) == {
        ("square", "square()", "x"),
        ("total", "square()", "xs[0]"),
        ("total", "square()", "xs[1]"),
    }
    made = graph.one("total", "Task")
    assert made["arg.start"] == [1]
    assert made["key"][0].startswith("total-")
    assert graph.starters()["total"] == "compute"
    computed = graph.one("compute")
    names = {"threads": "threads", "processes": "processes", "sync": "synchronous"}
    assert (computed["scheduler"], computed["tasks"]) == ([names[scheduler]], [3])
    assert graph.one("total, attempt 1")["cpu_seconds"][0] >= 0
    plans = {graph.label(record[4]) for record in graph.of(Kind.ASSOCIATION) if record[4] is not None}
    assert {"__main__.square", "__main__.total"} <= {
        plan.replace("__mp_main__", "__main__") for plan in plans
    }


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_what_a_task_does_lies_in_its_attempt(run, scheduler):
    graph = run(
        "print(dask.compute(delayed(size)(delayed(written)('a.txt')), scheduler=scheduler))",
        scheduler,
        compared=False,
    )
    assert ("a.txt", "written, attempt 1") in graph.generations()
    assert ("size, attempt 1", "a.txt") in graph.usages()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_result_that_the_program_or_a_later_computation_takes_is_one_entity(run, scheduler):
    graph = run(
        """
        import trilha
        (result,) = dask.compute(delayed(total)([1, 2]), scheduler=scheduler)
        with trilha.step("after", result=result):
            pass
        print(dask.compute(delayed(first)(result), scheduler=scheduler))
        """,
        scheduler,
        compared=False,
    )
    assert ("after", "total()", "result") in uses(graph)
    if scheduler == "threads":
        assert ("first()", "total()") in graph.derivations()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_task_that_fails_has_no_result(run, scheduler):
    graph = run(
        """
        try:
            dask.compute(delayed(first)(delayed(fails)(1)), scheduler=scheduler)
        except ValueError as error:
            print(error)
        """,
        scheduler,
        compared=scheduler == "threads",
    )
    assert graph.labels("Task") == ["fails"]
    assert graph.one("fails")["exception"] == ["ValueError('no 1')"]
    assert graph.one("fails, attempt 1")["status"] == ["failed"]
    assert graph.one("compute")["status"] == ["failed"]
    assert not [made for made, _ in graph.generations() if made == "fails()"]


def test_the_traceback_of_an_error_is_as_ever(run):
    graph = run("dask.compute(delayed(fails)(1), scheduler=scheduler)")
    assert graph.run["status"] == ["failed"]


def test_tasks_that_dask_made_into_one_name_what_they_were(run):
    graph = run(
        """
        bag = dask.bag.from_sequence([1, 2, 3], npartitions=2).map(square, by=3)
        print(bag.sum().compute(scheduler="sync"))
        print((dask.array.ones(4, chunks=2) + 1).sum().compute())
        """
    )
    part, _ = [facts for facts in graph.about.values() if "from_sequence-square-sum-part" in facts["label"]]
    assert [name.partition("-")[0] for name in part["fused"]] == ["('from_sequence", "('square", "('sum"]
    assert ("sum-aggregate()", "from_sequence-square-sum-part()") in graph.derivations()
    assert graph.derivations().count(("sum-aggregate()", "sum()")) == 2


def test_a_computation_within_a_task_lies_in_its_attempt(run):
    graph = run(
        """
        def outer():
            return delayed(square)(2).compute(scheduler="sync")
        print(delayed(outer)().compute(scheduler="threads"))
        """
    )
    assert graph.starters()["square"] == "compute"
    assert {label for label, by in graph.starters().items() if by == "outer, attempt 1"} == {"compute"}


def test_a_lost_process_leaves_its_attempt_without_an_end(run):
    graph = run(
        """
        import os
        def gone(): os._exit(1)
        try:
            delayed(gone)().compute(scheduler="processes")
        except Exception as error:
            print(type(error).__name__)
        """,
        "processes",
        compared=False,
    )
    (attempt,) = graph.all("gone, attempt 1")
    assert attempt not in graph.ended
    assert "status" not in graph.about[attempt]


def test_callbacks_and_their_tasks_are_the_programs_own(run):
    run(
        """
        from dask.diagnostics import Profiler
        with Profiler() as profiler:
            delayed(square)(2).compute(scheduler="threads")
        print([type(one.task).__name__ for one in profiler.results])
        """
    )
