"""What a PyTorch training was set up with: layers, loss, seed, schedulers, splits and transforms."""

from __future__ import annotations

from array import array
from hashlib import sha256
from textwrap import dedent

import pytest

from trilha.capture.integrations.torch.schedules import Schedules
from trilha.prov import Kind

TRAIN = """
for epoch in range(2):
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
"""

TRANSFORMED = """
class Shift:
    def __init__(self, by):
        self.by = by
    def __call__(self, x):
        return x + self.by
class Compose:
    def __init__(self, transforms):
        self.transforms = transforms
    def __call__(self, x):
        for transform in self.transforms:
            x = transform(x)
        return x
def halve(x):
    return x / 2
class Rows(torch.utils.data.Dataset):
    def __init__(self, transform=None):
        self.transform = transform
    def __len__(self):
        return 48
    def __getitem__(self, i):
        return self.transform(x[i]), y[i]
"""


def told(graph, kind, *names):
    return [
        [graph.attributes[one].get(f"{N}{name}", [None])[0] for name in names] for one in graph.of_type(kind)
    ]


N = "https://w3id.org/trilha/ns#"


def test_layers_are_told_one_by_one_with_their_weights(run):
    graph = run(TRAIN)
    assert told(graph, "Layer", "position", "name", "class", "parameters") == [
        [1, "hidden", "Linear", 40],
        [2, "out", "Linear", 18],
    ]
    first = graph.of_type("Layer")[0]
    assert graph.value(first, "setting.made_with") == "in_features=4, out_features=8, bias=True"
    assert graph.value(first, "setting.weight_shape") == "(8, 4)"
    (architecture,) = graph.of_type("Architecture")
    assert {record[3] for record in graph.relations(Kind.MEMBERSHIP)} == set(graph.of_type("Layer"))
    assert architecture in graph.upstream(graph.of_type("Model")[-1])


def test_dropout_rates_and_activations_are_settings_of_their_layers(run):
    graph = run(
        dedent("""
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    """)
        + TRAIN
    )
    layers = told(graph, "Layer", "class", "activation", "setting.rate")
    assert ["ReLU", "ReLU", None] in layers
    assert ["Dropout", None, 0.25] in layers


def test_a_seed_that_pytorch_drew_itself_is_none_that_the_program_gave():
    torch = pytest.importorskip("torch")
    before = torch.initial_seed()
    try:
        torch.seed()  # As a process begins: with a number drawn from the system.
        schedules = Schedules(torch)
        assert schedules.seed() is None
        torch.manual_seed(7)
        assert schedules.seed() == 7
        assert Schedules(torch).seed() == 7  # Given before the recording began.
    finally:
        torch.manual_seed(before)


def test_seed_batch_size_and_loss_are_hyperparameters_with_common_names(run):
    graph = run("criterion = nn.CrossEntropyLoss()\n" + TRAIN)
    found = {common: value for common, value in told(graph, "Hyperparameter", "common", "name") if common}
    assert (
        found.items()
        >= {"seed": "seed", "batch_size": "batch_size", "loss": "loss", "learning_rate": "lr"}.items()
    )
    values = {graph.value(one, "name"): graph.value(one, "value") for one in graph.of_type("Hyperparameter")}
    assert (values["seed"], values["batch_size"], values["loss"]) == (0, 16, "CrossEntropyLoss")


def test_with_several_losses_none_is_named(run):
    graph = run("criteria = nn.CrossEntropyLoss(), nn.MSELoss()\n" + TRAIN)
    assert "loss" not in {graph.value(one, "name") for one in graph.of_type("Hyperparameter")}


@pytest.mark.parametrize(
    ("scheduler", "call", "cause"),
    [
        ("StepLR(optimizer, step_size=1, gamma=0.5)", "scheduler.step()", "StepLR"),
        ("ReduceLROnPlateau(optimizer, patience=0, factor=0.5)", "scheduler.step(1.0)", "ReduceLROnPlateau"),
        ("StepLR(optimizer, step_size=99)", "optimizer.param_groups[0]['lr'] *= 0.5", None),
    ],
)
def test_a_scheduler_is_the_cause_only_of_rates_that_it_has_set(run, scheduler, call, cause):
    graph = run(f"""
    scheduler = torch.optim.lr_scheduler.{scheduler}
    for epoch in range(3):
        for a, b in loader:
            *_, = step(net, optimizer, a, b)
        {call}
    """)
    adaptations = told(graph, "Adaptation", "name", "common", "cause")
    assert adaptations
    assert set(map(tuple, adaptations)) == {("lr", "learning_rate", cause)}


def test_a_random_split_tells_size_and_fingerprint_of_its_parts(run):
    graph = run(
        dedent("""
    from torch.utils.data import random_split
    parts = random_split(TensorDataset(x, y), [36, 12], torch.Generator().manual_seed(5))
    print(list(parts[1].indices))
    loader = DataLoader(parts[0], batch_size=12)
    """)
        + TRAIN
    )
    (division,) = graph.of_type("Split")
    assert graph.value(division, "arg.seed") == 5
    assert told(graph, "Subset", "part", "length") == [["part 1", 36], ["part 2", 12]]
    (loader,) = graph.of_type("DataLoader")
    first, second = graph.of_type("Subset")
    assert first in graph.upstream(loader)
    assert second not in graph.upstream(loader)
    import torch

    indices = torch.randperm(48, generator=torch.Generator().manual_seed(5)).tolist()
    assert graph.value(second, "fingerprint") == sha256(array("q", indices[36:]).tobytes()).hexdigest()


def test_transforms_stand_between_the_data_and_the_epoch_in_their_order(run):
    graph = run(
        TRANSFORMED
        + """
loader = DataLoader(Rows(Compose([Shift(1.5), halve])), batch_size=16)
"""
        + TRAIN
    )
    assert told(graph, "Transformation", "name", "order", "arg.by") == [["Shift", 1, 1.5], ["halve", 2, None]]
    names = {one: graph.value(one, "label") for one in graph.of_type("Dataset")}
    assert sorted(names.values()) == ["Rows", "Rows after Shift", "Rows after halve"]
    last = next(one for one, label in names.items() if label == "Rows after halve")
    assert {names[one] for one in graph.upstream(last)} == {"Rows", "Rows after Shift"}
    users = {record[2] for record in graph.relations(Kind.USAGE) if record[3] == last}
    assert users == set(graph.of_type("Epoch"))
    plans = [facts for facts in graph.attributes.values() if f"{N}source" in facts]
    assert any("return x / 2" in str(facts[f"{N}source"]) for facts in plans)


def test_everything_together_is_a_valid_document(run, tmp_path):
    run(
        TRANSFORMED
        + """
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
data = torch.utils.data.random_split(Rows(Shift(1)), [36, 12])
loader = DataLoader(data[0], batch_size=12)
for epoch in range(2):
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
    scheduler.step()
    torch.save(net.state_dict(), "model.pt")
"""
    )
    from trilha.cli import main
    from trilha.formats import read

    with pytest.raises(SystemExit):
        main(["export", "last", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "run.provn")])
    verdict = read(tmp_path / "run.provn").validate()
    assert verdict.valid, verdict.violations
