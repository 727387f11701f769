"""What is said of one run as a whole, and what of it is not known."""

import pytest
from tests.conftest import name

import trilha
import trilha.store
from trilha import learning
from trilha.cli.main import _status
from trilha.query import questions
from trilha.query.account import account
from trilha.query.runs import find_run
from trilha.query.unknown import of_account


class Line:
    weight = 0.0


def unknown(folder):
    with trilha.store.open(folder) as store:
        return of_account(account(store, find_run(store, "last")))


def train(folder, *, says, trainings=1):
    with trilha.run("one", store=folder):
        for _ in range(trainings):
            with learning.training(Line(), data=[1.0, 2.0], learning_rate=0.5) as training:
                for _ in training.epochs(range(2)):
                    says(training)


def test_that_a_training_has_no_metric_is_said(tmp_path):
    train(tmp_path, says=lambda _: print("loss", 0.5))
    assert unknown(tmp_path) == [
        "How well the training went: no metric was recorded. What is only printed is not recorded."
    ]


def test_of_several_trainings_it_is_said_how_many(tmp_path):
    train(tmp_path, says=lambda _: None, trainings=3)
    assert [sentence.partition(":")[0] for sentence in unknown(tmp_path)] == ["How well 3 trainings went"]


def test_nothing_is_said_of_a_training_with_a_metric_or_of_a_run_without_training(tmp_path):
    train(tmp_path / "metric", says=lambda training: training.log(loss=0.5))
    with trilha.run("one", store=tmp_path / "none"):
        pass
    assert unknown(tmp_path / "metric") == unknown(tmp_path / "none") == []


@pytest.mark.parametrize("points", ["all", "summary"])
@pytest.mark.parametrize("logs", [True, False])
def test_a_document_says_so_too(tmp_path, points, logs, capsys):
    train(tmp_path, says=lambda training: training.log(loss=0.5) if logs else None)
    document = str(tmp_path / "one.provn")
    assert _status(["export", "last", "--store", str(tmp_path), "-o", document, "--points", points]) == 0
    assert _status(["show", "--document", document]) == 0
    assert ("no metric was recorded" in capsys.readouterr().out) is not logs


def test_of_a_model_that_took_over_a_state_only_what_it_became_is_shown(tmp_path, writing):
    w = writing()
    w.begin("one")
    trained, taken, further, _ = (w.entity(label, type="trilha:Model") for label in "abcd")
    state, first = w.entity("state"), w.entity("first", type="trilha:Model")
    w.derives(trained, first)
    w.say(16, None, taken, trained, ())
    w.derives(taken, state)
    w.derives(further, taken)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        told = account(store, find_run(store, "last"))
    assert [thing.label for thing in told.objects] == ["c", "d"]


def queued(writing, seed, executed=3.0, tasks=4):
    """A run of tasks that were all handed over at once, and one remembered, for a single worker."""
    w = writing(seed)
    w.begin(seed)
    handed = [w.step("put", None, "prov:type", name("trilha:Task"), "trilha:arg.n", n) for n in range(tasks)]
    remembered = w.step("put", None, "prov:type", name("trilha:Task"), "trilha:arg.n", 9)
    w.done(remembered)
    for n, task in enumerate(handed):
        attempt = w.step("put, attempt 1", task, "prov:type", name("trilha:Attempt"), "trilha:attempt", 1)
        w.tick(executed + n)
        w.say(2, attempt, None, w.now, ("trilha:took", executed + n, "trilha:status", "finished"))
        w.say(2, task, None, w.tick(10), ("trilha:status", "exec_done"))
    w.end()
    w.close()


def test_tasks_take_what_their_attempts_executed_not_the_time_until_a_worker_is_free(
    tmp_path, writing, capsys
):
    queued(writing, "one")
    with trilha.store.open(tmp_path / ".trilha") as store:
        (put,) = account(store, find_run(store, "last")).steps
    assert (put.times, put.took) == (5, (3 + 4 + 5 + 6) * 1_000_000_000)
    assert _status(["show", "last", "--store", str(tmp_path / ".trilha")]) == 0
    shown = capsys.readouterr().out
    assert "put ×5  18.0 s\n" in shown  # no mean: one of them was not executed
    assert "put, attempt 1 ×4  18.0 s, 4.5 s each" in shown


