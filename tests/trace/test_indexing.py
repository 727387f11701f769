"""An index answers what the events say; it is kept beside the store, and made again where it must."""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.trace.test_replay import CASES, PAPER
from tests.trace.traced import Traced as Run

from trilha.capture.script.trail import Trail
from trilha.errors import TrilhaError
from trilha.trace import columns, indexes, indexing, traced
from trilha.trace.evaluations import Activation, Change, Ended, Evaluation, Kind, Role
from trilha.trace.slicing import backward, forward
from trilha.trace.traced import Traced

SCRIPTS = {
    **{name: text for name, (text, _, _) in CASES.items()},
    "paper": PAPER,
    "features": Path(__file__).with_name("features.txt").read_text("utf-8"),
    "keys": "d = {}\nfor k in ['a', 'b', 'a']:\n    d[k] = [k]\n    d[k].append(d[k][0])\nd.pop('a')\n",
}


@pytest.fixture(params=[1, 1 << 16])
def pieces(request, monkeypatch):
    monkeypatch.setattr(columns, "_PIECE", request.param)
    monkeypatch.setattr(columns, "_RUN", request.param)
    monkeypatch.setattr(indexing, "_OFTEN", request.param)


@pytest.mark.usefixtures("pieces")
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_index_holds_the_events(name):
    run = Run(SCRIPTS[name], Trail)
    trace = Traced.of_log(run.chunks)
    assert trace.components == run.components
    of = {kind: [one for one in run.events if type(one) is kind] for kind in (Evaluation, Change, Ended)}
    assert len(trace) == len(of[Evaluation])
    assert [trace.evaluation(number) for number in trace] == of[Evaluation]
    assert [trace.change(place) for place in range(len(of[Change]))] == of[Change]
    for thing in {one.thing for one in of[Change]}:
        assert trace.changes_of(thing, trace.end) == [one for one in of[Change] if one.thing == thing]
    stated = [one for one in run.events if type(one) is Activation]
    for one in stated:
        found = trace.activation_of(one.number)
        assert found == one._replace(call=found.call)
        assert found.call is None or one.number in trace.called_by(found.call)
    assert list(trace.activations) == [one.number for one in stated]
    for one in of[Ended]:
        assert trace.ended(one.activation) == one


@pytest.mark.parametrize("name", SCRIPTS)
def test_components_and_names_lead_to_their_evaluations(name):
    run = Run(SCRIPTS[name], Trail)
    trace = Traced.of_log(run.chunks)
    known = run.evaluations.values()
    for number in run.components:
        found = trace.of_component(number)
        assert list(found) == [one.number for one in known if one.component == number]
        assert list(reversed(found)) == list(found)[::-1]
        assert len(found) == len(list(found))
    for bound in trace.names():
        there = [one.number for one in known if one.name == bound and run.kind(one) is Kind.ASSIGN]
        assert [one for one in trace.bound(bound) if trace.component(one).kind is Kind.ASSIGN] == there


PARTS = (Role.ELEMENT, Role.RESULT, Role.VALUE, Role.OPERAND, Role.MEMBER, Role.FUNCTION)
"""What is followed where it is known which element, or what returned, a value is."""


def _behind(trace, number):
    """All that an evaluation came from, at least, by the plainest way."""
    waiting, found = [number], {number}
    while waiting:
        one = waiting.pop()
        sources = trace.sources(one)
        if {role for _, role in sources} & {Role.ELEMENT, Role.RESULT} or trace.component(
            one
        ).kind is Kind.PART:
            sources = [(source, role) for source, role in sources if role in PARTS]
        # An item that a part of it was found in, by which a loop's target got that part.
        found_in = Role.ITERABLE if trace.component(one).kind is Kind.ASSIGN else None
        for source, role in sources:
            if role not in (Role.GUARD, Role.CONTROL, found_in) and source not in found:
                found.add(source)
                waiting.append(source)
    return found


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_slice_is_what_the_sources_lead_to(name, monkeypatch):
    monkeypatch.setattr(indexing, "BLOCK", 16)
    monkeypatch.setattr(traced, "BLOCK", 16)
    trace = Traced.of_log(Run(SCRIPTS[name], Trail).chunks)
    for number in list(trace)[::3]:
        told = backward(trace, [number])
        links = list(told.links)
        puts = {link.source for link in links} | {link.evaluation for link in links} | {number}
        assert puts == set(told.evaluations)
        assert _behind(trace, number) <= set(told.evaluations)
        assert list(told.evaluations) == sorted(set(told.evaluations))
        assert set(told.inputs()) == set(told.evaluations) - {link.evaluation for link in links}
        for other in list(told.evaluations)[::4]:
            assert number in forward(trace, [other]).evaluations


