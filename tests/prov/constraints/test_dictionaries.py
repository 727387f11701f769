"""The inferences and constraints of PROV-Dictionary."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trilha.prov import PROV, Document, Kind, Name, Record
from trilha.prov.constraints import validate
from trilha.prov.values import value_key

EMPTY = {"prov:type": PROV["EmptyDictionary"]}


@pytest.fixture
def doc():
    return Document({"ex": "http://example.org/"})


def only(document):
    (violation,) = validate(document).violations
    return violation


def test_a_dictionary_that_grows_shrinks_and_is_updated_is_valid(doc):
    doc.entity("ex:d0", EMPTY)
    doc.derived_by_insertion_from("ex:d1", "ex:d0", {"a": "ex:e1", "b": "ex:e2"})
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"a": "ex:e3"})
    doc.derived_by_removal_from("ex:d3", "ex:d2", ["b"])
    doc.derived_by_insertion_from("ex:d4", "ex:d3", {"b": "ex:e4"})
    for name, key, entity in [("ex:d1", "a", "ex:e1"), ("ex:d2", "a", "ex:e3"), ("ex:d4", "b", "ex:e4")]:
        doc.had_dictionary_member(name, entity, key)
    assert validate(doc).valid


def test_a_key_has_one_entity(doc):
    doc.had_dictionary_member("ex:d", "ex:e1", "k")
    doc.had_dictionary_member("ex:d", "ex:e2", "k")
    found = only(doc)
    assert found.rule.name == "unique-dictionary-key"
    assert found.message == 'ex:d has two entities under "k": ex:e1 and ex:e2'
    assert [statement.index for statement in found.statements] == [0, 1]
    assert found.reasons[-1].startswith(
        'hadDictionaryMember(ex:d, ex:e2, "k"), but a dictionary has one entity'
    )


def test_keys_are_typed_values(doc):
    for number, key in enumerate((1, True, 1.0, "1", Name("1"))):
        doc.had_dictionary_member("ex:d", f"ex:e{number}", key)
    doc.had_dictionary_member("ex:d", "ex:e0", 1)
    assert validate(doc).valid


def test_an_insertion_gives_a_key_one_entity(doc):
    doc.derived_by_insertion_from("ex:d2", "ex:d1", [("k", "ex:e1"), ("k", "ex:e2")])
    found = only(doc)
    assert [rule.name for rule in found.rules] == ["unique-dictionary-key", "insertion-membership-inference"]
    assert [statement.text for statement in found.statements] == [
        'derivedByInsertionFrom(ex:d2, ex:d1, {("k", ex:e1), ("k", ex:e2)})'
    ]


def test_what_is_inserted_is_a_member(doc):
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e1"})
    doc.had_dictionary_member("ex:d2", "ex:e2", "k")
    assert only(doc).message == 'ex:d2 has two entities under "k": ex:e1 and ex:e2'


def test_other_keys_are_kept_by_insertions_and_removals(doc):
    doc.had_dictionary_member("ex:d1", "ex:e1", "k")
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"other": "ex:e2"})
    doc.derived_by_removal_from("ex:d3", "ex:d2", ["another"])
    doc.had_dictionary_member("ex:d3", "ex:e3", "k")
    found = only(doc)
    assert [rule.name for rule in found.rules] == [
        "unique-dictionary-key",
        "insertion-kept-membership-inference",
        "removal-kept-membership-inference",
    ]
    assert [statement.index for statement in found.statements] == [0, 1, 2, 3]
    assert found.reasons[1].endswith("keeps it (insertion-kept-membership-inference)")


def test_a_long_way_between_two_dictionaries_is_told_in_short(doc):
    doc.had_dictionary_member("ex:d0", "ex:e1", "k")
    for number in range(500):
        doc.derived_by_removal_from(f"ex:d{number + 1}", f"ex:d{number}", ["x"])
    doc.had_dictionary_member("ex:d500", "ex:e2", "k")
    found = only(doc)
    assert len(found.reasons) == 13
    assert "so do 490 more insertions and removals after it" in found.reasons


def test_what_was_removed_is_no_member(doc):
    doc.derived_by_removal_from("ex:d2", "ex:d1", [7])
    doc.had_dictionary_member("ex:d2", "ex:e", 7)
    found = only(doc)
    assert (found.rule.name, found.number) == ("impossible-removed-member", None)
    assert found.message == "ex:d2 has a member under 7, which was removed from it"


def test_a_dictionary_is_made_once(doc):
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e"}, {"ex:n": 1}, id="ex:i")
    doc.derived_by_insertion_from("ex:d2", "ex:d1", [("k", "ex:e"), ("k", "ex:e")])
    assert validate(doc).valid
    doc.derived_by_insertion_from("ex:d2", "ex:d3", {"k": "ex:e"})
    found = only(doc)
    assert (found.rule.name, found.message) == (
        "unique-insertion-removal",
        "ex:d2 is made by two different insertions",
    )


def test_a_dictionary_is_not_made_by_an_insertion_and_a_removal(doc):
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e"})
    doc.derived_by_removal_from("ex:d2", "ex:d1", ["l"])
    found = only(doc)
    assert found.rule.name == "impossible-insertion-removal"
    assert found.message == "ex:d2 is made by an insertion and by a removal"


def test_an_identifier_names_one_insertion_or_removal_and_no_entity(doc):
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e"}, id="ex:i")
    doc.derived_by_insertion_from("ex:d3", "ex:d1", {"k": "ex:e"}, id="ex:i")
    assert only(doc).number == 23
    doc.records.pop()
    doc.entity("ex:i")
    assert only(doc).number == 54


@pytest.mark.parametrize("type", ["EmptyDictionary", "EmptyCollection"])
def test_an_empty_dictionary_has_no_member(doc, type):
    doc.entity("ex:d", {"prov:type": PROV[type]})
    doc.had_dictionary_member("ex:d", "ex:e", "k")
    assert only(doc).number == 56
    doc.records.pop()
    doc.derived_by_insertion_from("ex:d", "ex:d1", {"k": "ex:e"})
    assert only(doc).number == 56


def test_an_empty_dictionary_keeps_no_member(doc):
    doc.entity("ex:d2", EMPTY)
    doc.had_dictionary_member("ex:d1", "ex:e", "k")
    doc.derived_by_removal_from("ex:d2", "ex:d1", ["l"])
    found = only(doc)
    assert (found.number, found.message) == (56, "ex:d2 is an empty dictionary and has a member")
    assert [statement.index for statement in found.statements] == [0, 1, 2]
    doc.records[2] = doc.derived_by_removal_from("ex:d2", "ex:d1", ["k"])
    doc.records.pop()
    assert validate(doc).valid


def test_dictionaries_and_their_members_are_entities(doc):
    doc.activity("ex:a")
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:a"})
    assert only(doc).number == 55
    doc.records[1] = doc.derived_by_removal_from("ex:a", "ex:d1", ["k"])
    doc.records.pop()
    assert only(doc).number == 55


def test_an_insertion_is_a_derivation_and_so_takes_time(doc):
    doc.entity("ex:d1")
    doc.entity("ex:d2")
    doc.derived_by_insertion_from("ex:d2", "ex:d1", {"k": "ex:e"})
    doc.derived_by_removal_from("ex:d1", "ex:d2", ["k"])
    assert only(doc).number == 42


def test_arguments_left_out_are_told(doc):
    doc.add(Record.new((Kind.INSERTION, None, Name("urn:d"), None, (), ())))
    doc.add(Record.new((Kind.REMOVAL, None, None, Name("urn:d"), ("k",), ())))
    doc.add(Record.new((Kind.DICTIONARY_MEMBERSHIP, None, Name("urn:d"), None, "k", ())))
    assert [found.rule.name for found in validate(doc).violations] == ["required-argument"] * 3


def test_names_that_stand_for_something_are_no_contradiction(doc):
    doc.had_dictionary_member("ex:d", Name("_:e"), "k")
    doc.had_dictionary_member("ex:d", "ex:e", "k")
    assert validate(doc).valid


def test_extensions_are_left_alone(doc):
    doc.extension("ex:own", [Name("urn:x")])
    assert validate(doc).valid


DICTIONARIES = st.integers(0, 5).map(lambda number: f"ex:d{number}")
ENTITIES = st.sampled_from(["ex:e1", "ex:e2"])
KEYS = st.sampled_from(["a", 1, True])


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.booleans(), st.dictionaries(KEYS, ENTITIES, max_size=2)), max_size=5),
    st.lists(st.tuples(DICTIONARIES, ENTITIES, KEYS), max_size=4),
)
def test_a_chain_of_dictionaries_is_valid_just_if_copying_them_finds_no_contradiction(steps, members):
    doc = Document({"ex": "http://example.org/"})
    for number, (inserts, pairs) in enumerate(steps):
        if inserts:
            doc.derived_by_insertion_from(f"ex:d{number + 1}", f"ex:d{number}", pairs)
        else:
            doc.derived_by_removal_from(f"ex:d{number + 1}", f"ex:d{number}", list(pairs))
    for member in members:
        doc.had_dictionary_member(*member)
    assert validate(doc).valid == consistent(steps, members)


def consistent(steps, members):
    """Whether dictionaries in a chain, copied one by one, have one entity under each key and none removed."""
    inherited = {}
    for number in range(6):
        inserts, pairs = steps[number - 1] if 0 < number <= len(steps) else (True, {})
        if number > len(steps):
            inherited = {}
        changed = {value_key(key): entity for key, entity in pairs.items()}
        current = {key: entities for key, entities in inherited.items() if key not in changed}
        if inserts:
            current |= {key: {entity} for key, entity in changed.items()}
        for dictionary, entity, key in members:
            if dictionary == f"ex:d{number}":
                if not inserts and value_key(key) in changed:
                    return False
                current.setdefault(value_key(key), set()).add(entity)
        if any(len(entities) > 1 for entities in current.values()):
            return False
        inherited = current
    return True
