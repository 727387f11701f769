import math
import warnings
from datetime import UTC, datetime

import pytest

from trilha.errors import FormatError
from trilha.formats import provn
from trilha.prov import PLACEHOLDER, PLAIN, PROV, SHA256, XSD, Document, Literal, Name, Namespace, Record
from trilha.prov.values import literal

EX = Namespace("ex", "http://example.org/")
WHEN = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
def document():
    return Document([EX])


def lines(document):
    return provn.write(document).decode("utf-8").splitlines()


def one(document):
    """The only statement."""
    return lines(document)[-2].strip()


def read_by_prov(document):
    model = pytest.importorskip("prov.model")
    from trilha.formats.provpackage import from_prov

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return from_prov(
            model.ProvDocument.deserialize(content=provn.write(document).decode(), format="provn")
        )


def test_a_whole_document(document):
    document.namespaces.add("", "http://default/")
    document.entity("e")
    bundle = document.bundle("ex:b", {"in": "http://inner/"})
    bundle.entity("in:x", {"prov:type": PROV["Plan"]})
    assert lines(document) == [
        "document",
        "  default <http://default/>",
        "  prefix ex <http://example.org/>",
        "  entity(e)",
        "  bundle ex:b",
        "    prefix in <http://inner/>",
        "    entity(in:x, [prov:type='prov:Plan'])",
        "  endBundle",
        "endDocument",
    ]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda d: d.activity("ex:a"), "activity(ex:a)"),
        (lambda d: d.activity("ex:a", None, WHEN), "activity(ex:a, -, 2026-11-21T09:30:00+00:00)"),
        (lambda d: d.used("ex:a"), "used(ex:a)"),
        (lambda d: d.used("ex:a", "ex:e"), "used(ex:a, ex:e, -)"),
        (lambda d: d.used("ex:a", PLACEHOLDER), "used(ex:a, -, -)"),
        (lambda d: d.used("ex:a", id="ex:u"), "used(ex:u; ex:a)"),
        (lambda d: d.was_derived_from("ex:b", "ex:a"), "wasDerivedFrom(ex:b, ex:a)"),
        (
            lambda d: d.was_derived_from("ex:b", "ex:a", usage="ex:u"),
            "wasDerivedFrom(ex:b, ex:a, -, -, ex:u)",
        ),
        (lambda d: d.was_started_by("ex:a", starter="ex:s"), "wasStartedBy(ex:a, -, ex:s, -)"),
        (lambda d: d.mention_of("ex:a", "ex:b", "ex:c"), "mentionOf(ex:a, ex:b, ex:c)"),
        (
            lambda d: d.had_member("ex:c", "ex:e", {"ex:k": 1}, id="ex:m"),
            "hadMember(ex:m; ex:c, ex:e, [ex:k=1])",
        ),
    ],
)
def test_arguments_are_written_by_the_grammar(document, make, expected):
    make(document)
    assert one(document) == expected
    assert len(read_by_prov(document)) == 1


def test_every_kind_is_written_and_read(document):
    for kind in PLAIN:
        cells = [WHEN if argument.is_time else EX[argument.name] for argument in kind.arguments]
        document.add(Record.new((kind, EX[f"i{kind}"], *cells, (EX["k"], "v"))))
    assert read_by_prov(document) == document


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", '"a"'),
        ('"\\\n\r\t\b\f', '"\\"\\\\\\n\\r\\t\\b\\f"'),
        (-5, "-5"),
        (1 << 31, '"2147483648" %% xsd:long'),
        (True, '"true" %% xsd:boolean'),
        (0.5, '"0.5" %% xsd:double'),
        (math.nan, '"NaN" %% xsd:double'),
        (-math.inf, '"-INF" %% xsd:double'),
        (WHEN, '"2026-11-21T09:30:00+00:00" %% xsd:dateTime'),
        (EX["it's"], "'ex:it\\'s'"),
        (Literal("http://x/", XSD["anyURI"]), '"http://x/" %% xsd:anyURI'),
        (literal("olá", None, "pt-BR"), '"olá"@pt-BR'),
    ],
)
def test_values_are_written_with_their_type(document, value, expected):
    document.entity("ex:e", {"ex:k": value})
    assert one(document) == f"entity(ex:e, [ex:k={expected}])"


