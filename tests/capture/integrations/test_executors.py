"""What is recorded of calls that a program hands to executors, and that it works as ever."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from tests.capture.integrations.programs import facts, labels, run_twice, statuses

from trilha.prov import Kind

BEGIN = """
import concurrent.futures as cf, multiprocessing as mp, os, sys, time, traceback
def square(x, out=None):
    if out:
        open(out, "w").write(str(x))
    return [x * x]
def total(*squares):
    return sum(one[0] for one in squares)
def late(future):
    return future.result()
def bad(x):
    raise ValueError(f"no {x}")
def wait(seconds):
    time.sleep(seconds)
    return seconds
def die():
    os._exit(3)
def executor(**how):
    if METHOD == "threads":
        return cf.ThreadPoolExecutor(2, **how)
    return cf.ProcessPoolExecutor(2, mp_context=mp.get_context(METHOD), **how)
METHOD = sys.argv[1] if len(sys.argv) > 1 else "threads"
"""
EVERYWHERE = pytest.mark.parametrize("method", ["threads", "fork", "spawn", "forkserver"])


@pytest.fixture
def run(tmp_path):
    def run_program(source, *arguments, begin=BEGIN, **how):
        return run_twice(tmp_path, begin, source, *arguments, **how)

    return run_program


@EVERYWHERE
def test_each_call_is_a_task_and_what_it_does_lies_in_its_attempt(method, run):
    graph = run(
        """
        with executor() as pool:
            first, second = pool.submit(square, 3, out="three"), pool.submit(square, x=4)
            print(pool.submit(total, first.result(), second.result()).result())
        """,
        method,
    )
    assert labels(graph, "Task") == ["square", "square", "total"]
    assert labels(graph, "Attempt") == ["square, attempt 1", "square, attempt 1", "total, attempt 1"]
    assert sorted(one["arg.x"][0] for one in facts(graph, "Task") if one["arg.x"]) == [3, 4]
    assert graph.usages().count(("total", "square()")) == 2
    assert graph.derivations().count(("total()", "square()")) == 2
    assert ("three", "square, attempt 1") in graph.generations()
    assert graph.starters()["total, attempt 1"] == "total"
    assert graph.starters()["total"] == "run"
    assert {one["engine"][0] for one in facts(graph, "Task")} == {
        "ThreadPoolExecutor" if method == "threads" else "ProcessPoolExecutor"
    }
    place = "thread" if method == "threads" else "pid"
    for attempt in facts(graph, "Attempt"):
        assert attempt[place]
        assert attempt["cpu_seconds"][0] >= 0
        assert attempt["took"][0] >= 0
        assert attempt["waited"]


def test_a_future_that_is_handed_on_links_the_two(run):
    graph = run("""
        with executor() as pool:
            first = pool.submit(square, 3)
            print(pool.submit(late, first).result())
        """)
    assert graph.usages().count(("late", "square()")) == 1
    assert ("late()", "square()") in graph.derivations()


@pytest.mark.parametrize("method", ["threads", "fork"])
def test_what_is_taken_out_of_a_result_and_put_into_one_links_the_tasks(method, run):
    graph = run(
        """
        with executor() as pool:
            parts = pool.submit(split, 2).result()
            squares = [pool.submit(squared, part).result() for part in parts]
            made = pool.submit(settings).result()
            made["rows"] = squares[0]
            print(pool.submit(count, made).result())
            pieces = {"chunksize": 2 if METHOD == "fork" else 1}
            print(list(pool.map(count, [made, squares[1]], **pieces)))
        """,
        method,
        begin=BEGIN
        + """
def split(count):
    return [[place, 1] for place in range(count)]
def squared(row):
    return [x * x for x in row]
def settings():
    return {"rate": 0.1}
def count(things):
    return len(things)
