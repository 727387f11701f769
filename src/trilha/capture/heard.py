"""What a program tells other loggers: metrics, hyperparameters, tags.

The integrations of TensorBoard, MLflow, Weights & Biases and tqdm hear the calls that a script makes anyway
and bring what they were given here. It goes to the training that a framework leads, where one goes on, else
to the current activity.

One value is recorded once. A metric that two loggers are given under one name and for one step is one value,
the first. Where one of the two counts the steps by itself (a bar of tqdm, Weights & Biases without a step),
it is the same value under one name, told by the two one after the other. What a logger is told twice is
recorded twice: that is what the program did. What a framework's own callback tells a logger is left out while
that framework trains or evaluates, since its integration has recorded it.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import metrics
from trilha.capture.context import Activity, current
from trilha.capture.interrupts import pass_on
from trilha.capture.learning.evaluating import is_evaluating
from trilha.capture.steps import state_hyperparameters
from trilha.capture.values import is_value, key_of, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Heard", "Undo", "by_framework", "heard", "on_host", "place", "take_back", "wrap"]

Undo = list[tuple["Recorder", Callable[[], None]]]

_FRAMEWORKS: Final = frozenset(("lightning", "pytorch_lightning", "transformers", "keras", "deepxde"))
_MOST_KNOWN: Final = 10_000
_MOST_STATED: Final = 2_000


class Heard:
    """What the loggers of one run were told.

    Args:
        recorder: of the run.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._steps: dict[tuple[int | str, str, int], str] = {}
        self._last: dict[tuple[int | str, str], tuple[str, Any, int | None]] = {}
        self._stated: set[tuple[int | str, str, str]] = set()

    def metrics(
        self, logger: str, values: Mapping[str, Any], step: Any = None, *, counted: bool = False
    ) -> None:
        """A logger was given metrics.

        Args:
            logger: which one; ``"tensorboard"``, …
            values: by name; what is no number is left out.
            step: that they are for; None if the program did not say.
            counted: the logger counts the steps by itself, the program did not give this one.
        """
        activity = place(self._recorder)
        step = _whole(step)
        said = step is not None and not counted
        row: dict[str, Any] = {} if step is None else {"step": step}
        count = len(row)
        for name, value in list(values.items()):
            number = _number(value)
            if number is None or type(name) is not str or name == "step":
                continue
            if self._is_new(logger, activity, name, number, step if said else None):
                row[name] = number
        if len(row) > count:
            metrics.log(self._recorder, activity, tuple(row), tuple(row.values()))

    def _is_new(self, logger: str, activity: Activity, name: str, number: Any, step: int | None) -> bool:
        """Whether no other logger was told that; `step` is None where it was not said."""
        key = (activity.identifier, name)
        before = self._last.get(key)
        if before is not None and before[0] != logger and (step is None or before[2] is None):
            same = before[1] == number or (before[1] != before[1] and number != number)
            if same:
                return False
        if step is not None:
            exact = (*key, step)
            if self._steps.setdefault(exact, logger) != logger:
                return False
            if len(self._steps) > _MOST_KNOWN:
                del self._steps[next(iter(self._steps))]
        if len(self._last) > _MOST_KNOWN:
            del self._last[next(iter(self._last))]
        self._last[key] = (logger, number, step)
        return True

    def hyperparameters(self, values: Mapping[Any, Any]) -> None:
        """A logger was given hyperparameters; each is recorded once for each value that it had."""
        activity = place(self._recorder)
        fresh = {}
        for name, value in list(values.items()):
            key = (activity.identifier, text_of(name) if type(name) is not str else name, text_of(value))
            if key not in self._stated and len(self._stated) < _MOST_STATED:
                self._stated.add(key)
                fresh[name] = value
        if fresh:
            state_hyperparameters(self._recorder, activity, fresh)

    def tag(self, name: str, value: Any) -> None:
        """A logger's run was given a tag: an attribute of ours."""
        recorder = self._recorder
        plain = value_of(value) if is_value(value) else text_of(value)
        recorder.activity(recorder.run.identifier, None, None, key_of("trilha:tag.", name), plain)


_all: Final[weakref.WeakKeyDictionary[Recorder, Heard]] = weakref.WeakKeyDictionary()


def heard(recorder: Recorder) -> Heard:
    """What the loggers of this recorder's run were told; one for all of them."""
    found = _all.get(recorder)
    if found is None:
        found = _all[recorder] = Heard(recorder)
    return found


def place(recorder: Recorder) -> Activity:
    """Where metrics belong: the training that a framework leads, else the current activity."""
    if recorder.fits:
        leading: Activity = recorder.fits[-1].activity
        return leading
    return current(recorder)


def by_framework(recorder: Recorder, library: str) -> bool:
    """Whether a framework that trains or evaluates now made the call that our caller's caller wraps.

    Args:
        recorder: of the run.
        library: the logger's package, whose own calls of itself are passed over.
    """
    if not recorder.fits and not is_evaluating(recorder):
        return False
    frame = sys._getframe(1)
    while frame is not None:
        root = frame.f_globals.get("__name__", "").partition(".")[0]
        # PyTorch's own writer of TensorBoard's files is called by the one that matters.
        passed = root in (library, "trilha", "contextlib") or (root == "torch" and library == "tensorboard")
        if not passed:
            return root in _FRAMEWORKS
        frame = frame.f_back  # type: ignore[assignment]
    return False


def on_host(value: Any) -> Any:
    """A tensor of one element on an accelerator, brought to the host once for the logger and for us.

    The loggers do that themselves by the same two calls; anything else is given back as it is.
    """
    kind = type(value)
    if hasattr(kind, "detach") and hasattr(kind, "cpu") and hasattr(kind, "numel"):
        try:
            if value.device.type not in ("cpu", "meta") and value.numel() == 1:
                return value.detach().cpu()
        except Exception:
            pass_on()
            return value
    return value


def _number(value: Any) -> Any:
    """What a metric may be: a number, or something of one element on the host; else None."""
    kind = type(value)
    if kind is float or kind is int:
        return value
    if kind is bool or value is None or issubclass(kind, (str, bytes, Mapping)):
        return None
    if hasattr(kind, "detach") and getattr(getattr(value, "device", None), "type", "cpu") != "cpu":
        return None
    number = metrics._number(value)
    return float(number) if type(number) is bool else number


def _whole(step: Any) -> int | None:
    if type(step) is int:
        return step
    number = None if step is None else _number(step)
    return int(number) if number is not None and number == number and number == int(number) else None


def wrap(recorder: Recorder, undo: Undo, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> bool:
    """Put a wrapper in the place of a method until the run ends; False if there is none."""
    original = getattr(owner, "__dict__", {}).get(name)
    if not callable(original):
        return False
    wrapped = functools.wraps(original)(wrapper(original))
    setattr(owner, name, wrapped)

    def put_back() -> None:
        if owner.__dict__.get(name) is wrapped:
            setattr(owner, name, original)

    undo.append((recorder, put_back))
    return True


def take_back(recorder: Recorder, undo: Undo) -> None:
    """The wrappers of a run are gone."""
    for entry in [entry for entry in reversed(undo) if entry[0] is recorder]:
        undo.remove(entry)
        entry[1]()
