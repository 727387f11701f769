"""Identifiers that name two things of kinds that exclude each other (PROV-CONSTRAINTS 53 and 54)."""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

from trilha.prov.constraints.instance import Instance
from trilha.prov.terms import Kind

__all__ = ["DISJOINT", "check_overlap"]

DISJOINT: Final = frozenset(
    {
        Kind.USAGE,
        Kind.GENERATION,
        Kind.INVALIDATION,
        Kind.START,
        Kind.END,
        Kind.COMMUNICATION,
        Kind.ATTRIBUTION,
        Kind.ASSOCIATION,
        Kind.DELEGATION,
    }
)
"""The relations of which no two share an identifier (53); a derivation or influence may share one."""

_RELATIONS: Final = (*sorted(DISJOINT), Kind.DERIVATION, Kind.INFLUENCE, Kind.INSERTION, Kind.REMOVAL)
_ELEMENTS: Final = (Kind.ENTITY, Kind.ACTIVITY, Kind.AGENT)


def check_overlap(instance: Instance, inherited: dict[Any, int]) -> None:
    """Report identifiers of two kinds.

    Args:
        instance: the statements, merged.
        inherited: entities that only inference 21 states, with the specialization that they follow from.
    """
    tables = {kind: _identifiers(instance, kind) for kind in (*_ELEMENTS, *_RELATIONS)}
    for one, other in combinations(sorted(DISJOINT), 2):
        for name in _shared(tables[one], tables[other]):
            _report(instance, 53, name, tables[one][name], tables[other][name])
    for kind in _RELATIONS:
        for element in _ELEMENTS:
            for name in _shared(tables[element], tables[kind]):
                _report(instance, 54, name, tables[element][name], tables[kind][name])
        for name in _shared(inherited, tables[kind]):
            if name not in tables[Kind.ENTITY]:
                _report(instance, 54, name, inherited[name], tables[kind][name])


def _identifiers(instance: Instance, kind: Kind) -> dict[Any, int]:
    """The identifiers of a kind, each with the first statement that has it."""
    records, cell, find = instance.records, instance.terms.cell, instance.terms.find
    found: dict[Any, int] = {}
    if instance.terms:
        for i in instance.by_kind[kind]:
            identifier = find(cell(i, 1))
            if identifier.__class__ is not int:
                found.setdefault(identifier, i)
        return found
    for i in instance.by_kind[kind]:
        identifier = records[i][1]
        if identifier is not None:
            found.setdefault(identifier, i)
    return found


def _shared(one: dict[Any, int], other: dict[Any, int]) -> list[Any]:
    return sorted(one.keys() & other.keys(), key=one.__getitem__)


def _report(instance: Instance, rule: int, name: Any, one: int, other: int) -> None:
    told = instance.wording.name(name)
    first, second = instance.records[one].kind.provn, instance.records[other].kind.provn
    if first == "specializationOf":
        first = "entity"
    instance.report(
        [rule],
        f"{told} names both a statement of {first} and one of {second}",
        [one, other],
        [f"{instance.told(one)} and {instance.told(other)} have the identifier {told}"],
    )
