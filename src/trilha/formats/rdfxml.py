"""RDF/XML (https://www.w3.org/TR/rdf-syntax-grammar/) with the terms of PROV-O.

What RDF/XML cannot carry: bundles, which are named graphs (TriG and N-Quads have them), and the ``-`` of
PROV-N, which is written as an argument left out. It needs the extra ``trilha[rdf]`` to be read.
"""

from __future__ import annotations

from trilha.formats.rdf.parsing import parse
from trilha.formats.rdf.reading import document_of
from trilha.formats.rdf.syntax import rdf_xml
from trilha.prov import Document

__all__ = ["read", "write"]


def read(data: bytes, name: str = "document") -> Document:
    """The document in `data`.

    Args:
        data: RDF/XML, in UTF-8.
        name: what to call the file in messages; relative IRIs are relative to it.

    Raises:
        FormatError: it is no RDF/XML, or a time in it is none.
        MissingExtra: pyoxigraph is not installed.
    """
    return document_of(parse(data, name, "RDF_XML"), data, name)


def write(document: Document) -> bytes:
    """The document as RDF/XML, in UTF-8.

    Raises:
        FormatError: it has bundles, an extension that is no triple, or a name that is no IRI.
    """
    return rdf_xml(document)
