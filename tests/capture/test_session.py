"""A run from its beginning to its end, and in the processes that it brings about."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trilha.prov import Kind


def test_a_run_states_who_where_and_with_what(run_program, store):
    run_program("import trilha\nwith trilha.run('a run', lr=0.1):\n    pass\n")
    about = store.run()
    assert about["label"] == "a run"
    assert about["status"] == "finished"
    assert "program.py" in about["command"]
    assert about["arg.lr"] == 0.1
    [agent] = store.records(Kind.AGENT)
    assert agent.id.startswith("acct:")
    [start, end] = [r for r in store.records(Kind.ACTIVITY) if r.id.endswith("#run")]
    assert start.start < end.end


def test_a_run_that_was_never_closed_ends_with_the_interpreter(run_program, store):
    run_program("import trilha\ntrilha.run('left open').__enter__()\n")
    assert store.run()["status"] == "finished"


def test_a_run_that_was_never_closed_knows_what_ended_the_program(run_program, store):
    done = run_program("import trilha\ntrilha.run('x').__enter__()\n1 / 0\n", check=False)
    assert done.returncode == 1
    assert store.run()["status"] == "failed"
    assert store.run()["exception"] == "ZeroDivisionError: division by zero"


def test_finishing_twice_or_without_a_run_does_nothing(run_program, store):
    program = """
    import trilha
    from trilha.capture import session
    session.finish()
    with trilha.run("once"):
        session.finish("failed", 3, "odd")
        session.finish()
    session.finish()
    """
    assert run_program(program).stderr == ""
    assert sum(bool(r.end) for r in store.records(Kind.ACTIVITY)) == 1
    assert store.run()["status"] == "failed"
    assert store.run()["exit_status"] == 3


def test_functions_at_exit_that_the_program_registered_are_recorded_after_the_import(run_program, store):
    program = """
    import atexit, trilha
    run = trilha.run("at exit")
    run.__enter__()
    def late():
        with trilha.step("late"):
            print("late")
    atexit.register(late)
    """
    assert run_program(program).stdout == "late\n"
    assert "late" in store.labels()
    assert store.run()["status"] == "finished"


def test_two_runs_in_one_process_are_two(run_program, store):
    program = """
    import trilha
    for name in ("one", "two"):
        with trilha.run(name):
            trilha.log(loss=1.0)
    """
    run_program(program)
    assert len({journal.head.run for journal in store.journals()}) == 2
    assert {"one", "two"} <= set(store.labels())


@pytest.mark.parametrize(
    ("name", "value"), [("TRILHA_DURABILITY", "sometimes"), ("TRILHA_JOURNAL", "in stone")]
)
def test_a_wrong_setting_is_a_warning_and_the_run_is_recorded(name, value, run_program, store):
    done = run_program("import trilha\nwith trilha.run('x'):\n    pass\n", environment={name: value})
    [warning] = done.stderr.splitlines()
    assert name in warning
    assert value in warning
    assert store.run()["status"] == "finished"


def test_a_working_folder_that_was_deleted_is_no_obstacle(run_program, store):
    program = """
    import os, trilha
    os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
    with trilha.run("nowhere"):
        pass
    """
    assert run_program(program).stderr == ""
    assert store.run()["status"] == "finished"


def test_an_interrupt_at_any_time_leaves_a_readable_journal(run_program, store):
    program = """
    import trilha
    with trilha.run("interrupted"):
        print("ready", flush=True)
        while True:
            with trilha.step("s" * 500, a=1):
                trilha.log(loss=1.0, epoch=1)
    """
    for pause in (0.0, 0.01, 0.05):
        running = run_program(program, wait=False)
        assert running.stdout.readline() == "ready\n"
        time.sleep(pause)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        assert running.returncode == -signal.SIGINT
        assert errors.rstrip().endswith("KeyboardInterrupt")
    assert len(store.journals()) == 3
    for journal in store.journals():
        found = [event for _, event in journal.events()]
        assert len(found) > 5
        # The interrupt may have come in the middle of a call that never returned; what follows is readable.
        assert len(journal.damage) <= 1
        ends = [event for event in found if getattr(event, "kind", None) is Kind.ACTIVITY and event.end]
        assert ends[-1].value("https://w3id.org/trilha/ns#status") == "interrupted"


def bytes_read(pid):
    """What a process has read of files so far."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def test_an_interrupt_while_files_are_hashed_at_the_end_still_states_the_end(run_program, store, tmp_path):
    with open(tmp_path / "huge", "wb") as huge:
        huge.truncate(60 << 30)
    program = """
    import trilha
    from trilha.capture.context import process
    with trilha.run("huge"):
        open("huge", "rb").close()
        # This is called when the run ends, ahead of what is done for its files.
        process.recorder.endings.append(lambda: print("ending", flush=True))
    """
    running = run_program(program, wait=False)
    assert running.stdout.readline() == "ending\n"
    before = bytes_read(running.pid)
    while bytes_read(running.pid) < before + (1 << 26):
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert store.run()["status"] == "finished"


