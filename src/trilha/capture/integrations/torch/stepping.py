"""What is asked after each step of an optimiser, which every training pays for.

Nearly all steps are like the one before: the same optimiser, its groups of parameters and its learning rate
the same objects as ever. Those are only counted, and the counts are taken when somebody needs them.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Stepping"]


class Stepping:
    """Counts the steps that are like the one before, and tells of the others.

    Args:
        other: called with the optimiser after each step that is not like the one before.

    Attributes:
        after_step: the hook, called with the optimiser and the arguments of its step.
        watch: have further steps of an optimiser counted, as long as all stays as it is.
        taken: how many steps were counted since it was last asked, and when the last of them was (nanoseconds
            since 1970-01-01 UTC); no further ones are until `watch` is called.
    """

    def __init__(self, other: Callable[[Any], None]) -> None:
        now = time.time_ns
        groups: Any = None
        rate: Any = None
        alive: Any = None
        count = last = 0

        # Cells of a closure are read faster than attributes, and lie in fewer places of the memory.
        def after_step(optimizer: Any, _args: Any, _kwargs: Any) -> None:
            nonlocal count, last
            if groups is not None:
                try:
                    if optimizer.param_groups is groups and len(groups) == 1 and groups[0]["lr"] is rate:
                        count += 1
                        last = now()
                        return
                except (AttributeError, KeyError, TypeError, IndexError):
                    pass  # It is not like the one before.
            other(optimizer)

        def watch(optimizer: Any) -> None:
            nonlocal groups, rate, alive
            found = optimizer.param_groups
            if len(found) == 1 and type(found[0].get("lr")) is float:
                # The groups hold the parameters: they are let go of with the optimiser.
                alive = weakref.ref(optimizer, let_go)
                groups, rate = found, found[0]["lr"]

        def let_go(_: Any) -> None:
            nonlocal groups, rate
            groups = rate = None

        def taken() -> tuple[int, int]:
            nonlocal groups, rate, alive, count
            steps, count = count, 0
            groups = rate = alive = None
            return steps, last

        # What torch.compiler.disable would set; calling that would import the compiler for nothing.
        after_step._torchdynamo_disable = True  # type: ignore[attr-defined]
        self.after_step = after_step
        self.watch = watch
        self.taken = taken
