"""PROV-XML beyond PROV-DM: PROV-Dictionary by its schema, and elements of others, which are kept."""

import pytest
from hypothesis import given
from strategies import records

from trilha.errors import FormatError
from trilha.formats import provn, provxml
from trilha.prov import PLAIN, XSD, Document, Kind, Literal, Name, Namespace, Record

EX = Namespace("ex", "http://example.org/")
XML_LITERAL = Name("http://www.w3.org/1999/02/22-rdf-syntax-ns#XMLLiteral")
HEAD = (
    '<prov:document xmlns:prov="http://www.w3.org/ns/prov#" xmlns:ex="http://example.org/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
)
PAIR = '<prov:keyEntityPair><prov:key>{}</prov:key> <prov:entity prov:ref="ex:{}"/></prov:keyEntityPair>\n'
ENDS = '<prov:newDictionary prov:ref="ex:d2"/><prov:oldDictionary prov:ref="ex:d1"/>'


def read(inside):
    return provxml.read(f"{HEAD}{inside}</prov:document>", "some.xml")


def test_an_insertion_is_read_with_its_pairs():
    typed = PAIR.replace("<prov:key>", '<prov:key xsi:type="xsd:int">')
    inside = ENDS + PAIR.format("a", "e") + typed.format(1, "f") + "<ex:t>x</ex:t>"
    (made,) = read(f'<prov:derivedByInsertionFrom prov:id="ex:i">{inside}</prov:derivedByInsertionFrom>')
    pairs = (("a", EX["e"]), (1, EX["f"]))
    assert made == Record.new((Kind.INSERTION, EX["i"], EX["d2"], EX["d1"], pairs, (EX["t"], "x")))


def test_a_removal_is_read_with_its_keys():
    keys = '<prov:key>a</prov:key><prov:key xsi:type="xsd:QName">ex:k</prov:key>'
    keys += '<prov:key xml:lang="en">b</prov:key>'
    (made,) = read(f"<prov:derivedByRemovalFrom>{ENDS}{keys}</prov:derivedByRemovalFrom>")
    assert made.keys == ("a", EX["k"], Literal("b", language="en"))
    assert (made.id, made.after, made.before, made.flat) == (None, EX["d2"], EX["d1"], ())
    (made,) = read(f"<prov:derivedByRemovalFrom>{ENDS}</prov:derivedByRemovalFrom>")
    assert made.keys == ()


def test_several_members_of_a_dictionary_are_several_statements():
    inside = '<prov:dictionary prov:ref="ex:d"/>' + PAIR.format("a", "e") + PAIR.format("b", "f")
    document = read(f"<prov:hadDictionaryMember>{inside}</prov:hadDictionaryMember>")
    assert document.records == [
        Record.new((Kind.DICTIONARY_MEMBERSHIP, None, EX["d"], EX["e"], "a", ())),
        Record.new((Kind.DICTIONARY_MEMBERSHIP, None, EX["d"], EX["f"], "b", ())),
    ]
    assert list(document.places) == [(2, 1), (2, 1)]


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        (ENDS + ENDS, "expected prov:newDictionary once in prov:derivedByInsertionFrom"),
        ("<prov:keyEntityPair/>", "expected prov:key and prov:entity in prov:keyEntityPair"),
        ("<prov:keyEntityPair>a</prov:keyEntityPair>", "expected an element, not the text 'a'"),
        (
            "<prov:keyEntityPair><ex:a/></prov:keyEntityPair>",
            "expected prov:key and prov:entity once each in prov:",
        ),
        (
            PAIR.replace("</prov:key>", "</prov:key><prov:key/>"),
            "expected prov:key and prov:entity once each",
        ),
        (PAIR.replace("{}</prov:key>", "<ex:a/></prov:key>"), "expected no element within the parts of"),
        (PAIR.replace("prov:ref", "ex:ref"), "expected prov:ref on prov:entity"),
        (PAIR.replace("ex:{}", "no:e"), "the prefix 'no' of 'no:e' is not declared"),
        (
            PAIR.replace("<prov:key>", '<prov:key xsi:type="no:t">'),
            "the prefix 'no' of 'no:t' is not declared",
        ),
        (PAIR.replace("<prov:key>", '<prov:key xml:lang="?">'), "'?' is no language"),
        ('<prov:key xml:lang="?">x</prov:key>', "'?' is no language"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(inside, message):
    with pytest.raises(FormatError) as caught:
        read(f"<prov:derivedByInsertionFrom>{inside}</prov:derivedByInsertionFrom>")
    assert message in str(caught.value)
    assert str(caught.value).startswith(("some.xml:2:", "some.xml:3:"))


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ("<prov:hadDictionaryMember/>", "expected prov:dictionary in prov:hadDictionaryMember"),
        ("<prov:derivedByRemovalFrom/>", "expected prov:newDictionary in prov:derivedByRemovalFrom"),
        (
            '<prov:hadDictionaryMember><prov:dictionary prov:ref="ex:d"/></prov:hadDictionaryMember>',
            "expected prov:keyEntityPair in prov:hadDictionaryMember",
        ),
        (
            (
                '<prov:hadDictionaryMember prov:id="ex:i"><prov:dictionary prov:ref="ex:d"/>'
                f"{PAIR}</prov:hadDictionaryMember>"
            ),
            "expected neither identifier nor attributes on prov:hadDictionaryMember",
        ),
        ("<prov:own/>", "expected a statement (entity, "),
        ("<own/>", "an element of a namespace of its own, not own"),
    ],
)
def test_what_is_no_statement_is_refused(element, message):
    with pytest.raises(FormatError) as caught:
        read(element)
    assert message in str(caught.value)


