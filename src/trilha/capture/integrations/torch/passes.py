"""Passes over a data loader, and what is stated of those that are epochs.

An epoch that is like the one before is known to be one only when it is over, or has gone on for a while: its
steps are counted and not told of (`stepping`). Then all of it is stated in one small frame. One that goes on
for longer than a second has its begin stated from the background, as soon as the journal is next written to
the disk (`Recorder.begun`).
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity
from trilha.capture.identity import Known
from trilha.capture.integrations.torch.facts import rates_of
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.terms import TYPES
from trilha.capture.recorder import STEP
from trilha.capture.shaped import Hole, shape_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.learning.fit import Fit
    from trilha.capture.recorder import Recorder

__all__ = ["Optimizer", "Pass"]

_WAITS_NS: Final = 1_000_000_000
_EPOCH: Final = (
    *("prov:type", STEP, "prov:label", Hole(2)),
    *("prov:type", TYPES["Epoch"], "trilha:epoch", Hole(3)),
)
_BEGUN: Final = (
    (int(Kind.START), None, Hole(0), None, Hole(4), Hole(1), ()),
    (int(Kind.USAGE), Hole(5), Hole(0), Hole(6), Hole(1), ("prov:role", "training data")),
)
_BEGIN: Final = ((int(Kind.ACTIVITY), Hole(0), Hole(1), None, _EPOCH), *_BEGUN)
"""Statements when an epoch begins: activity, time, label, number, training, usage of the data, the data."""
_WHOLE: Final = (
    (int(Kind.ACTIVITY), Hole(0), Hole(1), Hole(7), (*_EPOCH, "trilha:steps", Hole(8))),
    *_BEGUN,
    (int(Kind.USAGE), Hole(9), Hole(0), Hole(10), Hole(1), ("prov:role", "model")),
    (
        *(int(Kind.ENTITY), Hole(11)),
        ("prov:type", TYPES["Object"], "prov:type", TYPES["Model"], "prov:label", Hole(12)),
    ),
    (int(Kind.GENERATION), Hole(13), Hole(11), Hole(0), Hole(14), ()),
    (
        *(int(Kind.DERIVATION), None, Hole(11), Hole(10), Hole(0), Hole(13), Hole(9)),
        ("prov:type", literal_name("prov:Revision")),
    ),
)
"""The same of an epoch that is over, with its end and steps; usage of the model, the model before and after
it, its label, its generation and when that was."""


def _whole() -> Template:
    return _WHOLE


class Optimizer:
    """An optimiser that has made a step.

    Attributes:
        models: the modules at the top whose parameters it changes.
        rates: the learning rate of each group when it was last seen.
        training: the activity that its steps belong to.
        leader: the framework's training, where one leads.
        fused: it changes parameters without counting that, as PyTorch's fused kernels do.
        uncounted: it has, since its models were last looked at.
    """

    __slots__ = ("fused", "leader", "models", "rates", "reference", "training", "uncounted")

    def __init__(self, optimizer: Any, models: list[Any], training: Activity, leader: Fit | None) -> None:
        self.leader = leader
        self.reference = weakref.ref(optimizer)
        self.models = [weakref.ref(model) for model in models]
        self.rates = rates_of(optimizer)
        self.training = training
        self.fused = any(group.get("fused") for group in optimizer.param_groups)
        self.uncounted = False

    def only(self) -> Any:
        """Its model, if it has one and that is still there; None otherwise."""
        return self.models[0]() if len(self.models) == 1 else None

    def alive(self) -> list[Any]:
        """The models that are still there."""
        return [model for model in (reference() for reference in self.models) if model is not None]


class Pass:
    """One iteration over a data loader that is going on.

    Args:
        recorder: of the run.
        known: the data loader, as an entity.
        at: when it began, in nanoseconds since 1970-01-01 UTC.
        place: the activity that it began in.
        loader: the data loader, weakly.
        led: a framework above tells of it.

    Attributes:
        activity: the epoch that it is, once that is known.
        optimizers: those that have made steps in it.
        steps: how many they have made.
    """

    __slots__ = (
        *("activity", "at", "iterator", "known", "led", "loader", "optimizers", "place", "steps"),
        *("_claims", "_number", "_recorder", "_training", "_waiting"),
    )

    def __init__(
        self, recorder: Recorder, known: Known, at: int, place: Activity, loader: Any, *, led: bool
    ) -> None:
        self._recorder = recorder
        self.known = known
        self.at = at
        self.place = place
        self.loader = loader
        self.led = led
        self.steps = 0
        self.activity: Activity | None = None
        self.iterator: weakref.ref[Any] | None = None
        self.optimizers: list[Optimizer] = []
        self._training: Activity | None = None
        self._number = 0
        self._claims: dict[int, Activity | None] = {}
        self._waiting: Callable[[], int] = int

    def expect(self, number: int, training: Activity, waiting: Callable[[], int]) -> None:
        """It will be the epoch `number` of a training as soon as `waiting` gives a number of steps."""
        self._waiting = waiting
        self._number = number
        self._training = training
        self._recorder.begun[self] = None

    def is_expected(self) -> bool:
        """Whether it was said to become an epoch, and nothing of that is stated."""
        return self._training is not None and not self._claims

    def _claim(self, epoch: Activity | None) -> Activity | None:
        """What is stated of it: `epoch` if nothing was before, from whichever thread; None for nothing."""
        return self._claims.setdefault(0, epoch)

    def begins(self, number: int, training: Activity) -> Activity:
        """It is the epoch `number` of a training: state its begin, if that is not done; gives it."""
        self._recorder.begun.pop(self, None)
        self.activity = epoch = self._begin(number, training)
        return epoch

    def state_begin(self) -> None:
        """From the background: state the begin of an epoch that has gone on for long enough."""
        training = self._training
        if training is None or self._claims:
            return
        if time.time_ns() - self.at < _WAITS_NS or not self._waiting():
            self._recorder.begun[self] = None  # at another time
        else:
            self._begin(self._number, training)

    def _begin(self, number: int, training: Activity) -> Activity:
        numbers = self._recorder.numbers
        epoch = Activity(next(numbers), f"epoch {number}", training)
        usage = epoch.used[self.known.entity] = next(numbers)
        stated = self._claim(epoch)
        if stated is epoch:
            begin = shape_of(self._recorder, "an epoch's begin", lambda: _BEGIN)
            about = (epoch.label, number, training.identifier, usage, self.known.entity)
            begin.state(epoch.identifier, self.at, *about)
        return epoch if stated is None else stated

    def drop(self) -> None:
        """It is over, and no epoch."""
        self._recorder.begun.pop(self, None)
        self._claim(None)

    def state_whole(
        self, end: int, steps: int, last: int, model: Known, label: str
    ) -> tuple[int, int] | None:
        """It was the epoch that was expected, and is over: state all of it.

        Args:
            end: when it ended, in nanoseconds since 1970-01-01 UTC.
            steps: how many were made in it.
            last: when the last one was.
            model: that it changed, as it was before.
            label: of the model after it.

        Returns:
            Entity of the model after it and its generation; None if the begin has been stated already.
        """
        recorder, training, number = self._recorder, self._training, self._number
        recorder.begun.pop(self, None)
        if training is None or self._claim(None) is not None:
            return None
        numbers = recorder.numbers
        epoch, data, usage = next(numbers), next(numbers), next(numbers)
        entity, generation = next(numbers), next(numbers)
        title = f"epoch {number}"
        shape_of(recorder, "an epoch", _whole).state(
            *(epoch, self.at, title, number, training.identifier, data, self.known.entity, end, steps),
            *(usage, model.entity, entity, f"{label} after {title}", generation, last),
        )
        return entity, generation