""",
    )
    parts = {source for user, source in graph.usages() if user == "squared"}
    assert len(parts) == 1
    assert {source for new, source in graph.derivations() if new in parts} == {"split()"}
    assert {source for user, source in graph.usages() if user == "count"} == {"settings()", "squared()"}


@pytest.mark.parametrize("method", ["threads", "fork"])
def test_what_is_taken_out_of_an_instance_links_the_tasks(method, run):
    graph = run(
        """
        with executor() as pool:
            made = pool.submit(settings).result()
            for part in made.rows, made.by_name["one"], made.array, made.pair[1]:
                print(pool.submit(count, part).result())
            several = pool.submit(both).result()
            for part in several[1].rows, several[0].pair.rows:
                print(pool.submit(count, part).result())
            own = [3]
            made.rows = own
            print(pool.submit(square, 2).result(), pool.submit(total, own).result())
        """,
        method,
        begin=BEGIN
        + """
from dataclasses import dataclass
import numpy
@dataclass
class Settings:
    rows: list
    by_name: dict
    array: object
    pair: tuple
def settings():
    return Settings([1, 2], {"one": [1]}, numpy.ones(3), ([1], [2]))
def both():
    inner = Settings([1, 2], None, None, None)
    return [Settings(None, None, None, inner), Settings([3, 4], None, None, None)]
def count(things):
    return len(things)
""",
    )
    source_of = {record[2]: record[3] for record in graph.of(Kind.DERIVATION)}
    used = [(graph.label(record[2]), record[3]) for record in graph.of(Kind.USAGE)]
    origins = Counter((user, graph.label(source_of.get(one, one))) for user, one in used)
    assert (origins["count", "settings()"], origins["count", "both()"]) == (4, 2)
    assert origins["total", "squares[0]"] == 1


def test_a_result_that_holds_what_was_known_is_the_tasks_and_what_it_holds_stays_what_it_was(run):
    graph = run(
        """
        with executor() as pool:
            made = pool.submit(make).result()
            wrapped = pool.submit(wrap, made["rows"]).result()
            print(pool.submit(first, wrapped).result())
            print(pool.submit(second, made["rows"]).result(), pool.submit(second, made["pair"].left).result())
        """,
        begin=BEGIN
        + """
from collections import namedtuple
Pair = namedtuple("Pair", "left right")
def make():
    return {"rows": [1, 2], "pair": Pair([3], {"x": 4})}
def wrap(rows):
    return {"count": len(rows), "inside": [rows]}
def first(wrapped):
    return len(wrapped)
def second(rows):
    return len(rows)
""",
    )
    usages = graph.usages()
    assert ("first", "wrap()") in usages
    taken = {source for user, source in usages if user in ("second", "wrap")}
    assert "wrap()" not in taken
    assert {source for new, source in graph.derivations() if new in taken} == {"make()"}


def test_what_a_task_gave_that_it_had_from_a_task_of_its_own_came_of_that(run):
    graph = run(
        """
        with executor() as pool:
            print(pool.submit(wrapped, 3).result())
        """,
        begin=BEGIN
        + """
def wrapped(x):
    with executor() as pool:
        return {"square": pool.submit(square, x).result()}
""",
    )
    assert ("wrapped()", "square()") in graph.derivations()


@pytest.mark.parametrize("method", ["threads", "fork"])
def test_what_a_function_brings_along_is_used_as_arguments_are(method, run):
    graph = run(
        """
        with executor() as pool:
            small, large = pool.submit(square, 2).result(), pool.submit(square, 9).result()
            model = pool.submit(make, 1).result()
            model = pool.submit(model.fit, small).result()
            print(pool.submit(model.predict).result())
            print(pool.submit(functools.partial(both, large), small).result())
            print(list(pool.map(functools.partial(both, y=large), [small, [0]], chunksize=2)))
            if METHOD == "threads":
                print(enclosed(pool, small), defaulted(pool, small))
        """,
        method,
        begin=BEGIN
        + """
import functools
class Model:
    def __init__(self, data):
        self.data = data
    def fit(self, x):
        self.data = [*self.data, *x]
        return self
    def predict(self):
        return sum(self.data)
def make(x):
    return Model([x])
def both(x, y):
    return [len(x), len(y)]
def enclosed(pool, data):
    def inside():
        return len(data)
    return pool.submit(inside).result()
def defaulted(pool, data):
    def default(x=1, y=data, *, z=data):
        return x + len(y)
    return pool.submit(default, 2).result() + pool.submit(default, 2, [3], z=[4]).result()
