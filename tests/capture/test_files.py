"""The files that a program reads and writes, by whatever it opens them with."""

# ruff: noqa: SIM115 -- programs open files in every way

import contextlib
import csv
import gzip
import hashlib
import io
import json
import linecache
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.capture.graph import Graph, P, T, recording

import trilha
from trilha.capture.context import process
from trilha.prov import Kind


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in; the store is beside it."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def record(place):
    """Records the body, and gives the graph."""
    return lambda **how: recording(place.parent / "store", **how)


def old(path, text="old"):
    """A file that has been there for a while."""
    path = Path(path)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    # Its time of change, which nobody can set, is no longer within a tick of the clock.
    time.sleep(0.03)
    return path


def read_with_os(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.read(descriptor, 10)
    os.close(descriptor)


def write_with_os(path):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, b"new")
    os.close(descriptor)


def write_csv(path):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerow([1, 2])


def write_memmap(path):
    array = np.memmap(path, dtype="f8", mode="w+", shape=(4,))
    array[:] = 3
    array.flush()


def zip_bytes(path):
    # Left to itself, it is closed when the garbage collector finds it.
    with gzip.open(path, "wb") as file:
        file.write(b"x")


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside", "text")


def archived(path):
    with zipfile.ZipFile(path) as archive:
        archive.read("inside")


def dumped(path):
    with open(path, "wb") as file:
        pickle.dump({"a": 1}, file)


def written_to_descriptor(path):
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT), "w") as file:
        file.write("x")


