"""Epochs that are stated when they are over: they say what those say whose begin is stated at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.capture.graph import Graph, is_told_of, recording
from torch.utils.data import DataLoader, Dataset, TensorDataset

import trilha
from trilha.capture.context import process
from trilha.capture.integrations.torch import passes


class Program:
    """A small training, as a program would have it.

    Attributes:
        folder: for what it saves.
    """

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(7)
        self.folder = folder
        self.net = torch.nn.Linear(4, 2)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.loader = self.over(TensorDataset(torch.randn(12, 4)))

    def over(self, data: Dataset[Any]) -> DataLoader[Any]:
        return DataLoader(data, batch_size=4)

    def batches(self) -> Iterator[Any]:
        """An epoch, batch by batch: after each, something may happen."""
        for [batch] in self.loader:
            self.step(batch)
            yield batch

    def step(self, batch: Any) -> None:
        self.optimizer.zero_grad()
        self.net(batch).sum().backward()
        self.optimizer.step()

    def epoch(self) -> None:
        for _ in self.batches():
            pass

    def epochs(self, count: int, between: Callable[[], object] = lambda: None) -> None:
        for _ in range(count):
            self.epoch()
            between()

    def save(self) -> None:
        torch.save(self.net.state_dict(), self.folder / "model.pt")

    def load(self) -> None:
        self.net.load_state_dict(torch.load(self.folder / "model.pt"))


def several_epochs(program: Program) -> None:
    program.epochs(4)


def a_validation_after_each(program: Program) -> None:
    other = program.over(TensorDataset(torch.randn(8, 4)))
    program.epochs(3, lambda: [program.net(batch) for [batch] in other])


def saved_after_each(program: Program) -> None:
    program.epochs(3, program.save)


def saved_in_the_middle(program: Program) -> None:
    program.epoch()
    for _ in program.batches():
        program.save()
    program.epoch()


def loaded_in_the_middle(program: Program) -> None:
    program.epochs(2, program.save)
    for _ in program.batches():
        program.load()
    program.epoch()


def loaded_between_two(program: Program) -> None:
    program.epochs(2, program.save)
    program.load()
    program.epochs(2)


def set_rate(program: Program, rate: float) -> None:
    for group in program.optimizer.param_groups:
        group["lr"] = rate


def another_rate_between_two(program: Program) -> None:
    program.epochs(2)
    set_rate(program, 0.05)
    program.epochs(2)


def another_rate_in_the_middle(program: Program) -> None:
    program.epochs(2)
    for number, _ in enumerate(program.batches()):
        set_rate(program, 0.05 / (1 + number))
    program.epoch()


def broken_off(program: Program) -> None:
    program.epochs(2)
    for _ in program.batches():
        break
    program.epoch()


def steps_between_two(program: Program) -> None:
    program.epochs(2, lambda: program.step(torch.randn(4, 4)))
    program.epoch()


def another_optimizer(program: Program) -> None:
    program.epochs(2)
    program.optimizer = torch.optim.Adam(program.net.parameters(), lr=0.1)
    program.epochs(2)


def another_model(program: Program) -> None:
    program.epochs(2)
    program.net = torch.nn.Linear(4, 3)
    program.optimizer = torch.optim.SGD(program.net.parameters(), lr=0.1)
    program.epochs(2)


def two_optimizers_in_turns(program: Program) -> None:
    first, second = program.optimizer, torch.optim.Adam(program.net.parameters(), lr=0.1)
    for number in range(4):
        program.optimizer = second if number % 2 else first
        program.epoch()


def another_loader(program: Program) -> None:
    program.epochs(2)
    program.loader = program.over(TensorDataset(torch.randn(8, 4)))
    program.epochs(2)


class Halved(Dataset[Any]):
    """Data with a transform."""

    def __init__(self) -> None:
        self.transform = self.halve

    def halve(self, one: Any) -> Any:
        return one / 2

    def __len__(self) -> int:
        return 8

    def __getitem__(self, place: int) -> Any:
        return [self.transform(torch.full((4,), float(place)))]


def transformed_data(program: Program) -> None:
    program.epoch()
    program.loader = program.over(Halved())
    program.epochs(2)


def a_pass_within_an_epoch(program: Program) -> None:
    program.epochs(2)
    for _ in program.batches():
        for [batch] in program.loader:
            program.net(batch)
    program.epoch()


def within_a_step(program: Program) -> None:
    for _ in range(3):
        with trilha.step("fitting", net=program.net):
            program.epoch()


def a_model_that_does_not_change(program: Program) -> None:
    program.epochs(2)
    for parameter in program.net.parameters():
        parameter.requires_grad_(False)
    for _ in program.loader:
        program.optimizer.zero_grad()
        program.optimizer.step()


def another_fit_of_a_framework(program: Program) -> None:
    from sklearn.linear_model import LinearRegression

    program.epochs(2)
    for _ in program.batches():
        LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    program.epoch()


SCENES = [
    several_epochs,
    a_validation_after_each,
    saved_after_each,
    saved_in_the_middle,
    loaded_in_the_middle,
    loaded_between_two,
    another_rate_between_two,
    another_rate_in_the_middle,
    broken_off,
    steps_between_two,
    another_optimizer,
    another_model,
    two_optimizers_in_turns,
    another_loader,
    transformed_data,
    a_pass_within_an_epoch,
    within_a_step,
    a_model_that_does_not_change,
    another_fit_of_a_framework,
]


def recorded(folder: Path, scene: Callable[[Program], None]) -> Graph:
    folder.mkdir()
    with recording(folder / "store") as graph:
        scene(Program(folder))
    with trilha.open(folder / "store") as opened:
        verdict = opened.document(graph.about_run()).validate()
    assert verdict.valid, verdict.violations
    assert not graph.dropped
    return graph


def said(graph: Graph) -> dict[str, Any]:
    """What a graph says, without names and times."""
    told = ("label", "epoch", "steps", "name", "value", "before", "common")
    # Packages are found in the background, somebody may commit to the repository meanwhile, and what shows a
    # line of this very text reads it once in a process.
    left_out = {"https://w3id.org/trilha/ns#Package", "https://w3id.org/trilha/ns#Commit"}
    here = [Path(__file__).name]
    facts = [
        [about.get(key) for key in told]
        for about in graph.about.values()
        if about.get("label", here) != here
        and not left_out & {*about["type"]}
        and "Diff" not in str(about["type"])
    ]
    return {
        "facts": sorted(map(str, facts)),
        "used": sorted(one for one in graph.usages() if one[0] != "run"),
        "generated": sorted(graph.generations()),
        "derived": sorted(graph.derivations()),
        "started": sorted(graph.starters().items()),
        "ended": sorted(map(graph.label, graph.ended)),
    }


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("scene", SCENES, ids=lambda one: one.__name__)
def test_an_epoch_says_the_same_whenever_it_is_stated(
    scene: Callable[[Program], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = recorded(tmp_path / "late", scene)
    monkeypatch.setattr(passes, "_WAITS_NS", 0)
    in_between = recorded(tmp_path / "between", scene)
    # Here nothing waits for anything: the begin of an epoch is stated with its first step.
    monkeypatch.setenv("TRILHA_DURABILITY", "event")
    at_once = recorded(tmp_path / "once", scene)
    assert said(late) == said(at_once)
    assert said(in_between) == said(at_once)


def test_the_begin_of_an_epoch_that_goes_on_is_stated_from_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_WAITS_NS", 0)
    with recording(tmp_path / "store") as graph:
        program = Program(tmp_path)
        program.epoch()
        for _ in program.batches():
            while not is_told_of(tmp_path / "store", "epoch 2"):
                time.sleep(0.01)
    assert [graph.about[one]["steps"] for one in graph.all("epoch 2")] == [[3]]


def test_a_pass_without_steps_is_no_epoch_however_long_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_WAITS_NS", 0)
    with recording(tmp_path / "store") as graph:
        program = Program(tmp_path)
        program.epoch()
        for _ in program.loader:
            assert process.recorder is not None
            process.recorder.state_begun()
    assert graph.labels("Epoch") == ["epoch 1"]
    assert graph.labels("Pass") == ["pass without updates"]


def test_a_short_epoch_is_one_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_WAITS_NS", 1 << 62)
    kept = []
    with recording(tmp_path / "store"):
        program = Program(tmp_path)
        program.epochs(2)
        assert process.recorder is not None
        file: Any = process.recorder.file
        append = type(file).append
        here = threading.get_ident()

        def kept_here(self: Any, one: bytes) -> None:
            # Packages are told of from the background.
            if threading.get_ident() == here:
                kept.append(one)
            append(self, one)

        monkeypatch.setattr(type(file), "append", kept_here)
        program.epoch()
        monkeypatch.undo()
    assert len(kept) == 1


def test_epochs_like_the_one_before_are_stated_in_c_where_that_is_there(
    both_ways: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "_WAITS_NS", 1 << 62)
    stated = []
    state = passes.Pass.state_whole
    monkeypatch.setattr(passes.Pass, "state_whole", lambda *all_: (stated.append(1), state(*all_))[1])
    with recording(tmp_path / "store") as graph:
        Program(tmp_path).epochs(5)
    steps = [graph.one(f"epoch {number}")["steps"] for number in range(1, 6)]
    assert steps == [[3]] * 5
    # The first one begins when its first step is told of, and the second one defines what is stated of such.
    assert len(stated) == (1 if both_ways == "c" else 4)


def test_what_is_raised_at_the_end_of_a_loader_comes_at_the_next_that_pytorch_does(run_program):
    """An iterator's end is told by a weak reference, out of whose callback nothing can be raised."""
    done = run_program(
        """
        import signal, sys
        import torch
        import trilha
        from trilha.capture.integrations.torch import training

        loader = torch.utils.data.DataLoader([1.0, 2.0])
        ends = training.Training.pass_ends

        def ends_late(self):
            if self.running is not None:
                signal.raise_signal(signal.SIGUSR1)
            ends(self)

        training.Training.pass_ends = ends_late
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
        with trilha.run("terminated"):
            for _ in range(3):
                for _ in loader:
                    pass
        print("not terminated")
    """,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
