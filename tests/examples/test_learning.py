"""Each framework and each way in has an example, which does what it says.

Those of Keras, Lightning, Transformers, DeepXDE and of several ranks are tested with their integrations.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.capture.conftest import program_environment
from tests.capture.graph import Graph
from tests.capture.integrations.ways import ROOT, check_documents, example

import trilha

WAYS_IN = {
    "autolog": ("torch", "line.pt", "Linear after epoch 5"),
    "torch_block": ("torch", "line.pt", "Linear after epoch 20"),
    "keras_callback": ("keras", "line.keras", "Sequential after epoch 5"),
    "lightning_callback": ("lightning", "line.ckpt", "Line after epoch 5"),
    "transformers_callback": (
        "transformers",
        "model.safetensors",
        "BertForSequenceClassification after epoch 3",
    ),
    "any_framework": ("__main__", "line.txt", "Line after epoch 5"),
}
"""By the script: the framework, the file that it writes, the version of the model that this holds."""


def test_there_is_an_example_of_each_way_in():
    assert {path.stem for path in (ROOT / "examples" / "ways_in").glob("*.py")} == set(WAYS_IN)


@pytest.mark.parametrize("name", WAYS_IN)
def test_a_way_in_records_a_training_whose_file_comes_from_its_model(name, tmp_path):
    framework, file, version = WAYS_IN[name]
    script = ROOT / "examples" / "ways_in" / f"{name}.py"
    more = {"OMP_NUM_THREADS": "1", "KERAS_BACKEND": "torch", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=program_environment(tmp_path / "store", more),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "trilha:" not in done.stderr
    graph = Graph(tmp_path / "store")
    [training] = [facts for facts in graph.about.values() if TRAINING in facts["type"]]
    assert training["framework"] == [framework]
    assert (file, version) in graph.derivations()
    assert any("loss" in row for row in graph.metrics())
    check_documents(tmp_path / "store")


TRAINING = "https://w3id.org/trilha/ns#Training"


def test_the_example_of_scikit_learn_leads_from_its_file_to_its_split(tmp_path):
    graph = example(tmp_path, "sklearn_digits.py", "out")
    assert Path("digits.joblib") in [Path(name) for name in graph.files()]
    assert {"train", "test"} <= {facts["part"][0] for facts in graph.about.values() if facts["part"]}
    [source] = [used for made, used in graph.derivations() if made == "digits.joblib"]
    with trilha.open(tmp_path / "store") as opened:
        found = trilha.ask("lineage", str(tmp_path / "out" / "digits.joblib"), store=tmp_path / "store")
        assert source in {row["from"] for row in found}
        assert "digits.csv.gz" in found.summary["raw data"]
        assert opened