WAYS_TO_WRITE = {
    "open": lambda path: open(path, "w").write("x"),
    "bytes": lambda path: open(os.fsencode(path), "wb").write(b"x"),
    "exclusive": lambda path: open(path, "x").write("x"),
    "append": lambda path: open(path, "a").write("x"),
    "pathlib": lambda path: Path(path).write_text("x"),
    "touch": lambda path: Path(path).touch(),
    "io.open": lambda path: io.open(path, "wb").write(b"x"),  # noqa: UP020
    "io.FileIO": lambda path: io.FileIO(path, "w").write(b"x"),
    "os.open": write_with_os,
    "os.fdopen": written_to_descriptor,
    "np.save": lambda path: np.save(open(path, "wb"), np.zeros(3)),
    "np.savetxt": lambda path: np.savetxt(path, np.zeros(3)),
    "np.memmap": write_memmap,
    "tofile": lambda path: np.zeros(3).tofile(path),
    "to_csv": lambda path: pd.DataFrame({"a": [1]}).to_csv(path),
    "to_pickle": lambda path: pd.DataFrame({"a": [1]}).to_pickle(path),
    "json": lambda path: json.dump([1], open(path, "w")),
    "csv": write_csv,
    "gzip": zip_bytes,
    "zipfile": zipped,
    "pickle": dumped,
    "shutil": lambda path: shutil.copy(__file__, path),
}
WAYS_TO_READ = {
    "open": (b"1,2\n", lambda path: open(path).read()),
    "pathlib": (b"1,2\n", lambda path: Path(path).read_bytes()),
    "io.open": (b"1,2\n", lambda path: io.open(path).read()),  # noqa: UP020
    "os.open": (b"1,2\n", read_with_os),
    "np.loadtxt": (b"1 2\n", np.loadtxt),
    "np.fromfile": (b"12345678", np.fromfile),
    "np.memmap": (b"12345678", lambda path: np.memmap(path, mode="r")),
    "read_csv": (b"a,b\n1,2\n", pd.read_csv),
    "json": (b"[1]", lambda path: json.load(open(path))),
    "csv": (b"1,2\n", lambda path: list(csv.reader(open(path)))),
    "gzip": (gzip.compress(b"x"), lambda path: gzip.open(path).read()),
    "pickle": (pickle.dumps(1), lambda path: pickle.load(open(path, "rb"))),
    "shutil": (b"1", lambda path: shutil.copyfileobj(open(path, "rb"), io.BytesIO())),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_written_in_a_step_is_generated_by_it_whatever_writes(place, record):
    with record() as graph:
        for way, write in WAYS_TO_WRITE.items():
            with trilha.step(f"by {way}"):
                write(str(place / way))
    made = dict(pair for pair in graph.generations() if pair[1] != "run")
    assert made == {way: f"by {way}" for way in WAYS_TO_WRITE}
    for way in WAYS_TO_WRITE:
        about = graph.one(way, "File")
        path = place / way
        assert about["size"] == [path.stat().st_size]
        assert len(about["sha256"][0]) == 64
        assert about["path"] == [str(path)]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_read_in_a_step_is_used_by_it_whatever_reads(place, record):
    # pytest shows a line of this file for each file that is left open, and reads it when it does so first.
    linecache.getline(__file__, 1)
    for way, (content, _) in WAYS_TO_READ.items():
        old(place / way, content)
    with record() as graph:
        for way, (_, read) in WAYS_TO_READ.items():
            with trilha.step(f"by {way}"):
                read(str(place / way))
    assert graph.usages() == [(f"by {way}", way) for way in WAYS_TO_READ]
    assert graph.generations() == []


def test_a_file_is_a_specialization_of_its_content(place, record):
    import hashlib

    old("a", "same")
    old("b", "same")
    with record() as graph:
        open("a").close()
        open("b").close()
    content = "nih:sha-256;" + hashlib.sha256(b"same").hexdigest()
    assert graph.about[content]["type"][0] == T + "Content"
    assert [(graph.label(one[2]), one[3]) for one in graph.of(Kind.SPECIALIZATION)] == [
        ("a", content),
        ("b", content),
    ]


def test_the_same_file_read_twice_is_one_entity_and_one_usage_a_step(place, record):
    old("a")
    with record() as graph:
        for _ in range(3):
            Path("a").read_bytes()
        with trilha.step("one"):
            Path("a").read_bytes()
            Path("a").read_bytes()
    assert graph.files() == ["a"]
    assert graph.usages() == [("run", "a"), ("one", "a")]


def test_read_write_read_is_two_versions(place, record):
    old("a")
    with record() as graph:
        with trilha.step("change"):
            text = Path("a").read_text()
            Path("a").write_text(text + "more")
        with trilha.step("look"):
            Path("a").read_text()
    first, second = graph.versions(place / "a")
    assert (first["size"], second["size"]) == ([3], [7])
    assert graph.generations() == [("a", "change")]
    used = [
        (graph.label(one[2]), graph.about[one[3]]["size"])
        for one in graph.of(Kind.USAGE)
        if "urn:" in str(one[3])
    ]
    assert [one for one in used if one[1]] == [("change", [3]), ("look", [7])]
    assert len(graph.derivations()) == 1
    assert "sha256" not in first or first["sha256"] != second["sha256"]


def test_written_and_read_again_is_one_entity(place, record):
    with record() as graph:
        with trilha.step("write"):
            Path("a").write_text("x")
        with trilha.step("read"):
            Path("a").read_text()
    assert graph.generations() == [("a", "write")]
    assert graph.usages() == [("read", "a")]
    (generation,), usage = graph.of(Kind.GENERATION), graph.of(Kind.USAGE)[-1]
    assert generation[4] <= next(one for one in graph.of(Kind.USAGE) if one[3] == generation[2])[4]
    assert usage


@pytest.mark.parametrize("mode", ["a", "r+", "r+b", "a+"])
def test_what_is_changed_was_used_and_is_a_revision(mode, place, record):
    old("a", "12345")
    with record() as graph, trilha.step("change"), open("a", mode) as file:
        file.write(b"67" if "b" in mode else "67")
    assert graph.usages() == [("change", "a")]
    assert graph.generations() == [("a", "change")]
    ((new, was),) = [(one[2], one[3]) for one in graph.of(Kind.DERIVATION)]
    assert new != was
    assert graph.of(Kind.DERIVATION)[0].value(P + "type") == P + "Revision"


@pytest.mark.parametrize("mode", ["a", "r+"])
def test_what_was_opened_to_be_changed_and_was_not_is_no_new_version(mode, place, record):
    old("a", "12345")
    with record() as graph, open("a", mode):
        pass
    (version,) = graph.versions(place / "a")
    assert graph.usages() == [("run", "a")]
    assert graph.generations() == []
    assert "sha256" in version


def test_what_is_written_over_was_not_used(place, record):
    old("a")
    with record() as graph:
        Path("a").write_text("new")
    assert graph.usages() == []
    assert graph.generations() == [("a", "run")]


@pytest.mark.parametrize("way", ["replace", "rename", "pathlib", "move"])
def test_a_file_that_is_moved_into_place_is_known_by_its_place(way, place, record):
    with record() as graph, trilha.step("save"):
        descriptor, name = tempfile.mkstemp(dir=place)
        with os.fdopen(descriptor, "w") as file:
            file.write("whole")
        {
            "replace": os.replace,
            "rename": os.rename,
            "pathlib": lambda a, b: Path(a).replace(b),
            "move": shutil.move,
        }[way](name, "final")
    assert graph.files() == ["final"]
    assert graph.generations() == [("final", "save")]
    assert graph.one("final")["path"] == [str(place / "final")]


def test_a_folder_that_is_moved_into_place_takes_its_files_along(place, record):
    with record() as graph:
        os.makedirs("tmp/deep")
        Path("tmp/deep/a").write_text("x")
        Path("tmp/b").write_text("y")
        Path("tmp/b").read_text()
        os.rename("tmp", "checkpoint")
        Path("checkpoint/deep/a").read_text()
    assert len(graph.versions(place / "checkpoint/deep/a")) == 1
    assert graph.one("b")["path"] == [str(place / "tmp/b"), str(place / "checkpoint/b")]
    assert sorted(graph.generations()) == [("a", "run"), ("b", "run")]


def test_a_rename_that_fails_moves_nothing(place, record):
    old("a")
    with record() as graph:
        Path("a").read_text()
        with pytest.raises(OSError, match="missing"):
            os.rename("a", "missing/folder")
        with pytest.raises(FileNotFoundError):
            os.rename("nothing", "b")
        Path("a").read_text()
    assert graph.one("a")["path"] == [str(place / "a")]
    assert graph.usages() == [("run", "a")]


def test_a_move_to_another_file_system_is_a_copy(place, record):
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == place.stat().st_dev:
        pytest.skip("there is no second file system that may be written to")
    with tempfile.TemporaryDirectory(dir=elsewhere) as other:
        with record() as graph, trilha.step("move"):
            Path("made").write_text("x")
            shutil.move("made", f"{other}/moved")
        assert graph.derivations() == [("moved", "made")]
        assert sorted(graph.generations()) == [("made", "move"), ("moved", "move")]


def test_a_read_file_that_is_renamed_or_removed_is_told_of(place, record):
    old("a", "aa")
    old("b", "bbb")
    with record() as graph:
        Path("a").read_text()
        os.rename("a", "c")
        Path("c").read_text()
        with trilha.step("remove"):
            Path("b").read_text()
            os.remove("b")
        with pytest.raises(FileNotFoundError):
            os.remove("never there")
    assert len(graph.versions(place / "c")) == 1
    assert [(graph.label(one[2]), graph.label(one[3])) for one in graph.of(Kind.INVALIDATION)] == [
        ("b", "remove")
    ]


def test_a_removal_that_fails_is_none(place, record):
    old("a")
    os.mkdir("folder")
    with record() as graph:
        Path("a").read_text()
        with pytest.raises(OSError, match="folder"):
            os.remove("folder")
        with pytest.raises(OSError, match="a/b"):
            os.remove("a/b")
        Path("a").read_text()
    assert graph.of(Kind.INVALIDATION) == []


def test_a_temporary_file_that_nobody_else_saw_is_not_recorded(place, record):
    with record() as graph:
        with tempfile.NamedTemporaryFile(dir=place) as file:
            file.write(b"x")
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"x")
        with tempfile.TemporaryDirectory(dir=place) as folder:
            Path(folder, "a").write_text("x")
    assert graph.files() == []
    assert graph.dropped == 0


