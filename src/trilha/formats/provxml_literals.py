"""Text in XML: what may stand in it, and elements within a value kept as text (``rdf:XMLLiteral``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.parsers import expat

from trilha.formats.provxml_terms import XML

__all__ = ["ILLEGAL", "Fragment", "attribute_text", "element_text", "reread"]

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry at all (section 2.2 there)."""

_IN_TEXT = re.compile("[&<>\r]")
_IN_ATTRIBUTE = re.compile('[&<"\t\n\r]')
_ESCAPES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip


def element_text(text: str) -> str:
    """Text as it stands between tags."""
    return _IN_TEXT.sub(lambda match: _ESCAPES[match[0]], text)


def attribute_text(text: str) -> str:
    """Text as it stands between double quotes."""
    return _IN_ATTRIBUTE.sub(lambda match: _ESCAPES[match[0]], text)


class Fragment:
    """Elements become text again, with the declarations that they need to stand alone.

    Args:
        spelling: gives a prefix that stands for an IRI here; whether the default namespace may serve is its
            second argument.
        before: text that came before the first element. It is taken.
    """

    def __init__(self, spelling: Callable[[str, bool], str], before: list[str]) -> None:
        self._spelling = spelling
        self._parts = [element_text(text) for text in before]
        before.clear()
        self._open = False
        self._tags: list[str] = []
        self._declared: dict[str, str] = {}
        self._before: list[list[tuple[str, str | None]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; in names, U+0001 stands between namespace and local name."""
        self._close()
        needed: dict[str, str] = {}
        tag = self._qualified(name, needed, default=True)
        texts = {self._qualified(key, needed, default=False): text for key, text in attributes.items()}
        declared, before = self._declared, []
        self._parts.append(f"<{tag}")
        for prefix, iri in needed.items():
            if declared.get(prefix, "") != iri:
                before.append((prefix, declared.get(prefix)))
                declared[prefix] = iri
                self._parts.append(f' xmlns{":" if prefix else ""}{prefix}="{attribute_text(iri)}"')
        for key, text in texts.items():
            self._parts.append(f' {key}="{attribute_text(text)}"')
        self._open = True
        self._tags.append(tag)
        self._before.append(before)

    def end(self) -> None:
        """The element that began last ends."""
        tag = self._tags.pop()
        for prefix, iri in self._before.pop():
            if iri is None:
                del self._declared[prefix]
            else:
                self._declared[prefix] = iri
        self._parts.append("/>" if self._open else f"</{tag}>")
        self._open = False

    def characters(self, text: str) -> None:
        """Text between elements."""
        self._close()
        self._parts.append(element_text(text))

    def text(self) -> str:
        """All of it."""
        return "".join(self._parts)

    def _close(self) -> None:
        if self._open:
            self._parts.append(">")
            self._open = False

    def _qualified(self, name: str, needed: dict[str, str], *, default: bool) -> str:
        iri, separator, local = name.partition("\x01")
        if not separator:
            if default:
                needed[""] = ""
            return name
        if iri == XML:
            return f"xml:{local}"
        prefix = self._spelling(iri, default)
        needed[prefix] = iri
        return f"{prefix}:{local}" if prefix else local


def reread(text: str) -> tuple[str, str] | None:
    """What a reader makes of the text of one element that stands alone: its name, and its text again.

    Returns:
        The IRI of its name, and the text; None if it is no such text.
    """
    declared: list[tuple[str, str]] = []
    names: list[str] = []
    fragment = Fragment(lambda iri, default: _spelling(declared, iri, default=default), [])

    def start(name: str, attributes: dict[str, str]) -> None:
        names.append(name)
        fragment.start(name, attributes)

    def end(_: str) -> None:
        fragment.end()

    parser = expat.ParserCreate("utf-8", "\x01")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = fragment.characters
    parser.StartNamespaceDeclHandler = lambda prefix, iri: declared.append((prefix or "", iri or ""))
    parser.EndNamespaceDeclHandler = lambda _: declared.pop()
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(text.encode("utf-8", "surrogatepass"), True)
    except (expat.ExpatError, ValueError):
        return None
    return names[0].replace("\x01", ""), fragment.text()


def _refuse(*_: object) -> None:
    raise ValueError("a document type declaration")


def _spelling(declared: list[tuple[str, str]], iri: str, *, default: bool) -> str:
    """The prefix that was declared last for an IRI and still stands for it."""
    hidden = set()
    for prefix, one in reversed(declared):
        if one == iri and prefix not in hidden and (prefix or default):
            return prefix
        hidden.add(prefix)
    raise AssertionError(f"no prefix stands for {iri}")
