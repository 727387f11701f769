"""Texts of RDF into graphs: each subject with its properties, and Python's values for literals.

The parser is pyoxigraph's (the extra ``trilha[rdf]``); nothing of it leaves this module. A blank node becomes
a `Name` that begins with ``_:``: its label, or a number where it has none.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from trilha.errors import FormatError, MissingExtra, UsageError
from trilha.formats.rdf.vocabulary import INVERSE, RDF
from trilha.prov import PROV, XSD, Name, Namespaces
from trilha.prov.uncollected import uncollected
from trilha.prov.values import QUALIFIED_NAME, literal

__all__ = ["Graph", "Graphs", "parse"]

Graph = dict[Name, list[Any]]
"""The subjects of a graph in order of appearance, each with ``[property 1, value 1, property 2, …]``.

A resource is a `Name`; a literal is a value as attributes have them.
"""

_STRING: Final = str(XSD["string"])
_LANGUAGE_STRING: Final = str(RDF["langString"])
_PROV_TYPE: Final = PROV["type"]
_RDF_TYPE: Final = RDF["type"]
_UNLABELLED = re.compile(r"[0-9a-f]{16,32}")
_TAG = re.compile(rb"[\"']@([A-Za-z]+(?:-[A-Za-z0-9]+)*)|xml:lang\s*=\s*[\"']([A-Za-z]+(?:-[A-Za-z0-9]+)*)")
_REMEMBERED: Final = 8192
"""Values that are remembered: the same time or number often stands in several triples close by."""
_DEEPEST: Final = 1000
"""Elements of RDF/XML within each other."""


class Graphs(NamedTuple):
    """What a text says.

    Attributes:
        default: the default graph.
        named: the named graphs, in order of appearance.
        prefixes: as they were declared last.
        shared: the blank nodes that a literal or structural use alone does not account for: those that are
            the value of any property but ``prov:qualified…``.
    """

    default: Graph
    named: dict[Name, Graph]
    prefixes: dict[str, str]
    shared: set[Name]


class _Names(dict[str, Name]):
    def __missing__(self, text: str) -> Name:
        name = self[text] = Name(text)
        return name


class _Blanks(dict[str, Name]):
    """The names of blank nodes. Those without label get numbers that no label in the text begins like."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._stem = "b"
        while b"_:" + self._stem.encode() in data or b'nodeID="' + self._stem.encode() in data:
            self._stem += "b"
        self._count = 0

    def __missing__(self, label: str) -> Name:
        if _UNLABELLED.fullmatch(label):
            self._count += 1
            name = Name(f"_:{self._stem}{self._count}")
        else:
            name = Name("_:" + label)
        self[label] = name
        return name


