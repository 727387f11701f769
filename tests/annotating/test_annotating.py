"""What is said afterwards: found, stored so that a store made anew has it, shown, chosen by, exported."""

import json
from pathlib import Path

import pytest

import trilha
import trilha.store
from trilha.annotating import annotate, value_of
from trilha.cli.main import _status
from trilha.errors import NotFound, UsageError
from trilha.query.annotations import annotated, said_of
from trilha.query.finding import find
from trilha.query.runs import find_run


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command line in `tmp_path`; gives exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments):
        status = _status(list(arguments))
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def recorded(run):
    """Two runs, `one` and `two`; both read a.img, and each writes a file of its name."""
    Path("a.img").write_text("image")
    for name in ("one", "two"):
        with trilha.run(name), trilha.step(f"copy {name}"):
            Path(f"{name}.img").write_text(Path("a.img").read_text() + name)
    return run


def test_help_is_as_it_was_agreed(run, golden):
    golden("help-annotate.txt", run("annotate", "--help")[1])


def test_a_run_a_step_and_a_file_are_annotated_after_the_fact(recorded):
    assert recorded("annotate", "one", "purpose=thesis")[0] == 0
    assert recorded("annotate", "copy one", "checked=true")[0] == 0
    assert recorded("annotate", "one.img", "score=2.5", "by hand=yes")[0] == 0
    shown = json.loads(recorded("show", "one", "--json")[1])
    said = [(one["name"], one["value"]) for one in shown["annotations"]]
    assert said == [("purpose", "thesis"), ("checked", True), ("score", 2.5), ("by hand", "yes")]
    assert all(one["person"].startswith("acct:") and one["time"] for one in shown["annotations"])
    assert shown["processes"] == 1
    assert shown["run"]["status"] == "finished"
    page = recorded("show", "one")[1]
    assert "the run   purpose  thesis" in page
    assert "one.img" in page
    assert json.loads(recorded("show", "two", "--json")[1])["annotations"] == []


def test_a_store_that_is_made_anew_still_has_it(recorded):
    recorded("annotate", "one", "purpose=thesis")
    before = recorded("annotate", "one")[1]
    Path(".trilha/store.sqlite").unlink()
    assert "thesis" in before
    assert recorded("annotate", "one")[1] == before


def test_a_file_means_its_content_wherever_it_was_met(recorded):
    recorded("annotate", "a.img", "center=UChicago")
    with trilha.store.open() as store:
        found = annotated(store, "center", "UChicago")
        assert [thing.label for thing in found] == ["a.img", "a.img"]
        assert len({thing.run for thing in found}) == 2
        assert annotated(store, "center", "Harvard") == annotated(store, "no such name") == []
        key = find(store, "a.img", "one").key
        assert [one.value for one in said_of(store, [key])[key]] == ["UChicago"]


def test_what_is_said_of_a_content_is_said_to_each_run_that_met_it(recorded):
    recorded("annotate", "a.img", "center=UChicago")
    recorded("annotate", "one.img", "only=1")
    for name, said in (("one", ["center", "only"]), ("two", ["center"])):
        shown = json.loads(recorded("show", name, "--json")[1])
        assert [one["name"] for one in shown["annotations"]] == said
        assert "a.img" in recorded("show", name)[1]
    found = json.loads(recorded("list", "--where", "center = UChicago", "--json")[1])
    assert found["count"] == 2
    assert json.loads(recorded("list", "--where", "only = 1", "--json")[1])["count"] == 1


def test_in_one_run_a_file_means_the_file_that_it_met(recorded):
    recorded("annotate", "a.img", "center=UChicago", "--run", "one")
    with trilha.store.open() as store:
        (thing,) = annotated(store, "center")
        assert thing.run == find_run(store, "one").uuid


def test_runs_are_chosen_by_what_was_said_of_them_or_of_anything_in_them(recorded):
    recorded("annotate", "one", "purpose=thesis", "rank=3")
    recorded("annotate", "two.img", "rank=1")

    def names(where):
        return [run["name"] for run in json.loads(recorded("list", "--where", where, "--json")[1])["runs"]]

    assert names("purpose = thesis") == ["one"]
    assert names("rank < 5") == ["two", "one"]
    assert names("annotation:rank > 2") == ["one"]
    assert names("purpose is unknown") == ["two"]
    assert "Did you mean purpose" in recorded("list", "--where", "purposes = thesis")[2]


def test_the_document_of_the_run_says_it_and_is_valid(recorded):
    recorded("annotate", "one", "purpose=thesis")
    recorded("annotate", "one.img", "center=UChicago")
    with trilha.store.open() as store:
        document = store.document(find_run(store, "one").uuid)
    assert document.validate()
    trilha.write(document, "one.provn")
    text = Path("one.provn").read_text()
    assert 'trilha:annotation.purpose="thesis"' in text
    assert 'trilha:annotation.center="UChicago"' in text
    assert text.count("wasInfluencedBy(") == text.count("wasAttributedTo(") == 2


def test_a_run_that_goes_on_is_annotated_and_goes_on(run, tmp_path):
    with trilha.run("long"):
        assert run("annotate", "long", "note=later")[0] == 0
        assert json.loads(run("show", "long", "--json")[1])["run"]["status"] == "running"
    shown = json.loads(run("show", "long", "--json")[1])
    assert shown["run"]["status"] == "finished"
    assert [one["value"] for one in shown["annotations"]] == ["later"]


def test_the_same_name_twice_keeps_both_the_last_being_what_holds(recorded):
    recorded("annotate", "one", "state=draft")
    recorded("annotate", "one", "state=final")
    with trilha.store.open() as store:
        key = find(store, f"urn:uuid:{find_run(store, 'one').uuid}#run").key
        assert [one.value for one in said_of(store, [key])[key]] == ["draft", "final"]


def test_what_is_wrong_is_said(recorded):
    assert recorded("annotate", "one", "purpose") == (
        2,
        "",
        "trilha: 'purpose': expected NAME=VALUE, such as center=UChicago (trilha annotate --help)\n",
    )
    assert recorded("annotate", "one", "=1")[0] == 2
    assert recorded("annotate", "nothing like it", "a=1")[0] == 1
    with trilha.run("one"):
        pass
    status, _, err = recorded("annotate", "one", "a=1")
    assert status == 1
    assert "2 runs are called 'one'" in err
    with trilha.store.open() as store:
        with pytest.raises(UsageError, match="expected NAME=VALUE"):
            annotate(store, "two", {})
        with pytest.raises(NotFound):
            annotate(store, "nothing like it", {"a": 1})


def test_values_of_a_command_line():
    texts = ["3", "-2.5", "1e3", "true", "007", "1_0", "nan", "2026-11-21T10:00:00Z", "2026-11-21", ""]
    values = [value_of(text) for text in texts]
    assert values[:7] == [3, -2.5, 1000.0, True, 7, "1_0", "nan"]
    assert values[7].isoformat() == "2026-11-21T10:00:00+00:00"
    assert values[8:] == ["2026-11-21", ""]


def test_texts_stay_texts_where_that_is_asked_for(recorded):
    recorded("annotate", "one", "code=007", "--text")
    assert json.loads(recorded("list", "--where", "code = '007'", "--json")[1])["count"] == 1
    assert json.loads(recorded("annotate", "one", "--json")[1])["annotations"][0]["value"] == "007"