""",
    )
    usages = Counter(graph.usages())
    assert usages["fit", "make()"] == usages["fit", "square()"] == usages["predict", "fit()"] == 1
    if method == "threads":
        assert ("fit()", "make()") in graph.derivations()
        assert usages["both", "square()"] == 2 + 2 + 1
        assert usages["inside", "square()"] == 1
        assert usages["default", "square()"] == usages["default", "y"] == usages["default", "z"] == 1
    else:
        assert usages["both", "square()"] == 2 + 2
        assert Counter(graph.derivations())["both()[0]", "square()"] == 2
        assert Counter(graph.derivations())["both()[1]", "square()"] == 1


def test_what_a_task_in_a_thread_reads_of_its_module_is_used_if_nobody_binds_it_anew(run):
    graph = run(
        """
        with executor() as pool:
            rows, other = pool.submit(square, 3).result(), pool.submit(square, 4).result()
            results = {"rows": rows}
            print([pool.submit(one, 1).result() for one in (reads, names, through)])
            later = pool.submit(reads_later, 1)
            other = None
            go.set()
            print(later.result())
        """,
        begin=BEGIN
        + """
import threading
go = threading.Event()
rows = other = None
LIMIT = 3
def reads(x):
    return [x + len(rows) + LIMIT]
def names(x):
    return [getattr(sys, "rows", x), len(results)]
def through(x):
    return reads(x)
def reads_later(x):
    go.wait()
    return other
""",
    )
    assert [pair for pair in graph.usages() if pair[1] == "square()"] == [("reads", "square()")]
    assert [pair for pair in graph.derivations() if pair[1] == "square()"] == [("reads()", "square()")]


def test_the_result_of_a_future_that_failed_is_not_used(run):
    graph = run("""
        with executor() as pool:
            print(type(pool.submit(late, pool.submit(bad, 3)).exception()))
        """)
    assert ("late", "bad()") not in graph.usages()
    assert statuses(graph) == {("bad", "failed"), ("late", "failed")}


@EVERYWHERE
def test_what_a_task_raises_is_raised_with_the_same_traceback(method, run):
    graph = run(
        """
        with executor() as pool:
            for function, arguments in (bad, [1]), (int, ["a"]), (lambda: 1, []), (square, []):
                try:
                    task = pool.submit(function, *arguments)
                    cf.wait([task])  # Whether it was waited for stands in the traceback.
                    print(task.result())
                except BaseException:
                    traceback.print_exc()
        """,
        method,
    )
    assert ("bad", "failed") in statuses(graph)
    assert ("bad, attempt 1", "failed") in statuses(graph, "Attempt")
    assert [one["exception"] for one in facts(graph, "Task") if one["label"] == ["bad"]] == [
        ["ValueError('no 1')"]
    ]
    assert ("<lambda>, attempt 1" in labels(graph, "Attempt")) == (method == "threads")


@pytest.mark.parametrize("method", ["threads", "fork"])
def test_what_is_cancelled_has_no_attempt(method, run):
    graph = run(
        """
        with executor() as pool:
            running = [pool.submit(wait, 0.5) for _ in range(8)]
            print(running[-1].cancel(), running[-1].cancelled())
        try:
            pool.submit(square, 1)
        except RuntimeError:
            traceback.print_exc()
        """,
        method,
    )
    assert statuses(graph) == {("wait", "finished"), ("wait", "cancelled"), ("square", "cancelled")}
    assert len(facts(graph, "Attempt")) == 7


def test_tasks_of_a_worker_that_dies_are_lost(run):
    graph = run(
        """
        with executor() as pool:
            try:
                pool.submit(die).result()
            except Exception:
                traceback.print_exc()
        """,
        "fork",
    )
    assert statuses(graph) == {("die", "lost")}
    (attempt,) = [one for one in graph.about if "die, attempt 1" in graph.about[one]["label"]]
    assert attempt not in graph.ended
    assert not graph.about[attempt]["status"]


def test_of_a_task_whose_worker_dies_in_a_pool_of_multiprocessing_no_end_is_known(run):
    # The pool makes another worker, and nobody ever learns of it.
    graph = run("""
        with mp.get_context("fork").Pool(1) as pool:
            pool.apply_async(die)
            print(pool.apply(square, (2,)))
            pool.close()
        """)
    assert statuses(graph) == {("die",), ("square", "finished")}
    assert statuses(graph, "Attempt") == {("die, attempt 1",), ("square, attempt 1", "finished")}
    assert not graph.ended & {graph.id("die"), graph.id("die, attempt 1")}


def test_calls_that_are_sent_in_one_piece_are_one_task(run):
    graph = run(
        "with executor() as pool: print(list(pool.map(square, range(6), chunksize=3)))",
        "fork",
    )
    tasks = sorted(facts(graph, "Task"), key=lambda one: one["arg.x%5B0%5D"])
    assert [one["calls"] for one in tasks] == [[3], [3]]
    assert [one["arg.x%5B1%5D"] for one in tasks] == [[1], [4]]


LISTS = """
def number(x):
    return [x]
