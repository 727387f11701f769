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
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.carried import check_carried
from trilha.formats.prefixes import Prefixes
from trilha.formats.provxml_literals import ILLEGAL, attribute_text, element_text
from trilha.formats.provxml_reading import read
from trilha.formats.provxml_terms import ATTRIBUTE_ORDER, SCHEMA, SCHEMA_INSTANCE, XML, XMLNS
from trilha.prov import PLAIN, PROV, XSD, Document, Name, Namespaces, Record
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
        check_carried(records, "PROV-XML")
        shapes: list[Any] = [None]
        for kind in PLAIN:
            locals_ = [argument.json.removeprefix("prov:") for argument in kind.arguments]
            shapes.append((kind.provn, [f"{self.within}<prov:{local}" for local in locals_], locals_))
        return [self.statement(record, *shapes[record[0]]) for record in records]

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
                f"PROV-XML cannot carry the attribute {key} of {_called(record)}: expected its name to end"
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
                f"PROV-XML cannot carry the character U+{ord(wrong[0]):04X} in {key} of {_called(record)}:"
                " XML has no place for it; write another format, or take it out"
            )
        return element_text(text)


def _called(record: Record) -> str:
    if record[1] is not None:
        return f"{record.kind.provn}({record[1]})"
    return f"{record.kind.provn}({', '.join(str(cell) for cell in record[2:-1] if cell)})"


def _rank(pair: tuple[Name, Any]) -> int:
    return ATTRIBUTE_ORDER.get(pair[0], 9)


_ARGUMENTS: Final = {
    kind: frozenset(PROV[argument.json.removeprefix("prov:")] for argument in kind.arguments)
    for kind in PLAIN
}
