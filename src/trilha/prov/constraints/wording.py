"""Statements and names in the words of PROV-N, short, for messages (PROV-N section 3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trilha.prov.namespaces import PROV, XSD, Name, Namespaces
from trilha.prov.record import Record

__all__ = ["Wording"]


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
        arguments = list(record.arguments)
        while arguments and arguments[-1] is None:
            arguments.pop()
        told = ", ".join(map(self.term, arguments))
        if record.kind.is_element:
            return f"{record.kind.provn}({self.term(record.id)}{', ' if told else ''}{told})"
        identifier = self.term(record.id) + "; " if record.id is not None else ""
        return f"{record.kind.provn}({identifier}{told})"
