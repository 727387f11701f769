"""Models that PyTorch shares out over ranks: recorded as what they are on all ranks together.

Two ranks talk by gloo on this machine; the script knows nothing of Trilha.
"""

import subprocess
import sys

import pytest
from tests.capture.conftest import Store, program_environment
from tests.capture.graph import Graph, T
from tests.capture.launching import LAUNCHER

import trilha

TRAIN = """
import warnings
warnings.filterwarnings("ignore")
import torch, torch.distributed as dist, torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType, fully_shard
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
torch.set_num_threads(1)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 7))
        self.out = nn.Linear(7, 2)
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("passing", torch.zeros(5), persistent=False)
    def forward(self, x):
        return self.out(self.body(x))
class Flat(Net): pass
class Views(Net): pass
class Whole(Net): pass
class Restored(Net): pass
class Copied(Net): pass
def train(net, name, data):
    optimizer = torch.optim.SGD([one for one in net.parameters() if one.requires_grad], lr=0.1)
    for epoch in range(2):
        for a, b in DataLoader(data, batch_size=4, sampler=DistributedSampler(data)):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(a), b)
            loss.backward()
            optimizer.step()
    if isinstance(net, FullyShardedDataParallel):
        with FullyShardedDataParallel.state_dict_type(net, StateDictType.FULL_STATE_DICT):
            state = net.state_dict()
    else:
        state = get_model_state_dict(net, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if dist.get_rank() == 0:
        torch.save(state, f"{name}.pt")
        print(name, loss.item(), sum(value.sum().item() for value in state.values()))
    dist.barrier()
dist.init_process_group("gloo")
torch.manual_seed(0)
data = TensorDataset(torch.randn(16, 4), torch.arange(16) % 2)
for kind, views in ((Flat, False), (Views, True)):
    net = kind()
    how = {"device_id": torch.device("cpu"), "use_orig_params": views}
    net.body = FullyShardedDataParallel(net.body, **how)
    train(FullyShardedDataParallel(net, **how), kind.__name__.lower(), data)
net = Whole()
net.out.requires_grad_(False)
fully_shard(net.body)
fully_shard(net)
train(net, "whole", data)
dcp.save({"model": get_model_state_dict(net), "epoch": 2}, checkpoint_id="both")
dist.barrier()
restored, copied = Restored(), Copied()
dcp.load({"model": restored.state_dict()}, checkpoint_id="both")
read = {"model": {name: value.clone() for name, value in copied.state_dict().items()}}
dcp.load(read, checkpoint_id="both")
copied.load_state_dict(read["model"])
assert all(torch.equal(one, two) for one, two in zip(restored.parameters(), copied.parameters()))
dist.barrier()
dist.destroy_process_group()
"""
TORCHRUN = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", "train.py"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The graph of the recorded training, and what it and a bare one printed."""
    printed = []
    for way in ("bare", "recorded"):
        folder = tmp_path_factory.mktemp(way)
        (folder / "train.py").write_text(TRAIN)
        launcher = (
            [LAUNCHER, f"--store={folder / 'store'}", "--grain=call", "--"] if way == "recorded" else []
        )
        environment = program_environment(folder / "store", {"OMP_NUM_THREADS": "1"})
        words = [sys.executable, *launcher, *TORCHRUN]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        assert "trilha" not in done.stderr
        printed.append(done.stdout)
    return folder, Graph(folder / "store"), printed


def test_a_training_that_is_recorded_gives_what_it_gives_without(trained):
    _, _, (bare, recorded) = trained
    assert recorded == bare
    assert len(bare.splitlines()) == 3


def test_what_starts_the_ranks_is_no_step_of_the_program(trained):
    _, graph, _ = trained
    assert not {"main", "run", "parse_args", "get_args_parser"} & set(graph.labels("Step"))


def test_a_model_is_described_as_it_is_on_all_ranks_together(trained):
    folder, graph, _ = trained
    whole = 4 * 7 + 7 + 7 * 7 + 7 + 7 * 2 + 2
    for label, trainable in (("Flat", whole), ("Views", whole), ("Whole", whole - 16)):
        described = [graph.about[one] for one in graph.all(label, "Model")]
        assert len(described) == 2  # one a rank
        for about in described:
            assert about["class"] == [f"__main__.{label}"]
            assert (about["parameters"], about["trainable"]) == ([whole], [trainable])
            assert about["shards"] == [2]
    layers = [
        (about["label"][0], about["parameters"][0], about.get("setting.weight_shape", [None])[0])
        for about in [one for one in graph.about.values() if T + "Layer" in one["type"]]
    ]
    expected = [
        ("Linear body.0", 35, "(7, 4)"),
        ("ReLU body.1", 0, None),
        ("Linear body.2", 56, "(7, 7)"),
        ("Linear out", 16, "(2, 7)"),
    ]
    assert sorted(layers, key=str) == sorted(expected * 10, key=str)  # five models on each of two ranks
    [uuid] = {journal.head.run for journal in Store(folder / "store").journals()}
    with trilha.open(folder / "store") as opened:
        assert opened.document(uuid).validate().valid


def test_what_is_saved_of_it_is_derived_from_its_last_version(trained):
    _, graph, _ = trained
    derived = set(graph.derivations())
    for name in ("Flat", "Views", "Whole"):
        assert (f"{name.lower()}.pt", f"{name} after epoch 2") in derived
        assert [source for made, source in derived if made == f"{name.lower()}.pt" and "after" in source] == [
            f"{name} after epoch 2"
        ]


def test_each_rank_wrote_files_of_a_checkpoint_that_all_write(trained):
    _, graph, _ = trained
    derived, generated = set(graph.derivations()), set(graph.generations())
    for rank, names in ((0, ("__0_0.distcp", ".metadata")), (1, ("__1_0.distcp",))):
        for name in names:
            assert (name, f"rank {rank}") in generated
            assert (name, "Whole after epoch 2") in derived
            assert len(graph.all(name, "Checkpoint")) == 1  # the rank that reads it knows it as a file


def test_what_each_rank_restored_is_derived_from_the_files_that_it_read(trained):
    _, graph, _ = trained
    derived = graph.derivations()
    for name in (".metadata", "__0_0.distcp", "__1_0.distcp"):
        assert derived.count(("Restored", name)) == 2
        assert derived.count(("content of both", name)) == 2
    assert derived.count(("Copied", "content of both")) == 2


def test_the_run_is_called_as_the_script_and_a_model_is_told_of_once(trained):
    folder, _, _ = trained
    answer = trilha.ask("layers", store=folder / "store")
    assert set(answer.column("run")) == {"train"}
    assert len(answer) == 5 * 4  # layers of five models
