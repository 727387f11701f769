"""Which rows of which frames a value came from: those whose values went into it.

From a value back to the frames that were read or written out, along the sources of evaluations, with the
labels of the rows that matter. What chooses, orders or copies rows keeps their labels; a position is a label
by those that the frame had; what takes a column as a whole takes all the rows that it has then. Where a
method is not known to keep rows apart, all rows may have gone in, and that is said: nothing is guessed.

Source: Cui, Widom, Wiener, "Tracing the lineage of view data in a warehousing environment" (ACM TODS 2000),
section 4: selection, projection and union by row, aggregation by group; pandas User Guide, "Indexing".
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import reduce
from heapq import heappop, heappush
from typing import Final, NamedTuple

from trilha.trace.evaluations import Kind, Role
from trilha.trace.labels import FRAME, PLAIN, Label, Labels
from trilha.trace.placed import Placed, Wanted, as_set, either
from trilha.trace.rowwise import (
    CALLS_EACH,
    PLACES,
    ROW_BY_ROW,
    Rowwise,
    accessor,
    first_of,
    is_by_rows,
    method_of,
    text,
)
from trilha.trace.slicing import Slice

__all__ = ["Origin", "rows_of"]

_LOOKS: Final = frozenset([*(f".{one}" for one in PLACES), ".values", ".str", ".dt", ".cat"])
"""Attributes by which one looks at rows."""
_DEEPEST: Final = 50
_BY_POSITION: Final = frozenset(["iloc", "iat"])
_KEEPS: Final = frozenset(
    [
        *(
            "head",
            "tail",
            "copy",
            "sample",
            "sort_values",
            "sort_index",
            "dropna",
            "drop_duplicates",
            "query",
        ),
        *("nlargest", "nsmallest", "drop", "astype", "round", "abs", "isna", "notna", "isin"),
        *("between", "to_frame", "filter", "assign", "fillna", "replace", "clip", "groupby", "explode"),
        *("add", "sub", "mul", "div", "to_numpy", "where", "mask", "rename", "reindex", "truncate", "take"),
        *("tolist", "to_list"),
        *("combine_first", "select_dtypes", "squeeze"),
    ]
)
"""Methods and functions that give rows with the labels of those that they are made of, each of its own."""
_FEWER: Final = frozenset(
    [
        *("head", "tail", "sample", "dropna", "drop_duplicates", "query", "nlargest", "nsmallest", "drop"),
        *("filter", "reindex", "truncate", "take", "get_group"),
    ]
)
"""Those that may leave rows out; what labels they are told are of rows that they choose."""
_ALIGNED: Final = frozenset(["where", "mask", "fillna", "clip", "add", "sub", "mul", "div", "combine_first"])
"""Those of them that take for each row the one with its label of other columns, too."""
_EACH_VALUE: Final = frozenset(
    ["log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "sign", "floor", "ceil", "train_test_split"]
)
"""Functions that do so."""
_REDUCES: Final = frozenset(
    [
        *("sum", "mean", "min", "max", "count", "std", "var", "median", "prod", "nunique", "any", "all"),
        *("idxmin", "idxmax", "quantile", "len", "describe", "agg", "item", "float", "int"),
    ]
)
"""What makes one value of all rows."""
_PICKS: Final = frozenset(["get", "xs", "asof", "next", "choice", "first_valid_index", "last_valid_index"])
"""What gives the value of some row."""
_OF_GROUPINGS: Final = frozenset(["groupby", "head", "tail", "get_group"])
"""What gives rows of a grouping with the labels that they had."""
_RENUMBERS: Final = frozenset(["reset_index", "set_index", "set_axis", "rename_axis"])
"""Methods that give the same rows in the same order, with new labels."""
_GROUPS: Final = frozenset(["groupby", "rolling", "resample", "expanding", "pivot_table", "merge", "join"])
_GROUPINGS: Final = frozenset(["groupby", "rolling", "resample", "expanding"])
_MAKES: Final = frozenset(["DataFrame", "Series", "from_dict", "from_records"])
_TAKES: Final = frozenset([Role.ELEMENT, Role.COLLECTION, Role.VALUE, Role.ITERABLE])


class Origin(NamedTuple):
    """A frame that rows come from.

    Attributes:
        evaluation: the call that read or made it.
        labels: of its rows; None where they are not known.
        rows: the labels of those that went into the value, as far as they are known, in their order.
        exact: whether these are known to be the ones; else they are all that may have gone in.
    """

    evaluation: int
    labels: Labels | None
    rows: list[Label]
    exact: bool


_ALL: Final = Wanted(None)
_SOME: Final = Wanted(None, exact=False)
"""Some rows, and it is not known which."""


def rows_of(told: Slice) -> list[Origin]:
    """The rows that what a backward slice began with came from, by the frames that these were read into.

    Args:
        told: the slice.

    Returns:
        The frames in the order in which they were made; none where no rows are known in the trace.
    """
    if not told.traced.has_rows():
        return []
    return _Walk(told).origins()


class _Walk:
    """Goes back from evaluations, the later ones first."""

    def __init__(self, told: Slice) -> None:
        self._told, self._traced = told, told.traced
        self._rowwise = Rowwise(told.traced)
        self._placed = Placed(told.traced, self._rowwise)
        self._known: dict[int, Wanted] = {}
        self._waiting: list[int] = []
        self._origins: dict[int, Wanted] = {}

    def origins(self) -> list[Origin]:
        """The frames that rows come from."""
        for number in self._told.start:
            self._add(number, _ALL)
        while self._waiting:
            number = -heappop(self._waiting)
            rows = self._known.pop(number, None)
            if rows is not None:
                if type(rows.found) is set:
                    rows = rows._replace(found=frozenset(rows.found))
                rows = self._among(number, rows)
                for source, some in (*self._step(number, rows), *self._looked_at(number, rows)):
                    if source < number:
                        is_same = not self._rowwise.has_new_labels(source, number)
                        self._add(source, some if is_same else _unsure(some))
        return [self._origin(number, rows) for number, rows in sorted(self._origins.items())]

    def _origin(self, number: int, rows: Wanted) -> Origin:
        labels = self._labels(number)
        if labels is None:
            return Origin(number, None, [], False)
        wanted = set(labels.all) if rows.found is None else as_set(rows.found)
        found = [label for label in labels.all if label in wanted]
        return Origin(number, labels, found, rows.exact and labels.are_unique)

    def _add(self, number: int, rows: Wanted) -> None:
        known = self._known.get(number)
        if known is None:
            heappush(self._waiting, -number)
            self._known[number] = rows
        elif type(known.found) is set and isinstance(rows.found, frozenset):
            known.found.update(rows.found)  # A loop over many rows adds one after the other.
            self._known[number] = known._replace(exact=known.exact and rows.exact)
        else:
            self._known[number] = either(known, rows)

    def _labels(self, number: int) -> Labels | None:
        """The labels of the rows that the value of an evaluation has; None if it has none that are known."""
        found = self._rowwise.shaped(number)
        return found[1] if found is not None else None

    def _among(self, number: int, rows: Wanted) -> Wanted:
        """The same rows, as those of what has labels."""
        labels = self._labels(number)
        if labels is None or rows.found is labels or self._rowwise.row_of(number) is not None:
            return rows
        if rows.found is None:
            return rows._replace(found=labels)
        wanted = as_set(rows.found)
        if not all(label in labels.places for label in wanted):
            return Wanted(labels, exact=False)
        return Wanted(wanted, rows.exact)

    # -- one evaluation --------------------------------------------------------------------------------------

    def _step(self, number: int, rows: Wanted) -> Iterator[tuple[int, Wanted]]:
        """The sources of an evaluation, each with the rows of it that matter."""
        kind = self._traced.component(number).kind
        if kind is Kind.ACCESS:
            yield from self._accessed(number, rows)
        elif kind is Kind.CALL:
            yield from self._called(number, rows)
        elif kind is Kind.PART:
            yield from self._put(number, rows)
        elif kind in (Kind.ASSIGN, Kind.DEFINITION) and (row := self._rowwise.row_of(number)) is not None:
            yield row.frame, Wanted(frozenset([row.label]), rows.exact)
        else:
            sure = kind in (Kind.OPERATION, Kind.ASSIGN, Kind.RETURN)
            for source, role in self._followed(number):
                yield source, rows if sure or role is Role.VALUE else _unsure(rows)

    def _looked_at(self, number: int, rows: Wanted) -> Iterator[tuple[int, Wanted]]:
        """What was in what an evaluation looked at, and what may have led to it."""
        one = self._traced.component(number)
        if one.kind is Kind.ACCESS:
            rows = self._chosen(number, text(one.text), rows)
        elif one.kind is Kind.CALL and method_of(text(one.text)) not in _KEEPS:
            made_of = self._placed.made_of(number, rows) or {}
            rows = reduce(either, made_of.values()) if len(made_of) == 1 else _unsure(rows)
        for source in self._told.behind(number):
            yield source, rows

    def _followed(self, number: int) -> list[tuple[int, Role]]:
        """Its sources, without what an element was found by, if that is known, and without conditions."""
        sources = self._traced.sources(number)
        roles = {role for _, role in sources}
        left = {Role.KEY, Role.GUARD, Role.CONTROL, Role.LED}
        if Role.ELEMENT in roles or Role.RESULT in roles:
            left |= {Role.COLLECTION, Role.ITERABLE}
        if Role.RESULT in roles:
            left.add(Role.ARGUMENT)
        return [(source, role) for source, role in sources if role not in left]

    def _put(self, number: int, rows: Wanted) -> Iterator[tuple[int, Wanted]]:
        """A column that was put into a frame: by label, or by position where these are the same."""
        node = text(self._traced.component(number).text)
        frame = next((one for one, role in self._traced.sources(number) if role is Role.COLLECTION), 0)
        labels = self._labels(frame) if frame else None
        whole = isinstance(node, (ast.Subscript, ast.Attribute)) and accessor(node) is None
        for source, role in self._followed(number):
            if role not in (Role.VALUE, Role.OPERAND):  # (The latter are members of a list or array.)
                continue
            if whole and (held := self._rowwise.labels_of_array(source)) is not None:
                yield source, self._placed.by_position(labels, held, rows)
            else:
                yield source, rows if whole and self._is_column(source) else _unsure(rows)

    def _is_column(self, number: int, depth: int = 0) -> bool:
        """Whether a value has labels: of pandas, or an operation with such a one."""
        if self._labels(number) is not None:
            return True
        one = self._traced.component(number)
        node = text(one.text)
        if (
            one.kind is not Kind.OPERATION
            or depth > _DEEPEST
            or not isinstance(node, (ast.BinOp, ast.Compare))
        ):
            return False
        operands = [it for it, role in self._traced.sources(number) if role is Role.OPERAND]
        plain = not isinstance(getattr(node, "op", None), ast.MatMult)
        return plain and any(self._is_column(it, depth + 1) for it in operands)

    # -- accesses --------------------------------------------------------------------------------------------

    def _accessed(self, number: int, rows: Wanted) -> Iterator[tuple[int, Wanted]]:
        """What an access looks at; and what states the columns of a frame that is made of another."""
        one = self._traced.component(number)
        node = text(one.text)
        row = self._rowwise.row_of(number)
        if row is not None:
            yield row.frame, Wanted(frozenset([row.label]), rows.exact)
            return
        if source := self._placed.split_from(number):
            yield source, rows
            return
        chosen = self._chosen(number, node, rows)
        name = self._traced.name(number) or " "
        derived = not self._traced.thing(number) and name[0] in "'\"" and not _names_column(node, name)
        keys = not self._traced.thing(number) and name[0] == "["
        if (derived or keys) and (made_of := self._column_of(number, rows)) is not None:
            yield from made_of
            return
        for source, role in self._followed(number):
            if derived and role is Role.OPERAND:
                if not self._keeps(number, node):
                    yield source, _SOME  # What groups, or joins.
            elif derived and rows.found is None and not _has_all_rows(node):
                yield source, _SOME  # What labels the rows have is not known: they may be some of these.
            elif derived:
                yield source, rows if self._keeps(number, node) else _unsure(rows)
            elif role in _TAKES:
                yield source, chosen

    def _column_of(self, number: int, rows: Wanted) -> list[tuple[int, Wanted]] | None:
        """What a column of what a call gave comes from, where it is known what the call made of rows."""
        call = self._placed.call_before(number)
        every = self._placed.made_of(call, _ALL) if call else None
        made_of = self._placed.made_of(call, rows) if every is not None else None
        if every is None or made_of is None:
            return None
        if self._placed.is_windowed(call):
            return list(made_of.items())
        sources = [one for one, _ in self._followed(number)]
        is_keys = (self._traced.name(number) or "")[:1] == "["
        groups = any(map(self._placed.is_grouping, every))
        if is_keys or (not groups and self._placed.container(number) in every):
            return [(one, rows) for one in sources]  # These are already rows of what is looked at.
        if groups:
            return [(one, some) for one in sources for some in made_of.values()]
        parts = [(one, made_of.get(self._placed.container(one))) for one in sources]
        return [(one, some) for one, some in parts if some is not None]

    def _keeps(self, number: int, node: ast.AST | None) -> bool:
        """Whether what states a column of a frame that is made of another keeps the rows apart."""
        if node is None or isinstance(node, ast.Subscript):
            return True  # A loop over rows or groups; rows that were chosen.
        call = self._placed.call_before(number)
        if call and _renumbers(text(self._traced.component(call).text)):
            return False
        return method_of(node) in _KEEPS | ROW_BY_ROW | CALLS_EACH

    def _chosen(self, number: int, node: ast.AST | None, rows: Wanted) -> Wanted:
        """The rows of its container that an access looks at."""
        name = self._traced.name(number) or (f".{node.attr}" if isinstance(node, ast.Attribute) else "")
        container = self._placed.container(number)
        held = self._rowwise.shaped(container) if container else None
        by = accessor(node)
        key = self._traced.row_key(number) or name
        if by is not None:
            if held is None and container:
                container = self._placed.container(container)
                held = self._rowwise.shaped(container) if container else None
            first = first_of(key)
            if held is not None and by not in _BY_POSITION:
                label = held[1].named(key)
            else:
                label = held[1].at(first) if first is not None and held is not None else None
            if label is not None:
                return Wanted(frozenset([label]), rows.exact)
            return rows if self._labels(number) is not None and (first is None or held is None) else _SOME
        if self._placed.is_grouping(container):
            return rows
        if held is None or self._rowwise.row_of(container) is not None:
            return self._of_other(number, container, name, rows)
        if self._labels(number) is not None or name in _LOOKS:
            return rows
        if isinstance(node, ast.Attribute):
            return _unsure(rows)
        label = held[1].named(name) if held[0] != FRAME else None
        if label is not None:
            return Wanted(frozenset([label]), rows.exact)
        return rows if held[0] == FRAME and name[:1] in "'\"[" else _SOME

    def _of_other(self, number: int, container: int, name: str, rows: Wanted) -> Wanted:
        """The rows that an access looks at in what is no frame: a row, an array, a list."""
        row = self._rowwise.row_of(container) if container else None
        if row is not None:
            return Wanted(frozenset([row.label]), rows.exact)
        if name[:1] == "." or any(role is Role.ELEMENT for _, role in self._traced.sources(number)):
            return rows
        if self._rowwise.is_taken_row(container):
            return rows
        if self._labels(number) is not None:
            return rows  # What it is a part, or a column, of has not been looked at otherwise.
        labels, first = self._rowwise.labels_of_array(container), first_of(name)
        label = labels.at(first) if labels is not None and first is not None else None
        return Wanted(frozenset([label]), rows.exact) if label is not None else _SOME

    # -- calls -----------------------------------------------------------------------------------------------

    def _called(self, number: int, rows: Wanted) -> Iterator[tuple[int, Wanted]]:
        """What a call was given: all of it, unless what it does is known."""
        node = text(self._traced.component(number).text)
        method = method_of(node)
        if method is not None and (method.startswith("read_") or method in _MAKES):
            known = self._origins.get(number)
            self._origins[number] = rows if known is None else either(known, rows)
            rows = _unsure(rows)
        if (made_of := self._placed.made_of(number, rows)) is not None:
            yield from made_of.items()
            return
        sources = self._followed(number)
        if method in CALLS_EACH and (picked := self._picked(number, rows)) is not None:
            yield from picked
            return
        keeps = (method in _KEEPS and not _renumbers(node)) or _is_of_values(node)
        keeps = keeps or (method in _REDUCES and is_by_rows(node))
        grouped = self._is_grouped(number, method)
        if method in _FEWER and rows.found is None:
            rows = _SOME
        for source, role in sources:
            if role is Role.FUNCTION:
                continue
            if role is Role.RESULT:
                yield source, rows
            elif grouped:
                yield source, rows if method in _OF_GROUPINGS else _SOME
            elif method in _REDUCES and not self._traced.thing(number):
                yield source, Wanted(None, rows.exact)
            elif method in _PICKS and self._labels(number) is None:
                yield source, _SOME
            elif (keeps and self._is_in_rows(source, role, method)) or method in _EACH_VALUE:
                yield source, rows
            elif method in _RENUMBERS and role is Role.COLLECTION:
                yield source, self._placed.by_position(self._labels(number), self._labels(source), rows)
            else:
                yield source, _unsure(rows)

    def _is_in_rows(self, source: int, role: Role, method: str | None) -> bool:
        """Whether a method that keeps rows apart takes for each row the one with its label of a source."""
        if role is Role.ARGUMENT:
            return method in _ALIGNED and self._is_column(source)
        return role in (Role.COLLECTION, Role.VALUE)

    def _picked(self, number: int, rows: Wanted) -> list[tuple[int, Wanted]] | None:
        """Of what a function gave that was called for each row, what it gave for these; None if not known."""
        sources = self._traced.sources(number)
        gave = [one for one, role in sources if role in (Role.RESULT, Role.OPERAND)]
        frame = self._placed.container(number)
        held = self._rowwise.shaped(frame) if frame else None
        if not gave or held is None or len(gave) != held[1].length or held[0] not in (FRAME, PLAIN):
            return None
        if not isinstance(rows.found, frozenset) or not held[1].are_unique:
            all_of_them = rows.found is None or rows.found is self._labels(number)
            return [(one, Wanted(None, rows.exact and all_of_them)) for one in gave]
        places = held[1].places
        return [(gave[places[one]], Wanted(None, rows.exact)) for one in rows.found if one in places]

    def _is_grouped(self, number: int, method: str | None) -> bool:
        """Whether what is called groups, or is of what does."""
        return method in _GROUPS or self._placed.is_grouping(self._placed.container(number), _GROUPINGS)


def _unsure(rows: Wanted) -> Wanted:
    """All rows, which something took; if it made other rows of them, it is not known which mattered."""
    return Wanted(None, exact=rows.exact and rows.found is None)


def _names_column(node: ast.AST | None, name: str) -> bool:
    """Whether the text itself takes a column of this name."""
    if isinstance(node, ast.Attribute):
        return repr(node.attr) == name
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and repr(node.slice.value) == name
    )


def _has_all_rows(node: ast.AST | None) -> bool:
    """Whether a frame that is made of another has all its rows, as it is written (`df[["a", "b"]]`)."""
    if not isinstance(node, ast.Subscript):
        return node is not None and method_of(node) not in _FEWER
    parts = node.slice.elts if isinstance(node.slice, (ast.List, ast.Tuple)) else [node.slice]
    return accessor(node) is None and all(
        isinstance(one, ast.Constant) and isinstance(one.value, str) for one in parts
    )


def _is_of_values(node: ast.AST | None) -> bool:
    """Whether a call makes of each text or time of a column another (`c.str.lower()`), as it is written."""
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and method_of(func.value) in ("str", "dt")


def _renumbers(node: ast.AST | None) -> bool:
    """Whether a call may give its rows new labels."""
    if not isinstance(node, ast.Call):
        return False
    is_name = all(isinstance(getattr(one, "value", None), str) for one in node.args)
    if method_of(node) == "rename" and not is_name and not is_by_rows(node):
        return True
    named = (None, "ignore_index") if method_of(node) in _FEWER else (None, "ignore_index", "index", "labels")
    return any(
        word.arg in named and getattr(word.value, "value", True) is not False for word in node.keywords
    )
