"""PROV-JSON, the W3C member submission (https://www.w3.org/submissions/2013/SUBM-prov-json-20130424/).

A relation without an identifier gets one that begins with ``_:``, as the submission wants; reading forgets it
again, unless something refers to it. What PROV-JSON cannot carry: the ``-`` of PROV-N, which is written as an
argument left out, and the order of statements of different kinds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NoReturn

import msgspec

from trilha.errors import FormatError, UsageError
from trilha.formats.carried import check_carried
from trilha.formats.prefixes import Prefixes
from trilha.prov import PLAIN, PROV, XSD, Bundle, Document, Kind, Literal, Name, Namespaces, Record
from trilha.prov.values import QUALIFIED_NAME, lexical, literal
from trilha.prov.values import time as _time

__all__ = ["read", "write"]

_SECTIONS: Final = {kind.provn: kind for kind in PLAIN}
_DICTIONARY: Final = frozenset(
    {"derivedByInsertionFrom", "derivedByRemovalFrom", "hadDictionaryMember", "dictionary"}
)
_MEMBERSHIP: Final = Kind.MEMBERSHIP
_NAME_TYPES: Final = frozenset({QUALIFIED_NAME, XSD["QName"]})


# Reading


def read(data: bytes, name: str = "document") -> Document:
    """The document in `data`.

    Args:
        data: PROV-JSON, in UTF-8.
        name: what to call the file in messages.

    Raises:
        FormatError: it is no PROV-JSON. The message begins with the file and the place: line and column where
            it is no JSON, else the path of the value.
    """
    content = _decode(data, name)
    reader = _Reader(name)
    document = reader.document(content)
    if reader.keys != _count_keys(data):
        _refuse_repeated_keys(data, name)  # exact, but slow: only where counting could not rule them out
    return document


class _Reader:
    """What one document is read with."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys = 0
        """Keys met so far, to be compared with those in the text: a repeated one is in the text only."""

    def fail(self, message: str, *path: str | int) -> NoReturn:
        raise FormatError(f"{self.file}: {_path(path)}: {message}")

    def object(self, value: Any, what: str, *path: str | int) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(f"expected {what}, not {_shown(value)}", *path)
        self.keys += len(value)
        return value

    def document(self, content: Any) -> Document:
        content = self.object(content, "a PROV-JSON document: an object")
        document = Document()
        self.declare(document, content, ())
        _Scope(self, document, ()).fill(content)
        bundles = self.object(content.get("bundle", {}), "bundles: an object of objects", "bundle")
        for key, inside in bundles.items():
            self.bundle(document, key, self.object(inside, "a bundle: an object", "bundle", key))
        return document

    def bundle(self, document: Document, key: str, content: dict[str, Any]) -> None:
        path = ("bundle", key)
        if "bundle" in content:
            self.fail("a bundle cannot hold bundles: put them beside it", *path, "bundle")
        own = Bundle(Name(key), Namespaces((), document.namespaces))
        self.declare(own, content, path)
        try:
            scope = document if key.partition(":")[0] in document.namespaces else own
            own.name = _Names(scope)[key]
        except UsageError as error:
            self.fail(str(error), *path)
        if document.bundles.setdefault(own.name, own) is not own:
            self.fail("another bundle has the same name: put their statements into one", *path)
        _Scope(self, own, path).fill(content)

    def declare(self, scope: Document | Bundle, content: dict[str, Any], path: tuple[str, ...]) -> None:
        prefixes = self.object(content.get("prefix", {}), "prefixes: an object of IRIs", *path, "prefix")
        for prefix, iri in prefixes.items():
            if not isinstance(iri, str):
                self.fail(f"expected an IRI, not {_shown(iri)}", *path, "prefix", prefix)
            fixed = {"prov": PROV.iri, "xsd": XSD.iri}.get(prefix)
            if fixed is not None and iri.rstrip("#/") == fixed.rstrip("#"):
                continue  # some tools leave out the last sign
            try:
                scope.namespaces.add("" if prefix == "default" else prefix, iri)
            except UsageError as error:
                self.fail(str(error), *path, "prefix", prefix)


