"""Triples into text: Turtle and TriG, N-Triples and N-Quads, RDF/XML.

The order is that of the statements, so that writing twice gives the same bytes. Turtle, TriG and RDF/XML
nest blank nodes where they are pointed to; N-Triples and N-Quads number them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from trilha.errors import FormatError
from trilha.formats.rdf.vocabulary import ATTRIBUTE, RDF, RDFS
from trilha.formats.rdf.writing import Node, Triples, is_iri, triples_of
from trilha.prov import PROV, TRILHA, XSD, Document, Name
from trilha.prov.uncollected import uncollected
from trilha.prov.values import lexical

__all__ = ["n_quads", "n_triples", "rdf_xml", "trig", "turtle", "turtle_of"]

_PREFIX = re.compile(r"[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?|", re.ASCII)
_LOCAL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?|", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\"\\\x7f\ud800-\udfff]")
_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_STRING: Final = XSD["string"]
_TYPE: Final = RDF["type"]


class _Terms(dict[Name, str]):
    """The text of names: ``<…>``, or with a prefix where there is one."""

    def __init__(self, title: str, prefixes: dict[str, str]) -> None:
        super().__init__()
        self.title = title
        self.prefixes = sorted(prefixes.items(), key=lambda pair: -len(pair[1]))
        self.blanks: set[str] = set()
        self.tags: dict[str, str] = {}

    def __missing__(self, name: Name) -> str:
        text = self[name] = self.spell(name)
        return text

    def spell(self, name: Name) -> str:
        if not is_iri(name):
            raise FormatError(f"{self.title} cannot carry the name {str(name)!r}: it is no IRI")
        if name.startswith("_:"):
            self.blanks.add(name)
            return str(name)
        for prefix, iri in self.prefixes:
            if name.startswith(iri) and _LOCAL.fullmatch(name, len(iri)):
                return f"{prefix}:{name[len(iri) :]}"
        return f"<{name}>"

    def value(self, value: Any) -> str:
        """The text of a name or a literal."""
        kind = value.__class__
        if kind is Name:
            return self[value]
        if kind is str:
            return self.quoted(value)
        text, datatype, language = lexical(value)
        if language is not None:
            return f"{self.quoted(text)}@{self.tag(language)}"
        return self.quoted(text) if datatype == _STRING else f"{self.quoted(text)}^^{self[datatype]}"

    def tag(self, language: str) -> str:
        """A language, which is one however it is spelt."""
        if self.tags.setdefault(language.lower(), language) != language:
            other = self.tags[language.lower()]
            raise FormatError(
                f"{self.title} cannot carry the languages {language} and {other} apart: spell both the same"
            )
        return language

    def quoted(self, text: str) -> str:
        return f'"{_UNSAFE.sub(self.escaped, text)}"' if _UNSAFE.search(text) else f'"{text}"'

    def escaped(self, match: re.Match[str]) -> str:
        character = match[0]
        if "\ud800" <= character <= "\udfff":
            raise FormatError(f"{self.title} cannot carry text with the lone surrogate {character!r}")
        return _ESCAPES.get(character) or f"\\u{ord(character):04X}"


def turtle(document: Document) -> bytes:
    """The document as Turtle."""
    with uncollected():
        default, _ = triples_of(document, "Turtle", named=False)
        terms = _Terms("Turtle", _prefixes(document))
        return ("\n".join([*_head(document), *_blocks(default, terms, "")]) + "\n").encode()


def turtle_of(triples: Triples, prefixes: dict[str, str], title: str) -> bytes:
    """Triples as Turtle.

    Args:
        triples: what to write.
        prefixes: to declare.
        title: what to call the format in messages.

    Raises:
        FormatError: a name is no IRI.
    """
    kept = {prefix: iri for prefix, iri in prefixes.items() if is_iri(iri) and not iri.startswith("_:")}
    head = [f"@prefix {prefix}: <{iri}> ." for prefix, iri in kept.items()]
    return ("\n".join([*head, *_blocks(triples, _Terms(title, kept), "")]) + "\n").encode()


def trig(document: Document) -> bytes:
    """The document as TriG."""
    with uncollected():
        default, named = triples_of(document, "TriG", named=True)
        terms = _Terms("TriG", _prefixes(document))
        lines = [*_head(document), *_blocks(default, terms, "")]
        for name, graph in named.items():
            lines += ["", f"{terms[name]} {{", *_blocks(graph, terms, "    "), "}"]
        return ("\n".join(lines) + "\n").encode()


def _prefixes(document: Document) -> dict[str, str]:
    """The prefixes of the document and of its bundles, and those of the terms that are always there."""
    chosen: dict[str, str] = {}
    scopes = [document.namespaces, *(bundle.namespaces for bundle in document.bundles.values())]
    for prefix, iri in (pair for scope in scopes for pair in scope.items()):
        if _PREFIX.fullmatch(prefix) and is_iri(iri) and not iri.startswith("_:"):
            chosen.setdefault(prefix, iri)
    for space in (PROV, XSD, RDF, RDFS, TRILHA):
        chosen.setdefault(space.prefix, space.iri)
    return chosen


def _head(document: Document) -> list[str]:
    return [f"@prefix {prefix}: <{iri}> ." for prefix, iri in _prefixes(document).items()]


def _blocks(triples: Triples, terms: _Terms, indent: str) -> Iterable[str]:
    """The lines of Turtle for each subject."""
    for subject, properties in triples.subjects.items():
        if properties:
            yield f"\n{indent}{terms[subject]} {_properties(properties, terms, indent + '    ')} ."
    for properties in triples.loose:
        yield f"\n{indent}[] {_properties(properties, terms, indent + '    ')} ."


def _properties(properties: Node, terms: _Terms, indent: str) -> str:
    """What is said of a node, one property a line."""
    parts = []
    value = terms.value
    for i in range(0, len(properties), 2):
        property, given = properties[i], properties[i + 1]
        kind = given.__class__
        if kind is Name:
            text = terms[given]
        elif kind is list:
            text = f"[ {_properties(given, terms, indent + '    ')} ]"
        else:
            text = value(given)
        parts.append(f"{'a' if property == _TYPE else terms[property]} {text}")
    return f" ;\n{indent}".join(parts)


def n_triples(document: Document) -> bytes:
    """The document as N-Triples."""
    default, _ = triples_of(document, "N-Triples", named=False)
    return _lines("N-Triples", [(None, default)])


def n_quads(document: Document) -> bytes:
    """The document as N-Quads."""
    default, named = triples_of(document, "N-Quads", named=True)
    return _lines("N-Quads", [(None, default), *named.items()])


def _lines(title: str, graphs: list[tuple[Name | None, Triples]]) -> bytes:
    """A line a triple; blank nodes are numbered by a stem that no name begins with."""
    stem = "_:r"
    while True:
        terms = _Terms(title, {})
        lines = _Lines(terms, stem)
        with uncollected():
            for name, triples in graphs:
                lines.graph(triples, " ." if name is None else f" {terms[name]} .")
        if not any(name.startswith(stem) for name in terms.blanks):
            return ("\n".join(lines.lines) + "\n").encode() if lines.lines else b""
        stem += "r"


class _Lines:
    """The lines of N-Triples or N-Quads."""

    def __init__(self, terms: _Terms, stem: str) -> None:
        self.terms = terms
        self.stem = stem
        self.count = 0
        self.lines: list[str] = []

    def graph(self, triples: Triples, tail: str) -> None:
        for subject, properties in triples.subjects.items():
            self.node(self.terms[subject], properties, tail)
        for properties in triples.loose:
            self.node(self.blank(), properties, tail)

    def blank(self) -> str:
        self.count += 1
        return f"{self.stem}{self.count}"

    def node(self, subject: str, properties: Node, tail: str) -> None:
        terms, lines = self.terms, self.lines
        for i in range(0, len(properties), 2):
            given = properties[i + 1]
            if given.__class__ is list:
                label = self.blank()
                lines.append(f"{subject} {terms[properties[i]]} {label}{tail}")
                self.node(label, given, tail)
            else:
                lines.append(f"{subject} {terms[properties[i]]} {terms.value(given)}{tail}")


# RDF/XML

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*$", re.ASCII)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def rdf_xml(document: Document) -> bytes:
    """The document as RDF/XML."""
    default, _ = triples_of(document, "RDF/XML", named=False)
    with uncollected():
        writer = _Xml(_Terms("RDF/XML", {}), _prefixes(document))
        for subject, properties in default.subjects.items():
            if properties:
                writer.node(subject, properties, "  ")
        for properties in default.loose:
            writer.node(None, properties, "  ")
        spaces = "".join(f"\n    xmlns:{prefix}={quoteattr(iri)}" for iri, prefix in writer.spaces.items())
        head = f'<?xml version="1.0" encoding="UTF-8"?>\n<rdf:RDF{spaces}>\n'
        return f"{head}{''.join(writer.parts)}</rdf:RDF>\n".encode()


class _Xml:
    """The elements of RDF/XML."""

    def __init__(self, terms: _Terms, prefixes: dict[str, str]) -> None:
        self.terms = terms
        usable = {p: iri for p, iri in prefixes.items() if p and not p.lower().startswith("xml")}
        usable.setdefault("rdf", RDF.iri)
        self.declared = {iri: prefix for prefix, iri in reversed(usable.items())}
        self.taken = set(usable)
        self.spaces: dict[str, str] = {RDF.iri: self.prefix(RDF.iri)}
        self.parts: list[str] = []
        self.elements: dict[Name, str | None] = {}
        if self.spaces[RDF.iri] != "rdf":  # someone has another use for it: ours comes first
            self.declared = {iri: prefix for iri, prefix in self.declared.items() if prefix != "rdf"}
            self.spaces[RDF.iri] = self.declared[RDF.iri] = "rdf"

    def prefix(self, iri: str) -> str:
        if iri not in self.declared:
            number = 1
            while f"ns{number}" in self.taken:
                number += 1
            self.declared[iri] = f"ns{number}"
            self.taken.add(self.declared[iri])
        return self.declared[iri]

    def element(self, property: Name) -> str | None:
        """The name of an element for a property; None if no name can be cut off its end."""
        if property in self.elements:
            return self.elements[property]
        cut = max(property.rfind("#"), property.rfind("/"), property.rfind(":")) + 1
        match = _NAME.search(property, cut)
        text = None
        if match and match.start() > 0:
            iri = property[: match.start()]
            self.spaces[iri] = self.prefix(iri)
            text = f"{self.spaces[iri]}:{match[0]}"
        self.elements[property] = text
        return text

    def about(self, name: Name) -> str:
        self.terms[name]  # refuses what is no IRI
        if name.startswith("_:"):
            if not _NAME.match(name, 2):
                raise FormatError(f"RDF/XML cannot carry the blank node {name}: its label is no name of XML")
            return f"nodeID={quoteattr(name[2:])}"
        return self.attribute(name)

    def attribute(self, name: Name) -> str:
        return quoteattr(self.checked(name))

    def checked(self, text: str) -> str:
        bad = _NOT_XML.search(text)
        if bad:
            raise FormatError(f"RDF/XML cannot carry the character U+{ord(bad[0]):04X}, as in {text[:40]!r}")
        return text

    def node(self, name: Name | None, properties: Node, indent: str) -> None:
        subject = "" if name is None else f" rdf:{self.place('about', name)}"
        self.parts.append(f"{indent}<rdf:Description{subject}>\n")
        for i in range(0, len(properties), 2):
            self.property(properties[i], properties[i + 1], indent + "  ")
        self.parts.append(f"{indent}</rdf:Description>\n")

    def place(self, attribute: str, name: Name) -> str:
        text = self.about(name)
        return text if text.startswith("nodeID=") else f"{attribute}={text}"

    def property(self, property: Name, value: Any, indent: str) -> None:
        element = self.element(property)
        if element is None or element == "rdf:li":
            self.property(ATTRIBUTE, [RDF["predicate"], property, RDF["object"], value], indent)
        elif value.__class__ is Name:
            self.parts.append(f"{indent}<{element} rdf:{self.place('resource', value)}/>\n")
        elif value.__class__ is list:
            self.parts.append(f"{indent}<{element}>\n")
            self.node(None, value, indent + "  ")
            self.parts.append(f"{indent}</{element}>\n")
        else:
            text, datatype, language = lexical(value)
            more = ""
            if language is not None:
                more = f" xml:lang={quoteattr(self.terms.tag(language))}"
            elif datatype != _STRING:
                self.terms[datatype]
                more = f" rdf:datatype={self.attribute(datatype)}"
            content = escape(self.checked(text), {"\r": "&#13;"})
            self.parts.append(f"{indent}<{element}{more}>{content}</{element}>\n")
