"""What a receiver does: a model and the document of its run, on a machine that knows nothing of either."""

import json
import subprocess
import sys

import pytest
from tests.capture.conftest import program_environment

SCRIPT = """
import trilha
from trilha import learning

def scale(points):
    return [x / 2 for x in points]

class Line:
    weight = 0.0

with open("points.csv") as file:
    points = [float(line) for line in file]
scaled = scale(points)
learning.transformed(points, scaled, scale, order=1)
train, test = scaled[:6], scaled[6:]
learning.split(scaled, train=train, test=test, indices={"train": range(6), "test": range(6, 8)})
line = Line()
with learning.training(line, data=train, learning_rate=0.5, epochs=2) as training:
    for epoch in training.epochs(range(2)):
        line.weight += 0.5
        training.log(loss=1 / (epoch + 1))
    with open("line.txt", "w") as file:
        file.write(str(line.weight))
    training.checkpoint("line.txt", best=True, reason="the last one")
learning.evaluated(line, test, "test", error=0.25)
"""


@pytest.fixture(scope="module")
def received(tmp_path_factory):
    """A folder with ``line.txt`` and ``line.provn`` alone, and a function that calls ``trilha`` there."""
    made, here = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("received")
    (made / "points.csv").write_text("\n".join(map(str, range(8))))
    (made / "train.py").write_text(SCRIPT)

    def call(*words, folder=here):
        environment = program_environment("") | {"HOME": str(here)}
        environment.pop("TRILHA_STORE")
        command = [sys.executable, "-c", "from trilha.cli import main; main()", *words]
        how = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run(command, timeout=200, check=False, **how)
        return done.returncode, done.stdout, done.stderr

    assert call("run", "train.py", folder=made)[0] == 0
    assert call("export", "last", "-o", str(here / "line.provn"), "--points", "all", folder=made)[0] == 0
    (here / "line.txt").write_bytes((made / "line.txt").read_bytes())
    return call


def test_a_document_shows_its_run(received):
    status, shown, errors = received("show", "--document", "line.provn")
    assert (status, errors) == (0, "")
    for word in (
        "train  ",
        "finished",
        "python train.py",
        "by  ",
        "learning_rate  0.5",
        "error",
        "points.csv",
    ):
        assert word in shown
    assert json.loads(received("show", "--document", "line.provn", "--json")[1])["run"]["name"] == "train"


def test_a_file_finds_its_trail_in_its_document_by_its_content(received):
    status, told, errors = received("lineage", "line.txt", "--document", "line.provn")
    assert (status, errors) == (0, "")
    for word in ("Line after epoch 2", "made by epoch 1 to epoch 2", "split", "scale", "points.csv"):
        assert word in told
    assert "Found by content" in told


def test_what_is_asked_wrongly_is_told_in_a_line(received):
    status, _, errors = received("show", "--document", "line.provn", "--store", ".")
    assert (status, errors.count("\n")) == (2, 1)
    assert "give one of --store and --document" in errors
    status, _, errors = received("show")
    assert status == 2
    assert "Missing argument 'RUN'" in errors
    status, _, errors = received("lineage", "line.txt", "--document", "none.provn")
    assert (status, errors.count("\n")) == (2, 1)
    assert "none.provn: cannot be read" in errors


def test_a_document_of_no_format_is_named(received):
    status, _, errors = received("show", "--document", "line.txt")
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith("trilha: line.txt: '.txt' is no format of documents")


def test_a_file_that_the_document_does_not_speak_of_is_looked_for_in_no_other_store(received, tmp_path):
    (tmp_path / "other.txt").write_text("other")
    status, _, errors = received("lineage", str(tmp_path / "other.txt"), "--document", "line.provn")
    assert status == 1
    assert "no recorded run read or wrote this content" in errors
    assert "in line.provn. Is it the document of another file?" in errors
    assert "--store" not in errors


def test_who_has_no_store_is_told_that_a_document_can_be_asked(received):
    status, _, errors = received("lineage", "line.txt")
    assert (status, errors.count("\n")) == (2, 1)
    assert "there is no store here" in errors
    assert "--document" in errors


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("who", "train"),
        ("runs", "learning_rate=0.5"),
        ("top loss", "scale"),
        ("hyperparameters", "learning_rate"),
        ("preparation", "scale"),
        ("parts", "test"),
        ("record 7", "test"),
        ("epochs", "1"),
        ("metric loss", "0.75"),
        ("lineage line.txt", "points.csv"),
        ("path line.txt points.csv", "came from points.csv"),
        ("path|test metrics|raw data", "used            points.csv"),
        ("made-by line.txt", "train"),
        ("impact points.csv", "line.txt"),
        ("operations line.txt", "Split"),
        ("verify line.txt", "written"),
        ("overlap", "no record in common"),
        ("about-file line.txt", "made"),
    ],
)
def test_questions_are_answered_by_the_document_alone(received, question, answer):
    words = question.split("|") if "|" in question else question.split()
    status, told, errors = received("ask", *words, "--document", "line.provn")
    assert errors == ""
    assert status == (1 if question == "overlap" else 0)
    assert answer in told
