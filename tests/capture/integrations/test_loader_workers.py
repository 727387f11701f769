"""Workers of PyTorch's data loaders: what they read is used, and they state nothing that is not theirs."""

import subprocess
import sys

import pytest
from tests.capture.conftest import Store, program_environment
from tests.capture.graph import Graph
from tests.capture.launching import LAUNCHER

import trilha
from trilha.prov import Kind

TRAIN = """
import sys, torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
class Files(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        with open(f"sample {index}") as file:
            number = float(file.read())
        return torch.full((2,), number), index % 2
if __name__ == "__main__":
    torch.set_num_threads(1)
    net = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = DataLoader(Files(), 4, num_workers=2, multiprocessing_context=sys.argv[1])
    for epoch in range(int(sys.argv[2])):
        for a, b in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(a), b).backward()
            optimizer.step()
"""


@pytest.fixture
def graph(tmp_path):
    """Runs the training by a way to start workers, for some epochs; gives the graph."""
    (tmp_path / "train.py").write_text(TRAIN)
    for number in range(8):
        (tmp_path / f"sample {number}").write_text(str(number))

    def run(*arguments):
        launcher = [LAUNCHER, f"--store={tmp_path / 'store'}", "--grain=file", "--", "train.py"]
        environment = program_environment(tmp_path / "store", {"OMP_NUM_THREADS": "1"})
        words = [sys.executable, *launcher, *arguments]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
        )
        assert (done.returncode, done.stderr) == (0, "")
        [uuid] = {journal.head.run for journal in Store(tmp_path / "store").journals()}
        with trilha.open(tmp_path / "store") as opened:
            assert opened.document(uuid).validate().valid
        return Graph(tmp_path / "store")

    return run


@pytest.mark.parametrize(("method", "epochs"), [("fork", 3), ("forkserver", 2), ("spawn", 1)])
def test_the_samples_that_workers_read_are_used_by_the_run_once(method, epochs, graph):
    found = graph(method, str(epochs))
    for number in range(8):
        assert found.usages().count(("run", f"sample {number}")) == 1
        assert len(found.one(f"sample {number}")["sha256"]) == 1
    assert "dropped" not in found.run


def test_workers_do_not_end_the_training_of_their_parent(graph):
    found = graph("fork", "3")
    ends = [
        record[2] if record.kind is Kind.END else record.id
        for record in found.records
        if record.kind is Kind.ACTIVITY and record.end is not None
    ]
    assert len(ends) == len(set(ends))
    assert len(found.labels("Epoch")) == 3
    generated = [record[2] for record in found.of(Kind.GENERATION)]
    assert len(generated) == len(set(generated))
