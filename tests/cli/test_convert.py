"""`trilha convert`: what it writes, what it refuses, and that it leaves alone what it cannot write."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from trilha import formats
from trilha.cli.main import _status
from trilha.prov.versioned.history import History

FIRST = """document
  prefix ex <http://example.org/>
  entity(ex:report, [prov:label="draft"])
  wasGeneratedBy(ex:g; ex:report, ex:writing, -)
  wasGeneratedBy(ex:g; ex:report, -, 2026-11-21T10:00:00Z)
  used(ex:writing, ex:data, -)
  entity(ex:data, [prov:type='ex:Dataset'])
  bundle ex:notes
    entity(ex:note)
  endBundle
endDocument
"""
SECOND = """document
  prefix ex <http://example.com/>
  entity(ex:report)
  bundle ex:notes
    entity(ex:note)
  endBundle
endDocument
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsysbinary):
    """Runs the command in a folder with some documents; gives exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "first.provn").write_text(FIRST)
    (tmp_path / "second.provn").write_text(SECOND)
    (tmp_path / "broken.provn").write_text("document\n  prefix ex <http://e/>\n  entity(ex:e\n")
    (tmp_path / "invalid.provn").write_text(FIRST.replace("ex:data, -", "ex:writing, -"))

    def call(*arguments):
        status = _status(["convert", *arguments])
        out, err = capsysbinary.readouterr()
        return status, out.decode(), err.decode()

    return call


def test_help_is_as_it_was_agreed(run, golden):
    status, out, _ = run("--help")
    assert status == 0
    golden("help-convert.txt", out)


@pytest.mark.parametrize("suffix", ["provn", "json", "provx"])
def test_another_format_says_the_same(run, suffix):
    status, out, err = run("first.provn", f"out.{suffix}")
    assert (status, out, err) == (0, "", f"trilha: wrote 6 statements to out.{suffix}\n")
    back = formats.read(f"out.{suffix}")
    assert len(back) == 5
    assert back.equivalent(formats.read("first.provn"))


def test_versioned_prov_is_unfolded_and_folded(run):
    Path("versioned.provn").write_text(
        "document\n  prefix ex <http://example.com/>\n"
        "  prefix version <https://dew-uff.github.io/versioned-prov/ns#>\n"
        + "".join(f"  entity(ex:{name})\n" for name in "labc")
        + "".join(
            f"  hadMember(ex:l, ex:{name}, [prov:type='version:Put', version:checkpoint={at},"
            f' version:key="0"])\n'
            for at, name in enumerate("abc", 1)
        )
        + "endDocument\n"
    )
    for form in ("plain", "dictionary"):
        assert run("versioned.provn", "unfolded.provn", "--unfold", form)[0] == 0
        unfolded = formats.read("unfolded.provn")
        assert {f"http://example.com/l{version}" for version in ("", "-1", "-2")} <= {
            record.id for record in unfolded.records
        }
        assert run("unfolded.provn", "folded.provn", "--fold")[0] == 0
        history = History(formats.read("folded.provn"))
        assert [history.member("ex:l", "0", at) for at in (1, 2, 3)] == [
            f"http://example.com/{name}" for name in "abc"
        ]
    assert run("versioned.provn", "unfolded.provn", "--unfold", "other")[0] == 2


def test_several_become_one(run):
    assert run("first.provn", "second.provn", "all.provn")[0] == 0
    both = formats.read("all.provn")
    assert len(both) == 6
    assert len(both.bundles) == 2
    assert both.namespaces.get("ex1") == "http://example.com/"


def test_the_standard_streams_are_read_and_written(run, monkeypatch):
    class Input:
        buffer = io.BytesIO(FIRST.encode())

    monkeypatch.setattr(sys, "stdin", Input)
    status, out, err = run("-", "-", "--from", "provn", "--to", "json")
    assert (status, err) == (0, "")
    assert formats.read(io.StringIO(out), "json").equivalent(formats.read("first.provn"))


@pytest.mark.parametrize(
    "options",
    [
        ["--flatten"],
        ["--unify"],
        ["--expand"],
        ["--flatten", "--unify"],
        ["--select", "lineage=ex:report"],
        ["--select", "type=ex:Dataset"],
        ["--select", "time=2026-11-21T09:30:00Z.."],
        ["--select", "type=entity", "--select", "lineage=ex:report"],
    ],
    ids=" ".join,
)
def test_what_is_written_is_as_it_was_agreed(run, golden, options):
    status, out, err = run("first.provn", "-", "--to", "provn", *options)
    assert (status, err) == (0, "")
    name = "-".join(part.strip("-").partition("=")[0] for part in options if part != "--select")
    golden(f"convert-{name}.txt", out)


def test_what_contradicts_itself_is_not_unified(run, tmp_path):
    (tmp_path / "out.provn").write_text("as it was")
    for option in ("--unify", "--expand"):
        status, _, err = run("invalid.provn", "out.provn", option)
        assert status == 2
        assert "the document is not valid" in err
        assert "entity-activity-disjoint" in err
    assert (tmp_path / "out.provn").read_text() == "as it was"
    assert run("invalid.provn", "out.provn")[0] == 0


def test_one_broken_input_refuses_all(run, tmp_path):
    status, _, err = run("first.provn", "broken.provn", "out.provn")
    assert status == 2
    assert err.startswith("trilha: broken.provn:4:")
    assert not (tmp_path / "out.provn").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["first.provn"], "only first.provn is given: expected inputs and, last, where to write"),
        (["first.provn", "-"], "say which format with --to"),
        (["first.provn", "out"], "out: its name tells no format"),
        (["first.provn", "out.xyz"], "'.xyz' is no format of documents"),
        (["first.provn", "-", "--to", "nothing"], "'nothing' is no format of documents"),
        (["-", "-", "out.provn"], "the standard input can be read once only"),
        (["nowhere.provn", "out.provn"], "nowhere.provn: cannot be read"),
        (["first.provn", "nowhere/out.provn"], "cannot be written"),
        (["first.provn", "out.provn", "--select", "all"], "expected type=NAME, lineage=NAME or time=A..B"),
        (["first.provn", "out.provn", "--select", "time=.."], "expected type=NAME"),
        (["first.provn", "out.provn", "--select", "time=today.."], "'today' is no time"),
        (["first.provn", "out.provn", "--select", "lineage=zz:e"], "does not declare the prefix of zz:e"),
        (["first.provn", "out.provn", "--select", "type=Dataset"], "expected one of ex: or a whole IRI"),
    ],
)
def test_wrong_usage_is_refused_with_what_was_expected(run, tmp_path, arguments, message):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert not (tmp_path / "out.provn").exists()


def test_lineage_of_what_is_not_there_is_not_found(run):
    status, _, err = run("first.provn", "out.provn", "--select", "lineage=ex:nothing")
    assert status == 1
    assert "nothing in the document is called ex:nothing" in err


def test_long_work_is_told_on_a_terminal_only(run, monkeypatch):
    from trilha.cli import convert

    monkeypatch.setattr(convert, "_LONG", 1)
    assert "read first.provn" not in run("first.provn", "out.provn")[2]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    status, out, err = run("first.provn", "-", "--to", "provn", "--unify")
    assert status == 0
    assert out.startswith("document")
    assert "write -" in err
