"""What is recorded of programs that know nothing of Trilha and run on Ray.

Ray takes seconds to start, so each program does many things, and its graph is asked by many tests.
"""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest
from tests.capture.conftest import program_environment
from tests.capture.graph import Graph

import trilha
import trilha.capture.launch
from trilha.prov import Kind

BEGIN = """
import os, re, sys, ray
START = {"address": "local", "num_cpus": 2, "include_dashboard": False, "logging_level": "ERROR",
         "log_to_driver": False, "object_store_memory": 80_000_000}
def told(reference):
    try:
        return ray.get(reference)
    except Exception as error:
        return type(error).__name__
"""
"""Of each program. `address`: no cluster that another test has started is connected to."""


def said_by(folder, source, *, recorded=True):
    """What a program says that is run in a new folder."""
    folder.mkdir()
    (folder / "flow.py").write_text(BEGIN + dedent(source))
    launcher = [trilha.capture.launch.__file__, "--store=store", "--grain=file", "--"] if recorded else []
    done = run([*launcher, "flow.py"], folder)
    assert "trilha" not in done.stderr, done.stderr
    return done.stdout


def run(words, folder):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=program_environment(
            folder / "store", {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONWARNINGS": "default"}
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def graph_of(folder, store="store"):
    graph = Graph(folder / store)
    assert not graph.dropped
    with trilha.open(folder / store) as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
    return graph


def uses(graph):
    """Who used what as what, by labels."""
    found = set()
    for record in graph.of(Kind.USAGE):
        roles = [value for key, value in record.attributes if str(key).endswith("role")]
        if str(record[3]).startswith("urn:"):
            found.add((graph.label(record[2]), graph.label(record[3]), *roles))
    return found


WORK = """
import numpy, trilha

@ray.remote
def plus(x, by=1): return x + by

@ray.remote
def zeros(count): return numpy.zeros(count)

@ray.remote(num_returns=2)
def split(values): return values[:1], values[1:]

@ray.remote
def counted(count):
    for number in range(count): yield [number]

@ray.remote
def nested(x):
    with open("written.txt", "w") as file: file.write("a")
    with trilha.step("inner"): return told(square.remote(x)) + 1

@ray.remote
def square(x): return x * x

@ray.remote
class Counter:
    def __init__(self, start): self.count = start
    def add(self, amount): self.count += amount; return self.count
    def look(self): return self.count

@ray.remote
class Waiter:
    async def wait(self, value): return [value]

@ray.remote
def asks(counter): return ray.get(counter.look.remote())

if __name__ == "__main__":
    ray.init(**START)
    one = plus.remote(1)
    with trilha.step("further"):
        two = plus.options(name="later").remote(one, by=5)
    print(told(two))
    table = zeros.remote(50_000)
    print(told(plus.remote(table)).sum())
    head, tail = split.remote([1, 2, 3])
    print(told(head), told(tail))
    print([told(one) for one in counted.remote(2)])
    print(told(nested.remote(4)))
    counter = Counter.remote(5)
    print([told(one) for one in (counter.add.remote(2), counter.look.remote(), counter.add.remote(one))])
    print(told(asks.remote(counter)))
    print(told(Waiter.remote().wait.remote(7)))
    kept = ray.put([1, 2])
    rest = told(plus.remote(kept, by=[3]))
    with trilha.step("after", rest=rest):
        print(rest)
    for one in (plus.remote(None), counter.add.remote("")):
        try:
            ray.get(one)
        except TypeError as error:
            print(re.sub("(pid|actor_id)=[0-9a-f]+|0x[0-9a-f]+|/[^ ]*/(plain|recorded)", "", str(error)))
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The graph of a program that does what a program on Ray does; its output is what it is without us."""

    folder = tmp_path_factory.mktemp("work")
    plain = said_by(folder / "plain", WORK, recorded=False)
    assert said_by(folder / "recorded", WORK) == plain
    return graph_of(folder / "recorded")


def test_calls_are_tasks_where_they_were_made_and_attempts_where_they_were_executed(work):
    later = work.one("later", "Task")
    assert (later["engine"], later["arg.by"], later["status"]) == (["ray"], [5], ["finished"])
    assert later["id"][0] in work.ended
    attempt = work.one("later, attempt 1", "Attempt")
    assert attempt["status"] == ["finished"]
    assert attempt["pid"] != work.run["pid"]
    assert attempt["took"][0] >= 0
    assert attempt["cpu_seconds"][0] >= 0
    starters = work.starters()
    assert (starters["later"], starters["later, attempt 1"]) == ("further", "later")
    assert len(work.all("plus", "Task")) == len(work.all("plus, attempt 1", "Attempt")) == 4


def test_no_attempt_begins_before_its_call(work):
    starts = {}
    for record in work.of(Kind.ACTIVITY):
        if record[2] is not None:
            starts[record.id] = record[2]
    attempts = {one[2]: one[4] for one in work.of(Kind.START) if work.label(one[2]).endswith("attempt 1")}
    assert len(attempts) > 10
    assert [one for one, task in attempts.items() if starts[one] < starts[task]] == []


def test_a_reference_tells_which_argument_came_from_which_call(work):
    found = uses(work)
    assert ("later", "plus()", "x") in found
    assert ("plus", "zeros()", "x") in found
    assert ("Counter.add", "plus()", "amount") in found
    assert ("later()", "plus()") in work.derivations()
    one = next(one for one in work.of(Kind.DERIVATION) if work.label(one[2]) == "later()")
    assert None not in (one[4], one[5], one[6])
    assert one[6] in {usage.id for usage in work.of(Kind.USAGE)}
    assert one[5] in {generation.id for generation in work.of(Kind.GENERATION)}


def test_what_a_program_puts_there_and_gets_is_the_same_thing(work):
    assert ("plus", "ray.put()", "x") in uses(work)
    assert ("ray.put()", "run") in work.generations()
    assert ("after", "plus()", "rest") in uses(work)


def test_results_are_described_by_those_who_made_them(work):
    assert work.one("zeros()")["shape"] == ["50000"]
    assert work.one("later()")["value"] == [7]


def test_several_results_are_each_a_thing_of_its_own(work):
    assert {("split()[0]", "split"), ("split()[1]", "split")} <= set(work.generations())
    assert work.one("split()[1]")["length"] == [2]


def test_what_a_generator_yields_is_its_calls(work):
    assert len(work.all("counted()")) == 2
    assert work.one("counted, attempt 1")["yielded"] == [2]
    assert work.id("counted", "Task") in work.ended


def test_what_a_call_does_lies_in_its_attempt(work):
    starters = work.starters()
    assert (starters["inner"], starters["square"]) == ("nested, attempt 1", "inner")
    assert ("written.txt", "nested, attempt 1") in work.generations()
    assert ("inner", "square()") in uses(work)


def test_an_actors_state_is_versions_of_one_thing(work):
    versions = [(one[2], one[3]) for one in work.of(Kind.SPECIALIZATION)]
    actor = work.id("Counter", "Actor")
    mine = [work.label(version) for version, whole in versions if whole == actor]
    assert sorted(mine) == ["Counter", "Counter after add", "Counter after add"]
    assert ("Counter after add", "Counter.add, attempt 1") in work.generations()
    assert ("Counter after add", "Counter after add") in work.derivations()
    assert ("Counter.look, attempt 1", "Counter after add", "self") in uses(work)
    assert ("Counter.look()", "Counter after add") in work.derivations()
    assert work.one("asks", "Task")["arg.counter"] == [actor]
    assert work.starters()["Counter.look"] == "asks, attempt 1" or len(work.all("Counter.look")) == 2


def test_methods_have_their_source_as_the_plan(work):
    plans = {work.label(one[2]): one[4] for one in work.of(Kind.ASSOCIATION) if one[4] is not None}
    assert "self.count += amount" in work.about[plans["Counter.add"]]["source"][0]
    assert "x + by" in work.about[plans["later"]]["source"][0]


def test_coroutines_of_an_actor_are_attempts(work):
    assert work.one("Waiter.wait, attempt 1")["status"] == ["finished"]
    assert work.one("Waiter.wait()")["length"] == [1]
    assert "cpu_seconds" not in work.one("Waiter.wait, attempt 1")


def test_what_ray_starts_beside_its_workers_is_no_process_of_the_program(work):
    assert work.labels("Process") == []


FAULTS = """
from pathlib import Path

@ray.remote
def same(x): return x

@ray.remote
def bad(x): raise ValueError(x)

@ray.remote(max_retries=2, retry_exceptions=True)
def third(path):
    with open(path, "a") as file: file.write("x")
    if len(Path(path).read_text()) < 3: raise OSError("not yet")
    return 3

@ray.remote(max_retries=1)
def dies_once(path):
    if not os.path.exists(path):
        open(path, "w").close()
        os._exit(1)
    return 1

@ray.remote(max_retries=0)
def dies(): os._exit(1)

@ray.remote(resources={"of no machine": 1})
def waits(): pass

@ray.remote
class Fragile:
    def __init__(self): self.parts = []
    def spoil(self, part):
        self.parts.append(part)
        raise KeyError(part)

if __name__ == "__main__":
    ray.init(**START)
    print(told(same.remote(same.remote(bad.remote(1)))))
    print(told(third.remote(os.path.abspath("third.txt"))))
    print(told(dies_once.remote(os.path.abspath("dies.txt"))))
    print(told(same.options(name="after").remote(dies.remote())))
    print(told(dies.options(name="gone").remote()))
    waiting = waits.remote()
    ray.cancel(waiting)
    print(told(waiting))
    print(told(Fragile.remote().spoil.remote("p")))
    left = same.options(name="left").remote(5)
    ray.wait([left])
"""


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "recorded"
    said_by(folder, FAULTS)
    return graph_of(folder)


def test_a_call_that_raised_failed_and_so_did_those_that_take_its_result(faults):
    assert faults.one("bad", "Task")["status"] == ["failed"]
    assert faults.one("bad, attempt 1")["exception"] == ["ValueError(1)"]
    calls = [faults.about[one] for one in faults.all("same", "Task")]
    assert [call["status"] for call in calls] == [["failed"], ["failed"]]
    assert not [one for one in uses(faults) if one[0] == "same"]
    assert faults.all("same, attempt 1") == []
    assert faults.all("bad()") == []


def test_each_try_of_a_call_is_an_attempt(faults):
    statuses = [faults.one(f"third, attempt {number}")["status"] for number in (1, 2, 3)]
    assert statuses == [["failed"], ["failed"], ["finished"]]
    assert faults.one("third", "Task")["status"] == ["finished"]
    assert faults.generations().count(("third()", "third")) >= 1
    assert faults.one("third()")["value"] == [3]


def test_a_worker_that_died_leaves_an_attempt_without_an_end(faults):
    first = faults.one("dies_once, attempt 1")
    assert "status" not in first
    assert first["id"][0] not in faults.ended
    assert faults.one("dies_once, attempt 2")["status"] == ["finished"]
    assert faults.one("dies_once", "Task")["status"] == ["finished"]
    assert faults.one("gone", "Task")["status"] == ["lost"]
    assert faults.one("dies", "Task")["status"] == ["lost"]
    assert faults.one("after", "Task")["status"] == ["failed"]


def test_a_cancelled_call_says_so(faults):
    assert faults.one("waits", "Task")["status"] == ["cancelled"]
    assert faults.all("waits, attempt 1") == []


def test_a_method_that_raises_may_have_changed_its_actor(faults):
    assert ("Fragile after spoil", "Fragile.spoil, attempt 1") in faults.generations()
    assert faults.one("Fragile.spoil", "Task")["status"] == ["failed"]


def test_what_nobody_gets_is_told_by_its_worker(faults):
    assert faults.one("left", "Task")["status"] == ["finished"]
    assert ("left()", "left") in faults.generations()


THERE = """
import subprocess
if __name__ == "__main__":
    address = ray.init(**START).address_info["gcs_address"]
    for words in ([*sys.argv[1:], "guest.py"], ["guest.py", "by a line"]):
        done = subprocess.run([sys.executable, *words, address], capture_output=True, text=True)
        print(done.returncode, done.stdout, done.stderr)
"""
GUEST = """
import os, sys, ray
from trilha.ray import recorded
@ray.remote
def where(): return os.getpid()
FOLDER = os.getcwd()
def set_up(): open(os.path.join(FOLDER, os.environ["COLOUR"]), "w").close()
if __name__ == "__main__":
    own = {"env_vars": {"COLOUR": "red"}, "worker_process_setup_hook": set_up}
    more = {} if len(sys.argv) == 2 else {"runtime_env": recorded(sys.argv[1], runtime_env=own)}
    ray.init(address=sys.argv[-1], log_to_driver=False, logging_level="ERROR", **more)
    print(ray.get(where.remote()) != os.getpid())
"""


def test_workers_of_a_cluster_that_was_there_join_the_run(tmp_path):
    """By `trilha run` of a program that is not changed, and by one line of it."""
    (tmp_path / "host.py").write_text(BEGIN + THERE)
    (tmp_path / "guest.py").write_text(GUEST)
    launcher = [trilha.capture.launch.__file__, "--store=run", "--grain=file", "--"]
    done = run(["host.py", *launcher], tmp_path)
    assert done.stdout.split() == ["0", "True"] * 2, done.stdout
    for store in ("run", "store"):
        graph = graph_of(tmp_path, store)
        assert graph.one("where", "Task")["status"] == ["finished"]
        assert graph.one("where, attempt 1")["pid"] != graph.run["pid"]
    assert graph.run["label"] == ["by a line"]
    assert (tmp_path / "red").exists()


def test_a_program_that_connects_by_rays_client_is_told_that_its_calls_are_made_elsewhere(tmp_path):
    (tmp_path / "flow.py").write_text(
        dedent("""
        import ray.util
        try:
            ray.util.connect("127.0.0.1:1", connection_retries=0)
        except ConnectionError as error:
            print(error)
        """)
    )
    done = run([trilha.capture.launch.__file__, "--store=store", "--grain=file", "--", "flow.py"], tmp_path)
    assert done.stdout == "ray client connection timeout\n"
    assert done.stderr.count("trilha: calls by way of Ray's client (ray://…) are made by a server") == 1


def test_rays_own_libraries_work_and_the_user_is_told_that_they_are_not_recorded(tmp_path):
    (tmp_path / "flow.py").write_text(
        BEGIN
        + dedent("""
        import ray.data
        ray.init(**START)
        rows = ray.data.range(6).map(lambda row: {"id": row["id"] * 2})
        with open("total.txt", "w") as file:
            print(sorted(row["id"] for row in rows.take_all()), file=file)
        """)
    )
    done = run([trilha.capture.launch.__file__, "--store=store", "--grain=file", "--", "flow.py"], tmp_path)
    assert (tmp_path / "total.txt").read_text() == "[0, 2, 4, 6, 8, 10]\n"
    assert done.stderr.count("that ray.data makes are not recorded") == 1
    graph = graph_of(tmp_path)
    assert ("total.txt", "run") in graph.generations()
