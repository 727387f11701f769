"""The rules of Versioned-PROV itself: what PROV-CONSTRAINTS cannot see, since it knows nothing of versions.

Source: section 3.1 and tables 1 and 2 of the paper; docs/reference/versioned.md lists the rules by name.
"""

from __future__ import annotations

from typing import NamedTuple

from trilha.prov.document import Bundle, Document
from trilha.prov.namespaces import Name
from trilha.prov.record import Derivation, Membership, Record
from trilha.prov.terms import Kind
from trilha.prov.versioned.history import History
from trilha.prov.versioned.terms import (
    ACCESS,
    ADD,
    CHECKPOINT,
    COLLECTION,
    DEL,
    KEY,
    PUT,
    REFERENCE,
    VERSION,
    Order,
    checkpoint_of,
    has_type,
    key_of,
    name_of,
)

__all__ = ["Fault", "check", "is_versioned"]


class Fault(NamedTuple):
    """A rule of Versioned-PROV that does not hold.

    Attributes:
        rule: its name.
        message: what is wrong, in one sentence.
        statements: places in `Document.records`, or in `Bundle.records`, of those at fault.
        bundle: in which it does not hold; None for the document itself.
    """

    rule: str
    message: str
    statements: tuple[int, ...]
    bundle: Name | None = None


def is_versioned(document: Document) -> bool:
    """Whether a document says anything in the words of Versioned-PROV."""
    return any(
        _speaks(record)
        for part in (document, *document.bundles.values())
        for record in part.records
        if record.kind in (Kind.DERIVATION, Kind.MEMBERSHIP, Kind.ENTITY)
    )


def _speaks(record: Record) -> bool:
    flat = record[-1]
    return any(
        flat[at].startswith(VERSION.iri)
        or (isinstance(flat[at + 1], str) and flat[at + 1].startswith((VERSION.iri, "version:")))
        for at in range(0, len(flat), 2)
    )


def check(document: Document) -> tuple[Fault, ...]:
    """Check a document, and each of its bundles on its own, against the rules of Versioned-PROV.

    Returns:
        What does not hold, in the order of the statements; empty for a document without its words.
    """
    found: list[Fault] = []
    parts: list[Document | Bundle] = [document, *document.bundles.values()]
    for part in parts:
        bundle = part.name if isinstance(part, Bundle) else None
        faults = sorted(_Checking(part).faults(), key=lambda fault: fault.statements)
        found += [fault._replace(bundle=bundle) for fault in faults]
    return tuple(found)


class _Checking:
    def __init__(self, document: Document | Bundle) -> None:
        self._document = document
        self._found: list[Fault] = []

    def _tell(self, rule: str, message: str, *places: int) -> None:
        self._found.append(Fault(rule, message, tuple(sorted(places))))

    def faults(self) -> list[Fault]:
        references: dict[Name, tuple[Name, int]] = {}
        for place, record in enumerate(self._document.records):
            if isinstance(record, Derivation):
                self._derivation(record, place, references)
            elif isinstance(record, Membership):
                self._membership(record, place)
        self._circles(references)
        self._checkpoints()
        self._collections()
        return self._found

    def _derivation(self, record: Derivation, place: int, references: dict[Name, tuple[Name, int]]) -> None:
        if has_type(record, REFERENCE):
            if checkpoint_of(record) is None:
                message = f"the reference of {record.generated} has no version:checkpoint"
                self._tell("reference-checkpoint", message, place)
            before = references.setdefault(record.generated, (record.used, place))
            if before[0] != record.used:
                both = f"{record.generated} refers to {before[0]} and to {record.used}"
                message = f"{both}: an entity has one reference"
                self._tell("one-reference", message, before[1], place)
        access, key = record.value(ACCESS), record.value(KEY)
        collection = record.value(COLLECTION)
        if access is not None and access not in ("r", "w"):
            message = (
                f"version:access of the derivation of {record.generated} is {access!r}: expected 'r' or 'w'"
            )
            self._tell("access", message, place)
        if (access is not None or key is not None) and collection is None:
            message = f"the access that gave {record.generated} names no version:collection"
            self._tell("access", message, place)
        elif collection is not None and name_of(collection, self._document.namespaces) is None:
            message = (
                f"version:collection of the derivation of {record.generated} names nothing: {collection!r}"
            )
            self._tell("access", message, place)

    def _membership(self, record: Membership, place: int) -> None:
        kinds = [one for one in (PUT, ADD, DEL) if has_type(record, one)]
        if not kinds:
            return
        what = f"the change of {record.collection}"
        if len(kinds) > 1:
            self._tell("change", f"{what} is of several types: expected one of Put, Add and Del", place)
        if checkpoint_of(record) is None:
            self._tell("change-checkpoint", f"{what} has no version:checkpoint", place)
        if kinds[0] == ADD and key_of(record) is None:
            self._tell("change", f"{what} is a version:Add without version:key: it says no position", place)

    def _circles(self, references: dict[Name, tuple[Name, int]]) -> None:
        done: set[Name] = set()
        for start in references:
            path: dict[Name, int] = {}
            name = start
            while name in references and name not in done and name not in path:
                path[name] = references[name][1]
                name = references[name][0]
            if name in path:
                self._tell("reference-circle", f"{name} refers, by references, to itself", *path.values())
            done.update(path)

    def _checkpoints(self) -> None:
        at = [
            (value, place)
            for place, record in enumerate(self._document.records)
            if (value := record.value(CHECKPOINT)) is not None
        ]
        if Order(value for value, _ in at).kinds > 1:
            first = at[0]
            other = next(place for value, place in at if Order([first[0], value]).kinds > 1)
            message = "checkpoints are of several kinds, which have no order: numbers, times or text"
            self._tell("checkpoint-order", message, first[1], other)

    def _collections(self) -> None:
        """What only shows when the changes are put in their order."""
        history = History(self._document)
        for name in history.collections():
            changes = history.changes(name)
            ordered = any(change.type == ADD or (change.type == DEL and change.key) for change in changes)
            last: dict[str | None, int] = {}
            for at, change in enumerate(changes):
                if change.key is None:
                    continue
                before = last.get(None if ordered else change.key)
                if before is not None and changes[before].moment[0] == change.moment[0]:
                    self._twice(name, changes[before].place, change.place, change.key, ordered=ordered)
                last[change.key] = at
                if ordered and change.type != PUT:
                    last[None] = at
            self._placeholders(history, name)
        for name, change in history.out_of_range():
            message = f"{name} has no position {change.key} at the checkpoint {change.checkpoint}"
            self._tell("position", message, change.place)
        for place, record in enumerate(self._document.records):
            if isinstance(record, Derivation) and {record.generated, record.used} & history.voids:
                self._tell(
                    "placeholder", "a version:VoidEntity stands for nothing: it has no derivation", place
                )

    def _twice(self, name: Name, first: int, second: int, key: str, *, ordered: bool) -> None:
        one, other = self._document.records[first], self._document.records[second]
        if one != other or ordered:
            message = f"{name} is changed twice at {key} at one checkpoint: which came last is not said"
            self._tell("monotone", message, first, second)

    def _placeholders(self, history: History, name: Name) -> None:
        for change in history.changes(name):
            if change.type == ADD and change.member is None:
                message = f"{name} is added a placeholder: expected a member"
                self._tell("placeholder", message, change.place)
            if change.type == DEL and change.key is not None and change.gone is not None:
                message = f"{name}: what a version:Del puts at {change.key} is no version:VoidEntity"
                self._tell("placeholder", message, change.place)
