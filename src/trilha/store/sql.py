"""All SQL that reads and writes a store, in one place; `schema` holds the tables.

Nothing here is SQLite's alone but the pragmas: every text takes its values as parameters, written ``?``
(SQLite) and put as ``%s`` for PostgreSQL. Lists of keys are asked for in pieces of `PIECE` by `among`.
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


# -- the store itself
# ------------------------------------------------------------------------------------------

WRITE_AHEAD: Final = "PRAGMA journal_mode=WAL"
GROUPED_SYNC: Final = "PRAGMA synchronous=NORMAL"
NO_SYNC: Final = "PRAGMA synchronous=OFF"
SCHEMA_VERSION: Final = "SELECT version, trilha FROM schema_version ORDER BY version DESC LIMIT 1"
ADD_VERSION: Final = "INSERT INTO schema_version (version, trilha, applied) VALUES (?, ?, ?)"

# -- loading
# ---------------------------------------------------------------------------------------------------

LAST_KEYS: Final = (
    "SELECT (SELECT COALESCE(MAX(name), 0) FROM name), (SELECT COALESCE(MAX(statement), 0) FROM statement),"
    " (SELECT COALESCE(MAX(series), 0) FROM series), (SELECT COALESCE(MAX(run), 0) FROM run),"
    " (SELECT COALESCE(MAX(journal), 0) FROM journal)"
)
NAME_OF_IRI: Final = "SELECT name FROM name WHERE iri = ?"
NAME_BEGINNING: Final = "SELECT 1 FROM name WHERE iri >= ? AND iri < ? LIMIT 1"
ADD_NAME: Final = "INSERT INTO name (name, iri) VALUES (?, ?)"
FOLDERS: Final = "SELECT uuid, run, folder_time, settled, status FROM run"
ADD_RUN: Final = "INSERT INTO run (run, uuid, started, settled) VALUES (?, ?, ?, 0)"
SETTLE_RUN: Final = "UPDATE run SET folder_time = ?, settled = ? WHERE run = ?"
RUN_FACTS: Final = (
    "SELECT label, started, ended, status, exit_status, exception, dropped, command FROM run WHERE run = ?"
)
SET_RUN_FACTS: Final = (
    "UPDATE run SET label = ?, started = ?, ended = ?, status = ?, exit_status = ?, exception = ?, dropped"
    " = ?,"
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
SET_HEAD: Final = "UPDATE journal SET parent = ?, host = ?, pid = ?, started = ? WHERE journal = ?"
SET_JOURNAL: Final = "UPDATE journal SET place = ?, size = ?, modified = ?, state = ? WHERE journal = ?"
ADD_DAMAGE: Final = (
    "INSERT INTO damage (journal, place, length, reason) VALUES (?, ?, ?, ?) ON CONFLICT (journal, place)"
    " DO UPDATE SET length = excluded.length, reason = excluded.reason"
)
DROP_DAMAGE_FROM: Final = "DELETE FROM damage WHERE journal = ? AND place >= ?"
ADD_STATEMENT: Final = (
    "INSERT INTO statement (statement, run, journal, place, kind, identifier, argument1, argument2,"
    " argument3,"
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
ADD_BLOCK: Final = (
    "INSERT INTO block (journal, block, entity, kind, columns, points) VALUES (?, ?, ?, ?, ?, 0)"
)
SET_BLOCK_POINTS: Final = "UPDATE block SET points = ? WHERE journal = ? AND block = ?"
SERIES_OF_BLOCK: Final = (
    "SELECT series, position, points, nans, first_time, last_time, first_value, last_value, lowest, highest,"
    " total FROM series WHERE journal = ? AND block = ?"
)
ADD_SERIES: Final = (
    "INSERT INTO series (series, run, journal, block, position, entity, metric, points, nans)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)"
)
SET_SERIES: Final = (
    "UPDATE series SET points = ?, nans = ?, first_time = ?, last_time = ?, first_value = ?, last_value = ?,"
    " lowest = ?, highest = ?, total = ? WHERE series = ?"
)
ADD_METRIC: Final = "INSERT INTO metric (series, point, time, epoch, step, value) VALUES (?, ?, ?, ?, ?, ?)"
ADD_FACT: Final = (
    "INSERT INTO fact (about, name, run, statement, thing, number, text) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
LABEL_OF: Final = (
    "SELECT a.text FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name k ON k.name = a.key WHERE s.identifier = ? AND s.run = ? AND k.iri = ? AND a.type = 1"
    " ORDER BY s.statement LIMIT 1"
)

# -- where contents came from --------------------------------------------------------------------------------

LAST_STATEMENT: Final = "SELECT COALESCE(MAX(statement), 0) FROM statement"
DECIDED_THROUGH: Final = "SELECT through FROM decided"
CONTENTS_BEHIND: Final = (
    "SELECT (SELECT COALESCE(MAX(statement), 0) FROM statement) > (SELECT through FROM decided)"
)
SET_DECIDED: Final = "UPDATE decided SET through = ?"
NEW_OF_CONTENTS: Final = (
    "SELECT c.cause, s.argument1, n.iri FROM statement s JOIN upstream c ON c.effect = s.argument1"
    " AND c.kind = 15 JOIN name n ON n.name = c.cause WHERE s.statement > ? AND s.kind IN (4, 15)"
    " UNION SELECT c.cause, s.argument2, n.iri FROM statement s JOIN upstream c ON c.effect = s.argument2"
    " AND c.kind = 15 JOIN name n ON n.name = c.cause WHERE s.statement > ? AND s.kind = 5"
    " UNION SELECT c.cause, s.identifier, n.iri FROM statement s JOIN upstream c ON c.effect = s.identifier"
    " AND c.kind = 15 JOIN name n ON n.name = c.cause WHERE s.statement > ? AND s.kind = 1"
)
MEETINGS: Final = (
    "SELECT DISTINCT d.cause, d.effect,"
    " EXISTS (SELECT 1 FROM upstream g WHERE g.effect = d.effect AND g.kind = 4),"
    " (SELECT MIN(f.time) FROM downstream f WHERE f.cause = d.effect AND f.kind = 5),"
    " (SELECT COALESCE(MAX(g.time), 0) FROM same_content c JOIN upstream g ON g.effect = c.source"
    " AND g.kind = 4 WHERE c.data = d.effect HAVING COUNT(*) > 0)"
    " FROM downstream d WHERE d.cause IN ({keys}) AND d.kind = 15"
)
PATHS_AND_CACHED: Final = (
    "SELECT s.identifier, k.iri, a.text, a.whole FROM statement s JOIN attribute a"
    " ON a.statement = s.statement JOIN name k ON k.name = a.key WHERE s.identifier IN ({keys})"
    " AND s.kind = 1 AND k.iri IN ('https://w3id.org/trilha/ns#path', 'https://w3id.org/trilha/ns#cached')"
    " ORDER BY s.statement"
)
NEW_FILES: Final = (
    "SELECT DISTINCT s.identifier FROM statement s JOIN attribute a ON a.statement = s.statement"
    " WHERE s.statement > ? AND s.kind = 1 AND a.key IN (SELECT name FROM name WHERE iri IN"
    " ('https://w3id.org/trilha/ns#modified', 'https://w3id.org/trilha/ns#sha256'))"
)
FILES_WRITTEN_NEW: Final = (
    "SELECT DISTINCT g.argument1 FROM statement g WHERE g.statement > ? AND g.kind = 4"
    " AND EXISTS (SELECT 1 FROM statement e JOIN attribute a ON a.statement = e.statement"
    " WHERE e.identifier = g.argument1 AND e.kind = 1 AND e.statement <= ?"
    " AND a.key = (SELECT name FROM name WHERE iri = 'https://w3id.org/trilha/ns#modified'))"
)
FILE_FACTS: Final = (
    "SELECT s.identifier, s.run, k.iri, a.text, a.whole FROM statement s JOIN attribute a"
    " ON a.statement = s.statement JOIN name k ON k.name = a.key WHERE s.identifier IN ({keys})"
    " AND s.kind = 1 AND k.iri IN ('https://w3id.org/trilha/ns#path', 'https://w3id.org/trilha/ns#size',"
    " 'https://w3id.org/trilha/ns#modified', 'https://w3id.org/trilha/ns#sha256') ORDER BY s.statement"
)
DERIVED_AMONG: Final = "SELECT DISTINCT u.effect FROM upstream u WHERE u.effect IN ({keys}) AND u.kind = 10"
MET_ON: Final = (
    "SELECT j.host FROM downstream d JOIN statement s ON s.statement = d.statement"
    " JOIN journal j ON j.journal = s.journal WHERE d.cause = ? AND d.kind = 5"
    " UNION SELECT j.host FROM upstream g JOIN statement s ON s.statement = g.statement"
    " JOIN journal j ON j.journal = s.journal WHERE g.effect = ? AND g.kind = 4"
)
WRITTEN_ON: Final = (
    "SELECT u.effect, j.host FROM upstream u JOIN statement s ON s.statement = u.statement"
    " JOIN journal j ON j.journal = s.journal WHERE u.effect IN ({keys}) AND u.kind = 4"
)
SOURCE_OF: Final = "SELECT source, others FROM same_content WHERE data = ?"
DROP_SOURCE: Final = "DELETE FROM same_content WHERE data = ?"
ADD_SOURCE: Final = "INSERT INTO same_content (data, source, others, decided) VALUES (?, ?, ?, ?)"
DROP_GRAPH: Final = "DELETE FROM graph"

# -- reading a run back
# ----------------------------------------------------------------------------------------

RUN_BY_UUID: Final = "SELECT run FROM run WHERE uuid = ?"
STATEMENTS_OF_RUN: Final = (
    "SELECT s.statement, s.kind, s.identifier, s.argument1, s.argument2, s.argument3, s.argument4,"
    " s.argument5,"
    " s.time1, s.time2, s.time_text FROM statement s JOIN journal j ON j.journal = s.journal"
    " WHERE s.run = ? ORDER BY j.parent IS NOT NULL, j.started, j.uid, s.place"
)
ATTRIBUTES_OF_RUN: Final = (
    "SELECT a.statement, a.key, a.type, a.whole, a.number, a.datatype, a.language, a.text"
    " FROM statement s JOIN attribute a ON a.statement = s.statement WHERE s.run = ? ORDER BY a.statement,"
    " a.position"
)
NAMES: Final = "SELECT name, iri FROM name WHERE name IN ({keys})"
SERIES_OF_RUN: Final = (
    "SELECT e.iri, s.metric, s.points, s.nans, s.first_time, s.last_time, s.first_value, s.last_value,"
    " s.lowest, s.highest, s.total, s.series, s.block, j.uid, j.parent"
    " FROM series s JOIN journal j ON j.journal = s.journal"
    " JOIN name e ON e.name = s.entity WHERE s.run = ?"
    " ORDER BY j.parent IS NOT NULL, j.started, j.uid, s.block, s.position"
)
POINTS_OF_SERIES: Final = "SELECT point, time, epoch, step, value FROM metric WHERE series = ? ORDER BY point"
DAMAGE: Final = (
    "SELECT r.uuid, j.uid, d.place, d.length, d.reason FROM damage d JOIN journal j ON j.journal = d.journal"
    " JOIN run r ON r.run = j.run ORDER BY r.uuid, j.uid, d.place"
)

# -- questions: runs
# -------------------------------------------------------------------------------------------

RUNS: Final = (
    "SELECT r.run, r.uuid, r.label, r.started, r.ended, r.status, r.exit_status, r.exception, r.dropped,"
    " r.command,"
    " (SELECT MIN(j.state) FROM journal j WHERE j.run = r.run AND j.parent IS NULL),"
    " (SELECT COUNT(*) FROM damage d JOIN journal j ON j.journal = d.journal WHERE j.run = r.run)"
    " FROM run r"
)
NEWEST_FIRST: Final = " ORDER BY r.started IS NULL, r.started DESC, r.uuid"
RUNS_NEWEST_FIRST: Final = RUNS + NEWEST_FIRST + " LIMIT ?"
RUN_OF_UUID: Final = RUNS + " WHERE r.uuid = ?"
RUNS_OF_LABEL: Final = RUNS + " WHERE r.label = ?" + NEWEST_FIRST
RUNS_BETWEEN: Final = RUNS + " WHERE r.uuid >= ? AND r.uuid < ?" + NEWEST_FIRST + " LIMIT 20"
RUNS_OF_KEYS: Final = RUNS + " WHERE r.run IN ({keys})"
KEYS_NEWEST_FIRST: Final = "SELECT r.run FROM run r ORDER BY r.started IS NULL, r.started DESC, r.uuid"
RUN_COUNT: Final = "SELECT COUNT(*) FROM run"
RUN_KEYS: Final = "SELECT run, uuid FROM run WHERE run IN ({keys})"
CAMPAIGNS: Final = (
    "SELECT b.text, s.run FROM attribute a JOIN statement s ON s.statement = a.statement"
    " JOIN attribute b ON b.statement = s.statement AND b.key = ?"
    " WHERE a.key = ? AND a.whole = ? AND a.number IS NULL AND s.kind = 1 ORDER BY b.text"
)
NAMES_OF_RUNS: Final = "SELECT DISTINCT label FROM run WHERE label IS NOT NULL LIMIT 1000"

# -- questions: choosing runs --------------------------------------------------------------------------------

FACTS_OF_RUNS: Final = (
    "SELECT r.run, r.uuid, r.label, r.started, r.ended, r.status, r.exit_status, r.exception, r.command,"
    " (SELECT MIN(j.state) FROM journal j WHERE j.run = r.run AND j.parent IS NULL) FROM run r"
)
FACT_OF_RUNS: Final = (
    "SELECT f.run, f.number, f.text FROM fact f WHERE f.about = ? AND f.name = ? ORDER BY f.run, f.statement"
)
_DATA: Final = (
    "(f.about = 'dataset' OR (f.about = 'file'"
    " AND EXISTS (SELECT 1 FROM downstream d WHERE d.cause = f.thing AND d.kind = 5)"
    " AND NOT EXISTS (SELECT 1 FROM upstream g WHERE g.effect = f.thing AND g.kind = 10)"
    " AND f.text NOT LIKE '%.py'))"
)
"""Data sets, and files that were read, but not programs, nor what came of something in the run."""
DATA_OF_RUNS: Final = f"SELECT f.run, f.text FROM fact f WHERE {_DATA}"  # noqa: S608 -- of our own words
DATA_OF_RUN: Final = f"SELECT f.run, f.about, f.text, f.thing FROM fact f WHERE f.run = ? AND {_DATA}"  # noqa: S608 -- of our own words
LINKS_OF_RUN: Final = (
    "SELECT u.effect, u.cause, u.kind FROM statement s JOIN upstream u ON u.statement = s.statement"
    " AND u.effect = s.argument1 WHERE s.run = ? ORDER BY s.statement LIMIT ?"
)
ROLES_IN_RUN: Final = (
    "SELECT DISTINCT s.argument2, a.text FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name k ON k.name = a.key WHERE s.run = ? AND s.kind = 5 AND k.iri = ? AND a.type IN (1, 7)"
)
DIRTY_OF_RUNS: Final = (
    "SELECT s.run, a.whole FROM attribute a JOIN statement s ON s.statement = a.statement"
    " WHERE a.key = (SELECT name FROM name WHERE iri = ?) AND a.whole IS NOT NULL AND a.number IS NULL"
    " AND s.kind = 5 ORDER BY s.statement"
)
BROKEN_IN_RUN: Final = (
    "SELECT DISTINCT s.identifier FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name k ON k.name = a.key WHERE s.run = ? AND s.kind = 2 AND k.iri IN (?, ?) ORDER BY s.statement"
)
PARTS_OF_RUN: Final = (
    "SELECT n.iri, p.text, f.text FROM statement s JOIN name n ON n.name = s.identifier"
    " JOIN attribute p ON p.statement = s.statement"
    " JOIN name pk ON pk.name = p.key AND pk.iri = ?"
    " JOIN attribute f ON f.statement = s.statement"
    " JOIN name fk ON fk.name = f.key AND fk.iri = ?"
    " WHERE s.run = ? AND s.kind = 1 ORDER BY s.statement"
)
METRIC_OF_RUNS: Final = (
    "SELECT s.run, s.first_time, s.last_time, s.first_value, s.last_value, s.lowest, s.highest, s.total,"
    " s.points, s.nans FROM series s WHERE s.metric = ? AND s.points > 0 ORDER BY s.run, s.series"
)
FACTS_OF_RUN: Final = (
    "SELECT f.about, f.name, f.number, f.text FROM fact f WHERE f.run = ?"
    " ORDER BY f.statement, f.about, f.name"
)
THINGS_OF_TYPE: Final = (
    "SELECT DISTINCT s.run, s.identifier FROM attribute a JOIN statement s ON s.statement = a.statement"
    " WHERE a.key = ? AND a.whole = ? AND a.number IS NULL AND s.kind <= 3 ORDER BY s.statement"
)
METRICS_OF_RUN: Final = "SELECT metric FROM series WHERE run = ? AND points > 0 ORDER BY series"
METRIC_NAMES: Final = "SELECT DISTINCT metric FROM series LIMIT 5000"
HYPERPARAMETER_NAMES: Final = (
    "SELECT DISTINCT name FROM fact WHERE about IN ('hyperparameter', 'common', 'annotation') LIMIT 5000"
)

# -- questions: things
# -----------------------------------------------------------------------------------------

KEY_OF_IRI: Final = NAME_OF_IRI
KEYS_BETWEEN: Final = "SELECT name, iri FROM name WHERE iri >= ? AND iri < ? LIMIT 20"
ELEMENTS: Final = (
    "SELECT s.identifier, n.iri, s.kind, s.run, s.time1, s.time2 FROM statement s JOIN name n ON n.name ="
    " s.identifier"
    " WHERE s.identifier IN ({keys}) AND s.kind <= 3 ORDER BY s.statement"
)
FACTS: Final = (
    "SELECT s.identifier, k.iri, a.type, a.whole, a.number, SUBSTR(a.text, 1, 4096), v.iri"
    " FROM statement s JOIN attribute a ON a.statement = s.statement JOIN name k ON k.name = a.key"
    " LEFT JOIN name v ON v.name = a.whole AND a.type = 6"
    " WHERE s.identifier IN ({keys}) AND s.kind <= 3 ORDER BY s.statement, a.position"
)
_FILE: Final = (
    "SELECT DISTINCT s.identifier FROM statement s JOIN attribute a ON a.statement = s.statement"
    " WHERE s.identifier IN ({keys}) AND s.kind = 1"
    " AND a.key = (SELECT name FROM name WHERE iri = 'http://www.w3.org/ns/prov#type')"
    " AND a.whole = (SELECT name FROM name WHERE iri = 'https://w3id.org/trilha/ns#File') AND a.type = 6"
)
FILES_AMONG: Final = _FILE
_UNHASHED: Final = (
    " AND NOT EXISTS (SELECT 1 FROM statement e JOIN attribute h ON h.statement = e.statement"
    " WHERE e.identifier = s.identifier AND e.kind = 1"
    " AND h.key = (SELECT name FROM name WHERE iri = 'https://w3id.org/trilha/ns#sha256'))"
)
UNHASHED_AMONG: Final = _FILE + _UNHASHED
KNOWN_AS: Final = "SELECT DISTINCT k.name, k.run, k.text FROM known_as k WHERE k.text = ? ORDER BY k.name"
LIKE_NAMES: Final = "SELECT DISTINCT text FROM known_as WHERE text >= ? AND text < ? LIMIT 500"
TYPES_IN_RUN: Final = (
    "SELECT s.identifier, v.iri FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name k ON k.name = a.key JOIN name v ON v.name = a.whole"
    " WHERE s.run = ? AND s.kind <= 3 AND a.type = 6 AND k.iri = ? ORDER BY s.statement"
)
ACTIVITIES_IN_RUN: Final = (
    "SELECT s.identifier, MIN(s.time1), MAX(s.time2) FROM statement s WHERE s.run = ? AND s.kind = 2"
    " GROUP BY s.identifier ORDER BY MIN(s.time1), MIN(s.statement)"
)
STARTED_BY: Final = (
    "SELECT DISTINCT d.cause, d.effect FROM downstream d WHERE d.cause IN ({keys}) AND d.kind = 7"
    " AND d.argument = 3"
)
STARTERS_IN_RUN: Final = (
    "SELECT s.argument1, s.argument3 FROM statement s"
    " WHERE s.run = ? AND s.kind = 7 AND s.argument3 IS NOT NULL"
)
RELATIONS_IN_RUN: Final = (
    "SELECT s.argument1, s.argument2, s.time1, s.statement FROM statement s WHERE s.run = ? AND s.kind = ?"
    " ORDER BY s.statement"
)
FACTS_OF_STATEMENTS: Final = (
    "SELECT a.statement, k.iri, a.type, a.whole, a.number, SUBSTR(a.text, 1, 4096) FROM attribute a"
    " JOIN name k ON k.name = a.key WHERE a.statement IN ({keys}) AND a.type <> 6 ORDER BY a.statement,"
    " a.position"
)
PROCESSES_OF_RUN: Final = (
    "SELECT j.uid, j.host, j.pid, j.parent, j.started, j.state FROM journal j WHERE j.run = ?"
    " AND (j.pid <> 0 OR j.parent IS NULL)"
    " ORDER BY j.parent IS NOT NULL, j.started, j.uid"
)
DAMAGE_OF_RUN: Final = (
    "SELECT j.uid, d.place, d.length, d.reason FROM damage d JOIN journal j ON j.journal = d.journal"
    " WHERE j.run = ? ORDER BY j.uid, d.place"
)

# -- questions: annotations ----------------------------------------------------------------------------------

ANNOTATIONS_OF: Final = "SELECT d.cause, d.effect FROM downstream d WHERE d.cause IN ({keys}) AND d.kind = 14"
ANNOTATED: Final = (
    "SELECT f.thing, u.cause, f.run, f.name, f.number, f.text FROM fact f JOIN upstream u"
    " ON u.effect = f.thing AND u.kind = 14 WHERE f.about = 'annotation' AND f.name = ?"
    " ORDER BY f.run, f.statement"
)
ANNOTATED_IN_RUN: Final = (
    "SELECT DISTINCT u.cause FROM fact f JOIN upstream u ON u.effect = f.thing AND u.kind = 14"
    " WHERE f.about = 'annotation' AND f.run = ?"
    " UNION SELECT d.cause FROM statement s JOIN downstream d ON d.cause = s.argument2 AND d.kind = 14"
    " WHERE s.run = ? AND s.kind = 15"
)
ANNOTATION_OF_RUNS: Final = (
    "SELECT f.run, f.number, f.text FROM fact f WHERE f.about = 'annotation' AND f.name = ?"
    " UNION SELECT s.run, f.number, f.text FROM fact f JOIN upstream u ON u.effect = f.thing AND u.kind = 14"
    " JOIN downstream d ON d.cause = u.cause AND d.kind = 15 JOIN statement s ON s.statement = d.statement"
    " WHERE f.about = 'annotation' AND f.name = ?"
)
CONTENTS_OF: Final = (
    "SELECT u.effect, u.cause FROM upstream u WHERE u.effect IN ({keys}) AND u.kind = 15 ORDER BY u.statement"
)
RUN_NAMING: Final = (
    "SELECT r.uuid FROM statement s JOIN run r ON r.run = s.run WHERE s.identifier = ?"
    " ORDER BY r.started DESC, r.uuid LIMIT 1"
)
FIRST_JOURNAL: Final = (
    "SELECT j.uid FROM journal j WHERE j.run = ? AND j.parent IS NULL ORDER BY j.started, j.uid LIMIT 1"
)

# -- questions: lineage --------------------------------------------------------------------------------------

UPSTREAM: Final = (
    "SELECT u.effect, u.kind, u.argument, u.cause, u.time, CASE u.kind WHEN 10 THEN"
    " (SELECT s.argument3 FROM statement s WHERE s.statement = u.statement) END, u.statement"
    # The plus keeps SQLite from seeking each kind by itself.
    " FROM upstream u WHERE u.effect IN ({keys}) AND +u.kind IN (4, 5, 6, 7, 10, 15, 18)"
    " ORDER BY u.statement"
)
DOWNSTREAM: Final = (
    "SELECT d.effect, d.kind, d.argument, d.cause, d.time, CASE d.kind WHEN 10 THEN"
    " (SELECT s.argument3 FROM statement s WHERE s.statement = d.statement) END, d.statement"
    " FROM downstream d WHERE d.cause IN ({keys}) AND +d.kind IN (4, 5, 6, 7, 10, 12, 15, 18)"
    " ORDER BY d.statement"
)
STARTED: Final = (
    "SELECT d.effect, d.kind, d.argument, d.cause, d.time, 0, d.statement FROM downstream d"
    " WHERE d.cause IN ({keys}) AND d.kind = 7 AND d.argument = 3"
)
RESPONSIBLE: Final = (
    "SELECT u.effect, u.kind, u.argument, u.cause FROM upstream u"
    " WHERE u.effect IN ({keys}) AND u.kind IN (11, 12) ORDER BY u.statement"
)
FIRST_USES: Final = (
    "SELECT d.cause, MIN(d.time) FROM downstream d WHERE d.cause IN ({keys}) AND d.kind = 5 GROUP BY d.cause"
)
TIMES_OF_ACTIVITIES: Final = (
    "SELECT s.identifier, MIN(s.time1), MAX(s.time2) FROM statement s WHERE s.identifier IN ({keys})"
    " AND s.kind = 2 GROUP BY s.identifier"
)
SOURCES: Final = "SELECT c.data, c.source, c.others FROM same_content c WHERE c.data IN ({keys})"
READ_AGAIN: Final = "SELECT c.data, c.source, c.others FROM same_content c WHERE c.source IN ({keys})"
OCCURRENCES: Final = (
    "SELECT DISTINCT d.effect FROM downstream d WHERE d.cause = ? AND d.kind = 15 ORDER BY d.effect"
)
GENERATED_AT: Final = (
    "SELECT u.effect, u.time FROM upstream u WHERE u.effect IN ({keys}) AND u.kind = 4 ORDER BY u.statement"
)
ASSOCIATIONS_OF: Final = (
    "SELECT s.argument2, s.argument3 FROM statement s WHERE s.argument1 = ? AND s.kind = 12 AND s.run = ?"
)
