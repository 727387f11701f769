"""Which format a document is in, told by how it begins.

Only the beginning is looked at, and only what a format's own grammar demands there: no guess is made from
what is likely. What several formats begin with alike is told to be the widest of them (Turtle is TriG too).
"""

from __future__ import annotations

import codecs
import re
from typing import Final

__all__ = ["suffix_of"]

_LOOKED_AT: Final = 1 << 16
"""Bytes of a document that are looked at."""
# Possessive: what was taken as a comment is not taken apart again in one of very many other ways.
_PROVN = re.compile(r"(?>\s|//[^\n]*(?:\n|$)|/\*.*?\*/)*+(?:document|bundle)\b", re.DOTALL)
_LINKED = re.compile(r'"@(?:context|graph|id|type)"\s*:')
_XML_HEAD = re.compile(r"(?>\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>)*+", re.DOTALL)
_XML_ROOT = re.compile(r"<([^\s<>/:]*:)?([^\s<>/:]+)[\s/>]")
_RDF_HEAD = re.compile(r"(?>\s|#[^\n]*(?:\n|$))*+")
_RDF_STATEMENT = re.compile(
    r"(?:@prefix\b|@base\b|prefix\s|base\s|graph\s|<[^<>\s]*>|_:\S|\[|\(|\{|[^\s<>\"'{}()\[\]]*:\S*\s)",
    re.IGNORECASE,
)
_LINE = re.compile(r"(?:<[^<>\s]*>|_:\S+)\s+<[^<>\s]*>\s+(?:<|_:|\")")


def suffix_of(data: bytes) -> str | None:
    """The suffix that a file with this content should have, such as ``".provn"``.

    Args:
        data: the content, or as much of its beginning as there is.

    Returns:
        One of ``.provn``, ``.json`` (PROV-JSON), ``.jsonld``, ``.provx``, ``.opm``, ``.rdf``, ``.nq`` and
        ``.trig``; None if it begins like none of them.
    """
    text = _text(data[:_LOOKED_AT])
    if _PROVN.match(text):
        return ".provn"
    begin = text.lstrip()
    if begin.startswith("{") or (begin.startswith("[") and _LINKED.search(begin)):
        return ".jsonld" if _LINKED.search(begin) else ".json" if _JSON.match(begin) else ".trig"
    if begin.startswith("<"):
        head = _XML_HEAD.match(text)
        root = _XML_ROOT.match(text, head.end() if head else 0)
        if root is not None:
            return {"RDF": ".rdf", "opmGraph": ".opm"}.get(root[2], ".provx")
    return _rdf(text)


_JSON = re.compile(r'\{\s*(?:"|\})')


def _rdf(text: str) -> str | None:
    head = _RDF_HEAD.match(text)
    place = head.end() if head else 0
    if not _RDF_STATEMENT.match(text, place):
        return None
    line = text[place:].partition("\n")[0]
    return ".nq" if _LINE.match(line) and line.rstrip().endswith(".") else ".trig"


def _text(data: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return data.decode("utf-8", "replace")
