"""Calls of scikit-learn's functions: splits, cross-validation, metrics, data sets.

Most public functions of scikit-learn are wrapped by `sklearn.utils.validate_params`, which calls the function
itself through a cell of its closure. That cell is where we listen.
"""

from __future__ import annotations

import functools
import inspect
import os
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from trilha.capture import metrics
from trilha.capture.context import Activity, current, process
from trilha.capture.identity import describe
from trilha.capture.integrations.sklearn import facts
from trilha.capture.integrations.sklearn.calls import LIBRARY, Going, inside, recorded_function
from trilha.capture.integrations.sklearn.lineage import lineage_of
from trilha.capture.learning.data import parts
from trilha.capture.learning.evaluating import Evaluating
from trilha.capture.learning.fit import guarded
from trilha.capture.learning.indices import fingerprint, membership
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import meet, state_hyperparameters, use_object
from trilha.capture.values import is_value, key_of, value_of

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = [
    "cell_of",
    "noting_indices",
    "of_datasets",
    "of_metrics",
    "of_selection",
    "recorded_folds",
    "replace_in",
]

Begin = Callable[["Recorder", Any, tuple[Any, ...], dict[str, Any]], "Going | None"]
_PACKED: Final = {
    "load_breast_cancer": "breast_cancer.csv",
    "load_diabetes": "diabetes_data_raw.csv.gz",
    "load_digits": "digits.csv.gz",
    "load_iris": "iris.csv",
    "load_wine": "wine_data.csv",
}
"""The files inside scikit-learn that its small data sets are read from."""
_TRUE: Final = frozenset(["y_true", "labels_true"])
_MOST_FOLDS: Final = 200


def cell_of(function: Any) -> Any:
    """The cell through which a validating wrapper calls its function; None if it is no such wrapper."""
    code = getattr(function, "__code__", None)
    if code is None or "func" not in code.co_freevars or not hasattr(function, "__wrapped__"):
        return None
    return function.__closure__[code.co_freevars.index("func")]


def replace_in(cell: Any, begin: Begin, undo: list[Callable[[], None]]) -> None:
    """Record the calls of the function in a cell, until the functions in `undo` are called."""
    original = cell.cell_contents
    replacement = recorded_function(original, begin)
    cell.cell_contents = replacement

    def put_back() -> None:
        if cell.cell_contents is replacement:
            cell.cell_contents = original

    undo.append(put_back)


def of_selection(_library: Any) -> dict[str, Begin]:
    """What is recorded of `sklearn.model_selection`."""
    return {
        "train_test_split": _Splitting,
        "cross_validate": _CrossValidating,
        "cross_val_score": _CrossValidating,
        "cross_val_predict": _CrossValidating,
    }


def of_metrics(library: Any) -> dict[str, Begin]:
    """The functions of `sklearn.metrics` that compare predictions with the truth, or judge clusters."""
    found: dict[str, Begin] = {}
    for name in library.__all__:
        function: Any = getattr(library, name, None)
        if cell_of(function) is None:
            continue
        names = list(inspect.signature(function).parameters)
        if names[:1] and (names[0] in _TRUE or names[:2] == ["X", "labels"]):
            found[name] = _Measuring
    return found


def of_datasets(library: Any) -> dict[str, Begin]:
    """The functions of `sklearn.datasets` that load, fetch or make data."""
    names = [name for name in library.__all__ if name.startswith(("load_", "fetch_", "make_"))]
    return {name: _Loading for name in names if cell_of(getattr(library, name, None)) is not None}


def _arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(inspect.signature(function).bind(*args, **kwargs).arguments)


def _stated(values: dict[str, Any]) -> list[Any]:
    """Arguments that are plain, as attribute keys and values in turn."""
    about: list[Any] = []
    for name, value in values.items():
        if value is not None and is_value(value):
            about += [key_of("trilha:arg.", name), value_of(value)]
    return about


class _Step(Going):
    """A call that is an activity of its own."""

    def __init__(self, recorder: Recorder, label: str, *about: Any) -> None:
        super().__init__(recorder)
        self.began = time.time_ns()
        self.activity: Activity = recorder.begin(label, current(recorder), self.began, *about)

    def fail(self, error: BaseException) -> None:
        self.recorder.end(self.activity, time.time_ns(), "trilha:exception", type(error).__qualname__)

    def generate(self, thing: Any, label: str, about: list[Any], source: int | str | None) -> int:
        """State that the call gave `thing`, derived from the entity `source`."""
        recorder, at = self.recorder, time.time_ns()
        entity = next(recorder.numbers)
        types = ("prov:type", TYPES["Object"], "prov:type", TYPES["Dataset"], "prov:label", label)
        recorder.entity(entity, *types, *describe(thing), *about)
        generation = recorder.generated(entity, self.activity.identifier, at)
        if not is_value(thing):
            recorder.objects.put(thing, entity, generation)
        if source is not None:
            usage = self.activity.used[source]
            recorder.derived(entity, source, self.activity.identifier, generation, usage)
        return entity


