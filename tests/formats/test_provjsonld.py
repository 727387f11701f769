# ruff: noqa: E501 -- a case and its message stand on one line
import json
import math
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ILLEGAL, documents

from trilha import formats
from trilha.errors import FormatError
from trilha.formats import provjson, provjsonld
from trilha.prov import PLACEHOLDER, PROV, TRILHA, XSD, Document, Kind, Literal, Name, Namespace, Record

EX = Namespace("ex", "http://example.org/")
CONTEXT = "https://openprovenance.org/prov-jsonld/context.jsonld"
DATA = Path(__file__).parents[2].parent / "shared" / "data"
SCHEMA = DATA / "prov-schemas" / "prov-jsonld.schema.json"
CWL = DATA / "prov-interop" / "cwlprov"

needs_data = pytest.mark.skipif(not SCHEMA.is_file(), reason="the data of others are not beside the checkout")


def read(*graph, context=({"ex": EX.iri}, CONTEXT)):
    return provjsonld.read(json.dumps({"@context": context, "@graph": graph}).encode(), "a.jsonld")


def written(document):
    return json.loads(provjsonld.write(document))


def refused(*graph, **more):
    """The message for a document of this graph, without its file."""
    with pytest.raises(FormatError) as caught:
        read(*graph, **more)
    message = str(caught.value)
    assert message.startswith("a.jsonld: ")
    return message.removeprefix("a.jsonld: ")


def without_mentions(document):
    """The document, without what the format has no term for."""
    for scope in (document, *document.bundles.values()):
        scope.records[:] = [record for record in scope.records if record.kind is not Kind.MENTION]
    return document


@pytest.fixture
def document():
    return Document([EX])


# Reading


def test_the_shape_of_the_submission_is_read():
    made = read(
        {"@type": "Entity", "@id": "ex:e1", "type": ["ex:File"], "value": [{"@value": "7", "@type": "xsd:int"}]},
        {"@type": "Activity", "@id": "ex:a", "startTime": "2011-11-16T16:05:00Z", "label": [{"@value": "a"}]},
        {"@type": "Generation", "entity": "ex:e1", "activity": "ex:a", "role": ["ex:out"], "ex:k": [{"@value": "olá", "@language": "pt"}]},
        {"@type": "Derivation", "@id": "ex:d", "generatedEntity": "ex:e1", "usedEntity": "ex:e0"},
    )  # fmt: skip
    expected = Document([EX])
    expected.entity("ex:e1", {"prov:type": EX["File"], "prov:value": 7})
    expected.activity("ex:a", "2011-11-16T16:05:00Z", None, {"prov:label": "a"})
    more = {"prov:role": EX["out"], "ex:k": Literal("olá", language="pt")}
    expected.was_generated_by("ex:e1", "ex:a", None, more)
    expected.was_derived_from("ex:e1", "ex:e0", id="ex:d")
    assert made == expected
    assert list(made.namespaces.items()) == [("ex", EX.iri)]


def test_scalars_arrays_nodes_and_prefixed_terms_are_read_alike():
    plain = read(
        {"@type": "Usage", "activity": "ex:a", "entity": "ex:e", "time": "2011-11-16T16:05:00Z", "ex:k": [1]}
    )
    for other in (
        {"@type": "prov:Usage", "prov:activity": ["ex:a"], "prov:entity": {"@id": "ex:e"}, "ex:k": 1},
        {"@type": ["Usage"], "activity": {"@id": "ex:a"}, PROV["entity"]: "ex:e", "ex:k": {"@value": "1", "@type": "xsd:int"}},
        {"@type": PROV["Usage"], "activity": EX["a"], "entity": ["ex:e"], EX["k"]: [{"@value": 1}]},
    ):  # fmt: skip
        when = {"time": {"@value": "2011-11-16T16:05:00Z", "@type": "xsd:dateTime"}}
        assert read(other | when) == plain


def test_further_types_of_a_statement_are_attributes():
    made = read({"@type": ["Entity", "ex:File"], "@id": "ex:e"})
    assert made.records[0].attributes == ((PROV["type"], EX["File"]),)


