"""What a user means in a trace: a variable, a part of one, a line, or an expression as it is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from trilha.errors import NotFound
from trilha.trace.contents import Contents
from trilha.trace.evaluations import Component, Kind
from trilha.trace.files import opened_as, written_by
from trilha.trace.leading import Leading
from trilha.trace.traced import Several, Traced
from trilha.trace.variables import Variables

__all__ = ["Meant", "file_meant", "history", "meant"]

_LINE = re.compile(r"(?:(?P<file>[^:@]+):)?(?P<line>\d+)$")
_MOST_BINDINGS = 1000
_AT = re.compile(r"(?P<what>.+)@(?:(?P<file>[^@:]+):)?(?P<line>\d+)$", re.DOTALL)


class Meant(NamedTuple):
    """What was meant.

    Attributes:
        traced: the trace that has it.
        evaluations: in their order; the last value is the last one's, those of a line are all of its last
            time.
        component: the last one's.
        times: how many there are in all.
        until: the checkpoint at which what is in it is meant; None for the end of the trace.
    """

    traced: Traced
    evaluations: list[int]
    component: Component
    times: int
    until: int | None = 0


def meant(traces: Sequence[Traced], what: str) -> Meant:
    """The last evaluation that `what` means.

    Args:
        traces: of the processes of a run.
        what: ``name``, a part as it is written (``a[0]``, ``self.x``) or any expression (``f(x) + 1``), each
            also with ``@12`` or ``@file.py:12``: in this line; or ``12``, ``file.py:12``: the line itself.
            A name is the variable of the script or the cells, where they have one; else of any function.

    Raises:
        NotFound: the trace has none.
    """
    for traced in traces:
        line = _LINE.match(what)
        numbers = _named(traced, what) if line is None else traced.of(_begins_in(line["file"], line["line"]))
        if not numbers:
            continue
        last = next(reversed(numbers))
        found = [last] if line is None else _last_time(traced, numbers)
        until = None if line is None and "@" not in what else last + 1
        return Meant(traced, found, traced.component(last), len(numbers), until)
    raise NotFound(_nothing(traces, what))


def _named(traced: Traced, what: str) -> Several | list[int]:
    at = _AT.match(what)
    text = at["what"] if at is not None else what
    here = _covers(at["file"], at["line"]) if at is not None else lambda _: True
    bound = traced.bound(text, here) if at is not None else _variable(traced, text)
    if bound:
        return bound
    found = traced.of(lambda one: one.text == text and one.kind is not Kind.NAME and here(one))
    part = None if found else _part(traced, what)
    return [part] if part else found


def _variable(traced: Traced, name: str) -> Several:
    """The bindings of a name: those in the script, or in cells, outside of functions, if there are such."""
    found = traced.bound(name)
    if not name.isidentifier():
        return found
    of_script = {*list(traced.texts)[:1], *traced.spaces}
    known: dict[str, Variables] = {}

    def is_of_module(one: Component) -> bool:
        if one.file not in of_script or one.kind is not Kind.ASSIGN:
            return False
        if one.file not in known:
            known[one.file] = Variables(traced.texts[one.file])
        return known[one.file].binds(one, name)

    return traced.bound(name, is_of_module) or found


def _part(traced: Traced, what: str) -> int | None:
    """The evaluation of what a part of a variable's value (``a[0].x``) is at the end; None if not known."""
    keys: list[str] = []
    try:
        node: ast.expr = ast.parse(what, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        if isinstance(node, ast.Attribute):
            keys.append(f".{node.attr}")
        elif isinstance(node.slice, ast.Constant) and type(node.slice.value) in (int, str):
            keys.append(repr(node.slice.value))
        else:
            return None
        node = node.value
    if not isinstance(node, ast.Name) or not keys:
        return None
    contents = Contents(traced)
    # The last of the variables of this name that has such a part.
    for number in islice(reversed(_variable(traced, node.id)), _MOST_BINDINGS):
        found: int | None = number
        for key in reversed(keys):
            thing = traced.thing(found) if found else 0
            found = contents.member(thing, key) if thing else None
        if found:
            return found
    return None


def _begins_in(file: str | None, line: str) -> Callable[[Component], bool]:
    """Tells whether a component begins in a line."""
    return lambda one: one.line == int(line) and _is_in(one, file)


def _covers(file: str | None, line: str) -> Callable[[Component], bool]:
    """Tells whether a component goes over a line."""
    return lambda one: one.line <= int(line) <= one.end_line and _is_in(one, file)


def _is_in(component: Component, file: str | None) -> bool:
    return not file or component.file == file or component.file.endswith(f"/{file}")


def _last_time(traced: Traced, numbers: Several | list[int]) -> list[int]:
    """Of a line that was gone through often, the evaluations of the last time, in the same activation."""
    seen: set[int] = set()
    found: list[int] = []
    activation = None
    for number in reversed(numbers):
        component, inside = traced.component_number(number), traced.activation_number(number)
        if component in seen or inside != (activation or inside):
            break
        activation = inside
        seen.add(component)
        found.append(number)
    return found[::-1]


def file_meant(traces: Sequence[Traced], what: str, *, written: bool) -> Meant | None:
    """The evaluations by which a file was written, or read; None where it was not.

    Args:
        traces: of the processes of a run.
        what: path of the file, or the last parts of it.
        written: those that may have written to it, instead of those that opened it to read.
    """
    for traced in traces:
        opened = opened_as(traced, what, written=written)
        if opened:
            numbers = sorted({one.evaluation for one in opened})
            component = traced.component(numbers[-1])
            return Meant(traced, written_by(traced, opened) if written else numbers, component, len(numbers))
    return None


def history(traced: Traced, name: str) -> list[int]:
    """Each time that a variable was bound, or what it then named was changed, or something in that.

    Args:
        traced: the trace.
        name: of the variable, or a part as it is written.
    """
    bound = list(traced.bound(name))
    found = set(bound)
    contents, leading = Contents(traced), Leading(traced)
    for number, following in zip(bound, [*bound[1:], None], strict=True):
        end = following if following is not None else 2**62
        for thing in contents.inside(traced.thing(number)) - {0}:
            changes = traced.changes_of(thing, end)
            found.update(change.by for change in changes if change.checkpoint > number)
        found.update(call for call in leading.done_to(traced.thing(number)) if number < call < end)
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
