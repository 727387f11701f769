"""Terms and their merging (PROV-CONSTRAINTS section 5.1 and 6.1: unification).

A term stands in a cell of a statement. It is a constant (a name, a time, or `PLACEHOLDER` for "nothing"), or
an existential variable: something that is there and not named. A variable is an ``int`` that tells its cell
(`Terms.cell` makes it, nothing is stored for it), or a name that begins with ``_:``.

Which cells left empty hold a variable says Definition 4: all but the plan of an association and the activity
of a derivation, and, where a derivation has no activity, its generation and usage. Those hold nothing.

Classes of equal terms are kept by union-find; beside it stand the single equations with their reasons, so
that an explanation is a shortest path.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from trilha.prov.namespaces import Name
from trilha.prov.record import Record
from trilha.prov.terms import PLACEHOLDER, Kind

__all__ = ["Reason", "Terms", "is_variable"]

_NOTHING = PLACEHOLDER
_BITS = 4
_CELL = (1 << _BITS) - 1


class Reason(NamedTuple):
    """Why two terms are equal: a rule of the recommendation, applied to two statements (by their indexes)."""

    rule: int
    one: int
    other: int


def is_variable(term: Any) -> bool:
    """Whether a term is an existential variable."""
    return term.__class__ is int or (term.__class__ is Name and term.startswith("_:"))


class Terms:
    """The terms of a list of statements, which ones are equal, and why.

    Args:
        records: the statements; may grow at its end.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._parent: dict[Any, Any] = {}
        self._users: dict[Any, list[int]] = {}
        self._equations: dict[Any, list[tuple[Any, Reason]]] = {}
        self._blanks: dict[Name, list[int]] | None = None

    def cell(self, index: int, cell: int) -> Any:
        """The term in a cell: 1 is the identifier, 2 the first argument, and so on."""
        record = self._records[index]
        given = record[cell]
        if given is not None and given is not _NOTHING:
            return given
        kind = record[0]
        if kind == Kind.ASSOCIATION and cell == 4:
            return _NOTHING
        if kind == Kind.DERIVATION and cell >= 4 and (record[4] is None or record[4] is _NOTHING):
            return _NOTHING
        return index << _BITS | cell

    def __bool__(self) -> bool:
        """Whether any variable is equal to something else."""
        return bool(self._parent)

    def find(self, term: Any) -> Any:
        """What stands for all terms that are equal to this one: their constant, if there is one."""
        parent = self._parent
        above = parent.get(term)
        if above is None:
            return term
        while (next_ := parent.get(above)) is not None:
            parent[term] = next_  # shorten the way for the next time
            term, above = above, next_
        return above

    def unify(self, one: Any, other: Any, reason: Reason) -> list[int] | None:
        """Make two terms equal.

        Returns:
            The statements whose keys changed by it; None if they are two different constants.
        """
        first, second = self.find(one), self.find(other)
        if first == second:
            return []
        if not is_variable(second):
            first, second = second, first
        if not is_variable(second):
            return None
        # Now the second is a variable, and goes under the first.
        mine, theirs = self._using(first), self._using(second)
        if is_variable(first) and len(mine) < len(theirs):
            first, second, mine, theirs = second, first, theirs, mine
        self._parent[second] = first
        self._equations.setdefault(one, []).append((other, reason))
        self._equations.setdefault(other, []).append((one, reason))
        self._users.pop(second, None)
        if not is_variable(first):
            return theirs
        changed = theirs if len(mine) > 1 else mine + theirs
        self._users[first] = mine
        mine += theirs
        return list(changed)

    def path(self, one: Any, other: Any) -> list[Reason]:
        """The shortest chain of reasons why two terms are equal; empty if they are the same."""
        if one == other:
            return []
        came: dict[Any, tuple[Any, Reason] | None] = {one: None}
        queue = deque([one])
        while queue:
            term = queue.popleft()
            for next_, reason in self._equations.get(term, ()):
                if next_ not in came:
                    came[next_] = (term, reason)
                    if next_ == other:
                        return _walk(came, other)
                    queue.append(next_)
        return []

    def _using(self, term: Any) -> list[int]:
        """The statements in which a variable stands."""
        if not is_variable(term):
            return []
        known = self._users.get(term)
        if known is None:
            known = [term >> _BITS] if term.__class__ is int else list(self._with_blank(term))
            self._users[term] = known
        return known

    def _with_blank(self, name: Name) -> Iterable[int]:
        if self._blanks is None:
            self._blanks = {}
            for index, record in enumerate(self._records):
                for given in record[1:-1]:
                    if given.__class__ is Name and given.startswith("_:"):
                        self._blanks.setdefault(given, []).append(index)
        return self._blanks.get(name, ())


def _walk(came: dict[Any, tuple[Any, Reason] | None], term: Any) -> list[Reason]:
    reasons: list[Reason] = []
    step = came[term]
    while step is not None:
        before, reason = step
        reasons.append(reason)
        step = came[before]
    return list(dict.fromkeys(reversed(reasons)))
