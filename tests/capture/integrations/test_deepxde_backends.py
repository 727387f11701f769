"""DeepXDE where it is not on PyTorch: its own hooks tell of the problem, the training and the metrics."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest
from tests.capture.graph import Graph, T

import trilha.store
from trilha.query import questions

START = "from trilha.cli import main; main()"
SCRIPT = """
    import deepxde as dde
    import numpy as np

    def pde(x, y):
        return -dde.grad.hessian(y, x) - np.pi**2 * dde.backend.tf.sin(np.pi * x)

    dde.config.set_random_seed(3)
    interval = dde.geometry.Interval(-1, 1)
    ends = dde.icbc.DirichletBC(interval, lambda x: 0 * x, lambda _, on_boundary: on_boundary)
    data = dde.data.PDE(interval, pde, ends, num_domain=8, num_boundary=2)
    model = dde.Model(data, dde.nn.FNN([1, 6, 6, 1], "tanh", "Glorot uniform"))
    model.compile("adam", lr=0.01, loss_weights=[1, 10])
    history, _ = model.train(iterations=4, display_every=2)
    print("losses", [float(sum(row)) for row in history.loss_train])
"""


def test_tensorflow_s_backend_tells_of_problem_training_and_losses(tmp_path):
    (tmp_path / "solve.py").write_text(dedent(SCRIPT))
    environment = {**os.environ, "DDE_BACKEND": "tensorflow.compat.v1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", START, "run", "solve.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "trilha:" not in done.stderr
    told = [float(one) for one in done.stdout.rpartition("losses [")[2].rstrip("]\n").split(", ")]
    graph = Graph(tmp_path / ".trilha")
    kinds = {str(one).removeprefix(T) for facts in graph.about.values() for one in facts["type"]}
    assert kinds >= {"Training", "Geometry", "Equation", "Condition", "Points", "LossTerm"}
    with trilha.store.open(tmp_path / ".trilha") as store:
        ((run,),) = store.connection.execute("SELECT uuid FROM run")
        assert store.document(run).validate().valid
        answer = questions.ask(store, "metric", "loss")
        assert [answer.rows[0][word] for word in ("first", "last")] == pytest.approx([told[0], told[-1]])
