# ruff: noqa: E501 -- a case and its message stand on one line
import importlib
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from strategies import SAFE, SPELT, documents

from trilha import formats
from trilha.errors import FormatError
from trilha.formats import provxml
from trilha.prov import PLACEHOLDER, PLAIN, PROV, XSD, Document, Kind, Literal, Name, Namespace, Record

EX = Namespace("ex", "http://example.org/")
WHEN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ROOT = (
    '<prov:document xmlns:prov="http://www.w3.org/ns/prov#" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ex="http://example.org/">'
)
SCHEMAS = Path(__file__).parents[2].parent / "shared" / "data" / "prov-schemas"


def read(inside, **options):
    return provxml.read(f"{ROOT}\n{inside}\n</prov:document>", "a.xml", **options)


def one(inside, **options):
    (record,) = read(inside, **options).records
    return record


def value(inside, **options):
    return one(f'<prov:entity prov:id="ex:e">{inside}</prov:entity>', **options).value(EX["k"])


def refused(text):
    with pytest.raises(FormatError) as caught:
        provxml.read(text, "a.xml")
    message = str(caught.value)
    assert message.startswith("a.xml:")
    return message.removeprefix("a.xml:")


@pytest.fixture
def document():
    return Document([EX])


# Reading


def test_every_kind_is_read_by_the_names_of_the_schema():
    for kind in PLAIN:
        inside = ""
        cells = []
        for argument in kind.arguments:
            tag = argument.json
            if argument.is_time:
                inside += f"<{tag}>\n2026-11-21T09:30:00Z </{tag}>"
                cells.append(WHEN)
            else:
                inside += f'<{tag} prov:ref="ex:{argument.name}"/>\n'
                cells.append(EX[argument.name])
        made = one(f'<prov:{kind.provn} prov:id="ex:i">{inside}<ex:k>v</ex:k></prov:{kind.provn}>')
        assert tuple(made) == (kind, EX["i"], *cells, (EX["k"], "v"))


@pytest.mark.parametrize(
    ("element", "kind", "type_"),
    [
        ("person", Kind.AGENT, "Person"),
        ("softwareAgent", Kind.AGENT, "SoftwareAgent"),
        ("organization", Kind.AGENT, "Organization"),
        ("plan", Kind.ENTITY, "Plan"),
        ("bundle", Kind.ENTITY, "Bundle"),
        ("collection", Kind.ENTITY, "Collection"),
        ("emptyCollection", Kind.ENTITY, "EmptyCollection"),
        ("wasRevisionOf", Kind.DERIVATION, "Revision"),
        ("wasQuotedFrom", Kind.DERIVATION, "Quotation"),
        ("hadPrimarySource", Kind.DERIVATION, "PrimarySource"),
    ],
)
def test_an_element_of_a_subtype_has_that_type(element, kind, type_):
    made = one(f'<prov:{element} prov:id="ex:i"><prov:label>l</prov:label></prov:{element}>')
    assert made.kind is kind
    assert made.attributes == ((PROV["type"], PROV[type_]), (PROV["label"], "l"))


def test_an_argument_left_out_is_none():
    assert one("<prov:used/>").arguments == (None, None, None)
    assert one('<prov:activity prov:id="ex:a"/>').arguments == (None, None)


def test_several_members_are_several_statements():
    made = read(
        '<prov:hadMember><prov:collection prov:ref="ex:c"/><prov:entity prov:ref="ex:a"/>'
        '<prov:entity prov:ref="ex:b"/><prov:entity prov:ref="ex:d"/></prov:hadMember>'
    )
    assert [record.entity for record in made] == [EX["a"], EX["b"], EX["d"]]
    assert list(made.places) == [(2, 1)] * 3


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<ex:k>text &amp; more </ex:k>", "text & more "),
        ("<ex:k/>", ""),
        ("<ex:k><![CDATA[<a>]]>b</ex:k>", "<a>b"),
        ('<ex:k xsi:type="xsd:string"> s</ex:k>', " s"),
        ('<ex:k xsi:type="xsd:int"> 7 </ex:k>', 7),
        ('<ex:k xsi:type="xsd:long">7</ex:k>', Literal("7", XSD["long"])),
        ('<ex:k xsi:type="xsd:double">INF</ex:k>', math.inf),
        ('<ex:k xsi:type="xsd:boolean">true</ex:k>', True),
        ('<ex:k xsi:type="xsd:dateTime">2026-11-21T09:30:00Z</ex:k>', WHEN),
        ('<ex:k xsi:type="xsd:QName"> ex:n\n</ex:k>', EX["n"]),
        ('<ex:k xsi:type="prov:QUALIFIED_NAME">ex:1/2</ex:k>', EX["1/2"]),
        ('<ex:k xsi:type="ex:own"> x </ex:k>', Literal(" x ", EX["own"])),
        ('<ex:k xml:lang="pt">olá</ex:k>', Literal("olá", PROV["InternationalizedString"], "pt")),
        (
            '<ex:k xml:lang="pt" xsi:type="prov:InternationalizedString">olá</ex:k>',
            Literal("olá", PROV["InternationalizedString"], "pt"),
        ),
        ('<ex:k xmlns:y="http://y/" xsi:type="xsd:QName">y:n</ex:k>', Name("http://y/n")),
    ],
)
def test_values_are_read_with_their_type(inside, expected):
    found = value(inside)
    assert found == expected
    assert type(found) is type(expected)


