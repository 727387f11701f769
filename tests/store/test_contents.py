"""Where what was read had been written: one answer in SQL, in questions and in `trilha lineage`."""

from __future__ import annotations

import random
import sqlite3

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Writing, name

import trilha.store
from trilha.query import finding
from trilha.query.closure import upstream
from trilha.query.lineage import lineage
from trilha.store import contents, schema
from trilha.store.circles import on_circles
from trilha.store.connecting import transaction


def sources(store):
    """What the table says, by the runs and paths of both."""
    rows = store.connection.execute(
        "SELECT a.iri, b.iri, c.others FROM same_content c JOIN name a ON a.name = c.data"
        " JOIN name b ON b.name = c.source"
    )
    return {data: (source, others) for data, source, others in rows}


def links_of_lineage(store):
    """The same, as `trilha lineage` tells of everything that was read."""
    found = {}
    for (key,) in store.connection.execute("SELECT effect FROM upstream WHERE kind = 15").fetchall():
        for downstream in (False, True):
            told = lineage(store, finding.Found("", "identifier", key, (), ()), downstream=downstream)
            for link in told.links:
                if link.via == "sameContent":
                    found[link.effect] = (link.cause, link.others)
    return found


class Campaign:
    """Steps that hand files on, on hosts whose clocks are wrong by hours."""

    def __init__(self, folder, seed, steps):
        self.folder, self.random = folder, random.Random(seed)
        self.clocks = {
            host: self.random.choice((-7200, -60, 0, 60, 7200)) for host in ("one", "two", "three")
        }
        self.made: list[str] = []
        self.read = 0
        for number in range(steps):
            self.step(number)

    def step(self, number):
        """One run of one step, ten seconds after the one before, by the true time."""
        host = self.random.choice(list(self.clocks))
        w = Writing(self.folder, f"run {number}", host=host, start=10_000 + 10 * number + self.clocks[host])
        w.begin(f"run {number}")
        step = w.step(f"step {number}")
        for one in self.random.sample(self.made, min(len(self.made), self.random.randrange(3))):
            w.uses(step, w.met_file(f"/data/{one}", one))
            self.read += 1
        w.tick()
        made = f"file {number}"
        w.makes(step, w.met_file(f"/data/{made}", made))
        self.made.append(made)
        w.end()
        w.file.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
