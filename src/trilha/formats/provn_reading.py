"""PROV-N, the notation for people (https://www.w3.org/TR/prov-n/): reading.

Nearly all statements of nearly all documents are plain: no comment inside, no escape in a name. They are
taken by one expression each, and their names, whose texts come again and again, from a table. Whatever is not
plain goes to `provn_parsing`, which knows the whole grammar and words the errors.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from typing import Any, Final

from trilha.errors import FormatError, UsageError
from trilha.formats import provn_grammar as grammar
from trilha.formats.places import Offsets
from trilha.formats.provn_parsing import KINDS, NAME_TYPES, Parser
from trilha.prov import PLACEHOLDER, Bundle, Document, Kind, Name, Namespaces
from trilha.prov.record import CLASSES
from trilha.prov.uncollected import uncollected
from trilha.prov.values import literal
from trilha.prov.values import time as _time

__all__ = ["begun_bundle", "read"]


def read(data: bytes | str, name: str = "document") -> Document:
    """The document in `data`.

    Args:
        data: PROV-N, as text or in UTF-8.
        name: what to call the file in messages.

    Raises:
        FormatError: it is no PROV-N. The message begins with file, line and column.
    """
    text = data if isinstance(data, str) else _decode(data, name)
    with uncollected():
        return _Reader(text.removeprefix("\ufeff"), name).document()


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[data.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
        raise FormatError(f"{name}:{line}:{column}: expected PROV-N in UTF-8: {error.reason}") from None


class _NotPlain(Exception):
    """Something that only the whole grammar can tell."""


class _Names(dict[str, Name]):
    """The names of one scope by their texts as they stand between commas, white space and all."""

    __slots__ = ("_namespaces",)

    def __init__(self, namespaces: Namespaces) -> None:
        self._namespaces = namespaces

    def __missing__(self, text: str) -> Name:
        bare = text.strip(" \t\r\n")
        if bare != text:
            name = self[text] = self[bare]
            return name
        match = grammar.NAME.fullmatch(text)
        if match is None or text.startswith(("//", "/*")):
            raise _NotPlain
        prefix, local, alone = match.groups()
        iri = self._namespaces.get(prefix or "")
        if iri is None:
            raise _NotPlain
        name = self[text] = Name(iri + grammar.unescaped_name(alone if local is None else local))
        return name


class _Optional(dict[str, Any]):
    """What may be ``-`` instead, by its text."""

    __slots__ = ("_other",)

    def __init__(self, other: Callable[[str], Any]) -> None:
        self._other = other

    def __missing__(self, text: str) -> Any:
        found = self[text] = PLACEHOLDER if text.strip(" \t\r\n") == "-" else self._other(text)
        return found


def _when(text: str) -> Any:
    bare = text.strip(" \t\r\n")
    if grammar.DATETIME.fullmatch(bare) is None:
        raise _NotPlain
    try:
        return _time(bare)
    except UsageError:
        raise _NotPlain from None


_TOKEN: Final = r"[^\s=,;\[\](){}<>\"'\\]++"  # noqa: S105 -- a symbol of a grammar
_HEAD = re.compile(
    r"[ \t\r\n]*+([A-Za-z]++)[ \t]*+\((?:([^()\[\]\"'\\{}<>;=,]*+);)?+([^()\[\]\"'\\{}<>;=]*+)([\[)])"
)
"""A statement up to its attributes, or whole: its word, identifier, arguments and next sign."""
_ATTRIBUTE = re.compile(
    rf"[ \t\r\n]*+({_TOKEN})[ \t\r\n]*+=[ \t\r\n]*+"
    r"(?:\"(?!\"\")((?:[^\"\\]++|\\[tbnrf\"'\\])*+)\""
    rf"(?:[ \t\r\n]*+(?:%%[ \t\r\n]*+({_TOKEN})|@([A-Za-z]++(?:-[A-Za-z0-9]++)*+)))?+"
    rf"|'({_TOKEN})'|(-?[0-9]{{1,18}}))"
    r"[ \t\r\n]*+(,|\][ \t\r\n]*+\))"
)
"""An attribute and what follows it: its name; text, data type, language, qualified name or number."""


class _Scope:
    """What the statements of a document, or of one bundle in it, are read with."""

    def __init__(self, target: Document | Bundle) -> None:
        self.target = target
        self.offsets = array("Q")
        self.names = names = _Names(target.namespaces)
        one, optional = names.__getitem__, _Optional(names.__getitem__).__getitem__
        when = _Optional(_when).__getitem__
        self.shapes: dict[str, tuple[Any, ...]] = {}
        for word, kind in KINDS.items():
            if kind > Kind.MEMBERSHIP:
                continue
            lookups = [when if argument.is_time else optional for argument in kind.arguments]
            required = sum(argument.required for argument in kind.arguments)
            if kind.is_element:
                lookups.insert(0, one)
                required = 1
            self.shapes[word] = (kind, CLASSES[kind], required, tuple(lookups), kind.is_element)

    def plain(self, text: str, at: int) -> int:
        """Read statements from an offset on, as long as they are plain; the offset of what is not."""
        head, attributes, names, shapes = _HEAD.match, self.attributes, self.names, self.shapes
        append, note, new = self.target.records.append, self.offsets.append, tuple.__new__
        try:
            while True:
                match = head(text, at)
                if match is None:
                    return at
                word, id, inside, sign = match.groups()
                kind, cls, required, lookups, is_element = shapes[word]
                parts = inside.split(",")
                end = match.end()
                flat: Any = ()
                if sign == "[":
                    if parts.pop().strip(" \t\r\n"):
                        return at
                    flat, end = attributes(text, end)
                count = len(parts)
                if not required <= count <= len(lookups):
                    return at
                cells = [find(part) for find, part in zip(lookups, parts)]  # noqa: B905 -- some may be left out
                if count < len(lookups):
                    cells += [None] * (len(lookups) - count)
                if is_element:
                    if id is not None:
                        return at
                    append(new(cls, (kind, *cells, flat)))
                else:
                    append(new(cls, (kind, None if id is None else names[id], *cells, flat)))
                note(match.start(1))
                at = end
        except (_NotPlain, KeyError):
            return at

    def attributes(self, text: str, at: int) -> tuple[Any, int]:
        """Attributes from behind their ``[`` on, flat, and the offset behind the statement."""
        names, one = self.names, _ATTRIBUTE.match
        flat: list[Any] = []
        while True:
            match = one(text, at)
            if match is None:
                raise _NotPlain
            key, said, datatype, language, name, number, sign = match.groups()
            flat.append(names[key])
            if said is not None:
                if "\\" in said:
                    said = grammar.unescaped_text(said)
                if datatype is not None:
                    flat.append(self.typed(said, datatype))
                else:
                    flat.append(said if language is None else literal(said, None, language))
            else:
                flat.append(int(number) if name is None else names[name])
            at = match.end()
            if sign != ",":
                return tuple(flat), at

    def typed(self, text: str, datatype: str) -> Any:
        resolved = self.names[datatype]
        if resolved in NAME_TYPES:
            raise _NotPlain
        return literal(text, resolved)


class _Reader:
    """What one document is read with."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.parser = Parser(text, file)
        self.made = Document()
        self.breaks: array[int] | None = None

    def document(self) -> Document:
        parser = self.parser
        parser.take_word("document")
        parser.declarations(self.made.namespaces)
        scope = _Scope(self.made)
        while (word := self.fill(scope)) == "bundle":
            self.bundle()
        if word != "endDocument":
            parser.fail("a statement, bundle or endDocument")
        parser.take_word("endDocument")
        if parser.peek():
            parser.fail("nothing after endDocument")
        self.place(scope)
        return self.made

    def bundle(self) -> None:
        """Read a bundle."""
        parser = self.parser
        bundle = begun_bundle(parser, self.made)
        self.made.bundles[bundle.name] = bundle
        scope = _Scope(bundle)
        if self.fill(scope) != "endBundle":
            parser.fail("a statement or endBundle")
        parser.take_word("endBundle")
        self.place(scope)

    def fill(self, scope: _Scope) -> str:
        """Read statements up to a word that begins none; that word, which is not taken; empty at the end."""
        parser, target = self.parser, scope.target
        while True:
            parser.at = scope.plain(self.text, parser.at)
            word = parser.word()
            if word in {"bundle", "endBundle", "endDocument"} or not parser.peek():
                return word
            start = parser.skip()
            target.records.append(parser.statement(target.namespaces))
            scope.offsets.append(start)

    def place(self, scope: _Scope) -> None:
        if self.breaks is None:
            self.breaks = array("Q", [match.start() for match in re.finditer("\n", self.text)])
        scope.target.places = Offsets(scope.offsets, self.breaks)


def begun_bundle(parser: Parser, made: Document) -> Bundle:
    """Take the beginning of a bundle. Its own prefixes, which come after its name, hold for its name, too."""
    parser.take_word("bundle")
    inner = Namespaces((), made.namespaces)
    start = parser.skip()
    match = grammar.NAME.match(parser.text, start)
    if match is None:
        parser.fail("the name of the bundle")
    parser.at = match.end()
    parser.declarations(inner)
    name = parser.resolve(match, inner)
    if name in made.bundles:
        parser.refuse("another bundle has the same name: expected their statements in one", start)
    return Bundle(name, inner)