def test_elements_within_a_value_are_kept_as_text():
    found = value(
        '<ex:k xmlns:y="http://y/">a &lt; <y:b c="1&quot;" ex:d=""><e xmlns="z"/>&amp;</y:b> f</ex:k>'
    )
    assert found == Literal(
        'a &lt; <y:b xmlns:y="http://y/" xmlns:ex="http://example.org/" c="1&quot;" ex:d="">'
        '<e xmlns="z"/>&amp;</y:b> f',
        Name("http://www.w3.org/1999/02/22-rdf-syntax-ns#XMLLiteral"),
    )
    after = read(
        '<prov:entity prov:id="ex:e"><ex:k xsi:type="ex:t"><ex:b/></ex:k><ex:l>2</ex:l></prov:entity><prov:used/>'
    )
    assert after.records[0].attributes == ((EX["k"], Literal('<ex:b xmlns:ex="http://example.org/"/>', EX["t"])), (EX["l"], "2"))  # fmt: skip
    assert len(after) == 2


def test_attributes_in_the_tag_of_a_statement_are_kept():
    made = one('<prov:agent prov:id="ex:a" ex:k="v" xsi:type="prov:Person" xml:space="preserve"/>')
    assert made.attributes == ((EX["k"], "v"), (PROV["type"], PROV["Person"]))


def test_bundles_are_read_also_where_they_are_called_bundle():
    for word in ("bundleContent", "bundle"):
        made = read(
            f'<prov:entity prov:id="ex:before"/><prov:{word} prov:id="ex:b" xmlns:in="http://in/">\n'
            f' <prov:entity prov:id="in:e"/><prov:used/>\n</prov:{word}><prov:entity prov:id="ex:after"/>'
        )
        assert [record.id for record in made] == [EX["before"], EX["after"]]
        inside = made.bundles[EX["b"]]
        assert [record.id for record in inside] == ["http://in/e", None]
        assert list(inside.places) == [(3, 2), (3, 31)]
        assert len(made.places) == 2


def test_prefixes_hold_where_they_are_declared():
    made = read(
        '<prov:entity xmlns:ex="http://other/" prov:id="ex:e"/><prov:entity prov:id="ex:e"/>'
        '<prov:entity xmlns="http://default/" prov:id="e"/>'
    )
    assert [record.id for record in made] == ["http://other/e", EX["e"], "http://default/e"]
    assert made.namespaces.get("ex") == EX.iri


def test_any_prefix_may_stand_for_prov_even_none():
    made = provxml.read('<document xmlns="http://www.w3.org/ns/prov#" xmlns:ex="http://example.org/"><entity id="ex:e"/><used><activity ref="ex:a"/></used></document>')  # fmt: skip
    assert made.records[0].id == EX["e"]
    assert made.records[1].activity == EX["a"]


def test_the_escapes_of_prov_toolbox_are_undone_on_demand():
    inside = '<prov:entity prov:id="ex:a__b"><ex:_0k xsi:type="xsd:QName">ex:_わ</ex:_0k></prov:entity>'
    assert tuple(one(inside, toolbox=True)) == (1, EX["a_b"], (EX["0k"], EX["わ"]))
    assert tuple(one(inside)) == (1, EX["a__b"], (EX["_0k"], EX["_わ"]))


