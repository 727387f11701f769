"""`trilha diff`: what it says, to people and to programs, and its exit status."""

from __future__ import annotations

import io
import json
import sys
from functools import partial

import pytest

BEFORE = """document
  prefix ex <http://example.org/>
  entity(ex:report, [prov:label="draft", ex:pages=3])
  activity(ex:writing, 2026-11-21T09:00:00Z, -)
  wasGeneratedBy(ex:g; ex:report, ex:writing, -)
  wasGeneratedBy(ex:g; ex:report, ex:writing, 2026-11-21T10:00:00Z)
  used(ex:writing, ex:data, -)
  agent(ex:ana)
  bundle ex:notes
    entity(ex:note)
  endBundle
endDocument
"""
AFTER = """document
  prefix e <http://example.org/>
  wasGeneratedBy(e:g; e:report, e:writing, 2026-11-21T10:00:00Z)
  entity(e:report, [e:pages=3, prov:label="final"])
  activity(e:writing, 2026-11-21T09:00:00Z, 2026-11-21T11:00:00Z)
  used(e:writing, e:data, -)
  used(e:writing, e:weather, -)
endDocument
"""


@pytest.fixture
def run(run, tmp_path):
    """Runs the command in a folder with some documents; gives exit status, output and errors."""
    (tmp_path / "before.provn").write_text(BEFORE)
    (tmp_path / "after.provn").write_text(AFTER)
    (tmp_path / "broken.provn").write_text("document\n  entity(ex:e\n")
    return partial(run, "diff")


def test_what_is_said_is_as_it_was_agreed(run, golden):
    status, out, err = run("before.provn", "after.provn")
    assert (status, err) == (1, "")
    golden("diff.txt", out)


def test_json_is_as_it_was_agreed(run, golden):
    status, out, err = run("before.provn", "after.provn", "--json")
    assert (status, err) == (1, "")
    assert json.loads(out)["same"] is False
    golden("diff-json.txt", out)


def test_help_is_as_it_was_agreed(run, golden):
    status, out, _ = run("--help")
    assert status == 0
    golden("help-diff.txt", out)


def test_the_same_is_told(run):
    assert run("before.provn", "before.provn") == (0, "before.provn and before.provn say the same\n", "")


def test_equivalent_documents_are_told(run, tmp_path):
    (tmp_path / "more.provn").write_text(
        BEFORE.replace("  agent", "  wasGeneratedBy(ex:report, -, -)\n  agent")
    )
    assert run("before.provn", "more.provn")[0] == 1
    status, out, _ = run("before.provn", "more.provn", "--equivalent")
    assert (status, out) == (0, "before.provn and more.provn are equivalent\n")
    status, out, _ = run("before.provn", "more.provn", "--equivalent", "--json")
    assert (status, json.loads(out)["equivalent"]) == (0, True)


def test_documents_that_are_not_equivalent_are_told_with_what_follows_from_one(run):
    status, out, _ = run("before.provn", "after.provn", "--equivalent")
    assert status == 1
    assert out.startswith("before.provn and after.provn are not equivalent: ")
    assert "- alternateOf(ex:note, ex:note)" in out


def test_a_document_that_is_not_valid_is_equivalent_to_none(run, tmp_path):
    (tmp_path / "invalid.provn").write_text(BEFORE.replace("agent(ex:ana)", "activity(ex:report)"))
    status, out, _ = run("before.provn", "invalid.provn", "--equivalent")
    assert status == 1
    assert "the second document is not valid: " in out
    assert "entity-activity-disjoint" in out


def test_an_answer_that_is_not_known_is_no_answer(run, monkeypatch):
    from trilha.prov import Document
    from trilha.prov.constraints import Answer

    monkeypatch.setattr(Document, "equivalent", lambda *_: Answer(None, "too long"))
    status, out, _ = run("before.provn", "after.provn", "--equivalent")
    assert (status, out) == (2, "whether they are equivalent is not known: too long\n")
    status, out, _ = run("before.provn", "after.provn", "--equivalent", "--json")
    assert (status, json.loads(out)["same"]) == (2, None)


def test_few_differences_are_told_unless_all_are_asked_for(run):
    out = run("before.provn", "after.provn", "-n", "1")[1]
    assert "… and 5 more; all of them: --limit 0" in out
    assert "more" not in run("before.provn", "after.provn", "-n", "0")[1]


def test_what_cannot_be_read_is_told(run):
    status, out, err = run("before.provn", "broken.provn")
    assert (status, out) == (2, "")
    assert err.startswith("trilha: broken.provn:2:")
    assert run("nowhere.provn", "before.provn")[0] == 2
    assert "only one of the two can be the standard input" in run("-", "-")[2]


def test_two_names_that_are_no_files_may_be_those_of_runs(run):
    status, _, err = run("slow", "fast")
    assert status == 2
    assert "there is no file slow and no file fast; two runs" in " ".join(err.split())
    assert "trilha diff --runs slow fast" in " ".join(err.split())
    assert "gone.provn: cannot be read" in run("before.provn", "gone.provn")[2]


def test_the_standard_input_is_one_of_the_two(run, monkeypatch):
    class Input:
        buffer = io.BytesIO(BEFORE.encode())

    monkeypatch.setattr(sys, "stdin", Input)
    assert run("-", "before.provn", "--format", "provn")[0] == 0


def test_names_cannot_steer_the_terminal(run, tmp_path):
    odd = BEFORE.replace("draft", "dr\u202eaft\x1b[31m").replace("ex:data", "ex:d\u202eata")
    (tmp_path / "odd.provn").write_text(odd, "utf-8")
    _, out, err = run("odd.provn", "before.provn")
    assert "\u202e" not in out + err
    assert "\x1b" not in out + err


def test_what_follows_without_a_name_is_told_too(run, tmp_path):
    (tmp_path / "more.provn").write_text(BEFORE.replace("  agent", "  used(ex:reading, ex:data, -)\n  agent"))
    status, out, _ = run("before.provn", "more.provn", "--equivalent")
    assert status == 1
    assert "+ used(ex:reading, ex:data)" in out
    assert "+ wasInformedBy(ex:reading, _:_)" not in out
