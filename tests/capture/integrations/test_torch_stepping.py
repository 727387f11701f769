"""Steps that are like the one before are counted, all others are told of."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.optim.optimizer as optimizers

from trilha.capture.integrations.torch.stepping import Stepping

pytestmark = pytest.mark.usefixtures("both_ways")


class Told:
    """A model, its optimiser, and how often something was told of it."""

    def __init__(self) -> None:
        self.net = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.times = 0
        self.stepping = Stepping(self.other)

    def other(self, optimizer: torch.optim.Optimizer) -> None:
        self.times += 1
        self.stepping.watch(optimizer)

    def steps(self, count: int, optimizer: torch.optim.Optimizer | None = None) -> None:
        for _ in range(count):
            (optimizer or self.optimizer).step()


@pytest.fixture
def told() -> Iterator[Told]:
    one = Told()
    handle = optimizers.register_optimizer_step_post_hook(one.stepping.after_step)
    yield one
    handle.remove()


def test_only_the_first_of_equal_steps_is_told_of(told: Told) -> None:
    told.steps(5)
    assert told.times == 1
    steps, last = told.stepping.taken()
    assert steps == 4
    assert last > 0


def test_what_was_taken_is_not_counted_again(told: Told) -> None:
    told.steps(3)
    assert told.stepping.waiting() == 2
    assert told.stepping.taken()[0] == 2
    assert told.stepping.waiting() == told.stepping.taken()[0] == 0
    told.steps(2)
    assert told.times == 1
    assert told.stepping.taken()[0] == 2


def test_once_it_is_let_go_of_an_optimizer_is_told_of_again(told: Told) -> None:
    told.steps(3)
    told.stepping.let_go()
    told.steps(2)
    assert told.times == 2
    assert told.stepping.taken()[0] == 3


def test_another_rate_is_told_of(told: Told) -> None:
    told.steps(2)
    told.optimizer.param_groups[0]["lr"] = 0.05
    told.steps(1)
    assert told.times == 2


def test_a_rate_that_is_set_anew_and_is_the_same_is_not_told_of(told: Told) -> None:
    told.steps(2)
    for group in told.optimizer.param_groups:
        group["lr"] = float("0.1")
    told.steps(2)
    assert told.times == 1
    told.optimizer.param_groups[0]["lr"] = True
    told.steps(1)
    assert told.times == 2


def test_another_optimizer_is_told_of(told: Told) -> None:
    other = torch.optim.SGD(told.net.parameters(), lr=0.1)
    told.steps(2)
    told.steps(1, other)
    told.steps(1)
    assert told.times == 3


def test_steps_of_several_groups_are_counted_until_the_rate_of_one_changes(told: Told) -> None:
    groups = [
        {"params": [one], "lr": rate} for one, rate in zip(told.net.parameters(), (0.1, 0.2), strict=True)
    ]
    optimizer = torch.optim.SGD(groups)
    told.steps(5, optimizer)
    assert told.times == 1
    optimizer.param_groups[1]["lr"] = 0.05
    told.steps(1, optimizer)
    assert told.times == 2
    told.steps(2, optimizer)
    del optimizer.param_groups[1]
    told.steps(2, optimizer)
    assert told.times == 3
    assert told.stepping.taken()[0] == 4 + 2 + 1


def test_groups_that_were_added_or_loaded_are_told_of(told: Told) -> None:
    told.steps(2)
    told.optimizer.load_state_dict(told.optimizer.state_dict())
    told.steps(1)
    assert told.times == 2
    told.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.2})
    told.steps(1)
    assert told.times == 3


def _other_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [{**optimizer.param_groups[0], "lr": 0.05}]


CHANGES: dict[str, Callable[[torch.optim.Optimizer], object]] = {
    "update of the group": lambda one: one.param_groups[0].update(lr=0.05),
    "another group in the list": lambda one: one.param_groups.__setitem__(0, _other_groups(one)[0]),
    "another list": lambda one: setattr(one, "param_groups", _other_groups(one)),
    "another list, by the attributes": lambda one: vars(one).update(param_groups=_other_groups(one)),
    "other attributes": lambda one: setattr(
        one, "__dict__", {**vars(one), "param_groups": _other_groups(one)}
    ),
    "a property of the class": lambda one: setattr(
        type(one), "param_groups", property(lambda self: _other_groups_of[id(self)])
    ),
}
_other_groups_of: dict[int, list[dict[str, Any]]] = {}


@pytest.mark.parametrize("change", CHANGES)
def test_a_rate_that_changes_is_told_of_by_whatever_way(told: Told, change: str) -> None:
    class Own(torch.optim.SGD):
        pass

    optimizer = Own(told.net.parameters(), lr=0.1)
    _other_groups_of[id(optimizer)] = _other_groups(optimizer)
    told.steps(4, optimizer)
    assert told.times == 1
    CHANGES[change](optimizer)
    told.steps(1, optimizer)
    assert told.times == 2
    assert told.stepping.taken()[0] == 3


def test_attributes_that_change_beside_the_groups_do_not_matter(told: Told) -> None:
    for number in range(5):
        told.optimizer.mark = number  # type: ignore[attr-defined]
        told.optimizer.param_groups[0]["mark"] = number
        told.steps(1)
    assert told.times == 1
    assert told.stepping.taken()[0] == 4


def test_a_rate_that_was_taken_away_raises_as_without_us(told: Told) -> None:
    told.steps(2)
    del told.optimizer.param_groups[0]["lr"]
    with pytest.raises(KeyError):
        told.optimizer.step()


def test_a_rate_in_a_tensor_is_always_told_of() -> None:
    one = Told()
    optimizer = torch.optim.SGD(one.net.parameters(), lr=torch.tensor(0.1))
    for _ in range(3):
        one.stepping.after_step(optimizer, (), {})
    assert one.times == 3


def test_parameters_are_freed_with_their_optimizer() -> None:
    one = Told()
    one.stepping.after_step(one.optimizer, (), {})
    freed = weakref.ref(one.net.weight)
    del one.net, one.optimizer
    gc.collect()
    assert freed() is None


def test_the_time_of_the_last_step_is_told_however_late_it_is_asked_for(told: Told) -> None:
    told.steps(2)
    before = time.time_ns()
    told.steps(1)
    after = time.time_ns()
    while time.time_ns() < after + 50_000_000:
        pass
    steps, last = told.stepping.taken()
    assert steps == 2
    # In C it is worked out from a count of the processor's own, by two looks at the clock.
    assert before - 1_000_000 < last < after + 1_000_000
    told.steps(1)
    assert last < told.stepping.taken()[1] < time.time_ns() + 1
