"""Which row of a frame a value is: of a loop over rows, or of a function that is called for each of them.

Where in the order of a loop, or of the calls, it comes is its position; the label there is that of the row.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from functools import lru_cache
from typing import Final, NamedTuple

from trilha.trace.evaluations import Activation, Kind, Role
from trilha.trace.labels import FRAME, PLAIN, Label, Labels
from trilha.trace.traced import Traced

__all__ = [
    "CALLS_EACH",
    "PLACES",
    "ROW_BY_ROW",
    "Row",
    "Rowwise",
    "accessor",
    "first_of",
    "is_by_rows",
    "method_of",
    "text",
]

PLACES: Final = frozenset(["loc", "iloc", "at", "iat"])
ROW_BY_ROW: Final = frozenset(["iterrows", "itertuples"])
CALLS_EACH: Final = frozenset(["apply", "map"])
_KEEPS_IN_PLACE: Final = frozenset(["insert", "pop", "update", "eval", "fillna", "replace", "clip"])
_RELABEL: Final = frozenset(["reset_index", "set_index", "set_axis", "rename", "rename_axis"])
"""Methods that give rows other labels, in place if they are told so."""
_MOST_BOUND: Final = 100
_IN_ORDER: Final = frozenset(["to_numpy", "values", "tolist", "to_list"])
"""What gives the rows of a frame or column as an array or list."""


class Row(NamedTuple):
    """A row.

    Attributes:
        frame: evaluation of the frame, or column, that it is of.
        label: of the row there.
    """

    frame: int
    label: Label


class Rowwise:
    """What goes from row to row in a trace.

    Args:
        traced: the trace.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced = traced
        self._rows: dict[int, Row | None] = {}
        self._changed: dict[int, int] = {}
        self._labelled: dict[int, list[int]] = {}
        self._calls: dict[int, tuple[int, int, int, int] | None] = {}
        self._in_place = self._changed_in_place()

    def shaped(self, number: int) -> tuple[int, Labels] | None:
        """What has rows, and the labels of these, that the value of an evaluation is; None if not known."""
        thing = self._traced.thing(number)
        found = self._traced.rows_of(thing) if thing else None
        return found if found is not None and number <= self._changed_at(thing, found[1]) else None

    def row_of(self, number: int) -> Row | None:
        """The row that the value of an evaluation is; None if it is none, or that is not known."""
        if number not in self._rows:
            self._rows[number] = self._row_of(number)
        return self._rows[number]

    def labels_of_array(self, number: int) -> Labels | None:
        """The labels of the rows that an array or list has that was made of a frame or column; else None."""
        asked, number = number, self.bound(number)
        if not number or method_of(text(self._traced.component(number).text)) not in _IN_ORDER:
            return None
        thing = self._traced.thing(number)
        if thing and any(one.checkpoint > number for one in self._traced.changes_of(thing, asked)):
            return None
        sources = self._traced.sources(number)
        frame = next((one for one, role in sources if role is Role.COLLECTION), 0)
        held = self.shaped(frame) if frame else None
        return held[1] if held is not None else None

    def is_taken_row(self, number: int) -> bool:
        """Whether a value is a row that was taken by its label or position (`df.loc[3]`)."""
        number = self.bound(number)
        node = text(self._traced.component(number).text) if number else None
        return accessor(node) is not None and first_of(self._traced.row_key(number) or "") is not None

    def bound(self, number: int) -> int:
        """What gave the value that a name was bound to."""
        for _ in range(_MOST_BOUND):
            sources = self._traced.sources(number) if number else []
            if len(sources) != 1 or sources[0][1] is not Role.VALUE:
                break
            number = sources[0][0]
        return number

    def _row_of(self, number: int) -> Row | None:
        traced = self._traced
        for _ in range(_MOST_BOUND):
            kind, sources = traced.component(number).kind, traced.sources(number)
            over = next((one for one, role in sources if role is Role.ITERABLE), 0)
            if kind is Kind.ACCESS and over:
                position = traced.name(number) or ""
                return self._at(over, int(position)) if position.isdecimal() else None
            if kind is not Kind.ASSIGN and not (kind is Kind.DEFINITION and traced.name(number)):
                return None  # (What a lambda's parameter is bound to is of the place of the lambda.)
            values = [one for one, role in sources if role is Role.VALUE]
            if len(values) == len(sources) == 1 and traced.activation_number(values[0]) == (
                traced.activation_number(number)
            ):
                number = values[0]
                continue
            return self._given(number)
        return None

    def _at(self, over: int, position: int) -> Row | None:
        """The row at a position of what a loop goes through."""
        one = self._traced.component(over)
        held, frame = self.shaped(over), over
        if one.kind is Kind.CALL and method_of(text(one.text)) in ROW_BY_ROW:
            frame = next((it for it, role in self._traced.sources(over) if role is Role.COLLECTION), 0)
            held = self.shaped(frame) if frame else None
        elif held is not None and held[0] == FRAME:
            return None
        label = held[1].at(position) if held is not None else None
        return Row(frame, label) if label is not None else None

    def _given(self, parameter: int) -> Row | None:
        """The row that a function was called for; its parameter has all that the call had as its sources."""
        traced = self._traced
        activation = traced.activation_number(parameter)
        found = self._calls_of(activation)
        if found is None:
            return None
        call, frame, place, count = found
        held = self.shaped(frame) if frame else None
        if held is None or held[0] not in (FRAME, PLAIN) or held[1].length != count:
            return None
        if (held[0] == FRAME) != is_by_rows(text(traced.component(call).text)):
            return None
        label = held[1].at(place)
        return Row(frame, label) if label is not None else None

    def _calls_of(self, activation: int) -> tuple[int, int, int, int] | None:
        """The call of a library that called a function for each row; its frame; which of how many this is."""
        if activation in self._calls:
            return self._calls[activation]
        traced = self._traced
        own = traced.activation_of(activation)
        began, switched = traced.switches()
        at = bisect_left(began, own.checkpoint)
        first = at
        while first > 0 and switched[first - 1] != own.caller:
            first -= 1
        last = at
        while last < len(began) and switched[last] != own.caller:
            last += 1
        between = dict.fromkeys(switched[first:last])
        activations = [one for one in between if _is_like(traced.activation_of(one), own)]
        call = began[last] if last < len(began) else 0
        one = traced.component(call) if call and traced.is_evaluation(call) else None
        is_each = one is not None and one.kind is Kind.CALL and method_of(text(one.text)) in CALLS_EACH
        sources = traced.sources(call) if is_each else []
        frame = next((source for source, role in sources if role is Role.COLLECTION), 0)
        for place, like in enumerate(activations):
            self._calls[like] = (call, frame, place, len(activations)) if is_each else None
        return self._calls.setdefault(activation, None)

    # -- rows that change in place ---------------------------------------------------------------------------

    def _changed_at(self, thing: int, labels: Labels) -> int:
        """From when on a thing may have other rows than it had when it was met."""
        if thing not in self._changed:
            changed = [
                one.by for one in self._traced.changes_of(thing, 2**62) if self._changes(one.by, labels)
            ]
            self._changed[thing] = min([*changed, *self._in_place.get(thing, ())], default=2**62)
        return self._changed[thing]

    def has_new_labels(self, source: int, by: int) -> bool:
        """Whether rows that an evaluation gave had other labels when another one used them."""
        thing = self._traced.thing(source)
        if not thing or self._traced.rows_of(thing) is None:
            return False
        if thing not in self._labelled:
            given = (one.by for one in self._traced.changes_of(thing, 2**62))
            told = (one for one in self._in_place.get(thing, ()) if self._gives_labels(one))
            self._labelled[thing] = [*(one for one in given if self._gives_labels(one)), *told]
        return any(source < one < by for one in self._labelled[thing])

    def _gives_labels(self, by: int) -> bool:
        """Whether an evaluation that changed rows in place may have given them other labels."""
        node = text(self._traced.component(by).text)
        if not isinstance(node, ast.Call):
            return isinstance(node, ast.Attribute) and node.attr == "index"
        return method_of(node) in _RELABEL or any(word.arg == "ignore_index" for word in node.keywords)

    def _changes(self, by: int, labels: Labels) -> bool:
        """Whether an evaluation that changed a frame may have changed which rows it has."""
        one = self._traced.component(by)
        node = text(one.text)
        if one.kind is Kind.CALL:
            return method_of(node) not in _KEEPS_IN_PLACE
        if isinstance(node, ast.Attribute):
            return node.attr == "index"
        if accessor(node) not in ("loc", "at"):
            return False
        name = self._traced.name(by) or ""
        return labels.named(name) is None and (first_of(name) is not None or labels.are_texts)

    def _changed_in_place(self) -> dict[int, list[int]]:
        """When a method was told to change its object in place, by the thing."""
        found: dict[int, list[int]] = {}
        for number, one in self._traced.components.items():
            node = text(one.text) if one.kind is Kind.CALL and "inplace" in one.text else None
            if isinstance(node, ast.Call) and method_of(node) not in _KEEPS_IN_PLACE:
                for call in self._traced.of_component(number):
                    for source, role in self._traced.sources(call):
                        if role is Role.COLLECTION:
                            found.setdefault(self._traced.thing(source), []).append(call)
        return found


