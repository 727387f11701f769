# ruff: noqa: E501 -- a case and its message stand on one line
import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import ILLEGAL, records

from trilha.errors import FormatError, UsageError
from trilha.formats import json_text, provjson, provjson_reading
from trilha.prov import PLACEHOLDER, PROV, TRILHA, XSD, Document, Kind, Literal, Name, Namespace, Record

EX = Namespace("ex", "http://example.org/")
PREFIX = {"ex": EX.iri}


def read(content, **more):
    return provjson.read(json.dumps({"prefix": PREFIX, **content, **more}).encode(), "a.json")


def written(document):
    return json.loads(provjson.write(document))


def refused(content):
    """The message for a document of this content, without its file."""
    with pytest.raises(FormatError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith("a.json: ")
    return message.removeprefix("a.json: ")


@pytest.fixture
def document():
    return Document([EX])


# Reading


def test_the_example_of_the_submission_is_read():
    made = read({
        "entity": {"ex:e1": {"prov:type": {"$": "ex:File", "type": "xsd:QName"}, "ex:size": 7}},
        "activity": {"ex:a": {"prov:startTime": "2011-11-16T16:05:00Z"}},
        "wasGeneratedBy": {"_:id1": {"prov:entity": "ex:e1", "prov:activity": "ex:a", "ex:fct": "save"}},
        "used": {"ex:u1": {"prov:activity": "ex:a", "prov:time": "2011-11-16T16:05:00"}},
    })  # fmt: skip
    expected = Document([EX])
    expected.entity("ex:e1", {"prov:type": EX["File"], "ex:size": 7})
    expected.activity("ex:a", "2011-11-16T16:05:00Z")
    expected.was_generated_by("ex:e1", "ex:a", None, {"ex:fct": "save"})
    expected.used("ex:a", None, "2011-11-16T16:05:00", id="ex:u1")
    assert made == expected
    assert list(made.namespaces.items()) == [("ex", EX.iri)]


def test_several_statements_with_one_identifier_are_an_array():
    made = read({"entity": {"ex:e": [{"ex:k": 1}, {"ex:k": 2}]}})
    assert [record.value(EX["k"]) for record in made.get("ex:e")] == [1, 2]


def test_several_members_are_several_statements():
    made = read({"hadMember": {"_:m": {"prov:collection": "ex:c", "prov:entity": ["ex:a", "ex:b"]}}})
    assert [record.entity for record in made] == [EX["a"], EX["b"]]


def test_all_forms_of_values_are_read():
    forms = [
        "text", 1, 1.5, True, {"$": "5000000000", "type": "xsd:long"}, {"$": "NaN", "type": "xsd:double"},
        {"$": "olá", "lang": "pt"}, {"$": "http://x", "type": "xsd:anyURI"}, {"$": "ex:n", "type": "prov:QUALIFIED_NAME"},
        {"$": 0.25, "type": "xsd:double"}, {"$": "plain"}, {"$": True, "type": "xsd:boolean"},
        {"$": "1", "type": "ex:Own"},
    ]  # fmt: skip
    found = read({"entity": {"ex:e": {"ex:k": forms}}}).records[0].values(EX["k"])
    assert math.isnan(found.pop(5))
    assert found == [
        "text", 1, 1.5, True, 5_000_000_000, Literal("olá", PROV["InternationalizedString"], "pt"),
        Literal("http://x", XSD["anyURI"]), EX["n"], 0.25, "plain", True, Literal("1", EX["Own"]),
    ]  # fmt: skip
    assert type(found[7]) is Name


def test_an_argument_may_be_typed_or_alone_in_an_array():
    typed = {"$": "ex:e", "type": "xsd:QName"}
    made = read({"used": {"_:1": {"prov:activity": typed, "prov:entity": ["ex:e"], "prov:time": {
        "$": "2011-11-16T16:05:00Z", "type": "xsd:dateTime"}}}})  # fmt: skip
    assert made.records[0].arguments[:2] == (EX["e"], EX["e"])
    assert made.records[0].time.year == 2011


def test_another_prefix_for_prov_is_understood():
    content = {"prefix": {"p": PROV.iri, **PREFIX}, "used": {"_:1": {"p:activity": "ex:a", "p:role": "x"}}}
    made = provjson.read(json.dumps(content).encode())
    assert (made.records[0].activity, made.records[0].value(PROV["role"])) == (EX["a"], "x")


@pytest.mark.parametrize("iri", ["http://www.w3.org/2001/XMLSchema", "http://www.w3.org/2001/XMLSchema#"])
def test_the_usual_misspelling_of_xsd_is_taken(iri):
    made = provjson.read(
        json.dumps(
            {"prefix": {"xsd": iri, **PREFIX}, "entity": {"ex:e": {"ex:k": {"$": "1", "type": "xsd:int"}}}}
        ).encode()
    )
    assert made.records[0].value(EX["k"]) == 1


def test_an_anonymous_relation_keeps_its_identifier_only_if_something_refers_to_it():
    content = {
        "wasDerivedFrom": {
            "_:d": {"prov:generatedEntity": "ex:b", "prov:usedEntity": "ex:a", "prov:usage": "_:u"}
        },
        "used": {"_:u": {"prov:activity": "ex:x"}, "_:v": {"prov:activity": "ex:x"}},
        "entity": {"_:e": {}},
    }
    made = read(content)
    assert [record.id for record in made] == [None, "_:u", None, "_:e"]
    assert made.records[0].usage == made.records[1].id
    assert provjson.read(provjson.write(made)) == made


def test_bundles_have_prefixes_of_their_own():
    inside = {"prefix": {"ex": "http://inner/"}, "entity": {"ex:e": {}, "b:f": {}}}
    made = read({"prefix": {**PREFIX, "b": "http://b/"}, "bundle": {"b:1": inside}})
    assert [record.id for record in made.bundles["http://b/1"]] == ["http://inner/e", "http://b/f"]


def test_a_bundle_may_be_named_by_its_own_prefix():
    made = read({"bundle": {"own:b": {"prefix": {"own": "http://own/"}}}})
    assert list(made.bundles) == ["http://own/b"]


def test_the_default_namespace_holds_in_bundles():
    content = {"prefix": {"default": EX.iri}, "entity": {"e": {}}, "bundle": {"b": {"entity": {"e": {}}}}}
    made = provjson.read(json.dumps(content).encode())
    assert made.records[0].id == EX["e"] == made.bundles[EX["b"]].records[0].id


def test_a_byte_order_mark_is_no_hindrance():
    assert len(provjson.read(b'\xef\xbb\xbf{"entity": {"urn:x": {}}}')) == 1


DICTIONARIES = [
    ("derivedByInsertionFrom", {"prov:key-entity-set": {"$key-datatype": "xsd:int", "1": "ex:e1"}}, ((1, EX["e1"]),)),
    ("derivedByInsertionFrom", {"prov:key-entity-set": {"a": "ex:e1"}}, (("a", EX["e1"]),)),
    ("derivedByInsertionFrom", {"prov:key-entity-set": {"$key-datatype": "prov:QUALIFIED_NAME", "ex:k": "ex:e1"}}, ((EX["k"], EX["e1"]),)),
    ("derivedByInsertionFrom", {"prov:key-entity-set": [{"key": {"$": "lá", "lang": "pt"}, "$": "ex:e1"}]}, ((Literal("lá", language="pt"), EX["e1"]),)),
    ("derivedByInsertionFrom", {"prov:key-entity-set": {"key": 0.5, "$": "ex:e1"}}, ((0.5, EX["e1"]),)),
    ("derivedByInsertionFrom", {}, ()),
    ("derivedByRemovalFrom", {"prov:key-set": ["a", {"$": "1", "type": "xsd:int"}]}, ("a", 1)),
    ("derivedByRemovalFrom", {"prov:key-set": "a"}, ("a",)),
    ("derivedByRemovalFrom", {}, ()),
]  # fmt: skip


@pytest.mark.parametrize(("section", "more", "expected"), DICTIONARIES)
def test_statements_of_dictionaries_are_read_in_all_their_forms(section, more, expected):
    body = {"prov:after": "ex:d2", "prov:before": "ex:d1", "ex:k": 1, **more}
    (record,) = read({section: {"ex:i": body}})
    assert record.kind.provn == section
    assert record.id == EX["i"]
    assert record.arguments == (EX["d2"], EX["d1"], expected)
    assert record.attributes == ((EX["k"], 1),)


def test_several_members_of_a_dictionary_are_several_statements():
    pairs = {"$key-datatype": "xsd:int", "1": "ex:e1", "2": "ex:e2"}
    made = read({"hadDictionaryMember": {"_:1": {"prov:key-entity-set": pairs, "prov:dictionary": "ex:d"}}})
    expected = Document([EX])
    expected.had_dictionary_member("ex:d", "ex:e1", 1)
    expected.had_dictionary_member("ex:d", "ex:e2", 2)
    assert made == expected


# What is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"entity": {"foo:e": {}}}, "$.entity['foo:e']: the prefix 'foo' of 'foo:e' is not declared: expected it in \"prefix\""),
        ({"entity": {"e": {}}}, "$.entity.e: 'e' has no prefix, and a default is not declared"),
        ({"entity": []}, "$.entity: expected statements: an object, not []"),
        ({"entity": {"ex:e": 3}}, "$.entity['ex:e']: expected a statement: an object, or an array of objects; found 3"),
        ({"entity": {"ex:e": [{}, 3]}}, "$.entity['ex:e'][1]: expected a statement: an object; found 3"),
        ({"entity": {"ex:e": {"ex:k": None}}}, "$.entity['ex:e']['ex:k']: expected text, a number, a truth, or an object"),
        ({"entity": {"ex:e": {"ex:k": {"type": "xsd:int"}}}}, "$.entity['ex:e']['ex:k']: expected a value with '$'"),
        ({"entity": {"ex:e": {"ex:k": {"$": "1", "typ": "x"}}}}, "$.entity['ex:e']['ex:k']: expected a value with '$'"),
        ({"entity": {"ex:e": {"ex:k": {"$": "1", "lang": "?"}}}}, "$.entity['ex:e']['ex:k']: '?' is no language"),
        ({"used": {"_:1": {"prov:activity": 7}}}, "$.used['_:1']['prov:activity']: expected a name such as 'ex:e1', not 7"),
        ({"used": {"_:1": {"prov:entity": ["ex:a", "ex:b"]}}}, "$.used['_:1']['prov:entity']: expected a name such as"),
        ({"used": {"_:1": {"prov:time": "now"}}}, "$.used['_:1']['prov:time']: 'now' is no time: expected a datetime"),
        ({"uses": {}}, "$.uses: this kind of statement is unknown: expected entity, activity, agent"),
        ({"derivedByRemovalFrom": {"_:1": {"prov:after": "ex:d"}}}, "$.derivedByRemovalFrom['_:1']: expected prov:before in derivedByRemovalFrom"),
        ({"hadDictionaryMember": {"_:1": {"prov:dictionary": "ex:d"}}}, "$.hadDictionaryMember['_:1']: expected prov:key-entity-set in hadDictionaryMember"),
        ({"derivedByInsertionFrom": {"_:1": {"prov:key-entity-set": [7]}}}, "$.derivedByInsertionFrom['_:1']['prov:key-entity-set']: expected a pair: an object of 'key' and '$', not 7"),
        ({"derivedByInsertionFrom": {"_:1": {"prov:key-entity-set": {"$key-datatype": 7}}}}, "$.derivedByInsertionFrom['_:1']['prov:key-entity-set']: expected a type such as 'xsd:int', not 7"),
        ({"used": {f"_:{i}": {"prov:activity": "ex:a" if i != 3000 else 7} for i in range(5000)}}, "$.used['_:3000']['prov:activity']: expected a name such as 'ex:e1', not 7"),
        ({"prefix": {"ex": 7}}, "$.prefix.ex: expected an IRI, not 7"),
        ({"prefix": {"prov": "http://x/"}}, "$.prefix.prov: prefix 'prov' stands for http://www.w3.org/ns/prov# here"),
        ({"bundle": {"ex:b": {"bundle": {}}}}, "$.bundle['ex:b'].bundle: a bundle cannot hold bundles"),
        ({"bundle": {"foo:b": {}}}, "$.bundle['foo:b']: the prefix 'foo' of 'foo:b' is not declared"),
        ({"bundle": {"ex:b": {"entity": {"foo:e": {}}}}}, "$.bundle['ex:b'].entity['foo:e']: the prefix 'foo'"),
        ({"bundle": {"ex:b": {}, EX.iri + "b": {}}}, "$.bundle['http://example.org/b']: another bundle has the same name"),
    ],
)  # fmt: skip
def test_what_is_no_prov_is_refused_with_its_place(content, message):
    assert refused(content).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"entity": {\n  "ex:e" {}}}', "a.json:2:10: expected JSON: expecting ':' delimiter"),
        (b"", "a.json:1:1: expected JSON: expecting value"),
        (b'{"entity":\n "\xff"}', "a.json:2:3: expected JSON in UTF-8: invalid start byte"),
        (
            b'{"entity": {"urn:e": {"urn:k": NaN}}}',
            'a.json: expected JSON: a number, not NaN: write it as {"$": "NaN"',
        ),
        (b"[]", "a.json: $: expected a PROV-JSON document: an object, not []"),
        (b"[" * 200_000, "a.json: expected PROV-JSON: values are nested too deeply"),
        (
            b'{"entity": {"urn:e": {}},\n "entity": {}}',
            'a.json:2:2: the key "entity" stands twice in one object',
        ),
        (
            b'{"entity": {"urn:e": {"urn:k": 1, "urn:\\u006b" : 2}}}',
            'a.json:1:35: the key "urn:\\u006b" stands twice',
        ),
    ],
)
def test_what_is_no_json_is_refused_with_line_and_column(data, message):
    with pytest.raises(FormatError) as caught:
        provjson.read(data, "a.json")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("colon", [":", " : ", "\t:"])
