"""What a connection reads and changes, stated: versions of tables, of the database, and the rows between.

A table is at one version at a time. A step that changes it, in one transaction, generates the next: a
revision of the one before, whose new members are the rows that were inserted or updated, told by their keys
(`trilha.capture.journal.keys`) in one entity for all rows of one kind of change and one source. When the
transaction is committed, the versions that its tables are at make the next version of the database. What is
rolled back is invalidated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from trilha.capture.context import Activity, current
from trilha.capture.database.notebook import Notebook, Version
from trilha.capture.journal.keys import packed
from trilha.capture.journal.writer import literal_name
from trilha.capture.siblings import iri_of

if TYPE_CHECKING:
    from trilha.capture.database.access import Access
    from trilha.capture.recorder import Recorder

__all__ = ["DELETED", "INSERTED", "UPDATED", "Changes", "Source"]

INSERTED: Final = "inserted"
UPDATED: Final = "updated"
DELETED: Final = "deleted"

_TYPES: Final = {
    name: literal_name(f"trilha:{name}")
    for name in ("Database", "DatabaseVersion", "Table", "TableVersion", "Rows")
}
_COLLECTION: Final = literal_name("prov:Collection")
_REVISION: Final = literal_name("prov:Revision")
_makers: Final[WeakKeyDictionary[Any, dict[str, int | str]]] = WeakKeyDictionary()
"""Which activity of this process made a version, by its IRI, for each recorder."""
_MOST_MAKERS: Final = 4096
_KIND_AND_TABLE: Final = itemgetter(0, 1)
_CHUNK: Final = 1 << 16
"""So many rows are told in one entity."""


class Source:
    """Where rows come from that are inserted while it is in force.

    Attributes:
        line: of the file, from 1, that the next row comes from; it rises by one with each row. None if it is
            not known. May be set at any time.
    """

    __slots__ = ("_activity", "_entity", "_usage", "line")

    def __init__(self, line: int | None = None) -> None:
        self.line = line
        self._entity: int | str | None = None
        self._usage: int | None = None
        self._activity: Activity | None = None

    def is_known(self, entity: int | str, usage: int | None, activity: Activity) -> None:
        """It is this entity, which this activity uses."""
        self._entity, self._usage, self._activity = entity, usage, activity

    def used_by(self, activity: Activity | None) -> tuple[int | str, int | None] | None:
        """The entity, and its usage where it was this activity that named it; None where it is not known."""
        if self._entity is None:
            return None
        return self._entity, self._usage if self._activity is activity else None


@dataclass
class _Group:
    """Rows of one kind of change and one source, not yet stated."""

    change: str
    columns: frozenset[str]
    read: frozenset[str]
    sources: tuple[tuple[int | str, int | None], ...]
    keys: list[tuple[Any, ...]] = field(default_factory=list)
    before: list[tuple[Any, ...]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    known: bool = True

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take up rows as triggers tell them."""
        if self.change == UPDATED:
            end = 2 + (len(rows[0]) - 2) // 2
            self.keys.extend([row[2:end] for row in rows])
            self.before.extend([row[end:] for row in rows])
        else:
            self.keys.extend([row[2:] for row in rows])


@dataclass
class _Pending:
    """What one activity has done to one table since its last version."""

    created: bool = False
    groups: dict[Any, _Group] = field(default_factory=dict)


@dataclass
class _Stretch:
    """What one activity has done in a transaction, before another one went on with it."""

    activity: Activity
    at: int
    pending: dict[str, _Pending]


@dataclass
class _Look:
    """A table that an activity read after another one had changed it, in one transaction."""

    table: str
    activity: Activity
    at: int


