"""Models that are called after their training, and not trained: the trail from a prediction to the model."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.capture.graph import Graph, recording
from torch.utils.data import DataLoader, TensorDataset

from trilha.prov import Kind


def trained(epochs: int = 2) -> tuple[Any, Any]:
    """A model that has been trained, and its optimiser."""
    torch.manual_seed(7)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(torch.randn(12, 4)), batch_size=4)
    for _ in range(epochs):
        for [batch] in loader:
            optimizer.zero_grad()
            net(batch).sum().backward()
            optimizer.step()
    return net, optimizer


def used_by(graph: Graph, activity: str) -> set[str]:
    return {used for by, used in graph.usages() if by == activity}


def test_a_call_of_a_model_in_evaluation_mode_is_an_inference_by_its_last_version(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        net, _ = trained()
        net.eval()
        net(torch.randn(3, 4))
    assert graph.labels("Inference") == ["inference"]
    used = sorted(used for by, used in graph.usages() if by == "inference")
    assert used == ["Sequential after epoch 2", "data"]
    assert ("predictions", "inference") in graph.generations()
    assert {("predictions", "Sequential after epoch 2"), ("predictions", "data")} <= set(graph.derivations())
    assert "predictions" in used_by(graph, "run")
    assert graph.id("inference") in graph.ended


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_a_call_without_gradients_after_a_training_is_an_inference(tmp_path: Path, off: Any) -> None:
    with recording(tmp_path) as graph:
        net, _ = trained()
        with off():
            net(torch.randn(3, 4))
    assert "Sequential after epoch 2" in used_by(graph, "inference")


def test_a_pass_of_inference_is_one_activity_that_uses_its_loader(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        net, _ = trained()
        net.eval()
        with torch.no_grad():
            for [batch] in DataLoader(TensorDataset(torch.randn(40, 4)), batch_size=2):
                net(batch)
    assert graph.labels("Inference") == graph.labels("Pass") == ["inference"]
    assert used_by(graph, "inference") == {"Sequential after epoch 2", "data loader"}
    assert graph.labels().count("predictions") == 1


def test_many_calls_outside_any_pass_are_one_activity(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        net, _ = trained()
        net.eval()
        for _ in range(30):
            net(torch.randn(1, 4))
    assert graph.labels("Inference") == ["inference"]
    assert graph.labels().count("predictions") == 8


def test_a_validation_after_each_epoch_uses_the_version_of_that_epoch(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        torch.manual_seed(7)
        net = torch.nn.Linear(4, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        loader, other = (DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=4) for _ in range(2))
        for _ in range(3):
            net.train()
            for [batch] in loader:
                optimizer.zero_grad()
                net(batch).sum().backward()
                optimizer.step()
            net.eval()
            for [batch] in other:
                net(batch)
    assert graph.labels("Epoch") == ["epoch 1", "epoch 2", "epoch 3"]
    versions = [used for by, used in graph.usages() if by == "inference" and used.startswith("Linear")]
    assert versions == [f"Linear after epoch {n}" for n in (1, 2, 3)]


def test_the_calls_of_a_training_are_no_inference_and_are_not_listened_to(tmp_path: Path) -> None:
    hooks = torch.nn.modules.module._global_forward_pre_hooks
    with recording(tmp_path) as graph:
        net = torch.nn.Linear(4, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(torch.randn(12, 4)), batch_size=4)
        there = []
        for _ in range(3):
            for [batch] in loader:
                net(batch).sum().backward()
                there.append(len(hooks))
                optimizer.step()
    assert set(there) == {0}
    assert not hooks
    assert not graph.labels("Inference")


def test_a_call_that_fails_raises_what_it_raised_and_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    with recording(tmp_path / "store") as graph:
        net, _ = trained()
        net.eval()
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            net(torch.randn(3, 5))
        assert not net._forward_hooks
        torch.save(net, tmp_path / "net.pt")
    assert graph.labels("Inference") == ["inference"]


def test_a_model_is_exported_compiled_and_traced_as_without_a_record(tmp_path: Path) -> None:
    with recording(tmp_path):
        net, _ = trained()
        net.eval()
        x = torch.randn(3, 4)
        exported = torch.export.export(net, (x,), strict=True)
        net.eval()
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        net.eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            traced = torch.jit.trace(net, x)
        net.eval()
        for one in (exported.module(), compiled, traced):
            assert torch.equal(one(x), net(x))
        net.eval()
        function = torch.compile(lambda data: net(data) + 1, backend="eager", fullgraph=True)
        net.compile(backend="eager")
        net.eval()
        assert torch.equal(function(x), net(x) + 1)


def test_a_saved_prediction_is_derived_from_the_model(tmp_path: Path) -> None:
    with recording(tmp_path / "store") as graph:
        net, _ = trained()
        net.eval()
        torch.save(net(torch.randn(3, 4)), tmp_path / "p.pt")
    assert ("p.pt", "predictions") in graph.derivations()


def test_what_is_written_by_other_means_is_written_by_what_used_the_prediction(tmp_path: Path) -> None:
    with recording(tmp_path / "store") as graph:
        net, _ = trained()
        net.eval()
        (tmp_path / "p.txt").write_text(str(net(torch.randn(3, 4)).argmax(1).tolist()))
    assert ("p.txt", "run") in graph.generations()
    assert ("run", "predictions") in graph.usages()
    [(used, made)] = [
        (usage[4], generation[4])
        for usage in graph.of(Kind.USAGE)
        for generation in graph.of(Kind.GENERATION)
        if graph.label(usage[3]) == "predictions" and graph.label(generation[2]) == "p.txt"
    ]
    assert used <= made


def test_a_copied_state_is_told_by_its_values_where_several_had_its_names_and_shapes(tmp_path: Path) -> None:
    with recording(tmp_path) as graph:
        net, _ = trained(1)
        states = [copy.deepcopy(net.state_dict())]
        torch.save(states[0], tmp_path / "only.pt")
        del net
        net, _ = trained(2)
        states.append(copy.deepcopy(net.state_dict()))
        for number, state in enumerate(states):
            torch.save(state, tmp_path / f"member{number}.pt")
        torch.save(net.state_dict(), tmp_path / "last.pt")
    known = [(file, model) for file, model in graph.derivations() if file.endswith(".pt")]
    first, second = "Sequential after epoch 1", "Sequential after epoch 2"
    files = {"only.pt": first, "member0.pt": first, "member1.pt": second, "last.pt": second}
    assert known == list(files.items())