def test_several_members_are_several_statements():
    made = read({"@type": "Membership", "entity": ["ex:a", "ex:b"], "collection": "ex:c"})
    assert [record.arguments for record in made] == [(EX["c"], EX["a"]), (EX["c"], EX["b"])]


def test_all_forms_of_values_are_read():
    forms = [
        "text", 1, 1.5, True, {"@value": "x"}, {"@value": True}, {"@value": "NaN", "@type": "xsd:double"},
        {"@value": 0.25, "@type": "xsd:double"}, {"@value": "ex:n", "@type": "xsd:QName"}, {"@id": "ex:n"},
        {"@value": "ex:n", "@type": "@id"}, {"@value": "1", "@type": "ex:Own"}, {"@value": "http://x", "@type": "xsd:anyURI"},
    ]  # fmt: skip
    found = read({"@type": "Entity", "@id": "ex:e", "ex:k": forms}).records[0].values(EX["k"])
    assert math.isnan(found.pop(6))
    assert found == [
        "text", 1, 1.5, True, "x", True, 0.25, EX["n"], EX["n"], EX["n"], Literal("1", EX["Own"]), Literal("http://x", XSD["anyURI"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "context",
    [
        {"ex": EX.iri},
        [{"ex": {"@id": EX.iri, "@prefix": True}}],
        [CONTEXT, {"ex": EX.iri, "@version": 1.1}],
        [{"ex": EX.iri, "prov": PROV.iri, "xsd": XSD.iri[:-1], "Entity": {"@id": "prov:Entity"}}],
    ],
)
def test_a_context_may_stand_in_the_document(context):
    made = read(
        {"@type": "Entity", "@id": "ex:e", "ex:k": [{"@value": "1", "@type": "xsd:int"}]}, context=context
    )
    assert made.records[0] == Record.new((Kind.ENTITY, EX["e"], (EX["k"], 1)))


def test_the_vocabulary_is_the_default_namespace_and_the_context_has_prefixes_of_its_own():
    made = read(
        {"@type": "Entity", "@id": "e", "k": [{"@value": "rdfs:x", "@type": "xsd:QName"}]},
        context=[{"@vocab": EX.iri, "@base": EX.iri}, CONTEXT],
    )
    rdfs = Name("http://www.w3.org/2000/01/rdf-schema#x")
    assert made.records[0] == Record.new((Kind.ENTITY, EX["e"], (EX["k"], rdfs)))


def test_bundles_have_prefixes_of_their_own():
    inside = [{"@type": "Entity", "@id": "ex:e"}, {"@type": "Agent", "@id": "b:f"}]
    bundle = {"@type": "Bundle", "@id": "b:1", "@context": [{"ex": "http://inner/"}], "@graph": inside}
    made = read(bundle, context=[{"ex": EX.iri, "b": "http://b/"}])
    assert [record.id for record in made.bundles["http://b/1"]] == ["http://inner/e", "http://b/f"]


# What is refused

ENTITY = {"@type": "Entity", "@id": "ex:e"}


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ([3], "$['@graph'][0]: expected a statement: an object, not 3"),
        ([{}], "$['@graph'][0]['@type']: null is no kind of statement: expected one of Entity, Activity, Agent"),
        ([{"@type": "Mention"}], "$['@graph'][0]['@type']: "),
        ([{"@type": ["Entity", "Agent"], "@id": "ex:e"}], "$['@graph'][0]['@type']: [\"Entity\", \"Agent\"] is no kind of statement"),
        ([ENTITY, {"@type": "Agent"}], "$['@graph'][1]: expected '@id', the name of the agent"),
        ([{"@type": "Agent", "@id": 7}], "$['@graph'][0]['@id']: expected a name such as 'ex:e1', not 7"),
        ([{"@type": "Agent", "@id": "foo:e"}], "$['@graph'][0]['@id']: the prefix 'foo' of 'foo:e' is not declared: expected it in '@context'"),
        ([{"@type": "Agent", "@id": "e"}], "$['@graph'][0]['@id']: 'e' has no prefix, and '@vocab' is not declared"),
        ([ENTITY | {"ex:k": None}], "$['@graph'][0]['ex:k']: expected text, a number, a truth, or an object"),
        ([ENTITY | {"ex:k": [["x"]]}], "$['@graph'][0]['ex:k']: expected text, a number, a truth, or an object"),
        ([ENTITY | {"ex:k": {"@list": []}}], "$['@graph'][0]['ex:k']: expected a value with '@value'"),
        ([ENTITY | {"ex:k": {"@value": None}}], "$['@graph'][0]['ex:k']: expected text in '@value', not null"),
        ([ENTITY | {"ex:k": {"@value": "1", "@type": 3}}], "$['@graph'][0]['ex:k']: expected a type such as 'xsd:int', not 3"),
        ([ENTITY | {"ex:k": {"@value": "1", "@language": "?"}}], "$['@graph'][0]['ex:k']: '?' is no language"),
        ([ENTITY | {"@reverse": {}}], "$['@graph'][0]['@reverse']: '@reverse' is not read here: expected '@type', '@id'"),
        ([{"@type": "Usage", "time": "now"}], "$['@graph'][0].time: 'now' is no time: expected a datetime"),
        ([{"@type": "Usage", "entity": ["ex:a", "ex:b"]}], "$['@graph'][0].entity: expected a name such as 'ex:e1'"),
        ([{"@id": "ex:b", "@graph": []}], "$['@graph'][0]: expected '@type': 'Bundle' for what has a '@graph'"),
        ([{"@type": "Bundle", "@id": "ex:b"}], "$['@graph'][0]: expected '@graph', the array of statements"),
        ([{"@type": "Bundle", "@graph": []}], "$['@graph'][0]: expected the name of the bundle in '@id'"),
        ([{"@type": "Bundle", "@id": "ex:b", "@graph": [], "ex:k": 1}], "$['@graph'][0]['ex:k']: expected @context, @graph, @id, @type here"),
        ([{"@type": "Bundle", "@id": "ex:b", "@graph": {}}], "$['@graph'][0]['@graph']: expected an array of statements, not {}"),
        ([{"@type": "Bundle", "@id": "ex:b", "@graph": [{"@type": "Bundle", "@id": "ex:c", "@graph": []}]}], "$['@graph'][0]['@graph'][0]: a bundle cannot hold bundles"),
        ([{"@type": "Bundle", "@id": "ex:b", "@graph": []}, {"@type": "Bundle", "@id": EX["b"], "@graph": []}], "$['@graph'][1]: another bundle has the same name"),
        ([{"@type": "Entity", "@id": f"ex:{i}" if i != 3000 else 7} for i in range(4000)], "$['@graph'][3000]['@id']: expected a name such as"),
    ],
)  # fmt: skip
def test_what_is_no_prov_is_refused_with_its_place(graph, message):
    assert refused(*graph).startswith(message)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ("http://elsewhere/context", "$['@context']: the context 'http://elsewhere/context' stands elsewhere and is not fetched: expected 'https://openprovenance.org"),
        ([CONTEXT, 3], "$['@context'][1]: expected an object of prefixes or an address, not 3"),
        ([{"@import": "x"}], "$['@context'][0]['@import']: this keyword is not read: expected prefixes"),
        ([{"@language": "en"}], "$['@context'][0]['@language']: this keyword is not read: expected prefixes"),
        ([{"own": {"@id": "http://x/", "@type": "@id"}}], "$['@context'][0].own: a term that is no prefix is not read"),
        ([{"prov": "http://x/"}], "$['@context'][0].prov: prefix 'prov' stands for http://www.w3.org/ns/prov# here"),
        ([{"ex": "http://x/"}, {"ex": "http://y/"}], "$['@context'][1].ex: prefix 'ex' stands for http://x/ here"),
    ],
)  # fmt: skip
def test_a_context_that_changes_the_meaning_is_refused_by_name(context, message):
    assert refused(context=context).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"@graph": [\n  {"@type" "x"}]}', "a.jsonld:2:12: expected JSON: expecting ':' delimiter"),
        (b'{"@graph": [', "a.jsonld:1:13: expected JSON: expecting value"),
        (b'{"@graph":\n "\xff"}', "a.jsonld:2:3: expected JSON in UTF-8: invalid start byte"),
        (b"[]", "a.jsonld: $: expected a PROV-JSONLD document: an object of '@context' and '@graph', not an array, as expanded"),
        (b"3", "a.jsonld: $: expected a PROV-JSONLD document: an object of '@context' and '@graph'"),
        (b"{}", "a.jsonld: $: expected '@graph', the array of statements"),
        (b'{"@graph": 3}', "a.jsonld: $['@graph']: expected an array of statements, not 3"),
        (b'{"@graph": [], "entity": {}}', "a.jsonld: $.entity: expected @context, @graph, @id, @type here"),
        (b'{"@graph": ' + b"[" * 200_000, "a.jsonld: expected PROV-JSONLD: values are nested too deeply"),
        (b'{"@graph": [],\n "@graph": []}', 'a.jsonld:2:2: the key "@graph" stands twice in one object'),
        (b'{"@graph": [{"@type": "Entity", "@id": "urn:e", "urn:k": 1, "urn:\\u006b" : 2}]}', 'a.jsonld:1:61: the key "urn:\\u006b" stands twice'),
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused_with_line_and_column(data, message):
    with pytest.raises(FormatError) as caught:
        provjsonld.read(data, "a.jsonld")
    assert str(caught.value).startswith(message)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_document_or_a_format_error(data):
    try:
        provjsonld.read(data)
    except FormatError:
        pass


