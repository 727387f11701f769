"""What an estimator tells of itself: its settings, what it has learnt, its layers.

Settings are had by `get_params`, which is what scikit-learn's `clone` relies on; what was learnt are the
attributes that end in an underscore, as scikit-learn's conventions for developers say. Of these only
shapes and counts are recorded.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trilha.capture.learning.architecture import Layer
from trilha.capture.learning.terms import common_name
from trilha.capture.values import is_value, python_type

__all__ = [
    "common_names",
    "core",
    "epochs_of",
    "is_estimator",
    "layers_of",
    "learnt",
    "parameters",
    "score_name",
    "series",
    "settings",
]

_MOST_SETTINGS: Final = 200
_MOST_LEARNT: Final = 40
_STRUCTURE: Final = frozenset(["steps", "transformers", "transformer_list", "estimators"])
"""Parameters that hold the estimators of a composite, whose own parameters are told one by one."""
_IN_EPOCHS: Final = frozenset(
    [
        *("MLPClassifier", "MLPRegressor", "SGDClassifier", "SGDRegressor", "SGDOneClassSVM", "Perceptron"),
        *("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
    ]
)
"""Estimators whose ``max_iter`` counts passes over the data."""


def is_estimator(thing: Any) -> bool:
    """Whether something has an estimator's protocol: `get_params` and `fit`."""
    kind = type(thing)
    return not isinstance(thing, type) and hasattr(kind, "get_params") and hasattr(kind, "fit")


def core(estimator: Any) -> Any:
    """The model inside a fitted pipeline or search: the last step, the best candidate; else itself."""
    for _ in range(20):
        steps = getattr(estimator, "steps", None)
        best = getattr(estimator, "best_estimator_", None)
        inner = best if best is not None else steps[-1][1] if isinstance(steps, list) and steps else None
        if inner is None or not is_estimator(inner):
            break
        estimator = inner
    return estimator


def parameters(estimator: Any) -> dict[str, Any]:
    """All parameters of an estimator and of those in it, by scikit-learn's names (``svc__C``)."""
    found = {}
    for name, value in list(estimator.get_params(deep=True).items())[:_MOST_SETTINGS]:
        if name.rpartition("__")[2] not in _STRUCTURE:
            found[name] = plain(value)
    return found


def settings(estimator: Any) -> dict[str, Any]:
    """The parameters of an estimator itself that are not their defaults."""
    defaults = inspect.signature(type(estimator).__init__).parameters
    found = {}
    for name, value in list(estimator.get_params(deep=False).items())[:_MOST_SETTINGS]:
        default = defaults[name].default if name in defaults else inspect.Parameter.empty
        if name not in _STRUCTURE and not _same(value, default):
            found[name] = plain(value)
    return found


def _same(value: Any, default: Any) -> bool:
    if value is default or (value != value and default != default):
        return True
    return type(value) is type(default) and is_value(value) and bool(value == default)


def plain(value: Any) -> Any:
    """A parameter as a plain value: an estimator or a function by its name."""
    if is_value(value):
        return value
    if is_estimator(value):
        return type(value).__name__
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{name}" if isinstance(name, str) and callable(value) else value


def common_names(estimator: Any, values: Mapping[str, Any]) -> dict[str, str]:
    """Common names of parameters: those of the estimator, or of the last step of a pipeline, alone."""
    final, prefix = estimator, ""
    while getattr(final, "steps", None):
        name, final = final.steps[-1]
        prefix += f"{name}__"
    if prefix == "" and is_estimator(getattr(final, "estimator", None)):
        prefix, final = "estimator__", final.estimator
    found = {}
    for full, value in values.items():
        own = full.removeprefix(prefix)
        if "__" in own or (prefix and own == full):
            continue
        common = common_name(own)
        if own == "max_iter" and type(final).__name__ in _IN_EPOCHS:
            common = "epochs"
        elif own == "learning_rate" and isinstance(value, str):
            # The way that it changes; the rate is `learning_rate_init` or `eta0`.
            common = "scheduler"
        if common is not None:
            found[full] = common
    return found


def epochs_of(estimator: Any) -> int | None:
    """How many passes over the data a fit took; None where it goes by none."""
    count = getattr(estimator, "n_iter_", None)
    if type(estimator).__name__ in _IN_EPOCHS and is_value(count) and count is not None:
        return int(count)
    return None


def learnt(estimator: Any) -> list[Any]:
    """What a fitted estimator has learnt: attribute keys and values in turn."""
    about: list[Any] = ["trilha:class", python_type(estimator)]
    state = vars(estimator) if hasattr(estimator, "__dict__") else {}
    count = 0
    for name, value in list(state.items()):
        if not name.endswith("_") or name.startswith("_") or count >= _MOST_LEARNT:
            continue
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple):
            about += [f"trilha:fitted.{name}", str(tuple(map(int, shape)))]
        elif isinstance(value, (bool, int, float, str)):
            about += [f"trilha:fitted.{name}", value]
        elif isinstance(value, (list, tuple)):
            about += [f"trilha:fitted.{name}", f"{len(value)} parts"]
        else:
            continue
        count += 1
    features = state.get("n_features_in_")
    if features is not None:
        about += ["trilha:features", int(features)]
    total = _parameters(state)
    return [*about, "trilha:parameters", total, "trilha:trainable", total] if total else about


def _parameters(state: Mapping[str, Any]) -> int:
    """How many numbers a linear or a neural model has learnt; 0 for those that are not counted so."""
    names = ("coefs_", "intercepts_") if "coefs_" in state else ("coef_", "intercept_")
    if names[0] not in state:
        return 0
    count = 0
    for name in names:
        value = state.get(name)
        for part in value if isinstance(value, list) else [value]:
            count += int(getattr(part, "size", 1 if part is not None else 0))
    return count


def layers_of(estimator: Any) -> list[Layer]:
    """The layers of a fitted multi-layer perceptron; none of any other model."""
    weights = getattr(estimator, "coefs_", None)
    if not isinstance(weights, list):
        return []
    found = []
    for number, (matrix, offsets) in enumerate(zip(weights, estimator.intercepts_, strict=True), 1):
        last = number == len(weights)
        size = int(matrix.size + offsets.size)
        found.append(
            Layer(
                name=f"layer {number}",
                kind="Dense",
                input_shape=f"(None, {matrix.shape[0]})",
                output_shape=f"(None, {matrix.shape[1]})",
                parameters=size,
                trainable=size,
                activation=str(estimator.out_activation_ if last else estimator.activation),
                settings={"units": int(matrix.shape[1])},
            )
        )
    return found


def series(estimator: Any) -> Iterator[dict[str, float]]:
    """Metrics of each epoch, where the estimator keeps them (multi-layer perceptrons do)."""
    losses = getattr(estimator, "loss_curve_", None)
    if not isinstance(losses, list):
        return
    scores = getattr(estimator, "validation_scores_", None)
    for number, loss in enumerate(losses):
        row = {"loss": float(loss)}
        if isinstance(scores, list) and number < len(scores):
            row["validation_score"] = float(scores[number])
        yield row


def score_name(estimator: Any) -> str:
    """What an estimator's `score` measures, where scikit-learn's own mixins define it."""
    method = getattr(type(estimator), "score", None)
    where = getattr(method, "__qualname__", "")
    if where.startswith("ClassifierMixin."):
        return "accuracy"
    if where.startswith("RegressorMixin."):
        return "r2"
    steps = getattr(estimator, "steps", None)
    return score_name(steps[-1][1]) if steps else "score"
