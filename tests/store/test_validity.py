"""What Trilha itself says of a run is valid PROV."""

from __future__ import annotations

import subprocess
import sys

import pytest

import trilha.store

PROGRAM = """
import json
import trilha

@trilha.step
def load(path):
    with open(path) as file:
        return [int(part) for part in file.read().split(",")]

@trilha.step
def train(rows, rate=0.1):
    for epoch in range(3):
        trilha.log(loss=1 / (epoch + 1))
    return sum(rows) * rate

with open("data.csv", "w") as file:
    file.write("1,2,3")
with trilha.run("tiny", store=".trilha"):
    trilha.hyperparameters(rate=0.1)
    model = train(load("data.csv"))
    with open("model.json", "w") as file:
        json.dump(model, file)
    load("data.csv")
"""


@pytest.mark.parametrize("points", ["summary", "all"])
def test_the_document_of_a_run_is_valid(tmp_path, points):
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True)
    with trilha.store.open(tmp_path / ".trilha") as store:
        ((uuid,),) = store.connection.execute("SELECT uuid FROM run").fetchall()
        document = store.document(uuid, points)
    assert len(document) > 15
    verdict = document.validate()
    assert verdict.valid, str(verdict)


@pytest.mark.parametrize("points", ["summary", "all"])
def test_the_document_of_a_run_with_all_that_runs_have_is_valid(tmp_path, writing, digits, points):
    uuid = digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        verdict = store.document(uuid, points).validate()
    assert verdict.valid, str(verdict)
