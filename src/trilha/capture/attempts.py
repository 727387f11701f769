"""Attempts: each try to execute a task, somewhere.

What is said when an attempt begins is one frame of the journal (`trilha.capture.shaped`); what is said when
it has given a result belongs to the frame that ends its task. An attempt that a thread of this process
executes (`Inside`) is often over before anybody could ask for it, so its begin waits for its end, for as long
as the journal waits for the disk: see `Recorder.begun`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

from trilha.capture import context
from trilha.capture.context import Activity, Brief, process
from trilha.capture.journal.shapes import Template
from trilha.capture.journal.writer import literal_name
from trilha.capture.shaped import Hole, shape_of, with_holes
from trilha.capture.values import text_of
from trilha.prov import Kind

if TYPE_CHECKING:
    from trilha.capture.tasks import Task

__all__ = ["Attempt", "Inside", "Last", "attempt_ends"]

Last = tuple["Attempt", tuple[int, tuple[str, ...], tuple[str, ...]], tuple[Any, ...]]
"""Of an attempt that its task ends with: itself, what `attempt_ends` is to be given, and the contents."""

_TYPES: Final = ("prov:type", literal_name("trilha:Step"), "prov:type", literal_name("trilha:Attempt"))
_ACTIVITY, _START = int(Kind.ACTIVITY), int(Kind.START)
_MEASURED: Final = ("trilha:waited", "trilha:took", "trilha:cpu_seconds")
_TOLD: Final = (0, (), _MEASURED)
_GIVEN: Final = (0, (), ())
_now, _cpu = time.time_ns, time.thread_time_ns


class Attempt(Brief):
    """One try to execute a task.

    Args:
        task: that is tried.
        facts: attributes of the attempt, keys and values in turn.
        name: IRI by which the process that executes it knows it, too; a number of this process by default.

    Attributes:
        at: when it was handed over, in nanoseconds since 1970-01-01 UTC; once it is over, when it ended.
        ran: what was measured while it ran, attribute keys and values in turn.
        task: that is tried.
    """

    __slots__ = ("at", "ran", "task")

    executes = True

    def __init__(self, task: Task, *facts: Any, name: str | None = None) -> None:
        task.attempts += 1
        self._is_of(task, next(task.recorder.numbers) if name is None else name)
        self._state_begin(self.at, task.attempts, facts[::2], facts[1::2])

    @classmethod
    def begun(cls, task: Task, name: str) -> Self:
        """One whose begin is stated already."""
        attempt = cls.__new__(cls)
        attempt._is_of(task, name)
        return attempt

    def _is_of(self, task: Task, name: int | str) -> None:
        self.task = self.enclosing = task
        self.label = task.label
        self.at = _now()
        self.ran: tuple[Any, ...] = ()
        self._blocks = self._used = None
        self.identifier = name

    def _state_begin(self, at: int, count: int, keys: tuple[str, ...], values: tuple[Any, ...]) -> None:
        task = self.task
        key = (task.alike, count, keys)
        shape = task.recorder.shapes.get(key)
        if shape is None:
            label = self.label
            shape = shape_of(task.recorder, key, lambda: _attempt_begins(label, count, keys))
        shape.state(self.identifier, at, task.identifier, *values)

    @property
    def activity(self) -> Activity:
        """The attempt itself."""
        return self

    @property
    def is_over(self) -> bool:
        """As an `Activity` has it."""
        return bool(self.ran)

    def role_of(self, *paths: str) -> str:
        """As its task says."""
        return self.task.role_of(*paths)

    def ended(self, error: BaseException | None = None, *facts: Any) -> None:
        """The attempt is over: it gave a result, or `error`."""
        if error is not None:
            facts = (*facts, "trilha:exception", text_of(error)[:2000])
        self.state_end("finished" if error is None else "failed", _now(), *facts)

    def gave_result(self) -> None:
        """The attempt is over and its task ends with it, at once: both ends are said together."""
        self.at = at = _now()
        how = (0, (), self.ran[::2]) if self.ran else _GIVEN
        self.task.last = self, how, (self.identifier, at, *self.ran[1::2])

    def end_apart(self, last: Last) -> None:
        """The task did not end with it: say of it by itself what `last` says."""
        _, (count, keys, _), contents = last
        if count:
            values = contents[-len(keys) :] if keys else ()
            self._state_begin(contents[-1 - len(keys)], count, keys, values)
        self.state_end("finished", self.at)

    def state_end(self, status: str, at: int, *facts: Any) -> None:
        """State the attempt's end at `at`, in nanoseconds since 1970-01-01 UTC."""
        self.task.recorder.end(self, at, "trilha:status", status, *self.ran, *facts)