def twice(xs):
    return [2 * x for x in xs]
def gather(lists):
    return {"sum": sum(x for xs in lists for x in xs)}
"""
MAPS = """
from multiprocessing.pool import ThreadPool
with executor() if METHOD == "futures" else ThreadPool(2) if METHOD == "threads" else mp.Pool(2) as pool:
    size = {"chunksize": int(sys.argv[2])}
    doubled = list(pool.map(twice, list(pool.map(number, range(4), **size)), **size))
    print(doubled)
    if METHOD != "futures":
        pool.close()
        pool.join()
"""


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("method", ["futures", "threads", "fork"])
def test_what_a_call_of_map_gives_is_what_the_next_takes(method, size, run):
    begin = BEGIN.replace('METHOD == "threads"', "False") + LISTS
    graph = run(MAPS.replace("executor()", "cf.ProcessPoolExecutor(2)"), method, str(size), begin=begin)
    given = "number()" if size == 1 else "number()[0]"
    assert graph.usages().count(("twice", given)) == 4 // size
    assert not any(entity.startswith("xs") for _, entity in graph.usages())
    # Each result came of the arguments of its own call alone, also where several were sent at once.
    made = [(one, source) for one, source in graph.derivations() if one.startswith("twice()[")]
    assert sorted(set(made)) == [(f"twice()[{n}]", f"number()[{n}]") for n in range(size if size > 1 else 0)]
    assert len(made) == (4 if size > 1 else 0)


INSIDE = """
import trilha
@trilha.step
def inner(thing):
    return [len(thing)]
def outer(thing, other=None):
    return [inner(one) for one in (thing, other) if one]
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "mapped", "mapped in pieces", "pool"])
def test_what_a_task_does_in_a_worker_uses_the_arguments_that_it_was_given(method, run):
    graph = run(
        """
        start = mp.get_context(METHOD if METHOD == "spawn" else "fork")
        size = {"chunksize": 2 if "pieces" in METHOD else 1}
        with cf.ProcessPoolExecutor(1, mp_context=start) as pool:
            first, second = (pool.submit(number, x).result() for x in range(2))
            if METHOD == "pool":
                with start.Pool(1) as other:
                    print(other.starmap(outer, [(first, second)], chunksize=1))
                    print(other.map(outer, [first, second], chunksize=2))
                    other.close()
                    other.join()
            elif "mapped" in METHOD:
                print(list(pool.map(outer, [first] * 2, [second] * 2, **size)))
            else:
                print(pool.submit(outer, first, other=second).result())
        """,
        method,
        begin=BEGIN + LISTS + INSIDE,
    )
    taken = [entity for activity, entity in graph.usages() if activity == "inner"]
    assert set(taken) == {"number()"}
    assert len(taken) == {"fork": 2, "spawn": 2}.get(method, 4)


def test_a_list_of_results_came_of_each_of_them(run):
    graph = run(
        """
        with executor() as pool:
            lists = [future.result() for future in [pool.submit(number, x) for x in range(3)]]
            print(pool.submit(gather, lists).result())
            few = {name: pool.submit(twice, one).result() for name, one in zip("ab", lists)}
            print(pool.submit(len, few).result())
        """,
        begin=BEGIN + LISTS,
    )
    assert ("gather", "lists") in graph.usages()
    assert graph.derivations().count(("lists", "number()")) == 3
    assert graph.derivations().count(("obj", "twice()")) == 2


