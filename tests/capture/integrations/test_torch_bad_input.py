"""PyTorch programs at their worst: each leaves a truthful record and does what it does without Trilha."""

import math
import re
from textwrap import dedent

import pytest
from tests.capture.graph import Graph

import trilha
import trilha.capture.launch

BEGIN = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
x = torch.randn(48, 4)
y = (x.sum(1) > 0).long()
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
import trilha
def epoch(net, optimizer, loader, context=None):
    total = 0.0
    for a, b in loader:
        optimizer.zero_grad()
        if context is None:
            loss = nn.functional.cross_entropy(net(a), b)
        else:
            with context():
                loss = nn.functional.cross_entropy(net(a), b)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)
"""


def bare(said):
    """What was said without times, process numbers and the folder that each of the two runs in."""
    return re.sub(r"W\d+ [\d:.]+ \d+ |/plain(?=/)", "", said)


@pytest.fixture
def both(tmp_path, torch_preloaded):
    def run_both(source, status=0):
        """Run a script without Trilha and with it; both must say and end the same. Gives the graph."""
        (tmp_path / "script.py").write_text(BEGIN + dedent(source))
        (tmp_path / "plain").mkdir()
        (tmp_path / "plain" / "script.py").write_text(BEGIN + dedent(source))
        launcher = [trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
        plain = torch_preloaded.run("script.py", cwd=tmp_path / "plain")
        seen = torch_preloaded.run(*launcher, "script.py", cwd=tmp_path)
        assert plain.returncode == status, plain.stderr
        assert (seen.stdout, bare(seen.stderr), seen.returncode) == (
            plain.stdout,
            bare(plain.stderr),
            plain.returncode,
        )
        graph = Graph(tmp_path / "store")
        graph.said = seen.stdout
        assert not graph.dropped
        with trilha.open(tmp_path / "store") as opened:
            document = opened.document(graph.about_run())
        verdict = document.validate()
        assert verdict.valid, verdict
        return graph

    return run_both


def epochs(graph):
    return sorted(label for label in graph.labels("Epoch"))


def test_losses_that_are_no_finite_numbers_are_kept_as_they_are(both):
    graph = both(
        """
        for number in range(2):
            epoch(net, optimizer, loader)
            with torch.no_grad():
                net[0].weight.fill_(float("nan"))
            loss = epoch(net, optimizer, loader)
            trilha.log(epoch=number, loss=loss, high=float("inf"), low=float("-inf"))
            print(loss)
        """
    )
    rows = [row for row in graph.metrics() if "loss" in row]
    assert [row["epoch"] for row in rows] == [0, 1]
    assert all(math.isnan(row["loss"]) for row in rows)
    assert [(row["high"], row["low"]) for row in rows] == [(math.inf, -math.inf)] * 2
    assert len(epochs(graph)) == 4


def test_names_of_any_length_and_any_signs_are_names(both):
    long = "metric " * 10_000
    graph = both(
        """
        trilha.log(**{"metric " * 10_000: 1.0, "": 2.0, "lo\\nss/ü\\ud800": 3.0})
        trilha.hyperparameters(**{"h" * 100_000: "v" * 100_000})
        epoch(net, optimizer, loader)
        """
    )
    (row,) = [row for row in graph.metrics() if "" in row]
    assert row[long] == 1.0
    assert row[""] == 2.0
    assert sorted(row.values()) == [1, 2, 3]
    assert len(epochs(graph)) == 1


def test_a_compiled_model_is_the_model(both):
    graph = both(
        """
        compiled = torch.compile(net, backend="eager")
        for number in range(2):
            print(f"{epoch(compiled, optimizer, loader):.6f}")
        torch.save(net.state_dict(), "model.pt")
        """
    )
    assert len(epochs(graph)) == 2
    models = graph.labels("Model")
    assert not [label for label in models if "Optimized" in label]
    assert any("after epoch 2" in label for label in models)
    assert [pair for pair in graph.derivations() if pair[0] == "model.pt"]


def test_a_model_that_is_compiled_with_its_optimiser_trains_as_it_does(both):
    graph = both(
        """
        @torch.compile(backend="eager")
        def step(a, b):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(a), b)
            loss.backward()
            optimizer.step()
            return loss
        for a, b in loader:
            print(f"{step(a, b).item():.6f}")
        """
    )
    assert "Run" in [str(kind).rpartition("#")[2] for kind in graph.run["type"]]


def test_mixed_precision_is_a_training_as_any_other(both):
    graph = both(
        """
        from functools import partial
        context = partial(torch.autocast, "cpu", dtype=torch.bfloat16)
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        for number in range(2):
            for a, b in loader:
                optimizer.zero_grad()
                with context():
                    loss = nn.functional.cross_entropy(net(a), b)
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
            print(f"{loss.item():.6f}")
            trilha.log(epoch=number, loss=loss)
        """
    )
    assert len(epochs(graph)) == 2
    values = [f"{row['loss']:.6f}" for row in graph.metrics() if "loss" in row]
    assert values == graph.said.split()


def test_steps_that_a_scaler_skips_change_nothing(both):
    graph = both(
        """
        scaler = torch.amp.GradScaler("cpu", enabled=True)
        for a, b in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(a), b) * float("inf")
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        print(scaler.get_scale())
        """
    )
    assert not [label for label in graph.labels("Model") if "after" in label]
    assert not epochs(graph)


def test_a_model_that_moves_between_devices_and_types_is_one_model(both):
    graph = both(
        """
        epoch(net, optimizer, loader)
        net.double()
        net.float()
        epoch(net, optimizer, loader)
        torch.save(net.state_dict(), "model.pt")
        net.to("meta")
        print(net[0].weight.device)
        """
    )
    assert len(epochs(graph)) == 2
    assert graph.said == "meta\n"
    assert len([pair for pair in graph.derivations() if pair[0] == "model.pt"]) == 1


def test_a_model_that_is_made_on_no_device_gets_its_memory(both):
    graph = both(
        """
        with torch.device("meta"):
            late = nn.Linear(4, 2)
        late = late.to_empty(device="cpu")
        nn.init.zeros_(late.weight)
        nn.init.zeros_(late.bias)
        print(f"{epoch(late, torch.optim.SGD(late.parameters(), lr=0.1), loader):.6f}")
        """
    )
    assert len(epochs(graph)) == 1
    assert "Linear after epoch 1" in graph.labels("Model")


def test_an_error_in_a_hook_ends_the_epoch_where_it_was(both):
    graph = both(
        """
        def failing(*_):
            if len(seen) == 1:
                raise RuntimeError("the program's own hook")
            seen.append(1)
        seen = []
        optimizer.register_step_post_hook(failing)
        try:
            epoch(net, optimizer, loader)
        except RuntimeError as error:
            print(error)
        print(f"{epoch(net, optimizer, DataLoader(TensorDataset(x, y), batch_size=48)):.6f}"
              if seen.append(1) is None else "")
        """
    )
    assert graph.said.splitlines()[0] == "the program's own hook"
    assert len(epochs(graph)) == 2


def test_an_error_that_nobody_catches_is_the_end_of_the_run(both):
    graph = both(
        """
        epoch(net, optimizer, loader)
        net(torch.zeros(1, 5))
        """,
        status=1,
    )
    assert len(epochs(graph)) == 1
    assert "RuntimeError" in str(graph.run)


def test_a_model_that_is_saved_twice_under_one_name_are_two_files(both):
    graph = both(
        """
        for number in range(2):
            epoch(net, optimizer, loader)
            torch.save(net.state_dict(), "model.pt")
        """
    )
    checkpoints = graph.all("model.pt", "Checkpoint")
    assert len(checkpoints) == 2
    sources = [source for target, source in graph.derivations() if target == "model.pt"]
    assert any("epoch 1" in source for source in sources)
    assert any("epoch 2" in source for source in sources)


def test_a_model_that_is_saved_twice_unchanged_is_derived_from_one_model(both):
    graph = both(
        """
        epoch(net, optimizer, loader)
        torch.save(net.state_dict(), "model.pt")
        torch.save(net.state_dict(), "model.pt")
        """
    )
    sources = {source for target, source in graph.derivations() if target == "model.pt"}
    assert sum("after epoch 1" in source for source in sources) == 1


def test_errors_of_models_that_are_only_called_have_the_tracebacks_that_they_have_by_themselves(both):
    both(
        """
        import os, traceback
        class Outer(nn.Module):
            def __init__(self, inner):
                super().__init__()
                self.inner = inner
            def forward(self, x):
                if x is None:
                    raise KeyboardInterrupt
                return self.inner(x)
        outer = Outer(net)
        epoch(outer, optimizer, loader)
        for data, called in ((99, outer), (99, net), (99, nn.Linear(3, 2)), (None, nn.MSELoss())):
            outer.eval()
            try:
                called(torch.ones(1, data) if data else data)
            except (RuntimeError, TypeError):
                print(traceback.format_exc().replace(os.getcwd(), "."))
        handle = outer.register_forward_hook(lambda *_: None)
        outer.eval()
        try:
            outer(torch.ones(1, 99))
        except RuntimeError:
            print(traceback.format_exc().replace(os.getcwd(), "."))
        handle.remove()
        outer.eval()
        try:
            outer(None)
        except KeyboardInterrupt:
            torch.save(outer.inner, "inner.pt")
            outer.eval()
            print(outer._forward_hooks)
        """
    )
