"""Reading PROV-JSONLD: the half of `trilha.formats.provjsonld` that makes a document of text.

This is the shape that the submission defines, read as JSON: no processor of JSON-LD is behind it, and nothing
is ever fetched. The context of the submission is known; another one must stand in the document, as prefixes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NoReturn

import msgspec

from trilha.errors import FormatError, UsageError
from trilha.formats.json_text import (
    BYTE_ORDER_MARK,
    count_keys,
    decode_exactly,
    path_text,
    refuse_repeated_keys,
    shown,
)
from trilha.formats.provjsonld_terms import BY_NAME, PREFIXES, RESERVED, TERMS
from trilha.prov import PROV, XSD, Bundle, Document, Kind, Literal, Name, Namespaces, Record
from trilha.prov.uncollected import uncollected
from trilha.prov.values import QUALIFIED_NAME, lexical, literal
from trilha.prov.values import time as _time

__all__ = ["CONTEXT", "read"]

CONTEXT: Final = "https://openprovenance.org/prov-jsonld/context.jsonld"
"""The address of the context of the submission."""
_CONTEXTS: Final = frozenset({
    CONTEXT,
    "http://openprovenance.org/prov-jsonld/context.jsonld",
    "https://www.w3.org/submissions/prov-jsonld/context.jsonld",
    "http://www.w3.org/submissions/prov-jsonld/context.jsonld",
})  # fmt: skip
_WITHOUT_MEANING: Final = frozenset({"@version", "@base", "@protected", "@propagate"})
"""Keywords of a context that change nothing here; ``@base`` comes with ``@vocab``."""
_NAME_TYPES: Final = frozenset({QUALIFIED_NAME, XSD["QName"]})
_AT_ONCE: Final = 2048

_Raw = msgspec.Raw
_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_parts_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_all_of = msgspec.json.Decoder(list[Any]).decode
_value_of = msgspec.json.Decoder().decode
_Path = tuple[str | int, ...]


def read(data: bytes, name: str = "document") -> Document:
    """The document in `data`.

    Args:
        data: PROV-JSONLD, in UTF-8.
        name: what to call the file in messages.

    Raises:
        FormatError: it is no PROV-JSONLD, or has a context that would have to be fetched. The message begins
            with the file and the place: line and column where it is no JSON, else the path of the value.
    """
    data = data.removeprefix(BYTE_ORDER_MARK)
    reader = _Reader(name)
    with uncollected():
        try:
            document = reader.document(_members_of(data))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            reader = _Reader(name)
            content = decode_exactly(data, name, "PROV-JSONLD")
            try:
                document = reader.document(content)
            except RecursionError:
                raise FormatError(f"{name}: expected PROV-JSONLD: values are nested too deeply") from None
    if reader.keys != count_keys(data):
        refuse_repeated_keys(data, name)  # exact, but slow: only where counting could not rule them out
    return document


class _Reader:
    """What one document is read with. A value is of JSON, or still its text (`msgspec.Raw`)."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys = 0
        """Keys met so far, to be compared with those in the text: a repeated one is in the text only."""

    def fail(self, message: str, *path: str | int) -> NoReturn:
        raise FormatError(f"{self.file}: {path_text(path)}: {message}")

    def document(self, content: Any) -> Document:
        if not isinstance(content, dict):
            expanded = ", not an array, as expanded JSON-LD has it" if isinstance(content, list) else ""
            self.fail(f"expected a PROV-JSONLD document: an object of '@context' and '@graph'{expanded}")
        self.keys += len(content)
        self.only(content, {"@context", "@graph", "@type", "@id"})
        document = Document()
        scope = _Scope(self, document, ())
        scope.declare(content)
        scope.fill(content, document)
        return document

    def only(self, content: dict[str, Any], known: set[str], *path: str | int) -> None:
        """Refuse what stands beside a graph: it would be a statement about the document."""
        for key in content:
            if key not in known:
                self.fail(f"expected {', '.join(sorted(known))} here, and statements in '@graph'", *path, key)


