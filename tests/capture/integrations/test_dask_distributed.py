"""What is recorded of programs that know nothing of Trilha and compute on Dask's distributed scheduler."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest
from tests.capture.graph import Graph
from tests.capture.integrations.test_dask import uses

import trilha
import trilha.capture.launch

BEGIN = """
import asyncio, os, sys, threading, time, dask
from dask import delayed
from distributed import Client, LocalCluster, wait
quiet = {"dashboard_address": None, "silence_logs": 50}
def inc(x, by=1): return x + by
def total(xs, start=0): return [sum(xs) + start]
def first(xs): return xs[0]
def fails(x): raise ValueError(f"no {x}")
def written(name):
    with open(name, "w") as file: file.write("a")
    return name
"""
THREADS = "LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **quiet)"


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith(("TRILHA", "DASK"))}


def started(words, folder, here=None):
    """A program that has ended."""
    return subprocess.run(
        words,
        cwd=folder,
        env=here or environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def checked(store):
    graph = Graph(store)
    assert not graph.dropped
    with trilha.open(store) as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
    return graph


@pytest.fixture
def run(tmp_path):
    def run_program(source, *, cluster=THREADS, compared=True, says=()):
        """The graph of a program, whose output and exit status are what they are without us.

        Args:
            says: what is said to the user, beside this.
        """
        body = dedent(source).strip()
        if cluster:
            inner = "\n".join(f"    {line}" for line in body.split("\n"))
            body = f"with {cluster} as cluster, Client(cluster) as client:\n{inner}"
        main = "def main():\n" + "\n".join(f"    {line}" for line in body.split("\n"))
        script = tmp_path / "flow.py"
        script.write_text(f'{BEGIN}{main}\nif __name__ == "__main__":\n    main()\n')
        store = tmp_path / "store"
        launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={store}", "--grain=file", "--"]
        told = []
        for words in ([sys.executable], launcher) if compared else (launcher,):
            (tmp_path / "marker").unlink(missing_ok=True)
            done = started([*words, str(script)], tmp_path)
            said = [line for line in done.stderr.splitlines() if "trilha" in line]
            assert said == [f"trilha: {line}" for line in (says if words is launcher else [])], done.stderr
            told.append((done.returncode, done.stdout))
        assert told[0] == told[-1]
        assert told[0][0] == 0, done.stderr
        graph = checked(store)
        # By these Dask's processes share a folder.
        assert not [one for one in graph.labels("File") if one.endswith("lock")]
        return graph

    return run_program


def statuses(graph, label):
    return [graph.about[one]["status"] for one in graph.all(label)]


def test_tasks_lie_where_they_were_submitted_and_take_what_others_made(run):
    graph = run(
        """
        import trilha
        one = client.submit(inc, 1, by=5)
        with trilha.step("mapping"):
            more = client.map(inc, [2, 3])
        result = client.submit(total, [one, *more], start=1).result()
        with trilha.step("after", result=result):
            print(result, client.gather(more))
        """
    )
    assert sorted(graph.labels("Task")) == ["inc", "inc", "inc", "total"]
    assert sorted(graph.labels("Attempt")) == ["inc, attempt 1"] * 3 + ["total, attempt 1"]
    starters = graph.starters()
    assert (starters["map"], starters["total"]) == ("mapping", "run")
    assert uses(graph) == {
        *(("total", "inc()", f"xs[{place}]") for place in range(3)),
        ("after", "total()", "result"),
    }
    assert graph.one("total")["arg.start"] == [1]
    assert graph.one("map")["tasks"] == [2]
    assert graph.id("map") in graph.ended
    made = graph.one("total()")
    assert made["python_type"] == ["builtins.list"] or made["python_type"] == ["list"]
    assert made["bytes"][0] > 0
    attempt = graph.one("total, attempt 1")
    assert attempt["status"] == ["finished"]
    assert attempt["cpu_seconds"][0] >= 0
    assert attempt["pid"][0] > 0
    assert attempt["worker"][0] in ("0", "1")


def test_data_goes_to_workers_and_annotations_go_with_tasks(run):
    graph = run(
        """
        import trilha
        with trilha.step("load"):
            data = trilha.produce([1, 2], "numbers")
        (future,) = client.scatter([data])
        print(client.submit(total, future).result())
        print(client.submit(total, data, start=1).result())
        with dask.annotate(colour="red"):
            print(delayed(first)([delayed(inc)(1)]).compute(optimize_graph=False))
        """,
        compared=False,
    )
    assert ("total", "numbers", "xs") in uses(graph)
    assert graph.derivations().count(("total()", "numbers")) == 2
    assert graph.one("first")["annotation.colour"] == ["red"]
    assert graph.starters()["first"] == "compute"


FEW = """
import numpy, trilha
from trilha.capture.integrations.dask import client as ours
from dask._task_spec import Task
ours._MOST = 3
def graph(*given):
    return {f"t{n}": Task(f"t{n}", inc, one) for n, one in enumerate(given)}
