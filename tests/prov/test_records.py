import copy
import math
import pickle
import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from strategies import documents, records

from trilha.errors import UsageError
from trilha.prov import (
    PLACEHOLDER,
    PLAIN,
    PROV,
    Derivation,
    Document,
    Entity,
    Generation,
    Kind,
    Name,
    Namespace,
    Record,
)
from trilha.prov.record import CLASSES

EX = Namespace("ex", "http://example.org/")
WHEN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
def document():
    return Document([EX])


def test_a_statement_is_a_tuple_of_its_cells(document):
    made = document.was_generated_by("ex:e", "ex:a", WHEN, {"prov:role": "out", "ex:n": [1, 2]}, id="ex:g")
    assert tuple(made) == (
        4, EX["g"], EX["e"], EX["a"], WHEN, (PROV["role"], "out", EX["n"], 1, EX["n"], 2),
    )  # fmt: skip
    assert type(made) is Generation
    assert (made.kind, made.id, made.entity, made.activity, made.time) == (Kind.GENERATION, *made[1:5])
    assert made.arguments == made[2:5]
    assert made.attributes == ((PROV["role"], "out"), (EX["n"], 1), (EX["n"], 2))
    assert (made.values(EX["n"]), made.value(EX["n"]), made.value(EX["m"], 7)) == ([1, 2], 1, 7)
    assert Record.new(tuple(made)) == made
    assert document.records == [made]


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_a_class_that_names_its_arguments(kind):
    cells = (kind, Name("i"), *(Name(argument.name) for argument in kind.arguments), ())
    made = Record.new(cells)
    assert type(made) is CLASSES[kind]
    assert type(made).__name__.upper() == kind.name.replace("_", "")
    assert [getattr(made, argument.name) for argument in kind.arguments] == [a.name for a in kind.arguments]


@pytest.mark.parametrize("kind", PLAIN)
def test_each_kind_has_a_method_that_makes_it(document, kind):
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in kind.provn)
    given_ = {
        argument.name: WHEN if argument.is_time else f"ex:{argument.name}" for argument in kind.arguments
    }
    made = getattr(document, snake)(**given_, id="ex:i", attributes={"ex:k": True})
    assert made.kind is kind
    assert made.id == EX["i"]
    assert all(getattr(made, name) == (WHEN if value is WHEN else EX[name]) for name, value in given_.items())
    assert made.flat == (EX["k"], True)


def test_numbers_of_kinds_are_stable():
    names = (
        "entity activity agent wasGeneratedBy used wasInformedBy wasStartedBy wasEndedBy wasInvalidatedBy"
        " wasDerivedFrom wasAttributedTo wasAssociatedWith actedOnBehalfOf wasInfluencedBy specializationOf"
        " alternateOf mentionOf hadMember derivedByInsertionFrom derivedByRemovalFrom"
        " hadDictionaryMember extension"
    )
    assert " ".join(kind.provn for kind in Kind) == names
    assert list(Kind) == list(range(1, 23))


def test_an_argument_left_out_is_none_and_a_placeholder_stays_and_both_say_the_same(document):
    made = document.was_derived_from("ex:b", "ex:a", activity=PLACEHOLDER)
    assert (made.activity, made.usage) == (PLACEHOLDER, None)
    assert document.activity("ex:x", PLACEHOLDER).start is PLACEHOLDER
    plain = document.was_derived_from("ex:b", "ex:a")
    assert made == plain
    assert hash(made) == hash(plain)
    assert made != document.was_derived_from("ex:b", "ex:a", activity="ex:x")


def test_a_statement_names_what_it_identifies(document):
    entity, activity = document.entity("ex:e"), document.activity("ex:a")
    made = document.was_generated_by(entity, activity, id="ex:g")
    assert document.was_derived_from(entity, "ex:f", activity, made).generation == EX["g"]
    with pytest.raises(UsageError, match="expected a name"):
        document.was_influenced_by(document.used(activity, entity), entity)


def test_a_copy_with_another_cell(document):
    made = document.used("ex:a", "ex:e")
    assert made.replace(time=WHEN, flat=(EX["k"], 1)) == document.used("ex:a", "ex:e", WHEN, {"ex:k": 1})
    with pytest.raises(TypeError, match="used has no agent: expected some of kind, id, activity"):
        made.replace(agent=EX["g"])


