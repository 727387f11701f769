"""Calls of an estimator's methods as activities: trainings, transformations, predictions, evaluations.

A fit is a training of the estimator, which is the model. Of an estimator that transforms and does not
predict (a scaler, say) it is a plain step. What is transformed is derived from the data and from the
transformer, which is itself derived from the data that it was fitted on, so that a scaler that has seen the
test data can be found.

In a composite each step that transforms is a transformation with its place; the model is the composite. What
its last step is fitted on is used by the composite's training.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.context import Activity, current, process
from trilha.capture.identity import Known, describe
from trilha.capture.integrations.sklearn import facts, searches
from trilha.capture.integrations.sklearn.calls import Going, carry_out, inside
from trilha.capture.integrations.sklearn.lineage import lineage_of
from trilha.capture.journal.writer import literal_name
from trilha.capture.learning.architecture import state_architecture
from trilha.capture.learning.data import parts
from trilha.capture.learning.evaluating import Evaluating
from trilha.capture.learning.fit import Fit, guarded, next_version
from trilha.capture.learning.terms import TYPES
from trilha.capture.plans import plan_of
from trilha.capture.steps import meet, use_object
from trilha.capture.values import is_value, key_of, python_type, text_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["METHODS", "recorded_method"]

METHODS: Final = (
    *("fit", "partial_fit", "fit_transform", "fit_predict", "transform"),
    *("predict", "predict_proba", "score"),
)
"""The methods that are recorded."""

_MOST_EPOCHS: Final = 10_000
_REVISION: Final = literal_name("prov:Revision")


def recorded_method(method: Any, name: str) -> Any:
    """A method in the place of `method`, which is recorded.

    It refers to nothing but `method` and this module, so that a class of the program's own can still be sent
    to another process by its value (as joblib does with cloudpickle).
    """

    @functools.wraps(method)
    def call_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        return call_method(method, name, self, args, kwargs)

    return call_and_record


def call_method(method: Any, name: str, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a method of an estimator, and record it if the program called it, or a composite did."""
    recorder = process.recorder
    around = inside.get()
    if recorder is None or (around is not None and (not around.composite or around.estimator is estimator)):
        return method(estimator, *args, **kwargs)
    going = guarded(recorder, _begin, recorder, around, name, estimator, args, kwargs)
    return carry_out(going, method, (estimator, *args), kwargs)