# -- beside the store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with a run that has a trace; gives its folder, and the run's."""
    folder = tmp_path_factory.mktemp("indexes")
    (folder / "one.py").write_text("a = [1, 2]\nb = a[1] + 3\nprint(b)\n")
    command = [
        sys.executable,
        "-c",
        "from trilha.cli import main; main()",
        "run",
        "--grain",
        "variable",
        "one.py",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "5\n"
    (run,) = os.listdir(folder / ".trilha" / "journals")
    return folder / ".trilha", run


def _lines(traces):
    (trace,) = traces
    (last,) = list(trace.bound("b"))
    return [line for _, line in backward(trace, [last]).lines()]


@pytest.fixture
def own(store, tmp_path):
    """The store, to be changed: its folder, the run, the journal, and where the index is kept."""
    folder, run = tmp_path / "store", store[1]
    shutil.copytree(store[0] / "journals", folder / "journals")
    (journal,) = (folder / "journals" / run).iterdir()
    return str(folder), run, journal, folder / "traces" / run / f"{journal.stem}.columns"


def test_an_index_is_kept_and_used_again(own, monkeypatch):
    folder, run, _, kept = own
    shares = []
    assert _lines(indexes.traces(folder, run, shares.append)) == [1, 2]
    assert 0 < shares[-1] <= 1
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o666 & ~umask
    assert os.listdir(kept.parent) == [kept.name]

    def never(*_):
        raise AssertionError("the journal is read again")

    monkeypatch.setattr(indexes, "chunks", never)
    assert _lines(indexes.traces(folder, run)) == [1, 2]
    indexes.forget(folder, run)
    assert not kept.parent.exists()
    indexes.forget(folder, run)


@pytest.mark.parametrize("what", ["journal", "damage", "version"])
def test_an_index_that_does_not_fit_is_made_again(own, what, monkeypatch):
    folder, run, journal, kept = own
    indexes.traces(folder, run)
    before = kept.stat().st_ino
    if what == "journal":
        os.utime(journal, ns=(1, 1))
    elif what == "damage":
        kept.write_bytes(kept.read_bytes()[:-9])
    else:
        monkeypatch.setattr(indexes, "__version__", "0.0.0")
    assert _lines(indexes.traces(folder, run)) == [1, 2]
    after = kept.stat().st_ino
    assert after != before
    indexes.traces(folder, run)
    assert kept.stat().st_ino == after


def test_what_a_killed_process_left_of_an_index_is_swept_and_what_another_makes_is_not(own):
    folder, run, _, kept = own
    kept.parent.mkdir(parents=True)
    left = kept.parent / f"{kept.name}.4194304-1.unfinished"
    made = kept.parent / f"{kept.name}.4194304-2.unfinished"
    left.write_bytes(b"half")
    with made.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        indexes.traces(folder, run)
        assert set(kept.parent.iterdir()) == {kept, made}


def test_what_cannot_be_kept_is_answered_all_the_same(own):
    folder, run, _, kept = own
    kept.parent.parent.write_bytes(b"")  # A file where the folder should be.
    assert _lines(indexes.traces(folder, run)) == [1, 2]


def test_a_replay_that_fails_leaves_nothing_behind(own, monkeypatch):
    folder, run, _, kept = own

    def fails(*_):
        raise OverflowError

    monkeypatch.setattr(indexing, "replay", fails)
    with pytest.raises(TrilhaError, match="expected fewer than"):
        indexes.traces(folder, run)
    assert not os.listdir(kept.parent)


def test_a_run_without_a_trace_has_none(tmp_path):
    assert indexes.traces(str(tmp_path), "none") == []
