"""Several statements in one frame: what is read is what would have been written one by one."""

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

import trilha
from trilha.capture.context import process
from trilha.capture.journal import Head, read
from trilha.capture.journal.writer import encode, hole, literal_name, open_file
from trilha.capture.shaped import Hole, shape_of
from trilha.prov import Kind
from trilha.store import Store

SHAPE = {
    "number": 7,
    "statements": [
        [2, hole(0), hole(1), None, ["prov:type", literal_name("trilha:Task"), "trilha:x", hole(2)]],
        [7, None, hole(0), None, "urn:run#1", hole(1), []],
    ],
}
TEMPLATE = ((1, Hole(0), ("prov:label", "one", "prov:value", Hole(1))), (18, None, "urn:c", Hole(0), ()))


def journal(folder, count):
    head = Head(version=2, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file(str(folder), head, pytest.fail)
    file.append(encode((1, 5, ())))
    file.append(encode({"shape": SHAPE}))
    for number in range(count):
        file.append(encode((0, 7, 10 + number, 1_000_000_000, None if number % 2 else number)))
    file.close()
    return Path(file.path)


def names(events):
    return [str(event[1] or event[2]) for _, event in events]


def test_the_contents_go_into_the_holes_and_what_has_none_is_left_out(tmp_path):
    events = [event for _, event in read(journal(tmp_path, 2)).events()]
    assert [event.kind for event in events] == [Kind.ENTITY, *[Kind.ACTIVITY, Kind.START] * 2]
    assert [str(event.id) for event in events[1::2]] == ["urn:run#10", "urn:run#11"]
    assert [len(event.attributes) for event in events[1::2]] == [2, 1]
    assert events[1].attributes[1][1] == 0
    assert str(events[2][4]) == "urn:run#1"


def test_a_journal_cut_at_every_byte_gives_the_shapes_that_were_whole(tmp_path):
    path = journal(tmp_path, 5)
    content = path.read_bytes()
    whole = read(path)
    ends = [(end, name) for (end, _), name in zip(whole.events(), names(whole.events()), strict=True)]
    frames = sorted({end for end, _ in ends})
    for length in range(whole.start, len(content)):
        path.write_bytes(content[:length])
        found = names(read(path).events())
        complete = sum(end <= length for end in frames)
        # The first frame is one statement, those of the shape are two: never one of these alone.
        assert found == [name for _, name in ends][: max(0, 2 * complete - 1)]


def test_reading_on_from_any_offset_gives_the_rest(tmp_path):
    path = journal(tmp_path, 4)
    everything = list(read(path).events())
    for place, (end, _) in enumerate(everything):
        rest = [event for _, event in read(path).events(end)]
        after = [event for other, event in everything[place + 1 :]]
        if place % 2:
            # In the middle of a frame: all of it again.
            after.insert(0, everything[place][1])
        assert rest == after


def test_a_shape_that_nobody_defined_is_damage_and_hides_nothing(tmp_path):
    head = Head(version=2, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file(str(tmp_path), head, pytest.fail)
    for payload in (
        encode((0, 3, 1)),
        encode({"shape": {"number": 3, "statements": [[1, hole(0), ["k", hole(1)]]]}}),
        encode((0, 3, 1)),
        encode({"shape": {"number": 3, "statements": [[1, hole(0), []]]}}),
        encode({"shape": {"number": 4, "statements": [[1, hole(0), ["k"]]]}}),
        encode({"shape": {"number": 4, "statements": [[1, 1, []]] * 500}}),
        encode((0,)),
        encode((0, "x")),
        encode((1, hole(0), ())),
        encode((0, 3, 1, "v")),
    ):
        file.append(payload)
    file.close()
    found = read(file.path)
    assert names(found.events()) == ["urn:run#1"]
    assert len(found.damage) == 8
    assert "definition was not read" in found.damage[0].reason


def test_what_cannot_be_said_in_a_shape_is_said_one_by_one(tmp_path):
    with trilha.run("test", store=tmp_path):
        recorder = process.recorder
        for value in (1, "x", 1 << 80, "\ud800"):
            shape_of(recorder, "key", lambda: TEMPLATE).state(next(recorder.numbers), value)
        for number in range(600):
            shape_of(recorder, number, lambda: TEMPLATE).state(next(recorder.numbers), number)
        assert len(recorder.shapes) <= 512
    (path,) = tmp_path.glob("journals/*/*.journal")
    found = read(path)
    events = [event for _, event in found.events()]
    ours = [one for one in events if any(value == "one" for _, value in one.attributes)]
    values = [value for one in ours for key, value in one.attributes if str(key).endswith("#value")]
    assert values == [1, "x", 1 << 80, "\ud800", *range(600)]
    assert sum(one.kind is Kind.MEMBERSHIP and str(one[2]) == "urn:c" for one in events) == 604
    assert not found.damage


def test_a_forked_process_defines_its_own(tmp_path):
    with trilha.run("test", store=tmp_path):
        recorder = process.recorder
        shape_of(recorder, "key", lambda: TEMPLATE).state(next(recorder.numbers), "parent")
        child = os.fork()
        if not child:
            shape_of(recorder, "key", lambda: TEMPLATE).state(next(recorder.numbers), "child")
            os._exit(0)
        os.waitpid(child, 0)
    paths = list(tmp_path.glob("journals/*/*.journal"))
    assert len(paths) == 2
    for path in paths:
        found = read(path)
        assert any("one" in map(str, (v for _, v in event.attributes)) for _, event in found.events())
        assert not found.damage


def test_a_store_that_is_filled_in_small_transactions_has_each_statement_once(tmp_path, monkeypatch):
    monkeypatch.setattr("trilha.store.refreshing._ROWS_A_TRANSACTION", 1)
    with trilha.run("test", store=tmp_path):
        recorder = process.recorder
        shape = shape_of(recorder, "key", lambda: TEMPLATE)
        for number in range(50):
            shape.state(next(recorder.numbers), number)
    with Store(tmp_path) as store:
        store.refresh()
    (path,) = tmp_path.glob("journals/*/*.journal")
    events = [event for _, event in read(path).events()]
    (index,) = tmp_path.glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(index)) as database:
        ((rows,),) = database.execute("select count(*) from statement")
    assert rows == len(events)
