"""Models of PyTorch that were copied, unpickled, or whose state was kept: what a file of them came from."""

from __future__ import annotations

from textwrap import dedent

import pytest

from trilha.prov import Kind, Name

T = "https://w3id.org/trilha/ns#"

TRAIN = """
best = None
for epoch in range(3):
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
    if epoch == 1:
        best = KEPT
"""
COPIED = """
copied = copy.deepcopy(net)
optimizer = torch.optim.SGD(copied.parameters(), lr=0.1)
for epoch in range(2):
    for a, b in loader:
        *_, = step(copied, optimizer, a, b)
torch.save(copied.state_dict(), "copied.pt")
"""
KEPT = [
    "copy.deepcopy(net.state_dict())",
    "{k: v.clone() for k, v in net.state_dict().items()}",
    "{k: v.detach().cpu().clone() for k, v in net.state_dict().items()}",
]


def sources(graph, file):
    """What a file was derived from: each label with the evidence."""
    return [
        (graph.value(one[3], "label"), dict(one.attributes).get(Name(T + "evidence")))
        for one in graph.relations(Kind.DERIVATION)
        if one[2] == graph.file(file)
    ]


def upstream(graph, entity):
    return {graph.value(one, "label") for one in graph.upstream(entity)}


def test_a_deep_copy_that_is_trained_is_the_model_of_the_training(run):
    graph = run(COPIED)
    assert sources(graph, "copied.pt") == [("Net after epoch 2", "the same storage")]
    (training,) = graph.of_type("Training")
    models = [
        one for one in graph.relations(Kind.USAGE) if one[2] == training and "Model" in graph.types[one[3]]
    ]
    assert len(models) == 1


def test_a_deep_copy_is_derived_from_the_model_as_it_was_then(run):
    graph = run(TRAIN.replace("KEPT", "None") + COPIED)
    assert "Net after epoch 3" in upstream(graph, graph.file("copied.pt"))


def test_what_a_model_became_after_it_was_copied_is_no_source_of_the_copy(run):
    graph = run(
        "first = copy.deepcopy(net)\n" + TRAIN.replace("KEPT", "None") + "\ntorch.save(first, 'first.pt')\n"
    )
    assert not any("epoch" in str(one) for one in upstream(graph, graph.file("first.pt")))
    assert "Net" in upstream(graph, graph.file("first.pt"))


@pytest.mark.parametrize(
    "average", ["a.mul_(0.9).add_(b, alpha=0.1)", "a.data.mul_(0.9).add_(b.data, alpha=0.1)"]
)
def test_a_moving_average_is_not_told_as_the_model_that_it_is_of(run, average):
    graph = run(f"""
    average = copy.deepcopy(net)
    for epoch in range(2):
        for one, two in loader:
            *_, = step(net, optimizer, one, two)
            with torch.no_grad():
                for a, b in zip(average.parameters(), net.parameters()):
                    {average}
    torch.save(average.state_dict(), "average.pt")
    """)
    assert not any("after epoch" in str(label) for label, _ in sources(graph, "average.pt"))
    assert len(graph.upstream(graph.file("average.pt")) & set(graph.of_type("Model"))) >= 2


def test_a_model_that_is_unpickled_and_trained_on_is_derived_from_its_file(run):
    graph = run("""
    torch.save(net, "whole.pt")
    other = torch.load("whole.pt", weights_only=False)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    for a, b in loader:
        *_, = step(other, optimizer, a, b)
    torch.save(other.state_dict(), "tuned.pt")
    """)
    assert graph.file("whole.pt") in graph.upstream(graph.file("tuned.pt"))
    assert [label for label, _ in sources(graph, "tuned.pt")] == ["Net after epoch 1"]


@pytest.mark.parametrize("kept", KEPT)
def test_a_state_that_was_kept_is_derived_from_the_version_that_it_is_of(run, kept):
    graph = run(TRAIN.replace("KEPT", kept) + "\ntorch.save(best, 'best.pt')\n")
    assert sources(graph, "best.pt") == [
        ("Net after epoch 2", "a copy with the same names, shapes and values")
    ]


def test_a_state_that_a_step_kept_leads_to_the_step_and_to_its_version(run):
    body = TRAIN.replace("KEPT", KEPT[0]).replace("\n", "\n    ")
    graph = run(f"def fit():{body}\n    return best\nbest = fit()\ntorch.save(best, 'best.pt')\n")
    assert {label for label, _ in sources(graph, "best.pt")} == {"fit()", "Net after epoch 2"}


def test_a_model_that_takes_back_a_state_that_was_kept_is_derived_from_its_version(run):
    graph = run(
        TRAIN.replace("KEPT", KEPT[0])
        + "\nnet.load_state_dict(best)\ntorch.save(net.state_dict(), 'model.pt')\n"
    )
    ((_, evidence),) = sources(graph, "model.pt")
    assert evidence == "the same storage"
    (model,) = (one[3] for one in graph.relations(Kind.DERIVATION) if one[2] == graph.file("model.pt"))
    direct = [one[3] for one in graph.relations(Kind.DERIVATION) if one[2] == model]
    assert "Net after epoch 2" in {graph.value(one, "label") for one in direct}


def test_a_state_of_other_values_is_a_copy_of_no_model(run):
    graph = run(
        TRAIN.replace("KEPT", "None")
        + dedent("""
    torch.save({k: v * 0.5 for k, v in net.state_dict().items()}, "half.pt")
    """)
    )
    assert sources(graph, "half.pt") == []


def test_copies_of_modules_that_hold_no_model_come_out_as_they_are(run):
    run(
        """
    empty = copy.deepcopy(nn.Sequential(nn.ReLU(), nn.Flatten()))
    leaf = copy.deepcopy(torch.zeros(3))
    frozen = copy.deepcopy(nn.Parameter(torch.ones(2), requires_grad=False))
    print(empty, leaf, frozen, [name for name, _ in copy.deepcopy(net).named_parameters()])
    print(len({id(one) for one in copy.deepcopy([net, net])}))
    """,
        status=0,
    )


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16", "int64", "uint8", "bool"])
def test_the_ends_of_a_tensor_are_read_where_they_lie(kind):
    import torch

    from trilha.capture.integrations.torch.copies import _ends

    whole = (torch.arange(12).reshape(3, 4) % 5).to(getattr(torch, kind))
    for tensor in (whole, whole.T, whole[1:, ::2], whole[0, 1]):
        assert _ends(tensor) == [float(tensor.flatten()[0]), float(tensor.flatten()[-1])]


def test_nothing_is_read_of_a_tensor_whose_numbers_were_taken_away_or_are_of_another_kind():
    import torch

    from trilha.capture.integrations.torch.copies import _ends

    emptied = torch.ones(4)
    emptied.untyped_storage().resize_(0)
    assert _ends(emptied) is _ends(torch.ones(2, dtype=torch.complex64)) is None
