"""The Open Provenance Model 1.1: its graphs, whether they are legal, what follows, and PROV both ways."""

from trilha.prov.opm.from_prov import graph_of, legal_graph_of
from trilha.prov.opm.inference import MultiStep, completed, constructed, multi_step
from trilha.prov.opm.legality import Fault, Legality, legality
from trilha.prov.opm.model import (
    Account,
    Annotation,
    Containment,
    Dependency,
    Graph,
    Node,
    Observed,
    Property,
    Role,
)
from trilha.prov.opm.parting import parted, whole
from trilha.prov.opm.terms import OPM, PROPERTY, XML_LITERAL, DependencyKind, NodeKind
from trilha.prov.opm.times import TIME_KEYS, settled, unsettled
from trilha.prov.opm.to_prov import document_of

__all__ = [
    "OPM",
    "PROPERTY",
    "TIME_KEYS",
    "XML_LITERAL",
    "Account",
    "Annotation",
    "Containment",
    "Dependency",
    "DependencyKind",
    "Fault",
    "Graph",
    "Legality",
    "MultiStep",
    "Node",
    "NodeKind",
    "Observed",
    "Property",
    "Role",
    "completed",
    "constructed",
    "document_of",
    "graph_of",
    "legal_graph_of",
    "legality",
    "multi_step",
    "parted",
    "settled",
    "unsettled",
    "whole",
]
