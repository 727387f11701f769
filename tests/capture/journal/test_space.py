"""No space, no right, no folder: the program runs on and is told once."""

import os
import subprocess

import pytest

from trilha.capture.journal import read
from trilha.capture.journal.writer import encode

PROGRAM = """
import sys, trilha
with trilha.run("full"):
    for number in range(300):
        with trilha.step("a step with a rather long name " + "x" * 3000):
            pass
    print("the work is done", flush=True)
sys.exit(3)
"""


def assert_ran_on(done):
    assert done.returncode == 3
    assert done.stdout == "the work is done\n"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("way", ["mapped", "grouped"])
def test_a_full_disk_is_one_warning_and_the_program_runs_on(way, small_disk, run_program, store):
    store.folder = small_disk / "store"
    done = run_program(PROGRAM, environment={"TRILHA_JOURNAL": way}, check=False)
    assert_ran_on(done)
    warning, count = done.stderr.splitlines()
    assert "no space left on device" in warning
    assert "free some space" in warning
    dropped = int(count.split()[1])
    assert 0 < dropped < 1100
    if way == "mapped":  # room for the last statement is kept
        about = store.run()
        assert about["label"] == "full"
        assert about["status"] == "finished"
        assert about["dropped"] == dropped
    else:
        [journal] = store.journals()
        assert any("full" in str(event) for _, event in journal.events())
        assert len(journal.damage) <= 1


@pytest.mark.parametrize("way", ["mapped", "grouped"])
def test_recording_goes_on_when_there_is_space_again(way, small_disk, journal_file, monkeypatch):
    from trilha.capture.journal import grouped, mapped

    monkeypatch.setattr(mapped, "_RETRY_S", 0.0)
    monkeypatch.setattr(grouped, "_RETRY_S", 0.0)
    ballast = small_disk / "ballast"
    file, complaints = journal_file(folder=small_disk, way=way)
    with open(ballast, "wb", buffering=0) as filling, pytest.raises(OSError, match="No space"):
        while True:
            filling.write(bytes(4096))
    for number in range(1, 151):
        file.append(encode((1, number, ("k", "x" * 1000))))
    lost = file.dropped
    assert len(complaints) == 1
    ballast.unlink()
    file.append(encode((1, 1000, ())))
    file.close()
    assert file.dropped == lost
    found = [int(event.id.rpartition("#")[2]) for _, event in read(file.path).events()]
    assert found == [*range(1, 151 - lost), 1000]
    if way == "mapped":
        assert lost > 0


def test_a_failed_reservation_takes_nothing_of_the_last_space(small_disk, journal_file):
    file, _ = journal_file(folder=small_disk)
    file.append(encode((1, 1, ("k", "x" * 400_000))))
    assert file.dropped == 1
    space = os.statvfs(small_disk)
    assert space.f_bavail * space.f_frsize >= 128 << 10


@pytest.mark.parametrize("way", ["mapped", "grouped"])
@pytest.mark.parametrize("on_signal", ["", "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"])
def test_a_limit_of_file_size_is_an_error_of_ours_and_no_signal(way, on_signal, run_program, store):
    limit = (
        f"import resource, signal\n{on_signal}\nresource.setrlimit(resource.RLIMIT_FSIZE, (131072, 131072))\n"
    )
    done = run_program(limit + PROGRAM, environment={"TRILHA_JOURNAL": way}, check=False)
    assert_ran_on(done)
    assert done.stderr.count("file size limit reached") == 1
    [path] = store.paths()
    assert path.stat().st_size <= 131072
    assert store.run()["label"] == "full"


def test_a_limit_of_memory_is_an_error_of_ours(run_program, tmp_path):
    program = f"""
    import resource
    from trilha.capture.journal import Head
    from trilha.capture.journal.writer import encode, open_file
    head = Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file({str(tmp_path)!r}, head, lambda sentence: None)
    payload = encode((1, 1, ("k", "x" * 1000)))
    used = int(open("/proc/self/statm").read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), -1))
    for number in range(9000):
        file.append(payload)
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
    file.close()
    print(file.dropped)
    """
    dropped = int(run_program(program).stdout)
    # Where there is no room for a large segment, small ones do.
    assert len(list(read(tmp_path / "u.journal").events())) == 9000 - dropped
    assert dropped == 0


READ_ONLY = [
    ("a file in the place of the folder", lambda folder: folder.write_text("mine")),
    ("a link to nowhere", lambda folder: folder.symlink_to("/nowhere/at/all")),
]


@pytest.mark.parametrize(("_", "spoil"), READ_ONLY, ids=[name for name, _ in READ_ONLY])
def test_a_store_that_cannot_be_made_is_one_warning(_, spoil, run_program, store):
    spoil(store.folder)
    done = run_program(PROGRAM, check=False)
    assert_ran_on(done)
    [warning] = done.stderr.splitlines()
    assert str(store.folder) in warning
    assert "TRILHA_STORE" in warning


def test_a_read_only_disk_is_one_warning(small_disk, run_program, store):
    store.folder = small_disk / "store"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = run_program(PROGRAM, check=False)
    assert_ran_on(done)
    [warning] = done.stderr.splitlines()
    assert "read-only" in warning.lower()


@pytest.mark.parametrize("way", ["mapped", "grouped"])
def test_a_store_deleted_while_the_program_runs_is_told_at_the_end(way, run_program, store):
    program = """
    import os, shutil, trilha
    with trilha.run("deleted"):
        with trilha.step("before"):
            pass
        shutil.rmtree(os.environ["TRILHA_STORE"])
        for number in range(200):
            with trilha.step("after " + "x" * 5000):
                pass
    print("done")
    """
    done = run_program(program, environment={"TRILHA_JOURNAL": way})
    assert done.stdout == "done\n"
    [warning] = done.stderr.splitlines()
    assert "was deleted" in warning


@pytest.mark.parametrize(
    "stream", ["sys.stderr.close()", "os.close(2)", "sys.stderr = sys.__stderr__ = None"]
)
def test_a_program_without_an_error_stream_is_not_disturbed(stream, run_program, store):
    store.folder.write_text("no folder")
    done = run_program(f"import os, sys\n{stream}\n" + PROGRAM, check=False)
    assert done.returncode == 3
    assert done.stdout == "the work is done\n"
