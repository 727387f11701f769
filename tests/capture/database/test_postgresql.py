"""What is recorded of a database on a server, with others at work on it."""

from __future__ import annotations

import csv
import io
import random
import threading

import psycopg
import pytest
from tests.capture.graph import recording

import trilha
from trilha import database
from trilha.capture.journal.keys import unpacked
from trilha.errors import UsageError
from trilha.prov import Kind

SCHEMA = "CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT, light REAL)"


def rows_of(graph, label):
    facts = graph.one(label, "Rows")
    return [key[0] for key in unpacked(facts["keys"][0])]


def used(graph):
    """Pairs of labels, of steps and what they used."""
    return set(graph.usages())


@pytest.mark.parametrize("autocommit", [False, True])
def test_each_step_that_changes_a_table_generates_its_next_version(tmp_path, sky, autocommit):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky, autocommit=autocommit)
        with trilha.step("create"):
            connection.execute(SCHEMA)
            connection.commit()
        with trilha.step("load"), connection.transaction():
            connection.cursor().executemany(
                "INSERT INTO star VALUES (%s, %s, %s)", [(4, "d", 4), (7, "e", 5)]
            )
        with trilha.step("check"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (2,)
            connection.commit()
        with trilha.step("brighten"):
            connection.execute("UPDATE star SET light = light * %s WHERE id > %s", (2, 4))
            connection.commit()
        with trilha.step("check again"):
            connection.execute("SELECT light FROM star").fetchall()
        connection.close()
    made = dict(graph.generations())
    assert made["sky.star version 1"] == "create"
    assert made["sky.star version 2"] == made["2 rows inserted in star"] == "load"
    assert made["sky.star version 3"] == made["1 rows updated in star"] == "brighten"
    assert {
        ("check", "sky.star version 2"),
        ("brighten", "sky.star version 2"),
        ("check again", "sky.star version 3"),
    } <= used(graph)
    assert rows_of(graph, "2 rows inserted in star") == [4, 7]
    assert rows_of(graph, "1 rows updated in star") == [7]
    assert graph.one("1 rows updated in star", "Rows")["changed"] == ["light"]
    assert ("sky.star version 3", "sky.star version 2") in graph.derivations()
    assert graph.dropped == 0


def test_rows_are_traced_to_the_lines_of_the_file_that_they_came_from(tmp_path, sky):
    path = tmp_path / "stars.csv"
    path.write_text("1,a,1\n2,b,2\n3,c,3\n")
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.commit()
        with trilha.step("load"), path.open() as file, connection.rows_from(path, line=1):
            connection.cursor().executemany("INSERT INTO star VALUES (%s, %s, %s)", csv.reader(file))
            connection.commit()
        with trilha.step("copy"), connection.rows_from(path, line=1):
            with connection.cursor().copy("COPY star FROM STDIN (FORMAT csv)") as copy:
                copy.write("11,a,1\n12,b,2\n")
            connection.commit()
        connection.close()
    for label, keys in (("3 rows inserted in star", [1, 2, 3]), ("2 rows inserted in star", [11, 12])):
        assert rows_of(graph, label) == keys
        lines = unpacked(graph.one(label, "Rows")["lines"][0])
        assert [line for (line,) in lines] == list(range(1, len(keys) + 1))
        assert (label, "stars.csv") in graph.derivations()


def test_what_is_rolled_back_is_no_version(tmp_path, sky):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.commit()
        connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
        connection.rollback()
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute("INSERT INTO star VALUES (2, 'b', 1)")
            raise ZeroDivisionError
        with connection.transaction(force_rollback=True):
            connection.execute("INSERT INTO star VALUES (3, 'c', 1)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("INSERT INTO stars VALUES (4, 'c', 1)")
        connection.commit()
        connection.execute("INSERT INTO star VALUES (5, 'c', 1)")
        connection.commit()
        connection.close()
    labels = {label for label, _ in graph.generations()}
    assert {"sky.star version 1", "sky.star version 2"} <= labels
    assert "sky.star version 3" not in labels
    assert rows_of(graph, "1 rows inserted in star") == [5]


def test_which_rows_are_new_is_not_known_where_a_savepoint_was_rolled_back(tmp_path, sky):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.commit()
        with connection.transaction():
            connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
            with connection.transaction(force_rollback=True):
                connection.execute("INSERT INTO star VALUES (2, 'b', 1)")
        connection.close()
    assert graph.one("sky.star version 2", "TableVersion")["unknown_rows"] == [True]


def test_a_program_sees_and_raises_what_it_would_without(tmp_path, sky):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        cursor = connection.execute(SCHEMA)
        assert cursor.statusmessage == "CREATE TABLE"
        cursor = connection.execute("INSERT INTO star VALUES (1, 'a', 1), (2, 'b', 2)")
        assert (cursor.rowcount, cursor.statusmessage) == (2, "INSERT 0 2")
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
        assert connection.execute("DELETE FROM star WHERE id = 1 RETURNING name").fetchall() == [("a",)]
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.execute("SELEC 1")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT to_regclass('star')").fetchone() == (None,)
        connection.execute(SCHEMA)
        connection.commit()
        out = io.BytesIO()
        with connection.cursor().copy("COPY star TO STDOUT") as copy:
            for piece in copy:
                out.write(piece)
        assert out.getvalue() == b""
        with connection.cursor("served") as cursor:
            assert cursor.execute("SELECT generate_series(1, 3)").fetchall() == [(1,), (2,), (3,)]
        assert [row[0] for row in connection.cursor().stream("SELECT generate_series(1, 3)")] == [1, 2, 3]
        connection.commit()
        connection.autocommit = True
        connection.execute("CREATE INDEX CONCURRENTLY star_name ON star (name)")
        connection.execute("VACUUM star")
        connection.close()
    assert graph.dropped == 0


def test_writers_at_the_same_time_make_one_version_after_another(tmp_path, sky):
    """Each commits its own rows; no version is lost, and none is made of nothing."""
    with recording(tmp_path / "store") as graph:
        with database.connect(sky) as connection:
            connection.execute(SCHEMA)
        failures = []

        def write(writer):
            try:
                with database.connect(sky) as own:
                    for number in range(5):
                        own.execute("INSERT INTO star VALUES (%s, 'x', 1)", (writer * 100 + number,))
                        own.commit()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
    numbers = sorted(
        about["version"][0] for about in graph.about.values() if "sky.star version" in str(about.get("label"))
    )
    assert numbers == list(range(1, 22))
    derived = graph.derivations()
    for number in range(2, 22):
        assert (f"sky.star version {number}", f"sky.star version {number - 1}") in derived


def test_a_transaction_that_others_overtook_is_refused_as_it_would_be_without(tmp_path, sky):
    """What cannot be noted does not fail the commit, and later readers are told nothing wrong."""
    with recording(tmp_path / "store") as graph:
        with database.connect(sky) as connection:
            connection.execute(SCHEMA)
            connection.execute("CREATE TABLE moon (id INTEGER PRIMARY KEY)")
        slow, quick = database.connect(sky), database.connect(sky)
        slow.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        slow.execute("INSERT INTO star VALUES (1, 'a', 1)")
        quick.execute("INSERT INTO moon VALUES (1)")
        quick.commit()
        slow.commit()
        with trilha.step("check"):
            assert quick.execute("SELECT COUNT(*) FROM star").fetchone() == (1,)
        slow.close()
        quick.close()
    assert ("check", "sky.star as it was met") in used(graph)
    assert "sky.star version 2" not in {label for label, _ in graph.generations()}


def test_what_was_changed_while_nothing_was_recorded_is_of_unknown_origin(tmp_path, sky):
    with recording(tmp_path / "store"):
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.commit()
    connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
    connection.commit()
    with recording(tmp_path / "second") as graph:
        with trilha.step("check"):
            connection.execute("SELECT * FROM star").fetchall()
        connection.close()
    assert ("check", "sky.star as it was met") in used(graph)


def test_a_later_run_sees_the_version_that_an_earlier_one_made(tmp_path, sky):
    with recording(tmp_path / "store") as first, database.connect(sky) as connection:
        connection.execute(SCHEMA)
        connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
    with recording(tmp_path / "second") as graph:
        connection = database.connect(sky)
        with trilha.step("check"):
            connection.execute("SELECT * FROM star").fetchall()
        connection.close()
    (made,) = [one for one in first.about if first.label(one) == "sky.star version 1"]
    assert made in {record[3] for record in graph.of(Kind.USAGE)}


def test_steps_that_share_a_transaction_each_make_a_version_at_its_commit(tmp_path, sky):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.commit()
        with connection.transaction():
            with trilha.step("load"):
                connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
            with trilha.step("check"):
                connection.execute("SELECT * FROM star").fetchall()
            with trilha.step("correct"):
                connection.execute("UPDATE star SET light = 2")
        connection.close()
    made = dict(graph.generations())
    assert (made["sky.star version 2"], made["sky.star version 3"]) == ("load", "correct")
    assert {("check", "sky.star version 2"), ("correct", "sky.star version 2")} <= used(graph)
    (run,) = [one.name for one in (tmp_path / "store" / "journals").iterdir()]
    with trilha.open(tmp_path / "store") as opened:
        verdict = opened.document(run).validate()
    assert verdict.valid, verdict.violations


def test_what_an_insert_selects_and_what_is_deleted(tmp_path, sky):
    with recording(tmp_path / "store") as graph:
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.execute("CREATE TABLE bright (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO star VALUES (1, 'a', 1), (2, 'b', 9)")
        connection.commit()
        with trilha.step("choose"):
            connection.execute("INSERT INTO bright SELECT id FROM star WHERE light > 5")
            connection.commit()
        with trilha.step("forget"):
            connection.execute("DELETE FROM star WHERE id = 2")
            connection.commit()
        with trilha.step("empty"):
            connection.execute("TRUNCATE star")
            connection.commit()
        connection.close()
    assert rows_of(graph, "1 rows inserted in bright") == [2]
    assert ("1 rows inserted in bright", "sky.star version 1") in graph.derivations()
    gone = graph.one("sky.star version 2", "TableVersion")
    assert gone["deleted"] == [1]
    assert unpacked(gone["deleted_keys"][0]) == [(2,)]
    assert graph.one("sky.star version 3", "TableVersion")["unknown_rows"] == [True]


def test_a_database_that_may_not_be_changed_is_left_alone(tmp_path, sky):
    with psycopg.connect(sky) as admin:
        admin.execute(SCHEMA)
        admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        admin.execute("DROP ROLE IF EXISTS guest")
        admin.execute("CREATE ROLE guest LOGIN")
        admin.execute("GRANT USAGE ON SCHEMA public TO guest")
        admin.execute("GRANT SELECT ON star TO guest")
    url = sky.replace("trilha@", "guest@")
    with recording(tmp_path / "store") as graph, database.connect(url) as connection, trilha.step("look"):
        assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (0,)
    assert not [label for label, _ in graph.generations() if "version" in label]


@pytest.mark.parametrize("supported", [True, False])
def test_a_programs_transaction_outlives_what_we_cannot_do_in_it(tmp_path, sky, monkeypatch, supported):
    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: supported)
    with recording(tmp_path / "store"):
        connection = database.connect(sky)
        connection.execute(SCHEMA)
        connection.commit()
        connection.execute("INSERT INTO star VALUES (1, 'a', 1)")
        connection.execute("DROP TABLE trilha_versions")
        connection.execute("INSERT INTO star VALUES (2, 'b', 1)")
        assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (2,)
        connection.execute("DROP FUNCTION trilha_tell CASCADE")
        connection.execute("DISCARD TEMP")
        connection.execute("INSERT INTO star VALUES (3, 'c', 1)")
        connection.commit()
        connection.close()
    with psycopg.connect(sky) as plain:
        assert plain.execute("SELECT COUNT(*) FROM star").fetchone() == (3,)


def test_random_programs_see_what_they_would_without(tmp_path, served):
    """Results, errors, counts and states of transactions, statement by statement."""
    statements = [
        "INSERT INTO star VALUES ({n}, 'a', {n})",
        "INSERT INTO star SELECT id + 100, name, light FROM star WHERE id < 100",
        "UPDATE star SET light = light + 1 WHERE id % 2 = {n} % 2",
        "DELETE FROM star WHERE id = {n}",
        "SELECT id, light FROM star ORDER BY id",
        "SELECT 1 / 0",
        "SELECT * FROM nowhere",
        "CREATE TABLE other{n} (id INTEGER PRIMARY KEY REFERENCES star)",
        "DROP TABLE IF EXISTS other{n}",
        "SAVEPOINT here",
        "ROLLBACK TO SAVEPOINT here",
        "TRUNCATE star CASCADE",
        "commit",
        "rollback",
        "INSERT INTO star VALUES ({n}, 'a', 1) ON CONFLICT (id) DO UPDATE SET light = 5 RETURNING light",
        "WITH gone AS (DELETE FROM star WHERE id > 50 RETURNING id) SELECT COUNT(*) FROM gone",
    ]

    def seen(connection, program):
        for text in program:
            try:
                if text in ("commit", "rollback"):
                    getattr(connection, text)()
                    yield connection.info.transaction_status
                    continue
                cursor = connection.execute(text)
                rows = cursor.fetchall() if cursor.description else None
                yield rows, cursor.rowcount, cursor.statusmessage, connection.info.transaction_status
            except psycopg.Error as error:
                yield type(error), str(error), connection.info.transaction_status

    for seed in range(8):
        choose = random.Random(seed)
        program = [choose.choice(statements).format(n=choose.randrange(6)) for _ in range(40)]
        told = []
        for number, connect in enumerate((psycopg.connect, database.connect)):
            name = f"random{seed}_{number}"
            with psycopg.connect(served.format("postgres"), autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            with recording(tmp_path / name) as graph:
                connection = connect(served.format(name), autocommit=bool(seed % 2))
                told.append(list(seen(connection, [SCHEMA, "commit", *program, "rollback"])))
                told[-1].append(list(seen(connection, ["SELECT * FROM star ORDER BY id"])))
                connection.close()
            assert not graph.dropped
        assert told[0] == told[1]


def test_a_cursor_factory_is_refused(sky):
    with pytest.raises(UsageError, match="cursor_factory"):
        database.connect(sky, cursor_factory=psycopg.ClientCursor)
