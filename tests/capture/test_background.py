"""The threads beside the program: out of its sight, gone when it forks, never in the way of its end."""

import os
import sys
import threading
import time
import types
import warnings

import pytest

from trilha.capture import forking
from trilha.capture.background import Flusher, Worker

FORKED = "This process (pid=7) is multi-threaded, use of fork() may lead to deadlocks in the child."


class Files:
    told = True

    def flush(self):
        self.flushed = getattr(self, "flushed", 0) + 1
        return self.told

    sweep = flush


class Owner:
    """What the threads need of a recorder."""

    def __init__(self):
        self.file = self.files = Files()
        self.errors = 0
        self.begun = False

    def failed(self):
        self.errors += 1

    def state_begun(self):
        return self.begun


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.fixture
def worker():
    made = Worker(Owner())
    yield made
    made.stop()


def test_pieces_of_work_are_done_in_order(worker):
    done = []
    for number in range(50):
        worker.add(lambda halted, number=number: done.append(number) or True)
    wait_for(lambda: len(done) == 50)
    assert done == list(range(50))


def test_what_is_left_is_done_when_the_worker_stops(worker):
    done = []
    gate = threading.Event()
    worker.add(lambda halted: gate.wait(0.05) or True)
    worker.add(lambda halted: done.append(1) or True)
    assert worker.stop()
    assert done == [1]


def test_a_piece_that_adds_another_while_the_worker_stops_starts_no_thread(worker):
    """Two threads that hash one file make a hash that is of nothing."""
    seen, busy = [], threading.Lock()

    def piece(halted):
        assert busy.acquire(blocking=False)
        seen.append(threading.get_ident())
        time.sleep(0.001)
        busy.release()
        if len(seen) < 50:
            worker.add(piece)
        return True

    gate = threading.Event()
    worker.add(lambda halted: gate.wait(20) or True)
    worker.add(piece)
    threading.Timer(0.05, gate.set).start()
    assert worker.stop()
    assert len(seen) == 50
    assert set(seen[1:]) == {threading.get_ident()}
    assert worker._recorder.errors == 0


def test_a_thread_that_could_not_be_waited_for_keeps_its_piece(worker):
    begun, gate, count = threading.Event(), threading.Event(), []

    def hangs(halted):
        count.append(1)
        begun.set()
        return gate.wait(20)

    worker.add(hangs, whole=False)
    assert begun.wait(20)
    worker.hold()
    worker.resume()
    done = []
    worker.add(lambda halted: done.append(1) or True)
    wait_for(lambda: done)
    gate.set()
    assert count == [1]


def test_work_that_was_given_up_is_not_taken_up_again(worker):
    begun, done = threading.Event(), []

    def piece(halted):
        begun.set()
        while not halted():
            time.sleep(0.001)
        worker.add(lambda halted: done.append(1) or True)
        return False

    worker.add(piece)
    assert begun.wait(20)
    worker.give_up()
    assert worker.stop()
    time.sleep(0.05)
    assert not worker._work
    assert not done


def test_a_piece_that_fails_is_counted_and_the_next_one_done(worker):
    done = []

    def fails(halted):
        raise ValueError("a piece")

    worker.add(fails)
    worker.add(lambda halted: done.append(1) or True)
    wait_for(lambda: done)
    assert worker._recorder.errors == 1


def test_a_piece_breaks_off_for_a_fork_and_is_begun_again(worker):
    begun = []

    def piece(halted):
        begun.append(1)
        while len(begun) == 1:
            if halted():
                return False
            time.sleep(0.001)
        return True

    worker.add(piece)
    wait_for(lambda: begun)
    worker.hold()
    assert not worker._running
    worker.add(lambda halted: True)
    assert not worker._running  # not in the middle of a fork
    worker.resume()
    wait_for(lambda: len(begun) == 2)


def test_a_fork_waits_for_a_piece_that_may_import_however_long_it_takes(worker):
    begun, done = threading.Event(), []

    def imports(halted):
        begun.set()
        time.sleep(0.6)
        done.append(1)
        return True

    worker.add(imports)
    assert begun.wait(20)
    worker.hold()
    assert done
    worker.resume()


def test_a_fork_does_not_wait_long_for_a_piece_that_may_break_off_and_does_not(worker):
    begun, gate = threading.Event(), threading.Event()

    def hangs(halted):
        begun.set()
        return gate.wait(20)

    worker.add(hangs, whole=False)
    assert begun.wait(20)
    assert not worker.lingering()
    worker.hold()
    assert not gate.is_set()
    native = worker.lingering()
    assert os.path.exists(f"/proc/self/task/{native}")
    gate.set()
    wait_for(lambda: not worker.lingering())
    worker.resume()


