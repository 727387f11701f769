"""What lies upstream and downstream of what attempts make, and of files that go from host to host."""

from __future__ import annotations

from contextlib import ExitStack

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import name
from tests.query.test_closure import Flow

import trilha.store
from trilha.query import finding, trail
from trilha.query.lineage import lineage

TASK, ATTEMPT = ("prov:type", name("trilha:Task")), ("prov:type", name("trilha:Attempt"))


@pytest.fixture
def opened(tmp_path):
    """Opens the store once its journals are there."""
    with ExitStack() as stores:
        yield lambda: stores.enter_context(trilha.store.open(tmp_path / ".trilha"))


def labels(store, what, run=None, **more):
    """What is found, by labels, and what the tree tells."""
    found = lineage(store, finding.find(store, what, run), **more)
    waiting, told = list(trail.trail(found)), set()
    while waiting:
        branch = waiting.pop()
        told.update(found.things[iri].label for iri in branch.things)
        waiting += branch.branches
    return {found.things[iri].label for iri in found.depths}, told


def an_attempt(writing, *, inside=False):
    """A task that takes `argument`, whose attempt takes `read` and writes a file, perhaps in a step."""
    w = writing("flow")
    w.begin("flow")
    argument, read = w.entity("argument"), w.entity("read")
    late = w.entity("late")
    task = w.step("task", None, *TASK)
    w.uses(task, argument, None)
    attempt = w.step("task, attempt 1", task, *ATTEMPT)
    w.uses(attempt, read)
    doer = w.step("inside", attempt) if inside else attempt
    w.tick()
    file = w.met_file("/data/out.bin", "out")
    w.makes(doer, file)
    w.tick()
    w.uses(attempt, late)
    w.end()
    w.close()


@pytest.mark.parametrize("inside", [False, True])
def test_what_an_attempt_makes_came_of_what_its_task_was_given(opened, writing, inside):
    an_attempt(writing, inside=inside)
    store = opened()
    found, told = labels(store, "out.bin")
    assert {"argument", "read", "task"} <= found
    assert {"argument", "read"} <= told
    assert "late" not in found | told


@pytest.mark.parametrize("inside", [False, True])
def test_what_a_task_was_given_led_to_what_its_attempt_made(opened, writing, inside):
    an_attempt(writing, inside=inside)
    store = opened()
    for what in ("argument", "read"):
        found, told = labels(store, what, downstream=True)
        assert "out.bin" in found
        assert "out.bin" in told
    assert "out.bin" not in labels(store, "late", downstream=True)[0]


def test_another_attempt_of_the_task_has_no_part_in_it(opened, writing):
    w = writing("flow")
    w.begin("flow")
    task = w.step("task", None, *TASK)
    made = []
    for number in (1, 2):
        attempt = w.step(f"task, attempt {number}", task, *ATTEMPT)
        used = w.entity(f"read {number}")
        w.uses(attempt, used)
        w.tick()
        made.append(w.met_file(f"/data/{number}.bin", str(number)))
        w.makes(attempt, made[-1])
    w.end()
    w.close()
    store = opened()
    assert "read 1" not in labels(store, "2.bin")[0]
    assert "read 2" not in labels(store, "1.bin")[0]


@pytest.mark.parametrize("tried", [False, True])
def test_what_was_there_before_a_call_did_not_come_of_what_it_took(opened, writing, tried):
    w = writing("flow")
    run = w.begin("flow")
    w.makes(run, w.met_file("/data/early.bin", "early"))
    w.tick()
    argument = w.entity("argument")
    task = w.step("task", None, *TASK)
    w.uses(task, argument, None)  # When it was taken is not known: not before there was the task.
    if tried:
        w.step("task, attempt 1", task, *ATTEMPT)
    w.tick()
    w.makes(run, w.met_file("/data/late.bin", "late"))
    w.end()
    w.close()
    found, told = labels(opened(), "argument", downstream=True)
    assert "late.bin" in found
    assert "early.bin" not in found | told


def handed_over(writing, *, writer, reader, ahead):
    """A file that one run writes and another reads, `ahead` seconds before that by the clocks."""
    w = writing("writer", host=writer, start=1000 + ahead)
    w.begin("writer")
    step = w.step("writing")
    w.makes(step, w.met_file("/shared/between.bin", "between"))
    w.end()
    w.close()
    made_of("reader", writing("reader", host=reader, start=1000), "between", "result")


def test_a_file_from_a_host_whose_clock_is_ahead_is_traced_to_where_it_was_written(opened, writing):
    handed_over(writing, writer="node1", reader="node2", ahead=3600)
    store = opened()
    assert "writing" in labels(store, "result.bin")[0]
    assert "result.bin" in labels(store, "between.bin", "writer", downstream=True)[0]


def test_what_was_written_later_on_the_same_host_is_no_source(opened, writing):
    handed_over(writing, writer="node1", reader="node1", ahead=3600)
    store = opened()
    assert "writing" not in labels(store, "result.bin")[0]


def made_of(label, w, taken, made):
    """A run of one step that reads the file `taken` and writes the file `made`."""
    w.begin(label)
    step = w.step(f"step of {label}")
    w.uses(step, w.met_file(f"/shared/{taken}.bin", taken))
    w.tick()
    w.makes(step, w.met_file(f"/shared/{made}.bin", made))
    w.end()
    w.close()


