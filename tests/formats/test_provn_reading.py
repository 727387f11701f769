# ruff: noqa: E501 -- a case and its message stand on one line
import gc
import math
from datetime import UTC, datetime

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from strategies import ILLEGAL, ODD, SPELT, documents, records

from trilha import formats
from trilha.errors import FormatError
from trilha.formats import provn
from trilha.prov import PLACEHOLDER, PLAIN, PROV, XSD, Document, Literal, Name, Namespace, Record

EX = Namespace("ex", "http://example.org/")
WHEN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def read(statements, *, before="prefix ex <http://example.org/>"):
    return provn.read(f"document {before}\n{statements}\nendDocument", "a.provn")


def one(statement):
    (record,) = read(statement).records
    return record


def value(text):
    return one(f"entity(ex:e, [ex:k = {text}])").value(EX["k"])


def refused(text):
    with pytest.raises(FormatError) as caught:
        provn.read(text, "a.provn")
    message = str(caught.value)
    assert message.startswith("a.provn:")
    return message.removeprefix("a.provn:")


def without_placeholders(document):
    """A copy in which ``-`` is an argument left out: what another format, or our own writer, makes of it."""
    made = Document()
    made.update(map(_plain, document))
    for name, bundle in document.bundles.items():
        made.bundle(name).update(map(_plain, bundle))
    return made


def _plain(record):
    return Record.new(tuple(None if cell is PLACEHOLDER else cell for cell in record))


# Statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("entity(ex:e)", (1, "e")),
        ("agent(ex:a, [])", (3, "a")),
        ("activity(ex:a)", (2, "a", None, None)),
        ("activity(ex:a, -, 2026-11-21T09:30:00Z)", (2, "a", PLACEHOLDER, WHEN)),
        ("activity(ex:a, 2026-11-21T09:30:00)", (2, "a", Name("2026-11-21T09:30:00"), None)),
        ("wasGeneratedBy(ex:e)", (4, None, "e", None, None)),
        ("wasGeneratedBy(ex:g; ex:e, -, -)", (4, "g", "e", PLACEHOLDER, PLACEHOLDER)),
        ("wasGeneratedBy(-; ex:e, ex:a, 2026-11-21T09:30:00+00:00)", (4, None, "e", "a", WHEN)),
        ("used(ex:a)", (5, None, "a", None, None)),
        ("used(ex:a, ex:e, -)", (5, None, "a", "e", PLACEHOLDER)),
        ("wasInformedBy(ex:i; ex:a, ex:b)", (6, "i", "a", "b")),
        ("wasStartedBy(ex:a, -, ex:s, -)", (7, None, "a", PLACEHOLDER, "s", PLACEHOLDER)),
        ("wasEndedBy(ex:a, ex:e, ex:s, 2026-11-21T09:30:00Z)", (8, None, "a", "e", "s", WHEN)),
        ("wasInvalidatedBy(ex:e)", (9, None, "e", None, None)),
        ("wasDerivedFrom(ex:b, ex:a)", (10, None, "b", "a", None, None, None)),
        ("wasDerivedFrom(ex:d;ex:b,ex:a,ex:x,ex:g,-)", (10, "d", "b", "a", "x", "g", PLACEHOLDER)),
        ("wasAttributedTo(ex:e, ex:a)", (11, None, "e", "a")),
        ("wasAssociatedWith(ex:a, -, ex:p)", (12, None, "a", PLACEHOLDER, "p")),
        ("actedOnBehalfOf(ex:a, ex:b)", (13, None, "a", "b", None)),
        ("wasInfluencedBy(ex:a, ex:b)", (14, None, "a", "b")),
        ("specializationOf(ex:a, ex:b)", (15, None, "a", "b")),
        ("alternateOf(ex:a, ex:b)", (16, None, "a", "b")),
        ("mentionOf(ex:a, ex:b, ex:c)", (17, None, "a", "b", "c")),
        ("prov:mentionOf(ex:a, ex:b, ex:c)", (17, None, "a", "b", "c")),
        ("hadMember(ex:c, ex:e)", (18, None, "c", "e")),
        ("hadMember(ex:m; ex:c, ex:e)", (18, "m", "c", "e")),
        ("wasAttributedTo(ex:t; -, ex:a)", (11, "t", PLACEHOLDER, "a")),
    ],
)
def test_every_statement_of_the_grammar_is_read(text, expected):
    cells = tuple(
        EX[cell] if type(cell) is str else str(cell) if type(cell) is Name else cell for cell in expected
    )
    for spaced in (text, text.replace(",", " ,\n\t").replace("(", "(\r\n "), f"/* a */ {text} // b"):
        assert tuple(one(spaced)) == (*cells, ())


