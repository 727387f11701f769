"""The candidates of a search over hyperparameters (`GridSearchCV` and its kin), told by its `cv_results_`.

Each candidate is a training of its own, started by the search, with the hyperparameters that it tried and the
mean and the deviation of its scores. When each one ran is not told by scikit-learn, so no times are stated.
The best one says why it is, and the model that was fitted with its hyperparameters in the end is derived from
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trilha.capture import metrics
from trilha.capture.context import Activity
from trilha.capture.identity import Known
from trilha.capture.integrations.sklearn import facts
from trilha.capture.learning.terms import TYPES
from trilha.capture.steps import state_hyperparameters

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["results"]

_MOST_CANDIDATES: Final = 100
_MOST_ROWS: Final = 10_000


def results(recorder: Recorder, activity: Activity, search: Any, model: Known) -> None:
    """State the candidates of a search that is over; nothing if the estimator is no search.

    All candidates are rows of the search's metrics; the first 100, and the best one, are trainings.

    Args:
        recorder: of the run.
        activity: the training that the search is.
        search: a fitted estimator.
        model: what is known of the model in it: of the best candidate, fitted again to all of the data.
    """
    found: Any = getattr(search, "cv_results_", None)
    candidates = found.get("params") if isinstance(found, dict) else None
    if not isinstance(candidates, list):
        return
    names = [name for name in found if name.startswith(("mean_", "std_", "split", "rank_"))]
    best = getattr(search, "best_index_", None)
    splits = getattr(search, "n_splits_", 0)
    for number, params in enumerate(candidates[:_MOST_ROWS]):
        row = {name: float(found[name][number]) for name in names}
        log = {"step": number + 1, **row}
        metrics.log(recorder, activity, tuple(log), tuple(log.values()))
        if number < _MOST_CANDIDATES or number == best:
            about: list[Any] = ["trilha:candidate", number + 1, "trilha:fits", int(splits)]
            if number == best:
                about += ["trilha:best", True, "trilha:reason", _reason(search, row)]
            scores = {name: value for name, value in row.items() if "test" in name}
            tried = _candidate(recorder, activity, params, scores, about)
            if number == best and getattr(search, "best_estimator_", None) is not None:
                _chosen(recorder, activity, tried, model)
    if best is not None:
        about = ["trilha:best_candidate", int(best) + 1, "trilha:candidates", len(candidates)]
        recorder.activity(activity.identifier, None, None, *about)


def _reason(search: Any, row: dict[str, float]) -> str:
    refit = search.refit if isinstance(search.refit, str) else "score"
    name = f"mean_test_{refit}"
    if callable(search.refit) or name not in row:
        return "chosen by refit"
    return f"highest {name} {row[name]:.6g}"


def _candidate(
    recorder: Recorder, activity: Activity, params: dict[str, Any], scores: dict[str, float], about: list[Any]
) -> list[int]:
    identifier = next(recorder.numbers)
    label = f"candidate {about[1]}"
    types = ("prov:type", TYPES["Training"], "prov:label", label, "trilha:framework", "sklearn")
    recorder.activity(identifier, None, None, *types, *about)
    recorder.started(identifier, activity.identifier, None)
    one = Activity(identifier, label, activity)
    for entity in activity.used:
        recorder.used(identifier, entity, None)
    values = {str(name): facts.plain(value) for name, value in params.items()}
    common = {name: shared for name in values if (shared := _common(name)) is not None}
    tried = state_hyperparameters(recorder, one, values, common=common)
    metrics.log(recorder, one, tuple(scores), tuple(scores.values()))
    return tried


def _chosen(recorder: Recorder, activity: Activity, hyperparameters: list[int], model: Known) -> None:
    """The search fitted a model with these hyperparameters, those of its best candidate."""
    for entity in hyperparameters:
        usage = recorder.used(activity.identifier, entity, None)
        recorder.derived(model.entity, entity, activity.identifier, model.generation, usage)


def _common(name: str) -> str | None:
    from trilha.capture.learning.terms import common_name

    return common_name(name.rpartition("__")[2])
