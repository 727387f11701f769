"""Specialization: what inherits from what (PROV-CONSTRAINTS 19, 21, 52; PROV-LINKS section 3).

A mention is a specialization too. That none specializes itself, however many steps away (19, 52), is that no
strongly connected component of the specializations has a cycle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any, Final

from trilha.prov.constraints.components import components, cyclic, shortest_path
from trilha.prov.constraints.instance import Instance
from trilha.prov.constraints.rules import RULES
from trilha.prov.terms import Kind

__all__ = ["Specializations"]

_LONGEST: Final = 1_000_000


class Specializations:
    """The specializations of an instance, from the general to the specific.

    Args:
        instance: the statements, merged.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._steps: dict[Any, list[tuple[Any, int]]] = {}
        for kind in (Kind.SPECIALIZATION, Kind.MENTION):
            for i in instance.by_kind[kind]:
                record = instance.records[i]
                specific, general = instance.resolved(record[2]), instance.resolved(record[3])
                if specific and general:
                    self._steps.setdefault(general, []).append((specific, i))

    def spread(self, sources: Collection[Any]) -> dict[Any, int]:
        """What specializes one of `sources`, in any number of steps (19, 21), with the statement of the last.

        Args:
            sources: a set or mapping of names; they themselves are not in the result.
        """
        steps = self._steps
        if not steps:
            return {}
        queue = deque(name for name in sources if name in steps)
        found: dict[Any, int] = {}
        while queue:
            for specific, index in steps[queue.popleft()]:
                if specific not in sources and specific not in found:
                    found[specific] = index
                    if specific in steps:
                        queue.append(specific)
        return found

    def way(
        self, name: Any, sources: Mapping[Any, int], inherited: Mapping[Any, int]
    ) -> tuple[list[int], Any]:
        """The specializations that lead from `name` to one of `sources`, and that source."""
        taken = []
        while name not in sources:
            index = inherited[name]
            taken.append(index)
            name = self._instance.resolved(self._instance.records[index][3])
        return taken, name

    def check(self) -> None:
        """Report entities that specialize themselves (52)."""
        pairs = [(general, specific) for general, steps in self._steps.items() for specific, _ in steps]
        after = cyclic(pairs)
        if not after:
            return
        inside = components(after)
        done: set[int] = set()
        for general, others in after.items():
            for specific in others:
                if inside[specific] == inside[general] and inside[general] not in done:
                    done.add(inside[general])
                    path = shortest_path(after, specific, general, inside, _LONGEST)
                    self._report([general, *(path or [])])

    def _report(self, cycle: list[Any]) -> None:
        """Report a cycle, given as its nodes with the first one again at the end."""
        instance = self._instance
        indexes = [self._index(general, specific) for general, specific in pairwise(cycle)]
        reasons = [instance.told(index) for index in reversed(indexes)]
        name = instance.name(cycle[0])
        rules = [52, 19] if len(indexes) > 1 else [52]
        reasons.append(f"so {name} specializes itself ({', '.join(str(RULES[rule]) for rule in rules)})")
        steps = f", in {len(indexes)} steps" if len(indexes) > 1 else ""
        instance.report(rules, f"{name} is a specialization of itself{steps}", indexes, reasons)

    def _index(self, general: Any, specific: Any) -> int:
        return next(index for name, index in self._steps[general] if name == specific)
