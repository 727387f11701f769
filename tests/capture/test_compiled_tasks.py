"""What parallel engines call for each task, in C: the same journal as in Python, whatever happens."""

from __future__ import annotations

import concurrent.futures as cf
import contextlib
import gc
import inspect
import itertools
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
import zlib
from datetime import UTC, datetime
from traceback import walk_tb
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.capture.graph import Graph, recording
from tests.capture.integrations.programs import facts, statuses
from tests.compiled import compiled, loaded

import trilha
from trilha.capture import compiled_tasks
from trilha.capture.attempts import Attempt
from trilha.capture.context import process
from trilha.capture.handed import Handed
from trilha.capture.journal.encoding import encode
from trilha.capture.tasks import Task

NUMBERS = 1 << 20
"""The things of a run are numbered from here on, so that nothing else is taken for one."""
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """`trilha_tasks`, compiled from its source: the path of the library."""
    return compiled("trilha_tasks", tmp_path_factory.mktemp("tasks"))


@pytest.fixture
def c(library, monkeypatch):
    """Has it be used, by a journal that is not written to the disk meanwhile."""
    monkeypatch.setenv("TRILHA_DURABILITY", "3600000")
    before = compiled_tasks._used
    compiled_tasks.use(loaded(library))
    yield compiled_tasks._used
    compiled_tasks.use(before)


@pytest.fixture
def ways(library, monkeypatch):
    """Python alone, and with the library: each to be used."""
    monkeypatch.setenv("TRILHA_DURABILITY", "3600000")
    before = compiled_tasks._used
    yield (None, loaded(library))
    compiled_tasks.use(before)


@contextlib.contextmanager
def numbered(folder):
    """As `recording`, but with `NUMBERS`."""
    with recording(folder) as graph:
        process.recorder.numbers = itertools.count(NUMBERS)
        yield graph


def told(folder):
    """The filled shapes of a journal; times, what was measured and numbers made alike."""
    [path] = folder.glob("journals/*/*.journal")
    data, at, found, numbers = path.read_bytes(), 8, [], {}

    def alike(value):
        if type(value) is list:
            return [alike(one) for one in value]
        if type(value) is str:
            return value.replace(path.parent.name, "the run")
        if type(value) is float:
            return "measured" if 0 <= value < 100 else value.hex()
        if type(value) is not int or value < NUMBERS:
            return value
        return "time" if value > 1 << 60 else numbers.setdefault(value, f"number {len(numbers)}")

    while at + 8 <= len(data) and data[at : at + 4] != bytes(4):
        length = int.from_bytes(data[at : at + 4], "little")
        payload = data[at + 8 : at + 8 + length]
        assert int.from_bytes(data[at + 4 : at + 8], "little") == zlib.crc32(payload)
        at += 8 + length
        if payload[0] >> 4 != 9 and payload[0] != 0xDC:
            continue
        value = msgspec.msgpack.decode(payload)
        if value[0] == 0:
            found.append(alike(value))
    return found


def unordered(shapes):
    """What threads say that go on beside each other, in one order, their numbers made alike."""
    return sorted(re.sub(r"number \d+", "number", str(one)) for one in shapes)


def give(*args, **named):
    """Gives its first argument back, or raises an error."""
    first = args[0] if args else named.get("x")
    if type(first) is str and first == "no":
        raise ValueError(first)
    return first


def one(x, y=None):
    """As `give`, of parameters with names."""
    return give(x, y)


def writing(path):
    """Writes a file of 50,000 bytes."""
    with open(path, "wb") as file:
        file.write(bytes(50_000))


def many(a, b, c, d, e, f, g, h, i):
    """As `give`, of more than are told together."""
    return give(a)


BEGUN, GO = threading.Event(), threading.Event()


def holding(x):
    """As `give`, but waits until it may go on."""
    BEGUN.set()
    assert GO.wait(60)
    return x


def joining(app):
    """A function that hands its work on to `app`."""
    return lambda: app(-1)


class Elsewhere:
    """An executor of Parsl's that runs tasks at once, and hands them to no thread of this process.

    Args:
        folder: of its logs.
    """

    remote_monitoring_radio = storage_access = working_dir = None
    executing: Any = None

    def __init__(self, label, folder):
        self.label, self.worker_logdir, self.tasks = label, folder, 0

    def submit(self, function, resources, *args, **named):
        from parsl.app.errors import RemoteExceptionWrapper
        from parsl.executors.high_throughput.executor import HTEXFuture

        self.tasks += 1
        future = HTEXFuture(self.tasks)
        try:
            result = function(*args, **named)
        except ValueError:
            result = RemoteExceptionWrapper(*sys.exc_info())
        except TypeError as error:
            future.set_exception(error)
            return future
        future.set_result(result)
        return future

    def start(self):
        """As Parsl asks for."""

    shutdown = start