@pytest.mark.parametrize("comment", ["/**/", "/* a, b) ** / */", "// a) ,\n", " \r\n\t"])
def test_comments_stand_wherever_white_space_does(comment):
    parts = [
        "used ",
        "(",
        "ex:u ",
        ";",
        "ex:a ",
        ",",
        "ex:e ",
        ",",
        "-",
        ",",
        "[",
        "ex:k ",
        "=",
        '"v"',
        "]",
        ")",
    ]
    assert tuple(one(comment.join(parts))) == (5, EX["u"], EX["a"], EX["e"], PLACEHOLDER, (EX["k"], "v"))


def test_a_comment_within_a_name_is_part_of_it():
    assert one("entity(ex:a//b/*c*/)").id == EX["a//b/*c*/"]


def test_bundles_have_prefixes_of_their_own_and_those_of_the_document():
    made = provn.read(
        """document
        default <http://zero/> prefix ex <http://example.org/>
        entity(e)
        bundle e  default <http://two/>  entity(e, [ex:k=1]) endBundle
        bundle ex:b prefix ex <http://inner/> entity(ex:e) endBundle
        entity(ex:after)
        endDocument"""
    )
    assert [record.id for record in made] == ["http://zero/e", EX["after"]]
    assert list(made.bundles) == ["http://two/e", "http://inner/b"]
    assert made.bundles["http://two/e"].records[0].id == "http://two/e"
    assert made.bundles["http://inner/b"].records[0].id == "http://inner/e"
    assert list(made.bundles["http://inner/b"].namespaces.items()) == [("ex", "http://inner/")]


@pytest.mark.parametrize("word", ["entity", "document", "endDocument", "bundle", "prefix", "default"])
def test_a_word_of_the_grammar_may_be_a_name(word):
    made = read(
        f"entity({word}) bundle {word} entity({word}, [{word}='{word}']) endBundle", before="default <d:>"
    )
    assert made.records[0].id == made.bundles[Name(f"d:{word}")].records[0].id == f"d:{word}"


def test_prov_and_xsd_may_be_declared_and_without_their_last_sign():
    made = read("entity(ex:e, [ex:k='xsd:int'])", before=f"prefix xsd <{XSD.iri[:-1]}> prefix prov <{PROV.iri}>"
                " prefix ex <http://example.org/>")  # fmt: skip
    assert made.records[0].value(EX["k"]) == XSD["int"]


def test_the_extension_of_prov_toolbox_is_understood():
    made = read(
        "provext:alternateOf(ex:i; ex:a, ex:b, [ex:k=1])",
        before="prefix provext <http://openprovenance.org/prov/extension#> prefix ex <http://example.org/>",
    )
    assert tuple(made.records[0]) == (16, EX["i"], EX["a"], EX["b"], (EX["k"], 1))


