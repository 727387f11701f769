"""Policies that ask a run about itself, and stop or adapt it; questions from another process meanwhile."""

import subprocess
import sys
import textwrap

import pytest
import torch

import trilha
from trilha import learning
from trilha.errors import NotFound, UsageError
from trilha.query import questions


@pytest.fixture
def asked(tmp_path):
    """Asks the store of this test."""
    return lambda *question, **more: trilha.ask(*question, store=tmp_path / ".trilha", **more)


@pytest.fixture
def recorded(tmp_path):
    """Records a run in the store of this test."""
    return lambda name="run": trilha.run(name, store=tmp_path / ".trilha")


def test_a_policy_is_called_at_each_new_epoch_with_what_was_logged_so_far(recorded):
    seen = []
    with recorded():
        trilha.log(loss=9.0, epoch=0)
        watching = trilha.watch(lambda live: seen.append((live.epoch, live.values("loss"))))
        for epoch in (1, 2, 3):
            trilha.log(loss=1 / epoch, epoch=epoch)
            trilha.log(accuracy=0.5, epoch=epoch)
        watching.end()
        trilha.log(loss=0.1, epoch=4)
    assert seen == [(1, [9.0, 1.0]), (2, [9.0, 1.0, 0.5]), (3, [9.0, 1.0, 0.5, pytest.approx(1 / 3)])]


def test_a_policy_may_be_called_every_few_epochs(recorded):
    seen = []
    with recorded(), trilha.watch(lambda live: seen.append(live.epoch), every=3):
        for epoch in range(10):
            trilha.log(loss=1.0, epoch=epoch)
    assert seen == [2, 5, 8]


def test_stopping_ends_the_block_and_is_recorded_as_an_adaptation(recorded, asked):
    def patience(live):
        if live.epoch == 3:
            live.stop("enough")

    done = []
    with recorded():
        with trilha.watch(patience) as watching:
            for epoch in range(1, 10):
                trilha.log(loss=1 / epoch, epoch=epoch)
                done.append(epoch)
        trilha.log(after=1.0)
    assert (done, watching.stopped) == ([1, 2], "enough")
    (row,) = asked("adaptations")
    assert (row["name"], row["cause"], row["epoch"]) == ("stop", "patience", 3)
    assert asked("runs")[0]["status"] == "finished"
    assert asked("metric", "after")[0]["last"] == 1.0


def test_without_a_block_the_program_sees_the_stop(recorded, asked):
    with pytest.raises(trilha.Stop, match="too high"), recorded():
        trilha.watch(lambda live: live.stop("too high"))
        trilha.log(loss=1.0, epoch=1)
    assert asked("failed")[0]["how"] == "failed"


def test_a_stop_of_another_goes_on_through_the_block(recorded):
    with recorded(), pytest.raises(trilha.Stop, match="mine"), trilha.watch(lambda _: None):
        raise trilha.Stop("mine")


def test_a_question_may_be_the_policy(recorded):
    averages = []
    with recorded(), trilha.watch("metric", "loss", then=lambda answer, _: averages.append(answer[0]["avg"])):
        for epoch, loss in enumerate((3.0, 1.0)):
            trilha.log(loss=loss, epoch=epoch)
    assert averages == [3.0, 2.0]


def test_a_policy_adapts_the_learning_rate_of_a_training_and_is_its_cause(recorded, asked):
    def halve(live):
        losses = live.values("loss")
        if len(losses) >= 2 and losses[-1] > losses[-2]:
            for group in optimizer.param_groups:
                group["lr"] /= 2

    rates = []
    with recorded():
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
        with trilha.watch(halve), learning.training(model, data=torch.zeros(4, 2)) as training:
            for loss, _ in zip((3.0, 2.0, 2.5, 1.0, 1.5, 1.2), training.epochs(range(6)), strict=False):
                rates.append(optimizer.param_groups[0]["lr"])
                model(torch.ones(4, 2)).sum().backward()
                optimizer.step()
                training.log(loss=loss)
    assert rates == [0.4, 0.4, 0.4, 0.2, 0.2, 0.1]
    rows = asked("adaptations", "loss").rows
    assert [(row["after"], row["cause"], row["loss before"], row["loss after"]) for row in rows] == [
        (0.2, "halve", 2.5, 1.0),
        (0.1, "halve", 1.5, 1.2),
    ]


