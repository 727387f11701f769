"""What users write: a run, its steps, what they use and produce, metrics and hyperparameters.

Each of these does nothing while no run is recorded, so that they can stay in a program for good. None of
them raises an error of its own into the program, except for a wrong call (`trilha.errors.UsageError`).
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, overload

from trilha.capture.active import active
from trilha.capture.compiled import log_of
from trilha.capture.context import Activity, current, current_activity, process
from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.steps import Step

__all__ = ["Run", "StepMaker", "annotate", "hyperparameters", "log", "produce", "run", "step", "use"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Run:
    """A run that is recorded while it is entered.

    Inside a run that is being recorded already (under ``trilha run``, say), it is a step of that run: one
    execution of a program is one run.

    Attributes:
        name: the run's name.
        id: UUID of the run as text; empty where nothing is recorded.
    """

    def __init__(self, name: str, store: str, attributes: dict[str, Any]) -> None:
        self.name = name
        self.id = ""
        self._store = store
        self._attributes = attributes
        self._entered: list[Step | Recorder | None] = []

    @property
    def activity(self) -> Any:
        """The step that it is inside another run; None where it is a run itself, or is not entered."""
        entered = self._entered[-1] if self._entered else None
        return getattr(entered, "activity", None)

    def __enter__(self) -> Self:
        from trilha.capture import session
        from trilha.capture.steps import Step, split_arguments, use_object

        recorder = active()
        if recorder is not None:
            self.id = recorder.uuid
            step = Step(self.name, self._attributes)
            step.begin()
            self._entered.append(step)
            return self
        values, _ = split_arguments(self._attributes)
        recorder = session.start(self.name, store=self._store, attributes=tuple(values))
        self._entered.append(recorder)
        if recorder is not None:
            self.id = recorder.uuid
            for role, thing in split_arguments(self._attributes, recorder.objects)[1]:
                try:
                    use_object(recorder, recorder.run, thing, time.time_ns(), role)
                except Exception:
                    recorder.failed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered = self._entered.pop() if self._entered else None
        if entered is None:
            return
        from trilha.capture import outcome, session
        from trilha.capture.steps import Step

        if isinstance(entered, Step):
            entered.end(error)
        elif process.recorder is entered:
            status, _, text = outcome.of(error)
            session.finish(status, None, text)


def run(name: str = "", *, store: str | os.PathLike[str] = "", **attributes: Any) -> Run:
    """Record what happens inside a ``with`` block as one run.

    Args:
        name: of the run; the script's name by default.
        store: folder of the store; the environment's TRILHA_STORE, else ``.trilha``, by default.
        attributes: recorded with the run.

    Returns:
        A context manager that gives the `Run`.

    Raises:
        UsageError: `name` is no text, or `store` no path.
    """
    if not isinstance(name, str):
        raise _wrong(f"trilha.run takes a name, not {type(name).__name__}: trilha.run({str(name)!r})")
    if not isinstance(store, (str, os.PathLike)):
        raise _wrong(f"trilha.run(store=...) takes the path of a folder, not {type(store).__name__}")
    name = name or os.path.basename(getattr(sys, "argv", [""])[0] or "") or "python"
    return Run(name, os.fspath(store), attributes)


def _wrong(sentence: str) -> Exception:
    from trilha.errors import UsageError

    return UsageError(sentence)


class StepMaker:
    """What `step` gives when it is called with a name: a context manager, and a decorator.

    One may be entered many times, by several threads and tasks at once.
    """

    __slots__ = ("_arguments", "_entered", "_label")

    def __init__(self, label: str, arguments: dict[str, Any]) -> None:
        self._label = label
        self._arguments = arguments
        self._entered: list[tuple[int, Step]] = []

    def __enter__(self) -> Activity | None:
        if active() is None:
            return None
        from trilha.capture.steps import Step

        caller = sys._getframe(1)
        entered = Step(self._label, self._arguments, caller.f_code, caller.f_lineno)
        entered.begin()
        self._entered.append((_thread.get_ident(), entered))
        return entered.activity

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            leaving = self._leaving()
            if leaving is not None:
                self._entered.remove(leaving)
                leaving[1].end(error)

    def _leaving(self) -> tuple[int, Step] | None:
        """Which of the steps that were entered is left: the current one, else the last of this thread."""
        here, thread = current_activity.get(), _thread.get_ident()
        entered = list(reversed(self._entered))
        for one in entered:
            if here is not None and one[1].activity is here:
                return one
        return next((one for one in entered if one[0] == thread), None)

    def __call__(self, function: F) -> F:
        """`function`, recorded as a step with this name at each call."""
        return cast("F", _decorated(function, self._label))


def _decorated(function: Any, label: str) -> Any:
    """`function` as a step; of a class or static method, what is inside it."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_decorated(function.__func__, label or _name(function.__func__)))
    if not callable(function) or isinstance(function, type):
        what = "a class" if isinstance(function, type) else type(function).__name__
        raise _wrong(f"trilha.step takes a name or a function, not {what}: decorate the functions one by one")
    from trilha.capture.wrapping import traced

    return traced(function, label or _name(function))


def _name(function: Any) -> str:
    """What to call a function: its own name, also under a partial application."""
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
    return name if isinstance(name, str) else type(function).__name__