def test_text_that_looks_like_a_key_is_no_repeated_key(colon, indent):
    content = {"entity": {"urn:e": {"urn:k": ['":', '" :', ":x", '"k":', '\\":']}}}
    data = json.dumps(content, indent=indent, separators=(",", colon)).encode()
    assert len(provjson.read(data).records[0].attributes) == 5


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
def test_keys_are_counted_over_any_blocks(monkeypatch, block):
    monkeypatch.setattr(json_text, "_BLOCK", block)
    assert json_text.count_keys(b'{"a": 1, "b" :{"c"\n:2, "d":":"}}') == 5  # one more than there are: a text
    assert json_text.count_keys(b'["a", "b"]') == 0


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_document_or_a_format_error(data):
    try:
        provjson.read(data)
    except FormatError:
        pass


KEYS = [
    "entity",
    "used",
    "hadMember",
    "bundle",
    "prefix",
    "ex",
    "ex:a",
    "_:b",
    "$",
    "type",
    "lang",
    "prov:entity",
    "prov:activity",
    "prov:time",
    "prov:collection",
    "default",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["ex:a", "x", "_:b", "2011-11-16T16:05:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["entity", "used", "hadMember", "bundle", "prefix"]), JSON, max_size=4)
)
def test_any_json_is_a_document_or_a_format_error(content):
    try:
        made = read(content)
    except FormatError:
        return
    assert provjson.read(provjson.write(made)) == made


# Writing


def test_a_relation_without_identifier_gets_a_blank_one(document):
    document.used("ex:a", "ex:e")
    document.used("ex:a", "ex:f")
    assert written(document) == {
        "prefix": PREFIX,
        "used": {
            "_:r1": {"prov:activity": "ex:a", "prov:entity": "ex:e"},
            "_:r2": {"prov:activity": "ex:a", "prov:entity": "ex:f"},
        },
    }


def test_a_blank_identifier_meets_no_other(document):
    document.entity("_:r1")
    document.used("_:r1", "_:rr1")
    assert list(written(document)["used"]) == ["_:rrr1"]
    assert provjson.read(provjson.write(document)) == document


def test_numbers_are_written_so_that_no_reader_retypes_them(document):
    document.entity("ex:e", {"ex:k": [1, 1.0, 0.5, math.inf, math.nan, 5_000_000_000, True]})
    assert written(document)["entity"]["ex:e"]["ex:k"] == [
        1, {"$": "1.0", "type": "xsd:double"}, 0.5, {"$": "INF", "type": "xsd:double"},
        {"$": "NaN", "type": "xsd:double"}, {"$": "5000000000", "type": "xsd:long"}, True,
    ]  # fmt: skip
    assert provjson.read(provjson.write(document)) == document


def test_names_that_no_prefix_fits_get_one(document):
    document.entity(Name("http://other/x#y"), {TRILHA["path"]: "p"})
    document.entity(Name("bare"))
    content = written(document)
    assert content["prefix"] == {"ex": EX.iri, "ns1": "http://other/x#", "trilha": TRILHA.iri, "ns2": "b"}
    assert list(content["entity"]) == ["ns1:y", "ns2:are"]
    assert provjson.read(provjson.write(document)) == document


def test_a_generated_prefix_meets_no_other(document):
    document.namespaces.add("ns1", "http://mine/")
    document.bundle("ex:b", {"ns2": "http://bundles/"}).entity(Name("http://x/y"))
    assert written(document)["prefix"]["ns3"] == "http://x/"


def test_the_longest_namespace_is_taken(document):
    document.namespaces.add("deep", EX.iri + "deep/")
    document.entity(EX["deep/e"])
    assert list(written(document)["entity"]) == ["deep:e"]


def test_a_prefix_called_default_is_another_one():
    document = Document({"default": "http://named/", "": EX.iri})
    document.entity("default:x")
    document.entity("e")
    content = written(document)
    assert content["prefix"] == {"default": EX.iri, "ns1": "http://named/"}
    assert list(content["entity"]) == ["ns1:x", "e"]


def test_a_bundle_with_the_prefixes_of_another_meaning_is_named_alike_for_both(document):
    document.bundle("ex:b", {"ex": "http://inner/"}).entity("ex:e")
    content = written(document)
    assert content["bundle"] == {"ns1:b": {"prefix": {"ex": "http://inner/"}, "entity": {"ex:e": {}}}}
    assert provjson.read(provjson.write(document)) == document


def test_a_placeholder_is_written_as_left_out(document):
    document.used("ex:a", PLACEHOLDER)
    assert provjson.read(provjson.write(document)).records[0].entity is None


def test_an_attribute_that_a_reader_would_take_for_an_argument_is_refused():
    document = Document()
    document.add(Record.new((Kind.USAGE, None, EX["a"], None, None, (PROV["entity"], EX["e"]))))
    with pytest.raises(
        FormatError, match="PROV-JSON has no attribute prov:entity for used: it is an argument there"
    ):
        provjson.write(document)


@pytest.mark.parametrize(
    "text",
    ["", "\x00\x01\x1b[31m\x7f", "\u2028\u202e", '"\\', "x" * 1_000_000, "\ud800", "a\udcff", "\U0001f600"],
)
def test_any_text_is_carried(document, text):
    document.entity("ex:e", {"ex:k": text})
    document.entity(EX[text], {EX["k" + text]: 1})
    assert provjson.read(provjson.write(document)) == document


@st.composite
def alike(draw):
    """A document of many statements of few kinds, with the same arguments and attributes and with others."""
    document = Document({"ex": EX.iri})
    for record in draw(st.lists(records(ILLEGAL, dictionaries=True), min_size=1, max_size=2)):
        variants = [record, record, record.replace(flat=()), record.replace(flat=record.flat[:2])]
        if not record.kind.is_element and record.kind is not Kind.DICTIONARY_MEMBERSHIP:
            variants += [record.replace(id=None), record.replace(id=EX["other"])]
        for argument in record.kind.arguments:
            if not argument.required:
                variants.append(record.replace(**{argument.name: None}))
        document.update(draw(st.lists(st.sampled_from(variants), min_size=2, max_size=12)))
    return document


@given(alike())
def test_statements_that_are_alike_are_carried(document):
    assert provjson.read(provjson.write(document)) == document


@given(alike())
def test_statements_read_together_are_what_they_are_one_by_one(document):
    def refuse(*columns):
        raise TypeError

    data = provjson.write(document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provjson_reading._Scope, "columns", refuse)
        exact = provjson.read(data)
    assert provjson.read(data).records == exact.records


@given(alike())
def test_text_that_was_decoded_is_read_as_text_that_was_not(document):
    data = provjson.write(document)
    reader = provjson_reading._Reader("a.json")
    assert reader.document(json.loads(data)).records == provjson.read(data).records


def test_a_dictionary_s_member_without_key_is_refused(document):
    document.had_dictionary_member("ex:d", "ex:e", "a")
    document.records[0] = document.records[0].replace(member_key=None)
    with pytest.raises(FormatError, match="PROV-JSON cannot carry hadDictionaryMember"):
        provjson.write(document)


@pytest.mark.parametrize(
    "text", ["2026-11-21T24:00:00Z", "2026-W47-6T09:30:00Z", "2026-13-21T09:30:00Z", "20261121T093000.12Z"]
)
def test_times_are_read_as_anywhere_else(text):
    from trilha.prov.values import time

    try:
        expected = time(text)
    except UsageError:
        with pytest.raises(FormatError, match="is no time"):
            read({"activity": {"ex:a": {"prov:startTime": text}}})
    else:
        assert read({"activity": {"ex:a": {"prov:startTime": text}}}).records[0].start == expected


def test_what_is_written_is_indented_json(document):
    document.entity("ex:e")
    data = provjson.write(document)
    assert data.decode().startswith('{\n "prefix": {\n  "ex": ')
    assert msgspec.json.decode(data)["entity"] == {"ex:e": {}}
