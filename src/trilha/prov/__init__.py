"""W3C PROV as its recommendations write it: names, values, statements, documents.

This room knows only the standard: no files, no stores, no frameworks.
"""

from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import COMMIT, FIXED, PROV, PYPI, SHA256, TRILHA, XSD, Name, Namespace, Namespaces
from trilha.prov.record import (
    Activity,
    Agent,
    Alternate,
    Association,
    Attribution,
    Communication,
    Delegation,
    Derivation,
    End,
    Entity,
    Generation,
    Influence,
    Invalidation,
    Membership,
    Mention,
    Record,
    Specialization,
    Start,
    Usage,
)
from trilha.prov.terms import PLACEHOLDER, Argument, Kind, Placeholder
from trilha.prov.values import Literal, Value

__all__ = [
    "COMMIT",
    "FIXED",
    "PLACEHOLDER",
    "PROV",
    "PYPI",
    "SHA256",
    "TRILHA",
    "XSD",
    "Activity",
    "Agent",
    "Alternate",
    "Argument",
    "Association",
    "Attribution",
    "Bundle",
    "Communication",
    "Delegation",
    "Derivation",
    "Document",
    "End",
    "Entity",
    "Generation",
    "Influence",
    "Invalidation",
    "Kind",
    "Literal",
    "Membership",
    "Mention",
    "Name",
    "Namespace",
    "Namespaces",
    "Placeholder",
    "Record",
    "Specialization",
    "Start",
    "Usage",
    "Value",
]