def test_removing_a_tree_touches_no_file_of_the_same_name(place, record):
    old("data")
    os.makedirs("tree/data")
    Path("tree/data/inside").write_text("x")
    with record() as graph:
        shutil.rmtree("tree")
    assert graph.files() == []


def test_a_copy_is_derived_from_what_was_copied(place, record):
    old("a")
    old("c", "other")
    with record() as graph, trilha.step("copy"):
        Path("c").read_text()
        shutil.copy2("a", "b")
        os.makedirs("folder/deep")
        shutil.copytree("folder", "other")
    assert graph.derivations() == [("b", "a")]


def test_a_copy_made_anew_is_generated_anew(place, record):
    old("a")
    shutil.copy2("a", "b")
    with record() as graph:
        shutil.copy2("a", "b")
    assert graph.generations() == [("b", "run")]


def test_the_same_file_by_other_names_is_one_entity(place, record):
    old("a")
    os.symlink("a", "link")
    os.mkdir("folder")
    os.symlink(".", "here")
    os.link("a", "hard")
    with record() as graph:
        for name in ("link", "a", "here/a", "hard", "folder/../a"):
            Path(name).read_text()
    assert len(graph.labels("File")) == 1
    assert {str(place / "link"), str(place / "hard")} <= set(graph.versions(place / "link")[0]["path"])
    assert len(graph.usages()) == 1