KEYS = [
    "@type", "@id", "@value", "@language", "@context", "@graph", "entity", "activity", "time", "type", "label", "ex:a", "ex", "prov:entity",
]  # fmt: skip
WORDS = [
    "Entity",
    "Usage",
    "Membership",
    "Bundle",
    "ex:a",
    "_:b",
    "x",
    "xsd:int",
    "2011-11-16T16:05:00Z",
    CONTEXT,
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5), max_size=3))
def test_any_json_is_a_document_or_a_format_error(graph):
    try:
        made = read(*graph)
    except FormatError:
        return
    assert provjsonld.read(provjsonld.write(made)) == made


@needs_data
def test_expanded_json_ld_of_other_tools_is_refused_for_what_it_is():
    paths = sorted(CWL.rglob("*.jsonld"))
    assert paths
    for path in paths:
        with pytest.raises(FormatError, match="not an array, as expanded JSON-LD has it"):
            formats.read(path)


# Writing


def test_statements_are_written_in_their_order_with_the_terms_of_the_submission(document):
    document.used("ex:a", "ex:e", "2011-11-16T16:05:00Z", {"prov:role": EX["in"], "prov:label": ["x", 7]})
    document.entity("ex:e", {"prov:type": [EX["File"], "text"], "prov:value": 1.5, "ex:k": EX["n"]})
    document.was_influenced_by("ex:e", "ex:a", {"prov:role": EX["r"]}, id="ex:i")
    assert written(document) == {
        "@context": [{"ex": EX.iri}, CONTEXT],
        "@graph": [
            {
                "@type": "Usage",
                "activity": "ex:a",
                "entity": "ex:e",
                "time": "2011-11-16T16:05:00+00:00",
                "role": ["ex:in"],
                "label": [{"@value": "x"}],
                "prov:label": [{"@value": "7", "@type": "xsd:int"}],
            },
            {
                "@type": "Entity",
                "@id": "ex:e",
                "type": ["ex:File", {"@value": "text"}],
                "value": [{"@value": "1.5", "@type": "xsd:double"}],
                "ex:k": [{"@value": "ex:n", "@type": "prov:QUALIFIED_NAME"}],
            },
            {
                "@type": "Influence",
                "@id": "ex:i",
                "influencee": "ex:e",
                "influencer": "ex:a",
                "prov:role": ["ex:r"],
            },
        ],
    }


