"""The traces of a recorded run, from the journals of its processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain

from trilha.capture.journal import Block, Rows, read
from trilha.errors import JournalError
from trilha.prov.uncollected import uncollected
from trilha.trace.evaluations import Activation, Component, Event
from trilha.trace.log import FORKED, Log
from trilha.trace.replay import replay

__all__ = ["chunks", "count", "events", "journals", "order", "whole"]


def journals(folder: str, run: str) -> list[str]:
    """Paths of the journals of the run with the UUID `run`, in the store `folder`."""
    place = os.path.join(folder, "journals", run)
    if not os.path.isdir(place):
        return []
    return [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".journal")]


def count(folder: str, run: str) -> int:
    """How many processes of a run have traces, as far as their journals can be read."""
    found = 0
    for path in journals(folder, run):
        try:
            found += next(_pieces(path), None) is not None
        except (OSError, JournalError):
            continue
    return found


def order(path: str) -> tuple[bool, int]:
    """Where the journal of a process comes among those of its run: the first process, then as they began.

    Raises:
        OSError, JournalError: the journal cannot be read.
    """
    head = read(path).head
    return head.parent is not None, head.started


def chunks(
    path: str, passed: Callable[[int], object] = lambda _: None, *, forked: bool = True
) -> Iterator[bytes]:
    """The bytes of the trace in a journal, piece by piece; none if it holds no trace.

    That of a forked process comes behind what its parent had logged before.

    Args:
        path: of the journal.
        passed: takes the place in the journal behind each piece, in bytes.
        forked: give those of forked processes, too.

    Raises:
        OSError, JournalError: the journal cannot be read.
    """
    first = True
    for place, piece in _pieces(path):
        if first and piece[:1] == bytes([FORKED]):
            if not forked:
                return
            yield from _before(path, piece)
        first = False
        passed(place)
        yield piece


def _pieces(path: str) -> Iterator[tuple[int, bytes]]:
    """The pieces of the trace that a process itself logged, and the places in its journal behind them."""
    blocks: set[int] = set()
    for place, event in read(path).events():
        if isinstance(event, Block) and event.kind == "trace":
            blocks.add(event.number)
        elif isinstance(event, Rows) and event.block in blocks:
            yield place, event.data


def _before(path: str, begin: bytes) -> Iterator[bytes]:
    """What the process that forked this one had logged before, as its own log begins with."""
    log = Log([begin[1:]])
    left = log.number()
    parent = os.path.join(os.path.dirname(path), f"{log.text().decode('ascii', 'replace')}.journal")
    first = True
    for _, piece in _pieces(parent):
        if left <= 0:
            return
        if first and piece[:1] == bytes([FORKED]):
            yield from _before(parent, piece)
        first = False
        yield piece[:left]
        left -= len(piece)
    if left > 0:
        raise JournalError(f"{parent} is cut short: the trace in {path} goes on with what is missing there")


def events(
    folder: str,
    run: str,
    sink: Callable[[Event], object],
    components: Callable[[Component], object],
    linked: Callable[[int, int], object] = lambda _activation, _call: None,
) -> bool:
    """Send the events of a run's trace to `sink`, and the parts of its text to `components`.

    What other processes than the first one did is in traces of their own, which are not among these.

    Args:
        folder: of the store.
        run: UUID of the run.
        sink: as for `trilha.trace.replay.replay`.
        components: as there.
        linked: as there.

    Returns:
        Whether the run has a trace.
    """
    known = []
    for path in journals(folder, run):
        try:
            pieces = chunks(path, forked=False)
            first = next(pieces, None)
            known += [] if first is None else [(order(path), chain([first], pieces))]
        except (OSError, JournalError):
            continue
    if known:
        replay(min(known, key=lambda one: one[0])[1], sink, components, linked)
    return bool(known)


def whole(folder: str, run: str) -> tuple[list[Event], dict[int, Component]] | None:
    """All events of a run's trace, and the parts of its text by number; None if it has no trace."""
    found: list[Event] = []
    parts: dict[int, Component] = {}
    calls: dict[int, int] = {}

    def keep(part: Component) -> None:
        parts[part.number] = part

    with uncollected():
        traced = events(folder, run, found.append, keep, calls.__setitem__)
    if not traced:
        return None
    for at, event in enumerate(found):
        if isinstance(event, Activation):
            found[at] = event._replace(call=calls.get(event.number))
    return found, parts
