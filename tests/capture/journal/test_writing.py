"""Appending: from many threads, over many segments, under tracers and signals, in each way and durability."""

import ctypes
import itertools
import os
import resource
import signal
import statistics
import sys
import threading
from pathlib import Path

import pytest

from trilha.capture.journal import read
from trilha.capture.journal.writer import GroupedFile, MappedFile, can_map, encode
from trilha.errors import UsageError

WAYS = pytest.mark.parametrize("way", ["mapped", "grouped"])


def entity(number, text=""):
    return encode((1, number, ("prov:label", text)))


def numbers(file):
    journal = read(file.path)
    found = [int(event.id.rpartition("#")[2]) for _, event in journal.events()]
    assert not journal.damage
    return found


@WAYS
def test_growth_over_many_segments_loses_nothing(way, journal_file):
    file, complaints = journal_file(way=way)
    for number in range(1, 2001):
        file.append(entity(number, "x" * (number % 7 * 5000)))
    file.close()
    assert os.path.getsize(file.path) > 20 << 20
    assert numbers(file) == list(range(1, 2001))
    assert not complaints
    assert file.dropped == 0


@WAYS
def test_many_threads_lose_and_tear_nothing(way, journal_file):
    file, _ = journal_file(way=way)
    count = itertools.count(1)
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work():
        for _ in range(1500):
            number = next(count)
            file.append(entity(number, "y" * (number % 11 * 40)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(old)
    file.close()
    assert sorted(numbers(file)) == list(range(1, 12001))


@pytest.mark.parametrize("written", ["whole", "in part", "not at all"])
def test_large_payloads_of_several_threads_are_there_however_they_are_written(
    written, journal_file, monkeypatch
):
    def write(number, payload, place, own=os.pwrite):
        if written == "whole":
            return own(number, payload, place)
        if written == "in part":
            return own(number, payload[:100], place)
        raise OSError("no")

    monkeypatch.setattr(os, "pwrite", write)
    file, _ = journal_file(way="mapped")
    file.reserve(1 << 18)
    assert os.path.getsize(file.path) > 1 << 18

    def work(begin):
        for number in range(begin, begin + 60):
            file.append(entity(number, chr(97 + number % 26) * (number % 5 * 8190)))

    threads = [threading.Thread(target=work, args=(begin,)) for begin in (1, 61, 121)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    assert sorted(numbers(file)) == list(range(1, 181))
    for _, event in read(file.path).events():
        number = int(event.id.rpartition("#")[2])
        [(_, text)] = event.attributes
        assert text == chr(97 + number % 26) * (number % 5 * 8190)


def test_a_reservation_that_fails_is_not_told_and_keeps_nothing_from_being_appended(
    journal_file, monkeypatch
):
    file, complaints = journal_file(way="mapped")

    def full(*_):
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        file.reserve(1 << 24)
    for number in range(1, 200):
        file.append(entity(number, "x" * 1000))
    file.close()
    assert numbers(file) == list(range(1, 200))
    assert not complaints
    assert not file.dropped


def test_a_thread_that_fills_a_new_segment_at_once_loses_nothing(journal_file):
    for _ in range(5):
        file, _ = journal_file()

        def work(begin, file=file):
            for number in range(begin + 1, begin + 6001):
                file.append(entity(number, "x" * (number % 300)))

        threads = [threading.Thread(target=work, args=(begin,)) for begin in range(0, 40_000, 10_000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        file.close()
        wanted = [number for begin in range(0, 40_000, 10_000) for number in range(begin + 1, begin + 6001)]
        assert sorted(numbers(file)) == wanted


def test_small_frames_of_other_threads_survive_the_growth_for_a_large_one(journal_file):
    file, _ = journal_file()
    count = itertools.count(1)
    done = threading.Event()

    def small():
        while not done.is_set():
            file.append(entity(next(count)))

    threads = [threading.Thread(target=small) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        file.append(entity(next(count), "z" * 900_000))
    done.set()
    for thread in threads:
        thread.join()
    file.close()
    assert sorted(numbers(file)) == list(range(1, next(count)))


def test_a_tracer_in_python_between_our_lines_tears_nothing(journal_file):
    file, _ = journal_file()
    count = itertools.count(1)
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def tracer(frame, event, argument):
        for _ in range(3):
            pass  # the interpreter may switch threads here
        return tracer

    def work():
        sys.settrace(tracer)
        for _ in range(400):
            number = next(count)
            file.append(entity(number, "y" * (number % 5 * 100)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(old)
    file.close()
    assert sorted(numbers(file)) == list(range(1, 1601))


@pytest.fixture
def alarm():
    """Has a function called by a signal every few hundred microseconds."""

    def begin(function, seconds):
        signal.signal(signal.SIGALRM, function)
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    old = signal.getsignal(signal.SIGALRM)
    yield begin
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)


@WAYS
def test_a_signal_handler_may_append_while_its_thread_appends(way, journal_file, alarm):
    file, _ = journal_file(way=way)
    by_handler = itertools.count(1_000_000)
    alarm(lambda *_: file.append(entity(next(by_handler), "h" * 3000)), 0.0003)
    for number in range(1, 4001):
        file.append(entity(number, "m" * (number % 13 * 400)))
    signal.setitimer(signal.ITIMER_REAL, 0)
    file.close()
    found = numbers(file)
    assert [n for n in found if n < 1_000_000] == list(range(1, 4001))
    last = next(by_handler)
    assert last > 1_000_010
    # One handler may run within another: their order is theirs.
    assert sorted(n for n in found if n >= 1_000_000) == list(range(1_000_000, last))


class Interrupt(BaseException):
    pass


@WAYS
def test_an_exception_at_any_point_leaves_what_had_returned(way, journal_file, alarm):
    file, _ = journal_file(way=way)
    kept, armed, interrupted = [], [False], 0

    def interrupt(*_):
        if armed[0]:
            armed[0] = False
            raise Interrupt

    alarm(interrupt, 0.0004)
    for number in range(1, 6001):
        try:
            armed[0] = True
            file.append(entity(number, "i" * (number % 13 * 400)))
            armed[0] = False
            kept.append(number)
        except Interrupt:
            interrupted += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    file.append(entity(7000))
    file.close()
    assert interrupted > 5
    found = [int(event.id.rpartition("#")[2]) for _, event in read(file.path).events()]
    assert set(kept) <= set(found)
    assert found == sorted(set(found))
    assert found[-1] == 7000


@WAYS
@pytest.mark.parametrize("durability", ["event", "group", "none"])
def test_each_durability_keeps_everything(way, durability, journal_file):
    file, _ = journal_file(way=way, durability=durability)
    for number in range(1, 21):
        file.append(entity(number))
        if durability == "event" or way == "mapped":
            assert numbers(file)[-1] == number
    file.flush()
    assert numbers(file) == list(range(1, 21))


@WAYS
def test_a_closed_journal_ends_with_its_last_frame_and_counts_what_comes_later(way, journal_file):
    file, _ = journal_file(way=way)
    file.append(entity(1))
    file.close()
    file.close()
    file.flush()
    [(end, _)] = read(file.path).events()
    assert os.path.getsize(file.path) == end
    file.append(entity(2))
    assert not file.append_last(entity(3))
    assert file.dropped == 1
    assert numbers(file) == [1]


@WAYS
def test_an_open_journal_can_be_read_and_was_never_closed(way, journal_file):
    file, _ = journal_file(way=way)
    file.append(entity(1))
    file.flush()
    assert numbers(file) == [1]


@WAYS
def test_the_last_payload_is_kept_like_any_other(way, journal_file):
    file, _ = journal_file(way=way)
    file.append(entity(1))
    assert file.append_last(entity(2))
    file.close()
    assert numbers(file) == [1, 2]


def test_an_abandoned_journal_is_left_as_it_is(journal_file):
    file, _ = journal_file()
    file.append(entity(1))
    size = os.path.getsize(file.path)
    file.abandon()
    file.append(entity(2))
    file.close()
    assert os.path.getsize(file.path) == size
    assert file.dropped == 1
    assert numbers(file) == [1]


def test_a_journal_is_never_written_over_another(journal_file, tmp_path):
    file, _ = journal_file()
    with pytest.raises(FileExistsError):
        type(file)(file.path, b"\x80", print)
    assert numbers(file) == []


def test_a_way_that_is_none_is_refused(journal_file):
    with pytest.raises(UsageError, match="mapped"):
        journal_file(way="quickly")


@WAYS
def test_the_way_can_be_forced(way, journal_file):
    file, _ = journal_file(way=way)
    assert type(file) is {"mapped": MappedFile, "grouped": GroupedFile}[way]


def mounts(tmp_path, *lines):
    path = tmp_path / "mountinfo"
    text = "".join(
        f"36 35 {device} / {place} rw,noatime shared:1 - {kind} src rw\n" for device, place, kind in lines
    )
    path.write_text(text)
    return str(path)


def device_of(folder):
    number = os.stat(folder).st_dev
    return f"{os.major(number)}:{os.minor(number)}"


@pytest.mark.parametrize(
    ("kind", "safe"),
    [
        *((kind, True) for kind in ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "f2fs", "vfat", "bcachefs"]),
        *(
            (kind, False)
            for kind in ["nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "9p", "ceph", "zfs"]
        ),
        *((kind, False) for kind in ["fuse", "fuse.sshfs", "fuse.glusterfs", "fuseblk", "virtiofs", "afs"]),
    ],
)
def test_the_kind_of_file_system_decides_how_a_journal_is_written(kind, safe, tmp_path):
    device = device_of(tmp_path)
    assert can_map(str(tmp_path), mounts(tmp_path, ("0:1", "/", "nfs"), (device, "/", kind))) is safe


def test_a_file_system_that_numbers_its_devices_otherwise_is_found_by_its_place(tmp_path):
    inner = tmp_path / "with space" / "store"
    inner.mkdir(parents=True)
    listed = mounts(
        tmp_path,
        ("0:1", "/", "nfs"),
        ("0:2", str(tmp_path), "lustre"),
        ("0:3", str(tmp_path / "with space").replace(" ", "\\040"), "btrfs"),
        ("0:4", str(tmp_path / "with"), "nfs"),
    )
    assert can_map(str(inner), listed)
    assert not can_map(str(tmp_path), listed)


def test_an_unknown_or_odd_list_of_mounts_means_the_careful_way(tmp_path):
    assert not can_map(str(tmp_path), str(tmp_path / "nothing"))
    assert not can_map(str(tmp_path), mounts(tmp_path))
    Path(tmp_path / "odd").write_text("what is this\n")
    assert not can_map(str(tmp_path), str(tmp_path / "odd"))
    assert not can_map(str(tmp_path / "missing"))


def test_this_machines_own_temporary_folder_is_judged_without_an_error(tmp_path):
    assert can_map(str(tmp_path)) in (True, False)


@pytest.mark.parametrize("has_ctypes", [True, False], ids=["ctypes", "none"])
def test_pages_that_were_written_to_the_disk_are_ready_to_be_written_to_again(
    has_ctypes, journal_file, monkeypatch
):
    def faults(file):
        # Of this thread; what the memory for a payload takes comes before.
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        file._buffer[file._at + 64] = 0
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

    assert ctypes.sizeof(ctypes.c_char) == 1  # it is imported, as it is where numbers are
    if not has_ctypes:
        monkeypatch.delitem(sys.modules, "ctypes")
    file, _ = journal_file(way="mapped")
    found = []
    for number in range(1, 21):
        file.append(entity(number))
        file.flush()
        found.append(faults(file))
    file.close()
    assert statistics.median(found) == 0
    assert numbers(file) == list(range(1, 21))
