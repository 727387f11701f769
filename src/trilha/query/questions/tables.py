"""Databases: the versions of their tables, who made them and who saw them, and where a row came from.

Source: the first core query of the Third Provenance Challenge, and its authors' remark that steps which share
a database share their data behind the back of arguments and results.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trilha.errors import UsageError
from trilha.query.questions.asking import Answer, Asked, question
from trilha.query.things import Thing, describe
from trilha.store import sql
from trilha.store.rows import rows_told
from trilha.store.values import from_ns

__all__ = ["row", "tables"]

_GENERATED, _USED, _DERIVED, _MEMBER, _INVALIDATED = 4, 5, 10, 18, 9
_KEYS: Final = {"inserted": "keys", "updated": "keys", "deleted": "deleted_keys"}


@question(
    "row",
    "TABLE KEY…",
    "Which steps made and changed a row of a database, by its key, and which line of a file it came from.",
)
def row(asked: Asked, table: str, *key: str) -> Answer:
    """One row a change, in order; a key of several columns as values in order, or as ``column=value``."""
    if not key:
        raise UsageError(f"row {table}: expected the key of a row: its values in order, or column=value")
    rows: list[dict[str, Any]] = []
    unknown: list[str] = []
    for run in asked.keys:
        told = _Told(asked, run, table)
        unknown += told.unknown
        rows += told.changes(key)
    if rows and all(one["change"] != "inserted" for one in rows):
        unknown.append("How the row came into the table: it was there before, or its insertion was not told.")
    columns = ("run", "id", "table", "key", "change", "columns", "version", "step", "when", "file", "line")
    return Answer(columns, rows, {}, unknown, yes=bool(rows))


@question("tables", "", "The versions of the tables of databases: which step made each, and which saw it.")
def tables(asked: Asked) -> Answer:
    """One row a version, table by table, in the order in which they were made."""
    rows = []
    for run, versions in asked.things("TableVersion").items():
        names = list(dict.fromkeys(_full(thing) for _, thing in versions))
        things = sorted(versions, key=lambda one: names.index(_full(one[1])))
        edges = _Edges(asked, run, [key for key, _ in things])
        parts = asked.things("Rows").get(run, [])
        for key, thing in things:
            counts = {"deleted": thing.fact("trilha:deleted")}
            for _, part in (part for part in parts if part[0] in edges.members.get(key, ())):
                change = part.fact("trilha:change")
                counts[change] = (counts.get(change) or 0) + part.fact("trilha:length", 0)
            rows.append(
                {
                    **asked.named(run),
                    "table": _full(thing),
                    "version": thing.fact("trilha:version"),
                    **{change: counts.get(change) for change in _KEYS},
                    "made by": edges.maker(key),
                    "when": edges.when(key),
                    "state": edges.state(key),
                    "seen by": edges.users(key),
                }
            )
    columns = ("run", "id", "table", "version", *_KEYS, "made by", "when", "state", "seen by")
    return Answer(columns, rows)


class _Edges:
    """What made, used, contains and undid some entities of one run."""

    def __init__(self, asked: Asked, run: int, keys: list[int]) -> None:
        execute = asked.store.connection.execute
        up = list(sql.among(execute, sql.UPSTREAM, keys))
        down = list(sql.among(execute, sql.DOWNSTREAM, keys))
        self._makers = {
            effect: (cause, time) for effect, kind, _, cause, time, *_ in up if kind == _GENERATED
        }
        self.sources: dict[int, list[int]] = {}
        self.members: dict[int, list[int]] = {}
        self._users: dict[int, list[int]] = {}
        held = set()
        for effect, kind, argument, cause, *_ in up:
            if kind == _DERIVED and argument == 2:
                self.sources.setdefault(effect, []).append(cause)
            elif kind == _MEMBER:
                self.members.setdefault(effect, []).append(cause)
        for effect, kind, _, cause, *_ in down:
            if kind == _USED:
                self._users.setdefault(cause, []).append(effect)
            elif kind == _MEMBER:
                held.add(cause)
        self._held = held
        undone = execute(sql.RELATIONS_IN_RUN, (run, _INVALIDATED))
        self._undone = {row[0] for row in undone}
        named = [cause for cause, _ in self._makers.values()]
        named += [one for many in (*self._users.values(), *self.sources.values()) for one in many]
        self.things = describe(asked.store, named)

    def maker(self, key: int) -> str | None:
        """The step that made it."""
        made = self._makers.get(key)
        return self.things[made[0]].label if made else None

    def when(self, key: int) -> Any:
        """When it was made."""
        made = self._makers.get(key)
        return from_ns(made[1]) if made and made[1] is not None else None

    def users(self, key: int) -> list[str]:
        """The steps that used it."""
        return list(dict.fromkeys(self.things[one].label for one in self._users.get(key, ())))

    def state(self, key: int) -> str | None:
        """Whether it was ever seen outside of its transaction; None where that is not known."""
        if self.maker(key) is None:
            return "met"
        if key in self._held:
            return "committed"
        return "undone" if key in self._undone else None


class _Told:
    """What one run tells of the rows of a table."""

    def __init__(self, asked: Asked, run: int, table: str) -> None:
        self._named, self._run = asked.named(run), run
        self._rows = _of_table(asked.things("Rows").get(run, []), table)
        self._versions = _of_table(asked.things("TableVersion").get(run, []), table)
        keys = [key for key, _ in (*self._rows, *self._versions)]
        self._edges = _Edges(asked, run, keys)
        self._packed = rows_told(asked.store, keys)
        self._version_of = {
            part: version for version, _ in self._versions for part in self._edges.members.get(version, ())
        }
        self.unknown = [
            f"Which rows {self._edges.maker(key)} changed in {thing.label}: that was not told."
            for key, thing in self._versions
            if thing.fact("trilha:unknown_rows")
        ]

    def changes(self, key: tuple[str, ...]) -> list[dict[str, Any]]:
        """Each change of the rows of this key."""
        found = []
        for entity, thing in (*self._rows, *self._versions):
            change = thing.fact("trilha:change", "deleted")
            told = self._packed.get((entity, _KEYS[change]), [])
            names = str(thing.fact("trilha:key", "")).split(", ")
            for place in _places(told, names, key):
                found.append((entity, thing, change, place, told[place]))
        found.sort(key=lambda one: (one[1].fact("trilha:version", 0), one[0]))
        return [self._row(*one) for one in found]

    def _row(
        self, entity: int, thing: Thing, change: str, place: int, key: tuple[Any, ...]
    ) -> dict[str, Any]:
        version = self._version_of.get(entity, entity)
        lines = self._packed.get((entity, "lines"), [])
        files = [self._edges.things[one] for one in self._edges.sources.get(entity, ())]
        paths = [str(file.fact("trilha:path")) for file in files if file.is_a("trilha:File")]
        return {
            **self._named,
            "table": _full(thing),
            "key": ", ".join(map(str, key)),
            "change": change if self._edges.state(version) != "undone" else f"{change}, undone",
            "columns": thing.fact("trilha:changed"),
            "version": thing.fact("trilha:version"),
            "step": self._edges.maker(entity),
            "when": self._edges.when(entity),
            "file": ", ".join(paths) or None,
            "line": lines[place][0] if place < len(lines) and len(paths) == 1 else None,
        }


def _full(thing: Thing) -> str:
    return f"{thing.fact('trilha:database')}.{thing.fact('trilha:table')}"


def _of_table(things: Iterable[tuple[int, Thing]], table: str) -> list[tuple[int, Thing]]:
    """The things that are about a table: by its name, or with the name of its database and a dot before."""
    return [(key, one) for key, one in things if table in (one.fact("trilha:table"), _full(one))]


def _places(told: list[tuple[Any, ...]], names: list[str], key: tuple[str, ...]) -> list[int]:
    """At which places of a list of keys the wanted one stands."""
    wanted: dict[int, str] = {}
    for place, text in enumerate(key):
        name, equals, value = text.partition("=")
        if equals and name in names:
            wanted[names.index(name)] = value
        elif place < len(names):
            wanted[place] = text
        else:
            raise UsageError(f"{text!r}: the key is {', '.join(names)}; expected no more values than that")
    found = wanted.items()
    return [n for n, one in enumerate(told) if all(str(one[place]) == value for place, value in found)]
