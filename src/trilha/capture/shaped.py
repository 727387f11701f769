"""Statements that are made many times over, of one shape: told once, and then only what differs.

A task of a parallel engine is some ten statements, which differ from those of the task before in a few
numbers. Said one by one they cost more than the smallest tasks themselves. A `Shape` defines them in the
journal once (`trilha.capture.journal.shapes`), and then costs one small frame for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from trilha.capture.interrupts import pass_on
from trilha.capture.journal.encoding import encode, faithful, hole
from trilha.capture.journal.shapes import MOST_CELLS, Hole, Template, fill_in

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Hole", "Shape", "remember", "shape_of", "with_holes"]

_MOST_SHAPES: Final = 512
"""A program that calls its functions with ever other parameters is told statement by statement from there."""
_MOST_HOLES: Final = 200


def shape_of(recorder: Recorder, key: Any, make: Callable[[], Template]) -> Shape:
    """The shape known in this process by `key`, defined in its journal when it is first asked for.

    Args:
        recorder: of the run.
        key: all that the shape depends on; hashable.
        make: gives its statements.
    """
    shape: Shape | None = recorder.shapes.get(key)
    if shape is None:
        shape = Shape(recorder, make())
        remember(recorder, key, shape)
    return shape


def remember(recorder: Recorder, key: Any, shape: Any) -> None:
    """Have `shape`, or what has shapes, known by `key` in this process, if there is room."""
    if len(recorder.shapes) < _MOST_SHAPES:
        recorder.shapes[key] = shape


def with_holes(keys: tuple[str, ...], first: int) -> tuple[Any, ...]:
    """Keys of attributes, each with a hole for its value; the first of them is that of the number `first`."""
    return tuple(cell for place, key in enumerate(keys) for cell in (key, Hole(first + place)))


class Shape:
    """Some statements with holes.

    Args:
        recorder: of the run.
        template: the statements; the holes of the attributes hold values, or None for an attribute that is
            to be left out.
    """

    __slots__ = ("_number", "_recorder", "_template", "_within")

    def __init__(self, recorder: Recorder, template: Template) -> None:
        self._recorder = recorder
        self._template = template
        self._number = 0
        self._within: Any = None
        self._define()

    @property
    def number(self) -> int:
        """By which what differs is enough to state it; 0 where the journal does not have it."""
        return self._number

    def _define(self) -> None:
        """Define it in the journal of this process, which a fork may have made since."""
        recorder, template = self._recorder, self._template
        self._within, self._number = recorder.shapes, 0
        cells = [cell for one in template for cell in (*one, *one[-1])]
        holes = max((cell.number for cell in cells if type(cell) is Hole), default=0)
        if len(cells) > MOST_CELLS or holes > _MOST_HOLES or len(recorder.shapes) >= _MOST_SHAPES:
            return
        file = recorder.file
        number, dropped = next(recorder.numbers), file.dropped
        try:
            statements = [[*map(_open, one[:-1]), list(map(_open, one[-1]))] for one in template]
            file.append(encode({"shape": {"number": number, "statements": statements}}))
        except (TypeError, ValueError, OverflowError):
            pass_on()
            return
        if file.dropped == dropped and recorder.file.dropped == dropped:
            self._number = number

    def state(self, *contents: Any) -> None:
        """State them, with `contents` in the holes, by their numbers."""
        recorder = self._recorder
        if self._within is not recorder.shapes:
            self._define()
        if self._number:
            try:
                payload = encode((0, self._number, *contents))
            except (TypeError, ValueError, OverflowError):
                pass_on()
                payload = b""
            if payload:
                recorder.file.append(payload)
                return
        try:
            for cells in fill_in(self._template, contents):
                recorder.statement(tuple(cells))
        except Exception:
            pass_on()
            recorder.lost += 1


def _open(cell: Any) -> Any:
    """A cell of a template as the journal has it."""
    return (
        hole(cell.number)
        if type(cell) is Hole
        else cell
        if type(cell) is msgspec.msgpack.Ext
        else faithful(cell)
    )
