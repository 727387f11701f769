"""The SQL of the questions about calls and data sets, over the views of `views`.

docs/reference/store.md shows these lines for all runs; ``{runs}`` keeps to those that a question is asked of.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ABOUT_FILE",
    "ANCESTORS",
    "ATTEMPTS",
    "ATTEMPTS_OF_RUN",
    "CACHED",
    "CALLS_OF_RUN",
    "COMPARED",
    "CORRELATED",
    "FOLLOWED",
    "GIVEN",
    "IO_OF_RUN",
    "KINDS",
    "LINKS",
    "PARAMETERS_OF_RUN",
    "RETRIED",
    "SAME_CONTENT",
    "STOPPED",
    "TAKEN",
    "TASKS_OF_RUN",
    "TYPED",
]

__all__ += ["RETRIED"]

ATTEMPTS: Final = (
    "SELECT run, name, number, host, executor, status, exit_status, started, waited, seconds, cpu_seconds,"
    " peak_memory, bytes_read, bytes_written FROM attempt WHERE run IN ({runs})"
    " ORDER BY run, started, attempt"
)
RETRIED: Final = (
    "SELECT c.run, c.name, c.status, c.exception, c.started, COUNT(a.attempt),"
    " SUM(CASE WHEN a.status = 'failed' THEN 1 ELSE 0 END), MIN(a.exception), c.call FROM call c"
    " LEFT JOIN attempt a ON a.call = c.call WHERE c.type = 'Task' AND c.run IN ({runs})"
    " GROUP BY c.run, c.call, c.name, c.status, c.exception, c.started"
    " HAVING c.exception IS NOT NULL OR c.status = 'failed' OR c.status IS NULL"
    " OR COUNT(a.attempt) > SUM(CASE WHEN a.status = 'finished' THEN 1 ELSE 0 END)"
    " ORDER BY c.run, c.started, c.call"
)
CACHED: Final = (
    "SELECT o.run, o.call, p.run, p.call FROM same_content s JOIN dataset_io o ON o.data = s.data"
    " JOIN dataset_io p ON p.data = s.source WHERE o.direction = 'out' AND p.direction = 'out'"
    " AND o.run IN ({runs})"
    " ORDER BY o.run, o.time, o.call"
)
ABOUT_FILE: Final = (
    "WITH RECURSIVE held (data, run, file) AS (SELECT k.name, k.run, k.name FROM known_as k"
    " WHERE k.text = ? AND EXISTS (SELECT 1 FROM data_set d WHERE d.data = k.name AND d.filename IS NOT NULL"
    " AND d.filename LIKE '%' || k.text)"
    " UNION SELECT c.whole, c.run, h.file FROM held h JOIN containment c ON c.part = h.data AND c.run = h.run"
    ")"
    " SELECT DISTINCT h.run, h.file, h.data, i.direction, i.call, i.parameter FROM held h"
    " LEFT JOIN dataset_io i ON i.data = h.data AND i.run = h.run WHERE h.run IN ({runs})"
    " ORDER BY h.run, h.file, h.data, i.direction, i.call"
)
COMPARED: Final = (
    "SELECT p.run, p.parameter, p.value, p.number, COUNT(*) FROM parameter p WHERE p.parameter = ?"
    " AND p.run IN ({runs}) GROUP BY p.run, p.parameter, p.value, p.number"
    " UNION ALL SELECT p.run, p.name, p.value, p.number, COUNT(*) FROM annotation p WHERE p.name = ?"
    " AND p.run IN ({runs}) GROUP BY p.run, p.name, p.value, p.number ORDER BY 1, 3"
)
CORRELATED: Final = (
    "SELECT c.run, c.name, c.started, c.seconds, p.value, p.number FROM parameter p"
    " JOIN call c ON c.call = p.call WHERE p.parameter = ? AND c.seconds IS NOT NULL AND c.run IN ({runs})"
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
CALLS_OF_RUN: Final = "SELECT c.call FROM call c WHERE c.run = ?"
ATTEMPTS_OF_RUN: Final = "SELECT a.attempt FROM attempt a WHERE a.run = ?"
IO_OF_RUN: Final = "SELECT i.call, i.data, i.direction, i.parameter FROM dataset_io i WHERE i.run = ?"
SAME_CONTENT: Final = (
    "SELECT c.data, c.source FROM same_content c WHERE c.data IN ({keys}) AND c.source IS NOT NULL"
)
TASKS_OF_RUN: Final = (
    "SELECT c.call, c.name, c.status, c.seconds FROM call c WHERE c.run = ? AND c.type = 'Task'"
)
PARAMETERS_OF_RUN: Final = "SELECT p.call, p.parameter, p.value FROM parameter p WHERE p.run = ?"
