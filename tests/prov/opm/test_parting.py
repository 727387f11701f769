"""What cannot stand in one account of OPM stands in several, each legal, and comes back as one."""

from hypothesis import given, settings
from opmgraphs import graphs
from strategies import documents

from trilha.formats import opmo, opmxml
from trilha.prov import Document
from trilha.prov.opm import OPM, Graph, Observed, document_of, graph_of, legality, parted, whole


def at(second):
    return Observed(exactly_at=f"2026-11-22T08:00:{second:02}+00:00")


def read_back():
    """A process wrote a file, another one rewrote it, and the first read what the other had made."""
    made = Graph()
    for process in ("urn:run", "urn:step"):
        made.process(process)
    for artifact in ("urn:given", "urn:first", "urn:second"):
        made.artifact(artifact)
    made.depends("used", "urn:run", "urn:given", time=at(0))
    made.depends("wasGeneratedBy", "urn:first", "urn:run", time=at(1))
    made.depends("used", "urn:step", "urn:first", time=at(2))
    made.depends("wasGeneratedBy", "urn:second", "urn:step", time=at(3))
    made.depends("wasDerivedFrom", "urn:second", "urn:first")
    made.depends("used", "urn:run", "urn:second", time=at(4))
    return made


def said(graph, account):
    return {edge[1:3] for edge in graph.dependencies if account in edge.accounts}


def test_what_a_process_used_after_it_had_made_what_led_to_it_stands_apart():
    assert not legality(read_back())
    found = parted(read_back())
    assert legality(found)
    one, two = found.accounts
    assert said(found, two) == {("urn:run", "urn:second")}
    assert len(said(found, one)) == 5
    assert found.overlaps == [(one, two)]
    assert whole(found) == read_back()


def test_a_legal_graph_is_left_as_it_is():
    graph = read_back()
    del graph.dependencies[-1]
    assert parted(graph) is graph
    assert whole(graph) is graph


def test_processes_that_wait_for_each_other_are_parted_though_none_used_what_it_had_made():
    graph = Graph()
    for process, own, other in (("urn:p", "urn:a", "urn:b"), ("urn:q", "urn:b", "urn:a")):
        graph.process(process)
        graph.artifact(own)
        graph.depends("used", process, other)
        graph.depends("wasGeneratedBy", own, process)
    assert not legality(graph)
    assert legality(parted(graph))
    assert whole(parted(graph)) == graph


def test_an_artifact_of_two_processes_has_an_account_for_each():
    graph = Graph()
    graph.artifact("urn:a")
    for process in ("urn:p", "urn:q", "urn:r"):
        graph.process(process)
        graph.depends("wasGeneratedBy", "urn:a", process)
    found = parted(graph)
    assert legality(found)
    assert [said(found, account) for account in found.accounts] == [
        {("urn:a", "urn:p")},
        {("urn:a", "urn:q")},
        {("urn:a", "urn:r")},
    ]


def test_what_is_derived_from_itself_stays_illegal_and_is_told():
    graph = Graph()
    graph.artifact("urn:a")
    graph.depends("wasDerivedFrom", "urn:a", "urn:a")
    (fault,) = legality(parted(graph)).faults
    assert fault.rule == "cycle"
    assert "urn:a → urn:a" in fault.message


def test_an_account_that_is_illegal_keeps_its_name_for_its_first_part():
    graph = read_back()
    graph.account("urn:account")
    graph.dependencies = [edge._replace(accounts=("urn:account",)) for edge in graph.dependencies]
    found = parted(graph)
    assert legality(found)
    assert len(said(found, "urn:account")) == 5
    (other,) = (account for account in found.accounts.values() if account.id != "urn:account")
    assert other.annotations[0].properties == ((OPM["partOf"], "urn:account"),)
    assert whole(found) == graph


@settings(max_examples=60)
@given(graphs())
def test_parts_are_legal_where_nothing_depends_on_itself_and_make_the_graph_again(graph):
    found = parted(graph)
    assert whole(found) == graph
    faults = {fault.message for fault in legality(found).faults if fault.rule in {"cycle", "generation"}}
    alone = {(edge.effect, edge.cause) for edge in graph.dependencies if edge.effect == edge.cause}
    assert not faults or alone
    assert all(f"{id} → {id}" in " ".join(faults) for id, _ in alone)


def test_a_document_with_a_cycle_is_written_as_a_legal_graph_and_read_back_the_same():
    document = document_of(read_back())
    for format in (opmxml, opmo):
        data = format.write(document)
        assert legality(format.graph(data))
        assert format.read(data) == document
        assert format.graph(data).accounts


def test_a_graph_of_opm_that_is_not_legal_is_not_made_legal_behind_its_author():
    graph = read_back()
    graph.id = "theirs"
    document = document_of(graph)
    assert opmxml.graph(opmxml.write(document)) == graph
    assert opmo.graph(opmo.write(document)) == graph


@settings(max_examples=30)
@given(documents())
def test_any_document_is_read_back_from_its_parts(document: Document):
    assert document_of(parted(graph_of(document))) == document
