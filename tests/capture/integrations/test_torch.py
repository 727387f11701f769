"""What is recorded of PyTorch, from scripts that know nothing of Trilha.

The scripts' training step is a generator, since plain functions of a script are steps of their own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from trilha.prov import Kind, Name

T = "https://w3id.org/trilha/ns#"
PROV = "http://www.w3.org/ns/prov#"

TRAIN = """
for epoch in range(3):
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
"""


def test_epochs_are_activities_in_a_training_with_their_data_and_model(run):
    graph = run(TRAIN)
    (training,) = graph.of_type("Training")
    epochs = graph.of_type("Epoch")
    assert [graph.value(epoch, "epoch") for epoch in epochs] == [1, 2, 3]
    assert [graph.value(epoch, "steps") for epoch in epochs] == [3, 3, 3]
    assert graph.value(training, "steps") == 9
    starters = {record[2]: record[4] for record in graph.relations(Kind.START)}
    assert {starters[epoch] for epoch in epochs} == {training}
    (loader,) = graph.of_type("DataLoader")
    assert {record[2] for record in graph.relations(Kind.USAGE) if record[3] == loader} >= set(epochs)


def test_a_model_is_described_and_has_a_version_after_each_epoch(run):
    graph = run(TRAIN)
    first, *versions = graph.of_type("Model")
    assert graph.value(first, "parameters") == 58
    assert "Linear(in_features=4" in str(graph.value(first, "architecture"))
    assert [graph.value(version, "label") for version in versions] == [
        f"Net after epoch {n}" for n in (1, 2, 3)
    ]
    assert graph.upstream(versions[-1]) == {first, *versions[:-1], *graph.of_type("Architecture")}


def test_a_loader_tells_its_batches(run):
    graph = run(TRAIN)
    (loader,) = graph.of_type("DataLoader")
    told = {name: graph.value(loader, name) for name in ("batch_size", "shuffle", "batches", "length")}
    assert told == {"batch_size": 16, "shuffle": True, "batches": 3, "length": 48}


def test_an_optimizer_tells_its_hyperparameters(run):
    graph = run(TRAIN)
    found = {graph.value(one, "name"): graph.value(one, "value") for one in graph.of_type("Hyperparameter")}
    assert found["optimizer"] == "SGD"
    assert found["lr"] == 0.1
    assert found["momentum"] == 0.9


def test_a_changed_learning_rate_is_an_adaptation(run):
    graph = run("""
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(2):
        for a, b in loader:
            *_, = step(net, optimizer, a, b)
        scheduler.step()
    """)
    (adaptation,) = graph.of_type("Adaptation")
    assert graph.value(adaptation, "label") == "learning rate 0.1 → 0.05"


@pytest.mark.parametrize(
    ("saved", "evidence"),
    [
        ("net.state_dict()", "the same storage"),
        ("net", "the same object"),
        ("{'model': net.state_dict(), 'epoch': 3}", "the same storage"),
        ("copy.deepcopy(net.state_dict())", "a copy with the same names, shapes and values"),
        (
            "{k: v.clone() for k, v in net.state_dict().items()}",
            "a copy with the same names, shapes and values",
        ),
    ],
)
def test_a_saved_file_is_derived_from_the_trained_model(run, saved, evidence):
    graph = run(TRAIN + f"\ntorch.save({saved}, 'model.pt')\n")
    file = graph.file("model.pt")
    assert "Checkpoint" in graph.types[file]
    (derivation,) = [record for record in graph.relations(Kind.DERIVATION) if record[2] == file]
    assert dict(derivation.attributes)[Name(T + "evidence")] == evidence
    assert graph.value(derivation[3], "label") == "Net after epoch 3"
    assert derivation[5] in {record.id for record in graph.relations(Kind.GENERATION)}
    assert derivation[6] in {record.id for record in graph.relations(Kind.USAGE)}


def test_an_open_file_object_is_found_too(run):
    graph = run(TRAIN + "\nwith open('model.pt', 'wb') as f:\n    torch.save(net.state_dict(), f)\n")
    assert "Net after epoch 3" in {
        graph.value(one, "label") for one in graph.upstream(graph.file("model.pt"))
    }


def test_what_is_saved_and_is_no_model_is_derived_from_nothing(run):
    graph = run("torch.save({'numbers': torch.arange(3)}, 'numbers.pt')")
    assert graph.upstream(graph.file("numbers.pt")) == set()


@pytest.mark.parametrize("library", ["torch", "safetensors.torch"])
def test_a_fine_tuned_model_is_derived_from_the_file_that_it_began_with(run, library):
    names = {"torch": "save, load", "safetensors.torch": "save_file as save, load_file as load"}[library]
    graph = run(
        TRAIN
        + f"\nfrom {library} import {names}"
        + """
