"""OPM's XML: every dialect is read, what is written is valid by the schema and read back."""

import importlib
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from opmgraphs import graphs
from strategies import documents

from trilha import formats
from trilha.errors import FormatError, UsageError
from trilha.formats import opmxml
from trilha.prov import PROV, TRILHA, XSD, Document, Extension, Kind, Literal, Name
from trilha.prov.opm import Annotation, Graph, NodeKind, Observed, document_of, graph_of, legality
from trilha.prov.values import QUALIFIED_NAME, literal

DATA = Path(__file__).parents[2].parent / "shared" / "data"
HISTORY, TOOLBOX = DATA / "opm/history", DATA / "opm/opm/src/test/resources"
SCHEMAS = {"opmx": "opmx-20101012.xsd", "1.1": "opm-20091201.xsd"}
CORPUS = (
    sorted(
        p for p in [*DATA.glob("opm/**/*.xml"), *DATA.glob("pc3/**/*.xml")] if b"opmGraph" in p.read_bytes()
    )
    if DATA.is_dir()
    else []
)
needs_data = pytest.mark.skipif(not CORPUS, reason="the documents of others are not beside the checkout")
corpus = pytest.mark.parametrize("path", CORPUS or [None], ids=lambda path: path.name if path else "none")

SWIFT = b"""<opmGraph xmlns="http://openprovenance.org/model/v1.01.a"
  xmlns:swift="tag:example.org,2008:swift">
<accounts><account id="base"><value /></account></accounts>
<processes>
  <process id="x1"><account id="base" /><value>
    <swift:type>execute</swift:type><swift:uri>tag:example.org,2008:execute:run:0</swift:uri>
  </value></process>
  <process id="x2"><swift:info>late</swift:info></process>
</processes>
<artifacts>
  <artifact id="x3"><value><swift:uri>tag:x:3</swift:uri><swift:contains ref="x4" /></value>
    <account id="base"/></artifact>
  <artifact id="x4"><value><swift:filename>a.img</swift:filename></value><account id="base"/></artifact>
</artifacts>
<agents><agent id="swiftclient"><value/></agent></agents>
<causalDependencies>
  <used><effect id="x1" /><role value="i" /><cause id="x4" /><account id="base" /></used>
  <wasControlledBy><effect id="x1"/><role /><cause id="swiftclient"/>
    <start><noEarlierThan>2009-03-18T16:28:00Z</noEarlierThan><clockId>swiftclient</clockId></start>
    <end><noLaterThan>2009-03-18T16:29:00Z</noLaterThan><clockId>swiftclient</clockId></end>
  </wasControlledBy>
</causalDependencies>
</opmGraph>"""
"""Of the shape that Swift's export of 2009 has."""


def without_illegal(make):
    """What a writer makes, or None where it says that XML cannot hold a character."""
    try:
        return make()
    except FormatError as error:
        if "cannot carry the character" not in str(error) and "without a property" not in str(error):
            raise
        return None


@settings(max_examples=30)
@given(graphs())
def test_a_graph_is_read_back(graph):
    data = without_illegal(lambda: opmxml.written(graph, "1.1"))
    if data is not None:
        assert opmxml.graph(data).key() == graph.key()


@settings(max_examples=25)
@given(documents(dictionaries=True, extensions=True))
def test_a_document_is_read_back(document):
    data = without_illegal(lambda: opmxml.write(document))
    if data is not None:
        assert opmxml.read(data) == document


def test_a_name_that_stands_as_a_value_in_an_extension_stays_one():
    document = Document()
    said = Literal("http://example.org/", QUALIFIED_NAME)
    content = (said, Name("http://example.org/"))
    document.add(Extension.new((Kind.EXTENSION, None, TRILHA["Run"], content, ())))
    assert opmxml.read(opmxml.write(document)) == document


def count(path, *locals_):
    """How many elements of these names a document has, by another parser."""
    root = ET.parse(path).getroot()
    return sum(element.tag.rpartition("}")[2] in locals_ for element in root.iter())


