"""Programs that use sqlite3 and know nothing of Trilha, where the user asks for their databases."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.capture.graph import Graph, recording

import trilha
import trilha.capture.launch
import trilha.store
from trilha.errors import NotFound
from trilha.query import finding
from trilha.query.lineage import lineage

PROGRAM = """
import sqlite3, sys
from pathlib import Path
def load(connection):
    with connection:
        connection.execute("CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT)")
        connection.executemany("INSERT INTO star (name) VALUES (?)", [("a",), ("b",)])
def check(connection):
    return connection.execute("SELECT COUNT(*) FROM star").fetchone()
connection = sqlite3.connect(Path("sky.db"))
load(connection)
print(check(connection), type(connection).__mro__[-2], connection.total_changes >= 2)
connection.close()
memory = sqlite3.connect(":memory:")
print(type(memory))
memory.close()
"""


@pytest.fixture
def run(tmp_path):
    def run_program(patterns):
        (tmp_path / "program.py").write_text(PROGRAM)
        (tmp_path / "sky.db").unlink(missing_ok=True)
        launcher = [sys.executable, trilha.capture.launch.__file__, f"--store={tmp_path / 'store'}", "--"]
        environment = {**os.environ, "TRILHA_DATABASES": patterns}
        done = subprocess.run(
            [*launcher, "program.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stderr == ""
        assert done.stdout == "(2,) <class 'sqlite3.Connection'> True\n<class 'sqlite3.Connection'>\n"
        return Graph(tmp_path / "store")

    return run_program


@pytest.mark.parametrize("patterns", ["1", "*.sqlite:sky.*"])
def test_the_databases_that_are_asked_for_are_recorded(run, patterns):
    graph = run(patterns)
    assert dict(graph.generations())["2 rows inserted in star"] == "load"
    assert ("check", "sky.db.star version 2") in graph.usages()
    assert graph.dropped == 0


def test_the_file_of_a_database_is_found_as_its_last_version_with_all_that_led_to_it(run, tmp_path):
    run("1")
    with trilha.store.open(tmp_path / "store") as store:
        for asked in (str(tmp_path / "sky.db"), "sky.db.star"):
            trail = lineage(store, finding.find(store, asked))
            labels = {thing.label for thing in trail.things.values()}
            assert trail.things[trail.starts[0]].label.endswith(" version 2")
            assert {"sky.db.star version 1", "2 rows inserted in star", "load"} <= labels
        later = lineage(store, finding.find(store, "sky.db.star"), downstream=True)
        assert "check" in {thing.label for thing in later.things.values()}


def test_of_a_database_that_was_not_asked_for_it_is_said_how(run, tmp_path):
    run("")
    with (
        trilha.store.open(tmp_path / "store") as store,
        pytest.raises(
            NotFound, match=r"where TRILHA_DATABASES asks for them, such as TRILHA_DATABASES=sky\.db"
        ),
    ):
        finding.find(store, str(tmp_path / "sky.db"))


@pytest.mark.parametrize("patterns", ["", "*.sqlite"])
def test_others_are_left_as_they_are(run, patterns):
    graph = run(patterns)
    assert not graph.labels("TableVersion")


def test_sqlite3_is_as_it_was_afterwards_and_the_store_is_not_recorded(tmp_path, monkeypatch):
    import sqlite3

    monkeypatch.setenv("TRILHA_DATABASES", "1")
    before = sqlite3.connect
    with recording(tmp_path / "store") as graph:
        assert sqlite3.connect is not before
        with trilha.open(tmp_path / "store") as store:
            store.refresh()
        with pytest.raises(TypeError):
            sqlite3.connect()
        plain = sqlite3.connect(tmp_path / "a.db", factory=sqlite3.Connection)
        assert type(plain) is sqlite3.Connection
        plain.close()
    assert sqlite3.connect is before
    assert sqlite3.dbapi2.connect is before
    assert not graph.labels("TableVersion")


def test_pandas_writes_and_reads_a_table_as_ever(tmp_path, monkeypatch):
    import sqlite3

    import pandas as pd

    monkeypatch.setenv("TRILHA_DATABASES", "*.db")
    with recording(tmp_path / "store") as graph:
        connection = sqlite3.connect(tmp_path / "sky.db")
        with trilha.step("write"):
            pd.DataFrame({"a": [1, 2, 3]}).to_sql("star", connection, index=False)
        with trilha.step("read"):
            assert pd.read_sql("SELECT * FROM star", connection)["a"].sum() == 6
        connection.close()
    assert dict(graph.generations())["3 rows inserted in star"] == "write"
    assert [used for step, used in graph.usages() if step == "read"]
