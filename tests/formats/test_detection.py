"""Telling a format by how a document begins."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trilha
from trilha.errors import FormatError, UsageError
from trilha.formats.detection import suffix_of
from trilha.prov import Document

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "prov-interop"
IRI = "<http://example.org/e1>"


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("document\nendDocument", ".provn"),
        ("  // a comment with { and <\n/* and\n another */ document prefix ex <x> endDocument", ".provn"),
        ('{"prefix": {}}', ".json"),
        ("{}", ".json"),
        ('\n {\n "entity": {"ex:@type": {}}}', ".json"),
        ('{"@context": [], "@graph": []}', ".jsonld"),
        ('[{"@id": "ex:e1"}]', ".jsonld"),
        ("<?xml version='1.0'?>\n<!-- rdf:RDF -->\n<prov:document xmlns:prov='p'/>", ".provx"),
        ("<document xmlns='http://www.w3.org/ns/prov#'>", ".provx"),
        ("<?xml version='1.0'?><!DOCTYPE rdf:RDF [\n<!ENTITY x 'y>'>\n]>\n<rdf:RDF xmlns:rdf='r'>", ".rdf"),
        ("<RDF xmlns='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>", ".rdf"),
        ("@prefix ex: <http://example.org/> .", ".trig"),
        ("# a comment\nPREFIX ex: <http://example.org/>\n", ".trig"),
        (f"{IRI} a <http://www.w3.org/ns/prov#Entity> .", ".trig"),
        (f"{IRI} {IRI} {IRI} .\n", ".nq"),
        (f'# facts\n_:b {IRI} "text"@en {IRI} .\n', ".nq"),
        (f"{{ {IRI} a {IRI} }}", ".trig"),
        ("[] a prov:Entity .", ".trig"),
        ("\ufeffdocument endDocument", ".provn"),
        ("", None),
        ("digraph provenance {}", None),
        ("Dear reader,", None),
        ("\x00\x01\x02", None),
    ],
)
def test_the_first_words_tell(text, suffix):
    assert suffix_of(text.encode()) == suffix


@pytest.mark.parametrize("suffix", [".provn", ".json", ".provx", ".ttl", ".trig", ".nt", ".jsonld"])
@pytest.mark.skipif(not DATA.exists(), reason="the test data lies beside the checkout, and is not there")
def test_every_document_of_the_corpora_is_told(suffix):
    expected = {".ttl": {".trig"}, ".nt": {".nq"}}.get(suffix, {suffix})
    paths = sorted(DATA.rglob(f"*{suffix}"))
    wrong = [path for path in paths if suffix_of(path.read_bytes()) not in expected]
    assert paths
    assert wrong == []


def test_a_file_without_a_telling_name_is_read_by_its_content(tmp_path):
    document = Document({"ex": "http://example.org/"})
    document.entity("ex:e1")
    for format in ("provn", "provjson", "provxml"):
        for name in ("trail", "trail.txt", "trail.2026"):
            trilha.write(document, tmp_path / name, format)
            assert trilha.read(tmp_path / name) == document


def test_an_open_file_is_read_by_its_content():
    assert trilha.read(io.BytesIO(b"document endDocument")) == Document()
    assert trilha.read(io.StringIO("{}")) == Document()


def test_what_the_name_says_comes_before_the_content(tmp_path):
    (tmp_path / "a.provn").write_text("{}")
    with pytest.raises(FormatError, match=r"a\.provn:1:1: expected"):
        trilha.read(tmp_path / "a.provn")


def test_a_document_of_no_format_says_what_to_do(tmp_path):
    (tmp_path / "letter").write_text("Dear reader,")
    with pytest.raises(UsageError, match="neither its name nor its first words tell the format: give one"):
        trilha.read(tmp_path / "letter")
    (tmp_path / "letter.docx").write_text("Dear reader,")
    with pytest.raises(UsageError, match=r"'\.docx' is no format of documents: expected one of PROV-N"):
        trilha.read(tmp_path / "letter.docx")


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(data):
    suffix_of(data)


@pytest.mark.parametrize(
    "piece",
    ["//", "/*", "/**/ ", "<!--", "<!---->", "<!DOCTYPE", "<!DOCTYPE a [", "<?", "#\n", '"', "<a> ", "_:a "],
)
def test_no_beginning_takes_long(piece):
    """Nothing but the beginning is looked at, each place a bounded number of times: else this never ends."""
    suffix_of((piece * 100_000).encode())
    suffix_of((f"{IRI} {IRI} " + piece * 100_000).encode())