def test_a_policy_adapts_a_plain_loop(recorded, asked, tmp_path):
    def drop(live):
        if live.epoch == 2:
            optimizer.param_groups[0]["lr"] = 0.05

    with recorded():
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        data = torch.utils.data.TensorDataset(torch.ones(8, 2))
        loader = torch.utils.data.DataLoader(data, batch_size=4)
        with trilha.watch(drop):
            for epoch in (1, 2, 3):
                for (batch,) in loader:
                    optimizer.zero_grad()
                    model(batch).sum().backward()
                    optimizer.step()
                trilha.log(loss=1 / epoch, epoch=epoch)
    (row,) = asked("adaptations", "loss")
    assert (row["name"], row["after"], row["cause"]) == ("lr", 0.05, "drop")
    assert (row["loss before"], row["loss after"]) == (0.5, pytest.approx(1 / 3))
    with trilha.open(tmp_path / ".trilha") as store:
        uuid = store.connection.execute("SELECT uuid FROM run").fetchone()[0]
        assert store.document(uuid).validate().valid


def test_what_trilha_cannot_notice_a_policy_says(recorded, asked):
    def grow(live):
        live.changed("batch_size", 32, 64)

    with recorded(), trilha.watch(grow):
        trilha.log(loss=1.0, epoch=1)
    (row,) = asked("adaptations")
    assert (row["name"], row["common"], row["before"], row["after"], row["cause"]) == (
        *("batch_size", "batch_size", 32, 64),
        "grow",
    )


def test_stopping_a_training_that_is_told_goes_to_the_loop(recorded, asked):
    epochs = []
    with recorded():
        model = torch.nn.Linear(2, 1)
        with trilha.watch(lambda live: live.stop(), name="second"), learning.training(model) as training:
            for epoch in training.epochs(range(5)):
                epochs.append(epoch)
                training.log(loss=1.0)
    assert epochs == [0]
    (row,) = asked("adaptations")
    assert (row["name"], row["cause"], row["epoch"]) == ("stop", "second", 1)
    assert asked("failed").rows == []


def test_leaving_a_loop_early_calls_no_policy(recorded):
    seen = []
    with (
        recorded(),
        trilha.watch(lambda live: seen.append(live.epoch)),
        learning.training(torch.nn.Linear(2, 1)) as training,
    ):
        for _ in training.epochs(range(5)):
            training.log(loss=1.0)
            break
    assert seen == []


def test_an_error_in_a_policy_is_told_once_and_the_training_goes_on(recorded, capfd):
    def broken(live):
        raise KeyError("oops")

    with recorded(), trilha.watch(broken):
        for epoch in range(3):
            trilha.log(loss=1.0, epoch=epoch)
    assert capfd.readouterr().err.count("the policy broken is called no more: KeyError: 'oops'") == 1


def test_nothing_is_watched_where_nothing_is_recorded():
    with trilha.watch(lambda live: live.stop()) as watching:
        trilha.log(loss=1.0, epoch=1)
        watching.check()
    assert watching.stopped is None


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: trilha.watch(3), UsageError, "takes a function, or a question's name"),
        (lambda: trilha.watch("metric", "loss"), UsageError, "say by then="),
        (lambda: trilha.watch("metrik", then=print), NotFound, "Did you mean metric"),
        (lambda: trilha.watch(print, every=0), UsageError, "expected how many epochs"),
    ],
)
def test_a_wrong_call_says_what_to_do(call, error, says):
    with pytest.raises(error, match=says):
        call()


TRAINING = """
import sys
import torch, trilha
from trilha.torch import training

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
with trilha.run("live"), training(model, data=torch.ones(8, 4), epochs=50) as recorded:
    for epoch in recorded.epochs(range(50)):
        loss = model(torch.ones(8, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorded.log(loss=loss.item())
        trilha.log(batch=epoch)
        print(loss.item(), flush=True)
        if sys.stdin.readline() != "go\\n":
            break
"""


def test_another_process_sees_all_that_a_training_has_logged_so_far(tmp_path):
    (tmp_path / "train.py").write_text(textwrap.dedent(TRAINING))
    command = [sys.executable, "train.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, **pipes) as process:
        losses = []
        for count in range(1, 5):
            losses.append(float(process.stdout.readline()))
            with trilha.open(tmp_path / ".trilha") as store:
                (row,) = questions.ask(store, "metric", "batch")
                assert (row["values"], row["last"]) == (count, count - 1)
                if count > 1:
                    # The metrics of an epoch are there when it has ended.
                    assert questions.ask(store, "metric", "loss")[0]["last"] == losses[-2]
                assert questions.ask(store, "runs", where="status = running")[0]["run"] == "live"
                assert questions.ask(store, "hyperparameters", where="lr = 0.01").rows
            process.stdin.write("go\n")
            process.stdin.flush()
        process.stdout.readline()
        process.stdin.write("stop\n")
        process.stdin.flush()
        assert process.wait(60) == 0
    assert trilha.ask("runs", store=tmp_path / ".trilha")[0]["status"] == "finished"