VALUES = [
    *(None, True, False, 0, -1, -(1 << 40), -(1 << 63), 1 << 70, -2.5, 1e300, float("nan"), "", "no"),
    *("x" * 200, "x" * 201, "größe", "\ud800", b"bytes", (-1, "two"), [-1], {"a": -1}, object),
]


def test_plain_values_are_packed_as_ever(c):
    @given(PLAIN)
    def check(value):
        packed = c.pack(value)
        if packed is None:
            assert type(value) in (int, str)
            assert type(value) is str or not -(1 << 63) <= value < 1 << 63
            assert type(value) is int or not value.isascii()
        else:
            assert packed == encode(value)

    check()
    edges = [sign * (1 << power) + more for power in range(63) for more in (-1, 0, 1) for sign in (1, -1)]
    assert c.pack(*edges[:100]) == b"".join(map(encode, edges[:100]))
    assert c.pack(*edges[-100:]) == b"".join(map(encode, edges[-100:]))
    assert c.pack(*["x" * length for length in (0, 31, 32, 255, 256)]) is not None
    assert c.pack("x" * 5000) is None


@given(data=st.binary(max_size=300))
def test_the_checksum_is_zlibs(data, library):
    assert loaded(library).checksum(data) == zlib.crc32(data)


def test_a_pool_of_threads_is_told_of_alike_in_both_ways(ways, tmp_path):
    found = []
    for number, way in enumerate(ways):
        compiled_tasks.use(way)
        with numbered(tmp_path / str(number)), cf.ThreadPoolExecutor(1, "pool") as pool:
            for function in (give, one, max, threading.Lock):
                for value in VALUES:
                    for how in ((value,), (value, value), (value,) * 40):
                        pool.submit(function, *how).exception()
            assert [pool.submit(one, x=value).exception() for value in VALUES[:3]] == [None] * 3
            pool.submit(one, -1).cancel()
        found.append(told(tmp_path / str(number)))
    assert len(found[0]) > 400
    assert found[0] == found[1]


def test_parsl_is_told_of_alike_in_both_ways(ways, tmp_path, monkeypatch):
    import parsl
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor

    monkeypatch.chdir(tmp_path)
    found = []
    for number, way in enumerate(ways):
        compiled_tasks.use(way)
        config = Config(
            [ThreadPoolExecutor(max_threads=1)], retries=1, initialize_logging=False, strategy="none"
        )
        with numbered(tmp_path / str(number)), parsl.load(config):
            plain, cached = parsl.python_app(one), parsl.python_app(one, cache=True)
            for value in VALUES:
                plain(value).exception()
                before = plain(-1, y=value)
                before.exception()
                plain(before).exception()
            over = []
            for value in (-1, object, "no", *range(9)):
                over.append(plain(value))
                over[-1].exception()
            for first, second in itertools.product([*over[:3], None, -2], repeat=2):
                for _ in range(2):
                    plain(first, second).exception()
            parsl.python_app(many)(*over[3:]).exception()
            held = parsl.python_app(holding)(-1)
            assert BEGUN.wait(60)
            after = plain(held, held)
            GO.set()
            after.exception()
            for gate in (BEGUN, GO):
                gate.clear()
            for _ in range(3):
                cached(-5).exception()
            parsl.join_app(joining(plain))().exception()
        parsl.clear()
        found.append(told(tmp_path / str(number)))
    assert len(found[0]) > 130
    assert found[0] == found[1]


def test_attempts_elsewhere_are_told_of_alike_in_both_ways(ways, tmp_path, monkeypatch):
    import parsl
    from parsl.config import Config

    monkeypatch.chdir(tmp_path)
    found = []
    for number, way in enumerate(ways):
        compiled_tasks.use(way)
        executors = [Elsewhere("here", "logs"), Elsewhere("there", "größe")]
        config = Config(executors, retries=1, initialize_logging=False, strategy="none")
        with numbered(tmp_path / str(number)), parsl.load(config):
            for label in ("here", "there"):
                plain, cached = (
                    parsl.python_app(one, executors=[label]),
                    parsl.python_app(one, cache=True, executors=[label]),
                )
                for value in VALUES:
                    plain(value).exception()
                    before = plain(-1, y=value)
                    before.exception()
                    plain(before).exception()
                first, second = plain(-3), plain(-4)
                plain(first, second).result()
                plain(second, second).result()
                assert plain(*range(3)).exception() is not None
                for _ in range(3):
                    cached(-5).exception()
            before = len(told(tmp_path / str(number)))
            for label in ("here", "there"):
                parsl.join_app(joining(parsl.python_app(one, executors=[label])))().exception()
        parsl.clear()
        said = told(tmp_path / str(number))
        found.append((said[:before], unordered(said[before:])))
    assert len(found[0][0]) > 200
    assert len(found[0][1]) > 10
    assert found[0] == found[1]