POOLS = """
with (ThreadPool if METHOD == "threads" else mp.get_context(METHOD).Pool)(2) as pool:
    print(pool.apply(square, (3,), {"out": "three"}), pool.apply_async(square, [4]).get())
    print(pool.map(square, range(8)), list(pool.imap(square, range(3))))
    print(sorted(pool.imap_unordered(square, range(4), chunksize=2)))
    print(pool.starmap(total, [([1], [2]), ([3], [4])], chunksize=1))
    for function in bad, lambda x: x, int:
        for way in pool.apply_async(function, (1,)), pool.map_async(function, [1, 1]):
            try:
                print(way.get())
            except BaseException:
                traceback.print_exc()
    pool.close()
    pool.join()
"""


@EVERYWHERE
def test_pieces_of_work_that_a_pool_of_multiprocessing_gets_are_tasks(method, run):
    graph = run(POOLS, method, begin=f"from multiprocessing.pool import ThreadPool{BEGIN}")
    squares = [one for one in facts(graph, "Task") if one["label"] == ["square"]]
    ones = [one for one in squares if not one["calls"]]
    # Eight are sent one by one, since that is so many as the pool has workers, four times.
    assert sorted(one["arg.x"][0] for one in ones) == sorted([3, 4, *range(8), *range(3)])
    assert [one["calls"] for one in squares if one["calls"]] == [[2], [2]]
    assert labels(graph, "Task").count("total") == 2
    assert ("bad", "failed") in statuses(graph)
    assert ("three", "square, attempt 1") in graph.generations()
    lost = 0 if method == "threads" else 3  # functions that cannot be pickled are never executed
    assert len(facts(graph, "Attempt")) == len(facts(graph, "Task")) - lost


def test_maxtasksperchild_and_an_initializer_work_as_ever(run):
    graph = run(
        """
        with mp.get_context("fork").Pool(1, print, ("begun",), maxtasksperchild=2) as pool:
            print(pool.map(square, range(3), chunksize=1))
            pool.close()
            pool.join()
        """
    )
    # Not four: whether a third worker begins before the pool is closed would be chance.
    assert labels(graph, "Attempt") == ["square, attempt 1"] * 3
    assert len({one["pid"][0] for one in facts(graph, "Attempt")}) == 2


