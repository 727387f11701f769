"""What a program says of things: of files, objects, steps and the run."""

from pathlib import Path

import pytest
from tests.capture.graph import recording

import trilha
from trilha.prov import Kind


@pytest.fixture
def record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda: recording(tmp_path / "store")


def said(graph):
    """Triples: label of the thing, name and value of what was said of it."""
    return [
        (graph.label(r[3]), *(graph.about[r[2]][key][0] for key in ("name", "value")))
        for r in graph.of(Kind.INFLUENCE)
    ]


def test_anything_is_annotated_and_given_back(record):
    Path("a.img").write_text("1")
    rows = [["a"] * 100]
    with record() as graph:
        assert trilha.annotate("a.img", center="UChicago") == "a.img"
        trilha.use("a.img")
        with trilha.step("align") as step:
            assert trilha.annotate(step, twelfth=True) is step
            trilha.annotate(order=12)
            assert trilha.annotate(rows, checked=0.5) is rows
        trilha.annotate(trilha.run, purpose="thesis")
        trilha.annotate(purpose="test")
    assert said(graph) == [
        ("a.img", "center", "UChicago"),
        ("align", "twelfth", True),
        ("align", "order", 12),
        ("list", "checked", 0.5),
        ("run", "purpose", "thesis"),
        ("run", "purpose", "test"),
    ]
    assert graph.one("a.img")["annotation.center"] == ["UChicago"]
    assert graph.run["annotation.purpose"] == ["thesis", "test"]
    assert graph.usages() == [("run", "a.img")]
    people = {str(record[3]) for record in graph.of(Kind.ATTRIBUTION)}
    assert len(people) == 1
    assert people.pop().startswith("acct:")
    assert graph.dropped == 0


def test_the_run_that_is_entered_is_annotated_and_a_run_inside_it_is_its_step(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with recording(tmp_path / "store") as graph, trilha.run("inner") as inner:
        trilha.annotate(inner, a=1)
    assert said(graph) == [("inner", "a", 1)]


def test_a_file_that_is_being_written_is_annotated_as_it_is_now(record):
    with record() as graph:
        Path("b.txt").write_text("one")
        trilha.annotate("b.txt", first=True)
        Path("b.txt").write_text("two, longer")
    first, second = graph.versions(Path("b.txt").absolute())
    assert first["annotation.first"] == [True]
    assert "annotation.first" not in second


def test_what_cannot_be_annotated_is_said_once_and_harms_nothing(record, capfd):
    with record() as graph:
        assert trilha.annotate("no such file", a=1) == "no such file"
        assert trilha.annotate(3.5, a=1) == 3.5
    assert "trilha.annotate(no such file): there is no file" in capfd.readouterr().err
    assert said(graph) == []


def test_values_that_are_no_values_are_told_by_their_text(record):
    class Odd:
        def __repr__(self):
            raise ValueError

    with record() as graph:
        trilha.annotate(a=Odd(), b=[1, 2], c=None)
    found = {graph.about[r[2]]["name"][0]: graph.about[r[2]]["value"] for r in graph.of(Kind.INFLUENCE)}
    assert found["a"][0].startswith("<")
    assert found["b"] == ["[1, 2]"]
    assert found["c"] == []
    assert graph.dropped == 0


def test_outside_a_run_nothing_happens(tmp_path):
    assert trilha.annotate("x", a=1) == "x"
    assert trilha.annotate(a=1) is None