def test_an_interrupt_at_any_line_of_the_end_still_states_the_end(run_program, store):
    program = """
    import linecache, sys, trilha
    from trilha.capture import session
    def interrupted_at(number):
        lines = []
        def trace(frame, event, argument):
            if frame.f_code is not session.finish.__code__:
                return None
            if event == "line":
                lines.append(linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip())
                if lines[-1] == "break":  # all that is left is to state the end
                    sys.settrace(None)
                elif len(lines) == number:
                    raise KeyboardInterrupt
            return trace
        sys.settrace(trace)
        try:
            with trilha.run(f"run {number}"):
                session.finish()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False
    number = 1
    while interrupted_at(number):
        number += 1
    print(number)
    """
    runs = int(run_program(program).stdout)
    assert runs > 20
    assert sum(bool(record.end) for record in store.records(Kind.ACTIVITY)) == runs


def test_signal_handlers_may_record_while_the_program_records(run_program, store):
    program = """
    import signal, trilha
    count = 0
    def handler(*_):
        global count
        count += 1
        trilha.log(inner=float(count))
        with trilha.step("from the handler"):
            pass
    with trilha.run("handlers"):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for number in range(4000):
            trilha.log(outer=float(number))
            with trilha.step("plain"):
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
    print(count)
    """
    count = int(run_program(program).stdout)
    labels = store.labels()
    assert count > 5
    assert labels.count("from the handler") == count
    assert labels.count("plain") == 4000
    assert "dropped" not in store.run()


def starters(store):
    """The label of the activity that each labelled activity was started in."""
    names = {
        r.id: r.value("http://www.w3.org/ns/prov#label") for r in store.records(Kind.ACTIVITY) if r.start
    }
    return {names[r.activity]: names[r.starter] for r in store.records(Kind.START)}


def test_threads_and_tasks_keep_their_own_current_step(run_program, store):
    program = """
    import asyncio, threading, trilha
    async def work(name):
        with trilha.step(name):
            await asyncio.sleep(0.01)
            with trilha.step(f"in {name}"):
                await asyncio.sleep(0.01)
    async def main():
        await asyncio.gather(*(work(f"task {n}") for n in range(5)))
    def in_thread(name):
        with trilha.step(name):
            with trilha.step(f"in {name}"):
                pass
    with trilha.run("current"):
        with trilha.step("outer"):
            asyncio.run(main())
            threads = [threading.Thread(target=in_thread, args=(f"thread {n}",)) for n in range(5)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
    """
    run_program(program)
    found = starters(store)
    for number in range(5):
        assert found[f"in task {number}"] == f"task {number}"
        assert found[f"in thread {number}"] == f"thread {number}"
        assert found[f"task {number}"] == "outer"
        assert found[f"thread {number}"] == "current"


# ---- children


def test_a_forked_child_has_a_journal_of_its_own_and_identifiers_never_collide(run_program, store):
    program = """
    import os, trilha
    def fork(work):
        child = os.fork()
        if not child:
            try:
                work()
            finally:
                os._exit(0)
        return child
    with trilha.run("forks"):
        data = [1, 2, 3]
        trilha.produce(data, "the data")
        def inner():
            with trilha.step("grandchild"):
                trilha.use(data)
        def work(number):
            with trilha.step(f"child {number}"):
                trilha.use(data)
                if number == 1:
                    os.waitpid(fork(inner), 0)
        children = []
        for number in range(4):
            children.append(fork(lambda: work(number)))
            with trilha.step(f"parent {number}"):
                trilha.use(data)
        for child in children:
            os.waitpid(child, 0)
    """
    assert run_program(program).stderr == ""
    journals = store.journals()
    assert len(journals) == 6
    first = journals[0].head
    assert len({journal.head.uid for journal in journals}) == 6
    assert {journal.head.run for journal in journals} == {first.run}
    parents = [journal.head.parent for journal in journals]
    assert parents.count(None) == 1
    assert parents.count(first.uid) == 4
    made = {}
    for journal in journals:
        for _, event in journal.events():
            if event.kind is Kind.ACTIVITY and event.start:
                assert event.id not in made, f"{event} and {made[event.id]}"
                made[event.id] = event
    [data] = [
        r.id for r in store.records(Kind.ENTITY) if r.value("http://www.w3.org/ns/prov#label") == "the data"
    ]
    users = {r.activity for r in store.records(Kind.USAGE) if r.entity == data}
    labels = {made[user].value("http://www.w3.org/ns/prov#label") for user in users}
    assert labels == {f"{who} {n}" for who in ("child", "parent") for n in range(4)} | {"grandchild"}


