"""Payloads of a journal as records of the model."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, NoReturn

import msgspec

from trilha.capture.journal.frames import (
    EXT_HOLE,
    EXT_INTEGER,
    EXT_LITERAL,
    EXT_NAME,
    EXT_PLACEHOLDER,
    EXT_TEXT,
    EXT_TIME,
    PREFIXES,
    ROWS_BYTE,
    ROWS_HEAD,
    Block,
    Rows,
)
from trilha.capture.journal.shapes import Hole, Template, fill_in, template_of
from trilha.errors import UsageError
from trilha.prov import PLACEHOLDER, PLAIN, Kind, Literal, Name, Record
from trilha.prov.namespaces import XSD
from trilha.prov.record import CLASSES
from trilha.prov.values import time

__all__ = ["Event", "NoShape", "Resolver"]

Event = Record | Block | Rows
"""What a journal holds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_VALUES: Final = frozenset([bool, int, float, str, Name, Literal, datetime])
_REMEMBERED: Final = 1 << 16
_COLUMNS: Final = frozenset("qd")


class _Layout(NamedTuple):
    """How a statement of one kind stands in a journal.

    Attributes:
        kind: of the statement.
        record: the class of it.
        cells: how many cells it has.
        arguments: of each its cell, its name if it must be there (else an empty text), and whether it is a
            time.
    """

    kind: Kind
    record: type[Record]
    cells: int
    arguments: tuple[tuple[int, str, bool], ...]


_LAYOUTS: Final = {
    int(kind): _Layout(
        kind,
        CLASSES[kind],
        len(kind.arguments) + 3,
        tuple(
            (2 + place, argument.name if argument.required else "", argument.is_time)
            for place, argument in enumerate(kind.arguments)
        ),
    )
    for kind in PLAIN
}


def _no_layout(number: int) -> NoReturn:
    raise ValueError(f"{Kind(number).provn}, which no journal holds")


class NoShape(ValueError):
    """A shape is filled whose definition has not been read."""