def test_other_encodings_are_read():
    text = ROOT + '<prov:entity prov:id="ex:é"/></prov:document>'
    expected = provxml.read(text)
    for encoding in ("utf-8", "utf-16", "iso-8859-1", "cp1252"):
        data = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
        assert provxml.read(data) == expected


def test_a_document_type_that_declares_nothing_is_read():
    assert provxml.read(f"<!DOCTYPE prov:document>{ROOT}</prov:document>") == Document()


def test_the_registry_knows_it(document, tmp_path):
    document.entity("ex:e")
    for name in ("a.provx", "a.xml"):
        formats.write(document, tmp_path / name)
        assert formats.read(tmp_path / name) == document


# Errors


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ('<prov:entity prov:id="no:e"/>', "2:1: the prefix 'no' of 'no:e' is not declared: expected xmlns:no=\"...\""),
        ('<prov:entity prov:id="e"/>', "2:1: 'e' has no prefix, and a default is not declared: expected xmlns=\"...\""),
        ('<prov:entity prov:id=" "/>', "2:1: expected a name"),
        ("<prov:entity/>", "2:1: expected prov:id on prov:entity"),
        ("<prov:used><prov:activity/></prov:used>", "2:12: expected prov:ref on prov:activity"),
        ('<prov:used><prov:activity prov:ref="ex:a"/><prov:activity prov:ref="ex:a"/></prov:used>', "2:44: expected prov:activity once in prov:used"),
        ("<prov:used><prov:time>now</prov:time></prov:used>", "2:26: 'now' is no time: expected"),
        ('<prov:used><prov:activity prov:ref="ex:a"><ex:k/></prov:activity></prov:used>', "2:43: expected no element within an argument, not {http://example.org/}k"),
        ('<prov:used>text<prov:activity prov:ref="ex:a"/></prov:used>', "2:16: expected an element, not the text 'text'"),
        ("text", "3:1: expected an element, not the text 'text'"),
        ("<own/>", "2:1: expected a statement (entity, activity,"),
        ("<prov:bundleContent/>", "2:1: expected prov:id on prov:bundleContent"),
        ('<prov:bundleContent prov:id="ex:b"><prov:bundleContent prov:id="ex:c"/></prov:bundleContent>', "2:36: a bundle cannot hold bundles"),
        ('<prov:bundleContent prov:id="ex:b"/><prov:bundleContent prov:id="ex:b"/>', "2:37: another bundle has the same name"),
        ('<prov:entity prov:id="ex:e"><k>v</k></prov:entity>', "2:29: expected a namespace for the attribute k"),
        ('<prov:entity prov:id="ex:e"><ex:k xml:lang="?">v</ex:k></prov:entity>', "2:49: '?' is no language"),
        ('<prov:entity prov:id="ex:e"><no:k/></prov:entity>', "2:29: expected XML: unbound prefix"),
        ("<prov:used>", "3:3: expected XML: mismatched tag"),
    ],
)  # fmt: skip
def test_what_is_no_prov_xml_is_refused_with_its_place(inside, message):
    assert refused(f"{ROOT}\n{inside}\n</prov:document>").startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected XML: no element found"),
        ("entity(ex:e)", "1:7: expected XML: not well-formed"),
        ("<rdf/>", "1:1: expected prov:document, not rdf"),
        (ROOT, f"1:{len(ROOT) + 1}: expected XML: no element found"),
        (b"<\xff\xfe", "1:2: expected XML: not well-formed"),
        ('<?xml version="1.0" encoding="none"?><a/>', "1:38: expected prov:document"),
        (b'<?xml version="1.0" encoding="none"?><a/>', "1:"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a/>', "1:"),
        (f'<!DOCTYPE d [<!ENTITY a "b">]>{ROOT}</prov:document>', "1:13: expected no declarations in <!DOCTYPE d ...>"),
        (f'<!DOCTYPE d SYSTEM "http://example.org/d">{ROOT}</prov:document>', "1:42: expected no declarations"),
        (f"{ROOT}<prov:entity prov:id='&a;'/></prov:document>", f"1:{len(ROOT) + 1}: expected XML: undefined entity"),
    ],
)  # fmt: skip
def test_a_document_that_is_none_is_refused_with_its_place(text, message):
    assert refused(text).startswith(message)


def test_entity_bombs_and_files_from_elsewhere_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    for subset in (
        f'<!ENTITY l0 "lol">{levels}',
        f'<!ENTITY l9 SYSTEM "file://{secret}">',
        '<!ENTITY % p "x"> %p;',
    ):
        text = f'<!DOCTYPE d [{subset}]>{ROOT}<prov:entity prov:id="ex:e"><ex:k>&l9;</ex:k></prov:entity></prov:document>'
        assert "declar" in refused(text)


