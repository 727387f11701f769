"""What a statement reads and changes in PostgreSQL, as the server says.

Which tables, its planner tells (``EXPLAIN``, which executes nothing); which rows, triggers that we put on the
tables: they fire once a statement, and only for a connection that listens, whose temporary table they fill.

Sources: PostgreSQL's manual, EXPLAIN (its JSON format) and CREATE TRIGGER (transition tables).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from trilha.capture.database.access import Access

__all__ = ["HEAR", "Relation", "Relations", "explained"]

_MOST: Final = 65_536
"""Of a statement that changes more rows, the keys are not told: they might not fit into one value."""
HEAR: Final = "DELETE FROM pg_temp.trilha_heard RETURNING place, change, relation, rows, keys"
"""Gives what the triggers told since the last time."""
_HEARD: Final = """CREATE TEMP TABLE IF NOT EXISTS trilha_heard (
    place BIGINT GENERATED ALWAYS AS IDENTITY, change TEXT, relation OID, rows BIGINT, keys JSONB
    ) ON COMMIT DELETE ROWS"""
_KEYS_OF: Final = (
    "CASE WHEN count(*) <= {most} THEN jsonb_agg((SELECT jsonb_agg(to_jsonb(r) -> k ORDER BY place)"
    " FROM unnest(TG_ARGV) WITH ORDINALITY AS key (k, place))) END"
)
_TELL: Final = (
    "INSERT INTO pg_temp.trilha_heard (change, relation, rows, keys)"
    " SELECT '{change}', TG_RELID, count(*), {keys} FROM {rows} r HAVING count(*) > 0;"
)
_FUNCTION: Final = (
    "CREATE OR REPLACE FUNCTION trilha_tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF to_regclass('pg_temp.trilha_heard') IS NULL THEN RETURN NULL; END IF;"
    " IF TG_OP = 'INSERT' THEN {inserted} ELSIF TG_OP = 'UPDATE' THEN {updated}"
    " ELSIF TG_OP = 'DELETE' THEN {deleted} ELSE"
    " INSERT INTO pg_temp.trilha_heard (change, relation) VALUES ('truncated', TG_RELID); END IF;"
    " RETURN NULL; END $$"
)
_TRIGGERS: Final = (
    ("insert", "AFTER INSERT", "REFERENCING NEW TABLE AS trilha_new"),
    ("update", "AFTER UPDATE", "REFERENCING NEW TABLE AS trilha_new"),
    ("delete", "AFTER DELETE", "REFERENCING OLD TABLE AS trilha_old"),
    ("truncate", "AFTER TRUNCATE", ""),
)
_TABLES: Final = """SELECT c.oid, n.nspname::text, c.relname::text,
    CASE WHEN pg_table_is_visible(c.oid) THEN c.relname::text ELSE n.nspname || '.' || c.relname END,
    ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
        AND NOT a.attisdropped ORDER BY a.attnum),
    ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
        AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisprimary
        ORDER BY array_position(i.indkey::int2[], a.attnum)),
    c.relkind = 'r' AND NOT c.relispartition AND pg_has_role(c.relowner, 'USAGE'),
    EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'trilha_insert')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND c.relname <> 'trilha_versions'"""
_SET: Final = re.compile(r"\bSET\b(.*)", re.IGNORECASE | re.DOTALL)
_COLUMN: Final = re.compile(r'\s*(?:ONLY\s+)?"?(\w+)"?\s*=')


class Relation(NamedTuple):
    """A table as the catalog has it.

    Attributes:
        oid: that the server knows it by.
        schema: it is in.
        table: its name there.
        name: what to call it: with the schema, where that is not looked into by itself.
        columns: their names, in order.
        key: names of the columns of its primary key; empty without one.
        is_ours: whether we may put triggers on it.
        is_heard: whether these are there.
    """

    oid: int
    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    is_ours: bool
    is_heard: bool


class Relations:
    """The tables of a database, and the rows that are heard to change.

    Args:
        execute: runs a statement on the connection, unnoticed, and gives its rows.
    """

    def __init__(self, execute: Callable[..., list[Any]]) -> None:
        self._execute = execute
        self.by_oid: dict[int, Relation] = {}

    def prepare(self) -> None:
        """Have the server tell of rows, inside the transaction that is open."""
        self._execute(_HEARD)
        if not self._execute("SELECT to_regproc('trilha_tell')")[0][0]:
            told = {
                change: _TELL.format(change=change, keys=_KEYS_OF.format(most=_MOST), rows=f"trilha_{which}")
                for change, which in (("inserted", "new"), ("updated", "new"), ("deleted", "old"))
            }
            self._execute(_FUNCTION.format(**told))
        self._execute("SELECT set_config('trilha.listens', pg_backend_pid()::text, false)")
        self.look()
        self.listen()

    def look(self) -> Access:
        """Read the catalog; gives what was made, altered and removed since the last time."""
        before = self.by_oid
        self.by_oid = {}
        for oid, schema, table, name, columns, key, *said in self._execute(_TABLES):
            self.by_oid[oid] = Relation(oid, schema, table, name, tuple(columns), tuple(key), *said)
        access = Access()
        for oid, one in self.by_oid.items():
            old = before.get(oid)
            if old is None:
                access.created.append(one.name)
            elif (old.name, old.columns, old.key) != (one.name, one.columns, one.key):
                access.altered.append(one.name)
        access.dropped = [one.name for oid, one in before.items() if oid not in self.by_oid]
        return access

    def listen(self) -> None:
        """Put our triggers on the tables that have none, inside the transaction that is open."""
        for one in self.by_oid.values():
            if one.is_ours and not one.is_heard:
                table = f"{_quoted(one.schema)}.{_quoted(one.table)}"
                key = ", ".join("'" + column.replace("'", "''") + "'" for column in one.key)
                for name, event, told in _TRIGGERS:
                    self._execute(
                        f"CREATE TRIGGER trilha_{name} {event} ON {table} {told} FOR EACH STATEMENT WHEN"
                        " (current_setting('trilha.listens', true) = pg_backend_pid()::text)"
                        f" EXECUTE FUNCTION trilha_tell({key})"
                    )
                self.by_oid[one.oid] = one._replace(is_heard=True)

    def heard(self, told: list[Any]) -> Iterator[tuple[str, Relation, int | None, list[Any] | None]]:
        """What the triggers told, by what `HEAR` gave: the change, the table, how many rows, their keys."""
        for _, change, oid, rows, keys in sorted(told, key=lambda row: int(row[0])):
            relation = self.by_oid.get(oid)
            if relation is not None:
                yield change, relation, rows, keys if relation.key else None

    def named(self, name: str) -> Relation | None:
        """The table that is called so."""
        return next((one for one in self.by_oid.values() if one.name == name), None)

    def of_plan(self, schema: str, table: str) -> Relation | None:
        """The table that a plan names so."""
        wanted = (schema, table)
        return next((one for one in self.by_oid.values() if (one.schema, one.table) == wanted), None)


def explained(plan: dict[str, Any], statement: str, relations: Relations) -> Access:
    """What a plan reads and changes.

    Args:
        plan: as ``EXPLAIN (VERBOSE, FORMAT JSON)`` gives it.
        statement: that it is the plan of.
        relations: of the database.
    """
    access = Access()
    waiting = [plan["Plan"]]
    for node in waiting:
        waiting += node.get("Plans", [])
        one = relations.of_plan(node.get("Schema", ""), node.get("Relation Name", ""))
        if one is None:
            continue
        if node["Node Type"] == "ModifyTable":
            access.changes.add(one.name)
            if node["Operation"] == "Update" or node.get("Conflict Resolution") == "UPDATE":
                access.updates[one.name] = _assigned(statement, one)
        else:
            access.reads.setdefault(one.name, set())
    return access


def _assigned(statement: str, relation: Relation) -> set[str]:
    """The columns that an UPDATE sets, as far as its text tells; none where it does not."""
    found = _SET.search(statement)
    pieces, depth, begin = [], 0, 0
    text = found.group(1) if found else ""
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            pieces.append(text[begin:place])
            begin = place + 1
    names = [match.group(1) for piece in (*pieces, text[begin:]) if (match := _COLUMN.match(piece))]
    known = {column.lower(): column for column in relation.columns}
    return {known[name.lower()] for name in names if name.lower() in known}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
