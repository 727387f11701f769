"""Files that a traced program opened: which values of a slice were read from which, and what went into one.

Of a file that is written, what is known is which call opened it. Every call after that which is given the
open file, or something that a library made of it (a writer of rows, say), may have written to it: libraries
are black boxes. What reads files on its own account is told as such: no literal of the text names them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from trilha.trace.carried import given
from trilha.trace.evaluations import Kind, Opened
from trilha.trace.slicing import Slice, backward
from trilha.trace.traced import Traced

__all__ = ["Read", "opened_as", "read_by", "unclaimed", "written_by", "written_from"]


_MOST_LOOKS: Final = 50


class Read(NamedTuple):
    """A file that was read.

    Attributes:
        opened: how, the first time.
        times: how often.
        named: a literal of the text that went into the call that read it has its name; None where there are
            too many files to look.
    """

    opened: Opened
    times: int
    named: bool | None


def opened_as(traced: Traced, what: str, *, written: bool) -> list[Opened]:
    """How a file was opened, to be written or to be read.

    Args:
        traced: the trace.
        what: path of the file, or the last parts of it.
        written: to be written.
    """
    whole, end = os.path.abspath(what), os.sep + what
    return [
        one
        for one in traced.opened
        if one.written == written and one.evaluation and (one.path == whole or one.path.endswith(end))
    ]


def written_by(traced: Traced, opened: Sequence[Opened]) -> list[int]:
    """The evaluations that may have written to files: calls that opened them, or were given them open."""
    openers = {one.evaluation for one in opened}
    return sorted(openers.union(given(traced, openers)))


def read_by(told: Slice) -> list[Read]:
    """The files that evaluations of a slice read, by their paths."""
    found: dict[str, list[Opened]] = {}
    for one in told.traced.opened:
        if one.evaluation and one.evaluation in told and not one.written:
            found.setdefault(one.path, []).append(one)
    few = len(found) <= _MOST_LOOKS
    return [
        Read(some[0], len(some), _is_named(told.traced, some[0]) if few else None)
        for _, some in sorted(found.items())
    ]


def written_from(told: Slice) -> list[Opened]:
    """The files that evaluations of a slice may have written to, as they were opened first."""
    found: dict[str, list[Opened]] = {}
    for one in told.traced.opened:
        if one.evaluation and one.written:
            found.setdefault(one.path, []).append(one)
    return [
        some[0]
        for _, some in sorted(found.items())
        if any(number in told for number in written_by(told.traced, some))
    ]


def unclaimed(traced: Traced) -> Iterator[Opened]:
    """The files that were read by no evaluation that is known: by other threads, calls that failed."""
    return (one for one in traced.opened if not one.evaluation and not one.written)


def _is_named(traced: Traced, opened: Opened) -> bool:
    """Whether a literal that went into the call that opened a file has its name."""
    name = os.path.basename(opened.path)
    opener = traced.component(opened.evaluation)
    if opener.kind is Kind.ASSIGN and name.partition(".")[0] in opener.text:
        return True  # An import.
    behind = backward(traced, [opened.evaluation], places=True)
    parts = {traced.component_number(number) for number in behind.evaluations}
    texts = [one.text for one in map(traced.components.__getitem__, parts) if one.kind is Kind.LITERAL]
    return any(name in text for text in texts)
