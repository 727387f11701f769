"""Which module is a part of which, as PyTorch's own hook tells it: in Python, and in C the same."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.modules.module as modules
from tests.compiled import loaded

from trilha.capture import compiled
from trilha.capture.integrations.torch import facts
from trilha.capture.integrations.torch.models import Models


@contextmanager
def noted(other: Callable[..., None] | None = None) -> Iterator[Models]:
    """Models that PyTorch tells of the parts of modules; `other` is told of those that are not known."""
    models = Models(None, torch)  # type: ignore[arg-type]
    hook = models.noting_parts(other or models.module_registered)
    handle = modules.register_module_module_registration_hook(hook)
    try:
        yield models
    finally:
        handle.remove()


@pytest.mark.usefixtures("both_ways")
def test_a_part_of_a_list_that_is_taken_for_a_moment_stays_one_of_the_model() -> None:
    with noted() as models:
        net = torch.nn.Module()
        net.layers = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
        first = net.layers[0]
        for _ in range(3):
            taken = net.layers[:-1]
            assert models.top(first) is taken
            del taken
            assert models.top(first) is net


@pytest.mark.usefixtures("both_ways")
def test_a_module_that_is_none_is_no_part() -> None:
    with noted() as models:
        net = torch.nn.Module()
        net.register_module("nothing", None)
        assert models.top(net) is net


@pytest.mark.usefixtures("both_ways")
def test_nothing_is_kept_alive() -> None:
    with noted():
        net, part = torch.nn.Module(), torch.nn.Linear(2, 2)
        for _ in range(3):
            net.part = part
        gone = weakref.ref(net), weakref.ref(part)
        del net, part
        gc.collect()
        assert [one() for one in gone] == [None, None]


def moves(count: int) -> list[tuple[Any, ...]]:
    """What is put where, and what is given up, in the order that luck gives."""
    luck = random.Random(7)
    found: list[tuple[Any, ...]] = []
    for _ in range(count):
        one, other = luck.randrange(8), luck.randrange(8)
        found.append(("forget", one) if luck.random() < 0.1 else ("put", max(one, other), min(one, other)))
    return found


def tops(training: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """After each of the moves: which module each one is in the end a part of, by their numbers."""
    monkeypatch.setattr(compiled, "training", training)
    found = []
    with noted() as models:
        known = [torch.nn.Module() for _ in range(8)]
        for move, number, *rest in moves(600):
            if move == "forget":
                # Out of all that it is in, too, so that it is gone.
                for one in known:
                    one._modules.pop(f"part{number}", None)
                known[number] = torch.nn.Module()
            elif rest[0] != number:
                known[number].add_module(f"part{rest[0]}", known[rest[0]])
            places = {id(one): place for place, one in enumerate(known)}
            found.append([places.get(id(models.top(one)), -1) for one in known])
    return found


def test_both_ways_note_the_same(training_library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.compiled import loaded

    assert tops(None, monkeypatch) == tops(loaded(training_library), monkeypatch)


def test_in_c_only_parts_that_are_not_known_are_told(
    training_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.compiled import loaded

    monkeypatch.setattr(compiled, "training", loaded(training_library))
    told = []

    def other(*arguments: Any) -> None:
        told.append(arguments[2])
        models.module_registered(*arguments)

    with noted(other) as models:
        net, part = torch.nn.Module(), torch.nn.Linear(2, 2)
        for _ in range(5):
            net.part = part
    assert told == [part]
    with pytest.raises(TypeError, match="a name"):
        models.noting_parts(other)(net)


class Other(torch.nn.Module):
    """A module with a buffer, a parameter that is not there, and a part that is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2))
        self.register_parameter("bias", None)
        self.register_module("rest", None)


def test_the_counters_of_a_model_s_tensors_are_summed_up_alike_in_python_and_in_c(training_library) -> None:
    versions = loaded(training_library).versions
    shared = torch.nn.Linear(2, 2)
    net = torch.nn.Sequential(shared, torch.nn.BatchNorm1d(2), torch.nn.Sequential(shared, Other()))
    net[2].above = net  # in a circle
    optimizer = torch.optim.SGD(net[:2].parameters(), lr=0.1)
    seen = set()
    for _ in range(3):
        assert versions(net) == facts._token(net)
        seen.add(versions(net))
        net[1](net[0](torch.randn(4, 2))).sum().backward()
        optimizer.step()
    assert len(seen) == 3
    before = versions(net)
    net[2][1].mean.add_(1)
    assert versions(net) == facts._token(net) == before + 1
    for thing in (3, torch.nn.Linear):
        for way in (versions, facts._token):
            with pytest.raises(AttributeError, match="_parameters"):
                way(thing)
