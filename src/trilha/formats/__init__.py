"""Documents in files: one module a format, chosen by suffix, media type or content.

`read` and `write` are all that most callers need. A format is a module with ``write(document) -> bytes``,
``read(data, name) -> Document``, or both, and one line in the table below.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from importlib import import_module
from itertools import chain
from typing import IO, Any, NamedTuple

from trilha.errors import UsageError
from trilha.formats.files import load, store
from trilha.prov import Document, Name, Record

__all__ = ["FORMATS", "Format", "chosen", "ending", "find", "read", "stream", "write"]


class Format(NamedTuple):
    """A format that documents are read from or written to.

    Attributes:
        name: what it is called here, for example ``"provn"``.
        title: what people call it, for example ``"PROV-N"``.
        suffixes: of its files; the first is the usual one.
        media_types: the first is the registered one; empty where none is.
        reads: whether this version reads it.
        writes: whether this version writes it.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    reads: bool = True
    writes: bool = True


FORMATS = (
    Format("provn", "PROV-N", (".provn", ".asn"), ("text/provenance-notation",)),
    Format("provjson", "PROV-JSON", (".json", ".provjson"), ("application/json", "application/provjson")),
    Format("provjsonld", "PROV-JSONLD", (".jsonld",), ("application/ld+json",)),
    Format("provxml", "PROV-XML", (".provx", ".xml"), ("application/provenance+xml", "application/xml")),
    Format("opmxml", "OPM XML", (".opm", ".opm.xml"), ()),
    Format("opmo", "OPMO", (".opmo", ".opm.ttl"), ()),
    Format("turtle", "Turtle", (".ttl", ".turtle"), ("text/turtle",)),
    Format("trig", "TriG", (".trig",), ("application/trig",)),
    Format("ntriples", "N-Triples", (".nt",), ("application/n-triples",)),
    Format("nquads", "N-Quads", (".nq",), ("application/n-quads",)),
    Format("rdfxml", "RDF/XML", (".rdf",), ("application/rdf+xml",)),
    Format("dot", "Dot", (".dot", ".gv"), ("text/vnd.graphviz",), reads=False),
    Format("svg", "SVG", (".svg",), ("image/svg+xml",), reads=False),
    Format("png", "PNG", (".png",), ("image/png",), reads=False),
)
"""All formats. The module of each is ``trilha.formats.<name>`` and is imported when it is needed."""


def find(what: str) -> Format:
    """The format of that name, suffix (``".provn"``, ``"json"``) or media type.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    wanted = what.lower().partition(";")[0].strip()
    for known in FORMATS:
        if wanted in (known.name, known.title.lower(), *known.media_types) or (
            "." + wanted.lstrip(".") in known.suffixes
        ):
            return known
    there = ", ".join(f"{known.title} ({', '.join(known.suffixes)})" for known in FORMATS)
    raise UsageError(f"{what!r} is no format of documents: expected one of {there}")


def read(source: str | os.PathLike[str] | IO[Any], format: str | None = None) -> Document:
    """Read a document.

    Args:
        source: a path, or an open file, binary or text.
        format: a name, suffix or media type; by default told by the suffix, and by the content where that
            tells nothing (no suffix, or one that several formats share, such as ``.xml`` and ``.json``).

    Raises:
        FormatError: it is not what its format says; the message begins with file and place.
        UsageError: no such format, or the file cannot be read.
    """
    name = _name(source)
    known = find(format) if format is not None else _by_suffix(name, strict=False)
    data = None
    if format is None and (known is None or known.name in _SHARED):
        data = load(source)
        known = _by_content(data, known)
    if known is None:
        _by_suffix(name)
        raise UsageError(
            f"{name}: neither its name nor its first words tell the format: give one, such as format='provn'"
        )
    if not known.reads:
        readable = ", ".join(other.title for other in FORMATS if other.reads)
        raise UsageError(
            f"{name}: this version writes {known.title} but does not read it: expected {readable}"
        )
    content = load(source) if data is None else data
    document: Document = import_module(f"trilha.formats.{known.name}").read(content, name)
    return document


def stream(
    source: str | os.PathLike[str] | IO[Any], format: str | None = None
) -> Iterator[tuple[Name | None, Record]]:
    """The statements of a document, one after the other, each with the name of the bundle that it stands in.

    PROV-N and PROV-XML are read as they come, so that a document may be larger than the memory; the others
    are read whole first.

    Args:
        source: a path, or an open file, binary or text.
        format: a name, suffix or media type; by default told by the suffix, else by the content.

    Yields:
        Name of the bundle, None for statements outside of bundles; and the statement.

    Raises:
        FormatError: it is not what its format says; the statements that came before belong to no document.
        UsageError: no such format, or the file cannot be read.
    """
    from trilha.formats.streaming import STREAMED, pieces, statements

    name = _name(source)
    chunks = pieces(source)
    first = next(chunks, b"")
    known = find(format) if format is not None else _by_content(first, _by_suffix(name, strict=False))
    chunks = chain([first], chunks)
    if known is not None and known.name in STREAMED:
        yield from statements(chunks, name, known.name)
        return
    document = read(_Named(b"".join(chunks), name), format or (known and known.name))
    for target in (document, *document.bundles.values()):
        for record in target.records:
            yield getattr(target, "name", None), record


class _Named(io.BytesIO):
    """Content that was read from a file, with its name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