def test_a_worker_of_parsl_measures_alike_in_both_ways(ways, tmp_path):
    import parsl.executors.execute_task as module
    from parsl.serialize import pack_apply_message

    def worker(tid, logdir, function, *args):
        return module.execute_task(pack_apply_message(function, args, {}))

    found = []
    for number, library in enumerate(ways):
        compiled_tasks.use(library)
        began = datetime.now(UTC)
        with numbered(tmp_path / str(number)) as graph:
            assert type(module.execute_task).__name__ == ("function" if library is None else "Way")
            assert worker(7, "logs", one, 1) == 1
            with pytest.raises(ValueError, match="no"):
                worker(1 << 70, "logs", give, "no")
            worker(9, "größe", writing, str(tmp_path / f"{number}.bin"))
            assert worker("no number", "logs", os.getpid) == os.getpid()
            assert module.execute_task(pack_apply_message(one, (2,), {})) == 2
        assert module.execute_task.__name__ == "execute_task"
        assert type(module.execute_task).__name__ == "function"
        rows = told(tmp_path / str(number))
        assert all(began <= when.replace(tzinfo=UTC) <= datetime.now(UTC) for _, _, _, when, *_ in rows)
        assert [written for *_, written in rows] == [0, 0, 50_000, 0]
        assert all(read > 0 for *_, read, _ in rows)
        found.append([(name, took, cpu, type(peak)) for _, _, name, _, took, cpu, peak, *_ in rows])
        [(file, maker)] = graph.generations()
        assert (file, maker.rpartition("#")[2]) == (f"{number}.bin", rows[2][2].rpartition("#")[2])
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_what_a_signal_handler_raises_meanwhile_reaches_a_worker_of_parsl(ways, tmp_path, monkeypatch):
    import parsl.executors.execute_task as module
    from parsl.serialize import pack_apply_message

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("trilha.capture.files.Files.settle", interrupted)
    for number, library in enumerate(ways):
        compiled_tasks.use(library)
        logdir, tid = "logs", number  # which a worker has by these names
        with recording(tmp_path / str(number)), pytest.raises(KeyboardInterrupt):
            module.execute_task(pack_apply_message(writing, (str(tmp_path / f"{logdir}{tid}.bin"),), {}))


