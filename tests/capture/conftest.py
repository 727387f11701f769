"""What the tests of capture share: programs run in processes of their own, and journals read again."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from uuid import uuid4

import pytest
from tests.compiled import compiled, loaded

import trilha
from trilha.capture import compiled as in_c
from trilha.capture.journal import Head, read
from trilha.capture.journal.writer import encode, open_file
from trilha.prov import Kind, Record

T = "https://w3id.org/trilha/ns#"
P = "http://www.w3.org/ns/prov#"


class Store:
    """A store's folder, read as its journals tell it."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def paths(self):
        return sorted(self.folder.glob("journals/*/*.journal"))

    def journals(self):
        """All journals, that of the first process of a run before those of the others."""
        return sorted(map(read, self.paths()), key=lambda journal: journal.head.started)

    def records(self, kind=None):
        found = [event for journal in self.journals() for event in statements(journal)]
        return [record for record in found if kind is None or record.kind is kind]

    def run(self):
        """All that is said of the run's own activity, as a dict without prefixes."""
        about = {}
        for record in self.records(Kind.ACTIVITY):
            if record.id.endswith("#run"):
                about |= {key.rpartition("#")[2]: value for key, value in record.attributes}
        return about

    def labels(self):
        return [record.value(P + "label") for record in self.records() if record.value(P + "label")]


def statements(journal):
    """The records of a journal, which must be undamaged."""
    found = [event for _, event in journal.events() if isinstance(event, Record)]
    assert not journal.damage
    return found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def twice(tmp_path, store):
    """Runs scripts by Python alone and by the launcher, in a folder of their own."""
    from tests.capture.launching import Twice

    folder = tmp_path / "work"
    folder.mkdir()
    return Twice(folder, store)


@pytest.fixture
def run_program(tmp_path, store):
    """Runs source text as a script of its own, with Trilha's store in `store`; gives what came of it."""

    def run(source, *, interpreter=(), environment=None, check=True, wait=True, **how):
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        environment = program_environment(store.folder, environment)
        words = [sys.executable, *interpreter, str(script)]
        if not wait:
            return subprocess.Popen(
                words,
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **how,
            )
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, **how
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def program_environment(folder, more=None):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA_")}
    # On a busy machine a program may have to wait for the hashes of its files; that would be a warning.
    ours = {"TRILHA_STORE": str(folder), "TRILHA_HASH_SECONDS": "60"}
    return {**kept, **ours, "PYTHONFAULTHANDLER": "1", **(more or {})}


@pytest.fixture(scope="session")
def training_library(tmp_path_factory):
    """`trilha_training`, compiled from its source: the path of the library."""
    return compiled("trilha_training", tmp_path_factory.mktemp("training"))


def log_as_it_is():
    """`trilha.log` as `trilha.capture.compiled` makes it now."""
    spec = importlib.util.find_spec("trilha.capture.api")
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    return again.log


@pytest.fixture(params=["python", "c"])
def both_ways(request, monkeypatch):
    """Has `trilha.log` and the hook after steps be in Python, then in C."""
    training = loaded(request.getfixturevalue("training_library")) if request.param == "c" else None
    monkeypatch.setattr(in_c, "training", training)
    monkeypatch.setattr(trilha, "log", log_as_it_is())
    return request.param


@pytest.fixture
def journal_file(tmp_path):
    """Makes journal files that hold a head and nothing else yet."""
    made = []

    def make(*, folder=None, bases=((1, "urn:run#"),), **how):
        head = Head(version=1, run=str(uuid4()), uid=str(uuid4()), bases=bases)
        complaints = []
        file = open_file(str(folder or tmp_path / "journals"), head, complaints.append, **how)
        file_and_complaints = file, complaints
        made.append(file)
        return file_and_complaints

    yield make
    for file in made:
        file.close()


def entity(number, *attributes):
    """The payload of an entity's statement."""
    return encode((1, number, attributes))


def numbers(journal):
    """The local parts of the identifiers of a journal's records, as numbers, in order."""
    return [int(event.id.rpartition("#")[2]) for _, event in journal.events()]
