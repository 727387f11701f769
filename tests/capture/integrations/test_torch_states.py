"""States that models of PyTorch take over: what of the model there is from then on, and what is no more."""

from __future__ import annotations

import pytest

from trilha.prov import Kind, Name

EVIDENCE = Name("https://w3id.org/trilha/ns#evidence")
TRAIN = """
for epoch in range(3):
    for a, b in loader:
        *_, = step(net, optimizer, a, b)
    if epoch == 1:
        torch.save(net.state_dict(), "best.pt")
        best = copy.deepcopy(net.state_dict())
"""
SAVE = '\ntorch.save(net.state_dict(), "model.pt")\n'
DEEP = """
deep = nn.Sequential(*(nn.Linear(4, 4) for _ in range(50)), nn.Linear(4, 2))
optimizer = torch.optim.SGD(deep.parameters(), lr=0.1)
net = deep
"""


def loaded(graph):
    """The version of the model that was saved at last."""
    (model,) = (
        one[3]
        for one in graph.relations(Kind.DERIVATION)
        if one[2] == graph.file("model.pt") and (EVIDENCE, "the same storage") in one.attributes
    )
    return model


def sources(graph, entity):
    """What an entity is derived from at once, by label; whether an activity did it is to be known."""
    return sorted(
        (graph.value(one[3], "label"), one[4] is not None)
        for one in graph.relations(Kind.DERIVATION)
        if one[2] == entity
    )


def before(graph, entity):
    """What the object was that an entity is the next state of, where nothing of that is left."""
    return [graph.value(one[3], "label") for one in graph.relations(Kind.ALTERNATE) if one[2] == entity]


def above(graph):
    return {graph.value(one, "label") for one in graph.upstream(graph.file("model.pt"))}


@pytest.mark.parametrize(
    ("state", "source"),
    [
        ("best", "Net after epoch 2"),
        ("torch.load('best.pt')", "content of best.pt"),
        ("{name: one for name, one in torch.load('best.pt').items()}", "content of best.pt"),
    ],
)
def test_a_model_that_takes_over_a_whole_state_comes_of_that_alone(run, state, source):
    graph = run(TRAIN + f"\nnet.load_state_dict({state})\n" + SAVE)
    assert sources(graph, loaded(graph)) == [(source, True)]
    assert before(graph, loaded(graph)) == ["Net after epoch 3"]
    assert "Net after epoch 2" in above(graph)
    assert "Net after epoch 3" not in above(graph)


def test_a_state_of_more_tensors_than_are_looked_at_is_whole_too(run):
    graph = run(DEEP + TRAIN + "\nnet.load_state_dict(torch.load('best.pt'))\n" + SAVE)
    assert sources(graph, loaded(graph)) == [("content of best.pt", True)]


def test_a_compiled_or_wrapped_model_comes_of_the_state_that_what_it_wraps_took_over(run):
    graph = run(
        TRAIN
        + "\nwrapper = nn.DataParallel(net)\n"
        + "wrapper.load_state_dict({'module.' + name: one for name, one in torch.load('best.pt').items()})\n"
        + SAVE
    )
    assert sources(graph, loaded(graph)) == [("content of best.pt", True)]


@pytest.mark.parametrize("assign", [True, False])
def test_parameters_that_are_replaced_by_others_are_replaced(run, assign):
    graph = run(TRAIN + f"\nnet.load_state_dict(torch.load('best.pt'), assign={assign})\n" + SAVE)
    assert "Net after epoch 3" not in above(graph)


@pytest.mark.parametrize(
    "take",
    [
        "own = net.state_dict(); own.update({'out.bias': kept['out.bias']}); net.load_state_dict(own)",
        "kept['out.bias'] = net.state_dict()['out.bias'] * 2; net.load_state_dict(kept)",
        "del kept['out.bias']; net.load_state_dict(kept, strict=False)",
        "net.hidden.load_state_dict({n[7:]: one for n, one in kept.items() if n.startswith('hidden.')})",
    ],
)
def test_a_model_that_takes_over_a_part_comes_of_what_it_was_too(run, take):
    graph = run(TRAIN + "\nkept = torch.load('best.pt')\n" + take.replace("; ", "\n") + SAVE)
    assert "Net after epoch 3" in {label for label, _ in sources(graph, loaded(graph))}
    assert before(graph, loaded(graph)) == []


def test_what_an_epoch_had_made_of_the_model_is_told_before_it_takes_over_a_state(run):
    graph = run(
        TRAIN
        + """
for a, b in loader:
    *_, = step(net, optimizer, a, b)
    net.load_state_dict(torch.load("best.pt"))
    torch.save(net.state_dict(), "model.pt")
    break
"""
    )
    assert sources(graph, loaded(graph)) == [("content of best.pt", True)]
    assert before(graph, loaded(graph)) == ["Net during epoch 4"]
    assert above(graph).isdisjoint({"Net after epoch 3", "Net during epoch 4"})


def test_a_model_that_takes_over_its_own_state_is_a_revision_of_itself(run):
    graph = run(TRAIN + "\nnet.load_state_dict(net.state_dict())\n" + SAVE)
    assert {label for label, _ in sources(graph, loaded(graph))} == {"Net after epoch 3"}
    assert before(graph, loaded(graph)) == []


def test_a_function_that_has_a_model_take_over_a_state_does_not_make_it_of_what_it_was(run):
    graph = run(
        "def restore(model):\n    model.load_state_dict(torch.load('best.pt'))\n"
        + TRAIN
        + "\nrestore(net)\n"
        + SAVE
    )
    assert sources(graph, loaded(graph)) == [("content of best.pt", True)]
    assert above(graph).isdisjoint({"Net after epoch 3"})


@pytest.mark.parametrize("state", ["3", "net.hidden.state_dict()", "{'hidden.weight': x}"])
def test_a_state_that_cannot_be_taken_over_raises_as_ever(run, state):
    run(f"net.load_state_dict({state})", status=1)