def test_what_is_written_by_a_link_is_read_by_its_name(place, record):
    os.mkdir("run1")
    os.symlink("run1", "latest")
    os.symlink("run1/model", "model")
    with record() as graph:
        with trilha.step("write"):
            Path("latest/data").write_text("x")
            Path("model").write_text("y")
        with trilha.step("read"):
            Path("run1/data").read_text()
            Path("run1/model").read_text()
    assert sorted(graph.generations()) == [("data", "write"), ("model", "write")]
    assert len(graph.labels("File")) == 2


def test_a_folder_link_that_is_set_anew_leads_elsewhere(place, record):
    for name in ("one", "two"):
        os.mkdir(name)
        old(f"{name}/data", name)
    os.symlink("one", "latest")
    with record() as graph:
        Path("latest/data").read_text()
        os.remove("latest")
        os.symlink("two", "latest")
        Path("latest/data").read_text()
        os.symlink("one", "next")
        os.replace("next", "latest")
        Path("latest/data").read_text()
    assert len(graph.labels("File")) == 2


def test_an_atomic_write_by_a_hard_link(place, record):
    with record() as graph, trilha.step("write"):
        Path("tmp").write_text("x")
        os.link("tmp", "final")
        os.unlink("tmp")
        Path("final").read_text()
    assert graph.of(Kind.INVALIDATION) == []
    assert "final" in graph.labels("File")


def test_many_writes_within_one_tick_of_the_clock(place, record):
    import hashlib

    with record() as graph:
        for number in range(200):
            with trilha.step("write"):
                Path("a").write_text(f"{number:03d}")
    versions = graph.versions(place / "a")
    assert len(versions) == 200
    assert len(graph.generations()) == 200
    final = hashlib.sha256(b"199").hexdigest()
    assert versions[-1]["sha256"] == [final]
    for number, version in enumerate(versions):
        assert version.get("unhashed") or version["sha256"] == [
            hashlib.sha256(f"{number:03d}".encode()).hexdigest()
        ]


def test_one_step_that_writes_a_file_many_times_makes_one_version(place, record):
    with record() as graph, trilha.step("log"):
        for number in range(100):
            with open("log.txt", "a") as file:
                file.write(f"{number}\n")
    (version,) = graph.versions(place / "log.txt")
    assert version["size"] == [290]
    assert graph.generations() == [("log.txt", "log")]


def test_a_file_that_is_still_open_is_recorded_in_the_end_too(place, record):
    with record() as graph, open("a", "w") as file:
        file.write("one")
        file.flush()
        with trilha.step("peek"):
            Path("a").read_text()
        time.sleep(0.03)
        file.write("two")
    sizes = [version["size"] for version in graph.versions(place / "a")]
    assert sizes == [[3], [6]]
    assert len(graph.generations()) == 2


