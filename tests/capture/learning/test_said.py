"""What a program says itself of its learning gives the graph that the integrations give."""

import numpy as np
import pytest
from tests.capture.graph import recording

from trilha import learning


class Line:
    """A model of no framework: y = w x."""

    def __init__(self):
        self.weight = 0.0

    def fit(self, x, y, rate):
        error = self.weight * x - y
        self.weight -= rate * float((error * x).mean())
        return float((error**2).mean())


def program(folder):
    x = np.linspace(0, 1, 8)
    y = 3 * x
    train, test = (x[:6].copy(), y[:6].copy()), (x[6:].copy(), y[6:].copy())
    learning.split((x, y), train=train, test=test, indices={"train": range(6)}, settings={"seed": None})
    scaled = train[0] * 2
    learning.transformed(train[0], scaled, "double", order=1, by=2)
    model, rate = Line(), 0.5
    with learning.training(model, data=(scaled, train[1]), learning_rate=rate, epochs=3) as training:
        for epoch in training.epochs(range(3)):
            training.log(loss=model.fit(scaled, train[1], rate))
            if epoch == 1:
                training.changed("learning_rate", rate, rate / 2, "halving")
        (folder / "line.txt").write_text(str(model.weight))
        training.checkpoint(folder / "line.txt", best=True, reason="the last")
        training.stopped("patience", "loss", 0.1)
    learning.evaluated(model, test, "test", error=0.5)
    return model.weight


def test_a_training_of_no_known_framework_has_the_whole_graph(tmp_path):
    with recording(tmp_path / "store") as graph:
        program(tmp_path)
    assert graph.one("training")["framework"] == ["tests"]
    assert [graph.one(f"epoch {n}")["epoch"] for n in (1, 2, 3)] == [[1], [2], [3]]
    assert ("line.txt", "Line after epoch 3") in graph.derivations()
    assert ("Line after epoch 3", "Line after epoch 2") in graph.derivations()
    assert ("after double", "train") in graph.derivations()
    assert len(graph.labels("Adaptation")) == 2
    assert [sorted(row) for row in graph.metrics()] == [["epoch", "loss"]] * 3 + [["error"]]
    assert [graph.about[one]["part"] for one in graph.all("evaluation")] == [["test"]]
    assert {name for facts in graph.about.values() for name in facts["common"]} == {"learning_rate", "epochs"}


def test_nothing_happens_while_nothing_is_recorded(tmp_path):
    weight = program(tmp_path)
    with recording(tmp_path / "store"):
        assert program(tmp_path) == weight


def test_an_error_in_the_block_comes_out_and_is_told(tmp_path):
    with recording(tmp_path) as graph:
        model = Line()
        with pytest.raises(ValueError, match="mine"), learning.training(model) as training:
            for _ in training.epochs([1, 2]):
                model.weight = 1
                raise ValueError("mine")
    assert graph.one("training")["exception"] == ["ValueError"]


def test_a_loop_that_is_left_ends_its_epoch(tmp_path):
    with recording(tmp_path) as graph:
        model = Line()
        with learning.training(model) as training:
            for _ in training.epochs(range(9)):
                model.weight += 1
                training.log(loss=1)
                break
    assert graph.labels("Epoch") == ["epoch 1"]
    assert graph.metrics() == [{"epoch": 1, "loss": 1.0}]
