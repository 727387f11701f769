"""Workflows of Parsl that lose a worker, a node or the submitting process: what is recorded is what was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from textwrap import dedent

import pytest
from tests.capture.graph import Graph, T

import trilha
import trilha.capture.launch
from trilha.capture.journal import read
from trilha.prov import Kind
from trilha.query.finding import find
from trilha.query.lineage import lineage
from trilha.query.trail import trail
from trilha.store import Store

COUNT = 1000
APPS = """
import os, signal, time

def told(name, number):
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{number}\\n".encode())
    os.close(descriptor)

def has(name, number):
    return os.path.exists(name) and str(number) in open(name).read().split()

before = []

def dying(number):
    told("executed", number)
    if number in (200, 700) and [int(line) for line in open("executed")].count(number) == 1:
        # Who dies while its last result is sent keeps the lock of the queue, and the others wait for ever.
        while before and not has("seen", before[-1]):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    before.append(number)
    return number

def slow(number):
    told(f"executed-{os.getppid()}", number)
    time.sleep(0.002)
    return number

def skewed(ahead):
    "From here on the worker's clock is wrong, by so many seconds, as Trilha reads it."
    from trilha.capture import recorder
    right = recorder.time.time_ns
    recorder.time.time_ns = lambda: right() + ahead * 1_000_000_000

def write(number, before=None):
    with open(f"{number}.txt", "w") as file:
        file.write(open(f"{number - 1}.txt").read() + str(number) if number else "0")
    return [number]
"""
"""What workers in other processes import."""
BEGIN = """
import os, sys, time, parsl
from apps import dying, skewed, slow, told, write
from parsl import python_app
from parsl.config import Config
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor, ThreadPoolExecutor
from parsl.providers import LocalProvider

def threads(**how):
    parsl.load(Config([ThreadPoolExecutor(label="work", max_threads=2)], run_dir="runinfo", **how))

def nodes(count, workers, **how):
    local = dict(address="127.0.0.1", loopback_address="127.0.0.1", encrypted=False)
    provider = LocalProvider(init_blocks=count, max_blocks=count, nodes_per_block=1)
    executor = HighThroughputExecutor(
        label="work", max_workers_per_node=workers, cores_per_worker=0.01, provider=provider,
        heartbeat_period=1, heartbeat_threshold=4, **local
    )
    parsl.load(Config([executor], run_dir="runinfo", retries=2, strategy="none", strategy_period=0.1, **how))
"""


@pytest.fixture
def start(tmp_path):
    """Starts a workflow, recorded in the folder's store; gives the process, in a group of its own."""
    started = []

    def start_workflow(source, *arguments):
        script = tmp_path / "flow.py"
        script.write_text(BEGIN + dedent(source))
        (tmp_path / "apps.py").write_text(APPS)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA")}
        # Parsl finds its own programs there.
        environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
        environment["PYTHONPATH"] = str(tmp_path)
        launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
        process = subprocess.Popen(
            [*launcher, str(script), *arguments], cwd=tmp_path, env=environment, start_new_session=True
        )
        started.append(process)
        return process

    yield start_workflow
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def lines(path):
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def by_number(graph, kind):
    """Facts of tasks or attempts, by the first argument of the task."""
    starters = {record[2]: record[4] for record in graph.of(Kind.START)}
    found = {}
    for name, facts in list(graph.about.items()):
        if T + kind in facts["type"]:
            task = name if kind == "Task" else starters[name]
            if graph.about[task]["arg.number"]:
                found.setdefault(graph.about[task]["arg.number"][0], []).append(facts | {"id": [name]})
    for several in found.values():
        several.sort(key=lambda one: one["attempt"])
    return found


def valid(store, graph):
    with trilha.open(store) as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations


def test_what_had_finished_when_the_submitting_process_was_killed_is_recorded_and_nothing_else(
    start, tmp_path
):
    process = start("""
    threads()
    @python_app
    def work(number):
        told("executed", number)
        return number
    futures = [work(number) for number in range(1000)]
    for number, future in enumerate(futures):
        future.result()
        told("seen", number)
        time.sleep(0.001)
    """)
    while len(lines(tmp_path / "seen")) < 300:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    store = tmp_path / "store"
    graph = Graph(store)
    tasks = {number: one for number, (one,) in by_number(graph, "Task").items()}
    attempts = by_number(graph, "Attempt")
    ended = {number for number, one in tasks.items() if one["id"][0] in graph.ended}
    # What the program had been given is finished; what is finished was executed.
    assert ended >= set(lines(tmp_path / "seen"))
    assert ended <= set(lines(tmp_path / "executed"))
    for number, one in tasks.items():
        assert one["status"] == (["exec_done"] if number in ended else [])
        if number in ended:
            assert attempts[number][0]["status"] == ["finished"]
    assert "status" not in graph.run or not graph.run["status"]
    assert [read(path).alive() for path in store.glob("journals/*/*.journal")] == [False]
    valid(store, graph)


def test_a_worker_that_was_killed_has_lost_attempts_and_the_tasks_were_tried_again(start, tmp_path):
    process = start("""
    nodes(1, 2)
    work = python_app(dying)
    futures = [work(number) for number in range(1000)]
    for future in futures:
        future.add_done_callback(lambda one: told("seen", one.result()))
    assert sum(one.result() for one in futures) == 499500
    parsl.dfk().cleanup()
    """)
    assert process.wait(timeout=100) == 0
    store = tmp_path / "store"
    graph = Graph(store)
    assert not graph.dropped
    tasks, attempts = by_number(graph, "Task"), by_number(graph, "Attempt")
    assert sorted(tasks) == list(range(COUNT))
    assert {one["status"][0] for (one,) in tasks.values()} == {"exec_done"}
    tries = {number: [one["status"][0] for one in found] for number, found in attempts.items()}
    assert {number for number, found in tries.items() if len(found) > 1} >= {200, 700}
    for number in (200, 700):
        lost, again = attempts[number]
        assert (lost["status"], again["status"]) == (["failed"], ["finished"])
        assert "WorkerLost" in lost["exception"][0]
        # Nobody told what it took: the worker was gone.
        assert not lost["cpu_seconds"]
        assert again["cpu_seconds"]
    assert Counter(tries[number][-1] for number in range(COUNT)) == {"finished": COUNT}
    valid(store, graph)


def test_what_a_node_was_doing_when_it_was_lost_is_unknown_and_done_on_another(start, tmp_path):
    process = start("""
    nodes(2, 1)
    work = python_app(slow)
    futures = [work(number) for number in range(1000)]
    import glob, psutil
    while len(found := glob.glob("executed-*")) < 2 or len(open(found[0]).readlines()) < 100:
        time.sleep(0.01)
    node = psutil.Process(int(found[0].partition("-")[2]))
    for one in [*node.children(recursive=True), node]:
        one.kill()
    told("killed", node.pid)
    assert sum(one.result() for one in futures) == 499500
    parsl.dfk().cleanup()
    """)
    assert process.wait(timeout=100) == 0
    check_that_a_node_was_lost(tmp_path, "killed")


def check_that_a_node_was_lost(tmp_path, told):
    """Of 1,000 tasks on two nodes, the number of one of which is in the file `told`."""
    store = tmp_path / "store"
    graph = Graph(store)
    (killed,) = lines(tmp_path / told)
    executed = {int(path.name.partition("-")[2]): lines(path) for path in tmp_path.glob("executed-*")}
    tasks, attempts = by_number(graph, "Task"), by_number(graph, "Attempt")
    assert sorted(tasks) == list(range(COUNT))
    assert {one["status"][0] for (one,) in tasks.values()} == {"exec_done"}
    lost = [one for found in attempts.values() for one in found if one["status"] == ["failed"]]
    assert lost
    assert all("ManagerLost" in one["exception"][0] for one in lost)
    assert all(found[-1]["status"] == ["finished"] for found in attempts.values())
    # An attempt is said to have run where it did run, and to have run at all only if it did.
    measured = Counter(number for number, found in attempts.items() for one in found if one["cpu_seconds"])
    ran = Counter(number for numbers in executed.values() for number in numbers)
    assert all(measured[number] <= ran[number] for number in range(COUNT))
    assert set(executed[killed]) >= {n for n, found in attempts.items() if len(found) > 1 and measured[n] > 1}
    valid(store, graph)


