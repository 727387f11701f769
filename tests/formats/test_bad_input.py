"""Whatever bytes a reader is given, it reads them, or refuses them with a message that begins with a place.

Every format that is read takes part: `FORMATS` says which there are. What the fuzzer found (``make fuzz``)
lies, mended and made small, in ``tests/corpus/``.
"""

import importlib
import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import documents

from trilha.errors import FormatError
from trilha.formats import FORMATS
from trilha.importing import KINDS
from trilha.prov import XSD, Document, Literal, Name

ROOT = Path(__file__).parents[2]
NEEDS_LIBRARY = {"opmo", "turtle", "trig", "ntriples", "nquads", "rdfxml"}
"""What is read by a library that is an extra."""
WITHOUT = set() if importlib.util.find_spec("pyoxigraph") else NEEDS_LIBRARY
READERS = [known.name for known in FORMATS if known.reads and known.name not in WITHOUT]
FINDS = sorted((ROOT / "tests/corpus").glob("*/*"))

everywhere = pytest.mark.parametrize("format", READERS)


def module(format):
    return importlib.import_module(f"trilha.formats.{format}")


def is_read_or_refused(format, data):
    try:
        return isinstance(module(format).read(data, "input"), Document)
    except FormatError as error:
        return str(error).startswith("input:")


def sample(format):
    """A document in a format, with something of everything that it carries."""
    document = Document({"ex": "http://example.org/"})
    document.entity(
        "ex:é", {"prov:label": ['"quoted" & <marked>', Literal("née", language="fr")], "ex:n": 12}
    )
    document.was_generated_by("ex:é", "ex:a", datetime(2026, 11, 21, 9, 30, tzinfo=UTC), id="ex:g")
    bundle = document.bundle("ex:b") if format not in {"turtle", "ntriples", "rdfxml"} else document
    bundle.agent("ex:ag", {"ex:t": [1.5, True, Name("http://example.org/q")]})
    bundle.had_member("ex:c", "ex:é")
    return module(format).write(document)


@everywhere
def test_a_document_cut_off_anywhere_is_read_or_refused(format):
    whole = sample(format)
    for end in range(len(whole)):
        assert is_read_or_refused(format, whole[:end])


@everywhere
def test_a_document_with_any_byte_changed_is_read_or_refused(format):
    whole = sample(format)
    for at in range(len(whole)):
        for byte in (0, 0xFF, ord('"')):
            assert is_read_or_refused(format, whole[:at] + bytes([byte]) + whole[at + 1 :])


@everywhere
@settings(max_examples=50)
@given(data=st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"\xff\xfe<\x00")
@example(b"\x00" * 1000)
def test_any_bytes_are_read_or_refused(format, data):
    assert is_read_or_refused(format, data)


@everywhere
@settings(max_examples=15)
@given(document=documents("abcé", plain=True), data=st.data())
def test_a_damaged_document_is_read_or_refused(format, document, data):
    try:
        whole = module(format).write(document)
    except FormatError:
        return
    for _ in range(5):
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, min(len(whole), start + 20)))
        again = data.draw(
            st.sampled_from([b"", whole[start:end] * 2, b"\\", b"\xc3", b"'", b'"', b"{", b"<", b":"])
        )
        assert is_read_or_refused(format, whole[:start] + again + whole[end:])


@everywhere
def test_deep_nesting_is_read_or_refused(format):
    for opening, closing in (
        ("[", "]"),
        ("{", "}"),
        ('{"a":', "}"),
        ("(", ")"),
        ("<a>", "</a>"),
        ("<<", ">>"),
    ):
        for text in (opening * 20_000, opening * 20_000 + closing * 20_000):
            assert is_read_or_refused(format, text.encode())


@everywhere
@pytest.mark.parametrize("datatype", ["int", "integer", "double", "decimal", "dateTime", "boolean"])
def test_giant_values_come_back(format, datatype):
    for text in ("9" * 20_000, "1e" + "9" * 20_000, "1" + "0" * 5_000 + ".5", "-" + "9" * 400):
        document = Document()
        document.entity(Name("urn:e#e"), [(Name("urn:e#k"), Literal(text, XSD[datatype]))])
        assert module(format).read(module(format).write(document), "input").records[0].flat


