"""What a dependency says where its schema has no place for it: as properties, and back.

Clocks, times that are no ``xsd:dateTime``, and roles and times on dependencies that have none in OPM 1.1 are
properties of `OPM` there. The mapping to PROV has the same keys as attributes.
"""

from __future__ import annotations

from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.namespaces import Name
from trilha.prov.opm.model import Annotation, Dependency, Observed, Role
from trilha.prov.opm.terms import OPM, DependencyKind
from trilha.prov.values import time as _time

__all__ = ["ROLE", "TIME_KEYS", "has_role", "settled", "slots", "unsettled"]

ROLE: Final = OPM["role"]
"""The key of a role where neither OPM nor PROV has one."""
_FIELDS: Final = {
    "no_earlier_than": "NoEarlierThan",
    "no_later_than": "NoLaterThan",
    "exactly_at": "ExactlyAt",
    "clock": "Clock",
}
TIME_KEYS: Final[dict[Name, tuple[str, str]]] = {
    OPM[slot + word if slot != "time" else word[0].lower() + word[1:]]: (slot, field)
    for slot in ("time", "start", "end")
    for field, word in _FIELDS.items()
}
"""Slot and field of `Observed` by key: ``opm:noEarlierThan``, ``opm:startNoEarlierThan``, …"""
_KEY_OF: Final = {place: key for key, place in TIME_KEYS.items()}


def slots(kind: DependencyKind) -> tuple[str, ...]:
    """The times that a kind of dependency has in the schema."""
    if kind.is_multi_step:
        return ()
    return ("start", "end") if kind is DependencyKind.WAS_CONTROLLED_BY else ("time",)


def has_role(kind: DependencyKind) -> bool:
    """Whether a kind of dependency has a role in the schema."""
    return kind.value in {"used", "wasGeneratedBy", "wasControlledBy"}


def unsettled(edge: Dependency) -> Dependency:
    """The dependency as the schema has it: what it has no place for is among its annotations."""
    more = []
    changed: dict[str, Any] = {}
    for slot in ("time", "start", "end"):
        observed: Observed | None = getattr(edge, slot)
        if observed is None:
            continue
        kept = {}
        for field, text in observed._asdict().items():
            if text is None:
                continue
            if slot in slots(edge.kind) and field != "clock" and _is_time(text):
                kept[field] = text
            else:
                more.append(Annotation.of(_KEY_OF[slot, field], text))
        changed[slot] = Observed(**kept) if kept else None
    role = edge.role
    if role is not None and not has_role(edge.kind):
        more += [Annotation.of(ROLE, role.value or ""), *role.annotations]
        role = None
    return edge._replace(**changed, role=role, annotations=(*edge.annotations, *more))


def settled(edge: Dependency) -> Dependency:
    """The dependency with times and role where its annotations have them."""
    times: dict[str, dict[str, str]] = {}
    role = edge.role
    rest = []
    for one in edge.annotations:
        key = (
            one.properties[0].key
            if len(one.properties) == 1 and one == Annotation.of(*one.properties[0])
            else ""
        )
        if key in TIME_KEYS:
            slot, field = TIME_KEYS[Name(key)]
            times.setdefault(slot, {})[field] = str(one.properties[0].value)
        elif key == ROLE and role is None:
            role = Role(str(one.properties[0].value) or None)
        else:
            rest.append(one)
    found: dict[str, Any] = {
        slot: (getattr(edge, slot) or Observed())._replace(**fields) for slot, fields in times.items()
    }
    return (
        edge._replace(**found, role=role, annotations=tuple(rest)) if found or role is not edge.role else edge
    )


def _is_time(text: str) -> bool:
    try:
        _time(text)
    except UsageError:
        return False
    return True
