"""Series of pandas: what is under a label is a member, whatever way it is read or written.

``s["a"]``, ``s.loc["a"]`` and ``s.at["a"]`` are one member where the labels are known to be texts, or whole
numbers; of other labels (dates, say) a key may be that of several rows, and a position (``s.iloc[0]``) is
that of any: these are keys of the whole.

Source: pandas User Guide, "Indexing and selecting data", "Time series: partial string indexing".
"""

from __future__ import annotations

from typing import Final

from trilha.trace.copying import Copying
from trilha.trace.evaluations import How
from trilha.trace.heap import FRAME, NUMBERS, ROW, TEXTS, Thing, Value, thing_of
from trilha.trace.waiting import Call

__all__ = ["BY_PLACE", "OneDimensional"]

BY_PLACE: Final = frozenset([".loc", ".iloc", ".at", ".iat"])
"""Attributes by which one looks at rows, and writes them."""
_BY_POSITION: Final = frozenset([".iloc", ".iat"])
_LOOK: Final = "series"


class OneDimensional(Copying):
    """What is known of Series; a part of `trilha.trace.replay.Replay`."""

    @staticmethod
    def series_of(thing: Thing | None) -> Thing | None:
        """The Series that a thing is or looks at; None if it does not."""
        if thing is None or thing.labels is not None:
            return thing
        over = thing.over
        looks: Thing | None = over[1] if type(over) is tuple and over[0] == _LOOK else None
        return looks

    @staticmethod
    def looks_at_series(thing: Thing, key: str | None, value: Thing | None) -> bool:
        """Whether an attribute is a way to look at a Series (`s.loc`); what it gave does from here on."""
        if thing.labels is None or key not in BY_PLACE or value is None:
            return False
        value.over = (_LOOK, thing, key)
        return True

    def label(self, thing: Thing, series: Thing, key: str | None) -> str | None:
        """The key of one member of a Series, by one of it or of what looks at it; None for no single one."""
        if key is None or (thing is not series and thing.over[2] in _BY_POSITION):
            return None
        if series.over is ROW:
            return key
        number = key.lstrip("-").isdecimal()
        known = series.labels == NUMBERS if number else series.labels == TEXTS and key[:1] in "'\"("
        return key if known else None

    def put_label(self, by: int, thing: Thing, key: str | None, value: Value, of: Value = None) -> bool:
        """State what a store did to a Series; False if the thing is none."""
        series = self.series_of(thing)
        if series is not None and key == ".index":
            series.labels = key = ""
        if series is None or (key or "")[:1] == ".":
            return False
        label = self.label(thing, series, key)
        series.put(label, value, of)
        self.change(by, series, How.PUT, label, value)
        self.written_in_blocks(by, series, value)
        return True

    def series_call(self, at: int, call: Call) -> None:
        """State what a method of a Series did to it, if it was told to change it."""
        series = self.series_of(thing_of(call.target))
        words = {word.arg: word.value for word in getattr(self._nodes[at], "keywords", ())}
        told = words.get("inplace")
        is_told = told is not None and getattr(told, "value", True) is not False
        if series is not None and (is_told or call.method == "update"):
            self.whole_changed(call.number, series)

    def whole_changed(self, by: int, thing: Thing) -> None:
        """State that an evaluation changed a frame or Series in place, in a way that is not known."""
        if thing.kind == FRAME:
            thing.parts = {}
        else:
            thing.forget()
        self.change(by, thing, How.PUT, None, by)
        self.written_in_blocks(by, thing, by)
