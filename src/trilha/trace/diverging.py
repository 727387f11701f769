"""Where two traces part: the first evaluation that one program did otherwise than the other, and why.

Evaluations are numbered, and parts of the text are met, in the order in which they happen. So two runs that
do the same have the same columns up to a point; there the control went another way, a part was found
elsewhere, or (where values were recorded) a value is another. Source: executions are aligned by their
structure as by Xin, Sumner and Zhang, "Efficient program execution indexing" (PLDI 2008), for one thread.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from trilha.trace.compiling import Lines
from trilha.trace.effects import PURE
from trilha.trace.evaluations import Component, Kind, Role
from trilha.trace.slicing import Slice, backward
from trilha.trace.traced import Traced

__all__ = ["Divergence", "How", "Instead", "divergence", "from_outside", "instead", "reason"]

_PIECE: Final = 1 << 14
_TEXT: Final = (Kind.LITERAL, Kind.CONSTANT, Kind.NAME)


class How(StrEnum):
    """What is not the same."""

    TEXT = "text"
    """The text is another there."""
    FLOW = "flow"
    """Another part of the text was evaluated, or none."""
    DATA = "data"
    """The same part of the text found its value elsewhere: by another key, in another place."""
    VALUE = "value"
    """The value is another."""


class Divergence(NamedTuple):
    """The first evaluation that is not the same in two traces.

    Attributes:
        how: what is not the same.
        number: of the evaluation, in both.
        first: the part of the text that the first trace evaluated; None where it did something else
            (`instead`).
        second: that of the second.
        last: the last evaluation before, which is the same in both; None if there is none.
    """

    how: How
    number: int
    first: Component | None
    second: Component | None
    last: int | None


class Instead(NamedTuple):
    """What a trace has where another has an evaluation.

    Attributes:
        called: name of the function that begins there; empty for none.
        then: the call of that function; else the next part of the text that was evaluated; None at the end
            of the trace, or where what called the function is not traced.
    """

    called: str
    then: Component | None


def divergence(one: Traced, other: Traced) -> Divergence | None:
    """Where two traces part; None where they are the same to the end."""
    found = min(
        ((number, how) for number, how in _differences(one, other) if number is not None),
        key=lambda pair: (pair[0], list(How).index(pair[1])),
        default=None,
    )
    if found is None:
        return None
    number, how = found
    last = next((at for at in range(number - 1, 0, -1) if one.is_evaluation(at)), None)
    mine, its = _component(one, number), _component(other, number)
    if how is How.FLOW and not (_is_in(mine, one, other) and _is_in(its, other, one)):
        how = How.TEXT
    return Divergence(how, number, mine, its, last)


def instead(traced: Traced, number: int) -> Instead:
    """What a trace has at a number that is none of an evaluation: a function begins, something is changed."""

    def begin(activation: int) -> int:
        return traced.activation_of(activation).checkpoint

    at = bisect_left(traced.activations, number, key=begin)
    if at < len(traced.activations) and begin(traced.activations[at]) == number:
        activation = traced.activation_of(traced.activations[at])
        return Instead(activation.name, traced.component(activation.call) if activation.call else None)
    then = next((at for at in range(number + 1, traced.end) if traced.is_evaluation(at)), None)
    return Instead("", None if then is None else traced.component(then))


def reason(traced: Traced, found: Divergence) -> Slice:
    """What decided, in one of the two traces, that it went this way there.

    Of another way that the control went: what a loop goes through, or the last that was evaluated before.
    Of another text nothing: that is the reason.
    """
    start = found.last
    if found.how is How.TEXT:
        start = None
    elif found.how is not How.FLOW:
        start = found.number
    elif traced.is_evaluation(found.number):
        looped = [source for source, role in traced.sources(found.number) if role is Role.ITERABLE]
        start = looped[0] if looped else start
    return backward(traced, [] if start is None else [start], places=True)


def from_outside(told: Slice) -> list[int]:
    """The calls of a slice that got something from outside of the text: given literals, if anything."""
    return list(_from_outside(told))


def _from_outside(told: Slice) -> Iterator[int]:
    traced = told.traced
    for number in told.evaluations:
        one = traced.component(number)
        if one.kind is not Kind.CALL or traced.called_by(number):
            continue
        holder, _, name = one.text.partition("(")[0].rpartition(".")
        given = [source for source, role in traced.sources(number) if role is not Role.FUNCTION]
        inside = name in PURE and not holder.endswith("environ")
        if not inside and all(traced.component(source).kind in _TEXT for source in given):
            yield number


def _differences(one: Traced, other: Traced) -> Iterator[tuple[int | None, How]]:
    """For each column, the first evaluation at which it differs; None where it does not."""
    yield _first_slot(one, other), How.FLOW
    slots, others = one.columns("slot"), other.columns("slot")
    yield _first(slots, others), How.FLOW
    for name in ("source", "role"):
        place = _first(one.columns(name), other.columns(name))
        yield (one.owner(place) if place is not None else None), How.DATA
    yield _first_text(one, other, "key"), How.DATA
    yield _first_text(one, other, "value"), How.VALUE


def _first(one: memoryview[int], other: memoryview[int]) -> int | None:
    """The first place at which two columns differ."""
    length = min(len(one), len(other))
    for begin in range(0, length, _PIECE):
        end = min(begin + _PIECE, length)
        if one[begin:end] != other[begin:end]:
            return next(at for at in range(begin, end) if one[at] != other[at])
    return None if len(one) == len(other) else length


def _first_slot(one: Traced, other: Traced) -> int | None:
    """The first evaluation of a part of the text that is not the same part in both."""
    for slot, (mine, its) in enumerate(zip(_parts(one), _parts(other), strict=False)):
        if mine != its:
            return min(one.first_of_slot(slot), other.first_of_slot(slot))
    return None


def _parts(traced: Traced) -> Iterator[tuple[str, ...]]:
    """The parts of the text in the order in which they were met: what tells each from others."""
    for number, name in traced.slots():
        one = traced.components.get(number)
        if one is None:
            yield ("", "", "", name or "")
        else:
            # Of what goes over several lines, the parts inside are met on their own.
            yield os.path.basename(one.file), one.text.partition("\n")[0], one.kind, name or ""


def _first_text(one: Traced, other: Traced, name: str) -> int | None:
    """The first evaluation whose key, or value, is not the same."""
    at, its = one.columns(f"{name} at"), other.columns(f"{name} at")
    both = min(len(at), len(its), _first(at, its) or 1 << 62)
    known: set[tuple[int, int]] = set()
    for place, pair in enumerate(zip(one.columns(name)[:both], other.columns(name)[:both], strict=True)):
        if pair not in known:
            number = at[place]
            if _text(one, name, number) != _text(other, name, number):
                return number
            known.add(pair)
    if both < len(at) and both < len(its):
        return min(at[both], its[both])
    return None


def _text(traced: Traced, name: str, number: int) -> str | None:
    return traced.value(number) if name == "value" else traced.name(number)


def _is_in(part: Component | None, traced: Traced, other: Traced) -> bool:
    """Whether the line of a part of the text stands in the text of the other trace, too."""
    if part is None:
        return True
    line = Lines(traced.texts.get(part.file, ""))[part.line].strip()
    names = [path for path in other.texts if os.path.basename(path) == os.path.basename(part.file)]
    return any(line == one.strip() for path in names for one in Lines(other.texts[path]))


def _component(traced: Traced, number: int) -> Component | None:
    return traced.component(number) if traced.is_evaluation(number) else None
