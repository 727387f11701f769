"""PROV-JSONLD, the W3C member submission of openprovenance (https://www.w3.org/submissions/prov-jsonld/).

It is JSON-LD in one shape: a context of prefixes, and an array of statements with the terms of PROV-DM, in
their order. What it has no term for is refused: mentionOf, PROV-Dictionary, extensions. The ``-`` of PROV-N
is written as an argument left out. A name of the default namespace is written with a prefix, since the terms
of the format would be taken for such names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.carried import called, check_carried
from trilha.formats.prefixes import Prefixes
from trilha.formats.provjsonld_reading import CONTEXT, read
from trilha.formats.provjsonld_terms import ARGUMENTS, BY_NAME, RESERVED, TERMS, TYPES
from trilha.prov import PROV, Bundle, Document, Kind, Literal, Name
from trilha.prov.uncollected import uncollected
from trilha.prov.values import lexical

__all__ = ["read", "write"]

_Quote = Callable[[str], str]
_PREFIX = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_LABEL: Final = PROV["label"]


def write(document: Document) -> bytes:
    """The document as PROV-JSONLD, in UTF-8, a statement a line; its context is that of the submission.

    Raises:
        FormatError: a statement that the format has no term for, or an attribute with the name of an
            argument, so that a reader would take it for one.
    """
    with uncollected():
        try:
            return _document(document, encode_basestring).encode("utf-8")
        except UnicodeEncodeError:  # lone surrogates, which JSON can escape
            return _document(document, encode_basestring_ascii).encode("ascii")


def _document(document: Document, quote: _Quote) -> str:
    names = Prefixes(document, _spell, _keeps, blank=True)
    lines = _statements(document, names, quote, "  ")
    for bundle in document.bundles.values():
        inner = Prefixes(document, _spell, _keeps, bundle.namespaces, names, blank=True)
        inside = _statements(bundle, inner, quote, "    ")
        name = quote(names.shared(bundle.name, inner))
        graph = "[\n" + ",\n".join(inside) + "\n  ]" if inside else "[]"
        context = _context(inner, quote, "")
        lines.append(f'  {{"@type": "Bundle", "@id": {name}, "@context": {context}, "@graph": {graph}}}')
    graph = "[\n" + ",\n".join(lines) + "\n ]" if lines else "[]"
    return f'{{\n "@context": {_context(names, quote, CONTEXT)},\n "@graph": {graph}\n}}\n'


def _context(names: Prefixes, quote: _Quote, last: str) -> str:
    """The prefixes of a scope, and the context of the submission."""
    declared = [f"{quote(prefix)}: {quote(iri)}" for prefix, iri in names.declared.items() if prefix]
    parts = ["{" + ", ".join(declared) + "}"] if declared else []
    return "[" + ", ".join([*parts, quote(last)] if last else parts) + "]"


def _keeps(prefix: str) -> bool:
    """Whether attributes may have this prefix, by the schema and the context of the submission."""
    return _PREFIX.fullmatch(prefix) is not None and prefix not in RESERVED


def _spell(prefix: str, local: str) -> str | None:
    return f"{prefix}:{local}" if prefix else None


class _Names(dict[Name, str]):
    """Names between quotes."""

    def __init__(self, names: Prefixes, quote: _Quote) -> None:
        super().__init__()
        self._prefixes = names
        self._quote = quote

    def __missing__(self, name: Name) -> str:
        text = self[name] = self._quote(self._prefixes[name])
        return text


def _statements(scope: Document | Bundle, prefixes: Prefixes, quote: _Quote, indent: str) -> list[str]:
    """The statements of one scope, a text each."""
    check_carried(scope.records, "PROV-JSONLD")
    names = _Names(prefixes, quote)
    writer = _Attributes(names, quote)
    heads = {kind: f'{indent}{{"@type": "{term}"' for term, kind in BY_NAME.items()}
    forms = {
        kind: [f', "{argument.json.removeprefix("prov:")}": ' for argument in kind.arguments]
        for kind in heads
    }
    lines = []
    for record in scope.records:
        kind = record[0]
        if kind not in heads:
            raise FormatError(
                f"PROV-JSONLD has no term for {called(record)}: write another format, such as PROV-JSON, or"
                " take it out"
            )
        text = heads[kind]
        if record[1] is not None:
            text += f', "@id": {names[record[1]]}'
        for form, cell in zip(forms[kind], record[2:-1], strict=True):
            if cell.__class__ is Name:
                text += form + names[cell]
            elif cell:
                text += form + quote(_time_text(cell))
        flat = record[-1]
        lines.append(f"{text}{writer.text(flat, kind) if flat else ''}}}")
    return lines


def _time_text(when: datetime | str) -> str:
    return when.isoformat() if isinstance(when, datetime) else str(when)


class _Attributes:
    """Writes the attributes of statements."""

    def __init__(self, names: _Names, quote: _Quote) -> None:
        self.names = names
        self.quote = quote
        self.keys: dict[tuple[Kind, Name, bool], tuple[str, bool]] = {}

    def text(self, flat: tuple[Any, ...], kind: Kind) -> str:
        """All attributes of a statement: each has an array of values."""
        found: dict[str, list[str]] = {}
        for i in range(0, len(flat), 2):
            key, value = flat[i], flat[i + 1]
            plain = value.__class__ is str
            asked = kind, key, plain or (value.__class__ is Literal and value.language is not None)
            known = self.keys.get(asked)
            if known is None:
                known = self.keys[asked] = self.key(*asked)
            term, refers = known
            written = f'{{"@value": {self.quote(value)}}}' if plain else self.value(value, refers=refers)
            found.setdefault(term, []).append(written)
        return "".join([f", {term}: [{', '.join(values)}]" for term, values in found.items()])

    def key(self, kind: Kind, key: Name, text: bool) -> tuple[str, bool]:
        """The key of an attribute, and whether a bare text there is a name.

        Args:
            kind: of the statement.
            key: the attribute.
            text: whether the value is text, with or without language: the schema allows no other labels.
        """
        if key in ARGUMENTS[kind]:
            what = self.names[key][1:-1]
            raise FormatError(
                f"PROV-JSONLD has no attribute {what} for {kind.provn}: it is an argument there"
            )
        term = TYPES.get(key)
        if term is None or (key == _LABEL and not text):
            return self.names[key], term is not None and TERMS[term].refers
        if kind in TERMS[term].kinds:
            return f'"{term}"', TERMS[term].refers
        return self.names[key], TERMS[term].refers

    def value(self, value: Any, *, refers: bool) -> str:
        """A value that is not text."""
        if value.__class__ is Name:
            if refers:
                return self.names[value]
            return f'{{"@value": {self.names[value]}, "@type": "prov:QUALIFIED_NAME"}}'
        text, datatype, language = lexical(value)
        if language is not None:
            return f'{{"@value": {self.quote(text)}, "@language": {self.quote(language)}}}'
        return f'{{"@value": {self.quote(text)}, "@type": {self.names[datatype]}}}'
