"""Trainings that are interrupted, fail or are killed: what had happened is there, and nothing else."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tests.capture.conftest import Store, program_environment
from tests.capture.graph import Graph, is_told_of
from tests.capture.launching import LAUNCHER

import trilha

TRAIN = """
import os, signal, sys, time, torch, trilha
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
torch.manual_seed(0)
loader = DataLoader(TensorDataset(torch.randn(16, 2), torch.arange(16) % 2), 4, num_workers=WORKERS)
net = nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
steps = 0
for epoch in range(100):
    for a, b in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(a), b)
        loss.backward()
        optimizer.step()
        steps += 1
        trilha.log(loss=loss.item(), step=steps)
        print(steps, flush=True)
        if steps == 6:
            END
"""
WAIT = "time.sleep(60)"


@pytest.fixture
def training(tmp_path):
    """Begins a training that ends in the second epoch; gives its process, which has a group of its own."""

    def begin(end, workers=0, before=""):
        source = TRAIN.replace("WORKERS", str(workers)).replace("END", end)
        (tmp_path / "train.py").write_text(source.replace("steps = 0", f"steps = 0\n{before}"))
        launcher = [LAUNCHER, f"--store={tmp_path / 'store'}", "--grain=file", "--", "train.py"]
        environment = program_environment(tmp_path / "store", {"OMP_NUM_THREADS": "1"})
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "process_group": 0}
        return subprocess.Popen([sys.executable, *launcher], cwd=tmp_path, env=environment, **how)

    return begin


def in_the_second_epoch(running):
    for step in range(1, 7):
        assert running.stdout.readline() == f"{step}\n"


def checked(tmp_path):
    """The graph, which is a valid document; the epochs as it tells them: label, steps, whether it ended."""
    [uuid] = {journal.head.run for journal in Store(tmp_path / "store").journals()}
    with trilha.open(tmp_path / "store") as opened:
        assert opened.document(uuid).validate().valid
    graph = Graph(tmp_path / "store")
    epochs = {label: graph.one(label, "Epoch") for label in graph.labels("Epoch")}
    told = {label: (about["steps"], about["id"][0] in graph.ended) for label, about in epochs.items()}
    return graph, told


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupt_in_the_middle_of_an_epoch(workers, training, tmp_path):
    running = training(WAIT, workers)
    in_the_second_epoch(running)
    os.killpg(running.pid, signal.SIGINT)  # as Ctrl-C on a terminal: workers get it, too
    _, errors = running.communicate(timeout=60)
    assert running.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "trilha" not in errors
    graph, epochs = checked(tmp_path)
    assert graph.run["status"] == ["interrupted"]
    assert epochs == {"epoch 1": ([4], True), "epoch 2": ([2], True)}
    assert [row["step"] for row in graph.metrics() if "loss" in row] == [1, 2, 3, 4, 5, 6]
    assert graph.id("training", "Training") in graph.ended
    # The model as the interrupt left it is a version of its own.
    assert "Linear after epoch 2" in graph.labels("Model")


def test_an_error_in_a_callback_of_the_programs_own(training, tmp_path):
    callback = "def callback(*_):\n    if steps == 5: raise RuntimeError('mine')\n"
    callback += "optimizer.register_step_post_hook(callback)"
    running = training(WAIT, before=callback)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1
    assert errors.rstrip().endswith("RuntimeError: mine")
    graph, epochs = checked(tmp_path)
    assert graph.run["status"] == ["failed"]
    assert graph.run["exception"] == ["RuntimeError: mine"]
    # Whether a step counts whose callback failed is for the order of the hooks to say.
    assert set(epochs) == {"epoch 1", "epoch 2"}
    assert epochs["epoch 2"][0][0] in (1, 2)
    assert len([row for row in graph.metrics() if "loss" in row]) == 5


def test_an_error_in_a_callback_that_the_program_swallows_changes_nothing(training, tmp_path):
    callback = "def callback(*_):\n    try: raise RuntimeError('mine')\n    except RuntimeError: pass\n"
    callback += "optimizer.register_step_post_hook(callback)"
    running = training("raise SystemExit", before=callback)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (0, "")
    graph, epochs = checked(tmp_path)
    assert graph.run["status"] == ["finished"]
    assert epochs == {"epoch 1": ([4], True), "epoch 2": ([2], True)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_kill_leaves_every_call_that_had_returned(workers, training, tmp_path):
    running = training(WAIT, workers)
    in_the_second_epoch(running)
    while not is_told_of(tmp_path / "store", "epoch 2"):
        time.sleep(0.05)  # the begin of an epoch is stated within a second or so
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    graph, epochs = checked_without_end(tmp_path)
    assert "status" not in graph.run
    assert [row["step"] for row in graph.metrics() if "loss" in row] == [1, 2, 3, 4, 5, 6]
    assert epochs == {"epoch 1": True, "epoch 2": False}
    assert "Linear after epoch 1" in graph.labels("Model")


def checked_without_end(tmp_path):
    """The same of a run that was killed: the epochs, and whether they ended."""
    [uuid] = {journal.head.run for journal in Store(tmp_path / "store").journals()}
    with trilha.open(tmp_path / "store") as opened:
        assert opened.document(uuid).validate().valid
    graph = Graph(tmp_path / "store")
    return graph, {label: graph.id(label, "Epoch") in graph.ended for label in graph.labels("Epoch")}