class Resolver:
    """Turns what stands in a journal into records of the model, one object a name.

    Args:
        bases: as in the journal's `Head`.
    """

    def __init__(self, bases: tuple[tuple[int, str], ...]) -> None:
        self._bases = sorted(bases, reverse=True)
        self._names: dict[int | str, Name] = {}
        self._shapes: dict[int, Template] = {}
        self._last_time: tuple[int | None, datetime | str] = None, ""
        self._decode = msgspec.msgpack.Decoder(ext_hook=self._extension).decode

    def events(self, payload: bytes) -> list[Event]:
        """The events that `payload` holds: those of a filled shape, or one; none if it is a note.

        Raises:
            ValueError, TypeError, LookupError, OverflowError, RecursionError or `msgspec.MsgspecError`: it
                holds none. `NoShape`: the note with the shape that is filled has not been given.
        """
        if payload[0] == ROWS_BYTE:
            if len(payload) < ROWS_HEAD.size:
                raise ValueError("rows without the number of their block")
            return [Rows(ROWS_HEAD.unpack(payload[: ROWS_HEAD.size])[1], payload[ROWS_HEAD.size :])]
        content = self._decode(payload)
        if type(content) is list:
            return [self._record(content)] if content[0] else self._filled(content)
        if type(content) is dict:
            if "shape" in content:
                self._define(content["shape"])
            return [self._block(content["block"])] if "block" in content else []
        raise ValueError("neither a statement nor a note")

    def _filled(self, content: list[Any]) -> list[Event]:
        if type(content[0]) is not int or type(content[1]) is not int:
            raise TypeError("a statement without a kind")
        template = self._shapes.get(content[1])
        if template is None:
            raise NoShape(f"shape {content[1]}, whose definition was not read")
        return [self._record(cells) for cells in fill_in(template, content[2:])]

    def _define(self, raw: Any) -> None:
        number, template = raw["number"], template_of(raw["statements"])
        if type(number) is not int:
            raise TypeError("a shape without a number")
        if self._shapes.setdefault(number, template) != template:
            raise ValueError(f"shape {number} is defined twice")

    def _block(self, raw: Any) -> Block:
        block = msgspec.convert({**raw, "entity": self._name(raw["entity"])}, Block)
        if not block.columns or not {code for _, code in block.columns} <= _COLUMNS:
            raise ValueError("a block with columns of unknown types")
        return block

    def _record(self, content: list[Any]) -> Record:
        number = content[0]
        if type(number) is not int:
            raise TypeError("a statement without a kind")
        layout = _LAYOUTS.get(number) or _no_layout(number)
        if len(content) != layout.cells:
            raise ValueError(f"{layout.kind.provn} with {len(content)} cells")
        known, name = self._names.get, self._name
        identifier, flat = content[1], content[-1]
        if identifier is not None:
            kept = known(identifier) if type(identifier) is int else None
            identifier = name(identifier) if kept is None else kept
        elif layout.kind.is_element:
            raise ValueError(f"{layout.kind.provn} without an identifier")
        cells: list[Any] = [layout.kind, identifier]
        for at, required, is_time in layout.arguments:
            value = content[at]
            if value is None or value is PLACEHOLDER:
                if required:
                    raise ValueError(f"{layout.kind.provn} without its {required}")
                cells.append(value)
            elif is_time:
                cells.append(self._time(value))
            else:
                kept = known(value) if type(value) is int else None
                cells.append(name(value) if kept is None else kept)
        if type(flat) is not list or len(flat) % 2:
            raise ValueError("attributes without a value")
        if not flat:
            cells.append(())
            return tuple.__new__(layout.record, cells)
        for index in range(0, len(flat), 2):
            key = flat[index]
            kept = known(key) if type(key) is str else None
            flat[index] = name(key) if kept is None else kept
            if type(flat[index + 1]) not in _VALUES:
                flat[index + 1] = _value(flat[index + 1])
        cells.append(tuple(flat))
        return tuple.__new__(layout.record, cells)

    def _time(self, raw: Any) -> datetime | str:
        """The time that `raw` stands for: what is stated together has one object in common."""
        if type(raw) is not int:
            return _time(raw)
        if raw != self._last_time[0]:
            self._last_time = raw, _time(raw)
        return self._last_time[1]

    def _name(self, raw: Any) -> Name:
        """The name that `raw`, a number or a text, stands for."""
        kind = type(raw)
        if kind is not int and kind is not str:
            raise TypeError(f"no name: {kind.__name__}")
        name = self._names.get(raw)
        if name is None:
            name = self._number(raw) if kind is int else _iri(raw)
            if len(self._names) >= _REMEMBERED:
                self._names.clear()
            self._names[raw] = name
        return name

    def _number(self, raw: int) -> Name:
        for first, prefix in self._bases:
            if raw >= first:
                return Name(f"{prefix}{raw}")
        raise ValueError(f"no thing has the number {raw}")

    def _extension(self, code: int, data: memoryview) -> Any:
        if code == EXT_NAME:
            return self._name(str(data, "utf-8", "surrogatepass"))
        if code == EXT_LITERAL:
            text, datatype, language = self._decode(data)
            if type(text) is not str or type(language) not in (str, type(None)):
                raise TypeError("no literal")
            return Literal(text, self._name(datatype), language)
        if code == EXT_HOLE:
            return Hole(data[0])
        if code == EXT_PLACEHOLDER:
            return PLACEHOLDER
        if code == EXT_TEXT:
            return str(data, "utf-8", "surrogatepass")
        if code == EXT_INTEGER:
            return int.from_bytes(data, "little", signed=True)
        if code == EXT_TIME:
            return _when(str(data, "ascii"))
        raise ValueError(f"extension type {code} is unknown")


def _iri(raw: str) -> Name:
    prefix, colon, local = raw.partition(":")
    return Name(PREFIXES[prefix] + local if colon and prefix in PREFIXES else raw)


def _time(raw: Any) -> datetime | str:
    if type(raw) is int:
        return _EPOCH + timedelta(microseconds=raw // 1000)
    if type(raw) is str:
        return _when(raw, or_text=True)
    raise TypeError(f"no time: {type(raw).__name__}")


def _when(text: str, *, or_text: bool = False) -> datetime | str:
    try:
        when = time(text)
    except UsageError as error:
        raise ValueError(str(error)) from None
    if isinstance(when, datetime) or or_text:
        return when
    raise ValueError(f"{text!r} is no time that a value can hold")


def _value(raw: Any) -> Literal:
    """What is no value of the model, but can be made one."""
    if type(raw) is bytes:
        return Literal(base64.b64encode(raw).decode("ascii"), XSD["base64Binary"])
    raise TypeError(f"no value: {type(raw).__name__}")
