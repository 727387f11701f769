"""A trace, to be asked: which evaluations there were, what each came from, what came of it.

The answers are read from columns in a file (`trilha.trace.indexing`) through a memory map: a question costs
what it touches, not what the trace has.
"""

from __future__ import annotations

import tempfile
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import compress
from typing import IO, Final

from trilha.errors import NotFound
from trilha.trace.columns import Columns, found_in, pairs_of
from trilha.trace.evaluations import (
    Activation,
    Change,
    Component,
    Ended,
    Evaluation,
    Gap,
    Kind,
    Known,
    Opened,
    Passed,
    Role,
    Source,
)
from trilha.trace.indexing import BLOCK, ENDS, HOWS, NOTHING, OWN_NAME, PASSINGS, ROLE, ROLES, SAME, index
from trilha.trace.labels import OTHER, Labels
from trilha.trace.renamed import under_later_names

__all__ = ["Several", "Traced"]

_MOST_SOUGHT: Final = 20
"""So many components are looked for one by one: each costs a twentieth of going through all evaluations."""

_MOST_SOUGHT_THINGS: Final = 300
"""So many things are looked for one by one: each costs going through the evaluations before it."""


class Traced:
    """The trace of one process of a run.

    Args:
        file: of columns; it may be closed afterwards.
        journal: UUID of the journal of the process.

    Attributes:
        journal: UUID of the journal of the process; empty where there is none.
        components: by number.
        texts: of the modules, by path, in the order in which they were run first.
        spaces: of those that share their names with others, the number of their namespace, by path.
        gaps: what was not traced.
        opened: the files that were, in the order in which the evaluations ended.
        forks: up to which checkpoint it happened in which process that forked this one, or one before it; its
            journal's UUID.
        forked: up to which checkpoint it happened in another process; 0 if none forked this one.
        key: what it was made of, as it was given to `trilha.trace.indexing.index`.
        end: one more than the last number of an evaluation.

    Raises:
        trilha.trace.columns.Damaged: the file is none of columns.
    """

    def __init__(self, file: IO[bytes], journal: str = "") -> None:
        self.journal = journal
        columns = self._columns = Columns(file)
        about = columns.about
        parts = [Component(*facts)._replace(kind=Kind(facts[-1])) for facts in about["components"]]
        self.components: dict[int, Component] = {one.number: one for one in parts}
        self.texts: dict[str, str] = about["modules"]
        self.spaces: dict[str, int] = about["spaces"]
        self.gaps = [Gap(*facts) for facts in about["gaps"]]
        self.opened = under_later_names(Opened(*facts) for facts in about["opened"])
        self.forks: list[tuple[int, str]] = [(at, name) for at, name in about["forks"]]
        self.forked = self.forks[-1][0] if self.forks else 0
        self.key = about["key"]
        self._evaluations: int = about["evaluations"]
        self._slots: list[tuple[int, str | None, int]] = about["slots"]
        self._slots_of: dict[int, list[int]] = {}
        for slot, (component, _, _) in enumerate(self._slots):
            if slot:
                self._slots_of.setdefault(component, []).append(slot)
        column = columns.column
        self._slot, self._begin = column("slot"), column("begin")
        self._source, self._role = column("source"), column("role")
        self._thing_at, self._thing = column("thing at"), column("thing")
        self._from, self._activation = column("activation from"), column("activation")
        self._began, self._call = column("activation began"), column("activation call")
        self._checkpoint, self._by = column("change checkpoint"), column("change by")
        self._changed, self._member = column("change thing"), column("change member")
        self._changes_of, self._puts = column("changes of"), column("puts")
        self._later = column("changes later")
        self.end = len(self._slot)
        self._copies: dict[int, dict[int, int]] = {}
        self._labels: dict[int, Labels] = {}
        self._sought, self._first = 0, array("I")

    @classmethod
    def of_log(cls, log: Iterable[bytes]) -> Traced:
        """The trace of a log, as `trilha.trace.replay.replay` reads it."""
        with tempfile.TemporaryFile() as file:
            index(log, file)
            return cls(file)

    # -- evaluations

    def __len__(self) -> int:
        return self._evaluations

    def __iter__(self) -> Iterator[int]:
        return (number for number, slot in enumerate(self._slot) if slot)

    def _slot_at(self, number: int) -> int:
        slot = self._slot[number] if 0 <= number < self.end else 0
        if not slot:
            raise NotFound(f"no evaluation {number} in this trace")
        return slot

    def is_evaluation(self, number: int) -> bool:
        """Whether a number is one of an evaluation, and not of a change or the like."""
        return 0 <= number < self.end and self._slot[number] > 0

    def component_number(self, number: int) -> int:
        """The number of the component that was evaluated."""
        return self._slots[self._slot_at(number)][0]

    def component(self, number: int) -> Component:
        """The component that was evaluated."""
        return self.components[self.component_number(number)]

    def name(self, number: int) -> str | None:
        """The name that was bound, or the key."""
        name = self._slots[self._slot_at(number)][1]
        return name if name is not None else self._text_at("key", number)

    def value(self, number: int) -> str | None:
        """The value as text; None where it was not recorded."""
        columns = self._columns
        at = found_in(columns.column("value at"), number)
        return columns.text("texts", columns.column("value")[at]) if at >= 0 else None

    @property
    def has_values(self) -> bool:
        """Whether values were recorded."""
        return len(self.columns("value at")) > 0

    def thing(self, number: int) -> int:
        """The identity of its value; 0 for none."""
        at = found_in(self._thing_at, number)
        return self._thing[at] if at >= 0 else 0

    def known(self) -> Iterator[Known]:
        """The objects that the run's record knows, in the order in which they got their entities."""
        column, text = self._columns.column, self._columns.text
        told = [column(f"known {name}") for name in ("evaluation", "thing", "entity")]
        for evaluation, thing, entity in zip(*told, strict=True):
            yield Known(evaluation, thing, text("texts", entity >> 1), bool(entity & 1))

    def passed(self) -> Iterator[Passed]:
        """What passed with tasks from and to other processes."""
        column, text = self._columns.column, self._columns.text
        for task, evaluation in zip(column("passed task"), column("passed evaluation"), strict=True):
            yield Passed(text("texts", task >> 3), evaluation, PASSINGS[task & 7])

    def sources(self, number: int) -> list[tuple[int, Role]]:
        """What it came from, and as what that went in."""
        self._slot_at(number)
        begin, end = self._begin[number], self._begin[number + 1]
        return [
            (source, ROLES[role & ROLE])
            for source, role in zip(self._source[begin:end], self._role[begin:end], strict=True)
        ]

    def comes_of_any(self, number: int, marked: bytearray) -> bool:
        """Whether a source of an evaluation is marked."""
        sources = self._source[self._begin[number] : self._begin[number + 1]]
        return any(map(marked.__getitem__, sources))

    def consumers(self, first: int, marked: bytearray, others: bytearray) -> Iterator[int]:
        """The evaluations from one on that have a source which is marked, by then, in one of these.

        What no such source reaches is passed over some thousand at a time.
        """
        sources, ends = self._columns.column("of before"), self._columns.column("of before ends")
        for at in range(first // BLOCK, len(ends)):
            begin, end = max(first, at * BLOCK), min(self.end, (at + 1) * BLOCK)
            before = sources[ends[at - 1] if at else 0 : ends[at]]
            if (
                marked.find(1, begin, end) >= 0
                or others.find(1, begin, end) >= 0
                or any(marked[one] or others[one] for one in before)
            ):
                yield from self._consumers_within(begin, end, marked, others)

    def owner(self, place: int) -> int:
        """The evaluation whose source is at a place of the column of sources."""
        return bisect_right(self._begin, place) - 1

    def _consumers_within(self, begin: int, end: int, marked: bytearray, others: bytearray) -> Iterator[int]:
        last, first = 0, self._begin[begin]
        for place, source in enumerate(self._source[first : self._begin[end]], first):
            if marked[source] or others[source]:
                number = bisect_right(self._begin, place, begin, end) - 1
                if number != last:
                    last = number
                    yield number

    def row_key(self, number: int) -> str | None:
        """The key by which an access looked for rows (`df.loc[3, "a"]`); None where it did not."""
        for place in range(self._begin[number], self._begin[number + 1]):
            role = self._role[place]
            if role & OWN_NAME and ROLES[role & ROLE] is Role.COLLECTION:
                return self._text_at("source name", place)
        return None

    def evaluation(self, number: int) -> Evaluation:
        """An evaluation as it was stated."""
        begin, end = self._begin[number], self._begin[number + 1]
        sources = []
        for place in range(begin, end):
            role = self._role[place]
            own = self._text_at("source name", place) if role & OWN_NAME else None
            sources.append(Source(self._source[place], ROLES[role & ROLE], own, bool(role & SAME)))
        return Evaluation(
            number,
            self.component_number(number),
            self.activation_number(number),
            tuple(sources),
            self.thing(number),
            self.value(number),
            self.name(number),
        )

    def _text_at(self, name: str, number: int) -> str | None:
        at = found_in(self._columns.column(f"{name} at"), number)
        return self._key(self._columns.column(name)[at]) if at >= 0 else None

    def _key(self, key: int) -> str | None:
        if key == NOTHING:
            return None
        return self._columns.text("texts", key >> 1) if key & 1 else str(key >> 1)

    def columns(self, name: str) -> memoryview[int]:
        """A column of the index, as `docs/reference/trace.md` names it."""
        return self._columns.column(name)

    def slots(self) -> Iterator[tuple[int, str | None]]:
        """Components, each with a name that it binds or None, in the order in which they were met."""
        return ((component, name) for component, name, _ in self._slots)

    def first_of_slot(self, slot: int) -> int:
        """The first evaluation of one of `slots`."""
        return next(self._columns.places("slot", slot))

    # -- activations

    @property
    def activations(self) -> range:
        """The numbers of all activations."""
        return range(1, len(self._began) + 1)

    def switches(self) -> tuple[memoryview[int], memoryview[int]]:
        """From which evaluations on which activations go on, until the next: two columns."""
        return self._from, self._activation

    def activation_number(self, number: int) -> int:
        """The number of the activation in which an evaluation took place."""
        at = bisect_right(self._from, number) - 1
        return self._activation[at] if at >= 0 else 0

    def activation(self, number: int) -> Activation:
        """The activation in which an evaluation took place."""
        return self.activation_of(self.activation_number(number))

    def activation_of(self, activation: int) -> Activation:
        """The activation with a number."""
        at, column = activation - 1, self._columns.column
        name = self._columns.text("texts", column("activation name")[at])
        caller, thread = column("activation caller")[at], column("activation thread")[at]
        return Activation(activation, name, self._call[at] or None, caller or None, self._began[at], thread)

    def ended(self, activation: int) -> Ended:
        """How an activation ended; as lost where the trace does not tell."""
        at, column = activation - 1, self._columns.column
        return Ended(activation, column("activation ended")[at], ENDS[column("activation how")[at]])

    def call_of(self, activation: int) -> int | None:
        """The evaluation of the call of an activation; None if what called it is not traced."""
        return self._call[activation - 1] or None

    def with_thing(self, thing: int) -> Iterator[int]:
        """The evaluations whose value is a thing, in their order."""
        return (self._thing_at[place] for place in self._columns.places("thing", thing))

    def first_with(self, thing: int) -> int:
        """The evaluation that gave a thing first; 0 for none."""
        self._sought += 1
        if self._sought <= _MOST_SOUGHT_THINGS:
            return next(self.with_thing(thing), 0)
        if not self._first:
            self._first = array("I", bytes(4 * (max(self._thing, default=0) + 1)))
            for place in range(len(self._thing) - 1, -1, -1):
                self._first[self._thing[place]] = self._thing_at[place]
        return self._first[thing] if thing < len(self._first) else 0

    def called_by(self, call: int) -> list[int]:
        """The activations that a call began."""
        at = found_in(self._columns.column("calling"), call)
        return [self._columns.column("called")[at]] if at >= 0 else []

    # -- things

    def advanced(self) -> Iterator[tuple[int, int]]:
        """Evaluations by which objects may have changed unseen: whose value that is, and by which."""
        return ((pair >> 32, pair & 0xFFFFFFFF) for pair in self._columns.column("advanced"))

    def is_same(self, number: int) -> int:
        """The evaluation whose very value this one's is; 0 if there is none."""
        for place in range(self._begin[number], self._begin[number + 1]):
            if self._role[place] & SAME and ROLES[self._role[place] & ROLE] is not Role.KEY:
                return self._source[place]
        return 0

    def kept_keys(self, number: int) -> list[int]:
        """The keys under which an evaluation put something into a dict, which has them in it from then on."""
        begin, end = self._begin[number], self._begin[number + 1]
        kept = SAME | ROLES.index(Role.KEY)
        return [
            self._source[place] for place in range(begin, end) if self._role[place] & (SAME | ROLE) == kept
        ]

    def change(self, place: int) -> Change:
        """A change, by its place in the order of all."""
        column = self._columns.column
        how, key = HOWS[column("change how")[place]], self._key(column("change key")[place])
        checkpoint, by = self._checkpoint[place], self._by[place]
        return Change(checkpoint, by, self._changed[place], how, key, self._member[place] or None)

    def changes_by(self, number: int) -> Iterator[Change]:
        """The changes that an evaluation made."""
        yield from self._changes_at_once(number)
        for pair in self._later[slice(*pairs_of(self._later, number))]:
            yield self.change(pair & 0xFFFFFFFF)

    def _changes_at_once(self, number: int) -> Iterator[Change]:
        for place in range(bisect_right(self._checkpoint, number), len(self._by)):
            if self._by[place] != number:
                return
            yield self.change(place)

    def changes_of(self, thing: int, before: int, since: int = -1) -> list[Change]:
        """The changes of a thing up to a checkpoint, behind another one."""
        first, last = bisect_right(self._checkpoint, since), bisect_right(self._checkpoint, before)
        begin = bisect_left(self._changes_of, thing << 32 | first)
        end = bisect_left(self._changes_of, thing << 32 | last, begin)
        return [self.change(pair & 0xFFFFFFFF) for pair in self._changes_of[begin:end]]

    def changed_between(self, begin: int, end: int, most: int) -> set[int] | None:
        """The things that changed between two checkpoints; None if that were more than `most` changes."""
        first, last = bisect_right(self._checkpoint, begin), bisect_right(self._checkpoint, end)
        return set(self._changed[first:last]) if last - first <= most else None

    def put_by(self, thing: int, member: int, before: int) -> int | None:
        """The call that last put a member into a thing; None for none, or where a statement did itself.

        Args:
            thing: that has the member.
            member: evaluation whose value it is.
            before: a checkpoint; that of the call itself is behind it.
        """
        begin, end = pairs_of(self._puts, member)
        for at in range(end - 1, begin - 1, -1):
            place = self._puts[at] & 0xFFFFFFFF
            by = self._by[place]
            if self._checkpoint[place] <= before and by < before and self._changed[place] == thing:
                return by
        return None

    def copied_by(self, thing: int, member: int) -> int | None:
        """What made a thing of the members of others, this one among them; None if nothing did."""
        known = self._copies.get(thing)
        if known is None:
            known = self._copies[thing] = dict(self._copied(thing))
        return known.get(member)

    def _copied(self, thing: int) -> Iterator[tuple[int, int]]:
        definitions = self._columns.column("definitions")
        for pair in definitions[slice(*pairs_of(definitions, thing))]:
            number = pair & 0xFFFFFFFF
            sources = self.sources(number)
            # What a display has it has itself, but by its stars.
            copies = self.component(number).kind is not Kind.DEFINITION
            if copies or any(role is Role.COLLECTION for _, role in sources):
                yield from ((source, number) for source, role in sources if role is Role.MEMBER)

    def changed_with(self, number: int) -> set[int]:
        """The things that an evaluation changed, or was put into."""
        begin, end = pairs_of(self._puts, number)
        put = {self._changed[pair & 0xFFFFFFFF] for pair in self._puts[begin:end]}
        return put | {one.thing for one in self.changes_by(number)}

    def holding(self) -> tuple[dict[int, set[int]], dict[int, list[int]]]:
        """What is in what, all over the trace.

        Returns:
            The things that each thing was ever in; the evaluations that gave each thing.
        """
        holders: dict[int, set[int]] = {}
        given: dict[int, list[int]] = {}
        for number, thing in zip(self._thing_at, self._thing, strict=True):
            given.setdefault(thing, []).append(number)
        for place, thing in enumerate(self._changed):
            if member := self._member[place]:
                holders.setdefault(self.thing(member), set()).add(thing)
        for pair in self._columns.column("definitions"):
            for source, role in self.sources(pair & 0xFFFFFFFF):
                if role is Role.MEMBER:
                    holders.setdefault(self.thing(source), set()).add(pair >> 32)
        holders.pop(0, None)
        return holders, given

    def members(self, thing: int) -> Iterator[int]:
        """The things that have ever been in a thing, itself; 0 for each member without an identity."""
        definitions = self._columns.column("definitions")
        for pair in definitions[slice(*pairs_of(definitions, thing))]:
            for source, role in self.sources(pair & 0xFFFFFFFF):
                if role is Role.MEMBER:
                    yield self.thing(source)
        for pair in self._changes_of[slice(*pairs_of(self._changes_of, thing))]:
            if member := self._member[pair & 0xFFFFFFFF]:
                yield self.thing(member)

    def has_rows(self) -> bool:
        """Whether it is known of some thing which rows of a frame it has."""
        return len(self._columns.column("rows of")) > 0

    def rows_of(self, thing: int) -> tuple[int, Labels] | None:
        """What has rows, and their labels, as a thing was met first; None if that is not known."""
        found = (one for one in self._rows_told(thing) if one[0] <= OTHER)
        return next(found, None)

    def rows_made_of(self, thing: int) -> dict[int, Labels]:
        """What the rows of a thing were made of (`OF_FIRST`, …): where each was, or in which group."""
        return {shape: labels for shape, labels in self._rows_told(thing) if shape > OTHER}

    def _rows_told(self, thing: int) -> Iterator[tuple[int, Labels]]:
        pairs = self._columns.column("rows of")
        for pair in pairs[slice(*pairs_of(pairs, thing))]:
            yield pair & 7, self._labels_of(pair >> 3 & 0x1FFFFFFF)

    def _labels_of(self, number: int) -> Labels:
        if number not in self._labels:
            column, packed = self._columns.column("labels"), self._columns.column("labels packed")
            how, length, first, step, ends = column[5 * number : 5 * number + 5]
            begins = column[5 * number - 1] if number else 0
            self._labels[number] = Labels(how, length, first, step, bytes(packed[begins:ends]))
        return self._labels[number]

    # -- names and places in the text

    def names(self) -> set[str]:
        """The names that were bound."""
        assigned = {number for number, one in self.components.items() if one.kind is Kind.ASSIGN}
        return {name for component, name, _ in self._slots if name is not None and component in assigned}

    def of_component(self, component: int) -> Several:
        """All evaluations of a component."""
        return self._several(self._slots_of.get(component, []))

    def of(self, here: Callable[[Component], bool]) -> Several:
        """The evaluations of the components that `here` chooses."""
        chosen = [number for number, one in self.components.items() if here(one)]
        return self._several([slot for number in chosen for slot in self._slots_of.get(number, [])])

    def bound(self, name: str, here: Callable[[Component], bool] = lambda _: True) -> Several:
        """The evaluations that bound a name or assigned a part.

        Args:
            name: of a variable, or the text of a part: ``a[0]``, ``self.x``.
            here: chooses among the components.
        """
        return self._several(
            [
                slot
                for number, one in self.components.items()
                for slot in self._slots_of.get(number, [])
                if (
                    (one.kind is Kind.ASSIGN and self._slots[slot][1] == name)
                    or (one.kind is Kind.PART and one.text == name)
                )
                and here(one)
            ]
        )

    def _several(self, slots: list[int]) -> Several:
        return Several(self._columns, slots, sum(self._slots[slot][2] for slot in slots))


class Several:
    """Evaluations of some components, in their order: looked for when they are asked for."""

    def __init__(self, columns: Columns, slots: list[int], count: int) -> None:
        self._columns, self._slots, self._count = columns, slots, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        if len(self._slots) > _MOST_SOUGHT:
            return self._chosen(range(len(self._columns.column("slot"))))
        return merge(*(self._columns.places("slot", slot) for slot in self._slots))

    def __reversed__(self) -> Iterator[int]:
        if len(self._slots) > _MOST_SOUGHT:
            return self._chosen(range(len(self._columns.column("slot")) - 1, -1, -1))
        backward = (self._columns.places_backward("slot", slot) for slot in self._slots)
        return merge(*backward, reverse=True)

    def _chosen(self, numbers: range) -> Iterator[int]:
        """Those of these numbers that are of the components: all are gone through once."""
        slots, column = frozenset(self._slots), self._columns.column("slot")
        return compress(numbers, map(slots.__contains__, column[:: numbers.step]))
