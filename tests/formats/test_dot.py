"""Pictures: what is drawn, checked by Graphviz itself, which reads it as it was written."""

import io
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from strategies import documents

import trilha
from trilha.errors import FormatError, UsageError
from trilha.formats import dot, graphviz
from trilha.prov import PLACEHOLDER, Document

WHEN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)

needs_graphviz = pytest.mark.skipif(
    not os.environ.get("CI") and shutil.which("dot") is None, reason="Graphviz is not installed"
)


@pytest.fixture
def document():
    made = Document({"ex": "http://example.org/", "run": "urn:uuid:1#"})
    made.entity("ex:data", {"prov:label": "digits.csv", "ex:size": 494000})
    made.activity("ex:train", WHEN, None, {"prov:type": "Training"})
    made.agent("ex:ana", {"prov:label": 'Ana "the\\one" <b>'})
    made.used("ex:train", "ex:data", WHEN, {"prov:role": "training set"}, id="ex:u1")
    made.was_generated_by("ex:model", "ex:train", id="ex:g1")
    made.was_derived_from("ex:model", "ex:data", "ex:train", "ex:g1", "ex:u1")
    made.was_associated_with("ex:train", PLACEHOLDER, "ex:plan")
    made.was_attributed_to("ex:model", "ex:ana")
    return made


def drawn(document):
    """Nodes by their label, and arrows as pairs of nodes, as Graphviz read them."""
    done = subprocess.run(["dot", "-Tdot_json"], input=dot.write(document), capture_output=True, check=True)
    assert done.stderr == b""
    found = json.loads(done.stdout)
    nodes = [one for one in found.get("objects", []) if "nodes" not in one and "label" in one]
    return nodes, found.get("edges", []), found.get("objects", [])


@needs_graphviz
def test_elements_have_the_shapes_and_colours_of_the_w3c(document):
    nodes, _, _ = drawn(document)
    looks = {node["tooltip"]: (node["shape"], node.get("fillcolor")) for node in nodes if "tooltip" in node}
    assert looks["ex:data"] == ("ellipse", "#FFFC87")
    assert looks["ex:train"] == ("box", "#9FB1FC")
    assert looks["ex:ana"] == ("house", "#FED37F")


@needs_graphviz
def test_what_is_named_and_not_described_has_a_dashed_border(document):
    nodes, _, _ = drawn(document)
    styles = {node["tooltip"]: node.get("style", "") for node in nodes if "tooltip" in node}
    assert {name for name, style in styles.items() if "dashed" in style} == {"ex:model", "ex:plan"}


@needs_graphviz
def test_labels_are_shown_as_they_are_and_attributes_beside(document):
    nodes, _, _ = drawn(document)
    labels = [node["label"].replace("\\\\", "\\").replace('\\"', '"') for node in nodes]
    assert 'Ana "the\\one" <b>' in labels
    assert "digits.csv" in labels
    assert "ex:size = 494000\\l" in labels


@needs_graphviz
def test_a_relation_of_more_than_two_things_meets_in_a_point(document):
    _, edges, objects = drawn(document)
    names = {number: one["tooltip"] for number, one in enumerate(objects) if "tooltip" in one}
    arrows = {(names.get(edge["tail"]), names.get(edge["head"])): edge.get("label") for edge in edges}
    assert arrows["ex:model", "ex:ana"] == "wasAttributedTo"
    assert arrows["ex:model", "wasDerivedFrom"] == "wasDerivedFrom"
    assert ("wasDerivedFrom", "ex:data") in arrows
    assert arrows["wasDerivedFrom", "ex:g1"] == "generation"
    assert arrows["wasDerivedFrom", "ex:u1"] == "usage"
    assert arrows["ex:train", "ex:u1"] == "used\\n2026-11-21 09:30:00+00:00\\ntraining set"
    assert arrows["wasAssociatedWith", "ex:plan"] == "plan"


@needs_graphviz
def test_bundles_are_frames_with_things_of_their_own(document):
    document.bundle("ex:b").entity("ex:data")
    _, _, objects = drawn(document)
    frames = [one for one in objects if one["name"].startswith("cluster")]
    assert [one["label"] for one in frames] == ["ex:b"]
    assert sum(one.get("tooltip") == "ex:data" for one in objects) == 2


def test_long_values_are_cut_and_many_attributes_counted():
    made = Document({"ex": "http://example.org/"})
    made.entity("ex:e", {"ex:text": "word " * 1000, **{f"ex:a{number}": number for number in range(30)}})
    text = dot.write(made).decode()
    assert len(text) < 2000
    assert "… and 19 more" in text


def test_only_names_of_the_web_are_links(document):
    document.entity("run:1")
    document.entity(trilha.prov.Name("javascript:alert(1)"))
    text = dot.write(document).decode()
    assert 'URL="http://example.org/data"' in text
    assert 'URL="urn' not in text
    assert 'URL="java' not in text


def test_a_thing_that_is_entity_and_agent_is_drawn_as_both_and_meets_its_relations():
    made = Document({"ex": "http://example.org/"})
    made.entity("ex:me")
    made.agent("ex:me")
    made.was_attributed_to("ex:other", "ex:me")
    made.was_derived_from("ex:me", "ex:other")
    text = dot.write(made).decode()
    assert "n3 -> n2" in text  # the agent
    assert "n1 -> n3" in text  # the entity


def test_statements_of_one_thing_are_drawn_once():
    made = Document({"ex": "http://example.org/"})
    made.activity("ex:a", WHEN, None)
    made.activity("ex:a", None, WHEN, {"prov:label": "both"})
    text = dot.write(made).decode()
    assert text.count("shape=box") == 1
    assert "start = " in text
    assert "end = " in text


@needs_graphviz
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
@given(documents())
def test_any_document_can_be_drawn(document):
    done = subprocess.run(["dot", "-Tdot"], input=dot.write(document), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"error" not in done.stderr.lower()


@needs_graphviz
def test_a_picture_is_written_by_the_suffix(document, tmp_path):
    trilha.write(document, tmp_path / "trail.svg")
    assert ET.parse(tmp_path / "trail.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    trilha.write(document, tmp_path / "trail.png")
    assert (tmp_path / "trail.png").read_bytes().startswith(b"\x89PNG")


def test_without_graphviz_the_message_says_what_to_install(document, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="apt install graphviz"):
        trilha.write(document, tmp_path / "trail.svg")
    assert not (tmp_path / "trail.svg").exists()


def program(folder, text):
    path = folder / "dot"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_graphviz_that_fails_is_quoted(document, tmp_path, monkeypatch):
    program(tmp_path, "echo 'Error: out of memory' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(FormatError, match="out of memory"):
        graphviz.drawn(document, "svg")


def test_a_picture_that_takes_too_long_is_given_up(document, tmp_path, monkeypatch):
    program(tmp_path, "exec sleep 20")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(graphviz, "_SECONDS", 0.1)
    with pytest.raises(FormatError, match="too large for a picture"):
        graphviz.drawn(document, "svg")


def test_a_picture_is_not_read(tmp_path):
    with pytest.raises(UsageError, match="writes Dot but does not read it"):
        trilha.read(io.BytesIO(b"digraph {}"), "dot")
