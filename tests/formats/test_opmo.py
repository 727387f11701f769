"""OPM in RDF: the ontologies of OPMV, OPMO and 2009 are read, what is written is read back."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from opmgraphs import graphs

from trilha import formats
from trilha.errors import FormatError
from trilha.formats import opmo, opmxml
from trilha.formats.rdf.parsing import parse
from trilha.prov.opm import Dependency, DependencyKind, Graph, Observed, document_of, graph_of, legality

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "opm"
FILES = [
    "history/reproduce_src_test_resources_pc1-full.n3",
    "jena/src/test/resources/pc1-time.n3",
    "jena/src/test/resources/starbucks2.n3",
]
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the documents of others are not beside the checkout"
)
PREFIXES = (
    "@prefix opmv: <http://purl.org/net/opmv/ns#> .\n"
    "@prefix opmo: <http://openprovenance.org/model/opmo#> .\n"
    "@prefix ex: <http://example.org/> .\n"
)


@settings(max_examples=30)
@given(graphs())
def test_a_graph_is_read_back(graph):
    try:
        data = opmo.written(graph)
    except FormatError as error:
        if "no IRI" not in str(error):
            raise
        return
    assert opmo.graph(data).key() == graph.key()


@needs_data
@pytest.mark.parametrize("path", FILES)
def test_a_document_of_others_is_read_whole(path):
    graph = opmo.graph((DATA / path).read_bytes())
    triples = parse((DATA / path).read_bytes(), path, "TURTLE").default
    types = [str(value).rpartition("#")[2] for cells in triples.values() for value in cells[1::2]]
    for kind in DependencyKind:
        word = kind.value[0].upper() + kind.value[1:]
        assert len(graph.edges(kind)) == types.count(word)
    for nodes, word in ((graph.artifacts, "Artifact"), (graph.processes, "Process"), (graph.agents, "Agent")):
        assert len(nodes) == types.count(word)
    assert legality(graph)
    document = formats.read(DATA / path)
    assert document.validate()
    assert (
        graph_of(document) == graph == opmo.graph(opmo.written(graph)) == opmxml.graph(opmxml.written(graph))
    )


@needs_data
def test_the_times_of_a_document_of_others_are_read():
    graph = opmo.graph((DATA / FILES[1]).read_bytes())
    (control,) = graph.edges("wasControlledBy")
    assert control.start == Observed(exactly_at="2010-12-09T09:11:16.339000+00:00")
    assert {edge.time.no_later_than for edge in graph.edges("used")} == {"2010-01-15T08:25:05.204000+00:00"}


@needs_data
def test_the_same_graph_in_xml_and_n3_is_equal_but_for_what_its_authors_changed():
    in_n3 = opmo.graph((DATA / FILES[0]).read_bytes())
    in_xml = opmxml.graph((DATA / FILES[0].replace(".n3", ".xml")).read_bytes())
    assert in_n3.processes.pop("p0").values("label") == ["PC1Full Workflow"]
    assert in_n3.agents.pop("ag1").values("label") == ["John Doe"]
    (control,) = in_n3.edges("wasControlledBy")
    in_n3.dependencies.remove(control)
    graphic = in_n3.artifacts.pop("a28"), in_xml.artifacts.pop("a28")
    paths = [node.properties("http://openprovenance.org/primitives#path") for node in graphic]
    assert paths == [["./atlas-x.jpg"], ["./atlas-x.gif"]]
    assert in_n3.key(names=False) == in_xml.key(names=False)


def test_dependencies_that_are_properties_only_are_read():
    text = PREFIXES + (
        "ex:a a opmv:Artifact ; opmv:wasGeneratedBy ex:p ; ex:size 3 .\n"
        "ex:p a opmv:Process ; opmv:used ex:b ; opmv:wasPerformedBy ex:g .\n"
        "ex:b a opmv:Artifact . ex:g a opmv:Agent ."
    )
    graph = opmo.graph(text.encode())
    assert set(graph.dependencies) == {
        Dependency(DependencyKind.WAS_GENERATED_BY, "a", "p"),
        Dependency(DependencyKind.USED, "p", "b"),
        Dependency(DependencyKind.WAS_CONTROLLED_BY, "p", "g"),
    }
    assert len(graph.artifacts["a"].properties("http://example.org/size")) == 1


def test_content_tells_opm_from_prov_in_every_syntax(tmp_path):
    graph = Graph(base="http://example.org/")
    graph.artifact("a")
    (tmp_path / "graph.ttl").write_bytes(opmo.written(graph))
    assert formats.read(tmp_path / "graph.ttl") == document_of(graph)
    formats.write(document_of(graph), tmp_path / "graph.opm.ttl")
    assert formats.read(tmp_path / "graph.opm.ttl") == document_of(graph)
    formats.write(document_of(graph), tmp_path / "prov.ttl")
    assert formats.read(tmp_path / "prov.ttl") == document_of(graph)


def test_what_is_broken_is_refused():
    with pytest.raises(
        FormatError, match=r"input: the dependency http://example.org/u has no effect or no cause"
    ):
        opmo.read((PREFIXES + "ex:u a opmo:Used ; opmo:cause ex:a .").encode(), "input")
    graph = Graph()
    graph.artifact("a")
    graph.agent("a")
    with pytest.raises(FormatError, match="two things of the name"):
        opmo.written(graph)


def test_what_a_node_is_follows_from_its_dependencies_where_no_type_is_said():
    text = PREFIXES + (
        "ex:a opmv:wasGeneratedBy ex:p . ex:p opmv:used ex:b ; opmv:wasPerformedBy ex:g .\n"
        "ex:t a opmo:WasTriggeredBy ; opmo:effectWasTriggeredBy ex:q ; opmo:causeWasTriggeredBy ex:p .\n"
        "ex:c a opmv:Artifact ; opmv:wasDerivedFrom ex:a . ex:b ex:size 3 ."
    )
    graph = opmo.graph(text.encode())
    assert (set(graph.artifacts), set(graph.processes), set(graph.agents)) == (
        {"a", "b", "c"},
        {"p", "q"},
        {"g"},
    )
    assert legality(graph)
    assert len(graph.artifacts["b"].properties("http://example.org/size")) == 1


def test_a_text_of_properties_alone_is_known_as_opm_by_its_content(tmp_path):
    text = PREFIXES + "ex:a opmv:wasGeneratedBy ex:p ."
    (tmp_path / "graph.ttl").write_text(text)
    assert formats.read(tmp_path / "graph.ttl") == document_of(opmo.graph(text.encode()))


def test_a_node_with_a_type_is_of_no_other_one_that_a_dependency_would_need():
    graph = opmo.graph((PREFIXES + "ex:a a opmv:Artifact ; opmv:used ex:b .").encode())
    assert (set(graph.artifacts), set(graph.processes)) == ({"a", "b"}, set())
    assert not legality(graph)


@needs_data
def test_the_instances_of_the_ontology_which_have_no_types_of_it_are_a_legal_graph():
    data = (DATA / "elmo/src/main/resources/opmo-instances.owl").read_bytes()
    graph = opmo.graph(data, "instances", "RDF_XML")
    assert {id.rpartition("#")[2] for id in graph.artifacts} == {f"a{n}" for n in range(1, 7)} - {"a5"}
    assert {id.rpartition("#")[2] for id in graph.processes} == {"p1", "p2"}
    assert legality(graph)
