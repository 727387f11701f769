"""Databases that several processes work on at once, and processes that are killed while they do."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from tests.capture.graph import Graph, recording

import trilha
from trilha import database
from trilha.prov import Kind

WORKER = """
import sys, trilha
from trilha import database
path, store, level = sys.argv[1:]
connection = database.connect(path, timeout=60, isolation_level=None if level == "none" else level)
@trilha.step
def count():
    return connection.execute("SELECT COUNT(*) FROM star").fetchone()[0]
@trilha.step
def insert():
    with connection:
        connection.execute("INSERT INTO star (name) VALUES ('x')")
with trilha.run("worker", store=store):
    for _ in range(15):
        insert()
        count()
    connection.close()
"""


@pytest.mark.parametrize(("mode", "level"), [("DELETE", "DEFERRED"), ("WAL", "DEFERRED"), ("WAL", "none")])
def test_each_step_is_told_to_see_the_very_version_that_it_saw(tmp_path, mode, level):
    """Each insertion makes a version of one row more, so the count that a step saw tells which one it was."""
    path, store = tmp_path / "sky.db", tmp_path / "store"
    with recording(store):
        connection = database.connect(path)
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT)")
        connection.close()
    words = [sys.executable, "-c", WORKER, str(path), str(store), level]
    workers = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        _, said = worker.communicate(timeout=120)
        assert (worker.returncode, said) == (0, "")
    graph = Graph(store)
    numbers = {
        name: facts["version"][0]
        for name, facts in graph.about.items()
        if facts["table"] == ["star"] and facts["version"] and not facts["change"]
    }
    assert sorted(numbers.values()) == list(range(1, 47))
    seen = 0
    for record in graph.of(Kind.USAGE):
        counted = graph.about[record[2]]["returned"]
        if counted and record[3] in numbers:
            assert numbers[record[3]] == counted[0] + 1
            seen += 1
    assert seen == 45


KILLED = """
import os, signal, sys, trilha
from trilha import database
path, store, when = sys.argv[1:]
with trilha.run("killed", store=store):
    connection = database.connect(path)
    with trilha.step("half"):
        connection.execute("INSERT INTO star (name) VALUES ('lost')")
    with trilha.step("other half"):
        # What the other step did is a version by now, which nobody else sees.
        connection.execute("INSERT INTO star (name) VALUES ('lost, too')")
        if when == "after":
            connection.commit()
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "rows", "version"), [("before", 0, 1), ("after", 2, 3)])
def test_what_a_killed_process_had_not_committed_is_no_version_of_the_database(tmp_path, when, rows, version):
    path, store = tmp_path / "sky.db", tmp_path / "store"
    with recording(store):
        connection = database.connect(path)
        connection.execute("CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT)")
        connection.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(store), when], check=False)
    assert done.returncode == -signal.SIGKILL
    with recording(store) as graph:
        connection = database.connect(path)
        with trilha.step("check"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (rows,)
        connection.close()
    assert ("check", f"sky.db.star version {version}") in graph.usages()
    held = {
        graph.label(record[3]) for record in graph.of(Kind.MEMBERSHIP) if "star" in graph.label(record[3])
    }
    assert f"sky.db.star version {version}" in held
    assert ("sky.db.star version 2" in held) is False


def test_a_database_that_cannot_be_written_is_read_as_ever(tmp_path):
    path = tmp_path / "sky.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE star (id INTEGER PRIMARY KEY, name TEXT)")
    connection.close()
    with recording(tmp_path / "store") as graph:
        connection = database.connect(f"file:{path}?mode=ro", uri=True)
        with trilha.step("check"):
            assert connection.execute("SELECT COUNT(*) FROM star").fetchone() == (0,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute("INSERT INTO star (name) VALUES ('x')")
        connection.close()
    assert [step for step, _ in graph.usages()] == ["check"]
    assert graph.dropped == 0
    assert os.path.getsize(path) > 0
