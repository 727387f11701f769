"""What a training calls at every batch, in C: the same journal as in Python, whatever happens around it."""

import inspect
import math
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from tests.capture.conftest import log_as_it_is
from tests.capture.graph import recording
from tests.compiled import loaded

import trilha
from trilha.capture import compiled
from trilha.capture.context import process
from trilha.capture.journal import Rows, read
from trilha.capture.journal.frames import ROWS_BYTE
from trilha.capture.metrics import Series

BLOCK, ROW = slice(1, 5), slice(13, None)


@pytest.fixture
def c(monkeypatch, training_library):
    """Has `trilha.log` be in C."""
    monkeypatch.setattr(compiled, "training", loaded(training_library))
    monkeypatch.setattr(trilha, "log", log_as_it_is())


@pytest.fixture(scope="module")
def logs(training_library):
    """`trilha.log` in Python and in C, each with the library that it needs."""
    before, found = compiled.training, {}
    for library in (None, loaded(training_library)):
        compiled.training = library
        found[library] = log_as_it_is()
    compiled.training = before
    return found


def rows_of(path):
    """The payloads of all rows of a journal as they lie in it, without their times; blocks in their order."""
    data, at, found, blocks = path.read_bytes(), 8, [], {}
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        payload = data[at + 8 : at + 8 + length]
        if payload[:1] == bytes([ROWS_BYTE]):
            found.append((blocks.setdefault(payload[BLOCK], len(blocks)), payload[ROW]))
        at += 8 + length
    return found


def odd_rows(count):
    """Rows of metrics whose numbers are all that a program may give, in the order that luck gives them."""
    luck = random.Random(7)
    plain = [0.5, -0.0, math.nan, -math.inf, 1, -7, 2**53 + 1, True, 2.0]
    odd = [None, np.float32(0.1), np.float64(0.1), np.int64(7), "0.5", "no number", 2**1100, -(2**63), 2**63]
    names = ["loss", "epoch", "step", "größe", "a b", ""]
    for _ in range(count):
        given = luck.sample(names, luck.choice([0, 1, 1, 1, 2, 3, 4]))
        yield {name: luck.choice(plain if luck.random() < 0.7 else odd) for name in given}


def test_the_journal_holds_the_same_bytes_in_both_ways(tmp_path, logs, monkeypatch):
    found = []
    for number, (library, log) in enumerate(logs.items()):
        monkeypatch.setattr(compiled, "training", library)
        with recording(tmp_path / str(number)) as graph:
            for row in odd_rows(2_000):
                log(**row)
        [path] = (tmp_path / str(number)).glob("journals/*/*.journal")
        found.append((rows_of(path), graph.dropped, [block.columns for block in graph.blocks]))
    assert len(found[0][0]) > 1_000
    assert found[0][1] > 100
    assert found[0] == found[1]


