"""Versioned-PROV as plain PROV or PROV-Dictionary, and back.

Where a collection changes, each entity that refers to it gets a new version, and so does each that refers to
a collection around it, transitively; the first version is the entity itself. A version says of which entity
it is (`trilha:versionOf`) and since when (`version:checkpoint`), which is how `fold` finds them again.

What Versioned-PROV does not say cannot be unfolded: when a name ended, so that every name lives to the end.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby
from typing import Any, Final

from trilha.errors import UsageError
from trilha.prov.document import Document
from trilha.prov.namespaces import PROV, TRILHA, Name
from trilha.prov.record import Derivation, Insertion, Membership, Record, Removal, Usage
from trilha.prov.terms import Kind
from trilha.prov.values import Value
from trilha.prov.versioned.history import Change, History
from trilha.prov.versioned.terms import (
    ACCESS,
    ADD,
    CHECKPOINT,
    DEL,
    KEY,
    PUT,
    VERSION,
    VOID,
    Moment,
    checkpoint_of,
    has_type,
    key_of,
)

__all__ = ["FORMS", "fold", "unfold"]

FORMS: Final = ("plain", "dictionary")
"""What can be unfolded to."""
VERSION_OF: Final = TRILHA["versionOf"]
_EMPTY: Final = "urn:trilha:empty-dictionary"
_NOTHING: Final = "urn:trilha:nothing"
_Members = dict[str, Name]


def unfold(document: Document, form: str = "plain") -> Document:
    """A document of Versioned-PROV with an entity for each version of each collection.

    Its size, and the time, grow with changes times names times members, as the paper's section 4 has it.

    Args:
        document: without bundles, or with bundles that are left as they are.
        form: "plain", with memberships, or "dictionary", with insertions and removals.

    Raises:
        UsageError: there is no such form.
    """
    if form not in FORMS:
        raise UsageError(f"nothing can be unfolded to {form!r}: expected one of {', '.join(FORMS)}")
    return _Unfolding(document, form).made


class _Unfolding:
    def __init__(self, document: Document, form: str) -> None:
        self.history = History(document)
        self.made = Document(document.namespaces)
        self.made.namespaces.add(VERSION)
        self.made.namespaces.add(TRILHA)
        self.made.bundles.update(document.bundles)
        self._form = form
        self._types: dict[Name, list[Value]] = {}
        self._writes: dict[Name, Derivation] = {}
        self._births: dict[Name, Moment] = {}
        self._versions: dict[Name, list[Moment]] = {}
        self._own: dict[tuple[Name, Moment], list[Change]] = {}
        self._checkpoints: dict[Moment, Value] = {}
        for record in document.records:
            self._note(record)
        self._order()
        self._copy(document)
        for root in self.history.collections():
            for alias in self.history.sharing(root):
                self._state(alias, root)

    def _note(self, record: Record) -> None:
        checkpoint = checkpoint_of(record)
        if checkpoint is not None:
            self._checkpoints.setdefault(self.history.order(checkpoint), checkpoint)
        if record.kind is Kind.ENTITY and record.id is not None:
            self._types[record.id] = record.values(PROV["type"])
        if isinstance(record, Derivation):
            if record.value(ACCESS) == "w":
                self._writes[record.generated] = record
            if checkpoint is not None:
                moment = self.history.order(checkpoint)
                for name in (record.generated, record.used):
                    self._births[name] = min(moment, self._births.get(name, moment))

    def _order(self) -> None:
        """At which moments each collection changed, itself or within."""
        history = self.history
        every = [
            (change.moment[0], root) for root in history.collections() for change in history.changes(root)
        ]
        for root in history.collections():
            for change in history.changes(root):
                self._own.setdefault((root, change.moment[0]), []).append(change)
        around: dict[Name, set[Name]] = {}
        for moment, group in groupby(sorted(set(every)), key=lambda one: one[0]):
            changed = [root for _, root in group]
            for root in changed:
                self._births[root] = min(moment, self._births.get(root, moment))
                for _, member in history.members(root, self._checkpoints[moment]):
                    if history.is_collection(member):
                        around.setdefault(history.root(member), set()).add(root)
            met = set(changed)
            for root in changed:
                self._versions.setdefault(root, []).append(moment)
                for outer in sorted(around.get(root, ())):
                    if outer not in met and self._contains(outer, root, moment):
                        met.add(outer)
                        changed.append(outer)

    def _contains(self, outer: Name, inner: Name, moment: Moment) -> bool:
        found = self.history.members(outer, self._checkpoints[moment])
        return any(self.history.root(member) == inner for _, member in found)

    # -- versions --------------------------------------------------------------------------------------------

    def _since(self, alias: Name) -> list[Moment]:
        """The moments of the versions of an entity after its first one."""
        root = self.history.root(alias)
        versions = self._versions.get(root, [])
        birth = self._births.get(alias)
        return versions if birth is None else versions[bisect_right(versions, birth) :]

    def version(self, alias: Name, moment: Moment, *, before: bool = False) -> Name:
        """The version of an entity at a moment; the entity itself if it is no collection."""
        if not self.history.is_collection(alias):
            return alias
        since = self._since(alias)
        at = bisect_right(since, moment)
        if before and at and since[at - 1] == moment:
            at -= 1
        return self._named(alias, at)

    @staticmethod
    def _named(alias: Name, number: int) -> Name:
        return alias if not number else Name(f"{alias}-{number}")

    def _members(self, root: Name, moment: Moment) -> _Members:
        found = self.history.members(root, self._checkpoints[moment])
        return {f"#{member}" if key is None else key: self.version(member, moment) for key, member in found}

    def _state(self, alias: Name, root: Name) -> None:
        """State the versions of an entity."""
        birth = self._births.get(alias, (self._versions.get(root) or [(0, 0)])[0])
        before = self._members(root, birth) if birth in self._checkpoints else {}
        if self._form == "plain":
            self._had(alias, before, birth)
        else:
            self._insert(alias, Name(_EMPTY), before, birth)
        for number, moment in enumerate(self._since(alias), 1):
            entity, old = self._named(alias, number), self._named(alias, number - 1)
            checkpoint = self._checkpoints[moment]
            types = self._types.get(alias, [])
            self.made.entity(
                entity, [*((PROV["type"], t) for t in types), (VERSION_OF, alias), (CHECKPOINT, checkpoint)]
            )
            self._derive(entity, old, root, moment)
            now = self._members(root, moment)
            self._change(entity, old, before, now, moment)
            before = now

    def _derive(self, entity: Name, old: Name, root: Name, moment: Moment) -> None:
        """From the version before, and from what was put."""
        put = [change.member for change in self._own.get((root, moment), ()) if change.member is not None]
        write = next((self._writes[member] for member in put if member in self._writes), None)
        activity = None if write is None or not isinstance(write.activity, Name) else write.activity
        generation = None if activity is None else Name(f"{entity}-generation")
        causes = [old]
        for member in put:
            cause = self._writes[member].used if member in self._writes else member
            causes.append(self.version(cause, moment, before=True))
        for cause in dict.fromkeys(causes):
            if cause == entity:
                continue
            usage = None if activity is None else Name(f"{entity}-{cause.rpartition('/')[2][-40:]}-usage")
            self.made.was_derived_from(entity, cause, activity, generation, usage)

    def _had(self, entity: Name, members: _Members, moment: Moment) -> None:
        checkpoint = self._checkpoints.get(moment)
        for key, member in members.items():
            attributes: list[tuple[str, Any]] = [] if key.startswith("#") else [(KEY, key)]
            self.made.had_member(entity, member, [*attributes, (CHECKPOINT, checkpoint)])

    def _insert(self, entity: Name, old: Name, members: _Members, moment: Moment) -> None:
        if old == _EMPTY and not self.made.get(old):
            self.made.entity(old, {"prov:type": PROV["EmptyDictionary"]})
        known = self._checkpoints.get(moment)
        attributes: dict[str, Any] | None = None if known is None else {CHECKPOINT: known}
        self.made.derived_by_insertion_from(entity, old, members, attributes)

    def _change(self, entity: Name, old: Name, before: _Members, now: _Members, moment: Moment) -> None:
        if self._form == "plain":
            self._had(entity, now, moment)
            return
        put = {key: member for key, member in now.items() if before.get(key) != member}
        gone = [key for key in before if key not in now]
        if gone and put:
            self._insert(entity, Name(_EMPTY), now, moment)
        elif gone:
            checkpoint: dict[str, Any] = {CHECKPOINT: self._checkpoints[moment]}
            self.made.derived_by_removal_from(entity, old, gone, checkpoint)
        else:
            self._insert(entity, old, put, moment)

    def _copy(self, document: Document) -> None:
        """What is no change stays; what is used at a checkpoint, is used in that version."""
        for record in document.records:
            if record.id in self.history.voids and record.kind is Kind.ENTITY:
                continue
            if isinstance(record, Membership) and any(has_type(record, one) for one in (PUT, ADD, DEL)):
                continue
            self.made.add(self._versioned(record))

    def _versioned(self, record: Record) -> Record:
        checkpoint = checkpoint_of(record)
        if checkpoint is None:
            return record
        moment = self.history.order(checkpoint)
        if isinstance(record, Usage) and isinstance(record.entity, Name):
            return record.replace(entity=self.version(record.entity, moment))
        if isinstance(record, Derivation):
            return record.replace(used=self.version(record.used, moment))
        return record


def fold(document: Document) -> Document:
    """A document that `unfold` made, as Versioned-PROV again.

    Its history answers as that of the first one does; insertions and removals in the middle of a list become
    puts of all that moved.
    """
    return _Folding(document).made


class _Folding:
    def __init__(self, document: Document) -> None:
        self.made = Document(document.namespaces)
        self.made.bundles.update(document.bundles)
        self._of: dict[Name, Name] = {}
        self._checkpoints: dict[Name, Value] = {}
        self._members: dict[Name, _Members] = {}
        for record in document.records:
            self._note(record)
        for record in document.records:
            self._copy(record)
        history = History(self.made)
        versions: dict[Name, list[Name]] = {}
        for version, base in self._of.items():
            versions.setdefault(base, []).append(version)
        for base in dict.fromkeys([*self._members, *versions]):
            if base not in self._of and base != _EMPTY and history.root(base) == base:
                some = sorted(versions.get(base, []), key=lambda one: history.order(self._checkpoints[one]))
                self._put(base, [base, *some])

    def _note(self, record: Record) -> None:
        checkpoint = checkpoint_of(record)
        if record.kind is Kind.ENTITY and record.id is not None:
            base = record.value(VERSION_OF)
            if isinstance(base, Name) and checkpoint is not None:
                self._of[record.id] = base
                self._checkpoints[record.id] = checkpoint
        elif isinstance(record, Membership):
            key = key_of(record)
            self._members.setdefault(record.collection, {})[key or f"#{record.entity}"] = record.entity
            if checkpoint is not None:
                self._checkpoints.setdefault(record.collection, checkpoint)
        elif isinstance(record, Insertion | Removal):
            before = dict(self._members.get(record.before, {}))
            if isinstance(record, Insertion):
                before.update({str(key): member for key, member in record.pairs})
            else:
                for gone in record.keys:
                    before.pop(str(gone), None)
            self._members[record.after] = before
            if checkpoint is not None:
                self._checkpoints.setdefault(record.after, checkpoint)

    def _base(self, name: Name) -> Name:
        return self._of.get(name, name)

    def _copy(self, record: Record) -> None:
        if isinstance(record, Membership | Insertion | Removal) or record.id in (_EMPTY, *self._of):
            return
        if isinstance(record, Derivation):
            if record.generated in self._of:
                return
            record = record.replace(used=self._base(record.used))
        elif isinstance(record, Usage) and isinstance(record.entity, Name):
            record = record.replace(entity=self._base(record.entity))
        self.made.add(record)

    def _put(self, base: Name, versions: list[Name]) -> None:
        """What was put and what was taken out, from version to version."""
        before: _Members = {}
        for version in versions:
            found = self._members.get(version)
            checkpoint = self._checkpoints.get(version)
            if checkpoint is None:
                continue
            now = {self._key(key): self._base(member) for key, member in (found or {}).items()}
            for key, member in now.items():
                if before.get(key) != member:
                    self._change(base, member, PUT, key, checkpoint)
            for key, member in before.items():
                if key not in now:
                    keyless = key.startswith("#")
                    self._change(
                        base, member if keyless else self._void(), DEL if keyless else PUT, key, checkpoint
                    )
            before = now

    def _key(self, key: str) -> str:
        return f"#{self._base(Name(key[1:]))}" if key.startswith("#") else key

    def _change(self, base: Name, member: Name, type_: Name, key: str, checkpoint: Value) -> None:
        attributes: dict[str, Any] = {"prov:type": type_, CHECKPOINT: checkpoint}
        if not key.startswith("#"):
            attributes[KEY] = key
        self.made.had_member(base, member, attributes)

    def _void(self) -> Name:
        if not self.made.get(Name(_NOTHING)):
            self.made.entity(Name(_NOTHING), {"prov:type": VOID})
        return Name(_NOTHING)
