"""A connection to SQLite that says what is read and changed through it.

It is `sqlite3.Connection`, with a cursor of its own: what it gives and raises is what that gives and raises.
Which tables a statement touches SQLite says itself (`trilha.capture.database.access`); which rows it changes,
temporary triggers tell, which live in the connection alone. A statement outside of a transaction is put into
one of its own, so that the notebook (`trilha.capture.database.notebook`) tells of the very state that the
statement saw or made.
"""

from __future__ import annotations

import os
import re
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

from trilha.capture.active import active
from trilha.capture.database.access import Access, Authorizer, verb
from trilha.capture.database.changes import DELETED, INSERTED, UPDATED, Changes, Source
from trilha.capture.database.notebook import NOTEBOOK, Notebook, Version, not_kept
from trilha.capture.database.sourced import Sourced
from trilha.capture.interrupts import pass_on
from trilha.errors import UsageError

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Connection", "Cursor", "connect"]

_OURS: Final = "trilha_"
_SERVED: Final = ("postgresql://", "postgres://")
_MOST_ROWS: Final = 1 << 20
"""Of a statement that changes more rows, it is not known which."""
_DML: Final = frozenset(["INSERT", "UPDATE", "DELETE", "REPLACE"])
_OWN_TRANSACTION: Final = _DML | {"SELECT", "WITH", "VALUES", "CREATE", "DROP", "ALTER"}
_RETURNING: Final = re.compile(r"\breturning\b", re.IGNORECASE)
_ENDS: Final = frozenset(["COMMIT", "END"])


def connect(database: str | os.PathLike[str], *arguments: Any, **named: Any) -> Any:
    """Connect to a database of SQLite, or to PostgreSQL, so that what happens to its tables is recorded.

    Which version of which table each step reads and makes, and which rows it changes, is recorded in the run
    that goes on; without one nothing is. The database gets one small table more, ``trilha_versions``, which
    keeps which versions its tables are at, so that other processes and later runs find it.

    Args:
        database: as for `sqlite3.connect`: the path of a file, or ``":memory:"``; or the URL of a database of
            PostgreSQL (``postgresql://…``), as for `psycopg.connect`.
        arguments: as for `sqlite3.connect`.
        named: as for `sqlite3.connect`, or for `psycopg.connect`.

    Returns:
        A `Connection` of `sqlite3`, or one of `psycopg`.

    Raises:
        UsageError: a `factory` (or `cursor_factory`) is given: the connection would not be ours; or psycopg
            is not installed.
        sqlite3.Error: what `sqlite3.connect` raises.
        psycopg.Error: what `psycopg.connect` raises.
    """
    if isinstance(database, str) and database.startswith(_SERVED):
        try:
            from trilha.capture.database import postgresql
        except ImportError as error:
            raise UsageError(
                f"trilha.database.connect({database.partition('@')[2] or database!r}): PostgreSQL needs"
                f" psycopg ({error}): pip install 'trilha[postgresql]'"
            ) from error
        return postgresql.connect(database, *arguments, **named)
    if len(arguments) > 4 or "factory" in named:
        raise UsageError(
            "trilha.database.connect(factory=...): expected none, since it gives a connection of its own;"
            " leave it out, or use sqlite3.connect, of which nothing is recorded"
        )
    connection: Connection = sqlite3.connect(database, *arguments, factory=Connection, **named)
    return connection


class Cursor(sqlite3.Cursor):
    """A cursor whose statements are noticed."""

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """As in `sqlite3.Cursor`."""
        with self._noticed(sql):
            super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        """As in `sqlite3.Cursor`."""
        with self._noticed(sql):
            super().executemany(sql, parameters)
        return self

    def executescript(self, sql_script: str, /) -> Cursor:
        """As in `sqlite3.Cursor`; which rows a script changes in tables that it makes is not known."""
        connection = self.connection
        if connection.in_transaction:
            connection.commit()
        with self._noticed(sql_script, script=True):
            super().executescript(sql_script)
        return self

    def _noticed(self, sql: str, *, script: bool = False) -> Any:
        return self.connection._watch.noticed(self, sql, script=script)  # type: ignore[attr-defined]


