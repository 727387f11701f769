"""The elements of PROV-XML (https://www.w3.org/TR/prov-xml/, and its schema), for reader and writer."""

from __future__ import annotations

from typing import Final

from trilha.prov import DICTIONARY, PLAIN, PROV, Kind, Name

__all__ = [
    "ARGUMENTS",
    "ATTRIBUTE_ORDER",
    "KINDS",
    "SCHEMA",
    "SCHEMA_INSTANCE",
    "SUBTYPES",
    "XML",
    "XMLNS",
    "XML_LITERAL",
]

SCHEMA: Final = "http://www.w3.org/2001/XMLSchema"
"""The namespace of the data types in XML: without the ``#`` that their IRIs have elsewhere (section 2.3)."""
SCHEMA_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
"""Of ``xsi:type``."""
XML: Final = "http://www.w3.org/XML/1998/namespace"
"""Of ``xml:lang``."""
XMLNS: Final = "http://www.w3.org/2000/xmlns/"
"""Of declarations of prefixes; nothing else may be bound to it."""
XML_LITERAL: Final = Name("http://www.w3.org/1999/02/22-rdf-syntax-ns#XMLLiteral")
"""The data type of a value that holds elements."""

KINDS: Final = {kind.provn: kind for kind in (*PLAIN, *DICTIONARY)}
"""Kinds of statement by the local names of their elements, which are the words of PROV-N."""

SUBTYPES: Final = {
    "wasRevisionOf": (Kind.DERIVATION, PROV["Revision"]),
    "wasQuotedFrom": (Kind.DERIVATION, PROV["Quotation"]),
    "hadPrimarySource": (Kind.DERIVATION, PROV["PrimarySource"]),
    "person": (Kind.AGENT, PROV["Person"]),
    "organization": (Kind.AGENT, PROV["Organization"]),
    "softwareAgent": (Kind.AGENT, PROV["SoftwareAgent"]),
    "bundle": (Kind.ENTITY, PROV["Bundle"]),
    "collection": (Kind.ENTITY, PROV["Collection"]),
    "emptyCollection": (Kind.ENTITY, PROV["EmptyCollection"]),
    "dictionary": (Kind.ENTITY, PROV["Dictionary"]),
    "emptyDictionary": (Kind.ENTITY, PROV["EmptyDictionary"]),
    "plan": (Kind.ENTITY, PROV["Plan"]),
}
"""Elements that are statements of a kind with a ``prov:type`` more."""

ARGUMENTS: Final = {
    **{kind: tuple(argument.json.removeprefix("prov:") for argument in kind.arguments) for kind in PLAIN},
    Kind.INSERTION: ("newDictionary", "oldDictionary", "keyEntityPair"),
    Kind.REMOVAL: ("newDictionary", "oldDictionary", "key"),
    Kind.DICTIONARY_MEMBERSHIP: ("dictionary", "keyEntityPair"),
}
"""The local names of the elements of each kind's arguments; a pair holds a key and an entity."""

ATTRIBUTE_ORDER: Final = {
    PROV[local]: i for i, local in enumerate(("label", "location", "role", "type", "value"))
}
"""In this order the schema wants PROV's own attributes; all others follow."""