def array(n):
    return trilha.produce(numpy.full(2, n), f"array {n}")
"""


def test_what_a_task_at_the_end_of_a_long_graph_takes_is_known(run):
    graph = run(
        FEW + "print(client.get(graph(1, 2, 3, 4, 5, array(6)), ['t5'], optimize_graph=False))",
        compared=False,
    )
    assert uses(graph) == {("inc", "array 6", "x")}


def test_where_more_tasks_take_objects_than_are_told_it_is_said(run):
    told = "more than 3 tasks of a graph of Dask's take objects of the program"
    graph = run(
        FEW
        + "some = graph(*map(array, range(5)))\n"
        + "print(client.get(some, list(some), optimize_graph=False))",
        compared=False,
        says=[f"{told}: what the others take is recorded, but not that it is the program's"],
    )
    assert {what for _, what, _ in uses(graph)} == {"array 0", "array 1", "array 2", "x"}


def test_a_failing_task_is_tried_again_and_what_needs_it_is_not(run):
    graph = run(
        """
        failing = client.submit(fails, 3, retries=1)
        needing = client.submit(inc, failing)
        wait(needing)
        print(needing.status, needing.exception())
        failing.retry()
        wait(failing)
        print(failing.status)
        """,
        compared=False,
    )
    assert statuses(graph, "fails, attempt 1") == [["failed"], ["failed"]]
    assert statuses(graph, "fails, attempt 2") == [["failed"]]
    assert "ValueError('no 3')" in graph.one("fails, attempt 2")["exception"]
    again = [facts["again"] for facts in graph.about.values() if "fails" in facts["label"]]
    assert [len(one) for one in again] == [0, 1]
    needing = graph.one("inc")
    assert needing["status"] == ["failed"]
    assert needing["blames"][0].startswith("fails-")
    assert not [name for name in graph.labels("Attempt") if name.startswith("inc")]
    assert not [pair for pair in graph.usages() if pair[0] == "inc"]


def test_a_cancelled_task_has_no_result(run):
    graph = run(
        """
        sys.begun, sys.go = threading.Semaphore(0), threading.Event()  # what cannot be pickled
        def blocks(number):
            sys.begun.release()
            return sys.go.wait(60)
        blocking = client.map(blocks, [1, 2], pure=False)
        for _ in range(2):
            assert sys.begun.acquire(timeout=60)
        futures = client.map(inc, [1, 2, 3])
        time.sleep(0.1)
        client.cancel(futures)
        del futures
        sys.go.set()
        print(client.gather(blocking))
        """,
        compared=False,
    )
    assert statuses(graph, "inc") == [["cancelled"]] * 3
    assert not [pair for pair in graph.generations() if pair[0] == "inc()"]


def test_one_result_under_a_key_that_is_known_is_one_task(run):
    graph = run(
        """
        one = client.submit(inc, 1)
        wait(one)
        print(client.submit(inc, 1).result(), client.submit(first, [one]).result())
        held = client.map(first, [[1], [2]])
        print(client.gather(client.map(first, [[1], [2]])))
        """,
        compared=False,
    )
    assert sorted(graph.labels("Task")) == ["first", "first", "first", "inc"]


def test_a_task_that_another_worker_took_over_was_computed_once(run):
    graph = run(
        """
        dask.config.set({"distributed.scheduler.worker-saturation": "inf"})
        sys.go = threading.Event()
        def slow(x, place):
            sys.go.wait(60)
            time.sleep(0.15)
            return place
        with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **quiet) as cluster:
            with Client(cluster) as client:
                first = client.submit(inc, 1)
                wait(first)
                futures = [client.submit(slow, first, place) for place in range(16)]
                while sum(map(len, client.processing().values())) < 16:
                    time.sleep(0.01)
                cluster.scale(2)
                client.wait_for_workers(2)
                sys.go.set()
                print(client.gather(futures))
        """,
        cluster="",
        compared=False,
    )
    attempts = [
        facts for facts in graph.about.values() if facts["label"] and "slow, attempt" in facts["label"][0]
    ]
    moved = [facts for facts in attempts if facts["status"] == ["moved"]]
    assert moved
    assert not any(facts["pid"] for facts in moved)
    assert sum(facts["status"] == ["finished"] for facts in attempts) == 16
    assert all(facts["pid"] for facts in attempts if facts["status"] == ["finished"])


def test_what_dask_keeps_and_returns_is_as_ever(run):
    """The code that handed a graph over, what came of a strange `scatter`, and plug-ins of the program."""
    run(
        """
        from distributed import SchedulerPlugin
        class Seen(SchedulerPlugin):
            def __init__(self): self.seen = []
            def update_graph(self, scheduler, *, annotations, tasks, **kwargs):
                self.seen.append((len(tasks), dict(annotations)))
        plugin = Seen()
        cluster.scheduler.add_plugin(plugin, name="seen")
        with dask.config.set({"distributed.diagnostics.computations.nframes": 2}):
            print(delayed(inc)(1).compute())
            for one in cluster.scheduler.computations:
                print([code.code for parts in one.code for code in parts])
        print(len(client.scatter(range(3))), list(client.scatter({"a": [1]})))
        print(plugin.seen)
        try:
            client.submit(1)
        except TypeError as error:
            print(error)
        print(client.map(inc, [1, 2], batch_size=1)[0].key == client.map(inc, [1, 2])[0].key)
        """
    )


def test_tasks_that_a_task_submits_lie_in_its_attempt(run):
    graph = run(
        """
        from distributed import worker_client
        import dask.array
        def outer(count):
            with worker_client() as client:
                return sum(client.gather(client.map(inc, range(count))))
        print(client.submit(outer, 3).result())
        kept = dask.array.ones((4, 4), chunks=2).persist()
        print(kept.sum().compute())
        """,
        compared=False,
    )
    starters = graph.starters()
    assert (starters["map"], starters["inc"]) == ("outer, attempt 1", "map")
    assert starters["ones_like"] == "persist"
    assert graph.derivations().count(("sum()", "ones_like()")) == 4


def test_an_asynchronous_client_and_a_coroutine(run):
    graph = run(
        """
        async def main():
            async with LocalCluster(n_workers=1, processes=False, asynchronous=True, **quiet) as cluster:
                async with Client(cluster, asynchronous=True) as client:
                    async def slowly(name):
                        await asyncio.sleep(0.01)
                        return written(name)
                    print(await client.submit(slowly, "a.txt"))
                    print(await client.gather(client.map(inc, [1, 2])))
        asyncio.run(main())
        """,
        cluster="",
    )
    assert ("a.txt", "slowly, attempt 1") in graph.generations()
    assert sorted(graph.labels("Task")) == ["inc", "inc", "slowly"]


def test_what_a_killed_worker_had_is_computed_again_and_what_it_did_is_unknown(run):
    graph = run(
        """
        workers = list(client.scheduler_info()["workers"])
        held = client.submit(inc, 41, workers=workers[:1], allow_other_workers=True)
        wait(held)
        (address,) = list(client.who_has(held).values())[0]
        process = client.run(os.getpid, workers=[address])[address]
        def deadly(x, marker):
            if not os.path.exists(marker):
                open(marker, "w").close()
                os.kill(os.getpid(), 9)
            return x
        print(client.submit(deadly, 5, "marker", workers=[address], allow_other_workers=True).result())
        print(held.result())
        print(client.submit(written, "a.txt").result())
        """,
        cluster="LocalCluster(n_workers=2, threads_per_worker=1, **quiet)",
        compared=False,
    )
    (lost,) = graph.all("deadly, attempt 1")
    assert lost not in graph.ended
    assert graph.about[lost]["status"] == ["lost"]
    assert graph.one("deadly, attempt 2")["status"] == ["finished"]
    assert sorted(name for name in graph.labels("Attempt") if name.startswith("inc")) == [
        "inc, attempt 1",
        "inc, attempt 2",
    ]
    assert graph.generations().count(("inc()", "inc")) == 1
    assert ("a.txt", "written, attempt 1") in graph.generations()
    assert graph.one("written, attempt 1")["pid"] != graph.run["pid"]


@pytest.mark.parametrize("way", ["plugin", "preload", "autolog"])
def test_dasks_own_ways_have_a_program_recorded(way, tmp_path):
    """A plug-in that the client registers, a preload of the client, and a call when all is connected."""
    turning_on = {
        "plugin": "from trilha.dask import Recorder; client.register_plugin(Recorder('mine'))",
        "preload": "pass",
        "autolog": "import trilha; trilha.autolog('mine')",
    }[way]
    script = tmp_path / "flow.py"
    script.write_text(
        f"{BEGIN}\nwith {THREADS} as cluster, Client(cluster) as client:\n"
        f"    {turning_on}\n"
        "    print(client.submit(inc, client.submit(inc, 1)).result())\n"
    )
    here = environment() | {"TRILHA_STORE": str(tmp_path / "store")}
    if way == "preload":
        here["DASK_DISTRIBUTED__CLIENT__PRELOAD"] = "['trilha.dask']"
    done = started([sys.executable, str(script)], tmp_path, here)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
    graph = checked(tmp_path / "store")
    assert graph.labels("Task") == ["inc", "inc"]
    assert graph.labels("Attempt") == ["inc, attempt 1"] * 2
    assert ("inc()", "inc()") in graph.derivations()


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and a worker that were started by their own programs, and know no run."""
    started = []

    def start(*options, without="", **variables):
        (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['trilha'] = None")
        dask = str(Path(sys.executable).with_name("dask"))
        told = ["--scheduler-file", str(tmp_path / "scheduler.json")]
        ways = [
            ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *options],
            ["worker", "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory", str(tmp_path)],
        ]
        for words in ways:
            here = environment() | variables
            if words[0] == without:
                here["PYTHONPATH"] = str(tmp_path)
            with open(tmp_path / f"{words[0]}.log", "w", encoding="utf-8") as log:
                started.append(
                    subprocess.Popen([dask, *words, *told], cwd=tmp_path, env=here, stdout=log, stderr=log)
                )
        return tmp_path / "scheduler.json"

    yield start
    for process in reversed(started):
        process.terminate()
        process.wait(30)