class Connection(Sourced, sqlite3.Connection):
    """A connection that says what is read and changed through it; `connect` makes it."""

    def __init__(self, database: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(database, *arguments, **named)
        self.source = Source()
        self._watch = _Watch(self, os.fsdecode(database) if not isinstance(database, str) else database)

    def cursor(self, factory: Any = None) -> Any:
        """As in `sqlite3.Connection`. What a cursor of another `factory` reads is not recorded."""
        return super().cursor(Cursor if factory is None else factory)

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """As in `sqlite3.Connection`."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """As in `sqlite3.Connection`."""
        return self.cursor().executemany(sql, parameters)

    def executescript(self, sql_script: str, /) -> Any:
        """As in `sqlite3.Connection`."""
        return self.cursor().executescript(sql_script)

    def set_authorizer(self, authorizer_callback: Any) -> None:
        """As in `sqlite3.Connection`; what we do is not asked about."""
        self._watch.authorizer.programs = authorizer_callback
        super().set_authorizer(self._watch.authorizer)

    def commit(self) -> None:
        """As in `sqlite3.Connection`."""
        self._watch.before_commit()
        super().commit()
        self._watch.committed()

    def rollback(self) -> None:
        """As in `sqlite3.Connection`."""
        super().rollback()
        self._watch.rolled_back()

    def close(self) -> None:
        """As in `sqlite3.Connection`: what was not committed is rolled back."""
        self._watch.closing()
        super().close()
        self._watch.rolled_back()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if kind is not None:
            self.rollback()
            return False
        try:
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return False


class _Watch:
    """What is noticed on one connection.

    Attributes:
        authorizer: what SQLite asks.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._path = "" if name in ("", ":memory:") or name.startswith("file:") else os.path.abspath(name)
        self._name = os.path.basename(self._path) or name or "temporary"
        self._notebook = Notebook(self._plainly)
        self.authorizer = Authorizer(_OURS)
        self._rows: list[tuple[Any, ...]] = []
        self._schema: int | None = None
        self._keys: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._changes: Changes | None = None
        self._off = False
        self._returning: weakref.ref[Cursor] | None = None
        self._unrecorded_tables: set[str] = set()
        try:
            connection.create_function("trilha_row", -1, self._heard)
            sqlite3.Connection.set_authorizer(connection, self.authorizer)
        except sqlite3.Error:
            # Of a version of SQLite that has neither, nothing can be told.
            self._off = True

    def _plainly(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Execute a statement of our own; gives its rows."""
        connection, authorizer = self._connection, self.authorizer
        text, authorizer.resting = connection.text_factory, True
        try:
            connection.text_factory = str
            return sqlite3.Cursor(connection).execute(sql, parameters).fetchall()
        finally:
            connection.text_factory = text
            authorizer.resting = False

    def _heard(self, *row: Any) -> None:
        """What our triggers call: the change, the table, the key, and for an update the key before."""
        if len(self._rows) <= _MOST_ROWS:
            self._rows.append(row)

    # -- statements

    @contextmanager
    def noticed(self, cursor: Cursor, sql: str, *, script: bool = False) -> Iterator[None]:
        """Around the execution of a statement."""
        recorder = active()
        if self._off or not isinstance(sql, str):
            yield
            return
        if self._returning is not None and self._returning() is cursor:
            self._returning = None
        word = "" if script else verb(sql)
        changed = self._guarded(recorder, self._begin, recorder, word)
        own = recorder is not None and self._guarded(recorder, self._open, word, sql)
        if word in _ENDS:
            self.before_commit()
        try:
            yield
        except BaseException:
            self._guarded(recorder, self._failed, recorder, sql, changed)
            if own:
                self._guarded(recorder, self._plainly, "ROLLBACK")
                self.rolled_back()
            raise
        if not self._connection.in_transaction and _RETURNING.search(sql):
            self._returning = weakref.ref(cursor)
        self._guarded(recorder, self._executed, recorder, sql, word, script)
        if own:
            self._close_own()

    @property
    def _busy(self) -> bool:
        """Whether a statement outside of a transaction may not have given all it has to give.

        It is committed when it has; a transaction of ours would be refused until then.
        """
        return self._returning is not None and self._returning() is not None

    def _guarded(self, recorder: Recorder | None, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call one of our functions so that nothing of it reaches the program; gives what it gave."""
        try:
            return function(*arguments)
        except Exception as error:
            pass_on()
            if recorder is not None:
                not_kept(recorder, self._name, error, sqlite3.Error)
            return None

    def _begin(self, recorder: Recorder | None, word: str) -> int:
        """Before a statement; gives how many rows have been changed so far."""
        if self._rows and recorder is not None:
            # Of cursors that are not ours.
            self._take(self._recorded(recorder), Access(), known=True)
        self._rows.clear()
        self._note()
        self.authorizer.forget()
        if recorder is not None and word not in ("SELECT", "PRAGMA", "VALUES", *_ENDS):
            self._listen()
        return self._connection.total_changes

    def _open(self, word: str, sql: str) -> bool:
        """Open a transaction for a statement that would be alone in one; tells whether it did."""
        connection = self._connection
        if connection.in_transaction or word not in _OWN_TRANSACTION or self._busy:
            return False
        if word in _DML and connection.isolation_level is not None:
            return False
        if word != "SELECT" and _RETURNING.search(sql):
            return False
        self._plainly("BEGIN")
        return True

    def _close_own(self) -> None:
        """Commit the transaction of a statement."""
        self.before_commit()
        try:
            self._plainly("COMMIT")
        except sqlite3.Error:
            self._plainly("ROLLBACK")
            self.rolled_back()
            raise
        self.committed()

    def _listen(self) -> None:
        """Have triggers on all tables."""
        schema = self._plainly("PRAGMA main.schema_version")[0][0]
        if schema == self._schema:
            return
        self._keys.clear()
        tables = self._plainly(
            "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND upper(sql) NOT LIKE 'CREATE VIRTUAL%' AND name != ?",
            (NOTEBOOK,),
        )
        for (table,) in tables:
            for trigger in _triggers(table, self.columns(table)[1]):
                self._plainly(trigger)
        self._schema = schema

    def columns(self, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of a table's columns, and of those that are its key; the key is ``rowid`` if it has none."""
        known = self._keys.get(table)
        if known is None:
            info = self._plainly(f"PRAGMA main.table_info({_quoted(table)})")
            keys = sorted((row[5], row[1]) for row in info if row[5])
            names = tuple(row[1] for row in info)
            known = self._keys[table] = (names, tuple(name for _, name in keys) or ("rowid",))
        return known

    def _executed(self, recorder: Recorder | None, sql: str, word: str, script: bool) -> None:
        access = self.authorizer.about(sql)
        if recorder is None:
            self._unrecorded(access)
            return
        changes = self._recorded(recorder)
        if access.created or access.altered or access.dropped:
            self._keys.clear()
        if word == "ROLLBACK":
            if self._connection.in_transaction:
                changes.in_doubt()
            else:
                self.rolled_back()
        elif word in _ENDS:
            self.committed()
        elif word == "VACUUM":
            changes.rewritten()
        known = len(self._rows) <= _MOST_ROWS and not (script and access.created)
        self._take(changes, access, known=known)
        self._note()

    def _failed(self, recorder: Recorder | None, sql: str, before: int | None) -> None:
        """A statement raised an error. What it had changed until then may have been undone."""
        if recorder is None or before is None:
            return
        del self._rows[self._connection.total_changes - before :]
        access = self.authorizer.about(sql)
        if self._rows and self._connection.in_transaction:
            self._take(self._recorded(recorder), access, known=True)

    def _take(self, changes: Changes, access: Access, *, known: bool) -> None:
        rows = self._rows[:]
        self._rows.clear()
        if rows or access.reads or access.created or access.altered or access.dropped or not known:
            changes.take(access, rows, self._connection.source, known=known)

    def _note(self) -> None:
        """Note what was changed outside of a transaction, by a script or while a statement was busy."""
        changes = self._changes
        if changes is None or not changes.waiting or self._connection.in_transaction or self._busy:
            return
        self._plainly("BEGIN IMMEDIATE")
        try:
            changes.before_commit()
            self._plainly("COMMIT")
        except BaseException:
            self._plainly("ROLLBACK")
            raise
        changes.committed()

    def _unrecorded(self, access: Access) -> None:
        """A statement was executed while no run goes on: nobody knows what became of its tables."""
        tables = {
            *access.changes,
            *access.created,
            *access.altered,
            *access.dropped,
        } - self._unrecorded_tables
        alone = not self._connection.in_transaction
        if tables and not (alone and self._busy) and self._notebook.identity():
            if alone:
                self._plainly("BEGIN IMMEDIATE")
            for table in tables:
                number = self._notebook.table(table).number
                self._notebook.note_table(table, Version(number + 1, ""))
            if alone:
                self._plainly("COMMIT")
        if not alone:
            self._unrecorded_tables |= tables

    def _recorded(self, recorder: Recorder) -> Changes:
        if self._changes is None or self._changes.recorder is not recorder:
            columns, seen = self.columns, lambda: int(self._plainly("PRAGMA data_version")[0][0])
            self._changes = Changes(recorder, self._notebook, self._name, self._path, columns, seen)
        return self._changes

    # -- transactions

    def before_commit(self) -> None:
        """The transaction is about to be committed."""
        changes = self._changes
        if changes is not None and changes.recorder is active():
            if self._rows:
                self._guarded(changes.recorder, lambda: self._take(changes, Access(), known=True))
            if not self._connection.in_transaction:
                self._guarded(changes.recorder, self._note)
            elif changes.waiting:
                self._guarded(changes.recorder, changes.before_commit)

    def closing(self) -> None:
        """The connection is about to be closed."""
        try:
            alone = not self._connection.in_transaction
        except sqlite3.ProgrammingError:
            return  # it was closed before
        if alone:
            self.before_commit()

    def committed(self) -> None:
        """It was."""
        self._ended("committed")

    def rolled_back(self) -> None:
        """The transaction, if there was one, was rolled back."""
        self._rows.clear()
        self._schema = None
        self._ended("rolled_back")

    def _ended(self, how: str) -> None:
        self._unrecorded_tables.clear()
        changes = self._changes
        if changes is not None and changes.recorder is active():
            self._guarded(changes.recorder, getattr(changes, how))


def _triggers(table: str, key: tuple[str, ...]) -> Iterator[str]:
    """The statements that make our triggers on a table."""
    new, old = (", ".join(f"{which}.{_quoted(one)}" for one in key) for which in ("new", "old"))
    name = "'" + table.replace("'", "''") + "'"
    changes = [("INSERT", INSERTED, new), ("UPDATE", UPDATED, f"{new}, {old}"), ("DELETE", DELETED, old)]
    for event, change, told in changes:
        yield (
            f"CREATE TEMP TRIGGER IF NOT EXISTS {_quoted(f'{_OURS}{event}_{table}')} AFTER {event}"
            f" ON main.{_quoted(table)} BEGIN SELECT trilha_row('{change}', {name}, {told}); END"
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
