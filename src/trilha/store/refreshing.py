"""Finding and reading what is new in the journals.

Looking must be cheap, since every question begins with it: a run whose writers are all dead is looked at
again only when its folder changed; a journal whose writer may live is read on from where the last reading
ended.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.errors import JournalError
from trilha.prov.uncollected import uncollected
from trilha.store import contents, graph, sql
from trilha.store.connecting import transaction

if TYPE_CHECKING:
    import sqlite3

    from trilha.capture.journal import Journal
    from trilha.store.loading import Loader

__all__ = ["CLOSED", "OPEN", "UNKNOWN", "Found", "Refresh", "news"]

CLOSED: Final = 0
"""The journal's writer is dead, and the journal was read to its end."""
OPEN: Final = 1
"""The writer lives."""
UNKNOWN: Final = 2
"""The writer is on another host, or the journal could not be read."""

_SUFFIX: Final = ".journal"
_ROWS_A_TRANSACTION: Final = 200_000
_SECOND_LOOK_S: Final = 0.02
_YOUNG_NS: Final = 10 * 10**9


class Found(NamedTuple):
    """A journal that may hold something new.

    Attributes:
        uid: of the journal.
        key: of the journal in the index; None if it is new.
        place: offset behind what was read.
    """

    uid: str
    key: int | None
    place: int


class Folder(NamedTuple):
    """The folder of a run in which something may be new.

    Attributes:
        uuid: of the run.
        run: its key; None if it is new.
        time: when the folder was last changed, nanoseconds.
        found: its journals that may hold something new.
    """

    uuid: str
    run: int | None
    time: int
    found: list[Found]


def news(connection: sqlite3.Connection, journals: str) -> list[Folder]:
    """The runs in which something may be new, the oldest folder first."""
    try:
        entries = list(os.scandir(journals))
    except OSError:
        return []
    known = {row[0]: row[1:] for row in connection.execute(sql.FOLDERS)}
    folders = []
    for entry in entries:
        run, folder_time, settled, status = known.get(entry.name, (None, None, 0, None))
        try:
            changed = entry.stat().st_mtime_ns
            if (settled and changed == folder_time) or not entry.is_dir():
                continue
            found = _found(connection, entry.path, run, status is not None)
        except OSError:
            continue
        if found or (run is not None and changed != folder_time):
            folders.append(Folder(entry.name, run, changed, found))
    return sorted(folders, key=lambda folder: (folder.time, folder.uuid))


def _found(connection: sqlite3.Connection, folder: str, run: int | None, ended: bool) -> list[Found]:
    rows = connection.execute(sql.JOURNALS_OF_RUN, (run,)) if run is not None else ()
    known = {row[0]: row[1:] for row in rows}
    found = []
    for entry in os.scandir(folder):
        if not entry.name.endswith(_SUFFIX):
            continue
        uid = entry.name[: -len(_SUFFIX)]
        if uid not in known:
            found.append(Found(uid, None, 0))
            continue
        key, place, size, modified, state = known[uid]
        if state == CLOSED:
            continue
        now = entry.stat()
        if ended and now.st_size == place:
            continue
        if state == UNKNOWN and (now.st_size, now.st_mtime_ns) == (size, modified) and not _young(modified):
            continue
        found.append(Found(uid, key, place))
    return sorted(found)


def _is_over(place: int, size: int | None, modified: int | None, state: int, ended: bool) -> bool:
    """Whether a journal will not grow: its writer is dead, or on another host and done for a while."""
    if state == UNKNOWN and ended:
        return size == place and not _young(modified or 0)
    return state == CLOSED


def _young(modified: int) -> bool:
    return time.time_ns() - modified < _YOUNG_NS