def submitting(tmp_path, told):
    script = tmp_path / "flow.py"
    script.write_text(
        f"{BEGIN}\nwith Client(scheduler_file={str(told)!r}) as client:\n"
        "    print(client.submit(written, 'a.txt').result(), client.submit(inc, 1).result())\n"
    )
    return str(script)


def test_a_scheduler_and_workers_elsewhere_write_to_the_run_of_the_program(cluster, tmp_path):
    script = submitting(tmp_path, cluster())
    for name in ("once", "twice"):
        store = tmp_path / name
        launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={store}", "--grain=file", "--"]
        done = started([*launcher, script], tmp_path)
        assert (done.returncode, done.stdout) == (0, "a.txt 2\n"), done.stderr
        graph = _when_all_are_done(store, "written, attempt 1")
        assert sorted(graph.labels("Task")) == ["inc", "written"]
        assert ("a.txt", "written, attempt 1") in graph.generations()


@pytest.mark.parametrize("without", ["scheduler", "worker"])
def test_where_trilha_is_not_installed_everything_is_computed_as_ever(without, cluster, tmp_path):
    script = submitting(tmp_path, cluster(without=without))
    launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
    done = started([*launcher, script], tmp_path)
    assert (done.returncode, done.stdout) == (0, "a.txt 2\n"), done.stderr
    graph = Graph(tmp_path / "store")
    if without == "scheduler":
        assert "the tasks of Dask's scheduler are not recorded (ModuleNotFoundError" in done.stderr
        assert not graph.labels("Task")
    else:
        assert not done.stderr
        assert sorted(graph.labels("Task")) == ["inc", "written"]
        assert graph.one("inc, attempt 1")["status"] == ["finished"]
        assert not graph.one("inc, attempt 1")["pid"]
        assert not graph.dropped


def test_a_scheduler_that_preloads_trilha_records_what_its_clients_hand_over(cluster, tmp_path):
    store = tmp_path / "store"
    script = submitting(tmp_path, cluster("--preload", "trilha.dask", TRILHA_STORE=str(store)))
    done = started([sys.executable, script], tmp_path)
    assert (done.returncode, done.stdout) == (0, "a.txt 2\n"), done.stderr
    graph = _when_all_are_done(store, "written, attempt 1")
    assert graph.run["label"] == ["dask-scheduler"]
    assert sorted(graph.labels("Task")) == ["inc", "written"]


def _when_all_are_done(store, label):
    """The graph, when the processes that go on have written what they know."""
    for _ in range(600):
        graph = Graph(store, growing=True)
        found = graph.all(label)
        if found and graph.about[found[0]]["pid"] and graph.about[found[0]]["status"]:
            break
        time.sleep(0.1)
    return checked(store)
