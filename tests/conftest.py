"""What tests of several rooms share: journals written by the real writer, and golden files."""

import gc
import itertools
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid5

import msgspec
import pytest

from trilha.capture.journal.frames import EXT_NAME, ROWS_BYTE, ROWS_HEAD, VERSION, Head
from trilha.capture.journal.writer import encode, open_file

SECOND = 1_000_000_000
EPOCH = 1_795_219_200 * SECOND  # 2026-11-21 00:00 UTC
_FAMILY = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew instead of comparing"
    )


def pytest_collection_finish():
    """What all tests imported stays to the end: the collector need not go through it again and again."""
    # From Python 3.14 on, Hypothesis does not find who holds its random numbers among what is passed over.
    if sys.version_info < (3, 14):
        gc.collect()
        gc.freeze()


@pytest.fixture
def golden(request):
    """Compares a text with tests/golden/<name>; with --update-golden writes it."""

    def compare(name, text):
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing: run pytest --update-golden and look at it"
        assert text == path.read_text(encoding="utf-8")

    return compare


def name(text):
    """A qualified name as the value of an attribute."""
    return msgspec.msgpack.Ext(EXT_NAME, text.encode())


class Writing:
    """Writes one journal, statement by statement, with numbers and times that are the same each time."""

    def __init__(
        self, store, seed, *, process="main", parent=None, host="node7", start=0, alive=False, tag=""
    ):
        self.run = str(uuid5(_FAMILY, seed))
        self.uid = str(uuid5(_FAMILY, f"{seed}/{process}"))
        prefix = f"urn:uuid:{self.run}#"
        self.prefix = prefix
        self.numbers = itertools.count(1)
        self.now = EPOCH + start * SECOND
        from trilha.capture.machine import boot_id, process_start

        pid = os.getpid() if alive else 1 << 22
        head = Head(
            version=VERSION,
            run=self.run,
            uid=self.uid,
            parent=parent,
            host=host,
            boot=boot_id(),
            pid=pid,
            process_start=process_start(pid) if alive else 1,
            started=self.now,
            bases=((1, prefix + tag),),
        )
        self.complaints = []
        self.file = open_file(str(Path(store) / "journals" / self.run), head, self.complaints.append)
        self.path = Path(self.file.path)
        self.blocks = {}

    def tick(self, seconds=1.0):
        """Let time go by; gives the new time."""
        self.now += int(seconds * SECOND)
        return self.now

    def say(self, *cells):
        """Append a statement: ``(kind, id, argument…, (key, value, …))``."""
        self.file.append(encode(cells))

    def begin(self, label, *more):
        """The run's own activity starts."""
        self.act = self.prefix + "run"
        attributes = (
            "prov:type",
            name("trilha:Run"),
            "prov:label",
            label,
            "trilha:command",
            f"python {label}.py",
        )
        self.say(2, self.act, self.now, None, (*attributes, *more))
        return self.act

    def end(self, status="finished", *more):
        """The run's own activity ends."""
        self.say(2, self.act, None, self.tick(), ("trilha:status", status, *more))

    def step(self, label, within=None, *more):
        """A step starts; gives its number."""
        number = next(self.numbers)
        at = self.tick()
        self.say(2, number, at, None, ("prov:type", name("trilha:Step"), "prov:label", label, *more))
        self.say(7, None, number, None, within or self.act, at, ())
        return number

    def done(self, number):
        """A step ends."""
        self.say(2, number, None, self.tick(), ())

    def entity(self, label, *more, type="trilha:Object"):
        """An entity; gives its number."""
        number = next(self.numbers)
        self.say(1, number, ("prov:type", name(type), "prov:label", label, *more))
        return number

    def met_file(self, path, content, *, hashed=True, size=None):
        """A file as it was met; gives its number."""
        import hashlib

        data = content.encode() if isinstance(content, str) else content
        number = self.entity(
            os.path.basename(path),
            *("trilha:path", str(path), "trilha:size", len(data) if size is None else size),
            type="trilha:File",
        )
        if hashed:
            digest = hashlib.sha256(data).hexdigest()
            self.say(1, number, ("trilha:sha256", digest))
            self.say(1, f"sha256:{digest}", ("prov:type", name("trilha:Content"), "trilha:size", len(data)))
            self.say(15, None, number, f"sha256:{digest}", ())
        return number

    def uses(self, activity, entity, at=0, *more):
        """A usage, now unless `at` says otherwise (None: unknown); gives its number."""
        number = next(self.numbers)
        self.say(5, number, activity, entity, self.now if at == 0 else at, more)
        return number

    def makes(self, activity, entity, at=0):
        """A generation; gives its number."""
        number = next(self.numbers)
        self.say(4, number, entity, activity, self.now if at == 0 else at, ())
        return number

    def derives(self, made, used, activity=None, generation=None, usage=None):
        """A derivation."""
        self.say(10, None, made, used, activity, generation, usage, ())

    def metrics(self, activity, columns):
        """A block of metrics; gives its collection and number."""
        collection = self.entity("metrics", type="trilha:Metrics")
        self.makes(activity, collection, None)
        number = next(self.numbers)
        layout = [("time", "q"), *columns]
        self.file.append(
            encode({"block": {"number": number, "entity": collection, "kind": "metrics", "columns": layout}})
        )
        self.blocks[number] = struct.Struct("<q" + "".join(code for _, code in columns))
        return collection, number

    def row(self, block, *values):
        """A row of metrics."""
        self.file.append(ROWS_HEAD.pack(ROWS_BYTE, block) + self.blocks[block].pack(self.tick(0.5), *values))

    def close(self):
        """Cut the file after the last frame, as the end of a run does."""
        self.file.close()
        return self.run


