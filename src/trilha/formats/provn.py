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
from operator import itemgetter
from typing import Any, Final

from trilha.errors import FormatError
from trilha.formats.carried import called
from trilha.formats.prefixes import Prefixes
from trilha.formats.provn_grammar import BASE, LATER, OTHERS
from trilha.formats.provn_reading import read
from trilha.prov import (
    PLACEHOLDER,
    PLAIN,
    PROV,
    Braces,
    DictionaryMembership,
    Document,
    Extension,
    Insertion,
    Kind,
    Literal,
    Name,
    Record,
)
from trilha.prov.record import Group
from trilha.prov.values import QUALIFIED_NAME, lexical

__all__ = ["read", "write"]

_ESCAPED: Final = frozenset("=\\'(),:;[]") - {"\\"}
"""Characters that stand in a local part behind a backslash (PN_CHARS_ESC)."""

_PLAIN = re.compile(f"[{BASE}_0-9{OTHERS}](?:[{BASE}_0-9{OTHERS}{LATER}.-]*[{BASE}_0-9{OTHERS}{LATER}-])?")
_ANYWHERE = re.compile(f"[{BASE}_0-9{OTHERS}]")
_NOT_FIRST = re.compile(f"[{LATER}]")
_UNFIT = re.compile(
    f"(?!%[0-9A-Fa-f]{{2}})[^{BASE}_0-9{OTHERS}{LATER}=\\\\'(),:;\\[\\].\\x00-\\x20<>\"{{}}|^`\ud800-\udfff-]"
    f"[{LATER}]*|^[{LATER}]+"
)
"""What an IRI may hold, but no local part; or not at its beginning."""
_HEX = re.compile("%[0-9A-Fa-f]{2}")
_PREFIX = re.compile(f"[{BASE}](?:[{BASE}_0-9{LATER}.-]*[{BASE}_0-9{LATER}-])?")
_NOT_IRI = re.compile(r'[\x00-\x20<>"{}|^`\\\ud800-\udfff]')
_SPECIAL = re.compile(r'["\\\t\b\n\r\f]')
_ESCAPES = str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\b": "\\b", "\n": "\\n", "\r": "\\r", "\f": "\\f"}
)
_SHOWN: Final = 200
_INT: Final = range(-(1 << 31), 1 << 31)
_LAST_PLAIN: Final = int(Kind.MEMBERSHIP)
_kind: Final = itemgetter(0)


def write(document: Document) -> bytes:
    """The document as PROV-N, in UTF-8, each statement on a line of its own.

    Raises:
        FormatError: an extension has the name of a term of PROV, or a membership of a dictionary an
            identifier or attributes, or a text holds a lone surrogate; the message names it.
    """
    outer = Prefixes(document, _spell, _keeps, cut=_cut)
    body = _statements(document.records, outer, "  ")
    for bundle in document.bundles.values():
        inner = Prefixes(document, _spell, _keeps, bundle.namespaces, outer)
        lines = _statements(bundle.records, inner, "    ")
        body.append(f"  bundle {outer.shared(bundle.name, inner)}")
        body += [*_declarations(inner.declared, "    "), *lines, "  endBundle"]
    text = "\n".join(["document", *_declarations(outer.declared, "  "), *body, "endDocument", ""])
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text[text.rfind("\n", 0, error.start) + 1 :].partition("\n")[0].strip()
        raise FormatError(
            f"PROV-N cannot carry U+{ord(text[error.start]):04X}, half of a character, which has no bytes in"
            f" UTF-8, in {line[:_SHOWN]!a}: write another format, such as PROV-JSON"
        ) from None


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
    lines = []
    beyond = max(map(_kind, records), default=0) > _LAST_PLAIN
    for record in records:
        if beyond and record[0] > _LAST_PLAIN:
            lines.append(f"{indent}{_beyond(record, names)}")
            continue
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


def _beyond(record: Record, names: Prefixes) -> str:
    """A statement of PROV-Dictionary, or an extension."""
    if isinstance(record, Extension):
        return _extension(record, names)
    if isinstance(record, DictionaryMembership):
        if record.id is not None or record.flat:
            raise FormatError(
                f"PROV-N cannot carry {called(record)} with identifier or attributes: expected none"
            )
        texts = [*(_content(cell, names) for cell in record[2:4]), _value(record.member_key, names)]
    else:
        if isinstance(record, Insertion):
            inside = [f"({_value(key, names)}, {names[entity]})" for key, entity in record.pairs]
        else:
            inside = [_value(key, names) for key in record[4]]
        texts = [_content(cell, names) for cell in record[2:4]]
        texts.append(f"{{{', '.join(inside)}}}")
    return f"prov:{record.kind.provn}({_rest(record, texts, names)})"


def _extension(record: Extension, names: Prefixes) -> str:
    """An extension (production extensibilityExpression). Its term has a prefix, or it would be of PROV-N."""
    if record.term in PROV:
        raise FormatError(
            f"PROV-N cannot carry the extension {record.term}: expected a name that is none of PROV's own"
        )
    texts = [_content(one, names) for one in record.content]
    return f"{names.prefixed(record.term)}({_rest(record, texts, names)})"


def _rest(record: Record, texts: list[str], names: Prefixes) -> str:
    """What stands between the parentheses of a statement."""
    identifier = f"{names[record[1]]}; " if record[1] is not None else ""
    if record[-1]:
        texts.append(_attributes(record[-1], names))
    return identifier + ", ".join(texts)


def _content(one: Any, names: Prefixes) -> str:
    """One argument of an extension."""
    if isinstance(one, Extension):
        return _extension(one, names)
    if isinstance(one, Group):
        begin, end = "{}" if isinstance(one, Braces) else "()"
        return f"{begin}{', '.join(_content(member, names) for member in one)}{end}"
    if one is PLACEHOLDER or one is None:
        return "-"
    if isinstance(one, Name):
        return names[one]
    if isinstance(one, datetime):
        return one.isoformat()
    if isinstance(one, Literal) and one.datatype == QUALIFIED_NAME:
        return f"'{names[Name(one.value)]}'"
    return _value(one, names)


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
        if _UNFIT.search(local):
            return None
        local = _escaped(local)
    if prefix:
        return f"{prefix}:{local}"
    return local if local and not local[0].isdecimal() and local[0] not in "\\%" else None


def _cut(name: str, at: int) -> int:
    """Behind the last character that an IRI may hold and a local part not, but not before a place."""
    return at + max((match.end() for match in _UNFIT.finditer(name[at:])), default=0)


def _escaped(local: str) -> str:
    """A local part by the grammar of PN_LOCAL: escaped, or percent-encoded where there is no escape."""
    parts = []
    last = len(local) - 1
    for place, char in enumerate(local):
        if _ANYWHERE.match(char):
            parts.append(char)
        elif char in _ESCAPED or (char in "-." and place in {0, last}):
            parts.append("\\" + char)
        elif char in "-." or _NOT_FIRST.match(char) or _HEX.match(local, place):
            parts.append(char)
        else:
            parts.append(_percent(char))
    return "".join(parts)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))


def _iri(iri: str) -> str:
    return _NOT_IRI.sub(lambda match: _percent(match[0]), iri)
