"""Slices that go on in the processes that executed tasks: the lines of that call, its arguments alone."""

import json
import os
import re
import subprocess
import sys

import pytest
from tests.cli.commands import trilha
from tests.trace.apps import APPS

from trilha.trace import across
from trilha.trace.asked import meant
from trilha.trace.indexes import traces

POOL = """\
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

rate = 3
unused = 9


def scaled(number):
    return number * rate


def twice(number, more=1):
    doubled = scaled(number) * 2
    return doubled


def fails(number):
    raise ValueError(number)


def main(how):
    one = 1
    two = 2
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(how)) as pool:
        failed = pool.submit(fails, two)
        futures = [pool.submit(twice, one), pool.submit(twice, two)]
        values = [future.result() for future in futures]
        a = values[0]
        b = values[1]
        mapped = list(pool.map(twice, [4, 5], chunksize=2))
        length = pool.submit(len, "abc").result()
    print(a, b, mapped, length)


if __name__ == "__main__":
    main(sys.argv[1])
"""


class Asked:
    """A recorded run, to be asked for lines and tasks."""

    def __init__(self, folder, text, *words, **environment):
        (folder / "work.py").write_text(text)
        self.said = trilha(folder, "run", "--grain", "variable", "work.py", *words, **environment)
        self.folder = folder / ".trilha"
        (self.run,) = os.listdir(self.folder / "journals")
        self.traces = traces(str(self.folder), self.run)

    def __call__(self, what, ask=across.backward, **how):
        found = meant(self.traces, what)
        return ask(self.traces, found.traced, found.evaluations, **how)

    def lines(self, what, ask=across.backward):
        return {line for (_, line), _ in self(what, ask).lines().items()}


@pytest.fixture(scope="module", params=["fork", "spawn"])
def pool(request, tmp_path_factory, recorder_folder):
    """Forks with a log in Python, new processes with one in C, and the tasks' engine in C with it."""
    ways = {"fork": {"TRILHA_TRAIL": "python"}, "spawn": {"PYTHONPATH": str(recorder_folder)}}
    return Asked(tmp_path_factory.mktemp(request.param), POOL, request.param, **ways[request.param])


def test_a_task_in_a_process_comes_from_its_lines_and_its_own_arguments(pool):
    assert pool.said == "6 12 [24, 30] 3\n"
    a, b = pool.lines("a"), pool.lines("b")
    assert {5, 10, 14, 15, 23, 27, 28, 29} <= a
    assert not {6, 19, 24, 30, 31} & a
    assert {5, 10, 14, 15, 24, 27, 28, 30} <= b
    assert not {6, 19, 23, 29, 31} & b


def test_tasks_are_told_by_what_each_process_executed(pool):
    told = pool("a")
    (executed,) = told.others
    assert {line: count for (_, line), count in executed.lines().items()}[15] == 1
    assert not told.untraced()


def test_several_calls_in_one_piece_are_all_in_what_it_gave(pool):
    (executed,) = pool("mapped").others
    assert {line: count for (_, line), count in executed.lines().items()}[15] == 2
    assert {5, 10, 14, 15, 31} <= pool.lines("mapped")


def test_a_library_s_function_in_a_process_is_no_gap(pool):
    told = pool("length")
    assert not told.gaps
    assert not {10, 14, 15} & {line for _, line in told.lines()}


def test_what_passed_between_processes_joins_their_graphs(pool):
    told = pool("a")
    (executed,) = told.others
    own = frozenset(executed.evaluations)
    for one in told.crossings:
        to, of = (told.first if journal == told.first.traced.journal else executed for journal in one[::2])
        assert to is not of
        assert one.evaluation in (own if to is executed else to)
        assert one.source in (own if of is executed else of)
    lines = {
        (part_of(told, one.journal, one.evaluation), part_of(told, one.origin, one.source))
        for one in told.crossings
    }
    assert {("pool.submit(twice, one)", "return doubled")} <= lines
    backward = {(one.journal, one.evaluation, one.origin, one.source) for one in told.crossings}
    forward = {
        (one.journal, one.evaluation, one.origin, one.source) for one in pool("one", across.forward).crossings
    }
    assert forward & backward
    dot = trilha(pool.folder.parent, "slice", "a", "--dot")
    assert dot.count("style=dashed") == len(told.crossings)
    ends = set(re.findall(r"^ +(\w+) \[", dot, re.MULTILINE))
    assert {end for pair in re.findall(r"(\w+) -> (\w+)", dot) for end in pair} <= ends
    as_json = json.loads(trilha(pool.folder.parent, "slice", "a", "--json"))
    assert len(as_json["crossings"]) == len(told.crossings)


