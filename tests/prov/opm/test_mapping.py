"""OPM into PROV and back, and PROV into OPM and back: nothing is lost."""

from hypothesis import given, settings
from opmgraphs import graphs
from strategies import documents

from trilha.prov.opm import document_of, graph_of, legality


@settings(max_examples=30)
@given(graphs())
def test_a_graph_comes_back_from_prov(graph):
    assert graph_of(document_of(graph)).key() == graph.key()


@settings(max_examples=40)
@given(documents(dictionaries=True, extensions=True))
def test_a_document_comes_back_from_opm(document):
    assert document_of(graph_of(document)) == document


@settings(max_examples=25)
@given(graphs())
def test_a_legal_graph_is_a_valid_document(graph):
    if legality(graph):
        assert document_of(graph).validate()
