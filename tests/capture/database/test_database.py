"""What is recorded of a database that a program works on: versions of tables and of rows, who saw which."""

from __future__ import annotations

import base64
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capture.graph import recording

import trilha
from trilha import database
from trilha.capture.journal.keys import packed, unpacked
from trilha.errors import UsageError
from trilha.prov import Kind

SCHEMA = "CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT, light REAL)"


@pytest.fixture
def sky(tmp_path):
    """A database with a table of three stars, of which nobody knows how it came to be."""
    path = tmp_path / "sky.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(SCHEMA)
        connection.executemany("INSERT INTO star VALUES (?, ?, ?)", [(1, "a", 1), (2, "b", 2), (3, "c", 3)])
    connection.close()
    return path


def used(graph):
    """Pairs of labels, of steps and what they used."""
    return set(graph.usages())


def rows_of(graph, label):
    facts = graph.one(label, "Rows")
    return [key[0] for key in unpacked(facts["keys"][0])]


def test_each_step_that_changes_a_table_generates_its_next_version(tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(tmp_path / "sky.db")
        with trilha.step("create"):
            connection.execute(SCHEMA)
        with trilha.step("load"), connection:
            connection.executemany("INSERT INTO star VALUES (?, ?, ?)", [(4, "d", 4), (7, "e", 5)])
        with trilha.step("check"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (2,)
        with trilha.step("brighten"), connection:
            connection.execute("UPDATE star SET light = light * 2 WHERE id > 4")
        with trilha.step("check again"):
            connection.execute("SELECT light FROM star").fetchall()
        connection.close()
    made = dict(graph.generations())
    assert made["sky.db.star version 1"] == "create"
    assert made["sky.db.star version 2"] == made["2 rows inserted in star"] == "load"
    assert made["sky.db.star version 3"] == made["1 rows updated in star"] == "brighten"
    assert {
        ("check", "sky.db.star version 2"),
        ("brighten", "sky.db.star version 2"),
        ("check again", "sky.db.star version 3"),
    } <= used(graph)
    assert rows_of(graph, "2 rows inserted in star") == [4, 7]
    assert rows_of(graph, "1 rows updated in star") == [7]
    about = graph.one("1 rows updated in star", "Rows")
    assert about["changed"] == ["light"]
    assert "light" in about["read"][0]
    assert ("sky.db.star version 3", "sky.db.star version 2") in graph.derivations()
    assert graph.dropped == 0


def test_rows_know_the_file_and_the_line_that_they_came_from(tmp_path):
    (tmp_path / "stars.csv").write_text("1,a\n2,b\n\n4,d\n")
    with recording(tmp_path / "store") as graph:
        connection = database.connect(tmp_path / "sky.db")
        connection.execute("CREATE TABLE star (id INTEGER, name TEXT)")
        read, lines = connection.rows_from(tmp_path / "stars.csv"), (tmp_path / "stars.csv").open()
        with trilha.step("load"), connection, lines, read as source:
            for source.line, line in enumerate(lines, 1):
                if line.strip():
                    connection.execute("INSERT INTO star VALUES (?, ?)", line.strip().split(","))
        connection.execute("INSERT INTO star VALUES (9, 'of nobody')")
        connection.commit()
        connection.close()
    about = graph.one("3 rows inserted in star", "Rows")
    assert about["key"] == ["rowid"]
    assert unpacked(about["lines"][0]) == [(1,), (2,), (4,)]
    assert ("3 rows inserted in star", "stars.csv") in graph.derivations()
    assert not [pair for pair in graph.derivations() if pair[0] == "1 rows inserted in star"]


def test_what_is_rolled_back_is_no_version(sky, tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        with trilha.step("one"):
            connection.execute("DELETE FROM star WHERE id = 1")
        with trilha.step("two"):
            # It sees what the other step did, and both are undone.
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (2,)
            connection.rollback()
        with trilha.step("three"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (3,)
        connection.close()
    (gone,) = graph.of(Kind.INVALIDATION)
    assert graph.label(gone[2]) == "sky.db.star version 1"
    assert graph.label(gone[3]) == "two"
    assert ("two", "sky.db.star version 1") in used(graph)
    assert ("three", "sky.db.star as it was met") in used(graph)
    assert not graph.labels("DatabaseVersion")


def test_processes_that_share_a_database_see_each_others_versions(tmp_path):
    other = (
        "import trilha, sys; from trilha import database\n"
        "with trilha.run('other', store=sys.argv[2]), trilha.step('check'):\n"
        "    print(database.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM star').fetchone()[0])\n"
    )
    with recording(tmp_path / "store") as graph:
        connection = database.connect(tmp_path / "sky.db")
        connection.execute(SCHEMA)
        with trilha.step("load"), connection:
            connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
        there = [sys.executable, "-c", other, str(tmp_path / "sky.db"), str(tmp_path / "store")]
        assert subprocess.run(there, check=True, capture_output=True, text=True).stdout == "1\n"
        connection.close()
    assert ("check", "sky.db.star version 2") in used(graph)


def test_what_others_changed_without_telling_is_not_known(sky, tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        with trilha.step("load"), connection:
            connection.execute("INSERT INTO star VALUES (8, 'h', 8)")
        stranger = sqlite3.connect(sky)
        with stranger:
            stranger.execute("DELETE FROM star")
        stranger.close()
        with trilha.step("check"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (0,)
        connection.close()
    assert ("check", "sky.db.star as it was met") in used(graph)
    assert ("check", "sky.db.star version 1") not in used(graph)


def test_a_connection_without_a_run_leaves_the_version_unknown(tmp_path):
    path = tmp_path / "sky.db"
    with recording(tmp_path / "store"):
        connection = database.connect(path)
        connection.execute(SCHEMA)
        connection.close()
    connection = database.connect(path)
    connection.execute("CREATE TABLE other (id INTEGER)")
    assert not connection.in_transaction
    with connection:
        connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
    connection.close()
    with recording(tmp_path / "again") as graph:
        connection = database.connect(path)
        with trilha.step("check"):
            connection.execute("SELECT * FROM star").fetchall()
        with trilha.step("load"), connection:
            connection.execute("INSERT INTO star VALUES (2, 'b', 2)")
        connection.close()
    assert ("check", "sky.db.star as it was met") in used(graph)
    assert dict(graph.generations())["sky.db.star version 3"] == "load"


def test_of_a_statement_that_fails_only_what_stays_is_told(sky, tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        with trilha.step("load"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.executemany("INSERT INTO star VALUES (?, '', 0)", [(8,), (9,), (1,), (10,)])
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute("INSERT INTO star SELECT id + 1, '', 0 FROM star WHERE id IN (9, 2)")
            connection.commit()
        kept = [row[0] for row in connection.execute("SELECT id FROM star WHERE id > 3")]
        connection.close()
    assert rows_of(graph, "2 rows inserted in star") == kept == [8, 9]


def test_rows_made_of_other_tables_are_derived_from_their_versions(sky, tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky, isolation_level=None)
        with trilha.step("copy"):
            connection.execute("CREATE TABLE bright (id INTEGER PRIMARY KEY)")
            connection.execute("INSERT INTO bright SELECT id FROM star WHERE light > 1")
        connection.close()
    assert rows_of(graph, "2 rows inserted in bright") == [2, 3]
    assert ("2 rows inserted in bright", "sky.db.star as it was met") in graph.derivations()
    assert "sky.db.bright version 2" in graph.labels("TableVersion")


def test_a_script_and_explicit_transactions_are_told(sky, tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky, isolation_level=None)
        with trilha.step("script"):
            connection.executescript(
                "UPDATE star SET name = 'x' WHERE id = 3; DELETE FROM star WHERE id = 1;"
            )
        with trilha.step("begin"):
            connection.execute("BEGIN")
            connection.execute("INSERT INTO star VALUES (5, 'e', 5)")
            connection.execute("COMMIT")
        with trilha.step("drop"):
            connection.execute("DROP TABLE star")
        connection.close()
    made = dict(graph.generations())
    assert made["sky.db.star version 1"] == "script"
    assert made["sky.db.star version 2"] == "begin"
    assert unpacked(graph.one("sky.db.star version 1")["deleted_keys"][0]) == [(1,)]
    assert [graph.label(gone[2]) for gone in graph.of(Kind.INVALIDATION)] == ["sky.db.star version 2"]


def test_a_statement_that_is_not_over_is_left_to_end(sky, tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky, isolation_level=None)
        with trilha.step("insert"):
            busy = connection.execute("INSERT INTO star (id) VALUES (5), (6), (7) RETURNING id")
            assert busy.fetchone() == (5,)
        with trilha.step("look"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (6,)
        assert busy.fetchall() == [(6,), (7,)]
        del busy
        connection.close()
        connection.close()
    assert rows_of(graph, "3 rows inserted in star") == [5, 6, 7]
    assert graph.dropped == 0
    plain = sqlite3.connect(sky)
    assert plain.execute("SELECT COUNT(*) FROM star").fetchone() == (6,)
    assert plain.execute("SELECT name, version FROM trilha_versions WHERE kind = 'table'").fetchall() == [
        ("star", 1)
    ]
    plain.close()


def test_a_step_does_not_use_what_it_made_itself(tmp_path):
    with recording(tmp_path / "store") as graph, trilha.step("all"):
        for _ in range(2):
            connection = database.connect(tmp_path / "sky.db")
            with connection:
                connection.execute(SCHEMA.replace("TABLE", "TABLE IF NOT EXISTS"))
                connection.execute("INSERT INTO star (name) VALUES ('a')")
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone()
            connection.close()
    assert ("all", "sky.db.star version 2") not in used(graph)
    assert ("sky.db.star version 3", "sky.db.star version 2") in graph.derivations()


def test_the_programs_own_authorizer_is_asked_as_ever(sky, tmp_path):
    def told(connect):
        asked = []

        def authorize(*about):
            asked.append(about)
            return sqlite3.SQLITE_DENY if about[:3] == (sqlite3.SQLITE_READ, "star", "light") else 0

        connection = connect(sky)
        connection.execute("SELECT light FROM star").fetchall()
        connection.set_authorizer(authorize)
        with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
            connection.execute("SELECT light FROM star")
        with connection:
            connection.execute("UPDATE star SET name = 'z' WHERE id = 1")
        connection.close()
        return asked

    plain = told(sqlite3.connect)
    with recording(tmp_path / "store") as graph, trilha.step("recorded"):
        assert told(database.connect) == plain
    assert dict(graph.generations())["1 rows updated in star"] == "recorded"


def test_a_factory_of_the_users_own_is_refused():
    with pytest.raises(UsageError, match="leave it out"):
        database.connect(":memory:", factory=sqlite3.Connection)


def test_keys_of_several_columns_and_moved_keys_are_told(tmp_path):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(tmp_path / "sky.db")
        connection.execute("CREATE TABLE pair (a TEXT, b BLOB, PRIMARY KEY (b, a)) WITHOUT ROWID")
        with trilha.step("load"), connection:
            connection.execute("INSERT INTO pair VALUES ('x', ?)", (b"\0",))
        with trilha.step("move"), connection:
            connection.execute("UPDATE pair SET a = 'y'")
        connection.close()
    about = graph.one("1 rows updated in pair", "Rows")
    assert about["key"] == ["b, a"]
    assert unpacked(about["keys"][0]) == [(b"\0", "y")]
    assert unpacked(about["keys_before"][0]) == [(b"\0", "x")]


@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1),
            st.one_of(st.none(), st.text(), st.binary(), st.floats(allow_nan=False), st.integers(-9, 9)),
        ),
        min_size=1,
    )
)
def test_keys_are_read_as_they_were_written(rows):
    assert unpacked(packed(rows)) == rows


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(zlib.compress(raw)).decode()))
def test_what_is_no_list_of_keys_is_refused(text):
    with contextlib.suppress(ValueError):
        assert isinstance(unpacked(text), list)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'[["+"]', b'[["=", {"blob": 3}]]', b"[3]", b'[["+", "a"]]'])
def test_broken_keys_are_refused(raw):
    with pytest.raises(ValueError, match="no keys of rows"):
        unpacked(base64.b64encode(zlib.compress(raw)).decode())


STATEMENTS = [
    "INSERT INTO star (name, light) VALUES ('n', 1)",
    "INSERT OR REPLACE INTO star VALUES (2, 'r', 9)",
    "INSERT INTO star VALUES (1, 'twice', 0)",
    "INSERT OR IGNORE INTO star SELECT id + 1, name, 0 FROM star",
    "UPDATE star SET light = light + 1 WHERE id % 2",
    "UPDATE star SET id = id + 100 WHERE id = 3",
    "DELETE FROM star WHERE id = (SELECT MAX(id) FROM star)",
    "WITH w AS (SELECT 1 AS n) SELECT n, id FROM w, star ORDER BY id",
    "INSERT INTO star (name) VALUES ('back') RETURNING id",
    "SELECT wrong FROM star",
    "CREATE TABLE other AS SELECT * FROM star",
    "DROP TABLE other",
    "SELECT COUNT(*), SUM(id) FROM star",
    "BEGIN",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "COMMIT",
    "ROLLBACK",
    "VACUUM",
]


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(STATEMENTS), max_size=12),
    st.sampled_from([None, "", "IMMEDIATE"]),
    st.booleans(),
)
def test_a_program_sees_no_difference(statements, level, ends):
    """Results, errors, counts and the state of the transaction are those of a plain connection."""

    def prepared(connect):
        connection = connect(":memory:", isolation_level=level)
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO star VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
        connection.commit()
        return connection

    def told(connection):
        seen = []
        for statement in statements:
            try:
                cursor = connection.execute(statement)
                seen.append((cursor.fetchall(), cursor.rowcount, cursor.lastrowid, cursor.description))
            except sqlite3.Error as error:
                seen.append((type(error), str(error)))
            seen.append(connection.in_transaction)
        if ends:
            connection.commit()
        seen.append(connection.execute("SELECT * FROM star ORDER BY id").fetchall())
        connection.close()
        return seen

    plain = told(prepared(sqlite3.connect))
    assert told(prepared(database.connect)) == plain
    with tempfile.TemporaryDirectory() as folder:
        with recording(folder) as graph:
            assert told(prepared(database.connect)) == plain
            begun = prepared(database.connect)
        assert graph.dropped == 0
        # The run is over, and the database has the table that keeps the versions.
        assert told(begun) == plain