save(net.state_dict(), "base.pt")
other = Net()
other.load_state_dict(load("base.pt"))
tuner = torch.optim.Adam(other.parameters(), lr=1e-3)
for a, b in loader:
    *_, = step(other, tuner, a, b)
torch.save(other.state_dict(), "tuned.pt")
"""
    )
    base = graph.file("base.pt")
    assert base in graph.upstream(graph.file("tuned.pt"))
    assert "Net after epoch 3" in {graph.value(one, "label") for one in graph.upstream(base)}
    assert len(graph.of_type("Training")) == 2


def test_a_model_that_takes_over_a_part_of_a_file_is_derived_from_it(run):
    graph = run("""
    torch.save(net.state_dict(), "base.pt")
    torch.manual_seed(1)
    other = Net()
    other.hidden = torch.nn.Linear(4, 3)
    base, own = torch.load("base.pt"), other.state_dict()
    fitting = {name: one for name, one in base.items() if own[name].shape == one.shape}
    other.load_state_dict(fitting, strict=False)
    torch.save(other.state_dict(), "other.pt")
    """)
    assert graph.file("base.pt") in graph.upstream(graph.file("other.pt"))


def test_a_loader_over_an_array_that_was_read_is_derived_from_its_file(run):
    graph = run("""
    import numpy as np
    np.save("x.npy", x.numpy())
    data = torch.utils.data.TensorDataset(torch.from_numpy(np.load("x.npy")), y)
    for a, b in torch.utils.data.DataLoader(data, batch_size=16):
        *_, = step(net, optimizer, a, b)
    """)
    (loader,) = graph.of_type("DataLoader")
    assert graph.file("x.npy") in graph.upstream(loader)


def test_a_data_set_of_tensors_that_were_loaded_is_derived_from_their_file(run):
    graph = run("""
    torch.save({"x": x, "y": y}, "data.pt")
    kept = torch.load("data.pt")
    whole = torch.utils.data.TensorDataset(kept["x"], kept["y"])
    part, _ = torch.utils.data.random_split(whole, [40, 8])
    for a, b in torch.utils.data.DataLoader(part, batch_size=16):
        *_, = step(net, optimizer, a, b)
    """)
    (loader,) = graph.of_type("DataLoader")
    assert graph.file("data.pt") in graph.upstream(loader)


def test_two_optimizers_in_one_pass_are_one_training(run):
    graph = run("""
    critic = Net()
    second = torch.optim.Adam(critic.parameters())
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
        *_, = step(critic, second, a, b)
    torch.save(critic.state_dict(), "critic.pt")
    """)
    assert len(graph.of_type("Training")) == 1
    assert len(graph.of_type("Epoch")) == 1
    assert graph.value(graph.of_type("Training")[0], "steps") == 6


def test_training_without_a_loader_changes_the_model_all_the_same(run):
    graph = run("""
    for _ in range(5):
        *_, = step(net, optimizer, x, y)
    torch.save(net.state_dict(), "model.pt")
    """)
    assert graph.of_type("Epoch") == []
    labels = {graph.value(one, "label") for one in graph.upstream(graph.file("model.pt"))}
    assert "Net after training" in labels


def test_a_pass_without_updates_is_no_epoch(run):
    graph = run(TRAIN + "\nwith torch.no_grad():\n    for a, b in loader: net(a)\n")
    assert len(graph.of_type("Epoch")) == 3
    assert len(graph.of_type("Pass")) == 1


def test_an_epoch_broken_off_ends_there(run):
    graph = run("""
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
        break
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
    """)
    assert [graph.value(epoch, "steps") for epoch in graph.of_type("Epoch")] == [1, 3]


def test_workers_of_a_loader_change_nothing(run):
    graph = run("""
    loader = DataLoader(TensorDataset(x, y), batch_size=16, num_workers=2)
    for epoch in range(2):
        for a, b in loader:
            *_, = step(net, optimizer, a, b)
    """)
    assert [graph.value(epoch, "steps") for epoch in graph.of_type("Epoch")] == [3, 3]


def test_an_error_in_the_data_set_comes_out_as_it_was(run):
    run(
        """
    class Broken(torch.utils.data.Dataset):
        def __len__(self): return 4
        def __getitem__(self, index): raise KeyError(index)
    for batch in DataLoader(Broken()):
        pass
    """,
        status=1,
    )


def test_a_wrong_state_comes_out_as_it_was(run):
    run("net.load_state_dict({'hidden.weight': x})", status=1)


def test_a_missing_folder_comes_out_as_it_was(run):
    run("torch.save(net, 'no/such/folder/model.pt')", status=1)


def test_nan_losses_are_nothing_special(run):
    graph = run("""
    for a, b in loader:
        *_, = step(net, optimizer, a * float("nan"), b)
    torch.save(net, "model.pt")
    """)
    assert len(graph.of_type("Epoch")) == 1


def test_mixed_precision_and_gradient_scaling_work(run):
    graph = run("""
    scaler = torch.amp.GradScaler("cpu")
    for a, b in loader:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(net(a), b)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    """)
    assert graph.value(graph.of_type("Epoch")[0], "steps") == 3


def test_torch_is_as_it_was_after_the_run(tmp_path: Path):
    script = tmp_path / "after.py"
    script.write_text(
        dedent(f"""
    import torch, trilha
    from torch.optim import optimizer as optimizers
    from torch.nn.modules import module
    before = torch.save, torch.load, torch.utils.data.DataLoader.__iter__, torch.nn.Module.load_state_dict
    with trilha.run("one", store={str(tmp_path / "store")!r}):
        assert torch.save is not before[0]
    after = torch.save, torch.load, torch.utils.data.DataLoader.__iter__, torch.nn.Module.load_state_dict
    assert before == after
    assert not optimizers._global_optimizer_post_hooks
    assert not module._global_parameter_registration_hooks and not module._global_module_registration_hooks
    """)
    )
    subprocess.run([sys.executable, script], check=True)


def test_a_model_that_hands_its_layers_on_in_slices_stays_one_model(run):
    graph = run("""
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.relu(layer(x))
            return self.layers[-1](x)
    deep = Deep()
    optimizer = torch.optim.SGD(deep.parameters(), lr=0.1)
    for a, b in loader:
        *_, = step(deep, optimizer, a, b)
    """)
    assert {graph.value(one, "label") for one in graph.of_type("Model")} == {"Deep", "Deep after epoch 1"}


@pytest.mark.parametrize(
    "kept",
    [
        'torch.from_numpy(np.load("x.npy"))',
        'torch.from_numpy(np.load("x.npz")["x"])',
        'np.load("x.npz")["x"].reshape(48, 4)',
        'torch.from_numpy(np.load("x.npz")["x"].reshape(48, 4))',
        'np.load("x.npz")["x"][:]',
    ],
)
def test_a_data_set_of_ones_own_over_an_array_that_was_read_is_derived_from_its_file(run, kept):
    graph = run(f"""
    import numpy as np
    np.save("x.npy", x.numpy())
    np.savez("x.npz", x=x.numpy().reshape(48, 2, 2) if "reshape" in {kept!r} else x.numpy())
    class Own(torch.utils.data.Dataset):
        def __init__(self):
            self.x = {kept}
        def __len__(self):
            return 48
        def __getitem__(self, i):
            return torch.as_tensor(self.x[i]), y[i]
    for a, b in torch.utils.data.DataLoader(Own(), batch_size=16):
        *_, = step(net, optimizer, a, b)
    """)
    (loader,) = graph.of_type("DataLoader")
    file = graph.file("x.npy" if "x.npy" in kept else "x.npz")
    assert file in graph.upstream(loader)
    shapes = [
        graph.value(one, "shape")
        for one in graph.of_type("Object")
        if str(graph.value(one, "label")).startswith("ndarray of")
    ]
    assert shapes == ["48×2×2" if "reshape" in kept else "48×4"]
