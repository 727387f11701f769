"""The log of a traced process becomes events again: its program's shadow is run along it.

Each operation of the shadow (see `trilha.trace.shadow`) is a method here. It reads from the log what the
program's own operation logged, and states the evaluation. A function's beginning in the log runs the shadow
of that function, whoever called it. Where log and shadow disagree, the rest is one gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from trilha.trace.cells import Cells
from trilha.trace.control import Control
from trilha.trace.elsewhere import Elsewhere
from trilha.trace.evaluations import Component, Event
from trilha.trace.lanes import Lanes
from trilha.trace.operations import Operations

__all__ = ["Replay", "replay"]


class Replay(Cells, Control, Operations, Elsewhere):
    """Replays one log."""

    def several(self) -> bool:
        """Go on as what replays several threads; False if this does already."""
        return Lanes.of(self)

    def choose(self) -> None:
        """Only a part of the module that comes next is traced: go on as what replays such."""
        from trilha.trace.partly import Partly

        Partly.of(self)
        self.choose()


def replay(
    chunks: Iterable[bytes],
    sink: Callable[[Event], object],
    components: Callable[[Component], object] = lambda _: None,
    linked: Callable[[int, int], object] = lambda _activation, _call: None,
) -> Replay:
    """Send the events of a log to `sink`, in the order in which they happened.

    Args:
        chunks: the log's bytes, in pieces cut between records.
        sink: takes each event.
        components: takes each component of the text when an evaluation of it is met first.
        linked: takes an activation and the evaluation of its call: that is known when the call returns, after
            the activation was stated.

    Returns:
        What has replayed it: with the texts of the modules by their paths.
    """
    following = Replay(chunks, sink, components, linked)
    following.run()
    return following
