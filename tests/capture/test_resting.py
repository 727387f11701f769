"""The collector of cyclic garbage rests while a recording begins, and is afterwards as the program has it."""

import _thread
import gc
import subprocess
import sys
import textwrap
import threading

import pytest
from tests.capture.launching import environment

from trilha.capture.context import own_threads
from trilha.capture.resting import at_rest

SEEN = "[one['collections'] for one in gc.get_stats()][1:]"


def test_before_the_first_line_of_a_script_no_more_was_collected_than_by_python(twice):
    text = f"import gc\nprint({SEEN}, gc.isenabled(), gc.get_threshold(), gc.callbacks)\n"
    twice.same(twice.write("s.py", text))


def test_what_was_made_before_the_first_line_of_a_script_is_not_looked_through_at_its_first_objects(twice):
    """The collector's next look goes through what is young: nothing of Trilha is."""
    text = """
        import gc, sys
        young = {id(one) for generation in (0, 1) for one in gc.get_objects(generation)}
        ours = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("trilha.")]
        print(sum(id(names) in young for names in ours), gc.get_freeze_count())
    """
    assert twice.same(twice.write("s.py", textwrap.dedent(text)))[1] == b"0 0\n"


def test_a_collector_that_was_switched_off_before_the_script_stays_off(twice, tmp_path):
    twice.write("site/sitecustomize.py", "import gc\ngc.disable()\n")
    script = twice.write("s.py", "import gc\nprint(gc.isenabled())\n")
    assert b"False" in twice.same(script, more={"PYTHONPATH": str(twice.folder / "site")})[1]


@pytest.mark.parametrize("collects", [True, False])
def test_autolog_and_libraries_that_are_imported_leave_the_collector_as_it_is(collects, tmp_path):
    program = textwrap.dedent(f"""
        import gc, threading
        {"" if collects else "gc.disable()"}
        import trilha
        seen = []
        def see(phase, about):
            if phase == "start" and threading.get_ident() == threading.main_thread().ident:
                seen.append(about["generation"])
        gc.callbacks.append(see)
        trilha.autolog()
        assert gc.isenabled() is {collects}
        assert len(seen) <= 2 and not any(seen), seen  # one that was near, and one afterwards
        import concurrent.futures.thread, json, pickle
        assert gc.isenabled() is {collects}
        trilha.finish()
        assert gc.isenabled() is {collects}
    """)
    env = environment(tmp_path / "store")
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=60)


def test_the_collector_rests_where_no_other_thread_of_the_program_runs(monkeypatch):
    monkeypatch.setattr(_thread, "_count", lambda: len(own_threads))
    with at_rest():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_is_left_alone_where_other_threads_of_the_program_run():
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        with at_rest():
            assert gc.isenabled()
    finally:
        go.set()
        thread.join()
