"""Scripts for Keras-Prov's own Keras run on today's, and their runs follow the dataflow that they name."""

import pytest

from trilha.prov import Kind


@pytest.fixture(autouse=True)
def _backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")


def test_the_dataflow_of_a_model_is_followed_under_trilha_run(ran):
    done = ran.run("embedded.py", "trilha run", quiet=False)  # backends that Keras looks for may log
    assert done.stdout == "done\n"
    told = ran.only()
    assert told.one("Run")["execution"][0].startswith("keras-alexnet-df-")
    assert ("embedded", "keras-alexnet-df") in told.pairs(Kind.ASSOCIATION, 0, 2)
    members = set(told.pairs(Kind.MEMBERSHIP))
    steps = {f"keras-alexnet-df.{tag}" for tag in ("trainingmodel", "adaptation", "testingmodel")}
    assert {("keras-alexnet-df", step) for step in steps} <= members
    assert ("keras-alexnet-df.trainingmodel", "itrainingmodel") in members


def test_the_methods_go_when_the_run_ends(ran, tmp_path):
    script = tmp_path / "after.py"
    script.write_text(
        "import keras\n"
        "from dfa_lib_python import keras_prov\n"
        "keras_prov.begin(None, keras)\n"
        "keras.Sequential().provenance('net', hyperparameters=[('growth', 'NUMERIC')])\n"
        "keras_prov.end(None)\n"
        "assert not hasattr(keras.Model, 'provenance')\n"
    )
    ran.run(script, "python", quiet=False)
    assert not ran.folder.exists()