class Refresh:
    """One reading of all that is new. The caller holds the store's lock.

    Args:
        connection: to the index.
        journals: folder of the journals.
    """

    def __init__(self, connection: sqlite3.Connection, journals: str) -> None:
        self._connection = connection
        self._journals = journals
        self._read = 0
        self._unreadable: list[tuple[str, str]] = []
        self._loader: Loader | None = None

    def load(self) -> tuple[int, int, int, tuple[tuple[str, str], ...]]:
        """Read it.

        Returns:
            How many journals were read, how many statements and metric values they held, and the journals
            that could not be read at all, each with the reason.
        """
        # A reader that waited for the lock finds what the other process left.
        with uncollected():
            for folder in news(self._connection, self._journals):
                self._load_folder(folder)
        loader = self._loader
        if not contents.is_decided(self._connection):
            with transaction(self._connection):
                contents.decide(self._connection)
                graph.keep(self._connection)
        statements, values = (loader.statements, loader.values) if loader else (0, 0)
        return self._read, statements, values, tuple(self._unreadable)

    def _load_folder(self, folder: Folder) -> None:
        from trilha.store.loading import Loader

        if self._loader is None:
            self._loader = Loader(self._connection)
        run = folder.run
        for found in folder.found:
            path = os.path.join(self._journals, folder.uuid, found.uid + _SUFFIX)
            try:
                journal = _open(path, folder.uuid, found.uid)
            except (OSError, JournalError) as error:
                self._unreadable.append((path, str(error)))
                run = self._refuse(folder, run, found, path, error)
                continue
            run = self._load_journal(self._loader, journal, folder.uuid, run, found)
        if run is not None:
            with transaction(self._connection):
                journals = self._connection.execute(sql.JOURNALS_OF_RUN, (run,)).fetchall()
                ended = self._connection.execute(sql.RUN_FACTS, (run,)).fetchone()[3] is not None
                settled = all(
                    _is_over(place, size, time, state, ended) for _, _, place, size, time, state in journals
                )
                self._connection.execute(sql.SETTLE_RUN, (folder.time, int(settled), run))

    def _load_journal(
        self, loader: Loader, journal: Journal, uuid: str, run: int | None, found: Found
    ) -> int:
        # Asked before reading: what a dead process wrote is all there.
        alive = journal.alive()
        state = CLOSED if alive is False else OPEN if alive else UNKNOWN
        status = os.stat(journal.path)
        with transaction(self._connection):
            if run is None:
                run = loader.add_run(uuid, journal.head.started or None)
            key = found.key
            if key is None:
                key = loader.add_journal(run, journal.head, 0)
            elif not found.place:
                loader.set_head(key, journal.head)
            loader.enter(key, run, uuid)
        reader = _Reading(journal, found.place, patient=alive is not False)
        more = True
        while more:
            with transaction(self._connection):
                more = reader.some(loader)
                loader.flush()
                self._keep_damage(key, found.place, reader, alive is False)
                row = (reader.place, status.st_size, status.st_mtime_ns, OPEN if more else state, key)
                self._connection.execute(sql.SET_JOURNAL, row)
        self._read += 1
        return run

    def _keep_damage(self, journal: int, begin: int, reader: _Reading, whole: bool) -> None:
        """Note what could not be read; behind the last event only once the writer is dead."""
        self._connection.execute(sql.DROP_DAMAGE_FROM, (journal, begin))
        for offset, length, reason in reader.damage():
            if whole or offset < reader.place:
                self._connection.execute(sql.ADD_DAMAGE, (journal, offset, length, reason))

    def _refuse(
        self, folder: Folder, run: int | None, found: Found, path: str, error: Exception
    ) -> int | None:
        """Note a journal that cannot be read, so that it is not tried again until it changes."""
        loader = self._loader
        try:
            status = os.stat(path)
        except OSError:
            return run
        if loader is None:
            return run
        with transaction(self._connection):
            if run is None:
                run = loader.add_run(folder.uuid, None)
            key = found.key
            if key is None:
                key = loader.add_journal(run, _NoHead(found.uid), 0)
            reason = str(error).removeprefix(f"{path}: ")
            self._connection.execute(sql.ADD_DAMAGE, (key, 0, status.st_size, reason))
            self._connection.execute(sql.SET_JOURNAL, (0, status.st_size, status.st_mtime_ns, UNKNOWN, key))
        return run


class _NoHead(NamedTuple):
    """Stands for the head of a journal that has none to read."""

    uid: str
    parent: str | None = None
    host: str = ""
    pid: int = 0
    started: int | None = None


class _Reading:
    """Reads a journal on from an offset.

    While its writer lives, a hole may be a frame that another thread is just filling: it is looked at twice.

    Attributes:
        place: offset behind the last event.
    """

    def __init__(self, journal: Journal, place: int, *, patient: bool) -> None:
        self.place = place
        self._journal = journal
        self._patient = patient
        self._odd: list[tuple[int, int, str]] = []
        self._events = journal.events(place)

    def some(self, loader: Loader) -> bool:
        """Load as much as one transaction takes; whether there may be more."""
        journal = self._journal
        seen = len(journal.damage)
        for end, event in self._events:
            if self._patient and len(journal.damage) > seen:
                self._patient = False
                del journal.damage[seen:]
                time.sleep(_SECOND_LOOK_S)
                self._events = journal.events(self.place)
                return True
            wrong = loader.load(event, end)
            if wrong:
                self._odd.append((end, 0, wrong))
            inside = end == self.place  # a frame of several events, more of which follow
            self.place = end
            if loader.waiting >= _ROWS_A_TRANSACTION and not inside:
                return True
        return False

    def damage(self) -> list[tuple[int, int, str]]:
        """What could not be read so far: offset, length and reason."""
        return [*((one.offset, one.length, one.reason) for one in self._journal.damage), *self._odd]


def _open(path: str, uuid: str, uid: str) -> Journal:
    from trilha.capture.journal import read

    journal = read(path)
    if journal.head.run != uuid:
        raise JournalError(
            f"{path}: belongs to the run {journal.head.run}; move it to the folder of that name"
        )
    if journal.head.uid != uid:
        raise JournalError(f"{path}: is the journal {journal.head.uid}; give the file that name")
    return journal
