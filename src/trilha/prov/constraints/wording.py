"""Statements and names in the words of PROV-N, short, for messages (PROV-N section 3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trilha.prov.namespaces import PROV, XSD, Name, Namespaces
from trilha.prov.record import Extension, Insertion, Record, Removal
from trilha.prov.terms import Kind
from trilha.prov.values import integer_text, lexical

__all__ = ["Wording"]

_LONGEST = 40
"""Characters of a value that are told."""
_MOST = 3
"""Keys of a statement that are told."""


class Wording:
    """Shortens names by the prefixes that hold where a statement stands.

    Args:
        namespaces: the bundle's first, then the document's.
    """

    def __init__(self, *namespaces: Namespaces) -> None:
        known = {PROV.iri: PROV.prefix, XSD.iri: XSD.prefix}
        for some in reversed(namespaces):
            known.update({iri: prefix for prefix, iri in some.items()})
        self._known = sorted(known.items(), key=lambda pair: -len(pair[0]))

    def name(self, name: Name) -> str:
        """``ex:e1`` where a prefix fits, else the whole IRI."""
        for iri, prefix in self._known:
            if iri and name.startswith(iri):
                return f"{prefix}:{name[len(iri) :]}" if prefix else name[len(iri) :]
        return str(name)

    def term(self, given: Any) -> str:
        """An argument: a name, a time, or ``-``."""
        if isinstance(given, Name):
            return self.name(given)
        if isinstance(given, datetime):
            return given.isoformat()
        return given if isinstance(given, str) else "-"

    def statement(self, record: Record) -> str:
        """``wasGeneratedBy(ex:g1; ex:e1, ex:a1, -)``; arguments left out at the end are left out here."""
        if record.kind > Kind.MEMBERSHIP:
            return self._beyond(record)
        arguments = list(record.arguments)
        while arguments and arguments[-1] is None:
            arguments.pop()
        told = ", ".join(map(self.term, arguments))
        if record.kind.is_element:
            return f"{record.kind.provn}({self.term(record.id)}{', ' if told else ''}{told})"
        identifier = self.term(record.id) + "; " if record.id is not None else ""
        return f"{record.kind.provn}({identifier}{told})"

    def value(self, given: Any) -> str:
        """A value, such as the key of a dictionary; long ones are cut."""
        if isinstance(given, Name):
            return f"'{self.name(given)}'"
        if isinstance(given, int) and not isinstance(given, bool):
            return integer_text(given)
        text, datatype, language = lexical(given)
        short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
        if language is not None:
            return f'"{short}"@{language}'
        return f'"{short}"' if isinstance(given, str) else f'"{short}" %% {self.name(datatype)}'

    def _beyond(self, record: Record) -> str:
        """A statement of PROV-Dictionary, with its first keys; or an extension."""
        identifier = self.term(record.id) + "; " if record.id is not None else ""
        if isinstance(record, Extension):
            return f"{self.name(record.term)}({identifier}...)"
        told = [self.term(record[2]), self.term(record[3])]
        if isinstance(record, Insertion):
            pairs = [f"({self.value(key)}, {self.term(entity)})" for key, entity in record.pairs[:_MOST]]
            told.append(_braces(pairs, len(record.pairs)))
        elif isinstance(record, Removal):
            told.append(_braces([self.value(key) for key in record.keys[:_MOST]], len(record.keys)))
        else:
            told.append(self.value(record[4]))
        return f"{record.kind.provn}({identifier}{', '.join(told)})"


def _braces(shown: list[str], count: int) -> str:
    return "{" + ", ".join([*shown, "..."] if count > len(shown) else shown) + "}"
