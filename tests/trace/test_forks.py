"""Processes that a traced script forks go on with its trace, each in a journal of its own."""

import os

import pytest
from tests.capture.launching import Twice

import trilha
from trilha.trace.asked import meant
from trilha.trace.calls import call_tree
from trilha.trace.indexes import traces
from trilha.trace.reading import whole
from trilha.trace.slicing import backward

FORK = """\
import os
k = [1, 2]
z = 5
def f(a):
    return a + 1
pid = os.fork()
if pid == 0:
    k.append(z)
    y = f(k[2])
    if os.fork() == 0:
        x = y + k[0]
        print(x, flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
os.waitpid(pid, 0)
w = sum(k)
print(w)
"""
WORKERS = """\
import multiprocessing
l = [1, 2]
def work(queue, n):
    r = n + l[1]
    queue.put(r)
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=work, args=(queue, n)) for n in range(2)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    print(sorted(queue.get() for _ in workers))
"""


class _Store:
    def __init__(self, folder):
        self.folder = folder


@pytest.fixture(params=["python", "c"])
def twice(request, tmp_path):
    made = Twice(tmp_path / "work", _Store(tmp_path / "store"))
    made.folder.mkdir()
    made.more = {"TRILHA_TRAIL": "python"}
    if request.param == "c":
        made.more = {"PYTHONPATH": str(request.getfixturevalue("recorder_folder"))}
    return made


def ran(twice, text):
    twice.write("script.py", text)
    twice.same("script.py", grain="variable", more=twice.more, timeout=300)
    (run,) = os.listdir(twice.store.folder / "journals")
    return run, traces(str(twice.store.folder), run)


def lines(found, what):
    told = meant(found, what)
    return [line for _, line in backward(told.traced, told.evaluations).lines()]


def test_a_forked_process_goes_on_with_what_was_before(twice):
    run, found = ran(twice, FORK)
    assert [bool(one.forked) for one in found] == [False, True, True]
    assert lines(found, "y") == [3, 4, 5, 8, 9]
    assert lines(found, "x") == [2, 3, 4, 5, 8, 9, 11]
    assert lines(found, "w") == [2, 17]
    assert not any(one.gaps for one in found)
    assert [root.name for one in found for root in call_tree(one)] == ["<module>", "f"]
    with trilha.open(twice.store.folder) as store:
        assert store.document(run).validate().valid


def test_the_trace_of_the_run_is_that_of_the_first_process(twice):
    run, found = ran(twice, FORK)
    names = {
        event.name for event in whole(str(twice.store.folder), run)[0] if type(event).__name__ == "Evaluation"
    }
    assert "w" in names
    assert "y" not in names
    assert len(found) == 3


def test_workers_of_multiprocessing_are_traced(twice):
    _, found = ran(twice, WORKERS)
    assert len(found) == 3
    assert [root.name for one in found[1:] for root in call_tree(one)] == ["work", "work"]
    assert {2, 3, 4} <= set(lines(found, "r"))


def test_processes_that_may_not_join_are_a_gap(twice):
    twice.more["TRILHA_CHILDREN"] = "no"
    _, found = ran(twice, FORK)
    assert {gap.why for one in found for gap in one.gaps} == {
        "a process was forked; what it does is not traced"
    }
    assert len(found) == 1