class _Tags(dict[str, str]):
    """The language tags as the text has them: the parser gives them in lower case.

    Where a text has several spellings of one tag, RDF takes them for the same; the usual one is given.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data: bytes | None = data

    def __missing__(self, low: str) -> str:
        if self._data is not None:
            spellings: dict[str, set[str]] = defaultdict(set)
            for match in set(_TAG.findall(self._data)):
                tag = (match[0] or match[1]).decode("ascii")
                spellings[tag.lower()].add(tag)
            self.update((one, tags.pop()) for one, tags in spellings.items() if len(tags) == 1)
            self._data = None
            return self[low]
        language, *parts = low.split("-")
        usual = [language]
        for part in parts:
            usual.append(
                part.upper()
                if len(part) == 2 and len(usual[-1]) > 1
                else part.title()
                if len(part) == 4
                else part
            )
        self[low] = "-".join(usual)
        return self[low]


def parse(data: bytes, name: str, syntax: str) -> Graphs:
    """The graphs in `data`.

    Args:
        data: the text, in UTF-8.
        name: what to call the file in messages; relative IRIs are relative to it.
        syntax: what pyoxigraph calls it: ``"TURTLE"``, ``"TRIG"``, ``"N_TRIPLES"``, ``"N_QUADS"`` or
            ``"RDF_XML"``.

    Raises:
        FormatError: it is not of that syntax, or of a part of RDF 1.2 that PROV has no use for.
        MissingExtra: pyoxigraph is not installed.
    """
    try:
        import pyoxigraph
    except ImportError as error:
        raise MissingExtra("pyoxigraph", "rdf") from error
    data = data.removeprefix(b"\xef\xbb\xbf")
    if syntax == "RDF_XML":
        _check_xml(data, name)
    base = "file://" + quote(os.path.abspath(name))
    chosen = getattr(pyoxigraph.RdfFormat, syntax)
    # Lenient: an IRI that is odd, such as one with a bare %, is a name like another.
    parser = pyoxigraph.parse(data, chosen, base_iri=base, lenient=True)
    try:
        with uncollected():
            default, named, shared = _collect(pyoxigraph, parser, data)
    except SyntaxError as error:
        raise FormatError(_complaint(error, name)) from None
    except (ValueError, UsageError) as error:
        raise FormatError(f"{name}: {error}") from None
    return Graphs(default, named, _prefixes(parser.prefixes), shared)


def _complaint(error: SyntaxError, name: str) -> str:
    text = re.sub(r"^Parser error at line .*?: ", "", str(error.msg))
    place = f"{name}:{error.lineno}:{error.offset}" if error.lineno else name
    return f"{place}: {text}; expected RDF"


def _collect(library: Any, parser: Any, data: bytes) -> tuple[Graph, dict[Name, Graph], set[Name]]:
    """All triples, by graph and subject."""
    resource, blank_node, text = library.NamedNode, library.BlankNode, library.Literal
    nowhere = library.DefaultGraph
    names, blanks, tags = _Names(), _Blanks(data), _Tags(data)
    default: defaultdict[Name, list[Any]] = defaultdict(list)
    named: dict[Name, defaultdict[Name, list[Any]]] = {}
    shared: set[Name] = set()
    values: dict[tuple[str, str], Any] = {}
    inverse, qualified = INVERSE, PROV.iri + "qualified"
    for quad in parser:
        subject, predicate, object, graph = quad
        key = names[subject.value] if subject.__class__ is resource else blanks[subject.value]
        property = names[predicate.value]
        kind = object.__class__
        value: Any
        if kind is resource:
            value = names[object.value]
        elif kind is text:
            datatype, written = object.datatype.value, object.value
            if datatype == _STRING:
                value = written
            elif datatype == _LANGUAGE_STRING:
                value = literal(written, None, tags[object.language])
            else:
                value = values.get((written, datatype))
                if value is None:
                    if len(values) >= _REMEMBERED:
                        values.clear()
                    value = values[written, datatype] = literal(written, names[datatype])
                if datatype == QUALIFIED_NAME and property == _RDF_TYPE:
                    property = _PROV_TYPE  # a value, not a class
        elif kind is blank_node:
            value = blanks[object.value]
            if not property.startswith(qualified):
                shared.add(value)
        else:
            raise ValueError("a triple stands as a value; expected a resource or a literal (RDF 1.1)")
        if property in inverse and kind is not text:
            key, value, property = value, key, inverse[property]
        if graph.__class__ is nowhere:
            default[key] += (property, value)
        else:
            label = names[graph.value] if graph.__class__ is resource else blanks[graph.value]
            if label not in named:
                named[label] = defaultdict(list)
            named[label][key] += (property, value)
    return default, dict(named), shared


def _prefixes(declared: dict[str, str]) -> dict[str, str]:
    """The prefixes that can be declared in a document: PROV fixes what some of them mean."""
    kept = Namespaces()
    for prefix, iri in declared.items():
        try:
            kept.add(prefix, iri)
        except UsageError:
            continue  # names are whole IRIs here: only their looks depend on it
    return dict(kept.items())


def _check_xml(data: bytes, name: str) -> None:
    """Refuse XML that is broken, or that a few lines of would fill the memory."""
    from xml.parsers import expat

    parser = expat.ParserCreate()
    depth = 0

    def begin(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise FormatError(f"{_place()}: elements are nested too deeply; expected at most {_DEEPEST}")

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    def entity(*declared: Any) -> None:
        value = declared[2]
        if value is None or "&" in value or "%" in value:
            raise FormatError(
                f"{_place()}: the entity {declared[0]} is made of others, or stands elsewhere; expected text"
            )
        if len(value) > 10_000:
            raise FormatError(f"{_place()}: the entity {declared[0]} is too long; expected the text itself")

    def _place() -> str:
        return f"{name}:{parser.CurrentLineNumber}:{parser.CurrentColumnNumber + 1}"

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.errors.messages[error.code] if error.code in expat.errors.messages else str(error)
        raise FormatError(f"{name}:{error.lineno}:{error.offset + 1}: {what}; expected RDF/XML") from None
    except (LookupError, ValueError) as error:  # an encoding that Python or the parser does not know
        raise FormatError(f"{name}:1:1: {error}; expected RDF/XML in UTF-8") from None