# Names and values


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("ex:", ""),
        ("ex:101-entity", "101-entity"),
        ("ex:a.b.c-d", "a.b.c-d"),
        ("ex:a/b@c~d&e+f*g?h#i$j!", "a/b@c~d&e+f*g?h#i$j!"),
        ("ex:%20%e9", "%20%e9"),
        (r"ex:\=\'\(\)\,\-\:\;\[\]\.", "='(),-:;[]."),
        ("ex:àé字𝒳", "àé字𝒳"),
        ("ex:a:b", "a:b"),
        ("ex:-a.", "-a."),
        ("ex:100%", "100%"),
    ],
)
def test_names_are_read(text, local):
    made = one(f"entity({text}, [{text}='{text}'])")
    assert made.id == EX[local]
    assert made.attributes == ((EX[local], EX[local]),)
    assert type(made.flat[1]) is Name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a"', "a"),
        ('""', ""),
        (r'"\"\\\n\r\t\b\f\'"', "\"\\\n\r\t\b\f'"),
        ('"""a "quoted" ""text"" \\"\n"""', 'a "quoted" ""text"" "\n'),
        ('""""""', ""),
        ('"two\nlines"', "two\nlines"),
        ('"a, [b] (c) // d"', "a, [b] (c) // d"),
        ("42", 42),
        ("-007", -7),
        ("12345678901", 12345678901),
        ("9" * 5000, Literal("9" * 5000, XSD["integer"])),
        ("'ex:n'", EX["n"]),
        ('"5" %% xsd:int', 5),
        ('"5"%%xsd:long', Literal("5", XSD["long"])),
        ('"x" %% xsd:int', Literal("x", XSD["int"])),
        ('"0.5" %% xsd:double', 0.5),
        ('"INF" %% xsd:double', math.inf),
        ('"true" %% xsd:boolean', True),
        ('"s" %% xsd:string', "s"),
        ('"http://x" %% xsd:anyURI', Literal("http://x", XSD["anyURI"])),
        ('"2026-11-21T09:30:00Z" %% xsd:dateTime', WHEN),
        ('"ex:n" %% prov:QUALIFIED_NAME', EX["n"]),
        ('"ex:n" %% xsd:QName', EX["n"]),
        ('"""v""" %% ex:own', Literal("v", EX["own"])),
        ('"olá"@pt-BR', Literal("olá", PROV["InternationalizedString"], "pt-BR")),
        ('"""olá"""@pt_BR', Literal("olá", PROV["InternationalizedString"], "pt-BR")),
        ('"olá"@pt %% prov:InternationalizedString', Literal("olá", PROV["InternationalizedString"], "pt")),
    ],
)
def test_literals_are_read(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_times_that_python_cannot_hold_stay_text():
    made = one("activity(ex:a, 12026-11-21T09:30:00Z, 2026-11-21T09:30:00.123456789)")
    assert made.arguments == ("12026-11-21T09:30:00Z", "2026-11-21T09:30:00.123456789")


def test_utf_8_is_read_with_and_without_a_mark():
    data = "document prefix ex <http://example.org/> entity(ex:é) endDocument".encode()
    assert provn.read(data) == provn.read(b"\xef\xbb\xbf" + data) == provn.read(data.decode())


def test_the_registry_reads_it(tmp_path):
    path = tmp_path / "a.provn"
    path.write_text("document entity(e) endDocument")
    with pytest.raises(FormatError, match=r"a\.provn:1:17: 'e' has no prefix, and there is no default"):
        formats.read(path)


# Places


def test_each_statement_knows_its_line_and_column():
    made = provn.read(
        "document\n  prefix ex <http://example.org/>\n  entity(ex:é) entity(ex:f)\n  /* one\n two */ entity(ex:\\-)\n"
        "  bundle ex:b\n\tagent(ex:a)\n  endBundle\nendDocument\n"
    )
    assert list(made.places) == [(3, 3), (3, 16), (5, 9)]
    assert made.places[-1] == made.places[2]
    assert made.places[1:] == [(3, 16), (5, 9)]
    assert list(made.bundles[EX["b"]].places) == [(7, 2)]
    assert not Document().places


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        provn.read("document endDocument")
        refused("document")
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


# Errors


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("used(ex:a ex:e)", "2:11: expected ',' or ')' after the activity of used(...), not 'ex:e'"),
        ("used(ex:a, ex:e, -]", "2:19: expected ',' or ')' after the time of used(...), not ']'"),
        ("wasInformedBy(ex:a)", "2:19: expected ',' after the informed of wasInformedBy(...), not ')'"),
        ("entity(-)", "2:8: expected a name as the identifier of entity(...), not '-'"),
        ("entity(ex:i; ex:e)", "2:12: expected ',' or ')' after the identifier of entity(...), not ';'"),
        ("used(ex:a, ex:e, ex:b)", "2:18: expected a time such as 2026-11-21T09:30:00Z, or '-', as the time of"),
        ("used(2026-11-21T09:30:00)", "2:6: expected a name or '-' as the activity of used(...), not '2026-"),
        ("activity(ex:a, 2026-13-21T09:30:00)", "2:16: 2026-13-21T09:30:00 is no time: expected one such as"),
        ("entity(ex:e, ex:f)", "2:14: expected attributes in '[' and ']' as the last of entity(...), not 'ex:f'"),
        ("entity(ex:e, [ex:k])", "2:19: expected '=' after the name of the attribute, not ']'"),
        ("entity(ex:e, [ex:k=])", "2:20: expected a value: text in"),
        ("entity(ex:e, [ex:k=1.5])", "2:21: expected ',' or ']' after the value of the attribute of entity(...)"),
        ("entity(ex:e, [ex:k='ex:1 2'])", '2:25: expected "\'" after the qualified name, not'),
        ("entity(ex:e, [ex:k=''])", '2:21: expected a qualified name after "\'"'),
        ('entity(ex:e, [ex:k="a])', "2:20: expected '\"' at the end of the text that begins here"),
        ('entity(ex:e, [ex:k="""a"])', "2:20: expected '\"\"\"' at the end of the text that begins here"),
        (r'entity(ex:e, [ex:k="a\x"])', r"2:22: expected \t, \b, \n, \r, \f"),
        ('entity(ex:e, [ex:k="a" %% 5])', "2:27: '5' has no prefix, and there is no default namespace"),
        ('entity(ex:e, [ex:k="a b" %% xsd:QName])', "2:20: 'a b' is no qualified name"),
        ("entity(e)", "2:8: 'e' has no prefix, and there is no default namespace: expected a name such as ex:e1"),
        ("entity(no:e)", "2:8: the prefix 'no' of 'no:e' is not declared: expected 'prefix no <IRI>'"),
        ("agents(ex:e)", "2:1: 'agents' is no statement: expected entity, activity,"),
        ("entity ex:e", "2:8: expected '(' after entity, not 'ex:e'"),
        ("bundle ex:b entity(ex:e)", "3:1: expected a statement or endBundle, not 'endDocument'"),
        ("bundle ex:b endBundle bundle ex:b endBundle", "2:30: another bundle has the same name"),
        ("endBundle", "2:1: expected a statement, bundle or endDocument, not 'endBundle'"),
        ("entity(ex:e) /* never closed", "2:14: expected the comment to be closed by '*/'"),
        ("entity(ex:e) prefix ex <e:>", "2:14: 'prefix' is no statement"),
    ],
)  # fmt: skip
def test_what_is_no_prov_n_is_refused_with_its_place(statement, message):
    text = f"document prefix ex <http://example.org/>\n{statement}\nendDocument"
    assert refused(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected 'document', not the end of the document"),
        ("entity(ex:e)", "1:1: expected 'document', not 'entity'"),
        ("document", "1:9: expected a statement, bundle or endDocument, not the end of the document"),
        ("document\n endDocument x", "2:14: expected nothing after endDocument, not 'x'"),
        ("document prefix <http://x> endDocument", "1:17: expected a prefix such as ex, not '<http://x>'"),
        (
            "document prefix ex http://x endDocument",
            "1:20: expected an IRI such as <http://example.org/> after",
        ),
        ("document default <a b> endDocument", "1:18: expected an IRI"),
        (
            "document prefix e <x> prefix e <y> endDocument",
            "1:23: prefix 'e' stands for x here, so not for y",
        ),
        ("document prefix prov <http://x/> endDocument", "1:10: prefix 'prov' stands for"),
        (b"document\n// \xc3\xa9 \xff", "2:6: expected PROV-N in UTF-8: invalid start byte"),
    ],
)
def test_a_document_that_is_none_is_refused_with_its_place(text, message):
    assert refused(text).startswith(message)