def test_imap_takes_its_arguments_when_the_pool_does_and_passes_on_what_they_raise(run):
    run(
        """
        def numbers():
            yield 1
            raise KeyError("no more")
        with mp.get_context("fork").Pool(1) as pool:
            found = pool.imap(square, numbers())
            print(next(found))
            try:
                print(next(found))
            except KeyError:
                traceback.print_exc()
        """
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_is_a_task_with_its_call_and_its_exit_status(method, run):
    graph = run(
        """
        context = mp.get_context(METHOD)
        for target, args in (square, (3, "three")), (bad, (1,)), (sys.exit, (4,)), (die, ()):
            process = context.Process(target=target, args=args)
            process.start()
            process.join()
            print(process.name, process.exitcode)
        """,
        method,
    )
    told = {one["label"][0]: (*one["status"], *one["exit_status"]) for one in facts(graph, "Task")}
    assert told == {
        "square": ("finished", 0),
        "bad": ("failed", 1),
        "exit": ("failed", 4),
        "die": ("failed", 3),
    }
    assert ("three", "square, attempt 1") in graph.generations()
    attempts = {one["label"][0]: one["status"] for one in facts(graph, "Attempt")}
    assert attempts == {
        "square, attempt 1": ["finished"],
        "bad, attempt 1": ["failed"],
        "exit, attempt 1": ["failed"],
        "die, attempt 1": [],
    }


ASYNC = """
import asyncio
import flow_inner
from contextvars import ContextVar
variable = ContextVar("variable", default="no")
def seen(x):
    open(f"seen {x}", "w").close()
    return [variable.get()]
async def main():
    variable.set("yes")
    print(await asyncio.to_thread(seen, 1))
    print(await asyncio.get_running_loop().run_in_executor(None, seen, x := 2))
    print(len(await asyncio.get_running_loop().getaddrinfo("localhost", 80)) > 0)
"""


def test_calls_by_asyncio_are_tasks_and_those_of_libraries_are_not(run, tmp_path):
    (tmp_path / "flow_inner.py").write_text("")
    graph = run("asyncio.run(main())", begin=ASYNC)
    assert labels(graph, "Task") == ["seen", "seen"]
    assert ("seen 1", "seen, attempt 1") in graph.generations()


def test_a_function_of_a_library_is_a_task_if_the_user_hands_it_over(run):
    graph = run("with executor() as pool: print(list(pool.map(pow, [2, 3], [4, 5])))")
    assert labels(graph, "Task") == ["pow", "pow"]


def test_a_subclass_and_the_order_of_callbacks_are_as_ever(run):
    graph = run(
        """
        class Counting(cf.ThreadPoolExecutor):
            count = 0
            def submit(self, function, /, *args, **kwargs):
                self.count += 1
                return super().submit(function, *args, **kwargs)
        told = []
        with Counting(1) as pool:
            one = pool.submit(wait, 0.2)
            for number in range(3):
                one.add_done_callback(lambda future, number=number: told.append((number, future is one)))
            print(type(one), pool.submit(square, 2).result(), pool.count)
        print(told)
        """
    )
    assert {one["engine"][0] for one in facts(graph, "Task")} == {"Counting"}
    assert labels(graph, "Task") == ["square", "wait"]


def test_map_hands_over_at_once_and_a_timeout_is_the_callers(run):
    graph = run(
        """
        def numbers():
            for number in range(3):
                print("asked for", number)
                yield 0.3
        with executor() as pool:
            found = pool.map(wait, numbers(), timeout=0.05)
            print("handed over")
            try:
                print(list(found))
            except TimeoutError:
                print("too late")
        """
    )
    assert ("wait", "cancelled") in statuses(graph) or len(facts(graph, "Attempt")) == 3
    assert ("wait", "finished") in statuses(graph)


@pytest.mark.parametrize("method", ["threads", "fork", "spawn"])
def test_an_initializer_that_fails_breaks_the_pool_as_ever(method, run):
    graph = run(
        """
        import logging
        logging.disable()
        with executor(initializer=bad, initargs=(1,)) as pool:
            try:
                pool.submit(square, 2).result()
            except cf.BrokenExecutor as error:
                print(type(error))
        """,
        method,
    )
    assert statuses(graph) <= {("square", "lost"), ("square", "cancelled")}
    assert labels(graph, "Attempt") == []


def test_what_tasks_hand_over_themselves_lies_in_their_attempts(run):
    graph = run(
        """
        def outer(x):
            with cf.ThreadPoolExecutor(1) as inner:
                return inner.submit(square, x).result()
        print([executor().submit(outer, 3).result() for METHOD in ("threads", "fork")])
        """
    )
    assert labels(graph, "Task") == ["outer", "outer", "square", "square"]
    assert graph.starters()["square"] == "outer, attempt 1"


def test_workers_that_do_not_join_work_as_ever(run):
    graph = run(
        """
        with executor() as pool:
            print(pool.submit(square, 3).result(), list(pool.map(square, range(4), chunksize=2)))
        with mp.get_context("spawn").Pool(1) as pool:
            print(pool.map(square, range(4)))
            pool.close()
            pool.join()
        """,
        "spawn",
        children="no",
    )
    assert ("square", "finished") in statuses(graph)
    assert labels(graph, "Attempt") == []


@pytest.mark.parametrize("method", ["threads", "fork"])
def test_an_interrupt_is_the_programs_and_tasks_go_on(method, run):
    graph = run(
        """
        import signal
        try:
            with executor() as pool:
                one = pool.submit(wait, 0.3)
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            traceback.print_exc()
        print(one.result())
        """,
        method,
    )
    assert statuses(graph) == {("wait", "finished")}


def test_what_a_task_in_a_thread_forks_lies_in_its_attempt(run):
    graph = run(
        """
        def outer(x):
            process = mp.get_context("fork").Process(target=square, args=(x, "squared"))
            process.start()
            process.join()
            return process.exitcode
        with executor() as pool:
            print(list(pool.map(outer, [3])))
        """
    )
    assert graph.starters()["square"] == "outer, attempt 1"
    assert ("squared", "square, attempt 1") in graph.generations()


KILLED = """
import glob
def told():
    return any(b"wait, attempt 1" in open(one, "rb").read() for one in glob.glob("store/journals/*/*"))
with executor() as pool:
    print(pool.submit(square, 3).result(), flush=True)
    pool.submit(wait, 60)
    # What goes on for a while is told of while it does.
    while os.environ["WAY"] == "recorded" and not told():
        time.sleep(0.01)
    os.kill(os.getpid(), 9)
"""


def test_what_was_under_way_when_the_program_was_killed_has_no_end(run):
    graph = run(KILLED, status=-9)
    assert statuses(graph) == {("square", "finished"), ("wait",)}
    assert statuses(graph, "Attempt") == {("square, attempt 1", "finished"), ("wait, attempt 1",)}
    assert graph.all("wait")[0] not in graph.ended


AS_IT_WAS = """
import sys, trilha, concurrent.futures.thread as t, concurrent.futures.process as p
import multiprocessing.pool as m, multiprocessing.process as q
places = [t.ThreadPoolExecutor, p.ProcessPoolExecutor, p._CallItem, p._ExecutorManagerThread, m, m.Pool]
places += [m.ApplyResult, m.MapResult, m.IMapIterator, m.IMapUnorderedIterator, q.BaseProcess]
before = [dict(vars(one)) for one in places]
with trilha.run("test", store=sys.argv[1]):
    assert [dict(vars(one)) for one in places] != before
assert [dict(vars(one)) for one in places] == before
"""


def test_executors_are_as_they_were_after_the_run(tmp_path):
    subprocess.run([sys.executable, "-c", AS_IT_WAS, str(tmp_path)], check=True, cwd=tmp_path)


@pytest.mark.parametrize("method", ["threads", "fork"])
def test_what_a_thread_of_a_task_does_lies_in_the_attempt_for_as_long_as_that_goes_on(method, run):
    graph = run(
        """
        with executor() as pool:
            print(pool.submit(begins, "thread").result(), pool.submit(square, 3, "three").result())
            print(pool.submit(goes_on).result())
        """,
        method,
        begin=BEGIN
        + """
import threading
class Own(threading.Thread):
    def run(self):
        deeper = threading.Thread(target=square, args=(2, "deeper"))
        deeper.start()
        deeper.join()
        open("own", "w").close()
def begins(path):
    timer = threading.Timer(0, square, (2, "timer"))
    for one in threading.Thread(target=square, args=(2, path)), Own(), timer:
        one.start()
        one.join()
over, done = threading.Event(), threading.Event()
def outlives():
    over.wait()
    open("late", "w").close()
    done.set()
def ends():
    threading.Thread(target=outlives).start()
def goes_on():
    with cf.ThreadPoolExecutor(1) as inner:
        inner.submit(ends).result()
        over.set()
        done.wait()
""",
    )
    made = dict(graph.generations())
    for path in "thread", "own", "deeper", "timer":
        assert made[path] == "begins, attempt 1"
    assert made["three"] == "square, attempt 1"
    assert made["late"] == "run"


@pytest.mark.parametrize("method", ["threads", "spawn"])
def test_a_python_program_that_a_task_starts_lies_in_its_attempt(method, run):
    graph = run(
        """
        with executor() as pool:
            print([one.result() for one in [pool.submit(starts, name) for name in "ab"]])
        print(starts("c"), pool.submit)
        """.replace(", pool.submit", ""),
        method,
        begin=BEGIN
        + """
import ctypes, subprocess
ctypes.CDLL(None).setenv(b"OF_C", b"there", 1)
def starts(name):
    words = [sys.executable, "-c", f"import os; open({name!r}, 'w'); print(os.environ['OF_C'])"]
    told = [subprocess.check_output(words, text=True)]
    told.append(subprocess.check_output(words, env={**os.environ, "OF_C": "given"}, text=True))
    # It is spawned; from Python 3.13 on, the others are, too.
    more = {**os.environ, "OF_C": "spawned"}
    told.append(subprocess.check_output(words, env=more, text=True, close_fds=False))
    return told
""",
    )
    starts = [(graph.label(record[2]), graph.label(record[4])) for record in graph.of(Kind.START)]
    starters = Counter(starter for started, starter in starts if started == "python -c")
    assert starters == {"starts, attempt 1": 6, "run": 3}
