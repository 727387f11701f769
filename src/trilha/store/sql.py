"""All SQL that reads and writes a store, in one place; `schema` holds the tables.

Nothing here is SQLite's alone but the pragmas: every text takes its values as parameters, written ``?`` (SQLite)
and put as ``%s`` for PostgreSQL. Lists of keys are asked for in pieces of `PIECE` by `among`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

__all__ = ["PIECE", "among"]

PIECE: Final = 400
"""How many keys one query asks for at most."""


def among(
    execute: Callable[..., Iterable[Any]], text: str, keys: Sequence[int], *more: Any
) -> Iterator[tuple[Any, ...]]:
    """The rows of `text`, whose ``{keys}`` stands for a list of keys and comes before all other parameters.

    Args:
        execute: of a connection.
        text: a query with one ``{keys}``.
        keys: of which there may be any number.
        more: the parameters behind the list.
    """
    for begin in range(0, len(keys), PIECE):
        piece = keys[begin : begin + PIECE]
        yield from execute(text.format(keys=",".join("?" * len(piece))), (*piece, *more))


# -- the store itself ------------------------------------------------------------------------------------------

WRITE_AHEAD: Final = "PRAGMA journal_mode=WAL"
GROUPED_SYNC: Final = "PRAGMA synchronous=NORMAL"
NO_SYNC: Final = "PRAGMA synchronous=OFF"
SCHEMA_VERSION: Final = "SELECT version, trilha FROM schema_version ORDER BY version DESC LIMIT 1"
ADD_VERSION: Final = "INSERT INTO schema_version (version, trilha, applied) VALUES (?, ?, ?)"

# -- loading ---------------------------------------------------------------------------------------------------

LAST_KEYS: Final = (
    "SELECT (SELECT COALESCE(MAX(name), 0) FROM name), (SELECT COALESCE(MAX(statement), 0) FROM statement),"
    " (SELECT COALESCE(MAX(series), 0) FROM series), (SELECT COALESCE(MAX(run), 0) FROM run),"
    " (SELECT COALESCE(MAX(journal), 0) FROM journal)"
)
NAME_OF_IRI: Final = "SELECT name FROM name WHERE iri = ?"
ADD_NAME: Final = "INSERT INTO name (name, iri) VALUES (?, ?)"
FOLDERS: Final = "SELECT uuid, run, folder_time, settled, status FROM run"
ADD_RUN: Final = "INSERT INTO run (run, uuid, started, settled) VALUES (?, ?, ?, 0)"
SETTLE_RUN: Final = "UPDATE run SET folder_time = ?, settled = ? WHERE run = ?"
RUN_FACTS: Final = (
    "SELECT label, started, ended, status, exit_status, exception, dropped, command FROM run WHERE run = ?"
)
SET_RUN_FACTS: Final = (
    "UPDATE run SET label = ?, started = ?, ended = ?, status = ?, exit_status = ?, exception = ?, dropped = ?,"
    " command = ? WHERE run = ?"
)
JOURNALS_OF_RUN: Final = "SELECT uid, journal, place, size, modified, state FROM journal WHERE run = ?"
OPEN_JOURNALS: Final = (
    "SELECT run.uuid, journal.uid, journal.run, journal.place, journal.size, journal.modified, journal.state"
    " FROM journal JOIN run ON run.run = journal.run WHERE journal.state <> 0"
)
JOURNAL_BY_UID: Final = "SELECT journal, run FROM journal WHERE uid = ?"
ADD_JOURNAL: Final = (
    "INSERT INTO journal (journal, uid, run, parent, host, pid, started, place, state)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 2)"
)
SET_JOURNAL: Final = "UPDATE journal SET place = ?, size = ?, modified = ?, state = ? WHERE journal = ?"
ADD_DAMAGE: Final = (
    "INSERT INTO damage (journal, place, length, reason) VALUES (?, ?, ?, ?) ON CONFLICT (journal, place)"
    " DO UPDATE SET length = excluded.length, reason = excluded.reason"
)
DROP_DAMAGE_FROM: Final = "DELETE FROM damage WHERE journal = ? AND place >= ?"
ADD_STATEMENT: Final = (
    "INSERT INTO statement (statement, run, journal, place, kind, identifier, argument1, argument2, argument3,"
    " argument4, argument5, time1, time2, time_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_ATTRIBUTE: Final = (
    "INSERT INTO attribute (statement, position, key, type, whole, number, datatype, language, text)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_UPSTREAM: Final = (
    "INSERT INTO upstream (effect, kind, argument, cause, statement, time) VALUES (?, ?, ?, ?, ?, ?)"
)
ADD_DOWNSTREAM: Final = (
    "INSERT INTO downstream (effect, kind, argument, cause, statement, time) VALUES (?, ?, ?, ?, ?, ?)"
)
ADD_KNOWN_AS: Final = "INSERT INTO known_as (text, name, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
BLOCKS_OF_JOURNAL: Final = "SELECT block, entity, kind, columns, points FROM block WHERE journal = ?"
ADD_BLOCK: Final = "INSERT INTO block (journal, block, entity, kind, columns, points) VALUES (?, ?, ?, ?, ?, 0)"
SET_BLOCK_POINTS: Final = "UPDATE block SET points = ? WHERE journal = ? AND block = ?"
SERIES_OF_BLOCK: Final = (
    "SELECT series, position, points, nans, first_time, last_time, first_value, last_value, lowest, highest"
    " FROM series WHERE journal = ? AND block = ?"
)
ADD_SERIES: Final = (
    "INSERT INTO series (series, run, journal, block, position, entity, metric, points, nans)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)"
)
SET_SERIES: Final = (
    "UPDATE series SET points = ?, nans = ?, first_time = ?, last_time = ?, first_value = ?, last_value = ?,"
    " lowest = ?, highest = ? WHERE series = ?"
)
ADD_METRIC: Final = "INSERT INTO metric (series, point, time, epoch, step, value) VALUES (?, ?, ?, ?, ?, ?)"

# -- reading a run back ----------------------------------------------------------------------------------------

RUN_BY_UUID: Final = "SELECT run FROM run WHERE uuid = ?"
STATEMENTS_OF_RUN: Final = (
    "SELECT s.statement, s.kind, s.identifier, s.argument1, s.argument2, s.argument3, s.argument4, s.argument5,"
    " s.time1, s.time2, s.time_text FROM statement s JOIN journal j ON j.journal = s.journal"
    " WHERE s.run = ? ORDER BY j.parent IS NOT NULL, j.started, j.uid, s.place"
)
ATTRIBUTES_OF_RUN: Final = (
    "SELECT a.statement, a.key, a.type, a.whole, a.number, a.datatype, a.language, a.text"
    " FROM statement s JOIN attribute a ON a.statement = s.statement WHERE s.run = ? ORDER BY a.statement, a.position"
)
NAMES: Final = "SELECT name, iri FROM name WHERE name IN ({keys})"
SERIES_OF_RUN: Final = (
    "SELECT e.iri, s.metric, s.points, s.nans, s.first_time, s.last_time, s.first_value, s.last_value, s.lowest,"
    " s.highest, s.series, s.block, j.uid, j.parent FROM series s JOIN journal j ON j.journal = s.journal"
    " JOIN name e ON e.name = s.entity WHERE s.run = ?"
    " ORDER BY j.parent IS NOT NULL, j.started, j.uid, s.block, s.position"
)
POINTS_OF_SERIES: Final = "SELECT point, time, epoch, step, value FROM metric WHERE series = ? ORDER BY point"
DAMAGE: Final = (
    "SELECT r.uuid, j.uid, d.place, d.length, d.reason FROM damage d JOIN journal j ON j.journal = d.journal"
    " JOIN run r ON r.run = j.run ORDER BY r.uuid, j.uid, d.place"
)
