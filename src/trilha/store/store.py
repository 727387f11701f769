"""A store: the index over the journals of a folder.

The index is filled on demand. `Store.refresh` looks for journals, and parts of journals, that it has not
read yet; one process at a time does so, behind a file lock. An index can be dropped at any time: `reindex`
makes it again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, NamedTuple, Self

from trilha.errors import StoreError
from trilha.store import connecting, contents, place, sql
from trilha.store.connecting import lock, told
from trilha.store.place import INDEX, JOURNALS
from trilha.store.schema import VERSION

if TYPE_CHECKING:
    from trilha.prov import Document

__all__ = ["Damage", "Refreshed", "Store", "open", "reindex"]

_NEW = ".new"
_NOBODY_WRITES = "mode=ro&immutable=1"


class Damage(NamedTuple):
    """A part of a journal that could not be read, or an event in it that made no sense.

    Attributes:
        run: UUID of the run.
        journal: uid of the journal.
        offset: where it begins, in bytes.
        length: of the part, in bytes; 0 where only a single event is meant.
        reason: what is wrong, for people.
    """

    run: str
    journal: str
    offset: int
    length: int
    reason: str


class Refreshed(NamedTuple):
    """What a refresh found.

    Attributes:
        journals: how many journals were read.
        statements: how many new statements they held.
        values: how many new metric values.
        unreadable: journals that could not be read at all, each with the reason.
    """

    journals: int
    statements: int
    values: int
    unreadable: tuple[tuple[str, str], ...]


def open(path: str | os.PathLike[str] | None = None) -> Store:
    """The store in a folder (by default ``TRILHA_STORE``, else ``.trilha`` here), brought up to date.

    Args:
        path: of the folder.

    Raises:
        StoreError: there is no store, it is of a newer version, or it cannot be read.
    """
    store = Store(place.locate(path))
    try:
        store.refresh()
    except BaseException:
        store.close()
        raise
    return store


class Store:
    """The index over the journals of a folder.

    Use `open`, or this and `refresh`. A store is a context manager that closes itself.

    Args:
        folder: of the store.

    Attributes:
        folder: of the store.
        holds_document: whether it holds a document, in memory; `folder` is then what messages call that.
        read_only: whether the folder cannot be written; what is new is then loaded into memory.
        unreadable: journals that the last refresh could not read at all, each with the reason.

    Raises:
        StoreError: there is no store in the folder, it is of a newer version, or it cannot be read.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.unreadable: tuple[tuple[str, str], ...] = ()
        self.holds_document = self.read_only = False
        self._in_memory = False
        header = place.check(folder)
        if header is not None and header.version > VERSION:
            raise place.newer(folder, header.version, connecting.written_by(folder))
        self.read_only = not place.writable(folder)
        with told(folder):
            self._connection = self._connect(header)

    @classmethod
    def in_memory(cls, name: str) -> Self:
        """An empty store in memory, of no folder; `name` is what messages call it."""
        made = cls.__new__(cls)
        made.folder = name
        made.unreadable = ()
        made.holds_document = made.read_only = made._in_memory = True
        made._connection = connecting.create(":memory:")
        return made

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection to the index, for queries; nothing may be written through it."""
        return self._connection

    @property
    def journals(self) -> str:
        """The folder of the journals."""
        return os.path.join(self.folder, JOURNALS)

    def close(self) -> None:
        """Let go of the index."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> Refreshed:
        """Read what is new in the journals.

        Raises:
            StoreError: the index cannot be read or written.
        """
        from trilha.store.refreshing import Refresh, news

        with told(self.folder):
            new = news(self._connection, self.journals)
            if not new and contents.is_decided(self._connection):
                return Refreshed(0, 0, 0, self.unreadable)
            if self.read_only:
                self._move_to_memory()
                return self._done(Refreshed(*Refresh(self._connection, self.journals).load()))
            with lock(self.folder):
                return self._done(Refreshed(*Refresh(self._connection, self.journals).load()))

    def renew_graph(self) -> None:
        """Make the graph of calls anew (`trilha.store.graph`); in a folder that cannot be written, nothing.

        Raises:
            StoreError: the index cannot be written.
        """
        if self.read_only:
            return
        from trilha.store import graph

        with told(self.folder), lock(self.folder), connecting.transaction(self._connection):
            graph.keep(self._connection, anew=True)

    def document(self, run: str, points: str = "summary") -> Document:
        """The PROV document of a run.

        Args:
            run: UUID of the run.
            points: ``"summary"`` describes each metric on its collection; ``"all"`` makes an entity of each
            row.

        Raises:
            NotFound: no such run.
            UsageError: `points` is neither of the two.
        """
        from trilha.store.document import document

        with told(self.folder):
            return document(self, run, points)

    def damage(self) -> list[Damage]:
        """What could not be read in the journals, in their order."""
        with told(self.folder):
            return [Damage(*row) for row in self._connection.execute(sql.DAMAGE)]

    def reindex(self) -> Refreshed:
        """Drop the index and make it again from the journals; whoever reads it meanwhile sees the old one.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self.read_only:
            raise StoreError(f"{self.folder}: cannot be written; reindex needs to write {INDEX} there")
        from trilha.store.refreshing import Refresh

        aside = self._aside()
        with told(self.folder), lock(self.folder):
            self._sweep()
            try:
                with contextlib.closing(connecting.create(aside)) as built:
                    built.execute(sql.NO_SYNC)
                    done = Refreshed(*Refresh(built, self.journals).load())
                    # The copy is one transaction of SQLite's, so that other processes see all of it or
                    # nothing.
                    built.backup(self._connection)
            finally:
                connecting.remove(aside)
        return self._done(done)

    # -- inside ----------------------------------------------------------------------------------------------

    def _done(self, refreshed: Refreshed) -> Refreshed:
        self.unreadable = refreshed.unreadable
        return refreshed

    def _aside(self) -> str:
        return os.path.join(self.folder, f"{INDEX}{_NEW}-{os.getpid()}")

    def _sweep(self) -> None:
        """Remove what was left by processes that were killed while they made an index; the lock is held."""
        for name in os.listdir(self.folder):
            if name.startswith(f"{INDEX}{_NEW}-"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self.folder, name))

    def _connect(self, header: place.Header | None) -> sqlite3.Connection:
        if self.read_only:
            return self._connect_to_read(header)
        index = os.path.join(self.folder, INDEX)
        if header is None or not header.version:
            with lock(self.folder):
                if not os.path.exists(index) or not os.path.getsize(index):
                    aside = self._aside()
                    connecting.create(aside).close()
                    os.replace(aside, index)
        connection = connecting.connect(index)
        try:
            connection.execute(sql.GROUPED_SYNC)
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version, written_by = connecting.version_of(connection)
        if version > VERSION:
            raise place.newer(self.folder, version, written_by)
        if version == VERSION:
            return
        with lock(self.folder), connecting.transaction(connection):
            version, _ = connecting.version_of(connection)
            connecting.migrate(connection, version)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _connect_to_read(self, header: place.Header | None) -> sqlite3.Connection:
        if header is None or header.version < VERSION:
            self._in_memory = True
            return connecting.create(":memory:")
        index = os.path.join(self.folder, INDEX)
        # Without its -wal file, SQLite wants to make one to read; "immutable" says that nobody writes.
        connection = connecting.connect(
            index, "mode=ro" if os.path.exists(index + "-wal") else _NOBODY_WRITES
        )
        try:
            version, written_by = connecting.version_of(connection)
        except sqlite3.OperationalError:
            connection.close()
            connection = connecting.connect(index, _NOBODY_WRITES)
            version, written_by = connecting.version_of(connection)
        if version > VERSION:
            connection.close()
            raise place.newer(self.folder, version, written_by)
        return connection

    def _move_to_memory(self) -> None:
        if not self._in_memory:
            memory = sqlite3.connect(":memory:", isolation_level=None)
            self._connection.backup(memory)
            self._connection.close()
            self._connection, self._in_memory = memory, True


def reindex(path: str | os.PathLike[str] | None = None) -> Refreshed:
    """Make the index of the store in `path` again from its journals, whatever state the index is in.

    An index that is no database any more is kept beside the new one, under another name.

    Raises:
        StoreError: there is no store, it is of a newer version, or the folder cannot be written.
    """
    folder = place.locate(path)
    try:
        with Store(folder) as store:
            return store.reindex()
    except place.DamagedIndex:
        if not os.path.isdir(os.path.join(folder, JOURNALS)):
            raise
    with lock(folder):
        _put_aside(os.path.join(folder, INDEX))
    with Store(folder) as store:
        return store.reindex()


def _put_aside(index: str) -> None:
    number = 1
    while os.path.exists(f"{index}.damaged-{number}"):
        number += 1
    with contextlib.suppress(FileNotFoundError):
        os.replace(index, f"{index}.damaged-{number}")
    connecting.remove(index)
