"""What two documents do not both say."""

from __future__ import annotations

from hypothesis import given, settings
from strategies import documents

from trilha.prov import Document, Name
from trilha.prov.differing import differences

EX = "http://example.org/"
some = settings(max_examples=25, deadline=None)


def pair():
    return Document({"ex": EX}), Document({"other": EX})


def test_prefixes_order_and_repetition_do_not_count():
    one, other = pair()
    one.entity("ex:e")
    one.agent("ex:ana")
    other.agent("other:ana")
    other.entity("other:e")
    other.entity("other:e")
    assert not differences(one, other)


def test_a_statement_of_one_identifier_is_a_change():
    one, other = pair()
    one.used("ex:a", "ex:e", id="ex:u", attributes={"ex:k": 1, "ex:same": 1})
    other.used("other:a", "other:f", id="other:u", attributes={"other:k": True, "other:same": 1})
    (part,) = differences(one, other).parts
    assert (part.first, part.second) == ((), ())
    (change,) = part.changed
    cells = [("entity", (EX + "e",), (EX + "f",)), (EX + "k", (1,), (True,))]
    assert change.cells() == cells
    assert change.cells()[1][2][0] is True


def test_an_identifier_of_two_kinds_is_no_change():
    one, other = pair()
    one.entity("ex:x")
    other.agent("other:x")
    (part,) = differences(one, other).parts
    assert (len(part.first), len(part.second), part.changed) == (1, 1, ())


def test_bundles_are_compared_by_name():
    one, other = pair()
    one.bundle("ex:b").entity("ex:e")
    one.bundle("ex:same").entity("ex:e")
    other.bundle("other:same").entity("other:e")
    other.bundle("other:empty")
    parts = differences(one, other).parts
    assert [(part.bundle, part.alone) for part in parts] == [(EX + "b", 1), (EX + "empty", 2)]
    assert isinstance(parts[0].bundle, Name)


@some
@given(documents(), documents())
def test_there_is_a_difference_unless_documents_are_equal(one, other):
    assert bool(differences(one, other)) == (one != other)
    assert not differences(one, one)
    there, back = differences(one, other).parts, differences(other, one).parts
    assert sorted(len(p.first) for p in there) == sorted(len(p.second) for p in back)
