"""What a user means in a trace: a variable, a part of one, a line, or an expression as it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from trilha.errors import NotFound
from trilha.trace.evaluations import Component, Kind
from trilha.trace.traced import Traced

__all__ = ["Meant", "history", "meant"]

_LINE = re.compile(r"(?:(?P<file>[^:@]+):)?(?P<line>\d+)$")
_AT = re.compile(r"(?P<what>.+)@(?:(?P<file>[^@:]+):)?(?P<line>\d+)$", re.DOTALL)


class Meant(NamedTuple):
    """What was meant.

    Attributes:
        traced: the trace that has it.
        evaluations: in their order; the last value is the last one's, those of a line are all of its last
            time.
        component: the last one's.
        times: how many there are in all.
    """

    traced: Traced
    evaluations: list[int]
    component: Component
    times: int


def meant(traces: Sequence[Traced], what: str) -> Meant:
    """The last evaluation that `what` means.

    Args:
        traces: of the processes of a run.
        what: ``name``, a part as it is written (``a[0]``, ``self.x``) or any expression (``f(x) + 1``), each
            also with ``@12`` or ``@file.py:12``: in this line; or ``12``, ``file.py:12``: the line itself.

    Raises:
        NotFound: the trace has none.
    """
    for traced in traces:
        if (found := _LINE.match(what)) is not None:
            numbers = traced.at_line(int(found["line"]), found["file"] or "")
            if numbers:
                return Meant(traced, _last_time(traced, numbers), traced.component(numbers[-1]), len(numbers))
            continue
        numbers = _named(traced, what)
        if numbers:
            return Meant(traced, numbers[-1:], traced.component(numbers[-1]), len(numbers))
    raise NotFound(_nothing(traces, what))


def _named(traced: Traced, what: str) -> list[int]:
    at = _AT.match(what)
    text = at["what"] if at is not None else what

    def here(component: Component) -> bool:
        if at is None:
            return True
        file = at["file"] or ""
        within = component.line <= int(at["line"]) <= component.end_line
        return within and (not file or component.file == file or component.file.endswith(f"/{file}"))

    bound = [number for number in traced.bound(text) if here(traced.component(number))]
    if bound:
        return bound
    same = [
        number
        for number, one in traced.components.items()
        if one.text == text and one.kind is not Kind.NAME and here(one)
    ]
    return sorted(one for number in same for one in traced.of_component(number))


def _last_time(traced: Traced, numbers: list[int]) -> list[int]:
    """Of a line that was gone through often, the evaluations of the last time, in the same activation."""
    seen: set[int] = set()
    found: list[int] = []
    activation = traced.activation(numbers[-1])
    for number in reversed(numbers):
        component = traced.component_number(number)
        if component in seen or traced.activation(number) != activation:
            break
        seen.add(component)
        found.append(number)
    return found[::-1]


def history(traced: Traced, name: str) -> list[int]:
    """Each time that a variable was bound, or what it then named was changed, or something in that.

    Args:
        traced: the trace.
        name: of the variable, or a part as it is written.
    """
    bound = traced.bound(name)
    found = set(bound)
    for number, following in zip(bound, [*bound[1:], None], strict=True):
        for thing in traced.inside(traced.thing(number)) - {0}:
            for change in traced.changes_of(thing, following if following is not None else 2**62):
                if change.checkpoint > number:
                    found.add(change.by)
    return sorted(found)


def _nothing(traces: Sequence[Traced], what: str) -> str:
    from difflib import get_close_matches

    names = {name for traced in traces for name in traced.names()}
    close = get_close_matches(what.partition("@")[0], sorted(names), 3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return (
        f"{what!r}: no variable, expression or line of the traced text that was evaluated; expected a name, a"
        f" part such as a[0], an expression as it is written, or a line, each also with @LINE.{hint}"
    )
