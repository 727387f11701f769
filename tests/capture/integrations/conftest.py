"""Scripts that train with PyTorch, recorded in a process of their own.

The scripts' training step is a generator, since plain functions of a script are steps of their own.
"""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest
from tests.capture.preloaded import Preloaded

import trilha.capture.launch
from trilha.capture.journal import Block, Rows, read
from trilha.prov import Kind, Name, Record

T = "https://w3id.org/trilha/ns#"
PROV = "http://www.w3.org/ns/prov#"

BEGIN = """
import copy, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
x = torch.randn(48, 4)
y = (x.sum(1) > 0).long()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.out = nn.Linear(8, 2)
    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))
def step(net, optimizer, a, b):
    yield optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(a), b)
    loss.backward()
    optimizer.step()
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
"""


class Graph:
    """The statements of one run, merged by identifier."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.types: dict[Name, set[str]] = {}
        self.attributes: dict[Name, dict[str, list[object]]] = {}
        for record in records:
            if record.kind.is_element and record.id is not None:
                found = self.attributes.setdefault(record.id, {})
                for key, value in record.attributes:
                    found.setdefault(str(key), []).append(value)
                    if key == PROV + "type":
                        self.types.setdefault(record.id, set()).add(str(value).replace(T, ""))

    def of_type(self, name: str) -> list[Name]:
        return [identifier for identifier, types in self.types.items() if name in types]

    def relations(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]

    def value(self, identifier: Name, name: str) -> object:
        found = self.attributes[identifier].get(T + name) or self.attributes[identifier][PROV + name]
        return found[0]

    def upstream(self, entity: Name) -> set[Name]:
        """All entities that `entity` is derived from, by stated derivations alone."""
        derived = [(record[2], record[3]) for record in self.relations(Kind.DERIVATION)]
        found, waiting = set(), [entity]
        while waiting:
            one = waiting.pop()
            for generated, used in derived:
                if generated == one and used not in found:
                    found.add(used)
                    waiting.append(used)
        return found

    def file(self, name: str) -> Name:
        """The last file recorded under that name."""
        return [one for one in self.of_type("File") if self.attributes[one][PROV + "label"][0] == name][-1]


@pytest.fixture(scope="session")
def torch_preloaded():
    """Runs programs that import PyTorch."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRILHA_")}
    # Optimisers import the second one when they are first used.
    libraries = "torch", "torch._dynamo"
    preloaded = Preloaded(*libraries, environment={**kept, "TZ": "UTC", "PYTHONWARNINGS": "default"})
    yield preloaded
    preloaded.close()


@pytest.fixture
def run(tmp_path: Path, torch_preloaded):
    def run_script(source: str, *, status: int | None = None) -> Graph:
        """Record a script; where it is to fail with a status, compare it with what it does by itself."""
        script = tmp_path / "script.py"
        script.write_text(BEGIN + dedent(source))
        store = tmp_path / "store"
        launcher = [trilha.capture.launch.__file__, f"--store={store}", "--grain=call", "--"]
        done = torch_preloaded.run(*launcher, script, cwd=tmp_path)
        assert done.returncode == (status or 0), done.stderr
        if status is not None:
            plain = torch_preloaded.run(script, cwd=tmp_path)
            assert (done.returncode, done.stdout, done.stderr) == (
                plain.returncode,
                plain.stdout,
                plain.stderr,
            )
        events = [event for path in store.glob("journals/*/*") for _, event in read(path).events()]
        graph = Graph([event for event in events if not isinstance(event, (Block, Rows))])
        (run,) = graph.of_type("Run")
        assert T + "dropped" not in graph.attributes[run]
        return graph

    return run_script