def _opened(value: Any) -> Any:
    return _value_of(value) if value.__class__ is _Raw else value


def _keys_in(value: Any) -> int:
    """The keys of an object, and of all objects within."""
    count, left = 0, [value]
    while left:
        one = left.pop()
        if one.__class__ is dict:
            count += len(one)
            left += one.values()
        elif one.__class__ is list:
            left += one
    return count


class _Names(dict[str, Name]):
    """Text to name in one scope."""

    def __init__(self, namespaces: Namespaces) -> None:
        super().__init__()
        self._namespaces = namespaces

    def __missing__(self, text: str) -> Name:
        prefix, colon, local = text.partition(":")
        iri = self._namespaces.get(prefix) if colon else None
        if iri is None and colon and prefix in PREFIXES:
            iri = PREFIXES[prefix]
        if iri is None:
            try:
                name = self[text] = self._namespaces.resolve(text)
            except UsageError as error:
                what = (
                    f"the prefix {prefix!r} of {text!r}" if colon else f"{text!r} has no prefix, and '@vocab'"
                )
                raise UsageError(f"{what} is not declared: expected it in '@context'") from error
        else:
            name = self[text] = Name(iri + local)
        return name


class _Scope:
    """Reads the context and the statements of a document, or of one bundle."""

    def __init__(self, reader: _Reader, target: Document | Bundle, path: _Path) -> None:
        self.reader = reader
        self.target = target
        self.path = path
        self.names = _Names(target.namespaces)
        self.attributes: dict[str, tuple[Name, bool]] = {}
        self.slots: dict[tuple[Kind, str], tuple[int, bool]] = {}

    # Context

    def declare(self, content: dict[str, Any]) -> None:
        """Take in the prefixes of a context, or of several."""
        given = _opened(content.get("@context", []))
        self.reader.keys += _keys_in(given)
        several = isinstance(given, list)
        for number, context in enumerate(given if several else [given]):
            path = (*self.path, "@context", number) if several else (*self.path, "@context")
            if isinstance(context, dict):
                self.prefixes(context, path)
            elif not isinstance(context, str):
                self.reader.fail(f"expected an object of prefixes or an address, not {shown(context)}", *path)
            elif context not in _CONTEXTS:
                self.reader.fail(
                    f"the context {context!r} stands elsewhere and is not fetched: expected {CONTEXT!r}, or"
                    " an object of prefixes in its place",
                    *path,
                )

    def prefixes(self, context: dict[str, Any], path: _Path) -> None:
        for prefix, given in context.items():
            if prefix in _WITHOUT_MEANING or (prefix in RESERVED and isinstance(given, dict)):
                continue  # a copy of the submission's own context
            simple = {"@id", "@prefix"} if isinstance(given, dict) and given.get("@prefix") else set()
            iri = given["@id"] if simple and given.keys() == simple else given
            if not isinstance(iri, str) or (prefix[:1] == "@" and prefix != "@vocab"):
                what = "this keyword" if prefix[:1] == "@" else "a term that is no prefix"
                self.reader.fail(f"{what} is not read: expected prefixes, each with its IRI", *path, prefix)
            fixed = {"prov": PROV.iri, "xsd": XSD.iri}.get(prefix)
            if fixed is not None and iri.rstrip("#/") == fixed.rstrip("#"):
                continue
            try:
                self.target.namespaces.add("" if prefix == "@vocab" else prefix, iri)
            except UsageError as error:
                self.reader.fail(str(error), *path, prefix)

    # Statements

    def fill(self, content: dict[str, Any], document: Document | None) -> None:
        """Read the graph; with a document, bundles in it, too."""
        if "@graph" not in content:
            self.reader.fail("expected '@graph', the array of statements", *self.path)
        graph = content["@graph"]
        if graph.__class__ is _Raw:
            graph = _parts_of(graph)
        if not isinstance(graph, list):
            self.reader.fail(f"expected an array of statements, not {shown(graph)}", *self.path, "@graph")
        for begin in range(0, len(graph), _AT_ONCE):
            some = graph[begin : begin + _AT_ONCE]
            if some[0].__class__ is _Raw:
                some = _all_of(b"[%b]" % b",".join(some))
                graph[begin : begin + _AT_ONCE] = [None] * len(some)
            for number, body in enumerate(some, begin):
                if body.__class__ is not dict:
                    self.fail_at(f"expected a statement: an object, not {shown(body)}", number)
                if "@graph" in body or _is_bundle(body):
                    self.bundle(body, number, document)
                else:
                    self.statement(body, number)

    def fail_at(self, message: str, number: int, *path: str | int) -> NoReturn:
        self.reader.fail(message, *self.path, "@graph", number, *path)

    def bundle(self, body: dict[str, Any], number: int, document: Document | None) -> None:
        self.reader.keys += len(body)
        path = (*self.path, "@graph", number)
        if document is None:
            self.reader.fail("a bundle cannot hold bundles: put them beside it", *path)
        if not _is_bundle(body):
            self.reader.fail("expected '@type': 'Bundle' for what has a '@graph'", *path)
        self.reader.only(body, {"@type", "@id", "@context", "@graph"}, *path)
        key = body.get("@id")
        if not isinstance(key, str):
            self.reader.fail("expected the name of the bundle in '@id'", *path)
        own = Bundle(Name(key), Namespaces((), document.namespaces))
        inner = _Scope(self.reader, own, path)
        inner.declare(body)
        try:
            own.name = inner.names[key]
        except UsageError as error:
            self.reader.fail(str(error), *path, "@id")
        if document.bundles.setdefault(own.name, own) is not own:
            self.reader.fail("another bundle has the same name: put their statements into one", *path)
        inner.fill(body, None)

    def statement(self, body: dict[str, Any], number: int) -> None:
        """Read one statement. The loop that a large document spends its time in."""
        self.reader.keys += len(body)
        at: tuple[str, ...] = ("@type",)
        names, slots = self.names, self.slots
        try:
            kind, types = self.kind(body.get("@type"))
            cells: list[Any] = [kind, *[None] * (len(kind.arguments) + 1), ()]
            flat: list[Any] = types
            several: tuple[Name, ...] = ()
            for key, value in body.items():
                if key == "@type":
                    continue
                at = (key,)
                slot = slots.get((kind, key))
                if slot is None:
                    slot = slots[kind, key] = self.slot(kind, key)
                place, is_time = slot
                if place < 0:
                    attribute, refers = self.attribute(key)
                    for one in value if value.__class__ is list else (value,):
                        flat += (attribute, self.value(one, refers=refers))
                elif is_time:
                    cells[place] = self.time(value)
                elif value.__class__ is str:
                    cells[place] = names[value]
                elif kind is Kind.MEMBERSHIP and place == 3 and isinstance(value, list) and value:
                    several = tuple(map(self.reference, value))
                else:
                    cells[place] = self.reference(value)
            if kind.is_element and cells[1] is None:
                at = ()
                raise UsageError(f"expected '@id', the name of the {kind.provn}")
        except UsageError as error:
            self.fail_at(str(error), number, *at)
        cells[-1] = tuple(flat)
        if several:
            self.target.records += [Record.new((*cells[:3], one, cells[-1])) for one in several]
        else:
            self.target.records.append(Record.new(tuple(cells)))

    def kind(self, given: Any) -> tuple[Kind, list[Any]]:
        """The kind of a statement by its type; further types are attributes."""
        if given.__class__ is str and given in BY_NAME:
            return BY_NAME[given], []
        found: Kind | None = None
        others: list[Any] = []
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, str):
                break
            kind = _KINDS.get(one) or _KINDS.get(self.names[one] if ":" in one else one)
            if kind is None:
                others += (PROV["type"], self.names[one])
            elif found is None:
                found = kind
            else:
                break
        else:
            if found is not None:
                return found, others
        raise UsageError(
            f"{shown(given)} is no kind of statement: expected one of {', '.join(BY_NAME)}, Bundle"
        )

    def slot(self, kind: Kind, key: str) -> tuple[int, bool]:
        """The place of an argument, and whether it is a time; -1 for an attribute."""
        if key == "@id":
            return 1, False
        if key[:1] == "@":
            raise UsageError(f"{key!r} is not read here: expected '@type', '@id', arguments and attributes")
        term = key.removeprefix("prov:")
        if term == key and ":" in key:
            name = self.names[key]
            term = name[len(PROV.iri) :] if name in PROV else key
        for place, argument in enumerate(kind.arguments, 2):
            if argument.json == f"prov:{term}":
                return place, argument.is_time
        return -1, False

    def attribute(self, key: str) -> tuple[Name, bool]:
        """The name of an attribute, and whether a bare text as its value is a name."""
        known = self.attributes.get(key)
        if known is None:
            term = TERMS.get(key)
            name = self.names[key] if term is None else term.name
            refers = any(other.refers for other in TERMS.values() if other.name == name)
            known = self.attributes[key] = name, refers
        return known

    def reference(self, value: Any) -> Name:
        """A name: as text, as a node, or alone in an array."""
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict) and value.keys() == {"@id"}:
            self.reader.keys += 1
            value = value["@id"]
        if isinstance(value, dict):
            value = self.value(value, refers=True)
            if isinstance(value, Name):
                return value
        if isinstance(value, str):
            return self.names[value]
        raise UsageError(f"expected a name such as 'ex:e1', not {shown(value)}")

    def time(self, value: Any) -> datetime | str:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict):
            value = self.value(value, refers=False)
            value = value.value if isinstance(value, Literal) else value
        return _time(value)

    def value(self, value: Any, *, refers: bool) -> Any:
        """The value of an attribute: as such, a node, or an object of text, type and language."""
        if value.__class__ is str:
            return self.names[value] if refers else value
        if value is None or isinstance(value, list):
            raise UsageError(
                f"expected text, a number, a truth, or an object with '@value' or '@id', not {shown(value)}"
            )
        if not isinstance(value, dict):
            return value
        self.reader.keys += len(value)
        if value.keys() == {"@id"} and isinstance(value["@id"], str):
            return self.names[value["@id"]]
        if "@value" not in value or not value.keys() <= {"@value", "@type", "@language"}:
            raise UsageError(
                "expected a value with '@value' and '@type' or '@language', not one with"
                f" {shown(list(value))}"
            )
        text, datatype, language = value["@value"], value.get("@type"), value.get("@language")
        if datatype is None and language is None and isinstance(text, str | int | float):
            return text
        if not isinstance(text, str):
            if not isinstance(text, int | float):
                raise UsageError(f"expected text in '@value', not {shown(text)}")
            text = lexical(text)[0]
        if language is not None:
            return literal(text, None, language if isinstance(language, str) else str(language))
        if not isinstance(datatype, str):
            raise UsageError(f"expected a type such as 'xsd:int', not {shown(datatype)}")
        if datatype == "@id":
            return self.names[text]
        resolved = self.names[datatype]
        return self.names[text] if resolved in _NAME_TYPES else literal(text, resolved)


def _is_bundle(body: dict[str, Any]) -> bool:
    given = body.get("@type")
    return isinstance(given, str) and given in _BUNDLE


def _spellings(term: str) -> tuple[str, ...]:
    """How the type of a statement may be written."""
    return term, f"prov:{term}", PROV.iri + term, f"provext:{term}", PREFIXES["provext"] + term


_KINDS: Final[dict[str, Kind]] = {
    spelling: kind for term, kind in BY_NAME.items() for spelling in _spellings(term)
}
_BUNDLE: Final = frozenset({"Bundle", "prov:Bundle", PROV.iri + "Bundle"})
