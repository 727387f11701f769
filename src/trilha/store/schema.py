"""The tables of a store, as numbered migrations.

This is a public format; docs/reference/store.md says what each column means. The text is SQL that SQLite and
PostgreSQL both take, but for the words in `POSTGRESQL`. Keys are integers that the loader gives out, so that
no dialect's way of counting is needed. A migration, once released, is never changed: a new one is added.
"""

from __future__ import annotations

from typing import Final

from trilha.store.views import LINK, VIEWS

__all__ = ["APPLICATION_ID", "MIGRATIONS", "POSTGRESQL", "VERSION"]

APPLICATION_ID: Final = 0x54524C48
"""Stands in bytes 68 to 71 of the SQLite file ("TRLH"), so that a store is told from any other database
unopened."""

POSTGRESQL: Final = {
    " INTEGER": " BIGINT",
    " REAL": " DOUBLE PRECISION",
    " BLOB": " BYTEA",
    ") WITHOUT ROWID": ")",
}
"""What is replaced in the text below for PostgreSQL, where integers are narrower and tables have no rowid."""

_FIRST: Final = (
    # One row a migration that was applied; the highest version is the store's.
    """CREATE TABLE schema_version (
        version INTEGER PRIMARY KEY,
        trilha TEXT NOT NULL,
        applied INTEGER NOT NULL
    )""",
    # Every IRI, once. Key 0 is never given out: in an argument it stands for PROV-N's "-".
    """CREATE TABLE name (
        name INTEGER PRIMARY KEY,
        iri TEXT NOT NULL UNIQUE
    )""",
    # What a list of runs shows; all of it is also in the statements.
    """CREATE TABLE run (
        run INTEGER PRIMARY KEY,
        uuid TEXT NOT NULL UNIQUE,
        label TEXT,
        started INTEGER,
        ended INTEGER,
        status TEXT,
        exit_status INTEGER,
        exception TEXT,
        dropped INTEGER,
        command TEXT,
        folder_time INTEGER,
        settled INTEGER NOT NULL
    )""",
    """CREATE TABLE journal (
        journal INTEGER PRIMARY KEY,
        uid TEXT NOT NULL UNIQUE,
        run INTEGER NOT NULL,
        parent TEXT,
        host TEXT,
        pid INTEGER,
        started INTEGER,
        place INTEGER NOT NULL,
        size INTEGER,
        modified INTEGER,
        state INTEGER NOT NULL
    )""",
    "CREATE INDEX journal_by_run ON journal (run)",
    """CREATE TABLE damage (
        journal INTEGER NOT NULL,
        place INTEGER NOT NULL,
        length INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (journal, place)
    ) WITHOUT ROWID""",
    """CREATE TABLE statement (
        statement INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        journal INTEGER NOT NULL,
        place INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        identifier INTEGER,
        argument1 INTEGER,
        argument2 INTEGER,
        argument3 INTEGER,
        argument4 INTEGER,
        argument5 INTEGER,
        time1 INTEGER,
        time2 INTEGER,
        time_text TEXT
    )""",
    "CREATE INDEX statement_by_run ON statement (run, kind)",
    "CREATE INDEX statement_by_identifier ON statement (identifier)",
    """CREATE TABLE attribute (
        statement INTEGER NOT NULL,
        position INTEGER NOT NULL,
        key INTEGER NOT NULL,
        type INTEGER NOT NULL,
        whole INTEGER,
        number REAL,
        datatype INTEGER,
        language TEXT,
        text TEXT,
        PRIMARY KEY (statement, position)
    ) WITHOUT ROWID""",
    "CREATE INDEX attribute_by_number ON attribute (key, number) WHERE number IS NOT NULL",
    "CREATE INDEX attribute_by_whole ON attribute (key, whole) WHERE whole IS NOT NULL AND number IS NULL",
    # Each relation between two things, once in each direction.
    """CREATE TABLE upstream (
        effect INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        argument INTEGER NOT NULL,
        cause INTEGER NOT NULL,
        statement INTEGER NOT NULL,
        time INTEGER,
        PRIMARY KEY (effect, kind, argument, cause, statement)
    ) WITHOUT ROWID""",
    """CREATE TABLE downstream (
        cause INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        argument INTEGER NOT NULL,
        effect INTEGER NOT NULL,
        statement INTEGER NOT NULL,
        time INTEGER,
        PRIMARY KEY (cause, kind, argument, effect, statement)
    ) WITHOUT ROWID""",
    # What people call things: labels, names, paths and the last parts of paths.
    """CREATE TABLE known_as (
        text TEXT NOT NULL,
        name INTEGER NOT NULL,
        run INTEGER NOT NULL,
        PRIMARY KEY (text, name, run)
    ) WITHOUT ROWID""",
    # A metric of one dense block, with its summary.
    """CREATE TABLE series (
        series INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        journal INTEGER NOT NULL,
        block INTEGER NOT NULL,
        position INTEGER NOT NULL,
        entity INTEGER NOT NULL,
        metric TEXT NOT NULL,
        points INTEGER NOT NULL,
        nans INTEGER NOT NULL,
        first_time INTEGER,
        last_time INTEGER,
        first_value REAL,
        last_value REAL,
        lowest REAL,
        highest REAL,
        UNIQUE (journal, block, position)
    )""",
    "CREATE INDEX series_by_run ON series (run)",
    "CREATE INDEX series_by_entity ON series (entity)",
    # Its values. NULL is not-a-number, since SQLite has no other word for it; infinities are themselves.
    """CREATE TABLE metric (
        series INTEGER NOT NULL,
        point INTEGER NOT NULL,
        time INTEGER,
        epoch INTEGER,
        step INTEGER,
        value REAL,
        PRIMARY KEY (series, point)
    ) WITHOUT ROWID""",
    # The definitions of blocks, so that rows read later find their layout.
    """CREATE TABLE block (
        journal INTEGER NOT NULL,
        block INTEGER NOT NULL,
        entity INTEGER NOT NULL,
        kind TEXT NOT NULL,
        columns TEXT NOT NULL,
        points INTEGER NOT NULL,
        PRIMARY KEY (journal, block)
    ) WITHOUT ROWID""",
)