def test_ordinary_tasks_are_told_in_c(c, tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("in Python")

    with recording(tmp_path) as graph, cf.ThreadPoolExecutor(2) as pool:
        pool.submit(one, -1).result()
        for name in ("_begin", "ended"):
            monkeypatch.setattr(Task, name, never)
        found = [pool.submit(one, number).result() for number in range(50)]
        monkeypatch.undo()
    assert found == list(range(50))
    assert graph.dropped == 0
    assert len(graph.labels("Attempt")) == 51
    assert statuses(graph) == {("one", "finished")}


@pytest.mark.parametrize("where", ["threads", "elsewhere"])
def test_chains_of_parsls_tasks_are_told_in_c(c, where, tmp_path, monkeypatch):
    import parsl
    from parsl.config import Config
    from parsl.executors import ThreadPoolExecutor

    def never(*_, **__):
        raise AssertionError("in Python")

    monkeypatch.chdir(tmp_path)
    executor = ThreadPoolExecutor(max_threads=1) if where == "threads" else Elsewhere("here", "logs")
    config = Config([executor], initialize_logging=False, strategy="none")
    with recording(tmp_path) as graph, parsl.load(config):
        plain = parsl.python_app(one)
        plain(plain(-1).result(), plain(-1)).result()
        for owner, name in ((Task, "_begin"), (Task, "ended"), (Attempt, "_is_of")):
            monkeypatch.setattr(owner, name, never)
        before = plain(1)
        for number in range(50):
            before = plain(number, before)
        assert before.result() == 49
    parsl.clear()
    monkeypatch.undo()
    assert graph.dropped == 0
    assert statuses(graph) == {("one", "exec_done")}
    assert len(graph.labels("Attempt")) == 54


@pytest.mark.parametrize("how", [{"TRILHA_JOURNAL": "grouped"}, {"TRILHA_DURABILITY": "event"}], ids=str)
def test_other_ways_to_write_a_journal_get_the_same_tasks(c, how, tmp_path, monkeypatch):
    for name, value in how.items():
        monkeypatch.setenv(name, value)
    with recording(tmp_path) as graph, cf.ThreadPoolExecutor(2) as pool:
        assert [pool.submit(one, number).result() for number in range(20)] == list(range(20))
    assert graph.dropped == 0
    assert statuses(graph) == {("one", "finished")}
    assert len(graph.labels("Attempt")) == 20


def test_what_stands_in_the_place_of_a_method_looks_like_it(c, tmp_path):
    bare = inspect.signature(cf.ThreadPoolExecutor.submit)
    with recording(tmp_path):
        submit = cf.ThreadPoolExecutor.submit
        assert type(submit) is c.Way
        assert inspect.signature(submit) == bare
        assert (submit.__name__, submit.__qualname__) == ("submit", "ThreadPoolExecutor.submit")
        assert submit.__doc__ == submit.__wrapped__.__doc__
        assert pickle.loads(pickle.dumps(submit)) is submit
        with cf.ThreadPoolExecutor(1) as pool:
            assert pool.submit.__self__ is pool
            with pytest.raises(TypeError, match="submit"):
                pool.submit()
    assert type(cf.ThreadPoolExecutor.submit) is not c.Way


def test_a_function_that_knows_its_own_future_is_let_go_of(c, tmp_path):
    with recording(tmp_path), cf.ThreadPoolExecutor(1) as pool:
        pool.submit(one, 1).result()

        def user():
            kept = []

            def closure():
                return len(kept)

            kept.append(pool.submit(closure))
            kept[0].result()
            kept.append(pool.submit(closure))
            kept[1].result()
            return weakref.ref(closure)

        gone = user()
        gc.collect()
        assert gone() is None


def test_what_a_task_raises_has_no_frame_of_ours(c, tmp_path):
    with recording(tmp_path), cf.ThreadPoolExecutor(1) as pool:
        pool.submit(one, 1).result()
        trace = pool.submit(one, "no").exception().__traceback__
        plain = pool.submit(one, 1)
        error = pool.submit(give, "no").exception()
    files = [frame.f_code.co_filename for one in (trace, error.__traceback__) for frame, _ in walk_tb(one)]
    assert plain.result() == 1
    assert not [name for name in files if "trilha" in name and "test" not in name]


def test_a_future_that_broke_before_its_task_was_known_to_it_ends_it(tmp_path):
    with recording(tmp_path) as graph:
        for error in (cf.BrokenExecutor("no"), None):
            future = cf.Future()
            if error is None:
                future.cancel()
            else:
                future.set_exception(error)
            Handed(process.recorder, "Pool", one, (1,), {}).stands_for(future)
    assert statuses(graph) == {("one", "cancelled"), ("one", "lost")}


def test_a_library_of_another_version_is_not_used(tmp_path):
    before = compiled_tasks._used
    try:
        compiled_tasks.use(zlib)
        assert compiled_tasks.way("submitting", one, one, None, set()) is None
        with recording(tmp_path) as graph, cf.ThreadPoolExecutor(1) as pool:
            assert pool.submit(one, 1).result() == 1
        assert graph.labels("Task") == ["one"]
    finally:
        compiled_tasks.use(before)


PROCESSES = """
import sys, parsl, trilha
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider
import trilha
from trilha.capture import compiled_tasks
assert (compiled_tasks._used is not None) == (sys.argv[1] == "c")
local = dict(address="127.0.0.1", loopback_address="127.0.0.1", encrypted=False)
executor = HighThroughputExecutor(label="work", max_workers_per_node=1, provider=LocalProvider(), **local)
@parsl.python_app
def half(x):
    return 4 / x
with parsl.load(Config([executor], retries=1, run_dir="runinfo", strategy_period=0.1)):
    first = half(-1)
    first.exception()
    kept = [first, *(half(given) for given in (-2, first, 0, "text", -4))]
    for one in kept:
        one.exception()
for one in kept:  # Nor is a task kept for as long as the program keeps its future.
    held = [*vars(one).values(), *vars(one.task_record["exec_fu"]).values()]
    assert "Task" not in {type(value).__name__ for value in held}, held
"""


def test_tasks_that_processes_execute_are_told_of_alike_in_both_ways(library, tmp_path):
    found = []
    for way in ("python", "c"):
        folder = tmp_path / way
        folder.mkdir()
        (folder / "flow.py").write_text(PROCESSES)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA_")}
        environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
        environment["PYTHONPATH"] = str(library.parent) if way == "c" else ""
        words = [sys.executable, "-c", "from trilha.cli import main; main()", "run", "--store", "store"]
        how = {"capture_output": True, "text": True, "timeout": 300}
        done = subprocess.run([*words, "flow.py", way], cwd=folder, env=environment, **how)
        assert done.returncode == 0, done.stderr
        graph = Graph(folder / "store")
        keys = ("status", "executor", "executor_task", "arg.x", "attempt", "worker", "block", "exception")
        told = [
            [about.get(key) for key in keys] for kind in ("Task", "Attempt") for about in facts(graph, kind)
        ]
        measured = [sorted(key for key in about if key not in keys) for about in facts(graph, "Attempt")]
        found.append(
            (
                sorted(map(str, told)),
                sorted(measured),
                graph.usages().count(("half", "half()")),
                graph.dropped,
            )
        )
    assert found[0] == found[1]
    assert len(found[0][0]) == 6 + 8
    assert all("bytes_read" in keys and "peak_memory" in keys for keys in found[0][1])


HANDS_ON = """
def give(end, what):
    end.send(what)

def get(end):
    return end.recv()

def call(function, *args):
    return function(*args)
"""


def in_the_name_of(module):
    """Functions that send, receive and call, of code that is this module's."""
    scope = {"__name__": module.__name__}
    exec(compile(HANDS_ON, module.__file__, "exec"), scope)  # noqa: S102
    return scope


@pytest.mark.parametrize("engines", [False, True], ids=["the program's", "an engine's"])
def test_messages_are_told_of_alike_in_both_ways(ways, engines, tmp_path, monkeypatch):
    from multiprocessing import Pipe, managers, util

    from trilha.capture.integrations.executors import messages

    monkeypatch.setattr(messages, "_is_engines", lambda _: engines)
    library, manager = in_the_name_of(util), in_the_name_of(managers)
    is_programs, found = messages._is_programs, []
    for number, one in enumerate(ways):
        compiled_tasks.use(one)
        asked = []
        monkeypatch.setattr(messages, "_is_programs", lambda frame: asked.append(1) or is_programs(frame))  # noqa: B023
        with recording(tmp_path / str(number)) as graph:
            make, keep = trilha.step("make")(lambda: np.arange(3)), trilha.step("keep")(lambda got: got + 1)
            here, there = Pipe()
            assert type(type(here).send).__name__ == ("function" if one is None else "Way")
            told = []
            for give, get in (
                (type(here).send, type(there).recv),
                (library["give"], library["get"]),
                (manager["give"], manager["get"]),
                (
                    lambda *args: library["call"](manager["give"], *args),
                    lambda *args: library["call"](manager["get"], *args),
                ),
            ):
                asked.clear()
                give(here, make())
                keep(get(there))
                told.append(len(asked))
        assert type(type(here).send).__name__ == "function"
        # Those of an engine are passed over without a word in Python.
        assert told == ([2, 2, 2, 2] if one is None else [2, 0, 2, 0 if engines else 2])
        found.append(sorted(graph.derivations()))
    assert found[0] == found[1]
    assert found[0].count(("message", "make()")) == (2 if engines else 3)


KILLED = """
import concurrent.futures as cf, os, signal, sys
import trilha
import trilha
from trilha.capture import compiled_tasks
assert compiled_tasks._used is not None
trilha.autolog(store=sys.argv[1])
def work(x):
    return x
with cf.ThreadPoolExecutor(4) as pool:
    for number, one in enumerate([pool.submit(work, place) for place in range(3000)]):
        one.result()
        if number == 1500:
            print(number, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_had_ended_before_sigkill_is_there(library, tmp_path):
    (tmp_path / "killed.py").write_text(textwrap.dedent(KILLED))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA_")}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(library.parent), *environment.get("PYTHONPATH", "").split()]
    )
    words = [sys.executable, "killed.py", str(tmp_path / "store")]
    how = {"capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run(words, cwd=tmp_path, env=environment, **how)
    assert done.returncode == -signal.SIGKILL, done.stderr
    ended = [about for about in facts(Graph(tmp_path / "store"), "Task") if "finished" in about["status"]]
    assert len(ended) >= 1501