def test_a_task_and_its_attempt_upstream_took_what_was_executed_and_the_wait_is_told_apart(
    tmp_path, writing, capsys
):
    w = writing("one")
    w.begin("one")
    task = w.step("put", None, "prov:type", name("trilha:Task"))
    w.tick(2)  # what it needs is not there yet
    attempt = w.step("put, attempt 1", task, "prov:type", name("trilha:Attempt"), "trilha:waited", 5.0)
    w.tick(7)
    made = w.entity("made")
    w.makes(attempt, made)
    w.makes(task, made)
    w.done(attempt)
    w.done(task)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        rows = questions.ask(store, "ancestors", "made")
        told = {row["what"]: (row["waited"], row["took"]) for row in rows}
    assert told["put, attempt 1"] == (5.0, 3.0)
    assert told["put"] == (9.0, 3.0)
    assert _status(["lineage", "made", "--store", str(tmp_path / ".trilha")]) == 0
    assert ", 3.0 s" in capsys.readouterr().out


def test_an_attempt_waited_until_it_began(tmp_path, writing):
    w = writing("one")
    w.begin("one")
    attempt = w.step("put, attempt 1", None, "prov:type", name("trilha:Attempt"))
    w.say(2, attempt, None, None, ("trilha:began", w.tick(2)))
    w.makes(attempt, w.entity("made"))
    w.done(attempt)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        told = {row["what"]: row["waited"] for row in questions.ask(store, "ancestors", "made")}
        (row,) = questions.ask(store, "attempts")
    assert told["put, attempt 1"] == row["waited"] == 2.0


def test_a_task_whose_attempt_is_not_known_to_have_ended_took_nobody_knows_how_long(tmp_path, writing):
    w = writing("one")
    w.begin("one")
    for ended in (True, False):
        task = w.step("put", None, "prov:type", name("trilha:Task"))
        attempt = w.step("put, attempt 1", task, "prov:type", name("trilha:Attempt"))
        if ended:
            w.done(attempt)
        w.done(task)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        (put,) = account(store, find_run(store, "last")).steps
    assert (put.times, put.took) == (2, None)


def test_runs_are_compared_by_what_their_tasks_executed(tmp_path, writing):
    queued(writing, "few", tasks=2)
    queued(writing, "many")
    with trilha.store.open(tmp_path / ".trilha") as store:
        rows = {(row["about"], row["name"]): row for row in questions.ask(store, "diff", "few", "many")}
        assert [rows["time", "put"][which] for which in ("first", "second")] == [7.0, 18.0]


def test_a_parameter_goes_with_what_was_executed_and_what_was_remembered_is_left_out(tmp_path, writing):
    queued(writing, "one")
    with trilha.store.open(tmp_path / ".trilha") as store:
        answer = questions.ask(store, "correlate", "n")
    assert [(row["value"], row["took"]) for row in answer] == [(0, 3.0), (1, 4.0), (2, 5.0), (3, 6.0)]
    assert answer.summary["correlation"] == {"put": pytest.approx(1.0)}


def test_of_several_steps_of_one_name_it_is_said_how_many_an_exception_ended(tmp_path, writing, capsys):
    w = writing("one")
    w.begin("one")
    for exception in (None, "ValueError('no')\nmore", "KeyError(1)"):
        step = w.step("load")
        w.say(2, step, None, w.tick(), ("trilha:exception", exception) if exception else ())
    w.end()
    w.close()
    assert _status(["show", "last", "--store", str(tmp_path / ".trilha")]) == 0
    assert (
        "load ×3  3.0 s, 1.0 s each  2 of them ended by exceptions, first ValueError('no')\n"
        in capsys.readouterr().out
    )


def test_functions_that_have_a_parameter_of_one_name_are_not_mixed(tmp_path, writing):
    w = writing("one")
    w.begin("one")
    for label, seconds in (("grow", (1, 2, 3)), ("shrink", (300, 200, 100)), ("same", (7, 7, 7))):
        for n, took in enumerate(seconds):
            call = w.step(label, None, "prov:type", name("trilha:Call"), "trilha:arg.n", n)
            w.tick(took)
            w.done(call)
    w.end()
    w.close()
    with trilha.store.open(tmp_path / ".trilha") as store:
        answer = questions.ask(store, "correlate", "n")
    assert answer.summary["calls"] == 9
    assert answer.summary["correlation"] == {"grow": pytest.approx(1.0), "shrink": pytest.approx(-1.0)}


def test_how_long_attempts_took_is_not_looked_for_among_all_attempts_for_each(tmp_path, writing):
    queued(writing, "one")
    with trilha.store.open(tmp_path / ".trilha") as store:
        rows = store.connection.execute("EXPLAIN QUERY PLAN SELECT seconds, waited, cpu_seconds FROM attempt")
        assert not [row[3] for row in rows if "attribute_by_number" in row[3]]
