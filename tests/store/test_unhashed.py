"""Files that one process of a run wrote and another read, where one of them could not hash it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Writing, name
from tests.store.test_contents import sources

import trilha.store
from trilha.query import finding
from trilha.query.lineage import lineage
from trilha.query.questions import ask
from trilha.store import graph

AT = datetime(2026, 11, 1, tzinfo=UTC)
TASK = ("prov:type", name("trilha:Task"))
OPEN = "SELECT effect, cause FROM link WHERE kind = 15"


def met(w, path, *, hashed, content="data", later=0):
    """A file that was changed so many seconds later than the others."""
    file = w.met_file(path, content, hashed=hashed)
    w.say(1, file, ("trilha:modified", AT + timedelta(seconds=later)))
    return file


@pytest.fixture
def handed(tmp_path):
    """A task writes a file and cannot hash it, another reads it and makes a result."""
    w = Writing(tmp_path / ".trilha", "pool")
    w.begin("pool")
    w.makes(w.step("worker", None, *TASK), met(w, "/data/big.bin", hashed=False))
    w.tick()
    reading = w.step("reading", None, *TASK)
    w.uses(reading, met(w, "/data/big.bin", hashed=True))
    w.tick()
    w.makes(reading, w.met_file("/data/result.bin", "result"))
    w.end()
    w.close()
    return tmp_path / ".trilha"


def links_of_lineage(store):
    """What `trilha lineage` says was the same content, of everything in the store."""
    found = {}
    for (key,) in store.connection.execute("SELECT DISTINCT identifier FROM statement WHERE kind = 1"):
        for downstream in (False, True):
            told = lineage(store, finding.Found("", "identifier", key, (), ()), downstream=downstream)
            found |= {one.effect: (one.cause, one.others) for one in told.links if one.via == "sameContent"}
    return found


@pytest.mark.parametrize("kept", [False, True])
def test_questions_lineage_and_sql_go_on_by_the_same_link(handed, monkeypatch, kept):
    monkeypatch.setattr(graph, "_FEWEST", 0 if kept else 1 << 40)
    with trilha.store.open(handed) as store:
        assert (graph.kept(store.connection) is not None) == kept
        assert len(store.connection.execute(OPEN).fetchall()) == 1
        assert links_of_lineage(store) == sources(store)
        found = [row["what"] for row in ask(store, "ancestors", "result.bin")]
        assert sorted(found) == ["big.bin", "big.bin", "reading", "worker"]
        (pair,) = ask(store, "call-dependencies", "result.bin")
        assert (pair["call"], pair["after"]) == ("reading", "worker")
        pairs = [(row["data"], row["from"]) for row in ask(store, "data-dependencies", "result.bin")]
        assert sorted(pairs) == [("big.bin", "big.bin"), ("result.bin", "big.bin")]


def test_a_store_of_the_version_before_has_these_links_once_it_is_opened(handed):
    with trilha.store.open(handed) as store:
        found = sources(store)
        store.connection.execute("DELETE FROM same_content")
        store.connection.execute("DELETE FROM schema_version WHERE version > 4")
        store.connection.execute("PRAGMA user_version = 4")
    with trilha.store.open(handed) as store:
        assert sources(store) == found != {}


def test_a_file_that_was_changed_in_between_is_no_source(tmp_path):
    w = Writing(tmp_path / ".trilha", "pool")
    w.begin("pool")
    w.makes(w.step("worker"), met(w, "/data/big.bin", hashed=False))
    w.uses(w.step("reading"), met(w, "/data/big.bin", hashed=True, later=1))
    w.uses(w.step("copying"), met(w, "/data/copy.bin", hashed=True))
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert not sources(store)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
def test_what_comes_bit_by_bit_is_told_as_what_comes_at_once(tmp_path_factory, seed):
    folder, chance = tmp_path_factory.mktemp("bits") / ".trilha", random.Random(seed)
    w = Writing(folder, "pool", alive=True)
    w.begin("pool")
    with trilha.store.open(folder) as store:
        for number in range(8):
            step, later = w.step(f"step {number}"), chance.randrange(2)
            path, content = chance.choice(["/data/one", "/data/two"]), chance.choice("ab")
            file = met(w, path, hashed=False, content=content, later=later)
            chance.choice([store.refresh, int])()
            if chance.randrange(2):
                w.makes(step, file)
            else:
                w.uses(step, file)
            chance.choice([store.refresh, int])()
            if chance.randrange(2):
                digest = content * 64
                w.say(1, file, ("trilha:sha256", digest))
                w.say(1, f"sha256:{digest}", ("prov:type", name("trilha:Content")))
                w.say(15, None, file, f"sha256:{digest}", ())
            w.tick()
        store.refresh()
        found = sources(store)
        assert links_of_lineage(store) == found
        store.reindex()
        assert sources(store) == found
    w.file.close()
