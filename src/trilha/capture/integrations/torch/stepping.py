"""What is asked after each step of an optimiser, which every training pays for.

Nearly all steps are like the one before: the same optimiser, the same groups of parameters, the same learning
rate. Those are only counted, in C where that is installed, and the counts are taken when
somebody needs them.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

from trilha.capture.compiled import steps_of

__all__ = ["Stepping"]


class Stepping:
    """Counts the steps that are like the one before, and tells of the others.

    Args:
        other: called with the optimiser after each step that is not like the one before.

    Attributes:
        after_step: the hook, called with the optimiser and the arguments of its step.
        taken: gives how many steps were counted since it was last asked, and when the last of them was, in
            nanoseconds since 1970-01-01 UTC.
        waiting: gives how many steps were counted since `taken` was last asked.
    """

    def __init__(self, other: Callable[[Any], None]) -> None:
        steps = steps_of(other)
        if steps is None:
            self.after_step, *rest = _steps_in_python(other)
        else:
            self.after_step, *rest = steps, steps.watch, steps.let_go, steps.waiting, steps.taken
        self._watch, self._let_go, self.waiting, self.taken = rest
        self._alive: Any = None

    def watch(self, optimizer: Any) -> None:
        """Have further steps of an optimiser counted, as long as all stays as it is."""
        found = optimizer.param_groups
        rates = tuple(group.get("lr") for group in found)
        if rates and all(type(rate) is float for rate in rates):
            let_go = self._let_go
            # The groups hold the parameters: they are let go of with the optimiser.
            self._alive = weakref.ref(optimizer, lambda _: let_go())
            self._watch(found, rates)

    def let_go(self) -> None:
        """Be told of the next step, whatever it is; what was counted is still there to be taken."""
        self._alive = None
        self._let_go()


def _steps_in_python(other: Callable[[Any], None]) -> tuple[Callable[..., Any], ...]:
    """The hook, and what has it watch, let go, and give what it has counted and what of that is new."""
    now = time.time_ns
    groups: Any = None
    rate: Any = None
    rates: Any = None  # where there are several groups
    count = last = 0

    # Cells of a closure are read faster than attributes, and lie in fewer places of the memory.
    def after_step(optimizer: Any, _args: Any, _kwargs: Any) -> None:
        nonlocal count, last
        if groups is not None:
            try:
                if optimizer.param_groups is groups and (
                    len(groups) == 1
                    and ((one := groups[0]["lr"]) is rate or (type(one) is float and one == rate))
                    if rates is None
                    else len(groups) == len(rates)
                    and all(
                        (one := group["lr"]) is known or (type(one) is float and one == known)
                        for group, known in zip(groups, rates, strict=True)
                    )
                ):
                    count += 1
                    last = now()
                    return
            except (AttributeError, KeyError, TypeError, IndexError):
                pass  # It is not like the one before.
        other(optimizer)

    def watch(found: Any, set_now: tuple[float, ...]) -> None:
        nonlocal groups, rate, rates
        groups, rate, rates = found, set_now[0], set_now if len(set_now) > 1 else None

    def let_go() -> None:
        nonlocal groups, rate, rates
        groups = rate = rates = None

    def waiting() -> int:
        return count

    def taken() -> tuple[int, int]:
        nonlocal count
        steps, count = count, 0
        return steps, last

    # What torch.compiler.disable would set; calling that would import the compiler for nothing.
    after_step._torchdynamo_disable = True  # type: ignore[attr-defined]
    return after_step, watch, let_go, waiting, taken
