"""PROV-XML (https://www.w3.org/TR/prov-xml/): reading, element by element as the parser meets them.

The parser is Python's own, Expat. A document type declaration that declares anything is refused, since
entities can make a small file a huge one, or one that is somewhere else.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn
from xml.parsers import expat

from trilha.errors import FormatError, UsageError
from trilha.formats.places import Positions
from trilha.formats.provxml_literals import Fragment
from trilha.formats.provxml_terms import (
    ARGUMENTS,
    KINDS,
    SCHEMA,
    SCHEMA_INSTANCE,
    SUBTYPES,
    XML,
    XML_LITERAL,
)
from trilha.prov import PROV, XSD, Bundle, Document, Kind, Name, Namespaces, Record
from trilha.prov.record import CLASSES
from trilha.prov.uncollected import uncollected
from trilha.prov.values import QUALIFIED_NAME, literal
from trilha.prov.values import time as _time

__all__ = ["read", "refusals"]

SEPARATOR: Final = "\x01"
"""Between namespace and local name, as the parser gives them. No document can hold it."""

_TYPE, _LANGUAGE = f"{SCHEMA_INSTANCE}{SEPARATOR}type", f"{XML}{SEPARATOR}lang"
_ID, _REF = f"{PROV.iri}{SEPARATOR}id", f"{PROV.iri}{SEPARATOR}ref"
_NAME_TYPES: Final = frozenset({QUALIFIED_NAME, XSD["QName"]})
_SUBTYPE_NAMES: Final = frozenset(name for _, name in SUBTYPES.values())
_PROV_TYPE: Final = PROV["type"]
_MEMBER_KEY: Final = PROV["key"]
_WHITE: Final = " \t\r\n"
_BUNDLE: Final = f"{PROV.iri}{SEPARATOR}bundle"
_CONTENT: Final = f"{PROV.iri}{SEPARATOR}bundleContent"
_DOCUMENT: Final = f"{PROV.iri}{SEPARATOR}document"
_KEY: Final = f"{PROV.iri}{SEPARATOR}key"
_ENTITY: Final = f"{PROV.iri}{SEPARATOR}entity"
_PAIR: Final = f"{PROV.iri}{SEPARATOR}keyEntityPair"
_LAST_PLAIN: Final = int(Kind.MEMBERSHIP)
_PORTION: Final = 1 << 20
"""Bytes that the parser is given at once: it does not stop for an error before it has seen them."""
_TOOLBOX_ESCAPE = re.compile("__|^_(?=[^A-Za-z_])|^_$")


def _shapes() -> dict[str, tuple[Kind, Name | None, dict[str, int]]]:
    """Of each statement, by its element: kind, further type, where its arguments go (times: negative)."""
    slots = {
        kind: {
            f"{PROV.iri}{SEPARATOR}{local}": -at if kind.arguments[at - 2].is_time else at
            for at, local in enumerate(locals_, 2)
            if local not in {"key", "keyEntityPair"}
        }
        for kind, locals_ in ARGUMENTS.items()
    }
    words = {word: (kind, None) for word, kind in KINDS.items()} | SUBTYPES
    return {f"{PROV.iri}{SEPARATOR}{word}": (kind, more, slots[kind]) for word, (kind, more) in words.items()}


_SHAPES: Final = _shapes()


def read(data: bytes | str, name: str = "document", *, toolbox: bool = False) -> Document:
    """The document in `data`.

    Args:
        data: PROV-XML.
        name: what to call the file in messages.
        toolbox: whether names are escaped as ProvToolbox did about 2015: ``__`` for ``_``, and ``_`` before
            what may not begin a name in XML.

    Raises:
        FormatError: it is no PROV-XML. The message begins with file, line and column.
    """
    reader = _Reader(name, "utf-8" if isinstance(data, str) else None, toolbox=toolbox)
    view = memoryview(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    with refusals(name), uncollected():
        for start in range(0, len(view), _PORTION):
            reader.parser.Parse(view[start : start + _PORTION], False)
        reader.parser.Parse(b"", True)
    return reader.made


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Within it, what the parser of XML refuses is a `FormatError` on the file of that name."""
    try:
        yield
    except expat.ExpatError as error:
        place = f"{name}:{error.lineno}:{error.offset + 1}"
        raise FormatError(f"{place}: expected XML: {expat.ErrorString(error.code)}") from None
    except (LookupError, ValueError) as error:  # an encoding that Python or the parser does not know
        raise FormatError(f"{name}:1:1: expected XML in UTF-8 or another known encoding: {error}") from None


