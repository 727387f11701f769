"""Questions about databases: versions of tables, and where a row came from."""

from __future__ import annotations

import pytest

import trilha
from trilha import database
from trilha.errors import UsageError
from trilha.query import questions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that loads two files into a table, changes and deletes rows of it, and changes its mind once."""
    folder = tmp_path_factory.mktemp("stars")
    (folder / "north.csv").write_text("name,id\na,1\nb,2\n")
    (folder / "south.csv").write_text("name,id\nc,3\nd,4\n")
    with trilha.run("stars", store=folder / ".trilha"):
        connection = database.connect(folder / "sky.db")
        connection.execute("CREATE TABLE star (name TEXT, id INTEGER, sky TEXT, PRIMARY KEY (sky, id))")
        for sky in ("north", "south"):
            rows = [line.split(",") for line in (folder / f"{sky}.csv").read_text().split()[1:]]
            with trilha.step(f"load {sky}"), connection, connection.rows_from(folder / f"{sky}.csv", line=2):
                connection.executemany("INSERT INTO star VALUES (?, ?, ?)", [(*row, sky) for row in rows])
        with trilha.step("name"), connection:
            connection.execute("UPDATE star SET name = upper(name) WHERE id > 2")
        with trilha.step("forget"), connection:
            connection.execute("DELETE FROM star WHERE id = 4")
        with trilha.step("regret"):
            connection.execute("DELETE FROM star")
            with trilha.step("look"):
                connection.execute("SELECT COUNT(*) FROM star").fetchall()
            connection.rollback()
        connection.close()
    return folder


@pytest.fixture(scope="module", params=["store", "document", "opm"])
def ask(request, folder, tmp_path_factory):
    """Asks a question of the store, of the run's document, and of it as OPM."""
    path = folder / ".trilha"
    if request.param == "store":
        with trilha.open(path) as store:
            store.refresh()
            yield lambda *words: questions.ask(store, *words)
        return
    suffix = {"document": "provn", "opm": "opm.xml"}[request.param]
    target = tmp_path_factory.mktemp("document") / f"run.{suffix}"
    with trilha.open(path) as store:
        store.refresh()
        (uuid,) = [row[0] for row in store.connection.execute("SELECT uuid FROM run")]
        trilha.write(store.document(uuid), target)
    yield lambda *words: trilha.ask(*words, document=target)


def told(answer, *columns):
    return [tuple(row[column] for column in columns) for row in answer]


def test_a_row_is_traced_to_the_line_of_the_file_that_it_came_from(ask, folder):
    answer = ask("row", "star", "south", "3")
    assert told(answer, "change", "step", "line", "version") == [
        ("inserted", "load south", 2, 3),
        ("updated", "name", None, 4),
        ("deleted, undone", "regret", None, 6),
    ]
    assert answer[0]["file"] == str(folder / "south.csv")
    assert answer[0]["key"] == "south, 3"
    assert answer[1]["columns"] == "name"
    assert answer.yes


def test_a_row_that_was_deleted_says_by_whom_and_what_was_undone_says_so(ask):
    answer = ask("row", "sky.db.star", "id=4")
    assert told(answer, "change", "step")[2:] == [("deleted", "forget")]
    assert [row["change"] for row in ask("row", "star", "id=1")] == ["inserted", "deleted, undone"]


def test_a_row_that_never_was_is_not_found(ask):
    answer = ask("row", "star", "west")
    assert not answer.yes
    assert not answer.rows


@pytest.mark.parametrize("key", [(), ("south", "3", "4")])
def test_a_wrong_key_is_explained(ask, key):
    with pytest.raises(UsageError, match="expected"):
        ask("row", "star", *key)


def test_each_version_says_who_made_it_and_who_saw_it(ask):
    answer = ask("tables")
    assert told(answer, "version", "made by", "inserted", "updated", "deleted", "state") == [
        (1, "stars", None, None, None, "committed"),
        (2, "load north", 2, None, None, "committed"),
        (3, "load south", 2, None, None, "committed"),
        (4, "name", None, 2, None, "committed"),
        (5, "forget", None, None, 1, "committed"),
        (6, "regret", None, None, 3, "undone"),
    ]
    assert answer[5]["seen by"] == ["look"]
    assert "name" in answer[2]["seen by"]
