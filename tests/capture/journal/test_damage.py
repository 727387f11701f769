"""A journal that was cut, overwritten or made up: what is whole comes back, what is not is named."""

import os
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trilha.capture.journal import Head, read
from trilha.capture.journal.frames import FRAME, MAGIC
from trilha.capture.journal.writer import encode, open_file
from trilha.errors import JournalError

TEXTS = ("", "x", "some text", "y" * 40, "\0" * 20)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small journal: its bytes, and for each event its end and identifier."""
    head = Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file(str(tmp_path_factory.mktemp("small")), head, pytest.fail)
    for number in range(1, 11):
        file.append(encode((1, number, ("prov:label", TEXTS[number % len(TEXTS)]))))
    file.close()
    journal = read(file.path)
    ends = [(end, event.id) for end, event in journal.events()]
    return Path(file.path).read_bytes(), ends, journal.start


def reading(path, content):
    path.write_bytes(content)
    journal = read(path)
    return [event.id for _, event in journal.events()], journal.damage


def test_a_journal_cut_at_every_byte_gives_what_was_whole(small, tmp_path):
    content, ends, start = small
    path = tmp_path / "cut.journal"
    boundaries = {start, *(end for end, _ in ends)}
    for length in range(len(content)):
        path.write_bytes(content[:length])
        if length < start:
            with pytest.raises(JournalError, match=r"cut\.journal"):
                read(path)
            continue
        found, damage = reading(path, content[:length])
        assert found == [name for end, name in ends if end <= length]
        torn = content[max(b for b in boundaries if b <= length) : length]
        assert bool(damage) == any(torn)
        if damage:
            [one] = damage
            assert (one.offset, one.length) == (length - len(torn), len(torn))


def test_flipped_bytes_lose_only_the_frames_that_they_are_in(small, tmp_path):
    content, ends, start = small
    path = tmp_path / "flipped.journal"

    @settings(max_examples=300, deadline=None)
    @given(st.dictionaries(st.integers(0, len(content) - 1), st.integers(1, 255), min_size=1, max_size=4))
    @example({start: 1})
    @example({len(content) - 1: 255})
    def check(flips):
        changed = bytearray(content)
        for place, mask in flips.items():
            changed[place] ^= mask
        if min(flips) < start:
            try:
                reading(path, changed)
            except JournalError:
                return
        found, damage = reading(path, changed)
        begin = start
        for end, name in ends:
            hit = any(begin <= place < end for place in flips)
            assert (name in found) != hit
            if hit:
                assert any(d.offset <= begin and end <= d.offset + d.length for d in damage)
            begin = end

    check()


def test_damage_in_a_long_frame_does_not_hide_what_follows(tmp_path):
    head = Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file(str(tmp_path), head, pytest.fail)
    file.append(encode((1, 1, ("k", "z" * (9 << 20)))))
    file.append(encode((1, 2, ())))
    file.close()
    with open(file.path, "r+b") as raw:
        raw.seek(5 << 20)
        raw.write(b"!")
    found, damage = reading(Path(file.path), Path(file.path).read_bytes())
    assert found == ["urn:run#2"]
    assert len(damage) == 1


def test_a_lost_length_of_a_long_frame_does_not_hide_what_follows(tmp_path):
    head = Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file(str(tmp_path), head, pytest.fail)
    file.append(encode((1, 1, ("k", "z" * (9 << 20)))))
    file.append(encode((1, 2, ())))
    file.close()
    with open(file.path, "r+b") as raw:
        raw.seek(read(file.path).start)
        raw.write(bytes(8))
    found, damage = reading(Path(file.path), Path(file.path).read_bytes())
    assert found == ["urn:run#2"]
    assert len(damage) == 1


def test_a_hole_in_the_middle_is_passed_over(journal_file):
    file, _ = journal_file()
    file.append(encode((1, 1, ())))
    begin = file._at
    file._at += 300  # as a thread does that is killed before it fills its place
    file.append(encode((1, 2, ())))
    journal = read(file.path)
    assert [event.id for _, event in journal.events()] == ["urn:run#1", "urn:run#2"]
    assert [(d.offset, d.length) for d in journal.damage] == [(begin, 300)]


def test_a_hole_filled_but_for_its_length_is_passed_over(journal_file):
    file, _ = journal_file()
    file.append(encode((1, 1, ())))
    begin = file._at
    file._buffer[begin + 8 : begin + 300] = b"\x93" * 292
    file._at += 300
    file.append(encode((1, 2, ())))
    journal = read(file.path)
    assert [event.id for _, event in journal.events()] == ["urn:run#1", "urn:run#2"]
    assert [(d.offset, d.length) for d in journal.damage] == [(begin, 300)]


def test_the_same_damage_is_told_once_however_often_it_is_read(small, tmp_path):
    content, _, start = small
    path = tmp_path / "twice.journal"
    changed = bytearray(content)
    changed[start + 12] ^= 1
    path.write_bytes(changed)
    journal = read(path)
    for _ in range(3):
        assert len(list(journal.events())) == 9
    assert len(journal.damage) == 1


def frame(payload):
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


BEGIN = MAGIC + frame(encode(Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),)).note()))
GOOD = frame(encode((1, 1, ())))

PACK = msgspec.msgpack.encode
NO_EVENTS = {
    "deep": b"\x91" * 100_000 + b"\x01",
    "deep map": b"\x81\xa1k" * 100_000 + b"\x01",
    "empty array": b"\x90",
    "a kind that is a text": PACK(["entity", 1, []]),
    "a kind that is true": PACK([True, 1, []]),
    "a kind that is a list": PACK([[], 1, []]),
    "a kind of another version": PACK([99, 1, []]),
    "too few cells": PACK([4, 1, []]),
    "too many cells": PACK([1, 1, 2, 3, []]),
    "no identifier": PACK([1, None, []]),
    "identifier below the first": PACK([1, -5, []]),
    "identifier that is a float": PACK([1, 1.0, []]),
    "identifier that is a list": PACK([1, [1], []]),
    "a missing argument": PACK([15, None, 1, None, []]),
    "an argument that is a map": PACK([15, None, 1, {}, []]),
    "half an attribute": PACK([1, 1, ["k"]]),
    "attributes that are a map": PACK([1, 1, {"k": 1}]),
    "a value that is nil": PACK([1, 1, ["k", None]]),
    "a value that is a list": PACK([1, 1, ["k", [1]]]),
    "a time that is a float": PACK([2, 1, 1.5, None, []]),
    "a time that is no time": PACK([2, 1, "soon", None, []]),
    "an unknown extension": PACK([1, 1, ["k", msgspec.msgpack.Ext(77, b"")]]),
    "a literal of nothing": PACK([1, 1, ["k", msgspec.msgpack.Ext(2, b"")]]),
    "a literal of numbers": PACK([1, 1, ["k", msgspec.msgpack.Ext(2, PACK([1, 2, 3]))]]),
    "a literal of itself": PACK([1, 1, ["k", msgspec.msgpack.Ext(2, b"\x93\xd4\x03\x00\xd4\x03\x00\xc0")]]),
    "a name that is no UTF-8": PACK([1, 1, ["k", msgspec.msgpack.Ext(1, b"\xff")]]),
    "a text that is no UTF-8": b"\x93\x01\xa1\xff\x90",
    "a time of no time": PACK([1, 1, ["k", msgspec.msgpack.Ext(6, b"noon")]]),
    "bytes behind the end": PACK([1, 1, []]) + b"x",
    "rows without a number": b"\xc1\0",
    "a block without columns": PACK({"block": {"number": 1, "entity": 1, "kind": "k", "columns": []}}),
    "a block of objects": PACK({"block": {"number": 1, "entity": 1, "kind": "k", "columns": [["c", "P"]]}}),
    "a block that is none": PACK({"block": 7}),
    "a block of a block": PACK({"block": {"number": 1, "entity": {}, "kind": "k", "columns": [["c", "d"]]}}),
}


@pytest.mark.parametrize("name", NO_EVENTS)
def test_a_frame_with_senseless_content_is_damage_and_no_error(name, tmp_path):
    path = tmp_path / "senseless.journal"
    found, damage = reading(path, BEGIN + frame(NO_EVENTS[name]) + GOOD)
    assert found == ["urn:run#1"]
    [one] = damage
    assert (one.offset, one.length) == (len(BEGIN), len(frame(NO_EVENTS[name])))


def test_random_bytes_never_raise_anything_but_a_journal_error(tmp_path):
    path = tmp_path / "random.journal"

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300), st.binary(max_size=300), st.booleans())
    def check(first, second, valid):
        body = BEGIN + first + GOOD + second if valid else first
        try:
            found, _ = reading(path, body)
        except JournalError:
            assert not valid
            return
        assert "urn:run#1" in found

    check()


def test_any_payload_with_a_right_checksum_never_raises(tmp_path):
    path = tmp_path / "payload.journal"
    cell = st.recursive(
        st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=5)
        | st.builds(msgspec.msgpack.Ext, st.integers(0, 9), st.binary(max_size=9)) | st.binary(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=12,
    )  # fmt: skip
    statement = st.tuples(st.integers(0, 21), cell, cell, cell, cell, st.lists(cell, max_size=4)).map(list)

    @settings(max_examples=300, deadline=None)
    @given(cell | statement)
    def check(content):
        found, _ = reading(path, BEGIN + frame(PACK(content)) + GOOD)
        assert found[-1] == "urn:run#1"

    check()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"#!/bin/sh\n", "begins with"),
        (MAGIC[:5], "begins with"),
        (MAGIC, "cut or damaged"),
        (MAGIC + FRAME.pack(1 << 31, 0), "cut or damaged"),
        (MAGIC + frame(b"\x91" * 100_000), "no head"),
        (MAGIC + GOOD, "no head"),
        (MAGIC + frame(PACK({"head": 1})), "no head"),
        (MAGIC + frame(PACK({"head": {"version": 1}})), "no head"),
        (MAGIC + frame(PACK({"head": {"version": "1"}})), "version '1'"),
        (MAGIC + frame(PACK({"head": {"version": 3}})), "version 3.*upgrade Trilha"),
    ],
)
def test_a_file_that_is_no_journal_is_refused_with_a_reason(content, says, tmp_path):
    path = tmp_path / "other.journal"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=f"other.journal.*{says}"):
        read(path)


def test_a_pipe_by_the_name_of_a_journal_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "pipe.journal")
    with pytest.raises(JournalError, match="no ordinary file"):
        read(tmp_path / "pipe.journal")


def test_a_huge_sparse_file_is_read_at_once(tmp_path):
    path = tmp_path / "sparse.journal"
    path.write_bytes(BEGIN + GOOD)
    os.truncate(path, 1 << 40)
    with open(path, "r+b") as file:
        file.seek(1 << 39)
        file.write(GOOD)
    journal = read(path)
    assert len(list(journal.events())) == 2
    assert [(d.offset, d.offset + d.length) for d in journal.damage] == [(len(BEGIN + GOOD), 1 << 39)]


HOSTILE = {
    "noise": lambda: os.urandom(1 << 20),
    "lengths that fit": lambda: struct.pack("<IIB", 1 << 20, 0, 0x93) * 150_000,
    "short lengths": lambda: struct.pack("<IIB", 60_000, 0, 0x93) * 300_000,
    "giant lengths": lambda: struct.pack("<IIB", 0xFFFFFFFF, 0, 0x93) * 300_000,
    "a candidate at each byte": lambda: b"\x05\x00\x00\x00" + b"\x90\x00\x00\x00" * 200_000,
    "very many damages": lambda: (b"\x01" + GOOD) * 10_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_made_to_waste_time_is_read_in_bounded_work_and_memory(name, tmp_path):
    import tracemalloc

    path = tmp_path / "hostile.journal"
    body = HOSTILE[name]()
    path.write_bytes(BEGIN + body)
    journal = read(path)
    spent = []

    class Counting:
        crc32 = staticmethod(lambda data, value=0: spent.append(len(data)) or zlib.crc32(data, value))

    from trilha.capture.journal import scanning

    scanning.zlib = Counting
    tracemalloc.start()
    try:
        for _ in journal.events():
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        scanning.zlib = zlib
    assert sum(spent) <= 25 * len(body) + (1 << 29)
    assert peak < 16 << 20
    assert 0 < len(journal.damage) <= 4096
