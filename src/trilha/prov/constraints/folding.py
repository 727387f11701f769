"""Taking out what only says less: the core of an instance (Fagin, Kolaitis and Popa 2005, sections 2 and 4).

Which facts with variables are made by inferences depends on the order in which they are made: from an entity
and its attribution follow a generation (7) and a generation (13), or one for both. So a normal form is unique
only without those that say no more than others, that is, the variables of which can be replaced by terms that
are there so that only facts come out that are there. Variables hang together in blocks, mostly of a few
facts; each block is tried on its own. A block that takes more tries than `WORK` allows is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from trilha.prov.constraints.chase import Fact, Pairs
from trilha.prov.constraints.terms import is_variable
from trilha.prov.terms import Kind

__all__ = ["WORK", "blocks", "fold"]

WORK: Final = 20_000
"""So many facts are tried for one block, and twenty times as many as it has; a hundred times that for all."""
_LAST: Final = Kind.MEMBERSHIP


def fold(facts: Sequence[Fact | None], attributes: Sequence[Pairs]) -> tuple[list[Fact | None], bool]:
    """The facts without those that only say less than others.

    Returns:
        The facts, None for those that were taken out; and whether each block was tried to its end.
    """
    folding = _Folding(facts, attributes)
    whole = True
    for block in blocks(facts):
        whole &= folding.block(block)
    return folding.facts, whole


def blocks(facts: Sequence[Fact | None]) -> list[list[int]]:
    """The facts that have variables, by their numbers: those that share one, together."""
    parent: dict[Any, Any] = {}

    def find(term: Any) -> Any:
        while (above := parent.setdefault(term, term)) != term:
            parent[term] = parent[above]
            term = above
        return term

    inside: list[tuple[int, Any]] = []
    for number, fact in enumerate(facts):
        variables = _variables(fact) if fact is not None else []
        if variables:
            inside.append((number, variables[0]))
            first = find(variables[0])
            for other in variables[1:]:
                parent[find(other)] = first
    found: dict[Any, list[int]] = {}
    for number, variable in inside:
        found.setdefault(find(variable), []).append(number)
    return list(found.values())


def _variables(fact: Fact) -> list[Any]:
    return [term for term in fact[1:] if is_variable(term)] if fact[0] <= _LAST else []


class _Folding:
    def __init__(self, facts: Sequence[Fact | None], attributes: Sequence[Pairs]) -> None:
        self.facts = list(facts)
        self._attributes = attributes
        self._by_kind: dict[Kind, list[int]] = {}
        self._indexes: dict[tuple[Any, ...], dict[tuple[Any, ...], list[int]]] = {}
        self._left = 0
        self._total = 100 * WORK + 20 * len(facts)
        for number, fact in enumerate(facts):
            if fact is not None and fact[0] <= _LAST:
                self._by_kind.setdefault(fact[0], []).append(number)

    def block(self, block: list[int]) -> bool:
        """Take out what can be of one block; whether it was tried to its end."""
        self._left = min(WORK + 20 * len(block), self._total)
        before = self._left
        whole = self._try(block)
        self._total -= before - max(0, self._left)
        return whole

    def _try(self, block: list[int]) -> bool:
        while self._left > 0:
            order = self._order(block)
            image = self._smaller(order)
            if image is None:
                return self._left > 0
            kept = image & set(block)
            for number in block:
                if number not in kept:
                    self.facts[number] = None
            block = [number for number in block if number in kept]
            if not block:
                return True
        return False

    def _order(self, block: list[int]) -> list[int]:
        """The facts of a block: first the one that can be mapped on the fewest, then what hangs on it."""
        open_: dict[int, int] = {}
        users: dict[Any, list[int]] = {}
        sizes: dict[int, int] = {}
        for number in block:
            fact = self.facts[number] or ()
            variables = set(_variables(fact))
            open_[number] = len(variables)
            for variable in variables:
                users.setdefault(variable, []).append(number)
            sizes[number] = len(self._entry(fact, {}))
        first = min(block, key=sizes.__getitem__)
        order: list[int] = []
        done: set[int] = set()
        waiting = [(0, 0, first)]
        while waiting:
            _, _, number = heappop(waiting)
            if number in done:
                continue
            done.add(number)
            order.append(number)
            for variable in set(_variables(self.facts[number] or ())):
                for other in users.pop(variable, ()):
                    if other not in done:
                        open_[other] -= 1
                        heappush(waiting, (open_[other], sizes[other], other))
        return order

    def _smaller(self, order: list[int]) -> set[int] | None:
        """The facts that a block can be mapped on, if they are not all of the block; else None."""
        chosen: list[int] = []
        assigned: dict[Any, Any] = {}
        trail: list[list[Any]] = []
        tries: list[Iterator[int]] = [self._candidates(order[0], assigned)]
        everything = set(order)
        while tries:
            number = next(tries[-1], None)
            self._left -= 1
            if self._left <= 0:
                return None
            if number is None:
                tries.pop()
                if chosen:
                    chosen.pop()
                    for variable in trail.pop():
                        del assigned[variable]
                continue
            bound = self._bind(order[len(chosen)], number, assigned)
            if bound is None:
                continue
            chosen.append(number)
            trail.append(bound)
            if len(chosen) < len(order):
                tries.append(self._candidates(order[len(chosen)], assigned))
                continue
            if not everything <= set(chosen):
                return set(chosen)
            chosen.pop()
            for variable in trail.pop():
                del assigned[variable]
        return None

    def _bind(self, source: int, target: int, assigned: dict[Any, Any]) -> list[Any] | None:
        """Map one fact on another one; the variables that this assigns, or None if it cannot be."""
        one, other = self.facts[source], self.facts[target]
        if (
            one is None
            or other is None
            or not self._attributes[source].keys() <= self._attributes[target].keys()
        ):
            return None
        bound: list[Any] = []
        for mine, theirs in zip(one[1:], other[1:], strict=True):
            if not is_variable(mine):
                fits = mine == theirs
            elif mine in assigned:
                fits = assigned[mine] == theirs
            else:
                assigned[mine] = theirs
                bound.append(mine)
                fits = True
            if not fits:
                for variable in bound:
                    del assigned[variable]
                return None
        return bound

    def _candidates(self, source: int, assigned: dict[Any, Any]) -> Iterator[int]:
        """The facts that one may be mapped on, itself last."""
        fact = self.facts[source]
        assert fact is not None
        facts = self.facts
        mine = False
        for number in self._entry(fact, assigned):
            if number == source:
                mine = True
            elif facts[number] is None:
                self._left -= 1
            else:
                yield number
        if mine:
            yield source

    def _entry(self, fact: Fact, assigned: dict[Any, Any]) -> list[int]:
        """The facts with the same terms where they are known; some may have been taken out since."""
        mask: list[int] = []
        terms: list[Any] = []
        for cell in range(1, len(fact)):
            term = fact[cell]
            if is_variable(term):
                if term not in assigned:
                    continue
                term = assigned[term]
            mask.append(cell)
            terms.append(term)
        return self._there(self._index(fact[0], tuple(mask)), tuple(terms))

    def _there(self, index: dict[tuple[Any, ...], list[int]], key: tuple[Any, ...]) -> list[int]:
        """The facts of one entry, the last first: those that are taken out first stand at its end."""
        there = index.get(key, [])
        while there and self.facts[there[-1]] is None:
            there.pop()
        return there

    def _index(self, kind: Kind, mask: tuple[int, ...]) -> dict[tuple[Any, ...], list[int]]:
        found = self._indexes.get((kind, mask))
        if found is None:
            found = self._indexes[kind, mask] = {}
            for number in reversed(self._by_kind.get(kind, ())):
                fact = self.facts[number]
                if fact is not None:
                    found.setdefault(tuple(fact[cell] for cell in mask), []).append(number)
        return found