def test_a_file_that_a_step_leaves_open_is_its_own(place, record):
    with record() as graph:
        with trilha.step("begin"):
            file = open("a", "w")  # noqa: SIM115
        file.write("x")
        file.close()
    assert graph.generations() == [("a", "begin")]
    generation = graph.of(Kind.GENERATION)[0]
    end = next(one[3] for one in graph.of(Kind.ACTIVITY) if one.id == graph.id("begin") and one[3])
    assert generation[4] <= end


def test_deleted_before_hashing(place, record):
    with record() as graph:
        with trilha.step("write"):
            Path("a").write_bytes(b"x" * 10_000_000)
            Path("b").write_text("x")
        os.remove("b")
    about = graph.one("b", "File")
    assert about["unhashed"] or about["sha256"]
    assert graph.of(Kind.INVALIDATION)


def test_nothing_is_hashed_that_was_changed_by_others(place, record):
    from trilha.capture.context import process

    old("a", b"x" * 100)
    with record() as graph:
        halt = threading.Event()
        process.recorder.worker.add(lambda _: halt.wait(10))
        Path("a").read_bytes()
        subprocess.run(["sh", "-c", "printf changed > a"], check=True)
        halt.set()
    about = graph.one("a", "File")
    assert about["unhashed"] == ["the file was changed before it could be hashed"]
    assert "sha256" not in about


def test_a_file_that_changes_while_it_is_hashed_has_no_hash(place, record, monkeypatch):
    from trilha.capture import digests

    old("a", b"x" * 300_000)
    monkeypatch.setattr(digests, "_CHUNK", 4096)
    monkeypatch.setattr(digests, "_SLICE", 8192)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            os.utime("a")
            time.sleep(0.001)

    with record() as graph:
        thread = threading.Thread(target=change)
        thread.start()
        Path("a").read_bytes()
        time.sleep(0.1)
        stop.set()
        thread.join()
    about = graph.versions(place / "a")[0]
    assert about["unhashed"]


def test_a_huge_file_holds_nobody_up(place, record, monkeypatch, capfd):
    with open("huge", "wb") as file:
        file.truncate(1 << 40)
    old("small")
    monkeypatch.setenv("TRILHA_HASH_SECONDS", "0.1")
    monkeypatch.setattr("trilha.capture.digests._SLICE", 1 << 20)
    with record() as graph:
        with open("huge", "rb") as file:
            assert file.read(3) == b"\0\0\0"
        Path("small").read_text()
        # The thread has the lowest priority: on a busy machine its turn comes late.
        small = process.recorder.files._met[os.path.realpath("small")].digest
        end = time.monotonic() + 60
        while not small.over:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert graph.one("huge")["unhashed"] == ["the program ended before the file could be hashed"]
    assert graph.one("huge")["size"] == [1 << 40]
    assert graph.one("small")["sha256"]
    assert capfd.readouterr().err.count("TRILHA_HASH_SECONDS") == 1


def test_a_file_of_many_slices_is_hashed_right(place, record, monkeypatch):
    import hashlib

    from trilha.capture import digests

    content = os.urandom(1_000_003)
    old("a", content)
    monkeypatch.setattr(digests, "_CHUNK", 1000)
    monkeypatch.setattr(digests, "_SLICE", 30_000)
    with record() as graph:
        Path("a").read_bytes()
    assert graph.one("a")["sha256"] == [hashlib.sha256(content).hexdigest()]


