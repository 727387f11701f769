"""PROV-N beyond PROV-DM: PROV-Dictionary, and extensions, which are kept."""

import pytest
from hypothesis import given
from strategies import ODD, documents

from trilha.errors import FormatError
from trilha.formats import provn
from trilha.prov import (
    PLACEHOLDER,
    PROV,
    XSD,
    Braces,
    Document,
    Extension,
    Kind,
    Literal,
    Namespace,
    Parentheses,
    Record,
)
from trilha.prov.record import Group
from trilha.prov.values import QUALIFIED_NAME, time

EX = Namespace("ex", "http://example.org/")


def read(*lines, name="some.provn"):
    inside = "\n".join(lines)
    return provn.read(f"document\nprefix ex <{EX.iri}>\n{inside}\nendDocument\n", name)


def one(*lines):
    (record,) = read(*lines)
    return record


def test_an_insertion_is_read_with_its_pairs():
    made = one(
        'prov:derivedByInsertionFrom(ex:i; ex:d2, ex:d1, {("a", ex:e), (1, ex:f),'
        " ('ex:k', ex:g)}, [ex:t=1])"
    )
    pairs = (("a", EX["e"]), (1, EX["f"]), (EX["k"], EX["g"]))
    assert made == Record.new((Kind.INSERTION, EX["i"], EX["d2"], EX["d1"], pairs, (EX["t"], 1)))


def test_a_removal_is_read_with_its_keys():
    made = one(
        'prov:derivedByRemovalFrom(ex:d2, ex:d1, {"a" %% xsd:string, "b"@en, /* no */ "1" %% xsd:short})'
    )
    assert made.keys == ("a", Literal("b", language="en"), Literal("1", XSD["short"]))
    assert (made.id, made.after, made.before, made.flat) == (None, EX["d2"], EX["d1"], ())


def test_a_membership_is_read_with_its_key():
    made = one('prov:hadDictionaryMember(ex:d, ex:e, "a")')
    assert made == Record.new((Kind.DICTIONARY_MEMBERSHIP, None, EX["d"], EX["e"], "a", ()))