def test_what_is_written_once_is_found_whatever_the_clocks_say(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("campaign") / ".trilha"
    campaign = Campaign(folder, seed, 8)
    with trilha.store.open(folder) as store:
        found = sources(store)
        assert found == links_of_lineage(store)
        assert len(found) == campaign.read
        labels = dict(
            store.connection.execute("SELECT n.iri, d.name FROM data_set d JOIN name n ON n.name = d.data")
        )
        assert all(labels[data] == labels[source] for data, (source, _) in found.items())
        links = nx.DiGraph(store.connection.execute("SELECT effect, cause FROM link").fetchall())
        for (key,) in store.connection.execute(
            "SELECT DISTINCT effect FROM upstream WHERE kind = 4"
        ).fetchall():
            if key in links:
                assert set(upstream(store, [key]).nearest(1 << 40)) == nx.descendants(links, key)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
def test_runs_that_come_one_by_one_are_told_as_those_that_come_at_once(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("campaign") / ".trilha"
    campaign = Campaign(folder, seed, 1)
    with trilha.store.open(folder) as store:
        for number in range(1, 8):
            campaign.step(number)
            store.refresh()
        found = sources(store)
        store.reindex()
        assert sources(store) == found == links_of_lineage(store)


def handed(folder, writer, reader, ahead):
    """A file that one run writes and another reads, `ahead` seconds before that by the clocks."""
    for label, host, start in (("writer", writer, 1000 + ahead), ("reader", reader, 1000)):
        w = Writing(folder, label, host=host, start=start)
        w.begin(label)
        step = w.step(f"step of {label}", None, "prov:type", name("trilha:Task"))
        file = w.met_file("/shared/between.bin", "between")
        (w.makes if label == "writer" else w.uses)(step, file)
        w.tick()
        w.makes(step, w.met_file(f"/shared/{label}.bin", label))
        w.end()
        w.file.close()


@pytest.mark.parametrize(("reader", "found"), [("node1", False), ("node2", True)])
def test_lines_of_sql_follow_what_a_host_wrote_whose_clock_is_ahead(tmp_path, reader, found):
    handed(tmp_path / ".trilha", "node1", reader, 3600)
    with trilha.store.open(tmp_path / ".trilha") as store:
        (key,) = store.connection.execute(
            "SELECT data FROM data_set WHERE filename = '/shared/reader.bin'"
        ).fetchone()
        past = store.connection.execute(
            "WITH RECURSIVE a (thing) AS (SELECT ? UNION SELECT l.cause FROM a JOIN link l ON l.effect ="
            " a.thing) SELECT c.name FROM a JOIN call c ON c.call = a.thing",
            (key,),
        )
        assert ("step of writer" in {row[0] for row in past}) is found
        assert bool(sources(store)) is found
        assert sources(store) == links_of_lineage(store)


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_result_that_was_not_computed_again_came_from_another_host_whatever_its_clock_says(tmp_path, ahead):
    folder = tmp_path / ".trilha"
    for label, host, start, cached in (("first", "one", 1000 + ahead, False), ("again", "two", 1000, True)):
        w = Writing(folder, label, host=host, start=start)
        w.begin(label)
        task = w.step(f"{label} task", None, "prov:type", name("trilha:Task"))
        result = w.entity(f"{label} result", "trilha:cached", cached)
        w.makes(task, result, w.tick())
        w.say(15, None, result, "urn:trilha:memo:parsl:abc", ())
        w.end()
        w.file.close()
    with trilha.store.open(folder) as store:
        assert len(sources(store)) == 1
        assert sources(store) == links_of_lineage(store)
        told = lineage(store, finding.find(store, "again result"))
        assert "first task" in {thing.label for thing in told.things.values()}


def test_what_is_a_version_of_something_is_not_the_same_as_its_other_versions(tmp_path):
    folder = tmp_path / ".trilha"
    for label in ("writer", "reader"):
        w = Writing(folder, label, start=0 if label == "writer" else 100)
        w.begin(label)
        step = w.step("step")
        table = w.entity("a version of a table")
        w.say(15, None, table, "urn:uuid:11111111-1111-4111-8111-111111111111#star", ())
        (w.makes if label == "writer" else w.uses)(step, table)
        w.end()
        w.file.close()
    with trilha.store.open(folder) as store:
        assert not sources(store)


def test_a_store_of_the_version_before_tells_the_same_once_it_is_opened(tmp_path):
    folder = tmp_path / ".trilha"
    handed(folder, "node1", "node2", 3600)
    with trilha.store.open(folder) as store:
        found = sources(store)
    with sqlite3.connect(folder / "store.sqlite") as index:
        for text in ("DROP VIEW link", "DROP TABLE same_content", "DROP TABLE decided"):
            index.execute(text)
        index.execute("CREATE VIEW same_content AS SELECT 1 AS data, 2 AS source")
        index.execute("DELETE FROM schema_version WHERE version > 3")
        index.execute("PRAGMA user_version = 3")
    index.close()
    assert schema.VERSION == 5
    with trilha.store.open(folder) as store:
        assert sources(store) == found == links_of_lineage(store)


def test_what_a_killed_loader_left_undecided_is_decided_by_the_next(tmp_path):
    folder = tmp_path / ".trilha"
    handed(folder, "node1", "node2", 0)
    with trilha.store.open(folder) as store:
        found = sources(store)
        with transaction(store.connection):
            store.connection.execute("DELETE FROM same_content")
            store.connection.execute("UPDATE decided SET through = 0")
        assert not contents.is_decided(store.connection)
        store.refresh()
        assert sources(store) == found


MEETINGS = st.builds(
    lambda key, run, paths, time, is_written: contents._Meeting(
        key, f"urn:{key}", f"run {run}", frozenset(paths), time, is_written, None
    ),
    key=st.integers(1, 40),
    run=st.integers(1, 4),
    paths=st.sets(st.sampled_from("abc"), max_size=2),
    time=st.none() | st.integers(1, 9),
    is_written=st.just(True),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(MEETINGS, max_size=12, unique_by=lambda one: one.key), MEETINGS, st.none() | st.integers(1, 9)
)
def test_the_likeliest_source_is_at_the_same_path_and_then_the_latest(written, reader, bound):
    one = reader._replace(key=100, is_written=False, time=None)
    timely = [
        source
        for source in written
        if one.may_be_of(source) and (source.time is None or bound is None or source.time <= bound)
    ]
    best = max(timely, key=lambda it: (one.lay_with(it), it.time or 0, it.iri), default=None)
    assert contents._Written(written).before(one, bound) == (best, max(0, len(timely) - 1))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=30), st.data())
def test_the_links_that_close_circles_are_those_that_networkx_finds(pairs, data):
    graph = nx.DiGraph(pairs)
    links = data.draw(st.dictionaries(st.integers(1, 9), st.integers(1, 9), max_size=4))
    graph.add_edges_from(links.items())
    index = sqlite3.connect(":memory:")
    index.execute("CREATE TABLE link (effect INTEGER, cause INTEGER, kind INTEGER)")
    index.executemany("INSERT INTO link VALUES (?, ?, 5)", pairs)
    wanted = {
        effect for effect, cause in links.items() if effect == cause or nx.has_path(graph, cause, effect)
    }
    assert on_circles(index.execute, links) == wanted
    index.close()
