"""What the tests of importing share: a store to import into, whose runs are asked as any run is."""

import subprocess
import sys
from pathlib import Path

import pytest

import trilha.store
from trilha.importing import bring
from trilha.prov import Kind
from trilha.query.runs import runs

_MAIN = "from trilha.cli import main; main()"
T = "https://w3id.org/trilha/ns#"
P = "http://www.w3.org/ns/prov#"


class Imported:
    """A store, and what imports into it said."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def bring(self, kind, *paths):
        """Import; gives the report."""
        return bring(kind, [str(path) for path in paths], str(self.folder))

    def runs(self):
        with trilha.store.open(self.folder) as store:
            return runs(store)

    def document(self, uuid, points="summary"):
        """The document of a run, which must be valid."""
        with trilha.store.open(self.folder) as store:
            document = store.document(uuid, points=points)
        verdict = document.validate()
        assert str(verdict) == "valid", verdict
        return Told(document)

    def cli(self, *words, check=True):
        """What the command line prints."""
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, "--store", str(self.folder), *words],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stderr
        return done


class Told:
    """A document, asked by labels."""

    def __init__(self, document):
        self.document = document
        self.records = list(document)
        self._about = {}
        for one in self.records:
            if one.kind <= Kind.AGENT:
                facts = self._about.setdefault(one.id, {})
                for key, value in one.attributes:
                    facts.setdefault(key.removeprefix(T).removeprefix(P), []).append(value)

    def all(self, kind):
        """Facts of all things of a type of Trilha's."""
        return [facts for facts in self._about.values() if T + kind in facts.get("type", ())]

    def one(self, kind, label=None):
        found = [facts for facts in self.all(kind) if label is None or label in facts.get("label", ())]
        assert len(found) == 1, found
        return found[0]

    def label(self, name):
        return self._about.get(name, {}).get("label", [str(name)])[0]

    def pairs(self, kind, first=0, second=1):
        """Labels of the two ends of all relations of a kind."""
        return [
            (self.label(one.arguments[first]), self.label(one.arguments[second]))
            for one in self.records
            if one.kind is kind and one.arguments[first] and one.arguments[second]
        ]

    def hyperparameters(self):
        return {one["name"][0]: one.get("value", [None])[0] for one in self.all("Hyperparameter")}

    def common(self):
        return {one["common"][0]: one["value"][0] for one in self.all("Hyperparameter") if "common" in one}


@pytest.fixture
def store(tmp_path):
    return Imported(tmp_path / "store")
