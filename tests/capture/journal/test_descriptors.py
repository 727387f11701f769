"""A program that closes every descriptor: its own files, which get our numbers, are never touched.

The programs here wait until the work in the background is done. While it goes on, between the question whose
a number is and its closing lies the time that a thread waits for the interpreter's lock: nothing in Python
can make the two one.
"""

import os

import pytest

from trilha.capture.journal.descriptor import Descriptor, Pages

CLOSING = """
import os, sys, trilha
from trilha.capture.context import process
run = trilha.run("daemon")
run.__enter__()
with trilha.step("before"):
    pass
process.recorder.worker.stop()
os.closerange(3, {to})
names = [f"mine {{number}}" for number in range(60)]
files = [os.open(name, os.O_RDWR | os.O_CREAT) for name in names]
high = [os.dup2(files[0], number) for number in range(940, 1000)] if {to} > 1000 else []
for file in files:
    os.write(file, b"precious " * 2000)
for number in range(400):
    with trilha.step("after " + "x" * 3000):
        pass
{end}
for file, name in zip(files, names):
    assert os.fstat(file).st_size == os.stat(name).st_size == 18000, name
    assert os.pread(file, 20000, 0) == b"precious " * 2000
for number in high:
    os.fstat(number)
print("done", flush=True)
"""


@pytest.mark.parametrize("way", ["mapped", "grouped"])
@pytest.mark.parametrize("to", [256, 4096])
@pytest.mark.parametrize("end", ["run.__exit__(None, None, None)", ""])
def test_closing_all_descriptors_harms_neither_side(way, to, end, run_program, store):
    done = run_program(CLOSING.format(to=to, end=end), environment={"TRILHA_JOURNAL": way})
    assert done.stdout == "done\n"
    assert done.stderr == ""
    assert sum(label.startswith("after") for label in store.labels()) == 400
    assert store.run()["status"] == "finished"


def test_a_deleted_journal_whose_descriptor_was_closed_is_told_once(run_program):
    program = """
    import os, shutil, trilha
    from trilha.capture.context import process
    with trilha.run("daemon"):
        process.recorder.worker.stop()
        shutil.rmtree(os.environ["TRILHA_STORE"])
        os.closerange(3, 4096)
        mine = open("mine", "w+")
        for number in range(400):
            with trilha.step("after " + "x" * 3000):
                pass
        mine.write("precious")
    mine.close()
    assert open("mine").read() == "precious"
    print("done")
    """
    done = run_program(program)
    assert done.stdout == "done\n"
    assert done.stderr.count("trilha:") == 2
    assert "Traceback" not in done.stderr


def test_files_that_are_written_to_at_the_very_end_reach_the_disk(run_program, tmp_path):
    program = """
    import os, trilha
    from trilha.capture.context import process
    run = trilha.run("daemon")
    run.__enter__()
    process.recorder.worker.stop()
    os.closerange(3, 256)
    files = [open(f"mine {number}", "w") for number in range(30)]
    for file in files:
        file.write("precious")  # flushed when the interpreter ends
    """
    done = run_program(program)
    assert done.stderr == ""
    assert [(tmp_path / f"mine {number}").read_text() for number in range(30)] == ["precious"] * 30


def test_the_programs_own_files_get_the_numbers_that_they_get_without_us(tmp_path):
    free = os.dup(0)
    os.close(free)
    descriptor = Descriptor(str(tmp_path / "journal"), os.O_RDWR)
    try:
        assert descriptor.get() > 64
        again = os.dup(0)
        os.close(again)
        assert again == free
    finally:
        descriptor.close()


def test_a_number_that_stands_for_another_file_is_never_used(tmp_path):
    descriptor = Descriptor(str(tmp_path / "journal"), os.O_RDWR)
    number = descriptor.get()
    os.ftruncate(number, 1 << 16)
    pages = Pages(descriptor, 0, 1 << 16)
    mine = os.open(tmp_path / "mine", os.O_RDWR | os.O_CREAT)
    os.dup2(mine, number)
    os.close(mine)
    assert descriptor.get() != number
    pages.release()
    descriptor.close()
    os.write(number, b"still open")
    os.close(number)
    assert (tmp_path / "mine").read_text() == "still open"


def test_a_closed_or_replaced_journal_is_an_error(tmp_path):
    path = tmp_path / "journal"
    descriptor = Descriptor(str(path), os.O_RDWR)
    assert not descriptor.gone()
    os.ftruncate(descriptor.get(), 1 << 16)
    pages = Pages(descriptor, 0, 1 << 16)  # as long as there are pages, no other file gets the inode
    os.close(descriptor.get())
    path.unlink()
    assert descriptor.gone()
    path.write_text("another")
    assert descriptor.gone()
    with pytest.raises(FileNotFoundError, match="deleted"):
        descriptor.get()
    pages.release()
    descriptor.close()
    with pytest.raises(OSError, match="closed"):
        descriptor.get()
    assert path.read_text() == "another"
