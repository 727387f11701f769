"""Text in XML: what may stand in it, and elements within a value kept as text (``rdf:XMLLiteral``)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trilha.formats.provxml_terms import XML

__all__ = ["ILLEGAL", "Fragment", "attribute_text", "element_text"]

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
        prefixes: those in scope, prefix to IRI; the parser keeps them up to date.
        before: text that came before the first element. It is taken.
    """

    def __init__(self, prefixes: Mapping[str, str], before: list[str]) -> None:
        self._prefixes = prefixes
        self._parts = [element_text(text) for text in before]
        before.clear()
        self._open = False
        self._tags: list[str] = []
        self._declared: list[dict[str, str]] = [{}]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; in names, U+0001 stands between namespace and local name."""
        self._close()
        declared = dict(self._declared[-1])
        tag = self._qualified(name, declared, default=True)
        texts = {self._qualified(key, declared, default=False): text for key, text in attributes.items()}
        new = {p: iri for p, iri in declared.items() if self._declared[-1].get(p) != iri}
        self._parts.append(f"<{tag}")
        for prefix, iri in new.items():
            self._parts.append(f' xmlns{":" if prefix else ""}{prefix}="{attribute_text(iri)}"')
        for key, text in texts.items():
            self._parts.append(f' {key}="{attribute_text(text)}"')
        self._open = True
        self._tags.append(tag)
        self._declared.append(declared)

    def end(self) -> None:
        """The element that began last ends."""
        tag = self._tags.pop()
        self._declared.pop()
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

    def _qualified(self, name: str, declared: dict[str, str], *, default: bool) -> str:
        iri, separator, local = name.partition("\x01")
        if not separator:
            if default and declared.get(""):
                declared[""] = ""
            return name
        if iri == XML:
            return f"xml:{local}"
        for prefix, known in self._prefixes.items():
            if known == iri and (prefix or default):
                declared[prefix] = iri
                return f"{prefix}:{local}" if prefix else local
        raise AssertionError(f"the parser gave a name of {iri}, which no prefix stands for")