@pytest.fixture
def network():
    """A network namespace, and the address at which it reaches this host; by `link` they hang together."""
    name, link, net = f"trilha-{os.getpid()}", f"tr{os.getpid()}", f"10.231.{os.getpid() % 250}"
    if os.geteuid() or subprocess.run(["ip", "netns", "add", name], check=False).returncode:
        pytest.skip("this user may not make a network namespace")
    inside = ["ip", "-n", name]
    commands = [
        ["ip", "link", "add", link, "type", "veth", "peer", "name", "uplink", "netns", name],
        ["ip", "addr", "add", f"{net}.1/24", "dev", link],
        ["ip", "link", "set", link, "up"],
        [*inside, "addr", "add", f"{net}.2/24", "dev", "uplink"],
        [*inside, "link", "set", "uplink", "up"],
        [*inside, "link", "set", "lo", "up"],
    ]
    try:
        for command in commands:
            subprocess.run(command, check=True)
        yield name, link, f"{net}.1"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def test_what_a_node_was_doing_that_cannot_be_reached_any_more_is_unknown_and_done_on_another(
    start, tmp_path, network
):
    name, link, address = network
    process = start(f"""
    import glob
    from parsl.launchers import SimpleLauncher
    class Apart(SimpleLauncher):
        "Starts the first node in the network namespace."
        started = 0
        def __call__(self, command, *rest):
            self.started += 1
            apart = "ip netns exec {name} " if self.started == 1 else ""
            return apart + super().__call__(command, *rest)
    provider = LocalProvider(init_blocks=2, max_blocks=2, nodes_per_block=1, launcher=Apart())
    executor = HighThroughputExecutor(
        label="work", max_workers_per_node=1, cores_per_worker=0.01, provider=provider, address="{address}",
        loopback_address="127.0.0.1", heartbeat_period=1, heartbeat_threshold=4, encrypted=False,
    )
    parsl.load(Config([executor], run_dir="runinfo", retries=2, strategy="none", strategy_period=0.1))
    work = python_app(slow)
    futures = [work(number) for number in range(1000)]
    here, lost = os.readlink("/proc/self/ns/net"), []
    while not lost:
        time.sleep(0.01)
        for path in glob.glob("executed-*"):
            node = int(path.partition("-")[2])
            if os.readlink(f"/proc/{{node}}/ns/net") != here and len(open(path).readlines()) >= 100:
                lost.append(node)
    os.system("ip link set {link} down")
    told("lost", lost[0])
    assert sum(one.result() for one in futures) == 499500
    parsl.dfk().cleanup()
    """)
    assert process.wait(timeout=100) == 0
    check_that_a_node_was_lost(tmp_path, "lost")


RESUMED = """
import glob
files = sorted(glob.glob("runinfo/*/checkpoint"))
threads(memoizer=BasicMemoizer(checkpoint_files=files, checkpoint_mode="task_exit"))
@python_app(cache=True)
def work(number):
    told("executed", number)
    return number * number
for number in range(200):
    assert work(number).result() == number * number
    told("seen", number)
    time.sleep(0.001)
parsl.dfk().cleanup()
"""


def test_a_resumed_run_is_linked_to_the_one_that_was_killed(start, tmp_path):
    first = start(RESUMED)
    while len(lines(tmp_path / "seen")) < 60:
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    executed = len(lines(tmp_path / "executed"))
    assert start(RESUMED).wait(timeout=60) == 0
    assert len(lines(tmp_path / "executed")) <= 201
    graph = Graph(tmp_path / "store")
    # The folder of the first is what the second used.
    (folder,) = [
        record[3] for record in graph.of(Kind.USAGE) if str(record[3]).startswith("urn:trilha:parsl-run:")
    ]
    makers = {record[2]: record[3] for record in graph.of(Kind.GENERATION)}
    users = {record[2] for record in graph.of(Kind.USAGE) if record[3] == folder}
    assert str(makers[folder]).endswith("#run")
    assert {makers[folder]} | users == {name for name in graph.about if str(name).endswith("#run")}
    assert makers[folder] not in users
    (resuming,) = users
    assert [str(one) for one in graph.about[resuming]["resumes"]] == [str(folder)]
    # Each remembered result is the content that the first run computed.
    contents = {}
    for record in graph.of(Kind.SPECIALIZATION):
        if str(record[3]).startswith("urn:trilha:memo:"):
            contents.setdefault(record[3], []).append(graph.about[record[2]]["cached"])
    assert len(contents) == 200
    again = [sorted(map(str, found)) for found in contents.values() if len(found) > 1]
    assert executed - 1 <= len(again) + 1
    # What was computed, and not in Parsl's own checkpoint yet when it was killed, was computed twice.
    twice = [found for found in again if found != ["[False]", "[True]"]]
    assert twice == [["[False]", "[False]"]] * len(twice)
    assert len(twice) <= len(lines(tmp_path / "executed")) - 200
    assert len(again) - len(twice) >= 59
    for run in {one.name for one in (tmp_path / "store" / "journals").iterdir()}:
        with trilha.open(tmp_path / "store") as opened:
            verdict = opened.document(run).validate()
        assert verdict.valid, verdict.violations


