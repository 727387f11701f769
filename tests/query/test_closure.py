"""All that lies upstream of a thing: what is found is what NetworkX finds in the view `link`."""

import random

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Writing, name
from tests.query.questions.test_calls import LOGS

import trilha.store
from trilha.capture.machine import host
from trilha.importing import bring
from trilha.query import closure
from trilha.query.closure import upstream
from trilha.store import graph


def whole(store):
    """The links of a store, as a graph of another library."""
    return nx.DiGraph(store.connection.execute("SELECT effect, cause FROM link").fetchall())


def past(store, key):
    found = upstream(store, [key])
    keys = found.nearest(1 << 40)
    assert len(keys) == len(set(keys)) == found.size
    return found, set(keys)


def assert_all_is_found(store):
    execute = store.connection.execute
    links = whole(store)
    entities = {row[0] for row in execute("SELECT identifier FROM statement WHERE kind = 1")}
    entities |= {row[0] for row in execute("SELECT effect FROM upstream WHERE kind IN (4, 10, 18)")}
    entities |= {row[0] for row in execute("SELECT cause FROM upstream WHERE kind IN (5, 10, 18)")}
    calls = {row[0] for row in execute("SELECT call FROM call")}
    for key in links:
        found, keys = past(store, key)
        wanted = nx.descendants(links, key)
        assert keys == wanted, key
        assert found.data == len(wanted & entities)
        assert set(found.call_keys()) == wanted & calls


@pytest.fixture
def keeping(monkeypatch):
    """The store keeps a graph however few statements it has."""
    monkeypatch.setattr(graph, "_FEWEST", 0)


def has_graph(store):
    return graph.kept(store.connection) is not None


@pytest.mark.parametrize("kept", [False, True])
def test_the_past_in_the_logs_of_swift(tmp_path, monkeypatch, kept):
    monkeypatch.setattr(graph, "_FEWEST", 0 if kept else 1 << 40)
    bring("swift", list(map(str, LOGS)), str(tmp_path / "store"))
    with trilha.store.open(tmp_path / "store") as store:
        assert has_graph(store) is kept
        assert_all_is_found(store)


def writer(folder):
    """Writes a journal as a process that lives does."""
    return Writing(folder, "flow", host=host(), alive=True)


class Flow:
    """A run of tasks, written statement by statement."""

    def __init__(self, folder, seed, tasks, *, parts=True):
        self.random = random.Random(seed)
        self.writing = writer(folder)
        self.writing.begin("flow")
        self.data = [self.writing.entity("raw") for _ in range(2)]
        self.activities = []
        for number in range(tasks):
            self.task(number, parts)

    def task(self, number, parts):
        say, step = self.writing.say, self.writing.step
        choose = self.random.choice
        types = ["trilha:Task"] if self.random.random() < 0.8 else []
        within = choose(self.activities) if self.activities and self.random.random() < 0.2 else None
        task = step(f"task {number}", within, *(fact for one in types for fact in ("prov:type", name(one))))
        doers = [task]
        if parts and self.random.random() < 0.6:
            attempt = step("attempt", task, "prov:type", name("trilha:Attempt"))
            doers.append(attempt)
            if self.random.random() < 0.5:
                doers.append(step("inside", attempt))
                doers.append(step("deeper", doers[-1]))
        self.activities += doers
        used = [choose(self.data) for _ in range(self.random.randrange(3))]
        for one in used:
            say(5, None, choose(doers), one, None, ())
        for _ in range(self.random.randrange(1, 3)):
            made = self.writing.entity("made")
            if self.random.random() < 0.9:
                say(4, None, made, choose(doers), self.writing.tick(), ())
            for one in used:
                if self.random.random() < 0.5:
                    say(10, None, made, one, None, None, None, ())
            if self.random.random() < 0.2:
                say(18, None, made, choose(self.data), ())
            if self.random.random() < 0.2:
                self.lies(made)
            self.data.append(made)
        if self.random.random() < 0.2:
            read = self.writing.entity("read")
            self.lies(read)
            self.data.append(read)
        if self.random.random() < 0.1:
            self.data.append(self.writing.entity("own"))
            say(4, None, self.data[-1], self.writing.act, self.writing.tick(), ())
        if self.random.random() < 0.1 and self.activities:
            say(6, None, task, choose(self.activities), ())

    def lies(self, entity):
        """It is a file of one of a few contents."""
        number = self.random.randrange(4)
        self.writing.say(1, entity, ("trilha:path", f"/data/{number}"))
        self.writing.say(15, None, entity, f"nih:sha-256;{number}", ())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30), kept=st.booleans())
