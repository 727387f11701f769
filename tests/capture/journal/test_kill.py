"""`kill -9` in the middle of writing: everything whose call had returned is there."""

import os
import signal
import struct
import subprocess
import sys
import time

import pytest

from trilha.capture.journal import read

WRITING = """
import mmap, sys, threading
from trilha.capture.journal import Head
from trilha.capture.journal.writer import encode, open_file

folder, progress, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
file = open_file(folder, Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),)), print)
with open(progress, "r+b") as shared:
    told = mmap.mmap(shared.fileno(), 4096)

def work(thread):
    number, add = thread * 100_000_000, file.append
    while True:
        number += 1
        add(encode((1, number, ("prov:label", "x" * (number % 300)))))
        told[thread * 8 : thread * 8 + 8] = number.to_bytes(8, "little")

for thread in range(1, count):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
work(0)
"""


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("after", [3_000, 30_000])
def test_a_killed_process_loses_nothing_that_had_returned(threads, after, tmp_path):
    progress = tmp_path / "progress"
    progress.write_bytes(bytes(4096))
    script = tmp_path / "writing.py"
    script.write_text(WRITING)
    child = subprocess.Popen([sys.executable, script, tmp_path, progress, str(threads)])
    while True:
        told = struct.unpack_from("<Q", progress.read_bytes())[0]
        if told >= after // threads:
            break
        assert child.poll() is None
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    returned = struct.unpack_from(f"<{threads}Q", progress.read_bytes())
    journal = read(tmp_path / "u.journal")
    found = {int(event.id.rpartition("#")[2]) for _, event in journal.events()}
    for thread, last in enumerate(returned):
        begin = thread * 100_000_000
        assert found.issuperset(range(begin + 1, last + 1))
        assert sum(begin < number < begin + 100_000_000 for number in found) <= max(last - begin, 0) + 1
    assert len(journal.damage) <= threads


def test_a_run_that_was_killed_says_so_by_what_it_lacks(run_program, store):
    program = """
    import os, signal, trilha
    with trilha.run("to be killed"):
        with trilha.step("never ends"):
            trilha.log(loss=0.5)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = run_program(program, check=False)
    assert done.returncode == -signal.SIGKILL
    assert {"to be killed", "never ends"} <= set(store.labels())
    assert "status" not in store.run()
    [journal] = store.journals()
    assert journal.alive() is False
    assert os.path.exists(journal.path)
