"""Where a slice of a trace meets the record of its run: data and tasks that went into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.query.things import Thing, describe
from trilha.store import sql
from trilha.trace.evaluations import Kind

if TYPE_CHECKING:
    from trilha.store import Store
    from trilha.trace.evaluations import Known
    from trilha.trace.slicing import Slice

__all__ = ["Met", "met"]

_GENERATION: Final = 4


class Met(NamedTuple):
    """Something that both know.

    Attributes:
        name: of the variable that it is the value of, or the text of the call; empty if it has none.
        thing: as the record knows it.
        makers: the activities that the record says generated it; none for a task.
        line: of the call that handed a task over; 0 for data.
        file: of that line.
    """

    name: str
    thing: Thing
    makers: tuple[Thing, ...]
    line: int = 0
    file: str = ""


def met(store: Store, told: Slice) -> list[Met]:
    """What the record of its run knows of a slice, in the order in which it went in.

    Of an object that changed it is the last state that the record knows of, up to the slice's end.

    Args:
        store: that has the run.
        told: the slice.
    """
    names = _names(told)
    chosen = _chosen(told, names)
    execute = store.connection.execute
    rows = ((one.entity, execute(sql.KEY_OF_IRI, (one.entity,)).fetchone()) for one in chosen)
    keys: dict[str, int] = {iri: row[0] for iri, row in rows if row is not None}
    makers: dict[int, list[int]] = {}
    for effect, kind, _, cause, *_ in sql.among(execute, sql.UPSTREAM, sorted(keys.values())):
        if kind == _GENERATION and cause:
            makers.setdefault(effect, []).append(cause)
    things = describe(store, {*keys.values(), *(one for some in makers.values() for one in some)})
    found = []
    for one in chosen:
        if one.entity not in keys:
            continue
        key = keys[one.entity]
        if one.thing:
            found.append(Met(names[one.thing], things[key], tuple(things[it] for it in makers.get(key, ()))))
        else:
            at = told.traced.component(one.evaluation)
            found.append(Met(at.text, things[key], (), at.line, at.file))
    return found


def _names(told: Slice) -> dict[int, str]:
    """What the objects of a slice are called in it; empty for those that no variable has."""
    traced = told.traced
    names: dict[int, str] = {}
    for number in told.evaluations:
        if thing := traced.thing(number):
            is_bound = traced.component(number).kind is Kind.ASSIGN
            names[thing] = (is_bound and traced.name(number)) or names.get(thing, "")
    return names


def _chosen(told: Slice, names: dict[int, str]) -> list[Known]:
    """What the record knows of these objects and of the tasks of a slice: of each object the last state."""
    last = max(told.evaluations, default=0)
    chosen: dict[int | str, Known] = {}
    for one in told.traced.known():
        if one.entity and not one.thing:
            if one.evaluation in told:
                chosen[one.entity] = one
        elif one.entity and one.thing in names and (one.thing not in chosen or one.evaluation <= last):
            chosen[one.thing] = one
    return list(chosen.values())
