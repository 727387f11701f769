"""Statements and values as PROV-N would write them, on one line, for answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trilha.prov import PLACEHOLDER, Literal, Name
from trilha.prov.values import LANGUAGE_STRING, integer_text, lexical

if TYPE_CHECKING:
    from trilha.prov import Record
    from trilha.prov.constraints.wording import Wording

__all__ = ["cell_text", "statement_text"]

_SIGNS = str.maketrans({'"': '\\"', "\n": "\\n", "\r": "\\r", "\\": "\\\\"})


def statement_text(record: Record, words: Wording) -> str:
    """A statement with its attributes."""
    text = words.statement(record)
    pairs = [f"{words.name(key)}={_value(value, words)}" for key, value in record.attributes]
    if not pairs:
        return text
    return f"{text[:-1]}{', ' if not text.endswith('()') else ''}[{', '.join(pairs)}])"


def cell_text(given: Any, words: Wording, *, attribute: bool) -> str:
    """What an attribute or an argument holds."""
    if attribute:
        return _value(given, words)
    if given is PLACEHOLDER or isinstance(given, tuple):
        return "-" if given is PLACEHOLDER else str(given)
    return words.term(given)


def _value(given: Any, words: Wording) -> str:
    if isinstance(given, Name):
        return f"'{words.name(given)}'"
    if given.__class__ is int and -(1 << 31) <= given < 1 << 31:
        return integer_text(given)
    text, datatype, language = lexical(given)
    quoted = f'"{text.translate(_SIGNS)}"'
    if language is not None or (isinstance(given, Literal) and datatype == LANGUAGE_STRING):
        return f"{quoted}@{language}" if language else quoted
    return quoted if given.__class__ is str else f"{quoted} %% {words.name(datatype)}"