_SECOND: Final = (
    # What runs are told apart and chosen by, so that thousands are filtered without reading their statements.
    """CREATE TABLE fact (
        about TEXT NOT NULL,
        name TEXT NOT NULL,
        run INTEGER NOT NULL,
        statement INTEGER NOT NULL,
        thing INTEGER NOT NULL,
        number REAL,
        text TEXT NOT NULL,
        PRIMARY KEY (about, name, run, statement)
    ) WITHOUT ROWID""",
    "CREATE INDEX fact_by_run ON fact (run, about)",
    # The sum of a metric's values, for the mean.
    "ALTER TABLE series ADD COLUMN total REAL",
    "CREATE INDEX series_by_metric ON series (metric, run)",
    # The journals are read anew: what the new table and column hold is not in the rows that are there.
    *(
        *("DELETE FROM run", "DELETE FROM journal", "DELETE FROM damage", "DELETE FROM statement"),
        *("DELETE FROM attribute", "DELETE FROM upstream", "DELETE FROM downstream", "DELETE FROM known_as"),
        *("DELETE FROM series", "DELETE FROM metric", "DELETE FROM block", "DELETE FROM name"),
    ),
)

_THIRD: Final = (
    # What stands upstream of what, as arrays of numbers, so that a long past is found at once.
    """CREATE TABLE graph (
        part TEXT NOT NULL PRIMARY KEY,
        through INTEGER NOT NULL,
        numbers BLOB NOT NULL
    )""",
    *VIEWS,
)

_FOURTH: Final = (
    # Where what was read had been written: a table, since views cannot follow a graph, and clocks disagree.
    "DROP VIEW IF EXISTS link",
    "DROP VIEW IF EXISTS same_content",
    """CREATE TABLE same_content (
        data INTEGER NOT NULL PRIMARY KEY,
        source INTEGER NOT NULL,
        others INTEGER NOT NULL,
        decided INTEGER NOT NULL
    )""",
    "CREATE INDEX same_content_by_source ON same_content (source)",
    # The last statement that the table says all of; one row.
    "CREATE TABLE decided (through INTEGER NOT NULL)",
    "INSERT INTO decided (through) VALUES (0)",
    "DELETE FROM graph",
    LINK,
)

_FIFTH: Final = (
    # Files that one process could not hash have their sources in the table, too: all is decided again.
    "UPDATE decided SET through = 0",
    "DELETE FROM graph",
    # How long attempts took is looked up by each one's own statements: the view went through those of all.
    *(f"DROP VIEW IF EXISTS {text.split(maxsplit=3)[2]}" for text in VIEWS),
    *VIEWS,
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)
"""The statements of each migration; the n-th (from 1) makes a store of version n out of one of version n -
1."""

VERSION: Final = len(MIGRATIONS)
"""The version of the stores that this Trilha makes."""
