"""Views over the tables: what Swift's provenance database called function calls, executions and data sets.

Each answers one kind of question without a word about statements and attributes, so that a question of a
person is one line of SQL. docs/reference/store.md says what each column means. Times are nanoseconds since
1970-01-01 UTC, durations seconds; NULL is what was not recorded.

Source: the schemas of Swift's provenance database (Gadelha et al., "Provenance management in Swift", FGCS
2011, and its successor MTCProv): ``fun_call``, ``app_exec``, ``dataset_io``, ``dataset_containment``,
``annotation``, ``provenance_graph_edge``.
"""

# ruff: noqa: S608 -- what is put into these texts stands in this module

from __future__ import annotations

from typing import Final

__all__ = ["LINK", "PARTS", "VIEWS"]

_TRILHA: Final = "https://w3id.org/trilha/ns#"
_PROV: Final = "http://www.w3.org/ns/prov#"
_CALLS: Final = ("Task", "Call", "Operator", "Function", "Constructor", "Access")


def _key(iri: str) -> str:
    return f"(SELECT name FROM name WHERE iri = '{iri}')"


def _said(thing: str, key: str, column: str = "text", space: str = _TRILHA) -> str:
    """What was last said of a thing: the value of one attribute.

    The sign keeps SQLite from going through this attribute of all things, by the index of its values.
    """
    return (
        f"(SELECT a.{column} FROM statement e JOIN attribute a ON a.statement = e.statement"
        f" WHERE e.identifier = {thing} AND e.kind <= 3 AND a.key = {_key(space + key)}"
        f" AND +a.{column} IS NOT NULL ORDER BY e.statement DESC LIMIT 1)"
    )


def _is(thing: str, *types: str) -> str:
    """Whether an activity has one of these types."""
    iris = ", ".join(f"'{_TRILHA}{one}'" for one in types)
    return (
        "EXISTS (SELECT 1 FROM statement e JOIN attribute a ON a.statement = e.statement"
        f" WHERE e.identifier = {thing} AND e.kind = 2 AND a.key = {_key(_PROV + 'type')}"
        f" AND a.whole IN (SELECT name FROM name WHERE iri IN ({iris})))"
    )


def _starter(thing: str) -> str:
    return (
        f"(SELECT b.cause FROM upstream b WHERE b.effect = {thing} AND b.kind = 7 AND b.argument = 3 LIMIT 1)"
    )


def _around(thing: str) -> str:
    """The nearest call or attempt that an activity was started in, by way of others; else NULL."""
    return (
        f"(WITH RECURSIVE o (place, x) AS (SELECT 1, {_starter(thing)} UNION ALL"
        f" SELECT o.place + 1, {_starter('o.x')} FROM o WHERE o.x IS NOT NULL AND o.place < 100"
        f" AND NOT {_is('o.x', *_CALLS, 'Attempt')})"
        f" SELECT o.x FROM o WHERE {_is('o.x', *_CALLS, 'Attempt')} LIMIT 1)"
    )


def _is_part(thing: str) -> str:
    """Whether an activity is a part of a call: an attempt, or what was done in one and is no call."""
    return f"({_is(thing, 'Attempt')} OR (NOT {_is(thing, *_CALLS)} AND {_is(_around(thing), 'Attempt')}))"


def _value(place: str) -> str:
    """The value of an attribute as text."""
    return f"COALESCE({place}.text, CAST({place}.whole AS TEXT), CAST({place}.number AS TEXT))"


def _typed(*types: str) -> str:
    """All activities of these types, once a run."""
    iris = ", ".join(f"'{_TRILHA}{one}'" for one in types)
    return (
        "(SELECT s.identifier AS thing, s.run AS run, MIN(v.iri) AS iri FROM name v"
        f" JOIN attribute a ON a.whole = v.name AND a.key = {_key(_PROV + 'type')} AND a.number IS NULL"
        " JOIN statement s ON s.statement = a.statement AND s.kind = 2"
        f" WHERE v.iri IN ({iris}) GROUP BY s.identifier, s.run)"
    )


def _time(thing: str, function: str, column: str) -> str:
    return (
        f"(SELECT {function}(e.{column}) FROM statement e WHERE e.identifier = {thing} AND e.kind = 2"
        f" AND e.{column} IS NOT NULL)"
    )


