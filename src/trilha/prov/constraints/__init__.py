"""PROV-CONSTRAINTS: is a document valid, and if not, which statements contradict each other, and why.

`validate` merges what the key and uniqueness constraints say is one (`merging`), then checks identifiers
(`overlap`), types (`typed`), specialization and the order of events (`ordering`). The inferences are made
only where they can change the verdict; docs/reference/constraints.md says for each where it is, or why it is
not.
"""

from trilha.prov.constraints.rules import RULES, Rule
from trilha.prov.constraints.validation import validate
from trilha.prov.constraints.verdict import Statement, Verdict, Violation

__all__ = ["RULES", "Rule", "Statement", "Verdict", "Violation", "validate"]
