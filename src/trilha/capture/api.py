"""What users write: a run, its steps, what they use and produce, metrics and hyperparameters.

Each of these does nothing while no run is recorded, so that they can stay in a program for good. None of them raises
an error of its own into the program, except for a wrong call (`trilha.errors.UsageError`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from trilha.capture.context import Activity, current, current_activity, process

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.capture.steps import Step

__all__ = ["Run", "StepMaker", "hyperparameters", "log", "produce", "run", "step", "use"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Run:
    """A run that is recorded while it is entered.

    Inside a run that is being recorded already (under ``trilha run``, say), it is a step of that run: one execution of
    a program is one run.

    Attributes:
        name: the run's name.
        id: UUID of the run as text; empty where nothing is recorded.
    """

    def __init__(self, name: str, store: str, attributes: dict[str, Any]) -> None:
        self.name = name
        self.id = ""
        self._store = store
        self._attributes = attributes
        self._step: Step | None = None
        self._recorder: Recorder | None = None

    def __enter__(self) -> Run:
        from trilha.capture import session
        from trilha.capture.steps import Step, split_arguments

        active = process.recorder
        if active is not None:
            self.id = active.uuid
            self._step = Step(self.name, self._attributes)
            self._step.__enter__()
            return self
        values, _ = split_arguments(self._attributes)
        self._recorder = session.start(self.name, store=self._store, attributes=tuple(values))
        if self._recorder is not None:
            self.id = self._recorder.uuid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._step is not None:
            self._step.__exit__(kind, error, trace)
        elif self._recorder is not None and process.recorder is self._recorder:
            from trilha.capture import outcome, session

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
    """
    name = name or os.path.basename(sys.argv[0] or "") or "python"
    return Run(name, os.fspath(store), attributes)


class StepMaker:
    """What `step` gives when it is called with a name: a context manager, and a decorator."""

    __slots__ = ("_arguments", "_entered", "_label")

    def __init__(self, label: str, arguments: dict[str, Any]) -> None:
        self._label = label
        self._arguments = arguments
        self._entered: list[Step] = []

    def __enter__(self) -> Activity | None:
        if process.recorder is None:
            return None
        from trilha.capture.steps import Step

        entered = Step(self._label, self._arguments)
        self._entered.append(entered)
        return entered.__enter__().activity

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            self._entered.pop().__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        return _decorated(function, self._label)


def _decorated(function: F, label: str) -> F:
    if not callable(function):
        from trilha.errors import UsageError

        raise UsageError(f"trilha.step takes a name or a function, not {type(function).__name__}")
    from trilha.capture.steps import traced

    return traced(function, label)  # type: ignore[return-value]


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

    Around a function, arguments and return values are recorded by object identity: what one step returned and another
    takes is one entity.

    Args:
        name: the step's name, or the function to decorate.
        arguments: recorded with the step: plain values as its attributes, objects as usages.

    Raises:
        UsageError: `name` is neither a text nor a function.
    """
    if isinstance(name, str):
        return StepMaker(name, arguments)
    return _decorated(name, getattr(name, "__name__", "step"))


def use(thing: T) -> T:
    """Record that the current step uses a file (a path that exists) or an object; gives it back.

    Args:
        thing: a path as text or `os.PathLike`, or any object.
    """
    recorder = process.recorder
    if recorder is not None:
        try:
            _use(recorder, thing)
        except Exception:
            recorder.failed()
    return thing


def _use(recorder: Recorder, thing: Any) -> None:
    from trilha.capture.steps import use_object

    activity, at = current(recorder), time.time_ns()
    if isinstance(thing, (str, os.PathLike)):
        if recorder.files.read(os.path.abspath(os.fspath(thing)), activity, at) is None:
            recorder.complain(f"trilha.use({thing!r}): there is no such file to read, so no usage was recorded")
    else:
        use_object(recorder, activity, thing, at, "")


def produce(thing: T, name: str = "") -> T:
    """Record that the current step made a file (a path that exists by now) or an object; gives it back.

    The result is derived from all that the step is known to have used.

    Args:
        thing: a path as text or `os.PathLike`, or any object.
        name: what to call an object.
    """
    recorder = process.recorder
    if recorder is not None:
        try:
            _produce(recorder, thing, name)
        except Exception:
            recorder.failed()
    return thing


def _produce(recorder: Recorder, thing: Any, name: str) -> None:
    from trilha.capture.steps import made

    activity, at = current(recorder), time.time_ns()
    if isinstance(thing, (str, os.PathLike)):
        if recorder.files.produce(os.path.abspath(os.fspath(thing)), activity, at) is None:
            recorder.complain(f"trilha.produce({thing!r}): there is no such file, so no generation was recorded")
    else:
        made(recorder, activity, thing, at, name or activity.label)


def log(**metrics: Any) -> None:
    """Record metrics of the current step: one row of numbers.

    Args:
        metrics: numbers by name; ``epoch`` and ``step`` are whole numbers that say where the row belongs. NaN and
            infinity are kept. A row with something that is no number is counted, not recorded.
    """
    recorder = process.recorder
    if recorder is None:
        return
    try:
        blocks = (current_activity.get() or recorder.run).blocks
        if len(metrics) == 1:
            for name in metrics:
                blocks[name].append(metrics[name])
        else:
            blocks[tuple(metrics)].append(*metrics.values())
    except Exception:
        # The first row of a block, a value that is no plain number, or an error of ours.
        _log(recorder, metrics)


def _log(recorder: Recorder, metrics: dict[str, Any]) -> None:
    from trilha.capture.metrics import log as log_row

    try:
        if metrics:
            log_row(recorder, current(recorder), tuple(metrics), tuple(metrics.values()))
    except Exception:
        recorder.failed()


def hyperparameters(**values: Any) -> None:
    """Record hyperparameters that the current step uses, each as an entity with its value.

    Args:
        values: by name; nested dicts become names with dots.
    """
    recorder = process.recorder
    if recorder is None:
        return
    try:
        from trilha.capture.steps import state_hyperparameters

        state_hyperparameters(recorder, current(recorder), values)
    except Exception:
        recorder.failed()