def test_statements_of_dictionaries_are_read_without_prefix_too():
    for line in (
        'derivedByInsertionFrom(ex:d2, ex:d1, {("a", ex:e)})',
        'derivedByRemovalFrom(-; ex:d2, ex:d1, {"a"})',
        'hadDictionaryMember(ex:d, ex:e, "a")',
        "derivedByInsertionFrom(ex:d2,ex:d1,{ })",
    ):
        assert one(line) == one("prov:" + line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "prov:derivedByInsertionFrom(ex:b, ex:a)",
            "3:39: expected ',' after the before of",
        ),
        (
            'prov:derivedByInsertionFrom(ex:b, ex:a, {"a"})',
            "3:42: expected '(' before a key",
        ),
        ('prov:derivedByInsertionFrom(ex:b, ex:a, {("a")})', "3:46: expected ',' after the key"),
        ('prov:derivedByInsertionFrom(ex:b, ex:a, {("a", 1)})', "3:48: '1' has no prefix"),
        ("prov:derivedByRemovalFrom(ex:b, ex:a, {ex:a})", "3:40: expected a value"),
        ('prov:derivedByRemovalFrom(ex:b, ex:a, {"a"', "4:1: expected ',' or '}' after a key of"),
        ("prov:hadDictionaryMember(ex:b, ex:a, ex:k)", "3:38: expected a value"),
        (
            'prov:hadDictionaryMember(ex:i; ex:b, ex:a, "k")',
            "3:1: hadDictionaryMember(...) has neither identifier",
        ),
        (
            'prov:hadDictionaryMember(ex:b, -, "k")',
            "3:1: hadDictionaryMember(...) has '-' for a dictionary or",
        ),
        (
            "prov:derivedByRemovalFrom(-, ex:a, {})",
            "3:1: derivedByRemovalFrom(...) has '-' for a dictionary or",
        ),
        ("prov:hadDictionaryMember(ex:b, ex:a, -)", "3:38: expected a value"),
        ("prov:own(ex:e)", "3:1: 'prov:own' is no statement: expected entity, "),
        ("own(ex:e)", "3:1: 'own' is no statement: expected entity, "),
        ("no:own(ex:e)", "3:1: the prefix 'no' of 'no:own' is not declared"),
        ("ex:own(ex:e, ex:f", "4:1: expected ',' or ')' after an argument of http://example.org/own(...)"),
        ("ex:own(ex:e, {ex:f)", "3:19: expected ',' or '}' after an argument of"),
        ("ex:own(ex:e, )", "3:14: expected a name, a value, a time, '-', '{' or '(' as an argument of"),
        ("ex:own(2011-02-30T25:00:00)", "3:8: 2011-02-30T25:00:00 is no time"),
        (f"ex:own({'(' * 300}", "expected no more than 100 terms within each other"),
        (f"ex:own({'ex:a(' * 300}", "expected no more than 100 terms within each other"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(line, message):
    with pytest.raises(FormatError) as caught:
        read(line)
    assert message in str(caught.value)
    assert str(caught.value).startswith("some.provn:")


def test_an_extension_is_kept_with_all_that_it_has():
    made = one(
        'ex:own(ex:i; ex:e, -, 12, "12", \'ex:q\', "ex:q" %% prov:QUALIFIED_NAME, 2011-11-16T16:05:00Z,'
        " 2011-11-16T16:05:00, {ex:a, (\"b\"@en)}, ex:in(ex:x, [ex:k=1]), {}, [ex:t='ex:u'])"
    )
    quoted = Literal(str(EX["q"]), QUALIFIED_NAME)
    inner = Record.new((Kind.EXTENSION, None, EX["in"], (EX["x"],), (EX["k"], 1)))
    content = (
        *(EX["e"], PLACEHOLDER, 12, "12", quoted, quoted),
        *(time("2011-11-16T16:05:00Z"), Literal("2011-11-16T16:05:00", XSD["dateTime"])),
        *(Braces([EX["a"], Parentheses([Literal("b", language="en")])]), inner, Braces()),
    )
    assert made == Record.new((Kind.EXTENSION, EX["i"], EX["own"], content, (EX["t"], EX["u"])))


def test_extensions_stand_among_other_statements_and_in_bundles():
    document = read("entity(ex:e)", "ex:own(ex:e)", "agent(ex:a)", "bundle ex:b", "ex:own()", "endBundle")
    assert [record.kind for record in document] == [Kind.ENTITY, Kind.EXTENSION, Kind.AGENT]
    assert list(document.places) == [(3, 1), (4, 1), (5, 1)]
    assert document.bundles[EX["b"]].records[0].content == ()


def test_terms_of_provtoolbox_own_extension_are_those_of_prov():
    line = "provext:hadMember(ex:i; ex:c, ex:e, [ex:t=1])"
    made = one("prefix provext <http://openprovenance.org/prov/extension#>", line)
    assert made == Record.new((Kind.MEMBERSHIP, EX["i"], EX["c"], EX["e"], (EX["t"], 1)))


def test_an_extension_in_the_default_namespace_is_written_with_a_prefix():
    document = Document({"": EX.iri})
    document.extension(EX["own"], [EX["e"]])
    text = provn.write(document).decode()
    assert "ns1:own(e)" in text
    assert provn.read(text) == document


@pytest.mark.parametrize("name", ["own", "entity"])
def test_an_extension_with_a_name_of_prov_is_not_written(name):
    document = Document()
    document.extension(PROV[name], [])
    with pytest.raises(FormatError, match=f"cannot carry the extension http://www.w3.org/ns/prov#{name}"):
        provn.write(document)


def test_a_membership_with_an_identifier_is_not_written():
    document = Document()
    document.add(Record.new((Kind.DICTIONARY_MEMBERSHIP, EX["i"], EX["d"], EX["e"], "k", ())))
    with pytest.raises(FormatError, match=r"cannot carry hadDictionaryMember\(http://example.org/i\) with"):
        provn.write(document)


def test_what_is_written_follows_the_note():
    document = Document([EX])
    document.derived_by_insertion_from("ex:b", "ex:a", {"k": "ex:e", 1: "ex:f"}, {"ex:t": 2}, id="ex:i")
    document.derived_by_removal_from("ex:c", "ex:b", ["k", True])
    document.had_dictionary_member("ex:b", "ex:f", 1)
    assert provn.write(document).decode().splitlines()[2:-1] == [
        '  prov:derivedByInsertionFrom(ex:i; ex:b, ex:a, {("k", ex:e), (1, ex:f)}, [ex:t=2])',
        '  prov:derivedByRemovalFrom(ex:c, ex:b, {"k", "true" %% xsd:boolean})',
        "  prov:hadDictionaryMember(ex:b, ex:f, 1)",
    ]


@given(documents(ODD, plain=True, placeholders=True, dictionaries=True, extensions=True))
def test_what_is_written_is_read_again(document):
    for scope in (document, *document.bundles.values()):
        scope.records[:] = [
            record for record in scope if record.kind > Kind.MEMBERSHIP and not of_prov(record)
        ]
    assert provn.read(provn.write(document)) == document


def of_prov(one):
    """Whether an extension, or one in it, has the name of a term of PROV."""
    if isinstance(one, Extension):
        return one.term in PROV or any(map(of_prov, one.content))
    return isinstance(one, Group) and any(map(of_prov, one))
