"""What a user means in a trace: a variable, a part of one, a line, or an expression as it is written."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from trilha.errors import NotFound
from trilha.trace import positions
from trilha.trace.compiling import Lines
from trilha.trace.contents import Contents
from trilha.trace.evaluations import Component, How, Kind, Role
from trilha.trace.files import opened_as, written_by
from trilha.trace.traced import Several, Traced
from trilha.trace.variables import Variables

__all__ = ["Meant", "Wanted", "file_meant", "is_of_line", "key_of", "meant", "part", "variable", "wanted"]

_LINE = re.compile(r"(?:(?P<file>[^:@]+):)?(?P<line>\d+)$")
_AGAIN = re.compile(r" \(\d+\)$")
"""What is added to the path of a text that was loaded anew, and had changed."""
_MOST_BINDINGS = 1000
_MOST_PLACES = 5
_LONGEST = 60
_AT = re.compile(r"(?P<what>.+)@(?:(?P<file>[^@:]+):)?(?P<line>\d+)$", re.DOTALL)
_OF = re.compile(r"(?P<function>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<what>.+)$", re.DOTALL)


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


class Wanted(NamedTuple):
    """What is asked for, apart from where.

    Attributes:
        text: a name, a part or an expression, as it is written.
        here: whether a component stands where it is asked for; None where nothing is said of that.
    """

    text: str
    here: Callable[[Component], bool] | None


def meant(traces: Sequence[Traced], what: str) -> Meant:
    """The last evaluation that `what` means.

    Args:
        traces: of the processes of a run.
        what: ``name``, a part as it is written (``a[0]``, ``self.x``) or any expression (``f(x) + 1``), each
            also with ``@12`` or ``@file.py:12``: in this line, or with ``function:`` before it: in this
            function; or ``12``, ``file.py:12``: the line itself. A name is the variable of the script or the
            cells, where they have one; else of any function; ``module.name`` is that of a module. So it is
            with a line.

    Raises:
        NotFound: the trace has none.
    """
    for traced in traces:
        line = _LINE.match(what)
        numbers = _named(traced, what) if line is None else _of_line(traced, line["file"], line["line"])
        if not numbers:
            continue
        last = next(reversed(numbers))
        found = [last] if line is None else _last_time(traced, numbers)
        until = None if line is None and "@" not in what else last + 1
        return Meant(traced, found, traced.component(last), len(numbers), until)
    raise NotFound(_nothing(traces, what))


def is_of_line(what: str) -> bool:
    """Whether a line is asked for, rather than a value."""
    return _LINE.match(what) is not None


def wanted(traced: Traced, what: str) -> Wanted:
    """What is asked for, and where: in which line, in which function."""
    at = _AT.match(what)
    text = what if at is None else at["what"]
    places = [] if at is None else [_covers(at["file"], at["line"])]
    of = _OF.match(text)
    if of is not None:
        known = {file: Variables(source) for file, source in traced.texts.items()}
        if any(_is_called(one, of["function"]) for each in known.values() for one in each.functions()):
            text = of["what"]
            places.append(_in_function(known, of["function"], text))
    of_module = _of_module(traced, text)
    if of_module is not None:
        text = text.rpartition(".")[2]
        places.append(of_module)
    return Wanted(text, (lambda one: all(is_here(one) for is_here in places)) if places else None)


def _of_module(traced: Traced, text: str) -> Callable[[Component], bool] | None:
    """Of ``module.name`` that no text has: tells whether a component binds that variable of the module."""
    module, _, name = text.rpartition(".")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        return None
    ends = tuple(f"/{module.replace('.', '/')}{end}" for end in (".py", "/__init__.py"))
    known = {path: Variables(one) for path, one in traced.texts.items() if f"/{path}".endswith(ends)}
    if not known or any(one.text == text for one in traced.components.values()):
        return None

    def is_here(one: Component) -> bool:
        return one.kind is Kind.ASSIGN and one.file in known and known[one.file].binds(one, name)

    return is_here if traced.bound(name, is_here) else None


def _is_called(function: str, asked: str) -> bool:
    """Whether a function is the one that is asked for by its name, or by the last parts of it."""
    return function == asked or function.endswith(f".{asked}")


def _in_function(known: dict[str, Variables], function: str, text: str) -> Callable[[Component], bool]:
    """Tells whether a component binds a variable of a function, or, of what is no name, stands in it."""

    def is_here(one: Component) -> bool:
        name = text if one.kind is Kind.ASSIGN and text.isidentifier() else ""
        return one.file in known and _is_called(known[one.file].function(one, name), function)

    return is_here


def _named(traced: Traced, what: str) -> Several | list[int]:
    text, place = wanted(traced, what)
    here = place or (lambda _: True)
    bound = traced.bound(text, here) if place is not None else variable(traced, text)
    if bound:
        return bound
    found = traced.of(
        lambda one: (
            one.text == text and one.kind is not Kind.NAME and here(one) and not _is_deleted(traced, one)
        )
    )
    number = None if found or place is not None else part(traced, text)
    return [number] if number else found


def _is_deleted(traced: Traced, one: Component) -> bool:
    """Whether a component is of a ``del``: it has no value."""
    if one.kind is not Kind.PART:
        return False
    number = next(iter(traced.of(lambda other: other.number == one.number)), None)
    return number is not None and not (
        any(role in (Role.VALUE, Role.OPERAND) for _, role in traced.sources(number))
        or any(change.how in (How.PUT, How.INSERT) for change in traced.changes_by(number))
    )


def variable(traced: Traced, name: str) -> Several:
    """The bindings of a name: those in the script, or in cells, outside of functions, if there are such."""
    if not name.isidentifier():
        return traced.bound(name, lambda one: not _is_deleted(traced, one))
    found = traced.bound(name)
    of_script = _of_script(traced)
    known: dict[str, Variables] = {}

    def is_of_module(one: Component) -> bool:
        if one.file not in of_script or one.kind is not Kind.ASSIGN:
            return False
        if one.file not in known:
            known[one.file] = Variables(traced.texts[one.file])
        return known[one.file].binds(one, name)

    return traced.bound(name, is_of_module) or found


def part(traced: Traced, what: str) -> int | None:
    """The evaluation of what a part of a variable's value (``a[0].x``) is at the end; None if not known."""
    keys: list[str] = []
    base = what
    while (found_ := key_of(base)) is not None:
        base, key = found_
        keys.append(key)
    if not base.isidentifier() or not keys:
        return None
    contents = Contents(traced)
    # The last of the variables of this name that has such a part.
    for number in islice(reversed(variable(traced, base)), _MOST_BINDINGS):
        found: int | None = number
        for key in reversed(keys):
            thing = traced.thing(found) if found else 0
            found = _under(traced, contents, thing, key) if thing else None
        if found:
            return found
    return None


