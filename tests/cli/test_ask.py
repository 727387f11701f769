"""``trilha ask``."""

import json

import pytest

import trilha
import trilha.store
from trilha.errors import NotFound, UsageError
from trilha.formats import write


@pytest.fixture
def run(run, tmp_path, writing, digits):
    """Runs the command line in a folder with one run; gives exit status, output and errors."""
    digits(writing(), folder=str(tmp_path))
    return run


def test_help_and_the_list_of_questions_are_as_agreed(run, golden):
    golden("help-ask.txt", run("ask", "--help")[1])
    golden("ask.txt", run("ask")[1])


def test_the_questions_cover_the_published_ones(run):
    known = json.loads(run("ask", "--json")[1])["questions"]
    papers = {paper for one in known for paper in one["papers"]}
    assert papers == {f"{of}{number}" for of in "DKS" for number in range(1, 10)}
    assert {number for one in known for number in one["acceptance"]} == set(range(1, 16))


def test_an_answer_is_printed_and_given_as_json(run):
    status, out, err = run("ask", "metric", "loss")
    assert (status, err) == (0, "")
    assert out.split("\n")[1].split()[:4] == ["digits", out.split("\n")[1].split()[1], "3", "1"]
    told = json.loads(run("ask", "metric", "loss", "--json")[1])
    assert told["rows"][0]["min"] == pytest.approx(1 / 3)
    assert told["summary"]["avg"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)


@pytest.mark.parametrize("format_", ["provn", "json", "ttl", "provx"])
def test_a_document_alone_has_the_same_answers(run, tmp_path, format_):
    with trilha.store.open(tmp_path / ".trilha") as store:
        write(
            store.document(store.connection.execute("SELECT uuid FROM run").fetchone()[0]), f"run.{format_}"
        )
    for question in (["metric", "loss"], ["hyperparameters"], ["who"], ["lineage", "model.pt"]):
        here = json.loads(run("ask", *question, "--json")[1])
        there = json.loads(run("ask", *question, "--document", f"run.{format_}", "--json")[1])
        key = lambda row: json.dumps(row, sort_keys=True)  # noqa: E731
        if question[0] == "metric":
            assert there["rows"] == [pytest.approx(row) for row in here["rows"]]
        elif question[0] == "hyperparameters":
            assert [row["value"] for row in there["rows"]] == [pytest.approx(0.01)]
        else:
            assert sorted(there["rows"], key=key) == sorted(here["rows"], key=key)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["tops"], 1, "no question 'tops'. Did you mean top?"),
        (["top"], 2, "top takes other arguments than none: top METRIC [N]"),
        (["top", "loss", "three"], 2, "'three': expected how many runs, a whole number from 1"),
        (["top", "los"], 1, "has a metric 'los'. Did you mean loss?"),
        (["metric", "nothing"], 1, "has a metric 'nothing'"),
        (["runs", "--run", "nobody"], 1, "no run called 'nobody'"),
        (["path", "metrics", "nowhere"], 1, "nothing is known of 'nowhere'"),
        (["lineage", "test metrics"], 1, "has no test metrics"),
        (["who", "--document", "no.provn"], 2, "cannot be read"),
        (["who", "--document", "a.provn", "--store", "b"], 2, "give one of --store and --document"),
    ],
)
def test_a_wrong_question_says_what_to_do(run, arguments, status, says):
    got, out, err = run("ask", *arguments)
    assert (got, out) == (status, "")
    assert says in err


def test_a_name_that_was_asked_for_is_not_suggested(run):
    status, _, err = run("ask", "metric", "lr")
    assert status == 1
    assert "has a metric 'lr'." in err
    assert "Did you mean lr" not in err


def test_no_is_an_exit_status(run, tmp_path):
    (tmp_path / "copy.pt").write_text("weights")
    (tmp_path / "other.pt").write_text("other")
    assert run("ask", "verify", "copy.pt")[0] == 0
    status, out, _ = run("ask", "verify", "other.pt")
    assert status == 1
    assert "neither read nor written" in out


def test_asking_in_python(run, tmp_path):
    assert trilha.ask("top", "accuracy", 1, store=tmp_path / ".trilha")[0]["run"] == "digits"
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert trilha.ask("metric", "loss", store=store).column("last") == [pytest.approx(1 / 3)]
        document = store.document(store.connection.execute("SELECT uuid FROM run").fetchone()[0])
        assert len(trilha.ask("hyperparameters", document=document)) == 1
        with pytest.raises(UsageError, match="of a store or of a document"):
            trilha.ask("who", store=store, document=document)
    with pytest.raises(NotFound, match="no question"):
        trilha.ask("whoever", store=tmp_path / ".trilha")


def test_a_run_of_which_no_end_is_known_is_not_told_to_have_failed(run, writing, capsys):
    foreign = "document\n  prefix ex <http://example.org/>\n  activity(ex:train, -, -)\nendDocument\n"
    with open("foreign.provn", "w") as file:
        file.write(foreign)
    status, out, _ = run("ask", "failed", "--document", "foreign.provn")
    assert status == 0
    assert "Nothing." in out


@pytest.mark.parametrize(
    "question", ["runs", "who", "epochs", "layers", "parts", "overlap", "shared-data", "graph"]
)
def test_a_document_that_knows_nothing_of_learning_is_answered(run, question):
    with open("empty.provn", "w") as file:
        file.write("document\nendDocument\n")
    status, _, err = run("ask", question, "--document", "empty.provn")
    assert (status, err) == (1 if question == "overlap" else 0, "")
