"""Names have one key each, whichever run told of them first, and however many a run has."""

import pytest

import trilha.store
from trilha.store import loading


def told(store):
    text = "SELECT s.statement, s.kind, n.iri, c.iri FROM statement s JOIN name n ON n.name = s.identifier"
    return store.connection.execute(
        f"{text} LEFT JOIN name c ON c.name = s.argument2 ORDER BY s.statement"  # noqa: S608
    ).fetchall()


def test_a_thing_that_another_run_told_of_first_has_the_key_that_it_was_given_then(tmp_path, writing, digits):
    digits(writing("first"))
    with trilha.store.open(tmp_path / ".trilha") as store:
        later = f"urn:uuid:{writing('second', tmp_path / 'elsewhere').run}#7"
        note = writing("third")
        note.say(1, later, ("prov:label", "seen from elsewhere"))
        note.close()
        store.refresh()
        before = store.connection.execute("SELECT name FROM name WHERE iri = ?", (later,)).fetchall()
        digits(writing("second"))
        store.refresh()
        assert store.connection.execute("SELECT name FROM name WHERE iri = ?", (later,)).fetchall() == before
        assert len(before) == 1


@pytest.mark.parametrize("most", [1, 2, 7])
def test_a_run_of_more_names_than_are_remembered_is_told_the_same(
    tmp_path, writing, digits, monkeypatch, most
):
    digits(writing("first"))
    digits(writing("second"), "/other")
    with trilha.store.open(tmp_path / ".trilha") as store:
        expected = told(store)
        names = store.connection.execute("SELECT name, iri FROM name ORDER BY name").fetchall()
        monkeypatch.setattr(loading, "_MOST_KEYS", most)
        store.reindex()
        assert told(store) == expected
        assert store.connection.execute("SELECT name, iri FROM name ORDER BY name").fetchall() == names
