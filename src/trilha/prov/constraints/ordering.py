"""The order of events (PROV-CONSTRAINTS 30 to 49).

Each entity has a generation and each activity a start; the constraints say which comes before which. A
document is valid if no event comes strictly before itself, that is, if no strongly connected component of
events holds a strict step. Only derivation makes a strict one (42).

All generations of one entity are one node, since 39 puts each before each other one; so are all starts of an
activity (31). That leaves a number of edges linear in that of the statements.

Usages, ends and invalidations are left out: no constraint leads from an end or an invalidation back to a
start or a generation, and one leads from a usage to a generation only by 41, where 33 and 37 give it no
other predecessors than the start and the generation that 34 and 42 put there already. So none of them is on
a strict cycle, and 30, 32, 33, 35 to 38, 40, 44, 46, 47 and 49 hold in every document in which the others
do. Times take no part.

An event is there if a statement says so, or an inference: by 7, 9, 10, 11, 13 and 21 for generations, by 8
for starts. An entity that is named only in a derivation has none, and the constraints are silent on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

from trilha.prov.constraints.components import components, cyclic, shortest_path
from trilha.prov.constraints.instance import Instance
from trilha.prov.constraints.rules import RULES
from trilha.prov.terms import PLACEHOLDER, Kind

__all__ = ["check_order"]

_TRIES: Final = 200
"""So many strict steps of a component are tried for the shortest cycle, in a large one fewer."""
_WORK: Final = 1_000_000
"""So many events are visited, about, in one component."""


class _Step(NamedTuple):
    """One event comes before another one."""

    before: Any
    after: Any
    rules: tuple[int, ...]
    statement: int


def check_order(instance: Instance, inherited: dict[Any, int], without: set[Any]) -> None:
    """Report events that would come before themselves.

    Args:
        instance: the statements, merged.
        inherited: entities that only inference 21 states.
        without: what is entity as well as activity: it has no place in the order.
    """
    order = _Order(instance, inherited, without)
    after = cyclic((step[0], step[1]) for step in order.steps())
    if after:
        order.report(after)


class _Order:
    """The steps of an instance: each event is the entity that is generated, or the activity that starts."""

    def __init__(self, instance: Instance, inherited: dict[Any, int], without: set[Any]) -> None:
        self._instance = instance
        self._activities = self._started()
        self._there = (self._generated(inherited) | self._activities) - without

    def _names(self, kind: Kind, cell: int) -> set[Any]:
        instance = self._instance
        found = {instance.records[i][cell] for i in instance.by_kind[kind]} - {None, PLACEHOLDER}
        if not instance.terms:
            return found
        find, term = instance.terms.find, instance.terms.cell
        return {find(term(i, cell)) for i in instance.by_kind[kind]}

    def _generated(self, inherited: dict[Any, int]) -> set[Any]:
        """Entities with a generation: by 7 and 21, of their own, by 9 and 10, by 13, by 11."""
        found = self._names(Kind.ENTITY, 1) | set(inherited)
        found |= self._names(Kind.GENERATION, 2) | self._names(Kind.ATTRIBUTION, 2)
        found |= self._names(Kind.START, 3) | self._names(Kind.END, 3)
        instance = self._instance
        for i in instance.by_kind[Kind.DERIVATION]:
            record = instance.records[i]
            if record[4] is not None and record[4] is not PLACEHOLDER:
                found.add(instance.resolved(record[2]))
        return found

    def _started(self) -> set[Any]:
        """Activities with a start: by 8, or one of their own."""
        return self._names(Kind.ACTIVITY, 1) | self._names(Kind.START, 2)

    def steps(self) -> Iterator[_Step]:
        """All steps between events that are there."""
        there = self._there
        for step in self._all_steps():
            if step[0] in there and step[1] in there:
                yield step

    def _all_steps(self) -> Iterator[_Step]:
        instance = self._instance
        records, find, cell = instance.records, instance.terms.find, instance.terms.cell
        merged = bool(instance.terms)
        for kind, rows in _STEPS.items():
            for i in instance.by_kind[kind]:
                record = records[i]
                for before, after, rules in rows:
                    one, other = record[before], record[after]
                    if merged or one is None or one is PLACEHOLDER:
                        one = find(cell(i, before))
                    if merged or other is None or other is PLACEHOLDER:
                        other = find(cell(i, after))
                    yield _new_step(_Step, (one, other, rules, i))

    def report(self, after: dict[Any, list[Any]]) -> None:
        """Report each component that holds a strict step, by its shortest cycle."""
        inside = components(after)
        strict: dict[int, list[tuple[Any, Any]]] = {}
        for step in self.steps():
            home = inside.get(step.before)
            if step.rules == _STRICT and home is not None and home == inside.get(step.after):
                strict.setdefault(home, []).append((step.before, step.after))
        sizes = Counter(inside.values())
        cycles = [
            _shortest(after, pairs[: max(1, min(_TRIES, _WORK // sizes[home]))], inside)
            for home, pairs in strict.items()
        ]
        wanted = {edge for cycle in cycles for edge in pairwise(cycle)}
        chosen: dict[tuple[Any, Any], _Step] = {}
        for step in self.steps():
            edge = step.before, step.after
            if edge in wanted and (edge not in chosen or chosen[edge].rules != _STRICT == step.rules):
                chosen[edge] = step
        for cycle in cycles:
            self._report([chosen[edge] for edge in pairwise(cycle)])

    def _report(self, steps: list[_Step]) -> None:
        instance = self._instance
        reasons = []
        for step in steps:
            rules = ", ".join(str(RULES[number]) for number in step.rules)
            reasons.append(
                f"{self._event(step.before)}{' strictly' * (step.rules == _STRICT)} before"
                f" {self._event(step.after)}, because of {instance.told(step.statement)} ({rules})"
            )
        message = f"{self._event(steps[0].before)} before itself"
        used = [42, *(number for step in steps for number in step.rules)]
        instance.report(used, message, [step.statement for step in steps], reasons)

    def _event(self, term: Any) -> str:
        what = "started" if term in self._activities else "was generated"
        return f"{self._instance.name(term)} {what}"


def _shortest(after: dict[Any, list[Any]], pairs: list[tuple[Any, Any]], inside: dict[Any, int]) -> list[Any]:
    """The nodes of the shortest cycle through one of some steps; the first node stands again at its end."""
    best: list[Any] = []
    for one, other in pairs:
        path = shortest_path(after, other, one, inside, len(best) - 2 if best else len(inside))
        if path is not None and (not best or len(path) + 1 < len(best)):
            best = [one, *path]
        if len(best) == 2:
            break
    return best


_new_step: Any = tuple.__new__
_STRICT: Final = (42,)

_STEPS: Final[dict[Kind, tuple[tuple[int, int, tuple[int, ...]], ...]]] = {
    Kind.GENERATION: ((3, 2, (34,)),),
    Kind.START: ((3, 2, (43,)), (4, 3, (9, 34)), (4, 2, (9, 34, 43))),
    Kind.END: ((4, 3, (10, 34)),),
    Kind.DERIVATION: ((3, 2, _STRICT), (4, 2, (11, 34))),
    Kind.INSERTION: ((3, 2, _STRICT),),  # an insertion or removal is a derivation (PROV-Dictionary)
    Kind.REMOVAL: ((3, 2, _STRICT),),
    Kind.ATTRIBUTION: ((3, 2, (48,)),),
    Kind.SPECIALIZATION: ((3, 2, (45,)),),
    Kind.MENTION: ((3, 2, (45,)),),
}
"""Which cell's event comes before which other cell's, by which rules."""