@pytest.mark.parametrize("cut", range(1, 150, 7))
def test_a_truncated_document_is_refused(cut):
    whole = (
        'document prefix ex <http://example.org/> entity(ex:e, [ex:k="v" %% xsd:int]) used(ex:a, ex:e, -)'
        " bundle ex:b agent(ex:a) endBundle endDocument"
    )
    if cut < len(whole):
        refused(whole[:-cut])


WORDS = [
    *(kind.provn for kind in PLAIN),
    "document",
    "endDocument",
    "bundle",
    "endBundle",
    "prefix",
    "default",
]
SIGNS = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "=",
    "-",
    "%%",
    "@en",
    "'",
    '"',
    '"""',
    "\\",
    "//",
    "/*",
    "*/",
    "<",
    ">",
    ":",
]
TOKENS = [
    "ex:e",
    "e",
    "ex:",
    "<http://x/>",
    "1",
    "-5",
    "2026-11-21T09:30:00Z",
    '"t"',
    "'ex:e'",
    "é",
    " ",
    "\n",
]
SYMBOLS = st.sampled_from([*WORDS, *SIGNS, *TOKENS])


def is_read_or_refused(text):
    try:
        return isinstance(provn.read(text), Document)
    except FormatError as error:
        return str(error).startswith("document:")