def test_deep_nesting_costs_no_more_than_its_length():
    deep = "<ex:a>" * 100_000 + "</ex:a>" * 100_000
    assert len(value(f"<ex:k>{deep}</ex:k>").value) > 1_000_000
    (kept,) = provxml.read(ROOT + deep + "</prov:document>")
    assert len(kept.content[0].value) > 1_000_000


PIECES = st.sampled_from(
    ['<prov:entity prov:id="ex:e">', "</prov:entity>", "<prov:used>", "</prov:used>", '<prov:activity prov:ref="ex:a"/>',
     "<prov:time>", "</prov:time>", "2026-11-21T09:30:00Z", "<ex:k>", "</ex:k>", '<ex:k xsi:type="xsd:int">', "<!-- c -->",
     '<prov:bundleContent prov:id="ex:b">', "</prov:bundleContent>", '<prov:bundle prov:id="ex:b">', "</prov:bundle>",
     "<?pi?>", "<![CDATA[x]]>", "&amp;", "&no;", "7", " ", "<", ">", '"', "<prov:label xml:lang='en'>", "</prov:label>",
     '<prov:entity prov:ref="ex:e"/>', "<prov:hadMember>", "</prov:hadMember>", "<ex:k/>", "</prov:document>"]
)  # fmt: skip


def is_read_or_refused(text):
    try:
        return isinstance(provxml.read(text), Document)
    except FormatError as error:
        return str(error).startswith("document:")


@given(st.one_of(st.text(), st.binary(), st.lists(PIECES, max_size=25).map("".join)))
@example("\ud800")
@example('<prov:bundle prov:id="ex:b"><prov:used/></prov:bundle><ex:k/>')
def test_anything_is_a_document_or_refused(text):
    assert is_read_or_refused(text)
    if isinstance(text, str):
        assert is_read_or_refused(f"{ROOT}{text}</prov:document>")


@settings(max_examples=40)
@given(documents(SPELT, plain=True), st.data())
def test_a_damaged_document_is_a_document_or_refused(document, data):
    text = provxml.write(carried(document)).decode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    assert is_read_or_refused(text[:start] + data.draw(PIECES) + text[end:])


# Writing


def test_a_whole_document(document):
    document.namespaces.add("", "http://default/")
    document.entity("e", {"ex:k": 7, "prov:type": PROV["Plan"], "prov:label": "a < b"})
    document.used("ex:a", None, WHEN, id="ex:u")
    bundle = document.bundle("ex:b", {"in": "http://inner/"})
    bundle.entity("in:x")
    assert provxml.write(document).decode().splitlines() == [
        '<?xml version="1.0" encoding="UTF-8"?>',
        ROOT[:-1] + ' xmlns="http://default/" xmlns:ns1="http://default/">',
        '  <prov:entity prov:id="ns1:e">',
        "    <prov:label>a &lt; b</prov:label>",
        '    <prov:type xsi:type="xsd:QName">prov:Plan</prov:type>',
        '    <ex:k xsi:type="xsd:int">7</ex:k>',
        "  </prov:entity>",
        '  <prov:used prov:id="ex:u">',
        '    <prov:activity prov:ref="ex:a"/>',
        "    <prov:time>2026-11-21T09:30:00+00:00</prov:time>",
        "  </prov:used>",
        '  <prov:bundleContent xmlns:in="http://inner/" prov:id="ex:b">',
        '    <prov:entity prov:id="in:x"/>',
        "  </prov:bundleContent>",
        "</prov:document>",
    ]


@pytest.mark.parametrize(
    "given_",
    ["", " a\r\nb\t", "<&>\"'", "\u0085\u2028é字😀", True, -1, 0.5, math.inf, WHEN, EX["1/2"], EX["a b"], 1 << 70,
     Literal("x", EX["own"]), Literal("olá", PROV["InternationalizedString"], "pt-BR")],
)  # fmt: skip
def test_values_are_carried(document, given_):
    document.entity("ex:e", {"ex:k": given_})
    if given_ == EX["a b"]:
        assert provxml.read(provxml.write(document)).records[0].value(EX["k"]) == EX["a%20b"]
    else:
        assert provxml.read(provxml.write(document)) == document


