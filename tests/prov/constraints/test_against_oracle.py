"""The validator against every rule taken at its word, on random documents in which much collides."""

from __future__ import annotations

import oracle
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from trilha.prov import PLACEHOLDER, PLAIN, PROV, Document, Kind, Name, Record
from trilha.prov.constraints import validate

EX = "http://example.org/"
TIMES = ["2011-11-16T16:05:00", "2012-11-16T16:05:00"]
ENTITIES, ACTIVITIES, AGENTS = ["e1", "e2", "e3", "e4"], ["a1", "a2", "a3"], ["e1", "a1", "ag1"]
IDENTIFIERS = ["x1", "x2", "x3"]
NAMED_ENTITIES = (
    *("entity", "trigger", "plan", "specific", "general", "generated", "collection", "alternate1"),
    "alternate2",
)
POOLS = {
    **dict.fromkeys(NAMED_ENTITIES, ENTITIES),
    **dict.fromkeys(("starter", "ender", "informed", "informant"), ACTIVITIES),
    **dict.fromkeys(("agent", "delegate", "responsible"), AGENTS),
    **dict.fromkeys(("generation", "usage"), IDENTIFIERS),
    **dict.fromkeys(("influencee", "influencer"), ENTITIES + ACTIVITIES),
    "activity": ACTIVITIES,
    "bundle": ["b1", "b2"],
}


@st.composite
def statements(draw, kinds=PLAIN, odd=0.02):
    """A statement whose names are of few, most of them of the right type."""
    kind = draw(st.sampled_from(kinds))
    pick = lambda pool: Name(EX + draw(st.sampled_from(pool)))  # noqa: E731
    everything = ENTITIES + ACTIVITIES + AGENTS + IDENTIFIERS
    mistaken = draw(st.integers(0, 999)) < odd * 1000

    def argument(one):
        absent = not one.required and draw(st.booleans())
        if absent:
            return draw(st.sampled_from([None, PLACEHOLDER]))
        if one.is_time:
            return draw(st.sampled_from(TIMES))
        pool = everything if mistaken else POOLS.get(one.name, ENTITIES)
        pool = ENTITIES if one.name == "used" and not mistaken else pool
        return pick(pool)

    if kind.is_element:
        own = {Kind.ENTITY: ENTITIES, Kind.ACTIVITY: ACTIVITIES, Kind.AGENT: AGENTS}[kind]
        name = pick(everything if mistaken else own)
    else:
        named = kind <= Kind.INFLUENCE and draw(st.integers(0, 2)) == 0
        name = pick(IDENTIFIERS) if named else None
    flat = ()
    if kind == Kind.ENTITY and draw(st.integers(0, 9)) == 0:
        flat = (PROV["type"], PROV["EmptyCollection"])
    cells = [argument(one) for one in kind.arguments]
    if kind == Kind.DERIVATION and cells[2] in (None, PLACEHOLDER) and not mistaken:
        cells[3:] = [None, None]
    return Record.new((kind, name, *cells, flat))


def documents(kinds=PLAIN, max_size=7, odd=0.02):
    return st.lists(statements(kinds, odd), max_size=max_size).map(_document)


def _document(records):
    document = Document({"ex": EX})
    document.update(records)
    return document


MERGING = (Kind.ACTIVITY, Kind.START, Kind.END, Kind.GENERATION, Kind.DERIVATION, Kind.INFLUENCE)
ORDER = (
    *(Kind.ENTITY, Kind.ACTIVITY, Kind.GENERATION, Kind.START, Kind.END, Kind.DERIVATION, Kind.USAGE),
    *(Kind.SPECIALIZATION, Kind.ATTRIBUTION, Kind.ASSOCIATION, Kind.DELEGATION, Kind.INVALIDATION),
)
INHERITING = (
    Kind.ENTITY,
    Kind.SPECIALIZATION,
    Kind.MENTION,
    Kind.MEMBERSHIP,
    Kind.DERIVATION,
    Kind.GENERATION,
)


def agree(document):
    expected, found = oracle.verdict(document), validate(document)
    note("\n".join(map(repr, document)))
    note(f"the rules fail at {expected}; found {found}")
    assert found.valid == (expected is None)


few = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@few
@given(documents())
def test_the_verdict_is_that_of_the_rules(document):
    agree(document)


@few
@given(documents(MERGING, odd=0))
def test_merging_is_that_of_the_rules(document):
    agree(document)


@few
@given(documents(ORDER, max_size=9, odd=0))
def test_the_order_of_events_is_that_of_the_rules(document):
    agree(document)


@few
@given(documents(INHERITING, odd=0))
def test_what_specializations_inherit_is_that_of_the_rules(document):
    agree(document)
