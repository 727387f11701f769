"""Connections to an index: making one, opening one, and saying in plain words what went wrong with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from trilha.errors import StoreError
from trilha.store import place, sql
from trilha.store.schema import APPLICATION_ID, MIGRATIONS, VERSION

__all__ = [
    "connect",
    "create",
    "lock",
    "migrate",
    "remove",
    "told",
    "transaction",
    "version_of",
    "written_by",
]

_BUSY_S = 60.0


def connect(index: str, query: str = "mode=rw") -> sqlite3.Connection:
    """A connection to the file `index` that begins no transactions by itself.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    uri = f"file:{quote(os.path.abspath(index))}?{query}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_S)


def create(index: str) -> sqlite3.Connection:
    """A new, empty index in the file `index` (or ``:memory:``)."""
    remove(index)
    connection = sqlite3.connect(index, isolation_level=None)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(sql.WRITE_AHEAD)
    with transaction(connection):
        migrate(connection, 0)
    return connection


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Take an index from `version` to ours, inside the caller's transaction."""
    from trilha.store.version import own_version

    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(sql.ADD_VERSION, (number, own_version(), time.time_ns()))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def version_of(connection: sqlite3.Connection) -> tuple[int, str]:
    """The version of an index, and the Trilha that made it so."""
    row = connection.execute(sql.SCHEMA_VERSION).fetchone()
    return (row[0], row[1]) if row else (0, "")


def written_by(folder: str) -> str:
    """The Trilha that a store of a newer version says it needs; empty if it does not say. Changes nothing."""
    try:
        with contextlib.closing(
            connect(os.path.join(folder, place.INDEX), "mode=ro&immutable=1")
        ) as connection:
            return version_of(connection)[1]
    except sqlite3.Error:
        return ""


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing of what is executed inside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextlib.contextmanager
def lock(folder: str) -> Iterator[None]:
    """`place.locked`, its failures told."""
    held = place.locked(folder)
    try:
        held.__enter__()
    except OSError as error:
        raise StoreError(
            f"{folder}: its lock file {place.LOCK} cannot be taken: {error.strerror or error}. Check the"
            f" permissions"
            " of the folder, and that its file system knows locks (flock)"
        ) from None
    try:
        yield
    finally:
        held.__exit__(None, None, None)


_NO_ROOM_TO_SHARE: Final = "SQLITE_IOERR_SHMSIZE"
"""A full disk, met where the memory that readers and writers share is made; else SQLite calls it full."""


@contextlib.contextmanager
def told(folder: str) -> Iterator[None]:
    """Errors of SQLite inside become ones that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error).lower()
        what = f"{os.path.join(folder, place.INDEX)}: {error}"
        full = "full" in text or getattr(error, "sqlite_errorname", "") == _NO_ROOM_TO_SHARE
        if not full and any(
            word in text for word in ("malformed", "not a database", "corrupt", "no such", "disk i/o")
        ):
            raise place.DamagedIndex(
                f"{what}; the index is damaged: `trilha reindex` makes it anew from the journals"
            ) from error
        if "locked" in text or "busy" in text:
            todo = (
                f"another process has been writing it for over {_BUSY_S:.0f} s; try again when it has ended"
            )
        elif full:
            todo = "free some space on its disk; nothing recorded is lost, the journals are whole"
        elif "readonly" in text or "read-only" in text or "unable to open" in text:
            todo = "check the permissions of the folder"
        else:
            todo = "`trilha reindex` makes the index anew from the journals"
        raise StoreError(f"{what}; {todo}") from error


def remove(index: str) -> None:
    """Take away an index file and what SQLite keeps beside it."""
    if index == ":memory:":
        return
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(index + suffix)