@pytest.mark.parametrize("key", [Name("urn:x:1.0/a"), EX["a/b#c"], EX["1st"], XSD["own"], Name("http://é/ê")])
def test_the_name_of_an_attribute_is_cut_where_xml_can_hold_it(document, key):
    document.entity("ex:e", {key: 1})
    assert provxml.read(provxml.write(document)) == document


def test_prefixes_that_xml_cannot_declare_are_replaced():
    document = Document(
        {"1st": "http://one/", "xml": "http://two/", "xsi": "http://three/", "e": "a b", "f": ""}
    )
    for i, prefix in enumerate(("1st", "xml", "xsi", "e", "f")):
        document.entity(f"{prefix}:urn:e{i}", {"prov:label": "x"})
    first = provxml.read(provxml.write(document))
    assert provxml.read(provxml.write(first)) == first
    assert len(first) == 5


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"ex:k": "a\x00b"}, r"cannot carry the character U\+0000 in http://example.org/k of entity\(http://example.org/e\)"),
        ({"ex:k": "\ud800"}, r"cannot carry the character U\+D800"),
        ({"ex:k/": 1}, "cannot carry the attribute http://example.org/k/ of entity"),
        ({"ex:12": 1}, "cannot carry the attribute http://example.org/12 of entity"),
    ],
)  # fmt: skip
def test_what_xml_cannot_carry_is_refused_by_name(document, attributes, message):
    document.entity("ex:e", attributes)
    with pytest.raises(FormatError, match=message):
        provxml.write(document)


def test_an_attribute_named_as_an_argument_is_refused(document):
    document.used("ex:a", "ex:e", None, {"prov:entity": 1})
    with pytest.raises(
        FormatError, match="PROV-XML has no attribute prov:entity for used: it is an argument there"
    ):
        provxml.write(document)


def test_a_placeholder_is_written_as_an_argument_left_out(document):
    document.used("ex:a", PLACEHOLDER)
    assert provxml.read(provxml.write(document)).records[0].arguments == (EX["a"], None, None)


# Round trips and others


def carried(document):
    """The document without what XML cannot carry: names of attributes end like names of XML, no odd characters."""
    made = Document(document.namespaces)
    made.update(map(_carried, document))
    for name, bundle in document.bundles.items():
        made.bundle(name, bundle.namespaces).update(map(_carried, bundle))
    return made


def _carried(record):
    flat = list(record.flat)
    flat[::2] = [Name(key + "k") for key in flat[::2]]
    flat[1::2] = [_clean(given_) for given_ in flat[1::2]]
    return record.replace(flat=tuple(flat))


def _clean(given_):
    if type(given_) is str:
        return _text(given_)
    if type(given_) is Literal:
        clean = _text(given_.value)
        return given_._replace(value=clean.strip(" \t\r\n") if given_.datatype in XSD else clean)
    return given_


def _text(text):
    return "".join(char for char in text if char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff"))


@given(documents(SPELT, plain=True))
def test_what_is_written_is_read_back(document):
    document = carried(document)
    assert provxml.read(provxml.write(document)) == document


@settings(max_examples=30)
@given(documents(SAFE + "-./", plain=True))  # its parser takes no IRI with two "#" for a namespace
def test_the_prov_package_reads_our_prov_xml(document):
    importlib.import_module("lxml")  # the prov package needs it to read PROV-XML
    model = pytest.importorskip("prov.model")
    from trilha.formats.provpackage import from_prov

    document = carried(document)
    theirs = model.ProvDocument.deserialize(content=provxml.write(document), format="xml")
    assert from_prov(theirs) == document


def test_what_is_written_is_valid_by_the_schema(document):
    etree = importlib.import_module("lxml.etree")
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas are not beside the checkout")
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "prov.xsd"))
    for kind in PLAIN:
        cells = [WHEN if argument.is_time else EX[argument.name] for argument in kind.arguments]
        plain = kind in {Kind.SPECIALIZATION, Kind.ALTERNATE, Kind.MENTION, Kind.MEMBERSHIP}
        flat = (EX["k"], 1, PROV["type"], EX["t"], PROV["label"], "l")
        document.add(Record.new((kind, None if plain else EX[f"i{kind}"], *cells, () if plain else flat)))
    document.bundle("ex:b").entity("ex:e", {"prov:value": 0.5, "prov:location": "here"})
    schema.assertValid(etree.fromstring(provxml.write(document)))