def test_what_a_child_numbers_before_it_records_is_its_own(run_program, store):
    program = """
    import os, trilha
    from trilha.capture.context import process
    with trilha.run("numbers"):
        if not os.fork():
            number = next(process.recorder.numbers)
            process.recorder.entity(number, "prov:label", "the child's")
            os._exit(0)
        os.wait()
        for _ in range(5):
            process.recorder.entity(next(process.recorder.numbers), "prov:label", "the parent's")
    """
    run_program(program)
    ids = [
        r.id for r in store.records(Kind.ENTITY) if "'s" in str(r.value("http://www.w3.org/ns/prov#label"))
    ]
    assert len(ids) == len(set(ids)) == 6


def test_a_child_that_records_nothing_has_no_journal(run_program, store):
    run_program("import os, trilha\nwith trilha.run('x'):\n    os.fork() or os._exit(0)\n    os.wait()\n")
    assert len(store.paths()) == 1


def test_forks_from_threads_while_others_record_lose_nothing(run_program, store):
    program = """
    import os, threading, trilha
    done = threading.Event()
    counted = [0]
    def record():
        while not done.is_set():
            trilha.log(loss=float(counted[0]))
            with trilha.step("beside"):
                counted[0] += 1
    def forks(name):
        for number in range(5):
            child = os.fork()
            if not child:
                with trilha.step(f"{name} {number}"):
                    pass
                os._exit(0)
            os.waitpid(child, 0)
    with trilha.run("threads"):
        beside = threading.Thread(target=record)
        threads = [threading.Thread(target=forks, args=(f"fork {n}",)) for n in range(2)]
        for thread in (beside, *threads): thread.start()
        for thread in threads: thread.join()
        done.set(); beside.join()
    print(counted[0])
    """
    done = run_program(program, interpreter=["-W", "ignore::DeprecationWarning"])
    labels = store.labels()
    assert labels.count("beside") == int(done.stdout)
    assert {f"fork {n} {number}" for n in range(2) for number in range(5)} <= set(labels)
    assert done.stderr == ""


def test_a_fork_while_we_import_leaves_no_lock_behind_in_the_child(run_program, tmp_path):
    """A child that inherits a module's lock waits for ever at its own import of that module."""
    (tmp_path / "slow.py").write_text("import time; time.sleep(1)")
    program = """
    import importlib, os, signal, sys, time, trilha
    from trilha.capture.context import process
    with trilha.run("forks"):
        process.recorder.worker.add(lambda halted: bool(importlib.import_module("slow")))
        while "slow" not in sys.modules:
            time.sleep(0.001)
        child = os.fork()
        if not child:
            signal.alarm(40)
            import slow
            os._exit(0)
        print(os.waitpid(child, 0)[1])
    """
    assert run_program(program).stdout == "0\n"


WITH_CHILDREN = """
import multiprocessing, sys, trilha
def work(number):
    with trilha.step(f"worker {number}"):
        with open(f"out {number}", "w") as file:
            file.write("result")
    return number
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else "METHOD")
    with trilha.run("parent"):
        children = [context.Process(target=work, args=(n,)) for n in range(3)]
        for child in children: child.start()
        for child in children: child.join()
        print([child.exitcode for child in children])
"""