def test_a_document_of_the_first_process_says_that_there_are_others(pool):
    folder = pool.folder.parent
    done = subprocess.run(
        [sys.executable, "-m", "trilha", "export", "last", "--mapping", "versioned", "-o", "made.provn"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert re.match(r"trilha: the traces of other processes \(\d\) are not in this document\n", done.stderr)


def part_of(told, journal, number):
    (one,) = (one for one in told.slices if one.traced.journal == journal)
    return one.traced.component(number).text


def test_a_program_of_what_a_task_gave_has_the_function_that_another_process_ran(pool):
    text = trilha(pool.folder.parent, "slice", "a@29", "--program")
    made = pool.folder.parent / "made.py"
    made.write_text(text.replace("a = values[0]", "a = values[0]\n        print(a)"))
    done = subprocess.run(
        [sys.executable, made, "fork"], capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.stdout, done.stderr) == ("6\n", "")
    assert "unused" not in text


def test_what_came_of_a_value_goes_on_in_processes_and_comes_back(pool):
    assert {10, 14, 15, 23, 27, 28, 29, 33} <= pool.lines("one", across.forward)
    assert not {5, 24, 31} & pool.lines("one", across.forward)


def test_a_variable_of_a_task_comes_from_the_call_that_handed_it_over(pool):
    (executed,) = pool("mapped").others
    inside = meant([executed.traced], "doubled")
    told = across.backward(pool.traces, executed.traced, inside.evaluations)
    assert {5, 10, 14, 31} <= {line for _, line in told.lines()}
    assert not {23, 24, 28} & {line for _, line in told.lines()}


POOLS = """\
import multiprocessing


def twice(number):
    doubled = number * 2
    return doubled


def other(number):
    return number


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        later = pool.apply_async(twice, (1,))
        mapped = pool.map(twice, [4, 5], chunksize=1)
        a = later.get()
        b = pool.apply(other, (2,))
        lazily = list(pool.imap(twice, [6]))
    print(a, b, mapped, lazily)
"""


def test_pools_of_multiprocessing(tmp_path):
    asked = Asked(tmp_path, POOLS)
    assert asked.said == "2 2 [8, 10] [12]\n"
    assert {5, 6, 15, 17} <= asked.lines("a")
    assert not {10, 16, 18, 19} & asked.lines("a")
    assert {10, 18} <= asked.lines("b")
    assert not {5, 6, 15, 16, 19} & asked.lines("b")
    assert {5, 6, 16} <= asked.lines("mapped")
    assert not {10, 15, 18} & asked.lines("mapped")
    assert {5, 6, 19} <= asked.lines("lazily")
    assert not any(asked(name).gaps for name in ("a", "b", "mapped", "lazily"))


BY_VALUE = """\
from joblib import Parallel, delayed

rate = 3


def scaled(number):
    return number * rate


def twice(number):
    doubled = scaled(number) * 2
    return doubled


def maker():
    return lambda number: number + 1


a = Parallel(n_jobs=2)(delayed(twice)(number) for number in [1, 2])
b = Parallel(n_jobs=2)([delayed(maker())(7)])
print(a, b)
"""


def test_functions_that_are_sent_by_value_are_traced_by_their_text_and_others_are_said(tmp_path):
    asked = Asked(tmp_path, BY_VALUE)
    assert asked.said == "[6, 12] [8]\n"
    assert {7, 11, 12, 19} <= asked.lines("a")
    told = asked("a")
    assert not told.gaps
    assert "rate came along with scaled; where it comes from is not known" in {
        gap.why for gap in told.untraced()
    }
    told = asked("b")
    assert [(gap.line, gap.why) for gap in told.gaps] == [
        (20, "what this task did in its process is not traced")
    ]


DASK = """\
import dask


def twice(number):
    doubled = number * 2
    return doubled


if __name__ == "__main__":
    a = dask.delayed(twice)(1).compute(scheduler="processes", num_workers=1)
    print(a)
"""


def test_dask_s_processes(tmp_path):
    asked = Asked(tmp_path, DASK)
    assert {5, 6, 10} <= asked.lines("a")
    assert not asked("a").gaps


PARSL = f"""\
from parsl.providers import LocalProvider
{APPS}

if __name__ == "__main__":
    provider = LocalProvider(init_blocks=1, max_blocks=1)
    executor = parsl.HighThroughputExecutor(
        max_workers_per_node=1, provider=provider, encrypted=False,
        address="127.0.0.1", loopback_address="127.0.0.1",
    )
    parsl.load(parsl.Config(executors=[executor], strategy="none", strategy_period=0.1))
    one = 1
    two = 2
    first = twice(one)
    second = twice(two)
    later = plus(first, one)
    a = first.result()
    c = later.result()
    print(a, c)
    parsl.dfk().cleanup()
"""


def test_parsl_s_processes(tmp_path):
    # Parsl starts its programs by their names.
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    asked = Asked(tmp_path, PARSL, PATH=path)
    assert asked.said == "2 3\n"
    assert {8, 9, 24, 26, 29} <= asked.lines("a")
    assert not {14, 25, 27, 28} & asked.lines("a")
    assert {8, 9, 14, 24, 26, 28, 30} <= asked.lines("c")
    assert not {25, 27} & asked.lines("c")
    assert not asked("c").gaps


DISTRIBUTED = """\
import dask
from distributed import Client, LocalCluster


def twice(number):
    doubled = number * 2
    return doubled


def plus(one, other):
    total = one + other
    return total


def main(processes):
    one = 1
    two = 2
    three = 3
    where = {"processes": processes, "dashboard_address": None, "silence_logs": 50}
    with LocalCluster(n_workers=1, threads_per_worker=1, **where) as cluster, Client(cluster) as client:
        first = client.submit(twice, one)
        second = client.submit(twice, two)
        later = client.submit(plus, first, one)
        c = later.result()
        b = second.result()
        mapped = client.gather(client.map(twice, [5, 6]))
        graph = dask.delayed(plus)(dask.delayed(twice)(three), 4)
        d = graph.compute()
    print(b, c, mapped, d)


if __name__ == "__main__":
    import sys

    main(sys.argv[1] == "processes")
"""


@pytest.mark.parametrize("workers", ["processes", "threads"])
def test_dask_s_distributed_scheduler(tmp_path, workers):
    """Its workers may be threads of the program, which get copies of its functions all the same."""
    asked = Asked(tmp_path, DISTRIBUTED, workers)
    assert asked.said == "4 3 [10, 12] 10\n"
    assert {5, 6, 7, 17, 22, 25} <= asked.lines("b")
    assert not {10, 16, 18, 21, 23, 24, 26, 27} & asked.lines("b")
    # What the first task gave never came to the client.
    assert {5, 6, 10, 11, 16, 21, 23, 24} <= asked.lines("c")
    assert not {17, 18, 22, 25, 26, 27} & asked.lines("c")
    assert {5, 6, 26} <= asked.lines("mapped")
    assert not {10, 16, 17, 18, 21, 22, 27} & asked.lines("mapped")
    assert {5, 6, 10, 11, 18, 27, 28} <= asked.lines("d")
    assert not {16, 17, 21, 22, 26} & asked.lines("d")
    assert {6, 11, 23, 24} <= asked.lines("one@16", across.forward)
    assert not any(asked(name).gaps for name in ("b", "c", "mapped", "d"))


RAY = """\
import ray


def twice(number):
    doubled = number * 2
    return doubled


@ray.remote
def plus(one, other):
    total = one + other
    return total


@ray.remote
class Counter:
    def __init__(self, start):
        self.count = start

    def add(self, more):
        self.count += more
        return self.count


@ray.remote
def counted(number):
    yield number


if __name__ == "__main__":
    ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    one = 1
    two = 2
    first = ray.remote(twice).remote(one)
    later = plus.remote(first, two)
    c = ray.get(later)
    start = 5
    counter = Counter.remote(start)
    counter.add.remote(two)
    d = ray.get(counter.add.remote(one))
    e = ray.get(next(counted.remote(two)))
    print(c, d, e)
    ray.shutdown()
"""


def test_ray_s_tasks_and_actors(tmp_path):
    asked = Asked(tmp_path, RAY)
    assert asked.said == "4 8 2\n"
    assert {5, 6, 11, 12, 32, 33, 34, 35, 36} <= asked.lines("c")
    assert not {18, 21, 22, 37, 38, 39, 40} & asked.lines("c")
    # An actor's method takes what those before it left.
    assert {18, 21, 22, 32, 33, 37, 38, 39, 40} <= asked.lines("d")
    assert not {5, 6, 11, 34, 35, 41} & asked.lines("d")
    assert {6, 11, 36} <= asked.lines("one", across.forward)
    assert not any(asked(name).gaps for name in ("c", "d"))
    # A generator goes on in turns with others.
    assert [gap.line for gap in asked("e").gaps] == [41]


QUEUE = """\
import multiprocessing
import sys


def twice(inbox, outbox, line, noise):
    number = inbox.get()
    doubled = number * 2
    halved = number / 2
    noise.put_nowait(None)
    outbox.put(doubled)
    line.send(halved)
    outbox.put(None)
    line.send_bytes(str(doubled).encode())


def main(how):
    context = multiprocessing.get_context(how)
    inbox, outbox, noise = context.SimpleQueue(), context.Queue(), context.Queue()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=twice, args=(inbox, outbox, theirs, noise))
    process.start()
    one = 1
    inbox.put(one + 2)
    a = outbox.get()
    last = outbox.get()
    b = ours.recv()
    c = int(ours.recv_bytes())
    process.join()
    nothing = noise.get_nowait()
    print(a, b)


if __name__ == "__main__":
    main(sys.argv[1])
"""
UNKNOWN = "what comes out of a queue or pipe between processes: who put it there is not traced"


def test_what_comes_out_of_a_queue_or_pipe_comes_from_what_sent_it(tmp_path, recorder_folder):
    """One of a new process has its log in C; a queue that is a process's own sends later, by a thread."""
    for how, environment in (
        ("fork", {"TRILHA_TRAIL": "python"}),
        ("spawn", {"PYTHONPATH": str(recorder_folder)}),
    ):
        (tmp_path / how).mkdir()
        asked = Asked(tmp_path / how, QUEUE, how, **environment)
        assert asked.said == "6 1.5\n"
        known = {6, 7, 8, 10, 11} & asked.lines("a"), {6, 7, 8, 10, 11} & asked.lines("b")
        assert known == ({6, 7, 10}, {6, 8, 11})
        assert {22, 23} <= asked.lines("a") & asked.lines("b")
        assert {9, 10, 11} & asked.lines("nothing") == {9}
        assert 12 in asked.lines("last")
        assert {6, 7, 8, 10, 11, 13} & asked.lines("c") == {6, 7, 13}
        assert not {one.why for one in asked("a").untraced()} & {UNKNOWN}
        assert {24, 26, 27} <= asked.lines("one", across.forward)


def test_what_comes_out_of_a_queue_is_unknown_where_who_put_it_there_is_not_traced(tmp_path):
    asked = Asked(tmp_path, QUEUE, "fork", TRILHA_CHILDREN="no")
    assert asked.said == "6 1.5\n"
    assert (29, UNKNOWN) in {(gap.line, gap.why) for gap in asked("nothing").untraced()}
