"""A connection to PostgreSQL that says what is read and changed through it.

It is `psycopg.Connection`, with cursors of its own. What is read, changed and committed is asked of the
server (`trilha.capture.database.relations`), behind a savepoint, so that no failure of ours reaches the
program's transaction. Others commit at the same time: the next versions of tables are stated only at the
commit, while the notebook is locked, and which version a statement saw is known where the notebook said the
same before and after it.

Sources: psycopg 3 (its classes are made to be subclassed: "Connection classes", "cursor_factory");
PostgreSQL's manual, "Transaction Isolation".
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from trilha.capture.active import active
from trilha.capture.database.access import Access, verb
from trilha.capture.database.changes import DELETED, INSERTED, UPDATED, Changes, Source
from trilha.capture.database.notebook import ServedNotebook, not_kept
from trilha.capture.database.relations import HEAR, Relations, explained
from trilha.capture.database.sourced import Sourced
from trilha.capture.interrupts import pass_on
from trilha.errors import UsageError

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Connection", "connect"]

_IDLE: Final = TransactionStatus.IDLE
_OPEN: Final = TransactionStatus.INTRANS
_DML: Final = frozenset(["INSERT", "UPDATE", "DELETE", "MERGE"])
_PLANNED: Final = _DML | {"SELECT", "WITH", "VALUES", "TABLE"}
_SCHEMA: Final = frozenset(["CREATE", "ALTER", "DROP"])
_OWN_TRANSACTION: Final = _PLANNED | {"TRUNCATE", "COPY"}
_WHOLE_DATABASE: Final = re.compile(
    r"\s*\w+\s+(?:DATABASE|TABLESPACE|SYSTEM|SUBSCRIPTION)\b|.*\bCONCURRENTLY\b", re.IGNORECASE
)
"""What the server refuses to do inside a transaction."""
_COPIED: Final = re.compile(
    r"\s*COPY\s+(?:\((?P<query>.*)\)|(?P<table>[\w.\"]+)[^()]*(?:\([^()]*\))?)\s*TO\b",
    re.IGNORECASE | re.DOTALL,
)
_ENDS: Final = frozenset(["COMMIT", "END"])
_CHANGES: Final = {"inserted": INSERTED, "updated": UPDATED, "deleted": DELETED}
_KEPT: Final = 1024
_OURS: Final = "trilha_asks"
_FRESH_S: Final = 0.005
"""So long what the notebook said after one statement is taken for what it says before the next."""


def connect(conninfo: str = "", **named: Any) -> Connection:
    """Connect to a database of PostgreSQL so that what happens to its tables is recorded.

    Args:
        conninfo: as for `psycopg.connect`.
        named: as for `psycopg.connect`.

    Raises:
        UsageError: a `cursor_factory` is given: its statements would not be noticed.
        psycopg.Error: what `psycopg.connect` raises.
    """
    if named.get("cursor_factory") is not None:
        raise UsageError(
            "trilha.database.connect(cursor_factory=...): expected none, since the cursors are its own; leave"
            " it out, or use psycopg.connect, of which nothing is recorded"
        )
    return Connection.connect(conninfo, **named)


class Cursor(psycopg.Cursor[Any]):
    """A cursor whose statements are noticed."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Any:
        """As in `psycopg.Cursor`."""
        with _watch(self).noticed(self, query, params):
            super().execute(query, params, **named)
        return self

    def executemany(self, query: Any, params_seq: Any, **named: Any) -> None:
        """As in `psycopg.Cursor`."""
        rows = iter(params_seq)
        first = list(itertools.islice(rows, 1))
        with _watch(self).noticed(self, query, first[0] if first else None):
            super().executemany(query, itertools.chain(first, rows), **named)

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **named: Any) -> Iterator[psycopg.Copy]:
        """As in `psycopg.Cursor`."""
        with _watch(self).noticed(self, statement, params), super().copy(statement, params, **named) as copy:
            yield copy

    def stream(self, query: Any, params: Any = None, **named: Any) -> Iterator[Any]:
        """As in `psycopg.Cursor`; what is not read to its end is not recorded."""
        with _watch(self).noticed(self, query, params):
            yield from super().stream(query, params, **named)