class Inside(Attempt):
    """An attempt that is going on in this thread.

    Args:
        task: that is tried.
        handed: when it was handed to this thread's pool, in nanoseconds since 1970-01-01 UTC.
        keys: of its attributes.
        values: of its attributes.
    """

    __slots__ = ("_began", "_count", "_keys", "_reset", "_spent", "_values", "_waited")

    def __init__(
        self, task: Task, handed: int, keys: tuple[str, ...] = (), values: tuple[Any, ...] = ()
    ) -> None:
        recorder = task.recorder
        task.attempts = self._count = task.attempts + 1
        self.task = self.enclosing = task
        self.label = task.label
        self.at = self._began = began = _now()
        self.ran = ()
        self._blocks = self._used = None
        self.identifier = next(recorder.numbers)
        self._keys = keys
        self._values = values
        self._waited = (began - handed) / 1e9
        recorder.begun[self] = None
        if not recorder.waits:
            recorder.state_begun()
        self._spent = _cpu()
        self._reset = context.enter(self)

    @property
    def is_over(self) -> bool:
        """As an `Activity` has it."""
        return self.at != self._began

    def state_begin(self) -> None:
        """State that it has begun, before it is over."""
        self._state_begin(self._began, self._count, self._keys, self._values)

    def over(self, error: BaseException | None, *facts: Any, last: bool) -> None:
        """The thread has done with it. Never raises.

        Args:
            error: that it gave instead of a result.
            facts: further attributes, where it failed.
            last: the caller tells at once that its task has ended, if there is a result.
        """
        spent, task = _cpu() - self._spent, self.task
        recorder = task.recorder
        try:
            context.leave(self._reset)
            if process.recorder is not recorder:
                return
            self.at = at = _now()
            recorder.files.settle(self, at)
            began = self._began
            waited, took, cpu = self._waited, (at - began) / 1e9, spent / 1e9
            if error is not None or not last:
                self.ran = (_MEASURED[0], waited, _MEASURED[1], took, _MEASURED[2], cpu)
                self.ended(error, *facts)
            elif recorder.begun.pop(self, self) is None:
                how = (self._count, self._keys, _MEASURED)
                task.last = self, how, (self.identifier, at, waited, took, cpu, began, *self._values)
            else:
                task.last = self, _TOLD, (self.identifier, at, waited, took, cpu)
        except Exception:
            recorder.failed()

    def state_end(self, status: str, at: int, *facts: Any) -> None:
        """State the attempt's end at `at`, in nanoseconds since 1970-01-01 UTC."""
        if self.task.recorder.begun.pop(self, self) is None:
            self.state_begin()
        super().state_end(status, at, *facts)

    def end_apart(self, last: Last) -> None:
        """The task did not end with it: say of it by itself what `last` says."""
        ran = last[2][2 : 2 + len(_MEASURED)]
        self.ran = tuple([one for pair in zip(_MEASURED, ran, strict=True) for one in pair])
        super().end_apart(last)


# -- the shapes


def _attempt_begins(label: str, count: int, keys: tuple[str, ...]) -> Template:
    """Holes: attempt, when, task, then a value for each key."""
    about = (*_about(label, count), *with_holes(keys, 3))
    return (
        (_ACTIVITY, Hole(0), Hole(1), None, about),
        (_START, None, Hole(0), None, Hole(2), Hole(1), ()),
    )


def _about(label: str, count: int) -> tuple[Any, ...]:
    return (*_TYPES, "prov:label", f"{label}, attempt {count}", "trilha:attempt", count)


def attempt_ends(
    label: str, task: Hole, place: int, count: int, keys: tuple[str, ...], ran: tuple[str, ...]
) -> Template:
    """Holes, from number `place` on: attempt, when it ended, then a value for each key of `ran`.

    Then, if its begin is told along (its `count` is not 0): when it began, and a value for each of `keys`.
    """
    attempt, ended = Hole(place), Hole(place + 1)
    about: tuple[Any, ...] = ("trilha:status", "finished", *with_holes(ran, place + 2))
    if not count:
        return ((_ACTIVITY, attempt, None, ended, about),)
    began = Hole(place + 2 + len(ran))
    about = (*_about(label, count), *with_holes(keys, began.number + 1), *about)
    return (
        (_ACTIVITY, attempt, began, ended, about),
        (_START, None, attempt, None, task, began, ()),
    )
