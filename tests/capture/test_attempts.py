"""When it is told that an attempt in a thread of the program has begun."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.capture.graph import Graph, recording

from trilha.prov import Kind


def hold(begun, go_on):
    begun.set()
    assert go_on.wait(60)


def whole(store):
    """What the journal says; other threads write to it, so it is read again if one was in the middle."""
    until = time.monotonic() + 60
    while True:
        graph = Graph(store)
        try:
            graph.all("")  # reads, and finds damage
        except AssertionError:
            assert time.monotonic() < until
        else:
            return graph


def told(store, label):
    """What the journal says now of an activity's start, what started it, and its end: how often each."""
    graph = whole(store)
    names = graph.all(label)
    activities = [one for one in graph.records if one.kind is Kind.ACTIVITY and one.id in names]
    starts = [one for one in graph.of(Kind.START) if one[2] in names]
    return (
        sum(one[2] is not None for one in activities),
        len(starts),
        sum(one[3] is not None for one in activities),
    )


@pytest.mark.parametrize("durability", ["group", "none"])
def test_an_attempt_that_goes_on_is_told_before_its_end_and_once(tmp_path, monkeypatch, durability):
    monkeypatch.setenv("TRILHA_DURABILITY", durability)
    begun, go_on = threading.Event(), threading.Event()
    with recording(tmp_path), ThreadPoolExecutor(1) as pool:
        pool.submit(hold, begun, go_on)
        assert begun.wait(60)
        if durability == "group":
            until = time.monotonic() + 60
            while told(tmp_path, "hold, attempt 1") != (1, 1, 0):
                assert time.monotonic() < until
                time.sleep(0.01)
        assert told(tmp_path, "hold, attempt 1") == (1, 1, 0)
        go_on.set()
    assert told(tmp_path, "hold, attempt 1") == (1, 1, 1)


def test_an_attempt_that_still_goes_on_when_the_run_ends_has_begun_and_no_end(tmp_path):
    begun, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with recording(tmp_path):
            pool.submit(hold, begun, go_on)
            assert begun.wait(60)
        go_on.set()
    assert told(tmp_path, "hold, attempt 1") == (1, 1, 0)


def test_many_short_attempts_are_each_told_once(tmp_path):
    with recording(tmp_path) as graph, ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(abs_of, range(-500, 0))) == sum(range(501))
    names = graph.all("abs_of, attempt 1")
    assert len(names) == 500
    assert set(names) <= graph.ended
    starts = [record[2] for record in graph.of(Kind.START) if record[2] in set(names)]
    assert sorted(starts) == sorted(names)


def abs_of(x):
    return abs(x)