class ServerCursor(psycopg.ServerCursor[Any]):
    """A cursor on the server whose statements are noticed."""

    def execute(self, query: Any, params: Any = None, **named: Any) -> Any:
        """As in `psycopg.ServerCursor`."""
        with _watch(self).noticed(self, query, params):
            super().execute(query, params, **named)
        return self


def _watch(cursor: Any) -> _Watch:
    watch: _Watch = cursor.connection._watch
    return watch


class Connection(Sourced, psycopg.Connection[Any]):
    """A connection to PostgreSQL that says what is read and changed through it; `connect` makes it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.source = Source()
        self.cursor_factory = Cursor
        self.server_cursor_factory = ServerCursor
        self._watch = _Watch(self)

    def commit(self) -> None:
        """As in `psycopg.Connection`."""
        with self._watch.committing():
            super().commit()

    def rollback(self) -> None:
        """As in `psycopg.Connection`."""
        super().rollback()
        self._watch.rolled_back()

    def close(self) -> None:
        """As in `psycopg.Connection`: what was not committed is rolled back."""
        super().close()
        self._watch.rolled_back()

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        """As in `psycopg.Connection`."""
        outermost = self.info.transaction_status is _IDLE
        inner = super().transaction(savepoint_name, force_rollback)
        with self._watch.nested(outermost=outermost) as block, inner as transaction:
            yield transaction
            block.reached_its_end(keeps=not force_rollback)


class _Block:
    """A ``with connection.transaction()`` block.

    Attributes:
        kept: it came to its end, and is not to be rolled back.
    """

    def __init__(self, before_commit: Callable[[], None]) -> None:
        self.kept = False
        self._before_commit = before_commit

    def reached_its_end(self, *, keeps: bool) -> None:
        """The program's part of it is over, without an error."""
        self.kept = keeps
        if keeps:
            self._before_commit()


