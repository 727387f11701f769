"""A policy beside a training that Keras leads."""

import os
import subprocess
import sys
import textwrap

import trilha

SCRIPT = """
import numpy as np, keras, trilha

x = np.random.default_rng(0).random((32, 4)).astype("float32")
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")

def policy(live):
    assert len(live.values("loss")) == live.epoch
    if live.epoch == 2:
        model.optimizer.learning_rate = 0.001
    if live.epoch == 4:
        live.stop("enough")

with trilha.autolog("keras"):
    with trilha.watch(policy) as watching:
        model.fit(x, x.sum(1), epochs=8, verbose=0)
    print(watching.stopped)
"""


def test_a_policy_adapts_and_stops_what_fit_does(tmp_path):
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT))
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "train.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "enough\n"), done.stderr
    rows = trilha.ask("adaptations", "loss", store=tmp_path / ".trilha").rows
    assert [(row["common"], row["cause"], row["epoch"]) for row in rows] == [
        ("learning_rate", "policy", 2),
        (None, "policy", 4),
    ]
    losses = [row["loss"] for row in trilha.ask("epochs", store=tmp_path / ".trilha")]
    assert len(losses) == 4
    assert (rows[0]["loss before"], rows[0]["loss after"]) == (losses[1], losses[2])