_SHARED = frozenset(["provjson", "provxml"])
"""Formats whose suffixes are those of others, too."""


def _by_suffix(name: str, *, strict: bool = True) -> Format | None:
    """The format that the name of a file tells; None if it has no suffix.

    Args:
        name: of the file.
        strict: whether a suffix of no format is an error; else it tells nothing.

    Raises:
        UsageError: there is no such format.
    """
    suffix = ending(name)
    if not suffix or (not strict and not any(suffix.lower() in known.suffixes for known in FORMATS)):
        return None
    try:
        return find(suffix)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def ending(name: str) -> str:
    """The suffix of a file: of two parts, such as ``.opm.xml``, where a format has that one."""
    stem, last = os.path.splitext(name)
    two = os.path.splitext(stem)[1] + last
    return two if any(two.lower() in known.suffixes for known in FORMATS) else last


def _by_content(data: bytes, known: Format | None) -> Format | None:
    """The format that the first words of a document tell; `known`, what its name tells, where they do not."""
    from trilha.formats.detection import suffix_of

    suffix = suffix_of(data)
    if suffix is None:
        return known
    if known is not None and suffix not in {".rdf", ".jsonld", ".opm"}:
        return known  # whose reader says what is wrong with it
    return find(suffix)


def write(document: Document, target: str | os.PathLike[str] | IO[Any], format: str | None = None) -> None:
    """Write a document. A file is replaced as a whole or not at all.

    Args:
        document: what to write.
        target: a path, or an open file, binary or text.
        format: a name, suffix or media type; by default told by the suffix.

    Raises:
        FormatError: the format cannot carry the document.
        UsageError: no such format, or the file cannot be written.
    """
    known = chosen(_name(target), format)
    if not known.writes:
        writable = ", ".join(other.title for other in FORMATS if other.writes)
        raise UsageError(f"this version reads {known.title} but does not write it: expected {writable}")
    store(import_module(f"trilha.formats.{known.name}").write(document), target)


def _name(file: str | os.PathLike[str] | IO[Any]) -> str:
    """What to call a file in messages."""
    if isinstance(file, str | os.PathLike):
        return os.fspath(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "document"


def chosen(name: str, format: str | None) -> Format:
    """The format to write a file of that name in: `format`, if it is given, else what the name tells.

    Raises:
        UsageError: there is no such format, or the name tells none.
    """
    known = find(format) if format is not None else _by_suffix(name)
    if known is None:
        raise UsageError(
            f"{name}: its name tells no format: give one, such as format='provn' or format='json'"
        )
    return known
