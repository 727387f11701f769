"""Texts of programs that ran: Python said then what there is to say of them, and they are parsed in silence.

It tells of escapes that are none, say; or, from Python 3.14 on, of a `return` in a `finally` (PEP 765), which
the shadow of a program has where the program has one.
"""

from __future__ import annotations

import ast
import io
import re
import warnings
from collections.abc import Iterator
from tokenize import detect_encoding
from types import CodeType
from typing import Final

__all__ = ["Lines", "compiled", "parsed", "text_of"]

_ENDS: Final = re.compile("\r\n|\r|\n")
"""What a line of Python ends with; `str.splitlines` knows more."""


def parsed(source: bytes | str, path: str = "<unknown>") -> ast.Module:
    """The syntax tree of a text.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `ast.parse` raises them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, path)


def compiled(text: str, path: str) -> CodeType:
    """The code of a text.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as `compile` raises them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code: CodeType = compile(text, path, "exec")
    return code


def text_of(source: bytes) -> str:
    """The text of a file, by the encoding that its first lines name (PEP 263); its line ends as they are."""
    try:
        encoding, _ = detect_encoding(io.BytesIO(source).readline)
        return source.decode(encoding, "replace")
    except (SyntaxError, LookupError):
        return source.decode("utf-8-sig", "replace")


class Lines:
    """The lines of a text. Syntax trees count the bytes of a line's UTF-8, events its characters.

    A line may be a generated literal of millions of parts: what is asked of one costs what it has itself.

    Args:
        text: as Python reads it.
    """

    def __init__(self, text: str) -> None:
        self._lines = _ENDS.split(text)
        self._met = 0, b"", 0, 0

    def __len__(self) -> int:
        return len(self._lines) - (not self._lines[-1])

    def __getitem__(self, line: int) -> str:
        """A line, which counts from 1, without its end; empty where there is none."""
        return self._lines[line - 1] if line <= len(self._lines) else ""

    def __iter__(self) -> Iterator[str]:
        yield from self._lines[: len(self)]

    def characters(self, line: int, column: int) -> int:
        """How many characters of a line, which counts from 1, are before a byte, which counts from 0."""
        text = self._lines[line - 1]
        if text.isascii():
            return min(column, len(text))
        met, encoded, before, count = self._met
        if met != line:
            encoded, before, count = text.encode(), 0, 0
        # From where the last one was: parts of a text are mostly asked for in its order.
        if column >= before:
            count += len(encoded[before:column].decode("utf-8", "replace"))
        else:
            count -= len(encoded[column:before].decode("utf-8", "replace"))
        self._met = line, encoded, column, count
        return count

    def bytes(self, line: int, column: int) -> int:
        """How many bytes of a line, which counts from 1, are before a character, which counts from 0."""
        text = self[line]
        return column if text.isascii() else len(text[:column].encode("utf-8", "surrogatepass"))

    def between(self, line: int, begin: int, end_line: int, end: int) -> str:
        """The text from a character of a line up to one of another line, or of the same."""
        if line == end_line:
            return self._lines[line - 1][begin:end]
        first, *more = self._lines[line - 1 : end_line]
        return "\n".join([first[begin:], *more[:-1], more[-1][:end]])
