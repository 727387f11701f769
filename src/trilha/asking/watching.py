"""Policies: functions of the program's that are asked at the end of each epoch, and may stop or adapt it.

A policy is called in the thread of the training and between two epochs, never beside it: so it may change an
optimiser without a race, and what it raises is raised where the program is. It is called when an epoch of a
recorded training ends (`trilha.learning`, `trilha.torch`, and the frameworks that lead the training
themselves) and, in a plain loop, at the first `trilha.log` with a new ``epoch``. What it asks is answered
from the journal of the run, which holds all that was logged so far.

Source: steering and hyperparameter tuning at run time, as the DLProv papers ask of online provenance; the
policies themselves are the user's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from trilha.asking.answering import opened
from trilha.capture.active import active
from trilha.capture.context import Quiet, current, process
from trilha.capture.learning.terms import TYPES, common_name
from trilha.capture.metrics import look_again
from trilha.capture.values import is_value, text_of, value_of
from trilha.errors import TrilhaError, UsageError
from trilha.query import questions

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder
    from trilha.query.questions import Answer

__all__ = ["Live", "Stop", "Watching", "watch"]


class Stop(Exception):
    """A policy stops the training.

    Raised in the program's own thread, at the end of an epoch. Inside ``with trilha.watch(…)`` it ends the
    block and goes no further; elsewhere the program catches it, or ends.
    """


class Live:
    """The run as a policy sees it.

    Attributes:
        run: UUID of the run.
        epoch: number of the epoch that has just ended, as the framework or `trilha.log` said it.
    """

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name
        self.run = recorder.uuid
        self.epoch: int | None = None

    def ask(self, name: str, *arguments: Any, where: str | None = None, everywhere: bool = False) -> Answer:
        """The answer to a named question, as of now.

        Args:
            name: of the question.
            arguments: of the question.
            where: only runs for which this expression is true.
            everywhere: ask about all runs of the store, not only this one.

        Raises:
            NotFound: no such question, or the run has not recorded yet what it asks about.
            UsageError: the arguments are wrong.
        """
        with Quiet():
            self._recorder.file.flush()
            with opened(self._recorder.folder) as store:
                run = None if everywhere else self.run
                return questions.ask(store, name, *arguments, run=run, where=where)

    def values(self, metric: str) -> list[float]:
        """The values of a metric so far, epoch by epoch; an empty list while there are none."""
        found = [row.get(metric) for row in self.ask("epochs")]
        return [value for value in found if isinstance(value, float)]

    def stop(self, reason: str = "") -> NoReturn:
        """Stop the training.

        Raises:
            Stop: always.
        """
        raise Stop(reason or self._name)

    def changed(self, name: str, before: Any, after: Any) -> None:
        """State that the policy changed a hyperparameter. A PyTorch optimiser's rate is noticed without this.

        Args:
            name: of the hyperparameter.
            before: its value until now.
            after: its value from now on.
        """
        recorder = self._recorder
        if recorder.fits:
            recorder.fits[-1].adaptation(name, before, after, self._name)
            return
        at = time.time_ns()
        label = f"{name} {_said(before)} → {_said(after)}"
        named = ["trilha:name", name]
        shared = common_name(name)
        if shared is not None:
            named += ["trilha:common", shared]
        activity = recorder.begin(label, current(recorder), at, *self._about(), *named)
        entity = next(recorder.numbers)
        about = ("prov:type", TYPES["Hyperparameter"], "prov:label", name, *named)
        recorder.entity(entity, *about, "prov:value", _plain(after), "trilha:before", _plain(before))
        recorder.generated(entity, activity.identifier, at)
        recorder.end(activity, at)

    def _about(self) -> list[Any]:
        about: list[Any] = ["prov:type", TYPES["Adaptation"], "trilha:cause", self._name]
        return about if self.epoch is None else [*about, "trilha:epoch", self.epoch]

    def _stopped(self, reason: str) -> None:
        recorder, at = self._recorder, time.time_ns()
        if recorder.fits:
            recorder.fits[-1].stopped_early(self._name)
            return
        label = f"stopped: {reason}"[:200]
        activity = recorder.begin(label, current(recorder), at, *self._about(), "trilha:name", "stop")
        recorder.end(activity, at)


class Watching:
    """A policy that is called while it is watched; see `watch`.

    As a context manager it watches until the block is left, and a `Stop` of its own ends the block.

    Attributes:
        stopped: the reason that the policy stopped the training for; None if it has not.
    """

    def __init__(
        self, policy: Callable[[Live], object], name: str, every: int, recorder: Recorder | None
    ) -> None:
        self.stopped: str | None = None
        self._policy = policy
        self._every = every
        self._recorder = recorder
        self._name = name
        self._seen: Any = None
        self._count = 0
        self._own: Stop | None = None
        if recorder is not None:
            self._live = Live(recorder, name)
            recorder.watchers.append(self._epoch_is_over)
            look_again(recorder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.end()
        return error is not None and error is self._own

    def end(self) -> None:
        """Watch no more."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None and self._epoch_is_over in recorder.watchers:
            recorder.watchers.remove(self._epoch_is_over)

    def check(self) -> None:
        """Call the policy now, whatever epoch it is; nothing where nothing is recorded.

        Raises:
            Stop: the policy stops the training.
        """
        recorder = self._recorder
        if recorder is None or process.recorder is not recorder:
            return
        for notice in tuple(recorder.noticers):
            notice("")
        recorder.policy = self._name
        try:
            self._policy(self._live)
        except Stop as stop:
            self.stopped = str(stop)
            self._own = stop
            self._note(recorder, self.stopped)
            raise
        except Exception as error:  # noqa: BLE001 -- the user's function may raise anything
            # A policy is a guest as Trilha is: its own errors are told, and do not end the training.
            self.end()
            recorder.failed()
            kind = "could not be answered" if isinstance(error, TrilhaError) else type(error).__name__
            recorder.complain(f"the policy {self._name} is called no more: {kind}: {error}")
            return
        finally:
            recorder.policy = ""
        for notice in tuple(recorder.noticers):
            notice(self._name)

    def _note(self, recorder: Recorder, reason: str) -> None:
        try:
            self._live._stopped(reason)
        except Exception:  # noqa: BLE001 -- counted, not raised into the program
            recorder.failed()

    def _epoch_is_over(self, epoch: Any) -> None:
        if epoch == self._seen and epoch is not None:
            return
        self._seen = epoch
        self._live.epoch = epoch if isinstance(epoch, int) else None
        self._count += 1
        if self._count % self._every == 0:
            self.check()


