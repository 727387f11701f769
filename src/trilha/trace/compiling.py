"""Texts of programs that ran: Python said then what there is to say of them, and they are parsed in silence.

It tells of escapes that are none, say; or, from Python 3.14 on, of a `return` in a `finally` (PEP 765), which
the shadow of a program has where the program has one.
"""

from __future__ import annotations

import ast
import io
import warnings
from tokenize import detect_encoding
from types import CodeType

__all__ = ["compiled", "parsed", "text_of"]


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