def test_what_came_of_a_file_is_no_source_of_it_whatever_the_clocks_say(opened, writing):
    """`result` was made of `between`, which another host made again of it."""
    made_of("first", writing("first", host="node2"), "between", "result")
    made_of("second", writing("second", host="node1", start=3600), "result", "between")
    store = opened()
    assert "step of second" not in labels(store, "result.bin", "first")[0]
    assert "step of first" in labels(store, "between.bin", "second")[0]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
def test_nothing_is_found_that_networkx_does_not_find(tmp_path_factory, seed):
    """Beside the view `link`, an activity goes on to what it started: that is its own doing."""
    folder = tmp_path_factory.mktemp("run")
    flow = Flow(folder / ".trilha", seed, 10)
    flow.writing.end()
    flow.writing.file.close()
    with trilha.store.open(folder / ".trilha") as store:
        execute = store.connection.execute
        links = nx.DiGraph(execute("SELECT effect, cause FROM link").fetchall())
        links.add_edges_from(execute("SELECT cause, effect FROM upstream WHERE kind = 7 AND argument = 3"))
        links.add_edges_from(execute("SELECT effect, cause FROM upstream WHERE kind = 4"))
        keys = dict(execute("SELECT iri, name FROM name").fetchall())
        for (key,) in execute("SELECT DISTINCT effect FROM upstream WHERE kind = 4").fetchall():
            found = lineage(store, finding.Found("", "identifier", key, (), ()))
            assert {keys[iri] for iri in found.depths} <= nx.descendants(links, key) | {key}


def layers(writing, wide, deep):
    """Tasks in layers, each of which takes what two of the layer before gave; the last makes a file."""
    w = writing("layers")
    w.begin("layers")
    before = [w.entity(f"raw {number}") for number in range(wide)]
    for layer in range(deep):
        made = []
        for number in range(wide):
            task = w.step(f"task {layer}.{number}", None, *TASK)
            for one in (before[number], before[(number + 1) % wide]):
                w.uses(task, one)
            made.append(w.entity(f"made {layer}.{number}"))
            w.makes(task, made[-1], w.tick())
        before = made
    last = w.step("write", None, *TASK)
    for one in before:
        w.uses(last, one)
    w.makes(last, w.met_file("/data/last.bin", "last"), w.tick())
    w.end()
    w.file.close()


@pytest.mark.parametrize("downstream", [False, True])
@pytest.mark.parametrize("most", [1, 20, 60, 10_000])
def test_of_very_many_things_the_nearest_are_told_and_the_others_counted(opened, writing, downstream, most):
    layers(writing, 8, 10)
    what = "raw 0" if downstream else "last.bin"
    found = lineage(store := opened(), finding.find(store, what), downstream=downstream)
    trees = trail.trail(found, most)
    told, waiting = set(), list(trees)
    for branch in waiting:
        told.update(branch.things)
        waiting += branch.branches
    left = trail.untold(found, trees)
    assert left == (0 if most >= len(found.depths) else len(found.depths.keys() - told))
    if left:
        assert any(branch.cut for branch in waiting)
        deepest = max(found.depths[iri] for iri in told)
        nearer = {iri for iri, depth in found.depths.items() if depth < deepest}
        assert downstream or nearer <= told or len(told) >= most


def test_a_thing_of_a_long_trail_is_described_when_it_is_looked_at(opened, writing, monkeypatch):
    layers(writing, 8, 10)
    store = opened()
    from trilha.query import things

    wanted = dict(lineage(store, finding.find(store, "last.bin")).things.items())
    monkeypatch.setattr(things, "_FEW", 0)
    met = lineage(store, finding.find(store, "last.bin")).things
    assert list(met) == list(wanted)
    assert {iri: met[iri] for iri in met} == wanted
    assert [thing.label for thing in met.files(met)] == ["last.bin"]
    assert met.unhashed() == []


def test_a_file_that_a_call_and_its_attempt_tell_of_was_written_once(opened, tmp_path, writing):
    """A worker hashes what it wrote, and the process that handed the task over what it got."""
    w = writing("one")
    w.begin("one")
    task = w.step("put", None, *TASK)
    attempts = [w.step(f"put, attempt {n}", task, *ATTEMPT) for n in (1, 2)]
    w.makes(attempts[1], w.met_file("/a.txt", "4"))
    w.makes(task, w.met_file("/a.txt", "4"))
    again = w.step("put", None, *TASK)
    tried = [w.step(f"put, attempt {n}", again, *ATTEMPT) for n in (1, 2)]
    for attempt in tried:
        w.makes(attempt, w.met_file("/b.txt", "5"))
    w.makes(again, w.met_file("/b.txt", "5"))
    w.end()
    w.close()
    (tmp_path / "a.txt").write_text("4")
    (tmp_path / "b.txt").write_text("5")
    store = opened()
    assert not [one for one in finding.find(store, str(tmp_path / "a.txt")).notes if "written" in one]
    found = finding.find(store, str(tmp_path / "b.txt")).notes
    assert "The same bytes were written 1 other time; this is the trail of the last." in found
