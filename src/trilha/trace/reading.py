"""The traces of a recorded run, from the journals of its processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from trilha.capture.journal import Block, Rows, read
from trilha.errors import JournalError
from trilha.trace.evaluations import Component, Event
from trilha.trace.replay import replay

__all__ = ["chunks", "events", "journals"]


def journals(folder: str, run: str) -> list[str]:
    """Paths of the journals of the run with the UUID `run`, in the store `folder`."""
    place = os.path.join(folder, "journals", run)
    if not os.path.isdir(place):
        return []
    return [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.endswith(".journal")]


def chunks(path: str) -> Iterator[bytes]:
    """The bytes of the trace in a journal, piece by piece; none if it holds no trace.

    Raises:
        OSError, JournalError: the journal cannot be read.
    """
    blocks: set[int] = set()
    for _, event in read(path).events():
        if isinstance(event, Block) and event.kind == "trace":
            blocks.add(event.number)
        elif isinstance(event, Rows) and event.block in blocks:
            yield event.data


def events(
    folder: str, run: str, sink: Callable[[Event], object], components: Callable[[Component], object]
) -> bool:
    """Send the events of a run's trace to `sink`, and the parts of its text to `components`.

    Returns:
        Whether the run has a trace.
    """
    found = False
    for path in journals(folder, run):
        try:
            pieces = chunks(path)
            first = next(pieces, None)
        except (OSError, JournalError):
            continue
        if first is not None:
            found = True
            replay(_again(first, pieces), sink, components)
    return found


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
