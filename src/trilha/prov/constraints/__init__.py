"""PROV-CONSTRAINTS: is a document valid, and if not, which statements contradict each other, and why.

`validate` merges what the key and uniqueness constraints say is one (`merging`), then checks identifiers
(`overlap`), types (`typed`), specialization and the order of events (`ordering`). The inferences are made
only where they can change the verdict; docs/reference/constraints.md says for each where it is, or why it is
not. `normal_form` makes all of them (`chase`), and takes out what only says less than something else
(`folding`); `equivalent` compares two documents by that.
"""

from trilha.prov.constraints.equivalence import Answer, equivalent
from trilha.prov.constraints.normal import check_valid, normal_form
from trilha.prov.constraints.rules import RULES, Rule
from trilha.prov.constraints.validation import validate
from trilha.prov.constraints.verdict import Statement, Verdict, Violation

__all__ = [
    "RULES",
    "Answer",
    "Rule",
    "Statement",
    "Verdict",
    "Violation",
    "check_valid",
    "equivalent",
    "normal_form",
    "validate",
]
