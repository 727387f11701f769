"""What the writer was given is what the reader gives back, whatever PROV can hold."""

import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trilha.capture.journal import Block, Head, Rows, read
from trilha.capture.journal.frames import PREFIXES, ROWS_BYTE, ROWS_HEAD
from trilha.capture.journal.writer import cells_of, encode, literal_name, open_file
from trilha.prov import PLACEHOLDER, PLAIN, Kind, Literal, Name, Record
from trilha.prov.namespaces import PROV, XSD

texts = st.one_of(
    st.text(max_size=20), st.text(st.characters(categories=["Cs", "Cc", "Lo"]), max_size=10), st.just("\0")
)
names = st.one_of(
    st.builds("{}{}".format, st.sampled_from(sorted(PREFIXES.values())), texts),
    st.builds("{}:{}".format, st.sampled_from(["ex", "urn", *PREFIXES]), texts),
    texts,
).map(Name)
zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-3, minutes=-30))])
datetimes = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=zones)
times = st.one_of(datetimes, st.sampled_from(["2026-11-21T09:30:00", "-0044-03-15T12:00:00Z"]))
languages = st.sampled_from([None, "en", "pt-BR"])
literals = st.builds(Literal, texts, st.one_of(names, st.just(XSD["anyURI"])), languages)
values = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 70), max_value=1 << 70),
    st.floats(),
    texts,
    names,
    literals,
    datetimes,
)


@st.composite
def records(draw):
    kind = draw(st.sampled_from(PLAIN))
    cells = [kind, draw(names if kind.is_element else st.none() | names)]
    for argument in kind.arguments:
        given = times if argument.is_time else names
        cells.append(draw(given if argument.required else st.none() | st.just(PLACEHOLDER) | given))
    attributes = draw(st.lists(st.tuples(names, values), max_size=4))
    cells.append(tuple(part for pair in attributes for part in pair))
    return Record.new(tuple(cells))


def written(folder, payloads, **how):
    head = Head(version=1, run="a run", uid="a journal", bases=((1, "urn:run#"),))
    Path(folder, "a journal.journal").unlink(missing_ok=True)
    file = open_file(str(folder), head, pytest.fail, **how)
    for payload in payloads:
        file.append(payload)
    file.close()
    assert file.dropped == 0
    return read(file.path)


@pytest.mark.parametrize("way", ["mapped", "grouped"])
def test_every_record_comes_back_equal(way, tmp_path):
    @settings(max_examples=150, deadline=None)
    @given(st.lists(records(), max_size=5))
    def check(given):
        journal = written(tmp_path, [encode(cells_of(record)) for record in given], way=way)
        found = [event for _, event in journal.events()]
        assert found == given
        assert [type(record) for record in found] == [type(record) for record in given]
        assert not journal.damage

    check()


@pytest.mark.parametrize("kind", PLAIN)
def test_each_kind_comes_back_with_its_placeholders(kind, tmp_path):
    cells = [PLACEHOLDER if not a.required else Name(f"ex:{a.name}") for a in kind.arguments]
    record = Record.new((kind, Name("ex:id"), *cells, ()))
    [(_, found)] = written(tmp_path, [encode(cells_of(record))]).events()
    assert found == record
    assert found.arguments == record.arguments


def test_the_time_zone_and_sign_of_a_value_are_kept(tmp_path):
    when = datetime(2026, 11, 21, 9, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    record = Record.new((Kind.ACTIVITY, Name("a"), when, None, (Name("k"), when, Name("z"), -0.0)))
    [(_, found)] = written(tmp_path, [encode(cells_of(record))]).events()
    assert found.start.isoformat() == found.values("k")[0].isoformat() == when.isoformat()
    assert math.copysign(1, found.value("z")) == -1


@pytest.mark.parametrize("length", [1 << 20, 70 << 20])
@pytest.mark.parametrize("way", ["mapped", "grouped"])
def test_a_very_long_text_comes_back_whole(length, way, tmp_path):
    text = "é" * (length // 2)
    payloads = [encode((1, 1, ("k", text))), encode((1, 2, ()))]
    (_, long), (_, short) = written(tmp_path, payloads, way=way).events()
    assert long.value("k") == text
    assert short.id == "urn:run#2"


def test_what_is_longer_than_any_payload_is_dropped_and_counted(journal_file):
    file, complaints = journal_file()
    file.append(bytes((1 << 28) + 1))
    file.append(encode((1, 7, ())))
    assert file.dropped == 1
    [(_, event)] = read(file.path).events()
    assert event.id == "urn:run#7"
    assert not complaints


def test_numbers_are_named_by_the_base_that_was_in_force(tmp_path):
    head = Head(version=1, run="r", uid="u", bases=((1, "urn:run#"), (5, "urn:run#a-"), (9, "urn:run#b-")))
    file = open_file(str(tmp_path), head, pytest.fail)
    for number in (1, 4, 5, 8, 9, 1000):
        file.append(encode((1, number, ())))
    file.close()
    ids = [event.id.partition("#")[2] for _, event in read(file.path).events()]
    assert ids == ["1", "4", "a-5", "a-8", "b-9", "b-1000"]


def test_short_names_stand_for_the_fixed_namespaces(tmp_path):
    statement = (
        1,
        "sha256:ab",
        ("prov:type", literal_name("trilha:File"), "ex:free", literal_name(":prov:x")),
    )
    [(_, event)] = written(tmp_path, [encode(statement)]).events()
    assert event.id == "nih:sha-256;ab"
    assert event.values(PROV["type"]) == [Name("https://w3id.org/trilha/ns#File")]
    assert event.values("ex:free") == [Name("prov:x")]


def test_a_block_and_its_rows_come_back(tmp_path):
    block = {"number": 3, "entity": 2, "kind": "metrics", "columns": [("time", "q"), ("loss", "d")]}
    made = Block(number=3, entity="urn:run#2", kind="metrics", columns=(("time", "q"), ("loss", "d")))
    rows = made.row.pack(1, math.nan) + made.row.pack(2, -math.inf)
    journal = written(tmp_path, [encode({"block": block}), ROWS_HEAD.pack(ROWS_BYTE, 3) + rows])
    (_, found), (_, data) = journal.events()
    assert found == made
    assert data == Rows(3, rows)
    (_, first), (_, second) = made.row.iter_unpack(data.data)
    assert math.isnan(first)
    assert second == -math.inf


def test_a_note_of_a_later_version_is_passed_over(tmp_path):
    journal = written(tmp_path, [encode({"weather": "fine"}), encode((1, 1, ()))])
    assert [event.id for _, event in journal.events()] == ["urn:run#1"]
    assert not journal.damage


def test_bytes_as_a_value_become_a_literal(tmp_path):
    [(_, event)] = written(tmp_path, [encode((1, 1, ("k", b"\xff\0")))]).events()
    assert event.value("k") == Literal("/wA=", XSD["base64Binary"], None)


def test_reading_goes_on_from_where_it_ended(journal_file):
    file, _ = journal_file()
    file.append(encode((1, 1, ())))
    journal = read(file.path)
    [(end, _)] = journal.events()
    assert list(journal.events(end)) == []
    file.append(encode((1, 2, ())))
    [(_, event)] = journal.events(end)
    assert event.id == "urn:run#2"
    assert not journal.damage
