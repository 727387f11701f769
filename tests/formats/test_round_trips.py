"""What is written is read back, by us and by the `prov` package, and says the same."""

import warnings

import pytest
from hypothesis import given, settings
from strategies import ILLEGAL, documents

from trilha.formats import provjson, provn
from trilha.prov import Document

prov = pytest.importorskip("prov", reason="the prov package is not installed: pip install 'trilha[prov]'")

from trilha.formats.provpackage import from_prov, to_prov  # noqa: E402


def theirs(data, format):
    """What the prov package reads. Its warnings are about names that a later version will not take."""
    from prov.model import ProvDocument

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ProvDocument.deserialize(content=data.decode("utf-8"), format=format)


@given(documents(ILLEGAL, dictionaries=True))
def test_prov_json_carries_every_document(document):
    assert provjson.read(provjson.write(document)) == document


@given(documents(plain=True))
def test_writing_twice_gives_the_same_bytes(document):
    assert provjson.write(document) == provjson.write(document)
    assert provn.write(document) == provn.write(document)


@given(documents(ILLEGAL, plain=True))
def test_conversion_to_the_prov_package_and_back_keeps_everything(document):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert from_prov(to_prov(document)) == document


@given(documents("abcxyz é", plain=True))
def test_the_prov_package_reads_our_prov_json(document):
    assert from_prov(theirs(provjson.write(document), "json")) == document


# Names of letters alone: its lexer takes some escaped names that the grammar allows for something else.
@given(documents("abcxyz", plain=True, bundles=False))
def test_the_prov_package_reads_our_prov_n(document):
    assert from_prov(theirs(provn.write(document), "provn")) == document


@settings(max_examples=50)
@given(documents(ILLEGAL, placeholders=True))
def test_prov_n_takes_every_document(document):
    text = provn.write(document).decode("utf-8")
    assert text.startswith("document\n")
    assert text.endswith("endDocument\n")


def test_an_empty_document_is_a_document():
    assert provjson.read(provjson.write(Document())) == Document()
    assert from_prov(theirs(provn.write(Document()), "provn")) == Document()
