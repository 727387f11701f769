"""Frames of pandas: their columns are members, whatever way they are read or written.

``df["c"]`` and ``df.c`` are one column, as is the last part of ``df.loc[rows, "c"]``; a grouping is a way to
look at its frame. What takes no column by name looks at the whole frame.

Source: pandas User Guide, "Indexing and selecting data", "Group by: split-apply-combine".
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any, Final

from trilha.trace.evaluations import How, Kind, Role, Source
from trilha.trace.heap import (
    DICT,
    FRAME,
    LIST,
    REST,
    ROW,
    Thing,
    Value,
    number_of,
    sources_of,
    thing_of,
)
from trilha.trace.series import BY_PLACE, OneDimensional
from trilha.trace.waiting import Call

__all__ = ["Frames"]

_NO_COLUMN: Final = frozenset(
    [
        *(".values", ".shape", ".T", ".columns", ".index", ".dtypes", ".size", ".empty", ".ndim", ".axes"),
        *(".style", ".plot", ".attrs", ".flags", ".sparse"),
    ]
)
_RENAMES: Final = frozenset([".columns", ".index"])
_EACH: Final = frozenset(
    [
        *(
            "head",
            "tail",
            "copy",
            "sample",
            "sort_index",
            "astype",
            "round",
            "abs",
            "fillna",
            "replace",
            "clip",
        ),
        *("shift", "diff", "cumsum", "ffill", "bfill"),
    ]
)
"""Methods whose result has each column of what that was before, and of the arguments."""
_SUMS: Final = frozenset(
    [*("sum", "mean", "min", "max", "count", "std", "var", "median", "first", "last", "prod")]
)
"""Methods of a grouping whose result has each column of what that was, and of the keys."""
_CHOOSES: Final = {"sort_values": "by", "dropna": "subset", "drop_duplicates": "subset"}
"""Methods that choose or order rows by the columns that this parameter names."""
_NO_PART: Final = _NO_COLUMN | BY_PLACE | {".name", ".Index", ".array", ".dtype", ".str", ".dt", ".cat"}
"""Attributes of a row that are of it as a whole."""
_GIVE_ROWS: Final = frozenset(["iterrows", "itertuples"])
_IN_PLACE: Final = frozenset(["insert", "pop", "update", "eval"])
"""Methods that change a frame without being asked to."""


class Frames(OneDimensional):
    """What is known of frames; a part of `trilha.trace.replay.Replay`."""

    _grouped: dict[int, str]
    """By the number of an evaluation: the columns by which it groups."""
    _group: tuple[int, dict[str, Value]]
    """The last grouping that a loop went through, and what its groups have of each column."""
    _ever_grouped: set[int]

    @staticmethod
    def frame_of(thing: Thing | None) -> Thing | None:
        """The frame that a thing is or looks at; None if it does not."""
        if thing is None or thing.kind == FRAME:
            return thing
        over = thing.over
        looks: Thing | None = over[1] if isinstance(over, tuple) and over[0] in ("loc", "groupby") else None
        return looks

    def is_of_pandas(self, thing: Thing | None) -> bool:
        """Whether a thing is a frame or Series, or looks at one."""
        return self.frame_of(thing) is not None or self.series_of(thing) is not None

    def read_column(self, thing: Thing, frame: Thing, key: str | None) -> str | None:
        """The key by which a column is read; None for one that may have had another name."""
        if thing is frame and key in _NO_COLUMN:
            return None  # It is made of all columns.
        name = self.column(thing, key)
        return None if frame.open and frame.member(name) is None else name

    def column(self, thing: Thing, key: str | None) -> str | None:
        """The key of a column, or of several, by one of a frame, of its `loc` or of a grouping."""
        if thing.kind == FRAME:
            named = key is not None and key[:1] == "." and key not in _NO_COLUMN and key not in BY_PLACE
            return repr(str(key)[1:]) if named else key
        if key is None:
            return None
        if thing.over[0] == "groupby":
            by = thing.over[2]
            name = repr(key[1:]) if key[:1] == "." else key
            return None if by is None else f"[{name.strip('[]')}, {by}]"
        last = key.strip("()").rpartition(", ")[2]
        return f"[..., {last}]" if last[:1] in "'\"" and "," in key else None

    @staticmethod
    def part_of_row(thing: Thing, key: str | None) -> str | None:
        """The key of an attribute: of a row of a frame, that of the column, if it has one.

        What a Series is made of may be all that is in it: that has none.
        """
        if thing.labels is not None and thing.over is not ROW and key in _NO_COLUMN:
            return None
        if thing.over is not ROW or key is None:
            return key
        name = repr(key[1:])
        return name if name in thing.parts or key not in _NO_PART else key

    def looks_at(self, thing: Thing, key: str | None, value: Thing | None) -> bool:
        """Whether an attribute is a way to look at a frame (`df.loc`); what it gave does from here on."""
        if thing.kind != FRAME or key not in BY_PLACE:
            return self.looks_at_series(thing, key, value)
        if value is not None:
            value.over = ("loc", thing)
        return True

    def put_column(self, by: int, thing: Thing, key: str | None, value: Value) -> bool:
        """State what a store did to a frame; False if the thing is none."""
        frame = self.frame_of(thing)
        if frame is None or (thing.kind != FRAME and thing.over[0] != "loc"):
            return False
        name = self.column(thing, key)
        frame.open = frame.open or key in _RENAMES
        if key in _RENAMES or name is None or not (name[:1] in "'\"" or name.isdecimal()):
            parts = frame.parts
            kept = name is not None and name.startswith("[..., ")
            frame.parts = dict(parts) if kept else {}
            if kept:
                frame.parts[str(name)[6:-1]] = 0  # What else is in it is not known.
            self.change(by, frame, How.PUT, name if kept else None, value)
        else:
            frame.parts[name] = value
            self.change(by, frame, How.PUT, name, value)
        if thing is not frame:
            self.written_in_blocks(by, frame, value)
        return True

    def frame_call(self, at: int, call: Call, made: Thing | None, target: Thing) -> bool:
        """State what a method of a frame did to it; whether it gave a way to look at the frame."""
        node: Any = self._nodes[at]
        words = {word.arg: word.value for word in node.keywords}
        if call.method == "groupby" and made is not None:
            by = node.args[0] if node.args else words.get("by")
            made.over = ("groupby", target, _names(by))
            return True
        told = words.get("inplace")
        if call.method in _IN_PLACE or (told is not None and getattr(told, "value", True) is not False):
            first = _names(node.args[-2 if call.method == "insert" else 0]) if len(node.args) > 0 else None
            if call.method in ("pop", "insert") and first is not None and "," not in first:
                self._column_call(call, target, first)
            else:
                self.whole_changed(call.number, target)
        return False

    # -- frames that are made of others ----------------------------------------------------------------------

    def derived_by(self, at: int, call: Call, made: Thing | None, frame: Thing) -> None:
        """Note what the columns of a frame come from that a method of one gave, where that is known."""
        node, method = self._nodes[at], call.method or ""
        if not isinstance(node, ast.Call):
            return
        words = {word.arg: word.value for word in node.keywords}
        if method == "groupby":
            self._grouped[call.number] = _names(node.args[0] if node.args else words.get("by")) or ""
            self._ever_grouped.add(frame.number)
        if made is not None and method in _GIVE_ROWS and frame.number not in self._ever_grouped:
            at = at - int(node.trilha) + int(node.func.trilha)  # type: ignore[attr-defined]
            made.over = ("rows", self._columns_now(at, call.target, frame))
        if made is None or made.kind != FRAME or made is frame:
            return
        at = at - int(node.trilha) + int(node.func.trilha)  # type: ignore[attr-defined]
        given = tuple(one[0] if isinstance(one, tuple) else one for _, one in call.arguments)
        if method in _SUMS:
            if by := self._grouped.get(number_of(call.target)):
                self.derived(at, made, call.target, frame, given, by)
        elif frame.number in self._ever_grouped:
            return  # What this is a method of may be a grouping.
        elif method == "merge" and "on" in words and given:
            other, on = thing_of(given[0]), _names(words["on"])
            if other is not None and other.kind == FRAME and on is not None:
                self._merged(at, made, (call.target, frame), (given[0], other), on)
        elif method in _CHOOSES:
            by = _names(words.get(_CHOOSES[method]) or (node.args[0] if node.args else None))
            if by:
                self.derived(at, made, call.target, frame, (), by)
        elif method == "assign" and all(words):
            self.derived(at, made, call.target, frame, ())
            for name, value in call.arguments:
                made.parts[repr(name)] = value if _is_plain(value) else 0
        elif method in _EACH:
            self.derived(at, made, call.target, frame, given)

    def derived(
        self,
        at: int,
        made: Thing,
        source: Value,
        frame: Thing,
        given: tuple[Value, ...],
        by: str | None = None,
    ) -> None:
        """Note that each column of a frame comes from that of another, what was given, and columns `by`."""
        if made is not frame:
            made.parts |= self._columns_now(at, source, frame, given, by)

    def _columns_now(
        self, at: int, source: Value, frame: Thing, given: tuple[Value, ...] = (), by: str | None = None
    ) -> dict[str, Value]:
        """What has each column of a frame now comes from, what was given, and columns `by`; by its key."""
        if frame.open:
            return {}
        more = sources_of(given, Role.OPERAND)
        if by:
            more = (*more, *self._of_columns(at, source, frame, f"[{by}]"))
        found = {}
        for key in (*self._columns_of(frame), REST):
            sources = (*self._of_columns(at, source, frame, key), *more)
            found[key] = number_of(self._evaluation(at, Kind.ACCESS, sources, None, name=key))
        return found

    def rows_given(self, at: int, call: Call) -> dict[str, Value]:
        """What the rows have of each column that a method of a frame gives to a function; else none."""
        node: Any = self._nodes[at]
        frame = thing_of(call.target)
        if frame is None or frame.kind != FRAME or call.method != "apply" or type(node) is not ast.Call:
            return {}
        words = {word.arg: word.value for word in node.keywords}
        axis = node.args[1] if len(node.args) > 1 else words.get("axis")
        if getattr(axis, "value", 0) not in (1, "columns") or frame.number in self._ever_grouped:
            return {}
        return self._columns_now(at - int(node.trilha) + node.func.trilha, call.target, frame)  # type: ignore[attr-defined]

    def parts_taken(self, at: int, source: Value, values: Sequence[Value]) -> None:
        """Note what the rows, or the group, that a loop got of a frame have of its columns."""
        iterated = thing_of(source)
        things = [one for one in map(thing_of, values) if one is not None]
        if iterated is None or not things:
            return
        if type(iterated.over) is tuple and iterated.over[0] == "rows":
            for one in things:
                one.be_row(iterated.over[1])
        elif iterated.kind == FRAME and (by := self._grouped.get(number_of(source))):
            if self._group[0] != number_of(source):
                self._group = number_of(source), self._columns_now(at, source, iterated, (), by)
            for one in things:
                if one.kind == FRAME and one is not iterated:
                    one.parts = dict(self._group[1])

    def _merged(
        self, at: int, made: Thing, one: tuple[Value, Thing], other: tuple[Value, Thing], on: str
    ) -> None:
        """Note the columns of two frames that were put together where theirs called `on` are the same."""
        if one[1].open or other[1].open:
            return
        both = [self._of_columns(at, *frame, f"[{on}]") for frame in (one, other)]
        for key in (*self._columns_of(one[1], other[1]), REST):
            sources = self._of_each(at, (one, other), key)
            for more in both:
                sources += more
            made.parts[key] = number_of(self._evaluation(at, Kind.ACCESS, tuple(sources), None, name=key))
            for end in ("_x", "_y") if key != REST else ():
                made.parts[repr(f"{key[1:-1]}{end}")] = made.parts[key]

    def _put_together(self, at: int, made: Thing, given: Thing | None) -> None:
        """Note the columns of frames that were put one behind or beside the other."""
        members = given.members() if given is not None and given.kind == LIST else None
        pairs = [(one, thing_of(one)) for one in members or ()]
        frames = [(one, frame) for one, frame in pairs if frame is not None and frame.kind == FRAME]
        if not frames or len(frames) < len(pairs) or any(frame.open for _, frame in frames):
            return
        for key in (*self._columns_of(*(frame for _, frame in frames)), REST):
            sources = tuple(self._of_each(at, frames, key))
            made.parts[key] = number_of(self._evaluation(at, Kind.ACCESS, sources, None, name=key))

    def _of_each(self, at: int, frames: Sequence[tuple[Value, Thing]], key: str) -> list[Source]:
        """The sources of what takes a column of several frames: what is new in one, others may have, too."""
        found: list[Source] = []
        for one, frame in frames:
            sources = self._of_columns(at, one, frame, key)
            if sources and sources[0].role in (Role.COLLECTION, Role.ELEMENT):
                # That of another frame may be beside it: what each is of is told by an access of its own.
                if sources[0].role is Role.ELEMENT and number_of(one):
                    sources = (Source(number_of(one), Role.COLLECTION), *sources)
                sources = sources_of(
                    [self._evaluation(at, Kind.ACCESS, sources, None, name=key)], Role.OPERAND
                )
            found += sources
        return found

    def _columns_of(self, *frames: Thing) -> list[str]:
        """The columns that statements of the program made."""
        return list(
            dict.fromkeys(key for one in frames for key in one.parts if key[:1] in "'\"" and key != REST)
        )

    def _of_columns(self, at: int, source: Value, frame: Thing, key: str) -> tuple[Source, ...]:
        """The sources of what looks at columns of a frame now: their members, or the frame by this key."""
        member = frame.member(key)
        if key[:1] != "[" and number_of(member):
            return (Source(number_of(member), Role.ELEMENT, key),)
        looks = (Source(number_of(source), Role.COLLECTION),) if number_of(source) else ()
        if key[:1] != "[":
            return looks
        parts = [frame.member(one) for one in key[1:-1].split(", ")]
        if parts and all(map(number_of, parts)):
            return sources_of(parts, Role.OPERAND)
        seen = self._evaluation(at, Kind.ACCESS, looks, None, name=key)
        return sources_of([seen], Role.OPERAND)

    def frame_made(self, at: int, name: str, call: Call, made: Thing | None) -> bool:
        """Whether a function of pandas was called, which leaves alone what it is given; notes the columns."""
        if call.method is not None or not name.startswith("pandas."):
            return False
        node: Any = self._nodes[at]
        is_written = type(node) is ast.Call and type(node.func) is ast.Attribute and bool(call.arguments)
        if name == "pandas.concat" and is_written and made is not None and made.kind == FRAME:
            # Of the module's name there is no evaluation.
            at = at - int(node.trilha) + node.func.value.trilha
            self._put_together(at, made, thing_of(call.arguments[0][1]))
        data = thing_of(call.arguments[0][1]) if call.arguments else None
        if (
            made is not None
            and name == "pandas.DataFrame"
            and data is not None
            and data.kind in (DICT, FRAME)
        ):
            made.parts = {key: held for key, held in data.parts.items() if not key.startswith(".")}
        return True

    def _column_call(self, call: Call, frame: Thing, name: str) -> None:
        if call.method == "pop":
            frame.parts.pop(name, None)
            self.change(call.number, frame, How.DELETE, name)
        else:
            value = call.arguments[-1][1]
            frame.parts[name] = value if number_of(value) else call.number
            self.change(call.number, frame, How.PUT, name, frame.parts[name])


def _is_plain(value: Value) -> bool:
    """Whether what `assign` was given is the column's values, not what makes them of the frame."""
    thing = thing_of(value)
    return bool(number_of(value)) and (thing is None or thing.function is None)


def _names(node: ast.expr | None) -> str | None:
    """The columns that the text names, as keys; None if it does not."""
    parts = node.elts if isinstance(node, (ast.List, ast.Tuple)) else [node]
    if all(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in parts):
        return ", ".join(repr(one.value) for one in parts if isinstance(one, ast.Constant))
    return None
