"""Going forward: whether what looked at a data structure saw a change in it that came of something.

Each change is taken once for each way to look at the thing, when the first one sees it that looks that way;
so many looks at what grows cost no more than its growth. Whoever asks goes forward in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from trilha.trace.contents import Contents
from trilha.trace.evaluations import Change
from trilha.trace.held import Held

__all__ = ["Reaching"]

Comes: TypeAlias = Callable[[Change], bool]
"""Whether a change came of what is asked about."""


class Reaching:
    """What was seen of changes.

    Args:
        contents: of the things of the trace.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._ways: dict[tuple[Held, bool], _Way] = {}
        self._looked: dict[tuple[int, bool], tuple[int, set[int]]] = {}

    def seen(
        self, evaluation: int, thing: int, source: int, comes: Comes, *, keys: bool
    ) -> tuple[bool, list[Change]]:
        """Whether an evaluation that looked at the value of a source saw such a change.

        Args:
            evaluation: that looked.
            thing: the identity of the value.
            source: whose value it is.
            comes: tells of a change whether it is such a one.
            keys: whether it sees the keys under which members are, too: another way to look.

        Returns:
            That, and such changes that nobody saw before who looked this way.
        """
        contents = self._contents
        things = contents.looked_at(evaluation, source)
        if not things:
            return False, []
        if contents.is_keyed(evaluation, source):
            return self.seen_in(contents.view(thing, evaluation, source), evaluation, comes, keys=keys)
        other, reached = self._looked.get((thing, keys), (None, set[int]()))
        new: list[Change] = []
        for one in contents.changed_since(thing, evaluation, other):
            came, more = self.seen_in(contents.view(one, evaluation, source), evaluation, comes, keys=keys)
            new += more
            if came:
                reached.add(one)
            else:
                reached.discard(one)
        self._looked[thing, keys] = evaluation, reached
        return bool(reached), new

    def seen_in(
        self, held: Held, evaluation: int, comes: Comes, *, keys: bool = False
    ) -> tuple[bool, list[Change]]:
        """The same of some changes alone."""
        way = self._ways.get((held, keys))
        if way is None:
            way = self._ways[held, keys] = _Way(held)
        new = list(way.go_on(evaluation, comes))
        return bool(way.came), new


class _Way:
    """A way to look at a thing.

    Attributes:
        came: the places of the changes that came of it, and still held for who looked last.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._taken = 0
        self.came: dict[int, None] = {}

    def go_on(self, before: int, comes: Comes) -> Iterator[Change]:
        """Take the changes until a checkpoint; gives those that came of it."""
        until = self._held.until(before)
        for at in range(self._taken, until):
            if self.came:
                for gone in self._held.replaced_by(at):
                    self.came.pop(gone, None)
            if comes(change := self._held.changes[at]):
                self.came[at] = None
                yield change
        self._taken = max(self._taken, until)
