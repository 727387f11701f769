"""Nothing is asked of the device that a model lies on: no operation, no copy, so no wait either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.capture.graph import recording
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset

import trilha


class Operations(TorchDispatchMode):
    """Hears of every operation on tensors while it is entered, also of those that wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


class Net(torch.nn.Module):
    """One that takes slices of its layers, as some do for each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(
            [torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)]
        )

    def forward(self, x: Any) -> Any:
        for layer in self.layers[:-1]:
            x = layer(x)
        return self.layers[-1](x)


def train(device: str) -> list[str]:
    """The operations of a training on a device, whose batches come from the CPU."""
    torch.manual_seed(7)
    loader = DataLoader(TensorDataset(torch.zeros(16, 4)), batch_size=4)
    with Operations() as heard:
        net = Net().to(device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2)
        loss = torch.nn.MSELoss()
        for epoch in range(4):
            for [batch] in loader:
                optimizer.zero_grad()
                loss(net(batch.to(device)), torch.zeros(4, 2, device=device)).backward()
                optimizer.step()
            with trilha.step("look", net=net, optimizer=optimizer, loader=loader):
                pass
            scheduler.step()
            trilha.log(epoch=epoch, loss=0.5)
        optimizer.load_state_dict(optimizer.state_dict())
        net.load_state_dict(net.state_dict())
    return heard.names


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_recorded_training_does_the_operations_of_a_plain_one(device: str, tmp_path: Path) -> None:
    plain = train(device)
    assert len(plain) > 100
    with recording(tmp_path) as graph:
        recorded = train(device)
    assert recorded == plain
    assert graph.dropped == 0
    epochs = [facts for facts in graph.about.values() if "epoch" in facts and "steps" in facts]
    assert [facts["steps"] for facts in epochs] == [[4]] * 4
    assert {f"Net after epoch {number}" for number in (1, 2, 3, 4)} <= {*graph.labels("Model")}
