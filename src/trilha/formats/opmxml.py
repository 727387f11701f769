"""OPM's XML, in the dialects of 1.01, 1.1 (2009) and 2010: PROV by the mapping of `trilha.prov.opm`.

`graph` and `written` have the graph itself.
"""

from __future__ import annotations

from trilha.errors import FormatError, UsageError
from trilha.formats.opmxml_reading import graph_of as graph
from trilha.formats.opmxml_writing import written
from trilha.prov import Document
from trilha.prov.opm import document_of, legal_graph_of

__all__ = ["graph", "read", "write", "written"]


def read(data: bytes | str, name: str = "document") -> Document:
    """The document that the graph in `data` maps to.

    Args:
        data: XML of OPM, of any dialect.
        name: what to call the file in messages.

    Raises:
        FormatError: it is none. The message begins with file, line and column.
    """
    found = graph(data, name)
    try:
        return document_of(found)
    except UsageError as error:
        raise FormatError(f"{name}: {error}") from None


def write(document: Document) -> bytes:
    """The graph that the document maps to, as XML of 2010, in UTF-8.

    Raises:
        FormatError: the schema cannot carry it.
    """
    return written(legal_graph_of(document))
