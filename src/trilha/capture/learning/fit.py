"""One training, from its begin to its end, as a framework tells of it.

A `Fit` is made by the integration of a framework that leads the training itself (Keras, Lightning, the
Trainer of Transformers, scikit-learn). While it goes on, it is the recorder's `fits[-1]`, so that an
integration below (PyTorch's own hooks under Lightning) adds what it knows to this training and does not tell
of another one.

The model changes in place. Each epoch that changed it generates a new version, a revision of the one before
(PROV-DM section 5.2.2); whether it changed is told by the token of the model's type
(`trilha.capture.tokens`), or by the framework where there is none.
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import metrics
from trilha.capture.context import Activity, current
from trilha.capture.identity import Known, token
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.data import parts
from trilha.capture.learning.terms import TYPES, common_name
from trilha.capture.steps import meet, state_hyperparameters, use_object
from trilha.capture.values import is_value, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["Fit", "checkpoint", "evaluation", "guarded", "next_version"]

_REVISION: Final = literal_name("prov:Revision")
_MOST_EPOCHS: Final = 10_000
_MOST_ADAPTATIONS: Final = 200
_now = time.time_ns


def next_version(
    recorder: Recorder, model: Any, activity: Activity, at: int | None, label: str, *, force: bool = False
) -> Known:
    """What is known of a model as it is now: a new version, made by `activity`, if it has changed.

    Args:
        recorder: of the run.
        model: that may have changed in place.
        activity: that changed it.
        at: when, in nanoseconds since 1970-01-01 UTC; None if that is not known.
        label: of the new version.
        force: the framework says that it changed; else only its token tells.
    """
    known = meet(recorder, model, type(model).__name__)
    mark = token(model)
    if not force and (mark is None or mark == known.token):
        return known
    usage = activity.used.get(known.entity)
    if usage is None:
        usage = activity.used[known.entity] = recorder.used(
            activity.identifier, known.entity, None, "prov:role", "model"
        )
    entity = next(recorder.numbers)
    recorder.entity(entity, "prov:type", TYPES["Object"], "prov:type", TYPES["Model"], "prov:label", label)
    generation = recorder.generated(entity, activity.identifier, at)
    new = recorder.objects.put(model, entity, generation)
    revision = ("prov:type", _REVISION)
    recorder.derived(entity, known.entity, activity.identifier, generation, usage, *revision)
    return new


class Fit:
    """A training that goes on. Each method is called where the framework's own callback is.

    None of them guards against errors of ours: the integration calls them so that nothing reaches the
    program.

    Args:
        recorder: of the run.
        framework: ``"keras"``, ``"lightning"``, …; its integration's name.
        label: what to call the training.
        model: that is trained.
        forced: whether each epoch changed the model, whatever its token says.
        at: when it began, in nanoseconds since 1970-01-01 UTC; now by default.

    Attributes:
        recorder: of the run.
        activity: the training.
        epoch: the epoch that goes on; None between two.
        epochs: how many epochs have ended.
    """

    def __init__(
        self,
        recorder: Recorder,
        framework: str,
        label: str,
        model: Any,
        *,
        forced: bool = False,
        at: int | None = None,
    ) -> None:
        at = _now() if at is None else at
        self.recorder = recorder
        self._model = model
        self._forced = forced
        self._data: list[tuple[str, Any]] = []
        self._fresh: list[int] = []
        self._adaptations = 0
        self.framework = framework
        self.epochs = 0
        self._number = 0
        self.epoch: Activity | None = None
        about = ("prov:type", TYPES["Training"], "trilha:framework", framework)
        self.activity = recorder.begin(label, current(recorder), at, *about)
        meet(recorder, model, type(model).__name__)
        known, _ = use_object(recorder, self.activity, model, at, "model")
        self.first = known
        recorder.entity(known.entity, "prov:type", TYPES["Model"])
        recorder.fits.append(self)

    # -- what goes in

    def data(self, thing: Any, role: str = "training data") -> None:
        """The training uses data: an array, a loader, a frame, or a tuple of such.

        Args:
            thing: the data.
            role: ``"training data"`` or ``"validation data"``.
        """
        at = _now()
        for path, part in parts(thing, role):
            meet(self.recorder, part, path)
            known, _ = use_object(self.recorder, self.activity, part, at, role)
            self.recorder.entity(known.entity, "prov:type", TYPES["Dataset"])
            if role == "training data":
                self._data.append((role, part))

    def hyperparameters(self, values: Mapping[str, Any], common: Mapping[str, str] | None = None) -> None:
        """The training uses hyperparameters.

        Args:
            values: by the framework's own names; nested dicts become names with dots.
            common: common names of those that `trilha.capture.learning.terms.COMMON` does not know, or that
                are others here; empty for none.
        """
        state_hyperparameters(self.recorder, self.activity, dict(values), common=common or {})

    # -- what happens

    def epoch_begins(self, number: int, at: int | None = None) -> None:
        """An epoch begins.

        Args:
            number: of the epoch, from 1.
            at: when, in nanoseconds since 1970-01-01 UTC; now by default.
        """
        if self.epoch is not None:
            self.epoch_ends({})
        self._number = number
        if self.epochs >= _MOST_EPOCHS:
            return
        recorder, at = self.recorder, _now() if at is None else at
        about = ("prov:type", TYPES["Epoch"], "trilha:epoch", number)
        self.epoch = recorder.begin(f"epoch {number}", self.activity, at, *about)
        for role, thing in self._data:
            use_object(recorder, self.epoch, thing, at, role)
        self._use_fresh(self.epoch, at)

    def _use_fresh(self, activity: Activity, at: int) -> None:
        """State the use of what adaptations have changed since the last epoch."""
        fresh, self._fresh = self._fresh, []
        for entity in fresh:
            self.recorder.used(activity.identifier, entity, at)

    def epoch_ends(self, values: Mapping[str, Any], at: int | None = None) -> None:
        """An epoch is over.

        Args:
            values: its metrics; they are kept in one series of the training, with the epoch's number.
            at: when, in nanoseconds since 1970-01-01 UTC; now by default.
        """
        self.epochs += 1
        # A training that is resumed goes on with the number after the last one.
        self._number = max(self._number, self.epochs)
        if self.recorder.watchers:
            self.recorder.over = _thread.get_ident(), self._number
        recorder, at = self.recorder, _now() if at is None else at
        self.log(values, epoch=self._number)
        # While the epoch still goes on, so that what became of the model is put down to it.
        recorder.bring_up_to_date(self._model)
        epoch, self.epoch = self.epoch, None
        if epoch is None:
            return
        label = f"{type(self._model).__name__} after {epoch.label}"
        next_version(recorder, self._model, epoch, at, label, force=self._forced)
        recorder.end(epoch, at)

    def log(self, values: Mapping[str, Any], **position: int) -> None:
        """Metrics of the training, one row; `position` is ``epoch`` or ``step``."""
        if values:
            names, numbers = (*position, *values), (*position.values(), *values.values())
            metrics.log(self.recorder, self.activity, names, numbers)

    def adaptation(
        self, name: str, before: Any, after: Any, cause: str = "", *facts: Any, common: str | None = None
    ) -> None:
        """A hyperparameter changed on the way.

        Args:
            name: the framework's own name of it.
            before: the value until then.
            after: the value from now on.
            cause: what changed it: a scheduler's or a callback's class; empty if that is not known.
            facts: further attributes of the activity, keys and values in turn.
            common: its common name, where `common_name` does not know it.
        """
        self._adaptations += 1
        if self._adaptations > _MOST_ADAPTATIONS:
            return
        recorder, at = self.recorder, _now()
        activity = self._adapt(name, f"{name} {_said(before)} → {_said(after)}", at, cause, common, facts)
        entity = next(recorder.numbers)
        about = ["prov:type", TYPES["Hyperparameter"], "prov:label", name, "trilha:name", name]
        shared = common or common_name(name)
        if shared is not None:
            about += ["trilha:common", shared]
        about += ["prov:value", _plain(after), "trilha:before", _plain(before)]
        recorder.entity(entity, *about)
        recorder.generated(entity, activity.identifier, at)
        recorder.end(activity, at)
        if self.epoch is not None:
            recorder.used(self.epoch.identifier, entity, at)
        else:
            self._fresh.append(entity)

    def stopped_early(
        self, cause: str, monitor: str = "", best: Any = None, epoch: int | None = None
    ) -> None:
        """The training was stopped before its last epoch.

        Args:
            cause: what stopped it: a callback's class.
            monitor: the metric that it watched.
            best: the best value of that metric.
            epoch: after which epoch, from 1; the last one by default.
        """
        at = _now()
        facts: list[Any] = ["trilha:epoch", self._number if epoch is None else epoch]
        if monitor:
            facts += ["trilha:monitor", monitor]
        if best is not None:
            facts += ["trilha:best", _plain(best)]
        label = f"stopped early after epoch {self._number if epoch is None else epoch}"
        self.recorder.end(self._adapt("stop", label, at, cause, None, tuple(facts)), at)

    def _adapt(
        self, name: str, label: str, at: int, cause: str, common: str | None, facts: tuple[Any, ...]
    ) -> Activity:
        about: list[Any] = ["prov:type", TYPES["Adaptation"], "trilha:name", name]
        shared = common or common_name(name)
        if shared is not None:
            about += ["trilha:common", shared]
        if cause:
            about += ["trilha:cause", cause]
        if "trilha:epoch" not in facts:
            about += ["trilha:epoch", self._number]
        return self.recorder.begin(label, self.activity, at, *about, *facts)

    def checkpoint(self, path: str, reason: str = "", *, best: bool = False, model: Any = None) -> int | None:
        """A checkpoint was written: a file, or all files of a folder; gives the entity of the (first) file.

        Args:
            path: of the file or folder.
            reason: why it is the best one (``"highest val_accuracy 0.97 at epoch 8"``).
            best: whether it is the best one so far.
            model: that it holds; the model that is trained by default.
        """
        model = self._model if model is None else model
        return checkpoint(self.recorder, self.epoch or self.activity, model, path, reason, best=best)

    # -- the end

    def end(self, error: BaseException | None = None, *facts: Any) -> None:
        """The training is over: it finished, or `error` ended it; `facts` are further attributes."""
        recorder, at = self.recorder, _now()
        # While it still leads, so that what became of the model is put down to it.
        recorder.bring_up_to_date(self._model)
        if self in recorder.fits:
            recorder.fits.remove(self)
        counted = self.epochs or self.epoch is not None
        if self.epoch is not None:
            epoch, self.epoch = self.epoch, None
            label = f"{type(self._model).__name__} during {epoch.label}"
            next_version(recorder, self._model, epoch, at, label)
            recorder.end(epoch, at, "trilha:unfinished", True)
        elif not self.epochs:
            label = f"{type(self._model).__name__} after {self.activity.label}"
            next_version(
                recorder, self._model, self.activity, at, label, force=self._forced and error is None
            )
        about: list[Any] = [*(("trilha:epochs", self.epochs) if counted else ()), *facts]
        if error is not None:
            about += ["trilha:exception", type(error).__qualname__]
        recorder.end(self.activity, at, *about)


def checkpoint(
    recorder: Recorder, activity: Activity, model: Any, path: str, reason: str = "", *, best: bool = False
) -> int | None:
    """State that a checkpoint of a model was written; gives the entity of the (first) file.

    Args:
        recorder: of the run.
        activity: that wrote it.
        model: that it holds.
        path: of the file, or of a folder, all files of which hold it.
        reason: why it is the best one.
        best: whether it is the best one so far.
    """
    at = _now()
    recorder.bring_up_to_date(model)
    known = next_version(recorder, model, activity, at, f"{type(model).__name__} in {activity.label}")
    usage = activity.used.get(known.entity)
    if usage is None:
        usage = activity.used[known.entity] = recorder.used(activity.identifier, known.entity, at)
    first = None
    for one in _files(path):
        entity = recorder.files.produce(one, activity, at)
        if entity is None:
            continue
        first = entity if first is None else first
        about: list[Any] = ["prov:type", TYPES["Checkpoint"]]
        if best:
            about += ["trilha:best", True]
        if reason:
            about += ["trilha:reason", reason]
        recorder.entity(entity, *about)
        generation = recorder.files.generation_at(one, activity)
        how = (activity.identifier, generation, usage) if generation is not None else ()
        recorder.derived(entity, known.entity, *how)
    return first


def evaluation(
    recorder: Recorder,
    framework: str,
    model: Any,
    data: Any,
    values: Mapping[str, Any],
    *,
    part: str = "",
    label: str = "evaluation",
    begun: int | None = None,
) -> Activity:
    """State that a model was evaluated on data.

    Args:
        recorder: of the run.
        framework: ``"keras"``, ``"lightning"``, …
        model: that was evaluated.
        data: an array, a loader, a frame, or a tuple of such.
        values: the metrics.
        part: ``"test"``, ``"validation"`` or ``"train"``, where that is known.
        label: what to call it.
        begun: when, in nanoseconds since 1970-01-01 UTC.

    Returns:
        The activity, which has ended.
    """
    at = _now()
    begun = at if begun is None else begun
    about: list[Any] = ["prov:type", TYPES["Evaluation"], "trilha:framework", framework]
    if part:
        about += ["trilha:part", part]
    activity = recorder.begin(label, current(recorder), begun, *about)
    meet(recorder, model, type(model).__name__)
    use_object(recorder, activity, model, begun, "model")
    for path, thing in parts(data, "evaluation data"):
        meet(recorder, thing, path)
        use_object(recorder, activity, thing, begun, "evaluation data")
    if values:
        metrics.log(recorder, activity, tuple(values), tuple(values.values()))
    recorder.end(activity, at)
    return activity


def guarded(recorder: Recorder, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call one of our functions so that nothing of it reaches the program; gives what it gave, or None."""
    from trilha.capture.context import Quiet, process

    if process.recorder is not recorder:
        return None
    try:
        with Quiet():
            result = function(*arguments, **named)
    except Exception:
        recorder.failed()
        return None
    if recorder.over is not None and recorder.over[0] == _thread.get_ident():
        (_, epoch), recorder.over = recorder.over, None
        if sys.exc_info()[0] is None:
            # Nothing ends the training already; those who watch may.
            recorder.watched(epoch)
    return result


def _files(path: str) -> list[str]:
    if not os.path.isdir(path):
        return [path]
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)


def _plain(value: Any) -> Any:
    return value_of(value) if is_value(value) else text_of(value)


def _said(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else text_of(value)
