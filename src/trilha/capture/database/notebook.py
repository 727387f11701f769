"""Which version each table is at, written down in the database itself.

Steps that share a database share no variables: what one of them wrote, another one, in another process, on
another day, finds in the database alone. So the database keeps which entity its tables are at the moment, in
a small table of its own, ``trilha_versions``, which changes in the same transaction as the tables do. It is
always right for those who see the change, and gone with it when the transaction is rolled back.

Swift's authors did so by hand for the Third Provenance Challenge: they annotated rows in the application's
database with the process that made them (reference 9 of their list of gaps in OPM 1.01).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import uuid4

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["NOTEBOOK", "Notebook", "ServedNotebook", "Version", "not_kept"]

NOTEBOOK: Final = "trilha_versions"
"""Name of the table that we keep in the database."""

_MAKE: Final = """CREATE TABLE IF NOT EXISTS main.trilha_versions (
    kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, entity TEXT NOT NULL,
    PRIMARY KEY (kind, name)) WITHOUT ROWID"""
_READ: Final = "SELECT version, entity FROM main.trilha_versions WHERE kind = ? AND name = ?"
_WRITE: Final = "INSERT OR REPLACE INTO main.trilha_versions VALUES (?, ?, ?, ?)"
_TABLES: Final = "SELECT entity FROM main.trilha_versions WHERE kind = 'table' AND entity != '' ORDER BY name"
_NUMBERS: Final = "SELECT name, version FROM main.trilha_versions WHERE kind = 'table'"
_DROP: Final = "DELETE FROM main.trilha_versions WHERE kind = 'table' AND name = ?"


def not_kept(recorder: Recorder, database: str, error: Exception, refusal: type[Exception]) -> None:
    """Tell that something of ours went wrong in a database; call it where the error is handled.

    Args:
        recorder: of the run.
        database: what to call it.
        error: what went wrong.
        refusal: the class of errors by which the database itself refuses.
    """
    recorder.failed()
    if isinstance(error, refusal):
        recorder.complain(
            f"the versions of the tables of {database} cannot be kept ({error}): what is recorded of them may"
            " lack the last changes"
        )


class Version(NamedTuple):
    """What the notebook says of a table, or of the database.

    Attributes:
        number: from 1; 0 where the notebook says nothing.
        entity: IRI; empty where it was changed and nobody recorded it.
    """

    number: int
    entity: str


class Notebook:
    """The notebook of one connection, in SQLite.

    Args:
        execute: runs a statement on the connection, unnoticed, and gives its rows.
    """

    def __init__(self, execute: Callable[..., list[Any]]) -> None:
        self._execute = execute

    def identify(self) -> str:
        """UUID of the database; made, with the notebook, inside the transaction that is open."""
        self._execute(_MAKE)
        known = self._version("id", "").entity
        if not known:
            known = str(uuid4())
            self._execute(_WRITE, ("id", "", 1, known))
        return known

    def identity(self) -> str:
        """UUID of the database; empty where nothing has been noted in it."""
        return self._version("id", "").entity

    def table(self, name: str) -> Version:
        """The version that a table is at, as the open transaction sees it."""
        return self._version("table", name)

    def tables(self) -> list[str]:
        """The versions of all tables, where they are known."""
        return [row[0] for row in self._execute(_TABLES)]

    def numbers(self) -> dict[str, int]:
        """The number of the version that each table is at."""
        return dict(self._execute(_NUMBERS)) if self.identity() else {}

    def database(self) -> Version:
        """The version that the database is at."""
        return self._version("database", "")

    def note_table(self, name: str, version: Version) -> None:
        """Write down which version a table is at now."""
        self._execute(_WRITE, ("table", name, *version))

    def note_database(self, version: Version) -> None:
        """Write down which version the database is at now."""
        self._execute(_WRITE, ("database", "", *version))

    def drop(self, name: str) -> None:
        """A table is no more."""
        self._execute(_DROP, (name,))

    def _version(self, kind: str, name: str) -> Version:
        try:
            rows = self._execute(_READ, (kind, name))
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return Version(0, "")
            raise
        return Version(*rows[0]) if rows else Version(0, "")


class ServedNotebook(Notebook):
    """The notebook in a database of PostgreSQL, as it was when it was last looked at.

    Others commit at any time, also between a statement and what is asked about it. So it is read before and
    after each statement, and where a table's version is not the same in both, nobody knows which was seen.

    Args:
        execute: runs a statement on the connection, unnoticed, and gives its rows.
    """

    MAKE: Final = """CREATE TABLE IF NOT EXISTS trilha_versions (
        kind TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL, entity TEXT NOT NULL,
        PRIMARY KEY (kind, name))"""
    _FIRST: Final = (
        "INSERT INTO trilha_versions VALUES ('id', '', 1, %s), ('database', '', 0, '') ON CONFLICT DO NOTHING"
    )
    LOOK: Final = "SELECT kind, name, version, entity FROM trilha_versions"
    _LOCK: Final = "SELECT 1 FROM trilha_versions WHERE kind = 'database' FOR UPDATE"
    _NOTE: Final = (
        "INSERT INTO trilha_versions VALUES (%s, %s, %s, %s) ON CONFLICT (kind, name)"
        " DO UPDATE SET version = excluded.version, entity = excluded.entity"
    )
    _GONE: Final = "DELETE FROM trilha_versions WHERE kind = 'table' AND name = %s"
    _DISOWN: Final = (
        "UPDATE trilha_versions SET version = version + 1, entity = ''"
        " WHERE kind = 'table' AND name = ANY (%s)"
    )

    def __init__(self, execute: Callable[..., list[Any]]) -> None:
        super().__init__(execute)
        self._known: dict[tuple[str, str], Version] = {}
        self._torn: set[str] = set()

    def make(self) -> None:
        """Make the notebook where there is none, inside the transaction that is open."""
        self._execute(self.MAKE)
        self._execute(self._FIRST, (str(uuid4()),))

    def saw(self, rows: list[Any], *, after: bool = False) -> None:
        """It is as `LOOK` gave it; `after` a statement: what has changed meanwhile is of unknown version."""
        before = self._known
        self._known = {(row[0], row[1]): Version(row[2], row[3]) for row in rows}
        changed = {key[1] for key, one in self._known.items() if one != before.get(key)}
        self._torn = changed if after else set()

    def lock(self) -> None:
        """Have others wait with their commits, and read what there is now."""
        self._execute(self._LOCK)
        self.saw(self._execute(self.LOOK))

    def disown(self, tables: list[str]) -> None:
        """These tables were changed, and nobody recorded by what."""
        self._execute(self._DISOWN, (tables,))

    def identify(self) -> str:
        """UUID of the database."""
        return self.identity()

    def tables(self) -> list[str]:
        """The versions of all tables, where they are known."""
        return [
            one.entity for (kind, _), one in sorted(self._known.items()) if kind == "table" and one.entity
        ]

    def numbers(self) -> dict[str, int]:
        """The number of the version that each table is at."""
        return {name: one.number for (kind, name), one in self._known.items() if kind == "table"}

    def note_table(self, name: str, version: Version) -> None:
        """Write down which version a table is at now."""
        self._note("table", name, version)

    def note_database(self, version: Version) -> None:
        """Write down which version the database is at now."""
        self._note("database", "", version)

    def drop(self, name: str) -> None:
        """A table is no more."""
        self._execute(self._GONE, (name,))
        self._known.pop(("table", name), None)

    def _note(self, kind: str, name: str, version: Version) -> None:
        self._execute(self._NOTE, (kind, name, *version))
        self._known[kind, name] = version

    def _version(self, kind: str, name: str) -> Version:
        known = self._known.get((kind, name), Version(0, ""))
        return Version(known.number, "") if kind == "table" and name in self._torn else known