def test_prefixes_that_the_context_of_the_submission_takes_for_its_terms_are_replaced():
    document = Document(
        {"agent": EX.iri, "rdf": "http://mine/", "a-b": "http://dash/", "": "http://default/"}
    )
    document.entity("agent:e", {"rdf:k": 1, "a-b:k": 2})
    document.entity("e")
    content = written(document)
    assert not {"agent", "rdf", "a-b", ""} & content["@context"][0].keys()
    assert provjsonld.read(provjsonld.write(document)) == document


def test_what_has_no_term_is_refused_by_name(document):
    document.mention_of("ex:a", "ex:b", "ex:c")
    with pytest.raises(FormatError, match=r"PROV-JSONLD has no term for mentionOf\(http://example.org/a, "):
        provjsonld.write(document)
    document.records.clear()
    document.had_dictionary_member("ex:d", "ex:e", "a")
    with pytest.raises(FormatError, match="PROV-JSONLD cannot carry hadDictionaryMember"):
        provjsonld.write(document)


def test_an_attribute_that_a_reader_would_take_for_an_argument_is_refused():
    document = Document()
    document.add(Record.new((Kind.USAGE, None, EX["a"], None, None, (PROV["entity"], EX["e"]))))
    with pytest.raises(
        FormatError, match="PROV-JSONLD has no attribute prov:entity for used: it is an argument"
    ):
        provjsonld.write(document)