_STARTER: Final = _starter("t.thing")
_BEGAN: Final = _time("t.thing", "MIN", "time1")
_ENDED: Final = _time("t.thing", "MAX", "time2")
_CALL: Final = f"""CREATE VIEW call AS SELECT t.thing AS call, t.run AS run,
    SUBSTR(t.iri, {len(_TRILHA) + 1}) AS type,
    COALESCE({_said("t.thing", "procedure")}, {_said("t.thing", "label", space=_PROV)}) AS name,
    {_said("t.thing", "application")} AS application,
    {_said("t.thing", "engine")} AS engine,
    {_said("t.thing", "executor")} AS executor,
    {_said("t.thing", "status")} AS status,
    {_said("t.thing", "exception")} AS exception,
    {_STARTER} AS within,
    {_BEGAN} AS started,
    {_ENDED} AS ended,
    ({_ENDED} - {_BEGAN}) / 1000000000.0 AS seconds
    FROM {_typed(*_CALLS)} t"""

_WAITED: Final = _said("t.thing", "waited", "number")
_BEGUN: Final = _said("t.thing", "began", "whole")
_CPU: Final = _said("t.thing", "cpu_seconds", "number")
_ATTEMPT: Final = f"""CREATE VIEW attempt AS SELECT t.thing AS attempt, t.run AS run,
    {_STARTER} AS call,
    COALESCE({_said(_STARTER, "procedure")}, {_said(_STARTER, "label", space=_PROV)}) AS name,
    {_said("t.thing", "attempt", "whole")} AS number,
    COALESCE({_said("t.thing", "host")}, CASE WHEN {_CPU} IS NOT NULL
        AND (SELECT COUNT(DISTINCT f.text) FROM fact f WHERE f.run = t.run AND f.about = 'host') = 1
        THEN (SELECT MIN(f.text) FROM fact f WHERE f.run = t.run AND f.about = 'host') END) AS host,
    {_said("t.thing", "executor")} AS executor,
    {_said("t.thing", "status")} AS status,
    {_said("t.thing", "exception")} AS exception,
    {_said("t.thing", "exit_status", "whole")} AS exit_status,
    {_BEGAN} AS started,
    {_ENDED} AS ended,
    COALESCE({_WAITED}, ({_BEGUN} - {_BEGAN}) / 1000000000.0) AS waited,
    COALESCE({_said("t.thing", "took", "number")},
        ({_ENDED} - {_BEGAN}) / 1000000000.0 - COALESCE({_WAITED}, 0)) AS seconds,
    {_CPU} AS cpu_seconds,
    {_said("t.thing", "peak_memory", "whole")} AS peak_memory,
    {_said("t.thing", "bytes_read", "whole")} AS bytes_read,
    {_said("t.thing", "bytes_written", "whole")} AS bytes_written
    FROM {_typed("Attempt")} t"""

_DATA: Final = f"""CREATE VIEW data_set AS SELECT t.thing AS data, t.run AS run,
    {_said("t.thing", "label", space=_PROV)} AS name,
    {_said("t.thing", "class")} AS class,
    COALESCE({_said("t.thing", "path")}, {_said("t.thing", "filename")}) AS filename,
    COALESCE({_said("t.thing", "value", space=_PROV)},
        CAST({_said("t.thing", "value", "whole", _PROV)} AS TEXT),
        CAST({_said("t.thing", "value", "number", _PROV)} AS TEXT)) AS value,
    {_said("t.thing", "sha256")} AS sha256
    FROM (SELECT DISTINCT s.identifier AS thing, s.run AS run FROM statement s WHERE s.kind = 1) t"""


def _both_ways(kind: int) -> str:
    """A relation from the effect `u.effect` to the cause `d.cause`, found at once from either end."""
    return (
        "FROM upstream u JOIN downstream d ON d.cause = u.cause AND d.kind = u.kind"
        " AND d.argument = u.argument AND d.effect = u.effect AND d.statement = u.statement"
        f" JOIN statement s ON s.statement = u.statement WHERE u.kind = {kind} AND d.kind = {kind}"
    )


def _call_of(activity: str) -> str:
    """The call that an activity is a part of; else the activity."""
    attempt = f"CASE WHEN {_is(activity, 'Attempt')} THEN {activity} ELSE {_around(activity)} END"
    return (
        f"CASE WHEN {_is_part(activity)} THEN COALESCE({_starter(attempt)}, {activity}) ELSE {activity} END"
    )


def _of_statement(key: str) -> str:
    return f"(SELECT a.text FROM attribute a WHERE a.statement = u.statement AND a.key = {_key(key)} LIMIT 1)"