@pytest.mark.parametrize("way", ["mapped", "grouped"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_belong_to_the_run(method, way, run_program, store):
    done = run_program(WITH_CHILDREN.replace("METHOD", method), environment={"TRILHA_JOURNAL": way})
    assert done.stdout == "[0, 0, 0]\n"
    assert done.stderr == ""
    assert len({journal.head.run for journal in store.journals()}) == 1
    assert {f"worker {n}" for n in range(3)} <= set(store.labels())
    # What a child wrote is recorded when it ends, though it ends without the interpreter's own end.
    assert {f"out {n}" for n in range(3)} <= set(store.labels())
    generated = {r.entity for r in store.records(Kind.GENERATION)}
    files = {
        r.id
        for r in store.records(Kind.ENTITY)
        if str(r.value("http://www.w3.org/ns/prov#label")).startswith("out")
    }
    assert len(files) == 3
    assert files <= generated
    assert store.run()["status"] == "finished"


def test_a_run_in_a_program_that_is_started_is_a_step_of_the_one_around_it(run_program, store, tmp_path):
    (tmp_path / "other.py").write_text(
        "import trilha, sys\n"
        "from trilha.capture.context import process\n"
        "with trilha.run('inner'):\n"
        "    with trilha.step('in the other program'):\n"
        "        pass\n"
        "print(process.recorder is not None)\n"
    )
    program = """
    import subprocess, sys, trilha
    with trilha.run("outer"):
        print(subprocess.run([sys.executable, "other.py"], capture_output=True, text=True).stdout)
    """
    assert run_program(program).stdout == "True\n\n"
    first, second = store.journals()
    assert second.head.run == first.head.run
    assert second.head.parent == first.head.uid
    assert {"inner", "in the other program"} <= set(store.labels())
    starts = [r for r in store.records(Kind.ACTIVITY) if r.id.endswith("#run")]
    assert len(starts) == 2  # the start and the end, both of the first process
    assert store.run()["label"] == "outer"


def test_the_environment_is_as_it_was_when_the_run_has_ended(run_program):
    program = """
    import os, json, trilha
    def ours():
        return {name: value for name, value in os.environ.items() if name.startswith(("TRILHA", "PYTHONP"))}
    before = ours()
    with trilha.run("x"):
        during = ours()
    print(json.dumps([before, during, ours()]))
    with trilha.run("y"):
        os.environ["TRILHA_RUN"] = "the program's own"
    print(os.environ["TRILHA_RUN"])
    """
    first, second = run_program(program).stdout.splitlines()
    before, during, after = json.loads(first)
    assert before == after
    run, journal, *place = during.pop("TRILHA_RUN").split()
    assert len(run) == len(journal) == 36
    assert place == ["run", "-"]
    assert during.pop("PYTHONPATH").endswith(os.path.join("capture", "children"))
    assert second == "the program's own"


@pytest.mark.parametrize("value", ["", "nonsense", "../../etc x", "a" * 36, "../" * 12 + " " + "../" * 12])
def test_an_invitation_to_no_run_is_passed_over(value, run_program, store):
    program = "import trilha\ntrilha.log(loss=1.0)\ntrilha.use([1])\nprint('done')\n"
    done = run_program(program, environment={"TRILHA_RUN": value})
    assert done.stdout == "done\n"
    assert done.stderr == ""
    assert not store.folder.exists()


def test_a_run_inside_a_run_that_is_launched_is_a_run_of_its_own(run_program, store, tmp_path):
    (tmp_path / "inner.py").write_text("print('inner')\n")
    from importlib.util import find_spec

    launcher = find_spec("trilha.capture.launch").origin
    program = f"""
    import subprocess, sys, trilha
    with trilha.run("outer"):
        options = ["--name=inner", "--grain=call", "--store="]
        subprocess.run([sys.executable, {launcher!r}, *options, "--", "inner.py"])
    """
    assert run_program(program).stdout == "inner\n"
    assert len({journal.head.run for journal in store.journals()}) == 2
    assert all(journal.head.parent is None for journal in store.journals())


def test_a_fork_brings_no_warning_that_a_plain_program_does_not_get(run_program):
    program = """
    import os, trilha
    with trilha.run("forks"):
        for number in range(20):
            open("a file", "w").close()
            open("a file").close()
            if not os.fork():
                trilha.log(loss=1.0)
                os._exit(0)
            os.wait()
    print("done")
    """
    done = run_program(program, interpreter=["-W", "error"])
    assert done.stdout == "done\n"
    assert done.stderr == ""


def test_the_journal_tells_whether_its_writer_lives(run_program, store):
    program = "import trilha\nwith trilha.run('x'):\n    print('on', flush=True)\n    input()\n"
    running = run_program(program, wait=False, stdin=subprocess.PIPE)
    assert running.stdout.readline() == "on\n"
    [journal] = store.journals()
    assert journal.alive() is True
    assert journal.head.pid == running.pid
    running.communicate("\n", timeout=60)
    assert journal.alive() is False


def test_python_itself_starts_no_slower_module_for_us():
    words = [sys.executable, "-c", "import sys, trilha; print('trilha.capture.session' in sys.modules)"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "False\n"


def test_of_events_that_were_lost_the_first_is_told_of(run_program, store):
    done = run_program("""
    import trilha
    from trilha.capture.context import process
    with trilha.run("losing"):
        for name in ("first", "second"):
            try:
                {}[name]
            except KeyError:
                process.recorder.failed()
    """)
    assert done.stderr.startswith(
        "trilha: 2 events of this run were not recorded (the first: KeyError in __main__."
    )
    [about] = [store.run()]
    assert about["dropped"] == 2
    assert about["dropped_first"].startswith("KeyError in __main__.<module>, line ")
