"""PROV-O: written and read back in every syntax, and read as other people write it."""

import pytest
from hypothesis import given, settings
from strategies import documents

from trilha import formats
from trilha.errors import FormatError
from trilha.formats import nquads, ntriples, rdfxml, trig, turtle
from trilha.prov import PLACEHOLDER, PROV, Document, Kind, Literal, Name, Record

pytest.importorskip("pyoxigraph", reason="pyoxigraph is not installed: pip install 'trilha[rdf]'")

EX = "http://example.org/"
HEAD = f"""
@prefix ex: <{EX}> .
@prefix prov: <http://www.w3.org/ns/prov#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
WHEN = "2026-11-21T09:30:00+00:00"


def read(text, module=turtle):
    return module.read((HEAD + text).encode(), "some.ttl")


def said(build):
    document = Document({"ex": EX})
    build(document)
    return document


@pytest.mark.parametrize("module", [turtle, ntriples])
@settings(max_examples=50)
@given(documents(bundles=False, plain=True, dictionaries=True))
def test_what_is_written_is_read_back(module, document):
    assert module.read(module.write(document)) == document


@pytest.mark.parametrize("module", [trig, nquads])
@settings(max_examples=40)
@given(documents(plain=True, dictionaries=True))
def test_what_is_written_with_bundles_is_read_back(module, document):
    assert module.read(module.write(document)) == document


def xml_of(document):
    """RDF/XML, or, as text, why it cannot be."""
    try:
        return rdfxml.write(document)
    except FormatError as error:
        return str(error)


@settings(max_examples=40)
@given(documents(bundles=False, plain=True, dictionaries=True))
def test_rdf_xml_is_read_back_unless_xml_has_no_such_character(document):
    data = xml_of(document)
    if isinstance(data, str):
        assert "cannot carry the character U+" in data
    else:
        assert rdfxml.read(data) == document


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib's own parts
def test_the_syntaxes_are_the_same_graph_to_another_library():
    rdflib = pytest.importorskip("rdflib")
    from rdflib.compare import isomorphic

    document = Document({"ex": EX})
    document.entity("ex:e", {"prov:label": Literal("livro", language="pt-BR"), "ex:n": [1, 1.5, True]})
    document.activity("ex:a", WHEN, None, {"prov:type": Name(EX + "Work"), "ex:text": 'a "b"\n\\c\t&<>'})
    document.was_generated_by("ex:e", "ex:a", WHEN, {"prov:role": Name(EX + "r")})
    document.was_derived_from("ex:e", "ex:b", "ex:a", id="ex:d")
    document.had_dictionary_member("ex:d1", "ex:e", "key")
    lines = rdflib.Graph().parse(data=ntriples.write(document), format="nt")
    assert len(lines) == 24
    assert isomorphic(lines, rdflib.Graph().parse(data=turtle.write(document), format="turtle"))
    assert isomorphic(lines, rdflib.Graph().parse(data=rdfxml.write(document), format="xml"))
    for module, format in ((trig, "trig"), (nquads, "nquads")):
        graphs = rdflib.Dataset().parse(data=module.write(document), format=format)
        assert len(list(graphs.quads())) == len(lines)


def test_a_shortcut_that_a_node_says_more_of_is_not_stated_again():
    document = read(
        f"""ex:e a prov:Entity ; prov:wasGeneratedBy ex:a ; prov:qualifiedGeneration
        [ a prov:Generation ; prov:activity ex:a ; prov:atTime "{WHEN}"^^xsd:dateTime ;
          prov:hadRole ex:r ] ."""
    )
    expected = Document({"ex": EX})
    expected.entity("ex:e")
    expected.was_generated_by("ex:e", "ex:a", WHEN, {"prov:role": Name(EX + "r")})
    assert document == expected


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("ex:a prov:generated ex:e .", lambda d: d.was_generated_by("ex:e", "ex:a")),
        ("ex:e prov:wasUsedBy ex:a .", lambda d: d.used("ex:a", "ex:e")),
        ("ex:g prov:generalizationOf ex:e .", lambda d: d.specialization_of("ex:e", "ex:g")),
        ("ex:b prov:hadDerivation ex:e .", lambda d: d.was_derived_from("ex:e", "ex:b")),
        (
            "ex:u prov:qualifiedUsingActivity ex:a ; a prov:Usage ; prov:entity ex:e .",
            lambda d: d.used("ex:a", "ex:e", id="ex:u"),
        ),
    ],
)
def test_inverse_names_are_read(text, build):
    assert read(text) == said(build)


@pytest.mark.parametrize("type", ["Revision", "Quotation", "PrimarySource"])
def test_kinds_of_derivation_are_types(type):
    shortcuts = {
        "Revision": "wasRevisionOf",
        "Quotation": "wasQuotedFrom",
        "PrimarySource": "hadPrimarySource",
    }
    shortcut = shortcuts[type]
    expected = said(lambda d: d.was_derived_from("ex:b", "ex:a", attributes={"prov:type": PROV[type]}))
    assert read(f"ex:b prov:{shortcut} ex:a .") == expected
    assert read(f"ex:b prov:{shortcut} ex:a ; prov:wasDerivedFrom ex:a .") == expected
    assert read(f"ex:b prov:qualified{type} [ a prov:{type} ; prov:entity ex:a ] .") == expected


def test_classes_below_entity_and_agent_are_types():
    document = read("ex:p a prov:Person ; rdfs:label 'Ana' . ex:c a prov:Entity, prov:Collection .")
    expected = Document({"ex": EX})
    expected.agent("ex:p", {"prov:type": PROV["Person"], "prov:label": "Ana"})
    expected.entity("ex:c", {"prov:type": PROV["Collection"]})
    assert document == expected


def test_the_moment_of_a_generation_is_a_generation_unless_one_says_it():
    moment = f'ex:e prov:generatedAtTime "{WHEN}"^^xsd:dateTime'
    node = f'[ prov:activity ex:a ; prov:atTime "{WHEN}"^^xsd:dateTime ]'
    assert read(f"{moment} .") == said(lambda d: d.was_generated_by("ex:e", None, WHEN))
    both = read(f"{moment} ; prov:qualifiedGeneration {node} .")
    assert both == said(lambda d: d.was_generated_by("ex:e", "ex:a", WHEN))


def test_what_is_said_of_a_thing_without_class_goes_by_its_relations():
    document = read("ex:a prov:used ex:e ; rdfs:label 'act' . ex:e rdfs:label 'data' .")
    expected = Document({"ex": EX})
    expected.activity("ex:a", attributes={"prov:label": "act"})
    expected.entity("ex:e", {"prov:label": "data"})
    expected.used("ex:a", "ex:e")
    assert document == expected


def test_what_is_said_of_other_things_is_kept_and_written_again():
    text = "ex:e a prov:Entity ; ex:from ex:w . ex:w a ex:Workflow ; rdfs:label 'W' ; ex:has ( 1 2 ) ."
    document = read(text)
    assert [record[3][1] for record in document.of(Kind.EXTENSION)][:2] == [Name(EX + "Workflow"), "W"]
    for module in (turtle, ntriples, trig, nquads, rdfxml):
        again = module.read(module.write(document))
        assert len(again) == len(document), module
    assert document.of(Kind.ENTITY)[0].value(EX + "from") == EX + "w"


def test_named_graphs_are_bundles():
    document = read("{ ex:b a prov:Bundle . } ex:b { ex:e a prov:Entity . }", trig)
    expected = Document({"ex": EX})
    expected.entity("ex:b", {"prov:type": PROV["Bundle"]})
    expected.bundle("ex:b").entity("ex:e")
    assert document == expected


@pytest.mark.parametrize("module", [turtle, ntriples, rdfxml])
def test_a_format_without_named_graphs_refuses_bundles_by_name(module):
    document = Document({"ex": EX})
    document.bundle("ex:b").entity("ex:e")
    with pytest.raises(FormatError, match=r"cannot carry bundles, such as http://example\.org/b: write TriG"):
        module.write(document)


def test_what_rdf_would_run_together_stays_apart():
    document = Document({"ex": EX})
    document.entity("ex:e", {"ex:x": 1})
    document.entity("ex:e", {"ex:x": 2})
    document.agent("ex:e", {"ex:y": 2})
    document.was_generated_by("ex:e", "ex:a", WHEN, id="ex:g")
    document.was_generated_by("ex:e", "ex:a", "2027-11-21T09:30:00+00:00", id="ex:g")
    document.was_generated_by("ex:e", "ex:a")
    document.used("ex:a", "ex:e", id="ex:e")
    document.alternate_of("ex:e", "ex:f", {"ex:x": 1}, id="ex:alt")
    document.entity("ex:odd", {PROV["used"]: Name(EX + "e"), "prov:type": PROV["Entity"]})
    document.bundle("ex:empty")
    assert trig.read(trig.write(document)) == document
    assert nquads.read(nquads.write(document)) == document


def test_the_placeholder_is_written_as_nothing():
    document = said(lambda d: d.used("ex:a", PLACEHOLDER, PLACEHOLDER))
    assert turtle.read(turtle.write(document)) == said(lambda d: d.used("ex:a"))


def test_names_that_are_no_iris_are_refused_where_a_resource_stands_and_kept_as_values():
    with pytest.raises(FormatError, match="Turtle cannot carry the name 'http://a b': it is no IRI"):
        turtle.write(said(lambda d: d.entity(Name("http://a b"))))
    document = said(lambda d: d.entity("ex:e", {"ex:k": Name("a b"), Name("c d"): Name("a b")}))
    assert turtle.read(turtle.write(document)) == document


def test_languages_keep_their_spelling():
    for tag in ("en", "pt-BR", "EN", "zh-Hant-TW"):
        document = said(lambda d, tag=tag: d.entity("ex:e", {"ex:k": Literal("x", language=tag)}))
        for module in (turtle, ntriples, rdfxml):
            assert module.read(module.write(document)) == document
    with pytest.raises(FormatError, match="languages EN and en apart"):
        turtle.write(
            said(lambda d: d.entity("ex:e", {"ex:k": [Literal("x", language=t) for t in ("en", "EN")]}))
        )


def test_relative_iris_are_relative_to_the_file(tmp_path):
    path = tmp_path / "run.ttl"
    path.write_text("@prefix prov: <http://www.w3.org/ns/prov#> . <> a prov:Entity . <#x> a prov:Entity .")
    assert [record.id for record in formats.read(path)] == [path.as_uri(), path.as_uri() + "#x"]


BROKEN = {
    "cut": (turtle, b"<http://a> a <http://b>", r"x:1:\d+: .*expected RDF"),
    "bytes": (turtle, b'<http://a> a "\xff" .', r"x:1:15: Invalid UTF-8"),
    "text": (turtle, b"hello world", r"x:1:\d+: "),
    "prefix": (turtle, b"<http://a> ex:b ex:c .", r"x:1:\d+: The prefix"),
    "triple": (
        turtle,
        b"<http://a> <http://b> <<( <http://a> <http://b> 1 )>> .",
        "a triple stands as a value",
    ),
    "deep": (turtle, b"<http://a> <http://b> " + b"( " * 50_000, r"x:1:\d+: "),
    "brackets": (trig, b"<http://a> <http://b> " + b"[ <http://b> " * 50_000, r"x:1:\d+: "),
    "graph": (turtle, b"<http://a> { <http://a> <http://b> 1 }", r"x:1:\d+: "),
    "lines": (nquads, b"<http://a> <http://b> .", r"x:1:\d+: "),
    "xml": (rdfxml, b"<rdf:RDF", r"x:1:\d+: .*expected RDF/XML"),
    "xml cut": (rdfxml, b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">', r"x:1:\d+: "),
    "xml deep": (rdfxml, b"<a>" * 5000, r"x:1:\d+: elements are nested too deeply"),
    "entities": (
        rdfxml,
        b'<!DOCTYPE r [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><r/>',
        "entity c is made of others",
    ),
    "time": (
        turtle,
        b'<http://a>\n <http://www.w3.org/ns/prov#startedAtTime> "noon" .',
        r"x:2:\d+: 'noon', prov:startedAtTime of http://a, is no time",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_refused_with_its_place(case):
    module, data, message = BROKEN[case]
    with pytest.raises(FormatError, match=message):
        module.read(data, "x")


def test_a_circular_list_is_read():
    document = read(
        "ex:e a prov:Entity ; ex:k _:l . _:l <http://www.w3.org/1999/02/22-rdf-syntax-ns#rest> _:l ."
    )
    assert len(document.of(Kind.EXTENSION)) == 1


@pytest.mark.parametrize("end", [None, PLACEHOLDER], ids=["absent", "placeholder"])
def test_a_relation_that_lacks_an_end_is_refused_by_name(end):
    for module in (turtle, trig, ntriples, nquads, rdfxml):
        document = said(lambda d: d.add(Record.new((Kind.MEMBERSHIP, None, end, Name(EX + "e"), ()))))
        with pytest.raises(FormatError, match=r"hadMember.*: one of its ends is missing"):
            module.write(document)
