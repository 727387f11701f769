"""PROV-N, the notation for people (https://www.w3.org/TR/prov-n/): writing.

Beyond the grammar stand an identifier and attributes on specialization, alternate, mention and membership,
where a statement has them (PROV-DM gives them none; other tools write and read them so). What PROV-N cannot
carry: in a name, characters that no IRI may have, which are percent-encoded; in text, lone surrogates, which
become U+FFFD; and the difference between an argument left out and ``-``, where another one is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from trilha.formats.carried import check_carried
from trilha.formats.prefixes import Prefixes
from trilha.formats.provn_grammar import BASE, LATER, OTHERS
from trilha.formats.provn_reading import read
from trilha.prov import PLAIN, Document, Kind, Literal, Name, Record
from trilha.prov.values import lexical

__all__ = ["read", "write"]

_ESCAPED: Final = frozenset("=\\'(),:;[]") - {"\\"}
"""Characters that stand in a local part behind a backslash (PN_CHARS_ESC)."""

_PLAIN = re.compile(f"[{BASE}_0-9{OTHERS}](?:[{BASE}_0-9{OTHERS}{LATER}.-]*[{BASE}_0-9{OTHERS}{LATER}-])?")
_ANYWHERE = re.compile(f"[{BASE}_0-9{OTHERS}]")
_NOT_FIRST = re.compile(f"[{LATER}]")
_HEX = re.compile("%[0-9A-Fa-f]{2}")
_PREFIX = re.compile(f"[{BASE}](?:[{BASE}_0-9{LATER}.-]*[{BASE}_0-9{LATER}-])?")
_NOT_IRI = re.compile(r'[\x00-\x20<>"{}|^`\\\ud800-\udfff]')
_SPECIAL = re.compile(r'["\\\t\b\n\r\f]')
_ESCAPES = str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT: Final = range(-(1 << 31), 1 << 31)


def write(document: Document) -> bytes:
    """The document as PROV-N, in UTF-8, each statement on a line of its own."""
    outer = Prefixes(document, _spell, _keeps)
    body = _statements(document.records, outer, "  ")
    for bundle in document.bundles.values():
        inner = Prefixes(document, _spell, _keeps, bundle.namespaces, outer)
        lines = _statements(bundle.records, inner, "    ")
        body.append(f"  bundle {outer.shared(bundle.name, inner)}")
        body += [*_declarations(inner.declared, "    "), *lines, "  endBundle"]
    text = "\n".join(["document", *_declarations(outer.declared, "  "), *body, "endDocument", ""])
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode("utf-8")


def _declarations(declared: dict[str, str], indent: str) -> Iterable[str]:
    """The default namespace, which the grammar wants first, and the prefixes."""
    if "" in declared:
        yield f"{indent}default <{_iri(declared[''])}>"
    for prefix, iri in declared.items():
        if prefix:
            yield f"{indent}prefix {prefix} <{_iri(iri)}>"


def _statements(records: list[Record], names: Prefixes, indent: str) -> list[str]:
    shapes = [("", 0)] + [
        (f"{indent}{kind.provn}(", sum(argument.required for argument in kind.arguments)) for kind in PLAIN
    ]
    check_carried(records, "PROV-N")
    lines = []
    for record in records:
        begin, required = shapes[record[0]]
        if record[0] <= Kind.AGENT:
            texts = [names[record[1]]]
        else:
            texts = []
            if record[1] is not None:
                begin = f"{begin}{names[record[1]]}; "
        cells = record[2:-1]
        needed = len(cells)
        while needed > required and cells[needed - 1] is None:
            needed -= 1
        # An optional argument brings all the others: PROV-N has no shorter forms (sections 3.1 to 3.5).
        for cell in cells if needed > required else cells[:required]:
            if cell.__class__ is Name:
                texts.append(names[cell])
            elif isinstance(cell, datetime):
                texts.append(cell.isoformat())
            else:
                texts.append(cell if isinstance(cell, str) else "-")
        if record[-1]:
            texts.append(_attributes(record[-1], names))
        lines.append(f"{begin}{', '.join(texts)})")
    return lines


def _attributes(flat: tuple[Any, ...], names: Prefixes) -> str:
    pairs = [f"{names[flat[i]]}={_value(flat[i + 1], names)}" for i in range(0, len(flat), 2)]
    return f"[{', '.join(pairs)}]"


def _value(value: Any, names: Prefixes) -> str:
    """A literal (section 3.7.3): text, a whole number or a name in short form, else text and data type."""
    kind = value.__class__
    if kind is str:
        return _quoted(value)
    if kind is Name:
        return f"'{names[value]}'"
    if kind is int and value in _INT:
        return str(value)
    text, datatype, language = lexical(value)
    if kind is Literal and language is not None:
        return f"{_quoted(text)}@{language}"
    return f"{_quoted(text)} %% {names[datatype]}"


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES) if _SPECIAL.search(text) else text}"'


def _keeps(prefix: str) -> bool:
    return _PREFIX.fullmatch(prefix) is not None


def _spell(prefix: str, local: str) -> str | None:
    """A qualified name. The default namespace is left to names that cannot be taken for something else."""
    if _PLAIN.fullmatch(local) is None:
        local = _escaped(local)
    if prefix:
        return f"{prefix}:{local}"
    return local if local and not local[0].isdecimal() and local[0] not in "\\%" else None


def _escaped(local: str) -> str:
    """A local part by the grammar of PN_LOCAL: escaped, or percent-encoded where there is no escape."""
    parts = []
    last = len(local) - 1
    for place, char in enumerate(local):
        if _ANYWHERE.match(char):
            parts.append(char)
        elif char in _ESCAPED or (char in "-." and place in {0, last}):
            parts.append("\\" + char)
        elif char in "-." or (place and _NOT_FIRST.match(char)) or _HEX.match(local, place):
            parts.append(char)
        else:
            parts.append(_percent(char))
    return "".join(parts)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))


def _iri(iri: str) -> str:
    return _NOT_IRI.sub(lambda match: _percent(match[0]), iri)
