import pickle

import pytest

from trilha.errors import UsageError
from trilha.prov import PROV, XSD, Document, Name, Namespace, Namespaces

EX = Namespace("ex", "http://example.org/")


def test_a_name_is_its_iri():
    assert EX["e1"] == "http://example.org/e1"
    assert hash(EX["e1"]) == hash("http://example.org/e1")
    assert repr(EX["e1"]) == "Name('http://example.org/e1')"
    assert type(pickle.loads(pickle.dumps(EX["e1"]))) is Name


def test_a_declared_prefix_is_resolved():
    assert Namespaces([EX]).resolve("ex:e1") == EX["e1"]
    assert Namespaces({"ex": EX.iri}).resolve("ex:a:b") == EX["a:b"]


def test_prov_and_xsd_need_no_declaration():
    assert Namespaces().resolve("prov:Plan") == PROV["Plan"]
    assert Namespaces().resolve("xsd:int") == XSD["int"]


def test_a_name_without_prefix_belongs_to_the_default_namespace():
    assert Namespaces({"": EX.iri}).resolve("e1") == EX["e1"]
    with pytest.raises(
        UsageError, match=r"'e1' has no prefix, and there is no default namespace: write it as"
    ):
        Namespaces().resolve("e1")


@pytest.mark.parametrize("iri", ["http://example.com/x", "urn:uuid:1#2", "pkg:pypi/torch@2.13.0", "_:b1"])
def test_a_whole_iri_is_itself(iri):
    assert Namespaces([EX]).resolve(iri) == Name(iri)


def test_a_name_is_never_taken_for_a_prefixed_text():
    namespaces = Namespaces({"pkg": EX.iri})
    assert namespaces.resolve("pkg:a") == EX["a"]
    assert namespaces.resolve(Name("pkg:a")) == "pkg:a"
    document = Document({"pkg": EX.iri})
    document.used("pkg:a", "pkg:b")
    assert document.used(Name("pkg:a"), Name("pkg:b")).arguments[:2] == ("pkg:a", "pkg:b")


@pytest.mark.parametrize("text", ["nowhere:e1", "", 7, None])
def test_what_is_no_name_is_refused_by_name(text):
    with pytest.raises(UsageError):
        Document([EX]).used(text)


def test_an_unknown_prefix_is_named_with_what_to_do():
    with pytest.raises(UsageError, match=r"the prefix 'foo' of 'foo:x' is not declared: declare it with"):
        Namespaces().resolve("foo:x")


@pytest.mark.parametrize(
    ("prefix", "iri"), [("ex", "http://other/"), ("prov", "http://other/"), ("a:b", "x"), ("_", "x")]
)
def test_a_prefix_cannot_be_declared_to_mean_something_else(prefix, iri):
    with pytest.raises(UsageError):
        Namespaces([EX]).add(prefix, iri)


def test_declaring_again_the_same_is_nothing_new():
    namespaces = Namespaces([EX])
    namespaces.add(EX)
    namespaces.add("prov", PROV.iri)
    assert list(namespaces.items()) == [("ex", EX.iri)]


def test_names_are_forgotten_when_prefixes_change_and_when_there_are_many():
    namespaces = Namespaces()
    assert namespaces.resolve("doi:10.1/x") == "doi:10.1/x"
    namespaces.add("doi", "https://doi.org/")
    assert namespaces.resolve("doi:10.1/x") == "https://doi.org/10.1/x"
    for number in range(20_000):
        assert namespaces.resolve(f"doi:{number}") == f"https://doi.org/{number}"
    assert len(namespaces.names) <= 8192


def test_the_same_text_gives_the_same_object():
    namespaces = Namespaces([EX])
    assert namespaces.resolve("ex:e1") is namespaces.resolve("ex:e1")


def test_a_bundles_prefix_comes_before_its_documents():
    document = Document([EX, Namespace("more", "http://more/")])
    bundle = document.bundle("ex:b", {"ex": "http://inner/"})
    assert bundle.entity("ex:e").id == "http://inner/e"
    assert bundle.entity("more:e").id == "http://more/e"
    assert document.entity("ex:e").id == "http://example.org/e"