@needs_data
@corpus
def test_a_document_of_others_is_read_whole(path):
    graph = opmxml.graph(path.read_bytes(), path.name)
    root = ET.parse(path).getroot()
    space = root.tag.rpartition("}")[0] + "}"
    for kind, plural in zip(NodeKind, ("artifacts", "processes", "agents"), strict=True):
        assert len(graph.nodes[kind]) == len(root.findall(f"{space}{plural}/{space}{kind.value}"))
    assert len(graph.accounts) == len(root.findall(f"{space}accounts/{space}account"))
    assert len(graph.overlaps) == len(root.findall(f".//{space}overlaps"))
    for word in ("used", "wasGeneratedBy", "wasDerivedFrom", "wasTriggeredBy", "wasControlledBy"):
        assert len(graph.edges(word)) == count(path, word)
    stated = sum(len(edge.accounts) for edge in graph.dependencies)
    stated += sum(len(node.accounts) for nodes in graph.nodes.values() for node in nodes.values())
    references = root.findall(f".//{space}account")
    apart = root.findall(f"{space}annotations/{space}annotation/{space}account")
    assert stated == len(references) - len(graph.accounts) - 2 * len(graph.overlaps) - len(apart)


@needs_data
@corpus
def test_a_document_of_others_is_legal_and_maps_to_valid_prov_and_back(path):
    graph = opmxml.graph(path.read_bytes())
    assert legality(graph)
    document = formats.read(path)
    assert document == document_of(graph)
    assert document.validate()
    assert graph_of(document) == graph


@needs_data
@pytest.mark.parametrize("dialect", SCHEMAS)
@corpus
def test_what_is_written_is_valid_by_the_schema_and_read_back(path, dialect):
    etree = importlib.import_module("lxml.etree")
    schema = etree.XMLSchema(etree.parse(DATA / "opm/opm/src/main/resources" / SCHEMAS[dialect]))
    graph = opmxml.graph(path.read_bytes())
    data = opmxml.written(graph, dialect)
    schema.assertValid(etree.fromstring(data))
    assert opmxml.graph(data) == graph


@needs_data
@settings(max_examples=15)
@given(graphs())
def test_any_graph_is_written_valid_by_the_schema(graph):
    etree = importlib.import_module("lxml.etree")
    schema = etree.XMLSchema(etree.parse(DATA / "opm/opm/src/main/resources" / SCHEMAS["1.1"]))
    data = without_illegal(lambda: opmxml.written(graph, "1.1"))
    if data is not None:
        schema.assertValid(etree.fromstring(data))


@needs_data
def test_the_workflow_of_the_third_challenge_that_was_halted_has_fewer_processes():
    succeeded, halted = (
        opmxml.graph((DATA / f"pc3/vistrails/workflow_opm{which}.xml").read_bytes()) for which in ("", "_err")
    )
    counts = [
        (len(g.processes), len(g.artifacts), len(g.edges("used")), len(g.edges("wasGeneratedBy")))
        for g in (succeeded, halted)
    ]
    assert counts == [(34, 44, 62, 37), (19, 25, 33, 19)]


@needs_data
def test_annotations_that_stand_apart_are_of_what_they_are_about():
    graph = opmxml.graph((TOOLBOX / "annotation-example.xml").read_bytes())
    key = "http://property.org/hasQuality"
    assert graph.artifacts["a1"].properties(key) == ["good", 1, literal("1.01", XSD["float"])]
    (one,) = [one for one in graph.processes["p1"].annotations if one.id == "an6"]
    assert one.accounts == ("green",)
    assert [inner.properties[0].value for inner in one.annotations] == ["bad"]
    assert graph.external == []


def test_the_dialect_of_swift_is_read():
    graph = opmxml.graph(SWIFT)
    assert (len(graph.processes), len(graph.artifacts), len(graph.agents)) == (2, 2, 1)
    assert [(one.container, one.member) for one in graph.containments] == [("x3", "x4")]
    (edge,) = graph.edges("wasControlledBy")
    assert edge.role.value is None
    assert edge.start == Observed(no_earlier_than="2009-03-18T16:28:00Z", clock="swiftclient")
    assert graph.processes["x2"].properties("tag:example.org,2008:swiftinfo") == ["late"]
    assert "</swift:uri>" in graph.processes["x1"].values("value")[0].value
    assert opmxml.graph(opmxml.written(graph)) == graph
    document = opmxml.read(SWIFT)
    assert document.validate()
    assert graph_of(document) == graph


def test_content_tells_the_format(tmp_path):
    for name in ("graph.xml", "graph", "graph.opm.xml", "graph.opm"):
        (tmp_path / name).write_bytes(SWIFT)
        assert formats.read(tmp_path / name) == opmxml.read(SWIFT)


def test_identifiers_that_xml_cannot_have_come_back():
    graph = Graph()
    for id in ("http://example.org/a", "1a", "a b", "a"):
        graph.artifact(id)
    graph.process("a")
    graph.depends("used", "a", "1a", "in", id="http://example.org/u")
    data = opmxml.written(graph)
    assert opmxml.graph(data) == graph
    ids = re.findall(rb' id="([^"]*)"', data)
    assert len(set(ids)) == len(ids) == 6


