"""The SQL of `graph`."""

# ruff: noqa: S608 -- what is put into these texts stands in this module

from __future__ import annotations

from typing import Final

__all__ = [
    "FOUND_ANEW",
    "GRAPH",
    "KEEP",
    "LAST_KEYS",
    "NAMES",
    "RELATIONS",
    "RUNS",
    "SAID_OF_OLD",
]
__all__ += ["SAME", "TYPES"]

GRAPH: Final = "SELECT part, through, numbers FROM graph"
NAMES: Final = "SELECT through, numbers FROM graph WHERE part = 'names'"
KEEP: Final = "INSERT INTO graph (part, through, numbers) VALUES (?, ?, ?)"
LAST_KEYS: Final = (
    "SELECT (SELECT COALESCE(MAX(name), 0) FROM name), (SELECT COALESCE(MAX(statement), 0) FROM statement)"
)
RUNS: Final = "SELECT n.name FROM run r JOIN name n ON n.iri = 'urn:uuid:' || r.uuid || '#run'"
TYPES: Final = (
    "SELECT s.identifier, v.iri FROM name v JOIN attribute a ON a.whole = v.name AND a.number IS NULL"
    " AND a.key = (SELECT name FROM name WHERE iri = 'http://www.w3.org/ns/prov#type')"
    " JOIN statement s ON s.statement = a.statement AND s.kind = 2"
    " WHERE v.iri IN ('https://w3id.org/trilha/ns#Task', 'https://w3id.org/trilha/ns#Call',"
    " 'https://w3id.org/trilha/ns#Operator', 'https://w3id.org/trilha/ns#Function',"
    " 'https://w3id.org/trilha/ns#Constructor', 'https://w3id.org/trilha/ns#Access',"
    " 'https://w3id.org/trilha/ns#Attempt')"
)
RELATIONS: Final = (
    "SELECT u.effect, u.kind, u.cause FROM upstream u WHERE u.kind IN (4, 5, 6, 10, 15, 18)"
    " OR (u.kind = 7 AND u.argument = 3) ORDER BY u.effect, u.kind, u.argument, u.cause, u.statement"
)
SAME: Final = "SELECT c.data, c.source FROM same_content c"
_NOT_RUN: Final = "NOT EXISTS (SELECT 1 FROM name n WHERE n.name = s.{} AND n.iri LIKE 'urn:uuid:%#run')"
SAID_OF_OLD: Final = (
    "SELECT 1 FROM statement s WHERE s.statement > ? AND s.kind IN (4, 5, 6, 7, 10, 15, 18) AND ("
    f"(s.argument1 <= ? AND {_NOT_RUN.format('argument1')})"
    f" OR (s.kind = 7 AND s.argument3 <= ? AND {_NOT_RUN.format('argument3')})) LIMIT 1"
)
FOUND_ANEW: Final = "SELECT 1 FROM same_content c WHERE c.data <= ? AND c.decided > ? LIMIT 1"
