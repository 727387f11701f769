"""Documents statement by statement: the same as whole, in little memory, whatever the pieces are."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import documents

from trilha import formats
from trilha.errors import FormatError, UsageError
from trilha.formats import provn, provxml, streaming
from trilha.prov import Document, Name, Record

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "prov-interop"
MODULES = {"provn": provn, "provxml": provxml}


def statements(document):
    """What `stream` gives for a document, in its order."""
    return [
        (getattr(target, "name", None), record)
        for target in (document, *document.bundles.values())
        for record in target.records
    ]


def in_pieces(data, size):
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("format", MODULES)
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(document=documents(), size=st.integers(1, 40), portion=st.integers(1, 60))
def test_a_document_in_pieces_is_the_document(format, document, size, portion):
    try:
        data = MODULES[format].write(document)
    except FormatError:
        return
    whole = MODULES[format].read(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "_PORTION", portion)
        patch.setattr(streaming, "_NAMES_KEPT", 3)
        found = list(streaming.statements(in_pieces(data, size), "a", format))
    assert sorted(found, key=repr) == sorted(statements(whole), key=repr)


@pytest.mark.skipif(not DATA.exists(), reason="the test data lies beside the checkout, and is not there")
@pytest.mark.parametrize("suffix", [".provn", ".provx", ".json"])
def test_documents_of_the_corpora_come_the_same_way(suffix, monkeypatch):
    monkeypatch.setattr(streaming, "_PORTION", 500)
    paths = sorted(DATA.rglob(f"*{suffix}"))
    assert paths
    for path in paths:
        whole = outcome(lambda path=path: statements(formats.read(path)))
        assert outcome(lambda path=path: formats.stream(path)) == whole, path


def outcome(read):
    """What comes of reading, in an order of its own, or the message of the refusal."""
    try:
        return sorted(map(repr, read()))
    except FormatError as error:
        return str(error)


LINES = [
    "document",
    "  prefix ex <http://example.org/>",
    "  entity(ex:e1) // a comment, ä",
    "  entity(ex:e2, [ex:text=\"\"\"two",
    "lines\"\"\"])",
    "  bundle ex:b",
    "    prefix in <http://example.org/in/>",
    "    agent(in:me) /* with a",
    "    comment */",
    "  endBundle",
    "  used(ex:a, -, -)",
    "endDocument",
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_bundles_and_comments_are_read_in_any_pieces(size, monkeypatch):
    monkeypatch.setattr(streaming, "_PORTION", 4)
    data = "\n".join(LINES).encode()
    found = list(streaming.statements(in_pieces(data, size), "a", "provn"))
    assert [record.kind.provn for _, record in found] == ["entity", "entity", "agent", "used"]
    assert [name and name.rpartition("/")[2] for name, _ in found] == [None, None, "b", None]


@pytest.mark.parametrize("line", range(len(LINES)))
@pytest.mark.parametrize(
    "wrong", ["entity(ex:e", "  ?", "nix(ex:a)", 'entity(ex:x, [ex:k="])', "/* open", "é\udcff"]
)
def test_an_error_has_the_place_that_it_has_in_the_whole(line, wrong, monkeypatch):
    lines = [*LINES[:line], wrong, *LINES[line:]]
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    expected = outcome(lambda: statements(formats.read(io.BytesIO(data), "provn")))
    for portion in (3, 50, 100_000):
        monkeypatch.setattr(streaming, "_PORTION", portion)
        assert outcome(lambda: formats.stream(io.BytesIO(data), "provn")) == expected


def test_statements_come_before_the_document_has_ended():
    def endless():
        yield b"document\nprefix ex <http://example.org/>\n"
        number = 0
        while True:
            number += 1
            yield b"entity(ex:e%d)\n" % number

    found = streaming.statements(endless(), "a", "provn")
    assert next(found) == (
        None,
        Record.new((formats.Document().entity("prov:x").kind, Name("http://example.org/e1"), ())),
    )


PEAK = """
import resource, sys
from trilha.formats import streaming
def chunks():
    if sys.argv[1] == "provn":
        yield b"document\\nprefix ex <http://example.org/>\\n"
        for number in range(2000):
            yield b"".join(b"entity(ex:e%d, [ex:size=%d])\\n" % (number * 100 + i, i) for i in range(100))
        yield b"endDocument"
    else:
        yield b'<prov:document xmlns:prov="http://www.w3.org/ns/prov#" xmlns:ex="http://example.org/">'
        for number in range(2000):
            yield b"".join(b'<prov:entity prov:id="ex:e%d"/>' % (number * 100 + i) for i in range(100))
        yield b"</prov:document>"
count = 0
for name, record in streaming.statements(chunks(), "a", sys.argv[1]):
    count += 1
    if count == 20_000:
        early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert count == 200_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - early)
"""


@pytest.mark.parametrize("format", MODULES)
def test_memory_does_not_grow_with_the_document(format):
    done = subprocess.run([sys.executable, "-c", PEAK, format], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 40_000  # KiB; the whole would take more than 100,000


def test_a_format_that_is_read_whole_is_streamed_all_the_same(tmp_path):
    document = Document({"ex": "http://example.org/"})
    document.entity("ex:e1")
    document.bundle("ex:b").agent("ex:me")
    formats.write(document, tmp_path / "a.json")
    assert list(formats.stream(tmp_path / "a.json")) == statements(document)
    assert list(formats.stream(io.BytesIO((tmp_path / "a.json").read_bytes()))) == statements(document)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        list(formats.stream(os.fspath(tmp_path / "none.provn")))
