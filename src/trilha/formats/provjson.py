"""PROV-JSON, the W3C member submission (https://www.w3.org/submissions/2013/SUBM-prov-json-20130424/).

A relation without an identifier gets one that begins with ``_:``, as the submission wants; reading forgets it
again, unless something refers to it. Statements of PROV-Dictionary are written as ProvToolbox writes them.
What PROV-JSON cannot carry: the ``-`` of PROV-N, which is written as an argument left out, the order of
statements of different kinds, and extensions.

A statement is a line. Statements of one kind that have the same arguments are written together, a column at a
time, so that the work on one statement is done in C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

import msgspec

from trilha.errors import FormatError
from trilha.formats.carried import called, check_carried
from trilha.formats.prefixes import Prefixes
from trilha.formats.provjson_reading import read
from trilha.prov import DICTIONARY, PLAIN, PROV, Bundle, Document, Kind, Name, Placeholder, Record
from trilha.prov.uncollected import uncollected
from trilha.prov.values import lexical

__all__ = ["read", "write"]

_KINDS: Final = (*PLAIN, *DICTIONARY)
_AT_ONCE: Final = 4096
"""So many statements are written at a time."""
_INT: Final = range(-(1 << 31), 1 << 31)
_ABSENT: Final = frozenset({type(None), Placeholder})
_OPTIONAL: Final = frozenset({type(None), Name})
_Quote = Callable[[str], str]


def write(document: Document) -> bytes:
    """The document as PROV-JSON, in UTF-8, a statement a line.

    Raises:
        FormatError: an attribute has the name of an argument, so that a reader would take it for one; a
            member of a dictionary without key or entity; or an extension.
    """
    with uncollected():
        try:
            return _document(document, encode_basestring)
        except UnicodeEncodeError:  # lone surrogates, which JSON can escape
            return _document(document, encode_basestring_ascii)


def _document(document: Document, quote: _Quote) -> bytes:
    names = Prefixes(document, _spell, _keeps, blank=True)
    members = _scope(document, names, quote, " ")
    bundles = []
    for bundle in document.bundles.values():
        inner = Prefixes(document, _spell, _keeps, bundle.namespaces, names, blank=True)
        inside = _scope(bundle, inner, quote, "   ")
        name = quote(names.shared(bundle.name, inner))
        bundles.append(_member("  ", name, [*_declared(inner, quote, "   "), *inside]))
    if bundles:
        members.append(_member(" ", '"bundle"', bundles))
    return b"".join([*_object("", [*_declared(names, quote, " "), *members]), b"\n"])


def _object(indent: str, members: list[list[bytes]]) -> list[bytes]:
    """The pieces of an object, of the pieces of its members."""
    pieces: list[bytes] = []
    for member in members:
        pieces += [b",\n" if pieces else b"{\n", *member]
    return [*pieces, f"\n{indent}}}".encode()] if pieces else [b"{}"]


def _member(indent: str, key: str, members: list[list[bytes]]) -> list[bytes]:
    """The pieces of one member of an object, which is an object itself."""
    return [f"{indent}{key}: ".encode(), *_object(indent, members)]


def _declared(names: Prefixes, quote: _Quote, indent: str) -> list[list[bytes]]:
    lines = [
        [f"{indent} {quote(prefix or 'default')}: {quote(iri)}".encode()]
        for prefix, iri in names.declared.items()
    ]
    return [_member(indent, '"prefix"', lines)] if lines else []


def _keeps(prefix: str) -> bool:
    return prefix != "default"


def _spell(prefix: str, local: str) -> str | None:
    """A qualified name; a reader takes it apart at its first colon."""
    if prefix:
        return f"{prefix}:{local}"
    return local if local and ":" not in local else None


def _scope(scope: Document | Bundle, names: Prefixes, quote: _Quote, indent: str) -> list[list[bytes]]:
    """The sections of one scope, kind by kind."""
    check_carried(scope.records, "PROV-JSON", DICTIONARY)
    kinds: list[list[Record]] = [[] for _ in Kind]
    for record in scope.records:
        kinds[record[0]].append(record)
    stem = "_:r"
    while True:
        writer = _Writer(names, quote, stem, indent)
        sections = [writer.section(kind, kinds[kind]) for kind in _KINDS if kinds[kind]]
        if not any(name.startswith(stem) for name in writer.names.blank):
            return sections
        stem += "r"  # a name in the document begins so, too


class _Names(dict[Name, str]):
    """Names between quotes."""

    def __init__(self, names: Prefixes, quote: _Quote) -> None:
        super().__init__()
        self._prefixes = names
        self._quote = quote
        self._whole: list[tuple[str, str, int]] = []
        """Namespaces that no longer one begins like: IRI, prefix, and length of the IRI."""
        self.blank: list[Name] = []
        """Those that begin with ``_:``."""

    def __missing__(self, name: Name) -> str:
        for iri, prefix, length in self._whole:  # which needs no search for the longest that fits
            if name.startswith(iri):
                text = self[name] = self._quote(prefix + name[length:])
                return text
        if name[:2] == "_:":
            self.blank.append(name)
        spelt = self._prefixes[name]
        text = self[name] = self._quote(spelt)
        if len(self._whole) >= _MOST:
            return text
        prefix, colon, local = spelt.partition(":")
        iri = name[: len(name) - len(local)]
        longer = (other for _, other in self._prefixes._in_scope if len(other) > len(iri))
        if colon and iri[:2] not in {"", "_", "_:"} and not any(other.startswith(iri) for other in longer):
            self._whole.append((iri, f"{prefix}:", len(iri)))
        return text


_MOST: Final = 8
"""So many namespaces are tried before the search: with many, that is quicker."""


class _Typed(dict[Name, str]):
    """Names as the values of attributes."""

    def __init__(self, names: _Names) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, name: Name) -> str:
        text = self[name] = f'{{"$": {self._names[name]}, "type": "prov:QUALIFIED_NAME"}}'
        return text


class _Keys(dict[Name, str]):
    """The keys of attributes of one kind of statement, with their colon."""

    def __init__(self, names: _Names, kind: Kind) -> None:
        super().__init__()
        self._names = names
        self._kind = kind

    def __missing__(self, name: Name) -> str:
        if name in _ARGUMENTS[self._kind]:
            key = self._names[name].strip('"')
            raise FormatError(
                f"PROV-JSON has no attribute {key} for {self._kind.provn}: it is an argument there"
            )
        text = self[name] = f"{self._names[name]}: "
        return text


_ARGUMENTS: Final = {
    kind: frozenset(
        PROV.iri + key.removeprefix("prov:")
        for key in (*(argument.json for argument in kind.arguments), "prov:key-entity-set")
        if key != "prov:key-entity-set" or kind in DICTIONARY
    )
    for kind in _KINDS
}


class _Writer:
    """Writes the sections of one scope."""

    def __init__(self, names: Prefixes, quote: _Quote, stem: str, indent: str) -> None:
        self.names = _Names(names, quote)
        self.typed = _Typed(self.names)
        self.quote = quote
        self.stem = stem
        self.indent = indent
        self.relations = 0
        """So many were written."""

    def section(self, kind: Kind, records: list[Record]) -> list[bytes]:
        """The statements of one kind, some a piece."""
        keys = _Keys(self.names, kind)
        identifiers = [record[1] for record in records if record[1] is not None]
        several = len({*identifiers}) < len(identifiers)
        head = "%s\t%s" if several else f"{self.indent} %s: %s"
        parts = (records[begin : begin + _AT_ONCE] for begin in range(0, len(records), _AT_ONCE))
        some: Iterable[Iterable[str]] = (self.lines(kind, part, keys, head) for part in parts)
        if several:
            some = [self.arrays(chain.from_iterable(some))]
        lines = [[",\n".join(part).encode()] for part in some]
        return _member(self.indent, f'"{kind.provn}"', lines)

    def arrays(self, lines: Iterable[str]) -> list[str]:
        """The lines of statements some of which have the same identifier: they become an array."""
        bodies: dict[str, list[str]] = {}
        for line in lines:
            key, _, body = line.partition("\t")  # which stands in neither, but escaped
            bodies.setdefault(key, []).append(body)
        return [
            f"{self.indent} {key}: {some[0] if len(some) == 1 else '[' + ', '.join(some) + ']'}"
            for key, some in bodies.items()
        ]

    def lines(self, kind: Kind, records: list[Record], keys: _Keys, head: str) -> Iterable[str]:
        """Some statements of one kind: all at once, else those with the same arguments at once."""
        first = self.relations + 1
        self.relations += 0 if kind.is_element else len(records)
        numbers = range(first, first + len(records))
        lines = self.alike(kind, records, keys, head, numbers)
        if lines is not None:
            return lines
        shapes: dict[tuple[type, ...], list[int]] = {}
        for index, record in enumerate(records):
            shapes.setdefault(tuple(map(type, record)), []).append(index)
        made = [""] * len(records)
        for indices in shapes.values():
            some = [records[index] for index in indices]
            lines = self.alike(kind, some, keys, head, [first + index for index in indices])
            assert lines is not None, "one type a column"
            for index, line in zip(indices, lines, strict=True):
                made[index] = line
        return made

    def alike(
        self, kind: Kind, records: list[Record], keys: _Keys, head: str, numbers: Sequence[int]
    ) -> Iterable[str] | None:
        """Statements of one kind that mostly have the same arguments; None if they differ too much."""
        columns = list(zip(*records, strict=True))
        values: list[Iterable[Any]] = [self.identifiers(columns[1], numbers)]
        if kind in DICTIONARY:
            return map(
                head.__mod__, zip(*values, [self.dictionary(keys, one) for one in records], strict=True)
            )
        body = ""
        for argument, column in zip(kind.arguments, columns[2:-1], strict=True):
            types = {*map(type, column)}
            if types <= _ABSENT:
                continue
            part = f'{", " if body else ""}"{argument.json}": '
            if len(types) == 1:
                values.append(self.cells(column))
                body += f"{part}%s"
            elif body and types == _OPTIONAL:
                names = self.names
                values.append(["" if name is None else part + names[name] for name in column])
                body += "%s"
            else:
                return None
        if any(columns[-1]):
            values.append(self.attributes(columns[-1], keys, ", " if body else ""))
            body += "%s"
        form = head[:-2] + "{" + body + "}"
        return map(form.__mod__, zip(*values, strict=True))

    def identifiers(self, column: tuple[Any, ...], numbers: Sequence[int]) -> Iterable[str]:
        """Those of statements; numbered where they have none."""
        types = {*map(type, column)}
        if types == {Name}:
            return map(self.names.__getitem__, column)
        stem = f'"{self.stem}%d"'
        if types == {type(None)}:
            return map(stem.__mod__, numbers)
        names = self.names
        return [
            stem % number if name is None else names[name]
            for name, number in zip(column, numbers, strict=True)
        ]

    def cells(self, column: tuple[Any, ...]) -> Iterable[str]:
        """The arguments of one name, of the same type."""
        kind = column[0].__class__
        if kind is Name:
            return map(self.names.__getitem__, column)
        if issubclass(kind, datetime):
            return msgspec.json.encode(column)[1:-1].decode().split(",")
        return map(self.quote, column)

    def attributes(self, column: Sequence[tuple[Any, ...]], keys: _Keys, lead: str) -> list[str]:
        """The attributes of each statement, behind `lead`: those with the same keys together."""
        shapes: dict[tuple[Name, ...], list[int]] = {}
        for index, flat in enumerate(column):
            names = flat[::2]
            if names in shapes:
                shapes[names].append(index)
            else:
                shapes[names] = [index]
        made = [""] * len(column)
        for names, indices in shapes.items():
            if not names:
                continue
            if len(indices) < 4 or len({*names}) < len(names):
                for index in indices:
                    made[index] = lead + self.several(column[index], keys)
                continue
            columns = list(zip(*[column[index] for index in indices], strict=True))[1::2]
            form = lead + ", ".join([keys[name].replace("%", "%%") + "%s" for name in names])
            texts = map(form.__mod__, zip(*map(self.values, columns), strict=True))
            for index, text in zip(indices, texts, strict=True):
                made[index] = text
        return made

    def several(self, flat: tuple[Any, ...], keys: _Keys) -> str:
        """The attributes of one statement; several values of one are an array."""
        found: dict[Name, list[str]] = {}
        for name, text in zip(flat[::2], self.values(flat[1::2]), strict=True):
            found.setdefault(name, []).append(text)
        return ", ".join([
            keys[name] + (some[0] if len(some) == 1 else f"[{', '.join(some)}]")
            for name, some in found.items()
        ])  # fmt: skip

    def values(self, column: Sequence[Any]) -> Iterable[str]:
        """The values of attributes."""
        types = {*map(type, column)}
        if types == {str}:
            return map(self.quote, column)
        if types == {Name}:
            return map(self.typed.__getitem__, column)
        quote, value = self.quote, self.value
        return [quote(one) if one.__class__ is str else value(one) for one in column]

    def value(self, value: Any) -> str:
        """The value of an attribute. A number that a reader elsewhere might take for another has its type."""
        kind = value.__class__
        if kind is Name:
            return self.typed[value]
        if kind is int and value in _INT:
            return str(value)
        if kind is bool:
            return "true" if value else "false"
        if kind is str:
            return self.quote(value)
        if kind is float and math.isfinite(value) and not value.is_integer():
            return repr(value)
        text, datatype, language = lexical(value)
        if language is not None:
            return f'{{"$": {self.quote(text)}, "lang": {self.quote(language)}}}'
        return f'{{"$": {self.quote(text)}, "type": {self.names[datatype]}}}'

    def dictionary(self, keys: _Keys, record: Record) -> str:
        """The body of a statement of PROV-Dictionary."""
        kind = record.kind
        parts = []
        for argument, cell in zip(kind.arguments, record.arguments, strict=True):
            if argument.holds == "name" and cell and argument.name != "entity":
                parts.append(f'"{argument.json}": {self.names[cell]}')
            elif argument.holds == "pairs":
                parts.append(f'"{argument.json}": {self.pairs(cell)}')
            elif argument.holds == "keys":
                parts.append(f'"{argument.json}": [{", ".join(map(self.value, cell))}]')
        if kind is Kind.DICTIONARY_MEMBERSHIP:
            entity, key = record[3], record[4]
            if not entity or key is None:
                what = called(record)
                raise FormatError(f"PROV-JSON cannot carry {what} without an entity and its key: give both")
            parts.append(f'"prov:key-entity-set": {self.pairs([(key, entity)])}')
        attributes = self.attributes([record[-1]], keys, "")[0]
        return "{" + ", ".join([*parts, attributes] if attributes else parts) + "}"

    def pairs(self, pairs: Iterable[tuple[Any, Name]]) -> str:
        """Pairs of key and entity."""
        return (
            "["
            + ", ".join([f'{{"key": {self.value(key)}, "$": {self.names[entity]}}}' for key, entity in pairs])
            + "]"
        )
