"""Documents statement by statement, in memory that does not grow with them: PROV-N and PROV-XML.

The other formats may say in their last line what the first one means (PROV-JSON declares prefixes anywhere,
RDF tells the types of things anywhere), so that they are read whole first.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, NoReturn, TypeVar

from trilha.errors import FormatError, UsageError
from trilha.formats import provn_reading, provxml_reading
from trilha.formats.places import place
from trilha.formats.provn_parsing import Parser
from trilha.prov import Bundle, Document, Name, Record

__all__ = ["STREAMED", "pieces", "statements"]

_T = TypeVar("_T")
Statement = tuple[Name | None, Record]
"""The name of the bundle that a statement stands in, None for the document itself; and the statement."""

STREAMED: Final = frozenset(["provn", "provxml"])
"""The formats of which no more than a part is in memory at any time."""
_PORTION: Final = 1 << 20
"""Bytes that are read at once."""
_LONGEST: Final = 1 << 24
"""Characters that one statement, or one comment, may have at most."""
_MARGIN: Final = 32
"""Characters that must be ahead for a word, which is looked at and not taken, to be whole."""
_NAMES_KEPT: Final = 1 << 17
"""Names that are kept in case that they come again."""


def statements(chunks: Iterator[bytes], file: str, format: str) -> Iterator[Statement]:
    """The statements of a document, each as soon as it has been read.

    Args:
        chunks: the document, in pieces of any length.
        file: what to call it in messages.
        format: ``"provn"`` or ``"provxml"``.

    Raises:
        FormatError: it is not what its format says; what was given before that belongs to a broken document.
    """
    return _provn(chunks, file) if format == "provn" else _provxml(chunks, file)


def pieces(source: str | os.PathLike[str] | IO[Any]) -> Iterator[bytes]:
    """The bytes of a file, a portion at a time.

    Raises:
        UsageError: it cannot be read.
    """
    if not isinstance(source, str | os.PathLike):
        while content := source.read(_PORTION):
            yield content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content)
        return
    try:
        with open(source, "rb") as file:
            while content := file.read(_PORTION):
                yield content
    except OSError as error:
        raise UsageError(f"{os.fspath(source)}: cannot be read ({error.strerror})") from error


# PROV-XML


def _provxml(chunks: Iterator[bytes], file: str) -> Iterator[Statement]:
    reader = provxml_reading._Reader(file, None, toolbox=False)
    with provxml_reading.refusals(file):
        for chunk in chunks:
            for start in range(0, len(chunk), _PORTION):
                reader.parser.Parse(chunk[start : start + _PORTION], False)
                yield from _drained(reader)
        reader.parser.Parse(b"", True)
        yield from _drained(reader)


def _drained(reader: provxml_reading._Reader) -> Iterator[Statement]:
    made = reader.made
    for target in (made, *made.bundles.values()):
        if target.records:
            name = target.name if isinstance(target, Bundle) else None
            for record in target.records:
                yield name, record
            target.records.clear()
    # All but the last, which a statement that has begun may be about to repeat.
    del reader.places[:-1], reader.outer_places[:-1]
    if len(reader.names) > _NAMES_KEPT:
        reader.names.clear()


# PROV-N


class _Window(Parser):
    """A parser of a text of which only a part is there: what was taken goes, what follows comes."""

    def __init__(self, chunks: Iterator[bytes], file: str) -> None:
        super().__init__("", file)
        self._chunks = chunks
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._lines = self._columns = 0
        self.ahead = True

    def refill(self, least: int) -> None:
        """Have at least so many characters ahead, unless there are no more."""
        gone = self.text[: self.at]
        breaks = gone.count("\n")
        self._lines += breaks
        self._columns = len(gone) - gone.rfind("\n") - 1 if breaks else self._columns + len(gone)
        parts = [self.text[self.at :]]
        self.at, have = 0, len(parts[0])
        while self.ahead and have < least:
            parts.append(self._next(parts))
            have += len(parts[-1])
        self.text = "".join(parts)

    def _next(self, parts: list[str]) -> str:
        chunk = next(self._chunks, b"")
        self.ahead = bool(chunk)
        try:
            return self._decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            self.text = "".join([*parts, error.object[: error.start].decode("utf-8")])
            self.refuse(f"expected PROV-N in UTF-8: {error.reason}", len(self.text))

    def refuse(self, message: str, at: int) -> NoReturn:
        """Refuse the document with this message."""
        line, column = place(self.text, at)
        column += self._columns if line == 1 else 0
        raise FormatError(f"{self.file}:{line + self._lines}:{column}: {message}")

    def whole(self, take: Callable[[], _T]) -> _T:
        """Take something by the whole grammar; once more where the text so far may have cut it short."""
        while True:
            start = self.at
            try:
                found = take()
            except FormatError:
                if not self.ahead or len(self.text) - start > _LONGEST:
                    raise
            else:
                if not self.ahead or self.at < len(self.text) - _MARGIN:
                    return found
            self.at = start
            self.refill(2 * (len(self.text) - start) + _PORTION)


def _provn(chunks: Iterator[bytes], file: str) -> Iterator[Statement]:
    window = _Window(chunks, file)
    window.refill(_PORTION)
    window.text = window.text.removeprefix("\ufeff")
    made = window.whole(lambda: _begun(window))
    outer = scope = provn_reading._Scope(made)
    name: Name | None = None
    while True:
        window.at = scope.plain(window.text, window.at)
        yield from ((name, record) for record in scope.target.records)
        scope.target.records.clear()
        del scope.offsets[:]
        if len(scope.names) > _NAMES_KEPT:
            scope.names.clear()
        if window.ahead and len(window.text) - window.at < _PORTION:
            window.refill(_PORTION)
            continue
        word = window.whole(window.word)
        if word == "bundle" and scope is outer:
            bundle = window.whole(lambda: provn_reading.begun_bundle(window, made))
            made.bundles[bundle.name] = bundle
            name, scope = bundle.name, provn_reading._Scope(bundle)
        elif word == "endBundle" and scope is not outer:
            window.take_word(word)
            name, scope = None, outer
        elif word == "endDocument" and scope is outer:
            window.take_word(word)
            if window.whole(window.peek):
                window.fail("nothing after endDocument")
            return
        elif word in {"bundle", "endBundle", "endDocument"} or not window.whole(window.peek):
            window.fail(
                "a statement, bundle or endDocument" if scope is outer else "a statement or endBundle"
            )
        else:
            namespaces = scope.target.namespaces
            yield name, window.whole(lambda: window.statement(namespaces))  # noqa: B023 -- called at once


def _begun(window: _Window) -> Document:
    made = Document()
    window.take_word("document")
    window.declarations(made.namespaces)
    return made
