"""Which member is at a position of a list, where members were put in and taken out before it.

The changes are gone through in their order, on what the list had when it was made; a position of which they
do not tell has no member here.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator

from trilha.trace.evaluations import Change, How, Kind, Role
from trilha.trace.traced import Traced

__all__ = ["absolute", "is_moved", "member_at", "members_at"]

_EVER = 2**62


def member_at(traced: Traced, thing: int, position: int) -> int | None:
    """The evaluation of what is at a position of a list at the end; None where that is not known."""
    members, _ = _at_the_end(traced, thing)
    return members[position] if 0 <= position < len(members) else None


def absolute(traced: Traced, thing: int, position: int) -> int | None:
    """A position from the end of a list as one from its beginning; None where its length is not known."""
    length = _at_the_end(traced, thing)[1]
    return None if length is None or length + position < 0 else length + position


def is_moved(traced: Traced, thing: int) -> bool:
    """Whether members were put in before others, or taken out."""
    return any(one.how in (How.INSERT, How.REMOVE) for one in traced.changes_of(thing, _EVER))


def members_at(traced: Traced, thing: int, position: int, until: int) -> Iterator[tuple[int, int]]:
    """By which evaluations another member came to a position of a list, or may have; and the member.

    Where the member is not known, or there is none any more, it is the evaluation itself.
    """
    before: int | None = None
    for by, members, _ in _states(traced, thing, until):
        now = members[position] if position < len(members) else None
        if now != before:
            yield by, now or by
        before = now


def _at_the_end(traced: Traced, thing: int) -> tuple[list[int | None], int | None]:
    """The members as far as they are known from the first on, and how many there are, if that is known."""
    states = deque(_states(traced, thing, _EVER), 1)
    return states[0][1:] if states else ([], None)


def _states(traced: Traced, thing: int, until: int) -> Iterator[tuple[int, list[int | None], int | None]]:
    """By which evaluation a list has which members, after each of its changes: always the same list."""
    made = next(traced.with_thing(thing), None)
    if made is None:
        return
    members, length = _made(traced, made)
    yield made, members, length
    for change in traced.changes_of(thing, until):
        if change.how is How.CLEAR:
            members.clear()
            length = 0
        elif change.key is not None and change.key.isdecimal():
            length = _changed(members, length, change, int(change.key))
        elif (change.key or "")[:1] != ".":
            members.clear()
            length = None
        yield change.by, members, length


def _made(traced: Traced, first: int) -> tuple[list[int | None], int | None]:
    """What it had at first: the members that its display, or what copied others, has."""
    members: list[int | None] = []
    for source in traced.evaluation(first).sources:
        if source.role is Role.MEMBER and (source.name or "").isdecimal():
            _set(members, int(source.name or 0), source.evaluation)
    return members, _written_length(traced, first)


def _written_length(traced: Traced, first: int) -> int | None:
    """How many members a display has; None where the text does not say."""
    one = traced.component(first)
    if one.kind is not Kind.DEFINITION or one.text[:1] != "[":
        return None
    try:
        node = ast.parse(one.text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(node, ast.List) or any(isinstance(part, ast.Starred) for part in node.elts):
        return None
    return len(node.elts)


def _changed(members: list[int | None], length: int | None, change: Change, at: int) -> int | None:
    """Make a change at a position; the length since."""
    if change.how is How.INSERT:
        members.extend([None] * (at - len(members)))
        members.insert(at, change.member or change.by)
        return None if length is None else length + 1
    if change.how is How.REMOVE:
        del members[at : at + 1]
        return None if length is None else length - 1
    _set(members, at, None if change.how is How.DELETE else change.member or change.by)
    return None if length is None else max(length, at + 1)


def _set(members: list[int | None], at: int, member: int | None) -> None:
    members.extend([None] * (at + 1 - len(members)))
    members[at] = member
