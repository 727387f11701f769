"""Hypothesis strategies for the whole model: names, values, times, statements, documents.

What is left out, and why: names that begin with ``_:`` (they stand for nothing fixed, so no round trip keeps
them), and, in `documents(plain=True)`, what PROV-N or the `prov` package cannot carry (each with its reason).
"""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from trilha.prov import (
    DICTIONARY,
    PLACEHOLDER,
    PLAIN,
    PROV,
    TRILHA,
    XSD,
    Braces,
    Document,
    Kind,
    Literal,
    Name,
    Parentheses,
    Record,
)
from trilha.prov.values import literal

IRIS = [
    "http://example.org/",
    "http://example.org/deeper#",
    "urn:uuid:0b0a4cf4-6f1e-4b5c-9f0c-1d6f6c1f8a11#",
    "pkg:pypi/",
]
SAFE = string.ascii_letters + string.digits + "_"
SPELT = SAFE + "-./:;,()[]='@~&+*?#$!é€字𝒳"
"""What PROV-N spells as it is, or behind a backslash."""
ODD = SPELT + "%\u00b7\u0301"
"""Beyond that, what PROV-N percent-encodes at places: a bare ``%``, and marks that begin a local part."""
ILLEGAL = ODD + ' "<>{}|^`\\\n\t\x00\x7f\udcff'
"""Beyond what an IRI may hold: PROV-JSON carries it, PROV-N percent-encodes it."""


def locals_(alphabet):
    return st.text(alphabet, min_size=0, max_size=8)


def names(alphabet=ODD):
    made = st.builds(lambda iri, local: Name(iri + local), st.sampled_from(IRIS), locals_(alphabet))
    known = [TRILHA["Run"], PROV["Plan"], XSD["int"], Name("http://other.example/a/b"), Name("urn:x")]
    return st.one_of(made, made, st.sampled_from(known))


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
AWARE = st.datetimes(
    min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31), timezones=st.one_of(st.just(UTC), ZONES)
)
NAIVE = st.datetimes(min_value=datetime(1, 1, 1)).map(datetime.isoformat)
BEYOND = st.sampled_from(
    ["12026-11-21T09:30:00Z", "2026-11-21T09:30:00.123456789+01:00", "-0044-03-15T12:00:00"]
)


def times(*, plain=False):
    return st.one_of(AWARE, NAIVE) if plain else st.one_of(AWARE, AWARE, NAIVE, BEYOND)


def texts(*, plain=False):
    """Any text; `plain` without lone surrogates, which UTF-8 has no bytes for."""
    return st.text(st.characters(exclude_categories=["Cs"]) if plain else st.characters(), max_size=12)


TAGS = st.sampled_from(["en", "pt-BR", "de-CH-1996"])


def literals(alphabet=ODD, *, plain=False):
    kinds = [
        "anyURI",
        "long",
        "integer",
        "float",
        "decimal",
        "hexBinary",
        "gYear",
        "duration",
        "dateTime",
        "double",
    ]
    typed = st.builds(literal, texts(plain=plain), st.sampled_from([XSD[kind] for kind in kinds]))
    numbers = st.builds(
        literal, st.integers().map(str), st.sampled_from([XSD["long"], XSD["short"], XSD["decimal"]])
    )
    own = st.builds(
        literal, texts(plain=plain), names(alphabet).filter(lambda name: name not in XSD and name not in PROV)
    )
    spoken = st.builds(lambda text, tag: literal(text, None, tag), texts(plain=plain), TAGS)
    return st.one_of(typed, numbers, own, spoken)


def values(alphabet=ODD, *, plain=False):
    return st.one_of(
        texts(plain=plain),
        st.booleans(),
        st.integers(),
        st.integers(-(1 << 31), (1 << 31) - 1),
        st.floats(allow_nan=not plain),  # the prov package compares NaN by identity
        AWARE,
        names(alphabet),
        literals(alphabet, plain=plain),
    )


def keys(alphabet=ODD, *, plain=False):
    """A key of a dictionary: a value, mostly a short one so that several are the same."""
    return st.one_of(st.sampled_from(["a", 1, True, 1.0, "1"]), values(alphabet, plain=plain))