def test_a_file_that_is_not_hashed_when_the_run_ends_is_hashed_by_one_thread(place, record, monkeypatch):
    """The rest of the work is done by the program's thread, and no other begins meanwhile."""
    import hashlib

    from trilha.capture import digests

    content = os.urandom(300_003)
    old("a", content)
    monkeypatch.setattr(digests, "_CHUNK", 1000)
    monkeypatch.setattr(digests, "_SLICE", 1000)
    plain, threads = digests.Digest._slice, set()

    def watched(self, halted):
        threads.add(threading.get_ident())
        time.sleep(0.0002)  # as long as another thread would need to begin
        return plain(self, halted)

    with record() as graph:
        process.recorder.worker.hold()
        monkeypatch.setattr(digests.Digest, "_slice", watched)
        Path("a").read_bytes()
        process.recorder.worker._held = False
    assert threads == {threading.get_ident()}
    assert graph.one("a")["sha256"] == [hashlib.sha256(content).hexdigest()]


def test_an_empty_file(place, record):
    with record() as graph:
        Path("a").touch()
        Path("a").read_text()
    about = graph.one("a")
    assert about["size"] == [0]
    assert about["sha256"] == ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]


def test_what_is_no_file_is_left_out(place, record):
    os.mkfifo("fifo")
    os.mkdir("folder")
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    with record() as graph:
        reader = threading.Thread(target=Path("fifo").read_text)
        reader.start()
        with open("fifo", "w") as file:
            file.write("x")
        reader.join()
        for name in ("/dev/null", "/proc/self/status"):
            Path(name).read_text()
        for name in ("/sys/kernel", "folder", "socket"):
            with pytest.raises(OSError, match=name):
                open(name)
        os.close(os.open("folder", os.O_RDONLY))
        with open("/dev/null", "w") as file:
            file.write("x")
        os.scandir("folder").close()
    server.close()
    assert graph.files() == []
    assert graph.dropped == 0


def test_a_missing_file_is_not_used(place, record):
    with record() as graph:
        for name in ("missing", "nowhere/missing", "nul\0byte", "x" * 5000, "\ud800", ""):
            with pytest.raises((OSError, ValueError)):
                open(name)
        with pytest.raises((OSError, ValueError)):
            open("nowhere/missing", "w")
    assert graph.files() == []
    assert graph.dropped == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become someone else")
def test_a_file_that_may_not_be_read_or_written_is_neither(record):
    # Not in a folder of pytest's: each pytest that begins takes the way into those away from others.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)
        with contextlib.chdir(folder):
            old("secret").chmod(0o600)
            old("public").chmod(0o644)
            os.mkdir("closed", 0o700)
            old("closed/inside").chmod(0o666)
            graph = opened_by_someone_else(record)
    assert graph.files() == ["public"]
    assert graph.generations() == []


def opened_by_someone_else(record):
    with record() as graph:
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                open("secret")
            with pytest.raises(PermissionError):
                open("secret", "w")
            with pytest.raises(PermissionError):
                open("public", "a")
            for name in ("closed/inside", "new"):
                with pytest.raises(PermissionError):
                    open(name, "w")
            Path("public").read_text()
        finally:
            os.seteuid(0)
        # Who may, does it without being seen.
        subprocess.run(["touch", "new"], check=True)
    return graph


def test_an_exclusive_open_that_fails_touches_nothing(place, record):
    old("a")
    with record() as graph, pytest.raises(FileExistsError):
        open("a", "x")
    assert graph.files() == []


@pytest.mark.parametrize(
    "name", ["with space", "quo'te\"d", "new\nline", "größe-文", b"bad\xff\xfebytes", "-", "%41", "trailing "]
)
def test_odd_names(name, place, record):
    with record() as graph:
        with trilha.step("write"), open(name, "w") as file:
            file.write("x")
        with trilha.step("read"), open(name) as file:
            file.read()
    label = "bad%FF%FEbytes" if isinstance(name, bytes) else name
    assert graph.generations() == [(label, "write")]
    assert graph.usages() == [("read", label)]
    assert graph.one(label)["path"] == [f"{place}/{label}"]


def test_relative_paths_after_a_change_of_folder(place, record):
    os.mkdir("sub")
    with record() as graph:
        Path("a").write_text("x")
        os.chdir("sub")
        Path("../a").read_text()
        Path("a").write_text("y")
    assert len(graph.versions(place / "a")) == 1
    assert len(graph.versions(place / "sub/a")) == 1


