"""A module that only wraps another one is recorded as that."""

import subprocess
import sys

import pytest
from tests.capture.conftest import program_environment
from tests.capture.graph import Graph
from tests.capture.launching import LAUNCHER

SCRIPT = """
import torch, trilha
from torch import nn
torch.set_num_threads(1)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(2, 2)
    def forward(self, x):
        return self.out(x)
net = Net()
wrapped = WRAP
optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
with trilha.step("train", model=wrapped):
    for _ in range(3):
        optimizer.zero_grad()
        wrapped(torch.ones(4, 2)).sum().backward()
        optimizer.step()
torch.save(SAVED, "model.pt")
"""


@pytest.mark.parametrize(
    ("wrap", "saved"),
    [
        ("torch.compile(net, backend='eager')", "net.state_dict()"),
        ("torch.compile(net, backend='eager')", "wrapped.state_dict()"),
        ("nn.DataParallel(net)", "wrapped"),
    ],
)
def test_a_model_that_is_wrapped_is_one_model(wrap, saved, tmp_path):
    (tmp_path / "s.py").write_text(SCRIPT.replace("WRAP", wrap).replace("SAVED", saved))
    words = [sys.executable, LAUNCHER, f"--store={tmp_path / 'store'}", "--grain=file", "--", "s.py"]
    environment = program_environment(tmp_path / "store", {"OMP_NUM_THREADS": "1"})
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    graph = Graph(tmp_path / "store")
    models = graph.labels("Model")
    assert models[0] == "Net"
    assert not any("Optimized" in label or "DataParallel" in label for label in graph.labels())
    assert ("train", "Net") in graph.usages()
    [source] = [used for made, used in graph.derivations() if made == "model.pt"]
    assert source == models[-1] != "Net"