def said(branches, things):
    """Labels, in the order in which a trail tells them."""
    for branch in branches:
        yield from (things[one].label for one in branch.things)
        yield from said(branch.branches, things)


@pytest.mark.parametrize("ahead", [-7200, 7200])
def test_clocks_that_disagree_do_not_change_what_came_of_what(start, tmp_path, ahead):
    process = start(f"""
    nodes(1, 1)
    write = python_app(write)
    python_app(skewed)({ahead}).result()
    before = None
    for number in range(5):
        before = write(number, before)
    before.result()
    parsl.dfk().cleanup()
    """)
    assert process.wait(timeout=60) == 0
    store = tmp_path / "store"
    graph = Graph(store)
    attempts = {number: one for number, (one,) in by_number(graph, "Attempt").items()}
    begins = {record.id: record[2] for record in graph.records if record.kind is Kind.ACTIVITY and record[2]}
    # The clocks do disagree, ...
    for one in attempts.values():
        wrong = (one["began"][0] - begins[one["id"][0]]).total_seconds()
        assert abs(wrong - ahead) < 600
    # ... and each result still came of the one before, each file of the file before.
    derived = graph.derivations()
    assert derived.count(("write()", "write()")) == 4
    files = {graph.label(one): one for one in graph.about if T + "File" in graph.about[one]["type"]}
    used = {(record[2], record[3]) for record in graph.of(Kind.USAGE)}
    made = {record[2]: record[3] for record in graph.of(Kind.GENERATION)}
    for number in range(1, 5):
        attempt = attempts[number]["id"][0]
        assert (attempt, files[f"{number - 1}.txt"]) in used
        assert made[files[f"{number}.txt"]] == attempt
    with Store(store) as opened:
        opened.refresh()
        up = lineage(opened, find(opened, str(tmp_path / "4.txt")))
        assert {f"{number}.txt" for number in range(4)} <= {one.label for one in up.things.values()}
        assert [name for name in said(trail(up), up.things) if name.endswith(".txt")][:5] == [
            f"{number}.txt" for number in (4, 3, 2, 1, 0)
        ]
        last = max(
            (record for record in graph.of(Kind.GENERATION) if graph.label(record[2]) == "write()"),
            key=lambda record: record[4],
        )
        up = lineage(opened, find(opened, str(last[2])))
        assert {f"{number}.txt" for number in range(4)} <= {one.label for one in up.things.values()}
        down = lineage(opened, find(opened, str(tmp_path / "0.txt")), downstream=True)
        assert {f"{number}.txt" for number in range(1, 5)} <= {one.label for one in down.things.values()}
        assert str(last[2]) in down.things
    valid(store, graph)


def test_ten_thousand_tasks_in_a_chain_do_not_stall(start, tmp_path):
    process = start("""
    threads(initialize_logging=False)
    @python_app
    def follow(before):
        return before + 1
    before = 0
    for _ in range(10_000):
        before = follow(before)
    assert before.result() == 10_000
    parsl.dfk().cleanup()
    """)
    assert process.wait(timeout=100) == 0
    graph = Graph(tmp_path / "store")
    assert not graph.dropped
    assert Counter(one["status"][0] for one in graph.about.values() if T + "Task" in one["type"]) == {
        "exec_done": 10_000
    }
    assert graph.derivations().count(("follow()", "follow()")) == 9_999
