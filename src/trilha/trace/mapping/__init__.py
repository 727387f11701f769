"""A trace as a PROV document: plain PROV, PROV-Dictionary, or Versioned-PROV.

Source: Pimentel, Missier, Murta, Braganholo, "Versioned-PROV" (IPAW 2018), and the tables of its companion
site; docs/reference/versioned.md says how each construct is mapped, and what was designed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from trilha.errors import UsageError
from trilha.prov import Document, Namespace
from trilha.prov.uncollected import uncollected
from trilha.trace.evaluations import Component, Event
from trilha.trace.mapping.copying import Dictionary, Plain
from trilha.trace.mapping.stating import Stating
from trilha.trace.mapping.versioning import Versioned

__all__ = ["MAPPINGS", "NAMES", "document_of", "stated"]

MAPPINGS: Final[dict[str, type[Stating]]] = {
    "plain": Plain,
    "dictionary": Dictionary,
    "versioned": Versioned,
}
"""The mappings by name."""
NAMES: Final = Namespace("trace", "urn:trilha:trace:")
"""In which a document's own names are where nothing else is asked for."""


def stated(
    events: Iterable[Event],
    components: Mapping[int, Component],
    mapping: str = "versioned",
    names: Namespace = NAMES,
) -> Stating:
    """State a trace; the document, and which of its statements are specific to the mapping.

    Args:
        events: what happened, in order.
        components: of the text, by number.
        mapping: "plain", "dictionary" or "versioned".
        names: in which the document's own names are.

    Raises:
        UsageError: there is no such mapping.
    """
    known = MAPPINGS.get(mapping)
    if known is None:
        raise UsageError(f"no mapping is called {mapping!r}: expected one of {', '.join(MAPPINGS)}")
    with uncollected():
        made = known(list(events), components, names)
        made.run()
    return made


def document_of(
    events: Iterable[Event],
    components: Mapping[int, Component],
    mapping: str = "versioned",
    names: Namespace = NAMES,
) -> Document:
    """A trace as a PROV document (`stated`).

    Raises:
        UsageError: there is no such mapping.
    """
    return stated(events, components, mapping, names).document
