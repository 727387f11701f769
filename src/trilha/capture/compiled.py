"""What a training calls at every batch by way of `trilha_training`, which is in C, where that is installed.

It does what is ordinary and leaves the rest to the functions here that it is given: what is recorded is the
same with it and without (packages/recorder).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from trilha.capture.context import Activity, current_activity, process
from trilha.capture.extensions import extension

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["appender_of", "log_of", "over_of", "registered_of", "steps_of", "versions_of"]

F = TypeVar("F", bound=Callable[..., Any])

training: Any = extension("trilha_training")


def log_of(log: F) -> F:
    """`trilha.log`, for which `log` does what is not ordinary; `log` itself where there is nothing in C."""
    try:
        return training.log_of(log, process, current_activity, Activity) if training else log
    except (AttributeError, TypeError):
        return log  # It is one for another version of Trilha.


def appender_of(append: Callable[..., None], recorder: Recorder, head: bytes, codes: str) -> Any:
    """What appends a row of numbers, for which `append` does what is not ordinary.

    Args:
        append: appends a row in Python.
        recorder: of the run.
        head: what a payload of the series begins with.
        codes: `struct` code of each number: ``q`` or ``d``.
    """
    try:
        from trilha.capture.journal.mapped import MappedFile

        return training.Rows(append, recorder, MappedFile, head, codes) if training else append
    except (AttributeError, TypeError, ValueError):
        return append  # It is one for another version, or these are very many numbers.


def registered_of(other: Callable[..., None], known: dict[int, Any], part_type: type) -> Any:
    """What notes which module another one was put into; `other` itself where there is nothing in C.

    Args:
        other: called with the module, a name and the module that was put into it, where that is not known.
        known: modules that are a part of others, by their addresses.
        part_type: of the values of `known`: they have the slots ``module``, a weak reference, and
            ``containers``, a list of weak references to the modules that it was put into.
    """
    try:
        return training.Registered(other, known, part_type) if training else other
    except (AttributeError, TypeError):
        return other  # It is one for another version.


def steps_of(other: Callable[[Any], None]) -> Any:
    """What counts steps of an optimiser that are like the one before; None where there is nothing in C."""
    return getattr(training, "Steps", lambda _: None)(other)


def over_of(other: Callable[[Any], None], training_now: Any, recorder: Recorder, *more: Any) -> Any:
    """What is called when the iterator of a pass over data is gone; `other` where there is nothing in C.

    Args:
        other: called with the weak reference to it, where the pass was no epoch like the one before.
        training_now: the `Training` of PyTorch.
        recorder: of the run.
        more: what counts steps (`steps_of`); tells whether a data set has transforms; names a model; the
            classes of passes, optimisers, what is known and activities; that of data sets without transforms.
    """
    try:
        return training.Over(other, training_now, recorder, process, *more) if training else other
    except (AttributeError, TypeError):
        return other  # It is one for another version.


def versions_of(other: F) -> F:
    """What sums up the in-place counters of a module's tensors, as `other` does it in Python."""
    return getattr(training, "versions", other)