class _Watch:
    """What is noticed on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._name = ""
        self._notebook = ServedNotebook(self._plainly)
        self._relations = Relations(self._plainly)
        self._plans: dict[str, Access] = {}
        self._changes: Changes | None = None
        self._is_ready = self._is_off = False
        self._looked = 0.0
        self._unowned: set[str] = set()

    # -- our own statements

    def _plainly(self, sql: str, parameters: tuple[Any, ...] | None = None) -> list[Any]:
        """Execute a statement of our own; gives its rows."""
        cursor = psycopg.Cursor(self._connection, row_factory=tuple_row)
        psycopg.Cursor.execute(cursor, cast("Any", sql), parameters)
        return cursor.fetchall() if cursor.description else []

    def _together(self, *texts: str) -> list[list[Any]]:
        """Execute statements of our own at once, behind a savepoint; gives the rows of each.

        Where no transaction is open, it is the program's next one that they begin.
        """
        connection = self._connection
        if connection.info.transaction_status is not _OPEN:
            return [self._plainly(text) for text in texts]
        if not psycopg.Pipeline.is_supported():
            return [cast("list[Any]", self._safely(self._plainly, text)) for text in texts]
        cursors = [psycopg.Cursor(connection, row_factory=tuple_row) for _ in range(len(texts) + 2)]
        all_texts = (f"SAVEPOINT {_OURS}", *texts, f"RELEASE SAVEPOINT {_OURS}")
        try:
            with psycopg.Connection.pipeline(connection):
                for cursor, text in zip(cursors, all_texts, strict=True):
                    psycopg.Cursor.execute(cursor, cast("Any", text))
            return [cursor.fetchall() for cursor in cursors[1:-1]]
        except psycopg.Error:
            self._plainly(f"ROLLBACK TO SAVEPOINT {_OURS}")
            raise

    def _safely(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call one of our functions behind a savepoint, or in a transaction of our own where none is open."""
        with psycopg.Connection.transaction(self._connection):
            return function(*arguments)

    def _guarded(self, recorder: Recorder | None, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call one of our functions so that nothing of it reaches the program; gives what it gave."""
        try:
            return function(*arguments)
        except Exception as error:
            pass_on()
            if recorder is not None:
                not_kept(recorder, self._name, error, psycopg.Error)
            return None

    def _prepare(self) -> None:
        """Have the notebook and the triggers, in a transaction of their own."""
        self._name = self._connection.info.dbname
        self._plainly("SET LOCAL lock_timeout = '2s'")
        self._plainly("SELECT pg_advisory_xact_lock(hashtext('trilha_versions'))")
        self._notebook.make()
        self._relations.prepare()
        self._is_ready = True

    def _can_ask(self) -> bool:
        connection = self._connection
        free = connection.info.transaction_status in (_IDLE, _OPEN)
        return not self._is_off and free and connection._pipeline is None

    # -- statements

    @contextmanager
    def noticed(self, cursor: Any, query: Any, parameters: Any) -> Iterator[None]:
        """Around the execution of a statement."""
        recorder, connection = active(), self._connection
        text = _text(query, connection)
        word = verb(text)
        if word in _ENDS:
            with self.committing():
                yield
            return
        if not self._begin(recorder) or not self._can_ask():
            yield
            return
        changes_something = word in _OWN_TRANSACTION or (word in _SCHEMA and not _WHOLE_DATABASE.match(text))
        alone = connection.autocommit and connection.info.transaction_status is _IDLE
        if alone and changes_something and not isinstance(cursor, psycopg.ServerCursor):
            with self.nested(outermost=True) as block, psycopg.Connection.transaction(connection):
                yield
                self._executed(recorder, cursor, text, word, parameters)
                block.reached_its_end(keeps=True)
            return
        yield
        self._executed(recorder, cursor, text, word, parameters)

    def _begin(self, recorder: Recorder | None) -> bool:
        """Before a statement; tells whether it can be noticed."""
        if not self._is_ready:
            if (
                recorder is None
                or self._connection.info.transaction_status is not _IDLE
                or not self._can_ask()
            ):
                return False
            self._guarded(recorder, self._safely, self._prepare)
            self._is_off = not self._is_ready
        if recorder is not None and self._can_ask() and time.monotonic() - self._looked > _FRESH_S:
            self._guarded(recorder, self._look)
        return self._is_ready

    def _look(self) -> None:
        (rows,) = self._together(ServedNotebook.LOOK)
        self._notebook.saw(rows)

    def _executed(
        self, recorder: Recorder | None, cursor: Any, text: str, word: str, parameters: Any
    ) -> None:
        """After a statement that raised no error."""
        if word == "ROLLBACK":
            if self._connection.info.transaction_status is _OPEN:
                self._in_doubt()
            else:
                self.rolled_back()
        elif self._can_ask():
            self._guarded(recorder, self._take, recorder, cursor.rowcount, text, word, parameters)

    def _take(self, recorder: Recorder | None, count: int, text: str, word: str, parameters: Any) -> None:
        access = self._access(text, word, parameters)
        rows: list[tuple[Any, ...]] = []
        told: dict[str, int] = {}
        known = True
        reads = word == "SELECT" and not access.changes
        heard, noted = (
            [[], *self._together(ServedNotebook.LOOK)] if reads else self._together(HEAR, ServedNotebook.LOOK)
        )
        for change, relation, number, keys in self._relations.heard(heard):
            access.changes.add(relation.name)
            told[relation.name] = told.get(relation.name, 0) + (number or 0)
            if keys is None:
                known = False
            elif _CHANGES[change] == UPDATED:
                rows += [(UPDATED, relation.name, *key, *key) for key in keys]
            else:
                rows += [(_CHANGES[change], relation.name, *key) for key in keys]
        if word in _DML and count > max(told.values(), default=0):
            known = False  # its table has no triggers of ours, or they do not hear
        if recorder is None:
            self._unowned |= {*access.changes, *access.created, *access.altered}
            return
        self._notebook.saw(noted, after=True)
        self._looked = time.monotonic()
        if rows or access.reads or access.created or access.altered or access.dropped or not known:
            self._recorded(recorder).take(access, rows, self._connection.source, known=known)

    def _access(self, text: str, word: str, parameters: Any) -> Access:
        """What a statement reads and changes, apart from what is heard of rows."""
        if word in _SCHEMA:
            self._plans.clear()
            return cast("Access", self._safely(self._look_around))
        if word == "COPY":
            copied = _COPIED.match(text)
            if copied is None:
                return Access()
            text, word = copied["query"] or f"TABLE {copied['table']}", "SELECT"
        if word not in _PLANNED:
            return Access()
        known = self._plans.get(text)
        if known is None:
            asked = "EXPLAIN (VERBOSE, FORMAT JSON) " + text
            plan = self._safely(self._plainly, asked, parameters)[0][0][0]
            known = explained(plan, text, self._relations)
            if len(self._plans) >= _KEPT:
                self._plans.clear()
            self._plans[text] = known
        return Access(dict(known.reads), dict(known.updates), set(known.changes))

    def _look_around(self) -> Access:
        """What has become of the tables; new ones are listened to."""
        access = self._relations.look()
        self._relations.listen()
        return access

    def _recorded(self, recorder: Recorder) -> Changes:
        if self._changes is None or self._changes.recorder is not recorder:
            where = f"postgresql://{self._connection.info.host}:{self._connection.info.port}/{self._name}"
            self._changes = Changes(
                recorder, self._notebook, self._name, where, self._columns, lambda: 0, late=True
            )
        return self._changes

    def _columns(self, table: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        one = self._relations.named(table)
        return ((), ()) if one is None else (one.columns, one.key)

    # -- transactions

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Around a commit. One of a transaction in which a statement failed is a rollback."""
        keeps = self._connection.info.transaction_status is _OPEN
        if keeps:
            self._before_commit()
        yield
        if keeps:
            self._committed()
        else:
            self.rolled_back()

    @contextmanager
    def nested(self, *, outermost: bool) -> Iterator[_Block]:
        """Around a block that is a transaction, or a part of one."""
        block = _Block(self._before_commit if outermost else lambda: None)
        try:
            yield block
        except BaseException:
            block.kept = False
            raise
        finally:
            if not block.kept:
                self.rolled_back() if outermost else self._in_doubt()
            elif outermost:
                self._committed()

    def _before_commit(self) -> None:
        """The transaction is about to be committed: state the next versions, the notebook locked."""
        changes = self._changes
        if changes is None or not changes.waiting or changes.recorder is not active() or not self._can_ask():
            return
        tables = changes.tables
        if self._guarded(changes.recorder, self._safely, self._note, changes) is None:
            self._unowned |= tables
            changes.rolled_back()

    def _note(self, changes: Changes) -> bool:
        self._notebook.lock()
        changes.before_commit()
        return True

    def _committed(self) -> None:
        changes, unowned, self._unowned = self._changes, self._unowned, set()
        if changes is not None and changes.recorder is active():
            changes.committed()
        if unowned and self._is_ready and self._can_ask():
            self._guarded(active(), self._safely, self._notebook.disown, sorted(unowned))

    def rolled_back(self) -> None:
        """The transaction, if there was one, was rolled back."""
        self._unowned.clear()
        self._plans.clear()
        changes = self._changes
        if changes is not None and changes.recorder is active():
            changes.rolled_back()
        if self._is_ready and not self._connection.closed and self._can_ask():
            self._guarded(active(), self._safely, self._relations.look)

    def _in_doubt(self) -> None:
        if self._changes is not None and self._changes.recorder is active():
            self._changes.in_doubt()


def _text(query: Any, connection: Connection) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    try:
        return str(query.as_string(connection))
    except Exception:
        pass_on()
        return ""  # of a kind that came later: what it reads is not known
