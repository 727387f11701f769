"""A log that ends before its program does is a gap that says where; a whole one has none."""

import os
from types import SimpleNamespace

import pytest
from tests.cli.commands import trilha
from tests.trace.traced import Traced

from trilha.capture.script.appending import Appending
from trilha.capture.script.trail import Trail
from trilha.trace import log as words
from trilha.trace.evaluations import Activation, Ended, Evaluation, Forked, Gap
from trilha.trace.reading import whole
from trilha.trace.replay import Replay, replay
from trilha.trace.waiting import Lost

PROGRAM = """\
def f(a):
    try:
        if a > 2:
            return a
        raise ValueError(a)
    finally:
        b = [a]
        b.append(1)
def g(n):
    for i in range(n):
        yield i * 2
l = []
for k in g(4):
    try:
        l.append(f(k))
    except ValueError as error:
        l.append(error)
    else:
        l.reverse()
t = 0
while t < 3 and l:
    t += len(l)
class C:
    def __eq__(self, other):
        return False
if C() == 1:
    t = l[0]
m = [j for j in range(3) if j]
if not m:
    t = 5
else:
    t = 6
"""
THREADS = """\
import threading
l = []
def work(n):
    for i in range(3):
        l.append(i + n)
some = [threading.Thread(target=work, args=(n,)) for n in range(2)]
for one in some:
    one.start()
for one in some:
    one.join()
x = sum(l)
"""


def events(data):
    found = []
    replay([data], found.append)
    return found


def stated(found):
    """What is said to have happened; not what ended, of which the whole log tells another way."""
    return [one for one in found if not isinstance(one, (Gap, Ended, Forked))]


def records(chunks):
    """A log up to each of its bytes, from where it tells that it will be closed to where it is."""
    data = b"".join(chunks)
    closed = data.rindex(bytes([words.JOINED, words.CLOSES, 1]))
    return [data[:at] for at in range(3, closed + 3)]


@pytest.mark.parametrize("text", [PROGRAM, THREADS], ids=["one thread", "several"])
def test_a_log_that_is_cut_has_one_gap_and_says_nothing_that_did_not_happen(text):
    run = Traced(text)
    assert not run.error
    assert not run.gaps
    whole = stated(run.events)
    for data in records(run.chunks):
        found = events(data)
        assert [type(one) for one in found if isinstance(one, Gap)] == [Gap], len(data)
        assert stated(found) == whole[: len(stated(found))], len(data)


def test_a_function_in_which_a_log_is_cut_is_not_said_to_have_returned():
    run = Traced("def f(a):\n    return a[0]\nx = f([1])\n")
    begun = [one.number for one in run.events if isinstance(one, Activation)]
    ends = {
        (one.activation, one.how)
        for data in records(run.chunks)
        for one in events(data)
        if isinstance(one, Ended)
    }
    assert (begun[0], "lost") in ends
    assert (begun[0], "returned") not in ends


def test_the_gap_is_where_the_log_is_cut():
    run = Traced("l = [1]\nx = l[0]\ny = len(l)\nz = l[0]\n")
    found = [events(data) for data in records(run.chunks)]
    lines = [one.line for some in found for one in some if isinstance(one, Gap) and one.line]
    assert lines == sorted(lines)
    assert set(lines) == {1, 2, 3, 4}


def test_a_condition_behind_which_a_log_is_cut_is_not_said_to_have_held_or_not():
    run = Traced("t = 0\nl = [1]\nwhile t < 5:\n    t += 1\nz = 7\nif l[0]:\n    pass\n")
    found = [events(data) for data in records(run.chunks)]
    cut = [some for some in found if [one.line for one in some if isinstance(one, Gap)] == [3]]
    assert len(cut) == 5
    assert "z" not in {one.name for some in cut for one in some if isinstance(one, Evaluation)}


def test_a_log_of_before_that_waits_for_a_record_at_its_end_has_a_gap():
    run = Traced("l = [1]\nx = l[0]\n")
    data = b"".join(run.chunks)
    begins = bytes([words.JOINED, words.CLOSES, 0])
    assert data.startswith(begins)
    before = data[len(begins) :]
    closed = before.rindex(bytes([words.JOINED, words.CLOSES, 1]))
    assert not [one for one in events(before[:closed]) if isinstance(one, Gap)]
    (gap,) = [one for one in events(before[: closed - 4]) if isinstance(one, Gap)]
    assert gap.line == 2


def test_what_comes_finally_is_not_said_to_have_run_where_the_trace_is_lost(monkeypatch):
    text = "def f():\n    return 1\ntry:\n    x = f()\n    y = 2\nfinally:\n    z = 3\n"
    literal = Replay.lit

    def lost(self, at):
        if self._nodes[at].value == 2:
            raise Lost("here")
        return literal(self, at)

    monkeypatch.setattr(Replay, "lit", lost)
    run = Traced(text, Trail)
    assert len(run.gaps) == 1
    names = [one.name for one in run.evaluations.values() if one.name]
    assert "x" in names
    assert "z" not in names


def test_a_thread_that_cannot_be_followed_ends_the_replay(monkeypatch):
    literal = Replay.lit

    def lost(self, at):
        if self.lane.number:
            raise Lost("in a thread")
        return literal(self, at)

    monkeypatch.setattr(Replay, "lit", lost)
    run = Traced(THREADS.replace("i + n", "i + 1"), Trail)
    assert run.gaps == ["the trace cannot be followed from here on: in a thread"]


def test_behind_a_piece_that_the_journal_could_not_take_nothing_is_logged_and_a_gap_says_so():
    run = Traced("l = [1]\nx = l[0]\ny = l[0]\n")
    log, kept = b"".join(run.chunks), []
    journal = SimpleNamespace(dropped=0, append=kept.append)
    recorder = SimpleNamespace(
        file=journal,
        numbers=iter((5, 6)),
        run=SimpleNamespace(identifier="run"),
        entity=lambda *_: None,
        generated=lambda *_: None,
    )
    append = Appending(recorder)
    third = len(log) // 3
    append(log[:third])
    before = len(kept)
    journal.append = lambda _: setattr(journal, "dropped", journal.dropped + 1)
    append(log[third : 2 * third])
    # There is room again.
    journal.append = kept.append
    append(log[2 * third :])
    assert len(kept) == before
    assert journal.dropped == 2
    assert [one.why for one in events(kept[-1][-third:]) if isinstance(one, Gap)]


HOOK = "import sys; sys.addaudithook(lambda *_: None)"


@pytest.mark.parametrize(
    ("hears", "gaps"),
    [
        (f"exec(compile({HOOK!r}, os.path.join(sysconfig.get_path('purelib'), 'locks.py'), 'exec'))", 0),
        (HOOK, 2),
    ],
    ids=["an installed package", "the program"],
)
def test_a_trace_in_python_ends_where_the_program_hears_of_audit_events_not_a_package(tmp_path, hears, gaps):
    (tmp_path / "work.py").write_text(f"import os, sysconfig\n{hears}\nl = [1]\nx = l[0]\n")
    assert trilha(tmp_path, "run", "--grain", "variable", "work.py", TRILHA_TRAIL="python") == ""
    (run,) = os.listdir(tmp_path / ".trilha" / "journals")
    found, _ = whole(str(tmp_path / ".trilha"), run)
    why = [one.why for one in found if isinstance(one, Gap) and "names" not in one.why]
    assert len(why) == gaps, why
    assert any(isinstance(one, Evaluation) and one.name == "x" for one in found) is not bool(gaps)