@overload
def step(name: F, /) -> F: ...
@overload
def step(name: str, /, **arguments: Any) -> StepMaker: ...
def step(name: Any, /, **arguments: Any) -> Any:
    """A step of the current run.

    Three ways to say it::

        with trilha.step("split", ratio=0.2): ...

        @trilha.step
        def clean(table): ...

        @trilha.step("clean the table")
        def clean(table): ...

    Around a function, arguments and return values are recorded by object identity: what one step returned
    and another takes is one entity.

    Args:
        name: the step's name, or the function to decorate.
        arguments: recorded with the step: plain values as its attributes, objects as usages.

    Raises:
        UsageError: `name` is neither a text nor a function.
    """
    if isinstance(name, str):
        return StepMaker(name, arguments)
    return _decorated(name, "")


def use(thing: T) -> T:
    """Record that the current step uses a file (a path that exists) or an object; gives it back.

    Args:
        thing: a path as text or `os.PathLike`, or any object.
    """
    recorder = active()
    if recorder is not None:
        try:
            _use(recorder, thing)
        except Exception:
            recorder.failed()
    return thing


def _use(recorder: Recorder, thing: Any) -> None:
    from trilha.capture.steps import use_object, use_value
    from trilha.capture.values import is_value

    activity, at = current(recorder), time.time_ns()
    path = _path_of(thing)
    if path is not None:
        if recorder.files.read(path, activity, at) is None:
            why = "there is no such file that may be read"
            if os.path.isdir(path):
                why = "it is a folder; name the files in it"
            recorder.complain(f"trilha.use({path!r}): {why}, so no usage was recorded")
    elif is_value(thing):
        use_value(recorder, activity, thing, at)
    else:
        use_object(recorder, activity, thing, at, "")


def _path_of(thing: Any) -> str | None:
    """The absolute path that a text or a path object names; None for anything else."""
    kind = type(thing)
    if issubclass(kind, str):
        return os.path.abspath(str.__str__(thing))
    return os.path.abspath(os.fsdecode(os.fspath(thing))) if hasattr(kind, "__fspath__") else None


def produce(thing: T, name: str = "") -> T:
    """Record that the current step made a file (a path that exists by now) or an object; gives it back.

    The result is derived from all that the step is known to have used.

    Args:
        thing: a path as text or `os.PathLike`, or any object.
        name: what to call an object.
    """
    recorder = active()
    if recorder is not None:
        try:
            _produce(recorder, thing, name)
        except Exception:
            recorder.failed()
    return thing


def _produce(recorder: Recorder, thing: Any, name: str) -> None:
    from trilha.capture.steps import derive_from_used, made

    activity, at = current(recorder), time.time_ns()
    path = _path_of(thing)
    if path is None:
        made(recorder, activity, thing, at, name or activity.label)
        return
    entity = recorder.files.produce(path, activity, at)
    if entity is None:
        why = "it is a folder; name the files in it" if os.path.isdir(path) else "there is no such file"
        recorder.complain(f"trilha.produce({path!r}): {why}, so no generation was recorded")
        return
    if name:
        recorder.entity(entity, "trilha:name", name)
    derive_from_used(recorder, activity, entity, recorder.files.generation_at(path, activity))


@log_of
def log(**metrics: Any) -> None:
    """Record metrics of the current step: one row of numbers.

    Args:
        metrics: numbers by name; ``epoch`` and ``step`` say where the row belongs. NaN and infinity are
        kept. None says
            that there is no value; what is no number is counted, not recorded.
    """
    recorder = process.recorder
    if recorder is None:
        if not process.invited:
            return
        recorder = active()
        if recorder is None:
            return
    try:
        blocks = (current_activity.get() or recorder.run).blocks
        if len(metrics) == 1:
            for name in metrics:  # noqa: PLC0206 -- twice as fast as to make pairs
                blocks[name].append(metrics[name])
        else:
            blocks[tuple(metrics)].append(*metrics.values())
        return
    except Exception:
        pass_on()
    # The first row of a block, a value that is no plain number, an error of ours, or somebody watches.
    _log(recorder, metrics)


def _log(recorder: Recorder, metrics: dict[str, Any]) -> None:
    from trilha.capture.metrics import log as log_row

    try:
        if metrics:
            log_row(recorder, current(recorder), tuple(metrics), tuple(metrics.values()))
    except Exception:
        recorder.failed()
    if recorder.watchers and not recorder.fits and "epoch" in metrics:
        recorder.watched(metrics["epoch"])


def hyperparameters(**values: Any) -> None:
    """Record hyperparameters that the current step uses, each as an entity with its value.

    Args:
        values: by name; nested dicts become names with dots. What is no plain value is recorded by its
        representation.
    """
    recorder = active()
    if recorder is None:
        return
    try:
        from trilha.capture.steps import state_hyperparameters

        state_hyperparameters(recorder, current(recorder), values)
    except Exception:
        recorder.failed()


def annotate(thing: T = None, /, **values: Any) -> T:  # type: ignore[assignment]
    """Record what you want to say of a thing, each as a name and a value; gives the thing back.

    Args:
        thing: the path of a file that is there, an object, what ``with trilha.step(...) as step`` or
            ``with trilha.run(...) as run`` gave, `trilha.run` itself for the run, or nothing for the current
            step (outside of steps, the run).
        values: by name: numbers, texts, truth values, times; of anything else its representation.
    """
    recorder = active()
    if recorder is not None:
        try:
            from trilha.capture.annotating import annotate as state

            state(recorder, thing, values)
        except Exception:
            recorder.failed()
    return thing
