"""Hyperparameters as they were stated: what changed on the way, and what different trainings had.

A hyperparameter that is stated again is a change where an activity made it, or where the same used both. A
run may also hold several trainings, one after the other or at once: what each of them had is no change of
what another had.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trilha.store import sql

if TYPE_CHECKING:
    from trilha.query.things import Thing
    from trilha.store import Store

__all__ = ["Hyperparameter", "as_stated"]

_GENERATION, _USAGE, _START, _STARTER = 4, 5, 7, 3
_LEVELS: Final = 2


class Hyperparameter(NamedTuple):
    """A hyperparameter of a run; one of several of a name where different trainings had different values.

    Attributes:
        name: of the hyperparameter.
        common: its common name, if it has one.
        value: as it was first stated.
        last: as it was last stated.
        changes: how often it was stated again.
    """

    name: str
    common: Any
    value: Any
    last: Any
    changes: int


def as_stated(store: Store, things: Iterable[tuple[int, str, Thing]]) -> list[Hyperparameter]:
    """The hyperparameters of one run, in the order in which they were first stated.

    Args:
        store: that they are in.
        things: key, name and what is known of each statement of one, in order.
    """
    things = list(things)
    keys = {key for key, _, _ in things}
    users = _related(store, sql.DOWNSTREAM, _USAGE, keys, of=3)
    makers = _related(store, sql.UPSTREAM, _GENERATION, keys, of=0)
    around = _around(store, {maker for made_by in makers.values() for maker in made_by})
    found: dict[str, list[tuple[set[int], Hyperparameter]]] = {}
    for key, name, thing in things:
        value, by = thing.fact("prov:value"), set(users.get(key, ()))
        for maker in makers.get(key, ()):
            by |= around[maker]
        known = found.setdefault(name, [])
        place = next((at for at, (them, _) in enumerate(known) if not by or not them or them & by), None)
        if place is None and known and key in makers:
            place = len(known) - 1  # It was changed, in a training that did not state it before.
        if place is None:
            known.append((by, Hyperparameter(name, thing.fact("trilha:common"), value, value, 0)))
            continue
        them, before = known[place]
        changed = value != before.last
        known[place] = them | by, before._replace(last=value, changes=before.changes + changed)
    return [one for known in found.values() for one in dict.fromkeys(told for _, told in known)]


def _related(store: Store, text: str, kind: int, keys: Iterable[int], *, of: int) -> dict[int, set[int]]:
    """What has a relation of this kind with each of those whose key is in column `of`."""
    found: dict[int, set[int]] = {}
    for row in sql.among(store.connection.execute, text, sorted(keys)):
        if row[1] == kind and (kind != _START or row[2] == _STARTER):
            found.setdefault(row[of], set()).add(row[3 - of])
    return found


def _around(store: Store, activities: Iterable[int]) -> dict[int, set[int]]:
    """The activities in which each of these was done, the nearest few: epoch and training of a change."""
    found = {one: {one} for one in activities}
    reached = set(found)
    for _ in range(_LEVELS):
        starters = _related(store, sql.UPSTREAM, _START, reached, of=0)
        for them in found.values():
            for one in tuple(them):
                them.update(starters.get(one, ()))
        reached = {one for several in starters.values() for one in several}
    return found
