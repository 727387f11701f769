"""What a training was set up with besides its optimiser: schedulers, losses, the seed.

Schedulers and losses are noticed when they are made. Which of them a training uses is not told by PyTorch:
a scheduler is named as the cause of a change only if it says itself that it has set this very rate, and a
loss only if the program has made no other.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

__all__ = ["Schedules"]

_SURELY_GIVEN: Final = 1 << 32
"""A seed below is none that PyTorch drew: it draws 64 bits (`c10::detail::getNonDeterministicRandom`)."""

_MOST_LOSSES: Final = 1024


class Schedules:
    """The schedulers and losses that the program has made.

    Args:
        torch: the library.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._first_seed = int(torch.initial_seed())
        self._schedulers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._losses: list[weakref.ref[Any]] = []

    def scheduler_made(self, scheduler: Any) -> None:
        """The program made a scheduler."""
        self._schedulers.add(scheduler)

    def loss_made(self, loss: Any) -> None:
        """The program made a loss (some networks make one for each batch)."""
        losses = self._losses
        losses.append(weakref.ref(loss))
        if len(losses) == _MOST_LOSSES:
            losses[:] = [one for one in losses if one() is not None][: _MOST_LOSSES - 1]

    def cause(self, optimizer: Any, rates: list[float | None]) -> str:
        """The class of the scheduler that has set these learning rates; empty if none says so."""
        for scheduler in list(self._schedulers):
            own = getattr(scheduler, "optimizer", None)
            # Accelerate gives a scheduler an optimiser that wraps the one that makes the steps.
            if own is optimizer or getattr(own, "optimizer", None) is optimizer:
                last = getattr(scheduler, "_last_lr", None)
                if isinstance(last, list) and last == rates:
                    return type(scheduler).__name__
        return ""

    def loss(self) -> str | None:
        """The class of the loss, if the program has made losses of one class only."""
        names = {type(loss).__name__ for one in self._losses if (loss := one()) is not None}
        return names.pop() if len(names) == 1 else None

    def seed(self) -> int | None:
        """What the program has seeded PyTorch's generator with; None if it has not, or that is not known.

        A process begins with a seed that PyTorch draws.
        """
        seed = int(self._torch.initial_seed())
        return seed if seed != self._first_seed or seed < _SURELY_GIVEN else None