_IO: Final = f"""CREATE VIEW dataset_io AS SELECT u.effect AS activity, {_call_of("u.effect")} AS call,
    d.cause AS data, s.run AS run, 'in' AS direction,
    {_of_statement(_PROV + "role")} AS parameter, u.time AS time
    {_both_ways(5)}
    UNION ALL SELECT d.cause AS activity, {_call_of("d.cause")} AS call,
    u.effect AS data, s.run AS run, 'out' AS direction,
    {_of_statement(_PROV + "role")} AS parameter, u.time AS time
    {_both_ways(4)}"""

_CONTAINMENT: Final = f"""CREATE VIEW containment AS SELECT u.effect AS whole, d.cause AS part, s.run AS run,
    {_of_statement(_TRILHA + "key")} AS member
    {_both_ways(18)}"""

_ARGUMENT: Final = f"{_TRILHA}arg."
_PARAMETER: Final = f"""CREATE VIEW parameter AS SELECT s.identifier AS call, s.run AS run,
    SUBSTR(k.iri, {len(_ARGUMENT) + 1}) AS parameter, {_value("a")} AS value, a.number AS number
    FROM name k JOIN attribute a ON a.key = k.name
    JOIN statement s ON s.statement = a.statement AND s.kind = 2
    WHERE k.iri >= '{_ARGUMENT}' AND k.iri < '{_TRILHA}arg/'
    UNION ALL SELECT u.effect AS call, s.run AS run, r.text AS parameter, {_value("a")} AS value,
    a.number AS number
    FROM attribute r JOIN statement s ON s.statement = r.statement AND s.kind = 5
    JOIN upstream u ON u.effect = s.argument1 AND u.kind = 5 AND u.statement = s.statement
    JOIN statement e ON e.identifier = u.cause AND e.kind = 1
    JOIN attribute a ON a.statement = e.statement AND a.key = {_key(_PROV + "value")}
    WHERE r.key = {_key(_PROV + "role")} AND r.text IS NOT NULL"""

_SAID: Final = f"{_TRILHA}annotation."
_ANNOTATION: Final = f"""CREATE VIEW annotation AS SELECT s.identifier AS thing, s.run AS run, s.kind AS kind,
    SUBSTR(k.iri, {len(_SAID) + 1}) AS name, {_value("a")} AS value, a.number AS number
    FROM name k JOIN attribute a ON a.key = k.name
    JOIN statement s ON s.statement = a.statement AND s.kind <= 3
    WHERE k.iri >= '{_SAID}' AND k.iri < '{_TRILHA}annotation/'"""

_NOT_RUN: Final = "NOT EXISTS (SELECT 1 FROM name n WHERE n.name = {} AND n.iri LIKE 'urn:uuid:%#run')"
LINK: Final = f"""CREATE VIEW link AS SELECT u.effect AS effect, u.cause AS cause, u.kind AS kind
    FROM upstream u WHERE u.kind IN (5, 6, 10, 18)
    UNION ALL SELECT u.effect AS effect, u.cause AS cause, u.kind AS kind FROM upstream u WHERE u.kind = 4
    AND {_NOT_RUN.format("u.cause")}
    UNION ALL SELECT u.effect AS effect, u.cause AS cause, 7 AS kind FROM upstream u
    WHERE u.kind = 7 AND u.argument = 3 AND {_NOT_RUN.format("u.cause")} AND {_is_part("u.effect")}
    UNION ALL SELECT d.cause AS effect, d.effect AS cause, 7 AS kind FROM downstream d
    WHERE d.kind = 7 AND d.argument = 3 AND {_NOT_RUN.format("d.cause")} AND {_is_part("d.effect")}
    UNION ALL SELECT c.data AS effect, c.source AS cause, 15 AS kind FROM same_content c"""
"""The statement that makes the view of one step upstream, which needs the table ``same_content``."""

PARTS: Final = (
    f"SELECT u.effect, u.cause, u.time, {_is('u.effect', 'Attempt')} FROM upstream u"
    " WHERE u.effect IN ({keys})"
    f" AND u.kind = 7 AND u.argument = 3 AND {_is_part('u.effect')} ORDER BY u.statement"
)
"""Of those that are parts of a call: what started each, when, and whether it is an attempt."""

VIEWS: Final = (_CALL, _ATTEMPT, _DATA, _IO, _CONTAINMENT, _PARAMETER, _ANNOTATION)
"""The statements that make the other views."""
