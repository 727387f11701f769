"""tqdm: numbers in the postfix of a progress bar.

`tqdm.set_postfix` is wrapped while a run is recorded. A row is recorded when a value has changed since the
last one of that bar, with the bar's count as its step; numbers that are formatted as texts are taken as what
they say. A tensor on an accelerator is left out, since tqdm shows its text and nothing should wait for its
value a second time. Descriptions are no metrics. Tested on tqdm 4.70.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

from trilha.capture.heard import Undo, by_framework, heard, take_back, wrap
from trilha.capture.interrupts import pass_on
from trilha.capture.learning.fit import guarded

if TYPE_CHECKING:
    from trilha.capture.recorder import Recorder

__all__ = ["begin", "end"]

_undo: Undo = []
_last: Final[weakref.WeakKeyDictionary[Any, dict[str, Any]]] = weakref.WeakKeyDictionary()


def begin(recorder: Recorder, library: Any) -> None:
    """Hear what the bars of the module ``tqdm.std`` are given."""

    def wrapper(set_postfix: Any) -> Any:
        def set_and_record(self: Any, ordered_dict: Any = None, refresh: Any = True, **kwargs: Any) -> Any:
            result = set_postfix(self, ordered_dict, refresh, **kwargs)
            guarded(recorder, _told, recorder, self, ordered_dict, kwargs)
            return result

        return set_and_record

    if not wrap(recorder, _undo, getattr(library, "tqdm", None), "set_postfix", wrapper):
        recorder.complain("tqdm has changed: the postfix of its bars cannot be recorded")


def end(recorder: Recorder) -> None:
    """The bars are as they were."""
    take_back(recorder, _undo)
    _last.clear()


def _told(recorder: Recorder, bar: Any, first: Any, others: dict[str, Any]) -> None:
    if by_framework(recorder, "tqdm"):
        return
    values = {name: _plain(value) for name, value in {**dict(first or {}), **others}.items()}
    values = {name: value for name, value in values.items() if value is not None}
    if values and values != _last.get(bar):
        _last[bar] = values
        heard(recorder).metrics("tqdm", values, bar.n, counted=True)


def _plain(value: Any) -> Any:
    if type(value) is str:
        try:
            return float(value)
        except ValueError:
            pass_on()
            return None
    return value
