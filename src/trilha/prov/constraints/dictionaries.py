"""Dictionaries: which entity is under which key, and can that be (PROV-Dictionary).

Four inferences say what the members of a dictionary are: a member of a dictionary is a member of a
collection; what an insertion puts in is a member; and what an insertion or removal leaves alone stays one.
The first two are made, one statement for each pair. The other two would copy whole dictionaries, step by
step; instead, the dictionaries are walked from each one to those made from it, with what is known of each
key at hand: that takes time in proportion to the statements, and finds what the copies would contradict.

An insertion or removal is a derivation, too: its dictionaries are ordered by 42.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from trilha.prov.constraints.instance import Instance
from trilha.prov.constraints.rules import (
    INSERTED,
    INSERTION_KEEPS,
    ONE_ENTITY,
    ONE_ORIGIN,
    REMOVAL_KEEPS,
    REMOVED,
    RULES,
    TWO_ORIGINS,
    Rule,
)
from trilha.prov.constraints.terms import is_variable
from trilha.prov.namespaces import Name
from trilha.prov.record import Record
from trilha.prov.terms import Kind
from trilha.prov.values import value_key

__all__ = ["check_dictionaries", "infer_members"]

_TOLD: Final = 10
"""So many steps between two dictionaries are told, at most."""


class _Known(NamedTuple):
    """What is known of a key: its entity (None if it was removed), by a statement on a dictionary."""

    entity: Any
    statement: int
    dictionary: Any


def infer_members(instance: Instance) -> None:
    """Add the memberships that insertions imply."""
    for i in list(instance.by_kind[Kind.INSERTION]):
        _, _, after, _, pairs, _ = instance.records[i]
        for key, entity in pairs if after.__class__ is Name else ():
            instance.infer(Record.new((Kind.DICTIONARY_MEMBERSHIP, None, after, entity, key, ())), i)


def check_dictionaries(instance: Instance, empty: dict[Any, int]) -> None:
    """Report what contradicts itself about dictionaries.

    Args:
        instance: the statements, merged.
        empty: the entities of a type without members, each with the statement that says so.
    """
    if any(instance.by_kind[kind] for kind in (Kind.INSERTION, Kind.REMOVAL, Kind.DICTIONARY_MEMBERSHIP)):
        _Dictionaries(instance, empty).check()


class _Dictionaries:
    """The dictionaries of an instance, each with the one that it was made from."""

    def __init__(self, instance: Instance, empty: dict[Any, int]) -> None:
        self._instance = instance
        self._records = instance.records
        self._empty = empty
        self._made: dict[Any, int] = {}
        """By which insertion or removal each dictionary was made."""
        self._said: dict[Any, list[tuple[Any, _Known]]] = {}
        """What is said of the keys of each dictionary: removals first, then insertions, then the rest."""
        self._known: dict[Any, list[_Known]] = {}
        self._present = 0
        """How many keys are known to have an entity, in the dictionary at hand."""

    def check(self) -> None:
        self._identifiers()
        self._origins()
        self._gather()
        self._walk()

    # ------------------------------------------------------------------------------- insertion and removal

    def _origin_indexes(self) -> list[int]:
        by_kind = self._instance.by_kind
        return sorted(by_kind[Kind.INSERTION] + by_kind[Kind.REMOVAL])

    def _identifiers(self) -> None:
        """One identifier names one insertion or removal (23)."""
        instance, named = self._instance, dict[Any, int]()
        for i in self._origin_indexes():
            if self._records[i][1] is None:
                continue
            identifier = instance.resolved(self._records[i][1])
            first = named.setdefault(identifier, i)
            if first != i and not self._same(first, i):
                name = instance.name(identifier)
                message = f"{name} names two different statements of insertion or removal"
                reason = f"{instance.told(first)} and {instance.told(i)} are one, because {RULES[23].title}"
                instance.report([23], message, [first, i], [f"{reason} ({RULES[23]})"])

    def _origins(self) -> None:
        """A dictionary is made by one insertion, or by one removal."""
        instance = self._instance
        for i in self._origin_indexes():
            if self._records[i][2].__class__ is not Name:
                continue
            after = instance.resolved(self._records[i][2])
            first = self._made.setdefault(after, i)
            if first == i or self._same(first, i):
                continue
            name = instance.name(after)
            if self._records[first].kind is not self._records[i].kind:
                rule, message = TWO_ORIGINS, f"{name} is made by an insertion and by a removal"
            else:
                what = "insertions" if self._records[i].kind is Kind.INSERTION else "removals"
                rule, message = ONE_ORIGIN, f"{name} is made by two different {what}"
            reason = (
                f"{instance.told(first)} and {instance.told(i)} both say what {name} is made from ({rule})"
            )
            instance.report([rule], message, [first, i], [reason])

    def _same(self, one: int, other: int) -> bool:
        """Whether two insertions or removals say the same, identifier and attributes apart."""
        first, second = self._records[one], self._records[other]
        resolved = self._instance.resolved
        return (
            first.kind is second.kind
            and all(resolved(first[cell]) == resolved(second[cell]) for cell in (2, 3))
            and first.replace(id=None, after=None, before=None, flat=()).key
            == second.replace(id=None, after=None, before=None, flat=()).key
        )

    # ----------------------------------------------------------------------------------------- the members

    def _gather(self) -> None:
        """Collect what is said of each dictionary's keys."""
        instance, said = self._instance, self._said
        for i in instance.by_kind[Kind.REMOVAL]:
            _, _, after, _, keys, _ = self._records[i]
            dictionary = instance.resolved(after)
            known = _Known(None, i, dictionary)
            said.setdefault(dictionary, []).extend((value_key(key), known) for key in keys)
        members = instance.by_kind[Kind.DICTIONARY_MEMBERSHIP]
        for i in sorted(members, key=lambda i: (i not in instance.origins, i)):
            _, _, dictionary, entity, key, _ = self._records[i]
            if dictionary.__class__ is Name and entity.__class__ is Name:
                dictionary = instance.resolved(dictionary)
                known = _Known(instance.resolved(entity), i, dictionary)
                said.setdefault(dictionary, []).append((value_key(key), known))

    def _before(self, dictionary: Any) -> Any:
        """The dictionary that one was made from; None if nothing says so."""
        index = self._made.get(dictionary)
        before = None if index is None else self._records[index][3]
        return self._instance.resolved(before) if before.__class__ is Name else None

    def _walk(self) -> None:
        """Visit each dictionary after the one that it was made from, and forget what holds elsewhere."""
        made_from: dict[Any, list[Any]] = {}
        roots: dict[Any, None] = {}
        for dictionary in (*self._said, *self._made):
            before = self._before(dictionary)
            if before is None:
                roots[dictionary] = None
            elif dictionary in self._made:
                made_from.setdefault(before, []).append(dictionary)
                if before not in self._made:
                    roots[before] = None
        met: set[Any] = set()
        # What is in a circle has no root; wherever it is entered, the order of events tells of it.
        for root in (*roots, *self._made):
            waiting: list[tuple[Any, list[Any] | None, int]] = [(root, None, 0)]
            while waiting:
                dictionary, pushed, present = waiting.pop()
                if pushed is not None:
                    for key in pushed:
                        self._known[key].pop()
                    self._present = present
                elif dictionary not in met:
                    met.add(dictionary)
                    waiting.append((dictionary, *self._enter(dictionary)))
                    waiting += [(one, None, 0) for one in made_from.get(dictionary, ())]

    def _enter(self, dictionary: Any) -> tuple[list[Any], int]:
        """Take in what is said of one dictionary; the keys of it, and the number of those present before."""
        present, pushed, inferred = self._present, list[Any](), self._instance.origins
        said = self._said.get(dictionary, [])
        removals = sum(known.entity is None for _, known in said)
        for key, known in said[:removals]:
            self._push(key, known, pushed)
        if self._present and dictionary in self._empty:
            self._not_empty(dictionary)
        for key, known in said[removals:]:
            there = self._known.get(key)
            last = there[-1] if there else None
            if last is not None and (last.dictionary == dictionary or known.statement not in inferred):
                self._compare(last, known)
            if last is None or last.dictionary != dictionary:
                self._push(key, known, pushed)
        return pushed, present

    def _push(self, key: Any, known: _Known, pushed: list[Any]) -> None:
        there = self._known.setdefault(key, [])
        was = bool(there) and there[-1].entity is not None
        self._present += (known.entity is not None) - was
        there.append(known)
        pushed.append(key)

    # ------------------------------------------------------------------------------------------- reporting

    def _compare(self, last: _Known, known: _Known) -> None:
        """Report a member that is another one by what is known already."""
        instance = self._instance
        one, other = last.entity, known.entity
        name = instance.name(known.dictionary)
        under = instance.wording.value(self._records[known.statement][4])
        if one is None:
            if last.dictionary == known.dictionary:
                reasons = [
                    f"{instance.told(last.statement)} takes {under} out ({REMOVED})",
                    instance.told(known.statement),
                ]
                message = f"{name} has a member under {under}, which was removed from it"
                instance.report([REMOVED], message, [last.statement, known.statement], reasons)
            return
        if one == other or is_variable(one) or is_variable(other):
            return
        indexes, reasons, rules = self._chain(last, known.dictionary)
        reasons.append(f"{instance.told(known.statement)}, but {ONE_ENTITY.title} ({ONE_ENTITY})")
        message = f"{name} has two entities under {under}: {instance.name(one)} and {instance.name(other)}"
        instance.report([ONE_ENTITY, *rules], message, [*indexes, known.statement], reasons)

    def _not_empty(self, dictionary: Any) -> None:
        """Report an empty dictionary that keeps a member of the one that it was made from."""
        instance = self._instance
        last = next(there[-1] for there in self._known.values() if there and there[-1].entity is not None)
        indexes, reasons, rules = self._chain(last, dictionary)
        stated = self._empty[dictionary]
        reasons.append(f"{instance.told(stated)} has the type of an empty collection ({RULES[50]})")
        message = f"{instance.name(dictionary)} is an empty dictionary and has a member"
        instance.report([56, 50, *rules], message, [*indexes, stated], reasons)

    def _chain(self, last: _Known, dictionary: Any) -> tuple[list[int], list[str], list[Rule]]:
        """How what is known of a key comes to a dictionary: statements, reasons, and the rules they use."""
        instance = self._instance
        steps = list(self._steps(last.dictionary, dictionary))[::-1]
        reasons = [instance.told(last.statement)]
        rules = [INSERTED] if last.statement in instance.origins else []
        for number, step in enumerate(steps):
            if len(steps) > _TOLD and _TOLD // 2 <= number < len(steps) - _TOLD // 2:
                if number == _TOLD // 2:
                    reasons.append(f"so do {len(steps) - _TOLD} more insertions and removals after it")
                continue
            rule = INSERTION_KEEPS if self._records[step].kind is Kind.INSERTION else REMOVAL_KEEPS
            rules.append(rule)
            reasons.append(f"{instance.told(step)} keeps it ({rule})")
        shown = steps if len(steps) <= _TOLD else steps[: _TOLD // 2] + steps[-_TOLD // 2 :]
        return [last.statement, *shown], reasons, rules

    def _steps(self, first: Any, last: Any) -> Iterator[int]:
        """The insertions and removals from one dictionary to another one, backwards."""
        while last != first:
            yield self._made[last]
            last = self._before(last)