def held(holds, alphabet=ODD, *, plain=False):
    """What an argument holds that is neither name nor time."""
    key, some = keys(alphabet, plain=plain), names(alphabet)
    return {
        "value": key,
        "keys": st.lists(key, max_size=3).map(tuple),
        "pairs": st.lists(st.tuples(key, some), max_size=3).map(tuple),
        "content": contents(alphabet, plain=plain),
    }[holds]


def contents(alphabet=ODD, *, plain=False):
    """The arguments of an extension, one or more; a qualified name as a value is a literal there."""
    said = values(alphabet, plain=plain).filter(lambda value: not isinstance(value, Name))
    quoted = names(alphabet).map(lambda name: Literal(str(name), PROV["QUALIFIED_NAME"]))
    leaf = st.one_of(names(alphabet), names(alphabet), st.just(PLACEHOLDER), said, quoted)
    inner = st.recursive(
        leaf,
        lambda some: st.one_of(
            st.builds(lambda group, members: group(members), GROUPS, st.lists(some, min_size=1, max_size=3)),
            st.builds(_extension, names(alphabet), st.lists(some, min_size=1, max_size=2)),
        ),
        max_leaves=5,
    )
    return st.lists(inner, min_size=1, max_size=3).map(tuple)


GROUPS = st.sampled_from([Braces, Parentheses])


def _extension(term, content):
    return Record.new((Kind.EXTENSION, None, term, tuple(content), ()))


def kinds_(*, dictionaries=False, extensions=False):
    """The kinds of statement, with those that only some formats carry."""
    return [*PLAIN, *(DICTIONARY if dictionaries else ()), *([Kind.EXTENSION] if extensions else ())]


@st.composite
def records(draw, alphabet=ODD, *, plain=False, placeholders=False, dictionaries=False, extensions=False):
    """A statement of any kind; with `placeholders`, also ``-`` as an argument.

    With `dictionaries`, also those of PROV-Dictionary; with `extensions`, also of a kind that nobody knows.
    """
    kind = draw(st.sampled_from(kinds_(dictionaries=dictionaries, extensions=extensions)))
    some = names(alphabet)
    absent = [st.none()] + ([st.just(PLACEHOLDER)] if placeholders else [])
    bare = kind is Kind.DICTIONARY_MEMBERSHIP
    cells = [kind, None if bare else draw(some if kind.is_element else st.one_of(st.none(), some))]
    for argument in kind.arguments:
        if argument.holds not in {"name", "time"}:
            cells.append(draw(held(argument.holds, alphabet, plain=plain)))
            continue
        given_ = times(plain=plain) if argument.is_time else some
        cells.append(draw(given_ if argument.required else st.one_of(*absent, given_)))
    reserved = {PROV[argument.json.removeprefix("prov:")] for argument in kind.arguments}
    keys = some.filter(lambda name: name not in reserved)
    pairs = draw(st.lists(st.tuples(keys, values(alphabet, plain=plain)), max_size=0 if bare else 4))
    return Record.new((*cells, tuple(cell for pair in pairs for cell in pair)))


PREFIXES = st.lists(
    st.sampled_from(
        [
            ("ex", IRIS[0]),
            ("", IRIS[0]),
            ("deep", IRIS[1]),
            ("run", IRIS[2]),
            ("default", IRIS[3]),
            ("ns1", "http://x/"),
        ]
    ),
    unique=True,
    max_size=4,
).map(dict)


@st.composite
def documents(draw, alphabet=ODD, *, bundles=True, **options):
    """A document, with or without bundles, prefixes and a default namespace; `options`: as of `records`."""
    statements = st.lists(records(alphabet, **options), max_size=6)
    document = Document(draw(PREFIXES))
    document.update(draw(statements))
    if bundles:
        for name in draw(st.lists(names(alphabet), unique=True, max_size=2)):
            document.bundle(name, draw(PREFIXES)).update(draw(statements))
    return document


__all__ = ["ILLEGAL", "ODD", "SAFE", "SPELT", "Literal", "documents", "names", "records", "times", "values"]
