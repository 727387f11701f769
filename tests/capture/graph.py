"""What was recorded, as a graph that is asked by labels: for tests of what capture states."""

import contextlib
import warnings
from collections import defaultdict
from pathlib import Path

import trilha
from trilha.capture import session
from trilha.capture.context import process
from trilha.capture.journal import Block, Rows, read
from trilha.errors import JournalError
from trilha.prov import Kind, Record

T = "https://w3id.org/trilha/ns#"
P = "http://www.w3.org/ns/prov#"


class Graph:
    """All journals of a store's folder, read when it is first asked.

    Where they are written to meanwhile (`growing`), it is what is whole in them.
    """

    def __init__(self, folder, *, growing=False):
        self.folder = Path(folder)
        self._read, self._growing = False, growing

    def __getattr__(self, name):
        if self._read or name.startswith("_"):
            raise AttributeError(name)
        self._load()
        return getattr(self, name)

    def _load(self):
        self._read = True
        self.records, self.blocks, self.rows = [], [], []
        for journal in self._journals():
            for _, event in journal.events():
                if isinstance(event, Record):
                    self.records.append(event)
                else:
                    {Block: self.blocks, Rows: self.rows}[type(event)].append(event)
            assert self._growing or not journal.damage
        self.about = defaultdict(lambda: defaultdict(list))
        self.ended = set()
        for record in self.records:
            if record.kind in (Kind.ENTITY, Kind.ACTIVITY, Kind.AGENT):
                facts = self.about[record.id]
                for key, value in record.attributes:
                    facts[str(key).removeprefix(T).removeprefix(P)].append(value)
                if record.kind is Kind.ACTIVITY and record[3] is not None:
                    self.ended.add(record.id)

    def _journals(self):
        for path in sorted(self.folder.glob("journals/*/*.journal")):
            try:
                yield read(path)
            except JournalError:
                if not self._growing:
                    raise

    def of(self, kind):
        """The statements of a kind, but for those about changes since the commit."""
        return [
            record for record in self.records if record.kind is kind and not self._is_difference(record[2])
        ]

    def label(self, name):
        """The last label of a thing: what it is called now."""
        if str(name).endswith("#run"):
            return "run"
        return (self.about[name].get("label") or [str(name)])[-1]

    def all(self, label, kind=None):
        """The identifiers of everything that has this label."""
        return [
            one
            for one, facts in list(self.about.items())
            if label in facts["label"] and (kind is None or T + kind in facts["type"])
        ]

    def one(self, label, kind=None):
        found = self.all(label, kind)
        assert len(found) == 1, f"{len(found)} are called {label!r}: {self.labels()}"
        return self.about[found[0]] | {"id": [found[0]]}

    def id(self, label, kind=None):
        return self.one(label, kind)["id"][0]

    def labels(self, kind=None):
        return [
            facts["label"][-1]
            for facts in list(self.about.values())
            if facts["label"] and (kind is None or T + kind in facts["type"])
        ]

    def usages(self):
        """Pairs of labels: activity and the entity that it used; packages, commits and scripts left out."""
        return [
            (self.label(record[2]), self.label(record[3]))
            for record in self.of(Kind.USAGE)
            if str(record[3]).startswith("urn:") and not self._is_difference(record[3])
        ]

    def _is_difference(self, name):
        return T + "Diff" in self.about[name]["type"]

    def generations(self):
        """Pairs of labels: entity and the activity that generated it, metrics left out."""
        return [
            (self.label(record[2]), self.label(record[3]))
            for record in self.of(Kind.GENERATION)
            if T + "Metrics" not in self.about[record[2]]["type"]
        ]

    def derivations(self):
        return [
            (self.label(record[2]), self.label(record[3]))
            for record in self.of(Kind.DERIVATION)
            if not self._is_difference(record[2])
        ]

    def starters(self):
        return {self.label(record[2]): self.label(record[4]) for record in self.of(Kind.START)}

    @property
    def run(self):
        return next(facts for name, facts in self.about.items() if str(name).endswith("#run"))

    def about_run(self):
        """UUID of the run."""
        return next(str(name) for name in self.about if str(name).endswith("#run"))[
            len("urn:uuid:") : -len("#run")
        ]

    @property
    def dropped(self):
        return sum(self.run.get("dropped", [0]))

    def files(self):
        return sorted(self.labels("File"))

    def versions(self, path):
        """The facts of the files that were at `path`, in the order in which they were met."""
        return [
            facts
            for facts in self.about.values()
            if str(path) in facts["path"] and T + "File" in facts["type"]
        ]

    def metrics(self):
        """All rows, as dicts, by the names of their columns; without the time."""
        found = []
        layouts = {block.number: block for block in self.blocks}
        for rows in self.rows:
            block = layouts[rows.block]
            for values in block.row.iter_unpack(rows.data):
                row = dict(zip([name for name, _ in block.columns], values, strict=True))
                row.pop("time")
                found.append(row)
        return found


def is_told_of(folder, label):
    """Whether the journals of a store, which may be written to meanwhile, tell of something called so."""
    return any(
        label in [value for _, value in record.attributes] for record in Graph(folder, growing=True).records
    )


@contextlib.contextmanager
def recording(folder, **attributes):
    """Record the body as a run in this process; gives the graph, to be asked afterwards. Nothing may warn."""
    graph = Graph(folder)
    if process.recorder is not None:
        session.finish()
        raise AssertionError("another test has left a run open")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with trilha.run("test", store=folder, **attributes):
            yield graph
