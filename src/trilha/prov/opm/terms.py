"""The words of OPM 1.1 and the namespace of what PROV has no words for.

Source: L. Moreau et al., *The Open Provenance Model core specification (v1.1)*, 2011, and its schemas.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from trilha.prov.namespaces import Name, Namespace

__all__ = ["OPM", "PROPERTY", "XML_LITERAL", "DependencyKind", "NodeKind"]

OPM: Final = Namespace("opm", "https://w3id.org/trilha/opm#")
"""What PROV has no words for: see docs/reference/opm.md."""
PROPERTY: Final = Namespace("opmproperty", "https://w3id.org/trilha/opm/property#")
"""Keys of properties that are no IRIs, percent-encoded."""
XML_LITERAL: Final = Name("http://www.w3.org/1999/02/22-rdf-syntax-ns#XMLLiteral")
"""The data type of elements that are kept as text."""


class NodeKind(Enum):
    """The kinds of node. The value is the element of the schema."""

    ARTIFACT = "artifact"
    PROCESS = "process"
    AGENT = "agent"


_ARTIFACT, _PROCESS, _AGENT = NodeKind


class DependencyKind(Enum):
    """The causal dependencies: the five of one step, and their forms of one step or more.

    The value is the element of the schema of 2010 (its schema has none for the last).
    """

    USED = "used"
    WAS_GENERATED_BY = "wasGeneratedBy"
    WAS_CONTROLLED_BY = "wasControlledBy"
    WAS_TRIGGERED_BY = "wasTriggeredBy"
    WAS_DERIVED_FROM = "wasDerivedFrom"
    USED_STAR = "usedStar"
    WAS_GENERATED_BY_STAR = "wasGeneratedByStar"
    WAS_DERIVED_FROM_STAR = "wasDerivedFromStar"
    WAS_TRIGGERED_BY_STAR = "wasTriggeredByStar"

    @property
    def is_multi_step(self) -> bool:
        """Whether it may stand for several steps."""
        return self.value.endswith("Star")

    @property
    def ends(self) -> tuple[NodeKind, NodeKind]:
        """The kinds of its effect and of its cause."""
        return _ENDS[self.value.removesuffix("Star")]


_ENDS: Final = {
    "used": (_PROCESS, _ARTIFACT),
    "wasGeneratedBy": (_ARTIFACT, _PROCESS),
    "wasControlledBy": (_PROCESS, _AGENT),
    "wasTriggeredBy": (_PROCESS, _PROCESS),
    "wasDerivedFrom": (_ARTIFACT, _ARTIFACT),
}
