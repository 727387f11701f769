"""PROV-Dictionary's statements and extensions as statements: equality, copies, methods."""

import copy
import importlib
import math
import pickle
import random

import pytest
from hypothesis import given
from strategies import documents, records

from trilha.errors import FormatError, UsageError
from trilha.prov import (
    PLACEHOLDER,
    Braces,
    DictionaryMembership,
    Document,
    Extension,
    Insertion,
    Kind,
    Name,
    Namespace,
    Parentheses,
    Record,
    Removal,
)

EX = Namespace("ex", "http://example.org/")


@pytest.fixture
def document():
    return Document([EX])


def test_statements_of_dictionaries_are_made_by_methods(document):
    put = document.derived_by_insertion_from(
        "ex:d2", EX["d1"], {"k": "ex:e1", 1: EX["e2"]}, {"prov:label": "a"}, id="ex:i"
    )
    taken = document.derived_by_removal_from("ex:d3", "ex:d2", ["k", EX["k"]], id=EX["r"])
    member = document.had_dictionary_member("ex:d2", "ex:e1", "k")
    assert (type(put), type(taken), type(member)) == (Insertion, Removal, DictionaryMembership)
    assert (put.id, put.after, put.before) == (EX["i"], EX["d2"], EX["d1"])
    assert put.pairs == (("k", EX["e1"]), (1, EX["e2"]))
    assert (taken.after, taken.before, taken.keys) == (EX["d3"], EX["d2"], ("k", EX["k"]))
    assert (member.dictionary, member.entity, member.member_key) == (EX["d2"], EX["e1"], "k")
    assert document.records == [put, taken, member]
    assert document.derived_by_insertion_from("ex:d2", "ex:d1", [("k", "ex:e1")]).id is None


def test_the_key_of_a_dictionary_is_a_value(document):
    with pytest.raises(UsageError, match="cannot be the value of an attribute"):
        document.had_dictionary_member("ex:d", "ex:e", object())
    assert len(document) == 0


def test_pairs_and_keys_are_sets_of_typed_values(document):
    put, taken = document.derived_by_insertion_from, document.derived_by_removal_from
    one, two = ("k", EX["e"]), (1, EX["f"])
    assert put("ex:b", "ex:a", [one, two]) == put("ex:b", "ex:a", [two, one, two])
    assert hash(put("ex:b", "ex:a", [one, two])) == hash(put("ex:b", "ex:a", [two, one]))
    different = [taken("ex:b", "ex:a", [key]) for key in (1, 1.0, True, "1", Name("1"))]
    assert len(set(different)) == 5
    assert len({document.had_dictionary_member("ex:d", "ex:e", key) for key in (1, 1.0, True, "1")}) == 4
    assert taken("ex:b", "ex:a", [math.nan]) == taken("ex:b", "ex:a", [float("nan")])


def test_the_content_of_an_extension_is_ordered_and_typed(document):
    assert document.extension("ex:x", [1, EX["e"]]) == document.extension(EX["x"], [1, EX["e"]])
    assert document.extension("ex:x", [1]) != document.extension("ex:x", [True])
    assert document.extension("ex:x", [1, 2]) != document.extension("ex:x", [2, 1])
    assert document.extension("ex:x", [Braces([1])]) != document.extension("ex:x", [Parentheses([1])])
    assert document.extension("ex:x", [Braces([1])]) != document.extension("ex:x", [Braces([True])])
    assert document.extension("ex:x", [Braces([math.nan])]) == document.extension(
        "ex:x", [Braces([-math.nan])]
    )
    inner = document.extension("ex:y", [PLACEHOLDER], {"ex:k": 1}, id="ex:i")
    assert type(document.extension("ex:x", [inner])) is Extension
    assert document.extension("ex:x", [inner]) == document.extension("ex:x", [inner.replace()])


def test_documents_tell_keys_of_different_types_apart():
    one, other = Document([EX]), Document([EX])
    one.had_dictionary_member("ex:d", "ex:e", 1)
    other.had_dictionary_member("ex:d", "ex:e", True)
    assert one != other
    one, other = Document([EX]), Document([EX])
    one.extension("ex:x", [1])
    other.extension("ex:x", [1.0])
    assert one != other


@given(records(placeholders=True, dictionaries=True, extensions=True))
def test_any_statement_survives_pickle_and_copy(record):
    for other in (pickle.loads(pickle.dumps(record)), copy.copy(record), copy.deepcopy(record)):
        assert other == record
        assert type(other) is type(record)
        assert hash(other) == hash(record)


@given(documents(dictionaries=True, extensions=True))
def test_order_and_repetition_say_nothing_of_any_statement(document):
    other = Document()
    other.update(document.records * 2)
    random.Random(1).shuffle(other.records)
    for bundle in document.bundles.values():
        other.bundle(bundle.name).update(reversed(bundle.records))
    assert other == document


@given(documents(dictionaries=True, extensions=True), documents(dictionaries=True, extensions=True))
def test_documents_with_any_statements_are_equal_when_they_say_the_same(one, other):
    def said(document):
        return {r.key for r in document}, {n: {r.key for r in b} for n, b in document.bundles.items()}

    assert (one == other) == (said(one) == said(other))


def test_a_copy_of_an_insertion_with_other_pairs(document):
    put = document.derived_by_insertion_from("ex:b", "ex:a", {"k": "ex:e"})
    assert put.replace(pairs=()) == Record.new((Kind.INSERTION, None, EX["b"], EX["a"], (), ()))


def refusal(write, document):
    with pytest.raises(FormatError) as caught:
        write(document)
    return str(caught.value)


def test_a_format_that_cannot_carry_a_statement_names_it(document):
    provjson = importlib.import_module("trilha.formats.provjson")
    pytest.importorskip("prov")
    package = importlib.import_module("trilha.formats.provpackage")
    document.extension("ex:x", [EX["e"]])
    for write, title in ((provjson.write, "PROV-JSON"), (package.to_prov, "the prov package")):
        assert refusal(write, document).startswith(f"{title} cannot carry http://example.org/x")
    document.records.clear()
    document.bundle("ex:b").had_dictionary_member("ex:d", "ex:e", 1)
    expected = "the prov package cannot carry hadDictionaryMember(http://example.org/d"
    assert refusal(package.to_prov, document).startswith(expected)
