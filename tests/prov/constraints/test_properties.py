"""What no verdict depends on: names, order, repetition; and what never mends a document: more statements."""

from __future__ import annotations

from datetime import timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_against_oracle import EX, documents, statements

from trilha.prov import Document, Name, Record
from trilha.prov.constraints import validate

some = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def document(records):
    made = Document({"ex": EX})
    made.update(records)
    return made


def told(verdict):
    return {(one.number, one.statements[0].text) for one in verdict.violations}


@some
@given(documents(max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_statements_does_not_matter(given_, random):
    mixed = list(given_)
    random.shuffle(mixed)
    assert validate(document(mixed)).valid == validate(given_).valid


@some
@given(documents(max_size=12), st.data())
def test_repeated_statements_do_not_matter(given_, data):
    if not given_.records:
        return
    again = data.draw(st.lists(st.sampled_from(given_.records), max_size=6))
    assert validate(document([*given_, *again])).valid == validate(given_).valid


@some
@given(documents(max_size=12))
def test_names_do_not_matter(given_):
    def renamed(cell):
        return Name(cell.replace(EX, "urn:uuid:")) if isinstance(cell, Name) else cell

    other = document(Record.new((*map(renamed, record[:-1]), record[-1])) for record in given_)
    assert validate(other).valid == validate(given_).valid


@some
@given(documents(max_size=12), st.lists(statements(), max_size=3))
def test_more_statements_never_make_a_document_valid(given_, more):
    if not validate(given_).valid:
        assert not validate(document([*given_, *more])).valid


@some
@given(documents(max_size=8), documents(max_size=8))
def test_a_bundle_is_valid_on_its_own(inside, outside):
    whole = document(outside)
    whole.bundle("ex:b").update(inside.records)
    verdict = validate(whole)
    assert verdict.valid == (validate(inside).valid and validate(outside).valid)
    assert {one.bundle for one in verdict.violations} <= {None, Name(EX + "b")}


@some
@given(documents(max_size=12))
def test_validation_changes_nothing(given_):
    before = list(given_.records)
    validate(given_)
    assert all(one is other for one, other in zip(before, given_.records, strict=True))


@some
@given(documents(max_size=12))
def test_the_same_document_gives_the_same_violations(given_):
    assert validate(given_) == validate(given_)


def test_the_same_instant_in_two_zones_is_one_time():
    from datetime import UTC, datetime

    when = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    made = Document({"ex": EX})
    made.was_generated_by("ex:e", "ex:a", when)
    made.was_generated_by("ex:e", "ex:a", when.astimezone(timezone(timedelta(hours=-3))))
    assert validate(made).valid
