"""The SQL of the questions about calls and data sets, over the views of `views`.

docs/reference/store.md shows these lines for all runs; ``{runs}`` keeps to those that a question is asked of.
"""

# ruff: noqa: S608 -- what is put into these texts stands in this module

from __future__ import annotations

from typing import Final

__all__ = [
    "ACTIVITIES",
    "ANCESTORS",
    "ATTEMPTS",
    "ATTEMPTS_AMONG",
    "CACHED",
    "COMPARED",
    "CORRELATED",
    "EXECUTED",
    "FOLLOWED",
    "GIVEN",
    "HELD",
    "IO_OF",
    "IO_OF_DATA",
    "KINDS",
    "LINKS",
    "MADE",
    "PARAMETERS_OF",
    "RETRIED",
    "SAME_CONTENT",
    "STOPPED",
    "TAKEN",
    "TASKS_AMONG",
    "TYPED",
]

__all__ += ["RETRIED"]

ATTEMPTS: Final = (
    "SELECT run, name, number, host, executor, status, exit_status, started, waited, seconds, cpu_seconds,"
    " peak_memory, bytes_read, bytes_written FROM attempt WHERE run IN ({runs})"
    " ORDER BY run, started, attempt"
)
RETRIED: Final = (
    "SELECT c.run, c.name, c.status, c.exception, c.started, COALESCE(a.tried, 0), COALESCE(a.failed, 0),"
    " a.exception, c.call FROM call c LEFT JOIN (SELECT call, COUNT(*) AS tried,"
    " SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed,"
    " SUM(CASE WHEN status = 'finished' THEN 1 ELSE 0 END) AS finished, MIN(exception) AS exception"
    " FROM attempt GROUP BY call) a ON a.call = c.call WHERE c.type = 'Task' AND c.run IN ({runs})"
    " AND (c.exception IS NOT NULL OR c.status = 'failed' OR c.status IS NULL OR a.tried > a.finished)"
    " ORDER BY c.run, c.started, c.call"
)
CACHED: Final = (
    "SELECT o.run, o.call, p.run, p.call FROM same_content s JOIN dataset_io o ON o.data = s.data"
    " JOIN dataset_io p ON p.data = s.source WHERE o.direction = 'out' AND p.direction = 'out'"
    " AND o.run IN ({runs})"
    " ORDER BY o.run, o.time, o.call"
)
HELD: Final = (
    "WITH RECURSIVE held (data, run, file) AS (SELECT k.name, k.run, k.name FROM known_as k"
    " WHERE k.text = ? AND EXISTS (SELECT 1 FROM statement e JOIN attribute a ON a.statement = e.statement"
    " JOIN name n ON n.name = a.key WHERE e.identifier = k.name AND e.kind = 1 AND n.iri IN"
    " ('https://w3id.org/trilha/ns#path', 'https://w3id.org/trilha/ns#filename')"
    " AND a.text LIKE '%' || k.text)"
    " UNION SELECT c.whole, c.run, h.file FROM held h JOIN containment c ON c.part = h.data AND c.run = h.run"
    ") SELECT h.run, h.file, h.data FROM held h WHERE h.run IN ({runs}) ORDER BY h.run, h.file, h.data"
)
IO_OF_DATA: Final = (
    "SELECT i.data, i.run, i.direction, i.call, i.parameter FROM dataset_io i WHERE i.data IN ({keys})"
)
MADE: Final = (
    "SELECT i.data, i.activity, i.call FROM dataset_io i WHERE i.data IN ({keys}) AND i.direction = 'out'"
)
COMPARED: Final = (
    "SELECT p.run, p.parameter, p.value, p.number, COUNT(*) FROM parameter p WHERE p.parameter = ?"
    " AND p.run IN ({runs}) GROUP BY p.run, p.parameter, p.value, p.number"
    " UNION ALL SELECT p.run, p.name, p.value, p.number, COUNT(*) FROM annotation p WHERE p.name = ?"
    " AND p.run IN ({runs}) GROUP BY p.run, p.name, p.value, p.number ORDER BY 1, 3"
)
_EXECUTED: Final = (
    "LEFT JOIN (SELECT call, CASE WHEN COUNT(seconds) = COUNT(*) THEN SUM(seconds) END AS seconds"
    " FROM attempt WHERE run IN ({runs}) GROUP BY call) a ON a.call = c.call"
)
_TOOK: Final = "CASE WHEN c.type = 'Task' THEN a.seconds ELSE c.seconds END"
"""What a call took: of a task what its attempts executed, without the time until a worker was free."""
CORRELATED: Final = (
    f"SELECT c.run, c.name, c.started, {_TOOK} AS took, p.value, p.number FROM parameter p"
    f" JOIN call c ON c.call = p.call {_EXECUTED}"
    " WHERE p.parameter = ? AND took IS NOT NULL AND c.run IN ({runs})"
    " ORDER BY c.run, c.started, c.call"
)
ANCESTORS: Final = (
    "WITH RECURSIVE a (thing) AS (SELECT ? UNION SELECT l.cause FROM a JOIN link l ON l.effect = a.thing)"
    " SELECT thing FROM a"
)
LINKS: Final = "SELECT l.effect, l.cause, l.kind FROM link l WHERE l.effect IN ({keys})"
TAKEN: Final = (
    "SELECT DISTINCT i.call, i.data FROM dataset_io i WHERE i.direction = 'in' AND i.activity IN ({keys})"
)
GIVEN: Final = (
    "SELECT DISTINCT o.call, o.data FROM dataset_io o WHERE o.direction = 'out' AND o.activity IN ({keys})"
)
TYPED: Final = (
    "SELECT DISTINCT s.identifier FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name k ON k.name = a.key JOIN name v ON v.name = a.whole"
    " WHERE s.identifier IN ({keys}) AND s.kind = 2 AND k.iri = 'http://www.w3.org/ns/prov#type'"
    " AND v.iri IN ('https://w3id.org/trilha/ns#Task', 'https://w3id.org/trilha/ns#Call',"
    " 'https://w3id.org/trilha/ns#Operator', 'https://w3id.org/trilha/ns#Function',"
    " 'https://w3id.org/trilha/ns#Constructor', 'https://w3id.org/trilha/ns#Access')"
)
STOPPED: Final = (
    "SELECT DISTINCT u.effect FROM upstream u JOIN name n ON n.name = u.cause"
    " WHERE u.effect IN ({keys}) AND u.kind = 4 AND n.iri LIKE 'urn:uuid:%#run'"
)
KINDS: Final = (
    "SELECT s.identifier, MIN(s.kind), MIN(s.run) FROM statement s WHERE s.identifier IN ({keys})"
    " AND s.kind <= 3 GROUP BY s.identifier"
)
FOLLOWED: Final = (
    "SELECT s.argument1, s.argument3 FROM statement s"
    " WHERE s.run = ? AND s.kind = 12 AND s.argument3 <> 0 ORDER BY s.statement"
)
ACTIVITIES: Final = "SELECT DISTINCT s.identifier FROM statement s WHERE s.run = ? AND s.kind = 2"
ATTEMPTS_AMONG: Final = (
    "SELECT DISTINCT s.identifier FROM statement s JOIN attribute a ON a.statement = s.statement"
    " JOIN name v ON v.name = a.whole WHERE s.identifier IN ({keys}) AND s.kind = 2 AND a.type = 6"
    " AND v.iri = 'https://w3id.org/trilha/ns#Attempt'"
)
IO_OF: Final = (
    "SELECT i.call, i.data, i.direction, i.parameter FROM dataset_io i WHERE i.activity IN ({keys})"
)
SAME_CONTENT: Final = "SELECT c.data, c.source FROM same_content c WHERE c.data IN ({keys})"
TASKS_AMONG: Final = (
    "SELECT c.call, c.name, c.status FROM call c WHERE c.call IN ({keys}) AND c.type = 'Task'"
)
EXECUTED: Final = (
    "SELECT a.name, CASE WHEN COUNT(a.seconds) = COUNT(*) THEN SUM(a.seconds) END FROM attempt a"
    " WHERE a.run = ? GROUP BY a.name"
)
PARAMETERS_OF: Final = "SELECT p.call, p.parameter, p.value FROM parameter p WHERE p.call IN ({keys})"
