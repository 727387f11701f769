"""scikit-learn: splits, transformations, trainings, searches, predictions, evaluations, what is saved.

scikit-learn has no hooks for calls. What is changed while a run is recorded, and put back at its end:

- the methods `fit`, `transform`, `predict`, … of each class of estimators that is there, and of each that is
  defined later (`BaseEstimator.__init_subclass__`), the program's own among them;
- the function inside the wrapper that scikit-learn itself puts around its public functions
  (`sklearn.utils.validate_params`): the public function stays the same object, so it does not matter who
  imported it when, and it is pickled as ever.

What is written to files and read from them is told of estimators as of other objects
(`trilha.capture.stored`).

Nothing is called that the program does not call, so no random state is touched. Tested on scikit-learn 1.9.
Another version records what still has its place, with one warning where something is missing.
docs/decisions/0008 tells what else was weighed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trilha.capture import stored
from trilha.capture.context import process
from trilha.capture.integrations.sklearn import facts, functions, saving
from trilha.capture.integrations.sklearn.calls import inside, within_library
from trilha.capture.integrations.sklearn.methods import METHODS, recorded_method
from trilha.capture.interrupts import pass_on

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end", "forked"]

_undo: list[Callable[[], None]] = []
_seen: set[type] = set()


def begin(recorder: Recorder, library: Any) -> None:
    """Listen to scikit-learn, or to one of its modules, for `recorder`."""
    places = _PLACES.get(library.__name__, {})
    missing = []
    for name, attach in places.items():
        try:
            attach(library)
        except Exception:
            pass_on()
            missing.append(name)
    if missing:
        version = getattr(library, "__version__", "") or library.__name__.rpartition(".")[2]
        recorder.complain(f"sklearn {version} has changed: {', '.join(missing)} cannot be recorded")


def end(recorder: Recorder) -> None:
    """Stop listening; scikit-learn is as it was."""
    undo, _undo[:] = list(_undo), []
    for put_back in reversed(undo):
        try:
            put_back()
        except Exception:
            recorder.failed()
    _seen.clear()


def forked(_recorder: Recorder) -> None:
    """In a forked child: calls are recorded as in its parent."""


# -- methods of estimators


def _attach_estimators(_library: Any) -> None:
    from sklearn.base import BaseEstimator

    waiting = [BaseEstimator]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        _listen_to(one)
    _watch_subclasses(BaseEstimator)
    from sklearn.utils._set_output import _SetOutputMixin

    _watch_subclasses(_SetOutputMixin, of=BaseEstimator)


def _listen_to(estimator: type) -> None:
    """Record the methods of a class, and those that it inherits from classes that are no estimators."""
    for ancestor in estimator.__mro__[:-1]:
        if ancestor in _seen:
            continue
        _seen.add(ancestor)
        for name in METHODS:
            method = ancestor.__dict__.get(name)
            if method is None or isinstance(method, (property, staticmethod, classmethod)):
                continue
            try:
                if hasattr(method, "fn") and hasattr(method, "check"):
                    # scikit-learn's descriptor of a method that is there only under a condition.
                    _replace(method, "fn", recorded_method(method.fn, name))
                elif callable(method):
                    _replace(ancestor, name, recorded_method(method, name))
            except (AttributeError, TypeError):
                continue  # a class that is not Python's own cannot be changed


def _watch_subclasses(owner: Any, of: Any = None) -> None:
    """Have each class that will be derived from `owner` listened to, once it has been made."""
    own = owner.__dict__.get("__init_subclass__")

    def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:  # noqa: N807
        if own is not None:
            own.__get__(None, cls)(**kwargs)
        else:
            super(owner, cls).__init_subclass__(**kwargs)
        # Where `_SetOutputMixin` is a base too, it wraps the methods after this, and ours goes outside.
        if process.recorder is not None and (of is None or issubclass(cls, of)):
            mixed = any(ancestor.__name__ == "_SetOutputMixin" for ancestor in cls.__mro__)
            if of is not None or not mixed or _comes_first(owner, cls):
                try:
                    _listen_to(cls)
                except Exception:
                    process.recorder.failed()

    replacement = classmethod(__init_subclass__)
    type.__setattr__(owner, "__init_subclass__", replacement)

    def put_back() -> None:
        if owner.__dict__.get("__init_subclass__") is not replacement:
            return
        if own is None:
            del owner.__init_subclass__
        else:
            type.__setattr__(owner, "__init_subclass__", own)

    _undo.append(put_back)


def _comes_first(owner: type, cls: type) -> bool:
    """Whether a class inherits from `owner` before it does from `_SetOutputMixin`."""
    for ancestor in cls.__mro__:
        if ancestor is owner or ancestor.__name__ == "_SetOutputMixin":
            return ancestor is owner
    return False


def _replace(owner: Any, name: str, replacement: Any) -> None:
    """Put something in a place until the run ends, or until someone else replaces it."""
    original = owner.__dict__.get(name) if isinstance(owner, type) else getattr(owner, name)
    setattr(owner, name, replacement)

    def put_back() -> None:
        now = owner.__dict__.get(name) if isinstance(owner, type) else getattr(owner, name)
        if now is replacement:
            setattr(owner, name, original)

    _undo.append(put_back)


def _attach_workers(_library: Any) -> None:
    """What the library does in threads of its own is its own: see `sklearn.utils.parallel.delayed`."""
    from sklearn.utils.parallel import _FuncWrapper

    call = _FuncWrapper.__call__

    @functools.wraps(call)
    def call_within(self: Any, *args: Any, **kwargs: Any) -> Any:
        if inside.get() is not None or process.recorder is None:
            return call(self, *args, **kwargs)
        return within_library(call, (self, *args), kwargs)

    _replace(_FuncWrapper, "__call__", call_within)


# -- functions


def _attach_functions(names: Callable[[Any], dict[str, Any]]) -> Callable[[Any], None]:
    def attach(library: Any) -> None:
        for name, begin_call in names(library).items():
            cell = functions.cell_of(getattr(library, name))
            if cell is not None:
                functions.replace_in(cell, begin_call, _undo)

    return attach


def _attach_indices(library: Any) -> None:
    place = library._split
    _replace(place, "_safe_indexing", functions.noting_indices(place._safe_indexing))


def _attach_folds(library: Any) -> None:
    for base in (library.BaseCrossValidator, library.BaseShuffleSplit):
        waiting = [base]
        while waiting:
            one = waiting.pop()
            waiting += one.__subclasses__()
            if "split" in one.__dict__:
                _replace(one, "split", functions.recorded_folds(one.__dict__["split"]))


def _attach_files(_library: Any) -> None:
    saver = facts.is_estimator, saving.saved
    stored.savers.append(saver)
    stored.knows.append(saving.loaded)
    _undo.extend([lambda: stored.savers.remove(saver), lambda: stored.knows.remove(saving.loaded)])


_PLACES: dict[str, dict[str, Callable[[Any], None]]] = {
    "sklearn": {
        "estimators": _attach_estimators,
        "work in threads": _attach_workers,
        "saved models": _attach_files,
    },
    "sklearn.model_selection": {
        "splits and cross-validation": _attach_functions(functions.of_selection),
        "the indices of splits": _attach_indices,
        "folds": _attach_folds,
    },
    "sklearn.metrics": {"metrics": _attach_functions(functions.of_metrics)},
    "sklearn.datasets": {"data sets": _attach_functions(functions.of_datasets)},
}