@given(records(placeholders=True))
def test_a_statement_survives_pickle_and_copy(record):
    for other in (pickle.loads(pickle.dumps(record)), copy.copy(record), copy.deepcopy(record)):
        assert other == record
        assert type(other) is type(record)
        assert hash(other) == hash(record)


def entity(*flat):
    return Record.new((Kind.ENTITY, EX["e"], flat))


def test_attributes_are_a_set_of_typed_values():
    k, m = EX["k"], EX["m"]
    assert entity(k, 1, m, 2) == entity(m, 2, k, 1)
    assert entity(k, 1, k, 1) == entity(k, 1)
    assert hash(entity(k, 1, k, 1, m, 2)) == hash(entity(m, 2, k, 1))
    different = [entity(k, value) for value in (1, 1.0, True, "1", Name("1"))]
    assert len(set(different)) == 5
    assert entity(k, math.nan) == entity(k, float("nan"))
    assert entity() != (Kind.ENTITY, EX["e"], ())
    assert entity(k, 1) != entity(k, True)


def test_equal_instants_are_equal_times(document):
    there = WHEN.astimezone(timezone(timedelta(hours=-3)))
    assert document.used("ex:a", "ex:e", WHEN) == document.used("ex:a", "ex:e", there)


def test_kinds_of_the_same_shape_differ():
    cells = (EX["i"], EX["a"], EX["b"], ())
    assert Record.new((Kind.COMMUNICATION, *cells)) != Record.new((Kind.INFLUENCE, *cells))


def test_what_attributes_cannot_be_is_refused(document):
    with pytest.raises(UsageError, match="attribute ex:k has no value: leave it out, or give one"):
        document.entity("ex:e", {"ex:k": None})
    with pytest.raises(UsageError, match="cannot be the value of an attribute"):
        document.entity("ex:e", {"ex:k": [object()]})
    assert len(document) == 0


def test_attributes_are_taken_as_mapping_or_pairs(document):
    assert document.entity("ex:e", [("ex:k", 1), ("ex:k", 2)]) == document.entity("ex:e", {"ex:k": {1, 2}})
    assert document.entity("ex:e", {}).flat == ()


# Documents


@given(documents(placeholders=True))
def test_order_and_repetition_say_nothing(document):
    other = Document()
    other.update(document.records * 2)
    random.Random(1).shuffle(other.records)
    for bundle in document.bundles.values():
        other.bundle(bundle.name).update(reversed(bundle.records))
    assert other == document


@given(documents(), documents())
def test_documents_are_equal_when_they_say_the_same(one, other):
    def said(document):
        return {r.key for r in document}, {n: {r.key for r in b} for n, b in document.bundles.items()}

    assert (one == other) == (said(one) == said(other))


def test_attributes_in_another_order_are_found_equal_in_documents():
    one, other = Document(), Document()
    one.update([entity(EX["k"], 1, EX["m"], 2), entity(EX["m"], 2, EX["k"], 1)])
    other.update([entity(EX["m"], 2, EX["k"], 1)])
    assert one == other
    other.records[0] = entity(EX["m"], 2, EX["k"], True)
    assert one != other
    assert one != "a document"


def test_a_document_finds_by_name_and_by_kind(document):
    first = document.entity("ex:e", {"ex:k": 1})
    document.used("ex:a", "ex:e")
    assert document.get("ex:e") == [first]
    second = document.entity("ex:e", {"ex:k": 2})
    assert document.get(EX["e"]) == [first, second]
    assert document.get("ex:none") == []
    assert document.of(Kind.ENTITY) == [first, second]
    assert [type(record) for record in document] == [Entity, type(document.records[1]), Entity]
    assert (len(document), bool(Document())) == (3, True)


def test_a_bundle_is_made_once(document):
    bundle = document.bundle("ex:b")
    assert document.bundle(EX["b"]) is bundle
    assert list(document.bundles) == [EX["b"]]
    bundle.was_derived_from("ex:x", "ex:y")
    assert len(document) == 0
    assert isinstance(bundle.records[0], Derivation)
    assert bundle != document
    assert repr(document) == "<Document of 0 statements and 1 bundles>"