def test_ordinary_rows_are_appended_in_c_and_at_the_time_that_it_is(c, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("in Python")

    clock = trilha.capture.metrics._now
    with recording(tmp_path) as graph:
        trilha.log(loss=0.0)
        trilha.log(loss=0.0, epoch=1)
        monkeypatch.setattr(trilha.capture.metrics, "_now", never)
        before = clock()
        for number in range(10):
            trilha.log(loss=number / 4)
            trilha.log(loss=True, epoch=number)
        after = clock()
        monkeypatch.undo()
    times = [struct.unpack_from("<q", rows.data)[0] for rows in graph.rows]
    assert times == sorted(times)
    assert all(before <= one <= after for one in times[2:])
    assert [row["loss"] for row in graph.metrics()][2::2] == [number / 4 for number in range(10)]
    assert graph.dropped == 0


def test_a_number_that_is_not_plain_keeps_its_place_and_value(c, tmp_path):
    payload = struct.unpack("<d", b"\x01\x02\x03\x04\x05\x06\xf8\x7f")[0]  # a NaN that carries something
    with recording(tmp_path) as graph:
        for value in (0.5, payload, -0.0, 5e-324, math.inf):
            trilha.log(loss=value)
    assert [struct.pack("<d", row["loss"]) for row in graph.metrics()] == [
        struct.pack("<d", value) for value in (0.5, payload, -0.0, 5e-324, math.inf)
    ]


@pytest.mark.parametrize("how", [{"TRILHA_JOURNAL": "grouped"}, {"TRILHA_DURABILITY": "event"}], ids=str)
def test_other_ways_to_write_a_journal_get_the_same_rows(c, how, tmp_path, monkeypatch):
    for name, value in how.items():
        monkeypatch.setenv(name, value)
    with recording(tmp_path) as graph:
        for number in range(20):
            trilha.log(loss=float(number))
    assert [row["loss"] for row in graph.metrics()] == [float(number) for number in range(20)]
    assert graph.dropped == 0


def test_threads_that_log_and_state_at_once_lose_nothing_while_the_journal_grows(c, tmp_path):
    def work(thread):
        for number in range(4_000):
            trilha.log(**{f"loss{thread}": float(number)})
            if number % 10 == 0:
                trilha.annotate(**{f"note{thread}": number})

    with recording(tmp_path) as graph:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    rows = graph.metrics()
    for thread in range(4):
        name = f"loss{thread}"
        assert [row[name] for row in rows if name in row] == [float(number) for number in range(4_000)]
    assert graph.dropped == 0


def test_a_signal_handler_that_logs_while_the_program_logs_loses_nothing(c, tmp_path):
    heard = []

    def handler(*_):
        # The next signal may come in the middle of this.
        number = float(len(heard))
        heard.append(number)
        trilha.log(heard=number)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with recording(tmp_path) as graph:
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            count = 0
            while len(heard) < 50:
                trilha.log(loss=float(count))
                count += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    rows = graph.metrics()
    assert [row["loss"] for row in rows if "loss" in row] == [float(number) for number in range(count)]
    assert sorted(row["heard"] for row in rows if "heard" in row) == sorted(heard)


def test_what_a_killed_process_had_logged_is_there(training_library, tmp_path):
    program = """
        import os, sys
        import trilha
        with trilha.run("to be killed"):
            for number in range(1_000_000_000):
                trilha.log(loss=float(number))
                if number % 1000 == 0:
                    os.write(1, b"%d\\n" % number)
        """
    environment = {**os.environ, "PYTHONPATH": str(training_library.parent), "TRILHA_STORE": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        told = 0
        while told < 50_000:
            told = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    [path] = tmp_path.glob("journals/*/*.journal")
    journal = read(path)
    rows = [
        struct.unpack_from("<d", event.data, 8)[0] for _, event in journal.events() if type(event) is Rows
    ]
    assert rows[: told + 1] == [float(number) for number in range(told + 1)]
    assert len(journal.damage) <= 1


def test_a_forked_child_logs_into_its_own_journal(c, tmp_path):
    with recording(tmp_path) as graph:
        trilha.log(loss=1.0)
        child = os.fork()
        if not child:
            for number in range(5):
                trilha.log(loss=2.0 + number)
            os._exit(0)
        os.waitpid(child, 0)
        trilha.log(loss=9.0)
    assert sorted(row["loss"] for row in graph.metrics()) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0]
    assert len(graph.blocks) == 2


def test_nothing_happens_while_nothing_is_recorded(c, tmp_path):
    assert process.recorder is None
    assert trilha.log(loss=0.5) is None
    with recording(tmp_path) as graph:
        trilha.log(loss=1.0)
    trilha.log(loss=2.0)
    assert graph.metrics() == [{"loss": 1.0}]


def test_it_is_called_described_and_pickled_as_in_python(c, logs):
    in_python, in_c = logs.values()
    assert str(inspect.signature(in_c)) == "(**metrics)"
    assert inspect.getdoc(in_c) == inspect.getdoc(in_python)
    assert in_c.__name__ == "log"
    assert in_c.__module__ == in_python.__module__ == "trilha.capture.api"
    assert pickle.loads(pickle.dumps(trilha.capture.api.log)) is trilha.capture.api.log
    with pytest.raises(TypeError, match="positional argument"):
        in_c(0.5)
    with pytest.raises(TypeError, match="positional argument"):
        in_c(0.5, loss=1)


def test_very_many_numbers_are_a_row_too(c, tmp_path):
    many = {f"name {number}": float(number) for number in range(compiled.training.MOST + 1)}
    with recording(tmp_path) as graph:
        for _ in range(3):
            trilha.log(**many)
    assert graph.metrics() == [many] * 3


def test_series_appended_to_by_integrations_say_what_is_no_number(c, tmp_path):
    with recording(tmp_path) as graph:
        series = Series(process.recorder, process.recorder.run, ("epoch", "loss"))
        series.append(1, 0.5)
        with pytest.raises(struct.error):
            series.append("one", 0.5)
        with pytest.raises(TypeError):
            series.append(1)
        with pytest.raises(TypeError):
            series.append(1, loss=0.5)
    assert graph.metrics() == [{"epoch": 1, "loss": 0.5}]


def test_a_library_of_another_version_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "training", object())
    monkeypatch.setattr(trilha, "log", log_as_it_is())
    with recording(tmp_path) as graph:
        trilha.log(loss=0.5)
        trilha.log(loss=0.25)
    assert graph.metrics() == [{"loss": 0.5}, {"loss": 0.25}]
    assert compiled.steps_of(print) is None