class Changes:
    """What one connection changes in one run.

    Args:
        recorder: of the run.
        notebook: of the database.
        name: of the database, for people.
        path: of its file; empty if it has none.
        columns: gives the names of a table's columns, and of those that are its key.
        seen: gives a number that changes when others commit.
        late: the next versions are stated at the commit alone, since others may commit before.
    """

    def __init__(
        self,
        recorder: Recorder,
        notebook: Notebook,
        name: str,
        path: str,
        columns: Callable[[str], tuple[tuple[str, ...], tuple[str, ...]]],
        seen: Callable[[], int],
        *,
        late: bool = False,
    ) -> None:
        self.recorder = recorder
        self._late = late
        self._earlier: list[_Stretch | _Look] = []
        self._notebook = notebook
        self._name, self._path = name, path
        self._columns, self._seen = columns, seen
        self._activity: Activity | None = None
        self._at = 0
        self._pending: dict[str, _Pending] = {}
        self._flushed: list[int | str] = []
        self._dropped: list[str] = []
        self._rewritten = False
        self._next: tuple[int, Version, str, list[str]] | None = None
        self._met: dict[str, tuple[int, int, int]] = {}
        self._doubted: dict[str, int] = {}
        self._last_seen: tuple[int, int] | None = None
        self._stated: set[str] = set()
        self._made_by = _makers.setdefault(recorder, {})

    @property
    def waiting(self) -> bool:
        """Whether there is something that a commit would make last."""
        return bool(self._pending or self._earlier or self._flushed or self._dropped or self._rewritten)

    @property
    def tables(self) -> set[str]:
        """The tables that wait for their next version."""
        stretches = [one.pending for one in self._earlier if isinstance(one, _Stretch)]
        return {table for pending in (*stretches, self._pending) for table in pending}

    # -- what a statement did

    def take(self, access: Access, rows: Sequence[tuple[Any, ...]], source: Source, *, known: bool) -> None:
        """A statement was executed in the current activity.

        Args:
            access: what it touches.
            rows: each row that it changed, in order: change, table, key, and for an update the key before.
            source: of rows that it inserted.
            known: `rows` are all that it changed.
        """
        activity = current(self.recorder)
        if self._pending and self._activity is not activity:
            if self._late:
                self._put_by()
            else:
                self.flush()
        self._activity, self._at = activity, time.time_ns()
        touched = {row[1] for row in rows}
        used = []
        for table in sorted(access.reads):
            if table in self._pending:
                continue
            if self._put_by_before(table):
                self._earlier.append(_Look(table, activity, self._at))
            else:
                about = self._use(table, activity, "read")
                if table not in touched and table not in access.changes:
                    used.append(about)
        for table in (*access.created, *access.altered):
            self._pending.setdefault(table, _Pending()).created = True
        if rows:
            self._gather(access, rows, source, tuple(used))
        if not known:
            for table in access.changes or touched:
                self._pending.setdefault(table, _Pending()).groups["?"] = _unknown()
        for table in access.dropped:
            self._drop(table)

    def _gather(
        self,
        access: Access,
        rows: Sequence[tuple[Any, ...]],
        source: Source,
        used: tuple[tuple[int | str, int | None], ...],
    ) -> None:
        for (change, table), run in groupby(rows, key=_KIND_AND_TABLE):
            told = list(run)
            while told:
                group = self._group(access, table, change, source, used)
                some = told[: _CHUNK - len(group.keys)]
                told = told[len(some) :]
                group.add(some)
                if change == INSERTED and source.line is not None:
                    group.lines.extend(range(source.line, source.line + len(some)))
                    source.line += len(some)

    def _group(
        self,
        access: Access,
        table: str,
        change: str,
        source: Source,
        used: tuple[tuple[int | str, int | None], ...],
    ) -> _Group:
        columns: frozenset[str] = frozenset()
        computed: frozenset[str] = frozenset()
        if change == UPDATED:
            columns = frozenset(access.updates.get(table, ()))
            computed = frozenset(access.reads.get(table, ())) - {""}
        elif change == INSERTED and (known := source.used_by(self._activity)) is not None:
            used = (*used, known)
        pending = self._pending.setdefault(table, _Pending())
        about = (change, columns, computed, used, source.line is None)
        found: _Group | None = pending.groups.get(about)
        if found is None or len(found.keys) >= _CHUNK:
            if found is not None:
                pending.groups[(*about, len(pending.groups))] = found
            found = pending.groups[about] = _Group(change, columns, computed, used)
        return found

    def _put_by(self) -> None:
        """What one activity did waits for the commit, while another one goes on."""
        if self._activity is not None and self._pending:
            self._earlier.append(_Stretch(self._activity, self._at, self._pending))
            self._pending = {}

    def _put_by_before(self, table: str) -> bool:
        return any(isinstance(one, _Stretch) and table in one.pending for one in self._earlier)

    def in_doubt(self) -> None:
        """Some of what was changed may have been undone: which rows are new is not known."""
        earlier = [one.pending for one in self._earlier if isinstance(one, _Stretch)]
        for pending in [one for known in (*earlier, self._pending) for one in known.values()]:
            pending.groups = {"?": _unknown()}

    def rewritten(self) -> None:
        """The file of the database was written anew, with the same content."""
        self._activity, self._at = current(self.recorder), time.time_ns()
        self._rewritten = True

    def _drop(self, table: str) -> None:
        self._pending.pop(table, None)
        version = self._notebook.table(table)
        if version.entity:
            self._dropped.append(version.entity)
            self._notebook.drop(table)

    # -- which version a table is at

    def _current(self, table: str) -> int | str | None:
        """The entity that a table is at, as the open transaction sees it; None where it is not known."""
        version = self._notebook.table(table)
        self._look_around()
        if self._doubted.get(table) == version.number:
            return None
        return version.entity or None

    def _look_around(self) -> None:
        """Find out whether somebody has changed the database who writes nothing into its notebook."""
        now = (self._seen(), self._notebook.database().number)
        before, self._last_seen = self._last_seen, now
        if before is not None and before[0] != now[0] and before[1] == now[1]:
            self._doubted = self._notebook.numbers()

    def _use(
        self, table: str, activity: Activity, role: str, at: int | None = None
    ) -> tuple[int | str, int | None]:
        """State that an activity uses a table at the version that it is at."""
        entity = self._current(table)
        if entity is None:
            entity = self._unknown_version(table)
        return entity, self._used(entity, activity, role, at)

    def _used(self, entity: int | str, activity: Activity, role: str, at: int | None = None) -> int | None:
        """State that an activity uses a version; what it has made itself it does not use."""
        usage = activity.used.get(entity)
        if usage is None and self._made_by.get(str(entity)) != activity.identifier:
            at = time.time_ns() if at is None else at
            usage = self.recorder.used(activity.identifier, entity, at, "prov:role", role)
            activity.used[entity] = usage
        return usage

    def _makes(self, entity: str, activity: Activity) -> None:
        """Remember which activity made a version."""
        self._made_by[entity] = activity.identifier
        while len(self._made_by) > _MOST_MAKERS:
            self._made_by.pop(next(iter(self._made_by)), None)

    def _unknown_version(self, table: str) -> int:
        """A table as it was met: how it came to be so was not recorded."""
        state = (self._notebook.table(table).number, self._seen())
        met = self._met.get(table)
        if met is not None and met[:2] == state:
            return met[2]
        entity = next(self.recorder.numbers)
        self._met[table] = (*state, entity)
        self._state_version(entity, table, f"{self._name}.{table} as it was met")
        return entity

    def _state_version(self, entity: int, table: str, label: str, *facts: Any) -> None:
        columns, key = self._columns(table)
        about = ("prov:label", label, "trilha:table", table, "trilha:database", self._name)
        types = ("prov:type", _TYPES["TableVersion"], "prov:type", _COLLECTION)
        names = ("trilha:columns", ", ".join(columns), "trilha:key", ", ".join(key))
        self.recorder.entity(entity, *types, *about, *names, *facts)

    # -- versions

    def flush(self) -> None:
        """State the next version of each table that was changed, and note it in the database."""
        self._put_by()
        if not self._earlier:
            return
        identity = self._notebook.identify()
        earlier, self._earlier = self._earlier, []
        for one in earlier:
            if isinstance(one, _Look):
                self._use(one.table, one.activity, "read", one.at)
                continue
            self._activity, self._at = one.activity, time.time_ns() if self._late else one.at
            for table, changes in one.pending.items():
                self._next_version(identity, table, changes, one.activity)

    def _next_version(self, identity: str, table: str, changes: _Pending, activity: Activity) -> None:
        recorder, at = self.recorder, self._at
        noted = self._notebook.table(table)
        before = usage = None
        if noted.number or not changes.created:
            before, usage = self._use(table, activity, "revised")
        entity = next(recorder.numbers)
        number = noted.number + 1
        gone = [key for group in changes.groups.values() if group.change == DELETED for key in group.keys]
        facts: list[Any] = ["trilha:version", number]
        if gone:
            facts += ["trilha:deleted", len(gone), "trilha:deleted_keys", packed(gone)]
        if not all(group.known for group in changes.groups.values()):
            facts += ["trilha:unknown_rows", True]
        label = f"{self._name}.{table} version {number}"
        self._state_version(entity, table, label, *facts)
        generation = recorder.generated(entity, activity.identifier, at)
        if before is not None:
            how = (activity.identifier, generation, usage) if usage is not None else (None, None, None)
            recorder.derived(entity, before, *how, "prov:type", _REVISION)
        self._specialize(identity, table, entity)
        told: set[int | str] = set()
        for group in changes.groups.values():
            if group.change != DELETED and group.keys:
                self._state_rows(group, table, number, entity, before)
            for source, usage_of in group.sources:
                if source not in told:
                    told.add(source)
                    self._derive(entity, source, generation, usage_of)
        self._flushed.append(entity)
        version = Version(number, iri_of(recorder, entity))
        self._makes(version.entity, activity)
        self._notebook.note_table(table, version)

    def _state_rows(
        self, group: _Group, table: str, number: int, version: int, before: int | str | None
    ) -> None:
        """The rows that were inserted, or updated, of one source."""
        recorder, activity = self.recorder, self._activity
        assert activity is not None
        rows = next(recorder.numbers)
        label = f"{len(group.keys)} rows {group.change} in {table}"
        facts: list[Any] = ["prov:label", label, "trilha:table", table, "trilha:version", number]
        facts += ["trilha:change", group.change, "trilha:length", len(group.keys)]
        facts += ["trilha:database", self._name, "trilha:key", ", ".join(self._columns(table)[1])]
        facts += ["trilha:keys", packed(group.keys)]
        if group.lines and len(group.lines) == len(group.keys):
            facts += ["trilha:lines", packed([(line,) for line in group.lines])]
        if group.before and group.before != group.keys:
            facts += ["trilha:keys_before", packed(group.before)]
        if group.columns:
            facts += ["trilha:changed", ", ".join(sorted(group.columns))]
        if group.read:
            facts += ["trilha:read", ", ".join(sorted(group.read))]
        recorder.entity(rows, "prov:type", _TYPES["Rows"], *facts)
        generation = recorder.generated(rows, activity.identifier, self._at)
        recorder.member(version, rows)
        for source, usage in group.sources:
            self._derive(rows, source, generation, usage)
        if group.change == UPDATED and before is not None:
            self._derive(rows, before, generation, activity.used.get(before))
        self._flushed.append(rows)

    def _derive(self, made: int, source: int | str, generation: int, usage: int | None) -> None:
        activity = self._activity
        if usage is not None and activity is not None:
            self.recorder.derived(made, source, activity.identifier, generation, usage)
        else:
            self.recorder.derived(made, source)

    def _specialize(self, identity: str, table: str, entity: int) -> None:
        general = f"urn:uuid:{identity}#{quote(table, safe='')}"
        if general not in self._stated:
            self._stated.add(general)
            label = f"{self._name}.{table}"
            self.recorder.entity(general, "prov:type", _TYPES["Table"], "prov:label", label)
        self.recorder.specialized(entity, general)

    # -- the end of a transaction

    def before_commit(self) -> None:
        """The transaction is about to be committed: note the next version of the database in it."""
        self.flush()
        if not self.waiting:
            return
        identity = self._notebook.identify()
        before = self._notebook.database()
        number = next(self.recorder.numbers)
        version = Version(before.number + 1, iri_of(self.recorder, number))
        self._look_around()
        self._notebook.note_database(version)
        self._last_seen = (self._seen(), version.number)
        self._next = (number, version, before.entity, [identity, *self._notebook.tables()])

    def committed(self) -> None:
        """The transaction was committed."""
        made, self._next = self._next, None
        if made is None:
            return
        recorder, activity = self.recorder, current(self.recorder)
        entity, version, before, (identity, *tables) = made
        at = time.time_ns()
        label = f"{self._name} version {version.number}"
        types = ("prov:type", _TYPES["DatabaseVersion"], "prov:type", _COLLECTION)
        recorder.entity(entity, *types, "prov:label", label, "trilha:version", version.number)
        generation = recorder.generated(entity, activity.identifier, at)
        self._makes(version.entity, activity)
        for table in tables:
            recorder.member(entity, table)
        if before:
            usage = self._used(before, activity, "revised")
            how = (activity.identifier, generation, usage) if usage is not None else (None, None, None)
            recorder.derived(entity, before, *how, "prov:type", _REVISION)
        general = f"urn:uuid:{identity}"
        if general not in self._stated:
            self._stated.add(general)
            path = ("trilha:path", self._path) if self._path else ()
            recorder.entity(general, "prov:type", _TYPES["Database"], "prov:label", self._name, *path)
        recorder.specialized(entity, general)
        for gone in self._dropped:
            recorder.invalidated(gone, activity.identifier, at)
        self._forget()

    def rolled_back(self) -> None:
        """The transaction was rolled back: what it had made is no more."""
        at, activity = time.time_ns(), current(self.recorder)
        for entity in self._flushed:
            self.recorder.invalidated(entity, activity.identifier, at)
        self._pending.clear()
        self._earlier.clear()
        self._next = None
        self._forget()

    def _forget(self) -> None:
        self._flushed, self._dropped, self._rewritten = [], [], False


def _unknown() -> _Group:
    return _Group(UPDATED, frozenset(), frozenset(), (), known=False)