def key_of(what: str) -> tuple[str, str] | None:
    """What a part (``a[0]``, ``a.x``) is of, and its key as a trace has it; None if it is no part."""
    try:
        node: ast.expr = ast.parse(what, mode="eval").body
        if isinstance(node, ast.Attribute):
            return ast.unparse(node.value), f".{node.attr}"
        if isinstance(node, ast.Subscript):
            return ast.unparse(node.value), repr(ast.literal_eval(node.slice))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    return None


def _under(traced: Traced, contents: Contents, thing: int, key: str) -> int | None:
    """The member under a key at the end; of a list also by its position from the end."""
    found = contents.member(thing, key)
    if found is None and key.lstrip("-").isdecimal():
        place = positions.absolute(traced, thing, int(key)) if key[:1] == "-" else int(key)
        found = None if place is None else positions.member_at(traced, thing, place)
    return found


def _of_line(traced: Traced, file: str | None, line: str) -> Several:
    """The evaluations of a line: of the script or the cells, if no text is named and they have any."""
    begins = _begins_in(file, line)
    of_script = _of_script(traced)
    found = traced.of(lambda one: one.file in of_script and begins(one)) if not file else None
    return found or traced.of(begins)


def _of_script(traced: Traced) -> set[str]:
    """The texts whose names are meant first: the script, and cells."""
    return {*list(traced.texts)[:1], *traced.spaces}


