"""XML as a tree whose elements know their place: for formats whose documents are small and vary much.

The parser is Python's own, Expat. A document type declaration that declares anything is refused, since
entities can make a small file a huge one, or one that is somewhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NoReturn
from xml.parsers import expat

from trilha.errors import FormatError
from trilha.formats.provxml_literals import Fragment
from trilha.formats.provxml_reading import SEPARATOR, refusals
from trilha.formats.provxml_terms import SCHEMA_INSTANCE, XML

__all__ = ["Element", "Tree"]

_DEEPEST: Final = 200
"""Elements within each other."""
_TYPE: Final = f"{SCHEMA_INSTANCE}{SEPARATOR}type"
_LANGUAGE: Final = f"{XML}{SEPARATOR}lang"


class Element:
    """An element.

    Attributes:
        namespace: of its name; empty if it has none.
        local: the rest of its name.
        attributes: by name, with U+0001 between namespace and local name.
        children: elements and texts, in order.
        place: line and column of its tag.
        datatype: the IRI of its ``xsi:type``, None where it has none.
    """

    __slots__ = ("attributes", "children", "datatype", "local", "namespace", "place")

    def __init__(
        self, name: str, attributes: dict[str, str], place: tuple[int, int], datatype: str | None
    ) -> None:
        self.namespace, _, self.local = name.rpartition(SEPARATOR)
        self.attributes = attributes
        self.children: list[Element | str] = []
        self.place = place
        self.datatype = datatype

    @property
    def elements(self) -> Iterator[Element]:
        """The elements within it."""
        return (child for child in self.children if isinstance(child, Element))

    @property
    def text(self) -> str:
        """The text that stands directly in it."""
        return "".join(child for child in self.children if isinstance(child, str))

    @property
    def language(self) -> str | None:
        """Its ``xml:lang``."""
        return self.attributes.get(_LANGUAGE)


class Tree:
    """The elements of a document.

    Attributes:
        root: the outermost one.
        prefixes: by IRI: a prefix of its own each, as the document has it where it can.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        self._scope: dict[str, list[str]] = {}
        self._open: list[Element] = []
        self.prefixes: dict[str, str] = {}
        self._root: Element | None = None
        parser: Any = expat.ParserCreate(None, SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = self._characters
        parser.StartNamespaceDeclHandler, parser.EndNamespaceDeclHandler = self._declare, self._undeclare
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        self._parser = parser
        with refusals(name):
            parser.Parse(data, True)
        assert self._root is not None  # the parser demands an element
        self.root: Element = self._root

    def refuse(self, element: Element, message: str) -> NoReturn:
        """Refuse the document for an element.

        Raises:
            FormatError: always.
        """
        raise FormatError(f"{self._name}:{element.place[0]}:{element.place[1]}: {message}")

    def inner(self, element: Element) -> str:
        """What stands in an element, as text with the declarations that it needs to stand alone."""
        fragment = Fragment(self._spelling, [])
        for child in element.children:
            _put(fragment, child)
        return fragment.text()

    def _spelling(self, iri: str, default: bool) -> str:
        prefix = self.prefixes.get(iri, "")
        if not prefix and not (default and iri in self.prefixes):
            number = 1
            while (prefix := f"ns{number}") in self.prefixes.values():
                number += 1
            self.prefixes[iri] = prefix
        return prefix

    def _fail(self, message: str) -> NoReturn:
        place = f"{self._parser.CurrentLineNumber}:{self._parser.CurrentColumnNumber + 1}"
        raise FormatError(f"{self._name}:{place}: {message}") from None

    def _declare(self, prefix: str | None, iri: str | None) -> None:
        prefix, iri = prefix or "", iri or ""
        self._scope.setdefault(prefix, []).append(iri)
        if iri and iri not in self.prefixes and prefix not in self.prefixes.values():
            self.prefixes[iri] = prefix

    def _undeclare(self, prefix: str | None) -> None:
        self._scope[prefix or ""].pop()

    def _doctype(self, name: str, system: str | None, public: str | None, subset: int) -> None:
        if subset or system or public:
            self._fail(
                f"expected no declarations in <!DOCTYPE {name} ...>: OPM needs none, and entities are not"
                " expanded; remove it"
            )

    def _entity(self, name: str, *_: object) -> None:
        self._fail(f"expected no declaration of an entity ({name}): entities are not expanded; remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= _DEEPEST:
            self._fail(f"elements are nested too deeply; expected at most {_DEEPEST}")
        place = (self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
        datatype = attributes.get(_TYPE)
        element = Element(name, attributes, place, None if datatype is None else self._resolved(datatype))
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _resolved(self, text: str) -> str:
        prefix, colon, local = text.strip().rpartition(":")
        there = self._scope.get(prefix)
        if not there:
            if not colon:
                return local
            self._fail(
                f'the prefix {prefix!r} of {text.strip()!r} is not declared: expected xmlns:{prefix}="..."'
            )
        iri = there[-1]
        return iri + ("" if iri.endswith(("#", "/")) else "#") + local

    def _end(self, _: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].children.append(text)


def _put(fragment: Fragment, child: Element | str) -> None:
    if isinstance(child, str):
        fragment.characters(child)
        return
    name = f"{child.namespace}{SEPARATOR}{child.local}" if child.namespace else child.local
    fragment.start(name, child.attributes)
    for inner in child.children:
        _put(fragment, inner)
    fragment.end()
