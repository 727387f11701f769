"""An instance: the statements of a document, or of a bundle, as validation sees them (PROV-CONSTRAINTS 2.3).

A bundle is an instance of its own: nothing in it is compared with the statements outside of it (section 6.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from trilha.prov.constraints.rules import INSERTED, RULES, Rule
from trilha.prov.constraints.terms import Terms
from trilha.prov.constraints.verdict import Statement, Violation
from trilha.prov.constraints.wording import Wording
from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import Name
from trilha.prov.record import Record
from trilha.prov.terms import Kind

__all__ = ["Instance"]


class Instance:
    """The statements of one instance, and what is found about them.

    Args:
        source: the document, for its own statements; or one of its bundles.
        document: the document.

    Attributes:
        records: the statements; those that are inferred stand at the end (by inference 11, and the members
            that insertions put into dictionaries).
        origins: the statement that each added statement comes from, by indexes.
        by_kind: the indexes of the statements of each kind, by the kind's number.
        terms: their terms.
        violations: what was found.
    """

    def __init__(self, source: Document | Bundle, document: Document) -> None:
        self.records: list[Record] = list(source.records)
        self.origins: dict[int, int] = {}
        self.by_kind: list[list[int]] = [[] for _ in range(max(Kind) + 1)]
        for index, record in enumerate(self.records):
            self.by_kind[record[0]].append(index)
        self.terms = Terms(self.records)
        self.violations: list[Violation] = []
        self.wording = Wording(source.namespaces, document.namespaces)
        self.bundle = source.name if isinstance(source, Bundle) else None
        self._places = source.places

    def infer(self, record: Record, origin: int) -> int:
        """Add a statement that follows from another one; its index."""
        self.records.append(record)
        self.by_kind[record[0]].append(len(self.records) - 1)
        self.origins[len(self.records) - 1] = origin
        return len(self.records) - 1

    def statement(self, index: int) -> Statement:
        """A statement with its place; of an inferred one, the statement it was inferred from."""
        index = self.origins.get(index, index)
        place = self._places[index] if index < len(self._places) else None
        record = self.records[index]
        return Statement(record, index, self.bundle, place, self.wording.statement(record))

    def told(self, index: int) -> str:
        """A statement in words; of an inferred one also where it comes from."""
        text = self.wording.statement(self.records[index])
        if index not in self.origins:
            return text
        rule = INSERTED if self.records[index].kind is Kind.DICTIONARY_MEMBERSHIP else RULES[11]
        return f"{text}, which follows from {self.told(self.origins[index])} ({rule}),"

    def report(
        self, rules: Sequence[Rule | int], message: str, indexes: Iterable[int], reasons: Iterable[str]
    ) -> None:
        """Add a violation.

        Args:
            rules: the one that does not hold first, then those that the reasons use.
            message: what is wrong.
            indexes: the statements at fault.
            reasons: why, step by step.
        """
        found = dict.fromkeys(RULES[rule] if isinstance(rule, int) else rule for rule in rules)
        stated = sorted({self.origins.get(index, index) for index in indexes})
        told = tuple(dict.fromkeys(reasons))
        where = tuple(map(self.statement, stated))
        self.violations.append(Violation(tuple(found), message, where, told, self.bundle))

    def name(self, term: Any) -> str:
        """A term in words."""
        found = self.terms.find(term)
        return "something without a name" if found.__class__ is int else self.wording.term(found)

    def resolved(self, name: Name) -> Any:
        """What a name is equal to: itself, unless it begins with ``_:``."""
        return self.terms.find(name) if self.terms else name