def test_the_past_in_any_run(tmp_path_factory, seed, kept):
    folder = tmp_path_factory.mktemp("run")
    before, graph._FEWEST = graph._FEWEST, 0 if kept else 1 << 40
    try:
        flow = Flow(folder / ".trilha", seed, 12)
        flow.writing.end()
        flow.writing.file.close()
        with trilha.store.open(folder / ".trilha") as store:
            assert has_graph(store) is kept
            assert_all_is_found(store)
    finally:
        graph._FEWEST = before


def test_what_is_stated_later_of_new_things_is_found_beside_the_graph(tmp_path, keeping, monkeypatch):
    flow = Flow(tmp_path / ".trilha", 1, 30)
    with trilha.store.open(tmp_path / ".trilha") as store:
        through = graph.kept(store.connection).through
        monkeypatch.setattr(graph, "_FEWEST", 1 << 40)
        new = flow.writing.step("new", None, "prov:type", name("trilha:Task"))
        flow.writing.say(5, None, new, flow.data[-1], None, ())
        made = flow.writing.entity("made")
        flow.writing.say(4, None, made, new, flow.writing.tick(), ())
        store.refresh()
        kept = graph.kept(store.connection)
        assert kept.through == through
        assert not graph.is_stale(store.connection, kept.through, kept.last_name)
        assert_all_is_found(store)


def test_what_is_stated_later_of_old_things_makes_the_graph_stale(tmp_path, keeping, monkeypatch):
    flow = Flow(tmp_path / ".trilha", 2, 30)
    with trilha.store.open(tmp_path / ".trilha") as store:
        monkeypatch.setattr(graph, "_FEWEST", 1 << 40)
        for activity in flow.activities[::5]:
            flow.writing.say(5, None, activity, flow.data[0], None, ())
        store.refresh()
        kept = graph.kept(store.connection)
        assert graph.is_stale(store.connection, kept.through, kept.last_name)
        assert_all_is_found(store)
        renewed = graph.kept(store.connection)
        assert not graph.is_stale(store.connection, renewed.through, renewed.last_name)
        assert renewed.through > kept.through


def test_a_graph_that_is_stale_in_a_folder_that_cannot_be_written_is_made_for_the_answer(
    tmp_path, keeping, monkeypatch
):
    flow = Flow(tmp_path / ".trilha", 4, 30)
    with trilha.store.open(tmp_path / ".trilha") as store:
        for activity in flow.activities[::5]:
            flow.writing.say(5, None, activity, flow.data[0], None, ())
        monkeypatch.setattr(graph, "_FEWEST", 1 << 40)
        store.refresh()
        through = graph.kept(store.connection).through
        monkeypatch.setattr(store, "read_only", True)
        assert_all_is_found(store)
        assert graph.kept(store.connection).through == through


def test_bytes_that_were_read_and_are_found_to_be_written_make_the_graph_stale(
    tmp_path, keeping, monkeypatch
):
    one = writer(tmp_path / ".trilha")
    one.begin("one")
    task = one.step("task", None, "prov:type", name("trilha:Task"))
    read, made = one.met_file("/data/bytes", "bytes"), one.entity("made")
    one.say(5, None, task, read, one.tick(), ())
    one.say(4, None, made, task, one.tick(), ())
    with trilha.store.open(tmp_path / ".trilha") as store:
        monkeypatch.setattr(graph, "_FEWEST", 1 << 40)
        other = one.step("other", None, "prov:type", name("trilha:Task"))
        written = one.met_file("/data/bytes", "bytes")
        one.say(4, None, written, other, one.now - 10**9 * 60, ())
        store.refresh()
        kept = graph.kept(store.connection)
        assert graph.is_stale(store.connection, kept.through, kept.last_name)
        assert_all_is_found(store)


def test_a_small_store_keeps_no_graph_and_a_chain_is_followed_to_its_end(tmp_path):
    writing = writer(tmp_path / ".trilha")
    writing.begin("chain")
    last = writing.entity("raw")
    for _ in range(300):
        task = writing.step("task", None, "prov:type", name("trilha:Task"))
        writing.say(5, None, task, last, None, ())
        last = writing.entity("made")
        writing.say(4, None, last, task, writing.tick(), ())
    writing.end()
    with trilha.store.open(tmp_path / ".trilha") as store:
        assert not has_graph(store)
        (key,) = store.connection.execute(
            "SELECT effect FROM upstream WHERE kind = 4 ORDER BY time DESC"
        ).fetchone()
        assert upstream(store, [key]).calls == 300


def test_the_graph_is_fetched_once_for_a_store(tmp_path, keeping, monkeypatch):
    Flow(tmp_path / ".trilha", 3, 10).writing.end()
    with trilha.store.open(tmp_path / ".trilha") as store:
        (key,) = store.connection.execute("SELECT effect FROM upstream WHERE kind = 4").fetchone()
        upstream(store, [key])
        monkeypatch.setattr(closure.graph, "kept", None)
        upstream(store, [key])