def test_a_fork_beside_no_threads_but_ours_is_not_warned_of(monkeypatch):
    gate = threading.Event()
    others = [threading.Thread(target=gate.wait) for _ in range(2)]
    for one in others:
        one.start()
    newer = types.SimpleNamespace(version_info=(3, 12), modules=sys.modules)
    monkeypatch.setattr(forking, "sys", newer)
    native = [int(one) for one in os.listdir("/proc/self/task") if int(one) != threading.get_native_id()]
    seen = []
    for ours in (native, native[1:], []):
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter("always")
            forking.hush(ours)
            for text in (FORKED, "this is another one"):
                warnings.warn(text, DeprecationWarning, stacklevel=1)
            forking.speak()
            warnings.warn(FORKED, DeprecationWarning, stacklevel=1)
            seen.append([str(one.message) == FORKED for one in shown])
    gate.set()
    for one in others:
        one.join()
    assert seen == [[False, True], [True, False, True], [True, False, True]]


def test_many_threads_that_bring_work_start_one_worker(worker):
    done = []
    threads = [
        threading.Thread(
            target=lambda: [worker.add(lambda halted: done.append(1) or True) for _ in range(200)]
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: len(done) >= 1200)
    assert len(done) == 1200


def test_the_flusher_flushes_until_it_is_stopped():
    owner = Owner()
    flusher = Flusher(owner, 0.001)
    flusher.start()
    flusher.start()
    wait_for(lambda: getattr(owner.file, "flushed", 0) > 3)
    assert flusher.stop()
    count = owner.file.flushed
    time.sleep(0.01)
    assert owner.file.flushed == count


@pytest.mark.parametrize(("asked", "flushed"), [(False, False), (True, True)])
def test_a_flusher_is_slowed_down_unless_the_user_asked_for_its_period(asked, flushed):
    owner = Owner()
    flusher = Flusher(owner, 0.001, asked=asked)
    flusher.slow_down(3600)
    flusher.start()
    if flushed:
        wait_for(lambda: getattr(owner.file, "flushed", 0) > 3)
    assert flusher.stop()
    assert hasattr(owner.file, "flushed") is flushed


@pytest.mark.parametrize(
    ("asked", "told", "begun", "longest"),
    [
        (False, False, False, 1.0),
        (False, False, True, 0.25),
        (False, True, False, 0.001),
        (True, False, False, 0.001),
    ],
)
def test_a_flusher_looks_less_often_while_nothing_is_told(asked, told, begun, longest):
    owner, pauses = Owner(), []

    class Asked:
        def acquire(self, timeout):
            pauses.append(timeout)
            return len(pauses) == 20

    owner.file.told, owner.begun = told, begun
    Flusher(owner, 0.001, asked=asked)._loop(Asked())
    assert pauses[0] == 0.001
    assert pauses[-1] == longest
    assert pauses == sorted(pauses)


def test_where_tasks_slowed_it_down_begins_of_attempts_are_still_stated_soon():
    owner, pauses = Owner(), []

    class Asked:
        def acquire(self, timeout):
            pauses.append(timeout)
            owner.begun = len(pauses) == 2
            return len(pauses) == 4

    flusher = Flusher(owner, 0.05)
    flusher.slow_down(1.0)
    flusher._loop(Asked())
    assert pauses == [1.0, 1.0, 0.25, 1.0]


def test_a_period_of_nothing_starts_no_thread():
    flusher = Flusher(Owner(), 0.0)
    flusher.start()
    assert not flusher._running


def test_the_program_sees_none_of_our_threads(run_program):
    program = """
    import threading, trilha
    with trilha.run("threads"):
        open("a file", "w").close()
        open("a file").close()
        print(threading.active_count(), threading.main_thread() is threading.current_thread())
    """
    assert run_program(program).stdout == "1 True\n"


def test_the_module_of_threads_is_imported_by_the_programs_own_thread(run_program):
    # Imported first by ours, it would take ours for the main thread and wait for it at the end, for ever.
    program = """
    import sys
    assert "threading" not in sys.modules, "this test tests nothing"
    import trilha
    trilha.run("left open").__enter__()
    import _thread
    assert sys.modules["threading"].main_thread().ident == _thread.get_ident()
    print("done")
    """
    assert run_program(program, interpreter=["-I", "-S"], check=False).stdout in ("done\n", "")
    assert run_program(program.replace('assert "threading" not', '"threading" not')).stdout == "done\n"


def test_signals_are_never_handled_by_our_threads(run_program):
    program = """
    import os, signal, threading, time, trilha
    seen = []
    here = threading.current_thread
    signal.signal(signal.SIGUSR1, lambda *_: seen.append(here() is threading.main_thread()))
    with trilha.run("signals"):
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.001)
        print(set(seen), trilha is not None)
        tasks = [open(f"/proc/self/task/{t}/status").read() for t in os.listdir("/proc/self/task")]
        blocked = [int(s.split("SigBlk:")[1].split()[0], 16) for s in tasks]
        print(sorted(bool(b & (1 << (signal.SIGUSR1 - 1))) for b in blocked)[0])
    """
    assert run_program(program).stdout == "{True} True\nFalse\n"