def test_a_document_of_prov_keeps_its_names(tmp_path):
    document = Document({"ex": "http://example.org/"})
    document.entity("ex:e", {"prov:type": PROV["Plan"], "prov:label": "e"})
    document.was_generated_by("ex:e", "ex:a", "2026-11-21T09:30:00Z", {"prov:role": "out"}, id="ex:g")
    document.was_attributed_to("ex:e", "ex:ag")
    formats.write(document, tmp_path / "run.opm.xml")
    assert formats.read(tmp_path / "run.opm.xml") == document


def wrapped(inner):
    return f'<opmGraph xmlns="http://openprovenance.org/model/opmx#">\n{inner}</opmGraph>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<graph/>", "input:1:1: expected opmGraph of OPM 1.01 or 1.1, not graph"),
        (
            wrapped("<processes><artifact id='a'/></processes>"),
            "input:2:12: expected process in processes, not artifact",
        ),
        (wrapped("<artifacts><artifact/></artifacts>"), 'input:2:12: expected id="..." on artifact'),
        (
            wrapped("<artifacts><artifact id='a'/><artifact id='a'/></artifacts>"),
            "input:2:30: another artifact has the id a",
        ),
        (
            wrapped("<dependencies><used><effect ref='p'/></used></dependencies>"),
            "input:2:15: expected cause in used",
        ),
        (
            wrapped("<dependencies><used><effect/><cause ref='a'/></used></dependencies>"),
            'input:2:21: expected ref="..." on effect',
        ),
        (
            wrapped("<dependencies><used><effect ref='p'/><effect ref='p'/></used></dependencies>"),
            "input:2:38: expected effect once in used",
        ),
        (
            wrapped("<accounts><overlaps><account ref='a'/></overlaps></accounts>"),
            "input:2:11: expected two accounts in overlaps, not 1",
        ),
        (
            wrapped("<annotations><annotation/></annotations>"),
            "input:2:14: expected one subject in annotation",
        ),
        (wrapped("<annotation><property key='k'/></annotation>"), "input:2:13: expected value in property"),
        (wrapped("<frob/>"), "input:2:1: expected an annotation in opmGraph, not frob"),
        ("<a>" * 300, "input:1:601: elements are nested too deeply; expected at most 200"),
        ('<!DOCTYPE o [<!ENTITY a "b">]><o/>', "input:1:31: expected no declarations in <!DOCTYPE o ...>"),
        ("<opmGraph", "input:1:1: expected XML"),
    ],
)
def test_what_is_broken_is_refused_with_its_place(text, message):
    with pytest.raises(FormatError) as refused:
        opmxml.read(text.encode(), "input")
    assert str(refused.value).startswith(message.partition(":1:31")[0] if "DOCTYPE" in message else message)


def test_what_the_schema_has_no_place_for_is_refused_with_what_to_do():
    graph = Graph()
    graph.process("p")
    graph.depends("wasTriggeredByStar", "p", "p")
    with pytest.raises(FormatError, match=r"write the dialect '1\.1', or take it out"):
        opmxml.written(graph)
    assert opmxml.graph(opmxml.written(graph, "1.1")) == graph
    with pytest.raises(UsageError, match=r"is no dialect of OPM's XML: expected opmx or 1\.1"):
        opmxml.written(graph, "2")
    graph.depends("used", "p", "gone")
    with pytest.raises(FormatError, match="a reference to the artifact gone, which the graph does not have"):
        opmxml.written(graph, "1.1")


def test_a_label_is_written_as_the_schema_demands():
    graph = Graph()
    graph.artifact("a", (), [Annotation("label", "A & B"), Annotation.of("http://k", Name("http://v"))])
    assert opmxml.graph(opmxml.written(graph)) == graph


@needs_data
@settings(max_examples=15)
@given(documents(dictionaries=True, extensions=True))
def test_any_document_is_written_valid_by_the_schema(document):
    etree = importlib.import_module("lxml.etree")
    schema = etree.XMLSchema(etree.parse(DATA / "opm/opm/src/main/resources" / SCHEMAS["opmx"]))
    data = without_illegal(lambda: opmxml.write(document))
    if data is not None:
        schema.assertValid(etree.fromstring(data))


def test_names_that_are_no_iris_for_a_schema_come_back():
    document = Document()
    document.entity(Name("http://e.org/a#b#c"), [(Name("http://e.org/k k"), Name("http://e.org/%"))])
    assert opmxml.read(opmxml.write(document)) == document
