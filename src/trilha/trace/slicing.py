"""Slices: what a value came from, and what came of it.

A backward slice follows the sources of evaluations (dynamic slicing: Korel and Laski, "Dynamic program
slicing", 1988). An access leads to the element that it gave, not to the other members of its collection; what
looked at a data structure as a whole (`sum(l)`) leads to what was in it then, to any depth. A call of a
function whose text is traced leads to what it returned. What decided (the guards), and which collection and
key an element was found by, are followed on request.
"""

from __future__ import annotations

import ast
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from trilha.trace.contents import Contents, Touched
from trilha.trace.evaluations import Change, Component, How, Kind, Role
from trilha.trace.leading import Leading
from trilha.trace.reaching import Reaching
from trilha.trace.traced import Traced

__all__ = ["Link", "Slice", "backward", "forward"]

_PLACES = frozenset((Role.COLLECTION, Role.KEY, Role.ITERABLE))
"""How an element was found; not what it is made of."""
_FOUND_IN = frozenset((Role.COLLECTION, Role.ITERABLE))
"""In what an access found its element."""
_COPIED = frozenset((Role.COLLECTION, Role.ARGUMENT, Role.OPERAND))
"""Of what a copy, slice or sum has its members."""
_WENT_THROUGH = _FOUND_IN | _COPIED
"""What an iterator (`zip`), which has no identity, goes through."""
_DECIDING = frozenset((Role.GUARD, Role.CONTROL))
_LOOKS = frozenset((Role.OPERAND, Role.ARGUMENT, Role.COLLECTION, Role.KEY, Role.ITERABLE, *_DECIDING))
"""As what a data structure goes in whole, with what is in it then; otherwise it is only handed on."""


_TAKING = (How.REMOVE, How.DELETE)


class Link(NamedTuple):
    """An evaluation and one that it came from."""

    evaluation: int
    source: int
    role: Role


