"""`trilha validate`: what it says, to people and to programs, and its exit status."""

from __future__ import annotations

import io
import json
import sys
from functools import partial

import pytest

VALID = """document
  prefix ex <http://example.org/>
  entity(ex:e)
endDocument
"""
INVALID = """document
  prefix ex <http://example.org/>
  entity(ex:report)
  wasGeneratedBy(ex:g; ex:report, ex:writing, 2026-11-21T09:00:00Z)
  wasGeneratedBy(ex:g; ex:report, ex:printing, -)
  entity(ex:draft)
  wasDerivedFrom(ex:report, ex:draft)
  wasDerivedFrom(ex:draft, ex:report)
  bundle ex:b
    used(ex:writing, ex:draft, -)
    entity(ex:writing)
  endBundle
endDocument
"""


@pytest.fixture
def run(run, tmp_path):
    """Runs the command in a folder with some documents; gives exit status, output and errors."""
    (tmp_path / "good.provn").write_text(VALID)
    (tmp_path / "bad.provn").write_text(INVALID)
    (tmp_path / "broken.provn").write_text("document\n  entity(ex:e\n")
    return partial(run, "validate")


def test_what_is_said_is_as_it_was_agreed(run, golden):
    status, out, err = run("good.provn", "bad.provn")
    assert (status, err) == (1, "")
    golden("validate.txt", out)


def test_help_is_as_it_was_agreed(run, golden):
    status, out, _ = run("--help")
    assert status == 0
    golden("help-validate.txt", out)


def test_json_is_as_it_was_agreed(run, golden):
    status, out, err = run("bad.provn", "good.provn", "--json")
    assert (status, err) == (1, "")
    assert [one["valid"] for one in json.loads(out)["files"]] == [False, True]
    golden("validate-json.txt", out)


@pytest.mark.parametrize(
    ("files", "status"),
    [(["good.provn"], 0), (["good.provn", "bad.provn"], 1), (["bad.provn", "broken.provn", "good.provn"], 2)],
)
@pytest.mark.parametrize("form", [[], ["--json"], ["--sarif"]])
def test_the_exit_status_tells_the_verdict(run, files, status, form):
    assert run(*files, *form)[0] == status


def test_what_cannot_be_read_is_told_and_the_rest_is_checked(run):
    status, out, err = run("broken.provn", "nowhere.provn", "good.provn")
    assert status == 2
    assert out == "good.provn: valid, 1 statement\n"
    assert "broken.provn:" in err
    assert "nowhere.provn" in err
    assert "Traceback" not in err


def test_sarif_names_rule_file_and_place(run):
    _, out, _ = run("bad.provn", "broken.provn", "--sarif")
    (found,) = json.loads(out)["runs"]
    assert {result["ruleId"] for result in found["results"]} == {
        "key-properties",
        "entity-activity-disjoint",
        "derivation-generation-generation-ordering",
    }
    assert {rule["id"] for rule in found["tool"]["driver"]["rules"]} == {
        r["ruleId"] for r in found["results"]
    }
    (location,) = found["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "bad.provn"
    assert location["physicalLocation"]["region"] == {"startLine": 4, "startColumn": 3}
    (broken,) = found["invocations"][0]["toolExecutionNotifications"]
    assert broken["message"]["text"].startswith("broken.provn:")


def test_few_violations_are_told_unless_all_are_asked_for(run):
    assert "… and 2 more" in run("bad.provn", "--limit", "1")[1]
    assert "more" not in run("bad.provn", "--limit", "0")[1].replace("moreover", "")


def test_the_standard_input_is_read_where_a_format_is_given(run, monkeypatch):
    class Input:
        buffer = io.BytesIO(INVALID.encode())

    monkeypatch.setattr(sys, "stdin", Input)
    status, out, _ = run("-", "--format", "provn")
    assert status == 1
    assert "-:4:3" in out


def test_names_cannot_steer_the_terminal(run, tmp_path):
    (tmp_path / "odd.provn").write_text(INVALID.replace("ex:writing", "ex:wri\\'\u202eting"), "utf-8")
    _, out, err = run("odd.provn")
    assert "\u202e" not in out + err


def test_one_of_json_and_sarif(run):
    assert run("good.provn", "--json", "--sarif")[0] == 2
