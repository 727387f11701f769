"""TriG (https://www.w3.org/TR/trig/) with the terms of PROV-O.

A bundle is a named graph, and the default graph is the document. What TriG cannot carry: the ``-`` of
PROV-N, which is written as an argument left out. It needs the extra ``trilha[rdf]`` to be read.
"""

from __future__ import annotations

from trilha.formats.rdf.parsing import parse
from trilha.formats.rdf.reading import document_of
from trilha.formats.rdf.syntax import trig
from trilha.prov import Document

__all__ = ["read", "write"]


def read(data: bytes, name: str = "document") -> Document:
    """The document in `data`.

    Args:
        data: TriG, in UTF-8.
        name: what to call the file in messages; relative IRIs are relative to it.

    Raises:
        FormatError: it is no TriG, or a time in it is none.
        MissingExtra: pyoxigraph is not installed.
    """
    return document_of(parse(data, name, "TRIG"), data, name)


def write(document: Document) -> bytes:
    """The document as TriG, in UTF-8.

    Raises:
        FormatError: it has an extension that is no triple, or a name that is no IRI.
    """
    return trig(document)