# -- splits

_indices: Final[ContextVar[list[Any] | None]] = ContextVar("trilha_sklearn_indices", default=None)


def noting_indices(safe_indexing: Any) -> Any:
    """What takes samples by their indices; notes them while a split is recorded."""

    @functools.wraps(safe_indexing)
    def index_and_note(X: Any, indices: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N803
        noted = _indices.get()
        if noted is not None and len(noted) < 2:
            noted.append(indices)
        return safe_indexing(X, indices, *args, **kwargs)

    return index_and_note


class _Splitting(_Step):
    """`train_test_split`: each array gives two subsets, derived from it alone."""

    def __init__(
        self, recorder: Recorder, _function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        settings = {name: value for name, value in kwargs.items() if name != "stratify"}
        stratified = kwargs.get("stratify")
        about = _stated({**settings, "stratify": True if stratified is not None else None})
        super().__init__(recorder, "train_test_split", "prov:type", TYPES["Split"], *about)
        self._sources = []
        for array in args:
            known, _ = use_object(recorder, self.activity, array, self.began, "")
            recorder.entity(known.entity, "prov:type", TYPES["Dataset"])
            self._sources.append(known.entity)
        if stratified is not None and not is_value(stratified):
            use_object(recorder, self.activity, stratified, self.began, "stratify")
        self._noted: list[Any] = []
        self._token = _indices.set(self._noted)

    def end(self, result: Any) -> None:
        _indices.set(None)
        several = len(self._sources) > 1
        for place, thing in enumerate(result):
            part = "test" if place % 2 else "train"
            about: list[Any] = ["prov:type", TYPES["Subset"], "trilha:part", part]
            length = getattr(thing, "shape", (None,))[0] if hasattr(thing, "shape") else len(thing)
            if length is not None:
                about += ["trilha:length", int(length)]
            if len(self._noted) == 2:
                about += _indices_of(self._noted[place % 2])
            label = f"{part}[{place // 2}]" if several else part
            entity = self.generate(thing, label, about, self._sources[place // 2])
            lineage_of(self.recorder).is_part(entity, part)
        self.recorder.end(self.activity, time.time_ns())

    def fail(self, error: BaseException) -> None:
        _indices.set(None)
        super().fail(error)


def _indices_of(indices: Any) -> list[Any]:
    about: list[Any] = ["trilha:fingerprint", fingerprint(indices)]
    records = membership(indices)
    return [*about, "trilha:records", records] if records is not None else about


def recorded_folds(split: Any) -> Any:
    """A cross-validator's `split`, each pair of whose indices is recorded when it is given."""

    @functools.wraps(split)
    def split_and_record(self: Any, *args: Any, **kwargs: Any) -> Any:
        folds = split(self, *args, **kwargs)
        if process.recorder is None or inside.get() is not None:
            return folds
        return _recorded_folds(self, folds, args[0] if args else kwargs.get("X"))

    return split_and_record


def _recorded_folds(splitter: Any, folds: Iterator[Any], data: Any) -> Iterator[Any]:
    recorder = process.recorder
    number = 0
    while True:
        token = inside.set(LIBRARY)
        try:
            pair = next(folds)
        except StopIteration:
            return
        finally:
            inside.reset(token)
        number += 1
        if recorder is not None and number <= _MOST_FOLDS:
            guarded(recorder, _fold, recorder, splitter, data, pair, number)
        yield pair


def _fold(recorder: Recorder, splitter: Any, data: Any, pair: Any, number: int) -> None:
    label = f"{type(splitter).__name__}.split"
    about = _stated({name: value for name, value in vars(splitter).items() if not name.startswith("_")})
    step = _Step(recorder, label, "prov:type", TYPES["Split"], "trilha:fold", number, *about)
    source = None
    if data is not None and not is_value(data):
        known, _ = use_object(recorder, step.activity, data, step.began, "")
        recorder.entity(known.entity, "prov:type", TYPES["Dataset"])
        source = known.entity
    for part, indices in zip(("train", "test"), pair, strict=False):
        facts_ = ["prov:type", TYPES["Subset"], "trilha:part", part, "trilha:length", len(indices)]
        entity = step.generate(
            indices, f"{part} indices of fold {number}", [*facts_, *_indices_of(indices)], source
        )
        lineage_of(recorder).is_part(entity, part)
    recorder.end(step.activity, time.time_ns())


# -- evaluations


class _CrossValidating(Going):
    """`cross_validate` and its kin: an evaluation of an estimator, of which each fold fits a copy."""

    def __init__(
        self, recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(recorder)
        self._name = function.__name__
        found = _arguments(function, args, kwargs)
        measures = self._name != "cross_val_predict"
        self._doing = Evaluating(recorder, "sklearn", label=self._name, part="validation", measures=measures)
        self.activity: Activity = self._doing.activity
        estimator = found.get("estimator")
        self._doing.model(estimator)
        self._doing.data(found.get("X"))
        self._doing.data(found.get("y"))
        recorder.activity(self.activity.identifier, None, None, *_stated(found))
        if facts.is_estimator(estimator):
            values = facts.parameters(estimator)
            common = facts.common_names(estimator, values)
            state_hyperparameters(recorder, self.activity, values, common=common)

    def end(self, result: Any) -> None:
        if self._name == "cross_val_predict":
            self._doing.gave(result)
        else:
            scores = result if isinstance(result, dict) else {"test_score": result}
            columns = {name: values for name, values in scores.items() if getattr(values, "ndim", 0) == 1}
            columns = {name: values for name, values in columns.items() if values.dtype.kind in "fiub"}
            for fold, row in enumerate(zip(*columns.values(), strict=False), 1):
                metrics.log(
                    self.recorder, self.activity, ("step", *columns), (fold, *(float(one) for one in row))
                )
        self._doing.end({})

    def fail(self, error: BaseException) -> None:
        self._doing.end({}, error)


class _Measuring(Going):
    """A metric: an evaluation of the model that gave the predictions, where that is known."""

    def __init__(
        self, recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(recorder)
        self._name = function.__name__
        found = _arguments(function, args, kwargs)
        first, second, *_ = [*found.values(), None]
        lineage = lineage_of(recorder)
        part = lineage.part_of(first)
        self._doing = Evaluating(recorder, "sklearn", label=self._name, part=part)
        activity = self.activity = self._doing.activity
        at = time.time_ns()
        recorder.activity(activity.identifier, None, None, *_stated(found))
        whole = _whole(recorder, second)
        for role, thing in (("evaluation data", first), ("predictions", second)):
            for path, one in parts(thing, role):
                met = meet(recorder, one, path)
                use_object(recorder, activity, one, at, role)
                if one is second and whole is not None and (source := recorder.objects.get(whole)):
                    recorder.derived(met.entity, source.entity)
        model = lineage.model_of(whole if whole is not None else second)
        if model is not None:
            activity.used[model] = recorder.used(activity.identifier, model, at, "prov:role", "model")

    def end(self, result: Any) -> None:
        values = _numbers(self._name, result)
        if not values:
            self._doing.gave(result, self._name)
        self._doing.end(values)

    def fail(self, error: BaseException) -> None:
        self._doing.end({}, error)


def _whole(recorder: Recorder, thing: Any) -> Any:
    """The known array that another one, which is not known, is a view of (``proba[:, 1]``); else None."""
    base = getattr(thing, "base", None)
    if recorder.objects.get(thing) is not None or type(base) is not type(thing):
        return None
    return base if recorder.objects.get(base) is not None else None


def _numbers(name: str, result: Any) -> dict[str, float]:
    """The numbers that a metric gave, by name; empty where it gave an array or a text."""
    if isinstance(result, dict):
        found = {}
        for key, value in result.items():
            nested = _numbers(f"{key}", value)
            found.update(nested if key == name else {f"{name}.{one}": own for one, own in nested.items()})
        return found
    if isinstance(result, (bool, int, float)) or (
        hasattr(result, "item") and getattr(result, "ndim", None) == 0
    ):
        return {name: float(result)}
    return {}


# -- data sets


class _Loading(_Step):
    """Loading, fetching or making a data set."""

    def __init__(
        self, recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._name = function.__name__
        about = _stated(_arguments(function, args, kwargs))
        super().__init__(recorder, self._name, "trilha:framework", "sklearn", *about)
        self._place = os.path.dirname(inspect.getsourcefile(function) or "")

    def end(self, result: Any) -> None:
        recorder = self.recorder
        packed = os.path.join(self._place, "data", _PACKED.get(self._name, "-"))
        source = recorder.files.read(packed, self.activity, self.began) if os.path.isfile(packed) else None
        if source is not None and source not in self.activity.used:
            source = None
        shared = self._name.partition("_")[2]
        for name, thing in _parts(result):
            self.generate(thing, f"{shared} {name}", [], source)
        recorder.end(self.activity, time.time_ns())


def _parts(result: Any) -> list[tuple[str, Any]]:
    """The arrays and tables of a `Bunch`, or of a tuple."""
    if isinstance(result, dict):
        return [(name, one) for name, one in result.items() if len(getattr(one, "shape", ())) > 0]
    if isinstance(result, tuple):
        names = ["data", "target"]
        return [
            (names[place] if place < 2 else f"part {place + 1}", one)
            for place, one in enumerate(result)
            if not is_value(one)
        ]
    return [("data", result)] if not is_value(result) else []
