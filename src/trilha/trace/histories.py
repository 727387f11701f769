"""When a variable was bound, and what it named was changed: its history, binding by binding.

A name is many variables: the script's, and one of each function that binds it, in each of its calls. The
history is that of one of them, as far as the question says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from trilha.errors import NotFound
from trilha.trace import positions
from trilha.trace.asked import is_of_line, key_of, part, variable, wanted
from trilha.trace.contents import Contents
from trilha.trace.evaluations import Change, Component, How, Kind, Role
from trilha.trace.leading import Leading
from trilha.trace.slicing import Slice
from trilha.trace.traced import Traced
from trilha.trace.variables import Owner, Variables

__all__ = ["Changed", "elsewhere", "history"]

_EVER: Final = 2**62
_MOST_CHANGES: Final = 1000
"""So many changes between two bindings are looked at one by one."""
_MADE_OF: Final = frozenset(
    (Role.VALUE, Role.OPERAND, Role.ELEMENT, Role.MEMBER, Role.ARGUMENT, Role.RESULT, Role.COLLECTION)
)


class _Bound(NamedTuple):
    """A time that something was bound.

    Attributes:
        by: evaluation that bound it.
        value: evaluation whose value it is since.
        until: checkpoint from which on it is bound to something else.
    """

    by: int
    value: int
    until: int


def history(traced: Traced, what: str) -> list[int]:
    """Each time that a variable was bound, or what it then named was changed, or something in that.

    Args:
        traced: the trace.
        what: name of the variable, or a part as it is written (``a[0]``, ``self.x``), as `meant` takes them:
            also ``NAME@LINE``, the variable that this line binds, and ``FUNCTION:NAME``.

    Raises:
        NotFound: it is neither a variable nor a part of one.
    """
    text, place = wanted(traced, what)
    bound: Iterable[_Bound] = ()
    if text.isidentifier():
        bound = _of_name(traced, what)
    elif not is_of_line(what):
        assigned = list(traced.bound(text, place or (lambda _: True)))
        bound = [_Bound(one, one, until) for one, until in _until(assigned)]
        bound = bound if place is not None else [*bound, *_of_part(traced, text)]
    contents, leading, found = Contents(traced), Leading(traced), set[int]()
    for by, value, until in bound:
        found.add(by)
        named = traced.thing(value)
        changed = traced.changed_between(by, until, _MOST_CHANGES)
        if changed is None or not changed <= {named}:
            inside = contents.inside(named)
            changed = inside if changed is None else changed & inside
        for thing in changed - {0}:
            found.update(one.by for one in traced.changes_of(thing, until, since=by))
        found.update(call for call in leading.done_to(traced.thing(value)) if by < call < until)
    if not found:
        raise NotFound(
            f"{what!r} has no history: expected a variable or a part of one, such as a[0], that was bound;"
            f" NAME@LINE for the variable that this line binds, FUNCTION:NAME for that of a function"
        )
    return sorted(found)


def elsewhere(traced: Traced, what: str) -> list[str]:
    """The functions that have a variable of the same name, which the history is not, or not alone, of."""
    text, place = wanted(traced, what)
    if place is not None or not text.isidentifier():
        return []
    owners = _Owners(traced, text)
    functions = {owners.function(traced.component(one)) for one in traced.bound(text)} - {""}
    alone = {owners.function(traced.component(one)) for one in variable(traced, text)} == functions
    return [] if alone and len(functions) == 1 else sorted(functions)


class Changed(Slice):
    """A history as a slice: each binding and change, and what that was made of, no further.

    Args:
        traced: the trace.
        numbers: what `history` gave.
    """

    def __init__(self, traced: Traced, numbers: Sequence[int]) -> None:
        super().__init__(traced, tuple(numbers), places=False, guards=False)
        found = set(numbers)
        for number in numbers:
            found.update(source for source, role in traced.sources(number) if role in _MADE_OF)
            found.update(one.member for one in traced.changes_by(number) if one.member is not None)
        for number in sorted(found):
            self._marks[number] = 1
            self.evaluations.append(number)


class _Owners:
    """Tells whose variables of a name the components of a trace bind."""

    def __init__(self, traced: Traced, name: str) -> None:
        self._name = name
        self._texts = traced.texts
        self._known: dict[str, Variables] = {}

    def of(self, one: Component) -> tuple[str, Owner | None]:
        """The file, and the function; None for the module itself."""
        return one.file, self._of_file(one.file).owner(one, self._name)

    def function(self, one: Component) -> str:
        """The name of the function; empty for the module itself."""
        return self._of_file(one.file).function(one, self._name)

    def _of_file(self, file: str) -> Variables:
        if file not in self._known:
            self._known[file] = Variables(self._texts[file])
        return self._known[file]


def _of_name(traced: Traced, what: str) -> Iterator[_Bound]:
    """The bindings of a variable; one of a function is another in each of its calls."""
    text, place = wanted(traced, what)
    owners = _Owners(traced, text)
    some = variable(traced, text) if place is None else traced.bound(text, place)
    parts = [traced.component(number) for number in some]
    # The parameters of a function stand for the whole of it, and so in each of its lines.
    shortest = min((one.end_line - one.line for one in parts), default=0)
    chosen = {owners.of(one) for one in parts if place is None or one.end_line - one.line == shortest}
    every = traced.bound(text, lambda one: one.kind is Kind.ASSIGN and owners.of(one) in chosen)
    groups: dict[tuple[str, Owner | None, int], list[int]] = {}
    for number in every:
        file, owner = owners.of(traced.component(number))
        call = traced.activation_number(number) if owner is not None else 0
        groups.setdefault((file, owner, call), []).append(number)
    for numbers in groups.values():
        yield from (_Bound(one, one, until) for one, until in _until(numbers))


def _until(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Each with the one behind it."""
    return zip(numbers, [*numbers[1:], _EVER][: len(numbers)], strict=True)