@pytest.mark.parametrize(
    "text", ["", "\x00\x01\x1b[31m\x7f", "\x0b\x85\u2028\u202e", "''' \"\"\"", "x" * 1_000_000, "\U0001f600"]
)
def test_any_text_is_carried(document, text):
    document.entity("ex:e", {"ex:k": text})
    assert read_by_prov(document) == document


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("a-b.c", "ex:a-b.c"),
        ("-a", "ex:\\-a"),
        (".a.", "ex:\\.a\\."),
        ("a:b(c)", "ex:a\\:b\\(c\\)"),
        ("", "ex:"),
        ("é字", "ex:é字"),
        ("a/b@c", "ex:a/b@c"),
        ("a%20b", "ex:a%20b"),
    ],
)
def test_names_are_escaped_by_the_grammar(document, local, expected):
    document.entity(EX[local])
    assert one(document) == f"entity({expected})"
    assert read_by_prov(document) == document


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("my model.pt", "ex:my%20model.pt"),
        ('say "hi"', "ex:say%20%22hi%22"),
        ("a\\b", "ex:a%5Cb"),
        ("\x00", "ex:%00"),
        ("\ud800", "ex:%3F"),
    ],
)
def test_what_no_iri_may_hold_is_percent_encoded(document, local, expected):
    document.entity(EX[local])
    assert one(document) == f"entity({expected})"
    assert len(read_by_prov(document)) == 1


@pytest.mark.parametrize("local", ["100%", "a%2", "%%41", "\u0301a", "a\u00d7\u0301b", "\u2192", "a\x7f"])
def test_what_an_iri_may_hold_and_a_local_part_not_goes_into_a_prefix(document, local):
    document.entity(EX[local])
    document.entity(SHA256[local])
    document.entity(Name(local))
    assert provn.read(provn.write(document)) == document


def test_names_that_no_prefix_fits_get_one(document):
    document.entity(SHA256["00ff"])
    document.entity(Name("urn:uuid:7#3"))
    document.entity(Name("http://x y/<z>"))
    assert lines(document)[2:] == [
        "  prefix sha256 <nih:sha-256;>",
        "  prefix ns1 <urn:uuid:7#>",
        "  prefix ns2 <http://x%20y/>",
        "  entity(sha256:00ff)",
        "  entity(ns1:3)",
        "  entity(ns2:%3Cz%3E)",
        "endDocument",
    ]


def test_a_prefix_that_prov_n_cannot_declare_is_replaced():
    document = Document({"1st": EX.iri, "ok": "http://ok/"})
    document.entity("1st:e")
    assert lines(document)[1:4] == ["  prefix ok <http://ok/>", f"  prefix ns1 <{EX.iri}>", "  entity(ns1:e)"]


@pytest.mark.parametrize("local", ["2026-11-21T09:30:00", "10", "-", "", "\u0664"])
def test_the_default_namespace_is_left_to_what_cannot_be_mistaken(local):
    document = Document({"": EX.iri})
    document.entity(EX[local])
    document.used(EX["e"], EX[local])
    assert lines(document)[-3].startswith("  entity(ns1:")
    assert read_by_prov(document) == document


def test_half_a_character_is_refused_with_the_statement_that_holds_it(document):
    document.entity("ex:fine")
    document.entity("ex:e", {"ex:k": "a\ud800b"})
    with pytest.raises(FormatError, match=r"cannot carry U\+D800.*entity\(ex:e, .*write another format"):
        provn.write(document)
