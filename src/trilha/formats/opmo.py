"""OPM in RDF: the ontologies OPMV and OPMO (2010, 2011), and that of 2009 before them, by Turtle.

What they have no words for is said in Trilha's own (`OPM`). It needs the extra ``trilha[rdf]`` to be read;
the other syntaxes of RDF are read by content.
"""

from __future__ import annotations

from typing import Final

from trilha.errors import FormatError, UsageError
from trilha.formats.rdf.opmo_reading import MARKS, is_opm, opm_graph
from trilha.formats.rdf.opmo_writing import written
from trilha.formats.rdf.parsing import parse
from trilha.prov import Document
from trilha.prov.opm import Graph, document_of, legal_graph_of

__all__ = ["graph", "graph_in", "read", "write", "written"]

_SYNTAXES: Final = {".trig": "TRIG", ".nq": "N_QUADS", ".rdf": "RDF_XML"}


def graph(data: bytes, name: str = "document", syntax: str = "TURTLE") -> Graph:
    """The graph in `data`.

    Args:
        data: the text, in UTF-8.
        name: what to call the file in messages.
        syntax: as `trilha.formats.rdf.parsing.parse` has it.

    Raises:
        FormatError: it is not of that syntax.
        MissingExtra: pyoxigraph is not installed.
    """
    return opm_graph(parse(data, name, syntax), name)


def graph_in(data: bytes, suffix: str, name: str = "document") -> Graph | None:
    """The graph of OPM that a text in RDF says; None if it says none.

    Args:
        data: the text.
        suffix: what `trilha.formats.detection.suffix_of` tells of it.
        name: what to call the file in messages.

    Raises:
        FormatError: it is not of that syntax.
        MissingExtra: pyoxigraph is not installed.
    """
    if suffix not in _SYNTAXES or not any(mark in data for mark in MARKS):
        return None
    graphs = parse(data, name, _SYNTAXES[suffix])
    return opm_graph(graphs, name) if is_opm(graphs) else None


def read(data: bytes, name: str = "document") -> Document:
    """The document that the graph in `data` maps to.

    Raises:
        FormatError: it is no Turtle.
        MissingExtra: pyoxigraph is not installed.
    """
    found = graph(data, name)
    try:
        return document_of(found)
    except UsageError as error:
        raise FormatError(f"{name}: {error}") from None


def write(document: Document) -> bytes:
    """The graph that the document maps to, as Turtle, in UTF-8.

    Raises:
        FormatError: a name in it is no IRI, or two things have one name.
    """
    return written(legal_graph_of(document))