def _begins_in(file: str | None, line: str) -> Callable[[Component], bool]:
    """Tells whether a component begins in a line."""
    return lambda one: one.line == int(line) and _is_in(one, file)


def _covers(file: str | None, line: str) -> Callable[[Component], bool]:
    """Tells whether a component goes over a line."""
    return lambda one: one.line <= int(line) <= one.end_line and _is_in(one, file)


def _is_in(component: Component, file: str | None) -> bool:
    return not file or _is_called_file(component.file, file)


def _is_called_file(path: str, file: str) -> bool:
    """Whether the path of a text is the one that is asked for, or ends with it."""
    known = path, _AGAIN.sub("", path)
    return file in known or any(one.endswith(f"/{file}") for one in known)


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


def _nothing(traces: Sequence[Traced], what: str) -> str:
    return (
        f"{what!r}: no variable, expression or line of the traced text that was evaluated; expected a name, a"
        f" part such as a[0], an expression as it is written, or a line; also NAME@LINE, FUNCTION:NAME."
        f"{_hint(traces, what)}{_untraced(traces)}"
    )


def _hint(traces: Sequence[Traced], what: str) -> str:
    """What the trace has instead: lines, the lines that bind a name, names and functions that are close."""
    at, line = _AT.match(what), _LINE.match(what)
    if line is not None:
        return _about_line(traces, line["file"], int(line["line"]))
    text = wanted(traces[0], what).text if traces else what
    if at is not None:
        components = [one.component(number) for one in traces for number in one.bound(text)]
        places = dict.fromkeys(f"{os.path.basename(one.file)}:{one.line}" for one in components)
        if places:
            some = ", ".join([*places][:_MOST_PLACES]) + (", …" if len(places) > _MOST_PLACES else "")
            return f" {text!r} is bound in {some}."
    names = {name for traced in traces for name in traced.names()}
    of = _OF.match(text)
    if of is not None:
        texts = {source for traced in traces for source in traced.texts.values()}
        names = {f"{one}:{of['what']}" for source in texts for one in Variables(source).functions()}
    close = get_close_matches(text, sorted(names), 3)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _about_line(traces: Sequence[Traced], file: str | None, line: int) -> str:
    """Why a line has nothing: no such text, no such line, or nothing in it was evaluated."""
    texts = {path: text for traced in traces for path, text in traced.texts.items()}
    known = {path: Lines(text) for path, text in texts.items() if not file or _is_called_file(path, file)}
    if not known:
        some = ", ".join([os.path.basename(path) for path in texts][:_MOST_PLACES])
        return f" No traced text is called {file}; there are {some}."
    path, lines = next(iter(known.items()))
    name = os.path.basename(path)
    if not 1 <= line <= len(lines):
        return f" {name} has the lines 1 to {len(lines):,}."
    return f" Nothing that begins in line {line} of {name} was evaluated: {lines[line].strip()[:_LONGEST]!r}."


def _untraced(traces: Sequence[Traced]) -> str:
    """That not all is traced: what is asked for may have been evaluated there."""
    gaps = list(dict.fromkeys((gap.file, gap.line, gap.why) for traced in traces for gap in traced.gaps))
    if not gaps:
        return ""
    file, line, why = gaps[-1]
    others = f" (and {len(gaps) - 1:,} more)" if len(gaps) > 1 else ""
    return f" Not traced is: {os.path.basename(file)}:{line}: {why}{others}."
