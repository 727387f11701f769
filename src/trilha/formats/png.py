"""PNG, a picture in pixels (writing only; Graphviz draws it)."""

from __future__ import annotations

from trilha.formats.graphviz import drawn
from trilha.prov import Document

__all__ = ["write"]


def write(document: Document) -> bytes:
    """The document as a picture.

    Raises:
        UsageError: Graphviz is not installed.
        FormatError: Graphviz cannot draw it, or not in a minute.
    """
    return drawn(document, "png")
