"""Key and uniqueness constraints: which statements are one, and can they be (PROV-CONSTRAINTS 22 to 29).

Each constraint says that two statements that agree in some cells agree in others. Statements are found by
hash tables over the cells in which they must agree; two that meet there are merged, cell by cell, in
`Terms`; and a statement one of whose cells became equal to something else is looked up again. A merge of two
different constants fails, and that is a violation. Each statement is looked up again only when the smaller
of two classes joins the larger, so that all takes near-linear time.

The inferences that bear on this: derivation-generation-use (11), which names generation and usage; and
influence (15), by which relations of two kinds that share an identifier share their first two arguments. The
other inferences make statements whose identifiers and times are new variables, which never fail to merge.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import combinations
from typing import Any, Final

from trilha.prov.constraints.instance import Instance
from trilha.prov.constraints.overlap import DISJOINT
from trilha.prov.constraints.rules import MENTION, RULES, Rule
from trilha.prov.constraints.terms import Reason
from trilha.prov.namespaces import Name
from trilha.prov.record import Record
from trilha.prov.terms import PLACEHOLDER, Kind

__all__ = ["IDENTIFIED", "merge"]

IDENTIFIED: Final = tuple(kind for kind in Kind if Kind.GENERATION <= kind <= Kind.INFLUENCE)
"""The relations of which an identifier is a key (23)."""

_UNIQUE: Final = {
    Kind.GENERATION: (24, 2, 3),
    Kind.INVALIDATION: (25, 2, 3),
    Kind.START: (26, 2, 4),
    Kind.END: (27, 2, 4),
}
"""The constraint, and the two cells that only one statement of the kind has alike."""

_TIMES: Final = {Kind.START: (28, 5, 2), Kind.END: (29, 5, 3)}
"""The constraint, the cell of the time, and that of the activity that must be the same."""

_SEVERAL: Final = {24: "generations", 25: "invalidations", 26: "starts", 27: "ends"}


def merge(instance: Instance) -> None:
    """Merge what must be one, and report what cannot be."""
    _Merging(instance).run()


class _Merging:
    """The tables, and what waits to be merged."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._records = instance.records
        self._terms = instance.terms
        self._ids: dict[Kind, dict[Any, int]] = {kind: {} for kind in IDENTIFIED}
        self._pairs: dict[Kind, dict[Any, int]] = {kind: {} for kind in _UNIQUE}
        self._mentions: dict[Any, int] = {}
        self._activities: dict[Any, int] = {}
        self._waiting: deque[tuple[Rule, int, int]] = deque()
        self._again: list[int] = []
        self._told_already: set[tuple[int, frozenset[Any]]] = set()

    def run(self) -> None:
        self._enter_all()
        self._derivations()
        self._times()
        self._settle()
        for index in self._shared_identifiers():
            self._look_across(index)
        self._settle()

    # ------------------------------------------------------------------------------------ filling the tables

    def _enter_all(self) -> None:
        by_kind, wait = self._instance.by_kind, self._waiting
        for kind, ids in self._ids.items():
            self._enter(RULES[23], ids, ((self._records[i][1], i) for i in by_kind[kind]))
        for kind, (rule, one, other) in _UNIQUE.items():
            keys = ((_key(self._records[i], one, other), i) for i in by_kind[kind])
            self._enter(RULES[rule], self._pairs[kind], keys)
        self._enter(MENTION, self._mentions, ((self._records[i][2], i) for i in by_kind[Kind.MENTION]))
        for i in by_kind[Kind.ACTIVITY]:
            first = self._activities.setdefault(self._records[i][1], i)
            if first != i:
                wait.append((RULES[22], first, i))

    def _enter(self, rule: Rule, table: dict[Any, int], keys: Iterable[tuple[Any, int]]) -> None:
        for key, index in keys:
            if key is not None:
                first = table.setdefault(key, index)
                if first != index:
                    self._waiting.append((rule, first, index))

    def _derivations(self) -> None:
        """Inference 11, where it names a generation or usage that does not say the same already."""
        records = self._records
        for i in self._instance.by_kind[Kind.DERIVATION]:
            _, _, generated, used, activity, generation, usage, _ = records[i]
            if activity.__class__ is not Name:
                continue
            if generation.__class__ is Name:
                self._imply(Kind.GENERATION, generation, (generated, activity), i)
            if usage.__class__ is Name:
                self._imply(Kind.USAGE, usage, (activity, used), i)

    def _imply(self, kind: Kind, name: Name, ends: tuple[Any, Any], origin: int) -> None:
        there = self._ids[kind].get(name)
        if there is not None and self._records[there][2:4] == ends:
            return
        index = self._instance.infer(Record.new((kind, name, *ends, None, ())), origin)
        self._enter(RULES[23], self._ids[kind], [(name, index)])
        if kind == Kind.GENERATION:
            self._enter(RULES[24], self._pairs[kind], [(ends, index)])

    def _times(self) -> None:
        """28 and 29, for statements that tell a time: one without a time agrees with any."""
        for kind, (rule, cell, _) in _TIMES.items():
            for i in self._instance.by_kind[kind]:
                record = self._records[i]
                if record[cell] is not None and record[cell] is not PLACEHOLDER:
                    activity = self._activities.get(record[2])
                    if activity is not None:
                        self._waiting.append((RULES[rule], activity, i))

    # ------------------------------------------------------------------------------------------------ merging

    def _settle(self) -> None:
        while self._waiting or self._again:
            while self._waiting:
                self._merge(*self._waiting.popleft())
            if self._again:
                self._look_up(self._again.pop())

    def _merge(self, rule: Rule, one: int, other: int) -> None:
        for first, second in self._cells(rule, one, other):
            mine, theirs = self._terms.cell(one, first), self._terms.cell(other, second)
            changed = self._terms.unify(mine, theirs, Reason(rule.number or 0, one, other))
            if changed is None:
                self._fail(rule, one, other, (first, second))
                return
            self._again += changed

    def _cells(self, rule: Rule, one: int, other: int) -> list[tuple[int, int]]:
        """The cells that must agree, as pairs."""
        kind = self._records[one][0]
        if rule.number in (28, 29):
            _, time, activity = _TIMES[self._records[other][0]]
            return [(activity, time)]
        if rule.number == 15:
            return [(2, 2), (3, 3)]
        first = 2 if rule is MENTION else 1
        return [(cell, cell) for cell in range(first, len(kind.arguments) + 2)]

    def _look_up(self, index: int) -> None:
        """Find what a statement must be one with, now that a cell of it is equal to something else."""
        record, find = self._records[index], self._terms.find
        kind = record[0]
        if kind in self._ids:
            identifier = find(self._terms.cell(index, 1))
            if identifier.__class__ is not int:
                self._enter(RULES[23], self._ids[kind], [(identifier, index)])
                self._look_across(index)
        if kind in _UNIQUE:
            rule, *cells = _UNIQUE[kind]
            key = tuple(find(self._terms.cell(index, cell)) for cell in cells)
            self._enter(RULES[rule], self._pairs[kind], [(key, index)])
        if kind in _TIMES:
            activity = self._activities.get(find(record[2]))
            if activity is not None:
                self._waiting.append((RULES[_TIMES[kind][0]], activity, index))
        if kind == Kind.MENTION:
            self._enter(MENTION, self._mentions, [(find(self._terms.cell(index, 2)), index)])
        if kind == Kind.ACTIVITY:
            self._enter(RULES[22], self._activities, [(find(record[1]), index)])

    def _shared_identifiers(self) -> Iterable[int]:
        """Statements whose identifier also names a relation of another kind."""
        for one, other in combinations(IDENTIFIED, 2):
            if not (one in DISJOINT and other in DISJOINT):
                for name in self._ids[one].keys() & self._ids[other].keys():
                    yield self._ids[one][name]

    def _look_across(self, index: int) -> None:
        """Inference 15: by it two relations of one identifier are one influence, and 23 merges those."""
        kind = self._records[index][0]
        identifier = self._terms.find(self._terms.cell(index, 1))
        for other, ids in self._ids.items():
            if other != kind and not (kind in DISJOINT and other in DISJOINT) and identifier in ids:
                self._waiting.append((RULES[15], *sorted((index, ids[identifier]))))  # type: ignore[arg-type]

    # ---------------------------------------------------------------------------------------------- reporting

    def _fail(self, rule: Rule, one: int, other: int, cells: tuple[int, int]) -> None:
        """Report a merge that fails, unless one of the two was already told of with the same two terms."""
        instance, find = self._instance, self._terms.find
        mine, theirs = self._terms.cell(one, cells[0]), self._terms.cell(other, cells[1])
        terms = frozenset((find(mine), find(theirs)))
        if (one, terms) in self._told_already or (other, terms) in self._told_already:
            return
        self._told_already |= {(one, terms), (other, terms)}
        what = _called(self._records[one], cells[0])
        values = f"{instance.name(mine)} and {instance.name(theirs)}"
        chain = self._keys(rule, one, other)
        chain += [*self._terms.path(mine, find(mine)), *self._terms.path(theirs, find(theirs))]
        # A unique statement has one identifier; that it has one of all else follows from that, by its key.
        last = [RULES[23]] if rule.number in _SEVERAL and what != "identifier" else []
        reasons = [self._told(reason) for reason in chain]
        reasons.append(f"{self._why(rule, one, other)}, but the {what} would be both {values}")
        reasons[-1] += f" ({last[0]})" if last else ""
        if rule.number == 15:
            last = [RULES[23]]
        rules = [*last, rule, *(RULES[reason.rule] if reason.rule else MENTION for reason in chain)]
        met = {one, other} | {index for reason in chain for index in (reason.one, reason.other)}
        instance.report(rules, self._message(rule, one, what, values), met, reasons)

    def _keys(self, rule: Rule, one: int, other: int) -> list[Reason]:
        """Why the two agree in the cells in which they met, where they do not say so themselves."""
        kind = self._records[one][0]
        cells = [1] if rule.number in (15, 22, 23) else list(_UNIQUE[kind][1:]) if kind in _UNIQUE else [2]
        if rule.number in (28, 29):
            return self._terms.path(self._terms.cell(one, 1), self._terms.cell(other, 2))
        return [
            reason
            for cell in cells
            for reason in self._terms.path(self._terms.cell(one, cell), self._terms.cell(other, cell))
        ]

    def _why(self, rule: Rule, one: int, other: int) -> str:
        told = self._instance.told
        if rule.number in (28, 29):
            return f"the time of {told(other)} is that of {told(one)} ({rule})"
        if rule.number == 15:
            return (
                f"{told(one)} and {told(other)} are influences of one identifier ({rule}), so they agree in"
                f" their first two arguments ({RULES[23]})"
            )
        return f"{told(one)} and {told(other)} are one, because {rule.title} ({rule})"

    def _told(self, reason: Reason) -> str:
        rule = RULES[reason.rule] if reason.rule else MENTION
        return self._why(rule, reason.one, reason.other)

    def _message(self, rule: Rule, one: int, what: str, values: str) -> str:
        record, name = self._records[one], self._instance.name
        if rule.number == 22:
            return f"activity {name(record[1])} has two values of its {what}: {values}"
        if rule.number in (28, 29):
            return f"activity {name(record[1])} has two times of its {what}: {values}"
        if rule.number in (15, 23):
            identifier = name(self._terms.cell(one, 1))
            return f"{identifier} names two different statements: their {what} is {values}"
        subject, several = name(self._terms.cell(one, 2)), _SEVERAL.get(rule.number or 0, "mentions")
        return f"{subject} has two {several} that must be one: their {what} is {values}"


def _key(record: Record, one: int, other: int) -> tuple[Any, Any] | None:
    """The key of a statement of which both cells are known; a variable that nothing equals meets nothing."""
    first, second = record[one], record[other]
    if first is None or second is None or first is PLACEHOLDER or second is PLACEHOLDER:
        return None
    return first, second


def _called(record: Record, cell: int) -> str:
    """What a cell is called."""
    return "identifier" if cell == 1 else record.kind.arguments[cell - 2].name