def _is_like(one: Activation, own: Activation) -> bool:
    """Whether two activations are of one function, called from the same place."""
    return (one.name, one.caller) == (own.name, own.caller)


def is_by_rows(node: ast.AST | None) -> bool:
    """Whether a call of `apply`, or of what sums up, is told to go from row to row, as it is written."""
    if not isinstance(node, ast.Call):
        return False
    axis = next((word.value for word in node.keywords if word.arg == "axis"), None)
    axis = axis or (node.args[1] if len(node.args) > 1 else None)
    return getattr(axis, "value", 0) in (1, "columns")


@lru_cache(maxsize=4096)
def text(written: str) -> ast.AST | None:
    """An expression as it is written; None for a statement."""
    try:
        return ast.parse(written.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def method_of(node: ast.AST | None) -> str | None:
    """The last name of what is called, or of an attribute."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def accessor(node: ast.AST | None) -> str | None:
    """By what a subscript looks at rows (`loc`); None for the frame itself."""
    value = node.value if isinstance(node, ast.Subscript) else None
    return value.attr if isinstance(value, ast.Attribute) and value.attr in PLACES else None


def first_of(key: str) -> int | None:
    """The row that a key names; None if it names none, or several."""
    first = key.strip("()").partition(",")[0]
    return int(first) if first.lstrip("-").isdecimal() else None