def test_what_is_written_follows_the_schema():
    document = Document([EX])
    document.derived_by_insertion_from(
        "ex:b", "ex:a", {"k": "ex:e"}, {"ex:t": 2, "prov:type": EX["T"]}, id="ex:i"
    )
    document.derived_by_removal_from("ex:c", "ex:b", ["k", True])
    document.had_dictionary_member("ex:b", "ex:f", 1)
    text = provxml.write(document).decode()
    assert text.split("\n")[2:-2] == [
        '  <prov:derivedByInsertionFrom prov:id="ex:i">',
        '    <prov:newDictionary prov:ref="ex:b"/>',
        '    <prov:oldDictionary prov:ref="ex:a"/>',
        "    <prov:keyEntityPair>",
        "      <prov:key>k</prov:key>",
        '      <prov:entity prov:ref="ex:e"/>',
        "    </prov:keyEntityPair>",
        '    <prov:type xsi:type="xsd:QName">ex:T</prov:type>',
        '    <ex:t xsi:type="xsd:int">2</ex:t>',
        "  </prov:derivedByInsertionFrom>",
        "  <prov:derivedByRemovalFrom>",
        '    <prov:newDictionary prov:ref="ex:c"/>',
        '    <prov:oldDictionary prov:ref="ex:b"/>',
        "    <prov:key>k</prov:key>",
        '    <prov:key xsi:type="xsd:boolean">true</prov:key>',
        "  </prov:derivedByRemovalFrom>",
        "  <prov:hadDictionaryMember>",
        '    <prov:dictionary prov:ref="ex:b"/>',
        "    <prov:keyEntityPair>",
        '      <prov:key xsi:type="xsd:int">1</prov:key>',
        '      <prov:entity prov:ref="ex:f"/>',
        "    </prov:keyEntityPair>",
        "  </prov:hadDictionaryMember>",
    ]
    assert provxml.read(text) == document


def test_a_membership_with_an_identifier_or_without_its_entity_is_not_written():
    for cells in ((EX["i"], EX["d"], EX["e"], "k", ()), (None, EX["d"], None, "k", ())):
        document = Document()
        document.add(Record.new((Kind.DICTIONARY_MEMBERSHIP, *cells)))
        with pytest.raises(
            FormatError, match=r"PROV-XML cannot carry hadDictionaryMember\(http://example.org/"
        ):
            provxml.write(document)


OWN = '<ex:own a="1" xmlns:ex="http://example.org/">text <b>&amp;</b><ex:c xsi:x="2"/> tail</ex:own>'


def test_an_element_of_others_is_kept_as_text_and_written_again():
    document = read(
        f'<prov:entity prov:id="ex:e"/>\n{OWN}\n<x:y xmlns:x="urn:x#"/><prov:agent prov:id="ex:a"/>'
    )
    assert [record.kind for record in document] == [Kind.ENTITY, Kind.EXTENSION, Kind.EXTENSION, Kind.AGENT]
    first, second = document.records[1:3]
    assert (first.term, second.term) == (EX["own"], Name("urn:x#y"))
    assert second.content == (Literal('<x:y xmlns:x="urn:x#"/>', XML_LITERAL),)
    assert first.content[0].value.startswith(
        '<ex:own xmlns:ex="http://example.org/" a="1">text <b>&amp;</b><ex:c'
    )
    assert list(document.places) == [(2, 1), (3, 1), (4, 1), (4, 24)]
    assert provxml.read(provxml.write(document)) == document
    assert provn.read(provn.write(document)) == document


def test_an_element_without_a_namespace_stays_so_beside_a_default_one():
    document = read(OWN)
    document.namespaces.add("", "urn:default#")
    text = provxml.write(document)
    assert provxml.read(text) == document
    assert b'xmlns=""' in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ((EX["e"],), "PROV-XML cannot carry http://example.org/own"),
        ((Literal("<ex:own xmlns:ex='http://example.org/'/>", XML_LITERAL),), '<ex:own xmlns:ex="http://'),
        ((Literal("<own/>", XML_LITERAL),), "an element of that name"),
        ((Literal("<own", XML_LITERAL),), "expected an element"),
        ((Literal('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', XML_LITERAL),), "expected an element"),
        ((Literal("\udc00", XML_LITERAL),), "expected an element"),
    ],
)
def test_an_extension_that_is_no_element_is_not_written(content, expected):
    document = Document()
    document.bundle("urn:b").add(Record.new((Kind.EXTENSION, None, EX["own"], content, ())))
    with pytest.raises(FormatError) as caught:
        provxml.write(document)
    assert expected in str(caught.value)


@given(records("abcxyz", plain=True, dictionaries=True))
def test_a_statement_of_a_dictionary_is_written_and_read_again(record):
    if record.kind not in PLAIN:
        document = Document()
        document.add(record)
        try:
            data = provxml.write(document)
        except FormatError:
            return
        assert provxml.read(data) == document


def test_xsd_values_are_keys_too():
    document = Document([EX])
    document.derived_by_removal_from(
        "ex:b", "ex:a", [1.5, Literal("1", XSD["short"]), EX["k"], False, 1 << 70]
    )
    assert provxml.read(provxml.write(document)) == document


def test_a_name_that_no_namespace_fits_is_written_and_an_empty_one_refused():
    document = Document()
    document.entity(Name("e"))
    assert provxml.read(provxml.write(document)) == document
    document.entity(Name(""))
    with pytest.raises(FormatError, match="PROV-XML cannot carry a name that is empty"):
        provxml.write(document)
