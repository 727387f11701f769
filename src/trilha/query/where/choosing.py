"""Which runs an expression is true for.

A comparison with what a run does not know is neither true nor false, and neither is its negation (as NULL in
SQL): such runs are left out, and counted. Texts are compared without regard to case, since frameworks differ
in it (``Adam``, ``adam``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from trilha.errors import NotFound
from trilha.query.where.fields import Fields, Value
from trilha.query.where.reading import (
    Comparison,
    Constant,
    Either,
    Field,
    Negation,
    Tree,
    parse,
    pointed,
)
from trilha.store import sql

if TYPE_CHECKING:
    from trilha.store import Store

__all__ = ["Chosen", "choose"]

_Test = Callable[[int], bool | None]
_ORDERS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "=": lambda one, other: one == other,
    "<": lambda one, other: one < other,  # type: ignore[operator]
    "<=": lambda one, other: one <= other,  # type: ignore[operator]
    ">": lambda one, other: one > other,  # type: ignore[operator]
    ">=": lambda one, other: one >= other,  # type: ignore[operator]
}


class Chosen(NamedTuple):
    """The runs for which an expression is true.

    Attributes:
        runs: their keys, the newest first.
        unknown: of how many other runs it cannot be told, because they do not know something it asks for.
    """

    runs: list[int]
    unknown: int


def choose(store: Store, where: str | None, fields: Fields | None = None) -> Chosen:
    """The runs for which an expression is true; all of them without one.

    Args:
        store: to look in.
        where: the expression.
        fields: what was fetched before.

    Raises:
        UsageError: it cannot be read.
        NotFound: it names what no run of the store knows.
    """
    keys = [row[0] for row in store.connection.execute(sql.KEYS_NEWEST_FIRST)]
    if where is None:
        return Chosen(keys, 0)
    test = _Compiler(fields or Fields(store), where, bool(keys), store.folder).test(parse(where))
    chosen, unknown = [], 0
    for key in keys:
        verdict = test(key)
        if verdict:
            chosen.append(key)
        elif verdict is None:
            unknown += 1
    return Chosen(chosen, unknown)


class _Compiler:
    """Makes functions of trees."""

    def __init__(self, fields: Fields, text: str, there_are_runs: bool, folder: str) -> None:
        self._fields = fields
        self._text = text
        self._there_are_runs = there_are_runs
        self._folder = folder

    def test(self, tree: Tree) -> _Test:
        """A function that tells whether the tree is true for the run with a key; None if that is unknown."""
        if isinstance(tree, Comparison):
            return self._comparison(tree)
        if isinstance(tree, Negation):
            inner = self.test(tree.tree)

            def negation(run: int) -> bool | None:
                verdict = inner(run)
                return None if verdict is None else not verdict

            return negation
        tests = [self.test(one) for one in tree.trees]
        ends = isinstance(tree, Either)

        def together(run: int) -> bool | None:
            unknown = False
            for one in tests:
                verdict = one(run)
                if verdict is ends:
                    return ends
                unknown = unknown or verdict is None
            return None if unknown else not ends

        return together

    def _candidates(self, field: Field) -> list[dict[int, list[Value]]]:
        found = self._fields.candidates(field)
        if not found and self._there_are_runs and field.name not in self._always():
            close = self._fields.close_to(field.name)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise NotFound(
                f"no run in {self._folder} has a metric, a hyperparameter or a fact {field.name!r}.{hint}\n"
                + pointed(self._text, field.at)
            )
        return found

    @staticmethod
    def _always() -> tuple[str, ...]:
        from trilha.query.where.fields import FACTS

        return FACTS

    def _comparison(self, tree: Comparison) -> _Test:
        candidates = self._candidates(tree.field)
        if tree.order == "unknown":
            return lambda run: not any(run in one for one in candidates)
        if tree.order in ("like", "contains"):
            (value,) = tree.values
            assert isinstance(value, Constant)
            return _matching(candidates, tree.order, str(value.value))
        if tree.order == "!=":
            return _negated(self._any(candidates, "=", tree.values))
        return self._any(candidates, "=" if tree.order == "in" else tree.order, tree.values)

    def _any(
        self, candidates: list[dict[int, list[Value]]], order: str, values: Iterable[Constant | Field]
    ) -> _Test:
        tests = [
            self._with_field(candidates, order, value)
            if isinstance(value, Field)
            else _with_constant(candidates, order, value)
            for value in values
        ]
        if len(tests) == 1:
            return tests[0]

        def several(run: int) -> bool | None:
            verdicts = [test(run) for test in tests]
            return True if True in verdicts else False if False in verdicts else None

        return several

    def _with_field(self, candidates: list[dict[int, list[Value]]], order: str, field: Field) -> _Test:
        others = self._candidates(field)

        def test(run: int) -> bool | None:
            for values in (one[run] for one in others if run in one):
                for value in values:
                    verdict = _with_constant(candidates, order, Constant(value, None, field.at))(run)
                    if verdict is not None:
                        return verdict
            return None

        return test


def _negated(test: _Test) -> _Test:
    def negated(run: int) -> bool | None:
        verdict = test(run)
        return None if verdict is None else not verdict

    return negated


def _with_constant(candidates: list[dict[int, list[Value]]], order: str, constant: Constant) -> _Test:
    """Whether a candidate compares so with a constant: the first candidate that is of its kind decides."""
    wanted: Value = constant.value if constant.time is None else float(constant.time)
    compare = _ORDERS[order]
    if isinstance(wanted, (int, float)):
        same_nan = order == "=" and math.isnan(wanted)

        def number(run: int) -> bool | None:
            for one in candidates:
                values = [value for value in one.get(run, ()) if isinstance(value, (int, float))]
                if values:
                    return any(math.isnan(v) if same_nan else compare(v, wanted) for v in values)
            return None

        return number
    lower = wanted.casefold()

    def text(run: int) -> bool | None:
        for one in candidates:
            values = [value for value in one.get(run, ()) if isinstance(value, str)]
            if values:
                return any(compare(value.casefold(), lower) for value in values)
        return None

    return text


def _matching(candidates: list[dict[int, list[Value]]], order: str, text: str) -> _Test:
    """``like`` with ``%`` for anything and ``_`` for one character, as in SQL; ``contains`` a part."""
    if order == "contains":
        pattern = re.compile(re.escape(text), re.IGNORECASE)
    else:
        parts = ("[\\s\\S]*" if one == "%" else "[\\s\\S]" if one == "_" else re.escape(one) for one in text)
        pattern = re.compile("\\A" + "".join(parts) + "\\Z", re.IGNORECASE)

    def test(run: int) -> bool | None:
        for one in candidates:
            values = [value for value in one.get(run, ()) if isinstance(value, str)]
            if values:
                return any(pattern.search(value) for value in values)
        return None

    return test