def test_a_working_folder_that_is_gone_disturbs_nothing(place, record):
    os.mkdir("sub")
    with record() as graph:
        os.chdir("sub")
        os.rmdir(place / "sub")
        with pytest.raises(FileNotFoundError):
            open("a", "w")
        (place / "b").write_text("x")
        os.chdir(place)
    assert graph.files() == ["b"]
    assert graph.dropped == 0


def test_paths_relative_to_an_open_folder(place, record):
    os.mkdir("sub")
    old("sub/a")
    old("a", "not this")
    with record() as graph:
        Path("sub/a").read_text()
        Path("a").read_text()
        folder = os.open("sub", os.O_RDONLY)
        os.rename("a", "b", src_dir_fd=folder, dst_dir_fd=folder)
        os.remove("b", dir_fd=folder)
        os.close(folder)
        Path("a").read_text()
    ((gone, by),) = [(one[2], one[3]) for one in graph.of(Kind.INVALIDATION)]
    assert graph.about[gone]["path"] == [str(place / "sub/a"), str(place / "sub/b")]
    assert by


def test_the_store_is_never_recorded(place, record):
    with record() as graph:
        for path in list((place.parent / "store").rglob("*.journal")):
            path.read_bytes()
        (place.parent / "store" / "other").write_text("x")
    assert graph.files() == []


def run_script(folder, source, *, check=True, environment=None):
    script = folder / "script.py"
    script.write_text(textwrap.dedent(source))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA_")}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**kept, "TRILHA_STORE": str(folder.parent / "store"), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not check or done.returncode == 0, done.stderr
    return done, Graph(folder.parent / "store")


def test_the_interpreter_and_packages_are_left_out_but_for_their_data(place):
    (place / "local.py").write_text("VALUE = 1\n")
    for _ in range(2):
        shutil.rmtree(place.parent / "store", ignore_errors=True)
        _, graph = run_script(
            place,
            """
            import trilha
            with trilha.run("data"):
                import wave, json.tool, sklearn.datasets, local
                with trilha.step("load"):
                    sklearn.datasets.load_digits()
            """,
        )
        # Compiled or not, a module of the program's own is read as its source.
        assert graph.files() == ["digits.csv.gz", "digits.rst", "local.py"]
    members = {graph.label(one[3]): one[2] for one in graph.of(Kind.MEMBERSHIP)}
    assert set(members) == {"digits.csv.gz", "digits.rst"}
    package = members["digits.csv.gz"]
    assert package.startswith("pkg:pypi/scikit-learn@")
    assert ("load_digits", "digits.csv.gz") in graph.usages()
    assert any(one[3] == package for one in graph.of(Kind.USAGE))


def test_a_killed_process_has_told_of_what_it_wrote(run_program, store):
    program = """
    import time, trilha
    trilha.run("killed").__enter__()
    with trilha.step("save"):
        open("in_step", "w").write("x")
    open("in_run", "w").write("x")
    kept = open("kept_open", "w")
    time.sleep(60)
    """
    running = run_program(program, wait=False)
    # A file that was written is taken for whole when it has been closed for a while.
    while len(found := Graph(store.folder, growing=True).generations()) < 2:
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.communicate()
    assert sorted(found) == [("in_run", "run"), ("in_step", "save")]
    assert sorted(Graph(store.folder).generations()) == sorted(found)


def test_a_script_with_audit_hooks_and_an_open_of_its_own_runs_as_ever(place):
    done, graph = run_script(
        place,
        """
        import builtins, os, sys, trilha
        told = []
        def hook(event, args):
            if event.startswith("os.") and "/proc" in repr(args):
                told.append((event, args))
            if event == "open" and str(args[0]).endswith("forbidden"):
                raise PermissionError("no " + args[0])
        with trilha.run("hooks"):
            with open("a", "w") as file:
                file.write("x")
            sys.addaudithook(hook)
            real = builtins.open
            def mine(*args, **kwargs):
                print("opened", os.path.basename(str(args[0])))
                return real(*args, **kwargs)
            builtins.open = mine
            os.stat = os.access = os.readlink = None
            open("a").close()
            try:
                open("forbidden", "w")
            except PermissionError as error:
                print(error)
            with trilha.step("step"):
                open("b", "w").close()
        print(told)
        """,
    )
    assert done.stdout.splitlines() == ["opened a", "opened forbidden", "no forbidden", "opened b", "[]"]
    assert done.stderr == ""
    assert graph.files() == ["a", "b"]
    assert graph.dropped == 0


