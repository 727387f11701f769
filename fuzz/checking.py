"""What must hold of any input to a reader."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

PLACE = re.compile(r"input(:\d+:\d+)?: .")
"""How the message of a refusal begins: with line and column, where there are any (a path into JSON, or the
name of what is wrong in RDF, where there are none).
"""
SPOILT = re.compile('^_:|[\x00-\x20<>"{}|^`\\\\\ud800-\udfff\ufffe\uffff]')
"""What does not come back as it was: names that stand for nothing fixed, and what a writer encodes,
since no IRI may have it.
"""


def check(module: Any, refused: type[Exception], data: bytes, others: Iterable[Any] = ()) -> None:
    """Read an input, write what is read, and read that again; so in other formats, too.

    Raises:
        AssertionError: a message without place, or another document than the one that was read.
        Exception: whatever else a reader or writer raised.
    """
    streamed = _streamed(module, refused, data)
    try:
        document = module.read(data, "input")
    except refused as error:
        assert streamed is None, "read as a stream only"
        assert PLACE.match(str(error)), f"a message without place: {error}"
        return
    if _is_streamed(module):
        assert streamed is not None, "refused as a stream only"
        assert streamed == _said(document), "another document as a stream"
    # What has only a local identifier in OPM is named by the file's content: another file, another name.
    own = () if module.__name__.rpartition(".")[2].startswith("opm") else (module,)
    for writer in (*own, *others):
        _there_and_back(document, writer, refused)


def _is_streamed(module: Any) -> bool:
    from trilha.formats import streaming

    return module.__name__.rpartition(".")[2] in streaming.STREAMED


def _streamed(module: Any, refused: type[Exception], data: bytes) -> Any:
    """What the document says when it is read in small pieces; None if it is refused, or never read so."""
    from trilha.formats import streaming

    if not _is_streamed(module):
        return None
    name = module.__name__.rpartition(".")[2]
    pieces = (data[at : at + 61] for at in range(0, len(data), 61))
    try:
        found = list(streaming.statements(pieces, "input", name))
    except refused:
        return None
    return {(bundle, record.key) for bundle, record in found}


def _said(document: Any) -> Any:
    scopes = [(None, document), *document.bundles.items()]
    return {(name, record.key) for name, scope in scopes for record in scope}


def _there_and_back(document: Any, module: Any, refused: type[Exception]) -> None:
    try:
        written = module.write(document)
    except refused:
        return  # it says what it cannot carry
    again = module.read(written, "written")
    if plain(again) != plain(document):
        assert spoilt(document), f"another document: {written!r}"
        assert plain(module.read(module.write(again), "settled")) == plain(again), f"not settled: {written!r}"


def plain(document: Any) -> Any:
    """What a document says: ``-`` taken for an argument left out, no white space around numbers and times."""
    from trilha.prov import PLACEHOLDER, XSD, Kind, Literal
    from trilha.prov.values import literal

    def bare(cell: Any) -> Any:
        if cell is PLACEHOLDER:
            return None
        if type(cell) is Literal and cell.datatype in XSD:
            return literal(cell.value.strip(" \t\r\n"), cell.datatype)
        return tuple(map(bare, cell)) if type(cell) is tuple else cell

    def keys(scope: Any) -> set[Any]:
        return {
            record.key if record.kind is Kind.EXTENSION else record.new(tuple(map(bare, record))).key
            for record in scope
        }

    return keys(document), {name: keys(bundle) for name, bundle in document.bundles.items()}


def spoilt(document: Any) -> bool:
    """Whether a name or text in it has characters that no writer can keep."""
    scopes = [document, *document.bundles.values()]
    return any(map(SPOILT.search, document.bundles)) or any(
        _spoilt(cell) for scope in scopes for record in scope for cell in record[1:]
    )


def _spoilt(cell: Any) -> bool:
    from trilha.prov import Name

    if isinstance(cell, tuple):
        return any(map(_spoilt, cell))
    if isinstance(cell, Name):
        return SPOILT.search(cell) is not None
    return isinstance(cell, str) and any("\ud800" <= char <= "\udfff" for char in cell)
