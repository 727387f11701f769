"""Types: of what arguments are, and what nothing can be (PROV-CONSTRAINTS 50, 51, 55, 56)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from trilha.prov.constraints.instance import Instance
from trilha.prov.constraints.rules import ARGUMENT, RULES
from trilha.prov.constraints.specialization import Specializations
from trilha.prov.namespaces import PROV, Name
from trilha.prov.terms import DICTIONARY, PLACEHOLDER, PLAIN, Kind

__all__ = [
    "both",
    "check_arguments",
    "check_collections",
    "check_derivations",
    "check_types",
    "empty_collections",
]

_ENTITIES: Final = {
    Kind.ENTITY: (1,),
    Kind.GENERATION: (2,),
    Kind.USAGE: (3,),
    Kind.START: (3,),
    Kind.END: (3,),
    Kind.INVALIDATION: (2,),
    Kind.DERIVATION: (2, 3),
    Kind.ATTRIBUTION: (2,),
    Kind.ASSOCIATION: (4,),
    Kind.SPECIALIZATION: (2, 3),
    Kind.ALTERNATE: (2, 3),
    Kind.MENTION: (2, 3, 4),
    Kind.MEMBERSHIP: (2, 3),
    Kind.INSERTION: (2, 3),
    Kind.REMOVAL: (2, 3),
    Kind.DICTIONARY_MEMBERSHIP: (2, 3),
}
"""The cells that hold an entity, by 50."""

_ACTIVITIES: Final = {
    Kind.ACTIVITY: (1,),
    Kind.GENERATION: (3,),
    Kind.USAGE: (2,),
    Kind.COMMUNICATION: (2, 3),
    Kind.START: (2, 4),
    Kind.END: (2, 4),
    Kind.INVALIDATION: (3,),
    Kind.DERIVATION: (4,),
    Kind.ASSOCIATION: (2,),
    Kind.DELEGATION: (4,),
}
"""The cells that hold an activity, by 50."""

_EMPTY: Final = frozenset({PROV["EmptyCollection"], PROV["EmptyDictionary"]})
"""The types of a collection without members (PROV-DM 5.6.1; an empty dictionary is one)."""

_TYPE: Final = PROV["type"]


def check_arguments(instance: Instance) -> None:
    """Report statements that lack an argument that PROV-DM demands.

    The responsible agent of a delegation is let pass: the suite of the recommendation has it left out.
    """
    records = instance.records
    for kind in (*PLAIN, *DICTIONARY):
        for cell, argument in enumerate(kind.arguments, 2):
            if not argument.required or argument.holds != "name" or (kind == Kind.DELEGATION and cell == 3):
                continue
            for i in instance.by_kind[kind]:
                if records[i][cell] is None or records[i][cell] is PLACEHOLDER:
                    message = f"{kind.provn} has no {argument.name}: expected a name there"
                    instance.report([ARGUMENT], message, [i], [f"{instance.told(i)} lacks it ({ARGUMENT})"])


def check_derivations(instance: Instance) -> None:
    """Report derivations that name a generation or usage but no activity (51)."""
    absent = (None, PLACEHOLDER)
    for i in instance.by_kind[Kind.DERIVATION]:
        record = instance.records[i]
        if record[4] in absent and not (record[5] in absent and record[6] in absent):
            named = " and ".join(
                f"the {what} {instance.wording.term(record[cell])}"
                for what, cell in (("generation", 5), ("usage", 6))
                if record[cell] not in absent
            )
            message = f"a derivation names {named}, but no activity"
            instance.report([51], message, [i], [f"{instance.told(i)} has no activity ({RULES[51]})"])


def both(instance: Instance) -> set[Any]:
    """The terms that are entity as well as activity."""
    return _terms(instance, _ENTITIES) & _terms(instance, _ACTIVITIES)


def check_types(instance: Instance, conflicting: set[Any]) -> None:
    """Report what is entity as well as activity (50, 55), with the first statements that say so."""
    if not conflicting:
        return
    as_entity = _first(instance, _ENTITIES, conflicting)
    as_activity = _first(instance, _ACTIVITIES, conflicting)
    for term in sorted(conflicting, key=lambda term: (as_entity[term][0], as_activity[term][0])):
        (one, first), (other, second) = as_entity[term], as_activity[term]
        name = instance.name(term)
        instance.report(
            [55, 50],
            f"{name} is an entity and an activity",
            [one, other],
            [
                f"{name} is an entity, because it is {_place(instance, one, first)} ({RULES[50]})",
                f"{name} is an activity, because it is {_place(instance, other, second)} ({RULES[50]})",
            ],
        )


def check_collections(instance: Instance, specializations: Specializations) -> None:
    """Report members of empty collections (56); a specialization of an empty collection is one, by 21."""
    empty = empty_collections(instance)
    if not empty:
        return
    inherited = specializations.spread(empty)
    for i in (*instance.by_kind[Kind.MEMBERSHIP], *instance.by_kind[Kind.DICTIONARY_MEMBERSHIP]):
        collection = instance.resolved(instance.records[i][2])
        if collection not in empty and collection not in inherited:
            continue
        name = instance.name(collection)
        way, source = specializations.way(collection, empty, inherited)
        indexes = [i, *way, empty[source]]
        reasons = [f"{instance.told(empty[source])} has the type of an empty collection ({RULES[50]})"]
        reasons += [
            f"so has what specializes it: {instance.told(step)} ({RULES[21]})" for step in reversed(way)
        ]
        reasons.append(f"{instance.told(i)} gives {name} a member ({RULES[56]})")
        instance.report(
            [56, 50, *[21] * bool(way)], f"{name} is an empty collection and has a member", indexes, reasons
        )


def _terms(instance: Instance, cells: dict[Kind, tuple[int, ...]]) -> set[Any]:
    """The terms in some cells, resolved."""
    records, found = instance.records, set[Any]()
    for kind, numbers in cells.items():
        for cell in numbers:
            found.update(records[i][cell] for i in instance.by_kind[kind])
    found -= {None, PLACEHOLDER}
    if instance.terms:
        found = {instance.terms.find(term) for term in found}
        found.update(_unnamed(instance, cells))
    return found


def _unnamed(instance: Instance, cells: dict[Kind, tuple[int, ...]]) -> Iterator[Any]:
    """The variables in the cells that are left empty, resolved."""
    find, term = instance.terms.find, instance.terms.cell
    for kind, numbers in cells.items():
        for cell in numbers:
            for i in instance.by_kind[kind]:
                given = instance.records[i][cell]
                if given is None or given is PLACEHOLDER:
                    found = find(term(i, cell))
                    if found is not PLACEHOLDER:
                        yield found


def _first(
    instance: Instance, cells: dict[Kind, tuple[int, ...]], wanted: set[Any]
) -> dict[Any, tuple[int, int]]:
    """The first statement, and its cell, that holds each wanted term; elements before relations."""
    found: dict[Any, tuple[int, int]] = {}
    for kind, numbers in cells.items():
        for i in instance.by_kind[kind]:
            for cell in numbers:
                term = instance.terms.find(instance.terms.cell(i, cell))
                if term in wanted:
                    found.setdefault(term, (i, cell))
    return found


def _place(instance: Instance, index: int, cell: int) -> str:
    kind = instance.records[index].kind
    if kind.is_element:
        return f"stated by {instance.told(index)}"
    return f"the {kind.arguments[cell - 2].name} of {instance.told(index)}"


def empty_collections(instance: Instance) -> dict[Any, int]:
    """The entities of a type without members, each with the first statement that says so."""
    found: dict[Any, int] = {}
    for i in instance.by_kind[Kind.ENTITY]:
        flat = instance.records[i][-1]
        if flat and any(
            flat[at] == _TYPE and flat[at + 1].__class__ is Name and flat[at + 1] in _EMPTY
            for at in range(0, len(flat), 2)
        ):
            found.setdefault(instance.resolved(instance.records[i][1]), i)
    return found
