"""PROV-XML (https://www.w3.org/TR/prov-xml/): writing, by the schema of the recommendation.

Beyond the schema stand an identifier and attributes on specialization, alternate, mention and membership,
where a statement has them, and names whose local part XML allows nowhere else (``ex:1/2``); other tools write
and read them so. What PROV-XML cannot carry: the ``-`` of PROV-N, which is written as an argument left out;
in a name, characters that no IRI may have, which are percent-encoded; in text, control characters and lone
surrogates, and as the key of an attribute, a name that does not end like one of XML: these are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.carried import called
from trilha.formats.prefixes import Prefixes
from trilha.formats.provxml_literals import ILLEGAL, attribute_text, element_text, reread
from trilha.formats.provxml_reading import read
from trilha.formats.provxml_terms import (
    ARGUMENTS,
    ATTRIBUTE_ORDER,
    SCHEMA,
    SCHEMA_INSTANCE,
    XML,
    XML_LITERAL,
    XMLNS,
)
from trilha.prov import (
    PLAIN,
    PROV,
    XSD,
    Document,
    Extension,
    Insertion,
    Kind,
    Literal,
    Name,
    Namespaces,
    Record,
    Removal,
)
from trilha.prov.values import lexical

__all__ = ["read", "write"]

_LETTERS: Final = (
    "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0134-\u013e\u0141-\u0148\u014a-\u017e\u0180-\u01c3"
    "\u01cd-\u01f0\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce\u0401-\u040c\u040e-\u044f\u0451-\u045c"
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u1e00-\u1e9b\u1ea0-\u1ef9\u3041-\u3094\u30a1-\u30fa"
    "\u4e00-\u9fa5\uac00-\ud7a3"
)
"""Nearly what the fourth edition of XML 1.0 calls letters: parsers that know only that are many."""
_NCNAME = re.compile(f"[{_LETTERS}][{_LETTERS}0-9.-]*")
_NCNAME_AT_END = re.compile(f"[{_LETTERS}][{_LETTERS}0-9.-]*\\Z")
_NOT_IRI = re.compile('[\x00-\x20<>"{}|^`\\\\\ud800-\udfff\ufffe\uffff]')
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:/#;@+=,~-]*")


def write(document: Document) -> bytes:
    """The document as PROV-XML, in UTF-8, indented.

    Raises:
        FormatError: it has something that PROV-XML cannot carry; the message names it.
    """
    outer = Prefixes(document, _spell, _keeper(document.namespaces))
    body = _Statements(outer, "  ").lines(document.records)
    for bundle in document.bundles.values():
        keeps = _keeper(bundle.namespaces)
        inner = Prefixes(document, _spell, keeps, bundle.namespaces, outer)
        lines = _Statements(inner, "    ").lines(bundle.records)
        name = attribute_text(outer.shared(bundle.name, inner))
        body.append(f'  <prov:bundleContent{_declarations(inner.declared)} prov:id="{name}">')
        body += [*lines, "  </prov:bundleContent>"]
    fixed = {"prov": PROV.iri, "xsd": SCHEMA, "xsi": SCHEMA_INSTANCE}
    begin = f"<prov:document{_declarations(fixed | outer.declared)}>"
    text = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', begin, *body, "</prov:document>", ""])
    return text.encode("utf-8")


def _keeper(namespaces: Namespaces) -> Callable[[str], bool]:
    """Which prefixes can be declared in XML, and for what."""
    iris = dict(namespaces.items())

    def keeps(prefix: str) -> bool:
        iri = iris.get(prefix, "")
        return (
            _NCNAME.fullmatch(prefix) is not None
            and not prefix.lower().startswith("xml")
            and prefix not in {"prov", "xsd", "xsi"}
            and _fits(iri)
        )

    return keeps


def _fits(iri: str) -> bool:
    """Whether a prefix for this IRI stands for the same after reading."""
    return bool(iri) and iri not in {XML, XMLNS, SCHEMA} and _NOT_IRI.search(iri) is None


def _declarations(declared: dict[str, str]) -> str:
    parts = []
    for prefix, iri in declared.items():
        if prefix and not iri:
            raise FormatError("PROV-XML cannot carry a name that is empty: expected an IRI; rename it")
        if prefix or _fits(iri):
            parts.append(f' xmlns{":" if prefix else ""}{prefix}="{attribute_text(_encoded(iri))}"')
    return "".join(parts)


def _spell(prefix: str, local: str) -> str | None:
    """A qualified name; a reader takes it apart at its first colon."""
    local = _encoded(local)
    if prefix:
        return f"{prefix}:{local}"
    return None  # the default namespace of XML would hold for the names of elements, too


def _encoded(text: str) -> str:
    if _PLAIN_NAME.fullmatch(text):
        return text
    return _NOT_IRI.sub(lambda match: _percent(match[0]), text)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))


class _Statements:
    """Writes the statements of one scope."""

    def __init__(self, names: Prefixes, indent: str) -> None:
        self.names = names
        self.indent = indent
        self.within = indent + "  "
        self.tags: dict[Name, tuple[str, str]] = {}
        self.quoted: dict[Name, str] = {}

    def lines(self, records: list[Record]) -> list[str]:
        """Each statement, indented."""
        shapes: list[Any] = [None]
        for kind in PLAIN:
            locals_ = ARGUMENTS[kind]
            shapes.append((kind.provn, [f"{self.within}<prov:{local}" for local in locals_], locals_))
        if max(map(_kind, records), default=0) <= _LAST_PLAIN:
            return [self.statement(record, *shapes[record[0]]) for record in records]
        return [
            self.statement(record, *shapes[record[0]]) if record[0] <= _LAST_PLAIN else self.beyond(record)
            for record in records
        ]

    def statement(self, record: Record, word: str, begins: list[str], ends: list[str]) -> str:
        tag = f"{self.indent}<prov:{word}"
        if record[1] is not None:
            tag = f'{tag} prov:id="{self.quote(record[1])}"'
        inside = []
        for cell, begin, end in zip(record[2:-1], begins, ends):  # noqa: B905 -- as many by construction
            if cell.__class__ is Name:
                inside.append(f'{begin} prov:ref="{self.quote(cell)}"/>')
            elif cell:
                text = cell.isoformat() if isinstance(cell, datetime) else cell
                inside.append(f"{begin}>{text}</prov:{end}>")
        if record[-1]:
            self.attributes(record, inside)
        if not inside:
            return f"{tag}/>"
        return "\n".join([f"{tag}>", *inside, f"{self.indent}</prov:{word}>"])

    def beyond(self, record: Record) -> str:
        """A statement of PROV-Dictionary (by its schema), or an extension."""
        if isinstance(record, Extension):
            return self.extension(record)
        kind = record.kind
        inside = [
            f'{self.within}<prov:{local} prov:ref="{self.quote(cell)}"/>'
            for local, cell in zip(ARGUMENTS[kind], record[2:4], strict=False)
            if cell.__class__ is Name and local != "keyEntityPair"
        ]
        if isinstance(record, Removal):
            inside += [f"{self.within}{self.key(key, record)}" for key in record.keys]
        elif isinstance(record, Insertion):
            inside += [self.pair(key, entity, record) for key, entity in record.pairs]
        else:
            inside.append(self.pair(record[4], record[3], record))
            if record[1] is not None or record[-1]:
                raise FormatError(
                    f"PROV-XML cannot carry {called(record)} with identifier or attributes: expected none"
                )
        identifier = f' prov:id="{self.quote(record[1])}"' if record[1] is not None else ""
        if record[-1]:
            self.attributes(record, inside)
        word = kind.provn
        return "\n".join([f"{self.indent}<prov:{word}{identifier}>", *inside, f"{self.indent}</prov:{word}>"])

    def key(self, key: Any, record: Record) -> str:
        return f"<prov:key{self.value(key, PROV['key'], record)}</prov:key>"

    def pair(self, key: Any, entity: Any, record: Record) -> str:
        if entity.__class__ is not Name:
            raise FormatError(f"PROV-XML cannot carry {called(record)} without an entity: expected a name")
        within = self.within
        return (
            f"{within}<prov:keyEntityPair>\n{within}  {self.key(key, record)}\n"
            f'{within}  <prov:entity prov:ref="{self.quote(entity)}"/>\n{within}</prov:keyEntityPair>'
        )

    def extension(self, record: Extension) -> str:
        """An extension that is an element: its only argument is that, as text."""
        content = record.content
        text = content[0].value if len(content) == 1 and _is_element(content[0]) else None
        if text is None or record[1] is not None or record[-1]:
            raise FormatError(
                f"PROV-XML cannot carry {called(record)}, which is an extension: expected one whose only"
                " argument is its element as text (rdf:XMLLiteral); write PROV-N, or take it out"
            )
        again = reread(text)
        if again != (record.term, text):
            what = "an element" if again is None else f"{again[1]!r}, an element of that name"
            raise FormatError(
                f"PROV-XML cannot carry the extension {record.term} with the text {text!r}: expected {what}"
            )
        root = _ROOT.match(text)
        assert root is not None  # or it were no element
        # What has no namespace in it has none here either, whatever the default one is.
        own = ' xmlns=""' if _WITHOUT.search(text) and ' xmlns="' not in root[0] else ""
        return f"{self.indent}{root[1]}{own}{text[root.end(1) :]}"

    def quote(self, name: Name) -> str:
        found = self.quoted.get(name)
        if found is None:
            found = self.quoted[name] = attribute_text(self.names[name])
        return found

    def attributes(self, record: Record, inside: list[str]) -> None:
        flat = record[-1]
        pairs = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
        if len(pairs) > 1:
            pairs.sort(key=_rank)  # stable: the others stay as they are
        for key, value in pairs:
            begin, end = self.tags.get(key) or self.tag(key, record)
            if key in _ARGUMENTS[record[0]]:
                raise FormatError(
                    f"PROV-XML has no attribute prov:{key.removeprefix(PROV.iri)} for {record.kind.provn}:"
                    " it is an argument there"
                )
            inside.append(f"{self.within}<{begin}{self.value(value, key, record)}</{end}>")

    def tag(self, key: Name, record: Record) -> tuple[str, str]:
        """What the element of an attribute begins with and ends with."""
        spelt = self.names[key]
        local = spelt.partition(":")[2]
        if _NCNAME.fullmatch(local) and not key.startswith(XSD.iri):
            made = self.tags[key] = (spelt, spelt)
            return made
        match = _NCNAME_AT_END.search(key)
        iri = key[: match.start()] if match else ""
        if match is None or not _fits(iri):
            raise FormatError(
                f"PROV-XML cannot carry the attribute {key} of {called(record)}: expected its name to end"
                " like one of XML, with a letter and what may follow it; write another format, or rename it"
            )
        own = f"a:{match[0]}"
        made = self.tags[key] = (f'{own} xmlns:a="{attribute_text(iri)}"', own)
        return made

    def value(self, value: Any, key: Name, record: Record) -> str:
        """What follows the name of the element: type or language, and text."""
        kind = value.__class__
        if kind is str:
            return f">{self.text(value, key, record)}"
        if kind is Name:
            return f' xsi:type="xsd:QName">{element_text(self.names[value])}'
        text, datatype, language = lexical(value)
        said = self.text(text, key, record)
        if language is not None:
            return f' xml:lang="{language}">{said}'
        return f' xsi:type="{self.quote(datatype)}">{said}'

    def text(self, text: str, key: Name, record: Record) -> str:
        wrong = ILLEGAL.search(text)
        if wrong is not None:
            raise FormatError(
                f"PROV-XML cannot carry the character U+{ord(wrong[0]):04X} in {key} of {called(record)}:"
                " XML has no place for it; write another format, or take it out"
            )
        return element_text(text)


def _is_element(one: Any) -> bool:
    return one.__class__ is Literal and one.datatype == XML_LITERAL


def _rank(pair: tuple[Name, Any]) -> int:
    return ATTRIBUTE_ORDER.get(pair[0], 9)


_LAST_PLAIN: Final = int(Kind.MEMBERSHIP)
_kind: Final = itemgetter(0)
_ROOT = re.compile(r'(<[^\s/>]+)(?: [^\s=]+="[^"]*")*')
_WITHOUT = re.compile(r"<[^\s:>/]+[\s>/]")
_ARGUMENTS: Final = {kind: frozenset(map(PROV.__getitem__, locals_)) for kind, locals_ in ARGUMENTS.items()}
