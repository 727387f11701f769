"""Merging, flattening and unifying documents, also against the `prov` package."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from strategies import documents

from trilha import formats
from trilha.errors import FormatError, UsageError
from trilha.formats.provpackage import from_prov, to_prov
from trilha.prov import PLACEHOLDER, Document, Kind, Name
from trilha.prov.constraints import validate
from trilha.prov.transforming import flattened, merged, unified

EX = "http://example.org/"
DATA = Path(__file__).parents[2].parent / "shared" / "data" / "prov-interop"
CORPUS = sorted(path for path in DATA.rglob("*.json") if path.stat().st_size < 100_000)
some = settings(max_examples=25, deadline=None)


@pytest.fixture
def document():
    return Document({"ex": EX})


def test_merged_documents_say_what_all_say_once(document):
    document.entity("ex:e", {"prov:label": "one"})
    other = Document({"ex": EX})
    other.entity("ex:e", {"prov:label": "one"})
    other.agent("ex:ana")
    both = merged([document, other])
    assert both.records == [*document.records, other.records[1]]


def test_bundles_of_one_name_become_one(document):
    document.bundle("ex:b").entity("ex:e1")
    other = Document({"ex": EX})
    other.bundle("ex:b").entity("ex:e2")
    other.bundle("ex:c").entity("ex:e3")
    both = merged([document, other])
    assert [len(bundle) for bundle in both.bundles.values()] == [2, 1]


def test_a_prefix_of_two_namespaces_gets_another_name_for_the_second():
    one, other = Document({"ex": EX, "": "urn:a:"}), Document({"ex": "urn:b:", "": "urn:c:", "b": EX})
    other.bundle("ex:b", {"q": "urn:q:"})
    both = merged([one, other])
    assert dict(both.namespaces.items()) == {"ex": EX, "": "urn:a:", "ex1": "urn:b:", "ns1": "urn:c:"}
    assert dict(both.bundles[Name("urn:b:b")].namespaces.items()) == {"q": "urn:q:"}


def test_flattened_has_all_statements_and_no_bundles(document):
    document.entity("ex:e")
    document.bundle("ex:b", {"ex": "urn:b:"}).entity("ex:f")
    document.bundle("ex:c").entity("ex:e")
    flat = document.flattened()
    assert [record.id for record in flat] == [EX + "e", "urn:b:f"]
    assert not flat.bundles
    assert flat.namespaces.get("ex1") == "urn:b:"


def test_unified_merges_cells_and_attributes(document):
    document.was_generated_by("ex:e", "ex:a", id="ex:g", attributes={"ex:k": 1})
    document.was_generated_by(
        "ex:e", PLACEHOLDER, "2026-01-01T00:00:00Z", id="ex:g", attributes={"ex:k": "1"}
    )
    document.was_generated_by("ex:e", "ex:a", attributes={"ex:k": 1})
    document.used("ex:a", "ex:d", PLACEHOLDER)
    document.bundle("ex:b").entity("ex:e", {"ex:k": 1})
    document.bundle("ex:b").entity("ex:e", {"ex:k": 2})
    one = document.unified()
    generation, usage = one.records
    assert generation[1:4] == (EX + "g", EX + "e", EX + "a")
    assert generation.time is not None
    assert generation.values(EX + "k") == [1, "1"]
    assert usage == document.records[3]
    assert usage.time is PLACEHOLDER
    assert one.bundles[Name(EX + "b")].records[0].values(EX + "k") == [1, 2]


def test_unified_gives_an_activity_the_times_of_its_start(document):
    document.was_started_by("ex:a", "ex:t", time="2026-01-01T00:00:00Z")
    document.activity("ex:a")
    start, activity = document.unified()
    assert activity.start == start.time is not None
    assert activity.end is None


def test_unified_keeps_names_of_nothing_fixed(document):
    document.was_generated_by("ex:e", "_:x", id="ex:g")
    document.was_generated_by("ex:e", id="ex:g")
    document.used("_:x", "ex:d")
    generation, usage = document.unified()
    assert generation.activity == usage.activity == "_:x"


def test_unified_refuses_what_contradicts_itself(document):
    document.was_generated_by("ex:e", "ex:a", id="ex:g")
    document.was_generated_by("ex:f", "ex:a", id="ex:g")
    with pytest.raises(UsageError, match=r"cannot be unified: .*ex:g names two different statements"):
        document.unified()


def test_unified_keeps_dictionaries_and_extensions(document):
    document.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e"})
    document.extension("ex:x", [1])
    assert document.unified() == document


def test_unified_keeps_however_many_attributes_there_are(document):
    document.entity("ex:e", [("ex:k", number) for number in range(100)])
    assert document.unified() == document


@some
@given(documents(plain=True))
def test_unified_twice_is_unified_once(given_):
    assume(validate(given_).valid)
    once = unified(given_)
    assert unified(once).records == once.records
    assert given_.equivalent(once).equivalent is not False


@some
@given(documents(plain=True), documents(plain=True))
def test_merged_says_what_each_says(one, other):
    both = merged([one, other])
    for given_ in (one, other):
        assert set(given_.records) <= set(both.records)
        for name, bundle in given_.bundles.items():
            assert set(bundle.records) <= set(both.bundles[name].records)
    assert merged([both, one]) == both


def test_flattened_is_what_the_prov_package_makes(document):
    pytest.importorskip("prov")
    document.entity("ex:e", {"ex:k": 1})
    document.bundle("ex:b").used("ex:a", "ex:e", "2026-01-01T00:00:00Z", id="ex:u")
    document.bundle("ex:c").entity("ex:f")
    assert from_prov(to_prov(document).flattened()) == flattened(document)


def test_unified_is_what_the_prov_package_makes(document):
    pytest.importorskip("prov")
    document.entity("ex:e", {"ex:k": 1})
    document.entity("ex:e", {"ex:k": "x", "prov:label": "e"})
    document.activity("ex:a", "2026-01-01T00:00:00Z")
    document.activity("ex:a", None, "2026-01-02T00:00:00Z")
    document.used("ex:a", "ex:e", id="ex:u")
    document.used("ex:a", "ex:e", "2026-01-01T00:00:00Z", id="ex:u", attributes={"ex:k": 2})
    assert from_prov(to_prov(document).unified()) == unified(document)
    assert len(unified(document).of(Kind.USAGE)) == 1


@pytest.mark.skipif(not CORPUS, reason=f"the corpora are not in {DATA}")
def test_the_corpora_come_out_as_from_the_prov_package():
    pytest.importorskip("prov")
    compared = 0
    for path in CORPUS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # names that a later version will refuse
                theirs = to_prov(formats.read(path))
                given_, flat, one = from_prov(theirs), from_prov(theirs.flattened()), None
                if validate(given_):
                    one = from_prov(theirs.unified())
        except FormatError:
            continue  # of a dictionary
        assert flattened(given_) == flat, path
        assert one is None or unified(given_) == one, path
        compared += 1
    assert compared > 200