def watch(
    policy: Callable[[Live], object] | str,
    *arguments: Any,
    then: Callable[[Answer, Live], object] | None = None,
    every: int = 1,
    name: str = "",
) -> Watching:
    """Have a policy called at the end of each epoch of this run.

    A policy is a function of a `Live`, or a named question whose answer is handed to `then`::

        def patience(live):
            losses = live.values("loss")
            if len(losses) > 3 and min(losses[-3:]) > min(losses):
                live.stop("the loss has not fallen for three epochs")

        with trilha.watch(patience):
            train()

        trilha.watch("metric", "loss", then=lambda answer, live: ...)

    Does nothing while no run is recorded. An error in the policy is told once, and the training goes on
    without it. What the policy changes in a PyTorch optimiser is recorded as an adaptation with the policy
    as its cause; of anything else it says so itself, by `Live.changed`.

    Args:
        policy: a function, or the name of a question.
        arguments: of the question.
        then: called with the answer, where `policy` is a question.
        every: how many epochs there are from one call to the next.
        name: of the policy; that of the function by default.

    Returns:
        What watches: ``end()`` ends it; so does leaving it as a context manager.

    Raises:
        NotFound: no such question.
        UsageError: `policy` is neither a function nor a text, or a question without `then`, or `every` is no
            whole number from 1.
    """
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise UsageError(f"trilha.watch(every={every!r}): expected how many epochs, a whole number from 1")
    if isinstance(policy, str):
        function, called = _asking(policy, arguments, then)
    elif callable(policy) and not arguments and then is None:
        function, called = policy, getattr(policy, "__name__", type(policy).__name__)
    else:
        raise UsageError(
            "trilha.watch takes a function, or a question's name with its arguments and then=…, not"
            f" {type(policy).__name__}"
        )
    return Watching(function, name or called, every, active())


def _asking(
    question: str, arguments: tuple[Any, ...], then: Callable[[Answer, Live], object] | None
) -> tuple[Callable[[Live], object], str]:
    questions.find(question)
    if not callable(then):
        raise UsageError(f"trilha.watch({question!r}): say by then=… which function takes the answer")

    def policy(live: Live) -> None:
        then(live.ask(question, *arguments), live)

    return policy, getattr(then, "__name__", question)


def _plain(value: Any) -> Any:
    return value_of(value) if is_value(value) else text_of(value)


def _said(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else text_of(value)
