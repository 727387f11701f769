"""Statements that OPM has no words for, as text that a property can hold, and back."""

from __future__ import annotations

import json
from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.namespaces import Name
from trilha.prov.record import Braces, Parentheses, Record
from trilha.prov.terms import PLACEHOLDER, Kind
from trilha.prov.values import QUALIFIED_NAME, Literal, lexical, literal
from trilha.prov.values import time as _time

__all__ = ["statement_of", "text_of"]

_GROUPS: Final = {"tuple": tuple, "braces": Braces, "parentheses": Parentheses}


def text_of(record: Record) -> str:
    """The statement as JSON: its kind, and its cells, each with what it is."""
    return json.dumps([record.kind.name, *map(_told, record[1:])])


def statement_of(text: str) -> Record:
    """The statement that `text_of` made this of.

    Raises:
        UsageError: it is no such text.
    """
    try:
        kind, *cells = json.loads(text)
        made = (Kind[kind], *map(_taken, cells))
        if len(made) != len(made[0].arguments) + 3 or not _fits(made):
            raise ValueError("its cells")
    except (UsageError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"the statement that an OPM graph carries is damaged ({error}): {text[:80]}"
        ) from None
    return Record.new(made)


_CLASSES: Final = {"name": Name, "keys": tuple, "pairs": tuple, "content": tuple}


def _fits(cells: tuple[Any, ...]) -> bool:
    """Whether cells can be those of a statement of their kind."""
    kind, id, flat = cells[0], cells[1], cells[-1]
    if flat.__class__ is not tuple or len(flat) % 2 or not all(key.__class__ is Name for key in flat[::2]):
        return False
    if id.__class__ is not Name and (id is not None or kind.is_element):
        return False
    for argument, cell in zip(kind.arguments, cells[2:-1], strict=True):
        if cell is None or cell is PLACEHOLDER:
            if argument.required:
                return False
        elif argument.is_time:
            _time(cell)
        elif cell.__class__ is not _CLASSES.get(argument.holds, cell.__class__):
            return False
    return None not in flat


def _told(cell: Any) -> Any:
    if cell is None:
        return None
    if cell is PLACEHOLDER:
        return {"nothing": True}
    if isinstance(cell, Record):
        return {"statement": [cell.kind.name, *map(_told, cell[1:])]}
    if cell.__class__ is Name:
        return {"name": str(cell)}
    for word, group in _GROUPS.items():
        if cell.__class__ is group:
            return {word: [_told(one) for one in cell]}
    if cell.__class__ is str:
        return {"text": cell}
    text, datatype, language = lexical(cell)
    return {"value": [text, str(datatype), language]}


def _taken(cell: Any) -> Any:
    if cell is None:
        return None
    ((word, told),) = cell.items()
    if word == "nothing":
        return PLACEHOLDER
    if word == "statement":
        return Record.new((Kind[told[0]], *map(_taken, told[1:])))
    if word == "name":
        return Name(told)
    if word in _GROUPS:
        return _GROUPS[word](map(_taken, told))
    if word == "text":
        return str(told)
    text, datatype, language = told
    if datatype == QUALIFIED_NAME:
        return Literal(text, QUALIFIED_NAME)  # where a name stands as a value: in an extension's content
    return literal(text, Name(datatype), language)
