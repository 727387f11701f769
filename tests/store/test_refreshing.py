"""Which runs are looked into again: those in whose folders something may be new, and no others."""

import os

import trilha.store
from trilha.store.refreshing import news


def test_the_folder_of_a_finished_run_is_not_looked_into_again(tmp_path, writing, digits):
    digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert store.connection.execute("SELECT settled FROM run").fetchone() == (1,)
        assert news(store.connection, store.journals) == []
        digits(writing(process="child", parent="x", tag="ab-"))
        assert store.refresh().journals == 1


def test_the_folder_of_a_finished_run_is_looked_into_once_where_something_else_was_put_there(
    tmp_path, writing, digits
):
    uuid = digits(writing())
    with trilha.store.open(tmp_path / ".trilha") as store:
        (tmp_path / ".trilha" / "journals" / uuid / "notes.txt").write_text("mine")
        (folder,) = news(store.connection, store.journals)
        assert (folder.uuid, folder.found) == (uuid, [])
        assert store.refresh().journals == 0
        assert news(store.connection, store.journals) == []


def test_an_unfinished_run_of_another_host_is_looked_into_when_it_grew(tmp_path, writing, monkeypatch):
    with monkeypatch.context() as there:
        there.setattr("trilha.capture.machine.boot_id", lambda: "of another machine")
        w = writing()
    w.begin("digits")
    w.close()
    long_ago = w.path.stat().st_mtime - 3600
    os.utime(w.path, (long_ago, long_ago))
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert store.connection.execute("SELECT settled FROM run").fetchone() == (0,)
        assert news(store.connection, store.journals) == []
        with w.path.open("ab") as journal:
            journal.write(bytes(8))
        (folder,) = news(store.connection, store.journals)
        assert [found.uid for found in folder.found] == [w.uid]


def test_a_folder_without_journals_is_no_run(tmp_path, writing, digits):
    digits(writing())
    (tmp_path / ".trilha" / "journals" / "empty").mkdir()
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert news(store.connection, store.journals) == []