@everywhere
def test_a_number_of_any_size_comes_back(format):
    document = Document()
    document.entity(
        Name("urn:e#e"), [(Name("urn:e#k"), number) for number in (10**3000, -(2**64), 1e308, 5e-324)]
    )
    assert module(format).read(module(format).write(document), "input") == document


BOMB = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))


@pytest.mark.parametrize("format", [name for name in READERS if name in {"provxml", "rdfxml"}])
@pytest.mark.parametrize(
    "declarations",
    [
        f'<!ENTITY a0 "bomb">{BOMB}',
        '<!ENTITY a11 SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;',
        '<!ENTITY a11 "&a11;">',
        f'<!ENTITY a11 "{"x" * 100_000}">',
    ],
    ids=["billion", "file", "parameter", "itself", "large"],
)
def test_entities_are_not_expanded(format, declarations):
    head = f'<?xml version="1.0"?><!DOCTYPE d [{declarations}]>'
    for body in (f"<d>{'&a11;' * 1000}</d>", '<d xmlns="&a11;"/>'):
        with pytest.raises(FormatError, match="input:"):
            module(format).read((head + body).encode(), "input")


REPEATED = {
    "provn": b"document prefix ex <e:> prefix ex <f:> endDocument",
    "provjson": b'{"entity": {"a:1": {}}, "prefix": {"a": "a:"}, "entity": {"a:2": {}}}',
    "provjsonld": b'{"@context": {}, "@graph": [], "@graph": []}',
    "provxml": b'<a b="1" b="2"/>',
}
NESTED = {
    "provn": b"document prefix ex <e:> bundle ex:b bundle ex:c endBundle endBundle endDocument",
    "provjson": b'{"prefix": {"ex": "e:"}, "bundle": {"ex:b": {"bundle": {"ex:b": {}}}}}',
    "provxml": b'<p:document xmlns:p="http://www.w3.org/ns/prov#"><p:bundleContent p:id="p:b">'
    b'<p:bundleContent p:id="p:b"/></p:bundleContent></p:document>',
}
UNDECLARED = {
    "provn": b"document entity(ex:e) endDocument",
    "provjson": b'{"entity": {"ex:e": {}}}',
    "provxml": b'<p:document xmlns:p="http://www.w3.org/ns/prov#"><p:entity p:id="ex:e"/></p:document>',
    "turtle": b"ex:e a ex:t .",
    "trig": b"ex:b { ex:e a ex:t . }",
}


@pytest.mark.parametrize(
    ("format", "data"),
    [
        (name, data)
        for some in (REPEATED, NESTED, UNDECLARED)
        for name, data in some.items()
        if name in READERS
    ],
)
def test_what_is_repeated_nested_or_undeclared_is_refused(format, data):
    with pytest.raises(FormatError, match=r"^input:"):
        module(format).read(data, "input")


def test_a_bundle_may_be_named_like_what_is_in_it():
    document = Document()
    document.entity(Name("urn:e#b"))
    document.bundle(Name("urn:e#b")).entity(Name("urn:e#b"))
    for name in ("provn", "provjson", "provxml"):
        assert module(name).read(module(name).write(document)) == document


def checking():
    spec = importlib.util.spec_from_file_location("checking", ROOT / "fuzz/checking.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("path", FINDS, ids=[f"{path.parent.name}/{path.name}" for path in FINDS])
def test_what_the_fuzzer_found_stays_mended(path):
    if path.parent.name in READERS:
        checking().check(module(path.parent.name), FormatError, path.read_bytes())


def test_the_fuzzer_knows_every_reader():
    spec = importlib.util.spec_from_file_location("readers", ROOT / "fuzz/readers.py")
    readers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readers)
    assert set(READERS) <= readers.SUFFIXES.keys()
    assert {path.parent.name for path in FINDS} <= {*readers.SUFFIXES, *KINDS}