def test_locks_of_the_program_stay_its_own(place):
    done, graph = (
        run_script(
            place,
            """
        import fcntl, os, subprocess, sys, time, trilha
        CHECK = '''
        import fcntl, sys
        try:
            fcntl.lockf(open("locked", "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
            print("lost")
        except OSError:
            print("held")
        '''
        import textwrap
        with trilha.run("locks"):
            file = open("locked", "r+")
            fcntl.lockf(file, fcntl.LOCK_EX)
            with trilha.step("use"):
                trilha.use("locked")
                file.write("changed")
                file.flush()
                trilha.produce("locked")
            time.sleep(0.2)
            subprocess.run([sys.executable, "-c", textwrap.dedent(CHECK)])
        subprocess.run([sys.executable, "-c", textwrap.dedent(CHECK)])
        """,
            check=False,
        )
        if old(place / "locked", "content")
        else None
    )
    assert done.stdout.split() == ["held", "held"], done.stderr
    told = [facts["unhashed"] for facts in graph.versions(place / "locked")]
    assert ["the program holds a lock on the file"] in told


def test_a_fork_keeps_what_the_parent_writes_the_parents(place):
    _, graph = run_script(
        place,
        """
        import os, trilha
        with trilha.run("fork"):
            file = open("parents", "w")
            child = os.fork()
            if not child:
                open("childs", "w").write("x")
                trilha.produce("childs")
                os._exit(0)
            os.waitpid(child, 0)
            file.write("x")
            file.close()
        """,
    )
    assert sorted(graph.generations()) == [("childs", "run"), ("parents", "run")]


def test_what_a_forked_child_wrote_last_is_whole_and_known_by_its_content(place):
    _, graph = run_script(
        place,
        """
        import os, trilha
        with trilha.run("fork"):
            child = os.fork()
            if not child:
                open("childs", "w").write("x")
                os._exit(0)
            os.waitpid(child, 0)
            trilha.use("childs")
        """,
    )
    assert graph.generations() == [("childs", "run")]
    assert [facts["sha256"] for facts in graph.versions(place / "childs")] == [
        [hashlib.sha256(b"x").hexdigest()]
    ] * 2


def test_what_was_read_while_a_file_was_written_went_into_it_and_what_was_read_later_did_not(place):
    """All within one tick of the file system's clock, mostly."""
    for number in range(3):
        (place / f"part{number}").write_text(f"part {number}")
    _, graph = run_script(
        place,
        """
        import os, trilha
        def put_together(target, *parts):
            with open(target, "w") as whole:
                for part in parts:
                    whole.write(open(part).read())
        with trilha.run("parts"):
            put_together("all", "part0", "part1")
            put_together("new", "part2")
            os.replace("new", "renamed")
            open("alone", "w").write("nothing was read")
        """,
    )
    read = {graph.label(record[3]): record[4] for record in graph.of(Kind.USAGE)}
    made = {graph.label(record[2]): record[4] for record in graph.of(Kind.GENERATION)}
    assert read["part0"] < read["part1"] <= made["all"] < read["part2"] <= made["renamed"], (read, made)
    assert made["alone"] >= made["renamed"]


def test_threads_that_write_at_once(place, record):
    def work(number):
        with trilha.step(f"step {number}"):
            for index in range(20):
                Path(f"{number}-{index}").write_text("x")
                Path(f"{number}-{index}").read_text()
                os.replace(f"{number}-{index}", f"{number}-{index}.done")

    with record() as graph:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(graph.generations()) == sorted(
        (f"{number}-{index}.done", f"step {number}") for number in range(6) for index in range(20)
    )
    assert graph.dropped == 0
