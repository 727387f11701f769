"""What a data set or call depends on: data and calls upstream of it, as Swift asked for them.

A call counts as a whole, as in Swift: all that it used went into all that it made. `trilha lineage` goes by
the times of each use instead. What the program's own code made between the calls has the run as a whole for
its past; there the search stops, and the answer says so.

Source: ``ancestors``, ``data_dependencies`` and ``function_call_dependencies`` of Swift's query language
SPQL, and the transitive closure ``trans`` of its first schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trilha.errors import UsageError
from trilha.query.closure import upstream
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.questions.origins import meant
from trilha.query.things import Thing, describe
from trilha.store import call_sql, sql
from trilha.store.values import from_ns

__all__ = ["ancestors", "call_dependencies", "data_dependencies"]

_MOST: Final = "1000"
_ACTIVITY: Final = 2
_STRUCTURE: Final = ("Task", "Call", "Operator", "Function", "Constructor", "Access", "Attempt", "Dataset")


@question(
    "ancestors",
    "WHAT [N]",
    "The data sets and calls upstream of a data set or call, the n nearest (1000).",
    papers=("S1",),
)
def ancestors(asked: Asked, what: str, n: str = _MOST) -> Answer:
    """One row a thing; the summary counts them all, however many are told."""
    most = _number(n)
    found = meant(asked, what)
    past = upstream(asked.store, [found.key])
    shown = past.nearest(most)
    things = describe(asked.store, shown)
    runs = _runs_of(asked, shown)
    rows = [{**_row(things[key]), **runs[key], "iri": things[key].iri} for key in shown]
    summary = {"calls": past.calls, "data sets": past.data}
    return Answer(_COLUMNS, rows, summary, [*found.notes, *past.notes])


_COLUMNS: Final = ("what", "type", "status", "started", "waited", "took", "run", "id")


@question(
    "data-dependencies",
    "WHAT [N]",
    "Which data came of which data, upstream of a data set or call, and through which call.",
    papers=("S2",),
)
def data_dependencies(asked: Asked, what: str, n: str = _MOST) -> Answer:
    """One row a pair of data sets; without a call where the one was derived from, or contains, the other."""
    between = _Between(asked, what, n)
    pairs = [
        (data, other, call)
        for call, given in between.given.items()
        for data in given
        for other in between.taken.get(call, ())
    ]
    pairs += [(data, other, 0) for data, causes in between.direct.items() for other in causes]
    return between.answer(pairs, ("data", "from", "through"))


@question(
    "call-dependencies",
    "WHAT [N]",
    "Which call needed what which other call made, upstream of a data set or call.",
    papers=("S3",),
)
def call_dependencies(asked: Asked, what: str, n: str = _MOST) -> Answer:
    """One row a pair of calls, with the data that the later one used."""
    between = _Between(asked, what, n)
    makers: dict[int, list[int]] = {}
    for call, given in between.given.items():
        for data in given:
            makers.setdefault(data, []).append(call)
    pairs: dict[tuple[int, int], int] = {}
    for call, taken in between.taken.items():
        for used in taken:
            for data in between.behind(used):
                for maker in makers.get(data, ()):
                    if maker != call:
                        pairs.setdefault((call, maker), used)
    return between.answer([(*pair, used) for pair, used in pairs.items()], ("call", "after", "through"))


class _Between:
    """What lies upstream of something: what each call took and gave, and which data came of which directly.

    Attributes:
        taken: the data that each call, its parts included, used.
        given: the data that it made.
        direct: for data the data that it contains, or was derived from where no call made it.
    """

    def __init__(self, asked: Asked, what: str, n: str) -> None:
        self._asked = asked
        self._most = _number(n)
        self._found = meant(asked, what)
        self._past = upstream(asked.store, [self._found.key])
        execute = asked.store.connection.execute
        keys = sorted([self._found.key, *self._past.nearest(self._most)])
        self.taken = _grouped(sql.among(execute, call_sql.TAKEN, keys))
        met = set(keys)
        rows = sql.among(execute, call_sql.GIVEN, keys)
        self.given = _grouped((call, data) for call, data in rows if data in met)
        made = {data for given in self.given.values() for data in given}
        links = sql.among(execute, call_sql.LINKS, keys)
        kinds = _kinds(asked, keys)
        self.direct = _grouped(
            (effect, cause)
            for effect, cause, kind in links
            if kind in (15, 18) or (kind == 10 and effect not in made and kinds.get(effect) != _ACTIVITY)
        )

    def behind(self, data: int) -> list[int]:
        """Data, and all that it contains or was derived from without a call."""
        found = [data]
        seen = {data}
        for one in found:
            new = [cause for cause in self.direct.get(one, ()) if cause not in seen]
            seen.update(new)
            found += new
        return found

    def answer(self, pairs: list[tuple[int, int, int]], names: tuple[str, str, str]) -> Answer:
        """Pairs with what lies between them, as rows."""
        things = describe(self._asked.store, {key for pair in pairs for key in pair if key})
        runs = _runs_of(self._asked, things)
        rows = []
        for one, other, between in dict.fromkeys(pairs):
            labels = (things[one].label, things[other].label, things[between].label if between else None)
            told = dict(zip(names, labels, strict=True))
            rows.append({**told, **runs[one], "what id": things[one].iri, "from id": things[other].iri})
        left = self._past.size - self._most
        notes = [*self._found.notes, *self._past.notes]
        if left > 0:
            notes.append(f"What lies behind the {self._most} nearest things: {left} more were left out.")
        return Answer((*names, "run", "id", "what id", "from id"), rows, {}, notes)


def _grouped(pairs: Iterable[tuple[Any, ...]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
    return found


def _kinds(asked: Asked, keys: Iterable[int]) -> dict[int, int]:
    rows = sql.among(asked.store.connection.execute, call_sql.KINDS, sorted(keys))
    return {key: kind for key, kind, _ in rows}


def _row(thing: Thing) -> dict[str, Any]:
    types = [one.removeprefix("trilha:") for one in thing.types]
    type_ = next((one for one in _STRUCTURE if one in types), types[-1] if types else thing.kind)
    return {
        "what": thing.label,
        "type": type_,
        "status": thing.fact("trilha:status"),
        "started": None if thing.start is None else from_ns(thing.start),
        "waited": None if thing.waited is None else thing.waited / 1e9,
        "took": None if thing.took is None else thing.took / 1e9,
    }


def _runs_of(asked: Asked, keys: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The columns that say of which run a thing is."""
    from trilha.query.runs import of_keys

    wanted = sorted(keys)
    rows = sql.among(asked.store.connection.execute, call_sql.KINDS, wanted)
    run_of = {key: run for key, _, run in rows}
    runs = {run.key: run for run in of_keys(asked.store, sorted(set(run_of.values())))}
    named = {key: {"run": run.name, "id": run.short} for key, run in runs.items()}
    return {key: named.get(run_of.get(key, 0), {"run": None, "id": None}) for key in wanted}


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{text!r}: expected how many things at most, a whole number from 1")
    return int(text)