class Slice:
    """Evaluations that belong to an answer.

    Attributes:
        traced: the trace.
        start: the evaluations that were asked about.
        evaluations: all that belong to it, the start included, in the order in which they happened.
    """

    def __init__(self, traced: Traced, start: tuple[int, ...], *, places: bool, guards: bool) -> None:
        self.traced = traced
        self.start = start
        self.evaluations = array("I")
        self._places, self._guards = places, guards
        self._marks = bytearray(traced.end)
        self._puts: set[int] = set()
        self._contents = Contents(traced)
        self._reaching = Reaching(self._contents)
        self._recorded = Leading(traced)
        self._held: dict[int, list[Change]] = {}
        self._moved: dict[int, list[Change]] = {}
        self._came: set[Change] = set()
        """Going forward: changes that came of it and were seen. Who saw which is found out on request."""
        self._is_forward = False
        self._begun = set(start)
        self._calls_met: set[int] = set()
        self._looking = 0, False
        self._putting_keys: dict[int, str] = {}
        self._identities: dict[int, bool] = {}
        self._choosing: dict[int, list[tuple[int, Role]]] = {}
        self._objects: set[int] = set()
        for number in start:
            self._marks[number] = 1

    def __contains__(self, number: int) -> bool:
        return bool(self._marks[number])

    @property
    def links(self) -> Iterator[Link]:
        """The links between them."""
        for number in self.evaluations:
            if number not in self._puts:
                for source, role in self._followed(number):
                    if self._marks[source]:
                        yield from self._links(number, source, role)
                for led in self._recorded.led_to(number):
                    yield Link(number, led, Role.LED)
                for change in self._moves_seen(number):
                    yield Link(number, change.by, Role.KEY)
                for change in self._changes_seen(number):
                    at, role = number, Role.MEMBER
                    if _is_put(change):
                        for put in self._putting(change.thing, change.member, change.by):
                            yield Link(at, put, role)
                            at = put
                        if self._marks[change.member or 0]:
                            yield Link(at, change.member or 0, Role.ARGUMENT)
                    else:
                        yield Link(at, change.by, role)
                    for key in self._keys_seen(number, change):
                        if self._marks[key]:
                            yield Link(change.by if key != change.by else number, key, Role.KEY)

    def behind(self, number: int) -> Iterator[int]:
        """What an evaluation of it came from otherwise than by its sources.

        That is what was put into a data structure that it looked at, and calls that may have led to it.
        """
        yield from self._recorded.led_to(number)
        yield from (change.by for change in self._moves_seen(number))
        for change in self._changes_seen(number):
            came = change.member or 0 if _is_put(change) else change.by
            if self._marks[came]:
                yield came
            yield from self._keys_seen(number, change)

    def lines(self) -> dict[tuple[str, int], int]:
        """How many evaluations of the slice each line has, by file and number; in the text's order."""
        found: dict[tuple[str, int], int] = {}
        for number, count in Counter(map(self.traced.component_number, self.evaluations)).items():
            component = self.traced.components[number]
            if component.kind is Kind.NAME:
                continue  # A built-in name has its evaluation where it is met first, wherever it is used.
            place = component.file, component.line
            found[place] = found.get(place, 0) + count
        return dict(sorted(found.items(), key=lambda one: (self._order(one[0][0]), one[0])))

    def _order(self, file: str) -> int:
        """Where a file comes among others: texts that share their names in the order in which they ran."""
        return [*self.traced.spaces].index(file) if file in self.traced.spaces else -1

    def inputs(self) -> list[int]:
        """The evaluations of it that came from nothing traced: literals, builtins, results of libraries."""
        behind = bytearray(len(self._marks))
        for link in self.links:
            behind[link.evaluation] = 1
        return [number for number in self.evaluations if not behind[number]]

    def _add(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._marks[number] = 1
            self._begun.add(number)

    def _add_contents(self, until: int | None) -> None:
        """Add what was in the data structures that were asked about."""
        checkpoint = 2**62 if until is None else until
        for number in self.start:
            for change in self._contents.at(self.traced.thing(number), checkpoint):
                self._add_change(number, change)

    def _go_back(self) -> None:
        """Add all that the start came from."""
        marks, puts = self._marks, self._puts
        at = len(marks)
        while (at := marks.rfind(1, 0, at)) >= 0:
            self.evaluations.append(at)
            for source, role in self._decided(at) if at in puts else self._followed(at):
                self._mark_source(at, source, role)
            if self._guards:
                self._mark_calls(at)
            for led in self._recorded.led_to(at) if at not in puts else ():
                self._mark(led)
        self.evaluations.reverse()

    def _go_forward(self) -> None:
        """Add all that came of the start."""
        marks, traced = self._marks, self.traced
        self._is_forward = True
        touched = Touched(traced)
        watched = touched.watched
        for number in self._begun:
            self._touch(touched, number)
        for number in traced.consumers(min(self._begun, default=traced.end), marks, watched):
            if self._comes_of(number):
                self._puts.discard(number)
                marks[number] = 1
                self._touch(touched, number)
            elif any(marks[key] for key in traced.kept_keys(number)):
                touched.add(number)  # Who looks at the whole of the dict sees the key.
        at = -1
        while (at := marks.find(1, at + 1)) >= 0:
            self.evaluations.append(at)

    def _touch(self, touched: Touched, number: int) -> None:
        """An evaluation belongs to it: what has its value in it may, and what it may have led to."""
        touched.add(number)
        for later in self._recorded.leads_to(number):
            for source, _ in self.traced.sources(later):
                touched.watched[source] = 1
        for made in self._recorded.classes_of(number):
            if not self._marks[made]:
                self._mark(made)  # It has no sources by which it would be found.
                self._touch(touched, made)
        for one in self._recorded.objects_of(number):
            if one not in self._objects:
                self._objects.add(one)
                for given in self._recorded.with_object(one):
                    touched.watched[given] = 1

    def _changes_seen(self, number: int) -> Iterable[Change]:
        """The changes that belong to it, and that an evaluation of it saw in a data structure."""
        if not self._is_forward:
            yield from self._held.get(number, ())
            return
        for source, role in self._followed(number):
            if self._looks(number, source, role):
                yield from (one for one in self._contents.all(number, source) if one in self._came)

    def _moves_seen(self, number: int) -> Iterable[Change]:
        """The changes that belong to it, and moved what an evaluation of it found by a position."""
        if not self._is_forward or not self._places:
            yield from self._moved.get(number, ())
            return
        for source, role in self._followed(number):
            moves = self._contents.moves(number, source) if role is Role.COLLECTION else None
            yield from (one for one in (moves.all(number) if moves else ()) if self._marks[one.by])

    def _comes_of(self, number: int) -> bool:
        """Whether an evaluation comes of marked ones; marks what put them where it found them."""
        found = any(self._marks[one] for one in self._recorded.led_to(number))
        for source, role in self._followed(number):
            if self._marks[source]:
                found = True
                if role is Role.ELEMENT:
                    self._add_put(number, source)
            if role is Role.COLLECTION and self._places:
                moves = self._contents.moves(number, source)
                if moves is not None and self._reaching.seen_in(moves, number, self._was_moved)[0]:
                    found = True
            if self._looks(number, source, role) and (thing := self.traced.thing(source)):
                keys = self._sees_keys(number)
                came, new = self._reaching.seen(number, thing, source, self._has_come(number), keys=keys)
                found = found or came
                assigned = self._contents.is_assigned(number, source)
                for change in new:
                    self._came.add(change)
                    self._mark_change(number, change, assigned=assigned)
        return found

    def _was_moved(self, change: Change) -> bool:
        return bool(self._marks[change.by])

    def _has_come(self, looking: int) -> Callable[[Change], bool]:
        """Tells whether a change that an evaluation saw came of marked ones."""

        def has_come(change: Change) -> bool:
            came = {change.by, change.member or 0} - self._puts
            came.update(self._keys_seen(looking, change))
            return any(self._marks[one] for one in came)

        return has_come

    def _followed(self, number: int) -> list[tuple[int, Role]]:
        """The sources of an evaluation that a slice goes along."""
        sources = self.traced.sources(number)
        roles = {role for _, role in sources}
        left = set() if self._guards else set(_DECIDING)
        if not self._places:
            kind = self.traced.component(number).kind
            # Where it is not known which element it was, it may be any: the collection is the source.
            if Role.ELEMENT in roles or kind is Kind.PART or (kind is Kind.ACCESS and Role.VALUE in roles):
                left |= _PLACES
            elif kind is Kind.ASSIGN:
                left.add(Role.ITERABLE)  # The position of an item, which comes of counting.
            if Role.RESULT in roles:
                # What the function did with what it was given is known.
                left |= {Role.ARGUMENT, Role.COLLECTION, Role.OPERAND, Role.KEY}
        found = [(source, role) for source, role in sources if role not in left]
        if self._guards and Role.ELEMENT in roles:
            for source, role in sources:
                found += self._chosen(source) if role is Role.COLLECTION else []
        return found

    def _chosen(self, number: int) -> list[tuple[int, Role]]:
        """What decided about the members of a collection, where a comprehension chose them."""
        known, waiting = self._choosing, [number]
        while waiting:
            one = waiting[-1]
            if one in known:
                waiting.pop()
                continue
            kind, behind = self.traced.component(one).kind, list[int]()
            if kind is not Kind.DEFINITION:
                if kind is Kind.ACCESS:
                    sources = self.traced.sources(one)
                    behind = [source for source, role in sources if role is Role.COLLECTION]
                behind += [same] if (same := self.traced.is_same(one)) else []
            missing = [each for each in behind if each not in known]
            if missing:
                waiting += missing
                continue
            waiting.pop()
            # Ways that go on as one have what is at its end in common, and not each a list of their own.
            ends = [known[each] for each in behind if known[each]]
            known[one] = (
                ends[0] if len(ends) == 1 else list(dict.fromkeys(each for end in ends for each in end))
            )
            if kind is Kind.DEFINITION:
                known[one] = self._decided(one)
        return known[number]

    def _decided(self, number: int) -> list[tuple[int, Role]]:
        """What decided that an evaluation took place, if that is asked for."""
        if not self._guards:
            return []
        return [(source, role) for source, role in self.traced.sources(number) if role in _DECIDING]

    def _mark_calls(self, number: int) -> None:
        """Add what decided that the calls were made in which an evaluation took place."""
        activation = self.traced.activation_number(number)
        while activation and activation not in self._calls_met:
            self._calls_met.add(activation)
            call = self.traced.call_of(activation)
            if call is None:
                return
            for source, role in self._decided(call):
                self._mark_source(call, source, role)
            activation = self.traced.activation_number(call)

    def _mark_source(self, number: int, source: int, role: Role) -> None:
        """Add what an evaluation came from, with what it found there or looked at."""
        if role is Role.COLLECTION and self._is_named(number, source):
            self._mark_alone(source)
        else:
            self._mark(source)
        if role is Role.ELEMENT:
            self._add_put(number, source)
        elif self._looks(number, source, role):
            assigned = self._contents.is_assigned(number, source)
            for change in self._contents.more(number, source):
                self._add_change(number, change, assigned=assigned)
            moves = self._contents.moves(number, source) if self._places else None
            for change in moves.more(number) if moves is not None else ():
                self._moved.setdefault(number, []).append(change)
                self._mark(change.by)

    def _is_named(self, number: int, class_: int) -> bool:
        """Whether an access names what the body of a library's class bound: no more of that goes in."""
        bound = self._recorded.bound_for(class_)
        return bool(bound) and any(one in bound for one, _ in self.traced.sources(number))

    def _looks(self, number: int, source: int, role: Role) -> bool:
        """Whether a source goes in whole; what is called does if a library changes it (a model, say)."""
        if role is Role.FUNCTION:
            return self.traced.thing(source) in self._recorded
        return role in _LOOKS and not (role is Role.OPERAND and self._compares_identity(number))

    def _compares_identity(self, number: int) -> bool:
        """Whether an operation asks no more of its operands than which objects they are: ``a is None``."""
        place = self.traced.component_number(number)
        known = self._identities.get(place)
        if known is None:
            known = self._identities[place] = _is_identity(self.traced.components[place].text)
        return known

    def _add_change(self, looking: int, change: Change, *, assigned: bool = False) -> None:
        """What changed a thing before it was looked at."""
        self._held.setdefault(looking, []).append(change)
        self._mark_change(looking, change, assigned=assigned)

    def _mark_change(self, looking: int, change: Change, *, assigned: bool) -> None:
        """Add what changed a thing that was looked at; of a call that only put no more is followed.

        Nor is what it put, where a part was assigned in the place of that.
        """
        if not _is_put(change):
            if change.how in (How.PUT, How.INSERT) or (self._places and change.how in _TAKING):
                self._mark(change.by)
        elif not assigned:
            self._mark(change.member or 0)
            if self._places and change.how is How.INSERT:
                self._mark(change.by)
        for put in self._putting(change.thing, change.member, change.by) if _is_put(change) else (change.by,):
            self._mark_alone(put)
        for key in self._keys_seen(looking, change) if not assigned else ():
            self._mark(key)

    def _keys_seen(self, looking: int, change: Change) -> list[int]:
        """The keys that what looked at the whole of a dict saw there, where a change put something in."""
        if not self._sees_keys(looking):
            return []
        number = self.traced.component_number(change.by)
        how = self._putting_keys.get(number)
        if how is None:
            how = self._putting_keys[number] = _puts_keys(self.traced.components[number])
        if how == "first":
            return [source for source, role in self.traced.sources(change.by) if role is Role.ARGUMENT][:1]
        if how == "whole":
            return [change.by]  # What that looks at has them.
        return self.traced.kept_keys(change.by) if how == "part" else []

    def _sees_keys(self, looking: int) -> bool:
        """Whether what looks at the whole of a dict sees its keys."""
        if self._looking[0] != looking:
            one = self.traced.component(looking)
            self._looking = looking, one.kind is not Kind.ACCESS and not one.text.endswith(".values()")
        return self._looking[1]

    def _putting(self, thing: int, member: int | None, put: int | None) -> Iterator[int]:
        """A call that put a member into a thing; where it moved it (`reverse`), who put it there, too."""
        while put is not None and member is not None:
            yield put
            if any(source == member for source, _ in self.traced.sources(put)):
                return
            # A checkpoint is behind the evaluation that made it.
            put = self.traced.put_by(thing, member, put)

    def _mark(self, number: int) -> None:
        self._marks[number] = 1
        self._puts.discard(number)

    def _mark_alone(self, number: int) -> None:
        """Add an evaluation of which no more is followed, unless it belongs to the answer otherwise."""
        if not self._marks[number]:
            self._marks[number] = 1
            self._puts.add(number)

    def _add_put(self, access: int, member: int) -> None:
        """The calls by which the member that an access gave came there; no more of them is followed."""
        for put in self._came_by(access, member):
            self._mark_alone(put)

    def _links(self, number: int, source: int, role: Role) -> Iterator[Link]:
        """From an evaluation to its source; by the calls that put it there, if any did."""
        for put in self._came_by(number, source) if role is Role.ELEMENT else ():
            yield Link(number, put, role)
            number, role = put, Role.ARGUMENT
        yield Link(number, source, role)

    def _came_by(self, access: int, member: int) -> Iterator[int]:
        """The calls by which a member came where an access found it: that put it there, or copied it."""
        roles, before, found = _FOUND_IN, access, True
        while found:
            found = False
            for thing in self._held_by(access, roles):
                put = self.traced.put_by(thing, member, before)
                if put is not None:
                    yield from self._putting(thing, member, put)
                    return
                copy = self.traced.copied_by(thing, member)
                if copy is not None and copy < access:
                    yield copy
                    access, before, roles, found = copy, copy, _COPIED, True
                    break

    def _held_by(self, access: int, roles: frozenset[Role]) -> Iterator[int]:
        """The things that an access found something in, or that what it went through goes through."""
        waiting = [one for one, role in self.traced.sources(access) if role in roles]
        while waiting:
            source = waiting.pop()
            if thing := self.traced.thing(source):
                yield thing
            else:
                waiting += [one for one, role in self.traced.sources(source) if role in _WENT_THROUGH]


def _is_identity(text: str) -> bool:
    """Whether a text is a comparison by `is` or `is not` alone."""
    if " is " not in text:
        return False
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return isinstance(node, ast.Compare) and all(isinstance(one, (ast.Is, ast.IsNot)) for one in node.ops)


def _puts_keys(by: Component) -> str:
    """How what puts something into a dict tells of the key: as a part, first, or in the whole; else empty."""
    if by.kind is Kind.CALL:
        return "first" if ".setdefault(" in by.text else "whole" if ".update(" in by.text else ""
    return "part" if by.kind is Kind.PART else ""


def _is_put(change: Change) -> bool:
    """Whether a change put something in that another evaluation gave."""
    return change.member is not None and change.member != change.by


def backward(
    traced: Traced,
    start: Iterable[int],
    *,
    places: bool = False,
    guards: bool = False,
    until: int | None = 0,
    also: Iterable[int] = (),
) -> Slice:
    """What values came from.

    Args:
        traced: the trace.
        start: evaluations of the values.
        places: follow the collection and the key by which an element was found, too.
        guards: follow the conditions under which an evaluation took place, too.
        until: what was in them at this checkpoint, too; None for the end, 0 for nothing.
        also: evaluations that belong to it, too.
    """
    found = Slice(traced, tuple(start), places=places, guards=guards)
    found._add_contents(until)
    found._add(also)
    found._go_back()
    return found


def forward(
    traced: Traced,
    start: Iterable[int],
    *,
    places: bool = False,
    guards: bool = False,
    also: Iterable[int] = (),
) -> Slice:
    """What came of values: the evaluations that have one of them in their backward slice.

    Args:
        traced: the trace.
        start: evaluations of the values.
        places: what was found by them as a collection or a key, too.
        guards: what they decided about, too.
        also: evaluations that belong to it, too.
    """
    found = Slice(traced, tuple(start), places=places, guards=guards)
    found._add(also)
    found._go_forward()
    return found