def _begin(
    recorder: Recorder,
    around: Any,
    name: str,
    estimator: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Going | None:
    data = args[0] if args else kwargs.get("X", kwargs.get("raw_documents"))
    target = args[1] if len(args) > 1 else kwargs.get("y")
    predicts = hasattr(estimator, "predict")
    if around is not None:
        if name == "transform" or (name in ("fit", "fit_transform") and not predicts):
            return _Transforming(recorder, name, estimator, data, target, around)
        around.last_step(name, data)
        return None
    if name in ("transform", "fit_transform") or (name in ("fit", "partial_fit") and not predicts):
        return _Transforming(recorder, name, estimator, data, target, None)
    if name in ("fit", "partial_fit", "fit_predict"):
        return _Fitting(recorder, name, estimator, data, target)
    if name == "score":
        return _Scoring(recorder, estimator, data, target)
    return _Predicting(recorder, name, estimator, data)


def is_composite(estimator: Any) -> bool:
    """Whether an estimator's steps are what the program wrote."""
    names = {ancestor.__name__ for ancestor in type(estimator).__mro__}
    return not names.isdisjoint(("Pipeline", "ColumnTransformer", "FeatureUnion"))


class _Estimating(Going):
    """A call of an estimator's method."""

    def __init__(self, recorder: Recorder, estimator: Any, data: Any) -> None:
        super().__init__(recorder, estimator)
        self.composite = is_composite(estimator)
        self.source = data

    def last_step(self, name: str, data: Any) -> None:
        """A composite hands the data, as its steps have made it, to its last step."""


class _Fitting(_Estimating):
    """A training."""

    def __init__(self, recorder: Recorder, name: str, estimator: Any, data: Any, target: Any) -> None:
        super().__init__(recorder, estimator, data)
        self._fit = Fit(
            recorder, "sklearn", f"{type(estimator).__name__}.{name}", estimator, forced=name != "partial_fit"
        )
        self._name = name
        self.activity: Activity = self._fit.activity
        for thing in (data, target):
            self._fit.data(thing)
        values = facts.parameters(estimator)
        self._fit.hyperparameters(values, facts.common_names(estimator, values))

    def last_step(self, name: str, data: Any) -> None:
        if name in ("fit", "fit_predict", "fit_transform"):
            self._fit.data(data)

    def end(self, result: Any) -> None:
        """State the model as it is now, derived from the data, with what is known of it."""
        recorder, fit, at = self.recorder, self._fit, time.time_ns()
        sources = dict(self.activity.used)
        label = f"{type(self.estimator).__name__} after {self._name}"
        known = next_version(recorder, self.estimator, self.activity, at, label, force=True)
        for entity, usage in sources.items():
            if entity != fit.first.entity:
                recorder.derived(known.entity, entity, self.activity.identifier, known.generation, usage)
        recorder.entity(known.entity, *facts.learnt(self.estimator))
        core = facts.core(self.estimator)
        if core is not self.estimator:
            known = self._part(core, known, sources, at)
        layers = facts.layers_of(core)
        if layers:
            state_architecture(recorder, core, known, layers)
        self._history(core)
        searches.results(recorder, self.activity, self.estimator, known)
        self._stopped(core)
        if self._name == "fit_predict":
            _give(self, result, known.entity)
        if fit in recorder.fits:
            recorder.fits.remove(fit)
        epochs = facts.epochs_of(core)
        about = () if epochs is None else ("trilha:epochs", epochs)
        recorder.end(self.activity, time.time_ns(), *about)

    def _part(self, core: Any, whole: Known, sources: dict[int | str, int], at: int) -> Known:
        """State the model inside a pipeline or a search, which the program may take out of it."""
        recorder = self.recorder
        entity = next(recorder.numbers)
        label = f"{type(core).__name__} of {type(self.estimator).__name__}"
        types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Model"], "prov:label", label)
        recorder.entity(entity, *types, *facts.learnt(core))
        generation = recorder.generated(entity, self.activity.identifier, at)
        for source, usage in sources.items():
            recorder.derived(entity, source, self.activity.identifier, generation, usage)
        recorder.derived(whole.entity, entity)
        return recorder.objects.put(core, entity, generation)

    def _history(self, core: Any) -> None:
        """State the metrics of each epoch; of a partial fit, those of the last one, which it added."""
        rows = list(facts.series(core))[:_MOST_EPOCHS]
        for number, row in enumerate(rows, 1):
            if self._name != "partial_fit" or number == len(rows):
                self._fit.log(row, epoch=number)

    def _stopped(self, model: Any) -> None:
        epochs = facts.epochs_of(model)
        most = getattr(model, "max_iter", None)
        if getattr(model, "early_stopping", False) is not True or epochs is None or most is None:
            return
        if self._name == "fit" and epochs < most:
            best = getattr(model, "best_validation_score_", None)
            self._fit.stopped_early(type(model).__name__, "validation_score", best, epochs)

    def fail(self, error: BaseException) -> None:
        self._fit._forced = False
        self._fit.end(error)


class _Transforming(_Estimating):
    """A transformation, or the fit of a transformer."""

    def __init__(
        self, recorder: Recorder, name: str, estimator: Any, data: Any, target: Any, around: Any
    ) -> None:
        super().__init__(recorder, estimator, data)
        at = time.time_ns()
        self._name = name
        self._around = around
        own = type(estimator).__name__
        about: list[Any] = ["trilha:name", own, "trilha:class", python_type(estimator)]
        about += ["trilha:framework", "sklearn"]
        if name not in {"fit", "partial_fit"}:
            about = ["prov:type", TYPES["Transformation"], *about]
            if around is not None:
                around.order += 1
                about += ["trilha:order", around.order]
        for key, value in facts.settings(estimator).items():
            if value is not None:
                about += [key_of("trilha:arg.", key), value_of(value) if is_value(value) else text_of(value)]
        self.activity: Activity = recorder.begin(f"{own}.{name}", current(recorder), at, *about)
        self._take(around, data, target, at)
        meet(recorder, estimator, own)
        self._transformer, _ = use_object(recorder, self.activity, estimator, at, "transformer")
        function = getattr(estimator, "func", None)
        plan = plan_of(recorder, function) if callable(function) else None
        if plan is not None:
            recorder.associated(self.activity.identifier, plan)

    def _take(self, around: Any, data: Any, target: Any, at: int) -> None:
        recorder = self.recorder
        if around is not None and around.source is not None and recorder.objects.get(data) is None:
            # Some columns of what the composite was given.
            whole = recorder.objects.get(around.source)
            if whole is not None and not is_value(data) and parts(data, "") == [("", data)]:
                entity = next(recorder.numbers)
                label = f"columns for {type(self.estimator).__name__}"
                types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Dataset"])
                recorder.entity(entity, *types, "prov:label", label, *describe(data))
                generation = recorder.generated(entity, around.activity.identifier, at)
                recorder.objects.put(data, entity, generation)
                usage = around.activity.used.get(whole.entity)
                if usage is None:
                    recorder.derived(entity, whole.entity)
                else:
                    recorder.derived(entity, whole.entity, around.activity.identifier, generation, usage)
        for label, thing in (("data", data), ("target", target)):
            for path, part in parts(thing, label):
                meet(recorder, part, path)
                known, _ = use_object(recorder, self.activity, part, at, label)
                recorder.entity(known.entity, "prov:type", TYPES["Dataset"])

    def last_step(self, name: str, data: Any) -> None:
        """A composite hands the data, as its steps have made it, to its last step."""
        del name
        self._use(data, "data")

    def _use(self, data: Any, role: str) -> None:
        for path, part in parts(data, role):
            use_object(self.recorder, self.activity, part, time.time_ns(), path)

    def end(self, result: Any) -> None:
        """State the transformer that was fitted, and what was transformed."""
        recorder, at = self.recorder, time.time_ns()
        model = self._transformer.entity
        if self._name != "transform":
            model = self._fitted(at)
        if self._name in ("transform", "fit_transform"):
            if self.composite:
                self._columns()
            for _, _, given in self.steps:
                self._use(given, "part of the result")
            if not self.composite or recorder.objects.get(result) is None:
                _give(self, result, model)
            if self._around is not None:
                self._around.steps.append((self.estimator, self.activity, result))
        recorder.end(self.activity, at)

    def _fitted(self, at: int) -> int:
        """State the transformer as it is now, a revision of what it was; gives its entity."""
        recorder, activity, before = self.recorder, self.activity, self._transformer.entity
        entity = next(recorder.numbers)
        label = f"{type(self.estimator).__name__} after {self._name}"
        about = facts.learnt(self.estimator)
        recorder.entity(entity, "prov:type", TYPES["Object"], "prov:label", label, *about)
        generation = recorder.generated(entity, activity.identifier, at)
        for source, usage in activity.used.items():
            revision = ("prov:type", _REVISION) if source == before else ()
            recorder.derived(entity, source, activity.identifier, generation, usage, *revision)
        recorder.objects.put(self.estimator, entity, generation)
        return entity

    def _columns(self) -> None:
        """State which columns each step of a `ColumnTransformer` took, and what it is called there."""
        fitted = getattr(self.estimator, "transformers_", None)
        for name, transformer, columns in fitted if isinstance(fitted, list) else ():
            for step, activity, _ in self.steps:
                if step is transformer:
                    said = ", ".join(map(str, columns)) if isinstance(columns, list) else text_of(columns)
                    about = ("trilha:step", name, "trilha:columns", said)
                    self.recorder.activity(activity.identifier, None, None, *about)

    def fail(self, error: BaseException) -> None:
        self.recorder.end(self.activity, time.time_ns(), "trilha:exception", type(error).__qualname__)


def _give(going: Going, result: Any, model: int | str) -> None:
    """State what a call gave, derived from what it used and from the model as it left it."""
    recorder, activity, at = going.recorder, going.activity, time.time_ns()
    if activity is None:
        return
    own = type(going.estimator).__name__
    sources = dict(activity.used)
    lineage = lineage_of(recorder)
    for path, part in parts(result, f"data after {own}"):
        known = recorder.objects.get(part)
        if known is not None and known.entity in sources:
            known = None  # changed in place
        if known is not None:
            continue
        entity = next(recorder.numbers)
        types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Dataset"])
        recorder.entity(entity, *types, "prov:label", path, *describe(part))
        generation = recorder.generated(entity, activity.identifier, at)
        recorder.objects.put(part, entity, generation)
        for source, usage in sources.items():
            if source != model or source in activity.used:
                recorder.derived(entity, source, activity.identifier, generation, usage)
        if model not in sources:
            recorder.derived(entity, model)
        lineage.passes_on(list(sources), entity)


class _Predicting(_Estimating):
    """A prediction."""

    def __init__(self, recorder: Recorder, name: str, estimator: Any, data: Any) -> None:
        super().__init__(recorder, estimator, data)
        own = type(estimator).__name__
        self._name = name
        self._doing = Evaluating(recorder, "sklearn", label=f"{own}.{name}", measures=False)
        self._doing.model(estimator)
        self._doing.data(data)
        self.activity: Activity = self._doing.activity

    def end(self, result: Any) -> None:
        recorder = self.recorder
        self._doing.gave(result)
        model = recorder.objects.get(self.estimator)
        if model is not None:
            for _, part in parts(result, ""):
                lineage_of(recorder).predicted(part, model.entity)
        self._doing.end({})

    def fail(self, error: BaseException) -> None:
        self._doing.end({}, error)


class _Scoring(_Estimating):
    """An evaluation by the estimator's own score."""

    def __init__(self, recorder: Recorder, estimator: Any, data: Any, target: Any) -> None:
        super().__init__(recorder, estimator, data)
        part = lineage_of(recorder).part_of(data) or lineage_of(recorder).part_of(target)
        label = f"{type(estimator).__name__}.score"
        self._doing = Evaluating(recorder, "sklearn", label=label, part=part)
        self._doing.model(estimator)
        self._doing.data(data)
        self._doing.data(target)
        self.activity: Activity = self._doing.activity

    def end(self, result: Any) -> None:
        self._doing.end({facts.score_name(self.estimator): result})

    def fail(self, error: BaseException) -> None:
        self._doing.end({}, error)