@given(
    st.one_of(
        st.text(), st.lists(SYMBOLS, max_size=40).map(" ".join), st.lists(SYMBOLS, max_size=40).map("".join)
    )
)
@example("document " + "entity(" * 3000)
@example("document default <x> entity(a, [" + "a=1," * 3000)
def test_any_text_is_a_document_or_refused(text):
    assert is_read_or_refused(text)
    assert is_read_or_refused(f"document default <d:> prefix ex <e:> {text} endDocument")


@given(st.binary())
def test_any_bytes_are_a_document_or_refused(data):
    with pytest.raises(FormatError):
        provn.read(b"document \xff" + data)


def written(document):
    """The document as PROV-N; one with half a character in a text, which PROV-N refuses, is passed over."""
    try:
        return provn.write(document)
    except FormatError as refused:
        assume("half of a character" not in str(refused))
        raise


@settings(max_examples=40)
@given(documents(ODD), st.data())
def test_a_damaged_document_is_a_document_or_refused(document, data):
    text = written(document).decode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 5)))
    assert is_read_or_refused(text[:start] + data.draw(SYMBOLS) + text[end:])


# Round trips


@given(documents(SPELT, plain=True, placeholders=True))
def test_what_is_written_is_read_back(document):
    assert without_placeholders(provn.read(provn.write(document))) == without_placeholders(document)


@settings(max_examples=40)
@given(documents(ILLEGAL))
def test_whatever_is_written_is_read_and_settles(document):
    first = provn.read(written(document))
    assert without_placeholders(provn.read(provn.write(first))) == without_placeholders(first)


@settings(max_examples=40)
@given(records(SPELT, plain=True))
def test_a_placeholder_stays_one(record):
    optional = [i for i, argument in enumerate(record.kind.arguments, 2) if not argument.required]
    cells = [PLACEHOLDER if i in optional else cell for i, cell in enumerate(record)]
    document = Document()
    document.add(Record.new(tuple(cells)))
    [back] = provn.read(provn.write(document)).records
    assert back == document.records[0]
    assert back.arguments == document.records[0].arguments


@settings(max_examples=40)
@given(documents(SPELT, plain=True))
def test_the_prov_package_reads_our_prov_n_as_we_do(document):
    model = pytest.importorskip("prov.model")
    from trilha.formats.provpackage import from_prov

    text = provn.write(document).decode()
    theirs = from_prov(model.ProvDocument.deserialize(content=text, format="provn"))
    assert theirs == without_placeholders(provn.read(text))