def test_a_placeholder_is_written_as_left_out(document):
    document.used("ex:a", PLACEHOLDER)
    assert "entity" not in written(document)["@graph"][0]


@pytest.mark.parametrize(
    "text", ["", "\x00\x01\x7f", "\u2028", '"\\', "x" * 100_000, "\ud800", "a\udcff", "\U0001f600"]
)
def test_any_text_is_carried(document, text):
    document.entity("ex:e", {"ex:k": text})
    document.entity(EX[text], {EX["k" + text]: 1})
    assert provjsonld.read(provjsonld.write(document)) == document


@given(documents(ILLEGAL))
def test_every_document_without_mentions_is_carried(document):
    document = without_mentions(document)
    assert provjsonld.read(provjsonld.write(document)) == document


@needs_data
@given(documents("abcxyz é0"))
def test_what_is_written_is_valid_by_the_schema_of_the_submission(document):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert [error.message for error in validator.iter_errors(written(without_mentions(document)))] == []


# The prov package


def theirs(data):
    model = pytest.importorskip("prov.model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.ProvDocument.deserialize(content=data.decode("utf-8"), format="jsonld")


@given(documents("abcxyz é", plain=True))
def test_the_prov_package_reads_our_prov_jsonld(document):
    from trilha.formats.provpackage import from_prov

    document = without_mentions(document)
    assert from_prov(theirs(provjsonld.write(document))) == document


def without_own_types(document):
    """The document, without values of types whose prefix that package forgets to declare."""
    known = (XSD.iri, PROV.iri)
    for scope in (document, *document.bundles.values()):
        for number, record in enumerate(scope.records):
            pairs = [
                pair
                for pair in record.attributes
                if not isinstance(pair[1], Literal) or pair[1].datatype.startswith(known)
            ]
            scope.records[number] = record.replace(flat=tuple(cell for pair in pairs for cell in pair))
    return document


@pytest.mark.parametrize("context", ["url", "embed"])
@given(documents("abcxyz é", plain=True))
def test_prov_jsonld_of_the_prov_package_is_read(context, document):
    pytest.importorskip("prov.model")
    from trilha.formats.provpackage import to_prov

    document = without_own_types(without_mentions(document))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = to_prov(document).serialize(format="jsonld", context=context)
    assert provjsonld.read(data.encode("utf-8")) == document


@needs_data
def test_documents_of_other_tools_are_carried_and_read_alike_by_the_prov_package():
    from trilha.formats.provpackage import from_prov

    carried = 0
    for path in sorted((DATA / "prov-interop").rglob("*.json")):
        document = provjson.read(path.read_bytes(), path.name)
        try:
            data = provjsonld.write(document)
        except FormatError:
            continue  # dictionaries, mentions
        assert provjsonld.read(data) == document, path
        if path.stat().st_size < 20_000:
            assert from_prov(theirs(data)) == document, path
        carried += 1
    assert carried > 200


def test_the_format_is_found_and_written(tmp_path, document):
    document.entity("ex:e", {"prov:type": TRILHA["Run"]})
    formats.write(document, tmp_path / "a.jsonld")
    assert formats.read(tmp_path / "a.jsonld") == document
    assert formats.find("application/ld+json").name == "provjsonld"