class _Names(dict[str, Name]):
    """Text to name in one scope. It forgets nothing, since the same name comes again in a later section."""

    def __init__(self, scope: Document | Bundle) -> None:
        super().__init__()
        self._namespaces = scope.namespaces

    def __missing__(self, text: str) -> Name:
        prefix, colon, local = text.partition(":")
        iri = self._namespaces.get(prefix) if colon else None
        if iri is None:
            try:
                name = self[text] = self._namespaces.resolve(text)
            except UsageError as error:
                what = (
                    f"the prefix {prefix!r} of {text!r}"
                    if colon
                    else f"{text!r} has no prefix, and a default"
                )
                raise UsageError(f'{what} is not declared: expected it in "prefix"') from error
        else:
            name = self[text] = Name(iri + local)
        return name


class _Scope:
    """Reads the statements of a document, or of one bundle."""

    def __init__(self, reader: _Reader, target: Document | Bundle, path: tuple[str, ...]) -> None:
        self.reader = reader
        self.target = target
        self.path = path
        self.names = _Names(target)
        self.kept: set[str] = set()
        """Identifiers of relations that begin with ``_:`` and that something refers to."""

    def fill(self, content: dict[str, Any]) -> None:
        """Read all statements; once more, if some refer to a relation by an identifier that was forgotten."""
        keys = self.reader.keys
        self.sections(content)
        blank = {text for text in self.names if text.startswith("_:")}
        relations = [content[kind.provn] for kind in PLAIN if not kind.is_element and kind.provn in content]
        if blank and any(not blank.isdisjoint(relation) for relation in relations):
            self.kept = blank
            self.reader.keys = keys
            self.target.records.clear()
            self.sections(content)

    def sections(self, content: dict[str, Any]) -> None:
        for section, statements in content.items():
            kind = _SECTIONS.get(section)
            if kind is not None:
                self.section(
                    kind, self.reader.object(statements, "statements: an object", *self.path, section)
                )
            elif section not in {"prefix", "bundle"}:
                what = "of PROV-Dictionary and not read yet" if section in _DICTIONARY else "unknown"
                expected = ", ".join(_SECTIONS)
                self.reader.fail(
                    f"this kind of statement is {what}: expected {expected}", *self.path, section
                )

    def section(self, kind: Kind, statements: dict[str, Any]) -> None:
        """Read the statements of one kind. The loop that a large document spends its time in."""
        names, value_of, time_of, kept = self.names, self.value, self.time, self.kept
        slots, blank = _SLOTS[kind]
        anonymous = not kind.is_element
        append = self.target.records.append
        keys = 0
        for key, number, body in self.bodies(kind, statements):
            keys += len(body)
            cells: list[Any] = blank.copy()
            flat: list[Any] = []
            attribute: str | None = None
            try:
                if not (anonymous and key[:2] == "_:") or key in kept:
                    cells[1] = names[key]
                for attribute, value in body.items():  # noqa: B007 -- what failed, for the message
                    slot = slots.get(attribute) or slots.get(names[attribute])
                    if slot is None:
                        for one in value if value.__class__ is list else (value,):
                            flat += (names[attribute], one if one.__class__ is str else value_of(one))
                    elif slot > 0:
                        cells[slot] = names[value] if value.__class__ is str else self.reference(value, kind)
                    else:
                        cells[-slot] = _time(value) if value.__class__ is str else time_of(value)
            except UsageError as error:
                place = [part for part in (key, number, attribute) if part is not None]
                self.reader.fail(str(error), *self.path, kind.provn, *place)
            if flat:
                cells[-1] = tuple(flat)
            if kind is _MEMBERSHIP and cells[3].__class__ is tuple:  # several members
                for member in cells[3]:
                    append(Record.new((*cells[:3], member, cells[4])))
            else:
                append(Record.new(tuple(cells)))
        self.reader.keys += keys

    def bodies(
        self, kind: Kind, statements: dict[str, Any]
    ) -> Iterator[tuple[str, int | None, dict[str, Any]]]:
        """Identifier, place in the array of those with that identifier (None without array), and content."""
        for key, body in statements.items():
            if body.__class__ is dict:
                yield key, None, body
            elif body.__class__ is list:
                for number, one in enumerate(body):
                    if one.__class__ is not dict:
                        self.fail_at("expected a statement: an object", one, kind, key, number)
                    yield key, number, one
            else:
                self.fail_at("expected a statement: an object, or an array of objects", body, kind, key)

    def fail_at(self, message: str, found: Any, kind: Kind, *path: str | int) -> NoReturn:
        self.reader.fail(f"{message}; found {_shown(found)}", *self.path, kind.provn, *path)

    def reference(self, value: Any, kind: Kind) -> Name | tuple[Name, ...]:
        """A name that is not simply text: typed, or in an array; of several the members of a collection."""
        if isinstance(value, list) and (len(value) == 1 or (value and kind is _MEMBERSHIP)):
            found: tuple[Any, ...] = tuple(self.reference(one, Kind.ENTITY) for one in value)
            return found[0] if len(found) == 1 else found
        if isinstance(value, dict):
            value = self.value(value)
            if isinstance(value, Name):
                return value
        if isinstance(value, str):
            return self.names[value]
        raise UsageError(f"expected a name such as 'ex:e1', not {_shown(value)}")

    def time(self, value: Any) -> datetime | str:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict):
            value = self.value(value)
            value = value.value if isinstance(value, Literal) else value
        return _time(value)

    def value(self, value: Any) -> Any:
        """The value of an attribute: as such, or an object of text, type and language."""
        if value is None or isinstance(value, list):
            raise UsageError(f"expected text, a number, a truth, or an object with '$', not {_shown(value)}")
        if not isinstance(value, dict):
            return value
        self.reader.keys += len(value)
        if "$" not in value or not value.keys() <= {"$", "type", "lang"}:
            raise UsageError(
                f"expected a value with '$' and 'type' or 'lang', not one with {_shown(list(value))}"
            )
        text, datatype, language = value["$"], value.get("type"), value.get("lang")
        if not isinstance(text, str):  # a number or a truth, which some tools write so
            text = lexical(self.value(text))[0]
        if language is not None:
            return literal(text, None, language if isinstance(language, str) else str(language))
        if datatype is None:
            return text
        if not isinstance(datatype, str):
            raise UsageError(f"expected a type such as 'xsd:int', not {_shown(datatype)}")
        resolved = self.names[datatype]
        return self.names[text] if resolved in _NAME_TYPES else literal(text, resolved)