@pytest.fixture
def writing(tmp_path):
    """Makes a `Writing` in the store ``tmp_path/.trilha``: ``writing("seed", …)``."""
    return lambda seed="one", store=tmp_path / ".trilha", **more: Writing(store, seed, **more)


@pytest.fixture
def digits():
    """Writes a small training run with all that a run has, through ``digits(writing("seed"), folder)``."""

    def write(w, folder="/data", *, label="digits", content="raw", model="weights", end=True):
        w.say(3, "acct:ana@node7", ("prov:type", name("prov:Person"), "prov:label", "ana"))
        machine = "urn:uuid:00000000-0000-5000-8000-000000000001"
        facts = (
            "prov:type",
            name("trilha:Machine"),
            "prov:label",
            "node7",
            "trilha:system",
            "Linux",
            "trilha:cores",
            8,
        )
        w.say(1, machine, (*facts, "trilha:memory", 64_000_000_000, "trilha:accelerator", "H200"))
        run = w.begin(label, "trilha:cwd", folder, "prov:location", name(machine))
        plan = "sha256:" + "ab" * 32
        w.say(
            1, plan, ("prov:type", name("prov:Plan"), "prov:label", f"{label}.py", "trilha:source", "print()")
        )
        w.say(12, None, run, "acct:ana@node7", plan, ())
        for iri, text in (
            ("pkg:generic/cpython@3.11.7", "CPython 3.11.7"),
            ("pypi:torch@2.13.0", "torch 2.13.0"),
        ):
            w.say(1, iri, ("prov:type", name("trilha:Package"), "prov:label", text))
            w.uses(run, iri, None)
        commit = "commit:" + "12" * 20
        w.say(
            1,
            commit,
            ("prov:type", name("trilha:Commit"), "prov:label", "121212121212", "trilha:branch", "main"),
        )
        w.uses(run, commit, None, "trilha:dirty", True)
        load = w.step("load", None, "trilha:arg.path", f"{folder}/digits.csv")
        raw = w.met_file(f"{folder}/digits.csv", content)
        w.uses(load, raw)
        table = w.entity("table", "trilha:python_type", "pandas.DataFrame", "trilha:shape", "1797×65")
        w.makes(load, table, w.tick())
        w.done(load)
        train = w.step("train")
        usage = w.uses(train, table)
        rate = w.entity("lr", "trilha:name", "lr", "prov:value", 0.01, type="trilha:Hyperparameter")
        w.uses(train, rate)
        _, block = w.metrics(train, [("epoch", "q"), ("loss", "d"), ("accuracy", "d")])
        for epoch in range(3):
            w.row(block, epoch, 1.0 / (epoch + 1), 0.5 + epoch / 10)
        net = w.entity("net", "trilha:parameters", 1234, type="trilha:Model")
        generation = w.makes(train, net, w.tick())
        w.derives(net, table, train, generation, usage)
        w.done(train)
        save = w.step("save")
        usage = w.uses(save, net)
        out = w.met_file(f"{folder}/model.pt", model)
        generation = w.makes(save, out, w.tick())
        w.derives(out, net, save, generation, usage)
        w.done(save)
        if end:
            w.end("finished", "trilha:exit_status", 0)
        return w.close()

    return write


@pytest.fixture(autouse=True)
def _fixed_zone(monkeypatch):
    """Times are printed in UTC, whatever the machine's zone."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("TRILHA_STORE", raising=False)
    time.tzset()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0777", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(words, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a file system needs the rights of root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)
