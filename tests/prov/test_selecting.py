"""Parts of a document by type, time and lineage."""

from __future__ import annotations

import pytest

from trilha.errors import NotFound, UsageError
from trilha.prov import Document, Kind, Name
from trilha.prov.selecting import selected_lineage, selected_time, selected_type

EX = "http://example.org/"


@pytest.fixture
def document():
    """Raw data is cleaned into a table on Monday; a model is trained from it on Tuesday, and read later."""
    d = Document({"ex": EX})
    for name in ("raw", "table", "model", "report", "weather"):
        d.entity(f"ex:{name}", {"prov:type": Name(EX + ("Dataset" if name in ("raw", "table") else "Other"))})
    d.activity("ex:clean", "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z")
    d.activity("ex:train", "2026-11-24T09:00:00Z")
    d.activity("ex:read")
    d.agent("ex:ana")
    d.used("ex:clean", "ex:raw", "2026-11-23T09:10:00Z")
    d.was_generated_by("ex:table", "ex:clean", "2026-11-23T09:50:00Z")
    d.was_derived_from("ex:table", "ex:raw")
    d.used("ex:train", "ex:table")
    d.was_generated_by("ex:model", "ex:train", "2026-11-24T09:30:00Z")
    d.was_associated_with("ex:train", "ex:ana", "ex:plan")
    d.used("ex:read", "ex:model", "2026-11-25T09:00:00Z")
    d.was_generated_by("ex:report", "ex:read")
    d.was_ended_by("ex:train", "ex:report", "ex:read")
    d.was_invalidated_by("ex:model", "ex:read")
    d.acted_on_behalf_of("ex:ana", "ex:boss", "ex:other")
    d.bundle("ex:b").specialization_of("ex:raw", "ex:source")
    d.bundle("ex:c").entity("ex:weather")
    return d


def elements(document):
    return {record.id.removeprefix(EX) for record in document if record.kind.is_element}


def relations(document):
    return [record.kind.provn for record in document if not record.kind.is_element]


def test_a_prov_type_keeps_what_is_of_it_and_relations_within(document):
    found = selected_type(document, "ex:Dataset")
    assert elements(found) == {"raw", "table"}
    assert relations(found) == ["wasDerivedFrom"]
    assert not found.bundles


def test_a_kind_of_element_keeps_those(document):
    assert elements(selected_type(document, "activity")) == {"clean", "train", "read"}
    assert [*selected_type(document, "entity").bundles] == [EX + "c"]


def test_a_kind_of_relation_keeps_those_and_what_they_name(document):
    found = selected_type(document, "wasAssociatedWith")
    assert relations(found) == ["wasAssociatedWith"]
    assert elements(found) == {"train", "ana"}


def test_a_time_keeps_what_happened_in_it(document):
    found = selected_time(document, "2026-11-23T00:00:00Z", "2026-11-23T23:59:59Z")
    assert elements(found) == {"raw", "table", "clean"}
    assert relations(found) == ["used", "wasGeneratedBy", "wasDerivedFrom"]


def test_a_time_may_be_open_and_have_another_zone(document):
    assert elements(selected_time(document, "2026-11-25T10:00:00+01:00", None)) == {"model", "read"}
    assert "train" in elements(selected_time(document, None, "2026-11-24T09:00:00"))
    assert "train" not in elements(selected_time(document, None, "2026-11-24T08:59:59"))


def test_a_time_must_be_one(document):
    with pytest.raises(UsageError, match="no time"):
        selected_time(document, "yesterday", None)
    with pytest.raises(UsageError, match="before it begins"):
        selected_time(document, "2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z")


def test_lineage_goes_upstream_only_and_through_bundles(document):
    found = selected_lineage(document, "ex:model")
    assert elements(found) == {"model", "train", "table", "clean", "raw", "ana"}
    assert "wasInvalidatedBy" not in relations(found)
    assert "wasEndedBy" not in relations(found)
    assert "actedOnBehalfOf" not in relations(found)
    assert [*found.bundles] == [EX + "b"]


def test_lineage_of_what_is_not_there_is_told(document):
    with pytest.raises(NotFound, match="nothing in the document is called ex:nothing"):
        selected_lineage(document, "ex:nothing")


def test_lineage_ends_where_alternates_go_round(document):
    document.alternate_of("ex:raw", "ex:weather")
    document.alternate_of("ex:weather", "ex:raw")
    assert "weather" in elements(selected_lineage(document, "ex:table"))
    assert len(selected_lineage(document, "ex:table").of(Kind.ALTERNATE)) == 2


def test_lineage_goes_into_dictionaries():
    document = Document({"ex": EX})
    document.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e"})
    document.entity("ex:e")
    document.derived_by_removal_from("ex:d3", "ex:d2", ["k"])
    assert selected_lineage(document, "ex:d3") == document
