"""What validation returns: a verdict, its violations, and the statements that are at fault."""

from __future__ import annotations

from dataclasses import dataclass

from trilha.prov.constraints.rules import Rule
from trilha.prov.namespaces import Name
from trilha.prov.record import Record

__all__ = ["Statement", "Verdict", "Violation"]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement where it stands.

    Attributes:
        record: the statement.
        index: its place in `Document.records`, or in `Bundle.records`.
        bundle: the bundle that it is in; None in the document itself.
        place: line and column in the source, from 1; None where the format or its reader does not tell.
        text: as PROV-N would write it, without attributes.
    """

    record: Record
    index: int
    bundle: Name | None
    place: tuple[int, int] | None
    text: str

    def __str__(self) -> str:
        return f"{self.place[0]}:{self.place[1]} {self.text}" if self.place else self.text


@dataclass(frozen=True, slots=True)
class Violation:
    """One constraint that does not hold.

    Attributes:
        rules: which one, by number, name, title and address in the recommendation; then the others that the
            reasons use.
        message: what is wrong, in one sentence.
        statements: those at fault, in the order of the document.
        reasons: why, step by step: the shortest chain, each step with the number of the rule that it uses.
        bundle: the bundle in which it does not hold; None for the document itself.
    """

    rules: tuple[Rule, ...]
    message: str
    statements: tuple[Statement, ...]
    reasons: tuple[str, ...]
    bundle: Name | None = None

    @property
    def rule(self) -> Rule:
        """The constraint that does not hold."""
        return self.rules[0]

    @property
    def number(self) -> int | None:
        """The number of the constraint in PROV-CONSTRAINTS; None for one of PROV-DM or PROV-LINKS."""
        return self.rule.number

    def __str__(self) -> str:
        places = ", ".join(f"{s.place[0]}:{s.place[1]}" for s in self.statements if s.place)
        return f"{places}: {self.message} ({self.rule})" if places else f"{self.message} ({self.rule})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a document is valid (PROV-CONSTRAINTS section 6.1), and if not, why.

    Attributes:
        violations: all that were found, the document's own first, then bundle by bundle.
    """

    violations: tuple[Violation, ...]

    @property
    def valid(self) -> bool:
        """Whether the document is valid: the document itself and each of its bundles."""
        return not self.violations

    def __bool__(self) -> bool:
        return not self.violations

    def __str__(self) -> str:
        if self.valid:
            return "valid"
        return "\n".join(["invalid", *map(str, self.violations)])
