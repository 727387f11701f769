"""A PyTorch loop that says what it is: one training, PyTorch's part of it included."""

from trilha.prov import Kind

N = "https://w3id.org/trilha/ns#"
SAID = """
from trilha.torch import evaluated, training
test = DataLoader(TensorDataset(x[:8], y[:8]), batch_size=8)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
with training(net, data=loader, validation=test, epochs=2) as recorded:
    for epoch in recorded.epochs(range(2)):
        for a, b in loader:
            *_, = step(net, optimizer, a, b)
        for a, b in test:
            pass
        recorded.log(loss=1.0 / (epoch + 1))
        scheduler.step()
        torch.save(net.state_dict(), "model.pt")
        recorded.checkpoint("model.pt", best=True, reason="lowest loss")
evaluated(net, test, "test", accuracy=0.5)
for a, b in loader:
    *_, = step(net, optimizer, a, b)
torch.save(net.state_dict(), "after.pt")
"""


def test_what_is_said_and_what_is_found_are_one_training(run):
    graph = run(SAID)
    first, after = graph.of_type("Training")
    assert graph.value(first, "epochs") == 2
    assert graph.value(first, "framework") == "script" or graph.value(first, "framework") == "__main__"
    starters = {record[2]: record[4] for record in graph.relations(Kind.START)}
    epochs = graph.of_type("Epoch")
    assert [starters[epoch] for epoch in epochs] == [first, first, after]
    assert [starters[one] for one in graph.of_type("Adaptation")] == [first]
    assert {graph.attributes[one][f"{N}cause"][0] for one in graph.of_type("Adaptation")} == {"StepLR"}
    versions = [graph.value(one, "label") for one in graph.of_type("Model")]
    assert versions == ["Net", "Net after epoch 1", "Net after epoch 2", "Net after epoch 1"]
    assert not graph.of_type("Pass")


def test_the_settings_that_pytorch_knows_belong_to_the_training_that_is_said(run):
    graph = run(SAID)
    first, _ = graph.of_type("Training")
    used = {record[3] for record in graph.relations(Kind.USAGE) if record[2] == first}
    names = {graph.value(one, "name") for one in graph.of_type("Hyperparameter") if one in used}
    assert {"epochs", "optimizer", "lr", "momentum"} <= names


def test_a_checkpoint_that_is_named_the_best_is_derived_from_the_model_of_that_epoch(run):
    graph = run(SAID)
    checkpoints = [one for one in graph.of_type("Checkpoint") if f"{N}best" in graph.attributes[one]]
    assert len(checkpoints) == 2
    labels = {graph.value(one, "label") for one in graph.upstream(checkpoints[-1])}
    assert "Net after epoch 2" in labels or "Net during epoch 2" in labels


def test_the_document_is_valid(run, tmp_path):
    run(SAID)
    import trilha
    from trilha.query.runs import find_run

    with trilha.open(tmp_path / "store") as store:
        verdict = store.document(find_run(store, "last").uuid).validate()
    assert verdict.valid, verdict.violations
