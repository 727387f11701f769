"""The format as docs/reference/journal.md tells it, by a reader that knows nothing but that page."""

import re
import struct
import zlib
from pathlib import Path

import msgspec
import pytest

from trilha.capture.journal import Head, read
from trilha.capture.journal.writer import encode, open_file
from trilha.prov import Record

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "journal.md"
PREFIXES = {
    "prov": "http://www.w3.org/ns/prov#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "trilha": "https://w3id.org/trilha/ns#",
    "sha256": "nih:sha-256;",
    "pypi": "pkg:pypi/",
    "commit": "swh:1:rev:",
    "": "",
}


def name(raw, bases):
    if isinstance(raw, int):
        return f"{[iri for first, iri in bases if first <= raw][-1]}{raw}"
    prefix, colon, local = raw.partition(":")
    return PREFIXES[prefix] + local if colon and prefix in PREFIXES else raw


def frames(content):
    assert content[:8] == bytes.fromhex("54 52 49 4C 48 41 1A 01")
    place = 8
    while place + 8 < len(content):
        length, check = struct.unpack_from("<II", content, place)
        if not length:
            assert not any(content[place:])
            return
        payload = content[place + 8 : place + 8 + length]
        assert zlib.crc32(payload) == check
        yield payload
        place += 8 + length


def filled(statements, contents):
    def content(cell):
        is_hole = isinstance(cell, msgspec.msgpack.Ext) and cell.code == 7
        return contents[cell.data[0]] if is_hole else cell

    for *cells, attributes in statements:
        values = [content(value) for value in attributes[1::2]]
        pairs = [pair for pair in zip(attributes[::2], values, strict=True) if pair[1] is not None]
        yield [*map(content, cells), [part for pair in pairs for part in pair]]


def another_reader(content):
    payloads, shapes = frames(content), {}
    head = msgspec.msgpack.decode(next(payloads))["head"]
    for payload in payloads:
        if 0x90 <= payload[0] <= 0x9F or payload[0] == 0xDC:
            first, *rest = msgspec.msgpack.decode(payload)
            statements = [[first, *rest]] if first else filled(shapes[rest[0]], rest[1:])
        else:
            assert 0x80 <= payload[0] <= 0x8F or payload[0] in (0xC1, 0xDE)
            statements = []
            note = msgspec.msgpack.decode(payload) if payload[0] != 0xC1 else {}
            if "shape" in note:
                shapes[note["shape"]["number"]] = note["shape"]["statements"]
        for kind, identifier, *arguments, attributes in statements:
            bases = head["bases"]
            times = {2: (0, 1), 4: (2,), 5: (2,), 7: (3,), 8: (3,), 9: (2,)}.get(kind, ())
            yield (
                kind,
                None if identifier is None else name(identifier, bases),
                *(a if i in times or a is None else name(a, bases) for i, a in enumerate(arguments)),
                [name(key, bases) for key in attributes[::2]],
            )


def ours(path):
    for _, event in read(path).events():
        if isinstance(event, Record):
            cells = [cell if isinstance(cell, str | None) else int(cell.timestamp()) for cell in event[1:-1]]
            yield (int(event.kind), *cells, [key for key, _ in event.attributes])


def test_another_reader_that_follows_the_page_reads_the_same(run_program, store):
    program = """
    import os, trilha
    from trilha.capture.shaped import Hole, shape_of
    with trilha.run("for another reader"):
        with trilha.step("one", ratio=0.2, data=[1, 2]) as step:
            trilha.hyperparameters(lr=0.1)
            trilha.log(loss=float("nan"), epoch=1)
            for text in (None, "x"):
                recorder = trilha.capture.context.process.recorder
                shape = shape_of(recorder, "s", lambda: ((1, Hole(0), ("prov:label", Hole(1))),))
                shape.state(next(recorder.numbers), text)
        if not os.fork():
            with trilha.step("in the child"):
                pass
            os._exit(0)
        os.wait()
    """
    run_program(program)
    assert len(store.paths()) == 2
    for path in store.paths():
        theirs = list(another_reader(path.read_bytes()))
        theirs = [
            tuple(c // 10**9 if isinstance(c, int) and c > 10**9 else c for c in each) for each in theirs
        ]
        assert theirs == list(ours(path))


def test_the_bytes_of_the_page_are_those_that_are_written(tmp_path):
    example = PAGE.read_text("utf-8").split("## A small journal")[1]
    shown = bytes.fromhex("".join(re.findall(r"^((?:[0-9a-f]{2} )+) ", example, re.MULTILINE)))
    head = Head(version=1, run="r", uid="u", bases=((1, "urn:run#"),))
    file = open_file(str(tmp_path), head, pytest.fail)
    file.append(encode((1, 1, ("prov:label", "é"))))
    file.close()
    assert Path(file.path).read_bytes().endswith(shown)
    assert len(shown) == 26