def _slots(kind: Kind) -> tuple[dict[str, int], list[Any]]:
    """Where each argument goes, by its key and by its IRI (a time: negative); and empty cells."""
    slots: dict[str, int] = {}
    for place, argument in enumerate(kind.arguments, 2):
        for key in (argument.json, PROV.iri + argument.json.removeprefix("prov:")):
            slots[key] = -place if argument.is_time else place
    return slots, [kind, *[None] * (len(kind.arguments) + 1), ()]


_SLOTS: Final = {kind: _slots(kind) for kind in PLAIN}


def _decode(data: bytes, name: str) -> Any:
    """The JSON value in `data`; by the fast decoder, or by the exact one where that has something to say."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_exactly(data, name)


def _decode_exactly(data: bytes, name: str) -> Any:
    try:
        text = data.decode("utf-8", "surrogatepass")
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"{name}:{error.lineno}:{error.colno}"
        raise FormatError(f"{place}: expected JSON: {error.msg[0].lower()}{error.msg[1:]}") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise FormatError(f"{name}:{line}:{column}: expected JSON in UTF-8: {error.reason}") from None
    except RecursionError:
        raise FormatError(f"{name}: expected PROV-JSON: values are nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"{name}: expected JSON: {error}") from None


def _no_constant(text: str) -> NoReturn:
    text = text.replace("Infinity", "INF")
    raise ValueError(f'a number, not {text}: write it as {{"$": "{text}", "type": "xsd:double"}}')


_KEY = re.compile(rb'"[ \t\r\n]*:')
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")([ \t\r\n]*:)?|[{}\[\]]')


def _count_keys(data: bytes) -> int:
    """At least as many as there are keys in `data`, and just as many unless text in it looks like one."""
    if any(spaced in data for spaced in (b" :", b"\n:", b"\t:", b"\r:")):
        return len(_KEY.findall(data))
    return data.count(b'":')


def _refuse_repeated_keys(data: bytes, name: str) -> None:
    """Refuse a key that stands twice in one object: JSON leaves open which counts; one would be lost."""
    text = data.decode("utf-8", "surrogatepass")
    objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            objects.append(set())
        elif token[0] in "}]":
            objects.pop()
        elif token[2]:
            key = json.loads(token[1])
            if key in objects[-1]:
                line, column = _place(text, token.start())
                raise FormatError(
                    f"{name}:{line}:{column}: the key {token[1]} stands twice in one object: expected it"
                    " once; an array holds several statements with one identifier, or several values"
                )
            objects[-1].add(key)


def _place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _path(path: tuple[str | int, ...]) -> str:
    """A path in the manner of JSONPath: ``$.entity['ex:e1']``."""
    parts = [f".{part}" if str(part).isidentifier() else f"[{part!r}]" for part in path]
    return "$" + "".join(parts)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True, default=repr)
    return text if len(text) <= 60 else f"{text[:57]}..."


# Writing


def write(document: Document) -> bytes:
    """The document as PROV-JSON, in UTF-8, indented.

    Raises:
        FormatError: an attribute has the name of an argument, so that a reader would take it for one.
    """
    names = Prefixes(document, _spell, _keeps, blank=True)
    content = _contents(document.records, names)
    bundles: dict[str, Any] = {}
    for bundle in document.bundles.values():
        inner = Prefixes(document, _spell, _keeps, bundle.namespaces, names, blank=True)
        inside = _contents(bundle.records, inner)
        bundles[names.shared(bundle.name, inner)] = _with_prefixes(inner, inside)
    if bundles:
        content["bundle"] = bundles
    return _encode(_with_prefixes(names, content))


def _with_prefixes(names: Prefixes, content: dict[str, Any]) -> dict[str, Any]:
    prefixes = {prefix or "default": iri for prefix, iri in names.declared.items()}
    return {"prefix": prefixes, **content} if prefixes else content


def _encode(content: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
    except (UnicodeEncodeError, RecursionError):  # lone surrogates, which JSON can escape
        return json.dumps(content, indent=1, default=datetime.isoformat).encode("ascii") + b"\n"


def _contents(records: list[Record], names: Prefixes) -> dict[str, Any]:
    """The statements of one scope, kind by kind."""
    stem = "_:r"
    while True:
        content = _statements(records, names, stem)
        if not any(text.startswith(stem) for text in names.values()):
            return {section: body for section, body in content.items() if body}
        stem += "r"  # a name in the document begins so, too


def _statements(records: list[Record], names: Prefixes, stem: str) -> dict[str, dict[str, Any]]:
    check_carried(records, "PROV-JSON")
    content: dict[str, dict[str, Any]] = {kind.provn: {} for kind in PLAIN}
    shapes: list[tuple[dict[str, Any], tuple[str, ...]]] = [({}, ())]
    shapes += [(content[kind.provn], tuple(argument.json for argument in kind.arguments)) for kind in PLAIN]
    anonymous = 0
    for record in records:
        section, arguments = shapes[record[0]]
        body: dict[str, Any] = {}
        for argument, cell in zip(arguments, record[2:-1]):  # noqa: B905 -- as many by construction
            if cell.__class__ is Name:
                body[argument] = names[cell]
            elif cell:
                body[argument] = cell  # a time, which the encoder knows how to write
        if record[-1]:
            _attributes(record[-1], names, body, record[0])
        if record[1] is None:
            anonymous += 1
            section[f"{stem}{anonymous}"] = body
            continue
        key = names[record[1]]
        if key not in section:
            section[key] = body
        elif isinstance(section[key], list):
            section[key].append(body)
        else:
            section[key] = [section[key], body]
    return content


def _attributes(flat: tuple[Any, ...], names: Prefixes, body: dict[str, Any], kind: Kind) -> None:
    """Add attributes to the body of a statement; several values of one are an array."""
    for i in range(0, len(flat), 2):
        key, value = names[flat[i]], flat[i + 1]
        if value.__class__ is not str:
            value = _value(value, names)
        if key in _ARGUMENTS[kind]:
            raise FormatError(f"PROV-JSON has no attribute {key} for {kind.provn}: it is an argument there")
        if key not in body:
            body[key] = value
        elif isinstance(body[key], list):
            body[key].append(value)
        else:
            body[key] = [body[key], value]


_ARGUMENTS: Final = {kind: frozenset(argument.json for argument in kind.arguments) for kind in PLAIN}
_INT: Final = range(-(1 << 31), 1 << 31)


def _value(value: Any, names: Prefixes) -> Any:
    """The value of an attribute. A number that a reader elsewhere might take for another has its type."""
    kind = value.__class__
    if kind is bool or (kind is int and value in _INT):
        return value
    if kind is float and math.isfinite(value) and not value.is_integer():
        return value
    if kind is Name:
        return {"$": names[value], "type": "prov:QUALIFIED_NAME"}
    text, datatype, language = lexical(value)
    if language is not None:
        return {"$": text, "lang": language}
    return {"$": text, "type": names[datatype]}


def _keeps(prefix: str) -> bool:
    return prefix != "default"


def _spell(prefix: str, local: str) -> str | None:
    """A qualified name; a reader takes it apart at its first colon."""
    if prefix:
        return f"{prefix}:{local}"
    return local if local and ":" not in local else None