class _Names(dict[str, Name]):
    """Qualified names by their texts, for the prefixes that are in scope."""

    __slots__ = ("_toolbox", "prefixes")

    def __init__(self, *, toolbox: bool) -> None:
        self.prefixes: dict[str, str] = {}
        self._toolbox = toolbox

    def __missing__(self, text: str) -> Name:
        bare = text.strip(_WHITE)
        prefix, colon, local = bare.partition(":")
        if not colon:
            prefix, local = "", bare
        iri = self.prefixes.get(prefix)
        if not bare or (iri is None and prefix != "_"):
            what = f"the prefix {prefix!r} of {bare!r}" if colon else f"{bare!r} has no prefix, and a default"
            raise UsageError(
                f'{what} is not declared: expected xmlns{colon}{prefix}="..."' if bare else "expected a name"
            )
        name = self[text] = Name(bare) if iri is None else self.joined(iri, local)
        return name

    def joined(self, iri: str, local: str) -> Name:
        """The name of this local part in a namespace of XML."""
        if self._toolbox and "_" in local:
            local = _TOOLBOX_ESCAPE.sub(lambda match: match[0][1:], local)
        return Name((XSD.iri if iri == SCHEMA else iri) + local)


class _Reader:
    """What one document is read with: the handlers that the parser calls.

    Elements are at one of these levels: 1 document (or bundle), 2 statement, 3 argument or attribute, 4 and
    more what stands in the value of an attribute. In a bundle, levels count from the bundle.
    """

    def __init__(self, file: str, encoding: str | None, *, toolbox: bool) -> None:
        self.file = file
        self.made = Document()
        self.target: Document | Bundle = self.made
        self.level = 0
        self.places = array("Q")
        self.outer_places = self.places
        self.names = _Names(toolbox=toolbox)
        self.hidden: list[tuple[str, str | None]] = []
        self.by_iri: dict[str, list[str]] = {}
        self.keys: dict[str, Name] = {}
        self.pieces: list[str] = []
        self.shape: tuple[Kind, Name | None, dict[str, int]] = _SHAPES[f"{PROV.iri}{SEPARATOR}entity"]
        self.cells: list[Any] = []
        self.flat: list[Any] = []
        self.slot = 0
        self.held: list[Any] = []
        self.pair: list[Any] = []
        self.key: Name | None = None
        self.attributes: dict[str, str] = {}
        self.datatype: Name | None = None
        self.parser = self.make_parser(encoding)

    def make_parser(self, encoding: str | None) -> Any:
        parser = expat.ParserCreate(encoding, SEPARATOR)
        parser.buffer_text = True
        parser.buffer_size = 1 << 16
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.pieces.append
        parser.StartNamespaceDeclHandler = self.declare
        parser.EndNamespaceDeclHandler = self.undeclare
        parser.StartDoctypeDeclHandler = self.doctype
        parser.EntityDeclHandler = self.entity_declaration
        return parser

    def fail(self, message: str) -> NoReturn:
        """Refuse the document for what the parser has just met."""
        place = f"{self.parser.CurrentLineNumber}:{self.parser.CurrentColumnNumber + 1}"
        raise FormatError(f"{self.file}:{place}: {message}") from None

    # Prefixes

    def declare(self, prefix: str | None, iri: str | None) -> None:
        prefix, iri = prefix or "", iri or ""
        prefixes = self.names.prefixes
        self.hidden.append((prefix, prefixes.get(prefix)))
        self.by_iri.setdefault(iri, []).append(prefix)
        if prefixes.get(prefix) != iri:
            self.names.clear()
            if iri:
                prefixes[prefix] = iri
            else:
                prefixes.pop(prefix, None)
        if iri and iri not in {SCHEMA, SCHEMA_INSTANCE}:
            self.remember(prefix, iri)

    def remember(self, prefix: str, iri: str) -> None:
        """Keep a prefix with the document or bundle, for whoever writes it again."""
        known = self.target.namespaces.get(prefix)
        if known is None and prefix not in {"xml", "_"}:
            self.target.namespaces.add(prefix, iri)

    def undeclare(self, prefix: str | None) -> None:
        prefix, before = prefix or "", self.hidden.pop()[1]
        self.by_iri[self.names.prefixes.get(prefix, "")].pop()
        if self.names.prefixes.get(prefix) != before:
            self.names.clear()
            if before is None:
                del self.names.prefixes[prefix]
            else:
                self.names.prefixes[prefix] = before

    def spelling(self, iri: str, default: bool) -> str:
        """A prefix that stands for this IRI here: there is one, or the parser had refused the name."""
        prefixes = self.names.prefixes
        for prefix in reversed(self.by_iri[iri]):
            if prefixes.get(prefix) == iri and (prefix or default):
                return prefix
        raise AssertionError(f"no prefix stands for {iri}")

    def doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:
        if subset or system or public:
            self.fail(
                f"expected no declarations in <!DOCTYPE {name} ...>: PROV-XML needs none, and entities are"
                " not expanded; remove it"
            )

    def entity_declaration(self, name: str, *_: object) -> None:
        self.fail(f"expected no declaration of an entity ({name}): entities are not expanded; remove it")

    # Elements

    def start(self, name: str, attributes: dict[str, str]) -> None:
        level = self.level = self.level + 1
        if (pieces := self.pieces) and self.key is None:
            if len(pieces) == 1 and pieces[0].isspace():
                pieces.clear()
            else:
                self.no_text()
        try:
            if level == 3:
                slot = self.shape[2].get(name)
                if slot is None:
                    self.start_attribute(name, attributes)
                elif slot < 0:
                    self.slot = slot
                    self.once(slot)
                elif self.cells[slot] is None and (text := attributes.get(_REF)):
                    self.cells[slot] = self.names[text]
                else:
                    self.reference(slot, attributes, name)
            elif level == 2:
                self.start_statement(name, attributes)
            elif level == 1:
                if name != _DOCUMENT:
                    self.fail(f"expected prov:document, not {_shown(name)}")
            elif self.key is not None:
                self.start_fragment(name, attributes, self.end_fragment)
            else:
                self.fail(f"expected no element within an argument, not {_shown(name)}")
        except UsageError as error:
            self.fail(str(error))

    def end(self, _: str) -> None:
        level = self.level
        self.level = level - 1
        if level == 3:
            try:
                if self.key is not None:
                    self.end_attribute()
                    return
                if self.slot:
                    self.end_time()
                    return
            except UsageError as error:
                self.fail(str(error))
        if pieces := self.pieces:
            if len(pieces) == 1 and pieces[0].isspace():
                pieces.clear()
            else:
                self.no_text()
        if level == 2:
            self.end_statement()
        elif level == 1:
            if self.target is not self.made:
                self.end_bundle()
            else:
                self.made.places = Positions(self.places)

    def no_text(self) -> None:
        """Refuse text where only elements may stand."""
        text = "".join(self.pieces).strip(_WHITE)
        if text:
            self.fail(f"expected an element, not the text {_short(text)!r}")
        self.pieces.clear()

    def start_statement(self, name: str, attributes: dict[str, str]) -> None:
        shape = _SHAPES.get(name)
        if shape is None:
            if name == _CONTENT:
                self.start_bundle(attributes)
            else:
                self.start_extension(name, attributes)
            return
        self.shape = shape
        kind, more, _ = shape
        parser = self.parser
        self.places.append((parser.CurrentLineNumber << 32) + parser.CurrentColumnNumber + 1)
        self.cells = [kind, None, *[None] * len(kind.arguments)]
        self.flat = []
        if kind > _LAST_PLAIN:
            self.held = []
        if more is not None:
            self.flat += (_PROV_TYPE, more)
        if attributes:
            self.statement_attributes(attributes)
        if kind.is_element and self.cells[1] is None:
            self.fail(f"expected prov:id on {_shown(name)}")

    def start_extension(self, name: str, attributes: dict[str, str]) -> None:
        """Keep an element that is none of PROV's as text, as a statement of its name."""
        iri, separator, local = name.partition(SEPARATOR)
        if not separator or iri == PROV.iri:
            expected = ", ".join(KINDS)
            self.fail(
                f"expected a statement ({expected}, ...), prov:bundleContent or an element of a namespace of"
                f" its own, not {_shown(name)}"
            )
        term = self.names.joined(iri, local)
        self.places.append((self.parser.CurrentLineNumber << 32) + self.parser.CurrentColumnNumber + 1)

        def done(text: str) -> None:
            self.level -= 1
            content = (literal(text, XML_LITERAL),)
            self.target.records.append(Record.new((Kind.EXTENSION, None, term, content, ())))

        self.start_fragment(name, attributes, done, whole=True)

    def statement_attributes(self, attributes: dict[str, str]) -> None:
        """What stands in the tag of a statement: its identifier; what is of other vocabularies is kept."""
        for name, text in attributes.items():
            if name in {_ID, "id"}:
                self.cells[1] = self.names[text]
            elif name == _TYPE:
                if (found := self.names[text]) in _SUBTYPE_NAMES:
                    self.flat += (_PROV_TYPE, found)
            elif SEPARATOR in name and not name.startswith((SCHEMA_INSTANCE, XML)):
                self.flat += (self.key_of(name), text)

    def end_statement(self) -> None:
        cells = self.cells
        cells.append(tuple(self.flat))
        kind = cells[0]
        if kind > _LAST_PLAIN:
            self.end_dictionary()
        elif kind is Kind.MEMBERSHIP and cells[3].__class__ is list:  # several members are several statements
            self.target.records += [Record.new((*cells[:3], member, cells[4])) for member in cells[3]]
            self.places.extend([self.places[-1]] * (len(cells[3]) - 1))
        else:
            self.target.records.append(tuple.__new__(CLASSES[kind], cells))

    # Dictionaries (PROV-Dictionary section 7, and its schema)

    def end_dictionary(self) -> None:
        cells, held = self.cells, self.held
        for local, cell in zip(ARGUMENTS[cells[0]], cells[2:4], strict=False):
            if cell is None and local != "keyEntityPair":
                self.fail(f"expected prov:{local} in prov:{cells[0].provn}")
        if cells[0] is not Kind.DICTIONARY_MEMBERSHIP:
            cells[4] = tuple(held)
            self.target.records.append(Record.new(tuple(cells)))
            return
        if cells[1] is not None or cells[-1]:
            self.fail("expected neither identifier nor attributes on prov:hadDictionaryMember")
        if not held:
            self.fail("expected prov:keyEntityPair in prov:hadDictionaryMember")
        for key, entity in held:  # several members are several statements
            self.target.records.append(Record.new((*cells[:3], entity, key, ())))
        self.places.extend([self.places[-1]] * (len(held) - 1))

    def start_pair(self) -> None:
        """Read a key and its entity, until the pair ends."""
        self.pair = [None, None]
        self.parser.StartElementHandler, self.parser.EndElementHandler = self.start_in_pair, self.end_in_pair

    def start_in_pair(self, name: str, attributes: dict[str, str]) -> None:
        if self.key is not None or self.slot:
            self.fail(f"expected no element within the parts of prov:keyEntityPair, not {_shown(name)}")
        self.no_text()
        at = {_KEY: 0, _ENTITY: 1}.get(name)
        if at is None or self.pair[at] is not None:
            self.fail(
                f"expected prov:key and prov:entity once each in prov:keyEntityPair, not {_shown(name)}"
            )
        try:
            if at == 0:
                self.key, self.attributes = _MEMBER_KEY, attributes
            else:
                text = attributes.get(_REF) or attributes.get("ref")
                if text is None:
                    self.fail(f"expected prov:ref on {_shown(name)}")
                self.slot, self.pair[1] = 1, self.names[text]
        except UsageError as error:
            self.fail(str(error))

    def end_in_pair(self, name: str) -> None:
        if self.key is not None:
            text = "".join(self.pieces)
            self.pieces.clear()
            self.key = None
            try:
                self.pair[0] = self.value(text, self.attributes, None)
            except UsageError as error:
                self.fail(str(error))
            return
        self.no_text()
        self.slot = 0
        if name == _PAIR:
            if None in self.pair:
                self.fail("expected prov:key and prov:entity in prov:keyEntityPair")
            self.held.append(tuple(self.pair))
            self.level -= 1
            self.parser.StartElementHandler, self.parser.EndElementHandler = self.start, self.end

    # Arguments

    def reference(self, slot: int, attributes: dict[str, str], name: str) -> None:
        text = attributes.get(_REF) or attributes.get("ref")
        if text is None:
            self.fail(f"expected prov:ref on {_shown(name)}")
        found: Any = self.names[text]
        if self.shape[0] is Kind.MEMBERSHIP and slot == 3:
            before = self.cells[3]
            if before.__class__ is list:
                before.append(found)
                return
            if before is not None:
                found = [before, found]
        else:
            self.once(slot)
        self.cells[slot] = found

    def once(self, slot: int) -> None:
        if self.cells[abs(slot)] is not None:
            local = ARGUMENTS[self.shape[0]][abs(slot) - 2]
            self.fail(f"expected prov:{local} once in prov:{self.shape[0].provn}")

    def end_time(self) -> None:
        text = "".join(self.pieces).strip(_WHITE)
        self.pieces.clear()
        self.cells[-self.slot] = _time(text)
        self.slot = 0

    # Attributes

    def key_of(self, name: str) -> Name:
        key = self.keys.get(name)
        if key is None:
            iri, separator, local = name.partition(SEPARATOR)
            if not separator:
                self.fail(f'expected a namespace for the attribute {name}: xmlns="...", or a prefix')
            key = self.keys[name] = self.names.joined(iri, local)
        return key

    def start_attribute(self, name: str, attributes: dict[str, str]) -> None:
        if self.shape is _SHAPES[_BUNDLE] and name in _SHAPES:
            self.start_damaged_bundle(name, attributes)
            return
        if name == _PAIR and self.cells[0] in {Kind.INSERTION, Kind.DICTIONARY_MEMBERSHIP}:
            self.start_pair()
            return
        self.key = self.key_of(name)
        self.attributes = attributes

    def end_attribute(self) -> None:
        text = "".join(self.pieces)
        self.pieces.clear()
        key, self.key = self.key, None
        datatype, self.datatype = self.datatype, None
        if key == _MEMBER_KEY and self.cells[0] is Kind.REMOVAL:
            self.held.append(self.value(text, self.attributes, datatype))
        elif self.attributes:
            self.flat += (key, self.value(text, self.attributes, datatype))
        else:
            self.flat += (key, text if datatype is None else literal(text, datatype))

    def value(self, text: str, attributes: dict[str, str], default: Name | None) -> Any:
        language, datatype = attributes.get(_LANGUAGE), attributes.get(_TYPE)
        if language:
            return literal(text, None, language.strip(_WHITE).replace("_", "-"))
        if datatype is None:
            return literal(text, default)
        resolved = self.names[datatype]
        if resolved in _NAME_TYPES:
            return self.names[text]
        if resolved in XSD and resolved != XSD["string"]:
            text = text.strip(_WHITE)
        return literal(text, resolved)

    def end_fragment(self, text: str) -> None:
        """The value of an attribute that holds elements ends."""
        self.pieces.append(text)
        self.level, self.datatype = 3, XML_LITERAL
        self.end("")

    def start_fragment(
        self, name: str, attributes: dict[str, str], done: Callable[[str], None], *, whole: bool = False
    ) -> None:
        """Keep elements as text: this one if `whole`, else all until the value ends that they stand in."""
        fragment = Fragment(self.spelling, self.pieces)
        parser, depth = self.parser, 0

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            fragment.start(name, attributes)

        def end(_: str) -> None:
            nonlocal depth
            if depth:
                depth -= 1
                fragment.end()
                if depth or not whole:
                    return
            parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
            parser.CharacterDataHandler = self.pieces.append
            done(fragment.text())

        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = fragment.characters
        start(name, attributes)

    # Bundles

    def start_bundle(self, attributes: dict[str, str]) -> None:
        text = attributes.get(_ID) or attributes.get("id")
        if text is None:
            self.fail("expected prov:id on prov:bundleContent")
        self.open_bundle(self.names[text])

    def start_damaged_bundle(self, name: str, attributes: dict[str, str]) -> None:
        """Take ``prov:bundle`` for ``prov:bundleContent``, as some files do: a statement stands in it."""
        if len(self.flat) > 2:
            self.fail(
                f"expected no statement {_shown(name)} within the description of the entity prov:bundle"
            )
        self.places.pop()
        self.open_bundle(self.cells[1])
        self.start_statement(name, attributes)
        self.level = 2

    def open_bundle(self, name: Name) -> None:
        if self.target is not self.made:
            self.fail("a bundle cannot hold bundles: expected them beside it")
        if name in self.made.bundles:
            self.fail(f"another bundle has the same name {name}: expected their statements in one")
        self.target = self.made.bundles[name] = Bundle(name, Namespaces((), self.made.namespaces))
        self.outer_places, self.places = self.places, array("Q")
        self.level = 1

    def end_bundle(self) -> None:
        self.target.places = Positions(self.places)
        self.target, self.places = self.made, self.outer_places
        self.level = 1


def _shown(name: str) -> str:
    iri, _, local = name.rpartition(SEPARATOR)
    return f"prov:{local}" if iri == PROV.iri else f"{{{iri}}}{local}" if iri else local


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
