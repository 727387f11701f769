"""Questions to a document of Versioned-PROV as it is: what was in a collection at a checkpoint, and why.

An index is made once, in O(n log n) of its statements. Afterwards a member is found in logarithmic time.
Members are of the root of an entity: where its references lead.

Source: section 3.1 of the paper for the meaning; the efficient query is what its section 6 leaves to do.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trilha.errors import NotFound
from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import Name
from trilha.prov.record import Derivation, Membership
from trilha.prov.terms import Kind
from trilha.prov.values import Value
from trilha.prov.versioned import sequence
from trilha.prov.versioned.sequence import Tree
from trilha.prov.versioned.terms import (
    ACCESS,
    ADD,
    CHECKPOINT,
    COLLECTION,
    DEL,
    PUT,
    REFERENCE,
    VOID,
    Moment,
    Order,
    checkpoint_of,
    has_type,
    key_of,
    name_of,
)

__all__ = ["Change", "Element", "History"]

_Stamp = tuple[Moment, int]
_LAST = 1 << 62
_EVER: _Stamp = (-(1 << 30), ""), 0


class Change(NamedTuple):
    """A statement that changes a collection.

    Attributes:
        moment: of its checkpoint, and its place in the document.
        type: `PUT`, `ADD` or `DEL`.
        key: where; None for none.
        member: that is put; None for what takes out.
        gone: the member that a Del without key takes out; None for all of them.
        checkpoint: as it stands there.
        place: of the statement in the document.
    """

    moment: _Stamp
    type: Name
    key: str | None
    member: Name | None
    gone: Name | None
    checkpoint: Value
    place: int


class Element(NamedTuple):
    """A part of a collection, at a checkpoint.

    Attributes:
        collection: the root of the collection that was read.
        key: of the part.
        checkpoint: when it was read; None if it is not said.
        entity: the access that read it.
        member: that it read.
    """

    collection: Name
    key: str
    checkpoint: Value | None
    entity: Name
    member: Name


class _Timeline:
    """The members of one root, at all times.

    A put without a key says nothing of where, in what has keys otherwise: under which keys its members are
    that were put before is not known any more from there on.
    """

    def __init__(self, changes: list[Change]) -> None:
        self.changes = sorted(changes)
        self.by_key: dict[str, tuple[list[_Stamp], list[Name | None]]] = {}
        self.clears: list[_Stamp] = []
        self.displacing: list[_Stamp] = []
        self.stamps: list[_Stamp] = []
        self.trees: list[Tree | None] = []
        self.out_of_range: list[Change] = []
        tree: Tree | None = None
        ordered = any(change.type == ADD or (change.type == DEL and change.key) for change in changes)
        for change in self.changes:
            at = _position(change.key) if ordered else None
            if change.type == PUT and change.key is None:
                self.displacing.append(change.moment)
            if change.type == DEL and change.key is None:
                tree = self._cleared(change, tree)
            elif at is None:
                self._keyed(change)
            else:
                tree = self._moved(change, at, tree)
                self.stamps.append(change.moment)
                self.trees.append(tree)

    def _cleared(self, change: Change, tree: Tree | None) -> Tree | None:
        if change.gone is None:
            self.clears.append(change.moment)
            self.stamps.append(change.moment)
            self.trees.append(None)
            return None
        self._keep(f"#{change.gone}", change.moment, None)
        return tree

    def _keyed(self, change: Change) -> None:
        key = change.key if change.key is not None else f"#{change.member}"
        self._keep(key, change.moment, change.member)

    def _keep(self, key: str, moment: _Stamp, member: Name | None) -> None:
        stamps, members = self.by_key.setdefault(key, ([], []))
        stamps.append(moment)
        members.append(member)

    def _moved(self, change: Change, at: int, tree: Tree | None) -> Tree | None:
        size = sequence.length(tree)
        if change.type == ADD or (change.type == PUT and at == size):
            if change.member is None or at > size:
                self.out_of_range.append(change)
                return tree
            return sequence.insert(tree, at, (change.member, change.moment))
        if at >= size:
            self.out_of_range.append(change)
            return tree
        if change.type == DEL or change.member is None:
            return sequence.remove(tree, at)
        return sequence.replace(tree, at, (change.member, change.moment))

    def _tree(self, when: _Stamp) -> Tree | None:
        at = bisect_right(self.stamps, when)
        return self.trees[at - 1] if at else None

    def member(self, key: str, when: _Stamp) -> Name | None:
        """The member under a key, in logarithmic time; None if there is none, or if it is not known."""
        at = _position(key)
        if self.stamps and at is not None and (found := sequence.member_at(self._tree(when), at)):
            member: Name = found[0]
            return None if found[1] < self._displaced(when) else member
        known = self._at(key, when)
        return None if known is None or known[1] < self._displaced(when) else known[0]

    def _at(self, key: str, when: _Stamp) -> tuple[Name, _Stamp] | None:
        """What was put under a key last, and when."""
        stamps, members = self.by_key.get(key, ([], []))
        at = bisect_right(stamps, when)
        member = members[at - 1] if at else None
        if member is None:
            return None
        clear = bisect_right(self.clears, when)
        if clear and self.clears[clear - 1] > stamps[at - 1]:
            return None
        return member, stamps[at - 1]

    def _displaced(self, when: _Stamp) -> _Stamp:
        """From when on it is known where members are."""
        at = bisect_right(self.displacing, when)
        return self.displacing[at - 1] if at else _EVER

    def members(self, when: _Stamp) -> list[tuple[str | None, Name]]:
        """All members, those with positions first; those of which it is not known where without a key."""
        displaced = self._displaced(when)
        found: list[tuple[str | None, Name]] = [
            (None if put < displaced else str(at), member)
            for at, (member, put) in enumerate(sequence.members(self._tree(when)))
        ]
        for key in self.by_key:
            known = self._at(key, when)
            if known is not None:
                member, put = known
                found.append((None if key == f"#{member}" or put < displaced else key, member))
        return found


def _position(key: str | None) -> int | None:
    return int(key) if key is not None and key.isascii() and key.isdecimal() else None


class History:
    """An index over a document, or bundle, of Versioned-PROV.

    Args:
        document: as it is now; later statements are not seen.
    """

    def __init__(self, document: Document | Bundle) -> None:
        self.document = document
        values = [v for record in document.records if (v := record.value(CHECKPOINT)) is not None]
        self.order = Order(values)
        self.voids = {
            record.id for record in document.records if record.kind is Kind.ENTITY and has_type(record, VOID)
        }
        self.references: dict[Name, Name] = {}
        self.derivations: dict[Name, list[Derivation]] = {}
        self._born: dict[Name, _Stamp] = {}
        self._roots: dict[Name, Name] = {}
        self._aliases: dict[Name, list[Name]] | None = None
        self._timelines: dict[Name, _Timeline] = {}
        changes: dict[Name, list[Change]] = {}
        for index, record in enumerate(document.records):
            if isinstance(record, Derivation):
                self._derived(record, index)
            elif isinstance(record, Membership):
                change = self._change(record, index)
                if change is not None:
                    changes.setdefault(record.collection, []).append(change)
        of_root: dict[Name, list[Change]] = {}
        for name, some in changes.items():
            of_root.setdefault(self.root(name), []).extend(some)
        self._timelines = {name: _Timeline(some) for name, some in of_root.items()}

    def _derived(self, record: Derivation, index: int) -> None:
        self.derivations.setdefault(record.generated, []).append(record)
        if has_type(record, REFERENCE):
            self.references.setdefault(record.generated, record.used)
            checkpoint = checkpoint_of(record)
            if checkpoint is not None:
                self._born[record.generated] = self.order(checkpoint), index

    def _change(self, record: Membership, index: int) -> Change | None:
        type_ = next((one for one in (PUT, ADD, DEL) if has_type(record, one)), None)
        checkpoint = checkpoint_of(record)
        if type_ is None or checkpoint is None:
            return None
        void = record.entity in self.voids
        gone = None if void or type_ != DEL else record.entity
        member = None if void or type_ == DEL else record.entity
        moment = self.order(checkpoint), index
        return Change(moment, type_, key_of(record), member, gone, checkpoint, index)

    def _when(self, checkpoint: Value | None) -> _Stamp:
        return ((1 << 30, ""), 0) if checkpoint is None else (self.order(checkpoint), _LAST)

    # -- questions -------------------------------------------------------------------------------------------

    def name(self, entity: str) -> Name:
        """An entity's name.

        Raises:
            UsageError: its prefix is not declared.
        """
        return self.document.namespaces.resolve(entity)

    def root(self, entity: str) -> Name:
        """Where the references of an entity lead: what was made once, and is shared."""
        name = self.name(entity)
        path: list[Name] = []
        met: set[Name] = set()
        while name not in self._roots:
            path.append(name)
            met.add(name)
            before = self.references.get(name)
            if before is None or before in met:
                break
            name = before
        root = self._roots.get(name, name)
        for one in path:
            self._roots[one] = root
        return root

    def sharing(self, entity: str) -> list[Name]:
        """All entities that refer to what this one refers to, itself and the root too."""
        if self._aliases is None:
            self._aliases = {}
            for name in self.references:
                self._aliases.setdefault(self.root(name), []).append(name)
        root = self.root(entity)
        return [root, *(one for one in self._aliases.get(root, ()) if one != root)]

    def is_collection(self, entity: str) -> bool:
        """Whether it ever had members."""
        return self.root(entity) in self._timelines

    def collections(self) -> list[Name]:
        """The roots that ever had members."""
        return list(self._timelines)

    def changes(self, entity: str) -> list[Change]:
        """The changes of a collection, in their order."""
        timeline = self._timelines.get(self.root(entity))
        return [] if timeline is None else list(timeline.changes)

    def out_of_range(self) -> Iterator[tuple[Name, Change]]:
        """Changes at positions that are not there."""
        for name, timeline in self._timelines.items():
            yield from ((name, change) for change in timeline.out_of_range)

    def member(self, entity: str, key: str, checkpoint: Value | None = None) -> Name | None:
        """The member of a collection under a key at a checkpoint: of m changes in O(log m).

        Args:
            entity: the collection, or any that refers to it.
            key: as text.
            checkpoint: until when changes count, itself included; None for the end.
        """
        timeline = self._timelines.get(self.root(entity))
        return None if timeline is None else timeline.member(str(key), self._when(checkpoint))

    def members(self, entity: str, checkpoint: Value | None = None) -> list[tuple[str | None, Name]]:
        """All members of a collection at a checkpoint, with their keys; those of a set have none."""
        timeline = self._timelines.get(self.root(entity))
        return [] if timeline is None else timeline.members(self._when(checkpoint))

    def follow(self, entity: str, keys: Iterable[str], checkpoint: Value | None = None) -> Name:
        """The member of a member of ...: ``follow("result", ["0", "2"])`` is ``result[0][2]``.

        Raises:
            NotFound: there is no member under one of the keys, or it is not known which.
        """
        name = self.name(entity)
        for key in keys:
            found = self.member(name, key, checkpoint)
            if found is None:
                when = "" if checkpoint is None else f" at the checkpoint {checkpoint}"
                raise NotFound(f"{name} has no member {key!r} that is known{when}")
            name = found
        return name

    def paths(self, entity: str, checkpoint: Value | None = None) -> dict[Name, tuple[str, ...]]:
        """The roots of all collections within a collection, and the shortest keys that lead there."""
        start = self.root(entity)
        found: dict[Name, tuple[str, ...]] = {start: ()}
        waiting = [start]
        for name in waiting:
            for key, member in self.members(name, checkpoint):
                inner = self.root(member)
                if key is not None and inner not in found and self.is_collection(inner):
                    found[inner] = (*found[name], key)
                    waiting.append(inner)
        return found

    def elements_behind(self, entity: str, *, deep: bool = False) -> list[Element]:
        """The parts of collections from which the value of an entity was made.

        References lead to where the value was made; the parts that were read to make it are given.

        Args:
            entity: whose value it is.
            deep: go on from those parts to what they were made from, down to the first ones.
        """
        found = self._behind(self.name(entity))
        if not deep:
            return found
        first: list[Element] = []
        met = {element.member for element in found}
        for element in found:
            before = self._behind(element.member)
            if not before:
                first.append(element)
            found.extend(one for one in before if one.member not in met)
            met.update(one.member for one in before)
        return first

    def _behind(self, entity: Name) -> list[Element]:
        found: dict[Name, Element] = {}
        waiting: list[tuple[Name, bool]] = [(entity, False)]
        met = set(waiting)
        for name, inside in waiting:
            for derivation in self.derivations.get(name, ()):
                element = self._element(derivation) if inside else None
                if element is not None:
                    found[element.entity] = element
                    continue
                further = derivation.used, inside or not has_type(derivation, REFERENCE)
                if further not in met:
                    met.add(further)
                    waiting.append(further)
        return list(found.values())

    def _element(self, record: Derivation) -> Element | None:
        collection = name_of(record.value(COLLECTION), self.document.namespaces)
        key = key_of(record)
        if collection is None or key is None or record.value(ACCESS) != "r":
            return None
        return Element(self.root(collection), key, checkpoint_of(record), record.generated, record.used)

    def born(self, entity: Name) -> _Stamp | None:
        """When an entity came to be, by its reference, or by its first member; None if nothing says."""
        known = self._born.get(entity)
        if known is None and (changes := self.changes(entity)):
            return changes[0].moment
        return known
