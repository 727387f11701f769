"""The terms of PROV-JSONLD (https://www.w3.org/submissions/prov-jsonld/, section 4, and its context).

The type of a statement is the name of its kind, an argument is called as in PROV-JSON without ``prov:``, and
five attributes of PROV have terms of their own, on the kinds of statement that the schema allows them for.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from trilha.prov import PLAIN, PROV, Kind, Name
from trilha.prov.record import CLASSES

__all__ = ["ARGUMENTS", "BY_NAME", "PREFIXES", "RESERVED", "TERMS", "TYPES", "Term"]

BY_NAME: Final = {CLASSES[kind].__name__: kind for kind in PLAIN if kind is not Kind.MENTION}
"""The kinds of statement by the type that they have in the format."""

ARGUMENTS: Final = {
    kind: frozenset(PROV.iri + argument.json.removeprefix("prov:") for argument in kind.arguments)
    for kind in PLAIN
}
"""The names of the arguments of each kind."""


class Term(NamedTuple):
    """A term for an attribute.

    Attributes:
        name: the attribute.
        refers: whether a bare text as its value is a name, not text.
        kinds: the kinds of statement on which the schema has it.
    """

    name: Name
    refers: bool
    kinds: frozenset[Kind]


_ALL: Final = frozenset(BY_NAME.values())
_EVENTS: Final = frozenset({Kind.USAGE, Kind.GENERATION, Kind.INVALIDATION, Kind.START, Kind.END})
_ELEMENTS: Final = frozenset({Kind.ENTITY, Kind.ACTIVITY, Kind.AGENT})

TERMS: Final = {
    "type": Term(PROV["type"], True, _ALL),
    "label": Term(PROV["label"], False, _ALL),
    "role": Term(PROV["role"], True, _EVENTS | {Kind.ASSOCIATION}),
    "location": Term(PROV["location"], True, _EVENTS | _ELEMENTS),
    "value": Term(PROV["value"], False, frozenset({Kind.ENTITY})),
}
"""The terms for attributes."""

TYPES: Final = {term.name: text for text, term in TERMS.items()}
"""The term of an attribute that has one."""

PREFIXES: Final = {
    "provext": "https://openprovenance.org/ns/provext#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
}
"""What the context of the submission declares, beyond ``prov`` and ``xsd``."""

RESERVED: Final = frozenset({
    *BY_NAME,
    *TERMS,
    *PREFIXES,
    *(argument.json.removeprefix("prov:") for kind in BY_NAME.values() for argument in kind.arguments),
})  # fmt: skip
"""What the context of the submission has a meaning for, so that it is no prefix."""