def _of_part(traced: Traced, text: str) -> Iterator[_Bound]:
    """What a part of what a variable named was, by whatever name it was put there, until it was taken out."""
    found = key_of(text)
    if found is None:
        return
    base, key = found
    number = part(traced, text)
    holders = list(variable(traced, base)) if base.isidentifier() else [part(traced, base) or 0]
    puts: list[tuple[int, int]] = []
    for holder, until in _until(holders):
        thing = traced.thing(holder)
        if not thing:
            continue
        place = (
            positions.absolute(traced, thing, int(key)) if key[:1] == "-" and key[1:].isdecimal() else None
        )
        own = key if place is None else str(place)
        puts += _puts(traced, thing, own, until)
    puts = sorted(dict.fromkeys(puts)) or ([(number, number)] if number else [])
    for (by, value), (_, until) in zip(puts, _until([by for by, _ in puts]), strict=True):
        yield _Bound(by, value, until)


def _puts(traced: Traced, thing: int, key: str, until: int) -> list[tuple[int, int]]:
    """By which evaluations something else was under a key of a thing, or may have been; and what.

    Nothing where nothing is known to have been under that key.
    """
    if key.isdecimal() and positions.is_moved(traced, thing):
        return list(positions.members_at(traced, thing, int(key), until))
    made = next(iter(traced.with_thing(thing)))
    sources = traced.evaluation(made).sources
    found = [(made, one.evaluation) for one in sources if one.role is Role.MEMBER and one.name == key]
    changes = [one for one in traced.changes_of(thing, until) if _may_change(traced, one, key)]
    if not found and not any(one.key == key for one in changes):
        return []
    return found + [(one.by, one.member or one.by) for one in changes]


def _may_change(traced: Traced, change: Change, key: str) -> bool:
    """Whether a change may be of what is under a key: of that, of all, or of members that are not known."""
    if change.key == key or change.how is How.CLEAR:
        return True
    if change.key is None:  # Of one that is stored under a key which is not known, this is not said.
        return key[:1] != "." and traced.component(change.by).kind is Kind.CALL
    return key.isdecimal() and change.key[:1] not in "'\"." and ":" in change.key
