"""What a statement of SQL reads and changes, as SQLite itself says while it compiles it.

Source: the authorizer of SQLite (https://www.sqlite.org/c3ref/set_authorizer.html), which is asked about each
table and column that a statement touches. It is asked when the statement is compiled; `sqlite3` keeps
compiled statements, so what was told is kept by the statement's text.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from trilha.capture.interrupts import pass_on

__all__ = ["Access", "Authorizer", "verb"]

_VERB: Final = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)", re.DOTALL)
_KEPT: Final = 1024
_CREATED: Final = sqlite3.SQLITE_CREATE_TABLE
_ALTERED: Final = sqlite3.SQLITE_ALTER_TABLE
_DROPPED: Final = sqlite3.SQLITE_DROP_TABLE
_READ: Final = sqlite3.SQLITE_READ
_UPDATED: Final = sqlite3.SQLITE_UPDATE
_CHANGED: Final = frozenset([sqlite3.SQLITE_INSERT, sqlite3.SQLITE_DELETE, _UPDATED])
_TELLING: Final = _CHANGED | {_CREATED, _ALTERED, _DROPPED, _READ}


def verb(statement: str) -> str:
    """The first word of a statement, in capitals; empty if there is none."""
    found = _VERB.match(statement)
    return found.group(1).upper() if found else ""


@dataclass
class Access:
    """What one statement touches in the main database.

    Attributes:
        reads: tables that it reads, with the columns.
        updates: tables that it updates, with the columns.
        changes: tables that it inserts into, updates, or deletes from.
        created: tables that it makes.
        altered: tables whose columns it changes.
        dropped: tables that it removes.
    """

    reads: dict[str, set[str]] = field(default_factory=dict)
    updates: dict[str, set[str]] = field(default_factory=dict)
    changes: set[str] = field(default_factory=set)
    created: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


class Authorizer:
    """Listens to what SQLite asks about, and allows everything that the program's own authorizer allows.

    Args:
        ours: prefix of the names of our own triggers and tables, which are passed over.

    Attributes:
        resting: it is our own statement that is compiled.
        programs: the program's own authorizer, if it has set one.
    """

    def __init__(self, ours: str) -> None:
        self._ours = ours
        self._told: Access | None = None
        self._kept: dict[str, Access] = {}
        self.resting = False
        self.programs: Callable[..., Any] | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, within: str | None
    ) -> Any:
        """What SQLite calls; gives SQLITE_OK, or what the program's own authorizer gives."""
        if self.resting or (within or "").startswith(self._ours):
            return sqlite3.SQLITE_OK
        try:
            if action in _TELLING:
                # What begins and ends a transaction comes between a statement and what is asked about it.
                self._hear(action, first or "", second or "", database or "main")
        except Exception:
            # Whatever goes wrong here, the statement is allowed.
            pass_on()
            self._told = self._told or Access()
        programs = self.programs
        return sqlite3.SQLITE_OK if programs is None else programs(action, first, second, database, within)

    def _hear(self, action: int, first: str, second: str, database: str) -> None:
        if self._told is None:
            self._told = Access()
        told = self._told
        if action == _ALTERED:
            if first == "main":
                told.altered.append(second)
            return
        if database != "main" or first.startswith(("sqlite_", self._ours)):
            return
        if action == _READ:
            told.reads.setdefault(first, set()).add(second)
        elif action in _CHANGED:
            told.changes.add(first)
            if action == _UPDATED:
                told.updates.setdefault(first, set()).add(second)
        elif action == _CREATED:
            told.created.append(first)
        elif action == _DROPPED:
            told.dropped.append(first)

    def forget(self) -> None:
        """A statement begins: what was told until now is of another one."""
        self._told = None

    def about(self, statement: str) -> Access:
        """What the statement that was just executed touches."""
        told, self._told = self._told, None
        if told is None:
            return self._kept.get(statement, _NOTHING)
        for gone in told.dropped:
            # To drop a table SQLite deletes its rows, and reads them first.
            told.changes.discard(gone)
            told.reads.pop(gone, None)
        for new in told.created:
            # The columns of its key are looked up in it.
            told.reads.pop(new, None)
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[statement] = told
        return told


_NOTHING: Final = Access()
