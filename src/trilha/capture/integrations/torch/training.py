"""Training as it happens: optimisers, epochs, learning rates.

An epoch is a pass over a data loader during which an optimiser made steps; it begins with the pass, and ends
when the iterator is gone or the next pass begins. A pass without such steps is recorded as that.

Where a framework above leads the training (`trilha.capture.learning.fit`), it tells of epochs and evaluations
itself; here the optimiser, its settings and its learning rate are added to that training.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import metrics
from trilha.capture.compiled import over_of
from trilha.capture.context import Activity, current
from trilha.capture.identity import Known
from trilha.capture.integrations.torch.facts import (
    about_loader,
    module_token,
    rate_of,
    rates_of,
    rates_text,
    settings_of,
)
from trilha.capture.integrations.torch.passes import Optimizer, Pass
from trilha.capture.integrations.torch.stepping import Stepping
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet, state_hyperparameters, use_object

if TYPE_CHECKING:
    from trilha.capture.integrations.torch.data import Data
    from trilha.capture.integrations.torch.inference import Inferences
    from trilha.capture.integrations.torch.models import Models
    from trilha.capture.integrations.torch.schedules import Schedules
    from trilha.capture.recorder import Recorder

__all__ = ["Training"]

_now = time.time_ns
_MOST_ADAPTATIONS: Final = 200
_MOST_PASSES: Final = 10_000


class Training:
    """What is going on in the way of training.

    Args:
        recorder: of the run.
        models: the program's models.
        data: the program's data sets.
        schedules: the program's learning-rate schedulers and losses.
        guard: calls a function so that nothing of it reaches the program.

    Attributes:
        stepping: has the hook to be called after each step of an optimiser.
        inferences: the calls of models that train nothing, once these are looked at.
        late: what a signal handler of the program raised where nothing can be raised.
    """

    __slots__ = (
        *("_activity", "_adaptations", "_data", "_epochs", "_fresh", "_guard", "_last_step", "_loaders"),
        *("_models", "_optimizers", "_over", "_passes", "_recorder", "_running", "_schedules", "_steps"),
        *("_watched", "inferences", "late", "stepping"),
    )

    def __init__(
        self,
        recorder: Recorder,
        models: Models,
        data: Data,
        schedules: Schedules,
        guard: Callable[..., None],
    ) -> None:
        self._recorder = recorder
        self._models = models
        self._data = data
        self._schedules = schedules
        self._guard = guard
        self._optimizers: dict[int, Optimizer] = {}
        self._activity: Activity | None = None
        self._running: Pass | None = None
        self.inferences: Inferences | None = None
        self.late: BaseException | None = None
        self._loaders: set[int | str] = set()
        self._fresh: list[int] = []
        self._epochs = self._passes = self._adaptations = self._steps = 0
        self._last_step = 0
        self.stepping = Stepping(lambda optimizer: guard(self.stepped, optimizer))
        self._watched: Optimizer | None = None
        self._over: Callable[[weakref.ref[Any]], None] = over_of(
            *(self._gone, self, recorder, self.stepping.after_step, data.has_transforms, models.name),
            *((Pass, Optimizer, Known, Activity), data.plain),
        )

    def trained(self) -> list[Any]:
        """The models that some optimiser has changed."""
        return [model for optimizer in self._optimizers.values() for model in optimizer.alive()]

    # -- passes

    @property
    def running(self) -> Pass | None:
        """The pass over a data loader that is going on."""
        return self._running

    def pass_begins(self, loader: Any, iterator: Any) -> None:
        """The program begins to iterate over a data loader."""
        recorder = self._recorder
        if recorder.inner and loader in recorder.inner:
            return
        at = _now()
        self.pass_ends()
        led, place = bool(recorder.fits), current(recorder)
        running = Pass(recorder, self._loader(loader), at, place, weakref.ref(loader), led=led)
        self._running = running
        if self._watched is not None:
            self._expect(running, self._watched)
        try:
            running.iterator = weakref.ref(iterator, self._over)
        except TypeError:
            running.iterator = None

    def _gone(self, iterator: weakref.ref[Any]) -> None:
        """An iterator over a data loader is gone."""
        running = self._running
        if running is not None and running.iterator is iterator:
            try:
                self._guard(self.pass_ends)
            except BaseException as error:
                # A signal handler of the program raised it (`sys.exit`, say). Out of a weak reference's
                # callback it would be lost.
                self.late = error

    def _expect(self, running: Pass, optimizer: Optimizer) -> None:
        """Have the steps in a pass that begins only counted, the first one too, where there is no doubt."""
        leads = running.led or optimizer.leader is not None
        if leads or optimizer.training is not self._activity or not self._recorder.waits:
            self._be_told()
        else:
            running.expect(self._epochs + 1, optimizer.training, self.stepping.waiting)
            if self.inferences is not None:
                self.inferences.epoch_begins()

    def _loader(self, loader: Any) -> Known:
        recorder = self._recorder
        known = meet(recorder, loader, "data loader")
        if known.entity in self._loaders:
            return known
        self._loaders.add(known.entity)
        recorder.entity(known.entity, *about_loader(loader))
        # Derive it from the data that it hands out, as far as those objects are known.
        dataset = getattr(loader, "dataset", None)
        self._data.met(dataset)
        sources = map(self._data.known, (dataset, *getattr(dataset, "tensors", ())))
        for entity in {source.entity for source in sources if source is not None}:
            recorder.derived(known.entity, entity)
        return known

    def pass_ends(self) -> None:
        """The pass that is going on is over."""
        running = self._running
        if running is None:
            self._count_steps()
            return
        if running.is_expected() and self._whole_epoch(running):
            self._running = None
            self._pass_over(running, self._last_step, trained=True)
            return
        self._count_steps()
        self._running = None
        running.drop()
        if running.led:
            return
        at = _now()
        if running.activity is not None:
            for optimizer in running.optimizers:
                self._count(optimizer)
                for model in optimizer.alive():
                    self._models.as_it_is(model, running.activity, self._last_step)
            self._recorder.end(running.activity, at, "trilha:steps", running.steps)
            self._pass_over(running, at, trained=True)
            return
        if self._pass_over(running, at, trained=False):
            return
        # A step of the script's own that was given the loader says as much.
        self._passes += 1
        if running.known.entity in running.place.used or self._passes > _MOST_PASSES:
            return
        activity = self._recorder.begin(
            "pass without updates", running.place, running.at, "prov:type", TYPES["Pass"]
        )
        self._recorder.used(activity.identifier, running.known.entity, running.at)
        self._recorder.end(activity, at)

    def _pass_over(self, running: Pass, at: int, *, trained: bool) -> bool:
        """Whether a pass that is over has been told of, as an inference."""
        return self.inferences is not None and self.inferences.pass_over(running, at, trained=trained)

    def _whole_epoch(self, running: Pass) -> bool:
        """State a pass that is over and was an epoch as expected, all at once; False where that cannot be."""
        optimizer, recorder = self._watched, self._recorder
        if optimizer is None or self._fresh or not self.stepping.waiting():
            return False
        model = optimizer.only()
        known = recorder.objects.itself(model) if model is not None else None
        dataset = getattr(running.loader(), "dataset", None)
        if known is None or self._data.has_transforms(dataset):
            return False
        mark = module_token(model)
        if mark == known.token and not (optimizer.fused or optimizer.uncounted):
            return False
        steps, self._last_step = self.stepping.taken()
        told = running.state_whole(_now(), steps, self._last_step, known, self._models.name(model))
        self._steps += steps
        if told is None:
            # Its begin had been stated from the background.
            running.steps += steps
            self._counts_in(running, optimizer)
            return False
        self._epochs += 1
        optimizer.uncounted = False
        recorder.objects.renew(model, known, *told, mark)
        return True

    # -- steps

    def stepped(self, optimizer: Any) -> None:
        """An optimiser made a step that is not like the one before."""
        self.catch_up()
        before, self._last_step = self._last_step, _now()
        known = self._optimizers.get(id(optimizer))
        if known is None or known.reference() is not optimizer:
            known = self._met(optimizer, before)
        self._steps += 1
        known.uncounted = known.fused
        running = self._running
        if running is not None:
            running.steps += 1
            if known not in running.optimizers:
                known = self._join(running, known)
        if rates_of(optimizer) != known.rates:
            self._rates_changed(optimizer, known)
        self._watched = known
        self.stepping.watch(optimizer)

    def catch_up(self) -> None:
        """Take over the steps that were only counted, and be told of the next one."""
        self._count_steps()
        self._be_told()

    def _be_told(self) -> None:
        self._watched = None
        self.stepping.let_go()

    def _count_steps(self) -> None:
        """Take over the steps that were only counted; all were of one optimiser, in what is running."""
        steps, last = self.stepping.taken()
        known, running = self._watched, self._running
        if not steps or known is None:
            return
        self._steps += steps
        self._last_step = last
        known.uncounted = known.fused
        if running is not None:
            running.steps += steps
            if known not in running.optimizers:
                self._counts_in(running, known)

    def _met(self, optimizer: Any, before: int) -> Optimizer:
        """An optimiser made its first step; the last of any was made at `before`."""
        recorder = self._recorder
        running = self._running
        at = running.at if running is not None else self._last_step
        entity = meet(recorder, optimizer, type(optimizer).__name__)
        recorder.entity(entity.entity, "prov:type", TYPES["Optimizer"])
        models = self._models.trained_by(optimizer)
        leader = recorder.fits[-1] if recorder.fits else None
        training: Activity | None = leader.activity if leader is not None else self._activity
        if leader is None and (training is None or not self._belongs(models, running)):
            self._end_training(before)
            place = _owner(current(recorder), entity)
            about = ("prov:type", TYPES["Training"], "trilha:framework", "torch")
            training = self._activity = recorder.begin("training", place, at, *about)
        assert training is not None
        use_object(recorder, training, optimizer, at, "optimizer")
        loader = running.loader() if running is not None else None
        state_hyperparameters(recorder, training, self._settings(optimizer, loader, led=leader is not None))
        for module in models:
            # It has made a step already; what is used is what it was before, and a change is due.
            model = self._models.introduce(module)
            model.token = None
            if model.entity not in training.used:
                training.used[model.entity] = recorder.used(
                    training.identifier, model.entity, at, "prov:role", "model"
                )
        found = self._optimizers[id(optimizer)] = Optimizer(optimizer, models, training, leader)
        return found

    def _settings(self, optimizer: Any, loader: Any, *, led: bool) -> dict[str, Any]:
        """The hyperparameters of a training that PyTorch knows; a framework above tells its own of some."""
        settings = settings_of(optimizer)
        if not led:
            batch_size = getattr(loader, "batch_size", None)
            loss, seed = self._schedules.loss(), self._schedules.seed()
            further = {"batch_size": batch_size, "loss": loss, "seed": seed}
            settings |= {name: value for name, value in further.items() if value is not None}
        return settings

    def _belongs(self, models: list[Any], running: Pass | None) -> bool:
        """Whether a new optimiser joins the training that goes on: in its pass, or for its model."""
        if running is not None and running.optimizers:
            return True
        known = {id(model) for model in self.trained()}
        return any(id(model) in known for model in models)

    def _join(self, running: Pass, optimizer: Optimizer) -> Optimizer:
        """An optimiser made its first step in a pass, which is an epoch, then; gives what is known of it."""
        recorder = self._recorder
        leader = recorder.fits[-1] if recorder.fits else None
        if optimizer.leader is not leader and (thing := optimizer.reference()) is not None:
            # It went on after the framework's training, or a framework took it over.
            optimizer = self._met(thing, running.at)
        if running.led or leader is not None:
            running.led = True
            running.optimizers.append(optimizer)
            if leader is not None:
                self._use_transformed(leader.epoch or leader.activity, running)
        else:
            self._counts_in(running, optimizer)
        return optimizer

    def _counts_in(self, running: Pass, optimizer: Optimizer) -> None:
        """An optimiser whose training is ours makes steps in a pass, which is an epoch of it."""
        recorder = self._recorder
        running.optimizers.append(optimizer)
        epoch = running.activity
        if epoch is None:
            self._epochs += 1
            epoch = running.begins(self._epochs, optimizer.training)
            fresh, self._fresh = self._fresh, []
            for entity in fresh:
                recorder.used(epoch.identifier, entity, self._last_step)
            self._use_transformed(epoch, running)
        for model in optimizer.alive():
            known = recorder.objects.get(model)
            if known is not None:
                self._use(epoch, known, running.at, "model")

    def _use_transformed(self, activity: Activity, running: Pass) -> None:
        """An epoch uses its data as their transforms hand them out, where there are any."""
        prepared = self._data.transformed(getattr(running.loader(), "dataset", None), running.at, activity)
        if prepared is not None:
            self._use(activity, prepared, running.at, "training data, transformed")

    def _use(self, activity: Activity, known: Known, at: int, role: str) -> None:
        if known.entity not in activity.used:
            usage = self._recorder.used(activity.identifier, known.entity, at, "prov:role", role)
            activity.used[known.entity] = usage

    def notice(self, cause: str) -> None:
        """State the learning rates that have changed since the last step, because of `cause`."""
        self.catch_up()
        for known in self._optimizers.values():
            optimizer = known.reference()
            if optimizer is not None:
                self._rates_changed(optimizer, known, cause)

    def _rates_changed(self, optimizer: Any, known: Optimizer, said: str = "") -> None:
        before, after = known.rates, rates_of(optimizer)
        if before == after:
            return
        known.rates = after
        recorder, at = self._recorder, _now() if said else self._last_step
        if after[0] is not None:
            metrics.log(recorder, known.training, ("step", "learning_rate"), (self._steps, after[0]))
        cause = said or self._schedules.cause(optimizer, after)
        value = rate_of(after)
        if known.leader is not None and known.leader in recorder.fits:
            known.leader.adaptation("lr", rate_of(before), value, cause)
            return
        self._adaptations += 1
        if self._adaptations > _MOST_ADAPTATIONS:
            return
        label = f"learning rate {rates_text(before)} → {rates_text(after)}"
        named = ("trilha:name", "lr", "trilha:common", "learning_rate")
        about = ["prov:type", TYPES["Adaptation"], *named, "trilha:epoch", self._epochs]
        if cause:
            about += ["trilha:cause", cause]
        activity = recorder.begin(label, known.training, at, *about)
        entity = next(recorder.numbers)
        recorder.entity(
            *(entity, "prov:type", TYPES["Hyperparameter"], "prov:label", "lr", *named),
            *("prov:value", value, "trilha:before", rates_text(before)),
        )
        recorder.generated(entity, activity.identifier, at)
        recorder.end(activity, at)
        if said:
            # Between two steps, and perhaps between two epochs: the next one to begin is certain to use it.
            self._fresh.append(entity)
            return
        epoch = self._running.activity if self._running is not None else None
        recorder.used((epoch or known.training).identifier, entity, at)

    def bring_up_to_date(self, module: Any) -> None:
        """State what became of a model since it was last looked at."""
        self.catch_up()
        # The last one first: a model may be trained by several in turn, and earlier trainings are over.
        for optimizer in reversed(list(self._optimizers.values())):
            if any(reference() is module for reference in optimizer.models):
                self._count(optimizer)
                running = self._running
                if optimizer.leader is not None and optimizer.leader in self._recorder.fits:
                    by = optimizer.leader.epoch or optimizer.leader.activity
                    self._models.as_it_is(module, by, self._last_step)
                    return
                epoch = running.activity if running is not None and optimizer in running.optimizers else None
                if epoch is None and optimizer.training is self._activity and not self._epochs:
                    # Steps were made outside any pass, which no epoch accounts for.
                    epoch = optimizer.training
                when = "during" if running is not None else "after"
                self._models.as_it_is(module, epoch, self._last_step if epoch is not None else None, when)
                return
        self._models.as_it_is(module)

    def _count(self, optimizer: Optimizer) -> None:
        """Have the models of an optimiser that does not count its changes known as changed."""
        if optimizer.uncounted:
            optimizer.uncounted = False
            for model in optimizer.alive():
                known = self._recorder.objects.get(model)
                if known is not None:
                    known.token = None

    def _end_training(self, at: int) -> None:
        if self._activity is not None:
            epochs = ("trilha:epochs", self._epochs) if self._epochs else ()
            self._recorder.end(self._activity, at, "trilha:steps", self._steps, *epochs)
        self._activity = None
        self._epochs = self._steps = 0

    def forget(self) -> None:
        """In a forked child: what goes on is the parent's, who states its end."""
        self.stepping.taken()
        self._be_told()
        if self.inferences is not None:
            self.inferences.forget()
        self._optimizers.clear()
        self._activity = self._running = None
        self._epochs = self._steps = 0

    def finish(self) -> None:
        """The run ends: state what is still open."""
        self.pass_ends()
        if self.inferences is not None:
            self.inferences.finish()
        for model in self.trained():
            self.bring_up_to_date(model)
        self._end_training(self._last_step)


def _owner(activity: Activity, known: Known) -> Activity:
    """The activity that an object belongs to: what was handed to a step belongs to the one around it."""
    while known.entity in activity.used and activity.enclosing is not None:
        activity = activity.enclosing
    return activity
