"""From rows that were merged, summed up by group or put together, to those that they were made of.

The log has of a merge where each row was in either frame, and of what sums up groups the group of each row
(`trilha.capture.script.placed`); what is put together by `concat` has the rows of its parts, one part behind
the other.

Source: Cui, Widom, Wiener, "Tracing the lineage of view data in a warehousing environment" (ACM TODS 2000),
section 4; pandas User Guide, "Merge, join, concatenate and compare", "Group by: split-apply-combine",
"Windowing operations".
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple, TypeAlias

from trilha.trace.evaluations import Kind, Role
from trilha.trace.labels import BY_GROUPS, OF_FIRST, OF_GROUPS, OF_SECOND, Label, Labels
from trilha.trace.rowwise import Rowwise, method_of, text
from trilha.trace.traced import Traced
from trilha.trace.windows import OF_WINDOWS as _OF_WINDOWS
from trilha.trace.windows import WINDOWS as _WINDOWS
from trilha.trace.windows import reach_of

__all__ = ["Found", "Placed", "Wanted", "as_set", "either"]

_SUMS: Final = frozenset(
    [
        *("sum", "mean", "min", "max", "count", "std", "var", "sem", "median", "prod", "nunique", "size"),
        *("any", "all", "agg", "aggregate", "quantile", "skew", "first", "last"),
    ]
)
"""Methods of a grouping that make one row of each group."""
_OF_ONE: Final = frozenset(["first", "last"])
"""Those that do not take all rows of it."""
_CONCAT_WORDS: Final = frozenset(["ignore_index", "sort", "copy", "verify_integrity", "join"])
_BY_GROUP: Final = frozenset(["groupby"])
_DEEPEST: Final = 8
_MOST_COLUMNS: Final = 10_000

Found: TypeAlias = "frozenset[Label] | set[Label] | Labels | None"
"""Labels of rows; all that something has; None for all rows, whatever they are."""


class Wanted(NamedTuple):
    """Rows that matter of the value of an evaluation: of each of these labels one or more, and no others."""

    found: Found
    exact: bool = True


def as_set(found: AbstractSet[Label] | Labels) -> frozenset[Label]:
    """The labels as a set."""
    return frozenset(found.all if isinstance(found, Labels) else found)


def either(one: Wanted, other: Wanted) -> Wanted:
    """The rows of both."""
    if one.found is other.found or one.found is None or other.found is None:
        found = one.found if one.found is other.found else None
    else:
        found = {*as_set(one.found), *as_set(other.found)}
    return Wanted(found, one.exact and other.exact)


class Placed:
    """What calls made of rows in a trace.

    Args:
        traced: the trace.
        rowwise: what goes from row to row in it.
    """

    def __init__(self, traced: Traced, rowwise: Rowwise) -> None:
        self._traced, self._rowwise = traced, rowwise

    def made_of(self, call: int, wanted: Wanted) -> dict[int, Wanted] | None:
        """The rows that those of what a call gave were made of.

        Args:
            call: its evaluation.
            wanted: rows of what it gave.

        Returns:
            By the evaluation of what they are of; what was grouped is a grouping, with the rows of its frame.
            None where it is not known where rows went.
        """
        thing = self._traced.thing(call)
        made = self._traced.rows_made_of(thing) if thing else {}
        node = text(self._traced.component(call).text)
        if not isinstance(node, ast.Call):
            return None
        if OF_FIRST in made and OF_SECOND in made and method_of(node) in ("merge", "join"):
            return self._merged(call, node, wanted, made)
        if OF_GROUPS in made and method_of(node) in _SUMS:
            return self._of_groups(call, node, wanted, made[OF_GROUPS])
        if BY_GROUPS in made and self.is_grouping(self.container(call)):
            if method_of(node) == "transform":
                return self._of_each_group(call, node, wanted, made[BY_GROUPS])
            return self._of_groups(call, node, wanted, made[BY_GROUPS]) if method_of(node) in _SUMS else None
        if method_of(node) == "concat":
            return self._put_together(call, node, wanted)
        return self._windowed(call, node, wanted)

    def is_windowed(self, call: int) -> bool:
        """Whether a call gave what windows over rows gave."""
        node = text(self._traced.component(call).text)
        return isinstance(node, ast.Call) and self._windowed(call, node, Wanted(None)) is not None

    def call_before(self, number: int) -> int:
        """The call behind which an evaluation states a column of what that gave; 0 for none."""
        for earlier in range(number - 1, max(0, number - _MOST_COLUMNS), -1):
            if self._traced.is_evaluation(earlier):
                kind = self._traced.component(earlier).kind
                if kind is not Kind.ACCESS:
                    return earlier if kind is Kind.CALL else 0
        return 0

    def is_grouping(self, number: int, by: AbstractSet[str] = _BY_GROUP) -> bool:
        """Whether a value groups rows, or columns of what does.

        Args:
            number: its evaluation.
            by: methods that give what groups.
        """
        for _ in range(_DEEPEST):
            number = self._rowwise.bound(number) if number else 0
            if not number:
                return False
            one = self._traced.component(number)
            if one.kind is Kind.CALL:
                return method_of(text(one.text)) in by
            if one.kind is not Kind.ACCESS or self._labels(number) is not None:
                return False
            number = next((it for it, role in self._traced.sources(number) if role is Role.COLLECTION), 0)
        return False

    def split_from(self, number: int) -> int:
        """What `train_test_split` took a part of, where a value is that part; 0 if not, or not surely."""
        call = self._rowwise.bound(self.container(number))
        node = text(self._traced.component(call).text) if call else None
        position = self._traced.name(number) or ""
        if (
            not isinstance(node, ast.Call)
            or method_of(node) != "train_test_split"
            or not position.isdecimal()
        ):
            return 0
        given = [one for one, role in self._traced.sources(call) if role is Role.ARGUMENT][: len(node.args)]
        if any(isinstance(one, ast.Starred) for one in node.args) or int(position) // 2 >= len(given):
            return 0
        return given[int(position) // 2]

    def container(self, number: int) -> int:
        """What an evaluation looks at; 0 for nothing."""
        sources = self._traced.sources(number)
        return next((one for one, role in sources if role in (Role.COLLECTION, Role.ITERABLE)), 0)

    def by_position(self, made: Labels | None, held: Labels | None, wanted: Wanted) -> Wanted:
        """The rows that those of what got new labels were, which are in the same order."""
        if held is None or made is None or held.length != made.length:
            return Wanted(None, exact=wanted.exact and wanted.found is None)
        if wanted.found is None:
            return Wanted(held, wanted.exact)
        chosen = as_set(wanted.found)
        found = frozenset(label for own, label in zip(made.all, held.all, strict=True) if own in chosen)
        return Wanted(found, wanted.exact and (made.are_unique or len(found) == len(chosen)))

    # -- merges ----------------------------------------------------------------------------------------------

    def _merged(
        self, call: int, node: ast.Call, wanted: Wanted, made: dict[int, Labels]
    ) -> dict[int, Wanted] | None:
        sides = self._sides(call, node)
        if sides is None:
            return None
        found: dict[int, Wanted] = {}
        for side, places in zip(sides, (made[OF_FIRST], made[OF_SECOND]), strict=True):
            held = self._labels(side)
            positions = self._positions(call, wanted, places.length)
            if held is None or positions is None or max(places.numbers, default=-1) >= held.length:
                _add(found, side, Wanted(None, exact=False))
                continue
            labels, exact = set(), wanted.exact
            for some in positions:
                were = {places.numbers[at] for at in some}
                exact = exact and (wanted.found is None or len(were) == 1)
                labels |= {held.all[at] for at in were if at >= 0}
            if labels or not exact:
                _add(found, side, Wanted(frozenset(labels), exact))
        return found

    def _sides(self, call: int, node: ast.Call) -> tuple[int, int] | None:
        """The two frames that a call merges; None if it is not sure which they are."""
        sources = self._traced.sources(call)
        found = [one for one, role in sources if role is Role.COLLECTION][:1]
        names = [None] * len(node.args) + [word.arg for word in node.keywords]
        names = names[: 2 - len(found)]
        if any(name not in (None, "left", "right", "other") for name in names):
            return None
        given = [one for one, role in sources if role is Role.ARGUMENT][: len(names)]
        found += given[::-1] if names == ["right", "left"] else given
        return (found[0], found[1]) if len(found) == 2 else None

    # -- groups ----------------------------------------------------------------------------------------------

    def _of_groups(
        self, call: int, node: ast.Call, wanted: Wanted, groups: Labels
    ) -> dict[int, Wanted] | None:
        held = self._grouped(call)
        positions = self._positions(call, wanted, groups.count)
        if held is None or held.length != groups.length or positions is None:
            return None
        exact = wanted.exact and method_of(node) not in _OF_ONE and not _OF_ONE & _texts(node)
        exact = exact and (wanted.found is None or all(len(some) == 1 for some in positions))
        chosen = {at + 1 for some in positions for at in some}
        return self._rows_of_groups(call, held, groups, chosen, exact=exact)

    def _of_each_group(
        self, call: int, node: ast.Call, wanted: Wanted, groups: Labels
    ) -> dict[int, Wanted] | None:
        """Of what has for each row what was made of all rows of its group."""
        held, own = self._grouped(call), self._labels(call)
        if held is None or own is None or not held.length == own.length == groups.length:
            return None
        positions = self._positions(call, wanted, groups.length)
        if positions is None:
            return None
        chosen = {groups.numbers[at] for some in positions for at in some}
        exact = wanted.exact and not node.keywords and bool(_texts(node) & _SUMS - _OF_ONE)
        exact = exact and all(len({groups.numbers[at] for at in some}) == 1 for some in positions)
        return self._rows_of_groups(call, held, groups, chosen - {0}, exact=exact and 0 not in chosen)

    def _grouped(self, call: int) -> Labels | None:
        """The labels of the rows of what was grouped, of which a call is a method."""
        frame = self.container(call)
        for _ in range(_DEEPEST):
            frame = self._rowwise.bound(frame) if frame else 0
            held = self._labels(frame) if frame else None
            if held is not None or not frame:
                return held
            frame = self.container(frame)
        return None

    def _rows_of_groups(
        self, call: int, held: Labels, groups: Labels, chosen: set[int], *, exact: bool
    ) -> dict[int, Wanted]:
        found = (label for label, group in zip(held.all, groups.numbers, strict=True) if group in chosen)
        return {self.container(call): Wanted(frozenset(found), exact)}

    # -- windows over rows in their order --------------------------------------------------------------------

    def _windowed(self, call: int, node: ast.Call, wanted: Wanted) -> dict[int, Wanted] | None:
        """Of what has for each row what a window over the rows of the same frame gave."""
        over, frame = node, self.container(call)
        if method_of(node) in _OF_WINDOWS:
            window, frame = self._window(frame)
            known = text(self._traced.component(window).text) if window else None
            if not isinstance(known, ast.Call):
                return None
            over = known
        reach = reach_of(over)
        held, own = self._labels(frame) if frame else None, self._labels(call)
        if reach is None or held is None or own is None or held.length != own.length:
            return None
        positions = self._positions(call, wanted, held.length)
        if positions is None:
            return None
        exact = wanted.exact and (wanted.found is None or all(len(some) == 1 for some in positions))
        rows = reach.rows({at for some in positions for at in some}, held.length)
        return {frame: Wanted(frozenset(held.all[at] for at in rows), exact)}

    def _window(self, number: int) -> tuple[int, int]:
        """The call that gave what goes over windows, of which this may be a column, and its frame; else 0."""
        for _ in range(_DEEPEST):
            number = self._rowwise.bound(number) if number else 0
            one = self._traced.component(number) if number else None
            if one is not None and one.kind is Kind.CALL and method_of(text(one.text)) in _WINDOWS:
                return number, self.container(number)
            if one is None or one.kind is not Kind.ACCESS or self._labels(number) is not None:
                break
            number = self.container(number)
        return 0, 0

    # -- what is put together --------------------------------------------------------------------------------

    def _put_together(self, call: int, node: ast.Call, wanted: Wanted) -> dict[int, Wanted] | None:
        if len(node.args) != 1 or any(word.arg not in _CONCAT_WORDS for word in node.keywords):
            return None
        given = [one for one, role in self._traced.sources(call) if role is Role.ARGUMENT][:1]
        members = self._traced.sources(self._rowwise.bound(given[0])) if given else []
        if any(role is not Role.MEMBER for _, role in members):
            return None
        parts: list[tuple[int, Label]] = []
        for number, _ in members:
            held = self._labels(number)
            if held is None:
                return None
            parts += ((number, label) for label in held.all)
        positions = self._positions(call, wanted, len(parts))
        if positions is None:
            return None
        found: dict[int, Wanted] = {}
        for some in positions:
            were = {parts[at] for at in some}
            for number, label in were:
                exact = wanted.exact and (wanted.found is None or len(were) == 1)
                _add(found, number, Wanted(frozenset([label]), exact))
        return found

    # -- where rows are --------------------------------------------------------------------------------------

    def _labels(self, number: int) -> Labels | None:
        found = self._rowwise.shaped(number)
        return found[1] if found is not None else None

    def _positions(self, call: int, wanted: Wanted, length: int) -> Collection[Collection[int]] | None:
        """For each label that is wanted of what a call gave, where it is; None where that is not known."""
        held = self._labels(call)
        if wanted.found is None:
            return [range(length)] if held is None or held.length == length else None
        if held is None or held.length != length:
            return None
        chosen = as_set(wanted.found)
        if held.are_unique:
            return [[held.places[label]] for label in chosen if label in held.places]
        found: dict[Label, list[int]] = {}
        for at, label in enumerate(held.all):
            if label in chosen:
                found.setdefault(label, []).append(at)
        return found.values()


def _texts(node: ast.Call) -> set[str]:
    """The texts that a call is given, as it is written."""
    given = (part for one in (*node.args, *node.keywords) for part in ast.walk(one))
    return {one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _add(found: dict[int, Wanted], number: int, wanted: Wanted) -> None:
    found[number] = either(found[number], wanted) if number in found else wanted
