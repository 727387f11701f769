"""Distributed training with PyTorch: one run, one journal a rank, each rank an activity.

The scripts know nothing of Trilha. Ranks talk by gloo on this machine.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.capture.conftest import Store, program_environment
from tests.capture.graph import Graph
from tests.capture.launching import LAUNCHER

import trilha
from trilha.prov import Kind

TRAIN = """
import os, sys, torch, torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
torch.set_num_threads(1)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(4, 2)
    def forward(self, x):
        return self.out(x)
def train(rank=-1, size=-1, file="", stop=""):
    with open("labels") as source:
        source.read()
    if rank < 0:
        dist.init_process_group("gloo")
    else:
        dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(16, 4), torch.arange(16) % 2)
    loader = DataLoader(data, batch_size=4, sampler=DistributedSampler(data))
    net = DistributedDataParallel(Net())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        for a, b in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(a), b).backward()
            optimizer.step()
        if stop and epoch == 0:
            open(f"done {dist.get_rank()}", "w").close()
            import time; time.sleep(200)
    if dist.get_rank() == 0:
        torch.save(net.module.state_dict(), "model.pt")
        import subprocess
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    dist.destroy_process_group()
if __name__ == "__main__":
    if len(sys.argv) > 2:
        import torch.multiprocessing as mp
        mp.start_processes(train, (2, sys.argv[2]), nprocs=2, start_method=sys.argv[1])
    else:
        train(stop="".join(sys.argv[1:]))
"""
TORCHRUN = ["torch.distributed.run", "--nproc_per_node=2", "--standalone"]


@pytest.fixture
def begin(tmp_path):
    """Starts a command line of Python's under the launcher, beside the script ``train.py``."""
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "labels").write_text("0 1")
    environment = program_environment(tmp_path / "store")
    environment |= {"OMP_NUM_THREADS": "1", "TORCHELASTIC_ERROR_FILE": "", "MASTER_ADDR": "127.0.0.1"}

    def start(*words):
        launcher = [LAUNCHER, f"--store={tmp_path / 'store'}", "--grain=file", "--"]
        words = [sys.executable, *launcher, *map(str, words)]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(words, cwd=tmp_path, env=environment, **how)

    return start


@pytest.fixture
def run(begin, tmp_path):
    """Runs it to its end, which must be a good one; gives the graph."""

    def to_the_end(*words):
        running = begin(*words)
        _, errors = running.communicate(timeout=120)
        assert running.returncode == 0, errors
        return checked(tmp_path)

    return to_the_end


def checked(tmp_path):
    """The graph of the one run, which is a valid document."""
    [uuid] = {journal.head.run for journal in Store(tmp_path / "store").journals()}
    with trilha.open(tmp_path / "store") as opened:
        assert opened.document(uuid).validate().valid
    return Graph(tmp_path / "store")


def trainings(graph):
    """Label of the rank that each training was started in."""
    return sorted(
        graph.label(record[4])
        for record in graph.of(Kind.START)
        if "https://w3id.org/trilha/ns#Training" in graph.about[record[2]]["type"]
    )


def test_torchrun_is_one_run_in_which_each_rank_is_an_activity(run, tmp_path):
    graph = run("-m", *TORCHRUN, "train.py")
    assert len(Store(tmp_path / "store").paths()) == 4  # of the launcher, the ranks, and what one starts
    for rank in (0, 1):
        about = graph.one(f"rank {rank}", "Rank")
        assert (about["rank"], about["world_size"], about["local_rank"]) == ([rank], [2], [rank])
        assert graph.starters()[f"rank {rank}"] == "run"
        assert (f"rank {rank}", "labels") in graph.usages()
        assert about["id"][0] in graph.ended
    assert trainings(graph) == ["rank 0", "rank 1"]
    assert ("model.pt", "rank 0") in graph.generations()
    assert graph.run["status"] == ["finished"]
    # The model is the one that is wrapped.
    assert set(graph.labels("Model")) == {"Net", "Net after epoch 1", "Net after epoch 2"}
    assert ("model.pt", "Net after epoch 2") in graph.derivations()
    assert not any("DistributedDataParallel" in label for label in graph.labels())


def test_torchrun_that_a_script_starts_is_an_activity_that_starts_the_ranks(run, tmp_path):
    source = f"import subprocess, sys\nsubprocess.run([sys.executable, '-m', *{TORCHRUN}, 'train.py'])\n"
    (tmp_path / "start.py").write_text(source)
    graph = run("start.py")
    assert graph.starters()["rank 0"] == graph.starters()["rank 1"] == "torch.distributed.run"
    assert graph.starters()["torch.distributed.run"] == "run"


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_of_torch_multiprocessing_are_ranks_from_their_group_on(method, run, tmp_path):
    graph = run("train.py", method, tmp_path / "group")
    for rank in (0, 1):
        about = graph.one(f"rank {rank}", "Rank")
        assert (about["rank"], about["world_size"]) == ([rank], [2])
        assert graph.starters()[f"rank {rank}"] == "run"
    assert trainings(graph) == ["rank 0", "rank 1"]
    assert ("model.pt", "rank 0") in graph.generations()
    assert graph.starters()["python -c"] == "rank 0"


def made_so_far(tmp_path):
    return {made for made, _ in Graph(tmp_path / "store", growing=True).generations()}


def test_a_killed_rank_leaves_the_others_record_whole_and_the_status_truthful(begin, tmp_path):
    running = begin("-m", *TORCHRUN, "train.py", "stop")
    while not all((tmp_path / f"done {rank}").exists() for rank in (0, 1)):
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    # A file that was written is taken for whole when it has been closed for a while.
    while not {"done 0", "done 1"} <= made_so_far(tmp_path):
        assert running.poll() is None, running.communicate()
        time.sleep(0.05)
    for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split():
        if b"RANK=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            os.kill(int(pid), signal.SIGKILL)
    running.communicate(timeout=60)
    assert running.returncode == 1
    graph = checked(tmp_path)
    assert graph.run["status"] == ["failed"]
    assert "ChildFailedError" in graph.run["exception"][0]
    assert len(graph.labels("Rank")) == 2
    assert graph.id("rank 1") not in graph.ended
    # The epoch that had ended for each rank is there, of the killed one too.
    epochs = graph.all("epoch 1", "Epoch")
    assert len(epochs) == 2
    assert set(epochs) <= graph.ended
    assert {"done 0", "done 1"} <= set(graph.labels())


def test_the_example_trains_one_model_on_two_ranks(run, tmp_path):
    example = Path(__file__).resolve().parents[3] / "examples" / "distributed_digits.py"
    graph = run("-m", *TORCHRUN, example, "--epochs=2", "--out=out.pt")
    assert trainings(graph) == ["rank 0", "rank 1"]
    assert ("out.pt", "rank 0") in graph.generations()
    assert ("out.pt", "Sequential after epoch 2") in graph.derivations()
